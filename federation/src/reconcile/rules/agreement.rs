//! Rules over the agreement that a record cites: A1, A3 (population), A4.
use super::{Draft, Report, primary};
use crate::entry::Act;
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::view::Body;
use crate::reconcile::{Context, Fact, say};
use hefu_schemas::agreement::Population;
use hefu_schemas::record::Kind;
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

/// A3 for the population: a record of a person's status flows, though the agreement covers only people of whom there is a
/// connection, and none is in sight. Who is named by two references may have it under the other one.
pub(super) fn not_a_case(case: &Case<'_>, report: &mut Report<'_>) {
    let is_half = |fact: &Fact| matches!(fact.view.body, Body::EnrollmentConnection { .. });
    let population = report.context.standing.agreement.terms.population.get(Kind::StudentStatus.code());
    if population != Some(&Population::Case) || case.records().any(|record| is_half(record.fact)) {
        return;
    }
    for record in case.records().filter(|record| record.withdrawn_from.is_none()) {
        let fact = record.fact;
        let is_status = matches!(fact.view.body, Body::StudentStatus { .. });
        if !is_status || !primary(case, fact) || fact.view.is_moved() || !is_of_this_version(report.context, fact) {
            continue;
        }
        let (party, day) = (say::party(report.context, &fact.origin), fact.view.valid_from);
        report.push(Draft {
            rule: Rule::A3,
            severity: Severity::Critical,
            about: "population",
            rests_on: &[fact],
            members: Vec::new(),
            owner: Owner { party: fact.origin.clone(), office: Some(fact.view.stated_by.clone()) },
            due_on: None,
            text: Text::new(
                format!("{}共享了一条自{day}起生效的学籍记录，而协议只覆盖办理衔接事项的学生，其名下没有衔接事项。", party.zh),
                format!("{} shares a student status from {day} of somebody of whom there is no connection, which alone the agreement covers.", party.en),
            ),
        });
    }
}

/// A4: the office that states a record is not among those that may.
pub(super) fn incompetent(case: &Case<'_>, report: &mut Report<'_>) {
    for record in case.records().filter(|record| record.withdrawn_from.is_none()) {
        let fact = record.fact;
        let Some(party) = report.context.standing.agreement.party(&fact.origin) else { continue };
        let Some((kind, stage)) = fact.view.competence() else { continue };
        let may = party.may_state(kind, stage, &fact.view.stated_by);
        if may || !primary(case, fact) || !is_of_this_version(report.context, fact) {
            continue;
        }
        let (name, day, office) =
            (say::party(report.context, &fact.origin), fact.view.valid_from, &fact.view.stated_by);
        report.push(Draft {
            rule: Rule::A4,
            severity: Severity::Error,
            about: "statedBy",
            rests_on: &[fact],
            members: vec!["statedBy".to_owned()],
            owner: Owner { party: fact.origin.clone(), office: Some(office.clone()) },
            due_on: None,
            text: Text::new(
                format!("{}一条自{day}起生效的记录由机关{office}出具，协议未授权该机关出具此类记录。", name.zh),
                format!("A record of {} from {day} is stated by office {office}, which may not state such records under the agreement.", name.en),
            ),
        });
    }
}

/// What cites another version keeps to the terms of that one, which are not at hand here: A1 says so where it may not.
fn is_of_this_version(context: &Context<'_>, fact: &Fact) -> bool {
    let agreement = context.standing.agreement;
    fact.view.agreement == (agreement.id, agreement.version)
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
    use crate::reconcile::key::{Key, KeyType};
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
    fn a4_fires() {
        let office = |w: &mut World, id| w.fact_mut(id).view.stated_by = "530103".to_owned();
        assert_eq!(with(office), ["A4 error statedBy"]);
        let party = |w: &mut World| {
            w.agreement.parties.iter_mut().find(|p| p.origin == origin(KUNMING)).unwrap().may_state.clone()
        };
        assert_eq!(
            with(|w, _| w.agreement.parties.iter_mut().for_each(|p| p.may_state.clear())),
            ["A4 error statedBy"]
        );
        let other_stage = |w: &mut World, _| {
            let mut rows = party(w);
            rows.iter_mut().for_each(|row| row.stages = ["primary".to_owned()].into());
            w.agreement.parties.iter_mut().for_each(|p| p.may_state = rows.clone());
        };
        assert_eq!(with(other_stage), ["A4 error statedBy"]);
        let mut world = World::new();
        let id = world.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 2)));
        world.fact_mut(id).view.stated_by = "530103".to_owned();
        assert_eq!(world.transfer(day(3, 3)), ["A4 error statedBy"]);
        assert_eq!(world.pupil(day(3, 3)), NOTHING, "said once");
        let finding = &world.reconcile(&transfer(), day(3, 3)).findings[0];
        assert_eq!(finding.owner, Owner { party: origin(KUNMING), office: Some("530103".to_owned()) });
    }

    #[test]
    fn a4_near_misses() {
        let cases: &[(&str, Change)] = &[
            ("any stage", |w, _| {
                w.agreement.parties.iter_mut().flat_map(|p| &mut p.may_state).for_each(|row| row.stages.clear());
            }),
            ("another party's offices do not matter", |w, _| {
                w.agreement
                    .parties
                    .iter_mut()
                    .filter(|p| p.origin != origin(KUNMING))
                    .for_each(|p| p.may_state.clear());
            }),
            ("withdrawn, by whatever office", |w, id| {
                w.fact_mut(id).view.stated_by = "530103".to_owned();
                let gone = w.add(KUNMING, withdraws(id, day(1, 20)));
                w.fact_mut(gone).view.stated_by = "530199".to_owned();
            }),
            ("under an older version", |w, id| {
                w.agreement.version = 2;
                w.agreement.valid_from = day(1, 11);
                w.fact_mut(id).view.stated_by = "530103".to_owned();
            }),
        ];
        for (name, change) in cases {
            assert_eq!(with(change), NOTHING, "{name}");
        }
    }

    /// A world in which status flows for people of whom there is a connection.
    fn by_case(change: impl FnOnce(&mut World, RecordId)) -> Vec<String> {
        with(|world, id| {
            world.agreement.terms.population.insert("student-status", Population::Case);
            change(world, id);
        })
    }

    #[test]
    fn a3_fires_for_somebody_without_a_connection() {
        assert_eq!(by_case(|_, _| {}), ["A3 critical population"]);
        let of_another = |w: &mut World, _| {
            w.add(CHENGDU, step(Role::Receiving, Step::Requested, day(3, 1)).of_person("urn:hefu:subject:1:other"));
        };
        assert_eq!(by_case(of_another), ["A3 critical population"]);
    }

    #[test]
    fn a3_near_misses_of_the_population() {
        let cases: &[(&str, Change)] = &[
            ("a half of the other city", |w, _| {
                w.add(CHENGDU, step(Role::Receiving, Step::Requested, day(3, 1)));
            }),
            ("a half that is withdrawn", |w, _| {
                let half = w.add(CHENGDU, step(Role::Receiving, Step::Requested, day(3, 1)));
                w.add(CHENGDU, withdraws(half, day(3, 2)));
            }),
            ("two references", |w, id| {
                if let Body::StudentStatus { same_as, .. } = &mut w.fact_mut(id).view.body {
                    same_as.push("urn:hefu:subject:2:pupil".to_owned());
                }
            }),
            ("withdrawn", |w, id| {
                w.add(KUNMING, withdraws(id, day(1, 20)));
            }),
            ("the whole roll", |w, _| {
                w.agreement.terms.population.insert("student-status", Population::Roll);
            }),
        ];
        for (name, change) in cases {
            assert_eq!(by_case(change), NOTHING, "{name}");
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
