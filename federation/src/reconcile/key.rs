//! The keys under which a record is filed: subject (and each `sameAs`), connection, and the record of each citation.
//!
//! Under a `record` key stand those who cite. What they cite is not filed there: that would be a fact more for every record, of
//! which few are ever cited. It is looked up when the key is evaluated.
use crate::reconcile::view::{Body, View};
use hefu_schemas::id::{AgreementId, Digest, Origin, RecordId};
use std::collections::BTreeSet;

/// Stands between type and value; no type and no URN contains it.
const SEPARATOR: u8 = 0x1F;

/// `type 1F value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<u8>);
/// Types of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// A subject reference.
    Subject,
    /// A connection URN.
    Connection,
    /// A record that others cite: `<issuer did> <record id>`.
    Record,
    /// An entry whose record is not held as good: `<origin> <index>`.
    Entry,
    /// The agreement itself: its id.
    Agreement,
}
impl KeyType {
    /// All types.
    pub const ALL: &'static [Self] = &[Self::Subject, Self::Connection, Self::Record, Self::Entry, Self::Agreement];
    /// The word in front of the separator.
    pub fn code(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Connection => "connection",
            Self::Record => "record",
            Self::Entry => "entry",
            Self::Agreement => "agreement",
        }
    }
    /// From its word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key_type| key_type.code() == code)
    }
    /// Whether the halves of a shared matter meet under it: only such keys can match.
    pub fn joins_halves(self) -> bool {
        match self {
            Self::Subject | Self::Connection => true,
            Self::Record | Self::Entry | Self::Agreement => false,
        }
    }
}
impl Key {
    /// From type and value.
    pub fn new(key_type: KeyType, value: &str) -> Self {
        let mut bytes = key_type.code().as_bytes().to_vec();
        bytes.push(SEPARATOR);
        bytes.extend_from_slice(value.as_bytes());
        Self(bytes)
    }
    /// The key of a record that is cited.
    pub fn record(issuer: &str, id: RecordId) -> Self {
        Self::new(KeyType::Record, &format!("{issuer} {id}"))
    }
    /// Issuer and id of the record that a `record` key names.
    pub fn cited(&self) -> Option<(&str, RecordId)> {
        let value = (self.key_type() == KeyType::Record).then(|| self.value())?;
        let (issuer, id) = value.split_once(' ')?;
        Some((issuer, RecordId::parse(id).ok()?))
    }
    /// The key of an entry whose record is not held as good.
    pub fn entry(origin: &Origin, index: u64) -> Self {
        Self::new(KeyType::Entry, &format!("{origin} {index}"))
    }
    /// The key of an agreement.
    pub fn agreement(id: AgreementId) -> Self {
        Self::new(KeyType::Agreement, &id.to_string())
    }
    /// From stored bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let (code, value) = split(&bytes)?;
        KeyType::from_code(code)?;
        (!value.is_empty()).then_some(())?;
        Some(Self(bytes))
    }
    /// The bytes, `type 1F value`.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    /// Its type.
    pub fn key_type(&self) -> KeyType {
        split(&self.0).and_then(|(code, _)| KeyType::from_code(code)).expect("both constructors write a known type")
    }
    /// The value.
    pub fn value(&self) -> &str {
        split(&self.0).map(|(_, value)| value).expect("both constructors write a separator and UTF-8")
    }
    /// First 12 bits of SHA-256(key): 0 to 4095.
    pub fn bucket(&self) -> u16 {
        let Digest([first, second, ..]) = Digest::of(&self.0);
        u16::from(first) << 4 | u16::from(second) >> 4
    }
    /// The whole as text, for hashing: a JSON string needs no other form, since both parts are UTF-8.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("both constructors write UTF-8")
    }
}

fn split(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.split_once(char::from(SEPARATOR))
}

/// The keys of a record, sorted. A withdrawal has none of its own: it is filed under those of what it withdraws, and an
/// amendment besides under those of what it corrects (see [`filed_under`]).
pub fn keys_of(view: &View) -> Vec<Key> {
    filed_under(view, &[])
}

/// The keys under which an entry is filed: those of its record and, for an amendment or a withdrawal, those of the
/// record at `of`. Else a correction of a wrong person would leave the wrong person's key as it was.
pub fn filed_under(view: &View, corrected: &[Key]) -> Vec<Key> {
    let subject = |value: &String| Key::new(KeyType::Subject, value);
    let mut keys: BTreeSet<Key> = corrected.iter().cloned().collect();
    match &view.body {
        Body::StudentStatus { subject: own, same_as, .. } => {
            keys.insert(subject(own));
            keys.extend(same_as.iter().map(subject));
        }
        Body::EnrollmentConnection { subject: own, same_as, connection, .. } => {
            keys.insert(Key::new(KeyType::Connection, connection));
            keys.extend(own.iter().chain(same_as).map(subject));
        }
        Body::QualificationRecognition(body) => keys.extend(body.subject.iter().chain(&body.same_as).map(subject)),
        Body::Withdrawal { .. } => {}
    }
    keys.extend(view.citations().map(|citation| Key::record(citation.issuer, citation.id)));
    keys.into_iter().collect()
}

/// Whether a record speaks of a key itself, not only by correcting a record of it.
pub(super) fn speaks_of(view: &View, key: &Key) -> bool {
    let value = key.value();
    match (&view.body, key.key_type()) {
        (Body::StudentStatus { subject, same_as, .. }, KeyType::Subject) => {
            subject == value || same_as.iter().any(|other| other == value)
        }
        (Body::EnrollmentConnection { subject, same_as, .. }, KeyType::Subject) => {
            subject.iter().chain(same_as).any(|other| other == value)
        }
        (Body::EnrollmentConnection { connection, .. }, KeyType::Connection) => connection == value,
        // Not filed there by `filed_under`, but a caller may bring the status of a connection's subject into sight.
        (Body::StudentStatus { .. }, KeyType::Connection) => true,
        // Whoever cites, what is cited and what became of it: nothing else is brought there.
        (_, KeyType::Record) => true,
        (_, KeyType::Entry | KeyType::Agreement) => false,
        (Body::QualificationRecognition(body), KeyType::Subject) => {
            body.subject.iter().chain(&body.same_as).any(|other| other == value)
        }
        (Body::QualificationRecognition(_), KeyType::Connection) | (Body::Withdrawal { .. }, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_type_separator_value() {
        let key = Key::new(KeyType::Subject, "urn:hefu:subject:1:abc");
        assert_eq!(key.bytes(), b"subject\x1Furn:hefu:subject:1:abc");
        assert_eq!(key.key_type(), KeyType::Subject);
        assert_eq!(key.value(), "urn:hefu:subject:1:abc");
        assert_eq!(Key::from_bytes(key.bytes().to_vec()), Some(key));
    }

    #[test]
    fn a_record_key_names_issuer_and_id() {
        let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let key = Key::record("did:web:kunming.example%3A8443", id);
        assert_eq!(key.value(), "did:web:kunming.example%3A8443 urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(key.cited(), Some(("did:web:kunming.example%3A8443", id)));
        assert_eq!(Key::new(KeyType::Connection, key.value()).cited(), None);
        assert_eq!(Key::new(KeyType::Record, "did:web:kunming.example").cited(), None);
    }

    #[test]
    fn foreign_bytes_are_no_key() {
        for bad in [&b""[..], b"subject", b"subject\x1F", b"person\x1Fx", b"\x1Fx", b"subject\x1F\xFF"] {
            assert_eq!(Key::from_bytes(bad.to_vec()), None, "{bad:?}");
        }
    }

    #[test]
    fn the_bucket_is_the_first_twelve_bits_of_the_hash() {
        for value in ["a", "b", "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"] {
            let key = Key::new(KeyType::Connection, value);
            let hex = Digest::of(key.bytes()).to_string();
            assert_eq!(format!("{:03x}", key.bucket()), hex[..3]);
        }
    }
}
