//! Keys of an origin by log index (protocol §3): a key is good for a range of indexes, not of time.
//!
//! A thief of a retired key cannot go back: the indexes at which it was valid are taken. Keys come and go by `key` entries, each
//! signed by the recovery key that the one before announced: a thief of the log key can write such an entry, and it changes
//! nothing. What follows an entry that is not understood, is not judged, for that entry may have changed the keys.
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::entry::{Body, Entry, Genesis, KeyAct, Says, Signed};
use crate::key::{PublicKey, Role, SealPublicKey};
use crate::mutant::{self, Mutant};
use crate::tree::{Hash, leaf_hash};
use hefu_schemas::id::{Did, Digest, Origin};
use serde_json::{Value, json};
use std::ops::Range;
use thiserror::Error;
/// Most entries of a log that change its keys: one a month for 85 years. Behind them nothing is judged, as behind an entry that is
/// not understood, so that nobody's log makes others hold and look through more keys.
pub const MAX_KEY_ACTS: usize = 1024;
/// The keys of one origin with the indexes at which each is valid.
#[derive(Debug, Clone)]
pub struct KeyRing {
    origin: Origin,
    did: Did,
    fingerprint: Hash,
    keys: Vec<Held>,
    seal: SealPublicKey,
    recovery: Digest,
    not_judged_from: Option<u64>,
    revocations: Vec<Revocation>,
    closed_at: Option<u64>,
    /// Entries that changed a key, and the index behind the last signed one.
    acts: usize,
    next: u64,
}
/// A key that is revoked as compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its Multikey text.
    pub multikey: String,
    /// The index from which on it may have been in other hands.
    pub from: u64,
    /// The index of the entry that says so.
    pub at: u64,
}
/// One key. Its text is kept, because it is what records and requests name it by.
#[derive(Debug, Clone)]
struct Held {
    role: Role,
    key: PublicKey,
    multikey: String,
    valid: Range<u64>,
}
/// Why a first entry does not found a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum TrustError {
    #[error("the first entry is no genesis")]
    NoGenesis,
    #[error("the fingerprint differs from the one compared by people")]
    Fingerprint,
    #[error("genesis names another origin")]
    Origin,
    #[error("the DID is not of the origin's host")]
    Did,
}
impl KeyRing {
    /// From the data of entry 0. `fingerprint` is what people compared.
    ///
    /// # Errors
    /// It does not found this origin's log.
    pub fn found(data: &[u8], origin: &Origin, fingerprint: &Hash) -> Result<Self, TrustError> {
        if leaf_hash(data) != *fingerprint {
            return Err(TrustError::Fingerprint);
        }
        let Ok(Entry { body: Body::Genesis(genesis), .. }) = Entry::parse(data) else {
            return Err(TrustError::NoGenesis);
        };
        if genesis.origin != *origin {
            return Err(TrustError::Origin);
        }
        if !Did::from_authority(origin.authority()).is_ok_and(|did| did == genesis.did) {
            return Err(TrustError::Did);
        }
        Ok(Self::from_genesis(&genesis, *fingerprint))
    }
    /// From a parsed genesis.
    pub fn from_genesis(genesis: &Genesis, fingerprint: Hash) -> Self {
        let keys = [
            (Role::Record, &genesis.record),
            (Role::Log, &genesis.log),
            (Role::Witness, &genesis.witness),
            (Role::Request, &genesis.request),
        ];
        let held = |(role, key): (Role, &PublicKey)| Held {
            role,
            key: key.clone(),
            multikey: key.multikey(),
            valid: 0..u64::MAX,
        };
        Self {
            origin: genesis.origin.clone(),
            did: genesis.did.clone(),
            fingerprint,
            keys: keys.map(held).into(),
            seal: genesis.seal.clone(),
            recovery: genesis.recovery,
            not_judged_from: None,
            revocations: Vec::new(),
            closed_at: None,
            acts: 0,
            next: 0,
        }
    }
    /// Takes note of an entry of this log. Entries come in the order of the log: one that is seen again changes nothing. Whether it
    /// changed what is known of the keys: the others need not be kept for them.
    pub fn observe(&mut self, index: u64, entry: &Entry) -> bool {
        match &entry.body {
            Body::Unknown => self.not_understood(index),
            Body::Signed(signed) if index >= self.next => {
                self.next = index.saturating_add(1);
                self.apply(index, signed)
            }
            _ => false,
        }
    }
    fn not_understood(&mut self, index: u64) -> bool {
        let is_first = self.is_understood_at(index);
        if is_first {
            self.not_judged_from = Some(index);
        }
        is_first
    }
    /// What is not signed by the announced recovery key, or comes behind the end, changes nothing.
    fn apply(&mut self, index: u64, signed: &Signed) -> bool {
        let is_of_record_key = matches!(signed.says, Says::Erase { .. });
        let announced = || Digest::of(signed.by.multikey().as_bytes()) == self.recovery;
        if self.closed_at.is_some() || is_of_record_key || !announced() || !signed.verify(&self.origin) {
            return false;
        }
        match &signed.says {
            Says::Key { .. } if self.acts == MAX_KEY_ACTS => return self.not_understood(index),
            Says::Key { act, role, key, from, recovery } => {
                self.recovery = *recovery;
                self.acts += 1;
                match act {
                    KeyAct::Add => self.add(index, *role, key),
                    KeyAct::Retire => self.end(*role, key, index),
                    KeyAct::Revoke => {
                        self.end(*role, key, index);
                        let from = from.unwrap_or(index).min(index);
                        self.revocations.push(Revocation { multikey: key.clone(), from, at: index });
                    }
                }
            }
            Says::Close { .. } => self.closed_at = Some(index),
            Says::Erase { .. } => {}
        }
        true
    }
    /// Roles never share a key, and a key that was there does not come back: its indexes are taken.
    fn add(&mut self, index: u64, role: Role, multikey: &str) {
        if role == Role::Seal {
            if let Ok(seal) = SealPublicKey::from_multikey(multikey) {
                self.seal = seal;
            }
        } else if let Ok(key) = PublicKey::from_multikey(multikey)
            && !self.keys.iter().any(|held| held.multikey == multikey)
        {
            let valid = index.saturating_add(1)..u64::MAX;
            self.keys.push(Held { role, key, multikey: multikey.to_owned(), valid });
        }
    }
    fn end(&mut self, role: Role, multikey: &str, index: u64) {
        let of = |held: &&mut Held| held.role == role && held.multikey == multikey;
        if let Some(held) = self.keys.iter_mut().find(of) {
            held.valid.end = held.valid.end.min(index);
        }
    }
    /// The keys that are revoked as compromised, in the order of the log.
    pub fn revocations(&self) -> &[Revocation] {
        &self.revocations
    }
    /// Whether a record at an index is disputed: its key was valid there and is since revoked from that index or before, by an
    /// entry below `size`.
    pub fn is_disputed(&self, multikey: &str, index: u64, size: u64) -> bool {
        let disputes = |r: &Revocation| r.multikey == multikey && (r.from..r.at).contains(&index) && r.at < size;
        self.revocations.iter().any(disputes)
    }
    /// The index at which the log was closed.
    pub fn closed_at(&self) -> Option<u64> {
        self.closed_at
    }
    /// Whether an `erase` entry at an index is signed by a record key that was valid there.
    pub fn is_erasure(&self, index: u64, signed: &Signed) -> bool {
        matches!(signed.says, Says::Erase { .. })
            && self.valid_at(Role::Record, &signed.by.multikey(), index).is_some()
            && signed.verify(&self.origin)
    }
    /// Opens a checkpoint of this log: its signer must be a log key that was valid at the last index that it covers, as far as the
    /// entries are known.
    ///
    /// # Errors
    /// Not a checkpoint of this log, or by no such key.
    pub fn open_checkpoint(&self, note: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let mut refused = CheckpointError::Signer;
        for (_, key, valid) in self.keys().filter(|(role, ..)| *role == Role::Log) {
            match Checkpoint::open(note, &self.origin, key) {
                Ok(checkpoint) if valid.contains(&checkpoint.size.saturating_sub(1)) => return Ok(checkpoint),
                Ok(_) => refused = CheckpointError::Signer,
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
    /// Index of the first entry that is not understood. From there on nothing is judged until a later version of this program
    /// understands it (finding G5).
    pub fn not_judged_from(&self) -> Option<u64> {
        self.not_judged_from
    }
    /// Whether this entry and all before it are understood.
    pub fn is_understood_at(&self, index: u64) -> bool {
        self.not_judged_from.is_none_or(|first| index < first)
    }
    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
    /// The DID.
    pub fn did(&self) -> &Did {
        &self.did
    }
    /// Leaf hash of entry 0.
    pub fn fingerprint(&self) -> Hash {
        self.fingerprint
    }
    /// The key of a role with this Multikey text, if it was valid at an index.
    ///
    /// Behind an entry that is not understood no key is known to be valid. `Log` and `Witness` are excepted: they vouch for bytes,
    /// which go on being pulled and stored, and not for what the bytes mean.
    pub fn valid_at(&self, role: Role, multikey: &str, index: u64) -> Option<&PublicKey> {
        if !matches!(role, Role::Log | Role::Witness) && !self.is_understood_at(index) {
            return None;
        }
        let is_it = |held: &&Held| held.role == role && holds_at(&held.valid, index) && held.multikey == multikey;
        self.keys.iter().find(is_it).map(|held| &held.key)
    }
    /// The request key with this Multikey text, if it is valid for the next index after a log of `size`. Of a log with an entry that is
    /// not understood it is asked for what comes before that one: for the entry itself it is still known.
    pub fn request_key(&self, multikey: &str, size: u64) -> Option<&PublicKey> {
        let index = self.not_judged_from.map_or(size, |first| first.min(size));
        let is_it =
            |held: &&Held| held.role == Role::Request && holds_at(&held.valid, index) && held.multikey == multikey;
        self.keys.iter().find(is_it).map(|held| &held.key)
    }
    /// The key of a role that is valid for the next index after a log of `size` (for `Log`: valid at size − 1), as far as
    /// the entries are understood.
    pub fn current(&self, role: Role, size: u64) -> Option<&PublicKey> {
        let index = if role == Role::Log { size.saturating_sub(1) } else { size };
        self.keys.iter().find(|held| held.role == role && held.valid.contains(&index)).map(|held| &held.key)
    }
    /// All keys with role and range.
    pub fn keys(&self) -> impl Iterator<Item = (Role, &PublicKey, &Range<u64>)> {
        self.keys.iter().map(|held| (held.role, &held.key, &held.valid))
    }
    /// The seal key.
    pub fn seal(&self) -> &SealPublicKey {
        &self.seal
    }
    /// Hash of the next recovery key.
    pub fn recovery(&self) -> Digest {
        self.recovery
    }
    /// The DID document (W3C DID 1.0) that this log implies: current record keys under `assertionMethod`, current request keys
    /// under `authentication`, retired ones only under `verificationMethod`. Log, witness, seal and recovery keys sign no
    /// credentials and are not in it.
    pub fn did_document(&self) -> Value {
        let did = self.did.as_str();
        let id = |held: &Held| format!("{did}#{}", held.multikey);
        let of_role = |role: Role| self.keys.iter().filter(move |held| held.role == role);
        let method = |held: &Held| json!({ "id": id(held), "type": "Multikey", "controller": did, "publicKeyMultibase": held.multikey });
        let current =
            |role: Role| -> Vec<String> { of_role(role).filter(|held| held.valid.end == u64::MAX).map(id).collect() };
        let methods: Vec<Value> = of_role(Role::Record).chain(of_role(Role::Request)).map(method).collect();
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            "id": did,
            "verificationMethod": methods,
            "assertionMethod": current(Role::Record),
            "authentication": current(Role::Request),
        })
    }
}

/// Whether an index lies in the range of a key.
fn holds_at(valid: &Range<u64>, index: u64) -> bool {
    if mutant::on(Mutant::KeyBegin) && valid.start > 0 {
        return (valid.start + 1..valid.end).contains(&index);
    }
    // The entry that ends a key has the index of the end: the next record stands behind it.
    valid.contains(&index) || (mutant::on(Mutant::KeyEnd) && index == valid.end.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Audience;
    use crate::entry::tests::sample_genesis;

    fn founding(genesis: Genesis) -> (Vec<u8>, Hash) {
        let data = Entry { t: 5, body: Body::Genesis(Box::new(genesis)) }.write().unwrap();
        let fingerprint = leaf_hash(&data);
        (data, fingerprint)
    }
    fn ring() -> KeyRing {
        KeyRing::from_genesis(&sample_genesis(1), Hash([7; 32]))
    }

    #[test]
    fn a_log_is_founded_by_the_entry_that_people_compared() {
        let genesis = sample_genesis(1);
        let (data, fingerprint) = founding(genesis.clone());
        let ring = KeyRing::found(&data, &genesis.origin, &fingerprint).unwrap();
        assert_eq!((ring.origin(), ring.did(), ring.fingerprint()), (&genesis.origin, &genesis.did, fingerprint));
        assert_eq!((ring.seal(), ring.recovery()), (&genesis.seal, genesis.recovery));
        assert_eq!(ring.keys().map(|(role, ..)| role).collect::<Vec<_>>(), Role::HELD[..4]);
    }

    #[test]
    fn what_does_not_found_the_log_is_refused() {
        let genesis = sample_genesis(1);
        let origin = genesis.origin.clone();
        let (data, fingerprint) = founding(genesis.clone());
        assert_eq!(KeyRing::found(&data, &origin, &Hash([0; 32])).err(), Some(TrustError::Fingerprint));
        let elsewhere = Origin::parse("chengdu.example").unwrap();
        assert_eq!(KeyRing::found(&data, &elsewhere, &fingerprint).err(), Some(TrustError::Origin));
        let (data, fingerprint) = founding(Genesis { did: Did::parse("did:web:chengdu.example").unwrap(), ..genesis });
        assert_eq!(KeyRing::found(&data, &origin, &fingerprint).err(), Some(TrustError::Did));
        let record = Entry { t: 5, body: Body::Record { c: [0; 32], a: Audience::Holder } }.write().unwrap();
        for data in [&record[..], b"", br#"{"k":"later","t":5,"v":1}"#] {
            assert_eq!(KeyRing::found(data, &origin, &leaf_hash(data)).err(), Some(TrustError::NoGenesis));
        }
    }

    #[test]
    fn keys_are_valid_for_their_role_only() {
        let (ring, genesis) = (ring(), sample_genesis(1));
        let record = genesis.record.multikey();
        assert_eq!(ring.valid_at(Role::Record, &record, 0), Some(&genesis.record));
        assert_eq!(ring.valid_at(Role::Record, &record, 1 << 40), Some(&genesis.record));
        for role in [Role::Log, Role::Witness, Role::Request, Role::Seal, Role::Recovery] {
            assert_eq!(ring.valid_at(role, &record, 0), None, "{role:?}");
        }
        assert_eq!(ring.valid_at(Role::Record, &record[..record.len() - 1], 0), None);
        assert_eq!(ring.current(Role::Log, 0), Some(&genesis.log));
        assert_eq!(ring.current(Role::Log, 9), Some(&genesis.log));
        assert_eq!(ring.current(Role::Request, 9), Some(&genesis.request));
        assert_eq!(ring.current(Role::Seal, 9), None);
    }

    use crate::key::SecretKey;

    /// The recovery keys of a test, the first of which genesis announces.
    fn recovery(number: u8) -> SecretKey {
        SecretKey::from_seed(&[100 + number; 32])
    }
    fn hash(key: &SecretKey) -> Digest {
        Digest::of(key.public().multikey().as_bytes())
    }
    fn genesis_with_recovery() -> Genesis {
        Genesis { recovery: hash(&recovery(0)), ..sample_genesis(1) }
    }
    /// A `key` entry signed by the `number`-th recovery key, announcing the next.
    fn key_entry(number: u8, act: KeyAct, role: Role, key: String, from: Option<u64>) -> Entry {
        let says = Says::Key { act, role, key, from, recovery: hash(&recovery(number + 1)) };
        let signed = Signed::new(says, &sample_genesis(1).origin, &recovery(number));
        Entry { t: 5, body: Body::Signed(Box::new(signed)) }
    }
    fn new_key(seed: u8) -> String {
        SecretKey::from_seed(&[seed; 32]).public().multikey()
    }

    #[test]
    fn a_page_is_signed_by_a_request_key_of_now() {
        let genesis = genesis_with_recovery();
        let (old, new) = (genesis.request.multikey(), new_key(50));
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        ring.observe(10, &key_entry(0, KeyAct::Add, Role::Request, new.clone(), None));
        ring.observe(20, &key_entry(1, KeyAct::Retire, Role::Request, old.clone(), None));
        let known = |ring: &KeyRing, key: &str, size| ring.request_key(key, size).is_some();
        assert_eq!([5, 10, 11, 25, 40].map(|size| known(&ring, &old, size)), [true, true, true, false, false]);
        assert_eq!([5, 10, 11, 25, 40].map(|size| known(&ring, &new, size)), [false, false, true, true, true]);
        // Behind an entry that is not understood keys are as they were before it.
        ring.observe(15, &Entry { t: 5, body: Body::Unknown });
        assert_eq!([14, 15, 16, 25, 40].map(|size| known(&ring, &old, size)), [true; 5]);
        assert_eq!([11, 15, 25, 40].map(|size| known(&ring, &new, size)), [true; 4]);
        assert_eq!(ring.valid_at(Role::Request, &new, 40), None, "nothing else is signed by it there");
        assert!(!known(&ring, &genesis.record.multikey(), 40));
    }

    #[test]
    fn keys_come_and_go_by_entries_of_the_recovery_key() {
        let genesis = genesis_with_recovery();
        let old = genesis.record.multikey();
        let new = new_key(50);
        let entries = [
            (10, key_entry(0, KeyAct::Add, Role::Record, new.clone(), None)),
            (20, key_entry(1, KeyAct::Retire, Role::Record, old.clone(), None)),
            (30, key_entry(2, KeyAct::Revoke, Role::Record, new.clone(), Some(25))),
        ];
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        for (index, entry) in &entries {
            assert!(ring.observe(*index, entry));
        }
        // What is seen again changes nothing.
        assert!(entries.iter().all(|(index, entry)| !ring.observe(*index, entry)));
        let valid = |key: &str| -> Vec<u64> {
            (0..40).filter(|index| ring.valid_at(Role::Record, key, *index).is_some()).collect()
        };
        assert_eq!(valid(&old), (0..20).collect::<Vec<_>>());
        assert_eq!(valid(&new), (11..30).collect::<Vec<_>>());
        let disputed: Vec<u64> = (0..40).filter(|index| ring.is_disputed(&new, *index, 40)).collect();
        assert_eq!(disputed, (25..30).collect::<Vec<_>>());
        assert!(!ring.is_disputed(&new, 26, 30), "below the size nothing is known of it");
        assert!(!ring.is_disputed(&old, 26, 40));
        assert_eq!(ring.revocations(), [Revocation { multikey: new.clone(), from: 25, at: 30 }]);
        assert_eq!((ring.recovery(), ring.current(Role::Record, 40)), (hash(&recovery(3)), None));
    }

    #[test]
    fn behind_so_many_key_entries_nothing_is_judged() {
        let seed = |number: usize| SecretKey::from_seed(&Digest::of(&number.to_be_bytes()).0);
        let genesis = Genesis { recovery: hash(&seed(0)), ..sample_genesis(1) };
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        let entry = |number: usize| {
            let (act, role, key, recovery) = (KeyAct::Retire, Role::Witness, new_key(50), hash(&seed(number + 1)));
            let says = Says::Key { act, role, key, from: None, recovery };
            Entry { t: 5, body: Body::Signed(Box::new(Signed::new(says, &genesis.origin, &seed(number)))) }
        };
        // What the recovery key did not sign is not counted.
        let erase = Signed::new(Says::Erase { of: 3 }, &genesis.origin, &SecretKey::from_seed(&[8; 32]));
        assert!(!ring.observe(1, &Entry { t: 5, body: Body::Signed(Box::new(erase)) }));
        assert!(!ring.observe(2, &entry(7)));
        let last = u64::try_from(MAX_KEY_ACTS).unwrap() + 9;
        for (index, number) in (10..=last).zip(0..) {
            assert!(ring.observe(index, &entry(number)));
        }
        assert_eq!((ring.not_judged_from(), ring.recovery()), (None, hash(&seed(MAX_KEY_ACTS))));
        assert!(ring.observe(last + 1, &entry(MAX_KEY_ACTS)));
        assert!(!ring.observe(last + 2, &entry(MAX_KEY_ACTS)) && !ring.observe(last + 3, &entry(MAX_KEY_ACTS + 1)));
        assert_eq!((ring.not_judged_from(), ring.recovery()), (Some(last + 1), hash(&seed(MAX_KEY_ACTS))));
    }

    #[test]
    fn who_is_not_the_announced_recovery_key_changes_nothing() {
        let genesis = genesis_with_recovery();
        let untouched = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        let good = key_entry(0, KeyAct::Add, Role::Record, new_key(50), None);
        let Body::Signed(signed) = good.body.clone() else { panic!() };
        let body = |signed: Signed| Entry { t: 5, body: Body::Signed(Box::new(signed)) };
        let elsewhere = Signed::new(signed.says.clone(), &Origin::parse("chengdu.example").unwrap(), &recovery(0));
        let by_log_key = Signed::new(signed.says.clone(), &genesis.origin, &SecretKey::from_seed(&[9; 32]));
        let forged = Signed { sig: [1; 64], ..signed.as_ref().clone() };
        let too_early = key_entry(1, KeyAct::Add, Role::Record, new_key(50), None);
        for (name, entry) in [
            ("of another log", body(elsewhere)),
            ("by another key", body(by_log_key)),
            ("with another signature", body(forged)),
            ("by a recovery key that is not announced yet", too_early),
        ] {
            let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
            ring.observe(10, &entry);
            assert_eq!(ring.keys().count(), untouched.keys().count(), "{name}");
            assert_eq!(ring.recovery(), untouched.recovery(), "{name}");
        }
        // A recovery key is used once.
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        ring.observe(10, &good);
        ring.observe(11, &key_entry(0, KeyAct::Add, Role::Record, new_key(51), None));
        assert_eq!(ring.keys().count(), untouched.keys().count() + 1);
        // No role takes the key of another one.
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        ring.observe(10, &key_entry(0, KeyAct::Add, Role::Record, genesis.log.multikey(), None));
        assert_eq!(ring.keys().count(), untouched.keys().count());
    }

    #[test]
    fn a_closed_log_takes_no_more_keys_and_only_the_record_key_erases() {
        let genesis = genesis_with_recovery();
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        let close = Signed::new(Says::Close { successor: None }, &genesis.origin, &recovery(0));
        ring.observe(12, &Entry { t: 5, body: Body::Signed(Box::new(close)) });
        assert_eq!(ring.closed_at(), Some(12));
        ring.observe(13, &key_entry(0, KeyAct::Add, Role::Record, new_key(50), None));
        assert_eq!(ring.keys().count(), 4);
        let record = SecretKey::from_seed(&[8; 32]);
        assert_eq!(record.public(), genesis.record, "the seed of the sample");
        let erase = |key: &SecretKey| Signed::new(Says::Erase { of: 3 }, &genesis.origin, key);
        assert!(ring.is_erasure(11, &erase(&record)));
        assert!(!ring.is_erasure(11, &erase(&recovery(0))));
    }

    #[test]
    fn a_checkpoint_is_signed_by_a_log_key_valid_at_its_last_index() {
        let genesis = genesis_with_recovery();
        let old = SecretKey::from_seed(&[9; 32]);
        assert_eq!(old.public(), genesis.log, "the seed of the sample");
        let new = SecretKey::from_seed(&[50; 32]);
        let mut ring = KeyRing::from_genesis(&genesis, Hash([7; 32]));
        ring.observe(10, &key_entry(0, KeyAct::Add, Role::Log, new_key(50), None));
        ring.observe(20, &key_entry(1, KeyAct::Retire, Role::Log, old.public().multikey(), None));
        let opens = |size: u64, key: &SecretKey| {
            let checkpoint = Checkpoint { origin: genesis.origin.to_string(), size, root: Hash([1; 32]) };
            ring.open_checkpoint(checkpoint.sign(key).unwrap().as_bytes()).is_ok()
        };
        assert!(opens(11, &old) && opens(20, &old) && !opens(21, &old));
        assert!(!opens(11, &new) && opens(12, &new) && opens(99, &new));
    }

    #[test]
    fn nothing_is_judged_behind_an_entry_that_is_not_understood() {
        let (mut ring, genesis) = (ring(), sample_genesis(1));
        let unknown = Entry { t: 5, body: Body::Unknown };
        ring.observe(3, &Entry { t: 5, body: Body::Record { c: [0; 32], a: Audience::Holder } });
        assert_eq!((ring.not_judged_from(), ring.is_understood_at(u64::MAX)), (None, true));
        for index in [9, 4, 6] {
            ring.observe(index, &unknown);
        }
        assert_eq!(ring.not_judged_from(), Some(4));
        assert!(ring.is_understood_at(3) && !ring.is_understood_at(4) && !ring.is_understood_at(5));
        for (role, key) in [(Role::Record, &genesis.record), (Role::Request, &genesis.request)] {
            assert_eq!(ring.valid_at(role, &key.multikey(), 3), Some(key));
            assert_eq!(ring.valid_at(role, &key.multikey(), 4), None);
        }
        for (role, key) in [(Role::Log, &genesis.log), (Role::Witness, &genesis.witness)] {
            assert_eq!(ring.valid_at(role, &key.multikey(), 4), Some(key));
        }
    }

    #[test]
    fn a_key_outside_its_range_is_not_valid_and_only_a_verification_method() {
        let (mut ring, genesis) = (ring(), sample_genesis(1));
        let record = genesis.record.multikey();
        ring.keys[0].valid = 2..5;
        let valid: Vec<u64> = (0..8).filter(|index| ring.valid_at(Role::Record, &record, *index).is_some()).collect();
        assert_eq!(valid, [2, 3, 4]);
        assert_eq!(ring.current(Role::Record, 5), None);
        ring.keys[1].valid = 0..5;
        assert!(ring.current(Role::Log, 5).is_some() && ring.current(Role::Log, 6).is_none());
        let document = ring.did_document();
        assert_eq!(document["assertionMethod"], json!([]));
        assert_eq!(document["verificationMethod"][0]["publicKeyMultibase"], record);
    }

    #[test]
    fn the_did_document_names_record_and_request_keys() {
        let genesis = sample_genesis(1);
        let (record, request) = (genesis.record.multikey(), genesis.request.multikey());
        let method = |key: &str| {
            json!({
                "id": format!("did:web:kunming.example#{key}"),
                "type": "Multikey",
                "controller": "did:web:kunming.example",
                "publicKeyMultibase": key,
            })
        };
        let expected = json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            "id": "did:web:kunming.example",
            "verificationMethod": [method(&record), method(&request)],
            "assertionMethod": [format!("did:web:kunming.example#{record}")],
            "authentication": [format!("did:web:kunming.example#{request}")],
        });
        assert_eq!(ring().did_document(), expected);
    }
}
