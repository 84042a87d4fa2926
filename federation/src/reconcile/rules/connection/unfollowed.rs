//! C3: the connection is complete and the status records do not follow, or the student joined before the release.
use crate::reconcile::Context;
use crate::reconcile::case::Case;
use crate::reconcile::days::later;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::{Connection, Stated};
use crate::reconcile::rules::status::Spell;
use crate::reconcile::rules::{Draft, Report, is_deceased};
use crate::reconcile::{Fact, say};
use hefu_schemas::enrollment_connection::{ConnectionKind, Half as Table, Role, Step};
use hefu_schemas::id::Origin;
use hefu_schemas::record::Kind;
use hefu_schemas::student_status::{Status, holds_registration};
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// C3 under a subject: whom the connection moved is still registered where he left, or not registered where he
/// arrived. Each half is asked under the reference that it states itself: there its party's records are in sight.
pub(in crate::reconcile::rules) fn unfollowed(
    case: &Case<'_>,
    spells: &[Spell<'_>],
    connections: &BTreeMap<&str, Connection<'_>>,
    report: &mut Report<'_>,
) {
    if is_deceased(case) {
        return;
    }
    for (urn, connection) in connections {
        let Some(done) = connection.completed().filter(|_| connection.stopped_on().is_none()) else { continue };
        for role in [Role::Sending, Role::Receiving] {
            let half = connection.half(role).filter(|half| half.latest.members.subject == Some(case.key.value()));
            let Some(half) = half else { continue };
            let own: Vec<&Spell<'_>> =
                spells.iter().filter(|spell| spell.origin() == half.origin && !spell.is_withdrawn()).collect();
            let kind = half.latest.members.kind;
            match role {
                Role::Sending if kind == ConnectionKind::Transfer => {
                    still_registered(report, connection, &done, (urn, &own));
                }
                Role::Receiving if states_status(report.context, half.origin) => {
                    not_registered(report, connection, &done, (kind, &own));
                }
                _ => {}
            }
        }
    }
}

/// Whether an agreement has the party state the status of its students at all.
fn states_status(context: &Context<'_>, origin: &Origin) -> bool {
    let agreement = context.standing.agreement;
    let from = |did| agreement.terms.scope.iter().any(|row| row.kind == Kind::StudentStatus && row.from.contains(did));
    agreement.party(origin).is_some_and(|party| from(&party.did))
}

/// The day on which a connection was complete: that of the latest of the steps that make it so.
fn completed_on(done: &[Stated<'_>]) -> Option<Date> {
    done.iter().map(|stated| stated.members.step_on).max()
}

/// Stating what follows is a step of its own and has the grace of one.
fn due_on(report: &Report<'_>, day: Date) -> Date {
    later(day, report.context.grace_days(Rule::C1))
}

fn still_registered(
    report: &mut Report<'_>,
    connection: &Connection<'_>,
    done: &[Stated<'_>],
    (urn, own): (&str, &[&Spell<'_>]),
) {
    let Some(on) = completed_on(done) else { return };
    let keeps = |spell: &&&Spell<'_>| spell.first.effective_on <= on && spell.holds_after(on) && !left_by(spell, urn);
    for spell in own.iter().filter(keeps) {
        let due = due_on(report, on);
        if !report.has_come(later(due, 1)) {
            continue;
        }
        let party = say::party(report.context, spell.origin());
        let stage = say::named("stage", spell.first.stage.code());
        let text = Text::new(
            format!("转学已于{on}办结，{}至今未将该生（{}）的学籍记为转出。", party.zh, stage.zh),
            format!(
                "The transfer has been complete since {on}, and {} has not stated the student ({}) as transferred out.",
                party.en, stage.en
            ),
        );
        let rests_on: Vec<&Fact> = done.iter().map(|stated| stated.fact).chain([spell.first.fact]).collect();
        push(report, connection, (Role::Sending, Status::TransferredOut.code()), &rests_on, (Some(due), text));
    }
}

/// Whether a spell ends by the connection: transferred out under it, and not registered again since.
fn left_by(spell: &Spell<'_>, urn: &str) -> bool {
    let left = |at: usize| spell.chain.iter().skip(at).all(|stated| !holds_registration(stated.status));
    let out = spell
        .chain
        .iter()
        .rposition(|stated| stated.status == Status::TransferredOut && stated.connection == Some(urn));
    out.is_some_and(left)
}

fn not_registered(
    report: &mut Report<'_>,
    connection: &Connection<'_>,
    done: &[Stated<'_>],
    (kind, own): (ConnectionKind, &[&Spell<'_>]),
) {
    let arrives = match kind {
        ConnectionKind::Transfer | ConnectionKind::Progression => Step::Joined,
        ConnectionKind::MigrantAdmission => Step::Registered,
        _ => return,
    };
    let arrived = connection.half(Role::Receiving).and_then(|half| half.reached(arrives));
    let (Some(on), Some(arrived)) = (completed_on(done), arrived) else { return };
    let due = due_on(report, on);
    if own.iter().any(|spell| spell.holds_after(arrived.members.step_on)) || !report.has_come(later(due, 1)) {
        return;
    }
    let party = say::party(report.context, &arrived.fact.origin);
    let kind = say::named("connection-kind", kind.code());
    let text = Text::new(
        format!("“{}”已于{on}办结，{}至今没有该生的在籍记录。", kind.zh, party.zh),
        format!(
            "“{}” has been complete since {on}, and {} has not stated the student as registered.",
            kind.en, party.en
        ),
    );
    let rests_on: Vec<&Fact> = done.iter().map(|stated| stated.fact).collect();
    push(report, connection, (Role::Receiving, Status::Enrolled.code()), &rests_on, (Some(due), text));
}

/// C3 under a connection: the student joined before the sending side released, or joined and was never released.
pub(in crate::reconcile::rules) fn joined_before_release(connection: &Connection<'_>, report: &mut Report<'_>) {
    let Some(receiving) = connection.half(Role::Receiving).filter(|half| half.stopped_on.is_none()) else { return };
    let joined = receiving.reached(Step::Joined);
    let (Some(joined), Some(_)) = (joined, connection.party(report.context, Role::Sending)) else { return };
    let release = Table::of(joined.members.kind, Role::Sending).release;
    let released = connection.half(Role::Sending).and_then(|half| half.reached(release));
    let on = joined.members.step_on;
    let (zh, en, rests_on, due) = match released {
        None => {
            let due = due_on(report, on);
            if !report.has_come(later(due, 1)) {
                return;
            }
            let (zh, en) = ("送出方至今没有办结转出".to_owned(), "the sending side has not released".to_owned());
            (zh, en, vec![joined.fact], Some(due))
        }
        // Where a later step alone is held, the day of the release is not known.
        Some(released) if released.members.step == release && released.members.step_on > on => {
            let day = released.members.step_on;
            let (zh, en) = (format!("早于送出方{day}的转出"), format!("the sending side released only on {day}"));
            (zh, en, vec![joined.fact, released.fact], None)
        }
        Some(_) => return,
    };
    let party = say::party(report.context, receiving.origin);
    let text = Text::new(
        format!("{}记载该生已于{on}入学，{zh}。", party.zh),
        format!("{} states that the student joined on {on}, and {en}.", party.en),
    );
    push(report, connection, (Role::Receiving, Step::Joined.code()), &rests_on, (due, text));
}

fn push(
    report: &mut Report<'_>,
    connection: &Connection<'_>,
    (role, about): (Role, &str),
    rests_on: &[&Fact],
    (due_on, text): (Option<Date>, Text),
) {
    let Some(party) = connection.party(report.context, role) else { return };
    let office = connection.side(role).and_then(|side| side.office.clone());
    report.push(Draft {
        rule: Rule::C3,
        severity: Severity::Error,
        about,
        rests_on,
        members: Vec::new(),
        owner: Owner { party, office },
        due_on,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::finding::{Owner, Rule};
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};

    /// The pupil of Kunming joins in Chengdu on 20 March, five days after the release; what the cities state of the
    /// pupil's status besides is up to the test.
    fn moved(world: &mut World) -> RecordId {
        let here =
            [(Step::Notified, day(3, 2)), (Step::SchoolReleased, day(3, 10)), (Step::BureauReleased, day(3, 15))];
        let there = [
            (Step::Requested, day(3, 1)),
            (Step::SchoolAccepted, day(3, 5)),
            (Step::BureauAccepted, day(3, 8)),
            (Step::Joined, day(3, 20)),
        ];
        take(world, KUNMING, Role::Sending, &here);
        take(world, CHENGDU, Role::Receiving, &there)
    }

    fn enrolled(world: &mut World) -> RecordId {
        world.agreement.terms.grace_days.insert("C1".to_owned(), 5);
        world.add(KUNMING, enters(day(1, 10)))
    }

    fn leaves(world: &mut World, one: RecordId, on: i8) -> RecordId {
        let out = status(day(3, on), Event::TransferOut, Status::TransferredOut);
        world.add(KUNMING, out.by_transfer().follows(one))
    }

    fn arrives(world: &mut World) -> RecordId {
        world.add(CHENGDU, status(day(3, 20), Event::TransferIn, Status::Enrolled))
    }

    const STAYS: &[&str] = &["C3 error transferred-out"];
    const LOST: &[&str] = &["C3 error enrolled"];

    const C3_FIRES: &[Sample] = &[
        (
            "the sender never states transferred-out",
            |w| {
                enrolled(w);
                moved(w);
                arrives(w);
            },
            (3, 26),
            STAYS,
        ),
        (
            "the sender lets the pupil quit afterwards instead",
            |w| {
                let one = enrolled(w);
                moved(w);
                arrives(w);
                w.add(KUNMING, status(day(4, 1), Event::LeaveIncomplete, Status::LeftIncomplete).follows(one));
            },
            (4, 2),
            STAYS,
        ),
        (
            "the sender takes the pupil back while the other one keeps saying joined",
            |w| {
                let one = enrolled(w);
                moved(w);
                arrives(w);
                let out = leaves(w, one, 20);
                w.add(KUNMING, status(day(3, 22), Event::TransferFailed, Status::Enrolled).follows(out));
            },
            (3, 26),
            STAYS,
        ),
        (
            "the receiver never states the enrolment",
            |w| {
                let one = enrolled(w);
                moved(w);
                leaves(w, one, 20);
            },
            (3, 26),
            LOST,
        ),
        (
            "the receiver withdrew the enrolment",
            |w| {
                let one = enrolled(w);
                moved(w);
                leaves(w, one, 20);
                let two = arrives(w);
                w.add(CHENGDU, withdraws(two, day(3, 20)));
            },
            (3, 26),
            LOST,
        ),
        (
            "neither of them follows",
            |w| {
                enrolled(w);
                moved(w);
            },
            (3, 26),
            &["C3 error enrolled", "C3 error transferred-out"],
        ),
        (
            "joined by progression and not enrolled",
            |w| {
                enrolled(w);
                let of = |e: Entry| e.of_kind(ConnectionKind::Progression);
                w.add(KUNMING, of(step(Role::Sending, Step::Released, day(3, 10))));
                w.add(CHENGDU, of(step(Role::Receiving, Step::Joined, day(3, 20))));
            },
            (3, 26),
            LOST,
        ),
        (
            "registered as a migrant's child and not enrolled",
            |w| {
                enrolled(w);
                let registered = step(Role::Receiving, Step::Registered, day(3, 20));
                w.add(CHENGDU, registered.of_kind(ConnectionKind::MigrantAdmission));
            },
            (3, 26),
            LOST,
        ),
    ];

    #[test]
    fn c3_fires() {
        check_pupil(C3_FIRES);
    }

    const C3_NEAR_MISSES: &[Sample] = &[
        (
            "on the last day of the grace",
            |w| {
                enrolled(w);
                moved(w);
            },
            (3, 25),
            NOTHING,
        ),
        (
            "both follow",
            |w| {
                let one = enrolled(w);
                moved(w);
                leaves(w, one, 20);
                arrives(w);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the sender dates it later than the day of joining",
            |w| {
                let one = enrolled(w);
                moved(w);
                leaves(w, one, 30);
                arrives(w);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the sender has never stated a status",
            |w| {
                enrolled(w);
                moved(w);
                arrives(w);
                w.facts.remove(0);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "back in the city that was left, in a new spell",
            |w| {
                let one = enrolled(w);
                moved(w);
                leaves(w, one, 20);
                let two = arrives(w);
                w.add(CHENGDU, status(day(6, 30), Event::Graduate, Status::Graduated).follows(two));
                w.add(KUNMING, enters(day(9, 1)).at(Stage::Junior));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "not complete: the pupil has not joined",
            |w| {
                enrolled(w);
                let joined = moved(w);
                w.facts.retain(|fact| fact.id != joined);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the step is withdrawn",
            |w| {
                enrolled(w);
                let joined = moved(w);
                w.add(CHENGDU, withdraws(joined, day(3, 20)));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "deceased",
            |w| {
                let one = enrolled(w);
                moved(w);
                w.add(KUNMING, status(day(3, 21), Event::Decease, Status::Deceased).follows(one));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the receiver states no status of anybody",
            |w| {
                let one = enrolled(w);
                w.agreement.terms.scope.retain(|row| row.kind.code() != "student-status");
                moved(w);
                leaves(w, one, 20);
            },
            (4, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn c3_near_misses() {
        check_pupil(C3_NEAR_MISSES);
    }

    #[test]
    fn c3_is_for_the_side_that_does_not_follow_and_due_with_the_grace() {
        let mut world = World::new();
        let one = enrolled(&mut world);
        let joined = moved(&mut world);
        assert_eq!(world.reconcile(&pupil(), day(3, 20)).next, Some(day(3, 26)));
        let evaluation = world.reconcile(&pupil(), day(3, 26));
        let of = |about: &str| evaluation.findings.iter().find(|f| f.rule == Rule::C3 && f.about == about).unwrap();
        let (sender, receiver) = (of("transferred-out"), of("enrolled"));
        assert_eq!(sender.owner, Owner { party: origin(KUNMING), office: Some("530102".to_owned()) });
        assert_eq!(receiver.owner, Owner { party: origin(CHENGDU), office: Some("510107".to_owned()) });
        assert_eq!((sender.due_on, receiver.due_on), (Some(day(3, 25)), Some(day(3, 25))));
        assert!(
            sender.evidence.iter().any(|e| e.record == Some(one))
                && receiver.evidence.iter().any(|e| e.record == Some(joined))
        );
        world.add(KUNMING, status(day(3, 22), Event::Repeat, Status::Enrolled).follows(one));
        world.add(CHENGDU, step(Role::Receiving, Step::FileReceived, day(3, 24)).follows(joined));
        assert_eq!(
            world.reconcile(&pupil(), day(3, 26)).findings,
            evaluation.findings,
            "the same while steps are taken"
        );
    }

    #[test]
    fn c3_is_asked_under_the_reference_that_the_half_states() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = World::new();
        enrolled(&mut world);
        moved(&mut world);
        for fact in &mut world.facts {
            let entry = Entry::from_body(fact.view.body.clone()).same_as(newer);
            fact.view.body = entry.body;
        }
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(4, 1))), NOTHING);
        assert_eq!(world.pupil(day(4, 1)).len(), 2);
    }

    const EARLY: &[&str] = &["C3 error joined"];

    const C3_JOINED_FIRES: &[Sample] = &[
        (
            "joined a day before the release",
            |w| {
                moved(w);
                take(w, KUNMING, Role::Sending, &[(Step::Notified, day(3, 2))]);
                w.facts.retain(|fact| fact.origin != origin(KUNMING));
                let here = [
                    (Step::Notified, day(3, 2)),
                    (Step::SchoolReleased, day(3, 20)),
                    (Step::BureauReleased, day(3, 21)),
                ];
                take(w, KUNMING, Role::Sending, &here);
            },
            (3, 21),
            EARLY,
        ),
        (
            "joined and never released",
            |w| {
                moved(w);
                w.facts.retain(|fact| fact.origin != origin(KUNMING));
            },
            (3, 21),
            EARLY,
        ),
        (
            "joined although the release was rejected",
            |w| {
                moved(w);
                w.facts.retain(|fact| fact.origin != origin(KUNMING));
                take(w, KUNMING, Role::Sending, &[(Step::Notified, day(3, 2)), (Step::Rejected, day(3, 9))]);
            },
            (3, 21),
            EARLY,
        ),
    ];

    #[test]
    fn c3_joined_fires() {
        check_transfer(C3_JOINED_FIRES);
    }

    const C3_JOINED_NEAR_MISSES: &[Sample] = &[
        (
            "joined on the day of the release",
            |w| {
                take(w, KUNMING, Role::Sending, &[(Step::Notified, day(3, 2)), (Step::SchoolReleased, day(3, 10))]);
                w.facts.clear();
                take(w, KUNMING, Role::Sending, &[(Step::BureauReleased, day(3, 20))]);
                take(w, CHENGDU, Role::Receiving, &[(Step::BureauAccepted, day(3, 8)), (Step::Joined, day(3, 20))]);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "the release is not held, what comes after it is",
            |w| {
                take(w, KUNMING, Role::Sending, &[(Step::FileSent, day(3, 25))]);
                take(w, CHENGDU, Role::Receiving, &[(Step::BureauAccepted, day(3, 8)), (Step::Joined, day(3, 20))]);
            },
            (12, 1),
            NOTHING,
        ),
        (
            "joined today, the release is not here yet",
            |w| {
                moved(w);
                w.facts.retain(|fact| fact.origin != origin(KUNMING));
            },
            (3, 20),
            NOTHING,
        ),
        (
            "the joining is withdrawn",
            |w| {
                let joined = moved(w);
                w.facts.retain(|fact| fact.origin != origin(KUNMING));
                w.add(CHENGDU, withdraws(joined, day(3, 20)));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "from a city that is no party",
            |w| {
                let joined = step(Role::Receiving, Step::Joined, day(3, 20));
                w.add(CHENGDU, joined.sides(|from, _| from.city = "110100".to_owned()));
            },
            (12, 1),
            NOTHING,
        ),
        (
            "a kind that has no joining",
            |w| {
                let arrived = step(Role::Receiving, Step::Arrived, day(3, 20)).of_kind(ConnectionKind::Exchange);
                w.add(CHENGDU, arrived);
            },
            (12, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn c3_joined_near_misses() {
        check_transfer(C3_JOINED_NEAR_MISSES);
    }

    #[test]
    fn c3_asks_the_side_that_let_the_student_join() {
        let mut world = World::new();
        take(&mut world, CHENGDU, Role::Receiving, &[(Step::BureauAccepted, day(3, 8)), (Step::Joined, day(3, 20))]);
        let evaluation = world.reconcile(&transfer(), day(3, 21));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!(finding.owner, Owner { party: origin(CHENGDU), office: Some("510107".to_owned()) });
        assert_eq!(finding.due_on, Some(day(3, 20)));
        assert!(finding.text.en.contains("joined on 2026-03-20"), "{}", finding.text.en);
        assert_eq!(world.reconcile(&transfer(), day(3, 20)).next, Some(day(3, 21)));
    }
}
