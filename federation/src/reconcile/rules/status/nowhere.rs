//! S4: the child is nowhere (转出未入学).
use super::{Spell, Stated};
use crate::reconcile::Context;
use crate::reconcile::case::Case;
use crate::reconcile::days::later;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::Connection;
use crate::reconcile::rules::{Draft, Report, is_deceased};
use crate::reconcile::say;
use hefu_schemas::enrollment_connection::Role;
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// S4: transferred out to a party, or out of compulsory education by quitting or cancellation, and after the grace no
/// party has the student enrolled: the child is nowhere (转出未入学).
pub(in crate::reconcile::rules) fn nowhere(
    case: &Case<'_>,
    spells: &[Spell<'_>],
    connections: &BTreeMap<&str, Connection<'_>>,
    report: &mut Report<'_>,
) {
    if is_deceased(case) {
        return;
    }
    let grace = report.context.grace_days(Rule::S4);
    for spell in spells.iter().filter(|spell| !spell.is_withdrawn()) {
        let head = spell.head;
        if head.subject != case.key.value() || !leaves(report.context, head) {
            continue;
        }
        let enrolled = |other: &Spell<'_>| !other.is_withdrawn() && other.holds_after(head.effective_on);
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
    use crate::reconcile::Evaluation;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::enrollment_connection::{Role, Step};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};

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

    const S4_FIRES: &[Sample] = &[
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
            &["S4 critical quit", "S6 error quit"],
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
        check_pupil(S4_FIRES);
    }

    const S4_NEAR_MISSES: &[Sample] = &[
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
        check_pupil(S4_NEAR_MISSES);
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
