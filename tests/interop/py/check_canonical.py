"""PyPI rfc8785 writes the same canonical bytes as we do, and refuses the integers that we refuse.

usage: check_canonical.py CORPUS        NDJSON of {text, canonical} or {text, refused}
"""

import json
import sys

import rfc8785


def main(path):
    equal = refused = 0
    with open(path, encoding="utf-8") as corpus:
        for number, line in enumerate(corpus, 1):
            case = json.loads(line)
            document = json.loads(case["text"])
            try:
                theirs = rfc8785.dumps(document)
            except rfc8785.IntegerDomainError:
                assert case.get("refused") == "IntegerTooLarge", f"line {number}: they refuse, we do not"
                refused += 1
                continue
            assert "refused" not in case, f"line {number}: we refuse ({case['refused']}), they do not"
            assert theirs == case["canonical"].encode(), f"line {number}: the bytes differ"
            # What is canonical is canonical again.
            assert rfc8785.dumps(json.loads(theirs)) == theirs, f"line {number}: not stable"
            equal += 1
    assert equal + refused >= 10_000 and refused >= 100, f"too few: {equal} and {refused}"
    print(f"rfc8785: {equal} documents with the same canonical bytes, {refused} with an integer out of range refused by both")


if __name__ == "__main__":
    main(sys.argv[1])
