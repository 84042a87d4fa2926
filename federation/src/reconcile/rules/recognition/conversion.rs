//! Q2: credits converted otherwise than the agreement says.
use super::{Relied, Stated, is_asked_here, relied};
use crate::reconcile::case::Case;
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::view::{Component, Converted, Mapping};
use crate::reconcile::{Fact, say};
use hefu_schemas::credit::{CreditRow, in_credits, sum};
use hefu_schemas::id::Origin;
use hefu_schemas::qualification_recognition::{ComponentResult, Role};
use hefu_schemas::text::Text;
use jiff::ToSpan;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Q2: an amount that its row does not give, a row that the agreement does not have or no longer converts, a component
/// that was not passed.
pub(in crate::reconcile::rules) fn converted(case: &Case<'_>, report: &mut Report<'_>) {
    for relied in relied(case).iter().filter(|relied| is_asked_here(case, relied)) {
        let award = relied.source().and_then(|cited| {
            let live = case.records().filter(|record| record.withdrawn_from.is_none());
            let awards = live.filter_map(|record| Stated::of(record.fact));
            awards.filter(|one| one.body.role == Role::Awarding).find(|one| one.is_cited_by(cited))
        });
        let mut wrong: BTreeMap<Wrong, BTreeSet<String>> = BTreeMap::new();
        for (at, mapping) in relied.head.body.mapping.iter().enumerate() {
            if let Some(converted) = &mapping.converted {
                let row = report.context.standing.agreement.terms.credit_row(&converted.row);
                for found in check(relied, award, (mapping, converted), row) {
                    wrong.entry(found).or_default().insert(format!("mapping/{at}"));
                }
            }
        }
        for (found, members) in wrong {
            report_wrong(report, relied, award, (found, members.into_iter().collect()));
        }
    }
}

/// What is wrong with a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Row,
    Years,
    Result,
    Amount,
}

impl Wrong {
    fn about(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Years => "validYears",
            Self::Result => "result",
            Self::Amount => "converted",
        }
    }
    fn words(self) -> Text {
        match self {
            Self::Row => Text::new("所引用的换算条目不在协议中", "cites a row that the agreement does not have"),
            Self::Years => Text::new("学分已超过可换算年限", "converts credits past the years in which the row holds"),
            Self::Result => Text::new("换算了未通过的课程或模块", "converts a component that was not passed"),
            Self::Amount => {
                Text::new("换算结果与协议条目不符", "states another amount than the row of the agreement gives")
            }
        }
    }
}

fn check(
    relied: &Relied<'_>,
    award: Option<Stated<'_>>,
    (mapping, converted): (&Mapping, &Converted),
    row: Option<&CreditRow>,
) -> Vec<Wrong> {
    let Some(row) = row else { return vec![Wrong::Row] };
    // What was awarded is for the awarding side to say, where that is in sight.
    let stated = award.map_or(&relied.head.body.components, |award| &award.body.components);
    let from: Vec<Option<&Component>> =
        mapping.from.iter().map(|key| stated.iter().find(|component| component.key == *key)).collect();
    let mut found = Vec::new();
    if is_past(relied, award, row) {
        found.push(Wrong::Years);
    }
    if from.iter().flatten().any(|component| component.result != ComponentResult::Passed) {
        found.push(Wrong::Result);
    }
    let amounts: Option<Vec<u64>> = from.iter().map(|component| amount(component.as_ref()?, row)).collect();
    let expected = amounts.and_then(sum).and_then(|amount| row.convert(amount));
    let is_right = converted.credits.scheme == row.to && expected.is_some() && expected == hundredths(converted);
    if !is_right {
        found.push(Wrong::Amount);
    }
    found
}

/// Whether the credits were awarded too long before the decision for the row.
fn is_past(relied: &Relied<'_>, award: Option<Stated<'_>>, row: &CreditRow) -> bool {
    let awarded = award.and_then(|award| award.body.source.awarded_on).or(relied.head.body.source.awarded_on);
    let last = |(awarded, years): (Date, u32)| awarded.saturating_add(i64::from(years).years());
    awarded.zip(row.valid_years).is_some_and(|valid| relied.head.body.step_on > last(valid))
}

fn amount(component: &Component, row: &CreditRow) -> Option<u64> {
    let credits = component.credits.as_ref().filter(|credits| credits.scheme == row.from)?;
    u64::try_from(credits.hundredths).ok()
}

fn hundredths(converted: &Converted) -> Option<u64> {
    u64::try_from(converted.credits.hundredths).ok()
}

fn report_wrong(
    report: &mut Report<'_>,
    relied: &Relied<'_>,
    award: Option<Stated<'_>>,
    (wrong, members): (Wrong, Vec<String>),
) {
    let party = say::party(report.context, &relied.head.fact.origin);
    let (on, words, listed) = (relied.head.body.step_on, wrong.words(), members.join(", "));
    let text = Text::new(
        format!("{}于{on}的认定：{}（{listed}）。", party.zh, words.zh),
        format!("The recognition that {} stated on {on} {} ({listed}).", party.en, words.en),
    );
    let rests_on: Vec<&Fact> = [relied.head.fact].into_iter().chain(award.map(|award| award.fact)).collect();
    push(report, relied, (wrong.about(), members), &rests_on, text);
}

/// What one party converted by one row in one calendar year, and the recognitions by which it did, sorted by head.
#[derive(Default)]
struct Year<'r, 'a> {
    amounts: Vec<u64>,
    by: Vec<&'r Relied<'a>>,
}

/// Q2: more credits converted by one row, for one student, by one party, in one calendar year than the row allows.
pub(in crate::reconcile::rules) fn beyond_cap(case: &Case<'_>, report: &mut Report<'_>) {
    let all = relied(case);
    let mut sums: BTreeMap<(&str, &Origin, i16), Year<'_, '_>> = BTreeMap::new();
    for relied in all.iter().filter(|relied| relied.head.body.subject.as_deref() == Some(case.key.value())) {
        for converted in relied.head.body.mapping.iter().filter_map(|mapping| mapping.converted.as_ref()) {
            let year = relied.head.body.step_on.year();
            let year = sums.entry((&converted.row, &relied.head.fact.origin, year)).or_default();
            year.amounts.push(hundredths(converted).unwrap_or(0));
            year.by.push(relied);
        }
    }
    for ((row, _, year), Year { amounts, by }) in sums {
        let terms = &report.context.standing.agreement.terms;
        let cap = terms.credit_row(row).and_then(|row| row.cap_per_year);
        // A sum that no longer fits is beyond every cap.
        let total = sum(amounts).unwrap_or(u64::MAX);
        let (Some(cap), Some(last)) = (cap.filter(|cap| total > *cap), by.last()) else { continue };
        let party = say::party(report.context, &last.head.fact.origin);
        let (total, cap) = (in_credits(total), in_credits(cap));
        let text = Text::new(
            format!("{}{year}年按“{row}”为同一学生换算学分{total}，超过协议上限{cap}。", party.zh),
            format!(
                "{} converted {total} credits of one student by “{row}” in {year}; the agreement allows {cap}.",
                party.en
            ),
        );
        let rests_on: Vec<&Fact> = by.iter().map(|relied| relied.head.fact).collect();
        push(report, last, (&format!("{row}/{year}"), vec!["mapping".to_owned()]), &rests_on, text);
    }
}

fn push(
    report: &mut Report<'_>,
    relied: &Relied<'_>,
    (about, members): (&str, Vec<String>),
    rests_on: &[&Fact],
    text: Text,
) {
    report.push(Draft {
        rule: Rule::Q2,
        severity: Severity::Error,
        about,
        rests_on,
        members,
        owner: relied.head.owner(),
        due_on: None,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::Key;
    use hefu_schemas::credit::{CreditRow, Factor, Rounding};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::qualification_recognition::{ComponentResult, Outcome, Step};

    /// 8/9, half a hundredth up, at most 60 credits a year, within six years.
    fn world() -> World {
        let mut world = World::new();
        world.agreement.terms.credit_table = vec![CreditRow {
            row: "cn-16-to-18".to_owned(),
            from: "cn-hours-16".to_owned(),
            to: "cn-hours-18".to_owned(),
            factor: Factor { num: 8, den: 9 },
            rounding: Rounding::HalfUp,
            cap_per_year: Some(6000),
            valid_years: Some(6),
        }];
        world
    }

    fn awarded() -> Entry {
        award()
            .component("math", "cn-hours-16", 300, ComponentResult::Passed)
            .component("law", "cn-hours-16", 200, ComponentResult::Failed)
            .component("art", "us-semester", 200, ComponentResult::Passed)
    }

    fn converts(award: RecordId, from: &[&str], hundredths: i64) -> Entry {
        recognition(Step::Decided, Some(Outcome::Full)).of_award(KUNMING, award).converted(
            from,
            "cn-hours-18",
            hundredths,
            "cn-16-to-18",
        )
    }

    type Sample = (&'static str, fn(&mut World, RecordId), &'static [&'static str]);

    fn check(samples: &[Sample]) {
        for (name, enter, expected) in samples {
            let mut world = world();
            let award = world.add(KUNMING, awarded());
            enter(&mut world, award);
            assert_eq!(said(&world.reconcile(&Key::record(&did(KUNMING), award), day(9, 1))), *expected, "{name}");
        }
    }

    const Q2_FIRES: &[Sample] = &[
        (
            "a hundredth too many",
            |w, one| {
                w.add(CHENGDU, converts(one, &["math"], 268));
            },
            &["Q2 error converted"],
        ),
        (
            "rounded down where the row rounds up",
            |w, one| {
                w.add(CHENGDU, converts(one, &["math"], 266));
            },
            &["Q2 error converted"],
        ),
        (
            "of another scheme than the row converts from",
            |w, one| {
                w.add(CHENGDU, converts(one, &["art"], 178));
            },
            &["Q2 error converted"],
        ),
        (
            "to another scheme than the row converts to",
            |w, one| {
                let entry = recognition(Step::Decided, Some(Outcome::Full)).of_award(KUNMING, one);
                w.add(CHENGDU, entry.converted(&["math"], "ects", 267, "cn-16-to-18"));
            },
            &["Q2 error converted"],
        ),
        (
            "a component that the award does not have",
            |w, one| {
                w.add(CHENGDU, converts(one, &["music"], 267));
            },
            &["Q2 error converted"],
        ),
        (
            "not passed, whatever the recognition says of it",
            |w, one| {
                let own = converts(one, &["law"], 178);
                w.add(CHENGDU, own.component("law", "cn-hours-16", 200, ComponentResult::Passed));
            },
            &["Q2 error result"],
        ),
        (
            "a row that the agreement does not have",
            |w, one| {
                let entry = recognition(Step::Decided, Some(Outcome::Full)).of_award(KUNMING, one);
                w.add(CHENGDU, entry.converted(&["math"], "cn-hours-18", 267, "other"));
            },
            &["Q2 error row"],
        ),
        (
            "on the first day after the years of the row",
            |w, one| {
                w.add(CHENGDU, converts(one, &["math"], 267).on(day(72 + 5, 2)));
            },
            &["Q2 error validYears"],
        ),
    ];

    #[test]
    fn q2_fires() {
        check(Q2_FIRES);
    }

    const Q2_NEAR_MISSES: &[Sample] = &[
        (
            "as the row says",
            |w, one| {
                w.add(CHENGDU, converts(one, &["math"], 267));
            },
            NOTHING,
        ),
        (
            "two components rounded once, not twice",
            |w, one| {
                let body = awarded().component("chem", "cn-hours-16", 300, ComponentResult::Passed).body;
                w.fact_mut(one).view.body = body;
                w.add(CHENGDU, converts(one, &["math", "chem"], 533));
            },
            NOTHING,
        ),
        (
            "on the last day of the years of the row",
            |w, one| {
                w.add(CHENGDU, converts(one, &["math"], 267).on(day(72 + 5, 1)));
            },
            NOTHING,
        ),
        (
            "the wrong one is corrected",
            |w, one| {
                let own = w.add(CHENGDU, converts(one, &["math"], 268));
                w.add(CHENGDU, converts(one, &["math"], 267).corrects(own));
            },
            NOTHING,
        ),
        (
            "revoked since",
            |w, one| {
                let own = w.add(CHENGDU, converts(one, &["math"], 268));
                w.add(CHENGDU, converts(one, &["math"], 268).step(Step::Revoked).follows(own));
            },
            NOTHING,
        ),
    ];

    #[test]
    fn q2_near_misses() {
        check(Q2_NEAR_MISSES);
    }

    #[test]
    fn q2_by_what_the_recognition_says_where_no_award_is_cited() {
        let mut world = world();
        let entry = recognition(Step::Decided, Some(Outcome::Full))
            .component("math", "cn-hours-16", 300, ComponentResult::Passed)
            .converted(&["math"], "cn-hours-18", 268, "cn-16-to-18");
        world.add(CHENGDU, entry);
        assert_eq!(world.pupil(day(9, 1)), ["Q1 notice unconfirmed", "Q2 error converted"]);
    }

    #[test]
    fn q2_names_the_rows_of_the_mapping_and_both_records() {
        let mut world = world();
        let award = world.add(KUNMING, awarded());
        let entry = converts(award, &["math"], 267).converted(&["math"], "cn-hours-18", 1, "cn-16-to-18");
        let own = world.add(CHENGDU, entry);
        let evaluation = world.reconcile(&Key::record(&did(KUNMING), award), day(9, 1));
        let finding = evaluation.findings.first().unwrap();
        assert_eq!((finding.about.as_str(), finding.members.as_slice()), ("converted", &["mapping/1".to_owned()][..]));
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [own, award]);
        assert_eq!(finding.owner.party, origin(CHENGDU));
    }

    #[test]
    fn q2_sums_a_year_of_one_party_against_the_cap() {
        let mut world = world();
        let (first, second) = (world.add(KUNMING, awarded()), world.add(KUNMING, awarded()));
        world.add(CHENGDU, converts(first, &["math"], 5000));
        let other = world.add(CHENGDU, converts(second, &["math"], 1000));
        let cap = |world: &World| {
            let all = world.pupil(day(9, 1));
            all.into_iter().filter(|said| said.contains('/')).collect::<Vec<_>>()
        };
        assert_eq!(cap(&world), NOTHING, "the cap is reached");
        let again = world.add(CHENGDU, converts(second, &["math"], 1001).corrects(other));
        assert_eq!(cap(&world), ["Q2 error cn-16-to-18/2026"]);
        world.add(DALI, converts(first, &["math"], 5999));
        assert_eq!(cap(&world).len(), 1, "each party has its own");
        world.add(CHENGDU, converts(second, &["math"], 1001).on(day(13, 1)).corrects(again));
        assert_eq!(cap(&world), NOTHING, "in another year");
    }
}
