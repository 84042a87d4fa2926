"""ELMO, alone or inside an EWP transcript of records (imobility-tors): what it states about awards."""

import re

from .amounts import hundredths, name, slug
from .reading import SIGNATURE, XML
from .refusal import Refused

AWARD = "QualificationRecognition"
LANGUAGE = XML + " lang"
# ELMO, schema.xsd: without a status, clients should assume `passed`.
RESULTS = {None: "passed", "passed": "passed", "failed": "failed", "in-progress": "incomplete"}
# ELMO's only levels of credits; ISCED 2011 has one level for each.
ISCED = {"Bachelor": 6, "Master": 7, "PhD": 8}
# The schema's bound of `components`.
MAX_COMPONENTS = 256
# Awards of one file; `unique` looks through all of them.
MAX_AWARDS = 1000
MAX_GRADE_LEN = 12

OF_COURSE = {
    "subjectArea": "no-member",
    "url": "course-description",
    "description": "course-description",
    "descriptionHtml": "course-description",
}
OF_INSTANCE = {
    "start": "no-member",
    "academicTerm": "no-member",
    "shortenedGrading": "statistics",
    "resultDistribution": "statistics",
    "languageOfInstruction": "no-member",
    "engagementHours": "no-member",
    "grouping": "layout",
    "attachments": "attachment",
    "diplomaSupplement": "supplement",
    "extension": "unknown",
}
OF_ISSUER = {"country": "in-settings", "title": "in-settings", "url": "in-settings", "identifier": "other-identifier"}


class Award:
    """One record of an award, before it is a draft."""

    def __init__(self, key, source, components, issued_on, issuer, person):
        self.key, self.source, self.components = key, source, components
        self.issued_on, self.issuer, self.person = issued_on, issuer, person


class Reader:
    """Reads the reports of one `elmo` element."""

    def __init__(self, elmo, document, ledger, office, calendar):
        self.elmo, self.ledger, self.office, self.calendar = elmo, ledger, office, calendar
        self.signed = any(child.namespace == SIGNATURE for child in elmo.children)
        self.digest = document.digest
        self.keys = []

    def awards(self, whole):
        """The awards of all reports: a degree each, and either the whole transcript or each course."""
        learner = self.elmo.one("learner")
        if learner is None:
            raise Refused("missing", self.elmo.path + "/learner")
        found = []
        for report in self.elmo.all("report"):
            issuer = self._issuer(report)
            person = self._learner(learner, issuer)
            found += self._report(report, issuer, person, whole)
        self.ledger.skip_children(
            self.elmo,
            {"learner": "person", "generatedDate": "document-time", "attachment": "attachment", "groups": "layout"},
        )
        self.ledger.skip_children(self.elmo, {"Signature": "signature"})
        return found

    def _issuer(self, report):
        issuer = report.one("issuer")
        if issuer is None:
            raise Refused("missing", report.path + "/issuer")
        for node in issuer.all("identifier"):
            if node.attributes.get("type") == "schac":
                self.ledger.attribute(node, "type", f"{AWARD}.source.awardingBody")
                code = self.ledger.text(node, f"{AWARD}.source.awardingBody")
                self.office.institution(code, node.path)
                self.ledger.skip_children(issuer, OF_ISSUER)
                return code
        raise Refused("missing", issuer.path + "/identifier")

    def _learner(self, learner, issuer):
        """By the national identifier, within the citizenship: other identifiers have no scheme that both sides know."""
        for node in learner.all("identifier"):
            if node.attributes.get("type") == "nationalIdentifier":
                country = self.ledger.required(learner, "citizenship", f"{AWARD}.id")
                self.ledger.attribute(node, "type", f"{AWARD}.id")
                identifier = f"{country}/{self.ledger.text(node, f'{AWARD}.id')}"
                if not re.fullmatch(r"[A-Za-z0-9._/-]{1,64}", identifier, re.ASCII):
                    raise Refused("bad-identifier", node.path)
                return {"scheme": self.office.person_scheme(issuer, node.path), "id": identifier}
        raise Refused("no-identifier", learner.path)

    def _report(self, report, issuer, person, whole):
        issued = self.ledger.required(report, "issueDate", f"{AWARD}.stepOn")
        issued_on = self.calendar.date(issued, report.path + "/issueDate")
        courses = report.all("learningOpportunitySpecification")
        degrees = [course for course in courses if _type(course) == "Degree Programme"]
        others = [course for course in courses if _type(course) != "Degree Programme"]
        if len(courses) + len(self.keys) > MAX_AWARDS:
            raise Refused("too-many-elements", report.path)
        found = []
        for course in degrees:
            found.append(
                self._award([course], "degree", self._titles(course, "source.title"), issuer, issued_on, person)
            )
        if whole and others:
            found.append(self._award(others, "study-period", self._transcript_title(report), issuer, issued_on, person))
        elif others:
            for course in others:
                titles = self._titles(course, "source.title")
                found.append(self._award([course], "course-credit", titles, issuer, issued_on, person))
        for scheme in report.all("gradingScheme"):
            self.ledger.skip(scheme, "free-text")
        self.ledger.skip_children(report, {"attachment": "attachment"})
        return found

    def _transcript_title(self, report):
        for attachment in report.all("attachment"):
            kind = attachment.one("type")
            if kind is not None and kind.text == "Transcript of Records" and attachment.all("title"):
                return self._titles(attachment, "source.title")
        return {"en": "Transcript of Records"}

    def _award(self, courses, kind, title, issuer, issued_on, person):
        member = f"{AWARD}.source."
        source = {
            "type": kind,
            "title": title,
            "awardingBody": self.office.institution(issuer, ""),
            "city": self.office.city_of(issuer, "")["city"],
        }
        for course in courses:
            if course.one("type") is not None:
                self.ledger.optional(course, "type", member + "type")
        dates = [day for course in courses if (day := self._awarded_on(course)) is not None]
        source["awardedOn"] = max(dates, default=issued_on).isoformat()
        levels = self._shared(courses, self._levels)
        if levels:
            source["levels"] = levels
        elif kind == "degree":
            raise Refused("no-level", courses[0].path)
        field = self._shared(courses, self._field)
        if field:
            source["field"] = field
        if self.signed:
            source["documentDigest"] = self.digest
        components = []
        for course in courses:
            self._component(course, issuer, components, above=None)
        key = components[0]["key"] if kind != "study-period" else f"transcript-{issued_on.isoformat()}"
        key = unique(key, self.keys)
        self.keys.append(key)
        return Award(key, source, components, issued_on, issuer, person)

    def _shared(self, courses, read):
        """What all courses state alike; where they differ the whole states nothing."""
        found = [read(course) for course in courses]
        if all(value == found[0][0] for value, _ in found):
            return found[0][0]
        for _, nodes in found:
            for node in nodes:
                entry = self.ledger.entries.get((id(node), ""))
                if entry:
                    entry.members.clear()
                self.ledger.skip(node, "several-values")
        return None

    def _instance(self, course):
        specifies = course.one("specifies")
        instance = specifies.one("learningOpportunityInstance") if specifies is not None else None
        if instance is None:
            raise Refused("missing", course.path + "/specifies/learningOpportunityInstance")
        return instance

    def _awarded_on(self, course):
        instance = self._instance(course)
        text = self.ledger.optional(instance, "date", f"{AWARD}.source.awardedOn")
        return self.calendar.date(text, instance.path + "/date") if text else None

    def _field(self, course):
        node = course.one("iscedCode")
        if node is None or not node.text:
            return None, []
        if not re.fullmatch(r"[0-9]{4}", node.text, re.ASCII):
            self.ledger.skip(node, "no-member")
            return None, []
        return self.ledger.text(node, f"{AWARD}.source.field"), [node]

    def _levels(self, course):
        """EQF by its number; ISCED from ELMO's level of credits. A framework is known by the settings or not at all."""
        instance, levels, nodes = self._instance(course), {}, []
        for node in instance.all("level"):
            kind, value = node.one("type"), node.one("value")
            if kind is not None and kind.text == "EQF" and value is not None:
                if not re.fullmatch(r"[1-8]", value.text, re.ASCII):
                    raise Refused("out-of-range", value.path)
                self.ledger.text(kind, f"{AWARD}.source.levels.eqf")
                levels["eqf"] = int(self.ledger.text(value, f"{AWARD}.source.levels.eqf"))
                nodes += [kind, value]
            self.ledger.skip_children(node, {"description": "free-text"})
            self.ledger.skip(node, "framework")
        for node in (level for credit in instance.all("credit") for level in credit.all("level")):
            if node.text not in ISCED:
                raise Refused("unknown-code", node.path)
            levels["isced"] = ISCED[self.ledger.text(node, f"{AWARD}.source.levels.isced")]
            nodes.append(node)
        return levels or None, nodes

    def _titles(self, parent, member):
        titles = {}
        for node in parent.all("title"):
            language = node.attributes.get(LANGUAGE, "und")
            if language in titles or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", language, re.ASCII):
                continue
            self.ledger.attribute(node, LANGUAGE, f"{AWARD}.{member}")
            titles[language] = name(self.ledger.text(node, f"{AWARD}.{member}"), node.path)
        if not titles:
            raise Refused("missing", parent.path + "/title")
        return titles

    def _component(self, course, issuer, components, above):
        """A course and, behind it, its parts. `above` is the ancestor that has the credits."""
        member = f"{AWARD}.components."
        if len(components) >= MAX_COMPONENTS:
            raise Refused("too-many-elements", course.path)
        instance = self._instance(course)
        component = {"key": self._key(course, components), "title": self._titles(course, "components.title")}
        code = next((node for node in course.all("identifier") if node.attributes.get("type") == "local"), None)
        if code is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", code.text, re.ASCII):
            self.ledger.attribute(code, "type", member + "code")
            component["code"] = self.ledger.text(code, member + "code")
        credits = self._credits(instance, member, above)
        if credits:
            component["credits"] = credits
        grade = self._grade(instance, issuer, member)
        if grade:
            component["grades"] = [grade]
        status = self.ledger.optional(instance, "status", member + "result")
        if status not in RESULTS:
            raise Refused("unknown-code", instance.path + "/status")
        component["result"] = RESULTS[status]
        components.append(component)
        self._rest(course, instance)
        for part in (los for has in course.all("hasPart") for los in has.all("learningOpportunitySpecification")):
            self._component(part, issuer, components, above or (course if credits else None))
            self.ledger.skip_children(part, {"iscedCode": "component-level", "type": "component-level"})

    def _rest(self, course, instance):
        self.ledger.skip_children(course, OF_COURSE)
        self.ledger.skip_children(course, {"identifier": "other-identifier"})
        self.ledger.skip_children(instance, OF_INSTANCE)
        self.ledger.skip_children(instance, {"level": "component-level", "date": "component-level"})
        self.ledger.skip_children(instance, {"identifier": "other-identifier"})

    def _key(self, course, components):
        """From the identifier that is meant for others, else the issuer's own, else any, else the position."""
        order = {"ewp-los-id": 0, "local": 1}
        nodes = sorted(course.all("identifier"), key=lambda node: order.get(node.attributes.get("type"), 2))
        if nodes:
            self.ledger.attribute(nodes[0], "type", f"{AWARD}.components.key")
            key = slug(self.ledger.text(nodes[0], f"{AWARD}.components.key"), nodes[0].path)
        else:
            key = f"part-{course.position}"
        # A course that was taken twice stands there twice.
        return unique(key, [component["key"] for component in components])

    def _credits(self, instance, member, above):
        nodes = [node for node in instance.all("credit") if node.one("value") is not None]
        if not nodes:
            return None
        if len(nodes) > 1:
            raise Refused("more-than-one", nodes[1].path)
        scheme, value = nodes[0].one("scheme"), nodes[0].one("value")
        if scheme is None:
            raise Refused("missing", nodes[0].path + "/scheme")
        key = self.office.credit_scheme(scheme.text, scheme.path)
        amount = hundredths(value.text, value.path)
        if above is not None:
            self.ledger.skip(nodes[0], "double-credits")
            return None
        self.ledger.text(scheme, member + "credits")
        self.ledger.text(value, member + "credits")
        return {"scheme": key, "hundredths": amount}

    def _grade(self, instance, issuer, member):
        """A local grading scheme is valid within its file only: with the issuer before it, it is anywhere."""
        result, scheme = instance.one("resultLabel"), instance.one("gradingSchemeLocalId")
        if result is None or not result.text:
            if scheme is not None:
                self.ledger.skip(scheme, "no-grade")
            return None
        if len(result.text) > MAX_GRADE_LEN:
            raise Refused("bad-code", result.path)
        local = self.ledger.text(scheme, member + "grades.scheme") if scheme is not None and scheme.text else "unnamed"
        key = slug(f"{issuer}-{local}", result.path)
        return {"scheme": key, "value": self.ledger.text(result, member + "grades.value")}


def unique(key, taken):
    """A key that is not taken yet: the second of a name is numbered."""
    if key not in taken:
        return key
    number = 2
    while f"{key[:60]}-{number}" in taken:
        number += 1
    return f"{key[:60]}-{number}"


def _type(course):
    node = course.one("type")
    return node.text if node is not None else None
