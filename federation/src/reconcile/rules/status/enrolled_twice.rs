//! S1: one student registered in two cities at once.
use super::Spell;
use crate::reconcile::Context;
use crate::reconcile::case::Case;
use crate::reconcile::days::{Days, common, nth, uncovered};
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::halves::Connection;
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::say;
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// S1: enrolled in two cities over the same days, in an exclusive stage, and no connection explains it.
pub(in crate::reconcile::rules) fn enrolled_twice(
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
    let (here, there) = (context.city(&one.opened.fact.origin)?, context.city(&other.opened.fact.origin)?);
    if one.gone_over_with(other, case) || here == there {
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

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};

    /// Enrolled in Kunming from 10 January and in Chengdu from 1 March.
    fn twice(world: &mut World) -> (RecordId, RecordId) {
        (world.add(KUNMING, enters(day(1, 10))), world.add(CHENGDU, enters(day(3, 1))))
    }

    const TWICE: &[&str] = &["S1 error enrolled"];

    const S1_FIRES: &[Sample] = &[
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
        check_pupil(S1_FIRES);
    }

    const S1_NEAR_MISSES: &[Sample] = &[
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
            &["S2 error spell"],
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
        check_pupil(S1_NEAR_MISSES);
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
}
