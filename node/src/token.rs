//! Tokens of local systems: `hefu_`, 32 random bytes and 4 of a checksum, in hexadecimal. The prefix and the checksum let scanners
//! for leaked secrets find them; the node keeps their SHA-256 alone, and says what was made once.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Snapshot;
use crate::store::TokenRow;
use hefu_schemas::id::{AgreementId, Digest};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What every token begins with.
pub const PREFIX: &str = "hefu_";
/// Hexadecimal digits of the secret.
const SECRET_DIGITS: usize = 64;
/// Hexadecimal digits of the checksum.
const CHECK_DIGITS: usize = 8;
/// Days that a token may be valid.
pub const DAYS: std::ops::RangeInclusive<u32> = 1..=366;
/// Characters of a name.
pub const MAX_NAME_CHARS: usize = 64;
/// Agreements that one token may name.
pub const MAX_AGREEMENTS: usize = 64;
/// How often the last use is written at most, ms.
const USE_STEP_MS: i64 = 60_000;
/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

macro_rules! actions {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        /// What a token lets its holder do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Action { $(#[doc = $doc] $name,)* }

        impl Action {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// All codes.
            pub const CODES: &'static [&'static str] = &[$($code,)*];
            /// Its code.
            pub fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// What it allows, for people.
            pub fn describe(self) -> &'static str { match self { $(Self::$name => $doc,)* } }
            /// From its code.
            pub fn from_code(code: &str) -> Option<Self> { match code { $($code => Some(Self::$name),)* _ => None } }
        }
    };
}

actions! {
    Publish = "publish", "Publish drafts";
    ReadRecords = "read-records", "Search and read own and held records";
    ReadFindings = "read-findings", "Read open findings";
    ReadTallies = "read-tallies", "Read the tally statements that are kept";
    AskTallies = "ask-tallies", "Compute a tally and ask the other parties for theirs";
    MakeReferences = "make-references", "Turn identifiers of persons into subject references";
    ReadStatus = "read-status", "Read how the node is";
}

/// The agreements that somebody may act under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    Everything,
    /// These.
    Agreements(Vec<AgreementId>),
}

impl Scope {
    /// Whether an agreement is within.
    pub fn covers(&self, id: AgreementId) -> bool {
        match self {
            Self::Everything => true,
            Self::Agreements(ids) => ids.contains(&id),
        }
    }

    /// What of the known agreements is within.
    pub fn within(&self, all: Snapshot) -> Snapshot {
        match self {
            Self::Everything => all,
            Self::Agreements(_) => {
                Arc::new(all.iter().filter(|known| self.covers(known.document.id)).cloned().collect())
            }
        }
    }
}

/// A token in clear text: shown once, never stored.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Writes a secret as a token.
    pub fn of(secret: &[u8; 32]) -> Self {
        let secret = Zeroizing::new(Digest(*secret).to_string());
        Self(Zeroizing::new(format!("{PREFIX}{}{}", *secret, checksum(&secret))))
    }

    /// The text that the holder sends.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        Digest::of(self.0.as_bytes()).0
    }
}

/// The hash of a text that has the form of a token, checksum included: what is mistyped costs no look-up.
pub fn hash_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == SECRET_DIGITS + CHECK_DIGITS)?;
    let (secret, check) = digits.split_at_checked(SECRET_DIGITS)?;
    (checksum(secret) == check).then(|| Digest::of(text.as_bytes()).0)
}

fn checksum(secret: &str) -> String {
    let digest = Digest::of(format!("hefu/token/v1\0{secret}").as_bytes()).to_string();
    digest.get(..CHECK_DIGITS).unwrap_or_default().to_owned()
}

/// Who holds the token of an `Authorization` header, if it is good and allows the action: the scope of it.
///
/// # Errors
/// `token-refused` when there is none, or it is unknown, revoked or expired (which one of these is not said); `out-of-scope`
/// when it does not allow the action.
pub async fn authorise(node: &Node, authorization: Option<&str>, action: Action) -> Outcome<Scope> {
    let refused = || Problem::new(Code::TokenRefused, "");
    let (scheme, text) = authorization.and_then(|header| header.split_once(' ')).ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    let hash = hash_of(text.trim()).ok_or_else(refused)?;
    let (stored, row) = node.store.token(&hash).await?.ok_or_else(refused)?;
    let now = node.clock.now_ms();
    // The look-up is by hash, which tells a guesser nothing; the comparison takes the same time for all.
    let same = bool::from(stored.ct_eq(&hash));
    if !same || row.revoked_ms.is_some() || row.expires_ms <= now {
        return Err(refused());
    }
    if row.used_ms.is_none_or(|used| now.saturating_sub(used) >= USE_STEP_MS) {
        node.store.use_token(row.no, now).await?;
    }
    if !row.actions.contains(&action) {
        return Err(Problem::new(Code::OutOfScope, format!("this needs the action {}", action.code())));
    }
    Ok(scope_of(&row))
}

/// The scope of a stored token.
pub fn scope_of(row: &TokenRow) -> Scope {
    row.agreements.clone().map_or(Scope::Everything, Scope::Agreements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_form() {
        let token = Token::of(&[0xab; 32]);
        assert_eq!(token.expose().len(), PREFIX.len() + 72);
        assert!(token.expose().starts_with("hefu_abab"));
        assert_eq!(hash_of(token.expose()), Some(token.hash()));
        assert_eq!(token.hash(), Digest::of(token.expose().as_bytes()).0);
        let good = token.expose();
        let changed = [
            good.replacen('a', "b", 1),
            good.to_uppercase(),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            good.replacen("hefu_", "hefu-", 1),
            format!("hefu_{}", "é".repeat(36)),
            String::new(),
        ];
        for text in changed {
            assert_eq!(hash_of(&text), None, "{text}");
        }
    }

    #[test]
    fn actions_have_codes_and_scopes_have_bounds() {
        for action in Action::ALL {
            assert_eq!(Action::from_code(action.code()), Some(*action));
            assert!(Action::CODES.contains(&action.code()) && !action.describe().is_empty());
        }
        let (one, other) =
            (AgreementId::from_uuid(uuid::Uuid::from_u128(1)), AgreementId::from_uuid(uuid::Uuid::from_u128(2)));
        assert!(Scope::Everything.covers(one));
        assert!(Scope::Agreements(vec![one]).covers(one) && !Scope::Agreements(vec![one]).covers(other));
        assert!(!Scope::Agreements(Vec::new()).covers(one));
    }
}
