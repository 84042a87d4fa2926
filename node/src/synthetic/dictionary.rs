//! Trains and measures the dictionary of `schemas/dictionaries` on synthetic records in their signed form.
use super::fixture::{complete_as, drafts_as};
use super::seed::Seed;
use super::{Cited, City, Office, Part, Population};
use hefu_schemas::dictionary::RECORDS_V1;
use hefu_schemas::id::{AgreementId, Did, Origin};
use hefu_schemas::record::PLACEHOLDER_PROOF_VALUE;
use hefu_schemas::text::Text;
use jiff::civil::{Date, date};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Largest dictionary, in bytes: a decoder holds it once for each connection to the store.
const MAX_LEN: usize = 16 * 1024;
/// Federations that the training sees, each of three cities of its own.
const FEDERATIONS: u64 = 120;
const RECORDS_PER_CITY: u64 = 60;
/// Level at which the samples are compressed for measuring.
const LEVEL: i32 = 3;

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const SYLLABLES: [(&str, &str); 24] = [
    ("安", "An"),
    ("北", "Bei"),
    ("昌", "Chang"),
    ("东", "Dong"),
    ("丰", "Feng"),
    ("广", "Guang"),
    ("海", "Hai"),
    ("江", "Jiang"),
    ("康", "Kang"),
    ("临", "Lin"),
    ("明", "Ming"),
    ("南", "Nan"),
    ("平", "Ping"),
    ("清", "Qing"),
    ("荣", "Rong"),
    ("山", "Shan"),
    ("泰", "Tai"),
    ("文", "Wen"),
    ("西", "Xi"),
    ("阳", "Yang"),
    ("镇", "Zhen"),
    ("宁", "Ning"),
    ("定", "Ding"),
    ("义", "Yi"),
];

fn text(random: &mut StdRng, alphabet: &[u8], len: usize) -> String {
    (0..len).map(|_| char::from(*alphabet.choose(random).unwrap())).collect()
}

fn origin(random: &mut StdRng) -> Origin {
    let len = random.random_range(4..12);
    let host = text(random, b"abcdefghijklmnopqrstuvwxyz", len);
    let domain = ["example", "gov.example", "edu.example", "city.example"].choose(random).unwrap();
    let port = if random.random_bool(0.3) { format!(":{}", random.random_range(1024..65000)) } else { String::new() };
    Origin::parse(&format!("{host}.{domain}{port}")).unwrap()
}

fn name(random: &mut StdRng, zh: &str, en: &str) -> Text {
    let (one, two) = (SYLLABLES.choose(random).unwrap(), SYLLABLES.choose(random).unwrap());
    Text::new(format!("{}{}{zh}", one.0, two.0), format!("{}{}{en}", one.1, two.1.to_lowercase()))
}

/// A city that is not: the dictionary is not to know the demonstration's better than others.
fn made_up_city(random: &mut StdRng) -> City {
    let code = random.random_range(11_00..66_00) * 100;
    let origin = origin(random);
    let own = name(random, "市", "");
    let (zh, en) =
        *[("教育局", "Education Bureau"), ("教育体育局", "Bureau of Education and Sports")].choose(random).unwrap();
    let office = |random: &mut StdRng, number: i32| {
        let area = if number == 0 { Text::new("", own.en.clone()) } else { name(random, "区", " District") };
        let name = Text::new(format!("{}{}{zh}", own.zh, area.zh), format!("{en} of {}", area.en));
        Office { code: (code + number).to_string(), name }
    };
    let offices = (0..=5).map(|number| office(random, number)).collect();
    let did = Did::from_authority(origin.authority()).unwrap();
    City { code: code.to_string(), name: own, origin, did, offices }
}

/// Signed records of many federations, in the form in which they are stored.
fn samples(first: u64, federations: u64) -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    for number in first..first + federations {
        let random = &mut Seed(number).generator("federation", 0, 0);
        let cities = (0..3).map(|_| made_up_city(random)).collect::<Vec<_>>();
        let as_of = date(2026, 1, 1).saturating_add(jiff::Span::new().days(random.random_range(0..1500)));
        samples.extend(federation(random, number, as_of, cities));
    }
    samples
}

fn federation(random: &mut StdRng, seed: u64, as_of: Date, cities: Vec<City>) -> Vec<Vec<u8>> {
    let population = Population::new(seed, as_of, cities, RECORDS_PER_CITY).unwrap();
    let uuid = uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + seed, &random.random()).into_uuid();
    let cited = Cited { id: AgreementId::from_uuid(uuid), version: random.random_range(1..4) };
    let created = i64::try_from(seed % 1000).unwrap() * 977_777 + 1_780_000_000;
    let mut signed = Vec::new();
    for (at, city) in population.cities().iter().enumerate() {
        let method = format!("{}#z6Mk{}", city.did, text(random, BASE58, 44));
        for line in Part::ALL.into_iter().flat_map(|part| drafts_as(&population, at, part, cited)) {
            let record = complete_as(city, &line, &method, created + i64::try_from(signed.len()).unwrap());
            let bytes = String::from_utf8(record.document().bytes().to_vec()).unwrap();
            let signature = format!("z{}", text(random, BASE58, 87));
            signed.push(bytes.replace(PLACEHOLDER_PROOF_VALUE, &signature).into_bytes());
        }
    }
    signed
}

/// Mean bytes of a sample before and after compression.
fn measure(dictionary: &[u8], samples: &[Vec<u8>]) -> (usize, usize) {
    let mut compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, dictionary).unwrap();
    let mut decompressor = zstd::bulk::Decompressor::with_dictionary(dictionary).unwrap();
    let (mut plain, mut packed) = (0, 0);
    for sample in samples {
        let compressed = compressor.compress(sample).unwrap();
        assert_eq!(&decompressor.decompress(&compressed, 1 << 18).unwrap(), sample);
        (plain, packed) = (plain + sample.len(), packed + compressed.len());
    }
    (plain / samples.len(), packed / samples.len())
}

#[test]
fn a_stored_record_is_a_quarter_of_its_bytes() {
    // Federations that the training has not seen.
    let samples = samples(1_000_000, 4);
    let (plain, packed) = measure(RECORDS_V1, &samples);
    let without = measure(&[], &samples).1;
    eprintln!("{plain} bytes a record, {packed} compressed, {without} without the dictionary");
    for kind in ["StudentStatus", "EnrollmentConnection"] {
        let of_kind = |sample: &&Vec<u8>| sample.windows(kind.len()).any(|window| window == kind.as_bytes());
        let samples = samples.iter().filter(of_kind).cloned().collect::<Vec<_>>();
        eprintln!("{kind}: {:?}", measure(RECORDS_V1, &samples));
    }
    assert!(packed * 4 < plain && packed * 2 < without, "{plain} {packed} {without}");
}

/// Only for a new number: a released dictionary never changes.
#[test]
#[ignore = "writes schemas/dictionaries/records-v1.dict"]
fn retrain_dictionary() {
    let samples = samples(1, FEDERATIONS);
    let dictionary = zstd::dict::from_samples(&samples, MAX_LEN).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/dictionaries/records-v1.dict");
    std::fs::write(path, &dictionary).unwrap();
    eprintln!("{} samples, {} bytes, {:?}", samples.len(), dictionary.len(), measure(&dictionary, &samples));
}
