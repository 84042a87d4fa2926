//! The facts of one key, prepared for the rules: sorted, corrected records dropped, what follows what.
//!
//! - An *amendment* replaces the record that it corrects: that one never held, and whoever followed it now follows the
//!   amendment.
//! - A *withdrawal* ends the chain of the record that it names; nothing revives.
//! - A *chain* runs from a record that follows nothing held to one that nothing follows, its head. The schema lets no
//!   entry event follow anything, so a chain of student status is one spell.
use super::Fact;
use super::key::{Key, speaks_of};
use super::view::Body;
use hefu_schemas::id::{Origin, RecordId};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Most facts of one origin that are evaluated under one key, the latest ones. A person's whole school career has some
/// tens of events and a connection some tens of steps: what goes beyond is one city flooding its own half, and only
/// that city's older records are left out.
pub const MAX_FACTS_PER_ORIGIN: usize = 1024;

/// One record that stands: nothing corrects it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Its fact.
    pub(super) fact: &'a Fact,
    /// Position in the case of the record that it follows, when that is held.
    before: Option<usize>,
    /// Whether a record that stands follows it.
    followed: bool,
    /// From when it is withdrawn.
    pub(super) withdrawn_from: Option<Date>,
    /// Whether it was made after what it follows had been withdrawn.
    pub(super) follows_withdrawn: bool,
    /// Whether what it follows is not in sight at all.
    pub(super) follows_missing: bool,
}

/// The record that a `record` key names, held, and what became of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cited<'a> {
    /// Its fact.
    pub(super) fact: &'a Fact,
    /// Its last correction.
    pub(super) corrected_by: Option<&'a Fact>,
    /// The withdrawal that ends its chain.
    pub(super) withdrawn_by: Option<&'a Fact>,
}

/// The prepared facts of one key.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// The key.
    pub(super) key: &'a Key,
    records: Vec<Record<'a>>,
    facts: Vec<&'a Fact>,
    /// Under a `record` key: the record that it names.
    pub(super) cited: Option<Cited<'a>>,
}

impl<'a> Case<'a> {
    /// Prepares facts that came in any order.
    pub(super) fn prepare(key: &'a Key, facts: &'a [Fact]) -> Self {
        let facts = sorted(key, facts);
        let corrections = Corrections::of(&facts);
        let standing: Vec<usize> = (0..facts.len())
            .filter(|at| corrections.stands(*at))
            .filter(|at| facts.get(*at).is_some_and(|fact| speaks_of(&fact.view, key)))
            .collect();
        let place: BTreeMap<usize, usize> = standing.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        let cited = corrections.cited(&facts, key);
        let mut case = Self { key, records: Vec::with_capacity(standing.len()), facts: Vec::new(), cited };
        for at in &standing {
            if let Some(fact) = facts.get(*at) {
                let withdrawn_from = corrections.withdrawn.get(at).map(|(_, from)| *from);
                let follows_missing =
                    fact.view.follows.is_some_and(|id| !corrections.by_id.contains_key(&(&fact.origin, id)));
                case.records.push(Record {
                    fact,
                    before: None,
                    followed: false,
                    withdrawn_from,
                    follows_withdrawn: false,
                    follows_missing,
                });
            }
        }
        // Links to what stands earlier in the log cannot close a circle. Links to a later correction might, by a log
        // that contradicts itself: they come second and are checked.
        let links: Vec<(usize, usize, usize)> = standing
            .iter()
            .enumerate()
            .filter_map(|(place_of, at)| {
                let target = corrections.followed(&facts, *at)?;
                Some((place_of, *place.get(&target)?, target))
            })
            .collect();
        for (from, to, target) in
            links.iter().filter(|(from, to, _)| to < from).chain(links.iter().filter(|(from, to, _)| to > from))
        {
            case.link(*from, *to, corrections.withdrawn.get(target).map(|(by, _)| *by));
        }
        case.facts = facts;
        case
    }

    fn link(&mut self, from: usize, to: usize, withdrawn_by: Option<u64>) {
        if to > from && self.walk(to).any(|place| place == from) {
            return;
        }
        let mut same_kind = false;
        if let (Some(own), Some(target)) = (self.records.get(from), self.records.get(to)) {
            same_kind = std::mem::discriminant(&own.fact.view.body) == std::mem::discriminant(&target.fact.view.body);
        }
        if !same_kind {
            return;
        }
        if let Some(record) = self.records.get_mut(from) {
            record.before = Some(to);
            record.follows_withdrawn = withdrawn_by.is_some_and(|by| by < record.fact.index);
        }
        if let Some(record) = self.records.get_mut(to) {
            record.followed = true;
        }
    }

    /// Places from one record back to the first of its chain.
    fn walk(&self, from: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(from), |place| self.records.get(*place)?.before)
    }

    /// All facts, corrected ones and withdrawals too, sorted by origin and index.
    pub(super) fn facts(&self) -> impl Iterator<Item = &'a Fact> + '_ {
        self.facts.iter().copied()
    }

    /// The records that stand, withdrawn ones too, sorted by origin and index.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record<'a>> {
        self.records.iter()
    }

    /// The record that another one follows, when it is held.
    pub(super) fn before(&self, record: &Record<'a>) -> Option<&Record<'a>> {
        self.records.get(record.before?)
    }

    /// The chains, each from its first record to its head, sorted by head. Chains that part share their beginning.
    pub(super) fn chains(&self) -> impl Iterator<Item = Vec<&Record<'a>>> {
        self.records.iter().enumerate().filter(|(_, record)| !record.followed).map(|(place, _)| {
            let mut chain: Vec<&Record<'a>> = self.walk(place).filter_map(|place| self.records.get(place)).collect();
            chain.reverse();
            chain
        })
    }
}

/// Sorted by (origin, index), one fact for each entry, at most [`MAX_FACTS_PER_ORIGIN`] of each origin. Of those under a `record`
/// key only they who cite are counted: what they cite may be older than all of them.
fn sorted<'a>(key: &Key, facts: &'a [Fact]) -> Vec<&'a Fact> {
    let cited = key.cited();
    let counts =
        |fact: &Fact| cited.is_none_or(|cited| fact.view.citations().any(|other| (other.issuer, other.id) == cited));
    let mut all: Vec<&Fact> = facts.iter().collect();
    // An entry has one fact. The rest of the order only keeps a caller's mistake from depending on the order of arrival.
    all.sort_by(|a, b| (&a.origin, a.index, a.id, a.t, a.of).cmp(&(&b.origin, b.index, b.id, b.t, b.of)));
    all.dedup_by(|later, earlier| later.origin == earlier.origin && later.index == earlier.index);
    let latest = |own: &[&'a Fact]| {
        let mut beyond = own.len().saturating_sub(MAX_FACTS_PER_ORIGIN);
        let mut kept = own.to_vec();
        kept.retain(|fact| {
            let dropped = beyond > 0 && counts(fact);
            beyond -= usize::from(dropped);
            !dropped
        });
        kept
    };
    all.chunk_by(|a, b| a.origin == b.origin).flat_map(latest).collect()
}

/// What corrects what, by position in the sorted facts.
struct Corrections<'a> {
    by_id: BTreeMap<(&'a Origin, RecordId), usize>,
    /// Corrected → by which amendment. Always later in the same log, so following it ends.
    replaced: BTreeMap<usize, usize>,
    /// Withdrawn → index of the withdrawal, and from when.
    withdrawn: BTreeMap<usize, (u64, Date)>,
    withdrawals: Vec<bool>,
}

impl<'a> Corrections<'a> {
    fn of(facts: &[&'a Fact]) -> Self {
        let by_index: BTreeMap<(&Origin, u64), usize> =
            facts.iter().enumerate().map(|(at, fact)| ((&fact.origin, fact.index), at)).collect();
        // Ids are new in their log (protocol §4.4); were one not, the first counts.
        let by_id = facts.iter().enumerate().rev().map(|(at, fact)| ((&fact.origin, fact.id), at)).collect();
        let mut own = Self {
            by_id,
            replaced: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            withdrawals: facts.iter().map(|fact| matches!(fact.view.body, Body::Withdrawal { .. })).collect(),
        };
        for (at, fact) in facts.iter().enumerate() {
            let by_of = fact.of.and_then(|of| by_index.get(&(&fact.origin, of)));
            let target = |id: Option<RecordId>| {
                let by_id = id.and_then(|id| own.by_id.get(&(&fact.origin, id)));
                by_of.or(by_id).copied().filter(|target| *target < at)
            };
            match fact.view.body {
                Body::Withdrawal { record, from } => {
                    if let Some(target) = target(Some(record)) {
                        own.withdrawn.entry(target).or_insert((fact.index, from));
                    }
                }
                Body::StudentStatus { .. } | Body::EnrollmentConnection { .. } | Body::QualificationRecognition(_) => {
                    if let Some(target) = target(fact.view.supersedes) {
                        own.replaced.insert(target, at);
                        // Nothing revives: a correction of what is already withdrawn is as withdrawn as that.
                        if let Some(withdrawn) = own.withdrawn.get(&target).copied() {
                            own.withdrawn.insert(at, withdrawn);
                        }
                    }
                }
            }
        }
        own
    }

    /// The record that a `record` key names.
    fn cited(&self, facts: &[&'a Fact], key: &Key) -> Option<Cited<'a>> {
        let (issuer, id) = key.cited()?;
        let at = facts.iter().position(|fact| fact.id == id && fact.view.issuer == issuer)?;
        let chain = || std::iter::successors(Some(at), |at| self.replaced.get(at).copied());
        let last = chain().last()?;
        let withdrawn = chain().find_map(|at| self.withdrawn.get(&at));
        let fact = *facts.get(at)?;
        let of = |index: u64| facts.iter().find(|other| other.origin == fact.origin && other.index == index).copied();
        Some(Cited {
            fact,
            corrected_by: facts.get(last).copied().filter(|_| last != at),
            withdrawn_by: withdrawn.and_then(|(index, _)| of(*index)),
        })
    }

    fn stands(&self, at: usize) -> bool {
        !self.replaced.contains_key(&at) && self.withdrawals.get(at) == Some(&false)
    }

    /// The position of what a record follows, corrections of it applied; `None` when it is not held.
    fn followed(&self, facts: &[&'a Fact], at: usize) -> Option<usize> {
        let fact = facts.get(at)?;
        let first = *self.by_id.get(&(&fact.origin, fact.view.follows?))?;
        (first < at).then_some(())?;
        std::iter::successors(Some(first), |at| self.replaced.get(at).copied()).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use hefu_schemas::student_status::{Event, Status};

    /// Chains as positions of their records in the order of entry, withdrawn heads marked.
    fn chains(world: &World) -> Vec<String> {
        let key = pupil();
        let facts = world.under(&key);
        let number =
            |record: &&Record<'_>| world.facts.iter().position(|fact| fact == record.fact).unwrap().to_string();
        let case = Case::prepare(&key, &facts);
        case.chains()
            .map(|chain| {
                let mark = if chain.last().unwrap().withdrawn_from.is_some() { " withdrawn" } else { "" };
                chain.iter().map(number).collect::<Vec<_>>().join("-") + mark
            })
            .collect()
    }

    fn suspends(on: i8) -> Entry {
        status(day(2, on), Event::Suspend, Status::Suspended)
    }

    fn resumes(on: i8) -> Entry {
        status(day(2, on), Event::Resume, Status::Enrolled)
    }

    #[test]
    fn chains_follow_corrections_and_end_with_withdrawals() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let two = world.add(KUNMING, suspends(1).follows(one));
        assert_eq!(chains(&world), ["0-1"]);
        let corrected = world.add(KUNMING, suspends(2).follows(one).corrects(two));
        assert_eq!(chains(&world), ["0-2"], "the corrected one never held");
        let three = world.add(KUNMING, resumes(20).follows(two));
        assert_eq!(chains(&world), ["0-2-3"], "who followed it follows its correction");
        world.add(KUNMING, enters(day(1, 11)).corrects(one));
        assert_eq!(chains(&world), ["4-2-3"], "also when the correction comes later");
        let again = world.add(KUNMING, suspends(3).follows(one).corrects(corrected));
        assert_eq!(chains(&world), ["4-5-3"], "a correction of a correction");
        world.add(KUNMING, withdraws(three, day(3, 1)));
        assert_eq!(chains(&world), ["4-5-3 withdrawn"]);
        world.add(KUNMING, resumes(21).follows(again).corrects(three));
        assert_eq!(chains(&world), ["4-5-7 withdrawn"], "nothing revives");
    }

    #[test]
    fn cities_do_not_follow_each_other() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        world.add(CHENGDU, suspends(1).follows(one));
        let other = world.add(CHENGDU, enters(day(1, 10)).corrects(one));
        world.fact_mut(other).of = None;
        assert_eq!(chains(&world), ["1", "2", "0"], "Chengdu sorts first");
    }

    #[test]
    fn records_of_another_kind_do_not_follow() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let role = hefu_schemas::enrollment_connection::Role::Sending;
        world.add(KUNMING, step(role, hefu_schemas::enrollment_connection::Step::Notified, day(3, 1)).follows(one));
        assert_eq!(chains(&world), ["0", "1"]);
    }

    #[test]
    fn a_correction_away_from_the_key_leaves_it() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        world.add(KUNMING, enters(day(1, 10)).of_person("urn:hefu:subject:1:other").corrects(one));
        assert_eq!(world.under(&pupil()).len(), 2);
        assert_eq!(chains(&world), [""; 0]);
    }

    #[test]
    fn chains_that_part_share_their_beginning() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        world.add(KUNMING, suspends(1).follows(one));
        world.add(KUNMING, suspends(2).follows(one));
        assert_eq!(chains(&world), ["0-1", "0-2"]);
    }

    #[test]
    fn a_log_that_follows_itself_in_a_circle_ends() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let two = world.add(KUNMING, suspends(1).follows(one));
        world.add(KUNMING, resumes(2).follows(two).corrects(one));
        assert_eq!(chains(&world), ["1-2"]);
        let own = world.facts.last().unwrap().id;
        world.fact_mut(own).view.follows = Some(own);
        assert_eq!(chains(&world), ["2-1"]);
    }

    #[test]
    fn what_became_of_a_cited_record_is_known() {
        let mut world = World::new();
        let one = world.add(CHENGDU, enters(day(1, 10)));
        let key = Key::record(&did(CHENGDU), one);
        assert!(Case::prepare(&key, &world.facts).cited.unwrap().corrected_by.is_none());
        let relying = world.add(KUNMING, enters(day(1, 11)).relies_on(CHENGDU, one));
        let two = world.add(CHENGDU, enters(day(1, 12)).corrects(one));
        let three = world.add(CHENGDU, enters(day(1, 13)).corrects(two));
        let facts = world.facts.clone();
        let case = Case::prepare(&key, &facts);
        let cited = case.cited.unwrap();
        assert_eq!((cited.fact.id, cited.corrected_by.map(|fact| fact.id)), (one, Some(three)));
        assert!(cited.withdrawn_by.is_none());
        let gone = world.add(CHENGDU, withdraws(three, day(1, 14)));
        assert_eq!(Case::prepare(&key, &world.facts).cited.unwrap().withdrawn_by.map(|fact| fact.id), Some(gone));
        let elsewhere = Key::record(&did(KUNMING), one);
        assert!(Case::prepare(&elsewhere, &world.facts).cited.is_none(), "an id of another city's log");
        assert!(Case::prepare(&Key::record(&did(KUNMING), relying), &world.facts).cited.is_some());
    }

    #[test]
    fn a_flood_of_those_who_cite_leaves_the_cited_record_in_sight() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        for _ in 0..MAX_FACTS_PER_ORIGIN + 1 {
            world.add(KUNMING, enters(day(1, 10)).relies_on(KUNMING, one));
        }
        let key = Key::record(&did(KUNMING), one);
        let case = Case::prepare(&key, &world.facts);
        assert_eq!((case.cited.unwrap().fact.id, case.records().count()), (one, MAX_FACTS_PER_ORIGIN));
    }

    #[test]
    fn of_a_flood_the_latest_facts_count() {
        let mut world = World::new();
        world.add(CHENGDU, enters(day(1, 10)));
        let flooded = u64::try_from(MAX_FACTS_PER_ORIGIN).unwrap() + 2;
        for number in 0..flooded {
            let id = world.add(KUNMING, enters(day(1, 10)));
            world.fact_mut(id).index = 100 + number;
        }
        let key = pupil();
        let facts: Vec<Fact> = world.facts.iter().rev().cloned().collect();
        let case = Case::prepare(&key, &facts);
        let indexes: Vec<u64> = case.records().map(|record| record.fact.index).collect();
        assert_eq!(indexes.len(), MAX_FACTS_PER_ORIGIN + 1, "the other city's stays");
        assert_eq!(indexes.last(), Some(&(100 + flooded - 1)));
        assert_eq!(indexes.get(1), Some(&102));
    }
}
