//! Looking for a record in a log: entry after entry, in order, keeping nothing but the place that was found.
use crate::commitment::Commitment;
use crate::entry::{Body, Entry};

/// What a later entry did to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The entry at this index corrects it.
    Corrected(u64),
    /// The entry at this index withdraws it.
    Withdrawn(u64),
}

/// Where a log holds a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The entry at `index` commits to exactly these bytes.
    At {
        /// 0-based.
        index: u64,
        /// The first later entry that corrects or withdraws it.
        changed: Option<Change>,
    },
    /// The entry that should hold it commits to other bytes.
    Differs {
        /// 0-based.
        index: u64,
    },
    /// The log was read whole, and no entry commits to these bytes with this salt.
    Nowhere,
    /// The file came without its salt: nobody can compare.
    NoSalt,
    /// This node does not hold the record, and the file came without its salt.
    NotHeld,
}

/// A search through a log. Entries are observed in their order, from any index at or before the record's on.
#[derive(Debug, Clone)]
pub struct Search {
    commitment: Commitment,
    /// Where the record is said to stand, if that is said.
    said: Option<u64>,
    found: Option<u64>,
    differs: Option<u64>,
    changed: Option<Change>,
}

impl Search {
    /// For the entry with a commitment; with `index`, only there.
    pub fn new(commitment: Commitment, index: Option<u64>) -> Self {
        Self { commitment, said: index, found: None, differs: None, changed: None }
    }
    /// Takes note of an entry.
    pub fn observe(&mut self, index: u64, entry: &Entry) {
        let (c, of) = match &entry.body {
            Body::Record { c, .. } => (Some(c), None),
            Body::Amend { c, of, .. } => (Some(c), Some((*of, Change::Corrected(index)))),
            Body::Withdraw { c, of, .. } => (Some(c), Some((*of, Change::Withdrawn(index)))),
            _ => (None, None),
        };
        if let (Some(found), Some((of, change)), None) = (self.found, of, self.changed)
            && of == found
        {
            self.changed = Some(change);
        }
        if self.found.is_none() && self.said.is_none_or(|said| said == index) {
            if c == Some(&self.commitment) {
                self.found = Some(index);
            } else if self.said == Some(index) {
                self.differs = Some(index);
            }
        }
    }
    /// What was found after the last entry.
    pub fn place(&self) -> Place {
        match (self.found, self.differs) {
            (Some(index), _) => Place::At { index, changed: self.changed },
            (None, Some(index)) => Place::Differs { index },
            (None, None) => Place::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Audience;

    fn entry(body: Body) -> Entry {
        Entry { t: 1, body }
    }
    fn place(index: Option<u64>, entries: &[Body]) -> Place {
        let mut search = Search::new([7; 32], index);
        (0..).zip(entries).for_each(|(index, body)| search.observe(index, &entry(body.clone())));
        search.place()
    }

    #[test]
    fn a_record_is_found_with_what_became_of_it() {
        let a = Audience::Holder;
        let other = Body::Record { c: [1; 32], a };
        let ours = Body::Record { c: [7; 32], a };
        let amend = |of| Body::Amend { c: [2; 32], a, of };
        let withdraw = |of| Body::Withdraw { c: [3; 32], a, of };
        let at = |changed| Place::At { index: 1, changed };
        let cases = [
            (None, vec![other.clone(), ours.clone()], at(None)),
            (None, vec![other.clone(), ours.clone(), amend(0)], at(None)),
            (None, vec![other.clone(), ours.clone(), amend(1), withdraw(1)], at(Some(Change::Corrected(2)))),
            (None, vec![other.clone(), ours.clone(), other.clone(), withdraw(1)], at(Some(Change::Withdrawn(3)))),
            (None, vec![other.clone(), Body::Amend { c: [7; 32], a, of: 0 }], at(None)),
            (Some(1), vec![ours.clone(), ours.clone()], at(None)),
            (Some(0), vec![other.clone(), ours.clone()], Place::Differs { index: 0 }),
            (Some(2), vec![other.clone(), ours.clone()], Place::Nowhere),
            (None, vec![other, Body::Unknown], Place::Nowhere),
        ];
        for (index, entries, expected) in cases {
            assert_eq!(place(index, &entries), expected, "{entries:?}");
        }
    }
}
