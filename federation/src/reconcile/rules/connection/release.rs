//! C4: a transfer released where the terms bar it.
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::{Connection, Half, Stated as Taken};
use crate::reconcile::rules::status::{Spell, Stated};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::{Fact, say};
use hefu_schemas::agreement::Window;
use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// C4: on the day of the release the student had a status out of which no transfer is allowed, or the day lies outside
/// the windows of the stage. Asked under the reference that the sending half states: there the status is in sight.
pub(in crate::reconcile::rules) fn barred(
    case: &Case<'_>,
    spells: &[Spell<'_>],
    connections: &BTreeMap<&str, Connection<'_>>,
    report: &mut Report<'_>,
) {
    for connection in connections.values() {
        let sending = connection.half(Role::Sending).filter(|half| half.stopped_on.is_none());
        let sending = sending.filter(|half| half.latest.members.subject == Some(case.key.value()));
        let Some(sending) = sending else { continue };
        // Where a later step alone is held, the day of the release is not known.
        let is_release = |taken: &Taken<'_>| taken.members.step == Step::BureauReleased;
        let released = sending.reached(Step::BureauReleased).filter(is_release);
        let Some(released) = released.filter(|taken| taken.members.kind == ConnectionKind::Transfer) else { continue };
        let day = released.members.step_on;
        let before = in_force(spells, sending, day);
        let terms = &report.context.standing.agreement.terms;
        let blocked = before.filter(|stated| terms.blocked_from.contains(stated.status.code()));
        let open = match before {
            Some(stated) => terms.may_release_on(stated.stage.code(), day),
            // The stage is not known: outside every window is outside its own.
            None => terms.windows.is_empty() || terms.windows.iter().any(|window| covers(window, day)),
        };
        if let Some(stated) = blocked {
            report_blocked(report, sending, released, stated);
        }
        if !open {
            report_outside(report, sending, released, before);
        }
    }
}

fn covers(window: &Window, day: Date) -> bool {
    window.from <= day && day < window.to
}

/// What the sending city states of the student for a day, the leaving itself set aside: the latest there is.
fn in_force<'a>(spells: &[Spell<'a>], sending: &Half<'_>, day: Date) -> Option<Stated<'a>> {
    let own = spells.iter().filter(|spell| spell.origin() == sending.origin);
    let live = own.filter(|spell| spell.withdrawn_from.is_none_or(|withdrawn| withdrawn > day));
    let holds = |stated: &&Stated<'_>| stated.effective_on <= day && stated.status != Status::TransferredOut;
    let of = |spell: &Spell<'a>| spell.chain.iter().rev().find(holds).copied();
    live.filter_map(of).max_by_key(|stated| (stated.effective_on, stated.fact.index))
}

fn report_blocked(report: &mut Report<'_>, sending: &Half<'_>, released: Taken<'_>, stated: Stated<'_>) {
    let party = say::party(report.context, sending.origin);
    let status = say::named("status", stated.status.code());
    let (on, since) = (released.members.step_on, stated.effective_on);
    let text = Text::new(
        format!("{}于{on}办理转出，当日该生状态为“{}”（自{since}起），按协议不得转出。", party.zh, status.zh),
        format!(
            "{} released the transfer on {on}, when the student was “{}” (from {since}): the agreement allows no \
             transfer out of that.",
            party.en, status.en
        ),
    );
    push(report, sending, "blockedFrom", &[released.fact, stated.fact], text);
}

fn report_outside(report: &mut Report<'_>, sending: &Half<'_>, released: Taken<'_>, before: Option<Stated<'_>>) {
    let party = say::party(report.context, sending.origin);
    let on = released.members.step_on;
    let stage = before.map(|stated| say::named("stage", stated.stage.code()));
    let (zh, en) =
        stage.map_or_else(Default::default, |stage| (format!("（{}）", stage.zh), format!(" ({})", stage.en)));
    let text = Text::new(
        format!("{}于{on}办理转出{zh}，不在协议规定的转学办理期间内。", party.zh),
        format!("{} released the transfer{en} on {on}, outside the periods that the agreement sets for it.", party.en),
    );
    push(report, sending, "windows", &[released.fact], text);
}

fn push(report: &mut Report<'_>, sending: &Half<'_>, about: &str, rests_on: &[&Fact], text: Text) {
    let office = sending.latest.members.side(Role::Sending).office.clone();
    report.push(Draft {
        rule: Rule::C4,
        severity: Severity::Error,
        about,
        rests_on,
        members: Vec::new(),
        owner: Owner { party: sending.origin.clone(), office },
        due_on: None,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::finding::Owner;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::agreement::Window;
    use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};

    const BLOCKED: &[&str] = &["C4 error blockedFrom"];
    const OUTSIDE: &[&str] = &["C4 error windows"];

    /// Enrolled from 10 January; nobody leaves while suspended.
    fn enrolled(world: &mut World) -> RecordId {
        world.agreement.terms.blocked_from = ["suspended".to_owned()].into();
        world.add(KUNMING, enters(day(1, 10)))
    }

    fn suspended(world: &mut World, on: i8) -> RecordId {
        let one = enrolled(world);
        world.add(KUNMING, status(day(3, on), Event::Suspend, Status::Suspended).follows(one))
    }

    /// Released on 15 March.
    fn released(world: &mut World) -> RecordId {
        take(world, KUNMING, Role::Sending, &[(Step::SchoolReleased, day(3, 10)), (Step::BureauReleased, day(3, 15))])
    }

    fn window(world: &mut World, stages: &[Stage], (from, to): ((i16, i8), (i16, i8))) {
        let stages = stages.iter().map(|stage| stage.code().to_owned()).collect();
        world.agreement.terms.windows.push(Window { stages, from: day(from.0, from.1), to: day(to.0, to.1) });
    }

    const C4_FIRES: &[Sample] = &[
        (
            "released while suspended",
            |w| {
                suspended(w, 1);
                released(w);
            },
            (3, 15),
            BLOCKED,
        ),
        (
            "suspended on the very day",
            |w| {
                suspended(w, 15);
                released(w);
            },
            (3, 15),
            BLOCKED,
        ),
        (
            "resumed the day after and then transferred out",
            |w| {
                let one = suspended(w, 1);
                released(w);
                let two = w.add(KUNMING, status(day(3, 16), Event::Resume, Status::Enrolled).follows(one));
                let out = status(day(3, 17), Event::TransferOut, Status::TransferredOut);
                w.add(KUNMING, out.by_transfer().follows(two));
            },
            (3, 17),
            BLOCKED,
        ),
        (
            "an ended spell does not hide the one that goes on",
            |w| {
                suspended(w, 1);
                let one = w.add(KUNMING, enters(day(1, 1)).at(Stage::Preschool));
                w.add(KUNMING, status(day(1, 5), Event::Graduate, Status::Graduated).at(Stage::Preschool).follows(one));
                released(w);
            },
            (3, 15),
            BLOCKED,
        ),
        (
            "outside the windows",
            |w| {
                enrolled(w);
                window(w, &[Stage::Primary], ((2, 1), (3, 15)));
                window(w, &[Stage::Primary], ((7, 1), (9, 1)));
                released(w);
            },
            (3, 15),
            OUTSIDE,
        ),
        (
            "within the window of another stage",
            |w| {
                enrolled(w);
                window(w, &[Stage::Senior], ((3, 1), (4, 1)));
                released(w);
            },
            (3, 15),
            OUTSIDE,
        ),
        (
            "outside all windows, of whatever stage",
            |w| {
                window(w, &[Stage::Senior], ((7, 1), (9, 1)));
                released(w);
            },
            (3, 15),
            OUTSIDE,
        ),
        (
            "blocked and outside",
            |w| {
                suspended(w, 1);
                window(w, &[Stage::Primary], ((7, 1), (9, 1)));
                released(w);
            },
            (3, 15),
            &["C4 error blockedFrom", "C4 error windows"],
        ),
    ];

    #[test]
    fn c4_fires() {
        check_pupil(C4_FIRES);
    }

    const C4_NEAR_MISSES: &[Sample] = &[
        (
            "resumed on the day of the release",
            |w| {
                let one = suspended(w, 1);
                w.add(KUNMING, status(day(3, 15), Event::Resume, Status::Enrolled).follows(one));
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "suspended the day after",
            |w| {
                suspended(w, 16);
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "suspended, and the agreement bars other statuses",
            |w| {
                suspended(w, 1);
                w.agreement.terms.blocked_from = ["dropped-out".to_owned()].into();
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "suspended in the receiving city",
            |w| {
                enrolled(w);
                let one = w.add(CHENGDU, enters(day(3, 1)));
                w.add(CHENGDU, status(day(3, 2), Event::Suspend, Status::Suspended).follows(one));
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "the suspension is withdrawn",
            |w| {
                let one = suspended(w, 1);
                w.add(KUNMING, withdraws(one, day(3, 1)));
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "notified while suspended, not released",
            |w| {
                suspended(w, 1);
                take(w, KUNMING, Role::Sending, &[(Step::Notified, day(3, 2)), (Step::SchoolReleased, day(3, 10))]);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "the release is not held, what comes after it is",
            |w| {
                suspended(w, 1);
                take(w, KUNMING, Role::Sending, &[(Step::FileSent, day(3, 20))]);
            },
            (3, 20),
            NOTHING,
        ),
        (
            "the release is withdrawn",
            |w| {
                suspended(w, 1);
                let at = released(w);
                w.add(KUNMING, withdraws(at, day(3, 15)));
            },
            (3, 15),
            NOTHING,
        ),
        (
            "progression is no transfer",
            |w| {
                suspended(w, 1);
                w.add(KUNMING, step(Role::Sending, Step::Released, day(3, 15)).of_kind(ConnectionKind::Progression));
            },
            (3, 15),
            NOTHING,
        ),
        (
            "on the first day of a window",
            |w| {
                enrolled(w);
                window(w, &[Stage::Primary], ((3, 15), (3, 16)));
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
        (
            "within a window of some stage, the own one unknown",
            |w| {
                window(w, &[Stage::Senior], ((3, 1), (4, 1)));
                released(w);
            },
            (3, 15),
            NOTHING,
        ),
    ];

    #[test]
    fn c4_near_misses() {
        check_pupil(C4_NEAR_MISSES);
    }

    #[test]
    fn c4_is_for_the_sending_side_under_the_reference_that_it_states() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = World::new();
        let one = suspended(&mut world, 1);
        let at = released(&mut world);
        let evaluation = world.reconcile(&pupil(), day(3, 15));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!(finding.owner, Owner { party: origin(KUNMING), office: Some("530102".to_owned()) });
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [one, at]);
        assert_eq!((finding.due_on, evaluation.next), (None, None));
        for fact in &mut world.facts {
            fact.view.body = Entry::from_body(fact.view.body.clone()).same_as(newer).body;
        }
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(3, 15))), NOTHING);
        assert_eq!(world.pupil(day(3, 15)), BLOCKED);
    }
}
