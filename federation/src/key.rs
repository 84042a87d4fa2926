//! Keys by role; Multikey text; key ids.
mod multiples;
mod strict;

pub use strict::Claim;

use crate::base58;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{self, DecodePrivateKey as _, EncodePrivateKey as _, SecretDocument};
use hefu_schemas::id::Did;
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use multiples::Growing;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

/// The KEM of linkages, whose key pairs seal keys are.
pub(crate) type SealKem = hpke::kem::X25519HkdfSha256;

/// Multicodec `ed25519-pub`, 0xed as an unsigned varint (Controlled Identifiers 1.0 §2.2.2, Multikey).
pub(crate) const ED25519_PREFIX: [u8; 2] = [0xed, 0x01];
/// Multicodec `x25519-pub`, 0xec as an unsigned varint.
const X25519_PREFIX: [u8; 2] = [0xec, 0x01];
/// Multibase: base58btc (Controlled Identifiers 1.0 §2.4).
pub(crate) const BASE58BTC: char = 'z';
/// Longest Multikey text worth decoding: 34 bytes are at most 47 base58 characters behind the `z`.
const MAX_MULTIKEY_LEN: usize = 48;
/// Longest PEM file of a key: a PKCS #8 key of ours has 119 bytes, one with its public key about 170.
const MAX_PEM_LEN: usize = 1024;
/// `id-X25519` (RFC 8410 §3).
const X25519_OID: pkcs8::ObjectIdentifier = pkcs8::ObjectIdentifier::new_unwrap("1.3.101.110");

/// What a key is for. Roles never share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "protocol §3 names the roles")]
pub enum Role {
    Record,
    Log,
    Witness,
    Request,
    Seal,
    Recovery,
}
impl Role {
    /// The five roles that a node holds, in the order of `genesis`.
    pub const HELD: [Self; 5] = [Self::Record, Self::Log, Self::Witness, Self::Request, Self::Seal];
    /// The word in entries and file names.
    pub fn code(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Log => "log",
            Self::Witness => "witness",
            Self::Request => "request",
            Self::Seal => "seal",
            Self::Recovery => "recovery",
        }
    }
    /// The role of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::HELD.into_iter().chain([Self::Recovery]).find(|role| role.code() == code)
    }
}

/// A text or bytes that are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a valid {0}")]
pub struct InvalidKey(pub &'static str);

/// A decoded Ed25519 public key (decoding is costly: keep it). Its copies share what makes the verification of many signatures cheaper.
#[derive(Clone)]
pub struct PublicKey(ed25519_dalek::VerifyingKey, Arc<Growing>);
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.multikey()).finish()
    }
}
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for PublicKey {}
impl PublicKey {
    fn of(key: ed25519_dalek::VerifyingKey) -> Self {
        Self(key, Arc::default())
    }

    /// From 32 bytes; refuses what does not decode, small-order points, and other spellings of a point than its own
    /// (RFC 8032 §5.1.3): one key has one Multikey text.
    ///
    /// # Errors
    /// No key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey("Ed25519 public key");
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| invalid)?;
        if key.is_weak() || !is_reduced(bytes) {
            return Err(invalid);
        }
        Ok(Self::of(key))
    }
    /// From Multikey text (`z6Mk…`).
    ///
    /// # Errors
    /// No Ed25519 Multikey.
    pub fn from_multikey(text: &str) -> Result<Self, InvalidKey> {
        let bytes = multikey_bytes(text, ED25519_PREFIX).ok_or(InvalidKey("Ed25519 Multikey"))?;
        Self::from_bytes(&bytes)
    }
    /// The 32 bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
    /// Multikey text.
    pub fn multikey(&self) -> String {
        multikey_text(ED25519_PREFIX, self.0.as_bytes())
    }
    /// Strict verification, the only one in Hefu: batched and plain verification disagree with it on small-order and non-canonical
    /// points, and two nodes must never disagree. It decides as `verify_strict` of the library does, which the tests of `strict`
    /// compare it with, without decoding `R` (docs/adr/0016).
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        strict::verify(&Claim { key: self, message, signature })
    }
    /// [`Self::verify`] of many signatures, of any keys: each is decided by itself, they only share an inversion.
    pub fn verify_all(claims: &[Claim<'_>]) -> Vec<bool> {
        strict::verify_all(claims)
    }
}

/// Whether the y-coordinate is written as a number below 2^255 − 19. It is the only thing that two spellings of a point differ in,
/// but for the sign of x = 0, and such points are of small order.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    *lowest < 0xed || middle.iter().any(|byte| *byte != 0xff) || highest & 0x7f != 0x7f
}

/// An Ed25519 secret key. `Debug` shows nothing of it; memory is wiped on drop.
pub struct SecretKey(ed25519_dalek::SigningKey);
impl SecretKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }
    /// Its public key.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self.0.verifying_key())
    }
    /// Signs (pure Ed25519, RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
    /// PKCS #8 PEM (RFC 8410 §7), for the key files.
    ///
    /// # Errors
    /// Never for a key made by this type.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, InvalidKey> {
        // Version 1, without the public key: the form that every OpenSSL reads.
        pkcs8::KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| InvalidKey("Ed25519 secret key"))
    }
    /// From PKCS #8 PEM.
    ///
    /// # Errors
    /// No Ed25519 key in it.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey("Ed25519 secret key (PKCS #8 PEM)");
        if pem.len() > MAX_PEM_LEN {
            return Err(invalid);
        }
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| invalid)
    }
}
impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// An X25519 public key that linkages are sealed to, as Multikey text `z6LS…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealPublicKey([u8; 32]);
impl SealPublicKey {
    /// From Multikey text. A small-order point is only found when something is sealed to it (RFC 9180 §7.1.4).
    ///
    /// # Errors
    /// No X25519 Multikey.
    pub fn from_multikey(text: &str) -> Result<Self, InvalidKey> {
        multikey_bytes(text, X25519_PREFIX).map(Self).ok_or(InvalidKey("X25519 Multikey"))
    }
    /// Multikey text.
    pub fn multikey(&self) -> String {
        multikey_text(X25519_PREFIX, &self.0)
    }
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
/// An X25519 secret key.
pub struct SealSecretKey(Zeroizing<[u8; 32]>);
impl SealSecretKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }
    /// Its public key.
    pub fn public(&self) -> SealPublicKey {
        SealPublicKey(SealKem::sk_to_pk(&self.kem_key()).to_bytes().into())
    }
    /// The 32 bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
    /// As the private key of the KEM.
    pub(crate) fn kem_key(&self) -> <SealKem as hpke::Kem>::PrivateKey {
        <SealKem as hpke::Kem>::PrivateKey::from_bytes(self.0.as_slice())
            .expect("any 32 bytes are an X25519 private key (RFC 7748 §5)")
    }
    /// PKCS #8 PEM (RFC 8410 §7), for the key file.
    ///
    /// # Errors
    /// Never for a key made by this type.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, InvalidKey> {
        let invalid = InvalidKey("X25519 secret key");
        let mut nested = Zeroizing::new([0_u8; 34]);
        // CurvePrivateKey is an OCTET STRING inside the OCTET STRING of PKCS #8 (RFC 8410 §7).
        for (to, from) in nested.iter_mut().zip([0x04_u8, 0x20].iter().chain(self.0.iter())) {
            *to = *from;
        }
        let info = pkcs8::PrivateKeyInfoRef {
            algorithm: pkcs8::spki::AlgorithmIdentifier { oid: X25519_OID, parameters: None },
            private_key: pkcs8::OctetStringRef::new(nested.as_slice()).map_err(|_| invalid)?,
            public_key: None,
        };
        let document = SecretDocument::encode_msg(&info).map_err(|_| invalid)?;
        document.to_pem("PRIVATE KEY", LineEnding::LF).map_err(|_| invalid)
    }
    /// From PKCS #8 PEM.
    ///
    /// # Errors
    /// No X25519 key in it.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey("X25519 secret key (PKCS #8 PEM)");
        if pem.len() > MAX_PEM_LEN {
            return Err(invalid);
        }
        let (label, document) = SecretDocument::from_pem(pem).map_err(|_| invalid)?;
        let info: pkcs8::PrivateKeyInfoRef<'_> = document.decode_msg().map_err(|_| invalid)?;
        let algorithm = info.algorithm;
        if label != "PRIVATE KEY" || algorithm.oid != X25519_OID || algorithm.parameters.is_some() {
            return Err(invalid);
        }
        let nested = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20]).ok_or(invalid)?;
        let mut key: [u8; 32] = nested.try_into().map_err(|_| invalid)?;
        let secret = Self::from_seed(&key);
        key.zeroize();
        Ok(secret)
    }
}
impl std::fmt::Debug for SealSecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealSecretKey(…)")
    }
}

/// `<did>#<multikey>`: names a key in requests and proofs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId {
    /// Whose key.
    pub did: Did,
    /// Its Multikey text.
    pub multikey: String,
}
impl KeyId {
    /// Parses. The Multikey must be one of Ed25519 by its form; whether it is a point on the curve is found by
    /// [`PublicKey::from_multikey`].
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let invalid = InvalidKey("key id (<did>#<multikey>)");
        let (did, multikey) = text.split_once('#').ok_or(invalid)?;
        multikey_bytes(multikey, ED25519_PREFIX).ok_or(invalid)?;
        Ok(Self { did: Did::parse(did).map_err(|_| invalid)?, multikey: multikey.to_owned() })
    }
}
impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.did, self.multikey)
    }
}

/// `z` and base58btc of prefix ‖ key.
fn multikey_text(prefix: [u8; 2], key: &[u8; 32]) -> String {
    let text = base58::encode(&[prefix.as_slice(), key].concat()).expect("34 bytes are short enough");
    format!("{BASE58BTC}{text}")
}

/// The key behind a prefix in Multikey text. Base58 has one text for given bytes, so nothing else needs comparing.
pub(crate) fn multikey_bytes(text: &str, prefix: [u8; 2]) -> Option<[u8; 32]> {
    if text.len() > MAX_MULTIKEY_LEN {
        return None;
    }
    let bytes: [u8; 34] = base58::decode(text.strip_prefix(BASE58BTC)?)?;
    bytes.strip_prefix(&prefix)?.try_into().ok()
}

/// A file of published vectors, from the folder that `HEFU_VECTORS` names; `None`, said on stderr, without the variable.
#[cfg(test)]
pub(crate) fn published_vector(test: &str, path: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("HEFU_VECTORS") else {
        eprintln!("skipped: {test} needs HEFU_VECTORS");
        return None;
    };
    Some(std::fs::read_to_string(std::path::Path::new(&folder).join(path)).expect("HEFU_VECTORS names the vectors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let digits: Vec<u8> =
            (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        digits.try_into().unwrap()
    }

    #[test]
    fn a_key_shows_its_name_and_not_what_is_kept_for_it() {
        let secret = SecretKey::from_seed(&[7; 32]);
        let (key, signature) = (secret.public(), secret.sign(b"x"));
        assert!((0..200).all(|_| key.verify(b"x", &signature)), "often enough for its multiples to be kept");
        assert_eq!(format!("{key:?}"), format!("PublicKey({:?})", key.multikey()));
    }

    #[test]
    fn roles_have_one_code_each() {
        for role in Role::HELD.into_iter().chain([Role::Recovery]) {
            assert_eq!(Role::from_code(role.code()), Some(role));
        }
        assert_eq!(Role::from_code("Record"), None);
    }

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn signs_as_rfc_8032_says() {
        let key = SecretKey::from_seed(&unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
        let signature = unhex(concat!(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ));
        assert_eq!(key.public().bytes(), unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
        assert_eq!(key.sign(&[0x72]), signature);
        assert!(key.public().verify(&[0x72], &signature));
        assert!(!key.public().verify(&[0x73], &signature));
    }

    #[test]
    fn multikeys_as_published() {
        // From the examples of W3C EdDSA Cryptosuites v1.0 (B.2) and did:key v0.9 (§5.3).
        let ed25519 = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
        let x25519 = "z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F";
        assert_eq!(PublicKey::from_multikey(ed25519).unwrap().multikey(), ed25519);
        assert_eq!(SealPublicKey::from_multikey(x25519).unwrap().multikey(), x25519);
        for bad in
            ["", "z", &ed25519[1..], &ed25519[..47], x25519, &format!("{ed25519}1"), &format!("u{}", &ed25519[1..])]
        {
            assert!(PublicKey::from_multikey(bad).is_err(), "{bad}");
        }
        for bad in ["", "z", ed25519, &x25519[..47], &format!("{x25519}2"), "z6LSé", &"z".repeat(1 << 20)] {
            assert!(SealPublicKey::from_multikey(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn weak_and_otherwise_spelt_keys_are_refused() {
        for (name, hex) in [
            ("order 1", "0100000000000000000000000000000000000000000000000000000000000000"),
            ("order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            ("order 4", "0000000000000000000000000000000000000000000000000000000000000000"),
            ("order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            ("order 1, x = -0", "0100000000000000000000000000000000000000000000000000000000000080"),
            ("order 1, y > p", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            ("y = p + 3, of large order", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
            ("not on the curve", "0200000000000000000000000000000000000000000000000000000000000000"),
        ] {
            assert!(PublicKey::from_bytes(&unhex(hex)).is_err(), "{name}");
        }
        // All numbers from p on that 255 bits can hold, with either sign.
        for (lowest, highest) in (0xed..=0xff).flat_map(|lowest| [(lowest, 0x7f), (lowest, 0xff)]) {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (lowest, highest);
            assert!(PublicKey::from_bytes(&bytes).is_err(), "{lowest:x} {highest:x}");
        }
        // The same point as that of large order above, in its own spelling.
        let y3 = unhex("0300000000000000000000000000000000000000000000000000000000000000");
        assert!(PublicKey::from_bytes(&y3).is_ok());
    }

    #[derive(serde::Deserialize)]
    struct Edge {
        number: u32,
        key: String,
        sig: String,
        msg: String,
        flags: Option<BTreeSet<String>>,
    }

    /// C2SP CCTV: of 914 edge cases exactly those are accepted whose points have at most a low-order *component*.
    #[test]
    fn the_decision_on_every_published_edge_case() {
        let Some(text) = published_vector("edge cases of Ed25519", "cctv/ed25519/ed25519vectors.json") else { return };
        let edges: Vec<Edge> = serde_json::from_str(&text).unwrap();
        let mut table: BTreeMap<Vec<String>, (u32, u32)> = BTreeMap::new();
        for edge in edges {
            let accepted = PublicKey::from_bytes(&unhex(&edge.key))
                .is_ok_and(|key| key.verify(edge.msg.as_bytes(), &unhex(&edge.sig)));
            let flags: Vec<_> = edge.flags.unwrap_or_default().into_iter().collect();
            let harmless =
                flags.iter().all(|f| matches!(f.as_str(), "low_order_component_A" | "low_order_component_R"));
            assert_eq!(accepted, harmless, "case {} {flags:?}", edge.number);
            let row = table.entry(flags).or_default();
            *(if accepted { &mut row.0 } else { &mut row.1 }) += 1;
        }
        let accepted: Vec<_> = table.iter().filter(|(_, row)| row.0 > 0).map(|(f, row)| (f.join(" "), *row)).collect();
        assert_eq!(
            accepted,
            [
                (String::new(), (1, 0)),
                ("low_order_component_A".to_owned(), (7, 0)),
                ("low_order_component_A low_order_component_R".to_owned(), (35, 0)),
            ]
        );
        assert_eq!(table.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1)), (43, 871));
        assert_eq!(table.len(), 66, "combinations of flags");
    }

    #[test]
    fn key_files_of_openssl_are_read_and_written() {
        // RFC 8410 §10.3, and §10.1 for its public key.
        let v1 = "-----BEGIN PRIVATE KEY-----\n\
                  MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                  -----END PRIVATE KEY-----\n";
        let key = SecretKey::from_pem(v1).unwrap();
        assert_eq!(key.to_pem().unwrap().as_str(), v1);
        let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(key.public().bytes(), unhex(public));
        // `openssl genpkey -algorithm X25519` writes the same with another algorithm.
        let seal = "-----BEGIN PRIVATE KEY-----\n\
                    MC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                    -----END PRIVATE KEY-----\n";
        let key = SealSecretKey::from_pem(seal).unwrap();
        assert_eq!(key.to_pem().unwrap().as_str(), seal);
        assert!(SecretKey::from_pem(seal).is_err(), "roles never share a key, nor do algorithms");
        assert!(SealSecretKey::from_pem(v1).is_err());
        for bad in ["", "-----BEGIN PRIVATE KEY-----", &v1.replace("MC4C", "MC4D"), &v1.repeat(20)] {
            assert!(SecretKey::from_pem(bad).is_err() && SealSecretKey::from_pem(bad).is_err());
        }
        assert!(SealSecretKey::from_pem(&seal.replace("PRIVATE", "PUBLIC")).is_err());
    }

    /// RFC 9180 §A.2.1.1, `skRm` and `pkRm`.
    #[test]
    fn seal_keys_are_x25519_keys() {
        let key = SealSecretKey::from_seed(&unhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"));
        let public = unhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
        assert_eq!(key.public().bytes(), &public);
    }

    #[test]
    fn key_ids() {
        let text = "did:web:kunming.example%3A8443#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
        let key_id = KeyId::parse(text).unwrap();
        assert_eq!(key_id.did.as_str(), "did:web:kunming.example%3A8443");
        assert_eq!(key_id.to_string(), text);
        let (did, key) = text.split_once('#').unwrap();
        for bad in [
            did,
            &format!("{did}#"),
            &format!("{did}##{key}"),
            &format!("{did}#{key}#"),
            &format!("did:key:{key}#{key}"),
            &format!("{did}#z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"),
            &format!("#{key}"),
        ] {
            assert!(KeyId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", SecretKey::from_seed(&[7; 32])), "SecretKey(…)");
        assert_eq!(format!("{:?}", SealSecretKey::from_seed(&[7; 32])), "SealSecretKey(…)");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_texts_are_unique(text in ".{0,60}", key in any::<[u8; 32]>(), sig in any::<[u8; 64]>()) {
            if let Ok(id) = KeyId::parse(&text) {
                prop_assert_eq!(id.to_string(), text.clone());
            }
            let _ = (PublicKey::from_multikey(&text), SealPublicKey::from_multikey(&text), SecretKey::from_pem(&text));
            if let Ok(key) = PublicKey::from_bytes(&key) {
                prop_assert!(!key.verify(text.as_bytes(), &[0xff; 64]));
                let _ = key.verify(text.as_bytes(), &sig);
                prop_assert_eq!(PublicKey::from_multikey(&key.multikey()).unwrap(), key);
            }
            let seal = SealPublicKey(key);
            prop_assert_eq!(SealPublicKey::from_multikey(&seal.multikey()).unwrap(), seal);
        }
    }
}
