//! Sets of days, as the rules count them.
use hefu_schemas::agreement::Calendar;
use jiff::ToSpan;
use jiff::civil::Date;

/// Days from `from` on, before `to`. An open end is [`Date::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Days {
    /// The first day.
    pub(super) from: Date,
    /// The first day that no longer belongs to it.
    pub(super) to: Date,
}

impl Days {
    fn len(self) -> u32 {
        self.to.since(self.from).ok().and_then(|span| u32::try_from(span.get_days()).ok()).unwrap_or(0)
    }
    fn and(self, other: Self) -> Option<Self> {
        let both = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (both.from < both.to).then_some(both)
    }
    fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let head = Self { from: self.from, to: self.to.min(other.from) };
        let tail = Self { from: self.from.max(other.to), to: self.to };
        [head, tail].into_iter().filter(|part| part.from < part.to)
    }
}

/// Sorted, without overlaps: what [`nth`] needs.
fn merged(mut all: Vec<Days>) -> Vec<Days> {
    all.sort_unstable();
    let mut out: Vec<Days> = Vec::with_capacity(all.len());
    for days in all {
        match out.last_mut() {
            Some(last) if days.from <= last.to => last.to = last.to.max(days.to),
            _ => out.push(days),
        }
    }
    out
}

/// The days that belong to both.
pub(super) fn common(a: &[Days], b: &[Days]) -> Vec<Days> {
    merged(a.iter().flat_map(|one| b.iter().filter_map(|other| one.and(*other))).collect())
}

/// The days that none of the covers has.
pub(super) fn uncovered(days: Vec<Days>, covers: &[Days]) -> Vec<Days> {
    // An empty cover would split a range for nothing, a backward one would double its days.
    covers
        .iter()
        .filter(|cover| cover.from < cover.to)
        .fold(days, |rest, cover| rest.into_iter().flat_map(|days| days.without(*cover).collect::<Vec<_>>()).collect())
}

/// The day that comes after `n` of these (sorted) days: the first on which there are more than `n`.
pub(super) fn nth(days: &[Days], n: u32) -> Option<Date> {
    let mut left = n;
    for range in days {
        match left.checked_sub(range.len()) {
            Some(rest) => left = rest,
            None => return Some(later(range.from, left)),
        }
    }
    None
}

/// So many calendar days later.
pub(super) fn later(day: Date, days: u32) -> Date {
    day.saturating_add(i64::from(days).days())
}

/// Longest stretch of days that is looked at one by one, ten years: who is later than that is late enough.
const MAX_COUNTED: u32 = 3660;

/// The working days after `after`, up to `through`.
pub(super) fn working_days(calendar: &Calendar, after: Date, through: Date) -> u32 {
    let last = through.min(later(after, MAX_COUNTED));
    let days = std::iter::successors(after.tomorrow().ok(), |day| day.tomorrow().ok()).take_while(|day| *day <= last);
    u32::try_from(days.filter(|day| calendar.is_working_day(*day)).count()).unwrap_or(u32::MAX)
}

/// The next working day after a day, or the end of the stretch that is counted.
pub(super) fn next_working_day(calendar: &Calendar, after: Date) -> Date {
    let last = later(after, MAX_COUNTED);
    std::iter::successors(after.tomorrow().ok(), |day| day.tomorrow().ok())
        .take_while(|day| *day < last)
        .find(|day| calendar.is_working_day(*day))
        .unwrap_or(last)
}

/// The last day of a limit of `days` working days that begins on the working day after `from`. The clock stands still
/// in each pause, from the day after its first date up to its second one. Pauses can only move a limit further out: one
/// that lies beyond `as_of` anyhow is not made exact.
pub(super) fn limit(calendar: &Calendar, from: Date, days: u32, pauses: &[(Date, Date)], as_of: Date) -> Date {
    let mut limit = calendar.add_working_days(from, days);
    let mut counted = from;
    for (stop, go) in pauses {
        let stop = (*stop).max(counted);
        if limit >= as_of {
            break;
        }
        if stop < limit {
            let lost = working_days(calendar, stop, *go);
            limit = calendar.add_working_days(limit, lost);
            counted = counted.max(*go);
        }
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn days(from: (i8, i8), to: (i8, i8)) -> Days {
        Days { from: date(2026, from.0, from.1), to: date(2026, to.0, to.1) }
    }

    #[test]
    fn the_nth_day_of_broken_ranges() {
        let ranges = [days((1, 1), (1, 3)), days((2, 1), (2, 2)), days((3, 1), (3, 5))];
        for (n, day) in [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (3, (3, 1)), (6, (3, 4))] {
            assert_eq!(nth(&ranges, n), Some(date(2026, day.0, day.1)), "{n}");
        }
        assert_eq!(nth(&ranges, 7), None);
        assert_eq!(nth(&[], 0), None);
    }

    #[test]
    fn common_days_are_counted_once() {
        let a = [days((1, 1), (1, 10)), days((1, 5), (1, 20))];
        assert_eq!(common(&a, &[days((1, 8), (2, 1))]), [days((1, 8), (1, 20))]);
        assert_eq!(common(&a, &[days((1, 20), (2, 1))]), []);
    }

    #[test]
    fn covers_cut_holes() {
        let open = Days { from: date(2026, 1, 1), to: Date::MAX };
        let rest = uncovered(vec![open], &[days((1, 5), (1, 8)), days((1, 20), (1, 20)), days((3, 1), (2, 1))]);
        assert_eq!(rest, [days((1, 1), (1, 5)), Days { from: date(2026, 1, 8), to: Date::MAX }]);
        assert_eq!(uncovered(vec![days((1, 1), (2, 1))], &[days((1, 1), (2, 1))]), []);
    }

    #[test]
    fn pauses_move_a_limit() {
        let every_day = Calendar::default();
        let at = |day| date(2026, 1, day);
        let limit = |pauses: &[(Date, Date)]| limit(&every_day, at(1), 10, pauses, date(2027, 1, 1));
        assert_eq!(limit(&[]), at(11));
        assert_eq!(limit(&[(at(5), at(12))]), at(18));
        assert_eq!(limit(&[(at(11), at(20))]), at(11), "begins when the limit has passed");
        assert_eq!(limit(&[(at(5), at(5)), (at(7), at(6))]), at(11), "nothing in between");
        assert_eq!(limit(&[(at(3), at(5)), (at(4), at(6))]), at(14), "no day is counted twice");
        assert_eq!(limit(&[(at(5), at(12)), (at(17), at(19))]), at(20), "the second lies before the moved limit");
    }

    #[test]
    fn a_limit_beyond_the_day_of_evaluation_is_not_made_exact() {
        let at = |day| date(2026, 1, day);
        assert_eq!(limit(&Calendar::default(), at(1), 10, &[(at(5), at(12))], at(11)), at(11));
        assert_eq!(limit(&Calendar::default(), at(1), 10, &[(at(5), at(12))], at(12)), at(18));
    }
}
