"""Awards as drafts of the city that awarded, and the recognising record of the city that takes them over."""

import datetime

from .amounts import convert, uuid7
from .refusal import Refused

KIND = "QualificationRecognition"


def awarding(award, context):
    """The draft of an award."""
    reference = context.references[award.person["scheme"], award.person["id"]]
    # From the reference, never from the identifier: a plain hash of that could be guessed.
    transcript = uuid7(award.issued_on, "award", context.agreement, award.issuer, reference)
    draft_id = f"award.{transcript[-12:]}.{award.key}"
    body = {
        "role": "awarding",
        "id": reference,
        "source": award.source,
        "step": "issued",
        "stepOn": award.issued_on.isoformat(),
        "authority": award.source["awardingBody"],
        "components": award.components,
    }
    record = context.record(KIND, award.issued_on, draft_id, award.source["awardingBody"], body)
    return context.draft(draft_id, record, {"source.city": "settings", "source.awardingBody.name": "settings"})


def recognising(awarded, row, decided_on, level, authority, context):
    """The decision of the home city on one award: each passed component with credits, converted by a row.

    `awarded` is the awarding record as the other city published it: `hefu verify` is for judging it first.
    """
    source = awarded["credentialSubject"]
    mapping = []
    for component in source["components"]:
        credits = component.get("credits")
        if credits is None or credits["scheme"] != row["from"] or component["result"] != "passed":
            continue
        converted = {"scheme": row["to"], "hundredths": convert(credits["hundredths"], row), "row": row["row"]}
        mapping.append({"from": [component["key"]], "to": [], "outcome": "full", "converted": converted})
    if not mapping:
        raise Refused("not-convertible", "credentialSubject/components")
    draft_id = f"recognition.{awarded['id'][-12:]}.{row['row']}"
    body = {
        "role": "recognising",
        "id": source["id"],
        "source": source["source"] | {"record": {"issuer": awarded["issuer"], "id": awarded["id"]}},
        "step": "decided",
        "stepOn": decided_on.isoformat(),
        "authority": authority,
        "purpose": "credit-transfer",
        "outcome": "full",
        "components": source["components"],
        "target": {"level": level},
        "mapping": mapping,
    }
    record = context.record(KIND, decided_on, draft_id, authority, body)
    return context.draft(draft_id, record, {member: "decision" for member in ("stepOn", "target", "outcome")})


def day(text):
    """A date given by a person."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise Refused("not-a-date", "command line") from None
