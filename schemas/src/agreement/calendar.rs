//! Working days of a party: limits are counted in them (records §4).
use jiff::ToSpan;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Weekly rest days, holidays and make-up working days of one party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// ISO weekday numbers, 1 = Monday to 7 = Sunday.
    pub weekly_rest: BTreeSet<i8>,
    /// Days off besides.
    pub holidays: BTreeSet<Date>,
    /// Rest days that are worked.
    pub make_up: BTreeSet<Date>,
}

/// Calendar days looked at for one working day: a schema-valid calendar has at most six rest days in a week and 1,024
/// holidays, so a thousand working days (the longest limit) lie within 8,024 days; ten for each is more than enough
/// for every limit, once the holidays are added.
const DAYS_PER_WORKING_DAY: u32 = 10;

impl Calendar {
    /// Whether a day is a working day. A make-up day is one, whatever else it is.
    pub fn is_working_day(&self, day: Date) -> bool {
        let rests = self.weekly_rest.contains(&day.weekday().to_monday_one_offset()) || self.holidays.contains(&day);
        self.make_up.contains(&day) || !rests
    }

    /// The last day of a limit of `days` working days that begins on the working day after `from`.
    ///
    /// A calendar without working days, which the schema refuses, and the end of the calendar give the last day tried.
    pub fn add_working_days(&self, from: Date, days: u32) -> Date {
        let holidays = u32::try_from(self.holidays.len()).unwrap_or(u32::MAX);
        let mut budget = days.saturating_mul(DAYS_PER_WORKING_DAY).saturating_add(holidays);
        let (mut day, mut left) = (from, days);
        while left > 0 && budget > 0 {
            let Ok(tomorrow) = day.checked_add(1.day()) else { break };
            day = tomorrow;
            budget -= 1;
            left -= u32::from(self.is_working_day(day));
        }
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// National Day 2026 as in the published calendar style: off from 1 to 7 October, worked on two rest days around.
    fn calendar() -> Calendar {
        Calendar {
            weekly_rest: [6, 7].into(),
            holidays: (1..=7).map(|day| date(2026, 10, day)).collect(),
            make_up: [date(2026, 9, 27), date(2026, 10, 10)].into(),
        }
    }

    #[test]
    fn holidays_rest_and_make_up_days_work() {
        let calendar = calendar();
        for (day, works) in [
            (date(2026, 9, 27), true),
            (date(2026, 9, 26), false),
            (date(2026, 10, 5), false),
            (date(2026, 10, 8), true),
            (date(2026, 10, 10), true),
            (date(2026, 10, 11), false),
        ] {
            assert_eq!(calendar.is_working_day(day), works, "{day}");
        }
    }

    #[test]
    fn a_limit_begins_on_the_working_day_after() {
        let calendar = calendar();
        for (from, days, last) in [
            (date(2026, 9, 24), 0, date(2026, 9, 24)),
            (date(2026, 9, 25), 1, date(2026, 9, 27)),
            (date(2026, 9, 30), 1, date(2026, 10, 8)),
            (date(2026, 9, 30), 3, date(2026, 10, 10)),
            (date(2026, 9, 30), 4, date(2026, 10, 12)),
        ] {
            assert_eq!(calendar.add_working_days(from, days), last, "{from} + {days}");
        }
    }

    #[test]
    fn a_calendar_without_working_days_ends() {
        let never = Calendar { weekly_rest: (1..=7).collect(), ..Calendar::default() };
        assert_eq!(never.add_working_days(date(2026, 1, 1), 2), date(2026, 1, 21));
        assert_eq!(Calendar::default().add_working_days(Date::MAX, 5), Date::MAX);
    }
}
