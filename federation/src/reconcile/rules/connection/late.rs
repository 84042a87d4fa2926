//! C1: a step of a connection past its deadline.
use crate::reconcile::case::Case;
use crate::reconcile::days::{later, limit, next_working_day, working_days};
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::{Connection, Half, Stated};
use crate::reconcile::rules::{Draft, Report, is_deceased};
use crate::reconcile::say;
use hefu_schemas::agreement::{Calendar, Deadline, ExistingCases};
use hefu_schemas::text::Text;
use jiff::civil::Date;

/// C1: a step past its deadline. The clock stops with the connection, and while the late half waits for documents.
pub(in crate::reconcile::rules) fn late(case: &Case<'_>, connection: &Connection<'_>, report: &mut Report<'_>) {
    let kind = connection.halves().next().map(|half| half.latest.members.kind);
    if connection.stopped_on().is_some() || connection.is_complete() || is_deceased(case) {
        return;
    }
    let agreement = report.context.standing.agreement;
    // What is open on the last day stays as it is (records §6).
    let freezes = agreement.terms.existing_cases == ExistingCases::Freeze;
    if freezes && report.has_come(later(agreement.valid_to, 1)) {
        return;
    }
    for deadline in agreement.terms.deadlines.iter().filter(|deadline| Some(deadline.kind) == kind) {
        let awaited = connection.half(deadline.role);
        let done = awaited.is_some_and(|half| half.reached(deadline.step).is_some());
        let waits = awaited.is_some_and(|half| half.latest.members.waiting_for);
        let after = connection.half(deadline.after_role).and_then(|half| half.reached(deadline.after_step));
        if let Some(after) = after.filter(|_| !done && !waits) {
            report_late(report, connection, deadline, after);
        }
    }
}

/// How far a step is behind: a warning past its limit, an error past twice the working days, both after the grace.
fn report_late(report: &mut Report<'_>, connection: &Connection<'_>, deadline: &Deadline, after: Stated<'_>) {
    let Some(party) = connection.party(report.context, deadline.role) else { return };
    let none = Calendar::default();
    let calendar = report.context.calendar(&party).unwrap_or(&none);
    let pauses = connection.half(deadline.role).map(Half::pauses).unwrap_or_default();
    let (from, as_of) = (after.members.step_on, report.context.as_of);
    let until = |days: u32| limit(calendar, from, days, &pauses, as_of);
    let grace = report.context.grace_days(Rule::C1).saturating_add(1);
    let due_on = until(deadline.working_days);
    if !report.has_come(later(due_on, grace)) {
        return;
    }
    let twice = later(until(deadline.working_days.saturating_mul(2)), grace);
    let severity = if report.has_come(twice) { Severity::Error } else { Severity::Warning };
    // The text counts the days: it is another one on the next working day.
    report.has_come(next_working_day(calendar, as_of));
    let office = connection.side(deadline.role).and_then(|side| side.office.clone());
    let days = working_days(calendar, due_on, as_of);
    let owner = Owner { party, office };
    let text = late_text(report, &owner, deadline, (from, due_on, days));
    report.push(Draft {
        rule: Rule::C1,
        severity,
        about: &format!("{}/{}", deadline.role.code(), deadline.step.code()),
        rests_on: &[after.fact],
        members: Vec::new(),
        owner,
        due_on: Some(due_on),
        text,
    });
}

fn late_text(report: &Report<'_>, owner: &Owner, deadline: &Deadline, (from, due, late): (Date, Date, u32)) -> Text {
    let party = say::party(report.context, &owner.party);
    let step = say::named("step", deadline.step.code());
    let after = say::named("step", deadline.after_step.code());
    let office = owner.office.as_deref();
    let (office_zh, office_en) =
        office.map_or_else(Default::default, |code| (format!("（机关{code}）"), format!(" (office {code})")));
    let days = deadline.working_days;
    Text::new(
        format!(
            "{}{office_zh}应在“{}”（{from}）后{days}个工作日内、即{due}前（含当日）办理“{}”，已逾期{late}个工作日。",
            party.zh, after.zh, step.zh
        ),
        format!(
            "{}{office_en} had {days} working days after “{}” of {from}, until {due}, for “{}” and is {late} working \
             days late.",
            party.en, after.en, step.en
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
    use hefu_schemas::student_status::{Event, Status};

    const WARNING: &[&str] = &["C1 warning receiving/bureau-accepted"];
    const ERROR: &[&str] = &["C1 error receiving/bureau-accepted"];

    /// The school in Chengdu accepted on Monday, 2 March: its bureau has until Monday, 16 March.
    fn accepted(world: &mut World) -> hefu_schemas::id::RecordId {
        take(world, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 1)), (Step::SchoolAccepted, day(3, 2))])
    }

    const C1_FIRES: &[Sample] = &[
        (
            "on the first day after the limit",
            |w| {
                accepted(w);
            },
            (3, 17),
            WARNING,
        ),
        (
            "on the last day of twice the limit",
            |w| {
                accepted(w);
            },
            (3, 30),
            WARNING,
        ),
        (
            "on the day after",
            |w| {
                accepted(w);
            },
            (3, 31),
            ERROR,
        ),
        (
            "over the holidays, counted in working days",
            |w| {
                take(w, CHENGDU, Role::Receiving, &[(Step::SchoolAccepted, day(9, 30))]);
            },
            (10, 21),
            WARNING,
        ),
        (
            "the other half does not exist at all",
            |w| {
                let notified = (Role::Sending, Step::Notified);
                w.agreement.terms.deadlines = vec![deadline(notified, (Role::Receiving, Step::Requested), 10)];
                take(w, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 2))]);
            },
            (3, 17),
            &["C1 warning sending/notified"],
        ),
        (
            "it no longer waits: the days of waiting are added",
            |w| {
                let at = accepted(w);
                let waits = w.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 6)).waits().follows(at));
                w.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 20)).follows(waits));
            },
            (3, 31),
            WARNING,
        ),
        (
            "a rejected half that began again has a clock of its own",
            |w| {
                let steps = [
                    (Step::Requested, day(1, 5)),
                    (Step::SchoolAccepted, day(1, 6)),
                    (Step::Rejected, day(1, 7)),
                    (Step::Requested, day(3, 1)),
                    (Step::SchoolAccepted, day(3, 2)),
                ];
                take(w, CHENGDU, Role::Receiving, &steps);
            },
            (3, 17),
            WARNING,
        ),
        (
            "what begins the clock is not held, what comes after it is",
            |w| {
                let row = deadline((Role::Sending, Step::Notified), (Role::Receiving, Step::Requested), 10);
                w.agreement.terms.deadlines = vec![row];
                take(w, CHENGDU, Role::Receiving, &[(Step::SchoolAccepted, day(3, 2))]);
            },
            (3, 17),
            &["C1 warning sending/notified"],
        ),
    ];

    #[test]
    fn c1_fires() {
        check_transfer(C1_FIRES);
    }

    const C1_NEAR_MISSES: &[Sample] = &[
        (
            "on the last day of the limit",
            |w| {
                accepted(w);
            },
            (3, 16),
            NOTHING,
        ),
        (
            "over the holidays, on the last day",
            |w| {
                take(w, CHENGDU, Role::Receiving, &[(Step::SchoolAccepted, day(9, 30))]);
            },
            (10, 20),
            NOTHING,
        ),
        (
            "the school has not accepted yet",
            |w| {
                take(w, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 1))]);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the step is taken",
            |w| {
                let at = accepted(w);
                w.add(CHENGDU, step(Role::Receiving, Step::BureauAccepted, day(3, 31)).follows(at));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "a later step is taken",
            |w| {
                let at = accepted(w);
                w.add(CHENGDU, step(Role::Receiving, Step::Joined, day(3, 31)).follows(at));
            },
            (3, 31),
            NOTHING,
        ),
        (
            "it waits for documents",
            |w| {
                let at = accepted(w);
                w.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 6)).waits().follows(at));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "it no longer waits, and the days of waiting are added",
            |w| {
                let at = accepted(w);
                let waits = w.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 6)).waits().follows(at));
                w.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 20)).follows(waits));
            },
            (3, 30),
            NOTHING,
        ),
        (
            "the other half is called off",
            |w| {
                accepted(w);
                take(w, KUNMING, Role::Sending, &[(Step::Notified, day(3, 2)), (Step::CalledOff, day(3, 5))]);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the half is withdrawn",
            |w| {
                let at = accepted(w);
                w.add(CHENGDU, withdraws(at, day(3, 10)));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the acceptance never was",
            |w| {
                let at = accepted(w);
                let first = w.facts.first().unwrap().id;
                w.add(CHENGDU, step(Role::Receiving, Step::Rejected, day(3, 2)).follows(first).corrects(at));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "a limit of another kind",
            |w| {
                let progression =
                    step(Role::Receiving, Step::SchoolAccepted, day(3, 2)).of_kind(ConnectionKind::Progression);
                w.add(CHENGDU, progression);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "within the grace",
            |w| {
                w.agreement.terms.grace_days.insert("C1".to_owned(), 5);
                accepted(w);
            },
            (3, 21),
            NOTHING,
        ),
        (
            "the agreement has ended and freezes its cases",
            |w| {
                w.agreement.terms.existing_cases = ExistingCases::Freeze;
                accepted(w);
            },
            (25, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn c1_near_misses() {
        check_transfer(C1_NEAR_MISSES);
    }

    #[test]
    fn c1_a_complete_transfer_has_no_deadlines() {
        let mut world = World::new();
        let row = deadline((Role::Sending, Step::FileSent), (Role::Receiving, Step::Joined), 10);
        world.agreement.terms.deadlines = vec![row];
        let sending = [(Step::Notified, day(3, 2)), (Step::SchoolReleased, day(3, 3))];
        let released = take(&mut world, KUNMING, Role::Sending, &sending);
        take(&mut world, CHENGDU, Role::Receiving, &[(Step::Joined, day(3, 6))]);
        assert_eq!(world.transfer(day(5, 1)), ["C1 error sending/file-sent", "C3 error joined"]);
        world.add(KUNMING, step(Role::Sending, Step::BureauReleased, day(3, 6)).follows(released));
        assert_eq!(world.transfer(day(5, 1)), NOTHING);
    }

    #[test]
    fn c1_reminders_end_with_a_death_that_is_in_sight() {
        let mut world = World::new();
        accepted(&mut world);
        world.add(KUNMING, status(day(3, 5), Event::Decease, Status::Deceased));
        let mut facts = world.under(&transfer());
        assert_eq!(said(&world.reconcile_facts(&transfer(), day(3, 17), &facts)), WARNING);
        // A caller that files statuses under connections too does not change what is seen of them.
        facts.extend(world.facts.last().cloned());
        assert_eq!(said(&world.reconcile_facts(&transfer(), day(3, 17), &facts)), NOTHING);
    }

    #[test]
    fn c1_names_who_is_late_by_how_much_and_when_to_look_again() {
        let mut world = World::new();
        let at = accepted(&mut world);
        let evaluation = world.reconcile(&transfer(), day(3, 19));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!(finding.owner, Owner { party: origin(CHENGDU), office: Some("510107".to_owned()) });
        assert_eq!(finding.due_on, Some(day(3, 16)));
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [at]);
        assert!(finding.text.en.contains("Chengdu Education Bureau (office 510107)"), "{}", finding.text.en);
        assert!(finding.text.en.contains("3 working days late"), "{}", finding.text.en);
        assert!(finding.text.zh.contains("成都市教育局（机关510107）"), "{}", finding.text.zh);
        assert!(finding.text.zh.contains("已逾期3个工作日"), "{}", finding.text.zh);
        assert_eq!(evaluation.next, Some(day(3, 20)));
        assert_eq!(world.reconcile(&transfer(), day(3, 20)).next, Some(day(3, 23)), "over the weekend");
        assert_eq!(world.reconcile(&transfer(), day(3, 3)).next, Some(day(3, 17)));
    }

    #[test]
    fn c1_a_party_that_is_not_there_is_found_by_its_city() {
        let mut world = World::new();
        world.agreement.terms.deadlines =
            vec![deadline((Role::Sending, Step::Notified), (Role::Receiving, Step::Requested), 10)];
        take(&mut world, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 2))]);
        let owner = world.reconcile(&transfer(), day(3, 17)).findings.first().unwrap().owner.clone();
        assert_eq!(owner, Owner { party: origin(KUNMING), office: Some("530102".to_owned()) });
        world.agreement.parties.retain(|party| party.origin != origin(KUNMING));
        assert_eq!(world.transfer(day(3, 17)), NOTHING, "nobody of the agreement is late");
    }
}
