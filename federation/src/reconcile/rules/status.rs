//! Rules over student status: S1 to S6.
mod branching;
mod enrolled_twice;
mod excluded;
mod nowhere;
mod suspended;
mod transition;

pub(super) use branching::branching;
pub(super) use enrolled_twice::enrolled_twice;
pub(super) use excluded::excluded;
pub(super) use nowhere::nowhere;
pub(super) use suspended::suspended_too_long;
pub(super) use transition::illegal_transition;

use crate::reconcile::case::{Case, Record};
use crate::reconcile::days::Days;
use crate::reconcile::finding::Owner;
use crate::reconcile::view::Body;
use crate::reconcile::{Context, Fact};
use hefu_schemas::id::Origin;
use hefu_schemas::student_status::{Event, Stage, Status, holds_registration};
use jiff::civil::Date;

/// The members of a student status that rules read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated<'a> {
    pub(super) fact: &'a Fact,
    pub(super) subject: &'a str,
    pub(super) stage: Stage,
    pub(super) status: Status,
    pub(super) event: Event,
    pub(super) effective_on: Date,
    pub(super) until: Option<Date>,
    pub(super) connection: Option<&'a str>,
    pub(super) leaves_federation: bool,
    pub(super) full_time: bool,
}

impl<'a> Stated<'a> {
    /// `None` for a record of another kind.
    fn of(record: &Record<'a>) -> Option<Self> {
        let fact = record.fact;
        let Body::StudentStatus {
            subject,
            stage,
            status,
            event,
            effective_on,
            until,
            connection,
            leaves_federation,
            full_time,
            ..
        } = &fact.view.body
        else {
            return None;
        };
        Some(Self {
            fact,
            subject,
            stage: *stage,
            status: *status,
            event: *event,
            effective_on: *effective_on,
            until: *until,
            connection: connection.as_deref(),
            leaves_federation: *leaves_federation,
            full_time: full_time.unwrap_or(true),
        })
    }
    fn owner(&self) -> Owner {
        Owner { party: self.fact.origin.clone(), office: Some(self.fact.view.stated_by.clone()) }
    }
}

/// One stay at the schools of one city: from its entry event to the event that ends it, or open.
#[derive(Debug)]
pub(super) struct Spell<'a> {
    /// The first record.
    pub(super) first: Stated<'a>,
    /// The first record that holds a registration.
    pub(super) opened: Stated<'a>,
    /// Days with a registration.
    pub(super) held: Vec<Days>,
    /// Those of them in an exclusive stage, full time.
    pub(super) exclusive: Vec<Days>,
    /// All records, in the order in which they follow each other.
    pub(super) chain: Vec<Stated<'a>>,
    /// The last record.
    pub(super) head: Stated<'a>,
    /// From when the head is withdrawn.
    pub(super) withdrawn_from: Option<Date>,
}

impl<'a> Spell<'a> {
    fn of(context: &Context<'_>, chain: &[&Record<'a>]) -> Option<Self> {
        let withdrawn_from = chain.last()?.withdrawn_from;
        let stated: Vec<Stated<'a>> = chain.iter().filter_map(|record| Stated::of(record)).collect();
        let ends = stated.iter().skip(1).map(|next| next.effective_on).chain([Date::MAX]);
        let days: Vec<(Stated<'a>, Days)> = stated
            .iter()
            .zip(ends)
            .map(|(stated, to)| {
                let to = withdrawn_from.map_or(to, |withdrawn| withdrawn.min(to));
                (*stated, Days { from: stated.effective_on, to })
            })
            .filter(|(stated, days)| holds_registration(stated.status) && days.from < days.to)
            .collect();
        let stages = &context.standing.agreement.terms.exclusive_stages;
        let is_exclusive = |stated: &Stated<'_>| stated.full_time && stages.contains(stated.stage.code());
        let first = *stated.first()?;
        Some(Spell {
            first,
            opened: stated.iter().copied().find(|stated| holds_registration(stated.status)).unwrap_or(first),
            held: days.iter().map(|(_, days)| *days).collect(),
            exclusive: days.iter().filter(|(stated, _)| is_exclusive(stated)).map(|(_, days)| *days).collect(),
            head: *stated.last()?,
            chain: stated,
            withdrawn_from,
        })
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn_from.is_some()
    }
    /// Whose log it is in.
    pub(super) fn origin(&self) -> &'a Origin {
        &self.first.fact.origin
    }
    /// Whether a registration ends after a day, or does not end.
    pub(super) fn holds_after(&self, day: Date) -> bool {
        self.held.iter().any(|days| days.to > day)
    }
    /// Whether both go under a newer reference that they share: there more is in sight, here perhaps not the end of
    /// either.
    fn gone_over_with(&self, other: &Self, case: &Case<'_>) -> bool {
        self.head.subject == other.head.subject && self.head.subject != case.key.value()
    }
}

/// The spells of a subject, one for each chain.
pub(super) fn spells<'a>(context: &Context<'_>, case: &Case<'a>) -> Vec<Spell<'a>> {
    case.chains().filter_map(|chain| Spell::of(context, &chain)).collect()
}
