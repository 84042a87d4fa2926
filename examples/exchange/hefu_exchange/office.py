"""What the office knows and the documents do not say: institutions and cities (settings), steps and their dates (case
book)."""

import json

from .refusal import Refused

# Both files are the office's own; the limit only keeps a wrong file from being read.
MAX_SETTINGS_LEN = 1024 * 1024


def load(path):
    """A JSON object from a file."""
    with open(path, "rb") as file:
        data = file.read(MAX_SETTINGS_LEN + 1)
    try:
        value = json.loads(data) if len(data) <= MAX_SETTINGS_LEN else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refused("settings", "/")
    return value


class Settings:
    """Institutions by their identifier in EWP and ELMO (SCHAC), cities, programmes, credit schemes."""

    def __init__(self, value):
        try:
            self.time_zone = value["timeZone"]
            self.cities = value["cities"]
            self.institutions = value["institutions"]
            self.programmes = value["programmes"]
            self.credit_schemes = value["creditSchemes"]
        except KeyError:
            raise Refused("settings", "/") from None

    def institution(self, hei_id, path):
        """The institution as a record names it. What is no domain name is no SCHAC code and becomes a local one."""
        known = self.institutions.get(hei_id)
        if known is None:
            raise Refused("unknown-institution", path)
        scheme = "local" if "_" in hei_id else "schac"
        return {"scheme": scheme, "code": hei_id, "name": known["name"]}

    def city_of(self, hei_id, path):
        """City and office that act for an institution."""
        known = self.institutions.get(hei_id)
        if known is None:
            raise Refused("unknown-institution", path)
        return self.cities[known["city"]]

    def side(self, hei_id, path):
        """One side of a connection."""
        city = self.city_of(hei_id, path)
        return {"city": city["city"], "office": city["office"], "institution": self.institution(hei_id, path)}

    def person_scheme(self, hei_id, path):
        """The scheme of subject references for persons that an institution of a city knows by an identifier."""
        return "local:" + self.city_of(hei_id, path)["city"]["code"]

    def credit_scheme(self, text, path):
        """The agreement's key of a credit scheme; EWP and ELMO write `ects` in any case."""
        key = self.credit_schemes.get(text.lower())
        if key is None:
            raise Refused("unknown-credit-scheme", path)
        return key


class CaseBook:
    """Mobilities that the office has on file, with the dates of steps that no document has."""

    def __init__(self, value):
        self.cases = value.get("cases", [])

    def find(self, **known):
        """The case that says nothing else than what is known of it, or an empty one."""
        for case in self.cases:
            if all(case.get(member, value) == value for member, value in known.items() if value is not None):
                return case
        return {}
