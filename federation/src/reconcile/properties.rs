//! What holds whatever the facts: the order of arrival does not matter, `next` misses no change, nothing panics.
use super::finding::{Finding, Rule};
use super::fixture::*;
use super::key::{Key, KeyType, keys_of};
use super::{Evaluation, Fact};
use hefu_schemas::agreement::{ExistingCases, Population, Window};
use hefu_schemas::credit::{CreditRow, Factor, Rounding};
use hefu_schemas::enrollment_connection::{HALVES, Role, Step};
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition as qualification;
use hefu_schemas::student_status::{ENTRIES, Event, Stage, Status, TRANSITIONS};
use jiff::ToSpan;
use jiff::civil::Date;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;

const OTHER: &str = "urn:hefu:subject:2:pupil";

/// One entry that somebody makes, sensible or not.
#[derive(Debug, Clone)]
struct Made {
    city: Index,
    what: What,
    on: u8,
    follows: Option<Index>,
    corrects: Option<Index>,
    by_other: bool,
    same_as: bool,
    relies: Option<Index>,
    by_stranger: bool,
}

#[derive(Debug, Clone)]
enum What {
    Status { event: Event, status: Status, stage: Stage, transfer: bool, until: Option<u8> },
    Step { role: Role, step: Step, waits: bool, astray: bool },
    Award(qualification::Step),
    Recognition { step: qualification::Step, cites: Option<bool>, hundredths: i64 },
    Withdrawal,
}

fn what() -> impl Strategy<Value = What> {
    // Legal pairs mostly, so that histories get somewhere; any pair now and then.
    let legal: Vec<(Event, Status)> =
        ENTRIES.iter().chain(TRANSITIONS.iter().flat_map(|(_, row)| row.iter())).copied().collect();
    let wild = (proptest::sample::select(Event::ALL), proptest::sample::select(Status::ALL));
    let pair = prop_oneof![3 => proptest::sample::select(ENTRIES), 6 => proptest::sample::select(legal), 1 => wild];
    let stage = prop_oneof![4 => Just(Stage::Primary), 1 => proptest::sample::select(Stage::ALL)];
    let until = proptest::option::of(0..150_u8);
    let status = (pair, stage, any::<bool>(), until)
        .prop_map(|((event, status), stage, transfer, until)| What::Status { event, status, stage, transfer, until });
    let transfer: Vec<(Role, Step)> = HALVES
        .iter()
        .take(2)
        .flat_map(|half| half.path.iter().map(|step| (half.role, *step)).chain([(half.role, Step::Rejected)]))
        .collect();
    let step = (proptest::sample::select(transfer), proptest::bool::weighted(0.1), proptest::bool::weighted(0.1))
        .prop_map(|((role, step), waits, astray)| What::Step { role, step, waits, astray });
    use qualification::Step::{Decided, Denied, Issued, Revoked};
    let award = prop_oneof![4 => Just(Issued), 1 => Just(Denied), 1 => Just(Revoked)].prop_map(What::Award);
    let recognition = (
        prop_oneof![4 => Just(Decided), 1 => Just(Revoked)],
        proptest::option::weighted(0.8, any::<bool>()),
        99..102_i64,
    )
        .prop_map(|(step, cites, hundredths)| What::Recognition { step, cites, hundredths });
    prop_oneof![5 => status, 5 => step, 1 => award, 1 => recognition, 1 => Just(What::Withdrawal)]
}

fn made() -> impl Strategy<Value = Made> {
    let rarely = |p| proptest::option::weighted(p, any::<Index>());
    (
        any::<Index>(),
        what(),
        0..120_u8,
        rarely(0.6),
        rarely(0.1),
        proptest::bool::weighted(0.15),
        proptest::bool::weighted(0.3),
        rarely(0.3),
        proptest::bool::weighted(0.05),
    )
        .prop_map(|(city, what, on, follows, corrects, by_other, same_as, relies, by_stranger)| Made {
            city,
            what,
            on,
            follows,
            corrects,
            by_other,
            same_as,
            relies,
            by_stranger,
        })
}

/// A world of what was made, under terms drawn at random.
fn world() -> impl Strategy<Value = World> {
    let days = (0..30_u32, 0..40_u32, 0..6_u32, 0..50_u32, 1..12_u32);
    let terms = (days, any::<bool>(), any::<bool>(), 60..400_i64);
    (proptest::collection::vec(made(), 1..14), terms).prop_map(|(all, (days, freeze, by_case, ends))| {
        let (overlap, s4, c1, g1, limit) = days;
        let mut world = World::new();
        let agreement = &mut world.agreement;
        agreement.valid_to = agreement.valid_from.saturating_add(ends.days());
        let terms = &mut agreement.terms;
        terms.overlap_days = overlap;
        terms.grace_days = [("S4".to_owned(), s4), ("C1".to_owned(), c1), ("G1".to_owned(), g1)].into();
        if by_case {
            terms.population.insert("student-status", Population::Case);
        }
        let notified = deadline((Role::Sending, Step::Notified), (Role::Receiving, Step::Requested), limit);
        let joined = deadline((Role::Receiving, Step::Joined), (Role::Sending, Step::BureauReleased), limit);
        terms.deadlines.extend([notified, joined]);
        terms.credit_table = vec![CreditRow {
            row: "half".to_owned(),
            from: "ects".to_owned(),
            to: "credits".to_owned(),
            factor: Factor { num: 1, den: 2 },
            rounding: Rounding::Down,
            cap_per_year: Some(150),
            valid_years: None,
        }];
        terms.blocked_from = ["suspended".to_owned(), "dropped-out".to_owned()].into();
        if freeze {
            terms.windows = vec![Window { stages: ["primary".to_owned()].into(), from: day(2, 1), to: day(3, 1) }];
            terms.existing_cases = ExistingCases::Freeze;
        }
        all.into_iter().for_each(|made| make(&mut world, made));
        world
    })
}

fn make(world: &mut World, made: Made) {
    let city = *made.city.get(&[KUNMING, CHENGDU, DALI]);
    let on = day(1, 1).saturating_add(i64::from(made.on).days());
    let own: Vec<RecordId> = world.facts.iter().filter(|f| f.origin == origin(city)).map(|f| f.id).collect();
    let pick = |index: Option<Index>| index.filter(|_| !own.is_empty()).map(|index| *index.get(&own));
    let mut entry = match made.what {
        What::Status { event, status: after, stage, transfer, until } => {
            let entry = status(on, event, after).at(stage);
            let entry =
                until.map_or(entry.clone(), |days| entry.until(day(1, 1).saturating_add(i64::from(days).days())));
            if transfer { entry.by_transfer() } else { entry }
        }
        What::Step { role, step: taken, waits, astray } => {
            let entry = step(role, taken, on);
            let entry = if waits { entry.waits() } else { entry };
            if astray { entry.sides(|from, _| from.institution = Some("local:1".to_owned())) } else { entry }
        }
        What::Award(step) => {
            award().step(step).on(on).component("math", "ects", 200, qualification::ComponentResult::Passed)
        }
        What::Recognition { step, cites, hundredths } => {
            let entry = recognition(step, None).on(on).converted(&["math"], "credits", hundredths, "half");
            cites.map_or(entry.clone(), |first| entry.of_award(KUNMING, made_id(usize::from(!first))))
        }
        What::Withdrawal => match own.last() {
            Some(last) => withdraws(*last, on),
            None => enters(on),
        },
    };
    if made.by_other {
        entry = entry.of_person(OTHER);
    }
    if made.same_as {
        entry = entry.same_as(if made.by_other { PUPIL } else { OTHER });
    }
    if let Some(id) = pick(made.follows) {
        entry = entry.follows(id);
    }
    if let Some(id) = pick(made.corrects) {
        entry = entry.corrects(id);
    }
    if let Some(index) = made.relies {
        // Now and then on what is not there.
        let all: Vec<(String, RecordId)> = world.facts.iter().map(|f| (f.origin.to_string(), f.id)).collect();
        let at = index.index(all.len() + 1);
        let (city, id) = all.get(at).cloned().unwrap_or_else(|| (DALI.to_owned(), absent()));
        entry = entry.relies_on(&city, id);
    }
    let id = world.add(city, entry);
    if made.by_stranger {
        world.fact_mut(id).view.stated_by = "530199".to_owned();
    }
}

fn absent() -> RecordId {
    RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-00000000ffff").unwrap()
}

/// The keys of the people, of the matter, and of every record that is cited.
fn keys(world: &World) -> BTreeSet<Key> {
    let cited = world.facts.iter().flat_map(|fact| keys_of(&fact.view)).filter(|key| key.key_type() == KeyType::Record);
    cited.chain([pupil(), Key::new(KeyType::Subject, OTHER), transfer()]).collect()
}

fn shuffled() -> impl Strategy<Value = (World, Vec<Fact>)> {
    world().prop_flat_map(|world| {
        let facts = Just(world.facts.clone()).prop_shuffle();
        (Just(world), facts)
    })
}

fn filed(world: &World, key: &Key, facts: &[Fact]) -> Vec<Fact> {
    let filed = world.under(key);
    facts.iter().filter(|fact| filed.contains(fact)).cloned().collect()
}

fn in_the_year(day: u16) -> Date {
    jiff::civil::date(2026, 1, 1).saturating_add(i64::from(day).days())
}

fn sound(evaluation: &Evaluation) -> bool {
    let ids: Vec<_> = evaluation.findings.iter().map(|finding| finding.id).collect();
    let kept = |finding: &Finding| {
        Finding::from_json(&finding.to_json()).as_ref() == Some(finding)
            && finding.evidence.is_sorted()
            && finding.members.is_sorted()
            && !finding.evidence.is_empty()
            && !names_the_person(finding)
    };
    ids.windows(2).all(|pair| pair[0] < pair[1]) && evaluation.findings.iter().all(kept)
}

/// Texts are built from codes and dates alone; what a finding is about may name a record, never a person.
fn names_the_person(finding: &Finding) -> bool {
    [&finding.text.zh, &finding.text.en].iter().any(|text| text.contains("urn:"))
        || finding.about.contains("urn:hefu:subject")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter((world, facts) in shuffled(), as_of in 0..500_u16) {
        let as_of = in_the_year(as_of);
        for key in keys(&world) {
            let expected = world.reconcile(&key, as_of);
            prop_assert!(sound(&expected));
            let mut again = filed(&world, &key, &facts);
            prop_assert_eq!(&world.reconcile_facts(&key, as_of, &again), &expected);
            again.extend_from_within(..);
            prop_assert_eq!(&world.reconcile_facts(&key, as_of, &again), &expected, "a fact twice is one fact");
        }
    }

    #[test]
    fn until_next_nothing_changes(world in world(), as_of in 0..500_u16) {
        let as_of = in_the_year(as_of);
        for key in keys(&world) {
            let now = world.reconcile(&key, as_of);
            prop_assert!(now.next.is_none_or(|next| next > as_of));
            let until = now.next.unwrap_or(as_of.saturating_add(700.days())).min(as_of.saturating_add(700.days()));
            let mut day = as_of;
            let facts = world.under(&key);
            while day < until {
                let then = world.reconcile_facts(&key, day, &facts);
                prop_assert_eq!((&then.findings, then.matched), (&now.findings, now.matched), "on {}", day);
                prop_assert!(then.next.is_none_or(|next| now.next <= Some(next)), "on {}", day);
                // Every day at first, then one in eleven (no multiple of a week), and the last one.
                let stride = if day < as_of.saturating_add(40.days()) { 1 } else { 11 };
                let last = until.yesterday().unwrap();
                day = if day == last { until } else { day.saturating_add(i64::from(stride).days()).min(last) };
            }
        }
    }
}

#[test]
fn what_is_drawn_fires_every_rule() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        let world = world().new_tree(&mut runner).unwrap().current();
        for key in keys(&world) {
            seen.extend(world.reconcile(&key, in_the_year(200)).findings.iter().map(|finding| finding.rule));
        }
    }
    // Those are not asked of held records, or not of their members.
    let elsewhere = [Rule::A2, Rule::G2, Rule::G3, Rule::G5];
    let expected: Vec<Rule> = Rule::ALL.iter().copied().filter(|rule| !elsewhere.contains(rule)).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}
