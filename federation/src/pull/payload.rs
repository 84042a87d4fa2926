//! States of a payload.

/// State of a payload, as stored (protocol §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "protocol §4.4 names the states")]
pub enum PayloadState {
    Wanted,
    Held,
    Pending,
    Refused,
    Withheld,
    Erased,
    Restricted,
    Invalid,
    Quarantined,
}
impl PayloadState {
    /// All, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Wanted,
        Self::Held,
        Self::Pending,
        Self::Refused,
        Self::Withheld,
        Self::Erased,
        Self::Restricted,
        Self::Invalid,
        Self::Quarantined,
    ];
    /// Whether a record in this state takes its id: a forged one must not block the real one.
    pub fn takes_id(self) -> bool {
        matches!(self, Self::Held | Self::Pending | Self::Restricted | Self::Quarantined)
    }
    /// The number in the store; never reused for another state.
    pub fn number(self) -> i64 {
        match self {
            Self::Wanted => 0,
            Self::Held => 1,
            Self::Pending => 2,
            Self::Refused => 3,
            Self::Withheld => 4,
            Self::Erased => 5,
            Self::Restricted => 6,
            Self::Invalid => 7,
            Self::Quarantined => 8,
        }
    }
    /// From the number in the store.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.number() == number)
    }
    /// The word on the wire and in digests.
    pub fn code(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Erased => "erased",
            Self::Restricted => "restricted",
            Self::Invalid => "invalid",
            Self::Quarantined => "quarantined",
        }
    }
    /// From the word on the wire.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_name_one_state_each() {
        for (number, state) in (0..).zip(PayloadState::ALL) {
            assert_eq!(state.number(), number);
            assert_eq!(PayloadState::from_number(number), Some(*state));
            assert_eq!(PayloadState::from_code(state.code()), Some(*state));
        }
        assert_eq!(PayloadState::from_number(9), None);
        assert_eq!(PayloadState::from_number(-1), None);
        assert_eq!(PayloadState::from_code("disputed"), None);
    }
}
