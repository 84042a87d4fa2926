//! Keys of an origin by log index (protocol §3): a key is good for a range of indexes, not of time.
//!
//! A thief of a retired key cannot go back: the indexes at which it was valid are taken. `key` entries are not understood by
//! this version, so that every range begins with the log and is open; what follows an entry that is not understood, is not
//! judged, for that entry may have changed the keys.
use crate::entry::{Body, Entry, Genesis};
use crate::key::{PublicKey, Role, SealPublicKey};
use crate::tree::{Hash, leaf_hash};
use hefu_schemas::id::{Did, Digest, Origin};
use serde_json::{Value, json};
use std::ops::Range;
use thiserror::Error;
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
        }
    }
    /// Takes note of an entry of this log; entries may come in any order, and again.
    pub fn observe(&mut self, index: u64, entry: &Entry) {
        if entry.body == Body::Unknown {
            self.not_judged_from = Some(self.not_judged_from.map_or(index, |first| first.min(index)));
        }
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
        let is_it = |held: &&Held| held.role == role && held.valid.contains(&index) && held.multikey == multikey;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Audience;
    use crate::entry::tests::sample_genesis;

    fn founding(genesis: Genesis) -> (Vec<u8>, Hash) {
        let data = Entry { t: 5, body: Body::Genesis(genesis) }.write().unwrap();
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
