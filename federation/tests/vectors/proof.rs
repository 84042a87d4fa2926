//! proof.json: a record's proof and a detached one with every intermediate value, and records that must be refused.

use crate::common::{digest, hex, published, text, unhex, utf8};
use hefu_federation::key::{KeyId, SecretKey};
use hefu_federation::proof::{Contexts, sign, sign_detached, verify};
use hefu_schemas::canonical;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::RecordId;
use hefu_schemas::record::{CONTEXTS, Completion, Draft};
use hefu_schemas::scan::scan;
use serde_json::{Value, json};

/// The hashes that a proof signs: of the configuration, of the document.
pub(crate) fn hash_data(document: &Value, proof: &Value) -> (String, String) {
    let (mut document, mut proof) = (document.clone(), proof.clone());
    document.as_object_mut().unwrap().remove("proof");
    proof.as_object_mut().unwrap().remove("proofValue");
    (digest(&canonical::write(&proof).unwrap()), digest(&canonical::write(&document).unwrap()))
}

pub(crate) fn signature(proof: &Value) -> String {
    hex(&bs58::decode(&text(&proof["proofValue"])[1..]).into_vec().unwrap())
}

/// The document with another proof value that holds over it as it is now.
fn signed_again(mut document: Value, key: &SecretKey) -> Value {
    let (config, rest) = hash_data(&document, &document["proof"]);
    let signature = key.sign(&unhex(&format!("{config}{rest}")));
    document["proof"]["proofValue"] = json!(format!("z{}", bs58::encode(signature).into_string()));
    document
}

/// Completes a draft and signs it: unsigned and signed document.
pub(crate) fn sign_record(record: Value, id: &str, created: i64, key_id: &KeyId, key: &SecretKey) -> (Value, Value) {
    let line = json!({ "record": record }).to_string();
    let draft = Draft::read(line.as_bytes()).unwrap();
    let (method, id) = (key_id.to_string(), RecordId::parse(id).unwrap());
    let completion = Completion { issuer: &key_id.did, id, verification_method: &method, created };
    let signed = sign(draft.complete(&completion).unwrap(), key);
    let signed: Value = serde_json::from_slice(signed.bytes()).unwrap();
    let mut unsigned = signed.clone();
    unsigned.as_object_mut().unwrap().remove("proof");
    (unsigned, signed)
}

pub(crate) fn make() -> Value {
    let mut vectors = published("proof.json");
    let key = SecretKey::from_seed(&hefu_federation::base64url::decode_array(text(&vectors["secretKey"])).unwrap());
    let key_id = KeyId { did: KeyId::parse(text(&vectors["keyId"])).unwrap().did, multikey: key.public().multikey() };
    let created = vectors["created"].as_i64().unwrap();

    let mut draft: Value = serde_json::from_str(text(&vectors["record"]["document"])).unwrap();
    let id = text(&draft["id"]).to_owned();
    for name in ["@context", "issuer", "credentialSchema"] {
        draft.as_object_mut().unwrap().remove(name);
    }
    let (document, signed) = sign_record(draft, &id, created, &key_id, &key);
    let (config_hash, document_hash) = hash_data(&document, &signed["proof"]);
    vectors["record"] = json!({
        "document": utf8(canonical::write(&document).unwrap()),
        "proofConfigHash": config_hash,
        "documentHash": document_hash,
        "signature": signature(&signed["proof"]),
        "signed": utf8(canonical::write(&signed).unwrap()),
    });

    let document = text(&vectors["detached"]["document"]).to_owned();
    let proof = sign_detached(document.as_bytes(), &key_id, created, &key);
    let value: Value = serde_json::from_slice(&proof).unwrap();
    let (config_hash, document_hash) = hash_data(&serde_json::from_str(&document).unwrap(), &value);
    vectors["detached"] = json!({
        "document": document,
        "proofConfigHash": config_hash,
        "documentHash": document_hash,
        "signature": signature(&value),
        "proof": utf8(proof),
    });
    vectors["keyId"] = json!(key_id.to_string());
    vectors["mustReject"] = must_reject(&signed, &key_id, &key);
    vectors["about"] = json!(
        "Proofs by eddsa-jcs-2022 (P-3.2, P-3.5, P-3.6, P-8.2). secretKey: the Ed25519 seed, base64url without padding; it is for tests. Hashes and signatures in hex; documents and proofs are canonical JSON as text. mustReject: signed records; signatureHolds: whether the signature holds over the bytes as they are, so that a verifier that checks nothing else accepts them."
    );
    vectors
}

type Change = fn(&mut Value);

/// Forgeries: with `true` the signature is made again and holds, so that only the named check can refuse.
const FORGERIES: [(&str, bool, Change); 20] = [
    ("a changed member", false, |d| d["validFrom"] = json!("2026-10-02T00:00:00+08:00")),
    ("a changed date of the proof", false, |d| d["proof"]["created"] = json!("2026-09-30T01:02:04Z")),
    ("no proof", false, |d| drop(d.as_object_mut().unwrap().remove("proof"))),
    ("an array of proofs", false, |d| d["proof"] = json!([d["proof"]])),
    ("a context appended to the document", true, |d| {
        d["@context"].as_array_mut().unwrap().push(json!("https://example.org/v1"))
    }),
    ("a context appended to both", true, |d| {
        for at in ["/@context", "/proof/@context"] {
            d.pointer_mut(at).unwrap().as_array_mut().unwrap().push(json!("https://example.org/v1"));
        }
    }),
    ("contexts in another order", true, |d| {
        for at in ["/@context", "/proof/@context"] {
            d.pointer_mut(at).unwrap().as_array_mut().unwrap().reverse();
        }
    }),
    ("no context in the proof", true, |d| drop(d["proof"].as_object_mut().unwrap().remove("@context"))),
    ("an unknown member of the proof", true, |d| d["proof"]["domain"] = json!("example.org")),
    ("an id of the proof", true, |d| d["proof"]["id"] = json!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8059")),
    ("no date in the proof", true, |d| drop(d["proof"].as_object_mut().unwrap().remove("created"))),
    ("a fraction of a second", true, |d| d["proof"]["created"] = json!("2026-09-30T01:02:03.000Z")),
    ("an offset instead of Z", true, |d| d["proof"]["created"] = json!("2026-09-30T09:02:03+08:00")),
    ("another purpose", true, |d| d["proof"]["proofPurpose"] = json!("authentication")),
    ("another suite", true, |d| d["proof"]["cryptosuite"] = json!("eddsa-rdfc-2022")),
    ("another type of proof", true, |d| d["proof"]["type"] = json!("Ed25519Signature2020")),
    ("a method of another controller", true, |d| {
        let method = text(&d["proof"]["verificationMethod"]).replace("kunming", "chengdu");
        d["proof"]["verificationMethod"] = json!(method);
    }),
    ("a method with another fragment", true, |d| {
        let did = text(&d["issuer"]).to_owned();
        d["proof"]["verificationMethod"] = json!(format!("{did}#key-1"));
    }),
    ("a signature of 63 bytes", false, |d| {
        let short = bs58::encode([1; 63]).into_string();
        d["proof"]["proofValue"] = json!(format!("z{short}"));
    }),
    ("a signature in base64url", false, |d| d["proof"]["proofValue"] = json!(format!("u{}", "A".repeat(86)))),
];

fn must_reject(signed: &Value, key_id: &KeyId, key: &SecretKey) -> Value {
    let judge = |document: &Value| {
        let bytes = canonical::write(document).unwrap();
        let document = scan(bytes, MAX_RECORD_LEN).unwrap();
        verify(&document, Contexts::Exactly(&CONTEXTS), key_id.did.as_str(), &key.public())
    };
    assert_eq!(judge(signed), Ok(()));
    let forge = |(name, holds, change): (&str, bool, Change)| {
        let mut document = signed.clone();
        change(&mut document);
        if holds {
            document = signed_again(document, key);
        }
        let why = judge(&document).expect_err(name).to_string();
        json!({"name": name, "signatureHolds": holds, "record": utf8(canonical::write(&document).unwrap()), "why": why})
    };
    FORGERIES.into_iter().map(forge).collect()
}
