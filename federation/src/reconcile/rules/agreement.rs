//! Rules over the agreement that a record cites: A1.
use super::{Draft, Report};
use crate::entry::Act;
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::key::KeyType;
use crate::reconcile::view::Body;
use crate::reconcile::{Context, Fact, say};
use hefu_schemas::text::Text;
use jiff::civil::Date;

/// A1: the cited agreement does not cover the record. Asked under one key of a record only (a status under its own
/// subject, a half under its connection), so that it is reported once.
pub(super) fn not_covered(case: &Case<'_>, report: &mut Report<'_>) {
    for record in case.records().filter(|record| record.withdrawn_from.is_none()) {
        let fact = record.fact;
        if let Some(reason) = primary(case, fact).then(|| reason(report.context, fact)).flatten() {
            report_not_covered(report, fact, reason);
        }
    }
}

fn primary(case: &Case<'_>, fact: &Fact) -> bool {
    match (&fact.view.body, case.key.key_type()) {
        (Body::StudentStatus { subject, .. }, KeyType::Subject) => subject == case.key.value(),
        (Body::EnrollmentConnection { .. }, KeyType::Connection) => true,
        (Body::QualificationRecognition(body), KeyType::Subject) => body.subject.as_deref() == Some(case.key.value()),
        _ => false,
    }
}

/// Why an agreement does not cover a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Absent,
    Version,
    Date,
    Unsigned,
    Unopened,
    Suspended,
}

impl Reason {
    /// What the finding is about.
    fn about(self) -> &'static str {
        match self {
            Self::Absent => "agreement",
            Self::Version => "version",
            Self::Date => "validFrom",
            Self::Unsigned => "sign",
            Self::Unopened => "open",
            Self::Suspended => "suspend",
        }
    }
}

/// The first reason, in the order of the questions that a clerk would ask.
fn reason(context: &Context<'_>, fact: &Fact) -> Option<Reason> {
    let agreement = context.standing.agreement;
    let (id, version) = fact.view.agreement;
    let day = fact.view.valid_from;
    // What began under an earlier version keeps to it (records §6): that version is not at hand here.
    let earlier = version < agreement.version && day < agreement.valid_from;
    let opened_at = context.standing.opened_at(&fact.origin);
    if id != agreement.id {
        Some(Reason::Absent)
    } else if earlier {
        None
    } else if version != agreement.version {
        Some(Reason::Version)
    } else if day > agreement.valid_to || (day < agreement.valid_from && !may_have_begun_before(fact)) {
        Some(Reason::Date)
    } else if !context.standing.has_signed(&fact.origin) {
        Some(Reason::Unsigned)
    } else if opened_at.is_none_or(|opened| opened >= fact.index) {
        Some(Reason::Unopened)
    } else if is_suspended(context, fact, day) || !context.standing.is_open_at(&fact.origin, fact.index) {
        Some(Reason::Suspended)
    } else {
        None
    }
}

/// A registration goes back to the day on which the student entered school, often years before the agreement, and is
/// stated because it still holds or because another record follows it. A step of a connection is an act under the
/// agreement and cannot be older than that.
fn may_have_begun_before(fact: &Fact) -> bool {
    matches!(fact.view.body, Body::StudentStatus { .. })
}

/// Whether a day lies in a suspension, or behind the end, that the party declared itself.
fn is_suspended(context: &Context<'_>, fact: &Fact, day: Date) -> bool {
    let mut off_since = None;
    let mut suspended = false;
    for act in context.standing.acts.get(&fact.origin).into_iter().flatten() {
        match (act.act, off_since) {
            (Act::Suspend | Act::End, None) => off_since = act.on,
            (Act::Resume, Some(from)) => {
                suspended |= (from..act.on.unwrap_or(from)).contains(&day);
                off_since = None;
            }
            _ => {}
        }
    }
    suspended || off_since.is_some_and(|from| from <= day)
}

fn report_not_covered(report: &mut Report<'_>, fact: &Fact, reason: Reason) {
    let party = say::party(report.context, &fact.origin);
    let day = fact.view.valid_from;
    let (first, last) = (report.context.standing.agreement.valid_from, report.context.standing.agreement.valid_to);
    let (cited, version) = (fact.view.agreement.1, report.context.standing.agreement.version);
    let (zh, en) = match reason {
        Reason::Absent => ("所引用的不是本协议".to_owned(), "cites another agreement".to_owned()),
        Reason::Version => (
            format!("引用协议第{cited}版，而当日适用的是第{version}版"),
            format!("cites version {cited} of the agreement where version {version} is in force"),
        ),
        Reason::Date => (
            format!("不在协议有效期（{first}至{last}）内"),
            format!("lies outside the validity of the agreement, {first} to {last}"),
        ),
        Reason::Unsigned => ("出具方尚未签署协议".to_owned(), "is by a party that has not signed".to_owned()),
        Reason::Unopened => {
            ("登记时出具方尚未启用协议".to_owned(), "was entered before the party had opened the agreement".to_owned())
        }
        Reason::Suspended => (
            "处于出具方中止或终止协议的期间".to_owned(),
            "falls where the party itself had suspended or ended the agreement".to_owned(),
        ),
    };
    report.push(Draft {
        rule: Rule::A1,
        severity: Severity::Error,
        about: reason.about(),
        rests_on: &[fact],
        members: Vec::new(),
        owner: Owner { party: fact.origin.clone(), office: Some(fact.view.stated_by.clone()) },
        due_on: None,
        text: Text::new(
            format!("{}一条自{day}起生效的记录{zh}。", party.zh),
            format!("A record of {} from {day} {en}.", party.en),
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::Key;
    use hefu_schemas::enrollment_connection::{Role, Step};
    use hefu_schemas::id::{AgreementId, RecordId};
    use hefu_schemas::student_status::{Event, Stage, Status};

    const NOTHING: &[&str] = &[];
    /// Changes the world around a record that the agreement covers.
    type Change = fn(&mut World, RecordId);

    /// A record of Kunming that the agreement covers, and what it then says.
    fn with(change: impl FnOnce(&mut World, RecordId)) -> Vec<String> {
        let mut world = World::new();
        let id = world.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
        change(&mut world, id);
        world.pupil(day(6, 1))
    }

    fn dated(world: &mut World, id: RecordId, on: Date) {
        world.fact_mut(id).view.valid_from = on;
    }

    #[test]
    fn a1_fires() {
        let cases: &[(&str, Change, &str)] = &[
            ("another agreement", |w, id| w.fact_mut(id).view.agreement.0 = AgreementId::HOLDER, "agreement"),
            ("a version to come", |w, id| w.fact_mut(id).view.agreement.1 = 2, "version"),
            (
                "an old version after the new one began",
                |w, _| {
                    w.agreement.version = 2;
                    w.agreement.valid_from = day(1, 10);
                },
                "version",
            ),
            ("after the last day", |w, id| dated(w, id, day(25, 1)), "validFrom"),
            ("no verified proof", |w, _| w.proofs.clear(), "sign"),
            (
                "no act of signing",
                |w, _| {
                    w.acts.insert(origin(KUNMING), vec![act(Act::Open, OPENED_AT, None)]);
                },
                "sign",
            ),
            (
                "not opened",
                |w, _| {
                    w.acts.get_mut(&origin(KUNMING)).unwrap().pop();
                },
                "open",
            ),
            (
                "opened behind the entry",
                |w, _| w.acts.get_mut(&origin(KUNMING)).unwrap().last_mut().unwrap().index = 20,
                "open",
            ),
            (
                "entered while suspended",
                |w, _| w.acts.get_mut(&origin(KUNMING)).unwrap().push(act(Act::Suspend, 5, None)),
                "suspend",
            ),
            (
                "entered after the party ended it",
                |w, _| w.acts.get_mut(&origin(KUNMING)).unwrap().push(act(Act::End, 5, None)),
                "suspend",
            ),
            (
                "dated on the first day of a suspension declared later",
                |w, _| w.acts.get_mut(&origin(KUNMING)).unwrap().push(act(Act::Suspend, 20, Some(day(1, 10)))),
                "suspend",
            ),
            (
                "dated in a suspension that is over",
                |w, _| {
                    let acts = w.acts.get_mut(&origin(KUNMING)).unwrap();
                    acts.extend([act(Act::Suspend, 20, Some(day(1, 2))), act(Act::Resume, 21, Some(day(1, 11)))]);
                },
                "suspend",
            ),
        ];
        for (name, change, about) in cases {
            assert_eq!(with(change), [format!("A1 error {about}")], "{name}");
        }
    }

    #[test]
    fn a1_near_misses() {
        let cases: &[(&str, Change)] = &[
            ("covered", |_, _| {}),
            ("on the first day", |w, id| dated(w, id, day(1, 1))),
            ("on the last day", |w, id| dated(w, id, day(24, 31))),
            ("a registration that goes back further", |w, id| dated(w, id, day(-20, 1))),
            ("an old version before the new one began", |w, _| {
                w.agreement.version = 2;
                w.agreement.valid_from = day(1, 11);
            }),
            ("another party has not signed", |w, _| w.proofs.retain(|origin| origin.as_str() == KUNMING)),
            ("dated on the day before a suspension declared later", |w, _| {
                w.acts.get_mut(&origin(KUNMING)).unwrap().push(act(Act::Suspend, 20, Some(day(1, 11))))
            }),
            ("dated on the day on which it was resumed", |w, _| {
                let acts = w.acts.get_mut(&origin(KUNMING)).unwrap();
                acts.extend([act(Act::Suspend, 20, Some(day(1, 2))), act(Act::Resume, 21, Some(day(1, 10)))]);
            }),
            ("another party has suspended it", |w, _| {
                w.acts.get_mut(&origin(DALI)).unwrap().push(act(Act::Suspend, 5, Some(day(1, 1))))
            }),
            ("withdrawn", |w, id| {
                dated(w, id, day(25, 1));
                w.add(KUNMING, withdraws(id, day(25, 1)));
            }),
            ("corrected", |w, id| {
                dated(w, id, day(25, 1));
                w.add(KUNMING, status(day(1, 10), Event::Enter, Status::Enrolled).at(Stage::Bachelor).corrects(id));
            }),
        ];
        for (name, change) in cases {
            assert_eq!(with(change), NOTHING, "{name}");
        }
    }

    #[test]
    fn a1_a_step_is_no_older_than_the_agreement() {
        let mut world = World::new();
        let id = world.add(KUNMING, step(Role::Sending, Step::Notified, day(1, 1)));
        assert_eq!(world.transfer(day(3, 1)), NOTHING);
        dated(&mut world, id, day(0, 31));
        assert_eq!(world.transfer(day(3, 1)), ["A1 error validFrom"]);
    }

    #[test]
    fn a1_is_reported_under_one_key_of_a_record() {
        let mut world = World::new();
        world.proofs.clear();
        world.add(KUNMING, enters(day(1, 10)).of_person("urn:hefu:subject:2:pupil").same_as(PUPIL));
        world.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 2)));
        assert_eq!(world.pupil(day(3, 4)), NOTHING);
        let own = Key::new(KeyType::Subject, "urn:hefu:subject:2:pupil");
        assert_eq!(said(&world.reconcile(&own, day(3, 4))), ["A1 error sign"]);
        assert_eq!(world.transfer(day(3, 4)), ["A1 error sign"]);
    }
}
