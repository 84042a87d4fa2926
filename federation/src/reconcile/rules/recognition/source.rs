//! Q1: a recognition of a source that does not hold, or that no award confirms.
use super::{Relied, Stated, is_asked_here, relied};
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::view::Body;
use crate::reconcile::{Fact, say};
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition::{Role, SourceType, Step};
use hefu_schemas::text::Text;
use jiff::civil::Date;

/// What became of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Denied,
    Revoked,
    Withdrawn,
    Corrected,
}

impl Fate {
    fn about(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
            Self::Corrected => "corrected",
        }
    }
    fn words(self) -> Text {
        match self {
            Self::Denied => Text::new("查无此证", "never awarded"),
            Self::Revoked => Text::new("被撤销", "revoked"),
            Self::Withdrawn => Text::new("被撤回", "withdrawn"),
            Self::Corrected => Text::new("被更正", "corrected"),
        }
    }
}

/// Q1: the record that a recognition cites as its source is corrected, withdrawn, revoked or denied; or there is none.
pub(in crate::reconcile::rules) fn unfounded(case: &Case<'_>, report: &mut Report<'_>) {
    for relied in relied(case) {
        let award = relied.source().and_then(|cited| award(case, cited));
        match (relied.source(), award) {
            (Some(cited), Some(award)) => {
                if let Some((fate, by, from)) = fate(case, cited, award)
                    && from.is_none_or(|from| report.has_come(from))
                {
                    report_fate(report, &relied, fate, by);
                }
            }
            _ if is_asked_here(case, &relied) && relied.head.body.source.kind != SourceType::PriorLearning => {
                report_unconfirmed(report, &relied);
            }
            _ => {}
        }
    }
}

/// The award that is cited, corrected or not.
fn award<'a>(case: &Case<'a>, cited: (&str, RecordId)) -> Option<Stated<'a>> {
    case.facts().filter_map(Stated::of).find(|one| one.is_cited_by(cited) && one.body.role == Role::Awarding)
}

/// What became of an award: by which entry, and from when.
fn fate<'a>(case: &Case<'a>, cited: (&str, RecordId), award: Stated<'a>) -> Option<(Fate, &'a Fact, Option<Date>)> {
    match award.body.step {
        Step::Denied => return Some((Fate::Denied, award.fact, None)),
        Step::Revoked => return Some((Fate::Revoked, award.fact, revoked_from(award))),
        _ => {}
    }
    let revoked = case.chains().find_map(|chain| {
        let at = chain.iter().position(|record| record.fact == award.fact)?;
        let live = chain.iter().skip(at).filter(|record| record.withdrawn_from.is_none());
        live.filter_map(|record| Stated::of(record.fact)).find(|later| later.body.step == Step::Revoked)
    });
    if let Some(revoked) = revoked {
        return Some((Fate::Revoked, revoked.fact, revoked_from(revoked)));
    }
    let mut later = case.facts().filter(|fact| fact.origin == award.fact.origin && fact.index > award.fact.index);
    let corrects = |fact: &Fact| fact.of == Some(award.fact.index) || fact.view.supersedes == Some(cited.1);
    later.find_map(|fact| match fact.view.body {
        Body::Withdrawal { record, from } if record == cited.1 => Some((Fate::Withdrawn, fact, Some(from))),
        Body::QualificationRecognition(_) if corrects(fact) => Some((Fate::Corrected, fact, None)),
        _ => None,
    })
}

fn revoked_from(revoked: Stated<'_>) -> Option<Date> {
    revoked.body.revocation.map(|revocation| revocation.from)
}

fn report_fate(report: &mut Report<'_>, relied: &Relied<'_>, fate: Fate, by: &Fact) {
    let (party, other) = (say::party(report.context, &relied.head.fact.origin), say::party(report.context, &by.origin));
    let (on, words) = (relied.head.body.step_on, fate.words());
    let text = Text::new(
        format!("{}于{on}所作的认定，其来源记录已由{}载明“{}”。", party.zh, other.zh, words.zh),
        format!(
            "The recognition that {} stated on {on} cites a source that {} has stated as {}.",
            party.en, other.en, words.en
        ),
    );
    report.push(Draft {
        rule: Rule::Q1,
        severity: Severity::Critical,
        about: fate.about(),
        rests_on: &[relied.first.fact, by],
        members: vec!["source.record".to_owned()],
        owner: relied.head.owner(),
        due_on: None,
        text,
    });
}

fn report_unconfirmed(report: &mut Report<'_>, relied: &Relied<'_>) {
    let party = say::party(report.context, &relied.head.fact.origin);
    let on = relied.head.body.step_on;
    let text = Text::new(
        format!("{}于{on}的认定没有可对应的授予记录，来源未经证实。", party.zh),
        format!("No record of the award stands behind the recognition that {} stated on {on}: unconfirmed.", party.en),
    );
    report.push(Draft {
        rule: Rule::Q1,
        severity: Severity::Notice,
        about: "unconfirmed",
        rests_on: &[relied.first.fact],
        members: vec!["source.record".to_owned()],
        owner: relied.head.owner(),
        due_on: None,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::finding::Owner;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::Key;
    use hefu_schemas::id::RecordId;
    use hefu_schemas::qualification_recognition::{Outcome, SourceType, Step};

    const UNCONFIRMED: &[&str] = &["Q1 notice unconfirmed"];

    /// Kunming awards, Chengdu recognises: what is found under the record of the award.
    type Sample = (&'static str, fn(&mut World, RecordId), &'static [&'static str]);

    fn check(samples: &[Sample]) {
        for (name, enter, expected) in samples {
            let mut world = World::new();
            let award = world.add(KUNMING, award());
            enter(&mut world, award);
            assert_eq!(said(&world.reconcile(&Key::record(&did(KUNMING), award), day(9, 1))), *expected, "{name}");
        }
    }

    fn recognises(award: RecordId) -> Entry {
        recognition(Step::Decided, Some(Outcome::Full)).of_award(KUNMING, award)
    }

    const Q1_FIRES: &[Sample] = &[
        (
            "revoked afterwards",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.add(KUNMING, award().step(Step::Revoked).follows(one));
            },
            &["Q1 critical revoked"],
        ),
        (
            "revoked before it was recognised",
            |w, one| {
                w.add(KUNMING, award().step(Step::Revoked).follows(one));
                w.add(CHENGDU, recognises(one));
            },
            &["Q1 critical revoked"],
        ),
        (
            "withdrawn",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.add(KUNMING, withdraws(one, day(6, 1)));
            },
            &["Q1 critical withdrawn"],
        ),
        (
            "corrected",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.add(KUNMING, award().corrects(one));
            },
            &["Q1 critical corrected"],
        ),
        (
            "denied",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.fact_mut(one).view.body = award().step(Step::Denied).body;
            },
            &["Q1 critical denied"],
        ),
        (
            "two recognitions of one award",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.add(DALI, recognises(one));
                w.add(KUNMING, award().step(Step::Revoked).follows(one));
            },
            &["Q1 critical revoked", "Q1 critical revoked"],
        ),
        (
            "what is cited is not held",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.facts.remove(0);
            },
            UNCONFIRMED,
        ),
        (
            "what is cited is no award",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.fact_mut(one).view.body = recognition(Step::Decided, Some(Outcome::Refused)).body;
            },
            UNCONFIRMED,
        ),
    ];

    #[test]
    fn q1_fires() {
        check(Q1_FIRES);
    }

    const Q1_NEAR_MISSES: &[Sample] = &[
        (
            "the award stands",
            |w, one| {
                w.add(CHENGDU, recognises(one));
            },
            NOTHING,
        ),
        (
            "the recognition was refused",
            |w, one| {
                w.add(CHENGDU, recognition(Step::Decided, Some(Outcome::Refused)).of_award(KUNMING, one));
                w.add(KUNMING, award().step(Step::Revoked).follows(one));
            },
            NOTHING,
        ),
        (
            "the recognition is revoked too",
            |w, one| {
                let own = w.add(CHENGDU, recognises(one));
                w.add(KUNMING, award().step(Step::Revoked).follows(one));
                w.add(CHENGDU, recognises(one).step(Step::Revoked).follows(own));
            },
            NOTHING,
        ),
        (
            "the recognition is withdrawn",
            |w, one| {
                let own = w.add(CHENGDU, recognises(one));
                w.add(KUNMING, withdraws(one, day(6, 1)));
                w.add(CHENGDU, withdraws(own, day(6, 2)));
            },
            NOTHING,
        ),
        (
            "the revocation is withdrawn",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                let revoked = w.add(KUNMING, award().step(Step::Revoked).follows(one));
                w.add(KUNMING, withdraws(revoked, day(6, 2)));
            },
            NOTHING,
        ),
        (
            "the recognition is corrected to cite the corrected award",
            |w, one| {
                let own = w.add(CHENGDU, recognises(one));
                let corrected = w.add(KUNMING, award().corrects(one));
                w.add(CHENGDU, recognises(corrected).corrects(own));
            },
            NOTHING,
        ),
        (
            "another city's revocation is none",
            |w, one| {
                w.add(CHENGDU, recognises(one));
                w.add(DALI, award().step(Step::Revoked).follows(one));
            },
            NOTHING,
        ),
    ];

    #[test]
    fn q1_near_misses() {
        check(Q1_NEAR_MISSES);
    }

    #[test]
    fn q1_without_a_cited_record_is_asked_under_the_subject() {
        let mut world = World::new();
        world.add(CHENGDU, recognition(Step::Decided, Some(Outcome::Full)));
        assert_eq!(world.pupil(day(9, 1)), UNCONFIRMED);
        let mut world = World::new();
        let award = world.add(KUNMING, award());
        world.add(CHENGDU, recognises(award));
        assert_eq!(world.pupil(day(9, 1)), NOTHING);
        world.facts.remove(0);
        assert_eq!(world.pupil(day(9, 1)), NOTHING, "asked under the record that is cited");
        let mut world = World::new();
        world.add(CHENGDU, recognition(Step::Decided, Some(Outcome::Full)).source_of(SourceType::PriorLearning));
        assert_eq!(world.pupil(day(9, 1)), NOTHING, "nobody awards prior learning");
    }

    #[test]
    fn q1_is_for_the_office_that_recognised_and_the_same_under_both_keys() {
        let mut world = World::new();
        let one = world.add(KUNMING, award());
        let own = world.add(CHENGDU, recognises(one));
        let revoked = world.add(KUNMING, award().step(Step::Revoked).follows(one));
        let evaluation = world.reconcile(&Key::record(&did(KUNMING), one), day(9, 1));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!(finding.owner, Owner { party: origin(CHENGDU), office: Some("530102".to_owned()) });
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [own, revoked]);
        assert_eq!(finding.members, ["source.record"]);
        assert_eq!(world.reconcile(&pupil(), day(9, 1)).findings, evaluation.findings);
    }
}
