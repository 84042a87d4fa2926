//! Enrollment connections (招生入学衔接): each side's own half, and the steps it takes (records §4).
use crate::code::codes;
use crate::record::{Checker, View};
use crate::violation::Violation;

codes! {
    /// Which half: of the city that the student leaves, or of the one that the student joins.
    pub enum Role {
        Sending => "sending",
        Receiving => "receiving",
    }
}

codes! {
    /// Kinds of connection, in the order of the schema.
    pub enum ConnectionKind {
        Transfer => "transfer",
        Progression => "progression",
        Exchange => "exchange",
        Visiting => "visiting",
        MigrantAdmission => "migrant-admission",
        JointProgramme => "joint-programme",
        QuotaProgramme => "quota-programme",
    }
}

codes! {
    /// Steps of all kinds, in the order of the schema.
    pub enum Step {
        Notified => "notified",
        SchoolReleased => "school-released",
        BureauReleased => "bureau-released",
        FileSent => "file-sent",
        Requested => "requested",
        SchoolAccepted => "school-accepted",
        BureauAccepted => "bureau-accepted",
        Joined => "joined",
        FileReceived => "file-received",
        FailedToJoin => "failed-to-join",
        Nominated => "nominated",
        Released => "released",
        Admitted => "admitted",
        Agreed => "agreed",
        Live => "live",
        Returned => "returned",
        Recognised => "recognised",
        Verified => "verified",
        Arrived => "arrived",
        Departed => "departed",
        ResultsIssued => "results-issued",
        OriginInformed => "origin-informed",
        Applied => "applied",
        Eligible => "eligible",
        Placed => "placed",
        Registered => "registered",
        Refused => "refused",
        Awarded => "awarded",
        Left => "left",
        Proposed => "proposed",
        Open => "open",
        Closed => "closed",
        Reported => "reported",
        Rejected => "rejected",
        CalledOff => "called-off",
        Expired => "expired",
        EndedEarly => "ended-early",
    }
}

/// How one half of a kind runs.
#[derive(Debug)]
pub struct Half {
    /// The kind.
    pub kind: ConnectionKind,
    /// Which half.
    pub role: Role,
    /// The ordinary steps, in order.
    pub path: &'static [Step],
    /// The step from which the half can no longer be rejected, called off or expire.
    pub release: Step,
    /// The step during which it can end early.
    pub live: Option<Step>,
    /// Other steps that end it: from, to.
    pub alternatives: &'static [(Step, Step)],
}

const fn half(
    kind: ConnectionKind,
    role: Role,
    path: &'static [Step],
    release: Step,
    live: Option<Step>,
    alternatives: &'static [(Step, Step)],
) -> Half {
    Half { kind, role, path, release, live, alternatives }
}

/// The steps table (records §4), in the order of the schema.
pub const HALVES: &[Half] = {
    use ConnectionKind::{Exchange, JointProgramme, MigrantAdmission, Progression, QuotaProgramme, Transfer, Visiting};
    use Role::{Receiving, Sending};
    use Step::*;
    const OUT: &[Step] = &[Nominated, Agreed, Live, Returned, Recognised];
    const IN: &[Step] = &[Verified, Agreed, Arrived, Departed, ResultsIssued];
    const QUOTA: &[Step] = &[Proposed, Agreed, Open, Closed, Reported];
    const TO_JOIN: &[Step] = &[Requested, SchoolAccepted, BureauAccepted, Joined, FileReceived];
    const REFUSALS: &[(Step, Step)] = &[(Applied, Refused), (Eligible, Refused), (Placed, Refused)];
    &[
        half(Transfer, Sending, &[Notified, SchoolReleased, BureauReleased, FileSent], BureauReleased, None, &[]),
        half(Transfer, Receiving, TO_JOIN, BureauAccepted, None, &[(BureauAccepted, FailedToJoin)]),
        half(Progression, Sending, &[Nominated, Released], Released, None, &[]),
        half(Progression, Receiving, &[Admitted, Joined], Joined, None, &[]),
        half(Exchange, Sending, OUT, Live, Some(Live), &[]),
        half(Exchange, Receiving, IN, Arrived, Some(Arrived), &[]),
        half(Visiting, Sending, OUT, Live, Some(Live), &[]),
        half(Visiting, Receiving, IN, Arrived, Some(Arrived), &[]),
        half(MigrantAdmission, Sending, &[OriginInformed], OriginInformed, None, &[]),
        half(MigrantAdmission, Receiving, &[Applied, Eligible, Placed, Registered], Registered, None, REFUSALS),
        half(JointProgramme, Sending, &[Nominated, Live, Awarded], Live, Some(Live), &[(Live, Left)]),
        half(JointProgramme, Receiving, &[Verified, Live, Awarded], Live, Some(Live), &[(Live, Left)]),
        half(QuotaProgramme, Sending, QUOTA, Open, Some(Open), &[]),
        half(QuotaProgramme, Receiving, QUOTA, Open, Some(Open), &[]),
    ]
};

/// The steps that end a half before its release.
const BEFORE_RELEASE: &[Step] = &[Step::Rejected, Step::CalledOff, Step::Expired];

impl Step {
    /// rejected, called-off, expired, ended-early, refused, failed-to-join: the half has stopped without completing.
    pub fn is_stopped(self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::CalledOff | Self::Expired | Self::EndedEarly | Self::Refused | Self::FailedToJoin
        )
    }
}

impl Half {
    /// The row of a kind and a role.
    pub fn of(kind: ConnectionKind, role: Role) -> &'static Self {
        HALVES
            .iter()
            .find(|half| half.kind == kind && half.role == role)
            .expect("the table has a row for every kind and role, as its test shows")
    }

    /// 0-based position of a step in the path.
    pub fn position(&self, step: Step) -> Option<usize> {
        self.path.iter().position(|at| *at == step)
    }

    /// Whether the half can ever be at a step.
    pub fn has(&self, step: Step) -> bool {
        let ends = step == Step::EndedEarly && self.live.is_some();
        let stops = BEFORE_RELEASE.contains(&step) && self.path.first() != Some(&self.release);
        ends || stops || self.path.contains(&step) || self.alternatives.iter().any(|(_, to)| *to == step)
    }

    /// Whether it may go from one step to another; a step may be stated again while it lasts, to say what it waits for.
    fn may_go(&self, from: Step, to: Step) -> bool {
        let Some(at) = self.position(from) else {
            return from == Step::Rejected && self.path.first() == Some(&to);
        };
        let released = self.position(self.release).is_some_and(|release| at >= release);
        from == to
            || self.path.get(at + 1) == Some(&to)
            || (!released && BEFORE_RELEASE.contains(&to))
            || (self.live == Some(from) && to == Step::EndedEarly)
            || self.alternatives.contains(&(from, to))
    }
}

/// The ordinary steps of one half of a kind, in order.
pub fn path(kind: ConnectionKind, role: Role) -> &'static [Step] {
    Half::of(kind, role).path
}

/// Whether a half may go from one step (or none) to another.
///
/// A step may be stated again while it lasts, to say what it waits for (补正材料); a rejected half may begin again.
pub fn may_follow(kind: ConnectionKind, role: Role, from: Option<Step>, to: Step) -> bool {
    let half = Half::of(kind, role);
    match from {
        None => half.path.first() == Some(&to),
        Some(from) => half.may_go(from, to),
    }
}

/// The rules that need this record alone: the step is one of this half, `stepOn` is the date of `validFrom`, periods end
/// after they begin. (Which members a kind needs is stated by the schema.)
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut body = Checker::new(view.subject, "/credentialSubject");
    let kind = body.text("/connectionKind").and_then(|code| ConnectionKind::from_code(&code));
    let role = body.text("/role").and_then(|code| Role::from_code(&code));
    let step = body.text("/step").and_then(|code| Step::from_code(&code));
    let known = kind.zip(role).zip(step);
    if !known.is_some_and(|((kind, role), step)| Half::of(kind, role).has(step)) {
        body.refuse(
            "/step",
            "connection/step-not-of-half",
            "该类别的本方没有这个办理环节",
            "this half of this kind has no such step",
        );
    }
    body.date_of_record("/stepOn", view, "connection/step-date");
    check_dates(&mut body, view);
    body.uscc("/sending/institution");
    body.uscc("/receiving/institution");
    body.same_as();
    body.found()
}

fn check_dates(body: &mut Checker<'_>, view: &View<'_>) {
    body.date("/requestedOn");
    if body.text("/requestedOn").as_deref() > view.valid_from_text.get(..10) {
        body.refuse(
            "/requestedOn",
            "connection/requested-after-step",
            "申请日期晚于环节日期",
            "the request is later than the step",
        );
    }
    let stays = view.subject.member("stays").map_or(0, |stays| stays.items().count());
    let stays = (0..stays).map(|at| format!("/stays/{at}"));
    for period in ["/plannedPeriod".to_owned(), "/actualPeriod".to_owned()].into_iter().chain(stays) {
        let (from, to) = (format!("{period}/from"), format!("{period}/to"));
        body.date(&from);
        body.date(&to);
        body.order(&from, &to, "connection/period");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::released_schema;
    use crate::validate::SchemaName;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    fn definitions() -> Value {
        let schema: Value = serde_json::from_str(released_schema(SchemaName::EnrollmentConnection).text).unwrap();
        schema["$defs"].clone()
    }

    #[test]
    fn codes_are_those_of_the_schema_in_order() {
        let schema = definitions();
        let kinds: Vec<_> = ConnectionKind::ALL.iter().map(|kind| kind.code()).collect();
        let steps: Vec<_> = Step::ALL.iter().map(|step| step.code()).collect();
        let roles: Vec<_> = Role::ALL.iter().map(|role| role.code()).collect();
        assert_eq!(schema["connectionKind"]["enum"], json!(kinds));
        assert_eq!(schema["step"]["enum"], json!(steps));
        assert_eq!(schema["role"]["enum"], json!(roles));
        assert!(Step::ALL.iter().all(|step| Step::from_code(step.code()) == Some(*step)));
        assert!(ConnectionKind::ALL.iter().all(|kind| ConnectionKind::from_code(kind.code()) == Some(*kind)));
        assert_eq!((Role::from_code("sending"), Role::from_code("both")), (Some(Role::Sending), None));
    }

    #[test]
    fn the_steps_table_is_that_of_the_schema_in_order() {
        let codes = |steps: &[Step]| json!(steps.iter().map(|step| step.code()).collect::<Vec<_>>());
        let row = |half: &Half| {
            let others: Vec<_> =
                half.alternatives.iter().map(|(from, to)| json!({ "from": from.code(), "to": to.code() })).collect();
            json!({
                "kind": half.kind.code(),
                "role": half.role.code(),
                "path": codes(half.path),
                "release": half.release.code(),
                "live": half.live.map(Step::code),
                "alternatives": others,
            })
        };
        let rows: Vec<_> = HALVES.iter().map(row).collect();
        assert_eq!(definitions()["lifecycle"]["const"], json!(rows));
        for kind in ConnectionKind::ALL {
            for role in Role::ALL {
                assert_eq!((Half::of(*kind, *role).kind, Half::of(*kind, *role).role), (*kind, *role));
            }
        }
    }

    /// What the schema says about the member `follows` holds only if no half is at a first step later on.
    #[test]
    fn first_steps_are_first_in_every_half() {
        let first: BTreeSet<_> = HALVES.iter().map(|half| half.path[0]).collect();
        let later: BTreeSet<_> = HALVES.iter().flat_map(|half| half.path[1..].iter().copied()).collect();
        assert!(first.is_disjoint(&later));
        let schema = definitions();
        let of_schema = schema["firstStep"]["enum"].as_array().unwrap();
        let of_schema: BTreeSet<_> = of_schema.iter().filter_map(|code| Step::from_code(code.as_str()?)).collect();
        assert_eq!(of_schema, first);
    }

    #[test]
    fn a_transfer_goes_its_way_and_no_other() {
        use Role::{Receiving, Sending};
        use Step as S;
        for (role, from, to, may) in [
            (Sending, None, S::Notified, true),
            (Sending, None, S::SchoolReleased, false),
            (Sending, None, S::Requested, false),
            (Sending, None, S::Rejected, false),
            (Sending, Some(S::Notified), S::SchoolReleased, true),
            (Sending, Some(S::Notified), S::BureauReleased, false),
            (Sending, Some(S::Notified), S::Notified, true),
            (Sending, Some(S::SchoolReleased), S::Rejected, true),
            (Sending, Some(S::BureauReleased), S::Rejected, false),
            (Sending, Some(S::BureauReleased), S::CalledOff, false),
            (Sending, Some(S::BureauReleased), S::FileSent, true),
            (Sending, Some(S::FileSent), S::FileSent, true),
            (Sending, Some(S::Rejected), S::Notified, true),
            (Sending, Some(S::Rejected), S::SchoolReleased, false),
            (Sending, Some(S::Rejected), S::Rejected, false),
            (Sending, Some(S::CalledOff), S::Notified, false),
            (Receiving, None, S::Requested, true),
            (Receiving, Some(S::SchoolAccepted), S::Expired, true),
            (Receiving, Some(S::BureauAccepted), S::Expired, false),
            (Receiving, Some(S::BureauAccepted), S::Joined, true),
            (Receiving, Some(S::BureauAccepted), S::FailedToJoin, true),
            (Receiving, Some(S::Joined), S::FailedToJoin, false),
            (Receiving, Some(S::Joined), S::EndedEarly, false),
            (Receiving, Some(S::FailedToJoin), S::Joined, false),
        ] {
            assert_eq!(may_follow(ConnectionKind::Transfer, role, from, to), may, "{role:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn other_kinds_end_where_they_may() {
        use ConnectionKind as K;
        use Role::{Receiving, Sending};
        use Step as S;
        for (kind, role, from, to, may) in [
            (K::Exchange, Sending, S::Agreed, S::CalledOff, true),
            (K::Exchange, Sending, S::Live, S::CalledOff, false),
            (K::Exchange, Sending, S::Live, S::EndedEarly, true),
            (K::Visiting, Receiving, S::Arrived, S::EndedEarly, true),
            (K::Visiting, Receiving, S::Departed, S::EndedEarly, false),
            (K::Progression, Receiving, S::Admitted, S::CalledOff, true),
            (K::MigrantAdmission, Receiving, S::Eligible, S::Refused, true),
            (K::MigrantAdmission, Receiving, S::Registered, S::Refused, false),
            (K::MigrantAdmission, Sending, S::OriginInformed, S::Rejected, false),
            (K::JointProgramme, Sending, S::Live, S::Left, true),
            (K::JointProgramme, Sending, S::Awarded, S::Left, false),
            (K::QuotaProgramme, Receiving, S::Agreed, S::Rejected, true),
            (K::QuotaProgramme, Receiving, S::Open, S::EndedEarly, true),
        ] {
            assert_eq!(may_follow(kind, role, Some(from), to), may, "{kind:?} {role:?} {from:?} {to:?}");
        }
    }

    /// Every step that the table allows is one that the half has, and each that it has can be reached.
    #[test]
    fn what_a_half_has_is_what_it_can_reach() {
        for half in HALVES {
            let mut reached = BTreeSet::from([half.path[0]]);
            for _ in Step::ALL {
                let reachable = |to: &Step| reached.iter().any(|from| half.may_go(*from, *to));
                let more: Vec<_> = Step::ALL.iter().copied().filter(reachable).collect();
                reached.extend(more);
            }
            let has: BTreeSet<_> = Step::ALL.iter().copied().filter(|step| half.has(*step)).collect();
            assert_eq!(reached, has, "{:?} {:?}", half.kind, half.role);
        }
    }
}
