"""Numbers, dates and identifiers, exactly: no float anywhere."""

import datetime
import hashlib
import re
import unicodedata
import zoneinfo

from .refusal import Refused

# The bound of `credits.hundredths` in the schema.
MAX_HUNDREDTHS = 10_000_000
# Beyond this many characters a number is refused before it is looked at.
MAX_NUMBER_LEN = 32


def hundredths(text, path):
    """A decimal as whole hundredths. `4.5` is 450, `4.500` too; `4.505` is refused, as is an exponent or a sign."""
    if len(text) > MAX_NUMBER_LEN or not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text, re.ASCII):
        raise Refused("not-a-decimal", path)
    whole, _, fraction = text.partition(".")
    if fraction[2:].strip("0"):
        raise Refused("too-many-digits", path)
    amount = int(whole or "0") * 100 + int((fraction + "00")[:2])
    if amount > MAX_HUNDREDTHS:
        raise Refused("out-of-range", path)
    return amount


def convert(amount, row):
    """Hundredths by a row of the agreement's credit table: amount × num / den, rounded as the row says."""
    num, den = amount * row["num"], row["den"]
    down, rest = divmod(num, den)
    if row["rounding"] == "down":
        return down
    if 2 * rest != den:
        return down + (2 * rest > den)
    return down + 1 if row["rounding"] == "half-up" else down + down % 2


class Calendar:
    """Dates of the documents, moved by whole years where that is asked for, in the agreement's time zone."""

    def __init__(self, time_zone, shift_years=0):
        try:
            self.zone = zoneinfo.ZoneInfo(time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise Refused("settings", "timeZone") from None
        self.shift_years = shift_years

    def date(self, text, path):
        """`xs:date` or the date of an `xs:dateTime` in the agreement's time zone."""
        if len(text) > 40:
            raise Refused("not-a-date", path)
        try:
            if "T" in text:
                moment = datetime.datetime.fromisoformat(text)
                # A time without an offset is one of the sender's clock: its date is taken as it stands.
                day = (moment.astimezone(self.zone) if moment.tzinfo else moment).date()
            else:
                # The time zone that an `xs:date` may carry says nothing about a day in the calendar.
                day = datetime.date.fromisoformat(re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text))
            return day.replace(year=day.year + self.shift_years)
        except (ValueError, OverflowError):
            raise Refused("not-a-date", path) from None

    def month(self, text, path):
        """The first day of an `xs:gYearMonth`."""
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text, re.ASCII):
            raise Refused("not-a-date", path)
        return self.date(text + "-01", path)

    def midnight(self, day):
        """The beginning of a day with the offset of the agreement's time zone, as `validFrom` wants it."""
        return datetime.datetime(day.year, day.month, day.day, tzinfo=self.zone).isoformat()


def day_after(day):
    """Periods end with the first day that no longer belongs to them."""
    return day + datetime.timedelta(days=1)


def month_after(day):
    """The first day of the next month."""
    return (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)


def uuid7(day, *label):
    """A UUID of version 7 (RFC 9562, section 5.7) with the time of a day and bits that follow from the label: whoever
    converts the same document again gets the same one."""
    time = max(0, (day - datetime.date(1970, 1, 1)).days) * 86_400_000
    bits = int.from_bytes(hashlib.sha256("\x1f".join(label).encode()).digest()[:16], "big")
    value = (time << 80) | (0x7 << 76) | ((bits >> 64 & 0xFFF) << 64) | (0b10 << 62) | (bits & (2**62 - 1))
    text = f"{value:032x}"
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def slug(text, path):
    """A key: lower case letters, digits and single hyphens, at most 64."""
    key = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")
    if not key:
        raise Refused("bad-code", path)
    return key


def name(text, path):
    """A name for people: at most 200 characters, no run of 15 digits, which would be an identifier."""
    text = unicodedata.normalize("NFC", text)
    if not text or len(text) > 200 or re.search(r"[0-9]{15}", text) or re.search(r"[\x00-\x1f\x7f]", text):
        raise Refused("bad-name", path)
    return text
