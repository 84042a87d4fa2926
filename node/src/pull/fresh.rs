//! What the new entries of a round want: kept as ranges until the records come, which are then stored at once as what they are. Only
//! what does not come is stored as wanted, by the search of the stored entries.

use super::entries::Labelled;
use std::collections::VecDeque;
use std::ops::Range;

/// Most ranges that are kept for an agreement: 1 MB. Behind them the stored entries are searched, after the records before them came.
const MAX_RANGES: usize = 65_536;

/// The entries of an agreement that were found in this round.
#[derive(Debug, Clone)]
pub struct Fresh {
    ranges: VecDeque<Range<u64>>,
    /// All entries below were searched.
    until: u64,
}

impl Fresh {
    /// Nothing yet: the search stands at `first`.
    pub fn at(first: u64) -> Self {
        Self { ranges: VecDeque::new(), until: first }
    }

    /// All entries below were searched.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// What was found in the entries from `first` to `until`. They are passed over if they do not follow those before, or when there are
    /// too many ranges: the search then stays where it is.
    pub fn extend(&mut self, first: u64, rows: &Labelled, until: u64) {
        if first != self.until || self.ranges.len() > MAX_RANGES {
            return;
        }
        self.until = until;
        for (index, _, _) in rows {
            match self.ranges.back_mut() {
                Some(last) if last.end == *index => last.end += 1,
                _ => self.ranges.push_back(*index..index + 1),
            }
        }
    }

    /// The first indexes from one on, at most `limit`; what is below is forgotten.
    pub fn from(&mut self, from: u64, limit: usize) -> Vec<u64> {
        while self.ranges.front().is_some_and(|range| range.end <= from) {
            self.ranges.pop_front();
        }
        self.ranges.iter().flat_map(|range| range.start.max(from)..range.end).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(indexes: &[u64]) -> Labelled {
        indexes.iter().map(|index| (*index, 0, None)).collect()
    }

    #[test]
    fn what_was_found_is_asked_for_once_in_order() {
        let mut fresh = Fresh::at(10);
        fresh.extend(10, &rows(&[11, 12, 13, 15]), 16);
        fresh.extend(16, &rows(&[16, 17]), 20);
        assert_eq!((fresh.ranges.len(), fresh.until()), (2, 20));
        assert_eq!(fresh.clone().from(0, 100), [11, 12, 13, 15, 16, 17]);
        assert_eq!(fresh.from(12, 3), [12, 13, 15]);
        assert_eq!(fresh.from(16, 100), [16, 17]);
        assert!(fresh.from(18, 100).is_empty());
    }

    #[test]
    fn entries_that_do_not_follow_are_left_to_the_search_of_stored_ones() {
        let mut fresh = Fresh::at(10);
        // The search ended before an entry that is not understood.
        fresh.extend(10, &rows(&[10]), 12);
        fresh.extend(20, &rows(&[20]), 30);
        assert_eq!((fresh.until(), fresh.from(0, 100)), (12, vec![10]));
    }

    #[test]
    fn ranges_are_limited() {
        let mut fresh = Fresh::at(0);
        let every_second: Vec<u64> = (0..3 * 65_536).map(|index| 2 * index).collect();
        for part in every_second.chunks(4_096) {
            let first = part[0];
            fresh.extend(first, &rows(part), first + 2 * 4_096);
        }
        assert!(fresh.ranges.len() <= MAX_RANGES + 4_096);
        assert_eq!(fresh.until(), 2 * u64::try_from(fresh.ranges.len()).unwrap());
    }
}
