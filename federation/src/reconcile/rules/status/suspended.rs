//! S5: suspended past the end of the suspension.
use super::{Spell, Stated};
use crate::reconcile::case::Case;
use crate::reconcile::days::later;
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report, is_deceased};
use crate::reconcile::say;
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use jiff::civil::Date;

/// S5: the suspension has ended, and the student has neither come back, nor had it extended, nor left. Asked under the
/// own reference only: under an older one the return may be out of sight.
pub(in crate::reconcile::rules) fn suspended_too_long(case: &Case<'_>, spells: &[Spell<'_>], report: &mut Report<'_>) {
    if is_deceased(case) {
        return;
    }
    for spell in spells.iter().filter(|spell| !spell.is_withdrawn()) {
        let head = spell.head;
        let until = head.until.filter(|_| head.status == Status::Suspended && head.subject == case.key.value());
        // `until` is the first day after the suspension: on it the student comes back.
        if let Some(until) = until.filter(|until| report.has_come(later(*until, 1))) {
            report_suspended(report, head, until);
        }
    }
}

fn report_suspended(report: &mut Report<'_>, head: Stated<'_>, until: Date) {
    let party = say::party(report.context, &head.fact.origin);
    let stage = say::named("stage", head.stage.code());
    let from = head.effective_on;
    let text = Text::new(
        format!(
            "{}记载的休学（{}，自{from}起）应于{until}复学，至今没有复学、延期休学或退学的记录。",
            party.zh, stage.zh
        ),
        format!(
            "{} has a student ({}) suspended from {from} who was to come back on {until}: no return, extension or \
             quitting is stated.",
            party.en, stage.en
        ),
    );
    report.push(Draft {
        rule: Rule::S5,
        severity: Severity::Warning,
        about: "until",
        rests_on: &[head.fact],
        members: Vec::new(),
        owner: head.owner(),
        due_on: Some(until),
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Status};

    const PAST: &[&str] = &["S5 warning until"];

    /// Enrolled from 10 January, suspended from 1 February up to 1 June.
    fn suspended(world: &mut World) -> RecordId {
        let one = world.add(KUNMING, enters(day(1, 10)));
        world.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).until(day(6, 1)).follows(one))
    }

    const S5_FIRES: &[Sample] = &[
        (
            "on the day after the one on which the student was to come back",
            |w| {
                suspended(w);
            },
            (6, 2),
            PAST,
        ),
        (
            "past the end of the extension",
            |w| {
                let one = suspended(w);
                w.add(KUNMING, status(day(6, 1), Event::Extend, Status::Suspended).until(day(9, 1)).follows(one));
            },
            (9, 2),
            PAST,
        ),
        (
            "a later end was entered by mistake",
            |w| {
                let one = suspended(w);
                let before = w.facts.first().unwrap().id;
                let shorter = status(day(2, 1), Event::Suspend, Status::Suspended).until(day(4, 1));
                w.add(KUNMING, shorter.follows(before).corrects(one));
            },
            (4, 2),
            PAST,
        ),
    ];

    #[test]
    fn s5_fires() {
        check_pupil(S5_FIRES);
    }

    const S5_NEAR_MISSES: &[Sample] = &[
        (
            "on the day on which the student is to come back",
            |w| {
                suspended(w);
            },
            (6, 1),
            NOTHING,
        ),
        (
            "resumed, however late",
            |w| {
                let one = suspended(w);
                w.add(KUNMING, status(day(8, 1), Event::Resume, Status::Enrolled).follows(one));
            },
            (9, 1),
            NOTHING,
        ),
        (
            "extended",
            |w| {
                let one = suspended(w);
                w.add(KUNMING, status(day(6, 1), Event::Extend, Status::Suspended).until(day(9, 1)).follows(one));
            },
            (9, 1),
            NOTHING,
        ),
        (
            "dropped out",
            |w| {
                let one = suspended(w);
                w.add(KUNMING, status(day(6, 1), Event::DropOut, Status::DroppedOut).follows(one));
            },
            (9, 1),
            NOTHING,
        ),
        (
            "no end is stated",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
            },
            (24, 1),
            NOTHING,
        ),
        (
            "the suspension is withdrawn",
            |w| {
                let one = suspended(w);
                w.add(KUNMING, withdraws(one, day(2, 1)));
            },
            (9, 1),
            NOTHING,
        ),
        (
            "another city states the death",
            |w| {
                suspended(w);
                let one = w.add(CHENGDU, status(day(1, 5), Event::ReservePlace, Status::PlaceReserved));
                w.add(CHENGDU, status(day(4, 2), Event::Decease, Status::Deceased).follows(one));
            },
            (9, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn s5_near_misses() {
        check_pupil(S5_NEAR_MISSES);
    }

    #[test]
    fn s5_is_for_the_office_that_suspended_and_due_on_the_day_of_return() {
        let mut world = World::new();
        let one = suspended(&mut world);
        let before = world.reconcile(&pupil(), day(5, 1));
        assert_eq!(before.next, Some(day(6, 2)));
        let evaluation = world.reconcile(&pupil(), day(6, 2));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!((finding.owner.party.as_str(), finding.owner.office.as_deref()), (KUNMING, Some("530102")));
        assert_eq!(finding.due_on, Some(day(6, 1)));
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [one]);
        assert_eq!(evaluation.next, None);
    }

    #[test]
    fn s5_is_asked_under_the_own_reference_only() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let suspends = status(day(2, 1), Event::Suspend, Status::Suspended).until(day(6, 1)).follows(one);
        world.add(KUNMING, suspends.of_person(newer).same_as(PUPIL));
        assert_eq!(world.pupil(day(7, 1)), NOTHING);
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(7, 1))), PAST);
    }
}
