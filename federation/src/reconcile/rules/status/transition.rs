//! S3: a change of status that the lifecycle does not allow.
use super::Stated;
use crate::reconcile::Fact;
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::say;
use hefu_schemas::student_status::{Status, next};
use hefu_schemas::text::Text;

/// S3: a transition that the lifecycle does not have, or an effective date before the one that it follows. What is
/// followed and not yet held is no matter of this rule.
pub(in crate::reconcile::rules) fn illegal_transition(case: &Case<'_>, report: &mut Report<'_>) {
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

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use hefu_schemas::student_status::{Event, Stage, Status};

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

    const S3_NEAR_MISSES: &[Sample] = &[
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
            &["S6 error quit"],
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
        check_pupil(S3_NEAR_MISSES);
    }
}
