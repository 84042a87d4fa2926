//! S6: out of compulsory education by quitting or expulsion.
use super::{Spell, Stated};
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::say;
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;

/// S6: the last word about a student in a compulsory stage is `quit` or `expelled`: the law knows neither there,
/// whoever else has the student enrolled. Restoring the registration settles it. Asked under the own reference only:
/// under an older one the restoration may be out of sight.
pub(in crate::reconcile::rules) fn excluded(case: &Case<'_>, spells: &[Spell<'_>], report: &mut Report<'_>) {
    let compulsory = &report.context.standing.agreement.terms.compulsory_stages;
    let is_out = |head: &Stated<'_>| {
        matches!(head.status, Status::Quit | Status::Expelled)
            && compulsory.contains(head.stage.code())
            && head.subject == case.key.value()
    };
    for spell in spells.iter().filter(|spell| !spell.is_withdrawn() && is_out(&spell.head)) {
        report_excluded(report, spell.head);
    }
}

fn report_excluded(report: &mut Report<'_>, head: Stated<'_>) {
    let party = say::party(report.context, &head.fact.origin);
    let (status, stage) = (say::named("status", head.status.code()), say::named("stage", head.stage.code()));
    let on = head.effective_on;
    let text = Text::new(
        format!("{}于{on}将{}学生记为“{}”：义务教育阶段不得退学、开除。", party.zh, stage.zh, status.zh),
        format!(
            "{} has a student ({}) as “{}” from {on}: nobody quits or is expelled from compulsory education.",
            party.en, stage.en, status.en
        ),
    );
    report.push(Draft {
        rule: Rule::S6,
        severity: Severity::Error,
        about: head.status.code(),
        rests_on: &[head.fact],
        members: Vec::new(),
        owner: head.owner(),
        due_on: None,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};

    fn ends(world: &mut World, stage: Stage, event: Event, status_after: Status) -> RecordId {
        let one = world.add(KUNMING, enters(day(1, 10)).at(stage));
        world.add(KUNMING, status(day(4, 1), event, status_after).at(stage).follows(one))
    }

    const QUIT: &[&str] = &["S6 error quit"];

    const S6_FIRES: &[Sample] = &[
        (
            "quit in primary school",
            |w| {
                ends(w, Stage::Primary, Event::Quit, Status::Quit);
            },
            (4, 1),
            QUIT,
        ),
        (
            "expelled from junior school",
            |w| {
                ends(w, Stage::Junior, Event::Expel, Status::Expelled);
            },
            (4, 1),
            &["S6 error expelled"],
        ),
        (
            "quit, and another city has the pupil enrolled",
            |w| {
                ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(CHENGDU, enters(day(4, 1)));
            },
            (12, 1),
            QUIT,
        ),
        (
            "quit, and entered again as if new",
            |w| {
                ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(KUNMING, status(day(4, 10), Event::ReEnter, Status::Enrolled));
            },
            (12, 1),
            QUIT,
        ),
    ];

    #[test]
    fn s6_fires() {
        check_pupil(S6_FIRES);
    }

    const S6_NEAR_MISSES: &[Sample] = &[
        (
            "quit after compulsory education",
            |w| {
                ends(w, Stage::Senior, Event::Quit, Status::Quit);
            },
            (4, 1),
            NOTHING,
        ),
        (
            "left without finishing",
            |w| {
                ends(w, Stage::Junior, Event::LeaveIncomplete, Status::LeftIncomplete);
            },
            (4, 1),
            NOTHING,
        ),
        (
            "restored",
            |w| {
                let quit = ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(KUNMING, status(day(4, 2), Event::Restore, Status::Enrolled).follows(quit));
            },
            (4, 2),
            NOTHING,
        ),
        (
            "corrected to a transfer",
            |w| {
                let quit = ends(w, Stage::Primary, Event::Quit, Status::Quit);
                let before = w.facts.first().unwrap().id;
                let out = status(day(4, 1), Event::TransferOut, Status::TransferredOut);
                w.add(KUNMING, out.by_transfer().follows(before).corrects(quit));
            },
            (4, 2),
            NOTHING,
        ),
        (
            "withdrawn",
            |w| {
                let quit = ends(w, Stage::Primary, Event::Quit, Status::Quit);
                w.add(KUNMING, withdraws(quit, day(4, 1)));
            },
            (4, 2),
            NOTHING,
        ),
    ];

    #[test]
    fn s6_near_misses() {
        check_pupil(S6_NEAR_MISSES);
    }

    #[test]
    fn s6_is_for_the_office_that_stated_it_and_under_the_own_reference() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let quit = status(day(4, 1), Event::Quit, Status::Quit).of_person(newer).same_as(PUPIL);
        world.add(KUNMING, quit.follows(one));
        assert_eq!(world.pupil(day(4, 2)), NOTHING);
        let evaluation = world.reconcile(&Key::new(KeyType::Subject, newer), day(4, 2));
        assert_eq!(said(&evaluation), QUIT);
        let finding = evaluation.findings.first().unwrap();
        assert_eq!((finding.owner.party.as_str(), finding.owner.office.as_deref()), (KUNMING, Some("530102")));
        assert_eq!((finding.due_on, finding.evidence.len()), (None, 1));
        assert!(finding.text.zh.contains("昆明市教育局于2026-04-01"), "{}", finding.text.zh);
    }
}
