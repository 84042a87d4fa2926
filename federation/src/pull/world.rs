//! A tiny world for tests: two cities, one agreement in force between them, records of the first. All made up.
use super::{Judge, Judged, Wanted, judge_line};
use crate::agreement::{SeenAct, Standing};
use crate::base64url;
use crate::commitment::{blind_label, commit};
use crate::entry::{Act, Audience, Body, Entry, Genesis};
use crate::key::{KeyId, SealSecretKey, SecretKey};
use crate::linkage::Linkage;
use crate::tree::Hash;
use crate::trust::KeyRing;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::{Did, Digest, Origin};
use hefu_schemas::record::{CONTEXTS, Kind};
use hefu_schemas::released::released_schema;
use hefu_schemas::validate::SchemaName;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const AGREEMENT: &str = "urn:uuid:01990a5d-ac96-774b-bcce-b302099a8001";
pub(crate) const SALT: [u8; 32] = [7; 32];
/// Both cities have opened the agreement before this index.
pub(crate) const INDEX: u64 = 10;

pub(crate) struct World {
    pub(crate) keys: KeyRing,
    pub(crate) linkage: Linkage,
    pub(crate) agreement: Agreement,
    pub(crate) acts: BTreeMap<Origin, Vec<SeenAct>>,
    pub(crate) proofs: Vec<Origin>,
}

pub(crate) fn origin(city: &str) -> Origin {
    Origin::parse(&format!("{city}.example")).unwrap()
}
pub(crate) fn did(city: &str) -> Did {
    Did::from_authority(&format!("{city}.example")).unwrap()
}
/// Seed 1 is the record key of `km`, seed 4 its request key.
pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}
pub(crate) fn key_id(seed: u8) -> KeyId {
    KeyId { did: did("km"), multikey: key(seed).public().multikey() }
}
pub(crate) fn record_id(number: u8) -> String {
    format!("urn:uuid:01990a5d-ac96-774b-bcce-b302099a90{number:02x}")
}
pub(crate) fn seen(act: Act, index: u64) -> SeenAct {
    SeenAct { act, index, on: None, t: 1_780_000_000 }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_terms(|_| {})
    }
    /// A world whose agreement differs.
    pub(crate) fn with_terms(change: impl FnOnce(&mut Value)) -> Self {
        let linkage = Linkage::new(1, [1; 32], [2; 32]);
        let mut document = agreement(&linkage.commitment());
        change(&mut document);
        let agreement = Agreement::read(&canonical::write(&document).unwrap()).unwrap();
        let origins: Vec<_> = agreement.parties.iter().map(|party| party.origin.clone()).collect();
        let acts = || vec![seen(Act::Sign, 1), seen(Act::Open, 2)];
        Self {
            keys: key_ring(),
            linkage,
            acts: origins.iter().map(|origin| (origin.clone(), acts())).collect(),
            proofs: origins,
            agreement,
        }
    }
    pub(crate) fn standing(&self) -> Standing<'_> {
        Standing { agreement: &self.agreement, proofs: self.proofs.clone(), acts: self.acts.clone() }
    }
    pub(crate) fn act(&mut self, city: &str, act: SeenAct) {
        self.acts.entry(origin(city)).or_default().push(act);
    }
    /// The entry that commits to a record under this world's linkage.
    pub(crate) fn wanted(&self, index: u64, record: &[u8], body: impl FnOnce([u8; 32], Audience) -> Body) -> Wanted {
        let c = commit(&SALT, record);
        let label = Audience::Agreement(blind_label(self.linkage.label_key(), &c));
        Wanted { index, entry: Entry { t: 1_790_000_000, body: body(c, label) }, of_id: None }
    }
    pub(crate) fn judge(&self, wanted: &Wanted, record: &[u8]) -> Judged {
        let standing = self.standing();
        let judge = Judge { keys: &self.keys, standing: &standing, linkage: &self.linkage };
        judge_line(&judge, wanted, SALT, record)
    }
    /// Judges a record that stands in a `record` entry at [`INDEX`].
    pub(crate) fn judge_record(&self, record: &[u8]) -> Judged {
        self.judge(&self.wanted(INDEX, record, record_body), record)
    }
}

pub(crate) fn record_body(c: [u8; 32], a: Audience) -> Body {
    Body::Record { c, a }
}

fn key_ring() -> KeyRing {
    let genesis = Genesis {
        origin: origin("km"),
        did: did("km"),
        record: key(1).public(),
        log: key(2).public(),
        witness: key(3).public(),
        request: key(4).public(),
        seal: SealSecretKey::from_seed(&[5; 32]).public(),
        recovery: Digest([6; 32]),
    };
    KeyRing::from_genesis(&genesis, Hash([0; 32]))
}

/// A student who enters a school in Kunming, unsigned.
pub(crate) fn student_status(number: u8) -> Value {
    json!({
        "@context": CONTEXTS,
        "id": record_id(number),
        "type": ["VerifiableCredential", "StudentStatus"],
        "issuer": did("km").as_str(),
        "validFrom": "2026-09-01T00:00:00+08:00",
        "credentialSchema": { "id": schema_id(Kind::StudentStatus), "type": "JsonSchema" },
        "termsOfUse": [{ "type": "Agreement", "id": AGREEMENT, "version": 1 }],
        "statedBy": place("530100"),
        "credentialSubject": {
            "id": format!("urn:hefu:subject:1:{}", base64url::encode(&[number; 32])),
            "stage": "primary",
            "status": "enrolled",
            "event": "enter",
            "effectiveOn": "2026-09-01"
        }
    })
}
/// A withdrawal of a record, unsigned.
pub(crate) fn withdrawal(number: u8, of: u8) -> Value {
    let mut document = student_status(number);
    document["type"] = json!(["VerifiableCredential", "Withdrawal"]);
    document["credentialSchema"]["id"] = json!(schema_id(Kind::Withdrawal));
    document["credentialSubject"] = json!({ "record": record_id(of), "reason": "not-ours", "from": "2026-09-01" });
    document
}
/// The same record, correcting another.
pub(crate) fn amendment(number: u8, of: u8) -> Value {
    let mut document = student_status(number);
    document["supersedes"] = json!(record_id(of));
    document["correction"] = json!("entry-error");
    document
}
/// Signs with a key of `km`: `eddsa-jcs-2022`, written out, so that anything can be signed.
pub(crate) fn sign(document: Value, seed: u8) -> Vec<u8> {
    let proof = json!({
        "@context": CONTEXTS,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": "2026-09-01T00:00:00Z",
        "verificationMethod": key_id(seed).to_string(),
        "proofPurpose": "assertionMethod"
    });
    canonical::write(&sign_with(document, proof, &key(seed))).unwrap()
}
pub(crate) fn sign_with(mut document: Value, mut proof: Value, key: &SecretKey) -> Value {
    let hash = |value: &Value| Digest::of(&canonical::write(value).unwrap()).0;
    let signature = key.sign(&[hash(&proof), hash(&document)].concat());
    proof["proofValue"] = json!(format!("z{}", bs58::encode(signature).into_string()));
    document["proof"] = proof;
    document
}

fn schema_id(kind: Kind) -> &'static str {
    released_schema(kind.schema_name()).id
}
fn place(code: &str) -> Value {
    json!({ "scheme": "gb-t-2260", "code": code, "name": { "zh": "示例市教育局", "en": "Example Education Bureau" } })
}
/// A bilateral agreement in which primary pupils' status flows both ways.
fn agreement(commitment: &Digest) -> Value {
    let calendar = json!({ "weeklyRest": [6, 7], "holidays": [], "makeUpDays": [] });
    let schemas: BTreeMap<_, _> = [SchemaName::StudentStatus, SchemaName::Withdrawal]
        .map(|name| (released_schema(name).id, released_schema(name).digest().to_string()))
        .into();
    let both = json!([did("km").as_str(), did("cd").as_str()]);
    json!({
        "id": AGREEMENT,
        "version": 1,
        "title": { "zh": "示例协议", "en": "Example agreement" },
        "type": "bilateral",
        "parties": [party("km", "530100"), party("cd", "510100")],
        "contacts": [],
        "validFrom": "2026-01-01",
        "validTo": "2028-12-31",
        "terms": {
            "scope": [{ "row": "status", "kind": "student-status", "stages": ["primary"],
                        "direction": { "from": both, "to": both } }],
            "population": { "student-status": { "covers": "case" } },
            "fields": { "student-status": { "required": [], "allowed": ["fullTime"] } },
            "schemas": schemas,
            "purposes": ["student-status"],
            "legalBasis": [{ "title": { "zh": "示例依据", "en": "Example basis" } }],
            "deadlines": [],
            "calendars": { "did:web:km.example": calendar, "did:web:cd.example": calendar },
            "exclusiveStages": ["primary"],
            "overlapDays": 0,
            "blockedFrom": [],
            "compulsoryStages": ["primary"],
            "graceDays": { "S4": 30, "C1": 5, "G1": 7, "G6": 7 },
            "staleHours": 24,
            "eraseDailyShare": { "num": 1, "den": 100 },
            "restrictedDays": 10,
            "existingCases": "finish",
            "suite": "ed25519-sha256",
            "retention": { "student-status": 3650 },
            "linkage": { "epoch": 1, "commitment": commitment.to_string() },
            "timeZone": "Asia/Shanghai"
        }
    })
}
pub(crate) fn party(city: &str, code: &str) -> Value {
    json!({
        "did": did(city).as_str(),
        "origin": origin(city).as_str(),
        "fingerprint": Digest([0; 32]).to_string(),
        "city": place(code),
        "name": { "zh": "示例市", "en": "Example city" },
        "mayState": []
    })
}
