"""Nominations and learning agreements."""

import unittest

from hefu_exchange.refusal import Refused

from .made_up import CASE, NAME, NUMBER, STEPS, agreement, component, convert, mobility, student, version


def steps(records):
    """Step and date of each record."""
    return [(record["credentialSubject"]["step"], record["credentialSubject"]["stepOn"]) for record in records]


def case(**changes):
    """The made-up case with other members."""
    return {**CASE, **changes}


FIRST = version("first-version", "2024-11-20", component("Algebra", "5") + component("Logic", "2.5"))


class Refusing(unittest.TestCase):
    def refused(self, code, *documents, **options):
        with self.assertRaises(Refused) as caught:
            convert(*documents, **options)
        self.assertEqual(caught.exception.code, code)


class Nominations(Refusing):
    def test_a_nomination_becomes_both_halves(self):
        booked = case(steps={"sending": {"nominated": "2024-10-10"}, "receiving": {"verified": "2024-10-15"}})
        halves = [convert(mobility(), role=role, cases=[booked])[0] for role in ("sending", "receiving")]
        self.assertEqual(
            [steps(half) for half in halves], [[("nominated", "2024-10-10")], [("verified", "2024-10-15")]]
        )
        bodies = [half[0]["credentialSubject"] for half in halves]
        for member in ("connection", "id", "sending", "receiving", "plannedPeriod", "programme"):
            self.assertEqual(bodies[0][member], bodies[1][member], member)
        self.assertEqual(bodies[0]["plannedPeriod"], {"from": "2025-02-01", "to": "2025-06-21"})
        self.assertEqual(bodies[0]["programme"], "exchange-1")
        self.assertEqual(halves[0][0]["validFrom"], "2024-10-10T00:00:00+02:00")
        self.assertEqual(halves[1][0]["statedBy"], bodies[1]["receiving"]["institution"])
        self.assertNotIn("follows", halves[0][0])

    def test_live_in_ewp_is_agreed_here(self):
        booked = case(steps={"sending": {"nominated": "2024-10-10", "agreed": "2024-11-20"}})
        records, _, _ = convert(mobility("live"), role="sending", cases=[booked])
        self.assertEqual(steps(records), [("nominated", "2024-10-10"), ("agreed", "2024-11-20")])
        self.assertEqual(records[1]["follows"], records[0]["id"])

    def test_a_cancelled_one_is_called_off(self):
        booked = case(steps={"sending": {"nominated": "2024-10-10", "called-off": "2024-10-20"}})
        records, _, _ = convert(mobility("cancelled"), role="sending", cases=[booked])
        self.assertEqual([step for step, _ in steps(records)], ["nominated", "called-off"])

    def test_a_rejection_is_the_receiving_half_s(self):
        booked = case(steps={"receiving": {"verified": "2024-10-15", "rejected": "2024-10-20"}})
        records, _, _ = convert(mobility("rejected"), cases=[booked])
        self.assertEqual(records[-1]["credentialSubject"]["reason"], "other")

    def test_dates_that_nobody_states_are_not_invented(self):
        self.refused("no-step-date", mobility("live"), cases=[case(steps={"receiving": {"verified": "2024-10-15"}})])
        self.refused("no-step-date", mobility(), cases=[])
        backwards = {"sending": {"nominated": "2024-10-10", "agreed": "2024-10-09"}}
        self.refused("steps-out-of-order", mobility("live"), role="sending", cases=[case(steps=backwards)])

    def test_what_is_missing_or_unknown_is_refused(self):
        for code, document in (
            ("unknown-code", mobility("thinking")),
            ("unknown-institution", mobility(receiving="c.example")),
            ("no-identifier", mobility(who="<student/>")),
            ("no-identifier", mobility(who=student(""))),
            ("bad-identifier", mobility(who=student("urn:x y"))),
            ("bad-identifier", mobility(who=student("1" * 65))),
            ("missing", mobility(mobility_id="")),
            ("missing", mobility().replace(b"<status>nomination</status>", b"")),
            ("missing", mobility().replace(b"planned-arrival-date", b"planned-arrival")),
            ("not-a-date", mobility().replace(b"2025-06-20", b"2025-06-31")),
            ("not-a-date", mobility().replace(b"2024/2025", b"next/2025")),
            ("more-than-one", mobility(extra="<status>live</status>")),
        ):
            booked = case(academicYear="next/2025") if b"next/" in document else CASE
            self.refused(code, document, cases=[booked])

    def test_two_documents_that_contradict_each_other_are_refused(self):
        other = mobility().replace(b"2025-06-20", b"2025-06-21")
        self.refused("two-documents-differ", mobility(), other)

    def test_an_institution_that_is_no_domain_name_has_a_local_code(self):
        booked = case(steps={"receiving": {"verified": "2024-10-15"}})
        records, _, _ = convert(mobility(receiving="b_2.example"), cases=[booked])
        self.assertEqual(records[0]["statedBy"]["scheme"], "local")

    def test_the_person_goes_into_the_reference_alone(self):
        records, report, persons = convert(mobility("live"), role="sending")
        self.assertEqual(persons, [("local:NOONE", f"esi/a.example/{NUMBER}")])
        for text in (str(records), str(report)):
            self.assertNotIn(NUMBER, text)
            self.assertNotIn(NAME.split()[0], text)

    def test_everything_is_in_the_report(self):
        _, report, _ = convert(mobility("live", extra="<Madeupsson a='b'>secret</Madeupsson>"), role="sending")
        rows = {row["path"]: row for row in report["documents"][0]["members"]}
        self.assertEqual(len(rows), 12)
        top = "/omobilities-get-response/student-mobility/"
        self.assertEqual(rows[top + "student/given-names"]["notMapped"], "person")
        self.assertEqual(rows[top + "*"]["notMapped"], "unknown")
        self.assertEqual(rows[top + "*/@*"]["notMapped"], "unknown")
        self.assertEqual(rows[top + "status"]["mapped"], ["EnrollmentConnection.step"])
        self.assertNotIn("Madeupsson", str(report))

    def test_converting_again_gives_the_same(self):
        self.assertEqual(convert(mobility("live"), role="sending")[0], convert(mobility("live"), role="sending")[0])

    def test_dates_may_be_moved(self):
        records, _, _ = convert(mobility("live"), role="sending", shift=1)
        self.assertEqual(steps(records)[0], ("nominated", "2025-10-10"))
        self.assertEqual(records[0]["credentialSubject"]["plannedPeriod"]["to"], "2026-06-21")


class LearningAgreements(Refusing):
    BOOKED = case(
        steps={
            role: {step: day for step, day in of.items() if step not in ("agreed", "departed")}
            for role, of in STEPS.items()
        }
    )

    def credits(self, *versions, role="receiving"):
        records, _, _ = convert(agreement(*versions), role=role, cases=[self.BOOKED])
        return [
            (*one, record["credentialSubject"].get("plannedCredits", {}).get("hundredths"))
            for one, record in zip(steps(records), records)
        ]

    def test_signed_versions_are_the_step_agreed_with_the_credits_abroad(self):
        changes = component("Logic", "2.5", ' status="deleted"') + component("Sets", "6", ' status="inserted"')
        later = version("approved-changes", "2025-03-03", changes)
        expected = [("verified", "2024-10-15", None), ("agreed", "2024-11-20", 750), ("arrived", "2025-02-01", 750)]
        self.assertEqual(self.credits(FIRST), expected)
        self.assertEqual(self.credits(FIRST, later), [*expected, ("arrived", "2025-03-03", 1100)])
        earlier = version("approved-changes", "2024-12-12", changes)
        self.assertEqual(
            self.credits(FIRST, earlier)[2:], [("agreed", "2024-12-12", 1100), ("arrived", "2025-02-01", 1100)]
        )

    def test_months_are_whole(self):
        records, _, _ = convert(agreement(FIRST), cases=[self.BOOKED])
        self.assertEqual(records[0]["credentialSubject"]["plannedPeriod"], {"from": "2025-02-01", "to": "2025-07-01"})
        self.assertEqual(records[0]["credentialSubject"]["requestedOn"], "2024-11-20")

    def test_a_sum_of_some_credits_is_none(self):
        first = version("first-version", "2024-11-20", component("Algebra", "5") + component("Logic"))
        self.assertEqual([amount for _, _, amount in self.credits(first)], [None] * 3)
        _, report, _ = convert(agreement(first), cases=[self.BOOKED])
        reasons = [row.get("notMapped") for row in report["documents"][0]["members"]]
        self.assertEqual(reasons.count("credits-incomplete"), 2)

    def test_what_is_not_signed_by_both_institutions_is_not_agreed(self):
        for unsigned in (
            version("changes-proposal", "2024-11-20", component("Algebra", "5")),
            version("first-version", "2024-11-20", component("Algebra", "5"), parties=("student", "sending-hei")),
        ):
            self.refused("no-step-date", agreement(unsigned), cases=[self.BOOKED])

    def test_what_cannot_be_applied_is_refused(self):
        many = version("first-version", "2024-11-20", component("Algebra", "1") * 257)
        self.refused("too-many-elements", agreement(many), cases=[self.BOOKED])
        deleted = version("approved-changes", "2025-03-03", component("Chemistry", "5", ' status="deleted"'))
        self.refused("deleted-unknown", agreement(FIRST, deleted), cases=[self.BOOKED])
        for code, value in (("too-many-digits", "5.125"), ("not-a-decimal", "five"), ("out-of-range", "9999999")):
            first = version("first-version", "2024-11-20", component("Algebra", value))
            self.refused(code, agreement(first), cases=[self.BOOKED])
        other = FIRST.replace("ects", "hours")
        self.refused("unknown-credit-scheme", agreement(other), cases=[self.BOOKED])

    def test_a_fragment_needs_its_case(self):
        booked = {
            **self.BOOKED,
            "receivingHei": "b.example",
            "person": {"scheme": "local:NOONE", "id": "made-up"},
            "plannedPeriod": {"from": "2025-02-01", "to": "2025-07-01"},
        }
        records, _, _ = convert(cases=[booked], fragments=[("m-1", FIRST.encode())])
        self.assertEqual([step for step, _ in steps(records)], ["verified", "agreed", "arrived"])
        self.refused("no-case", cases=[booked], fragments=[("m-2", FIRST.encode())])
