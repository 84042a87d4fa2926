"""Documents that were damaged at random: converted or refused, never anything else."""

import random
import re
import unittest

from hefu_exchange.refusal import Refused

from .made_up import CASE, NUMBER, agreement, component, convert, course, credit, elmo, mobility, version
from .test_transcript import LEVEL, SIGNATURE, tor

SEED = 20260901
ROUNDS = 3000
FIRST = version("first-version", "2024-11-20", component("Algebra", "5") + component("Logic", "2.5"))
LATER = version("approved-changes", "2025-03-03", component("Logic", "2.5", ' status="deleted"'))
INSTANCE = f"<date>2025-06-10</date><status>passed</status><resultLabel>5</resultLabel>{credit('7.5')}{LEVEL}"
BOOK = [{**CASE, "receivingHei": "b.example", "plannedPeriod": {"from": "2025-02-01", "to": "2025-06-21"}}]
WHOLE = [
    mobility(
        "live",
        extra="<activity-type>student-studies</activity-type><activity-attributes>long-term</activity-attributes>",
    ),
    agreement(FIRST, LATER),
    elmo(course(instance=INSTANCE, parts=course("Logic", "")), course(kind="Degree Programme"), end=SIGNATURE),
    tor(elmo(course(instance=INSTANCE), course("Logic", ""))),
]
SCRAPS = [
    b"",
    b"0",
    b"-",
    b"9" * 40,
    b"\xc3\xa9",
    b"\x00",
    b"<",
    b"&amp;",
    b"2025-02-30",
    b"<title/>",
    b"<credit/>",
    b"<student/>",
]


def damaged(random_, document):
    """One to four times: an element dropped, doubled or emptied, or some bytes replaced."""
    for _ in range(random_.randint(1, 4)):
        elements = list(re.finditer(rb"<([A-Za-z-]+)[^<>]*>[^<>]*</\1>", document))
        if elements and random_.random() < 0.7:
            found = random_.choice(elements)
            other = random_.choice(elements).group()
            text = random_.choice(
                [
                    b"",
                    found.group() * 2,
                    other,
                    re.sub(rb">[^<]*<", b">" + random_.choice(SCRAPS) + b"<", found.group()),
                ]
            )
            document = document[: found.start()] + text + document[found.end() :]
        else:
            at = random_.randrange(len(document))
            document = document[:at] + random_.choice(SCRAPS) + document[at + random_.randint(0, 3) :]
    return document


class Mutations(unittest.TestCase):
    def test_damaged_documents_are_converted_or_refused(self):
        random_, refused = random.Random(SEED), 0
        for number in range(ROUNDS):
            document = damaged(random_, random_.choice(WHOLE))
            try:
                records, report, _ = convert(document, cases=BOOK, role=random_.choice(["sending", "receiving"]))
                self.assertNotIn(NUMBER, str(records) + str(report))
            except Refused as refusal:
                refused += 1
                self.assertNotIn(NUMBER, str(refusal))
            except Exception as error:
                raise AssertionError(f"seed {SEED}, round {number}: {document!r}") from error
        self.assertTrue(ROUNDS // 10 < refused < ROUNDS, refused)
