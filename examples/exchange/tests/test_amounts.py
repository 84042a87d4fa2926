"""Numbers and dates, exactly."""

import datetime
import unittest

from hefu_exchange.amounts import Calendar, convert, hundredths, month_after, name, slug, uuid7
from hefu_exchange.refusal import Refused


def code(action, *arguments):
    """The reason of a refusal."""
    try:
        return action(*arguments)
    except Refused as refused:
        return refused.code


class Amounts(unittest.TestCase):
    def test_decimals_become_hundredths_or_are_refused(self):
        for text, expected in (
            ("6", 600),
            ("4.5", 450),
            ("4.05", 405),
            (".5", 50),
            ("7.", 700),
            ("0", 0),
            ("4.500", 450),
            ("007", 700),
            ("100000", 10_000_000),
            ("100000.01", "out-of-range"),
            ("4.505", "too-many-digits"),
            ("0.001", "too-many-digits"),
            ("-1", "not-a-decimal"),
            ("+1", "not-a-decimal"),
            ("1e2", "not-a-decimal"),
            ("1,5", "not-a-decimal"),
            ("", "not-a-decimal"),
            (".", "not-a-decimal"),
            ("NaN", "not-a-decimal"),
            ("٦", "not-a-decimal"),
            ("1" * 33, "not-a-decimal"),
            ("1_0", "not-a-decimal"),
            ("6\n", "not-a-decimal"),
        ):
            self.assertEqual(code(hundredths, text, "/"), expected, text)

    def test_conversions_are_exact_and_round_as_the_row_says(self):
        for amount, num, den, down, half_up, half_even in (
            (600, 2, 3, 400, 400, 400),
            (500, 2, 3, 333, 333, 333),
            (550, 1, 3, 183, 183, 183),
            (1, 1, 2, 0, 1, 0),
            (3, 1, 2, 1, 2, 2),
            (5, 1, 2, 2, 3, 2),
            (1000, 2, 3, 666, 667, 667),
            (10_000_000, 999_983, 999_979, 10_000_040, 10_000_040, 10_000_040),
        ):
            for rounding, expected in (("down", down), ("half-up", half_up), ("half-even", half_even)):
                row = {"num": num, "den": den, "rounding": rounding}
                self.assertEqual(convert(amount, row), expected, (amount, num, den, rounding))

    def test_dates_are_those_of_the_agreement_s_time_zone(self):
        calendar = Calendar("Europe/Oslo")
        for text, expected in (
            ("2025-02-01", "2025-02-01"),
            ("2025-02-01Z", "2025-02-01"),
            ("2025-02-01+14:00", "2025-02-01"),
            ("2025-02-01T23:30:00Z", "2025-02-02"),
            ("2025-02-01T00:30:00+05:00", "2025-01-31"),
            ("2025-02-01T23:30:00", "2025-02-01"),
        ):
            self.assertEqual(calendar.date(text, "/").isoformat(), expected, text)
        for text in ("2025-02-30", "2025-13-01", "yesterday", "", "1" * 50, "9999-12-31T23:59:59-14:00"):
            self.assertEqual(code(calendar.date, text, "/"), "not-a-date", text)
        self.assertEqual(calendar.midnight(datetime.date(2025, 2, 1)), "2025-02-01T00:00:00+01:00")
        self.assertEqual(calendar.midnight(datetime.date(2025, 7, 1)), "2025-07-01T00:00:00+02:00")

    def test_dates_move_by_whole_years_or_not_at_all(self):
        self.assertEqual(Calendar("Europe/Oslo", 15).date("2010-02-01", "/").isoformat(), "2025-02-01")
        self.assertEqual(code(Calendar("Europe/Oslo", 1).date, "2024-02-29", "/"), "not-a-date")
        self.assertEqual(code(Calendar, "Nowhere/Atall"), "settings")
        self.assertEqual(code(Calendar("Europe/Oslo").month, "2025-2", "/"), "not-a-date")
        self.assertEqual(month_after(datetime.date(2024, 12, 1)), datetime.date(2025, 1, 1))

    def test_ids_are_of_version_7_and_follow_from_their_label(self):
        day = datetime.date(2025, 2, 1)
        form = r"^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
        for number in range(100):
            self.assertRegex(uuid7(day, "record", str(number)), form)
        self.assertRegex(uuid7(datetime.date(1905, 1, 1), "record"), form)
        self.assertEqual(uuid7(day, "a", "b"), uuid7(day, "a", "b"))
        self.assertNotEqual(uuid7(day, "a", "b"), uuid7(day, "ab"))
        self.assertLess(uuid7(day, "z"), uuid7(datetime.date(2025, 2, 2), "a"))

    def test_keys_and_names(self):
        self.assertEqual(slug("CR/1956-0_ed", "/"), "cr-1956-0-ed")
        self.assertEqual(code(slug, "学", "/"), "bad-code")
        self.assertEqual(name("A\u030a", "/"), "\u00c5")
        for text in ("", "x" * 201, "no 123456789012345", "a\x07b"):
            self.assertEqual(code(name, text, "/"), "bad-name", text[:20])
