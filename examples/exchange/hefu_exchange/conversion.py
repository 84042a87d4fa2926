"""From files to drafts and a report: all of them, or none."""

import json
import subprocess

from . import connection, mobility, recognition, transcript
from .amounts import uuid7
from .ledger import Ledger
from .mobility import HALF, Mobility
from .refusal import Refused

KINDS = {
    "omobilities-get-response": "ewp-omobilities",
    "omobility-las-get-response": "ewp-omobility-las",
    "imobility-tors-get-response": "ewp-imobility-tors",
    "elmo": "elmo",
    "fragment": "ewp-omobility-la-fragment",
}
# A shorter code may be found in another text by chance.
MIN_IDENTIFIER_LEN = 6
# `hefu subject` answers at once; this only ends a call that hangs.
SUBJECT_TIMEOUT_S = 60


class Context:
    """What every draft needs: the agreement, the office's settings, the references of the persons."""

    def __init__(self, agreement, version, office, calendar):
        self.agreement, self.version, self.office, self.calendar = agreement, version, office, calendar
        self.references = {}

    def record(self, kind, day, draft_id, stated_by, body):
        """A record without what the node adds. Its id follows from the draft's: a document that is converted again
        gives the same drafts, and publishing them again changes nothing."""
        return {
            "id": uuid7(day, "record", self.agreement, draft_id),
            "type": ["VerifiableCredential", kind],
            "validFrom": self.calendar.midnight(day),
            "termsOfUse": [{"type": "Agreement", "id": self.agreement, "version": self.version}],
            "statedBy": stated_by,
            "credentialSubject": body,
        }

    @staticmethod
    def draft(draft_id, record, sources):
        """A line for `hefu publish`, with the members that no document states."""
        return {"draftId": draft_id, "record": record}, sources


class Conversion:
    """Reads documents one by one, then makes the drafts of one city."""

    def __init__(self, role, context, book):
        self.role, self.context, self.book = role, context, book
        self.cases, self.awards, self.ledgers = {}, [], []

    def read(self, document, case=None):
        """One parsed document; `case` is the mobility of one that does not name it."""
        root, office, calendar = document.root, self.context.office, self.context.calendar
        if root.name not in KINDS:
            raise Refused("wrong-root", "/")
        ledger = Ledger(len(self.ledgers) + 1, KINDS[root.name], root)
        self.ledgers.append(ledger)
        if root.name == "omobilities-get-response":
            for found in mobility.mobilities(root, ledger, office, calendar):
                self._case(found, root.path)
        elif root.name == "omobility-las-get-response":
            for found in mobility.agreements(root, ledger, office, calendar):
                self._case(found, root.path)
        elif root.name == "fragment":
            self._case(mobility.fragment(root, case, ledger, office, calendar), root.path)
        elif root.name == "elmo":
            awards = transcript.Reader(root, document, ledger, office, calendar).awards(whole=False)
            self.awards += awards
            if case is not None:
                self._results(Mobility(case), awards, ledger, root.path)
        else:
            for tor in root.all("tor"):
                self._transcript(tor, document, ledger)

    def _transcript(self, tor, document, ledger):
        elmo = tor.one("elmo")
        if elmo is None:
            raise Refused("missing", tor.path + "/elmo")
        found = Mobility(ledger.required(tor, "omobility-id", f"{HALF}.connection"))
        awards = transcript.Reader(elmo, document, ledger, self.context.office, self.context.calendar).awards(
            whole=True
        )
        ledger.skip_children(tor, {"gradeConversionTable": "statistics"})
        self.awards += awards
        self._results(found, awards, ledger, tor.path)

    def _results(self, found, awards, ledger, path):
        """A transcript is a step of its mobility, too: the results are issued."""
        if not awards:
            raise Refused("missing", path)
        found.receiving, found.person = awards[0].issuer, awards[0].person
        found.results_on = max(award.issued_on for award in awards)
        # The half has the same person and date as the award.
        for entry in ledger.entries.values():
            if "QualificationRecognition.id" in entry.members:
                entry.members.add(f"{HALF}.id")
            if "QualificationRecognition.stepOn" in entry.members:
                entry.members.add(f"{HALF}.stepOn")
        self._case(found, path)

    def _case(self, found, path):
        known = {"omobilityId": found.id, "sendingHei": found.sending, "academicYear": found.year}
        booked = self.book.find(**known)
        if not booked and found.year is None:
            raise Refused("no-case", path)
        sending, year = found.sending or booked.get("sendingHei"), found.year or booked.get("academicYear")
        key = (found.id, sending, year)
        if key not in self.cases:
            self.cases[key] = connection.Case(booked, self.context.calendar, path)
        self.cases[key].add(found)

    def persons(self):
        """Scheme and identifier of everybody, once. They go to `hefu subject` and nowhere else."""
        all_persons = [case.person for case in self.cases.values()] + [award.person for award in self.awards]
        if None in all_persons:
            raise Refused("no-identifier", "case book")
        return list(dict.fromkeys((person["scheme"], person["id"]) for person in all_persons))

    def drafts(self):
        """The drafts of this city, and for each the members that no document states."""
        found = []
        for case in self.cases.values():
            found += connection.halves(case, self.role, self.context)
        if self.role == "receiving":
            found += [recognition.awarding(award, self.context) for award in self.awards]
        self._check_silent(found)
        return found

    def _check_silent(self, drafts):
        """A sender may have put an identifier into a course's code or title: then nothing is converted."""
        codes = {identifier.rpartition("/")[2].lower() for _, identifier in self.persons()}
        codes = {code for code in codes if len(code) >= MIN_IDENTIFIER_LEN}
        for draft, _ in drafts:
            text = json.dumps(draft["record"]["credentialSubject"], ensure_ascii=False).lower()
            if any(code in text for code in codes):
                raise Refused("personal-data", draft["record"]["type"][1])

    def report(self, drafts):
        """What became of each element, and what each record takes from elsewhere."""
        stated = (f"{HALF}.",) if self.role == "sending" else (f"{HALF}.", f"{recognition.KIND}.")
        documents = []
        for ledger in self.ledgers:
            ledger.close(stated)
            documents.append(
                {"number": ledger.number, "kind": ledger.kind, "counts": ledger.counts(), "members": ledger.rows()}
            )
        return {
            "role": self.role,
            "shiftYears": self.context.calendar.shift_years,
            "documents": documents,
            "records": [summary(draft, sources) for draft, sources in drafts],
        }


def summary(draft, sources):
    """One record of the report."""
    body = draft["record"]["credentialSubject"]
    return {
        "draftId": draft["draftId"],
        "id": draft["record"]["id"],
        "kind": draft["record"]["type"][1],
        "role": body["role"],
        "step": body["step"],
        "stepOn": body["stepOn"],
        "notFromDocuments": sources,
    }


def references(program, folder, agreement, persons):
    """Subject references by `hefu subject`, through a pipe: an identifier is in no argument, file or message."""
    if not persons:
        return {}
    lines = "".join(json.dumps({"scheme": scheme, "id": identifier}) + "\n" for scheme, identifier in persons)
    command = [program, "--dir", folder, "subject", "--agreement", agreement]
    try:
        done = subprocess.run(
            command,
            input=lines.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SUBJECT_TIMEOUT_S,
            check=True,
        )
        found = [json.loads(line)["subject"] for line in done.stdout.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        raise Refused("program", "hefu subject") from None
    if len(found) != len(persons):
        raise Refused("program", "hefu subject")
    return dict(zip(persons, found))
