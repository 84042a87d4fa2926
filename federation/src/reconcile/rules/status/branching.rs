//! S2: one city tells two stories of one student.
use super::{Spell, Stated};
use crate::reconcile::Fact;
use crate::reconcile::case::{Case, Record};
use crate::reconcile::finding::{Rule, Severity};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::say;
use hefu_schemas::id::Origin;
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use std::collections::BTreeMap;

/// S2: two live records follow the same record, or one city has two open spells of a student. Each further one is
/// reported against the first, so that a flood of them stays as many findings and no more.
pub(in crate::reconcile::rules) fn branching(case: &Case<'_>, spells: &[Spell<'_>], report: &mut Report<'_>) {
    followed_twice(case, report);
    open_twice(case, spells, report);
}

fn followed_twice(case: &Case<'_>, report: &mut Report<'_>) {
    let mut first: BTreeMap<(&Origin, u64), Stated<'_>> = BTreeMap::new();
    let live = |record: &&Record<'_>| record.withdrawn_from.is_none();
    for record in case.records().filter(live) {
        let before = case.before(record).map(|before| before.fact);
        let Some((before, stated)) = before.zip(Stated::of(record)) else { continue };
        match first.get(&(&before.origin, before.index)) {
            Some(one) => report_followed(report, *one, stated),
            None => {
                first.insert((&before.origin, before.index), stated);
            }
        }
    }
}

fn report_followed(report: &mut Report<'_>, one: Stated<'_>, other: Stated<'_>) {
    let party = say::party(report.context, &other.fact.origin);
    let event = |stated: Stated<'_>| say::named("event", stated.event.code());
    let (first, second) = (event(one), event(other));
    let (from, again) = (one.effective_on, other.effective_on);
    let text = Text::new(
        format!(
            "{}有两条有效记录接续同一条记录：“{}”（{from}）和“{}”（{again}），只能有一条成立。",
            party.zh, first.zh, second.zh
        ),
        format!(
            "{} has two live records that follow the same record, “{}” of {from} and “{}” of {again}: one alone can hold.",
            party.en, first.en, second.en
        ),
    );
    push(report, "follows", (one.fact, other), text);
}

fn open_twice(case: &Case<'_>, spells: &[Spell<'_>], report: &mut Report<'_>) {
    let mut open: Vec<&Spell<'_>> = spells.iter().filter(|spell| is_open(spell)).collect();
    open.sort_by_key(|spell| (spell.origin(), spell.first.fact.index, spell.head.fact.index));
    // Chains that part share their first record: that is reported above.
    open.dedup_by_key(|spell| (spell.origin(), spell.first.fact.index));
    for own in open.chunk_by(|one, other| one.origin() == other.origin()) {
        let Some((one, others)) = own.split_first() else { continue };
        for other in others.iter().filter(|other| !one.gone_over_with(other, case)) {
            if report.has_come(one.first.effective_on.max(other.first.effective_on)) {
                report_open(report, one, other);
            }
        }
    }
}

fn is_open(spell: &Spell<'_>) -> bool {
    let status = spell.head.status;
    !spell.is_withdrawn() && !status.is_ended() && status != Status::TransferredOut
}

fn report_open(report: &mut Report<'_>, one: &Spell<'_>, other: &Spell<'_>) {
    let party = say::party(report.context, other.origin());
    let stage = |spell: &Spell<'_>| say::named("stage", spell.first.stage.code());
    let (first, second) = (stage(one), stage(other));
    let (from, again) = (one.first.effective_on, other.first.effective_on);
    let text = Text::new(
        format!(
            "{}为同一学生建有两段未结束的学籍：{}（自{from}起）和{}（自{again}起）。",
            party.zh, first.zh, second.zh
        ),
        format!(
            "{} has two open spells of one student: {} from {from} and {} from {again}.",
            party.en, first.en, second.en
        ),
    );
    push(report, "spell", (one.first.fact, other.first), text);
}

fn push(report: &mut Report<'_>, about: &str, (one, other): (&Fact, Stated<'_>), text: Text) {
    report.push(Draft {
        rule: Rule::S2,
        severity: Severity::Error,
        about,
        rests_on: &[one, other.fact],
        members: Vec::new(),
        owner: other.owner(),
        due_on: None,
        text,
    });
}

#[cfg(test)]
mod tests {
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::{Key, KeyType};
    use hefu_schemas::student_status::{Event, Stage, Status};

    const FOLLOWED: &[&str] = &["S2 error follows"];
    const OPEN: &[&str] = &["S2 error spell"];

    /// Enrolled from 10 January, then suspended on 1 February and again on 2 February.
    fn parted(world: &mut World) -> [hefu_schemas::id::RecordId; 3] {
        let one = world.add(KUNMING, enters(day(1, 10)));
        let first = world.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
        let second = world.add(KUNMING, status(day(2, 2), Event::Suspend, Status::Suspended).follows(one));
        [one, first, second]
    }

    const S2_FIRES: &[Sample] = &[
        (
            "two records follow the same record",
            |w| {
                parted(w);
            },
            (2, 3),
            FOLLOWED,
        ),
        (
            "one of them is followed by others",
            |w| {
                let [_, first, _] = parted(w);
                w.add(KUNMING, status(day(3, 1), Event::Resume, Status::Enrolled).follows(first));
            },
            (3, 3),
            FOLLOWED,
        ),
        (
            "three follow it: each further one is named",
            |w| {
                let [one, ..] = parted(w);
                w.add(KUNMING, status(day(2, 3), Event::Repeat, Status::Enrolled).follows(one));
            },
            (3, 3),
            &["S2 error follows", "S2 error follows"],
        ),
        (
            "the correction of what one follows makes them two",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Suspend, Status::Suspended).follows(one));
                let corrected = w.add(KUNMING, enters(day(1, 11)).corrects(one));
                w.add(KUNMING, status(day(2, 2), Event::Suspend, Status::Suspended).follows(corrected));
            },
            (3, 3),
            FOLLOWED,
        ),
        (
            "two open spells in one city",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, enters(day(3, 1)));
            },
            (3, 1),
            OPEN,
        ),
        (
            "one of them suspended, in another stage",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
                let suspend = status(day(2, 1), Event::Suspend, Status::Suspended).at(Stage::Bachelor);
                w.add(KUNMING, suspend.follows(one));
                w.add(KUNMING, status(day(2, 10), Event::ReservePlace, Status::PlaceReserved).at(Stage::Master));
            },
            (3, 1),
            OPEN,
        ),
    ];

    #[test]
    fn s2_fires() {
        check_pupil(S2_FIRES);
    }

    const S2_NEAR_MISSES: &[Sample] = &[
        (
            "one of the two is corrected to follow the other",
            |w| {
                let [_, first, second] = parted(w);
                let resumes = status(day(2, 2), Event::Resume, Status::Enrolled);
                w.add(KUNMING, resumes.follows(first).corrects(second));
            },
            (3, 3),
            NOTHING,
        ),
        (
            "one of the two is withdrawn",
            |w| {
                let [_, first, _] = parted(w);
                w.add(KUNMING, withdraws(first, day(2, 1)));
            },
            (3, 3),
            NOTHING,
        ),
        (
            "the earlier spell ended",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, status(day(2, 1), Event::Graduate, Status::Graduated).follows(one));
                w.add(KUNMING, enters(day(3, 1)).at(Stage::Junior));
            },
            (3, 1),
            NOTHING,
        ),
        (
            "the earlier spell ends with a transfer",
            |w| {
                let one = w.add(KUNMING, enters(day(1, 10)));
                let out = status(day(2, 1), Event::TransferOut, Status::TransferredOut);
                w.add(KUNMING, out.follows(one));
                w.add(KUNMING, status(day(3, 1), Event::TransferIn, Status::Enrolled));
            },
            (3, 1),
            NOTHING,
        ),
        (
            "before the second one begins",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                w.add(KUNMING, enters(day(9, 1)));
            },
            (8, 31),
            NOTHING,
        ),
        (
            "one of them is withdrawn",
            |w| {
                w.add(KUNMING, enters(day(1, 10)));
                let two = w.add(KUNMING, enters(day(3, 1)));
                w.add(KUNMING, withdraws(two, day(3, 1)));
            },
            (4, 1),
            NOTHING,
        ),
        (
            "in two cities, in stages that are not exclusive",
            |w| {
                w.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
                w.add(CHENGDU, enters(day(3, 1)).at(Stage::Bachelor));
            },
            (4, 1),
            NOTHING,
        ),
    ];

    #[test]
    fn s2_near_misses() {
        check_pupil(S2_NEAR_MISSES);
    }

    #[test]
    fn s2_names_both_records_and_stays_the_same_while_the_spells_go_on() {
        let mut world = World::new();
        let one = world.add(KUNMING, enters(day(1, 10)));
        let two = world.add(KUNMING, enters(day(3, 1)));
        let before = world.reconcile(&pupil(), day(3, 2));
        let finding = before.findings.first().unwrap();
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<Vec<_>>(), [one, two]);
        assert_eq!((finding.owner.party.as_str(), finding.due_on), (KUNMING, None));
        assert_eq!(world.reconcile(&pupil(), day(2, 1)).next, Some(day(3, 1)));
        world.add(KUNMING, status(day(3, 5), Event::Repeat, Status::Enrolled).follows(one));
        assert_eq!(world.reconcile(&pupil(), day(3, 6)).findings, before.findings);
        world.add(KUNMING, enters(day(4, 1)));
        assert_eq!(world.pupil(day(4, 2)), ["S2 error spell", "S2 error spell"], "the first with each other one");
    }

    #[test]
    fn s2_under_two_references_of_one_person() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = World::new();
        world.add(KUNMING, enters(day(1, 10)));
        world.add(KUNMING, enters(day(3, 1)).of_person(newer).same_as(PUPIL));
        assert_eq!(world.pupil(day(4, 1)), OPEN);
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(4, 1))), NOTHING);
        let two = world.facts.last().unwrap().id;
        world.add(KUNMING, enters(day(3, 2)).of_person(newer).same_as(PUPIL));
        world.add(KUNMING, withdraws(world.facts.first().unwrap().id, day(1, 10)));
        assert_eq!(world.pupil(day(4, 1)), NOTHING, "both go under the newer one");
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(4, 1))), OPEN);
        world.add(KUNMING, withdraws(two, day(3, 1)));
        assert_eq!(said(&world.reconcile(&Key::new(KeyType::Subject, newer), day(4, 1))), NOTHING);
    }
}
