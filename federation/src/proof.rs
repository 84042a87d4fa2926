//! `eddsa-jcs-2022` (W3C Data Integrity EdDSA Cryptosuites v1.0 §3.3), with the contexts pinned.
use crate::base58;
use crate::key::{BASE58BTC, Claim, ED25519_PREFIX, KeyId, PublicKey, SecretKey, multikey_bytes};
use hefu_schemas::canonical;
use hefu_schemas::id::RecordId;
use hefu_schemas::record::{Kind, Record};
use hefu_schemas::scan::{Item, Scanned, scan};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Longest detached proof, bytes: six members with a DID of a host of 253 characters have under 700.
pub const MAX_PROOF_LEN: usize = 1024;
/// `type` of every Data Integrity proof (VC Data Integrity 1.0 §2.1).
const PROOF_TYPE: &str = "DataIntegrityProof";
/// The one cryptosuite of version 1.
const CRYPTOSUITE: &str = "eddsa-jcs-2022";
/// The one purpose.
const PURPOSE: &str = "assertionMethod";
/// The members of a proof besides `@context`, in canonical order.
const MEMBERS: [&str; 6] = ["created", "cryptosuite", "proofPurpose", "proofValue", "type", "verificationMethod"];
/// Longest `proofValue`: `z` and 88 base58 characters for 64 bytes.
const MAX_PROOF_VALUE_LEN: usize = 89;
/// Length of `YYYY-MM-DDThh:mm:ssZ`.
const CREATED_LEN: usize = 20;

/// A signed record: canonical bytes with a valid proof of our own making.
#[derive(Debug, Clone)]
pub struct SignedRecord {
    bytes: Vec<u8>,
    kind: Kind,
    id: RecordId,
}
impl SignedRecord {
    /// Canonical bytes, proof included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The canonical bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// Its id.
    pub fn id(&self) -> RecordId {
        self.id
    }
}

/// Signs a completed record: hashes cut from the spans, the placeholder replaced.
///
/// The key must be the one that the record's `verificationMethod` names: whoever completed the record named it.
pub fn sign(record: Record, key: &SecretKey) -> SignedRecord {
    const COMPLETED: &str = "a completed record has an id and one proof with a placeholder";
    let document = record.document().root();
    let proof = document.member("proof").expect(COMPLETED);
    let value = proof.member("proofValue").expect(COMPLETED);
    debug_assert!(
        proof.member("verificationMethod").and_then(|m| m.as_str()).is_some_and(|m| names(&m, &key.public())),
        "the record names another key"
    );
    let signature = key.sign(&hash_data(document, proof).expect(COMPLETED));
    let span = value.span();
    let bytes = record.document().bytes();
    let (before, after) = (bytes.get(..span.start).expect(COMPLETED), bytes.get(span.end..).expect(COMPLETED));
    // Most signatures have 88 characters, some 87 or fewer: the text after the placeholder moves with them.
    let signed = [before, format!("\"{}\"", value_text(&signature)).as_bytes(), after].concat();
    let id = document.member("id").and_then(|id| RecordId::parse(&id.as_str()?).ok()).expect(COMPLETED);
    SignedRecord { bytes: signed, kind: record.kind(), id }
}

/// Which `@context` a proof must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contexts<'a> {
    /// Document and proof carry exactly these.
    Exactly(&'a [&'a str]),
    /// Neither carries any (agreements: a detached proof over a document without contexts).
    Absent,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ProofError {
    #[error("no proof, or not one object")]
    Missing,
    #[error("unknown or missing member in the proof")]
    Members,
    #[error("not an eddsa-jcs-2022 Data Integrity proof")]
    Suite,
    #[error("proof purpose is not assertionMethod")]
    Purpose,
    #[error("contexts differ from the pinned ones")]
    Contexts,
    #[error("verification method is not of the issuer")]
    Controller,
    #[error("proof value is not 64 bytes of base58btc")]
    Value,
    #[error("created is not a UTC second")]
    Created,
    #[error("signature does not hold")]
    Signature,
}

/// Verifies the proof inside a canonical document, strictly. Does not say whether the key was valid at an index.
/// `controller`: the DID that the method must belong to; `key`: the key that the method must name.
///
/// # Errors
/// The first check that fails.
pub fn verify(
    document: &Scanned<'_>,
    contexts: Contexts<'_>,
    controller: &str,
    key: &PublicKey,
) -> Result<(), ProofError> {
    if claim(document, contexts, controller, key)?.holds() { Ok(()) } else { Err(ProofError::Signature) }
}

/// What is left of a proof when all but its signature was checked. Unless the signature is verified too, the proof says nothing.
#[derive(Debug, Clone)]
#[must_use]
pub struct Claimed<'k> {
    key: &'k PublicKey,
    hashes: [u8; 64],
    signature: [u8; 64],
}
impl Claimed<'_> {
    /// The signature to be verified.
    pub fn claim(&self) -> Claim<'_> {
        Claim { key: self.key, message: &self.hashes, signature: &self.signature }
    }
    /// Whether the signature holds.
    pub fn holds(&self) -> bool {
        self.key.verify(&self.hashes, &self.signature)
    }
}

/// [`verify`], all but the last step: the signature is left to be verified, with others.
///
/// # Errors
/// The first check that fails.
pub fn claim<'k>(
    document: &Scanned<'_>,
    contexts: Contexts<'_>,
    controller: &str,
    key: &'k PublicKey,
) -> Result<Claimed<'k>, ProofError> {
    let document = document.root();
    let proof = document.member("proof").filter(Item::is_object).ok_or(ProofError::Missing)?;
    check_members(proof)?;
    // The suite itself lets a context that somebody appended later still verify (EdDSA Cryptosuites §3.3.2 asks only
    // for a common beginning): both lists are pinned instead.
    if ![document, proof].into_iter().all(|object| carries(object, contexts)) {
        return Err(ProofError::Contexts);
    }
    let method = method(proof, controller)?;
    if !names(&method, key) {
        return Err(ProofError::Controller);
    }
    let signature = signature(proof)?;
    let hashes = hash_data(document, proof).ok_or(ProofError::Missing)?;
    Ok(Claimed { key, hashes, signature })
}

/// The detached proof (canonical JSON) of an agreement document. `created`: UTC seconds, years 1970 to 9999.
pub fn sign_detached(document: &[u8], key_id: &KeyId, created: i64, key: &SecretKey) -> Vec<u8> {
    const STRINGS: &str = "an object of strings is canonical JSON";
    let mut proof = json!({
        "type": PROOF_TYPE, "cryptosuite": CRYPTOSUITE, "proofPurpose": PURPOSE,
        "created": created_text(created), "verificationMethod": key_id.to_string(),
    });
    let config = canonical::write(&proof).expect(STRINGS);
    let signature = key.sign(&join(hash((&config, &[])), hash((document, &[]))));
    if let Some(members) = proof.as_object_mut() {
        members.insert("proofValue".to_owned(), value_text(&signature).into());
    }
    canonical::write(&proof).expect(STRINGS)
}

/// Verifies a detached proof over canonical bytes; returns its key id. `key` is looked up by it. The document is one
/// whose schema knows neither `@context` nor `proof`.
///
/// # Errors
/// The first check that fails.
pub fn verify_detached(
    document: &[u8],
    proof: &[u8],
    controller: &str,
    key: impl FnOnce(&KeyId) -> Option<PublicKey>,
) -> Result<KeyId, ProofError> {
    let proof = scan(proof, MAX_PROOF_LEN).map_err(|_| ProofError::Missing)?;
    let proof = Some(proof.root()).filter(Item::is_object).ok_or(ProofError::Missing)?;
    check_members(proof)?;
    if !carries(proof, Contexts::Absent) {
        return Err(ProofError::Contexts);
    }
    let key_id = KeyId::parse(&method(proof, controller)?).map_err(|_| ProofError::Controller)?;
    let key = key(&key_id).filter(|key| names(&key_id.to_string(), key)).ok_or(ProofError::Controller)?;
    let signature = signature(proof)?;
    let config = proof.without_member("proofValue").ok_or(ProofError::Members)?;
    let hashes = join(hash(config), hash((document, &[])));
    if key.verify(&hashes, &signature) { Ok(key_id) } else { Err(ProofError::Signature) }
}

/// Closed member list, suite and purpose.
fn check_members(proof: Item<'_>) -> Result<(), ProofError> {
    let is = |name, expected| proof.member(name).and_then(|item| item.as_str()).is_some_and(|text| text == expected);
    if !proof.members().filter(|(name, _)| name != "@context").map(|(name, _)| name).eq(MEMBERS) {
        return Err(ProofError::Members);
    }
    if !is("type", PROOF_TYPE) || !is("cryptosuite", CRYPTOSUITE) {
        return Err(ProofError::Suite);
    }
    if is("proofPurpose", PURPOSE) { Ok(()) } else { Err(ProofError::Purpose) }
}

/// Whether an object has exactly the pinned `@context`.
fn carries(object: Item<'_>, contexts: Contexts<'_>) -> bool {
    match (object.member("@context"), contexts) {
        (None, Contexts::Absent) => true,
        (Some(list), Contexts::Exactly(pinned)) => {
            list.raw().starts_with(b"[")
                && list.items().map(|item| item.as_str()).eq(pinned.iter().map(|&context| Some(context.into())))
        }
        (None, Contexts::Exactly(_)) | (Some(_), Contexts::Absent) => false,
    }
}

/// The verification method, if it is a Multikey of the controller.
fn method<'a>(proof: Item<'a>, controller: &str) -> Result<std::borrow::Cow<'a, str>, ProofError> {
    let method = proof.member("verificationMethod").and_then(|item| item.as_str()).ok_or(ProofError::Controller)?;
    match method.split_once('#') {
        Some((did, _)) if did == controller => Ok(method),
        _ => Err(ProofError::Controller),
    }
}

/// Whether the fragment of a verification method is the Multikey of a key. (Decoding costs a third of encoding.)
fn names(method: &str, key: &PublicKey) -> bool {
    let multikey = method.split_once('#').map_or("", |(_, multikey)| multikey);
    multikey_bytes(multikey, ED25519_PREFIX) == Some(key.bytes())
}

/// `proofValue` and `created`: the forms of both, and the 64 bytes of the first.
fn signature(proof: Item<'_>) -> Result<[u8; 64], ProofError> {
    let value = proof.member("proofValue").and_then(|item| item.as_str()).ok_or(ProofError::Value)?;
    let base58 = value.strip_prefix(BASE58BTC).filter(|_| value.len() <= MAX_PROOF_VALUE_LEN);
    let signature = base58.and_then(base58::decode).ok_or(ProofError::Value)?;
    let created = proof.member("created").and_then(|item| item.as_str());
    if created.is_some_and(|text| is_utc_second(&text)) { Ok(signature) } else { Err(ProofError::Created) }
}

/// Whether a text is what [`created_text`] writes.
fn is_utc_second(text: &str) -> bool {
    let parsed = text.parse::<jiff::Timestamp>();
    text.len() == CREATED_LEN && parsed.is_ok_and(|timestamp| timestamp.to_string() == text)
}

/// `YYYY-MM-DDThh:mm:ssZ`. A clock out of the years that this form can write is held at their ends.
fn created_text(seconds: i64) -> String {
    let seconds = seconds.clamp(0, jiff::Timestamp::MAX.as_second());
    jiff::Timestamp::from_second(seconds).expect("clamped into the range").to_string()
}

/// Multibase base58btc of a signature.
fn value_text(signature: &[u8; 64]) -> String {
    let text = base58::encode(signature).expect("64 bytes are short enough");
    format!("{BASE58BTC}{text}")
}

/// The 64 bytes that are signed (EdDSA Cryptosuites §3.3.4): proof hash first. `None` without `proof` or `proofValue`.
pub(crate) fn hash_data(document: Item<'_>, proof: Item<'_>) -> Option<[u8; 64]> {
    // The document is canonical and cutting a member out keeps it so: nothing is canonicalised again.
    Some(join(hash(proof.without_member("proofValue")?), hash(document.without_member("proof")?)))
}

/// SHA-256 over two parts of one text.
pub(crate) fn hash((before, after): (&[u8], &[u8])) -> [u8; 32] {
    Sha256::new().chain_update(before).chain_update(after).finalize().into()
}

fn join(proof: [u8; 32], document: [u8; 32]) -> [u8; 64] {
    let mut both = [0; 64];
    for (to, from) in both.iter_mut().zip(proof.into_iter().chain(document)) {
        *to = from;
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;
    use crate::key::published_vector;
    use hefu_schemas::gate::MAX_RECORD_LEN;
    use hefu_schemas::id::Did;
    use hefu_schemas::record::{self, CONTEXTS, Completion, Draft};
    use proptest::prelude::*;
    use serde_json::Value;

    const PINNED: Contexts<'static> = Contexts::Exactly(&CONTEXTS);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/proof.json")).unwrap()
    }
    fn key() -> SecretKey {
        SecretKey::from_seed(&base64url::decode_array(text(&vectors()["secretKey"])).unwrap())
    }
    fn key_id() -> KeyId {
        KeyId::parse(text(&vectors()["keyId"])).unwrap()
    }
    /// The record of our vectors, completed as if created at that second.
    fn record(created: i64) -> Record {
        let mut record: Value = serde_json::from_str(text(&vectors()["record"]["document"])).unwrap();
        for name in ["@context", "issuer", "credentialSchema"] {
            record.as_object_mut().unwrap().remove(name);
        }
        let line = json!({ "record": record }).to_string();
        let draft = Draft::read(line.as_bytes()).unwrap();
        let (issuer, method) = (key_id().did, key_id().to_string());
        let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        draft.complete(&Completion { issuer: &issuer, id, verification_method: &method, created }).unwrap()
    }
    fn signed() -> Value {
        serde_json::from_str(text(&vectors()["record"]["signed"])).unwrap()
    }
    fn judge(document: &Value, contexts: Contexts<'_>) -> Result<(), ProofError> {
        let bytes = canonical::write(document).unwrap();
        let document = scan(bytes, MAX_RECORD_LEN).unwrap();
        verify(&document, contexts, key_id().did.as_str(), &key().public())
    }
    /// The signed record after a change, with a signature that holds over the changed bytes: only the named check is
    /// left to refuse it.
    fn forged(change: impl FnOnce(&mut Value)) -> Value {
        let mut document = signed();
        change(&mut document);
        let mut unsigned = document.clone();
        let mut proof = unsigned.as_object_mut().unwrap().remove("proof").unwrap();
        proof.as_object_mut().unwrap().remove("proofValue");
        let (config, unsigned) = (canonical::write(&proof).unwrap(), canonical::write(&unsigned).unwrap());
        let signature = key().sign(&join(hash((&config, &[])), hash((&unsigned, &[]))));
        document["proof"]["proofValue"] = value_text(&signature).into();
        document
    }

    #[test]
    fn signs_as_in_our_vectors() {
        let (vectors, signed) = (vectors(), sign(record(1_790_730_123), &key()));
        assert_eq!(std::str::from_utf8(signed.bytes()).unwrap(), text(&vectors["record"]["signed"]));
        assert_eq!((signed.kind(), signed.id().to_string().as_str()), (Kind::Withdrawal, text(&self::signed()["id"])));
        let document = scan(signed.into_bytes(), MAX_RECORD_LEN).unwrap();
        let (root, proof) = (document.root(), document.root().member("proof").unwrap());
        assert_eq!(
            hex(&hash(proof.without_member("proofValue").unwrap())),
            text(&vectors["record"]["proofConfigHash"])
        );
        assert_eq!(hex(&hash(root.without_member("proof").unwrap())), text(&vectors["record"]["documentHash"]));
        assert_eq!(hex(&signature(proof).unwrap()), text(&vectors["record"]["signature"]));
        assert_eq!(verify(&document, PINNED, key_id().did.as_str(), &key().public()), Ok(()));
        assert_eq!(record::check(&document), [], "what was valid unsigned is valid signed");
    }

    #[test]
    fn short_signature_texts_move_what_follows() {
        for (created, len) in [(1, 88), (0, 87), (7_756, 86)] {
            let signed = sign(record(created), &key());
            let document = scan(signed.bytes(), MAX_RECORD_LEN).unwrap();
            let value = document.root().pointer("/proof/proofValue").unwrap().as_str().unwrap().into_owned();
            assert_eq!(value.len(), 1 + len);
            assert_eq!(verify(&document, PINNED, key_id().did.as_str(), &key().public()), Ok(()), "{len} characters");
        }
    }

    #[test]
    fn detached_proofs_as_in_our_vectors() {
        let vectors = vectors();
        let case = &vectors["detached"];
        let (document, created) = (text(&case["document"]).as_bytes(), vectors["created"].as_i64().unwrap());
        let proof = sign_detached(document, &key_id(), created, &key());
        assert_eq!(std::str::from_utf8(&proof).unwrap(), text(&case["proof"]));
        assert_eq!(hex(&hash((document, &[]))), text(&case["documentHash"]));
        let did = key_id().did;
        let found = |wanted: &KeyId| (*wanted == key_id()).then(|| key().public());
        assert_eq!(verify_detached(document, &proof, did.as_str(), found), Ok(key_id()));

        let refused = |document: &[u8], proof: &[u8], did: &str| verify_detached(document, proof, did, found).err();
        assert_eq!(refused(b"{}", &proof, did.as_str()), Some(ProofError::Signature));
        assert_eq!(refused(document, &proof, "did:web:luang.example"), Some(ProofError::Controller));
        let unknown = verify_detached(document, &proof, did.as_str(), |_| None);
        assert_eq!(unknown, Err(ProofError::Controller), "unknown key");
        let other = verify_detached(document, &proof, did.as_str(), |_| Some(SecretKey::from_seed(&[1; 32]).public()));
        assert_eq!(other, Err(ProofError::Controller), "another key than the one named");
        let spaced = [b" ", proof.as_slice()].concat();
        for (name, bytes) in [("space", spaced.as_slice()), ("array", b"[]"), ("long", &[b' '; 1025]), ("none", b"")] {
            assert_eq!(refused(document, bytes, did.as_str()), Some(ProofError::Missing), "{name}");
        }
        let mut with_context: Value = serde_json::from_slice(&proof).unwrap();
        with_context["@context"] = json!(CONTEXTS);
        let with_context = canonical::write(&with_context).unwrap();
        assert_eq!(refused(document, &with_context, did.as_str()), Some(ProofError::Contexts));
    }

    #[test]
    fn what_changed_after_signing_is_refused() {
        assert_eq!(judge(&signed(), PINNED), Ok(()));
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 6] = [
            ("a member of the document", |d| d["credentialSubject"]["reason"] = "fraud".into()),
            ("one more member", |d| d["validUntil"] = "2027-10-01T00:00:00+08:00".into()),
            ("one member less", |d| drop(d.as_object_mut().unwrap().remove("statedBy"))),
            ("an integer", |d| d["termsOfUse"][0]["version"] = 2.into()),
            ("created", |d| d["proof"]["created"] = "2026-09-30T01:02:04Z".into()),
            ("another signature", |d| d["proof"]["proofValue"] = value_text(&key().sign(b"")).into()),
        ];
        for (name, change) in changes {
            let mut document = signed();
            change(&mut document);
            assert_eq!(judge(&document, PINNED), Err(ProofError::Signature), "{name}");
            if name != "another signature" {
                assert_eq!(judge(&forged(change), PINNED), Ok(()), "{name}: nothing but the signature is at fault");
            }
        }
    }

    #[test]
    fn each_check_refuses_of_its_own() {
        type Change = fn(&mut Value);
        let rows: [(&str, Change, ProofError); 26] = [
            ("appended context", |d| push(&mut d["@context"], "https://x.example/"), ProofError::Contexts),
            (
                "appended to the proof",
                |d| push(&mut d["proof"]["@context"], "https://x.example/"),
                ProofError::Contexts,
            ),
            ("appended to both", append_to_both, ProofError::Contexts),
            ("order of contexts", |d| d["@context"].as_array_mut().unwrap().reverse(), ProofError::Contexts),
            ("context less", |d| drop(d["@context"].as_array_mut().unwrap().pop()), ProofError::Contexts),
            ("context as text", |d| d["@context"] = CONTEXTS[0].into(), ProofError::Contexts),
            ("context as object", |d| d["@context"][1] = json!({ "@vocab": CONTEXTS[1] }), ProofError::Contexts),
            ("no context", |d| drop(d.as_object_mut().unwrap().remove("@context")), ProofError::Contexts),
            ("no context in the proof", |d| remove(d, "@context"), ProofError::Contexts),
            ("unknown member", |d| d["proof"]["domain"] = "x".into(), ProofError::Members),
            ("id", |d| d["proof"]["id"] = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8059".into(), ProofError::Members),
            ("expires", |d| d["proof"]["expires"] = "2027-01-01T00:00:00Z".into(), ProofError::Members),
            ("previous proof", |d| d["proof"]["previousProof"] = "x".into(), ProofError::Members),
            ("no created", |d| remove(d, "created"), ProofError::Members),
            ("no method", |d| remove(d, "verificationMethod"), ProofError::Members),
            ("type", |d| d["proof"]["type"] = "Ed25519Signature2020".into(), ProofError::Suite),
            ("suite", |d| d["proof"]["cryptosuite"] = "eddsa-rdfc-2022".into(), ProofError::Suite),
            ("purpose", |d| d["proof"]["proofPurpose"] = "authentication".into(), ProofError::Purpose),
            ("purpose as array", |d| d["proof"]["proofPurpose"] = json!(["assertionMethod"]), ProofError::Purpose),
            ("another controller", |d| replace_method(d, "kunming", "luang"), ProofError::Controller),
            (
                "longer controller",
                |d| replace_method(d, "kunming.example", "kunming.example.org"),
                ProofError::Controller,
            ),
            ("key of another", |d| replace_method(d, "z6Mku", "z6Mkt"), ProofError::Controller),
            ("method as object", |d| d["proof"]["verificationMethod"] = json!({}), ProofError::Controller),
            ("offset", |d| d["proof"]["created"] = "2026-09-30T01:02:03+00:00".into(), ProofError::Created),
            ("fraction", |d| d["proof"]["created"] = "2026-09-30T01:02:03.5Z".into(), ProofError::Created),
            ("leap second", |d| d["proof"]["created"] = "2026-06-30T23:59:60Z".into(), ProofError::Created),
        ];
        for (name, change, error) in rows {
            assert_eq!(judge(&forged(change), PINNED), Err(error), "{name}");
        }
        fn push(list: &mut Value, context: &str) {
            list.as_array_mut().unwrap().push(context.into());
        }
        fn append_to_both(document: &mut Value) {
            push(&mut document["@context"], "https://x.example/");
            push(&mut document["proof"]["@context"], "https://x.example/");
        }
        fn remove(document: &mut Value, member: &str) {
            document["proof"].as_object_mut().unwrap().remove(member);
        }
        fn replace_method(document: &mut Value, from: &str, to: &str) {
            let method = text(&document["proof"]["verificationMethod"]).replace(from, to);
            document["proof"]["verificationMethod"] = method.into();
        }
    }

    #[test]
    fn malformed_proofs_and_values_are_refused() {
        let value = text(&signed()["proof"]["proofValue"]).to_owned();
        for (name, bad) in [
            ("no multibase prefix", json!(value[1..])),
            ("base64url", json!(format!("u{}", base64url::encode(&[1; 64])))),
            ("63 bytes", json!(format!("z{}", bs58::encode([1; 63]).into_string()))),
            ("65 bytes", json!(format!("z{}", bs58::encode([1; 65]).into_string()))),
            ("no base58", json!(value.replace(&value[5..6], "0"))),
            ("empty", json!("")),
            ("very long", json!("z".repeat(100_000))),
            ("a number", json!(1)),
            ("the placeholder", json!(record::PLACEHOLDER_PROOF_VALUE)),
        ] {
            let mut document = signed();
            document["proof"]["proofValue"] = bad;
            assert_eq!(judge(&document, PINNED), Err(ProofError::Value), "{name}");
        }
        let proof = signed()["proof"].clone();
        for (name, bad) in [
            ("one in an array", json!([proof])),
            ("two", json!([proof, proof])),
            ("text", json!("proof")),
            ("null", Value::Null),
        ] {
            let mut document = signed();
            document["proof"] = bad;
            assert_eq!(judge(&document, PINNED), Err(ProofError::Missing), "{name}");
        }
        let mut document = signed();
        document.as_object_mut().unwrap().remove("proof");
        assert_eq!(judge(&document, PINNED), Err(ProofError::Missing));
        assert_eq!(judge(&json!([]), PINNED), Err(ProofError::Missing));
        assert_eq!(judge(&signed(), Contexts::Absent), Err(ProofError::Contexts));
        assert_eq!(judge(&signed(), Contexts::Exactly(&[])), Err(ProofError::Contexts));
    }

    #[test]
    fn clocks_beyond_the_form_are_held_at_its_ends() {
        assert_eq!(created_text(i64::MIN), "1970-01-01T00:00:00Z");
        assert_eq!(created_text(i64::MAX).len(), CREATED_LEN);
        assert!(is_utc_second(&created_text(i64::MAX)));
    }

    /// W3C EdDSA Cryptosuites v1.0, B.2: every intermediate value, and that records refuse its contexts.
    #[test]
    fn the_published_example_with_every_hash() {
        let file = |name: &str| published_vector("eddsa-jcs-2022 example", &format!("vc-di-eddsa/{name}"));
        let Some(published) = file("signedJCS.json") else { return };
        let line = |name: &str| file(name).unwrap().trim().to_owned();
        let bytes = canonical::canonicalize(published.as_bytes(), MAX_RECORD_LEN).unwrap();
        let document = scan(bytes, MAX_RECORD_LEN).unwrap();
        let (root, proof) = (document.root(), document.root().member("proof").unwrap());
        let both = |(before, after): (&[u8], &[u8])| String::from_utf8([before, after].concat()).unwrap();
        let (unsigned, config) = (root.without_member("proof").unwrap(), proof.without_member("proofValue").unwrap());
        assert_eq!(both(unsigned), line("canonDocJCS.txt"));
        assert_eq!(both(config), line("proofCanonJCS.txt"));
        assert_eq!(hex(&hash(unsigned)), line("docHashJCS.txt"));
        assert_eq!(hex(&hash(config)), line("proofHashJCS.txt"));
        let hashes = hash_data(root, proof).unwrap();
        assert_eq!(hex(&hashes), line("combinedHashJCS.txt"));
        let signature = signature(proof).unwrap();
        assert_eq!(hex(&signature), line("sigHexJCS.txt"));
        assert_eq!(value_text(&signature), line("sigBTC58JCS.txt"));

        let pair: Value = serde_json::from_str(&file("keyPair.json").unwrap()).unwrap();
        let multikey = text(&pair["publicKeyMultibase"]);
        // Multicodec `ed25519-priv` (0x1300).
        let secret = bs58::decode(&text(&pair["privateKeyMultibase"])[1..]).into_vec().unwrap();
        let secret = SecretKey::from_seed(secret.strip_prefix(&[0x80, 0x26]).unwrap().try_into().unwrap());
        assert_eq!(secret.public().multikey(), multikey);
        assert_eq!(secret.sign(&hashes), signature);

        let (public, controller) = (PublicKey::from_multikey(multikey).unwrap(), format!("did:key:{multikey}"));
        let theirs = ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"];
        assert_eq!(verify(&document, Contexts::Exactly(&theirs), &controller, &public), Ok(()));
        assert_eq!(verify(&document, PINNED, &controller, &public), Err(ProofError::Contexts));
        assert_ne!(record::check(&document), [], "no record of ours");
        assert!(Did::parse(&controller).is_err());
    }

    proptest! {
        #[test]
        fn any_proof_member_is_refused_without_a_panic(name in "[a-zA-Z@]{0,18}", value in ".{0,100}", number in any::<i32>()) {
            let mut document = signed();
            document["proof"][&name] = value.clone().into();
            prop_assert_eq!(judge(&document, PINNED).is_ok(), document == signed());
            for member in MEMBERS {
                let mut document = signed();
                document["proof"][member] = value.clone().into();
                prop_assert!(judge(&document, PINNED).is_err());
                document["proof"][member] = number.into();
                prop_assert!(judge(&document, PINNED).is_err());
            }
            let found = |_: &KeyId| Some(key().public());
            prop_assert!(verify_detached(b"[]", value.as_bytes(), "did:web:kunming.example", found).is_err());
        }
    }
}
