//! Entries with a signature of their own (bytes: Entries): `key` and `close` by the offline recovery key, `erase` by the record key.
//!
//! ```text
//! {"act":"add","by":"z6Mk…","k":"key","key":"z6Mk…","recovery":"<64 hex>","role":"record","sig":"<86 base64url>","t":1767225600,"v":1}
//! {"by":"z6Mk…","k":"erase","of":17,"sig":"<86 base64url>","t":1767225600,"v":1}
//! {"by":"z6Mk…","k":"close","sig":"<86 base64url>","successor":"kunming.example/2","t":1767225600,"v":1}
//! ```
//!
//! The signature is over `hefu/entry/v1` 00 origin 00 JCS(entry without `sig` and `t`): an offline key cannot know the time.
use super::{EntryError, Members, VERSION, digest};
use crate::base64url;
use crate::key::{PublicKey, Role, SealPublicKey, SecretKey};
use hefu_schemas::gate::MAX_INTEGER;
use hefu_schemas::id::{Digest, Origin};

/// Domain of the signature.
const DOMAIN: &[u8] = b"hefu/entry/v1\0";

/// An entry with a signature of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub says: Says,
    /// The key that signs.
    pub by: PublicKey,
    /// Its signature.
    pub sig: [u8; 64],
}

/// What a signed entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A key of a role comes or goes.
    Key {
        /// How.
        act: KeyAct,
        /// For what.
        role: Role,
        /// Its Multikey text.
        key: String,
        /// Of a revocation: the index from which on the key may have been in other hands.
        from: Option<u64>,
        /// Hash of the Multikey text of the next recovery key.
        recovery: Digest,
    },
    /// Payload and salt of the entry at an index are destroyed.
    Erase {
        /// Where.
        of: u64,
    },
    /// The log ends.
    Close {
        /// Where it goes on.
        successor: Option<Origin>,
    },
}

/// Acts on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "protocol §3 names them")]
pub enum KeyAct {
    Add,
    Retire,
    Revoke,
}

impl KeyAct {
    /// All acts.
    pub const ALL: [Self; 3] = [Self::Add, Self::Retire, Self::Revoke];
    /// The word in entries.
    pub fn code(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Retire => "retire",
            Self::Revoke => "revoke",
        }
    }
    /// From the word in entries.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }
}

impl Signed {
    /// Signs for a log.
    pub fn new(says: Says, origin: &Origin, key: &SecretKey) -> Self {
        let mut signed = Self { says, by: key.public(), sig: [0; 64] };
        signed.sig = key.sign(&signed.message(origin));
        signed
    }
    /// Whether the signature holds for a log. Whose key it is, the log says ([`crate::trust::KeyRing`]).
    pub fn verify(&self, origin: &Origin) -> bool {
        self.by.verify(&self.message(origin), &self.sig)
    }

    fn message(&self, origin: &Origin) -> Vec<u8> {
        [DOMAIN, origin.as_str().as_bytes(), b"\0", self.text(None).as_bytes()].concat()
    }

    /// The entry, or without a time what is signed. The members stand in the order of RFC 8785 §3.2.3.
    pub(super) fn text(&self, t: Option<i64>) -> String {
        let by = self.by.multikey();
        let sig = t.map(|_| format!(r#""sig":"{}","#, base64url::encode(&self.sig))).unwrap_or_default();
        let t = t.map(|t| format!(r#""t":{t},"#)).unwrap_or_default();
        match &self.says {
            Says::Key { act, role, key, from, recovery } => {
                let (act, role) = (act.code(), role.code());
                let from = from.map(|from| format!(r#""from":{from},"#)).unwrap_or_default();
                format!(
                    r#"{{"act":"{act}","by":"{by}",{from}"k":"key","key":"{key}","recovery":"{recovery}","role":"{role}",{sig}{t}"v":1}}"#
                )
            }
            Says::Erase { of } => format!(r#"{{"by":"{by}","k":"erase","of":{of},{sig}{t}"v":1}}"#),
            Says::Close { successor } => {
                let successor = successor.as_ref().map(|origin| format!(r#""successor":"{origin}","#));
                format!(r#"{{"by":"{by}","k":"close",{sig}{}{t}"v":1}}"#, successor.unwrap_or_default())
            }
        }
    }

    /// What would not be read may not be written.
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let in_range = |index: u64| i64::try_from(index).is_ok_and(|index| index <= MAX_INTEGER);
        match &self.says {
            Says::Key { act, role, key, from, .. } => {
                check_key(*role, key).ok_or(EntryError::Member("key"))?;
                let fits = from.is_some() == (*act == KeyAct::Revoke) && from.is_none_or(in_range);
                fits.then_some(()).ok_or(EntryError::Member("from"))
            }
            Says::Erase { of } => in_range(*of).then_some(()).ok_or(EntryError::Member("of")),
            Says::Close { .. } => Ok(()),
        }
    }
}

/// A key of the form of its role; the recovery key is announced by its hash alone.
fn check_key(role: Role, text: &str) -> Option<()> {
    match role {
        Role::Recovery => None,
        Role::Seal => SealPublicKey::from_multikey(text).ok().map(drop),
        Role::Record | Role::Log | Role::Witness | Role::Request => PublicKey::from_multikey(text).ok().map(drop),
    }
}

/// Reads the members of a kind; `None` for a kind without a signature of its own.
pub(super) fn read(version: i64, kind: &str, members: &mut Members<'_>) -> Option<Result<Signed, EntryError>> {
    match (version, kind) {
        (VERSION, "key") => Some(key(members).and_then(|says| sealed(says, members))),
        (VERSION, "erase") => Some(index(members, "of").map(|of| Says::Erase { of }).and_then(|s| sealed(s, members))),
        (VERSION, "close") => Some(close(members).and_then(|says| sealed(says, members))),
        _ => None,
    }
}

fn sealed(says: Says, members: &mut Members<'_>) -> Result<Signed, EntryError> {
    let signed = Signed {
        says,
        by: members.parsed("by", |text| PublicKey::from_multikey(text).ok())?,
        sig: members.parsed("sig", base64url::decode_array)?,
    };
    signed.check()?;
    Ok(signed)
}

fn key(members: &mut Members<'_>) -> Result<Says, EntryError> {
    let from = match members.lookup("from") {
        None => None,
        Some(item) => {
            Some(item.as_integer().and_then(|from| u64::try_from(from).ok()).ok_or(EntryError::Member("from"))?)
        }
    };
    Ok(Says::Key {
        act: members.parsed("act", KeyAct::from_code)?,
        role: members.parsed("role", Role::from_code)?,
        key: members.text("key")?.into_owned(),
        from,
        recovery: members.parsed("recovery", digest)?,
    })
}

fn close(members: &mut Members<'_>) -> Result<Says, EntryError> {
    let successor = match members.lookup("successor") {
        None => None,
        Some(item) => {
            let origin = item.as_str().and_then(|text| Origin::parse(&text).ok());
            Some(origin.ok_or(EntryError::Member("successor"))?)
        }
    };
    Ok(Says::Close { successor })
}

fn index(members: &mut Members<'_>, name: &'static str) -> Result<u64, EntryError> {
    u64::try_from(members.integer(name)?).map_err(|_| EntryError::Member(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, Entry, MAX_ENTRY_LEN};
    use crate::key::SealSecretKey;

    fn origin() -> Origin {
        Origin::parse("kunming.example/hefu").unwrap()
    }
    fn secret(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }
    fn key(act: KeyAct, role: Role, key: String) -> Says {
        Says::Key { act, role, key, from: (act == KeyAct::Revoke).then_some(7), recovery: Digest::of(b"next") }
    }
    fn all() -> Vec<Says> {
        let record = || secret(2).public().multikey();
        vec![
            key(KeyAct::Add, Role::Record, record()),
            key(KeyAct::Retire, Role::Log, record()),
            key(KeyAct::Revoke, Role::Request, record()),
            key(KeyAct::Add, Role::Seal, SealSecretKey::from_seed(&[3; 32]).public().multikey()),
            Says::Erase { of: 17 },
            Says::Close { successor: None },
            Says::Close { successor: Origin::parse("kunming.example/2").ok() },
        ]
    }

    #[test]
    fn what_is_written_is_canonical_read_alike_and_verifies() {
        for says in all() {
            let signed = Signed::new(says, &origin(), &secret(1));
            let entry = Entry { t: 5, body: Body::Signed(Box::new(signed.clone())) };
            let data = entry.write().unwrap();
            assert_eq!(hefu_schemas::canonical::canonicalize(&data, MAX_ENTRY_LEN).unwrap(), data);
            assert_eq!(Entry::parse(&data), Ok(entry));
            assert!(signed.verify(&origin()));
            // The time is not signed, the log is.
            assert!(!signed.verify(&Origin::parse("chengdu.example").unwrap()));
            let another = Signed { by: secret(4).public(), ..signed.clone() };
            assert!(!another.verify(&origin()));
        }
    }

    #[test]
    fn the_message_is_that_of_the_definition() {
        let signed = Signed::new(Says::Erase { of: 17 }, &origin(), &secret(1));
        let by = secret(1).public().multikey();
        let message =
            format!("hefu/entry/v1\0kunming.example/hefu\0{{\"by\":\"{by}\",\"k\":\"erase\",\"of\":17,\"v\":1}}");
        assert_eq!(signed.message(&origin()), message.as_bytes());
    }

    #[test]
    fn each_member_is_checked() {
        let text = |says| {
            let signed = Signed::new(says, &origin(), &secret(1));
            String::from_utf8(Entry { t: 5, body: Body::Signed(Box::new(signed)) }.write().unwrap()).unwrap()
        };
        let record = secret(2).public().multikey();
        let revoke = text(key(KeyAct::Revoke, Role::Record, record.clone()));
        let add = text(key(KeyAct::Add, Role::Record, record.clone()));
        let seal = SealSecretKey::from_seed(&[3; 32]).public().multikey();
        let cases = [
            (add.replace(r#""act":"add""#, r#""act":"lose""#), "act"),
            (add.replace(r#""act":"add""#, r#""act":"revoke""#), "from"),
            (revoke.replace(r#""from":7,"#, ""), "from"),
            (revoke.replace(r#""from":7,"#, r#""from":-1,"#), "from"),
            (add.replace(r#""role":"record""#, r#""role":"recovery""#), "key"),
            (add.replace(r#""role":"record""#, r#""role":"king""#), "role"),
            (add.replace(&record, &seal), "key"),
            (add.replace(r#""role":"record""#, r#""role":"seal""#), "key"),
            (add.replace(r#""recovery":""#, r#""recovery":"A"#), "recovery"),
            (add.replace(r#""sig":""#, r#""sig":"A"#), "sig"),
            (add.replace(r#""by":"z"#, r#""by":"y"#), "by"),
            (add.replace(r#""t":5"#, r#""spare":1,"t":5"#), "(another)"),
            (text(Says::Erase { of: 1 }).replace(r#""of":1"#, r#""of":-1"#), "of"),
            (text(Says::Close { successor: Origin::parse("a.example").ok() }).replace("a.example", "A b"), "successor"),
        ];
        for (text, member) in cases {
            assert_eq!(Entry::parse(text.as_bytes()), Err(EntryError::Member(member)), "{text}");
        }
    }

    #[test]
    fn nothing_is_written_that_would_not_be_read() {
        let write =
            |says| Entry { t: 5, body: Body::Signed(Box::new(Signed::new(says, &origin(), &secret(1)))) }.write();
        let record = || secret(2).public().multikey();
        let without = Says::Key {
            act: KeyAct::Revoke,
            role: Role::Record,
            key: record(),
            from: None,
            recovery: Digest::of(b"next"),
        };
        assert_eq!(write(without), Err(EntryError::Member("from")));
        assert_eq!(write(key(KeyAct::Add, Role::Recovery, record())), Err(EntryError::Member("key")));
        assert_eq!(write(key(KeyAct::Add, Role::Seal, record())), Err(EntryError::Member("key")));
        assert_eq!(write(Says::Erase { of: 1 << 53 }), Err(EntryError::Member("of")));
    }
}
