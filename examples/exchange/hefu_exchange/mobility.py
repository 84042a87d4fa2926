"""EWP nominations (omobilities) and learning agreements (omobility-las): what they state about a mobility."""

import re

from .amounts import day_after, hundredths, month_after
from .refusal import Refused

# European Student Identifier, an URN of SCHAC. Its colons are none of a local identifier, so they become slashes.
ESI = "urn:schac:personalUniqueCode:int:esi:"

HALF = "EnrollmentConnection"
SUBJECT = HALF + ".id"

# EWP: what the sending institution says of the nomination. `live` is a nomination that was accepted, not a student
# who is abroad: that is the step `agreed`.
STATUSES = {
    "nomination": {"sending": "nominated"},
    "live": {"sending": "agreed", "receiving": "agreed"},
    "rejected": {"receiving": "rejected"},
    "recognized": {"sending": "recognised", "receiving": "results-issued"},
    "cancelled": {"sending": "called-off", "receiving": "called-off"},
}
PURPOSES = {"student-studies": "studies", "student-traineeship": "traineeship"}
FORMS = {"long-term": "long-term", "short-blended": "blended-short", "short-doctoral": "doctoral-short"}

OF_STUDENT = {
    name: "person"
    for name in """given-names family-name birth-date citizenship gender email photo-url mailing-address street-address
    phone-number""".split()
}
OF_MOBILITY = {
    "sending-academic-term-ewp-id": "no-member",
    "eqf-level-studied-at-nomination": "no-member",
    "eqf-level-studied-at-departure": "no-member",
    "nominee-isced-f-code": "no-member",
    "nominee-language-skill": "no-member",
    "additional-requirement": "attachment",
    # Learning agreements
    "isced-f-code": "no-member",
    "isced-clarification": "free-text",
    "student-language-skill": "no-member",
    "changes-proposal": "not-approved",
}
OF_SIGNATURE = {
    "signer-name": "staff",
    "signer-position": "staff",
    "signer-email": "staff",
    "signer-app": "no-member",
}
LISTS_ABROAD = ("components-studied", "virtual-components")
# As many as a transcript has parts at most.
MAX_COMPONENTS = 256
SIGNATURES = ("student-signature", "sending-hei-signature", "receiving-hei-signature")


class Mobility:
    """What one document states about one mobility. Absent: it does not say."""

    def __init__(self, mobility_id=None):
        self.id = mobility_id
        self.sending = self.receiving = self.year = None
        self.person = None
        self.planned = None
        self.actual_from = self.actual_to = None
        self.programme = self.activity = None
        self.requested_on = None
        self.reached = {}
        # Dates on which all parties had signed, and the credits abroad from then on.
        self.signed = []
        self.results_on = None


def mobilities(root, ledger, office, calendar):
    """The mobilities of an `omobilities-get-response`."""
    for node in root.children:
        if node.name in ("student-mobility", "student-mobility-for-studies"):
            yield _nomination(node, ledger, office, calendar)


def agreements(root, ledger, office, calendar):
    """The mobilities of an `omobility-las-get-response`."""
    for node in root.all("la"):
        mobility = _common(node, ledger, office, f"{HALF}.connection")
        mobility.planned = _months(node, ledger, calendar) or _days(node, ledger, calendar, ("start-date", "end-date"))
        _signed(node, mobility, ledger, office, calendar)
        ledger.skip_children(node, OF_MOBILITY)
        yield mobility


def fragment(root, mobility_id, ledger, office, calendar):
    """First version, approved changes and proposals alone, of a mobility that the case book has."""
    mobility = Mobility(mobility_id)
    _signed(root, mobility, ledger, office, calendar)
    ledger.skip_children(root, OF_MOBILITY)
    return mobility


def _common(node, ledger, office, connection):
    mobility = Mobility(ledger.required(node, "omobility-id", connection))
    for role in ("sending", "receiving"):
        hei = node.one(role + "-hei")
        if hei is None:
            raise Refused("missing", f"{node.path}/{role}-hei")
        code = ledger.required(hei, "hei-id", f"{HALF}.{role}")
        office.institution(code, hei.path + "/hei-id")
        setattr(mobility, role, code)
        for iia in hei.all("iia-id"):
            programme = office.programmes.get(iia.text)
            if programme and mobility.programme not in (None, programme):
                raise Refused("two-documents-differ", iia.path)
            if programme:
                ledger.text(iia, f"{HALF}.programme")
                mobility.programme = programme
        ledger.skip_children(hei, {"ounit-id": "no-member", "ounit-name": "no-member", "iia-id": "no-programme"})
        ledger.skip_children(hei, {"contact-person": "staff"})
    mobility.year = ledger.required(node, "receiving-academic-year-id", connection)
    student = node.one("student")
    if student is None:
        raise Refused("missing", node.path + "/student")
    mobility.person = _student(student, ledger, office, mobility)
    ledger.skip_children(student, OF_STUDENT)
    return mobility


def _student(student, ledger, office, mobility):
    node = student.one("global-id")
    if node is None or not node.text:
        raise Refused("no-identifier", student.path)
    identifier = ledger.text(node, SUBJECT)
    identifier = "esi/" + identifier.removeprefix(ESI).replace(":", "/")
    if not re.fullmatch(r"[A-Za-z0-9._/-]{1,64}", identifier, re.ASCII):
        raise Refused("bad-identifier", node.path)
    return {"scheme": office.person_scheme(mobility.sending, node.path), "id": identifier}


def _nomination(node, ledger, office, calendar):
    mobility = _common(node, ledger, office, f"{HALF}.connection")
    status = ledger.required(node, "status", f"{HALF}.step")
    if status not in STATUSES:
        raise Refused("unknown-code", node.path + "/status")
    mobility.reached = STATUSES[status]
    mobility.planned = _days(node, ledger, calendar, ("planned-arrival-date", "planned-departure-date"))
    if mobility.planned is None:
        raise Refused("missing", node.path + "/planned-arrival-date")
    actual = _dates(node, ledger, calendar, ("actual-arrival-date", "actual-departure-date"), "actualPeriod")
    mobility.actual_from = actual[0]
    mobility.actual_to = actual[1] and day_after(actual[1])
    mobility.activity = _activity(node, ledger)
    ledger.skip_children(node, OF_MOBILITY)
    return mobility


def _activity(node, ledger):
    """Purpose and form, where both are said: neither is guessed."""
    purpose, form = node.one("activity-type"), node.one("activity-attributes")
    if purpose is None or form is None:
        for one in (purpose, form):
            if one is not None:
                ledger.skip(one, "no-member")
        return None
    for one, codes in ((purpose, PURPOSES), (form, FORMS)):
        if ledger.text(one, f"{HALF}.activity") not in codes:
            raise Refused("unknown-code", one.path)
    return {"purpose": PURPOSES[purpose.text], "form": FORMS[form.text]}


def _dates(node, ledger, calendar, names, member):
    found = []
    for name, end in zip(names, ("from", "to")):
        text = ledger.optional(node, name, f"{HALF}.{member}.{end}")
        found.append(calendar.date(text, f"{node.path}/{name}") if text else None)
    return found


def _days(node, ledger, calendar, names):
    """First and last day, as a period whose end no longer belongs to it."""
    first, last = _dates(node, ledger, calendar, names, "plannedPeriod")
    return (first, day_after(last)) if first and last else None


def _months(node, ledger, calendar):
    """First and last month: from the first day of the one to the last day of the other."""
    found = []
    for name, end in (("start-year-month", "from"), ("end-year-month", "to")):
        text = ledger.optional(node, name, f"{HALF}.plannedPeriod.{end}")
        if text is None:
            return None
        found.append(calendar.month(text, f"{node.path}/{name}"))
    return found[0], month_after(found[1])


def _signed(node, mobility, ledger, office, calendar):
    """Versions that both institutions have signed, with the credits abroad after each."""
    components = []
    for version in node.children:
        if version.name not in ("first-version", "approved-changes"):
            continue
        complete = all(version.one(name) is not None for name in SIGNATURES[1:])
        if not complete:
            ledger.skip(version, "not-approved")
            continue
        signed_on = _signatures(version, mobility, ledger, calendar)
        credits = _components(version, components, ledger, office)
        mobility.signed.append((signed_on, credits))


def _signatures(version, mobility, ledger, calendar):
    days = []
    for name in SIGNATURES:
        signature = version.one(name)
        if signature is None:
            continue
        first = name == "student-signature" and version.name == "first-version"
        member = f"{HALF}.requestedOn" if first else f"{HALF}.stepOn"
        day = calendar.date(ledger.required(signature, "timestamp", member), signature.path + "/timestamp")
        if first:
            mobility.requested_on = day
        days.append(day)
        ledger.skip_children(signature, OF_SIGNATURE)
    return max(days)


def _components(version, components, ledger, office):
    """Applies a version to the components so far; gives their credits, or nothing where not every one has some."""
    seen = []
    for name in LISTS_ABROAD:
        for node in (child for part in version.all(name) for child in part.all("component")):
            credit, amount = node.one("credit"), None
            if credit is not None:
                amount = _credit(credit, ledger, office)
                seen.append(credit)
            title = node.one("title")
            key = (name, title.text if title is not None else None)
            if node.attributes.get("status") == "deleted":
                if not any(have[0] == key for have in components):
                    raise Refused("deleted-unknown", node.path)
                components.remove(next(have for have in components if have[0] == key))
            elif len(components) >= MAX_COMPONENTS:
                raise Refused("too-many-elements", node.path)
            else:
                components.append((key, amount))
    credits = _sum(components)
    if credits is None:
        for credit in seen:
            _unmap(ledger, credit)
    for part in version.all("components-recognized"):
        ledger.skip(part, "home-component")
    for name in LISTS_ABROAD:
        for part in version.all(name):
            ledger.skip(part, "component-of-agreement")
    return credits


def _credit(node, ledger, office):
    member = f"{HALF}.plannedCredits"
    scheme = office.credit_scheme(ledger.required(node, "scheme", member), node.path + "/scheme")
    return scheme, hundredths(ledger.required(node, "value", member), node.path + "/value")


def _unmap(ledger, credit):
    for child in credit.children:
        if (id(child), "") in ledger.entries:
            ledger.entries[id(child), ""].members.clear()
    ledger.skip(credit, "credits-incomplete")


def _sum(components):
    schemes = {amount[0] for _, amount in components if amount}
    if len(schemes) != 1 or not all(amount for _, amount in components):
        return None
    return {"scheme": schemes.pop(), "hundredths": sum(amount[1] for _, amount in components)}
