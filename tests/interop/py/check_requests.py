"""PyPI http-message-signatures (RFC 9421) signs requests that a node accepts, and verifies those that a node sends.

usage: check_requests.py DEMO HEFU PID RECORDS

DEMO is the folder of the three cities, PID the process of Chongqing, in whose place this program listens at the end. The
records that Kunming serves to Chengdu are written to RECORDS, one a line.
"""

import base64
import http.client
import http.server
import json
import os
import secrets
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature
from http_message_signatures.algorithms import ED25519

from multikey import decode_multikey, encode_multikey

DEADLINE_S = 60


class Request:
    """What the library asks of a request."""

    def __init__(self, method, url, headers=(), body=b""):
        self.method, self.url, self.headers, self.body = method, url, dict(headers), body


class City:
    def __init__(self, demo, code):
        self.dir = demo / code
        self.url = tomllib.loads((self.dir / "hefu.toml").read_text("utf-8"))["url"]
        self.host = self.url.removeprefix("https://")
        self.did = "did:web:" + self.host.replace(":", "%3A")

    def request_key(self):
        return load_pem_private_key((self.dir / "keys/request.pem").read_bytes(), None)


class OwnKey(HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key


class KeyOf(HTTPSignatureKeyResolver):
    """The key that a key id names, if it is the one that is expected."""

    def __init__(self, did, key):
        self.key_id, self.key = f"{did}#{encode_multikey(key)}", key

    def resolve_public_key(self, key_id):
        assert key_id == self.key_id, key_id
        return Ed25519PublicKey.from_public_bytes(self.key)


def raw(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def signed(city, request, lifetime_s=300, **changes):
    """Signs as P-7.2 says."""
    covered = ["@method", "@target-uri"]
    if request.body:
        digest = base64.b64encode(sha256(request.body).digest()).decode()
        request.headers["Content-Digest"] = f"sha-256=:{digest}:"
        covered.append("content-digest")
    key = city.request_key()
    now = datetime.now(timezone.utc)
    arguments = {
        "key_id": f"{city.did}#{encode_multikey(raw(key))}",
        "created": now,
        "expires": now + timedelta(seconds=lifetime_s),
        "nonce": base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("="),
        "label": "hefu",
        "tag": "hefu",
        "covered_component_ids": covered,
        "use_existing_digest": bool(request.body),
    }
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=OwnKey(key))
    signer.sign(request, **{**arguments, **changes})
    return request


def send(city, request, context):
    connection = http.client.HTTPSConnection(city.host, context=context, timeout=30)
    connection.request(request.method, request.url.removeprefix(city.url), request.body or None, request.headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def expect(city, request, context, status, code=None):
    answer, body = send(city, request, context)
    assert answer.status == status, f"{request.method} {request.url}: {answer.status} {body[:300]}, not {status}"
    if code:
        assert json.loads(body)["code"] == code, body
    return answer, body


def their_node_accepts_ours(kunming, chengdu, context, agreements, out):
    """Signed by the library with Chengdu's key, sent to Kunming."""
    size = int(expect(kunming, Request("GET", kunming.url + "/checkpoint"), context, 200)[1].split(b"\n")[1])
    records = []
    for agreement in agreements:
        resource = agreement.removeprefix("urn:uuid:")
        page = f"{kunming.url}/v1/agreements/{resource}/records?from=0&until={size}"
        get = signed(chengdu, Request("GET", page))
        body = expect(kunming, get, context, 200)[1]
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(body).splitlines()
        records += [line["record"] for line in map(json.loads, lines) if "record" in line]
    assert len(records) >= 300, f"only {len(records)} records"
    Path(out).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    expect(kunming, signed(chengdu, Request("GET", page), include_alg=False), context, 200)
    expect(kunming, signed(chengdu, Request("POST", kunming.url + "/v1/hints", body=b'{"size":1}')), context, 204)

    expect(kunming, get, context, 401, "replayed")
    expect(kunming, Request("GET", page), context, 401, "unauthenticated")
    moved = signed(chengdu, Request("GET", page))
    moved.url = page.replace("from=0", "from=1")
    other = signed(chengdu, Request("POST", kunming.url + "/v1/hints", body=b'{"size":1}'))
    other.body = b'{"size":2}'
    refused = [
        moved,
        other,
        signed(chengdu, Request("GET", page), lifetime_s=301),
        signed(chengdu, Request("GET", page), tag="other"),
        signed(chengdu, Request("GET", page), covered_component_ids=["@method"]),
        signed(chengdu, Request("GET", page), covered_component_ids=["@target-uri", "@method"]),
        signed(chengdu, Request("GET", page), nonce="c2hvcnQ"),
        signed(chengdu, Request("GET", page), created=datetime.now(timezone.utc) - timedelta(seconds=600)),
    ]
    for request in refused:
        expect(kunming, request, context, 401, "unauthenticated")
    return len(agreements) + 2, 2 + len(refused), len(records)


def listen(demo, city, note):
    """Listens where the city listened: gives its checkpoint to everybody, refuses all else, keeps what was sent."""
    received = []

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            received.append(Request(self.command, city.url + self.path, self.headers.items(), body))
            known = self.path == "/checkpoint"
            self.send_response(200 if known else 503)
            self.send_header("content-length", str(len(note) if known else 0))
            self.end_headers()
            self.wfile.write(note if known else b"")

        do_POST = do_GET

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(demo / f"{city.dir.name}-tls.pem", demo / f"{city.dir.name}-tls-key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(city.host.rsplit(":", 1)[1])), Door)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return received


def we_accept_theirs(demo, hefu, kunming, chongqing, pid, context, agreement):
    """Kunming pulls, and asks for a tally: the library verifies what it sends."""
    note = expect(chongqing, Request("GET", chongqing.url + "/checkpoint"), context, 200)[1]
    os.kill(pid, 15)
    received, deadline = None, time.monotonic() + DEADLINE_S
    while received is None:
        try:
            received = listen(demo, chongqing, note)
        except OSError:
            assert time.monotonic() < deadline, "Chongqing does not stop"
            time.sleep(0.1)
    for command in (["pull"], ["tally", "show", "--agreement", agreement]):
        # Both fail: Chongqing does not answer. What they sent is what is looked at.
        subprocess.run([hefu, "--dir", kunming.dir, *command], capture_output=True, timeout=DEADLINE_S, check=False)
    sent = [request for request in received if "signature" in {name.lower() for name in request.headers}]
    methods = {request.method for request in sent}
    assert methods == {"GET", "POST"}, f"Kunming sent {methods}"

    key = KeyOf(kunming.did, raw(kunming.request_key()))
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=key)
    required = {"GET": ("@method", "@target-uri"), "POST": ("@method", "@target-uri", "content-digest")}

    def verify(request):
        body = request.body if request.method == "POST" else None
        results = verifier.verify(request, expect_tag="hefu", require_components=required[request.method], body=body)
        assert len(results) == 1

    for request in sent:
        verify(request)
        request.url += "0"
        try:
            verify(request)
        except InvalidSignature:
            continue
        raise AssertionError("a request that was changed on its way verifies")
    return len(sent)


def main(demo, hefu, pid, out):
    demo = Path(demo)
    kunming, chengdu, chongqing = (City(demo, code) for code in ("530100", "510100", "500000"))
    assert decode_multikey(encode_multikey(raw(kunming.request_key()))) == raw(kunming.request_key())
    context = ssl.create_default_context(cafile=demo / "ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    listed = subprocess.run(
        [hefu, "--json", "--dir", kunming.dir, "agreement", "list"], capture_output=True, check=True, text=True
    )
    agreements = json.loads(listed.stdout)
    ids = [agreement["id"] for agreement in agreements]
    accepted, refused, records = their_node_accepts_ours(kunming, chengdu, context, ids, out)
    of_all = next(a["id"] for a in agreements if chongqing.host in json.dumps(a))
    verified = we_accept_theirs(demo, hefu, kunming, chongqing, int(pid), context, of_all)
    print(
        f"http-message-signatures: {accepted} requests accepted by a node and {refused} refused, {records} records fetched; "
        f"{verified} requests of a node verified, and refused when changed"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
