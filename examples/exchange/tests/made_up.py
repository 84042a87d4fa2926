"""Made-up documents, settings and cases."""

from hefu_exchange.amounts import Calendar
from hefu_exchange.conversion import Context, Conversion
from hefu_exchange.office import CaseBook, Settings
from hefu_exchange.reading import ELMO, EWP, parse

AGREEMENT = "urn:uuid:0198f3c2-0001-7000-8000-000000000001"
OMOBILITIES = EWP + "ewp-specs-api-omobilities/blob/stable-v2/endpoints/get-response.xsd"
LAS = EWP + "ewp-specs-api-omobility-las/blob/stable-v1/endpoints/get-response.xsd"
TORS = EWP + "ewp-specs-api-imobility-tors/blob/stable-v2/endpoints/get-response.xsd"
NAME = "Ola Madeupsson"
NUMBER = "99887766"

SETTINGS = {
    "timeZone": "Europe/Oslo",
    "cities": {
        city: {
            "city": {"scheme": "un-locode", "code": code, "name": {"en": city}},
            "office": {"scheme": "un-locode", "code": code, "name": {"en": city + " office"}},
        }
        for city, code in (("one", "NOONE"), ("two", "PLTWO"))
    },
    "institutions": {
        "a.example": {"city": "one", "name": {"en": "A"}},
        "b.example": {"city": "two", "name": {"en": "B"}},
        "b_2.example": {"city": "two", "name": {"en": "B2"}},
    },
    "programmes": {"iia-1": "exchange-1"},
    "creditSchemes": {"ects": "ects"},
}
STEPS = {
    "sending": {"nominated": "2024-10-10", "agreed": "2024-11-20", "live": "2025-02-01"},
    "receiving": {"verified": "2024-10-15", "agreed": "2024-11-20", "arrived": "2025-02-01", "departed": "2025-06-20"},
}
CASE = {
    "omobilityId": "m-1",
    "sendingHei": "a.example",
    "academicYear": "2024/2025",
    "requestedOn": "2024-10-01",
    "steps": STEPS,
}


def student(identifier="urn:schac:personalUniqueCode:int:esi:a.example:" + NUMBER):
    """The `student` element of EWP."""
    return f"<student><given-names>{NAME}</given-names><global-id>{identifier}</global-id></student>"


def mobility(status="nomination", extra="", who=None, receiving="b.example", namespace=OMOBILITIES, mobility_id="m-1"):
    """An `omobilities-get-response` with one mobility."""
    return (
        f'<omobilities-get-response xmlns="{namespace}"><student-mobility><omobility-id>{mobility_id}</omobility-id>'
        f"<sending-hei><hei-id>a.example</hei-id><iia-id>iia-1</iia-id></sending-hei>"
        f"<receiving-hei><hei-id>{receiving}</hei-id></receiving-hei>"
        f"<receiving-academic-year-id>2024/2025</receiving-academic-year-id>{student() if who is None else who}"
        f"<status>{status}</status><planned-arrival-date>2025-02-01</planned-arrival-date>"
        f"<planned-departure-date>2025-06-20</planned-departure-date>{extra}"
        f"</student-mobility></omobilities-get-response>"
    ).encode()


def component(title, value=None, status=""):
    """A component of a learning agreement."""
    credit = f"<credit><scheme>ects</scheme><value>{value}</value></credit>" if value is not None else ""
    return f"<component{status}><title>{title}</title>{credit}</component>"


def version(name, day, studied, parties=("student", "sending-hei", "receiving-hei")):
    """One version of a learning agreement, signed on a day."""
    signatures = "".join(
        f"<{party}-signature><timestamp>{day}T12:00:00+01:00</timestamp></{party}-signature>" for party in parties
    )
    return f"<{name}><components-studied>{studied}</components-studied>{signatures}</{name}>"


def agreement(*versions):
    """An `omobility-las-get-response` of the same mobility."""
    return (
        f'<omobility-las-get-response xmlns="{LAS}"><la><omobility-id>m-1</omobility-id>'
        "<sending-hei><hei-id>a.example</hei-id></sending-hei>"
        "<receiving-hei><hei-id>b.example</hei-id></receiving-hei>"
        f"<receiving-academic-year-id>2024/2025</receiving-academic-year-id>{student()}"
        f"<start-year-month>2025-02</start-year-month><end-year-month>2025-06</end-year-month>"
        f"{''.join(versions)}</la></omobility-las-get-response>"
    ).encode()


def course(
    title="Algebra", identifiers='<identifier type="local">ALG-1</identifier>', kind="Course", instance="", parts=""
):
    """A course of ELMO, with what stands in its instance."""
    parts = f"<hasPart>{parts}</hasPart>" if parts else ""
    return (
        f'<learningOpportunitySpecification>{identifiers}<title xml:lang="en">{title}</title><type>{kind}</type><specifies>'
        f"<learningOpportunityInstance>{instance}</learningOpportunityInstance></specifies>{parts}"
        "</learningOpportunitySpecification>"
    )


def credit(value="6", level=""):
    """Credits of ELMO."""
    return f"<credit><scheme>ECTS</scheme>{level}<value>{value}</value></credit>"


def elmo(*courses, identifier=NUMBER, issued="2025-07-01T10:00:00+02:00", end=""):
    """An `elmo` element with one report."""
    learner = f'<identifier type="nationalIdentifier">{identifier}</identifier>' if identifier else ""
    return (
        f'<elmo xmlns="{ELMO}"><learner><citizenship>NO</citizenship>{learner}<givenNames>{NAME}</givenNames></learner>'
        f'<report><issuer><identifier type="schac">b.example</identifier></issuer>{"".join(courses)}'
        f"<issueDate>{issued}</issueDate></report>{end}</elmo>"
    ).encode()


def convert(*documents, role="receiving", cases=(CASE,), shift=0, fragments=()):
    """Drafts and report of made-up documents; references are stand-ins that do not hold the identifier."""
    office = Settings(SETTINGS)
    context = Context(AGREEMENT, 1, office, Calendar(office.time_zone, shift))
    conversion = Conversion(role, context, CaseBook({"cases": list(cases)}))
    for document in documents:
        conversion.read(parse(document))
    for of, document in fragments:
        conversion.read(parse(document, without_namespace=True, fragment=True), of)
    persons = conversion.persons()
    context.references = {person: f"urn:hefu:subject:1:{number:043}" for number, person in enumerate(persons)}
    drafts = conversion.drafts()
    return [draft["record"] for draft, _ in drafts], conversion.report(drafts), persons
