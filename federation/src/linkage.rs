//! The linkage of an agreement and epoch: secret for subject references, key for blind labels; sealed by HPKE.
use crate::base64url;
use crate::commitment::hmac;
use crate::key::{SealKem, SealPublicKey, SealSecretKey};
use hefu_schemas::id::{AgreementId, Did, Digest};
use hefu_schemas::identifier::{Identifier, normalise_name};
use hpke::rand_core::{TryCryptoRng, TryRng, utils};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::convert::Infallible;
use thiserror::Error;
use zeroize::Zeroizing;

/// Sets commitments to a linkage apart from every other hash, and its sealing from every other use of a seal key.
const LINKAGE_DOMAIN: &[u8] = b"hefu/linkage/v1\0";
/// Sets subject references apart from the other HMACs under the same secret.
const SUBJECT_DOMAIN: &[u8] = b"hefu/subject/v1\0";
/// Sets identity checks apart from the other HMACs under the same secret.
const IDENTITY_DOMAIN: &[u8] = b"hefu/identity/v1\0";
/// Between the parts of an HMAC input: stands in none of them, so parts cannot run into each other.
const SEPARATOR: &[u8] = b"\x1f";

/// Secret and label key. Wiped on drop; `Debug` shows nothing.
pub struct Linkage {
    secret: Zeroizing<[u8; 32]>,
    label_key: Zeroizing<[u8; 32]>,
    epoch: u32,
}
impl std::fmt::Debug for Linkage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Linkage(epoch {})", self.epoch)
    }
}
/// The wire object {agreement, epoch, to, enc, ciphertext}, binary as base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "bytes.md, Linkage")]
pub struct SealedLinkage {
    pub agreement: String,
    pub epoch: u32,
    pub to: String,
    pub enc: String,
    pub ciphertext: String,
}
/// Why a sealed linkage is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum LinkageError {
    #[error("malformed sealed linkage")]
    Malformed,
    #[error("sealed for another agreement, epoch or recipient")]
    Misdirected,
    #[error("does not open with this seal key")]
    Seal,
    #[error("differs from the commitment in the agreement")]
    Commitment,
}
impl Linkage {
    /// From random bytes.
    pub fn new(epoch: u32, secret: [u8; 32], label_key: [u8; 32]) -> Self {
        Self { secret: secret.into(), label_key: label_key.into(), epoch }
    }
    /// Epoch, from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
    /// SHA-256(`hefu/linkage/v1` 00 secret ‖ label key).
    pub fn commitment(&self) -> Digest {
        let hash = sha2::Sha256::new().chain_update(LINKAGE_DOMAIN).chain_update(self.secret.as_slice());
        Digest(hash.chain_update(self.label_key.as_slice()).finalize().into())
    }
    /// The label key.
    pub fn label_key(&self) -> &[u8; 32] {
        &self.label_key
    }
    /// Whether one of its two secrets is also that of another linkage. Compared by hash: what takes how long tells nothing of them.
    pub fn shares_with(&self, other: &Self) -> bool {
        let hashes = |linkage: &Self| (Digest::of(linkage.secret.as_slice()), Digest::of(linkage.label_key.as_slice()));
        let (own, others) = (hashes(self), hashes(other));
        own.0 == others.0 || own.1 == others.1
    }
    /// secret ‖ label key, for the store.
    pub fn expose(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0_u8; 64]);
        for (to, from) in bytes.iter_mut().zip(self.secret.iter().chain(self.label_key.iter())) {
            *to = *from;
        }
        bytes
    }
    /// From the store.
    pub fn from_exposed(epoch: u32, bytes: &[u8; 64]) -> Self {
        let mut linkage = Self::new(epoch, [0; 32], [0; 32]);
        for (to, from) in linkage.secret.iter_mut().chain(linkage.label_key.iter_mut()).zip(bytes) {
            *to = *from;
        }
        linkage
    }
    /// `urn:hefu:subject:<epoch>:<43 chars>`.
    pub fn subject_reference(&self, identifier: &Identifier) -> String {
        let (scheme, id) = (identifier.scheme().as_bytes(), identifier.expose().as_bytes());
        let mac = hmac(&self.secret, &[SUBJECT_DOMAIN, scheme, SEPARATOR, id]);
        format!("urn:hefu:subject:{}:{}", self.epoch, base64url::encode(&mac))
    }
    /// Identity check over name (normalised here), sex (M, F, X) and birth date, base64url.
    pub fn identity_check(&self, name: &str, sex: char, birth_date: jiff::civil::Date) -> String {
        let name = Zeroizing::new(normalise_name(name));
        let (sex, date) = (sex.to_string(), Zeroizing::new(birth_date.to_string()));
        let parts = [IDENTITY_DOMAIN, name.as_bytes(), SEPARATOR, sex.as_bytes(), SEPARATOR, date.as_bytes()];
        base64url::encode(&hmac(&self.secret, &parts))
    }
    /// Seals for a recipient: HPKE base mode (RFC 9180 §5.1.1), X25519, HKDF-SHA-256, ChaCha20-Poly1305.
    ///
    /// `ephemeral_seed`: 32 random bytes that are used for this call alone; the ephemeral key is `DeriveKeyPair` of
    /// them (RFC 9180 §7.1.3). A seed used twice for one recipient repeats key and nonce and gives the linkages away.
    ///
    /// # Errors
    /// The recipient's key is unusable.
    pub fn seal(
        &self,
        agreement: AgreementId,
        to: &Did,
        key: &SealPublicKey,
        ephemeral_seed: [u8; 32],
    ) -> Result<SealedLinkage, LinkageError> {
        let info = info(agreement, self.epoch);
        let (enc, ciphertext) =
            seal_bytes(key, &info, to.as_str().as_bytes(), self.expose().as_slice(), ephemeral_seed)?;
        Ok(SealedLinkage {
            agreement: agreement.to_string(),
            epoch: self.epoch,
            to: to.to_string(),
            enc: base64url::encode(&enc),
            ciphertext: base64url::encode(&ciphertext),
        })
    }
    /// Opens what was sealed for us and compares it with the commitment. `agreement`, `epoch` and `commitment` are those
    /// of the terms: the commitment does not hold the epoch, so it must be compared of its own.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(
        sealed: &SealedLinkage,
        agreement: AgreementId,
        epoch: u32,
        own: &Did,
        key: &SealSecretKey,
        commitment: &Digest,
    ) -> Result<Self, LinkageError> {
        let enc: [u8; 32] = base64url::decode_array(&sealed.enc).ok_or(LinkageError::Malformed)?;
        // 64 bytes of plaintext and the tag (RFC 9180 §7.3: Nt = 16).
        let ciphertext: [u8; 80] = base64url::decode_array(&sealed.ciphertext).ok_or(LinkageError::Malformed)?;
        if sealed.agreement != agreement.to_string() || sealed.epoch != epoch || sealed.to != own.as_str() {
            return Err(LinkageError::Misdirected);
        }
        let plaintext = open_bytes(key, &enc, &info(agreement, epoch), own.as_str().as_bytes(), &ciphertext)?;
        let bytes: &[u8; 64] = plaintext.as_slice().try_into().map_err(|_| LinkageError::Malformed)?;
        let linkage = Self::from_exposed(epoch, bytes);
        if linkage.commitment() == *commitment { Ok(linkage) } else { Err(LinkageError::Commitment) }
    }
}

/// `hefu/linkage/v1` 00 agreement id 1F epoch.
fn info(agreement: AgreementId, epoch: u32) -> Vec<u8> {
    [LINKAGE_DOMAIN, agreement.to_string().as_bytes(), SEPARATOR, epoch.to_string().as_bytes()].concat()
}

/// `SealBase` (RFC 9180 §6.1): the encapsulated key and the ciphertext.
fn seal_bytes(
    key: &SealPublicKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    ephemeral_seed: [u8; 32],
) -> Result<([u8; 32], Vec<u8>), LinkageError> {
    let key = <SealKem as hpke::Kem>::PublicKey::from_bytes(key.bytes()).map_err(|_| LinkageError::Seal)?;
    let mut rng = EphemeralSeed { seed: Zeroizing::new(ephemeral_seed), block: 0 };
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<
        hpke::aead::ChaCha20Poly1305,
        hpke::kdf::HkdfSha256,
        SealKem,
    >(&OpModeS::Base, &key, info, plaintext, aad, &mut rng)
    .map_err(|_| LinkageError::Seal)?;
    Ok((enc.to_bytes().into(), ciphertext))
}

/// `OpenBase` (RFC 9180 §6.1).
fn open_bytes(
    key: &SealSecretKey,
    enc: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, LinkageError> {
    let enc = <SealKem as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| LinkageError::Malformed)?;
    hpke::single_shot_open::<hpke::aead::ChaCha20Poly1305, hpke::kdf::HkdfSha256, SealKem>(
        &OpModeR::Base,
        &key.kem_key(),
        &enc,
        info,
        ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| LinkageError::Seal)
}

/// The caller's 32 random bytes as a generator: first the seed as it is, so that the ephemeral key is the one that
/// RFC 9180 derives from it, then SHA-256(seed ‖ block number). HPKE's base mode asks for the first block alone.
struct EphemeralSeed {
    seed: Zeroizing<[u8; 32]>,
    block: u64,
}
impl TryRng for EphemeralSeed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            let block: Zeroizing<[u8; 32]> = if self.block == 0 {
                self.seed.clone()
            } else {
                let hash = sha2::Sha256::new().chain_update(self.seed.as_slice());
                Zeroizing::new(hash.chain_update(self.block.to_be_bytes()).finalize().into())
            };
            self.block = self.block.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(block.iter()) {
                *to = *from;
            }
        }
        Ok(())
    }
}
impl TryCryptoRng for EphemeralSeed {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/identifiers.json")).unwrap()
    }
    fn binary<const N: usize>(value: &Value) -> [u8; N] {
        base64url::decode_array(value.as_str().unwrap()).unwrap()
    }
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    fn linkage(vectors: &Value) -> Linkage {
        let linkage = &vectors["linkage"];
        let epoch = linkage["epoch"].as_u64().and_then(|epoch| u32::try_from(epoch).ok()).unwrap();
        Linkage::new(epoch, binary(&linkage["secret"]), binary(&linkage["labelKey"]))
    }
    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_commitment_as_in_our_vectors() {
        let vectors = vectors();
        assert_eq!(linkage(&vectors).commitment().to_string(), text(&vectors["linkage"]["commitmentHex"]));
    }

    #[test]
    fn subject_references_as_in_our_vectors() {
        let vectors = vectors();
        for case in vectors["subjects"].as_array().unwrap() {
            let identifier = Identifier::normalise(text(&case["scheme"]), text(&case["id"])).unwrap();
            assert_eq!(identifier.scheme(), text(&case["normalisedScheme"]));
            assert_eq!(identifier.expose(), text(&case["normalisedId"]));
            assert_eq!(linkage(&vectors).subject_reference(&identifier), text(&case["reference"]));
        }
    }

    #[test]
    fn identity_checks_as_in_our_vectors() {
        let vectors = vectors();
        for case in vectors["identityChecks"].as_array().unwrap() {
            assert_eq!(normalise_name(text(&case["name"])), text(&case["normalisedName"]));
            let (sex, birth_date) = (text(&case["sex"]).parse().unwrap(), text(&case["birthDate"]).parse().unwrap());
            let check = linkage(&vectors).identity_check(text(&case["name"]), sex, birth_date);
            assert_eq!(check, text(&case["identityCheck"]));
        }
    }

    #[test]
    fn sealed_as_in_our_vectors() {
        let vectors = vectors();
        let (linkage, case) = (linkage(&vectors), &vectors["sealed"]);
        let expected: SealedLinkage = serde_json::from_value(case["linkage"].clone()).unwrap();
        let key = SealSecretKey::from_seed(&binary(&case["sealSecretKey"]));
        assert_eq!(key.public().multikey(), text(&case["sealPublicKey"]));
        let (agreement, to) = (AgreementId::parse(&expected.agreement).unwrap(), Did::parse(&expected.to).unwrap());
        let sealed = linkage.seal(agreement, &to, &key.public(), binary(&case["ephemeralSeed"])).unwrap();
        assert_eq!(sealed, expected);
        let opened = Linkage::open(&sealed, agreement, expected.epoch, &to, &key, &linkage.commitment()).unwrap();
        assert_eq!(opened.expose(), linkage.expose());
        assert_eq!(opened.epoch(), linkage.epoch());
        assert_eq!(format!("{opened:?}"), "Linkage(epoch 3)");
    }

    /// RFC 9180 §A.2.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode, sequence number 0.
    #[test]
    fn seals_as_rfc_9180_says() {
        let secret = unhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb").try_into().unwrap();
        let key = SealSecretKey::from_seed(&secret);
        let seed = unhex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b").try_into().unwrap();
        let info = unhex("4f6465206f6e2061204772656369616e2055726e");
        let plaintext = unhex("4265617574792069732074727574682c20747275746820626561757479");
        let (enc, ciphertext) = seal_bytes(&key.public(), &info, b"Count-0", &plaintext, seed).unwrap();
        assert_eq!(enc.as_slice(), unhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"));
        let expected = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28";
        assert_eq!(ciphertext, unhex(expected));
        assert_eq!(*open_bytes(&key, &enc, &info, b"Count-0", &ciphertext).unwrap(), plaintext);
    }

    #[test]
    fn what_is_not_for_us_or_was_changed_does_not_open() {
        let linkage = Linkage::new(2, [1; 32], [2; 32]);
        let (key, other) = (SealSecretKey::from_seed(&[3; 32]), SealSecretKey::from_seed(&[4; 32]));
        let (own, agreement) = (Did::parse("did:web:luang.example").unwrap(), AgreementId::HOLDER);
        let peer = Did::parse("did:web:kunming.example").unwrap();
        let sealed = linkage.seal(agreement, &own, &key.public(), [5; 32]).unwrap();
        let commitment = linkage.commitment();
        let open = |sealed: &SealedLinkage| Linkage::open(sealed, agreement, 2, &own, &key, &commitment).err();
        assert_eq!(open(&sealed), None);
        type Change = fn(&mut SealedLinkage);
        let changes: [(&str, Change, LinkageError); 8] = [
            ("agreement", |s| s.agreement = AgreementId::PUBLIC.to_string(), LinkageError::Misdirected),
            ("epoch", |s| s.epoch = 1, LinkageError::Misdirected),
            ("recipient", |s| s.to.push('a'), LinkageError::Misdirected),
            ("short enc", |s| s.enc = s.enc[4..].to_owned(), LinkageError::Malformed),
            ("short ciphertext", |s| s.ciphertext = s.ciphertext[4..].to_owned(), LinkageError::Malformed),
            ("padding", |s| s.ciphertext.push('='), LinkageError::Malformed),
            ("ciphertext", |s| s.ciphertext.replace_range(0..4, "AAAA"), LinkageError::Seal),
            ("small-order enc", |s| s.enc = base64url::encode(&[0; 32]), LinkageError::Seal),
        ];
        for (name, change, error) in changes {
            let mut changed = sealed.clone();
            change(&mut changed);
            assert_eq!(open(&changed), Some(error), "{name}");
        }
        // Consistently relabelled: the seal itself binds agreement, epoch and recipient.
        let relabelled = SealedLinkage { epoch: 3, ..sealed.clone() };
        let result = Linkage::open(&relabelled, agreement, 3, &own, &key, &commitment);
        assert_eq!(result.err(), Some(LinkageError::Seal), "epoch");
        let relabelled = SealedLinkage { agreement: AgreementId::PUBLIC.to_string(), ..sealed.clone() };
        let result = Linkage::open(&relabelled, AgreementId::PUBLIC, 2, &own, &key, &commitment);
        assert_eq!(result.err(), Some(LinkageError::Seal), "agreement");
        let relabelled = SealedLinkage { to: peer.to_string(), ..sealed.clone() };
        let result = Linkage::open(&relabelled, agreement, 2, &peer, &key, &commitment);
        assert_eq!(result.err(), Some(LinkageError::Seal), "recipient");
        let result = Linkage::open(&sealed, agreement, 2, &own, &other, &commitment);
        assert_eq!(result.err(), Some(LinkageError::Seal), "key");
        let result = Linkage::open(&sealed, agreement, 2, &own, &key, &Digest::of(b""));
        assert_eq!(result.err(), Some(LinkageError::Commitment));
    }

    #[test]
    fn small_order_seal_keys_are_refused_when_sealing() {
        let key = format!("z{}", bs58::encode([&[0xec, 0x01][..], &[0; 32]].concat()).into_string());
        let key = SealPublicKey::from_multikey(&key).unwrap();
        let to = Did::parse("did:web:luang.example").unwrap();
        let result = Linkage::new(1, [1; 32], [2; 32]).seal(AgreementId::HOLDER, &to, &key, [3; 32]);
        assert_eq!(result, Err(LinkageError::Seal));
    }

    #[test]
    fn unknown_members_are_refused() {
        let mut sealed = vectors()["sealed"]["linkage"].clone();
        sealed["note"] = "x".into();
        assert!(serde_json::from_value::<SealedLinkage>(sealed).is_err());
    }

    #[test]
    fn the_store_form_is_secret_then_label_key() {
        let linkage = Linkage::new(7, [1; 32], [2; 32]);
        assert_eq!(linkage.expose()[..32], [1; 32]);
        assert_eq!(linkage.expose()[32..], *linkage.label_key());
        assert_eq!(Linkage::from_exposed(7, &linkage.expose()).commitment(), linkage.commitment());
    }

    #[test]
    fn the_generator_never_repeats_a_block() {
        let mut rng = EphemeralSeed { seed: Zeroizing::new([9; 32]), block: 0 };
        let mut out = [0; 128];
        let Ok(()) = rng.try_fill_bytes(&mut out);
        assert_eq!(out[..32], [9; 32]);
        let blocks: std::collections::BTreeSet<_> = out.chunks(32).collect();
        assert_eq!(blocks.len(), 4);
    }

    proptest! {
        #[test]
        fn opening_anything_does_not_panic(enc in any::<[u8; 32]>(), ciphertext in any::<[u8; 16]>(), cut in 0_usize..80) {
            let own = Did::parse("did:web:luang.example").unwrap();
            let ciphertext = ciphertext.repeat(5)[..80 - cut].to_vec();
            let sealed = SealedLinkage {
                agreement: AgreementId::HOLDER.to_string(),
                epoch: 1,
                to: own.to_string(),
                enc: base64url::encode(&enc),
                ciphertext: base64url::encode(&ciphertext),
            };
            let key = SealSecretKey::from_seed(&[1; 32]);
            let digest = Digest::of(b"");
            prop_assert!(Linkage::open(&sealed, AgreementId::HOLDER, 1, &own, &key, &digest).is_err());
        }
    }
}
