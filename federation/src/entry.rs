//! Entries of a log: one line of canonical JSON each, at most 1,024 bytes, without personal data.
//!
//! ```text
//! {"a":"<22 base64url>","c":"<43 base64url>","k":"record","t":1767225600,"v":1}
//! {"act":"suspend","digest":"<64 hex>","k":"agreement","on":"2026-09-01","t":1767225600,"v":1}
//! ```
mod signed;

pub use signed::{KeyAct, Says, Signed};

use crate::base64url;
use crate::commitment::{Commitment, Label};
use crate::key::{PublicKey, SealPublicKey};
use hefu_schemas::gate::{GateError, GateErrorKind, MAX_INTEGER};
use hefu_schemas::id::{Did, Digest, Origin};
use hefu_schemas::scan::{Item, scan};
use jiff::civil::Date;
use std::borrow::Cow;
use thiserror::Error;
/// Longest entry, in bytes.
pub const MAX_ENTRY_LEN: usize = 1024;
/// Latest `t`, the last second of the year 9999: the last that a timestamp with four digits of year can tell.
pub const MAX_TIME: i64 = 253_402_300_799;
/// The version of entries that is written, and the only one that is understood.
const VERSION: i64 = 1;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// UTC seconds, never decreasing in a log.
    pub t: i64,
    /// What it says.
    pub body: Body,
}

/// The kinds of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The first entry; its leaf hash is the node's fingerprint.
    Genesis(Box<Genesis>),
    /// A party's act on an agreement.
    Agreement {
        /// SHA-256 of the document.
        digest: Digest,
        /// What it does.
        act: Act,
        /// `on`, for acts with a date (`YYYY-MM-DD`).
        on: Option<Date>,
    },
    /// A record.
    Record {
        /// Commitment.
        c: Commitment,
        /// Who sees it.
        a: Audience,
    },
    /// A record that corrects the one at `of`.
    Amend {
        /// Commitment.
        c: Commitment,
        /// Who sees it.
        a: Audience,
        /// Index of the head of the chain.
        of: u64,
    },
    /// A signed `Withdrawal` of the record at `of`.
    Withdraw {
        /// Commitment.
        c: Commitment,
        /// Who sees it.
        a: Audience,
        /// Index of the head of the chain.
        of: u64,
    },
    /// An entry with a signature of its own: `key`, `erase`, `close`.
    Signed(Box<Signed>),
    /// A kind or version that this program does not know: hashed, stored and served; later entries are not judged.
    Unknown,
}

impl Body {
    /// The index of the record that it corrects or withdraws.
    pub fn of(&self) -> Option<u64> {
        match self {
            Self::Amend { of, .. } | Self::Withdraw { of, .. } => Some(*of),
            Self::Genesis(_) | Self::Agreement { .. } | Self::Record { .. } | Self::Signed(_) | Self::Unknown => None,
        }
    }
}

/// Acts on an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "protocol §3 names them")]
pub enum Act {
    Sign,
    Open,
    Suspend,
    Resume,
    End,
    Linkage,
}
impl Act {
    /// All acts.
    pub const ALL: [Self; 6] = [Self::Sign, Self::Open, Self::Suspend, Self::Resume, Self::End, Self::Linkage];
    /// The word in entries.
    pub fn code(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Open => "open",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::End => "end",
            Self::Linkage => "linkage",
        }
    }
    /// From the word in entries.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }
    /// Whether it may name the day on which it takes effect.
    pub fn may_have_date(self) -> bool {
        matches!(self, Self::Suspend | Self::Resume | Self::End)
    }
}

/// Who recognises an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The parties of the agreement whose label key made it.
    Agreement(Label),
    /// Everybody: the built-in agreement `public`.
    Public,
    /// Nobody: the built-in agreement `holder`.
    Holder,
}

/// The first entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "bytes.md, Entries")]
pub struct Genesis {
    pub origin: Origin,
    pub did: Did,
    pub record: PublicKey,
    pub log: PublicKey,
    pub witness: PublicKey,
    pub request: PublicKey,
    pub seal: SealPublicKey,
    /// Hash of the Multikey text of the next recovery key.
    pub recovery: Digest,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum EntryError {
    #[error("entry: {0}")]
    Gate(#[from] GateError),
    #[error("entry: missing, unknown or malformed member {0}")]
    Member(&'static str),
}
impl Entry {
    /// Parses leaf data. Known kinds are read strictly (closed member lists); unknown `k` or `v` give [`Body::Unknown`].
    ///
    /// # Errors
    /// Not canonical, too long, or a malformed entry of a known kind.
    pub fn parse(data: &[u8]) -> Result<Self, EntryError> {
        let scanned = scan(data, MAX_ENTRY_LEN)?;
        let mut members = Members { object: scanned.root(), taken: 0 };
        let version = members.integer("v")?;
        let kind = members.text("k")?;
        let t = members.integer("t")?;
        if !(0..=MAX_TIME).contains(&t) {
            return Err(EntryError::Member("t"));
        }
        let body = match (version, &*kind) {
            (VERSION, "genesis") => Body::Genesis(Box::new(genesis(&mut members)?)),
            (VERSION, "agreement") => agreement(&mut members)?,
            (VERSION, "record") => Body::Record { c: commitment(&mut members)?, a: audience(&mut members)? },
            (VERSION, "amend") => {
                Body::Amend { c: commitment(&mut members)?, a: audience(&mut members)?, of: index(&mut members)? }
            }
            (VERSION, "withdraw") => {
                Body::Withdraw { c: commitment(&mut members)?, a: audience(&mut members)?, of: index(&mut members)? }
            }
            _ => match signed::read(version, &kind, &mut members) {
                Some(signed) => Body::Signed(Box::new(signed?)),
                None => return Ok(Self { t, body: Body::Unknown }),
            },
        };
        members.close()?;
        Ok(Self { t, body })
    }
    /// The leaf data. [`Body::Unknown`] cannot be written.
    ///
    /// # Errors
    /// Unknown, or what [`parse`](Self::parse) would refuse: a time or index out of range, a date on an act that has none.
    pub fn write(&self) -> Result<Vec<u8>, EntryError> {
        if !(0..=MAX_TIME).contains(&self.t) {
            return Err(EntryError::Member("t"));
        }
        // The members stand in the order of RFC 8785 §3.2.3, and no value needs an escape: all are of closed ASCII alphabets.
        let t = self.t;
        let text = match &self.body {
            Body::Genesis(genesis) => write_genesis(genesis, t)?,
            Body::Agreement { digest, act, on } => write_agreement(digest, *act, *on, t)?,
            Body::Record { c, a } => format!(r#"{{{}"k":"record","t":{t},"v":1}}"#, sealed(c, a)),
            Body::Amend { c, a, of } => format!(r#"{{{}"k":"amend",{},"t":{t},"v":1}}"#, sealed(c, a), of_member(*of)?),
            Body::Withdraw { c, a, of } => {
                format!(r#"{{{}"k":"withdraw",{},"t":{t},"v":1}}"#, sealed(c, a), of_member(*of)?)
            }
            Body::Signed(signed) => {
                signed.check()?;
                signed.text(Some(t))
            }
            Body::Unknown => return Err(EntryError::Member("k")),
        };
        if text.len() > MAX_ENTRY_LEN {
            return Err(GateError { kind: GateErrorKind::TooLarge, offset: MAX_ENTRY_LEN }.into());
        }
        Ok(text.into_bytes())
    }
}

/// An object with a closed member list: what was not asked for must not be there.
struct Members<'a> {
    object: Item<'a>,
    taken: usize,
}
impl<'a> Members<'a> {
    fn lookup(&mut self, name: &str) -> Option<Item<'a>> {
        let item = self.object.member(name)?;
        self.taken += 1;
        Some(item)
    }
    fn load(&mut self, name: &'static str) -> Result<Item<'a>, EntryError> {
        self.lookup(name).ok_or(EntryError::Member(name))
    }
    fn integer(&mut self, name: &'static str) -> Result<i64, EntryError> {
        self.load(name)?.as_integer().ok_or(EntryError::Member(name))
    }
    fn text(&mut self, name: &'static str) -> Result<Cow<'a, str>, EntryError> {
        self.load(name)?.as_str().ok_or(EntryError::Member(name))
    }
    /// A member read by `parse` from its text.
    fn parsed<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, EntryError> {
        parse(&self.text(name)?).ok_or(EntryError::Member(name))
    }
    /// Each name was asked for once and the gate admits none twice, so that the numbers are equal when nothing else is there.
    fn close(self) -> Result<(), EntryError> {
        if self.object.members().count() == self.taken { Ok(()) } else { Err(EntryError::Member("(another)")) }
    }
}
fn commitment(members: &mut Members<'_>) -> Result<Commitment, EntryError> {
    members.parsed("c", base64url::decode_array)
}
fn audience(members: &mut Members<'_>) -> Result<Audience, EntryError> {
    let Some(item) = members.lookup("a") else { return Ok(Audience::Holder) };
    let label = |text: Cow<'_, str>| match &*text {
        "public" => Some(Audience::Public),
        text => base64url::decode_array(text).map(Audience::Agreement),
    };
    item.as_str().and_then(label).ok_or(EntryError::Member("a"))
}
fn index(members: &mut Members<'_>) -> Result<u64, EntryError> {
    u64::try_from(members.integer("of")?).map_err(|_| EntryError::Member("of"))
}
fn agreement(members: &mut Members<'_>) -> Result<Body, EntryError> {
    let act = members.parsed("act", Act::from_code)?;
    let digest = members.parsed("digest", digest)?;
    let on = match members.lookup("on") {
        None => None,
        Some(item) if act.may_have_date() => Some(item.as_str().and_then(date).ok_or(EntryError::Member("on"))?),
        Some(_) => return Err(EntryError::Member("on")),
    };
    Ok(Body::Agreement { digest, act, on })
}
fn genesis(members: &mut Members<'_>) -> Result<Genesis, EntryError> {
    let mut keys = Members { object: members.load("keys")?, taken: 0 };
    let key = |text: &str| PublicKey::from_multikey(text).ok();
    let genesis = Genesis {
        origin: members.parsed("origin", |text| Origin::parse(text).ok())?,
        did: members.parsed("did", |text| Did::parse(text).ok())?,
        record: keys.parsed("record", key)?,
        log: keys.parsed("log", key)?,
        witness: keys.parsed("witness", key)?,
        request: keys.parsed("request", key)?,
        seal: keys.parsed("seal", |text| SealPublicKey::from_multikey(text).ok())?,
        recovery: members.parsed("recovery", digest)?,
    };
    keys.close()?;
    if genesis.has_shared_key() { Err(EntryError::Member("keys")) } else { Ok(genesis) }
}
impl Genesis {
    /// Roles never share a key (protocol §3).
    fn has_shared_key(&self) -> bool {
        let keys = [&self.record, &self.log, &self.witness, &self.request];
        keys.iter().enumerate().any(|(n, key)| keys.iter().skip(n + 1).any(|other| key == other))
    }
}
/// Entries spell a digest in one way only, unlike people.
fn digest(text: &str) -> Option<Digest> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| Digest::parse(text).ok()).flatten()
}
/// `YYYY-MM-DD` and no other spelling that the date library reads.
fn date(text: Cow<'_, str>) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (text.len() == 10 && date.to_string() == *text).then_some(date)
}

/// `"a":…,"c":…,`, the members that records, amendments and withdrawals begin with.
fn sealed(c: &Commitment, a: &Audience) -> String {
    let c = base64url::encode(c);
    match a {
        Audience::Agreement(label) => format!(r#""a":"{}","c":"{c}","#, base64url::encode(label)),
        Audience::Public => format!(r#""a":"public","c":"{c}","#),
        Audience::Holder => format!(r#""c":"{c}","#),
    }
}
fn of_member(of: u64) -> Result<String, EntryError> {
    let in_range = i64::try_from(of).is_ok_and(|of| of <= MAX_INTEGER);
    if in_range { Ok(format!(r#""of":{of}"#)) } else { Err(EntryError::Member("of")) }
}
fn write_agreement(digest: &Digest, act: Act, on: Option<Date>, t: i64) -> Result<String, EntryError> {
    let on = match on {
        None => String::new(),
        Some(day) if act.may_have_date() && day.year() >= 0 => format!(r#""on":"{day}","#),
        Some(_) => return Err(EntryError::Member("on")),
    };
    Ok(format!(r#"{{"act":"{}","digest":"{digest}","k":"agreement",{on}"t":{t},"v":1}}"#, act.code()))
}
fn write_genesis(genesis: &Genesis, t: i64) -> Result<String, EntryError> {
    if genesis.has_shared_key() {
        return Err(EntryError::Member("keys"));
    }
    let keys = format!(
        r#"{{"log":"{}","record":"{}","request":"{}","seal":"{}","witness":"{}"}}"#,
        genesis.log.multikey(),
        genesis.record.multikey(),
        genesis.request.multikey(),
        genesis.seal.multikey(),
        genesis.witness.multikey(),
    );
    Ok(format!(
        r#"{{"did":"{}","k":"genesis","keys":{keys},"origin":"{}","recovery":"{}","t":{t},"v":1}}"#,
        genesis.did, genesis.origin, genesis.recovery
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::key::{SealSecretKey, SecretKey};
    use proptest::prelude::*;

    /// A genesis with keys made from a number, for tests of this crate.
    pub(crate) fn sample_genesis(number: u8) -> Genesis {
        let key = |role: u8| SecretKey::from_seed(&[number.wrapping_mul(8) | role; 32]).public();
        Genesis {
            origin: Origin::parse("kunming.example/hefu").unwrap(),
            did: Did::parse("did:web:kunming.example").unwrap(),
            record: key(0),
            log: key(1),
            witness: key(2),
            request: key(3),
            seal: SealSecretKey::from_seed(&[number; 32]).public(),
            recovery: Digest::of(b"a recovery key"),
        }
    }
    fn body() -> impl Strategy<Value = Body> {
        let audience = prop_oneof![
            any::<[u8; 16]>().prop_map(Audience::Agreement),
            Just(Audience::Public),
            Just(Audience::Holder)
        ];
        let day = (0_i16..=9999, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap());
        let sealed = (any::<[u8; 32]>(), audience, 0..(1_u64 << 53), 0_u8..4);
        let act = (any::<[u8; 32]>(), 0_usize..6, proptest::option::of(day));
        prop_oneof![
            4 => sealed.prop_map(|(c, a, of, kind)| match kind {
                0 => Body::Amend { c, a, of },
                1 => Body::Withdraw { c, a, of },
                _ => Body::Record { c, a },
            }),
            1 => act.prop_map(|(digest, act, on)| {
                let act = Act::ALL[act];
                Body::Agreement { digest: Digest(digest), act, on: on.filter(|_| act.may_have_date()) }
            }),
            1 => any::<u8>().prop_map(|number| Body::Genesis(Box::new(sample_genesis(number)))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_canonical_and_read_alike(body in body(), t in 0..=MAX_TIME) {
            let entry = Entry { t, body };
            let data = entry.write().unwrap();
            prop_assert_eq!(hefu_schemas::canonical::canonicalize(&data, MAX_ENTRY_LEN).unwrap(), &data[..]);
            prop_assert_eq!(Entry::parse(&data).unwrap(), entry);
        }
        #[test]
        fn no_changed_byte_is_read_as_the_same_entry(body in body(), at: usize, bit in 0_u8..8) {
            let entry = Entry { t: 1_767_225_600, body };
            let mut data = entry.write().unwrap();
            let at = at % data.len();
            data[at] ^= 1 << bit;
            prop_assert_ne!(Entry::parse(&data), Ok(entry));
        }
        #[test]
        fn any_bytes_are_an_answer(data: Vec<u8>) {
            let _ = Entry::parse(&data);
        }
    }

    const C: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const A: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn the_bytes_of_each_kind() {
        let (c, digest) = ([0; 32], Digest([0xab; 32]));
        let of = 7;
        let cases = [
            (
                Body::Record { c, a: Audience::Agreement([0; 16]) },
                format!(r#"{{"a":"{A}","c":"{C}","k":"record","t":5,"v":1}}"#),
            ),
            (Body::Record { c, a: Audience::Holder }, format!(r#"{{"c":"{C}","k":"record","t":5,"v":1}}"#)),
            (
                Body::Amend { c, a: Audience::Public, of },
                format!(r#"{{"a":"public","c":"{C}","k":"amend","of":7,"t":5,"v":1}}"#),
            ),
            (
                Body::Withdraw { c, a: Audience::Holder, of },
                format!(r#"{{"c":"{C}","k":"withdraw","of":7,"t":5,"v":1}}"#),
            ),
            (
                Body::Agreement { digest, act: Act::Open, on: None },
                format!(r#"{{"act":"open","digest":"{digest}","k":"agreement","t":5,"v":1}}"#),
            ),
            (
                Body::Agreement { digest, act: Act::End, on: Date::new(2026, 9, 1).ok() },
                format!(r#"{{"act":"end","digest":"{digest}","k":"agreement","on":"2026-09-01","t":5,"v":1}}"#),
            ),
        ];
        for (body, text) in cases {
            let entry = Entry { t: 5, body };
            assert_eq!(String::from_utf8(entry.write().unwrap()).unwrap(), text);
            assert_eq!(Entry::parse(text.as_bytes()), Ok(entry));
        }
    }

    #[test]
    fn malformed_entries_of_known_kinds_are_refused() {
        let digest = "ab".repeat(32);
        let cases = [
            (r#"{"k":"record","t":5,"v":1}"#.to_owned(), "c"),
            (format!(r#"{{"c":"{C}","k":"record","v":1}}"#), "t"),
            (format!(r#"{{"c":"{C}","k":"record","t":-1,"v":1}}"#), "t"),
            (format!(r#"{{"c":"{C}","k":"record","t":253402300800,"v":1}}"#), "t"),
            (format!(r#"{{"c":"{C}","k":"record","t":"5","v":1}}"#), "t"),
            (format!(r#"{{"c":"{C}","k":"record","t":5}}"#), "v"),
            (format!(r#"{{"c":"{C}","t":5,"v":1}}"#), "k"),
            (format!(r#"{{"c":"{C}","k":1,"t":5,"v":1}}"#), "k"),
            (format!(r#"{{"c":"{C}","k":"record","of":1,"t":5,"v":1}}"#), "(another)"),
            (format!(r#"{{"c":"{C}","k":"record","t":5,"v":1,"z":1}}"#), "(another)"),
            (format!(r#"{{"c":"{C}A","k":"record","t":5,"v":1}}"#), "c"),
            (format!(r#"{{"c":"{}B","k":"record","t":5,"v":1}}"#, &C[1..]), "c"),
            (format!(r#"{{"a":"{A}=","c":"{C}","k":"record","t":5,"v":1}}"#), "a"),
            (format!(r#"{{"a":"holder","c":"{C}","k":"record","t":5,"v":1}}"#), "a"),
            (format!(r#"{{"a":null,"c":"{C}","k":"record","t":5,"v":1}}"#), "a"),
            (format!(r#"{{"c":"{C}","k":"amend","t":5,"v":1}}"#), "of"),
            (format!(r#"{{"c":"{C}","k":"withdraw","of":-1,"t":5,"v":1}}"#), "of"),
            (format!(r#"{{"act":"join","digest":"{digest}","k":"agreement","t":5,"v":1}}"#), "act"),
            (format!(r#"{{"act":"sign","digest":"{}","k":"agreement","t":5,"v":1}}"#, digest.to_uppercase()), "digest"),
            (format!(r#"{{"act":"sign","digest":"{}","k":"agreement","t":5,"v":1}}"#, &digest[1..]), "digest"),
            (format!(r#"{{"act":"sign","digest":"{digest}","k":"agreement","on":"2026-09-01","t":5,"v":1}}"#), "on"),
            (format!(r#"{{"act":"end","digest":"{digest}","k":"agreement","on":"2026-9-1","t":5,"v":1}}"#), "on"),
            (format!(r#"{{"act":"end","digest":"{digest}","k":"agreement","on":"20260901","t":5,"v":1}}"#), "on"),
            (format!(r#"{{"act":"end","digest":"{digest}","k":"agreement","on":"2026-02-30","t":5,"v":1}}"#), "on"),
            (format!(r#"{{"act":"end","digest":"{digest}","k":"agreement","on":null,"t":5,"v":1}}"#), "on"),
            ("[]".to_owned(), "v"),
            ("1".to_owned(), "v"),
        ];
        for (text, member) in cases {
            assert_eq!(Entry::parse(text.as_bytes()), Err(EntryError::Member(member)), "{text}");
        }
    }

    #[test]
    fn what_the_gate_refuses_is_no_entry() {
        let good = format!(r#"{{"c":"{C}","k":"record","t":5,"v":1}}"#);
        let long = format!(r#"{{"k":"later","pad":"{}","t":5,"v":1}}"#, "x".repeat(MAX_ENTRY_LEN));
        for bad in ["", "{", &good.replace(',', ", "), &format!("{good}\n"), &good.replace(":5", ":5.0"), &long] {
            assert!(matches!(Entry::parse(bad.as_bytes()), Err(EntryError::Gate(_))), "{bad}");
        }
    }

    #[test]
    fn kinds_and_versions_of_later_programs_are_unknown() {
        let entries = [
            r#"{"k":"key","t":5,"v":2}"#,
            r#"{"k":"record","t":5,"v":2}"#,
            r#"{"k":"record","t":5,"v":0}"#,
            r#"{"anything":[{"at":"all"}],"k":"later","t":5,"v":1}"#,
        ];
        for data in entries {
            let entry = Entry::parse(data.as_bytes()).unwrap();
            assert_eq!(entry, Entry { t: 5, body: Body::Unknown });
            assert_eq!(entry.write(), Err(EntryError::Member("k")));
        }
    }

    #[test]
    fn genesis_is_closed_and_its_keys_differ() {
        let genesis = sample_genesis(1);
        let text =
            String::from_utf8(Entry { t: 5, body: Body::Genesis(Box::new(genesis.clone())) }.write().unwrap()).unwrap();
        assert!(text.len() < MAX_ENTRY_LEN - 2 * Origin::MAX_LEN, "the longest origin still fits");
        let (record, log) = (genesis.record.multikey(), genesis.log.multikey());
        let cases = [
            (text.replace(&record, &log), "keys"),
            (text.replace(&record, &genesis.seal.multikey()), "record"),
            (text.replace(&genesis.seal.multikey(), &record), "seal"),
            (text.replace(r#""witness":"#, r#""witnesses":"#), "witness"),
            (text.replace(r#"},"origin""#, r#","z":1},"origin""#), "(another)"),
            (text.replace(r#""t":5"#, r#""s":1,"t":5"#), "(another)"),
            (text.replace("kunming.example/hefu", "Kunming.example"), "origin"),
            (text.replace("did:web:", "did:key:"), "did"),
        ];
        for (text, member) in cases {
            assert_eq!(Entry::parse(text.as_bytes()), Err(EntryError::Member(member)), "{text}");
        }
    }

    #[test]
    fn nothing_is_written_that_would_not_be_read() {
        let digest = Digest([1; 32]);
        let record = Body::Record { c: [0; 32], a: Audience::Holder };
        let day = Date::new(2026, 9, 1).ok();
        let shared = Genesis { log: sample_genesis(1).record, ..sample_genesis(1) };
        let cases = [
            (Entry { t: -1, body: record.clone() }, "t"),
            (Entry { t: MAX_TIME + 1, body: record }, "t"),
            (Entry { t: 0, body: Body::Amend { c: [0; 32], a: Audience::Holder, of: 1 << 53 } }, "of"),
            (Entry { t: 0, body: Body::Withdraw { c: [0; 32], a: Audience::Holder, of: u64::MAX } }, "of"),
            (Entry { t: 0, body: Body::Agreement { digest, act: Act::Sign, on: day } }, "on"),
            (Entry { t: 0, body: Body::Agreement { digest, act: Act::End, on: Date::new(-1, 1, 1).ok() } }, "on"),
            (Entry { t: 0, body: Body::Genesis(Box::new(shared)) }, "keys"),
        ];
        for (entry, member) in cases {
            assert_eq!(entry.write(), Err(EntryError::Member(member)));
        }
    }
}
