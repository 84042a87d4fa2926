//! tally.json holds its inputs: findings and states. Ids, digests and the signed statement are made again from them.

use crate::common::{hex, published, text, utf8};
use hefu_federation::base64url::decode_array;
use hefu_federation::key::{KeyId, SecretKey};
use hefu_federation::reconcile::finding::{Finding, finding_id};
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::reconcile::tally::{BUCKETS, BucketHasher, StateHasher, Statement, key_result, tally_digest};
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(crate) fn make() -> Value {
    let mut vectors = published("tally.json");
    let agreement = AgreementId::parse(text(&vectors["agreement"])).unwrap();
    let mut results: BTreeMap<Key, Digest> = BTreeMap::new();
    for case in vectors["keys"].as_array_mut().unwrap() {
        let key = Key::new(KeyType::from_code(text(&case["type"])).unwrap(), text(&case["value"]));
        let mut findings = Vec::new();
        for finding in case["findings"].as_array_mut().unwrap() {
            let mut read = Finding::from_json(finding).unwrap();
            read.id = finding_id(read.rule, agreement, &read.about, &read.evidence);
            *finding = read.to_json();
            finding["hashed"] = json!(hashed(agreement, &read));
            findings.push(read);
        }
        let result = key_result(&key, &findings);
        case["bucket"] = json!(key.bucket());
        case["result"] = json!(result.to_string());
        results.insert(key, result);
    }
    let (named, digest) = buckets(&results);
    vectors["buckets"] = named;
    vectors["tally"] = json!(digest.to_string());
    for case in vectors["payloadStates"].as_array_mut().unwrap() {
        let mut hasher = StateHasher::new();
        for line in case["states"].as_array().unwrap() {
            hasher.push(line[0].as_u64().unwrap(), text(&line[1]));
        }
        case["digest"] = json!(hasher.finish(case["size"].as_u64().unwrap()).to_string());
    }
    sign(&mut vectors);
    vectors["about"] = json!(
        "Finding ids, results of keys, buckets, payload states and a signed tally statement (P-12.8, P-13.2, P-13.3, P-13.5). A key is `type`, U+001F, `value`; `findings` stand in an order that the result does not depend on; `hashed`: the bytes of which a finding's id is the hash, hex. Buckets that are not named have no key. `states`: [index, state]. secretKey: the Ed25519 seed, base64url without padding; it is for tests. Digests in hex."
    );
    vectors
}

/// `hefu/finding/v1` 00 JCS({rule, agreement, about, entries}).
fn hashed(agreement: AgreementId, finding: &Finding) -> String {
    let mut entries: Vec<_> = finding.evidence.iter().map(|e| (e.origin.as_str(), e.index)).collect();
    entries.sort_unstable();
    let named = json!({
        "rule": finding.rule.code(), "agreement": agreement.to_string(), "about": finding.about, "entries": entries,
    });
    let bytes = [b"hefu/finding/v1\0", canonical::write(&named).unwrap().as_slice()].concat();
    assert_eq!(Digest::of(&bytes), finding.id);
    hex(&bytes)
}

fn buckets(results: &BTreeMap<Key, Digest>) -> (Value, Digest) {
    let (mut named, mut all) = (Map::new(), Vec::new());
    for number in 0..BUCKETS {
        let mut bucket = BucketHasher::new();
        let inside: Vec<_> = results.iter().filter(|(key, _)| key.bucket() == number).collect();
        inside.iter().for_each(|(_, result)| bucket.push(result));
        let digest = bucket.finish();
        if !inside.is_empty() {
            named.insert(number.to_string(), json!(digest.to_string()));
        }
        all.push(digest);
    }
    (Value::Object(named), tally_digest(&all).unwrap())
}

fn sign(vectors: &mut Value) {
    let key = SecretKey::from_seed(&decode_array(text(&vectors["secretKey"])).unwrap());
    let key_id = KeyId { did: KeyId::parse(text(&vectors["keyId"])).unwrap().did, multikey: key.public().multikey() };
    let signed = text(&vectors["signed"]).to_owned();
    let open = |bytes: &str| Statement::open(bytes.as_bytes(), |id| (*id == key_id).then(|| key.public()));
    let (statement, _) = open(&signed).unwrap();
    assert_eq!(statement.to_json(), vectors["statement"]);
    let refused = [
        ("another count", signed.replace("\"matched\":", "\"matched\":1")),
        ("an unknown member", signed.replacen('{', "{\"a\":1,", 1)),
        ("white space", signed.replacen(':', ": ", 1)),
        ("another key", signed.replace("kunming.example#", "chengdu.example#")),
        ("no signature", signed.split(",\"sig\"").next().unwrap().to_owned() + "}"),
        ("another date", signed.replace("\"asOf\":\"2026", "\"asOf\":\"2027")),
    ];
    vectors["mustReject"] = refused
        .into_iter()
        .map(|(name, statement)| {
            assert_ne!(statement, signed, "{name}");
            json!({"name": name, "why": open(&statement).expect_err(name).to_string(), "signed": statement})
        })
        .collect();
    vectors["signed"] = json!(utf8(statement.sign(&key_id, &key)));
    vectors["keyId"] = json!(key_id.to_string());
}
