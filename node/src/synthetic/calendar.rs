//! Working days, and the dates between which the agreement holds.
use hefu_schemas::agreement::Calendar;
use jiff::ToSpan;
use jiff::civil::{Date, date};

/// Public holidays of 2026, first and last day (国务院办公厅关于2026年部分节假日安排的通知, 4 November 2025).
const HOLIDAYS_2026: [(Date, Date); 7] = [
    (date(2026, 1, 1), date(2026, 1, 3)),
    (date(2026, 2, 15), date(2026, 2, 23)),
    (date(2026, 4, 4), date(2026, 4, 6)),
    (date(2026, 5, 1), date(2026, 5, 5)),
    (date(2026, 6, 19), date(2026, 6, 21)),
    (date(2026, 9, 25), date(2026, 9, 27)),
    (date(2026, 10, 1), date(2026, 10, 7)),
];

/// Rest days of 2026 that are worked (调休上班), by the same notice.
const MAKE_UP_2026: [Date; 6] =
    [date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28), date(2026, 5, 9), date(2026, 9, 20), date(2026, 10, 10)];

/// Statutory days off with a date of their own, for years whose notice is not data here: New Year's Day, Labour Day,
/// National Day. Month and day.
const FIXED: [(i8, i8); 6] = [(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)];

/// First and last day of the agreement that is made on a day: four years back, so that whole school careers lie in it,
/// and one year ahead. Five years together, the most that an agreement may hold (records §6).
pub fn validity(as_of: Date) -> (Date, Date) {
    (as_of.saturating_add((-4).years()), as_of.saturating_add(1.year()).saturating_add((-1).day()))
}

/// The calendar of every party: Saturday and Sunday off, and the public holidays of the years of the agreement.
pub fn calendar(as_of: Date) -> Calendar {
    let (from, to) = validity(as_of);
    let mut calendar = Calendar { weekly_rest: [6, 7].into(), ..Calendar::default() };
    for year in from.year()..=to.year() {
        if year == 2026 {
            for (first, last) in HOLIDAYS_2026 {
                calendar.holidays.extend(first.series(1.day()).take_while(|day| *day <= last));
            }
            calendar.make_up.extend(MAKE_UP_2026);
        } else {
            calendar.holidays.extend(FIXED.iter().filter_map(|(month, day)| Date::new(year, *month, *day).ok()));
        }
    }
    calendar
}

/// A day some days later (or earlier, for a negative number).
pub(super) fn plus(day: Date, days: i32) -> Date {
    day.saturating_add(i64::from(days).days())
}

/// Days from one day to another, negative if it lies before.
pub(super) fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

/// The first working day on or after a day.
pub(super) fn working_day(calendar: &Calendar, day: Date) -> Date {
    day.series(1.day()).find(|day| calendar.is_working_day(*day)).unwrap_or(day)
}

/// The latest day from which a limit of `working_days` ended more than `more` days before `as_of`.
pub(super) fn overdue_from(calendar: &Calendar, as_of: Date, working_days: u32, more: i32) -> Date {
    as_of
        .series((-1).day())
        .find(|from| plus(calendar.add_working_days(*from, working_days), more) < as_of)
        .unwrap_or(as_of)
}

/// The first of September with which the school year of a day began.
pub(super) fn school_year(day: Date) -> i16 {
    if day.month() >= 9 { day.year() } else { day.year().saturating_sub(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_holds_five_years_at_most() {
        for as_of in [date(2026, 9, 1), date(2028, 2, 29), date(2027, 2, 28), date(2026, 1, 1)] {
            let (from, to) = validity(as_of);
            assert!(from < as_of && as_of < to);
            assert!(to < from.saturating_add(5.years()), "{as_of}");
        }
    }

    #[test]
    fn holidays_of_2026_are_off_and_make_up_days_are_weekends() {
        let calendar = calendar(date(2026, 7, 1));
        assert!(calendar.holidays.contains(&date(2026, 2, 17)));
        assert!(calendar.holidays.contains(&date(2025, 10, 1)));
        for day in &calendar.make_up {
            assert!(calendar.weekly_rest.contains(&day.weekday().to_monday_one_offset()), "{day}");
            assert!(!calendar.holidays.contains(day), "{day}");
        }
    }

    #[test]
    fn school_years_begin_in_september() {
        assert_eq!(school_year(date(2026, 8, 31)), 2025);
        assert_eq!(school_year(date(2026, 9, 1)), 2026);
    }
}
