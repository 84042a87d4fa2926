//! Rules over recognitions of qualifications: Q1, Q2.
//!
//! A recognition is filed under its subject, and under the record by which its source was awarded. What that record is
//! and what became of it is in sight there for sure: what rests on its absence is asked there alone.
mod conversion;
mod source;

pub(super) use conversion::{beyond_cap, converted};
pub(super) use source::unfounded;

use crate::reconcile::Fact;
use crate::reconcile::case::{Case, Record};
use crate::reconcile::finding::Owner;
use crate::reconcile::key::KeyType;
use crate::reconcile::view::{Body, Recognition};
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition::{Outcome, Role, Step};

/// One record of a recognition or an award.
#[derive(Debug, Clone, Copy)]
struct Stated<'a> {
    fact: &'a Fact,
    body: &'a Recognition,
}

impl<'a> Stated<'a> {
    /// `None` for a record of another kind.
    fn of(fact: &'a Fact) -> Option<Self> {
        match &fact.view.body {
            Body::QualificationRecognition(body) => Some(Self { fact, body }),
            _ => None,
        }
    }
    fn owner(&self) -> Owner {
        Owner { party: self.fact.origin.clone(), office: Some(self.fact.view.stated_by.clone()) }
    }
    fn is_cited_by(&self, (issuer, id): (&str, RecordId)) -> bool {
        self.fact.view.issuer == issuer && self.fact.id == id
    }
}

/// A recognition that somebody relies on: its first record, from which it stays the same, and the latest one.
#[derive(Debug, Clone, Copy)]
struct Relied<'a> {
    first: Stated<'a>,
    head: Stated<'a>,
}

impl<'a> Relied<'a> {
    /// `None` for what is no recognition, is withdrawn, revoked or lapsed, or recognises nothing.
    fn of(chain: &[&Record<'a>]) -> Option<Self> {
        let head = chain.last().filter(|head| head.withdrawn_from.is_none())?;
        let (first, head) = (Stated::of(chain.first()?.fact)?, Stated::of(head.fact)?);
        let over =
            matches!(head.body.step, Step::Lapsed | Step::Revoked) || head.body.outcome == Some(Outcome::Refused);
        (head.body.role == Role::Recognising && !over).then_some(Self { first, head })
    }
    /// Issuer and id of the record by which the source was awarded, as the latest record cites it.
    fn source(&self) -> Option<(&'a str, RecordId)> {
        self.head.body.source.record.as_ref().map(|(issuer, id)| (issuer.as_str(), *id))
    }
}

/// The recognitions in sight.
fn relied<'a>(case: &Case<'a>) -> Vec<Relied<'a>> {
    case.chains().filter_map(|chain| Relied::of(&chain)).collect()
}

/// Whether a matter of a recognition is asked under this key: under the record of its source, else under its subject.
fn is_asked_here(case: &Case<'_>, relied: &Relied<'_>) -> bool {
    match (case.key.key_type(), relied.source()) {
        (KeyType::Record, Some(cited)) => case.key.cited() == Some(cited),
        (KeyType::Subject, None) => relied.head.body.subject.as_deref() == Some(case.key.value()),
        _ => false,
    }
}
