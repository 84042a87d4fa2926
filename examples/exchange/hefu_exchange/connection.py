"""A mobility, from all that is known of it, as the records of one half of a connection."""

import datetime

from .amounts import uuid7
from .refusal import Refused

# The ordinary path of each half (the schema's `$defs/lifecycle` for `exchange`).
PATHS = {
    "sending": ["nominated", "agreed", "live", "returned", "recognised"],
    "receiving": ["verified", "agreed", "arrived", "departed", "results-issued"],
}
# EWP gives no reasons.
STOPS = {"called-off": None, "rejected": "other"}


class Case:
    """One mobility: what its documents and the case book state, put together."""

    def __init__(self, book, calendar, path):
        self.book, self.calendar, self.path = book, calendar, path
        self.id = book.get("omobilityId")
        self.sending, self.receiving = book.get("sendingHei"), book.get("receivingHei")
        self.year, self.person = book.get("academicYear"), book.get("person")
        period = book.get("plannedPeriod")
        self.planned = (self._day(period["from"]), self._day(period["to"])) if period else None
        self.requested_on = self._day(book["requestedOn"]) if "requestedOn" in book else None
        self.programme = self.activity = self.actual_from = self.actual_to = self.results_on = None
        self.reached, self.signed = {}, []
        # Members that no document states.
        self.from_book = set(book) & {"plannedPeriod", "requestedOn", "person"}

    def _day(self, text):
        return self.calendar.date(text, "case book")

    def add(self, mobility):
        """One more document. What two of them state differently is refused: nobody can say which holds."""
        for member in ("id", "sending", "receiving", "year", "person", "planned", "programme", "activity"):
            new, old = getattr(mobility, member), getattr(self, member)
            if new is None:
                continue
            booked = (
                member in ("planned", "person") and {"planned": "plannedPeriod"}.get(member, member) in self.from_book
            )
            if old is not None and old != new and not booked:
                raise Refused("two-documents-differ", self.path, member)
            self.from_book.discard({"planned": "plannedPeriod"}.get(member, member))
            setattr(self, member, new)
        if mobility.requested_on:
            self.requested_on = mobility.requested_on
            self.from_book.discard("requestedOn")
        for member in ("actual_from", "actual_to", "results_on"):
            setattr(self, member, getattr(mobility, member) or getattr(self, member))
        self.reached.update(mobility.reached)
        self.signed += mobility.signed

    def steps(self, role):
        """Step, date, credits from then on, and whether a document has the date."""
        path, booked = PATHS[role], self.book.get("steps", {}).get(role, {})
        dates = {step: (self._day(text), False) for step, text in booked.items()}
        if self.signed:
            dates["agreed"] = (self.signed[0][0], True)
        if self.results_on and role == "receiving":
            dates["results-issued"] = (self.results_on, True)
        stop = next((step for step in STOPS if self.reached.get(role) == step), None)
        known = [path.index(step) for step in list(dates) + [self.reached.get(role)] if step in path]
        if stop:
            known = [place for place in known if place < 2] or [0]
        taken = path[: max(known, default=-1) + 1] + ([stop] if stop else [])
        missing = next((step for step in taken if step not in dates), None)
        if missing:
            raise Refused("no-step-date", self.path, missing)
        found = [(step, *dates[step]) for step in taken]
        if any(one[1] > other[1] for one, other in zip(found, found[1:])):
            raise Refused("steps-out-of-order", self.path)
        return self._with_amendments(found)

    def _with_amendments(self, found):
        """A later version of the learning agreement is stated again at the step that lasts when it is signed."""
        credits = self.signed[0][1] if self.signed else None
        later = list(self.signed[1:])
        steps = []
        for place, (step, day, stated) in enumerate(found):
            steps.append((step, day, credits if step not in PATHS_BEFORE_AGREED else None, stated))
            until = found[place + 1][1] if place + 1 < len(found) else datetime.date.max
            while later and day <= later[0][0] < until and step not in PATHS_BEFORE_AGREED:
                signed_on, credits = later.pop(0)
                steps.append((step, signed_on, credits, True))
        return steps


PATHS_BEFORE_AGREED = ("nominated", "verified")


def halves(case, role, context):
    """The drafts of one half, each following the one before."""
    if not (case.sending and case.receiving and case.year and case.person and case.planned):
        raise Refused("missing", case.path)
    steps = case.steps(role)
    if case.requested_on is None:
        raise Refused("no-step-date", case.path, "requestedOn")
    first_year = case.calendar.date(f"{case.year[:4]}-01-01", case.path + "/receiving-academic-year-id")
    connection = uuid7(first_year, "connection", context.agreement, case.sending, case.id, case.year)
    drafts, previous = [], None
    for place, (step, day, credits, stated) in enumerate(steps):
        draft_id = f"{connection[-12:]}.{role}.{place + 1}.{step}"
        body = {
            "connection": connection,
            "connectionKind": "exchange",
            "role": role,
            "id": context.references[case.person["scheme"], case.person["id"]],
            "sending": context.office.side(case.sending, case.path),
            "receiving": context.office.side(case.receiving, case.path),
            "requestedOn": case.requested_on.isoformat(),
            "plannedPeriod": period(*case.planned),
            "step": step,
            "stepOn": day.isoformat(),
        }
        if STOPS.get(step):
            body["reason"] = STOPS[step]
        if step not in PATHS_BEFORE_AGREED and (case.actual_from or case.actual_to):
            body["actualPeriod"] = period(case.actual_from, case.actual_to)
        for member, value in (("programme", case.programme), ("activity", case.activity), ("plannedCredits", credits)):
            if value is not None:
                body[member] = value
        record = context.record("EnrollmentConnection", day, draft_id, body[role]["institution"], body)
        if previous:
            record["follows"] = previous
        previous = record["id"]
        sources = {member: "case-book" for member in case.from_book if member != "person"}
        sources |= {"id": "case-book"} if "person" in case.from_book else {}
        sources |= {} if stated else {"stepOn": "case-book"}
        sources |= {
            side: "settings" for side in ("sending.city", "sending.office", "receiving.city", "receiving.office")
        }
        drafts.append(context.draft(draft_id, record, sources))
    return drafts


def period(first, end):
    """As in the schema; the end is absent while it lasts."""
    found = {"from": first.isoformat()} if first else {}
    return found | ({"to": end.isoformat()} if end else {})
