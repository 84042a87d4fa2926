"""The agreement of the example: exchange and recognition between two cities. Every term is made up."""

STAGES = ["higher-vocational", "bachelor", "master", "doctor"]
KINDS = ("enrollment-connection", "qualification-recognition")
# The row by which the home institution converts: two of its points for three ECTS credits.
CREDIT_ROW = {"row": "ects-to-home", "from": "ects", "to": "home-points", "num": 2, "den": 3, "rounding": "half-up"}


def proposal(settings, parties, year):
    """What `hefu agreement propose` is given: two years before `year` and two after.

    `parties` are (key of the city in the settings, origin of the node).
    """
    dids = ["did:web:" + origin.replace(":", "%3A") for _, origin in parties]
    names = [settings.cities[city]["office"]["name"] for city, _ in parties]
    return {
        "title": {
            "zh": "学生交流与学分认定协议",
            "en": "Agreement on student exchange and recognition of credits",
        },
        "type": "bilateral",
        "parties": [_party(settings, city, origin) for city, origin in parties],
        "terms": _terms(settings, dids, year),
        "validFrom": f"{year - 2}-01-01",
        "validTo": f"{year + 2}-12-31",
        "contacts": [{"party": did, "name": name} for did, name in zip(dids, names)],
    }


def _party(settings, city, origin):
    of_city = [code for code, known in settings.institutions.items() if known["city"] == city]
    offices = [settings.cities[city]["office"]["code"], *of_city]
    return {
        "origin": origin,
        "city": settings.cities[city]["city"],
        "name": settings.cities[city]["office"]["name"],
        "mayState": [{"kind": kind, "stages": STAGES, "offices": offices} for kind in KINDS],
    }


def _terms(settings, dids, year):
    both = {"from": dids, "to": dids}
    calendar = {"weeklyRest": [6, 7], "holidays": [f"{year - 1}-05-17", f"{year - 1}-11-11"], "makeUpDays": []}
    fields = {
        "enrollment-connection": ["programme", "activity", "plannedCredits", "actualPeriod"],
        "qualification-recognition": [
            "components",
            "target",
            "purpose",
            "outcome",
            "reasons",
            "mapping",
            "appealUntil",
        ],
    }
    universities = [
        settings.institution(code, "") for code in ("uio.no", "uw.edu.pl", "example_a.edu", "example_b.edu")
    ]
    return {
        "scope": [{"row": kind, "kind": kind, "stages": STAGES, "direction": both} for kind in KINDS],
        "population": {kind: {"covers": "case"} for kind in KINDS},
        "fields": {kind: {"required": ["id"], "allowed": fields[kind]} for kind in KINDS},
        "purposes": ["exchange", "recognition"],
        "legalBasis": [{"title": {"zh": "里斯本学历承认公约", "en": "Lisbon Recognition Convention"}}],
        # The two cities lie in two countries: without it no record of a person would flow.
        "crossBorderBasis": [
            {
                "title": {"zh": "欧盟《通用数据保护条例》", "en": "General Data Protection Regulation"},
                "article": "6(1)(e)",
            }
        ],
        "deadlines": [
            _limit("receiving", "verified", "sending", "nominated", 10),
            # The Erasmus Charter for Higher Education: five weeks each.
            _limit("receiving", "results-issued", "receiving", "departed", 25),
            _limit("sending", "recognised", "receiving", "results-issued", 25),
        ],
        "calendars": {did: calendar for did in dids},
        "exclusiveStages": [],
        "overlapDays": 0,
        "blockedFrom": [],
        "compulsoryStages": [],
        "graceDays": {"S4": 30, "C1": 3, "G1": 7, "G6": 7},
        "staleHours": 48,
        "eraseDailyShare": {"num": 1, "den": 100},
        "restrictedDays": 30,
        "existingCases": "finish",
        "suite": "ed25519-sha256",
        "programmes": [
            {
                "key": "oslo-warsaw-exchange",
                "type": "student-exchange",
                "institutions": universities,
                "period": {"from": f"{year - 2}-01-01", "to": f"{year + 3}-01-01"},
            }
        ],
        "creditTable": [CREDIT_ROW],
        "retention": {kind: 3650 for kind in KINDS},
        "timeZone": settings.time_zone,
    }


def _limit(role, step, after_role, after_step, days):
    after = {"role": after_role, "step": after_step}
    return {"kind": "exchange", "role": role, "step": step, "after": after, "workingDays": days}
