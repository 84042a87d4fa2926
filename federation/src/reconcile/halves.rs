//! Both halves of one connection, as they stand.
use super::case::{Case, Record};
use super::days::Days;
use super::view::{Body, Period, Side};
use super::{Context, Fact};
use hefu_schemas::enrollment_connection::{ConnectionKind, Half as Table, Role, Step};
use hefu_schemas::id::Origin;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// The members of an enrollment connection that rules read, borrowed from its view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) same_as: &'a [String],
    pub(super) connection: &'a str,
    pub(super) kind: ConnectionKind,
    pub(super) role: Role,
    pub(super) step: Step,
    pub(super) step_on: Date,
    pub(super) waiting_for: bool,
    pub(super) sending: &'a Side,
    pub(super) receiving: &'a Side,
    pub(super) requested_on: Date,
    pub(super) programme: Option<&'a str>,
    pub(super) planned: Option<Period>,
    pub(super) actual: Option<Period>,
}

impl<'a> Members<'a> {
    /// `None` for a record of another kind.
    pub(super) fn of(fact: &'a Fact) -> Option<Self> {
        let Body::EnrollmentConnection {
            subject,
            same_as,
            connection,
            kind,
            role,
            step,
            step_on,
            waiting_for,
            sending,
            receiving,
            requested_on,
            programme,
            planned,
            actual,
        } = &fact.view.body
        else {
            return None;
        };
        Some(Self {
            subject: subject.as_deref(),
            same_as,
            connection,
            kind: *kind,
            role: *role,
            step: *step,
            step_on: *step_on,
            waiting_for: *waiting_for,
            sending,
            receiving,
            requested_on: *requested_on,
            programme: programme.as_deref(),
            planned: *planned,
            actual: *actual,
        })
    }
    /// The side of a role, as this half states it.
    pub(super) fn side(&self, role: Role) -> &'a Side {
        match role {
            Role::Sending => self.sending,
            Role::Receiving => self.receiving,
        }
    }
}

/// One record of a half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated<'a> {
    pub(super) fact: &'a Fact,
    pub(super) members: Members<'a>,
}

/// One half: its records from the first to the latest.
#[derive(Debug, Clone)]
pub(super) struct Half<'a> {
    pub(super) origin: &'a Origin,
    pub(super) chain: Vec<Stated<'a>>,
    pub(super) latest: Stated<'a>,
    /// From when the half does not go on: its latest step ends it, or it is withdrawn.
    pub(super) stopped_on: Option<Date>,
}

impl<'a> Half<'a> {
    fn of(chain: &[&Record<'a>]) -> Option<Self> {
        let head = chain.last()?;
        let stated: Vec<Stated<'a>> = chain
            .iter()
            .filter_map(|record| Some(Stated { fact: record.fact, members: Members::of(record.fact)? }))
            .collect();
        let latest = *stated.last()?;
        let by_step = latest.members.step.is_stopped().then_some(latest.members.step_on);
        let stopped_on = [by_step, head.withdrawn_from].into_iter().flatten().min();
        Some(Self { origin: &head.fact.origin, chain: stated, latest, stopped_on })
    }

    /// The records since the half last began: a rejected half may begin again.
    fn run(&self) -> &[Stated<'a>] {
        let restart = self.chain.iter().rposition(|stated| stated.members.step.is_stopped()).map_or(0, |at| at + 1);
        self.chain.get(restart..).unwrap_or_default()
    }

    /// The record with which the half reached a step, or the first one beyond it that is held.
    pub(super) fn reached(&self, step: Step) -> Option<Stated<'a>> {
        let Members { kind, role, .. } = self.latest.members;
        let awaited = position(kind, role, step)?;
        self.run()
            .iter()
            .copied()
            .find(|stated| position(kind, role, stated.members.step).is_some_and(|at| at >= awaited))
    }

    /// The stretches in which the half waited for missing documents (补正材料): from the step that says so to the next
    /// one that no longer does.
    pub(super) fn pauses(&self) -> Vec<(Date, Date)> {
        let mut pauses = Vec::new();
        let mut since = None;
        for Stated { members, .. } in &self.chain {
            match since {
                None if members.waiting_for => since = Some(members.step_on),
                Some(stop) if !members.waiting_for => {
                    pauses.push((stop, members.step_on));
                    since = None;
                }
                _ => {}
            }
        }
        pauses
    }
}

/// How far along the path of a half a step lies. `left` ends a joint programme where `awarded` does.
fn position(kind: ConnectionKind, role: Role, step: Step) -> Option<usize> {
    let half = Table::of(kind, role);
    half.position(step).or_else(|| if step == Step::Left { half.position(Step::Awarded) } else { None })
}

/// What both halves must have reached for a kind to be complete (records §4). A migrant child's former registration is
/// a transfer of its own.
const COMPLETE: &[(ConnectionKind, &[(Role, Step)])] = &[
    (
        ConnectionKind::Transfer,
        &[
            (Role::Receiving, Step::BureauAccepted),
            (Role::Sending, Step::BureauReleased),
            (Role::Receiving, Step::Joined),
        ],
    ),
    (ConnectionKind::Progression, &[(Role::Sending, Step::Released), (Role::Receiving, Step::Joined)]),
    (ConnectionKind::Exchange, &[(Role::Receiving, Step::ResultsIssued), (Role::Sending, Step::Recognised)]),
    (ConnectionKind::Visiting, &[(Role::Receiving, Step::ResultsIssued), (Role::Sending, Step::Recognised)]),
    (ConnectionKind::MigrantAdmission, &[(Role::Receiving, Step::Registered)]),
    (ConnectionKind::JointProgramme, &[(Role::Sending, Step::Awarded), (Role::Receiving, Step::Awarded)]),
    (ConnectionKind::QuotaProgramme, &[(Role::Sending, Step::Reported), (Role::Receiving, Step::Reported)]),
];

/// A connection: the halves that are held, at least one.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection<'a> {
    sending: Option<Half<'a>>,
    receiving: Option<Half<'a>>,
}

impl<'a> Connection<'a> {
    pub(super) fn half(&self, role: Role) -> Option<&Half<'a>> {
        match role {
            Role::Sending => self.sending.as_ref(),
            Role::Receiving => self.receiving.as_ref(),
        }
    }
    pub(super) fn halves(&self) -> impl Iterator<Item = &Half<'a>> {
        self.sending.iter().chain(&self.receiving)
    }
    /// The side of a role: as its own half states it, else as the other one does.
    pub(super) fn side(&self, role: Role) -> Option<&'a Side> {
        self.half(role).or_else(|| self.halves().next()).map(|half| half.latest.members.side(role))
    }
    /// Who acts for a side: whose half it is, else the party of the city that the other half names.
    pub(super) fn party(&self, context: &Context<'_>, role: Role) -> Option<Origin> {
        let named = || Some(context.party_of_city(&self.side(role)?.city)?.origin.clone());
        self.half(role).map(|half| half.origin.clone()).or_else(named)
    }
    /// The date from which either half does not go on.
    pub(super) fn stopped_on(&self) -> Option<Date> {
        self.halves().filter_map(|half| half.stopped_on).min()
    }
    /// The joint state is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.completed().is_some()
    }
    /// The records that make the joint state complete, in the order of the table; `None` while it is not.
    pub(super) fn completed(&self) -> Option<Vec<Stated<'a>>> {
        let kind = self.halves().next()?.latest.members.kind;
        let (_, steps) = COMPLETE.iter().find(|(other, _)| *other == kind)?;
        steps.iter().map(|(role, step)| self.half(*role)?.reached(*step)).collect()
    }
    /// Whether it lies between two cities, in either direction.
    pub(super) fn is_between(&self, one: &str, other: &str) -> bool {
        self.halves().any(|half| {
            let (from, to) = (half.latest.members.sending.city.as_str(), half.latest.members.receiving.city.as_str());
            (from, to) == (one, other) || (from, to) == (other, one)
        })
    }
    /// The days on which it explains two registrations: from the request (or the planned begin, if earlier) to the end
    /// of the stay or to where a half stopped; a matter that moves the student for good has no such end.
    pub(super) fn covers(&self) -> Option<Days> {
        let members = || self.halves().map(|half| half.latest.members);
        let stay =
            |kind| matches!(kind, ConnectionKind::Exchange | ConnectionKind::Visiting | ConnectionKind::JointProgramme);
        let from =
            members().flat_map(|m| [Some(m.requested_on), m.planned.map(|planned| planned.from)]).flatten().min()?;
        let ends =
            members().filter(|m| stay(m.kind)).flat_map(|m| [m.planned, m.actual]).flatten().filter_map(|p| p.to);
        let end = ends.max().unwrap_or(Date::MAX);
        Some(Days { from, to: self.stopped_on().map_or(end, |stop| stop.min(end)) })
    }
}

/// The connections in a case, by URN.
pub(super) fn connections<'a>(context: &Context<'_>, case: &Case<'a>) -> BTreeMap<&'a str, Connection<'a>> {
    let mut all: BTreeMap<&'a str, Connection<'a>> = BTreeMap::new();
    for half in case.chains().filter_map(|chain| Half::of(&chain)) {
        let Members { connection, role, .. } = half.latest.members;
        let connection = all.entry(connection).or_default();
        let slot = match role {
            Role::Sending => &mut connection.sending,
            Role::Receiving => &mut connection.receiving,
        };
        let better = |held: &Half<'_>| rank(context, &half) > rank(context, held);
        if slot.as_ref().is_none_or(better) {
            *slot = Some(half);
        }
    }
    all
}

/// Which of several chains is the half of a role: the one of the city that the side names before a stranger's, then one
/// that goes on, then the latest.
fn rank<'h>(context: &Context<'_>, half: &'h Half<'_>) -> (bool, bool, std::cmp::Reverse<&'h Origin>, u64) {
    let members = half.latest.members;
    let own = context.city(half.origin) == Some(members.side(members.role).city.as_str());
    (own, half.stopped_on.is_none(), std::cmp::Reverse(half.origin), half.latest.fact.index)
}
