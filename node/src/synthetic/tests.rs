//! The population against the schemas and the rules.
use super::fixture::{agreement, cited, cities, complete, drafts, facts, findings, reference};
use super::{FoundFinding, Load, Part, Population, PopulationError, ReferencesExhausted, compare};
use hefu_federation::reconcile::finding::{Finding, Rule, Severity};
use hefu_federation::reconcile::view::View;
use hefu_schemas::identifier::Identifier;
use hefu_schemas::student_status::{Event, Stage};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const AS_OF: Date = date(2026, 9, 1);

fn population(seed: u64, as_of: Date, records: u64) -> Population {
    Population::new(seed, as_of, cities(), records).unwrap()
}

fn all(population: &Population) -> impl Iterator<Item = (usize, Part, String)> + '_ {
    let parts = (0..population.cities().len()).flat_map(|city| Part::ALL.map(|part| (city, part)));
    parts.flat_map(move |(city, part)| drafts(population, city, part).map(move |line| (city, part, line)))
}

#[test]
fn every_draft_is_a_valid_record_within_the_agreement() {
    for (seed, as_of) in [(1, AS_OF), (2, date(2028, 2, 29))] {
        let population = population(seed, as_of, 400);
        let agreement = agreement(population.cities(), as_of);
        assert_eq!((agreement.valid_from, agreement.valid_to), population.validity());
        for (city, part, line) in all(&population) {
            let record = complete(&population.cities()[city], &line);
            assert_eq!(agreement.in_scope(record.kind(), record.document()), Ok(()), "{line}");
            let view = record.view();
            let party = agreement.party_of(&view.issuer).unwrap();
            let rules = View::read(record.document()).unwrap();
            assert!(
                rules.competence().is_none_or(|(kind, stage)| party.may_state(kind, stage, &view.stated_by)),
                "{line}"
            );
            let covered = (agreement.valid_from..=agreement.valid_to).contains(&view.valid_from);
            assert!(covered || part == Part::Planted, "{line}");
        }
    }
}

/// Reconciles the population and demands exactly the planted cases.
fn assert_exact(seed: u64, as_of: Date, records: u64) {
    let population = population(seed, as_of, records);
    let agreement = agreement(population.cities(), as_of);
    let facts = facts(&population, |city, line| complete(&population.cities()[city], line));
    let (findings, matched) = findings(&agreement, population.cities(), as_of, facts);
    let found = |finding: &Finding| FoundFinding {
        rule: finding.rule.code().to_owned(),
        records: finding.evidence.iter().filter_map(|evidence| evidence.record).collect(),
    };
    let comparison = compare(population.planted(), &findings.iter().map(found).collect::<Vec<_>>());
    let texts = || findings.iter().map(|finding| (finding.rule, &finding.text.en)).collect::<Vec<_>>();
    assert!(comparison.is_exact(), "seed {seed}, {as_of}, {records}: {comparison:#?} {:#?}", texts());
    // One finding a case, no more.
    assert_eq!(findings.len(), population.planted().len(), "seed {seed}, {as_of}: {:#?}", texts());
    let late = findings.iter().filter(|finding| finding.rule == Rule::C1).map(|finding| finding.severity);
    let mut late = late.collect::<Vec<_>>();
    late.sort_unstable();
    assert_eq!(late, [Severity::Warning, Severity::Warning, Severity::Error], "{as_of}");
    if records >= 3000 {
        assert!(matched > 50, "{matched}");
    }
}

#[test]
fn the_reconciler_finds_what_is_planted_and_nothing_else() {
    assert_exact(1, AS_OF, 3000);
    // A Saturday, the days before, in and behind the long holidays, a day in a leap year, the turn of the year, the end
    // of the school year, a year whose holidays are no data here.
    let days = [
        date(2026, 3, 14),
        date(2026, 2, 14),
        date(2026, 2, 20),
        date(2026, 2, 24),
        date(2026, 10, 1),
        date(2026, 10, 8),
        date(2028, 2, 29),
        date(2026, 1, 1),
        date(2027, 1, 1),
        date(2026, 6, 30),
        date(2026, 7, 1),
        date(2026, 8, 31),
        date(2026, 9, 2),
        date(2031, 5, 3),
    ];
    for (seed, as_of) in (2..).zip(days) {
        assert_exact(seed, as_of, 300);
    }
}

/// More seeds and days: minutes in the dev profile.
#[test]
#[ignore = "long: every day of a year, and many seeds"]
fn the_reconciler_finds_it_on_every_day() {
    for (seed, as_of) in (100..).zip(date(2026, 1, 1).series(1.day()).take(366)) {
        assert_exact(seed, as_of, 400);
    }
    for seed in 0..10 {
        assert_exact(seed, date(2027, 11, 11), 6000);
    }
}

#[test]
fn the_same_seed_gives_the_same_population() {
    let lines = |seed| all(&population(seed, AS_OF, 300)).map(|(_, _, line)| line).collect::<Vec<_>>();
    assert_eq!(lines(7), lines(7));
    assert_ne!(lines(7), lines(8));
}

#[test]
fn drafts_are_as_many_as_asked_for_and_in_sequence() {
    for records in [0, 1, 300, 3000] {
        let population = population(3, AS_OF, records);
        for city in 0..3 {
            let ids = drafts(&population, city, Part::Main)
                .map(|line| serde_json::from_str::<Value>(&line).unwrap()["draftId"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>();
            let expected = |number| format!("{}-main-{number:07}", population.cities()[city].code);
            assert!(ids.iter().enumerate().all(|(at, id)| *id == expected(at + 1)));
            if records >= 300 {
                assert_eq!(u64::try_from(ids.len()).unwrap(), records);
            }
        }
    }
}

#[test]
#[ignore = "long: 300,000 records in each city"]
fn a_hundred_times_more() {
    let population = population(3, AS_OF, 300_000);
    for city in 0..3 {
        let (mut count, mut bytes) = (0, 0);
        for line in drafts(&population, city, Part::Main) {
            (count, bytes) = (count + 1, bytes + line.len());
        }
        assert_eq!(count, 300_000);
        eprintln!("{} bytes a draft", bytes / count);
    }
}

#[test]
fn one_by_one_and_in_lines_are_the_same() {
    let population = population(5, AS_OF, 300);
    let mut ids = BTreeSet::new();
    for city in 0..3 {
        let lines = Part::ALL.into_iter().flat_map(|part| drafts(&population, city, part)).collect::<Vec<_>>();
        let singles = population.city(city).map(|one| {
            assert!(ids.insert(one.record_id()));
            one.draft(population.cities(), cited(), &reference(&one.person.line())).to_string()
        });
        assert_eq!(singles.collect::<Vec<_>>(), lines);
    }
}

#[test]
fn identifiers_are_well_formed_and_only_movers_are_in_two_cities() {
    let population = population(4, AS_OF, 2000);
    let mut cities_of: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for city in 0..3 {
        for line in population.identifiers(city, Part::Main) {
            let value: Value = serde_json::from_str(&line).unwrap();
            let (scheme, id) = (value["scheme"].as_str().unwrap(), value["id"].as_str().unwrap());
            assert_eq!(Identifier::normalise(scheme, id).unwrap().expose(), id);
            cities_of.entry(id.to_owned()).or_default().insert(city);
        }
    }
    let movers = cities_of.values().filter(|cities| cities.len() > 1).count();
    assert!((55..95).contains(&movers), "{movers} of {}", cities_of.len());
}

#[test]
fn proportions_are_those_of_the_yearbook() {
    let population = population(6, AS_OF, 3000);
    let (mut stages, mut events, mut persons) = (BTreeMap::new(), BTreeMap::new(), 0);
    for city in 0..3 {
        persons += population.identifiers(city, Part::Main).count();
        for line in drafts(&population, city, Part::Main) {
            let value: Value = serde_json::from_str(&line).unwrap();
            let body = &value["record"]["credentialSubject"];
            if let (Some(stage), Some(event)) = (body["stage"].as_str(), body["event"].as_str()) {
                *stages.entry(stage.to_owned()).or_insert(0_usize) += 1;
                *events.entry(event.to_owned()).or_insert(0_usize) += 1;
            }
        }
    }
    let total: usize = stages.values().sum();
    let percent = |stage: Stage| stages.get(stage.code()).copied().unwrap_or(0) * 100 / total;
    assert!((35..45).contains(&percent(Stage::Primary)), "{stages:?}");
    assert!((20..28).contains(&(percent(Stage::Junior) + percent(Stage::Senior))), "{stages:?}");
    assert!((4..9).contains(&percent(Stage::SecondaryVocational)), "{stages:?}");
    let entered = events[Event::Enter.code()];
    assert!(entered * 100 / total > 80, "{events:?}");
    for event in [Event::Suspend, Event::Resume, Event::Graduate, Event::MoveSchool, Event::TransferIn, Event::Quit] {
        assert!(events.contains_key(event.code()), "{event:?}");
    }
    assert!((7000..9000).contains(&persons), "{persons}");
}

#[test]
fn three_cases_are_planted_for_each_rule() {
    let population = population(1, AS_OF, 0);
    let mut rules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut cities = BTreeSet::new();
    for case in population.planted() {
        rules.entry(&case.rule).or_default().insert(&case.case);
        cities.extend(case.cities.iter().copied());
        assert!(!case.records.is_empty() && !case.text.zh.is_empty() && !case.text.en.is_empty());
    }
    assert_eq!(
        rules.keys().copied().collect::<Vec<_>>(),
        ["A1", "C1", "C2", "C3", "C4", "G7", "Q1", "Q2", "S1", "S2", "S3", "S4", "S5", "S6"]
    );
    assert!(rules.values().all(|cases| cases.len() == 3), "{rules:?}");
    assert_eq!(cities.len(), 3);
}

#[test]
fn impossible_populations_are_refused() {
    let new = |cities: usize, as_of, records| {
        let cities = self::cities().into_iter().take(cities).collect();
        Population::new(1, as_of, cities, records).map(|_| ())
    };
    assert_eq!(new(1, AS_OF, 10), Err(PopulationError::TooFewCities));
    assert!(matches!(new(3, AS_OF, 3_000_000), Err(PopulationError::TooManyRecords(_))));
    assert!(matches!(new(3, AS_OF, u64::MAX), Err(PopulationError::TooManyRecords(_))));
    assert_eq!(new(3, date(1999, 1, 1), 10), Err(PopulationError::Date));
    assert_eq!(new(2, AS_OF, 300), Ok(()));
    let population = population(1, AS_OF, 300);
    let mut short = population.drafts(0, Part::Main, cited(), std::iter::once(reference("")));
    assert!(short.any(|line| line == Err(ReferencesExhausted)));
    assert_eq!(population.identifiers(9, Part::Main).count(), 0);
}

#[test]
fn a_load_is_the_main_part_or_steps_of_transfers_without_end() {
    let population = population(1, AS_OF, 300);
    let main = drafts(&population, 1, Part::Main).collect::<Vec<_>>();
    assert!(population.load(1, Load::Population, cited(), reference).eq(main));
    let steps = population.load(1, Load::Transfers, cited(), reference).take(2_000).collect::<Vec<_>>();
    assert_eq!(steps.len(), 2_000);
    let (mut ids, mut followed) = (BTreeSet::new(), 0);
    for line in steps {
        complete(&population.cities()[1], &line);
        let draft = serde_json::from_str::<Value>(&line).unwrap();
        assert_eq!(draft["record"]["type"][1], "EnrollmentConnection");
        if let Some(follows) = draft["record"].get("follows") {
            assert!(ids.contains(follows.as_str().unwrap()), "{follows}");
            followed += 1;
        }
        assert!(ids.insert(draft["record"]["id"].as_str().unwrap().to_owned()));
    }
    assert!(followed > 1_000, "{followed}");
    assert_eq!(population.load(9, Load::Transfers, cited(), reference).next(), None);
}
