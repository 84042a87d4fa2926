//! The cities of a simulation and the agreement between them. All made up; the same in each run, so that they are made once.

use hefu_federation::agreement::SeenAct;
use hefu_federation::entry::{Body, Entry, Genesis};
use hefu_federation::key::{KeyId, SealSecretKey, SecretKey};
use hefu_federation::linkage::Linkage;
use hefu_federation::tree::{Hash, leaf_hash};
use hefu_node::registry::Known;
use hefu_node::store::AgreementNo;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::{Did, Digest, Origin};
use hefu_schemas::released::released_schema;
use hefu_schemas::validate::SchemaName;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Most cities of a simulation.
pub(super) const MAX_CITIES: usize = 4;
/// When a simulation begins: 2026-09-01 08:00 in Shanghai, ms since 1970.
pub(super) const START_MS: i64 = 1_788_220_800_000;
/// The agreement between them, on every node.
pub(super) const AGREEMENT: &str = "urn:uuid:01990a5d-ac96-774b-bcce-b302099a8001";

/// A city with all its keys.
pub(super) struct City {
    pub(super) origin: Origin,
    pub(super) did: Did,
    /// The record key of genesis and those that may come after it.
    pub(super) record: Vec<SecretKey>,
    pub(super) log: SecretKey,
    pub(super) request: SecretKey,
    /// The recovery keys, each announced by the one before.
    pub(super) recovery: Vec<SecretKey>,
    pub(super) genesis: Body,
    pub(super) fingerprint: Hash,
    code: &'static str,
}

impl City {
    fn new(name: &str, code: &'static str) -> Self {
        let key = |role: &str| SecretKey::from_seed(&Digest::of(format!("simulation {name} {role}").as_bytes()).0);
        let keys = |role: &str| (0..6).map(|n| key(&format!("{role} {n}"))).collect::<Vec<_>>();
        let origin = Origin::parse(&format!("{name}.example")).expect("a well-formed origin");
        let did = Did::from_authority(origin.authority()).expect("a well-formed host");
        let (record, recovery) = (keys("record"), keys("recovery"));
        let first = |keys: &[SecretKey]| keys.first().map(SecretKey::public).expect("there are six");
        let genesis = Body::Genesis(Box::new(Genesis {
            origin: origin.clone(),
            did: did.clone(),
            record: first(&record),
            log: key("log").public(),
            witness: key("witness").public(),
            request: key("request").public(),
            seal: SealSecretKey::from_seed(&[5; 32]).public(),
            recovery: Digest::of(first(&recovery).multikey().as_bytes()),
        }));
        let entry = Entry { t: START_MS / 1000, body: genesis.clone() };
        let data = entry.write().expect("a genesis that fits an entry");
        Self {
            origin,
            did,
            record,
            log: key("log"),
            request: key("request"),
            recovery,
            genesis,
            fingerprint: leaf_hash(&data),
            code,
        }
    }

    pub(super) fn request_id(&self) -> KeyId {
        KeyId { did: self.did.clone(), multikey: self.request.public().multikey() }
    }

    /// The record key of a generation.
    pub(super) fn record_key(&self, generation: usize) -> &SecretKey {
        self.record.get(generation).or(self.record.last()).expect("there are six")
    }
}

/// Where a city's office is.
pub(super) fn place(code: &str) -> Value {
    json!({ "scheme": "gb-t-2260", "code": code, "name": { "zh": "示例市教育局", "en": "Example Education Bureau" } })
}

static CITIES: LazyLock<Vec<City>> = LazyLock::new(|| {
    [("kunming", "530100"), ("chengdu", "510100"), ("guiyang", "520100"), ("nanning", "450100")]
        .map(|(name, code)| City::new(name, code))
        .into()
});

/// City number `n`.
pub(super) fn city(n: usize) -> &'static City {
    CITIES.get(n).expect("a number below the most cities")
}

/// The code of a city's office.
pub(super) fn office(n: usize) -> Value {
    place(city(n).code)
}

/// The linkage of the agreement.
pub(super) fn linkage() -> Linkage {
    Linkage::new(1, [1; 32], [2; 32])
}

static AGREEMENTS: LazyLock<Vec<Agreement>> = LazyLock::new(|| (2..=MAX_CITIES).map(agreement_of).collect());

/// The agreement between the first `n` cities.
pub(super) fn agreement(n: usize) -> &'static Agreement {
    AGREEMENTS.get(n.saturating_sub(2)).expect("between two and the most cities")
}

/// What a node knows of it after some acts, with the linkage if that has reached it.
pub(super) fn known(n: usize, acts: BTreeMap<Origin, Vec<SeenAct>>, linkage: Option<Linkage>) -> Arc<Known> {
    let document = agreement(n).clone();
    let proofs = document.parties.iter().map(|party| (party.origin.clone(), Vec::new())).collect();
    Arc::new(Known { no: AgreementNo(3), document, proofs, acts, linkage })
}

fn agreement_of(n: usize) -> Agreement {
    let cities = CITIES.get(..n).unwrap_or_default();
    let dids: Vec<&str> = cities.iter().map(|city| city.did.as_str()).collect();
    let calendar = json!({ "weeklyRest": [6, 7], "holidays": [], "makeUpDays": [] });
    let calendars: BTreeMap<&str, &Value> = dids.iter().map(|did| (*did, &calendar)).collect();
    let schemas: BTreeMap<_, _> = [SchemaName::StudentStatus, SchemaName::Withdrawal]
        .map(|name| (released_schema(name).id, released_schema(name).digest().to_string()))
        .into();
    let party = |city: &City| {
        json!({
            "did": city.did.as_str(),
            "origin": city.origin.as_str(),
            "fingerprint": Digest(city.fingerprint.0).to_string(),
            "city": place(city.code),
            "name": { "zh": "示例市", "en": "Example city" },
            "mayState": []
        })
    };
    let document = json!({
        "id": AGREEMENT,
        "version": 1,
        "title": { "zh": "示例协议", "en": "Example agreement" },
        "type": if n == 2 { "bilateral" } else { "multilateral" },
        "parties": cities.iter().map(party).collect::<Vec<_>>(),
        "contacts": [],
        "validFrom": "2026-01-01",
        "validTo": "2028-12-31",
        "terms": {
            "scope": [{ "row": "status", "kind": "student-status", "stages": ["primary"],
                        "direction": { "from": dids, "to": dids } }],
            "population": { "student-status": { "covers": "case" } },
            "fields": { "student-status": { "required": [], "allowed": ["fullTime"] } },
            "schemas": schemas,
            "purposes": ["student-status"],
            "legalBasis": [{ "title": { "zh": "示例依据", "en": "Example basis" } }],
            "deadlines": [],
            "calendars": calendars,
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
            "linkage": { "epoch": 1, "commitment": linkage().commitment().to_string() },
            "timeZone": "Asia/Shanghai"
        }
    });
    let bytes = canonical::write(&document).expect("no number in it is too large");
    Agreement::read(&bytes).expect("the simulation's agreement is valid")
}
