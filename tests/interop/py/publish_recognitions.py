"""Puts more recognitions of qualifications into a running demonstration: Kunming and Chengdu sign another agreement, and Kunming
publishes the examples beside the schema under it.

usage: publish_recognitions.py DEMO HEFU SCHEMAS
"""

import json
import subprocess
import sys
from pathlib import Path

KIND = "qualification-recognition"
MAX_ROUNDS = 6
ADDED_BY_THE_NODE = ("@context", "id", "issuer", "credentialSchema", "credentialStatus", "proof")
STAGES = ["primary", "junior", "senior", "secondary-vocational", "higher-vocational", "bachelor", "master", "doctor"]


def main(demo, hefu, schemas):
    demo = Path(demo)
    cities = [demo / "530100", demo / "510100"]

    def run(city, *arguments):
        done = subprocess.run([hefu, "--json", "--dir", city, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    examples = [json.loads(path.read_text("utf-8")) for path in sorted(Path(schemas, KIND, "valid").glob("*.json"))]
    # What follows an earlier record of the same city would need that one; the built-in agreements are not in use.
    records = [r for r in examples if "follows" not in r and r["termsOfUse"][0]["id"][9:17] not in ("00000000", "ffffffff")]
    members = sorted({member for record in records for member in record["credentialSubject"]})
    offices = sorted({record["statedBy"]["code"] for record in records})

    proposal = demo / "recognition.json"
    proposal.write_text(json.dumps(terms(json.loads((demo / "agreement.json").read_text("utf-8")), members, offices)), "utf-8")
    agreement = run(cities[0], "agreement", "propose", str(proposal))[0]["id"]
    run(cities[1], "pull")
    run(cities[1], "agreement", "sign", agreement)
    for _ in range(MAX_ROUNDS):
        for city in cities:
            run(city, "pull")
        states = [next(a["state"] for a in run(city, "agreement", "list")[0] if a["id"] == agreement) for city in cities]
        if states == ["in-force"] * 2:
            break
    else:
        raise AssertionError(f"the agreement is {states}")

    drafts = demo / "recognition.ndjson"
    with drafts.open("w", encoding="utf-8") as lines:
        for record in records:
            for member in ADDED_BY_THE_NODE:
                record.pop(member, None)
            record["termsOfUse"][0].update(id=agreement, version=1)
            lines.write(json.dumps({"record": record}) + "\n")
    published = run(cities[0], "publish", "--despite-findings", "examples, published to be checked", str(drafts))
    assert len(published) == len(records) >= 4, f"only {len(published)} of {len(records)}"
    print(f"{len(published)} recognitions published under {agreement}")


def terms(proposal, members, offices):
    """The demonstration's proposal, for its first two cities and for recognitions alone."""
    parties = proposal["parties"][:2]
    dids = ["did:web:" + party["origin"].replace(":", "%3A") for party in parties]
    for party in parties:
        may = party["mayState"][0]
        party["mayState"] = [{**may, "kind": KIND, "stages": STAGES, "offices": offices}]
    proposal.update(parties=parties, type="bilateral", contacts=proposal["contacts"][:2])
    proposal["title"] = {"zh": "学历互认协议", "en": "Agreement on recognition"}
    direction = {"from": dids, "to": dids}
    proposal["terms"].update(
        scope=[{"row": "recognition", "kind": KIND, "stages": STAGES, "direction": direction}],
        population={KIND: {"covers": "case"}},
        fields={KIND: {"required": [], "allowed": members}},
        purposes=["recognition"],
        deadlines=[],
        calendars={did: proposal["terms"]["calendars"][did] for did in dids},
        retention={KIND: 3650},
    )
    return proposal


if __name__ == "__main__":
    main(*sys.argv[1:])
