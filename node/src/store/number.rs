//! Numbers that stand for words in the tables, and checked conversions between Rust and database integers.

use super::{StoreError, StoreResult};
use hefu_federation::entry::Act;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::Severity;
use hefu_schemas::record::Kind;

/// A stored value that cannot be read back: `what` names table and key.
pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}

/// An index or size for the database. No log reaches 2^63 entries, and a bound beyond that means no bound.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of rows to return.
pub(super) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How many rows a statement must have affected.
pub(super) fn count<T>(rows: &[T]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

/// An index or size from the database.
pub(super) fn unsigned(value: i64, what: &str) -> StoreResult<u64> {
    u64::try_from(value).map_err(|_| damaged(what))
}

/// An optional index from the database.
pub(super) fn unsigned_option(value: Option<i64>, what: &str) -> StoreResult<Option<u64>> {
    value.map(|value| unsigned(value, what)).transpose()
}

/// A blob of a fixed length from the database.
pub(super) fn fixed<const N: usize>(value: &[u8], what: &str) -> StoreResult<[u8; N]> {
    <[u8; N]>::try_from(value).map_err(|_| damaged(what))
}

/// The payload state of a number in the database.
pub(super) fn state(number: i64, what: &str) -> StoreResult<PayloadState> {
    PayloadState::from_number(number).ok_or_else(|| damaged(what))
}

/// Kinds as in the comment of table `payload`, and those that came later.
const KINDS: [(i64, Kind); 4] = [
    (1, Kind::StudentStatus),
    (2, Kind::EnrollmentConnection),
    (3, Kind::Withdrawal),
    (4, Kind::QualificationRecognition),
];
/// Acts as in the comment of table `agreement_act`.
const ACTS: [(i64, Act); 6] =
    [(1, Act::Sign), (2, Act::Open), (3, Act::Suspend), (4, Act::Resume), (5, Act::End), (6, Act::Linkage)];

/// The number of a kind.
pub(super) fn of_kind(kind: Kind) -> i64 {
    match kind {
        Kind::StudentStatus => 1,
        Kind::EnrollmentConnection => 2,
        Kind::Withdrawal => 3,
        Kind::QualificationRecognition => 4,
    }
}

/// The kind of a number.
pub(super) fn kind(number: i64, what: &str) -> StoreResult<Kind> {
    KINDS.iter().find(|(n, _)| *n == number).map(|(_, kind)| *kind).ok_or_else(|| damaged(what))
}

/// The number of an act.
pub(super) fn of_act(act: Act) -> i64 {
    match act {
        Act::Sign => 1,
        Act::Open => 2,
        Act::Suspend => 3,
        Act::Resume => 4,
        Act::End => 5,
        Act::Linkage => 6,
    }
}

/// The act of a number.
pub(super) fn act(number: i64, what: &str) -> StoreResult<Act> {
    ACTS.iter().find(|(n, _)| *n == number).map(|(_, act)| *act).ok_or_else(|| damaged(what))
}

/// The number of a severity: the graver, the larger.
pub(super) fn of_severity(severity: Severity) -> i64 {
    match severity {
        Severity::Notice => 1,
        Severity::Warning => 2,
        Severity::Error => 3,
        Severity::Critical => 4,
    }
}

/// The severity of a number.
pub(super) fn severity(number: i64, what: &str) -> StoreResult<Severity> {
    Severity::ALL.iter().find(|s| of_severity(**s) == number).copied().ok_or_else(|| damaged(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_what_they_stand_for() {
        for (number, value) in KINDS {
            assert_eq!(of_kind(value), number);
            assert_eq!(kind(number, "x").unwrap(), value);
        }
        for (number, value) in ACTS {
            assert_eq!(of_act(value), number);
            assert_eq!(act(number, "x").unwrap(), value);
        }
        assert!(kind(0, "x").is_err() && act(7, "x").is_err() && severity(5, "x").is_err());
        assert!(Severity::ALL.is_sorted_by_key(|s| -of_severity(*s)));
    }

    /// The partial index and the checks of table `payload` write these numbers out.
    #[test]
    fn states_have_the_numbers_that_the_tables_write_out() {
        use PayloadState as S;
        let states = [
            S::Wanted,
            S::Held,
            S::Pending,
            S::Refused,
            S::Withheld,
            S::Erased,
            S::Restricted,
            S::Invalid,
            S::Quarantined,
        ];
        for (number, state) in (0_i64..).zip(states) {
            assert_eq!(state.number(), number);
            assert_eq!(PayloadState::from_number(number), Some(state));
        }
    }
}
