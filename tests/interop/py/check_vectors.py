"""Recomputes the published vectors from the text of the protocol: standard library, PyPI cryptography and rfc8785 alone.

usage: check_vectors.py federation/vectors
"""

import base64
import binascii
import hmac
import json
import re
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import hpke_base
import merkle
from identifier import normalise, normalise_name
from multikey import X25519, base58_decode, base58_encode, decode_multikey, encode_multikey
from strict_json import canonical, gate, read_canonical

CONTEXTS = ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/hefu/contexts/v1.jsonld"]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text, length):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(len(data) == length and b64(data) == text, "base64url in its one spelling")
    return data


def digest(data):
    return sha256(data).hexdigest()


def mac(key, *parts):
    return hmac.digest(key, b"".join(parts), sha256)


class Wrong(Exception):
    """What a verifier refuses."""


def require(holds, what):
    if not holds:
        raise Wrong(what)


def refused(name, check, *arguments):
    """Whatever is wrong with hostile input, it is refused in one of these ways."""
    try:
        check(*arguments)
    except (Wrong, ValueError, KeyError, TypeError, IndexError, InvalidSignature, InvalidTag, binascii.Error):
        return
    raise AssertionError(f"{name}: must be refused, and is accepted")


def equal(ours, theirs, what):
    assert ours == theirs, f"{what}: {str(ours)[:200]} is not {str(theirs)[:200]}"


def signer(case):
    """The key pair of {secretKey, keyId}; seeds are hex or base64url."""
    text = case["secretKey"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text) if len(text) == 64 else unb64(text, 32))
    equal(case["keyId"].split("#")[1], encode_multikey(key.public_key().public_bytes_raw()), "key id")
    return key


def verify(multikey, signature, message):
    Ed25519PublicKey.from_public_bytes(decode_multikey(multikey)).verify(signature, message)


def check_canonical(vectors):
    for case in vectors["accepted"]:
        made = canonical(gate(case["text"].encode()))
        equal(made.decode(), case["canonical"], case["name"])
        equal(digest(made), case["sha256"], case["name"])
    for case in vectors["mustReject"]:
        refused(case["name"], gate, bytes.fromhex(case["hex"]))
    for case in vectors["notCanonical"]:
        gate(case["text"].encode())
        refused(case["name"], read_canonical, case["text"].encode())
    return sum(map(len, (vectors["accepted"], vectors["mustReject"], vectors["notCanonical"])))


def check_identifiers(vectors):
    linkage = vectors["linkage"]
    secret, label_key = unb64(linkage["secret"], 32), unb64(linkage["labelKey"], 32)
    equal(digest(b"hefu/linkage/v1\0" + secret + label_key), linkage["commitmentHex"], "linkage commitment")
    for case in vectors["subjects"]:
        normal = normalise(case["scheme"], case["id"])
        equal(normal, (case["normalisedScheme"], case["normalisedId"]), "normal form")
        reference = b64(mac(secret, b"hefu/subject/v1\0", "\x1f".join(normal).encode()))
        equal(f"urn:hefu:subject:{linkage['epoch']}:{reference}", case["reference"], "subject reference")
    for case in vectors["identityChecks"]:
        equal(normalise_name(case["name"]), case["normalisedName"], "name")
        parts = [case["normalisedName"], case["sex"], case["birthDate"]]
        made = b64(mac(secret, b"hefu/identity/v1\0", "\x1f".join(parts).encode()))
        equal(made, case["identityCheck"], "identity check")
    for case in vectors["commitments"]:
        check_commitment(unb64(case["salt"], 32), case["record"], label_key, case["commitment"], case["label"])
    forms = vectors["normalisation"]
    for case in forms["accept"]:
        equal(normalise(case["scheme"], case["id"]), (case["normalisedScheme"], case["normalisedId"]), case["why"])
    for case in forms["mustReject"]:
        refused(case["why"], normalise, case["scheme"], case["id"])
    for case in forms["same"]:
        equal(len({normalise(one["scheme"], one["id"]) for one in case}), 1, "one person")
    for case in forms["different"]:
        equal(len({normalise(one["scheme"], one["id"]) for one in case}), len(case), "as many persons as identifiers")
    for case in forms["names"]:
        equal(normalise_name(case["name"]), case["normalisedName"], "name")
    lists = [vectors[name] for name in ("subjects", "identityChecks", "commitments")]
    lists += [forms[name] for name in ("accept", "mustReject", "same", "different", "names")]
    return 1 + sum(map(len, lists))


def check_commitment(salt, record, label_key, commitment, label):
    c = sha256(b"hefu/record/v1\0" + salt + record.encode()).digest()
    equal(b64(c), commitment, "commitment")
    equal(b64(mac(label_key, b"hefu/label/v1\0", c)[:16]), label, "blind label")


def proof_hashes(document, proof):
    """Of the configuration, then of the document."""
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    return sha256(canonical(config)).digest(), sha256(canonical(unsigned)).digest()


def proof_signature(proof):
    value = proof["proofValue"]
    require(value[0] == "z", "multibase")
    signature = base58_decode(value[1:])
    require(len(signature) == 64 and "z" + base58_encode(signature) == value, "64 bytes of base58btc")
    return signature


def check_profile(proof, controller, contexts):
    """P-3.5: the closed form of a proof."""
    members = {"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
    require(isinstance(proof, dict), "one object")
    require(set(proof) == (members | {"@context"} if contexts else members), "members")
    require(proof.get("@context") == contexts, "contexts")
    require(proof["type"] == "DataIntegrityProof" and proof["cryptosuite"] == "eddsa-jcs-2022", "suite")
    require(proof["proofPurpose"] == "assertionMethod", "purpose")
    require(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", proof["created"]), "created")
    require(proof["verificationMethod"].split("#")[0] == controller, "controller")


def verify_record(data, key_id):
    document = read_canonical(data.encode())
    require(document["@context"] == CONTEXTS, "contexts")
    check_profile(document["proof"], document["issuer"], CONTEXTS)
    require(document["proof"]["verificationMethod"] == key_id, "method")
    verify(key_id.split("#")[1], proof_signature(document["proof"]), b"".join(proof_hashes(document, document["proof"])))


def check_signed(case, key, key_id, proof, document):
    hashes = proof_hashes(document, proof)
    equal(hashes[0].hex(), case["proofConfigHash"], "proof configuration")
    equal(hashes[1].hex(), case["documentHash"], "document")
    equal(key.sign(hashes[0] + hashes[1]).hex(), case["signature"], "signature")
    equal(proof_signature(proof).hex(), case["signature"], "proof value")
    equal(proof["verificationMethod"], key_id, "method")


def check_proof(vectors):
    key, key_id = signer(vectors), vectors["keyId"]
    record, detached = vectors["record"], vectors["detached"]
    signed = gate(record["signed"].encode())
    equal({k: v for k, v in signed.items() if k != "proof"}, gate(record["document"].encode()), "document")
    check_signed(record, key, key_id, signed["proof"], signed)
    verify_record(record["signed"], key_id)
    check_signed(detached, key, key_id, gate(detached["proof"].encode()), gate(detached["document"].encode()))
    for case in vectors["mustReject"]:
        refused(case["name"], verify_record, case["record"], key_id)
        document = gate(case["record"].encode())
        if case["signatureHolds"]:
            # A verifier that looks at nothing but the signature would accept these.
            hashes = b"".join(proof_hashes(document, document["proof"]))
            verify(key_id.split("#")[1], proof_signature(document["proof"]), hashes)
    return 2 + len(vectors["mustReject"])


ENTRY_MEMBERS = {
    "genesis": {"origin", "did", "keys", "recovery"},
    "agreement": {"act", "digest", "on"},
    "record": {"a", "c"},
    "amend": {"a", "c", "of"},
    "withdraw": {"a", "c", "of"},
    "key": {"act", "by", "from", "key", "recovery", "role", "sig"},
    "erase": {"by", "of", "sig"},
    "close": {"by", "sig", "successor"},
}
OPTIONAL = {"a", "on", "from", "successor"}


def read_entry(line):
    """P-4.1 to P-4.3 for the kinds of the grammar."""
    entry = read_canonical(line.encode())
    require(len(line) <= 1024 and entry["v"] == 1, "length and version")
    require(type(entry["t"]) is int and 0 <= entry["t"] <= 253402300799, "t")
    members = ENTRY_MEMBERS[entry["k"]]
    given = set(entry) - {"k", "t", "v"}
    require(given <= members and members - given <= OPTIONAL, "members")
    if "c" in entry:
        unb64(entry["c"], 32)
    if "a" in entry and entry["a"] != "public":
        unb64(entry["a"], 16)
    if "of" in entry:
        require(type(entry["of"]) is int and entry["of"] >= 0, "of")
    if entry["k"] == "agreement":
        require(re.fullmatch("[0-9a-f]{64}", entry["digest"]), "digest")
        require(entry["act"] in {"sign", "open", "suspend", "resume", "end", "linkage"}, "act")
        require("on" not in entry or entry["act"] in {"suspend", "resume", "end"}, "day of this act")
        date.fromisoformat(entry.get("on", "2026-01-01"))
    if entry["k"] == "key":
        require(re.fullmatch("[0-9a-f]{64}", entry["recovery"]), "recovery")
        require(entry["act"] in {"add", "retire", "revoke"}, "act")
        require(("from" in entry) == (entry["act"] == "revoke"), "from")
    return entry


def verify_entry(entry, origin):
    """The signature of a key, erase or close entry; False for the other kinds."""
    if "sig" not in entry:
        return False
    signed = {name: value for name, value in entry.items() if name not in ("sig", "t")}
    message = b"hefu/entry/v1\0" + origin.encode() + b"\0" + canonical(signed)
    Ed25519PublicKey.from_public_bytes(decode_multikey(entry["by"])).verify(unb64(entry["sig"], 64), message)
    return True


def place(entry, index):
    require((entry["k"] == "genesis") == (index == 0), "genesis")
    require(entry.get("of", -1) < index, "of")


def check_entries(vectors):
    keys = {role: signer(case) for role, case in vectors["keys"].items() if role != "seal"}
    text = {role: encode_multikey(key.public_key().public_bytes_raw()) for role, key in keys.items()}
    seal = vectors["keys"]["seal"]
    text["seal"] = encode_multikey(hpke_base.public(bytes.fromhex(seal["secretKey"])), X25519)
    equal(text["seal"], seal["publicKey"], "seal key")
    announced = digest(text["recovery"].encode())
    for case in vectors["entries"]:
        entry = read_entry(case["entry"])
        place(entry, case["index"])
        if verify_entry(entry, vectors["origin"]):
            refused("of another log", verify_entry, entry, "elsewhere.example")
            if entry["k"] != "erase":
                equal(digest(entry["by"].encode()), announced, "recovery key")
                announced = entry.get("recovery")
        equal(merkle.leaf_hash(case["entry"].encode()).hex(), case["leafHash"], case["name"])
    genesis = gate(vectors["entries"][0]["entry"].encode())
    equal(genesis["recovery"], digest(text.pop("recovery").encode()), "recovery key")
    equal(genesis["keys"], text, "keys of genesis")
    equal(genesis["did"], "did:web:" + vectors["origin"], "did")
    for case in vectors["mustReject"]:
        refused(case["name"], read_entry, case["entry"])
    for case in vectors["outOfPlace"]:
        refused(case["name"], place, read_entry(case["entry"]), case["index"])
    return len(vectors["entries"]) + len(vectors["mustReject"]) + len(vectors["outOfPlace"])


def open_checkpoint(note, name, key):
    text, found, lines = note.rpartition("\n\n")
    require(found and lines.endswith("\n"), "note")
    text += "\n"
    require(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), "control characters")
    own_id = sha256(name.encode() + b"\n\x01" + key).digest()[:4]
    signed = False
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        require(match, "signature line")
        value = base64.b64decode(match[2], validate=True)
        if match[1] == name and value[:4] == own_id:
            Ed25519PublicKey.from_public_bytes(key).verify(value[4:], text.encode())
            signed = True
    require(signed, "signed by the log")
    origin, size, root, *extensions = text[:-1].split("\n")
    require(origin == name and all(extensions), "origin and extensions")
    require(re.fullmatch("0|[1-9][0-9]*", size) and int(size) < 2**53, "size")
    require(len(base64.b64decode(root, validate=True)) == 32, "root")
    return {"origin": origin, "size": int(size), "root": root}


def check_note(vectors):
    key = signer(vectors["key"]).public_key().public_bytes_raw()
    name = vectors["checkpoint"]["origin"]
    key_id = sha256(name.encode() + b"\n\x01" + key).hexdigest()[:8]
    vkey = "+".join([name, key_id, base64.b64encode(b"\x01" + key).decode()])
    equal(vkey, vectors["verifierKey"], "vkey")
    expected = {member: vectors["checkpoint"][member] for member in ("origin", "size", "root")}
    for case in vectors["accepted"]:
        equal(open_checkpoint(case["note"], name, key), expected, case["name"])
    for case in vectors["mustReject"]:
        refused(case["name"], open_checkpoint, case["note"], name, key)
    return 1 + len(vectors["accepted"]) + len(vectors["mustReject"])


def tile_path(kind, index, width):
    number = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        number = f"x{index % 1000:03}/{number}"
    return f"tile/{kind}/{number}" + (f".p/{width}" if width < 256 else "")


PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]*))?")


def read_path(path):
    """P-5.4: a path has one spelling."""
    match = PATH.fullmatch(path)
    require(match, "form")
    index, width = int(re.sub("[x/]", "", match[2])), int(match[3] or 256)
    require(tile_path(match[1], index, width) == path and (match[3] is None or width < 256), "its one spelling")
    return match[1], index, width


def frontier(from_, to, limit=1 << 16):
    """P-6.2."""
    first, bundles, paths = from_ // 256, to // 256, []
    if from_ % 256 and first < bundles:
        paths.append(tile_path(0, first, 256))
    until = bundles if bundles - first <= limit else (first + limit) // 256 * 256
    at = first
    while at < bundles:
        level = 1
        while at >= until and at % 256**level == 0 and at + 256**level <= bundles:
            level += 1
        unit = 256 ** (level - 1)
        index = at // unit // 256
        paths.append(tile_path(level, index, min(256, bundles // unit - index * 256)))
        at = min(bundles // unit, (index + 1) * 256) * unit
    if to % 256:
        paths.append(tile_path(0, bundles, to % 256))
    return paths


def check_log(vectors):
    def entry(i):
        c = b64(sha256(str(i).encode()).digest())
        return canonical({"a": "public", "c": c, "k": "record", "t": 1790000000, "v": 1})

    entries = [vectors["genesis"].encode(), *(entry(i) for i in range(1, 600))]
    equal(entries[-1].decode(), vectors["lastEntry"], "last entry")
    tree = merkle.Tree([merkle.leaf_hash(data) for data in entries])
    equal(tree.leaves[0].hex(), vectors["fingerprint"], "fingerprint")
    key = signer(vectors["key"]).public_key().public_bytes_raw()
    origin = gate(entries[0])["origin"]
    for case in vectors["sizes"]:
        size = case["size"]
        equal(tree.root(size).hex(), case["root"], f"root of {size}")
        equal([hash_.hex() for hash_ in tree.subtrees(size)], case["subtrees"], f"subtrees of {size}")
        root = base64.b64encode(tree.root(size)).decode()
        equal(open_checkpoint(case["checkpoint"], origin, key), {"origin": origin, "size": size, "root": root}, "note")
    for case in vectors["leafHashes"]:
        equal(tree.leaves[case["index"]].hex(), case["hash"], "leaf")

    served = {}
    for level, count in ((0, 600), (1, 600 // 256)):
        for index in range(-(-count // 256)):
            width = min(256, count - index * 256)
            served[tile_path(level, index, width)] = tree.tile(level, index, width)
    for index in range(3):
        bundle = entries[index * 256 : (index + 1) * 256]
        served[tile_path("entries", index, len(bundle))] = b"".join(len(e).to_bytes(2, "big") + e for e in bundle)
    equal({path: digest(data) for path, data in served.items()}, {t["path"]: t["sha256"] for t in vectors["tiles"]}, "tiles")

    def hashes(case):
        return [bytes.fromhex(hash_) for hash_ in case["proof"]]

    def included(case):
        leaf, root = bytes.fromhex(case["leafHash"]), bytes.fromhex(case["root"])
        return merkle.verify_inclusion(case["index"], case["size"], leaf, hashes(case), root)

    def consistent(case):
        roots = bytes.fromhex(case["fromRoot"]), bytes.fromhex(case["toRoot"])
        return merkle.verify_consistency(case["from"], case["to"], hashes(case), *roots)

    assert all(map(included, vectors["inclusion"])) and all(map(consistent, vectors["consistency"]))
    assert not any(map(included, vectors["mustReject"]["inclusion"]))
    assert not any(map(consistent, vectors["mustReject"]["consistency"]))
    for case in vectors["frontier"]:
        paths = frontier(case["from"], case["to"])
        if "tiles" in case:
            equal(paths, case["tiles"], f"frontier from {case['from']}")
        else:
            equal((len(paths), paths[0], paths[-1]), (case["number"], case["first"], case["last"]), "frontier")
    for case in vectors["paths"]:
        kind = "entries" if "entries" in case else str(case["level"])
        equal(read_path(case["path"]), (kind, case["index"], case["width"]), "path")
    for path in vectors["noPaths"]:
        refused(path, read_path, path)
    lists = ["sizes", "leafHashes", "tiles", "inclusion", "consistency", "frontier", "paths", "noPaths"]
    return sum(len(vectors[name]) for name in lists) + sum(map(len, vectors["mustReject"].values()))


def check_records(vectors):
    key, key_id, label_key = signer(vectors["key"]), vectors["key"]["keyId"], bytes.fromhex(vectors["labelKey"])
    for case in vectors["chain"]:
        signed = gate(case["signed"].encode())
        unsigned = {name: value for name, value in signed.items() if name != "proof"}
        equal(canonical(unsigned).decode(), case["document"], "document")
        equal({name: unsigned[name] for name in case["draft"]}, case["draft"], "draft")
        check_signed(case, key, key_id, signed["proof"], signed)
        verify_record(case["signed"], key_id)
        entry = read_entry(case["entry"])
        check_commitment(bytes.fromhex(case["salt"]), case["signed"], label_key, entry["c"], entry["a"])
        equal(unb64(entry["c"], 32).hex(), case["commitment"], "commitment")
        equal(merkle.leaf_hash(case["entry"].encode()).hex(), case["leafHash"], "leaf hash")
    first, amendment, withdrawal = (gate(case["signed"].encode()) for case in vectors["chain"])
    equal(amendment["supersedes"], first["id"], "supersedes")
    equal(withdrawal["credentialSubject"]["record"], amendment["id"], "withdrawn record")
    return len(vectors["chain"])


def verify_agreement(document_hash, proof_text, did, keys):
    proof = read_canonical(proof_text.encode())
    check_profile(proof, did, None)
    key = keys[proof["verificationMethod"]]
    verify(key.split("#")[1], proof_signature(proof), proof_hashes({}, proof)[0] + document_hash)


def check_agreement(vectors):
    read_canonical(vectors["document"].encode())
    hash_ = sha256(vectors["document"].encode()).digest()
    equal(hash_.hex(), vectors["digest"], "digest of the agreement")
    keys = {party["key"]["keyId"]: party["key"]["keyId"] for party in vectors["parties"]}
    for party in vectors["parties"]:
        proof = gate(party["proof"].encode())
        config = proof_hashes({}, proof)[0]
        equal(config.hex(), party["proofConfigHash"], "proof configuration")
        equal(signer(party["key"]).sign(config + hash_).hex(), party["signature"], "signature")
        verify_agreement(hash_, party["proof"], party["did"], keys)
        for act in ("sign", "open"):
            entry = read_entry(party[act]["entry"])
            equal((entry["act"], entry["digest"]), (act, vectors["digest"]), "entry")
            equal(merkle.leaf_hash(party[act]["entry"].encode()).hex(), party[act]["leafHash"], "leaf hash")
    for case in vectors["mustReject"]:
        refused(case["name"], verify_agreement, bytes.fromhex(case["sha256"]), case["proof"], case["did"], keys)
    return 1 + len(vectors["parties"]) + len(vectors["mustReject"])


def check_linkage(vectors):
    secret, label_key = bytes.fromhex(vectors["secret"]), bytes.fromhex(vectors["labelKey"])
    recipient = vectors["recipient"]
    own = bytes.fromhex(recipient["sealSecretKey"])
    equal(encode_multikey(hpke_base.public(own), X25519), recipient["sealPublicKey"], "seal key")
    info = b"hefu/linkage/v1\0" + f"{vectors['agreement']}\x1f{vectors['epoch']}".encode()
    equal(info.hex(), vectors["info"], "info")
    aad, seed = recipient["did"].encode(), bytes.fromhex(vectors["ephemeralSeed"])
    enc, ciphertext = hpke_base.seal(hpke_base.public(own), info, aad, secret + label_key, seed)
    wire = {"agreement": vectors["agreement"], "epoch": vectors["epoch"], "to": recipient["did"]}
    equal({**wire, "enc": b64(enc), "ciphertext": b64(ciphertext)}, vectors["sealed"], "sealed linkage")

    def open_(sealed):
        require({name: sealed[name] for name in wire} == wire, "agreement, epoch and recipient")
        plaintext = hpke_base.open_sealed(own, unb64(sealed["enc"], 32), info, aad, unb64(sealed["ciphertext"], 80))
        require(digest(b"hefu/linkage/v1\0" + plaintext) == vectors["commitment"], "commitment")
        return plaintext

    equal(open_(vectors["sealed"]).hex(), vectors["plaintext"], "opened")
    for case in vectors["mustReject"]:
        refused(case["name"], open_, case["sealed"])
    return 2 + len(vectors["mustReject"])


PARAMS = re.compile(
    r'\((?P<names>[^)]*)\);created=(?P<created>\d+);expires=(?P<expires>\d+);nonce="(?P<nonce>[^"]*)"'
    r';keyid="(?P<keyid>[^"]*)"(;alg="ed25519")?;tag="hefu"'
)


def signature_base(case, params):
    lines = [f'"@method": {case["method"]}', f'"@target-uri": {case["targetUri"]}']
    if case["body"]:
        lines.append(f'"content-digest": {case["contentDigest"]}')
    return "\n".join([*lines, f'"@signature-params": {params}'])


def verify_request(case, key_id, now):
    """P-7.2 to P-7.5, for one signature in the order of parameters in which we write them."""
    params = case["signatureInput"].removeprefix("hefu=")
    match = PARAMS.fullmatch(params)
    require(match, "one signature with the tag and the parameters of the profile")
    covered = '"@method" "@target-uri"' + (' "content-digest"' if case["body"] else "")
    require(match["names"] == covered and match["keyid"] == key_id, "components and key")
    created, expires = int(match["created"]), int(match["expires"])
    require(1 <= expires - created <= 300 and created <= now + 60 and now < expires, "times")
    unb64(match["nonce"], 16)
    if case["body"]:
        value = base64.b64encode(sha256(case["body"].encode()).digest()).decode()
        require(case["contentDigest"] == f"sha-256=:{value}:", "digest of the body")
    signature = base64.b64decode(case["signature"].removeprefix("hefu=:").removesuffix(":"), validate=True)
    verify(key_id.split("#")[1], signature, signature_base(case, params).encode())


def check_request(vectors):
    key, key_id = signer(vectors), vectors["keyId"]
    for case in vectors["cases"]:
        equal(signature_base(case, case["signatureInput"].removeprefix("hefu=")), case["signatureBase"], case["name"])
        signature = base64.b64encode(key.sign(case["signatureBase"].encode())).decode()
        equal(f"hefu=:{signature}:", case["signature"], case["name"])
        verify_request(case, key_id, case["created"])
    for case in vectors["mustReject"]:
        refused(case["name"], verify_request, case, key_id, case["now"])
    return len(vectors["cases"]) + len(vectors["mustReject"])


def read_page(text, vectors, from_, until):
    """P-9.1 to P-9.3."""
    require(text.endswith("\n"), "last line")
    *lines, last = text[:-1].split("\n")
    trailer = read_canonical(last.encode())
    unsigned = {name: value for name, value in trailer.items() if name != "sig"}
    asked = {"agreement": vectors["agreement"], "to": vectors["to"], "from": from_}
    require({name: trailer[name] for name in asked} == asked, "the answer to what was asked")
    require(from_ < trailer["until"] <= until, "brings forward")
    require(trailer["next"] == (None if trailer["until"] == until else trailer["until"]), "next")
    body = "".join(line + "\n" for line in lines).encode()
    require(trailer["digest"] == digest(body) and trailer["lines"] == len(lines), "digest and number of lines")
    require(trailer["keyid"] == vectors["key"]["keyId"], "key")
    signed = b"hefu/page/v1\0" + canonical(unsigned)
    verify(trailer["keyid"].split("#")[1], unb64(trailer["sig"], 64), signed)
    at, rows = from_, set()
    for line in lines:
        line = read_canonical(line.encode())
        require(at <= line["index"] < trailer["until"], "index order and range")
        at = line["index"] + 1
        members = set(line) - {"index"}
        require(members in ({"record", "salt"}, {"refused"}, {"erased"}), "members of a line")
        rows |= {line["refused"]} if "refused" in line else set()
    require(trailer["refused"] == sorted(rows), "cited rows")
    return digest(body), signed.hex()


def check_page(vectors):
    signer(vectors["key"])
    for case in vectors["pages"]:
        made = read_page(case["page"], vectors, case["from"], case["until"])
        equal(made, (case["bodyDigest"], case["signedBytes"]), case["name"])
    for case in vectors["mustReject"]:
        refused(case["name"], read_page, case["page"], vectors, case["from"], case["until"])
    return len(vectors["pages"]) + len(vectors["mustReject"])


def state_digest(size, states):
    blocks = [[] for _ in range(-(-size // 4096))]
    for index, state in states:
        blocks[index // 4096].append(f"{index}:{state}\n")
    return digest(b"".join(sha256("".join(block).encode()).digest() for block in blocks))


def check_tally(vectors):
    buckets = {}
    for case in vectors["keys"]:
        key, rows = f"{case['type']}\x1f{case['value']}", []
        for finding in case["findings"]:
            entries = sorted([evidence["origin"], evidence["index"]] for evidence in finding["evidence"])
            named = {"rule": finding["rule"], "agreement": vectors["agreement"], "about": finding["about"], "entries": entries}
            hashed = b"hefu/finding/v1\0" + canonical(named)
            equal((hashed.hex(), digest(hashed)), (finding["hashed"], finding["id"]), "finding id")
            rows.append([finding["id"], finding["severity"], finding["members"], finding["owner"], finding["dueOn"]])
        result = sha256(canonical([key, sorted(rows)])).digest()
        equal(result.hex(), case["result"], "result of a key")
        bucket = int.from_bytes(sha256(key.encode()).digest()[:2], "big") >> 4
        equal(bucket, case["bucket"], "bucket")
        buckets.setdefault(bucket, []).append((key.encode(), result))
    made = {number: sha256(b"".join(result for _, result in sorted(keys))).digest() for number, keys in buckets.items()}
    equal({str(number): hash_.hex() for number, hash_ in made.items()}, vectors["buckets"], "buckets")
    empty = sha256().digest()
    tally = digest(b"hefu/tally/v1\0" + b"".join(made.get(number, empty) for number in range(4096)))
    equal(tally, vectors["tally"], "tally digest")
    for case in vectors["payloadStates"]:
        equal(state_digest(case["size"], case["states"]), case["digest"], "payload states")

    def open_(text):
        statement = read_canonical(text.encode())
        signature = unb64(statement.pop("sig"), 64)
        require(statement.pop("keyid") == vectors["keyId"], "key")
        require(set(statement) == set(vectors["statement"]), "members")
        message = b"hefu/tally/v1\0" + canonical({**statement, "keyid": vectors["keyId"]})
        verify(vectors["keyId"].split("#")[1], signature, message)
        return statement

    signer(vectors)
    equal(open_(vectors["signed"]), vectors["statement"], "statement")
    for case in vectors["mustReject"]:
        refused(case["name"], open_, case["signed"])
    return len(vectors["keys"]) + len(vectors["payloadStates"]) + 2 + len(vectors["mustReject"])


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_") and name not in ("check_commitment", "check_profile", "check_signed")
}


def main(folder):
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in Path(folder).glob("*.json")}
    equal(set(files), set(CHECKS), "files and checks")
    counts = {name: check(files[name]) for name, check in CHECKS.items()}
    print(f"{sum(counts.values())} vectors recomputed: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1])
