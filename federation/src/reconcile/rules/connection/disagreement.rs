//! C2: the two halves of a connection disagree.
use crate::reconcile::finding::{Owner, Rule, Severity};
use crate::reconcile::halves::{Connection, Half, Members, Stated};
use crate::reconcile::rules::{Draft, Report};
use crate::reconcile::say;
use crate::reconcile::view::Side;
use hefu_schemas::enrollment_connection::Role;
use hefu_schemas::text::Text;

/// C2: the halves disagree about who, where, what or when.
pub(in crate::reconcile::rules) fn disagree(connection: &Connection<'_>, report: &mut Report<'_>) {
    let (Some(sending), Some(receiving)) = (connection.half(Role::Sending), connection.half(Role::Receiving)) else {
        return;
    };
    let members = differing(&sending.latest.members, &receiving.latest.members);
    if members.is_empty() {
        return;
    }
    let (ours, theirs) = (since(sending), since(receiving));
    // Whoever spoke last did so against what the other side had stated.
    let spoke = |half: &Half<'_>, stated: Stated<'_>| (stated.fact.t, half.origin.clone());
    let last = if spoke(sending, ours) > spoke(receiving, theirs) { sending } else { receiving };
    let name = |half: &Half<'_>| say::party(report.context, half.origin);
    let (one, other, listed) = (name(sending), name(receiving), members.join(", "));
    let text = Text::new(
        format!("{}（送出方）与{}（接收方）对同一衔接事项的记载不一致：{listed}。", one.zh, other.zh),
        format!("{} (sending) and {} (receiving) state the same connection differently: {listed}.", one.en, other.en),
    );
    let side = last.latest.members.side(last.latest.members.role);
    report.push(Draft {
        rule: Rule::C2,
        severity: Severity::Error,
        about: "halves",
        rests_on: &[ours.fact, theirs.fact],
        owner: Owner { party: last.origin.clone(), office: side.office.clone() },
        members,
        due_on: None,
        text,
    });
}

/// The record since which a half has stated what it states now: a finding stays the same while steps are taken and
/// the disagreement remains.
fn since<'a>(half: &Half<'a>) -> Stated<'a> {
    let same = |stated: &&Stated<'a>| states_the_same(&stated.members, &half.latest.members);
    half.chain.iter().rev().take_while(same).last().copied().unwrap_or(half.latest)
}

/// Names of the members that both halves state, and state differently.
fn differing(one: &Members<'_>, other: &Members<'_>) -> Vec<String> {
    let mut members = Vec::new();
    let mut compare = |name: &str, differs: bool| {
        if differs {
            members.push(name.to_owned());
        }
    };
    compare("connectionKind", one.kind != other.kind);
    compare("id", one.subject.is_some() && other.subject.is_some() && !is_same_person(one, other));
    compare("programme", both_differ(one.programme, other.programme));
    compare("plannedPeriod", both_differ(one.planned, other.planned));
    for (name, role) in [("sending", Role::Sending), ("receiving", Role::Receiving)] {
        let (own, their) = (one.side(role), other.side(role));
        compare(&format!("{name}.city"), own.city != their.city);
        compare(&format!("{name}.institution"), both_differ(own.institution.as_ref(), their.institution.as_ref()));
        compare(&format!("{name}.programme"), both_differ(own.programme.as_ref(), their.programme.as_ref()));
    }
    members.sort_unstable();
    members
}

fn both_differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// One person by one reference, or by references that either half (or both) declares to be of the same person, as
/// those of two epochs are.
fn is_same_person(one: &Members<'_>, other: &Members<'_>) -> bool {
    let all = |members: &Members<'_>| -> Vec<String> {
        members.subject.into_iter().map(str::to_owned).chain(members.same_as.iter().cloned()).collect()
    };
    let other = all(other);
    all(one).iter().any(|reference| other.contains(reference))
}

fn states_the_same(one: &Members<'_>, other: &Members<'_>) -> bool {
    let place = |side: &Side| (side.city.clone(), side.institution.clone(), side.programme.clone());
    let matter = |m: &Members<'_>| (m.kind, m.subject.map(str::to_owned), m.programme.map(str::to_owned), m.planned);
    matter(one) == matter(other)
        && place(one.sending) == place(other.sending)
        && place(one.receiving) == place(other.receiving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use hefu_schemas::enrollment_connection::{ConnectionKind, Step};
    use std::collections::BTreeSet;

    /// Both halves at their first step, the sending one changed.
    fn halves(world: &mut World, change: impl FnOnce(Entry) -> Entry) {
        take(world, CHENGDU, Role::Receiving, &[(Step::Requested, day(3, 2))]);
        world.add(KUNMING, change(step(Role::Sending, Step::Notified, day(3, 3))));
    }

    fn differing_members(change: impl FnOnce(Entry) -> Entry) -> Vec<String> {
        let mut world = World::new();
        halves(&mut world, change);
        let findings = world.reconcile(&transfer(), day(3, 4)).findings;
        assert!(findings.len() <= 1 && findings.iter().all(|f| f.rule == Rule::C2 && f.severity == Severity::Error));
        findings.into_iter().flat_map(|finding| finding.members).collect()
    }

    #[test]
    fn c2_fires() {
        let school = |school: &str| Some(format!("cn-school-id:{school}"));
        assert_eq!(
            differing_members(|e| e.sides(|s, _| s.institution = school("2153000009"))),
            ["sending.institution"]
        );
        assert_eq!(
            differing_members(|e| e.sides(|_, r| r.institution = school("2151000009"))),
            ["receiving.institution"]
        );
        assert_eq!(differing_members(|e| e.of_person("urn:hefu:subject:1:other")), ["id"]);
        assert_eq!(differing_members(|e| e.of_kind(ConnectionKind::Progression)), ["connectionKind"]);
        let both = differing_members(|e| {
            e.sides(|s, r| {
                s.institution = school("2153000009");
                r.city = "500100".to_owned();
            })
        });
        assert_eq!(both, ["receiving.city", "sending.institution"], "one finding that lists all");
    }

    #[test]
    fn c2_compares_what_both_state() {
        let with = |ours: fn(Entry) -> Entry, theirs: fn(Entry) -> Entry| {
            let mut world = World::new();
            world.add(CHENGDU, theirs(step(Role::Receiving, Step::Requested, day(3, 2))));
            world.add(KUNMING, ours(step(Role::Sending, Step::Notified, day(3, 3))));
            world.reconcile(&transfer(), day(3, 4)).findings.into_iter().flat_map(|f| f.members).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(with(|e| e.programme("a"), |e| e.programme("b")), ["programme"]);
        assert_eq!(with(|e| e.programme("a"), |e| e), none);
        let autumn = |e: Entry| e.planned(day(9, 1), day(12, 31));
        assert_eq!(with(autumn, |e| e.planned(day(9, 1), day(12, 30))), ["plannedPeriod"]);
        assert_eq!(with(autumn, autumn), none);
        let course = |e: Entry| e.sides(|s, _| s.programme = Some("0301".to_owned()));
        assert_eq!(with(course, |e| e.sides(|s, _| s.programme = Some("0302".to_owned()))), ["sending.programme"]);
        assert_eq!(with(course, |e| e), none);
    }

    #[test]
    fn c2_near_misses() {
        let none: [&str; 0] = [];
        assert_eq!(differing_members(|e| e), none);
        assert_eq!(differing_members(|e| e.requested(day(2, 28))), none, "the date of the request is not compared");
        assert_eq!(differing_members(|e| e.sides(|s, _| s.institution = None)), none);
        assert_eq!(differing_members(|e| e.sides(|_, r| r.office = Some("510100".to_owned()))), none);
        let newer = "urn:hefu:subject:2:pupil";
        assert_eq!(differing_members(|e| e.of_person(newer).same_as(PUPIL)), none, "two epochs of one person");
        assert_eq!(differing_members(|e| e.of_person(newer)), ["id"]);
        let mut alone = World::new();
        alone.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 3)).sides(|_, r| r.city = "500100".to_owned()));
        assert_eq!(alone.transfer(day(3, 4)), none);
    }

    #[test]
    fn c2_stays_the_same_finding_while_steps_are_taken_and_closes_with_a_correction() {
        let mut world = World::new();
        halves(&mut world, |e| e.sides(|s, _| s.institution = Some("cn-school-id:2153000009".to_owned())));
        let before = world.reconcile(&transfer(), day(3, 4));
        let finding = before.findings.first().unwrap();
        assert_eq!(finding.owner, Owner { party: origin(KUNMING), office: Some("530102".to_owned()) }, "spoke last");
        let notified = world.facts.last().unwrap().id;
        let asked = world.facts.first().unwrap().id;
        world.add(CHENGDU, step(Role::Receiving, Step::SchoolAccepted, day(3, 5)).follows(asked));
        let after = world.reconcile(&transfer(), day(3, 5));
        assert_eq!(after.findings, before.findings);
        world.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 3)).corrects(notified));
        let corrected = world.reconcile(&transfer(), day(3, 6));
        assert_eq!((corrected.findings.len(), corrected.matched), (0, true));
    }

    #[test]
    fn the_half_of_a_role_is_the_one_of_its_city() {
        let mut world = World::new();
        halves(&mut world, |e| e);
        let stranger = step(Role::Sending, Step::Notified, day(3, 4)).sides(|s, _| s.institution = None);
        world.add(DALI, stranger.of_person("urn:hefu:subject:1:other"));
        assert_eq!(world.transfer(day(3, 5)), NOTHING);
    }

    #[test]
    fn no_text_names_the_person() {
        let mut world = World::new();
        let steps = [(Step::Requested, day(3, 1)), (Step::SchoolAccepted, day(3, 2))];
        take(&mut world, CHENGDU, Role::Receiving, &steps);
        world.add(KUNMING, step(Role::Sending, Step::Notified, day(3, 3)).of_person("urn:hefu:subject:1:other"));
        let findings = world.reconcile(&transfer(), day(3, 31)).findings;
        assert_eq!(findings.iter().map(|f| f.rule).collect::<BTreeSet<_>>(), [Rule::C1, Rule::C2].into());
        for finding in findings {
            let texts = [finding.text.zh, finding.text.en, finding.about, finding.members.join(",")].concat();
            assert!(!texts.contains("subject") && !texts.contains("pupil"), "{texts}");
        }
    }
}
