//! A federation in memory for the tests: a signed agreement and the records of a population.
use super::{Cited, City, Part, Population, agreement_terms};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hefu_federation::agreement::{SeenAct, Standing};
use hefu_federation::entry::Act;
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::{Key, filed_under};
use hefu_federation::reconcile::view::{Body, View};
use hefu_federation::reconcile::{Context, Fact, reconcile};
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest, Origin, RecordId};
use hefu_schemas::record::{Completion, Draft, Record};
use hefu_schemas::released::released;
use jiff::civil::Date;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::BTreeMap;

pub(super) const AGREEMENT: &str = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
/// Any key: nothing is signed here.
pub(super) const MULTIKEY: &str = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQXJPt4swbTQ2x";

pub(super) fn cities() -> Vec<City> {
    let hosts = ["kunming.example", "chengdu.example:8443", "chongqing.example/hefu"];
    let city = |(code, host)| City::known(code, Origin::parse(host).unwrap()).unwrap().unwrap();
    City::CODES.into_iter().zip(hosts).map(city).collect()
}

pub(super) fn cited() -> Cited {
    Cited { id: AgreementId::parse(AGREEMENT).unwrap(), version: 1 }
}

/// What `hefu agreement propose` adds to the proposal.
pub(super) fn agreement(cities: &[City], as_of: Date) -> Agreement {
    let mut document = agreement_terms(cities, as_of);
    document["id"] = json!(AGREEMENT);
    document["version"] = json!(1);
    for (party, city) in document["parties"].as_array_mut().unwrap().iter_mut().zip(cities) {
        party["did"] = json!(city.did.as_str());
        party["fingerprint"] = json!(Digest::of(city.code.as_bytes()).to_string());
    }
    let schemas = released().iter().filter(|file| file.path.starts_with("/schemas/"));
    document["terms"]["schemas"] =
        schemas.map(|file| (file.id.to_owned(), json!(file.digest().to_string()))).collect::<Value>();
    document["terms"]["linkage"] = json!({"epoch": 1, "commitment": Digest::of(b"").to_string()});
    Agreement::read(&canonical::write(&document).unwrap()).unwrap_or_else(|error| panic!("{error:?}"))
}

/// What `hefu subject` makes of a line.
pub(super) fn reference(line: &str) -> String {
    format!("urn:hefu:subject:1:{}", URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(line)))
}

pub(super) fn drafts(population: &Population, city: usize, part: Part) -> impl Iterator<Item = String> + '_ {
    drafts_as(population, city, part, cited())
}

pub(super) fn drafts_as(
    population: &Population,
    city: usize,
    part: Part,
    cited: Cited,
) -> impl Iterator<Item = String> + '_ {
    let references = population.identifiers(city, part).map(|line| reference(&line));
    population.drafts(city, part, cited, references).map(Result::unwrap)
}

/// A line as the node of the city completes and checks it.
pub(super) fn complete(city: &City, line: &str) -> Record {
    complete_as(city, line, &format!("{}#{MULTIKEY}", city.did), 1_788_192_000)
}

pub(super) fn complete_as(city: &City, line: &str, verification_method: &str, created: i64) -> Record {
    let unused = RecordId::parse(AGREEMENT).unwrap();
    let completion = Completion { issuer: &city.did, id: unused, verification_method, created };
    let draft = Draft::read(line.as_bytes()).unwrap();
    draft.complete(&completion).unwrap_or_else(|error| panic!("{error:?}\n{line}"))
}

/// The lines of all cities, part after part, as the reconciler of a party that holds them all sees them.
pub(super) fn facts(population: &Population, mut read: impl FnMut(usize, &str) -> Record) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (at, city) in population.cities().iter().enumerate() {
        // Genesis, sign and open come first.
        let lines = Part::ALL.into_iter().flat_map(|part| drafts(population, at, part));
        let mut indexes: BTreeMap<RecordId, u64> = BTreeMap::new();
        facts.extend((3_u64..).zip(lines).map(|(index, line)| {
            let view = View::read(read(at, &line).document()).unwrap();
            indexes.insert(view.id, index);
            let corrects = match view.body {
                Body::Withdrawal { record, .. } => Some(record),
                _ => view.supersedes,
            };
            let of = corrects.map(|id| indexes[&id]);
            Fact { origin: city.origin.clone(), index, t: 1_788_192_000, of, id: view.id, view }
        }));
    }
    facts
}

/// All findings of all keys, each once, and the number of keys where the halves fit.
pub(super) fn findings(agreement: &Agreement, cities: &[City], as_of: Date, facts: Vec<Fact>) -> (Vec<Finding>, usize) {
    let act = |(index, act)| SeenAct { act, index, on: None, t: 1_788_192_000 };
    let acts = || [(1, Act::Sign), (2, Act::Open)].into_iter().map(act).collect();
    let standing = Standing {
        agreement,
        proofs: cities.iter().map(|city| city.origin.clone()).collect(),
        acts: cities.iter().map(|city| (city.origin.clone(), acts())).collect(),
    };
    let by_key = by_key(facts);
    let context = Context { standing: &standing, as_of };
    let mut matched = 0;
    let mut findings = BTreeMap::new();
    for (key, facts) in by_key {
        let evaluation = reconcile(&context, &key, &facts);
        matched += usize::from(evaluation.matched);
        findings.extend(evaluation.findings.into_iter().map(|finding| (finding.id, finding)));
    }
    (findings.into_values().collect(), matched)
}

/// Facts by the keys under which they are filed; under the key of a cited record also that record and what corrects or
/// withdraws it.
fn by_key(facts: Vec<Fact>) -> BTreeMap<Key, Vec<Fact>> {
    let mut by_key: BTreeMap<Key, Vec<Fact>> = BTreeMap::new();
    let mut keys: BTreeMap<(Origin, u64), Vec<Key>> = BTreeMap::new();
    let mut later: BTreeMap<(Origin, u64), Vec<Fact>> = BTreeMap::new();
    for fact in &facts {
        let corrected = fact.of.and_then(|of| keys.get(&(fact.origin.clone(), of)).cloned()).unwrap_or_default();
        if let Some(of) = fact.of {
            later.entry((fact.origin.clone(), of)).or_default().push(fact.clone());
        }
        let own = filed_under(&fact.view, &corrected);
        for key in &own {
            by_key.entry(key.clone()).or_default().push(fact.clone());
        }
        keys.insert((fact.origin.clone(), fact.index), own);
    }
    for fact in facts {
        if let Some(under) = by_key.get_mut(&Key::record(&fact.view.issuer, fact.id)) {
            let mut found = vec![fact];
            while let Some(fact) = found.pop() {
                found.extend(later.get(&(fact.origin.clone(), fact.index)).into_iter().flatten().cloned());
                under.push(fact);
            }
        }
    }
    by_key
}
