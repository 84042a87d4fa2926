#!/usr/bin/env python3
"""Puts the project's own examples and vectors, and what is written here, into the corpora: one file for each seed.

usage: seed.py FOLDER      (FOLDER/<target>/<name>)
"""
import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = pathlib.Path(sys.argv[1])


def put(target, *seeds):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        data = seed.encode() if isinstance(seed, str) else seed
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def canonical(value):
    # Enough for seeds: our documents have ASCII member names and integers only.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def strings(value, least=8):
    if isinstance(value, str):
        if len(value) >= least:
            yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from strings(member, least)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, least)


for path in sorted((ROOT / "schemas/json").glob("*/*valid/*.json")):
    document = json.loads(path.read_text())
    if path.parent.name == "invalid":
        document = document.get("document", document)
    text = canonical(document)
    kind = path.parent.parent.name
    put("gate", text), put("tape", text), put("writer", path.read_bytes())
    if kind == "agreement":
        put("agreement", text)
    else:
        put("proof", text)
        body = {name: value for name, value in document.items()
                if name not in ("@context", "issuer", "credentialSchema", "proof")} if isinstance(document, dict) else {}
        put("draft", canonical({"record": body}), canonical({"draftId": "a-1", "record": body}))
        put("page-line", '{"index":7,"record":' + text + ',"salt":"' + "A" * 43 + '"}\n')

# Every string of the published vectors may be an input of one of the small formats.
for path in sorted((ROOT / "federation/vectors").glob("*.json")):
    for text in strings(json.loads(path.read_text())):
        for target in ("note", "checkpoint", "entry", "key", "signature-input", "tile-path", "statement", "linkage", "page"):
            put(target, text[:4096])

put("gate", "{}", "[]", '"\\ud83d\\ude00"', '{"a":-9007199254740991}', '{"\\u0000":1}', "[" * 32 + "]" * 32)
put("writer", '{"b":[1,true,null,"\\u20ac"],"a":{"\\r":"\\n"}}', '[9007199254740991, -0, 1e3, 0.5]')
put("identifier", "cn-resident-id\n11010519491231002X", "cn-student-number\nG11010519491231002X", "passport:CHE\nX 123 4567",
    "cn-hmt-permit\nH1234567800", "cn-permanent-resident\nABC123456789012", "local:530100\n学号 7")
put("tile-path", "tile/0/000", "tile/1/x001/x234/067", "tile/entries/x001/000.p/17", "tile/0/000.p/255")
put("checkpoint", "node.example/log\n1\n" + "A" * 43 + "=\n", "node.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
put("note", "node.example\n1\n" + "A" * 43 + "=\n\n— node.example " + "A" * 91 + "=\n")
put("entry", '{"a":"public","c":"' + "A" * 43 + '","k":"record","t":1700000000,"v":1}',
    '{"c":"' + "A" * 43 + '","k":"withdraw","of":3,"t":1700000000,"v":1}',
    '{"act":"open","digest":"' + "0" * 64 + '","k":"agreement","t":1700000000,"v":1}')
put("entry-bundle", b"\x02\x00\x00\x01a\x00\x02bc", b"\x00\x00", b"\x01\x00\x00\x00")
put("page-line", '{"erased":true,"index":8}\n', '{"index":9,"refused":"fields/allowed/reason"}\n',
    '{"index":1,"record":{},"salt":"' + "A" * 43 + '"}\n{"erased":true,"index":2}\n')
put("signature-input", '\nhefu=("@method" "@target-uri");created=1699999999;expires=1700000299;nonce="AAAAAAAAAAAAAAAAAAAAAA";'
    'keyid="did:web:a.example#z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";tag="hefu"\nhefu=:' + "A" * 86 + "==:\n")
put("csv-mapping", (ROOT / "examples/csv/map.toml").read_bytes(),
    'kind = "student-status"\nstatedBy = { value = 1 }\nsubject = { scheme = "cn-resident-id", id = "a" }\n'
    '[members]\nstage.value = "primary"\nstatus.column = "b"\neffectiveOn = { column = "c", type = "date" }\n')
