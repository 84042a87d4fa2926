"""Transcripts (ELMO), awards, and their recognition."""

import datetime
import unittest

from hefu_exchange import recognition
from hefu_exchange.amounts import Calendar
from hefu_exchange.conversion import Context
from hefu_exchange.office import Settings
from hefu_exchange.refusal import Refused

from .made_up import AGREEMENT, CASE, NAME, NUMBER, SETTINGS, TORS, convert, course, credit, elmo

LEVEL = "<level><type>EQF</type><description>words</description><value>6</value></level>"
SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>AAAA</SignatureValue></Signature>'
ROW = {"row": "ects-to-home", "from": "ects", "to": "home-points", "num": 2, "den": 3, "rounding": "half-up"}


def tor(document):
    """An EWP transcript of records around an `elmo` element."""
    inner = document.decode()
    root = "imobility-tors-get-response"
    return f'<{root} xmlns="{TORS}"><tor><omobility-id>m-1</omobility-id>{inner}</tor></{root}>'.encode()


def bodies(document, **options):
    """The bodies of the awards."""
    records, _, _ = convert(document, **options)
    return [record["credentialSubject"] for record in records if record["type"][1] == "QualificationRecognition"]


class Transcripts(unittest.TestCase):
    def refused(self, code, document, **options):
        with self.assertRaises(Refused) as caught:
            convert(document, **options)
        self.assertEqual(caught.exception.code, code)

    def test_a_course_becomes_an_award_of_course_credit(self):
        result = "<gradingSchemeLocalId>1-6</gradingSchemeLocalId><resultLabel>5.5</resultLabel>"
        instance = f"<date>2025-06-10</date><status>passed</status>{result}{credit('7.5')}{LEVEL}"
        (body,) = bodies(elmo(course(instance=instance)))
        self.assertEqual((body["role"], body["step"], body["stepOn"]), ("awarding", "issued", "2025-07-01"))
        source = body["source"]
        self.assertEqual(
            (source["type"], source["title"], source["awardedOn"]), ("course-credit", {"en": "Algebra"}, "2025-06-10")
        )
        self.assertEqual((source["levels"], source["awardingBody"]["code"]), ({"eqf": 6}, "b.example"))
        self.assertEqual(
            body["components"],
            [
                {
                    "key": "alg-1",
                    "code": "ALG-1",
                    "title": {"en": "Algebra"},
                    "credits": {"scheme": "ects", "hundredths": 750},
                    "grades": [{"scheme": "b-example-1-6", "value": "5.5"}],
                    "result": "passed",
                }
            ],
        )

    def test_a_status_that_is_absent_means_passed_as_elmo_says(self):
        for status, result in (
            ("", "passed"),
            ("<status>failed</status>", "failed"),
            ("<status>in-progress</status>", "incomplete"),
        ):
            self.assertEqual(bodies(elmo(course(instance=status)))[0]["components"][0]["result"], result)

    def test_a_course_that_stands_there_twice_has_two_keys(self):
        records, _, _ = convert(elmo(course(), course(instance="<status>failed</status>"), course(parts=course())))
        self.assertEqual(len({record["id"] for record in records}), 3)
        components = records[2]["credentialSubject"]["components"]
        self.assertEqual([component["key"] for component in components], ["alg-1", "alg-1-2"])

    def test_a_degree_needs_a_level_and_counts_its_credits_once(self):
        part = course("Logic", '<identifier type="local">LOG</identifier>', instance=credit("6"))
        level = "<level>Master</level>"
        (body,) = bodies(
            elmo(course("Mathematics", kind="Degree Programme", instance=credit("120", level), parts=part))
        )
        self.assertEqual((body["source"]["type"], body["source"]["levels"]), ("degree", {"isced": 7}))
        self.assertEqual([one.get("credits", {}).get("hundredths") for one in body["components"]], [12000, None])
        self.refused("no-level", elmo(course(kind="Degree Programme", instance=credit("120"))))

    def test_a_transcript_of_a_mobility_is_one_period_of_study_and_the_step_results_issued(self):
        two = [
            course(instance=credit()),
            course("Logic", '<identifier type="ewp-los-id">CR/2</identifier>', instance=credit("4")),
        ]
        book = [{**CASE, "receivingHei": "b.example", "plannedPeriod": {"from": "2025-02-01", "to": "2025-06-21"}}]
        records, _, persons = convert(tor(elmo(*two)), cases=book)
        steps = [record["credentialSubject"]["step"] for record in records]
        self.assertEqual(steps, ["verified", "agreed", "arrived", "departed", "results-issued", "issued"])
        half, award = records[-2]["credentialSubject"], records[-1]["credentialSubject"]
        self.assertEqual((half["id"], half["stepOn"]), (award["id"], award["stepOn"]))
        self.assertEqual(award["source"]["type"], "study-period")
        self.assertEqual([one["key"] for one in award["components"]], ["alg-1", "cr-2"])
        self.assertEqual(persons, [("local:PLTWO", f"NO/{NUMBER}")])
        self.refused("no-case", tor(elmo(*two)), cases=[])
        sent, report, _ = convert(tor(elmo(*two)), cases=book, role="sending")
        self.assertNotIn("QualificationRecognition", str(sent))
        rows = [row for row in report["documents"][0]["members"] if row.get("notMapped") == "other-city"]
        self.assertTrue(rows, "what the other city states is said to be so")

    def test_the_digest_of_a_signed_file_is_kept(self):
        self.assertNotIn("documentDigest", bodies(elmo(course()))[0]["source"])
        self.assertRegex(bodies(elmo(course(), end=SIGNATURE))[0]["source"]["documentDigest"], "^[0-9a-f]{64}$")

    def test_bad_documents_are_refused(self):
        for code, document in (
            ("no-identifier", elmo(course(), identifier="")),
            ("bad-identifier", elmo(course(), identifier="1 2 3")),
            ("missing", elmo(course()).replace(b"<issueDate>", b"<x>").replace(b"</issueDate>", b"</x>")),
            ("missing", elmo(course()).replace(b'type="schac"', b'type="pic"')),
            ("missing", elmo(course(title=""))),
            ("missing", elmo(course(instance="<credit><value>5</value></credit>"))),
            ("unknown-institution", elmo(course()).replace(b"b.example", b"c.example")),
            ("unknown-code", elmo(course(instance="<status>perhaps</status>"))),
            ("unknown-code", elmo(course(instance=credit("6", "<level>Knight</level>")))),
            ("out-of-range", elmo(course(instance=LEVEL.replace(">6<", ">9<")))),
            ("too-many-digits", elmo(course(instance=credit("7.125")))),
            ("unknown-credit-scheme", elmo(course(instance=credit().replace("ECTS", "stones")))),
            ("more-than-one", elmo(course(instance=credit() + credit()))),
            ("bad-name", elmo(course(title="No. 123456789012345"))),
            ("bad-code", elmo(course(instance="<resultLabel>much too long</resultLabel>"))),
            ("not-a-date", elmo(course(instance="<date>soon</date>"))),
            ("too-many-elements", elmo(course(parts="".join(course(identifiers="") for _ in range(300))))),
        ):
            with self.subTest(code=code):
                self.refused(code, document)

    def test_an_identifier_where_none_belongs_is_refused(self):
        for document in (
            elmo(course(title=f"Thesis {NUMBER}")),
            elmo(course(identifiers=f'<identifier type="local">x-{NUMBER}</identifier>')),
            elmo(course(instance=f"<resultLabel>{NUMBER}</resultLabel>")),
        ):
            self.refused("personal-data", document)

    def test_the_learner_goes_into_the_reference_alone(self):
        records, report, _ = convert(elmo(course()))
        for text in (str(records), str(report)):
            self.assertNotIn(NUMBER, text)
            self.assertNotIn(NAME.split()[0], text)


class Recognitions(unittest.TestCase):
    def decide(self, *courses, row=None):
        (award,), _, _ = convert(elmo(*courses))
        office = Settings(SETTINGS)
        context = Context(AGREEMENT, 1, office, Calendar(office.time_zone))
        authority, day = office.institution("a.example", ""), datetime.date(2025, 8, 1)
        award["issuer"] = "did:web:b.example"
        draft, _ = recognition.recognising(award, row or ROW, day, "bachelor", authority, context)
        return award, draft["record"]

    def test_what_was_passed_is_converted_exactly(self):
        award, decided = self.decide(course(instance=credit("5")))
        body = decided["credentialSubject"]
        self.assertEqual(body["source"]["record"], {"issuer": "did:web:b.example", "id": award["id"]})
        self.assertEqual(body["components"], award["credentialSubject"]["components"])
        converted = {"scheme": "home-points", "hundredths": 333, "row": "ects-to-home"}
        self.assertEqual(body["mapping"], [{"from": ["alg-1"], "to": [], "outcome": "full", "converted": converted}])
        self.assertEqual(decided["statedBy"], body["authority"])

    def test_what_was_not_passed_or_has_no_credits_is_not(self):
        for instance in ("", "<status>failed</status>" + credit(), "<status>in-progress</status>" + credit()):
            with self.assertRaises(Refused) as caught:
                self.decide(course(instance=instance))
            self.assertEqual(caught.exception.code, "not-convertible")
        with self.assertRaises(Refused):
            self.decide(course(instance=credit()), row={**ROW, "from": "cats"})
