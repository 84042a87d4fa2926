//! A city that lies about records of its own: the log commits to them, and the keys are right, but they are no good records.

use super::keys_of;
use super::log::{Forged, entries};
use super::world::{World, agreement, assert_clean, peer, pull_from, rows, states};
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_federation::key::SecretKey;
use hefu_federation::page::{Asked, Line, PageWriter};
use hefu_federation::pull::PayloadState::{self, Held, Invalid, Quarantined, Withheld};
use hefu_node::codec::decompress;
use hefu_node::keys::Keys;
use hefu_node::store::OWN;
use hefu_schemas::canonical;
use hefu_schemas::id::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Salt of every forged record.
const SALT: [u8; 32] = [5; 32];
/// Records that Chengdu publishes honestly.
const RECORDS: u64 = 5;

/// Base58 with the alphabet of Bitcoin (multibase `z`).
fn base58(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| '1');
    let digits = digits.iter().rev().map(|digit| char::from(ALPHABET[usize::try_from(*digit).unwrap()]));
    std::iter::once('z').chain(zeros).chain(digits).collect()
}

/// A proof over a document that is whatever it is, by whatever key: as `eddsa-jcs-2022` would make it.
fn proof(document: &Value, template: &Value, key: &SecretKey) -> Value {
    let mut proof = template.clone();
    proof.as_object_mut().unwrap().remove("proofValue");
    let mut document = document.clone();
    document.as_object_mut().unwrap().remove("proof");
    let hash = |value: &Value| Digest::of(&canonical::write(value).unwrap()).0;
    proof["proofValue"] = json!(base58(&key.sign(&[hash(&proof), hash(&document)].concat())));
    proof
}

/// What the liar has to work with.
struct Forger {
    keys: Keys,
    /// An honest record.
    record: Value,
    new_id: String,
}

impl Forger {
    fn sign(&self, document: &Value) -> Value {
        let mut signed = document.clone();
        signed["proof"] = proof(document, &self.record["proof"], &self.keys.record);
        signed
    }

    /// An honest record under a new id, not signed again yet.
    fn fresh(&self) -> Value {
        let mut document = self.record.clone();
        document["id"] = json!(self.new_id);
        document
    }

    fn changed(&self, change: impl Fn(&mut Value)) -> Value {
        let mut document = self.fresh();
        change(&mut document);
        self.sign(&document)
    }
}

type Forge = fn(&Forger) -> Vec<u8>;

fn bytes(value: &Value) -> Vec<u8> {
    canonical::write(value).unwrap()
}

fn add_context(document: &mut Value) {
    document["@context"].as_array_mut().unwrap().push(json!("https://elsewhere.example/context"));
}

const CASES: [(&str, Forge, PayloadState, Option<&str>); 16] = [
    ("an honest record under a new id", |f| bytes(&f.sign(&f.fresh())), Held, None),
    (
        "a context appended after signing",
        |f| {
            let mut signed = f.sign(&f.fresh());
            add_context(&mut signed);
            bytes(&signed)
        },
        Invalid,
        Some("proof"),
    ),
    ("a context appended before signing", |f| bytes(&f.changed(add_context)), Invalid, Some("proof")),
    (
        "a context appended before signing, in the proof too",
        |f| {
            let mut document = f.fresh();
            add_context(&mut document);
            let mut template = f.record["proof"].clone();
            template["@context"] = document["@context"].clone();
            document["proof"] = proof(&document, &template, &f.keys.record);
            bytes(&document)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "a second proof",
        |f| {
            let mut signed = f.sign(&f.fresh());
            signed["proof"] = json!([signed["proof"], signed["proof"]]);
            bytes(&signed)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "one proof in a list",
        |f| {
            let mut signed = f.sign(&f.fresh());
            signed["proof"] = json!([signed["proof"]]);
            bytes(&signed)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "no proof",
        |f| {
            let mut document = f.fresh();
            document.as_object_mut().unwrap().remove("proof");
            bytes(&document)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "a member changed after signing",
        |f| {
            let mut signed = f.sign(&f.fresh());
            signed["validFrom"] = json!("2020-01-01T00:00:00+08:00");
            bytes(&signed)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "by the request key, under its own name",
        |f| {
            let mut document = f.fresh();
            let method = f.record["proof"]["verificationMethod"].as_str().unwrap();
            let (did, _) = method.split_once('#').unwrap();
            let mut template = f.record["proof"].clone();
            template["verificationMethod"] = json!(format!("{did}#{}", f.keys.request.public().multikey()));
            document["proof"] = proof(&document, &template, &f.keys.request);
            bytes(&document)
        },
        Invalid,
        Some("key-at-index"),
    ),
    (
        "by the request key, under the record key's name",
        |f| {
            let mut document = f.fresh();
            document["proof"] = proof(&document, &f.record["proof"], &f.keys.request);
            bytes(&document)
        },
        Invalid,
        Some("proof"),
    ),
    (
        "in another city's name",
        |f| bytes(&f.changed(|document| document["issuer"] = json!("did:web:localhost%3A1"))),
        Invalid,
        Some("issuer"),
    ),
    (
        "under another agreement",
        |f| {
            bytes(&f.changed(|document| {
                document["termsOfUse"][0]["id"] = json!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057")
            }))
        },
        Invalid,
        Some("label"),
    ),
    (
        "an extra member, signed",
        |f| bytes(&f.changed(|document| document["credentialSubject"]["note"] = json!("x"))),
        Invalid,
        Some("schema"),
    ),
    (
        "a kind that nobody knows",
        |f| bytes(&f.changed(|document| document["type"] = json!(["VerifiableCredential", "Diploma"]))),
        Quarantined,
        Some("schema"),
    ),
    ("an honest record a second time", |f| bytes(&f.record), Invalid, Some("id-new")),
    (
        "not canonical",
        |f| {
            let signed = String::from_utf8(bytes(&f.sign(&f.fresh()))).unwrap();
            super::replaced(&signed, "\"type\":[", "\"type\": [").into_bytes()
        },
        Invalid,
        Some("canonical"),
    ),
];

async fn forger(world: &World, node: &hefu_node::Node) -> Forger {
    let held = rows(&world.cd.node, OWN).await.into_iter().next().unwrap().payload.unwrap();
    let record = serde_json::from_slice(&decompress(held.codec, &held.body).unwrap()).unwrap();
    Forger { keys: keys_of(&world.chengdu), record, new_id: node.clock.record_id().to_string() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_the_city_itself_forged() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let node = world.copy_of_kunming().await;
    pull_from(&node, &world.chengdu).await.unwrap();
    let known = agreement(&node);
    let label_key = *known.linkage.as_ref().unwrap().label_key();
    let mut data = entries(&world.cd).await;
    let first = u64::try_from(data.len()).unwrap();
    let t = Entry::parse(data.last().unwrap()).unwrap().t;
    let mut forged = Vec::new();
    for (.., forge, _, _) in CASES {
        let record = forge(&forger(&world, &node).await);
        let c = commit(&SALT, &record);
        let a = Audience::Agreement(blind_label(&label_key, &c));
        data.push(Entry { t, body: Body::Record { c, a } }.write().unwrap());
        forged.push(record);
    }
    let log = Forged::new(&world.chengdu, &keys_of(&world.chengdu), data);
    let (keys, did, to, id) =
        (keys_of(&world.chengdu), world.chengdu.city.did.clone(), world.kunming.city.did.clone(), known.document.id);
    world.liar.lie(move |path, answer| {
        let Some((_, query)) = path.split_once("/records?") else { return log.answer(path, answer) };
        let numbers: Vec<u64> = query.split('&').map(|part| part.split_once('=').unwrap().1.parse().unwrap()).collect();
        let (from, until) = (numbers[0], numbers[1]);
        let mut writer = PageWriter::new();
        for (index, record) in (first..).zip(&forged).filter(|(index, _)| (from..until).contains(index)) {
            assert!(writer.push(&Line::Record { index, salt: SALT, record }));
        }
        let page =
            writer.finish(&Asked { agreement: id, to: &to, from, until }, until, &keys.request_id(&did), &keys.request);
        super::liar::Answer::new(200, zstd::encode_all(page.as_slice(), 1).unwrap())
    });
    let report = pull_from(&node, &world.chengdu).await.unwrap();
    let row = peer(&node, &world.chengdu).await;
    let stored: BTreeMap<u64, _> = rows(&node, row.no).await.into_iter().map(|row| (row.index, row)).collect();
    for (index, (name, _, state, reason)) in (first..).zip(CASES) {
        let row = &stored[&index];
        assert_eq!((row.state, row.reason.as_deref()), (state, reason), "{name}");
    }
    assert_eq!((report.held, report.not_held), (1, u64::try_from(CASES.len()).unwrap() - 1));
    let held = states(&node, row.no).await;
    assert_eq!((held[&Held], held.get(&Withheld)), (RECORDS + 1, None));
    assert_clean(&node, "a city's own forgeries").await;
    world.assert_unharmed(&node, "a city's own forgeries").await;
}
