//! Rules over student status: S1, S3, S4.
use super::{Draft, Report};
use crate::reconcile::case::{Case, Record};
use crate::reconcile::days::{Days, common, later, nth, uncovered};
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::Connection;
use crate::reconcile::view::Body;
use crate::reconcile::{Context, Fact, say};
use hefu_schemas::enrollment_connection::Role;
use hefu_schemas::student_status::{Event, Stage, Status, holds_registration, next};
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// The members of a student status that rules read.
#[derive(Debug, Clone, Copy)]
struct Stated<'a> {
    fact: &'a Fact,
    subject: &'a str,
    stage: Stage,
    status: Status,
    event: Event,
    effective_on: Date,
    connection: Option<&'a str>,
    leaves_federation: bool,
    full_time: bool,
}

impl<'a> Stated<'a> {
    /// `None` for a record of another kind.
    fn of(record: &Record<'a>) -> Option<Self> {
        let fact = record.fact;
        let Body::StudentStatus {
            subject,
            stage,
            status,
            event,
            effective_on,
            connection,
            leaves_federation,
            full_time,
            ..
        } = &fact.view.body
        else {
            return None;
        };
        Some(Self {
            fact,
            subject,
            stage: *stage,
            status: *status,
            event: *event,
            effective_on: *effective_on,
            connection: connection.as_deref(),
            leaves_federation: *leaves_federation,
            full_time: full_time.unwrap_or(true),
        })
    }
    fn owner(&self) -> Owner {
        Owner { party: self.fact.origin.clone(), office: Some(self.fact.view.stated_by.clone()) }
    }
}

/// One stay at the schools of one city: from its entry event to the event that ends it, or open.
#[derive(Debug)]
pub(super) struct Spell<'a> {
    /// The first record that holds a registration.
    opened: Stated<'a>,
    /// Days with a registration.
    held: Vec<Days>,
    /// Those of them in an exclusive stage, full time.
    exclusive: Vec<Days>,
    /// The last record.
    head: Stated<'a>,
    withdrawn: bool,
}

/// The spells of a subject, one for each chain.
pub(super) fn spells<'a>(context: &Context<'_>, case: &Case<'a>) -> Vec<Spell<'a>> {
    let exclusive = &context.standing.agreement.terms.exclusive_stages;
    let spell = |chain: Vec<&Record<'a>>| {
        let withdrawn_from = chain.last()?.withdrawn_from;
        let stated: Vec<Stated<'a>> = chain.into_iter().filter_map(Stated::of).collect();
        let ends = stated.iter().skip(1).map(|next| next.effective_on).chain([Date::MAX]);
        let days: Vec<(Stated<'a>, Days)> = stated
            .iter()
            .zip(ends)
            .map(|(stated, to)| {
                let to = withdrawn_from.map_or(to, |withdrawn| withdrawn.min(to));
                (*stated, Days { from: stated.effective_on, to })
            })
            .filter(|(stated, days)| holds_registration(stated.status) && days.from < days.to)
            .collect();
        let is_exclusive = |stated: &Stated<'_>| stated.full_time && exclusive.contains(stated.stage.code());
        Some(Spell {
            opened: stated
                .iter()
                .copied()
                .find(|stated| holds_registration(stated.status))
                .or(stated.first().copied())?,
            held: days.iter().map(|(_, days)| *days).collect(),
            exclusive: days.iter().filter(|(stated, _)| is_exclusive(stated)).map(|(_, days)| *days).collect(),
            head: *stated.last()?,
            withdrawn: withdrawn_from.is_some(),
        })
    };
    case.chains().filter_map(spell).collect()
}

/// S1: enrolled in two cities over the same days, in an exclusive stage, and no connection explains it.
pub(super) fn enrolled_twice(
    case: &Case<'_>,
    spells: &[Spell<'_>],
    connections: &BTreeMap<&str, Connection<'_>>,
    report: &mut Report<'_>,
) {
    for (at, one) in spells.iter().enumerate() {
        for other in spells.iter().skip(at + 1) {
            let day = too_long(report.context, case, connections, one, other);
            if let Some(day) = day.filter(|day| report.has_come(*day)) {
                report_twice(report, one, other, day);
            }
        }
    }
}

/// The first day on which the unexplained overlap of two spells is longer than the terms allow.
fn too_long(
    context: &Context<'_>,
    case: &Case<'_>,
    connections: &BTreeMap<&str, Connection<'_>>,
    one: &Spell<'_>,
    other: &Spell<'_>,
) -> Option<Date> {
    // Both go under a newer reference that they share: there more is in sight, here perhaps not the end of either.
    let gone_over = one.head.subject == other.head.subject && one.head.subject != case.key.value();
    let (here, there) = (context.city(&one.opened.fact.origin)?, context.city(&other.opened.fact.origin)?);
    if gone_over || here == there {
        return None;
    }
    let between = connections.values().filter(|connection| connection.is_between(here, there));
    let covers: Vec<Days> = between.filter_map(Connection::covers).collect();
    let rest = uncovered(common(&one.exclusive, &other.exclusive), &covers);
    nth(&rest, context.standing.agreement.terms.overlap_days)
}

fn report_twice(report: &mut Report<'_>, one: &Spell<'_>, other: &Spell<'_>, day: Date) {
    let began = |spell: &Spell<'_>| (spell.opened.effective_on, spell.opened.fact.origin.clone());
    // The school that took the student in last was to ask for a transfer.
    let (first, last) = if began(one) <= began(other) { (one, other) } else { (other, one) };
    let name = |spell: &Spell<'_>| say::party(report.context, &spell.opened.fact.origin);
    let stage = |spell: &Spell<'_>| say::named("stage", spell.opened.stage.code());
    let (first_name, last_name) = (name(first), name(last));
    let (first_stage, last_stage) = (stage(first), stage(last));
    let (from, again) = (first.opened.effective_on, last.opened.effective_on);
    let text = Text::new(
        format!(
            "同一学生在{}（{}，自{from}起）和{}（{}，自{again}起）同时有学籍，两市之间没有涵盖这一期间的衔接事项。",
            first_name.zh, first_stage.zh, last_name.zh, last_stage.zh
        ),
        format!(
            "One student is registered with {} ({}, from {from}) and with {} ({}, from {again}) over the same days, \
             and no connection between the two cities covers them.",
            first_name.en, first_stage.en, last_name.en, last_stage.en
        ),
    );
    report.push(Draft {
        rule: Rule::S1,
        severity: Severity::Error,
        about: Status::Enrolled.code(),
        rests_on: &[first.opened.fact, last.opened.fact],
        members: Vec::new(),
        owner: last.opened.owner(),
        due_on: Some(day),
        text,
    });
}

/// S3: a transition that the lifecycle does not have, or an effective date before the one that it follows. What is
/// followed and not yet held is no matter of this rule.
pub(super) fn illegal_transition(case: &Case<'_>, report: &mut Report<'_>) {
    for record in case.records() {
        let Some(stated) = Stated::of(record) else { continue };
        let before = case.before(record).and_then(Stated::of);
        if before.is_none() && record.fact.view.follows.is_some() {
            continue;
        }
        if record.follows_withdrawn || !is_legal(before, stated) {
            report_illegal(report, before, stated);
        }
        if let Some(before) = before.filter(|before| stated.effective_on < before.effective_on) {
            report_backwards(report, before, stated);
        }
    }
}

fn is_legal(before: Option<Stated<'_>>, stated: Stated<'_>) -> bool {
    let from = before.map(|before| before.status);
    // An entry event opens a spell of its own, whatever ended before.
    let over = |status: Status| status.is_ended() || status == Status::TransferredOut;
    let from = if stated.event.is_entry() && from.is_some_and(over) { None } else { from };
    next(from, stated.event) == Some(stated.status)
}

fn report_illegal(report: &mut Report<'_>, before: Option<Stated<'_>>, stated: Stated<'_>) {
    let party = say::party(report.context, &stated.fact.origin);
    let (event, status) = (say::named("event", stated.event.code()), say::named("status", stated.status.code()));
    let from = before.map_or(Text::new("无", "none"), |before| say::named("status", before.status.code()));
    let on = stated.effective_on;
    let text = Text::new(
        format!(
            "{}于{on}的记录：原状态“{}”，异动“{}”，现状态“{}”，不合学籍状态变动规则。",
            party.zh, from.zh, event.zh, status.zh
        ),
        format!(
            "{} states for {on}: from “{}” by “{}” to “{}”, which the lifecycle does not allow.",
            party.en, from.en, event.en, status.en
        ),
    );
    push_chain(report, stated.event.code(), before, stated, text);
}

fn report_backwards(report: &mut Report<'_>, before: Stated<'_>, stated: Stated<'_>) {
    let party = say::party(report.context, &stated.fact.origin);
    let event = say::named("event", stated.event.code());
    let (earlier, on) = (before.effective_on, stated.effective_on);
    let text = Text::new(
        format!("{}的记录“{}”自{on}起生效，早于其所接续记录的生效日期{earlier}。", party.zh, event.zh),
        format!(
            "{} states “{}” from {on}, before {earlier}, from which the record that it follows holds.",
            party.en, event.en
        ),
    );
    push_chain(report, "effectiveOn", Some(before), stated, text);
}

fn push_chain(report: &mut Report<'_>, about: &str, before: Option<Stated<'_>>, stated: Stated<'_>, text: Text) {
    let rests_on: Vec<&Fact> = before.map(|before| before.fact).into_iter().chain([stated.fact]).collect();
    report.push(Draft {
        rule: Rule::S3,
        severity: Severity::Error,
        about,
        rests_on: &rests_on,
        members: Vec::new(),
        owner: stated.owner(),
        due_on: None,
        text,
    });
}

/// S4: transferred out to a party, or out of compulsory education by quitting or cancellation, and after the grace no
/// party has the student enrolled: the child is nowhere (转出未入学).
pub(super) fn nowhere(
    case: &Case<'_>,
    spells: &[Spell<'_>],
    connections: &BTreeMap<&str, Connection<'_>>,
    report: &mut Report<'_>,
) {
    let deceased = |record: &Record<'_>| Stated::of(record).is_some_and(|s| s.status == Status::Deceased);
    if case.records().any(|record| record.withdrawn_from.is_none() && deceased(record)) {
        return;
    }
    let grace = report.context.grace_days(Rule::S4);
    for spell in spells.iter().filter(|spell| !spell.withdrawn) {
        let head = spell.head;
        if head.subject != case.key.value() || !leaves(report.context, head) {
            continue;
        }
        let enrolled =
            |other: &Spell<'_>| !other.withdrawn && other.held.iter().any(|days| days.to > head.effective_on);
        let last_day = later(head.effective_on, grace);
        if !spells.iter().any(enrolled) && report.has_come(later(last_day, 1)) {
            report_nowhere(report, connections, head, last_day);
        }
    }
}

/// Whether somebody is expected to have the student after this record.
fn leaves(context: &Context<'_>, head: Stated<'_>) -> bool {
    match head.status {
        Status::TransferredOut => !head.leaves_federation,
        Status::Quit | Status::Cancelled => {
            context.standing.agreement.terms.compulsory_stages.contains(head.stage.code())
        }
        _ => false,
    }
}

fn report_nowhere(report: &mut Report<'_>, connections: &BTreeMap<&str, Connection<'_>>, head: Stated<'_>, due: Date) {
    let party = say::party(report.context, &head.fact.origin);
    let (status, stage) = (say::named("status", head.status.code()), say::named("stage", head.stage.code()));
    let on = head.effective_on;
    let text = Text::new(
        format!(
            "{}于{on}将{}学生记为“{}”，至{due}宽限期满，协议各方均无其在读学籍：转出未入学，请即查明去向。",
            party.zh, stage.zh, status.zh
        ),
        format!(
            "{} has the student ({}) as “{}” from {on}; the grace ended on {due} and no party of the agreement has the \
             student enrolled: the child is nowhere.",
            party.en, stage.en, status.en
        ),
    );
    report.push(Draft {
        rule: Rule::S4,
        severity: Severity::Critical,
        about: head.status.code(),
        rests_on: &[head.fact],
        members: Vec::new(),
        owner: receiving_party(report.context, connections, head).unwrap_or_else(|| head.owner()),
        due_on: Some(due),
        text,
    });
}

/// Who was to take in a student transferred out, where a half of the connection is held.
fn receiving_party(
    context: &Context<'_>,
    connections: &BTreeMap<&str, Connection<'_>>,
    head: Stated<'_>,
) -> Option<Owner> {
    let connection = connections.get(head.connection.filter(|_| head.status == Status::TransferredOut)?)?;
    let party = connection.party(context, Role::Receiving)?;
    Some(Owner { party, office: connection.side(Role::Receiving)?.office.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::Evaluation;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::enrollment_connection::{ConnectionKind, Step};
    use hefu_schemas::id::RecordId;

    /// Name, what is entered, month and day of the evaluation, what is found.
    type Case = (&'static str, fn(&mut World), (i16, i8), &'static [&'static str]);

    fn check(cases: &[Case]) {
        for (name, enter, (month, date), expected) in cases {
            let mut world = World::new();
            enter(&mut world);
            assert_eq!(world.pupil(day(*month, *date)), *expected, "{name}");
        }
    }

    /// Enrolled in Kunming from 10 January and in Chengdu from 1 March.
    fn twice(world: &mut World) -> (RecordId, RecordId) {
        (world.add(KUNMING, enters(day(1, 10))), world.add(CHENGDU, enters(day(3, 1))))
    }

    const TWICE: &[&str] = &["S1 error enrolled"];
    const NOTHING: &[&str] = &[];

    const S1_FIRES: &[Case] = &[
        (
            "two primary schools at once",
            |w| {
                twice(w);
            },
            (4, 1),
            TWICE,
        ),
        (
            "on the first day beyond the tolerance",
            |w| {
                twice(w);
            },
            (3, 16),
            TWICE,
        ),
        (
            "in the past, when the first one had not yet ended",
            |w| {
                let (one, _) = twice(w);
                w.add(KUNMING, status(day(5, 1), Event::Graduate, Status::Graduated).follows(one));
            },
            (24, 1),
            TWICE,
        ),
        (
            "suspended is still registered",
            |w| {
                let (one, _) = twice(w);
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
            },
            (4, 1),
            TWICE,
        ),
        (
            "primary in one city and senior in the other",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(CHENGDU, enters(day(3, 1)).at(Stage::Senior));
            },
            (4, 1),
            TWICE,
        ),
        (
            "the transfer was rejected and the new school keeps the pupil",
            |w| {
                twice(w);
                let steps = [(Step::Requested, day(3, 1)), (Step::Rejected, day(3, 10))];
                take(w, CHENGDU, Role::Receiving, &steps);
            },
            (3, 25),
            TWICE,
        ),
        (
            "a connection with a third city explains nothing",
            |w| {
                twice(w);
                w.add(
                    DALI,
                    step(Role::Receiving, Step::Requested, day(2, 1)).sides(|_, to| to.city = "532900".to_owned()),
                );
            },
            (4, 1),
            TWICE,
        ),
        (
            "an exchange explains its own period only",
            |w| {
                twice(w);
                let stay = step(Role::Receiving, Step::Verified, day(2, 1)).of_kind(ConnectionKind::Exchange);
                w.add(CHENGDU, stay.requested(day(2, 1)).planned(day(3, 1), day(7, 1)));
            },
            (7, 16),
            TWICE,
        ),
    ];

    #[test]
    fn s1_fires() {
        check(S1_FIRES);
    }

    const S1_NEAR_MISSES: &[Case] = &[
        (
            "on the last tolerated day",
            |w| {
                twice(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "the first one ended in time",
            |w| {
                let (one, _) = twice(w);
                w.add(KUNMING, status(day(3, 16), Event::Graduate, Status::Graduated).follows(one));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "one of them part time",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(CHENGDU, enters(day(3, 1)).part_time());
            },
            (4, 1),
            NOTHING,
        ),
        (
            "a stage that is not exclusive",
            |w| {
                w.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
                w.add(CHENGDU, enters(day(3, 1)).at(Stage::Bachelor));
            },
            (4, 1),
            NOTHING,
        ),
        (
            "two schools of one city",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, enters(day(3, 1)));
            },
            (4, 1),
            NOTHING,
        ),
        (
            "a transfer is open",
            |w| {
                twice(w);
                take(w, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 1))]);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "an exchange within its period",
            |w| {
                twice(w);
                let stay = step(Role::Receiving, Step::Verified, day(2, 1)).of_kind(ConnectionKind::Exchange);
                w.add(CHENGDU, stay.requested(day(2, 1)).planned(day(3, 1), day(7, 1)));
            },
            (7, 15),
            NOTHING,
        ),
        (
            "one of them is withdrawn from its first day",
            |w| {
                let (_, two) = twice(w);
                w.add(CHENGDU, withdraws(two, day(3, 1)));
            },
            (4, 1),
            NOTHING,
        ),
        (
            "one of them is corrected to another person",
            |w| {
                let (_, two) = twice(w);
                w.add(CHENGDU, enters(day(3, 1)).of_person("urn:hefu:subject:1:other").corrects(two));
            },
            (4, 1),
            NOTHING,
        ),
        (
            "a reserved place is no enrolment",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(CHENGDU, status(day(3, 1), Event::ReservePlace, Status::PlaceReserved));
            },
            (4, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn s1_near_misses() {
        check(S1_NEAR_MISSES);
    }

    #[test]
    fn s1_names_the_pair_of_spells_once_and_asks_the_later_school() {
        let mut world = World::new();
        let (one, two) = twice(&mut world);
        let before = world.reconcile(&pupil(), day(4, 1));
        let finding = before.findings.first().unwrap();
        assert_eq!(finding.owner.party, origin(CHENGDU));
        assert_eq!(finding.due_on, Some(day(3, 16)));
        assert_eq!(
            finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(),
            [two, one],
            "sorted by origin"
        );
        world.add(KUNMING, status(day(3, 20), Event::Suspend, Status::Suspended).follows(one));
        let after = world.reconcile(&pupil(), day(4, 1));
        assert_eq!(
            after.findings.first().unwrap().id,
            finding.id,
            "the same finding after another record of the spell"
        );
        assert_eq!(after.findings.len(), 1);
    }

    #[test]
    fn s1_under_two_references_of_one_person() {
        let (old, new) = (PUPIL, "urn:hefu:subject:2:pupil");
        let mut world = World::new();
        world.add(KUNMING, enters(day(1, 10)));
        world.add(CHENGDU, enters(day(3, 1)).of_person(new).same_as(old));
        assert_eq!(world.pupil(day(4, 1)), TWICE);
        let newer = world.reconcile(&Key::new(KeyType::Subject, new), day(4, 1));
        assert_eq!(said(&newer), NOTHING, "Kunming's record is not filed under the newer reference");
    }

    /// Name, what is entered, what the finding is about.
    type Illegal = (&'static str, fn(&mut World), &'static str);

    const S3_FIRES: &[Illegal] = &[
        (
            "restored while enrolled",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Restore, Status::Enrolled).follows(one));
            },
            "restore",
        ),
        (
            "suspended after graduation",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                let two = w.add(KUNMING, status(day(2, 1), Event::Graduate, Status::Graduated).follows(one));
                w.add(KUNMING, status(day(3, 1), Event::Suspend, Status::Suspended).follows(two));
            },
            "suspend",
        ),
        (
            "the status is not the one that the event leads to",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Interrupted).follows(one));
            },
            "suspend",
        ),
        (
            "no entry and nothing followed",
            |w| {
                w.add(KUNMING, status(day(2, 1), Event::Resume, Status::Enrolled));
            },
            "resume",
        ),
        (
            "entered while enrolled",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::ReEnter, Status::Enrolled).follows(one));
            },
            "re-enter",
        ),
        (
            "holds before what it follows",
            |w| {
                let one = w.add(KUNMING, enters(day(2, 10)));
                w.add(KUNMING, status(day(2, 9), Event::Suspend, Status::Suspended).follows(one));
            },
            "effectiveOn",
        ),
        (
            "follows what is withdrawn: nothing revives",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, withdraws(one, day(2, 1)));
                w.add(KUNMING, status(day(3, 1), Event::Suspend, Status::Suspended).follows(one));
            },
            "suspend",
        ),
        (
            "legal once, not after the correction of what it follows",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
                w.add(KUNMING, status(day(1, 10), Event::ReservePlace, Status::PlaceReserved).corrects(one));
            },
            "suspend",
        ),
    ];

    #[test]
    fn s3_fires() {
        for (name, enter, about) in S3_FIRES {
            let mut world = World::new();
            enter(&mut world);
            assert_eq!(world.pupil(day(6, 1)), [format!("S3 error {about}")], "{name}");
        }
    }

    const S3_NEAR_MISSES: &[Case] = &[
        (
            "a legal history on one day",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(1, 10), Event::Suspend, Status::Suspended).follows(one));
            },
            (6, 1),
            NOTHING,
        ),
        (
            "what it follows is not held yet",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Resume, Status::Enrolled).follows(one));
                w.facts.remove(0);
            },
            (6, 1),
            NOTHING,
        ),
        (
            "entered again after quitting",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Quit, Status::Quit).follows(one));
                w.add(KUNMING, status(day(2, 20), Event::ReEnter, Status::Enrolled));
            },
            (6, 1),
            NOTHING,
        ),
        (
            "illegal once, legal after the correction of what it follows",
            |w| {
                let one = w.add(KUNMING, status(day(1, 10), Event::ReservePlace, Status::PlaceReserved));
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
                w.add(KUNMING, enters(day(1, 10)).corrects(one));
            },
            (6, 1),
            NOTHING,
        ),
        (
            "the illegal one never held",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                let two = w.add(KUNMING, status(day(2, 1), Event::Restore, Status::Enrolled).follows(one));
                w.add(KUNMING, status(day(2, 1), Event::Repeat, Status::Enrolled).follows(one).corrects(two));
            },
            (6, 1),
            NOTHING,
        ),
        (
            "another city's record of that id is not followed",
            |w| {
                let one = w.add(KUNMING, enters(day(5, 10)).at(Stage::Bachelor));
                w.add(CHENGDU, status(day(2, 1), Event::Resume, Status::Enrolled).follows(one));
            },
            (6, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn s3_near_misses() {
        check(S3_NEAR_MISSES);
    }

    /// Enrolled in Kunming from 10 January, transferred out to Chengdu on 1 April.
    fn left(world: &mut World) -> RecordId {
        let one = world.add(KUNMING, enters(day(1, 10)));
        let out = status(day(4, 1), Event::TransferOut, Status::TransferredOut);
        world.add(KUNMING, out.by_transfer().follows(one))
    }

    fn ends(world: &mut World, stage: Stage, event: Event, status_after: Status) -> RecordId {
        let one = world.add(KUNMING, enters(day(1, 10)).at(stage));
        world.add(KUNMING, status(day(4, 1), event, status_after).at(stage).follows(one))
    }

    const NOWHERE: &[&str] = &["S4 critical transferred-out"];

    const S4_FIRES: &[Case] = &[
        (
            "transferred out and enrolled nowhere",
            |w| {
                left(w);
            },
            (5, 2),
            NOWHERE,
        ),
        (
            "quit in primary school",
            |w| {
                ends(w, Stage::Primary, Event::Quit, Status::Quit);
            },
            (5, 2),
            &["S4 critical quit"],
        ),
        (
            "cancelled in junior school",
            |w| {
                ends(w, Stage::Junior, Event::Cancel, Status::Cancelled);
            },
            (5, 2),
            &["S4 critical cancelled"],
        ),
        (
            "the other city's registration ended before",
            |w| {
                let one = w.add(CHENGDU, enters(day(1, 1)));
                w.add(CHENGDU, status(day(1, 5), Event::LeaveIncomplete, Status::LeftIncomplete).follows(one));
                left(w);
            },
            (5, 2),
            NOWHERE,
        ),
        (
            "the other city withdrew its registration",
            |w| {
                left(w);
                let two = w.add(CHENGDU, enters(day(4, 5)));
                w.add(CHENGDU, withdraws(two, day(4, 20)));
            },
            (5, 2),
            NOWHERE,
        ),
        (
            "a reserved place is no enrolment",
            |w| {
                left(w);
                w.add(CHENGDU, status(day(4, 5), Event::ReservePlace, Status::PlaceReserved));
            },
            (5, 2),
            NOWHERE,
        ),
    ];

    #[test]
    fn s4_fires() {
        check(S4_FIRES);
    }

    const S4_NEAR_MISSES: &[Case] = &[
        (
            "on the last day of the grace",
            |w| {
                left(w);
            },
            (5, 1),
            NOTHING,
        ),
        (
            "enrolled in the other city",
            |w| {
                left(w);
                w.add(CHENGDU, status(day(4, 20), Event::TransferIn, Status::Enrolled));
            },
            (5, 2),
            NOTHING,
        ),
        (
            "enrolled in a third city",
            |w| {
                left(w);
                w.add(DALI, enters(day(9, 1)));
            },
            (5, 2),
            NOTHING,
        ),
        (
            "the transfer failed and the pupil stays",
            |w| {
                let out = left(w);
                w.add(KUNMING, status(day(4, 30), Event::TransferFailed, Status::Enrolled).follows(out));
            },
            (6, 1),
            NOTHING,
        ),
        (
            "restored after quitting",
            |w| {
                let quit = ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(KUNMING, status(day(6, 1), Event::Restore, Status::Enrolled).follows(quit));
            },
            (6, 2),
            NOTHING,
        ),
        (
            "entered again in the same city",
            |w| {
                ends(w, Stage::Primary, Event::Cancel, Status::Cancelled);
                w.add(KUNMING, status(day(4, 10), Event::ReEnter, Status::Enrolled));
            },
            (6, 2),
            NOTHING,
        ),
        (
            "to a city that is no party",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(4, 1), Event::TransferOut, Status::TransferredOut).follows(one));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "quit after compulsory education",
            |w| {
                ends(w, Stage::Senior, Event::Quit, Status::Quit);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the quitting is withdrawn",
            |w| {
                let quit = ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(KUNMING, withdraws(quit, day(4, 1)));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "another city states the death",
            |w| {
                left(w);
                w.add(CHENGDU, status(day(4, 2), Event::Decease, Status::Deceased));
                w.facts.last_mut().unwrap().view.follows = Some(w.facts.first().unwrap().id);
            },
            (12, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn s4_near_misses() {
        check(S4_NEAR_MISSES);
    }

    fn owner(evaluation: &Evaluation) -> (&str, Option<&str>) {
        let owner = &evaluation.findings.first().unwrap().owner;
        (owner.party.as_str(), owner.office.as_deref())
    }

    #[test]
    fn s4_is_for_the_receiving_party_where_it_is_known() {
        let mut world = World::new();
        left(&mut world);
        assert_eq!(owner(&world.reconcile(&pupil(), day(5, 2))), (KUNMING, Some("530102")));
        let mut named = world.clone();
        named.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 2)));
        assert_eq!(owner(&named.reconcile(&pupil(), day(5, 2))), (CHENGDU, Some("510107")), "by the sending half");
        world.add(DALI, step(Role::Receiving, Step::Requested, day(3, 2)).sides(|_, to| to.city = "532900".to_owned()));
        assert_eq!(owner(&world.reconcile(&pupil(), day(5, 2))).0, DALI, "by its own half");
    }

    #[test]
    fn s4_is_asked_under_the_own_reference_only() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let out = status(day(4, 1), Event::TransferOut, Status::TransferredOut).by_transfer().follows(one);
        world.add(KUNMING, out.of_person("urn:hefu:subject:2:pupil").same_as(PUPIL));
        assert_eq!(world.pupil(day(6, 1)), NOTHING);
        let newer = world.reconcile(&Key::new(KeyType::Subject, "urn:hefu:subject:2:pupil"), day(6, 1));
        assert_eq!(said(&newer), NOWHERE);
    }
}
