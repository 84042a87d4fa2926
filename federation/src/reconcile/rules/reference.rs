//! Rules over what records cite: G1, G7.
//!
//! Under a `record` key all who cite one record meet it. Two references need no such key: what a record follows is filed under
//! the same subject or connection, and so are the halves of the connection that a status cites.
use super::{Draft, Report, primary};
use crate::reconcile::case::{Case, Record};
use crate::reconcile::days::later;
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::view::Body;
use crate::reconcile::{Fact, say};
use hefu_schemas::text::Text;
use std::collections::BTreeSet;

/// G1 under a `record` key: the cited record is not there, though its issuer is a party.
pub(super) fn cited_missing(case: &Case<'_>, report: &mut Report<'_>) {
    let Some((issuer, id)) = case.key.cited().filter(|_| case.cited.is_none()) else { return };
    if report.context.standing.agreement.party_of(issuer).is_none() {
        return;
    }
    for (record, member) in citing(case) {
        report_missing(report, record.fact, member, &format!("{member}/{}", id.uuid()));
    }
}

/// G1 under the key of the matter itself: what a record follows, and the connection that a status cites. What names a person by
/// two references may find it under the other one; that is asked under a `record` key, or not at all.
pub(super) fn missing(case: &Case<'_>, report: &mut Report<'_>) {
    let connections: BTreeSet<&str> = case.records().filter_map(|record| half_of(record.fact)).collect();
    for record in case.records().filter(|record| record.withdrawn_from.is_none()) {
        let fact = record.fact;
        if !primary(case, fact) {
            continue;
        }
        if record.follows_missing && !fact.view.cites_what_it_follows() {
            report_missing(report, fact, "follows", "follows");
        }
        if let Body::StudentStatus { connection: Some(connection), .. } = &fact.view.body
            && !fact.view.is_moved()
            && !connections.contains(connection.as_str())
        {
            report_missing(report, fact, "connection", "connection");
        }
    }
}

/// The connection of which a record is a step.
fn half_of(fact: &Fact) -> Option<&str> {
    match &fact.view.body {
        Body::EnrollmentConnection { connection, .. } => Some(connection),
        _ => None,
    }
}

/// The standing records that cite the record of a `record` key, and by which member.
fn citing<'c, 'a>(case: &'c Case<'a>) -> impl Iterator<Item = (&'c Record<'a>, &'static str)> {
    let cited = case.key.cited();
    let member = move |fact: &Fact| {
        let all = fact.view.citations().find(|citation| cited == Some((citation.issuer, citation.id)));
        all.map(|citation| citation.member)
    };
    case.records()
        .filter(|record| record.withdrawn_from.is_none())
        .filter_map(move |record| Some((record, member(record.fact)?)))
}

/// A warning after the days of grace, an error after as many again, counted from the day of the entry.
fn report_missing(report: &mut Report<'_>, fact: &Fact, member: &str, about: &str) {
    let grace = report.context.grace_days(Rule::G1);
    let Some(entered) = report.context.standing.day(fact.t) else { return };
    let due_on = later(entered, grace);
    if !report.has_come(later(due_on, 1)) {
        return;
    }
    let late = later(due_on, grace.saturating_add(1));
    let severity = if report.has_come(late) { Severity::Error } else { Severity::Warning };
    let party = say::party(report.context, &fact.origin);
    let day = fact.view.valid_from;
    report.push(Draft {
        rule: Rule::G1,
        severity,
        about,
        rests_on: &[fact],
        members: vec![member.to_owned()],
        owner: Owner { party: fact.origin.clone(), office: Some(fact.view.stated_by.clone()) },
        due_on: Some(due_on),
        text: Text::new(
            format!("{}一条自{day}起生效的记录在“{member}”中引用的内容，至{due_on}仍未出现。", party.zh),
            format!("What a record of {} from {day} cites in “{member}” has not come by {due_on}.", party.en),
        ),
    });
}

/// G7: a record that stands relies on one that no longer does. The finding rests on both, so that it stays the same whatever
/// else becomes of the cited one.
pub(super) fn reliance(case: &Case<'_>, report: &mut Report<'_>) {
    let Some((cited, fate)) = case.cited.and_then(|cited| Some((cited.fact, fate(case)?))) else { return };
    let about = format!("basis/{}", cited.id.uuid());
    for (record, _) in citing(case).filter(|(record, member)| *member == "basis" && record.fact != cited) {
        let fact = record.fact;
        let (own, other) = (say::party(report.context, &fact.origin), say::party(report.context, &cited.origin));
        report.push(Draft {
            rule: Rule::G7,
            severity: Severity::Critical,
            about: &about,
            rests_on: &[fact, cited],
            members: vec!["basis".to_owned()],
            owner: Owner { party: fact.origin.clone(), office: Some(fact.view.stated_by.clone()) },
            due_on: None,
            text: Text::new(
                format!("{}一条自{}起生效的记录所依据的{}的记录{}。", own.zh, fact.view.valid_from, other.zh, fate.zh),
                format!(
                    "A record of {} from {} relies on a record of {} that {}.",
                    own.en, fact.view.valid_from, other.en, fate.en
                ),
            ),
        });
    }
}

/// What became of the cited record, if it no longer is what it was.
fn fate(case: &Case<'_>) -> Option<Text> {
    let cited = case.cited?;
    if let Some(by) = cited.withdrawn_by {
        let day = by.view.valid_from;
        return Some(Text::new(format!("自{day}起已撤回"), format!("is withdrawn from {day}")));
    }
    let last = cited.corrected_by.unwrap_or(cited.fact);
    let revokes = |record: &&Record<'_>| {
        let follows = case.before(record).is_some_and(|before| before.fact == last);
        follows && record.withdrawn_from.is_none() && record.fact.view.revokes()
    };
    if let Some(by) = case.records().find(revokes) {
        let day = by.fact.view.valid_from;
        return Some(Text::new(format!("自{day}起已撤销"), format!("is revoked from {day}")));
    }
    cited.corrected_by.map(|_| Text::new("已被更正", "has been corrected"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use crate::reconcile::key::Key;
    use hefu_schemas::enrollment_connection::{Role, Step};
    use hefu_schemas::id::RecordId;
    use hefu_schemas::student_status::{Event, Stage, Status};
    use jiff::civil::Date;

    const NOTHING: &[&str] = &[];

    /// An id that no record of a test has.
    fn absent() -> RecordId {
        RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-00000000ffff").unwrap()
    }
    /// A world with 20 days of grace. All is entered on 2 February.
    fn world() -> World {
        let mut world = World::new();
        world.agreement.terms.grace_days.insert("G1".to_owned(), 20);
        world
    }
    fn of(world: &World, city: &str, id: RecordId, as_of: Date) -> Vec<String> {
        said(&world.reconcile(&Key::record(&did(city), id), as_of))
    }

    #[test]
    fn g1_a_basis_that_does_not_come() {
        let mut world = world();
        world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, absent()));
        let about = format!("basis/{}", absent().uuid());
        for (as_of, expected) in [
            (day(2, 22), vec![]),
            (day(2, 23), vec![format!("G1 warning {about}")]),
            (day(3, 14), vec![format!("G1 warning {about}")]),
            (day(3, 15), vec![format!("G1 error {about}")]),
        ] {
            assert_eq!(of(&world, CHENGDU, absent(), as_of), expected, "{as_of}");
        }
        let early = world.reconcile(&Key::record(&did(CHENGDU), absent()), day(2, 3));
        assert_eq!((early.next, early.matched), (Some(day(2, 23)), false));
        let finding = &world.reconcile(&Key::record(&did(CHENGDU), absent()), day(2, 23)).findings[0];
        assert_eq!((finding.due_on, finding.members.clone()), (Some(day(2, 22)), vec!["basis".to_owned()]));
        assert_eq!((finding.owner.party.clone(), finding.owner.office.as_deref()), (origin(KUNMING), Some("530102")));
    }

    #[test]
    fn g1_closes_when_the_target_comes() {
        let mut world = world();
        let target = world.add(CHENGDU, enters(day(1, 9)));
        let relying = world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, target));
        let key = Key::record(&did(CHENGDU), target);
        let without: Vec<Fact> = world.facts.iter().filter(|fact| fact.id == relying).cloned().collect();
        assert_eq!(world.reconcile_facts(&key, day(4, 1), &without).findings.len(), 1);
        assert_eq!(world.reconcile(&key, day(4, 1)).findings, []);
    }

    #[test]
    fn g1_near_misses() {
        let mut world = world();
        // Issued by a city that is no party: outside the federation.
        world.add(KUNMING, enters(day(1, 10)).relies_on("lhasa.example", absent()));
        assert_eq!(of(&world, "lhasa.example", absent(), day(6, 1)), NOTHING);
        // The same id in another city's log is another record.
        let target = world.add(CHENGDU, enters(day(1, 9)));
        world.add(KUNMING, enters(day(1, 10)).relies_on(DALI, target));
        assert_eq!(of(&world, DALI, target, day(6, 1)).len(), 1);
        // Withdrawn, or corrected to cite nothing.
        for change in [|id| withdraws(id, day(3, 1)), |id| enters(day(1, 10)).corrects(id)] {
            let mut world = self::world();
            let relying = world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, absent()));
            assert_eq!(of(&world, CHENGDU, absent(), day(6, 1)).len(), 1);
            world.add(KUNMING, change(relying));
            assert_eq!(of(&world, CHENGDU, absent(), day(6, 1)), NOTHING);
        }
    }

    #[test]
    fn g1_a_followed_record_that_is_not_there() {
        let mut world = world();
        let suspended = status(day(1, 20), Event::Suspend, Status::Suspended).at(Stage::Bachelor);
        world.add(KUNMING, suspended.follows(absent()));
        assert!(!world.pupil(day(2, 22)).iter().any(|said| said.starts_with("G1")));
        assert!(world.pupil(day(2, 23)).contains(&"G1 warning follows".to_owned()));
        let mut half = self::world();
        half.add(KUNMING, step(Role::Sending, Step::SchoolReleased, day(1, 20)).follows(absent()));
        assert!(half.transfer(day(2, 23)).contains(&"G1 warning follows".to_owned()));
        assert!(!half.pupil(day(2, 23)).contains(&"G1 warning follows".to_owned()), "said once");
    }

    #[test]
    fn g1_a_followed_record_under_another_reference_is_asked_by_its_id() {
        let newer = "urn:hefu:subject:2:pupil";
        let mut world = world();
        let one = world.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
        let suspended = status(day(1, 20), Event::Suspend, Status::Suspended).at(Stage::Bachelor);
        world.add(KUNMING, suspended.clone().of_person(newer).same_as(PUPIL).follows(one));
        let own = Key::new(crate::reconcile::key::KeyType::Subject, newer);
        assert!(!said(&world.reconcile(&own, day(6, 1))).iter().any(|said| said.starts_with("G1")));
        assert_eq!(of(&world, KUNMING, one, day(6, 1)), NOTHING);
        world.add(KUNMING, suspended.of_person(newer).same_as(PUPIL).follows(absent()));
        assert_eq!(of(&world, KUNMING, absent(), day(6, 1)), [format!("G1 error follows/{}", absent().uuid())]);
    }

    #[test]
    fn g1_a_connection_of_which_no_half_is_there() {
        let mut world = world();
        let out = status(day(1, 20), Event::TransferOut, Status::TransferredOut).at(Stage::Bachelor).by_transfer();
        let one = world.add(KUNMING, enters(day(1, 10)).at(Stage::Bachelor));
        world.add(KUNMING, out.follows(one));
        assert!(world.pupil(day(2, 23)).contains(&"G1 warning connection".to_owned()));
        world.add(CHENGDU, step(Role::Receiving, Step::Requested, day(1, 19)));
        assert!(!world.pupil(day(2, 23)).iter().any(|said| said.starts_with("G1")));
    }

    #[test]
    fn g7_a_record_relies_on_what_no_longer_stands() {
        let mut world = world();
        let target = world.add(CHENGDU, enters(day(1, 9)));
        let relying = world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, target));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)), NOTHING);
        let about = format!("G7 critical basis/{}", target.uuid());
        let corrected = world.add(CHENGDU, enters(day(1, 8)).corrects(target));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)), [about]);
        let before = world.reconcile(&Key::record(&did(CHENGDU), target), day(6, 1));
        let finding = &before.findings[0];
        assert_eq!(finding.owner.party, origin(KUNMING));
        assert_eq!(finding.evidence.iter().filter_map(|e| e.record).collect::<BTreeSet<_>>(), [target, relying].into());
        assert!(finding.text.zh.contains("已被更正") && !finding.text.zh.contains("subject"), "{}", finding.text.zh);
        // Whatever else becomes of it, the finding is the same one.
        world.add(CHENGDU, withdraws(corrected, day(1, 20)));
        let after = world.reconcile(&Key::record(&did(CHENGDU), target), day(6, 1));
        assert_eq!(after.findings[0].id, finding.id);
        assert!(after.findings[0].text.en.contains("withdrawn from 2026-01-20"), "{}", after.findings[0].text.en);
        // It closes by the relying city's own correction.
        world.add(KUNMING, enters(day(1, 10)).corrects(relying));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)), NOTHING);
    }

    /// An award of the examples at a step.
    fn award(step: hefu_schemas::qualification_recognition::Step, on: Date) -> Entry {
        let text = include_str!("../../../../schemas/json/qualification-recognition/valid/awarding-skill-level.json");
        let limit = hefu_schemas::gate::MAX_RECORD_LEN;
        let bytes = hefu_schemas::canonical::canonicalize(text.as_bytes(), limit).unwrap();
        let view = crate::reconcile::view::View::read(&hefu_schemas::scan::scan(bytes, limit).unwrap()).unwrap();
        let Body::QualificationRecognition(mut body) = view.body else { panic!() };
        (body.step, body.step_on) = (step, on);
        let mut entry = enters(on);
        entry.body = Body::QualificationRecognition(body);
        entry
    }

    #[test]
    fn g7_a_revoked_award() {
        use hefu_schemas::qualification_recognition::Step as Taken;
        let mut world = world();
        let issued = world.add(CHENGDU, award(Taken::Issued, day(1, 9)));
        world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, issued));
        let about = [format!("G7 critical basis/{}", issued.uuid())];
        assert_eq!(of(&world, CHENGDU, issued, day(6, 1)), NOTHING);
        let revoked = world.add(CHENGDU, award(Taken::Revoked, day(1, 20)).follows(issued));
        assert_eq!(of(&world, CHENGDU, issued, day(6, 1)), about);
        let text = world.reconcile(&Key::record(&did(CHENGDU), issued), day(6, 1)).findings[0].text.en.clone();
        assert!(text.contains("is revoked from 2026-01-20"), "{text}");
        // The revocation is withdrawn: the award stands again.
        world.add(CHENGDU, withdraws(revoked, day(1, 21)));
        assert_eq!(of(&world, CHENGDU, issued, day(6, 1)), NOTHING);
        // Of a corrected award the revocation follows the correction.
        let corrected = world.add(CHENGDU, award(Taken::Issued, day(1, 22)).corrects(issued));
        world.add(CHENGDU, award(Taken::Revoked, day(1, 23)).follows(corrected));
        let text = world.reconcile(&Key::record(&did(CHENGDU), issued), day(6, 1)).findings[0].text.en.clone();
        assert!(text.contains("is revoked from 2026-01-23"), "{text}");
    }

    #[test]
    fn g7_near_misses() {
        let mut world = world();
        let target = world.add(CHENGDU, enters(day(1, 9)));
        let relying = world.add(KUNMING, enters(day(1, 10)).relies_on(CHENGDU, target));
        // A lawful change is no correction.
        let suspended = world.add(CHENGDU, status(day(1, 12), Event::Suspend, Status::Suspended).follows(target));
        world.add(CHENGDU, withdraws(suspended, day(1, 13)));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)), NOTHING);
        world.add(CHENGDU, withdraws(target, day(1, 20)));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)).len(), 1);
        world.add(KUNMING, withdraws(relying, day(1, 21)));
        assert_eq!(of(&world, CHENGDU, target, day(6, 1)), NOTHING);
    }
}
