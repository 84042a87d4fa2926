//! Signed records of the made-up population in memory, with the agreement, keys and linkage that a judge needs.

use crate::{Failure, cpu};
use hefu_federation::agreement::{SeenAct, Standing};
use hefu_federation::base64url;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Act, Audience, Body, Entry, Genesis};
use hefu_federation::key::{KeyId, PublicKey, SealSecretKey, SecretKey};
use hefu_federation::linkage::Linkage;
use hefu_federation::page::{Asked, Line, PageWriter};
use hefu_federation::proof;
use hefu_federation::pull::Wanted;
use hefu_federation::tree::Hash;
use hefu_federation::trust::KeyRing;
use hefu_node::clock::Clock;
use hefu_node::codec::compress;
use hefu_node::synthetic::{Cited, City, Load, Population, agreement_terms};
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest, Origin, RecordId};
use hefu_schemas::record::{Completion, Draft, MAX_DRAFT_ID_LEN};
use hefu_schemas::released::released;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Records of the sample: enough for every kind and for branches to miss, few enough to stay in the cache of no core.
pub(crate) const SAMPLE_LEN: u64 = 5_000;
/// Seed of the population: that of the demonstration.
pub(crate) const SEED: u64 = 20_260_901;
/// Records of a page on the wire.
const PAGE_LEN: usize = 1_000;
pub(crate) const AGREEMENT: &str = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
pub(crate) const CREATED: i64 = 1_788_192_000;
const SALT: [u8; 32] = [7; 32];
/// Both cities have opened the agreement before this index.
const FIRST_INDEX: u64 = 10;

/// What the limits and the library paths are measured on.
pub(crate) struct Sample {
    /// Lines as a registrar's system hands them over.
    pub(crate) lines: Vec<String>,
    /// What they state, as canonical JSON.
    pub(crate) drafts: Vec<Vec<u8>>,
    /// The same records, signed: canonical bytes.
    pub(crate) records: Vec<Vec<u8>>,
    /// What the log says of each.
    pub(crate) wanted: Vec<Wanted>,
    /// Name of the key.
    pub(crate) method: String,
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
    pub(crate) keys: KeyRing,
    pub(crate) linkage: Linkage,
    pub(crate) agreement: Agreement,
}

impl Sample {
    pub(crate) fn new(load: Load) -> Result<Self, Failure> {
        let cities = cities()?;
        let as_of = Clock::default().today("Asia/Shanghai");
        let population = Population::new(SEED, as_of, cities.clone(), SAMPLE_LEN)?;
        let city = cities.first().ok_or("no city")?;
        let linkage = Linkage::new(1, [1; 32], [2; 32]);
        let agreement = agreement(&cities, as_of, &linkage)?;
        let secret = SecretKey::from_seed(&[1; 32]);
        let method = KeyId { did: city.did.clone(), multikey: secret.public().multikey() }.to_string();
        let cited = Cited { id: AgreementId::parse(AGREEMENT)?, version: 1 };
        let (mut lines, mut drafts, mut records, mut wanted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for line in population.load(0, load, cited, reference).take(usize::try_from(SAMPLE_LEN)?) {
            let draft = Draft::read(line.as_bytes())?;
            let canonical = draft.record().raw().to_vec();
            let completion = Completion {
                issuer: &city.did,
                id: RecordId::parse(AGREEMENT)?,
                verification_method: &method,
                created: CREATED,
            };
            let record = proof::sign(draft.complete(&completion)?, &secret).into_bytes();
            if is_correction(&record) {
                // It cites what is not in a sample, and its entry is of another kind.
                continue;
            }
            let c = commit(&SALT, &record);
            let a = Audience::Agreement(blind_label(linkage.label_key(), &c));
            let index = FIRST_INDEX + u64::try_from(wanted.len())?;
            wanted.push(Wanted { index, entry: Entry { t: CREATED, body: Body::Record { c, a } }, of_id: None });
            records.push(record);
            drafts.push(canonical);
            lines.push(line);
        }
        let keys = key_ring(city, &secret);
        Ok(Self { lines, drafts, records, wanted, method, public: secret.public(), secret, keys, linkage, agreement })
    }

    /// What the judge needs besides the records.
    pub(crate) fn standing(&self) -> Standing<'_> {
        let act = |(index, act)| SeenAct { act, index, on: None, t: CREATED };
        let acts = || [(1, Act::Sign), (2, Act::Open)].into_iter().map(act).collect();
        let origins = self.agreement.parties.iter().map(|party| party.origin.clone());
        let proofs: Vec<Origin> = origins.collect();
        let acts: BTreeMap<_, _> = proofs.iter().map(|origin| (origin.clone(), acts())).collect();
        Standing { agreement: &self.agreement, proofs, acts }
    }

    pub(crate) fn salt(&self) -> [u8; 32] {
        SALT
    }

    /// Mean length of a record, in bytes.
    pub(crate) fn record_len(&self) -> f64 {
        mean(self.records.iter().map(Vec::len))
    }

    /// Bytes that no store can do without: compressed body, salt, leaf data and its hash.
    pub(crate) fn stored_len(&self) -> f64 {
        let bodies = mean(self.records.iter().map(|record| compress(record).1.len()));
        bodies + 32.0 + self.leaf_len() + 32.0
    }

    /// Bytes that the wire carries at least: a page as one zstd frame, and the entries.
    pub(crate) fn wire_len(&self) -> Result<f64, Failure> {
        let did = self.keys.did();
        let key_id = KeyId { did: did.clone(), multikey: self.public.multikey() };
        let (mut bytes, mut lines) = (0.0, 0.0);
        for (page, wanted) in self.records.chunks(PAGE_LEN).zip(self.wanted.chunks(PAGE_LEN)) {
            let mut writer = PageWriter::new();
            for (record, wanted) in page.iter().zip(wanted) {
                // A salt is random on the wire and cannot be compressed: so is this one.
                let Digest(salt) = Digest::of(record);
                writer.push(&Line::Record { index: wanted.index, salt, record });
                lines += 1.0;
            }
            let asked = Asked { agreement: self.agreement.id, to: did, from: 0, until: u64::MAX };
            let page = writer.finish(&asked, u64::MAX, &key_id, &self.secret);
            bytes += cpu::float(u64::try_from(zstd::encode_all(page.as_slice(), 1)?.len())?);
        }
        // Each entry stands in its bundle behind two bytes of length (C2SP tlog-tiles).
        Ok(bytes / lines + self.leaf_len() + 2.0)
    }

    fn leaf_len(&self) -> f64 {
        mean(self.wanted.iter().map(|wanted| wanted.entry.write().map_or(0, |data| data.len())))
    }
}

fn mean(lengths: impl Iterator<Item = usize>) -> f64 {
    let (sum, count) =
        lengths.fold((0_u64, 0_u64), |(sum, count), len| (sum + u64::try_from(len).unwrap_or(0), count + 1));
    cpu::float(sum) / cpu::float(count.max(1))
}

fn is_correction(record: &[u8]) -> bool {
    let document: Value = serde_json::from_slice(record).unwrap_or_default();
    document.get("supersedes").is_some() || document.pointer("/type/1") == Some(&json!("Withdrawal"))
}

/// Two cities with hosts that nobody has.
fn cities() -> Result<Vec<City>, Failure> {
    let hosts = ["kunming.example", "chengdu.example"];
    let city = |(code, host): (&str, &str)| -> Result<City, Failure> {
        City::known(code, Origin::parse(host)?)?.ok_or_else(|| "an unknown city".into())
    };
    City::CODES.into_iter().zip(hosts).map(city).collect()
}

/// A reference of the form that `hefu subject` gives: the nodes cannot tell it from one.
pub(crate) fn reference(line: &str) -> String {
    format!("urn:hefu:subject:1:{}", base64url::encode(&Digest::of(line.as_bytes()).0))
}

fn agreement(cities: &[City], as_of: jiff::civil::Date, linkage: &Linkage) -> Result<Agreement, Failure> {
    let mut document = agreement_terms(cities, as_of);
    let schemas = released().iter().filter(|file| file.path.starts_with("/schemas/"));
    let schemas: Value = schemas.map(|file| (file.id.to_owned(), json!(file.digest().to_string()))).collect();
    let members = document.as_object_mut().ok_or("no terms")?;
    members.insert("id".into(), json!(AGREEMENT));
    members.insert("version".into(), json!(1));
    let parties = members.get_mut("parties").and_then(Value::as_array_mut).ok_or("no parties")?;
    for (party, city) in parties.iter_mut().filter_map(Value::as_object_mut).zip(cities) {
        party.insert("did".into(), json!(city.did.as_str()));
        party.insert("fingerprint".into(), json!(Digest::of(city.code.as_bytes()).to_string()));
    }
    let terms = members.get_mut("terms").and_then(Value::as_object_mut).ok_or("no terms")?;
    terms.insert("schemas".into(), schemas);
    terms.insert("linkage".into(), json!({"epoch": 1, "commitment": linkage.commitment().to_string()}));
    Agreement::read(&canonical::write(&document)?).map_err(|error| format!("{error:?}").into())
}

fn key_ring(city: &City, record: &SecretKey) -> KeyRing {
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public();
    let genesis = Genesis {
        origin: city.origin.clone(),
        did: city.did.clone(),
        record: record.public(),
        log: key(2),
        witness: key(3),
        request: key(4),
        seal: SealSecretKey::from_seed(&[5; 32]).public(),
        recovery: Digest([6; 32]),
    };
    KeyRing::from_genesis(&genesis, Hash([0; 32]))
}

/// Draft ids of the sample fit the limit that the product has.
const _: () = assert!(MAX_DRAFT_ID_LEN >= 64);
