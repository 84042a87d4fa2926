//! The state of an agreement: who has signed, who has opened, from which index of whose log its records are good.
//!
//! Everything is derived from the acts in the parties' verified logs and from their verified proofs; nothing is stored.
use crate::entry::Act;
use hefu_schemas::agreement::{Agreement, Party};
use hefu_schemas::id::Origin;
use jiff::civil::Date;
use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, ToSpan as _};
use std::collections::BTreeMap;

/// Days of notice: a dated `suspend` or `end` binds the other parties no earlier than this after its entry (protocol §7).
pub const NOTICE_DAYS: i64 = 3;
/// Most acts of one party on one document that count. The next one ends it for that party, whatever it says.
pub const MAX_ACTS: usize = 1024;
/// Fewer parties than this have nobody to exchange records with.
const LEAST_PARTIES: usize = 2;

/// One act seen in a verified log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAct {
    /// What.
    pub act: Act,
    /// Where in its log.
    pub index: u64,
    /// Date of the act, for acts with one.
    pub on: Option<Date>,
    /// `t` of the entry.
    pub t: i64,
}

/// Of the first acts of a party on a document, in index order, those that count: of one more than [`MAX_ACTS`] the last one is an end.
pub fn counted(acts: impl Iterator<Item = SeenAct>) -> Vec<SeenAct> {
    let mut counted: Vec<SeenAct> = acts.take(MAX_ACTS + 1).collect();
    if let Some(last) = counted.get_mut(MAX_ACTS) {
        (last.act, last.on) = (Act::End, None);
    }
    counted
}

/// State of one version of an agreement, as derived from logs and proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has signed.
    Proposed,
    /// Some have signed: entry and detached proof.
    PartiallySigned,
    /// All have signed; not all have opened, or its first day has not come.
    Signed,
    /// Every party has opened, none (of three or more: all but one) has suspended or ended, and today lies within validity.
    InForce,
    /// A party has suspended it, and fewer than two are left.
    Suspended,
    /// A party has ended it, and fewer than two are left.
    Ended,
    /// Past its last day.
    Expired,
}
impl State {
    /// The word on the wire and in the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::PartiallySigned => "partially-signed",
            Self::Signed => "signed",
            Self::InForce => "in-force",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
            Self::Expired => "expired",
        }
    }
}

/// Where one party stands, after some of its acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    NotOpened,
    Open,
    Suspended,
    Ended,
}

/// What a node knows of one agreement.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The document.
    pub agreement: &'a Agreement,
    /// Origins whose detached proof was verified.
    pub proofs: Vec<Origin>,
    /// Acts on this document's digest by origin, in index order.
    pub acts: BTreeMap<Origin, Vec<SeenAct>>,
}
impl Standing<'_> {
    /// The derived state on a day.
    pub fn state(&self, today: Date) -> State {
        let left_after = |stances: &[Stance]| {
            let leaves = |party: &&Party| !stances.contains(&self.stance_on(&party.origin, today));
            self.agreement.parties.iter().filter(leaves).count()
        };
        if left_after(&[Stance::Ended]) < LEAST_PARTIES {
            return State::Ended;
        }
        if today > self.agreement.valid_to {
            return State::Expired;
        }
        match self.agreement.parties.iter().filter(|party| self.has_signed(&party.origin)).count() {
            0 => return State::Proposed,
            signed if signed < self.agreement.parties.len() => return State::PartiallySigned,
            _ => {}
        }
        if left_after(&[Stance::Ended, Stance::Suspended]) < LEAST_PARTIES {
            return State::Suspended;
        }
        let all_opened = self.agreement.parties.iter().all(|party| self.opened_at(&party.origin).is_some());
        if all_opened && today >= self.agreement.valid_from { State::InForce } else { State::Signed }
    }
    /// Whether the given party has a `sign` entry and a verified proof.
    pub fn has_signed(&self, origin: &Origin) -> bool {
        self.agreement.party(origin).is_some()
            && self.proofs.contains(origin)
            && self.acts(origin).iter().any(|seen| seen.act == Act::Sign)
    }
    /// Whether every party has signed: entry and verified proof.
    pub fn all_signed(&self) -> bool {
        self.agreement.parties.iter().all(|party| self.has_signed(&party.origin))
    }
    /// Whether it is this party's turn to append `open`: all have signed, it has not opened.
    pub fn may_open(&self, own: &Origin) -> bool {
        self.agreement.party(own).is_some()
            && self.all_signed()
            && self.opened_at(own).is_none()
            && self.stance_before(own, u64::MAX) != Stance::Ended
    }
    /// The index of the party's first `open` entry: its records are good behind it.
    pub fn opened_at(&self, origin: &Origin) -> Option<u64> {
        self.acts(origin).iter().find(|seen| seen.act == Act::Open).map(|seen| seen.index)
    }
    /// Whether a record of `origin` at `index` came while the agreement was open for it (after open, not between its own suspend and resume, not after its end).
    pub fn is_open_at(&self, origin: &Origin, index: u64) -> bool {
        self.stance_before(origin, index) == Stance::Open
    }
    /// Whether, at a time (UTC seconds), the dates in the others' `suspend` and `end` acts leave `origin` nobody to
    /// publish for (protocol §7: at least [`NOTICE_DAYS`] after the entry).
    pub fn is_closed_by_others(&self, origin: &Origin, t: i64) -> bool {
        let others = || self.agreement.parties.iter().filter(|party| party.origin != *origin);
        // Dates are looked at only when there is one: this runs once for every record.
        if !others().any(|party| self.acts(&party.origin).iter().any(|seen| closes(seen.act))) {
            return false;
        }
        let Some(day) = self.day(t) else { return true };
        let left = |party: &&Party| {
            let binds = |seen: &SeenAct| self.notice_ends(seen).is_none_or(|bound| bound <= day);
            !matches!(
                stance(self.acts(&party.origin).iter().filter(|seen| binds(seen))),
                Stance::Suspended | Stance::Ended
            )
        };
        others().filter(left).count() + 1 < LEAST_PARTIES
    }

    fn acts(&self, origin: &Origin) -> &[SeenAct] {
        self.acts.get(origin).map_or(&[], Vec::as_slice)
    }
    /// Where a party stands for its own entries: by index, since the log orders its acts and its records.
    fn stance_before(&self, origin: &Origin, index: u64) -> Stance {
        stance(self.acts(origin).iter().filter(|seen| seen.index < index))
    }
    /// Where a party stands on a day, by the dates of its acts.
    fn stance_on(&self, origin: &Origin, today: Date) -> Stance {
        let holds = |seen: &&SeenAct| seen.on.or_else(|| self.day(seen.t)).is_none_or(|on| on <= today);
        stance(self.acts(origin).iter().filter(holds))
    }
    /// The day from which an act binds the other parties; `None` binds always.
    fn notice_ends(&self, seen: &SeenAct) -> Option<Date> {
        let entered = self.day(seen.t)?;
        if !closes(seen.act) {
            return Some(seen.on.unwrap_or(entered));
        }
        let least = entered.checked_add(NOTICE_DAYS.days()).ok()?;
        Some(seen.on.map_or(least, |on| on.max(least)))
    }
    /// The day of a time in the agreement's time zone, which is one of the database; `None` out of the calendar's range.
    pub fn day(&self, t: i64) -> Option<Date> {
        let zone = TimeZoneDatabase::bundled().get(&self.agreement.terms.time_zone).ok()?;
        Some(Timestamp::from_second(t).ok()?.to_zoned(zone).date())
    }
}
/// Acts that may carry a date and stop the flow.
fn closes(act: Act) -> bool {
    matches!(act, Act::Suspend | Act::End)
}
/// Where acts in index order lead. An end is final; an act out of place changes nothing.
fn stance<'a>(acts: impl Iterator<Item = &'a SeenAct>) -> Stance {
    acts.fold(Stance::NotOpened, |stance, seen| match (stance, seen.act) {
        (_, Act::End) | (Stance::Ended, _) => Stance::Ended,
        (Stance::NotOpened, Act::Open) | (Stance::Suspended, Act::Resume) => Stance::Open,
        (Stance::Open, Act::Suspend) => Stance::Suspended,
        (stance, Act::Sign | Act::Open | Act::Suspend | Act::Resume | Act::Linkage) => stance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::world::{World, origin, party, seen};
    use jiff::civil::date;
    use serde_json::json;

    /// 2026-05-29 04:26:40 in Shanghai.
    const T: i64 = 1_780_000_000;
    const DAY_S: i64 = 24 * 60 * 60;
    const TODAY: Date = date(2026, 9, 1);

    fn on(act: Act, index: u64, on: Date) -> SeenAct {
        SeenAct { on: Some(on), ..seen(act, index) }
    }
    fn three_cities() -> World {
        let mut world = World::with_terms(|agreement| {
            agreement["type"] = json!("multilateral");
            agreement["parties"].as_array_mut().unwrap().push(party("cq", "500100"));
            let calendars = &mut agreement["terms"]["calendars"];
            calendars["did:web:cq.example"] = calendars["did:web:km.example"].clone();
        });
        assert_eq!(world.standing().state(TODAY), State::InForce);
        world.act("cq", seen(Act::Linkage, 3));
        world
    }

    #[test]
    fn behind_so_many_acts_a_party_has_ended_it() {
        let act = |index: u64| seen(if index.is_multiple_of(2) { Act::Suspend } else { Act::Resume }, index);
        let acts = |count: usize| (2..).take(count).map(act);
        let mut world = World::new();
        for count in [MAX_ACTS - 2, MAX_ACTS, MAX_ACTS + 7] {
            let mut all: Vec<SeenAct> = vec![seen(Act::Sign, 0), seen(Act::Open, 1)];
            all.extend(acts(count - 2));
            let counted = counted(all.into_iter());
            assert_eq!(counted.len(), count.min(MAX_ACTS + 1));
            let ended = counted.last().is_some_and(|last| last.act == Act::End);
            assert_eq!(ended, count > MAX_ACTS, "{count}");
            world.acts.insert(origin("km"), counted);
            let open = world.standing().is_open_at(&origin("km"), u64::MAX);
            assert_eq!(open, count <= MAX_ACTS, "{count}");
        }
    }

    #[test]
    fn states_up_to_in_force() {
        let mut world = World::new();
        let (acts, proofs) = (std::mem::take(&mut world.acts), std::mem::take(&mut world.proofs));
        assert_eq!(world.standing().state(TODAY), State::Proposed);
        world.proofs.clone_from(&proofs);
        assert_eq!(world.standing().state(TODAY), State::Proposed, "a proof without an entry");
        world.acts.insert(origin("km"), vec![seen(Act::Sign, 1)]);
        assert_eq!(world.standing().state(TODAY), State::PartiallySigned);
        world.acts.insert(origin("cd"), vec![seen(Act::Sign, 1)]);
        assert_eq!(world.standing().state(TODAY), State::Signed);
        world.proofs.retain(|proof| *proof == origin("km"));
        assert_eq!(world.standing().state(TODAY), State::PartiallySigned, "an entry without a proof");
        world.proofs = proofs;
        world.acts.insert(origin("km"), acts[&origin("km")].clone());
        assert_eq!(world.standing().state(TODAY), State::Signed, "one has opened");
        world.acts = acts;
        assert_eq!(world.standing().state(TODAY), State::InForce);
    }

    #[test]
    fn validity_bounds_the_state() {
        let world = World::new();
        for (day, state) in [
            (date(2025, 12, 31), State::Signed),
            (date(2026, 1, 1), State::InForce),
            (date(2028, 12, 31), State::InForce),
            (date(2029, 1, 1), State::Expired),
        ] {
            assert_eq!(world.standing().state(day), state, "{day}");
        }
    }

    #[test]
    fn acts_of_somebody_who_is_no_party_count_for_nothing() {
        let mut world = World::new();
        world.act("cq", seen(Act::Sign, 1));
        world.proofs.push(origin("cq"));
        assert!(!world.standing().has_signed(&origin("cq")));
        assert!(!world.standing().may_open(&origin("cq")));
    }

    #[test]
    fn opening_waits_for_all_signatures_and_happens_once() {
        let mut world = World::new();
        assert!(!world.standing().may_open(&origin("km")), "has opened");
        world.acts.insert(origin("km"), vec![seen(Act::Sign, 1)]);
        assert!(world.standing().may_open(&origin("km")));
        world.act("km", seen(Act::End, 2));
        assert!(!world.standing().may_open(&origin("km")), "has ended");
        world.acts.insert(origin("km"), vec![seen(Act::Sign, 1)]);
        world.proofs.retain(|proof| *proof != origin("cd"));
        assert!(!world.standing().may_open(&origin("km")), "the other has not signed");
    }

    #[test]
    fn records_are_good_behind_the_open_entry() {
        let mut world = World::new();
        world.act("km", seen(Act::Open, 4));
        assert_eq!(world.standing().opened_at(&origin("km")), Some(2), "the first counts");
        assert_eq!(world.standing().opened_at(&origin("cq")), None);
        for (index, open) in [(0, false), (1, false), (2, false), (3, true), (4, true), (u64::MAX, true)] {
            assert_eq!(world.standing().is_open_at(&origin("km"), index), open, "{index}");
        }
        assert!(!world.standing().is_open_at(&origin("cq"), 3));
    }

    #[test]
    fn own_suspend_resume_and_end_bind_by_index() {
        let mut world = World::new();
        for (act, index) in [(Act::Suspend, 10), (Act::Resume, 20), (Act::End, 30), (Act::Resume, 40), (Act::Open, 50)]
        {
            // The dates are for the others.
            world.act("km", on(act, index, date(2028, 1, 1)));
        }
        for (index, open) in [(10, true), (11, false), (20, false), (21, true), (30, true), (31, false), (60, false)] {
            assert_eq!(world.standing().is_open_at(&origin("km"), index), open, "{index}");
            assert!(world.standing().is_open_at(&origin("cd"), index));
        }
    }

    #[test]
    fn suspended_and_ended_from_the_stated_day() {
        let mut world = World::new();
        world.act("cd", on(Act::Suspend, 10, TODAY));
        assert_eq!(world.standing().state(date(2026, 8, 31)), State::InForce);
        assert_eq!(world.standing().state(TODAY), State::Suspended);
        world.act("cd", on(Act::Resume, 11, date(2026, 9, 3)));
        assert_eq!(world.standing().state(date(2026, 9, 2)), State::Suspended);
        assert_eq!(world.standing().state(date(2026, 9, 3)), State::InForce);
        world.act("km", on(Act::End, 12, date(2026, 10, 1)));
        assert_eq!(world.standing().state(date(2026, 9, 30)), State::InForce);
        assert_eq!(world.standing().state(date(2026, 10, 1)), State::Ended);
        assert_eq!(world.standing().state(date(2030, 1, 1)), State::Ended);
    }

    #[test]
    fn an_act_without_a_date_holds_from_the_day_of_its_entry() {
        let mut world = World::new();
        world.act("cd", seen(Act::Suspend, 10));
        assert_eq!(world.standing().state(date(2026, 5, 28)), State::InForce);
        assert_eq!(world.standing().state(date(2026, 5, 29)), State::Suspended);
    }

    #[test]
    fn others_are_bound_by_the_date_and_at_least_three_days_of_notice() {
        let km = origin("km");
        assert!(!World::new().standing().is_closed_by_others(&km, T));
        for (stated, closes_after) in [(None, 3), (Some(date(2026, 5, 1)), 3), (Some(date(2026, 6, 8)), 10)] {
            for act in [Act::End, Act::Suspend] {
                let mut world = World::new();
                world.act("cd", SeenAct { on: stated, ..seen(act, 10) });
                assert!(!world.standing().is_closed_by_others(&km, T + (closes_after - 1) * DAY_S), "{stated:?}");
                assert!(world.standing().is_closed_by_others(&km, T + closes_after * DAY_S), "{stated:?}");
                assert!(!world.standing().is_closed_by_others(&origin("cd"), T + 99 * DAY_S), "its own binds by index");
            }
        }
    }

    #[test]
    fn a_resume_of_the_other_lifts_its_suspension() {
        let mut world = World::new();
        world.act("cd", seen(Act::Suspend, 10));
        world.act("cd", SeenAct { t: T + 5 * DAY_S, ..seen(Act::Resume, 11) });
        assert!(world.standing().is_closed_by_others(&origin("km"), T + 4 * DAY_S));
        assert!(!world.standing().is_closed_by_others(&origin("km"), T + 5 * DAY_S));
    }

    #[test]
    fn among_three_a_departure_concerns_the_declarer() {
        let mut world = three_cities();
        world.act("cq", seen(Act::End, 10));
        assert_eq!(world.standing().state(TODAY), State::InForce);
        assert!(!world.standing().is_open_at(&origin("cq"), 11));
        assert!(!world.standing().is_closed_by_others(&origin("km"), T + 9 * DAY_S));
        world.act("cd", seen(Act::Suspend, 10));
        assert_eq!(world.standing().state(TODAY), State::Suspended, "nobody is left to exchange with");
        assert!(world.standing().is_closed_by_others(&origin("km"), T + 9 * DAY_S));
        world.act("cd", seen(Act::End, 11));
        assert_eq!(world.standing().state(TODAY), State::Ended);
    }

    #[test]
    fn words_of_the_states_differ() {
        let states = [
            State::Proposed,
            State::PartiallySigned,
            State::Signed,
            State::InForce,
            State::Suspended,
            State::Ended,
            State::Expired,
        ];
        let words: std::collections::BTreeSet<_> = states.iter().map(|state| state.code()).collect();
        assert_eq!(words.len(), states.len());
    }
}
