//! agreement.json: the digest of an agreement, the proofs of its parties and their entries. The document is an input.

use crate::common::{CHENGDU, CREATED, KUNMING, did, hex, key, key_id, key_json, published, text, utf8};
use crate::proof::{hash_data, signature};
use hefu_federation::entry::{Act, Body, Entry};
use hefu_federation::proof::{sign_detached, verify_detached};
use hefu_federation::tree::leaf_hash;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::Digest;
use serde_json::{Value, json};

pub(crate) fn make() -> Value {
    let document = text(&published("agreement.json")["document"]).to_owned();
    assert_eq!(canonical::canonicalize(document.as_bytes(), document.len()).unwrap(), document.as_bytes());
    Agreement::read(document.as_bytes()).unwrap();
    let digest = Digest::of(document.as_bytes());
    let parties = [KUNMING, CHENGDU].map(|host| {
        let proof = sign_detached(document.as_bytes(), &key_id(host, "record"), CREATED, &key(host, "record"));
        let value: Value = serde_json::from_slice(&proof).unwrap();
        let (config_hash, _) = hash_data(&json!({}), &value);
        let entry = |act| Entry { t: CREATED, body: Body::Agreement { digest, act, on: None } }.write().unwrap();
        let (sign, open) = (entry(Act::Sign), entry(Act::Open));
        json!({
            "did": did(host).as_str(),
            "key": key_json(host, "record"),
            "proofConfigHash": config_hash,
            "signature": signature(&value),
            "proof": utf8(proof),
            "sign": {"leafHash": hex(&leaf_hash(&sign).0), "entry": utf8(sign)},
            "open": {"leafHash": hex(&leaf_hash(&open).0), "entry": utf8(open)},
        })
    });
    json!({
        "about": "An agreement's digest (P-8.1: H of its canonical bytes, contacts included), the parties' detached proofs (P-8.2) and their sign and open entries. document is an input: a made-up agreement, valid by its schema. mustReject: documents and proofs that do not hold for the party whose DID is given. Keys are for tests.",
        "digest": digest.to_string(),
        "parties": parties,
        "mustReject": must_reject(&document),
        "document": document,
    })
}

fn must_reject(document: &str) -> Vec<Value> {
    let proof = |document: &str, host: &str, role: &str| {
        utf8(sign_detached(document.as_bytes(), &key_id(host, "record"), CREATED, &key(host, role)))
    };
    let good = proof(document, KUNMING, "record");
    let changed = document.replace("\"version\":1", "\"version\":2");
    assert_ne!(changed, document);
    let other = |find: &str, replace: &str| {
        assert!(good.contains(find));
        good.replace(find, replace)
    };
    [
        ("a changed document", changed, KUNMING, good.clone()),
        ("the proof of another party", document.to_owned(), CHENGDU, good.clone()),
        ("signed by another key of the party", document.to_owned(), KUNMING, proof(document, KUNMING, "request")),
        ("another suite", document.to_owned(), KUNMING, other("eddsa-jcs-2022", "eddsa-rdfc-2022")),
        ("another purpose", document.to_owned(), KUNMING, other("assertionMethod", "authentication")),
        ("with a context", document.to_owned(), KUNMING, other("{\"created\"", "{\"@context\":[],\"created\"")),
        ("an unknown member", document.to_owned(), KUNMING, other("{\"created\"", "{\"challenge\":\"1\",\"created\"")),
        ("white space", document.to_owned(), KUNMING, other("{\"created\"", "{ \"created\"")),
    ]
    .into_iter()
    .map(|(name, document, host, proof)| {
        let found = |id: &_| (*id == key_id(host, "record")).then(|| key(host, "record").public());
        let why = verify_detached(document.as_bytes(), proof.as_bytes(), did(host).as_str(), found).expect_err(name);
        json!({"name": name, "sha256": Digest::of(document.as_bytes()).to_string(), "did": did(host).as_str(), "proof": proof, "why": why.to_string()})
    })
    .collect()
}
