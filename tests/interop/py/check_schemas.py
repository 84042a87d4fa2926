"""PyPI jsonschema (2020-12) accepts and refuses what our validator accepts and refuses by schema.

usage: check_schemas.py SCHEMAS CORPUS      schemas/json, and NDJSON of {schema, from, document, valid}
"""

import json
import sys
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

VALIDATORS = {}


def load(folder):
    """One validator for each schema file; a reference outside these files is an error."""
    files = {path.parent.name: json.loads(path.read_text("utf-8")) for path in Path(folder).glob("*/v1.schema.json")}
    registry = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in files.values())
    for name, schema in files.items():
        Draft202012Validator.check_schema(schema)
        VALIDATORS[name] = Draft202012Validator(schema, registry=registry)


def judge(line):
    case = json.loads(line)
    theirs = VALIDATORS[case["schema"]].is_valid(case["document"])
    if theirs == case["valid"]:
        return theirs, None
    why = "" if theirs else next(VALIDATORS[case["schema"]].iter_errors(case["document"])).message
    return theirs, f"{case['from']}: we say {case['valid']}, they say {theirs} {why}\n{json.dumps(case['document'])}"


def main(folder, corpus):
    load(folder)
    with open(corpus, encoding="utf-8") as lines, Pool(2) as pool:
        judged = pool.map(judge, lines, chunksize=64)
    differ = [text for _, text in judged if text]
    for text in differ[:5]:
        print(text[:2000], file=sys.stderr)
    assert not differ, f"jsonschema disagrees on {len(differ)} of {len(judged)} documents"
    count = Counter(valid for valid, _ in judged)
    assert len(judged) >= 5_000 and min(count[True], count[False]) >= 500, f"too few: {count}"
    print(f"jsonschema: {len(VALIDATORS)} schemas, {count[True]} documents accepted by both, {count[False]} refused by both")


if __name__ == "__main__":
    main(*sys.argv[1:])
