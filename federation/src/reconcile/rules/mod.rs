//! The rules, by family, each a small function over the prepared case of one key.
mod agreement;
mod connection;
mod entry;
mod recognition;
mod reference;
mod signatures;
mod status;

use super::case::Case;
use super::finding::{Evidence, Finding, Owner, Rule, Severity, finding_id};
use super::halves::connections;
use super::key::KeyType;
use super::view::Body;
use super::{Context, Fact, Flaw};
use hefu_schemas::student_status::Status;
use hefu_schemas::text::Text;
use jiff::civil::Date;
use std::cmp::Reverse;

/// Applies all rules. Gives the findings sorted by id, each once, and the earliest later date on which time alone may
/// change them.
pub(super) fn evaluate(context: &Context<'_>, case: &Case<'_>) -> (Vec<Finding>, Option<Date>) {
    let mut report = Report { context, findings: Vec::new(), next: None };
    let connections = connections(context, case);
    match case.key.key_type() {
        KeyType::Subject => {
            let spells = status::spells(context, case);
            status::enrolled_twice(case, &spells, &connections, &mut report);
            status::branching(case, &spells, &mut report);
            status::illegal_transition(case, &mut report);
            status::nowhere(case, &spells, &connections, &mut report);
            status::suspended_too_long(case, &spells, &mut report);
            status::excluded(case, &spells, &mut report);
            connection::unfollowed(case, &spells, &connections, &mut report);
            connection::barred(case, &spells, &connections, &mut report);
            recognition::unfounded(case, &mut report);
            recognition::converted(case, &mut report);
            recognition::beyond_cap(case, &mut report);
        }
        KeyType::Connection => {
            for connection in connections.values() {
                connection::late(case, connection, &mut report);
                connection::disagree(connection, &mut report);
                connection::joined_before_release(connection, &mut report);
            }
        }
        KeyType::Record => {
            recognition::unfounded(case, &mut report);
            recognition::converted(case, &mut report);
            reference::cited_missing(case, &mut report);
            reference::reliance(case, &mut report);
        }
        // Those have evaluations of their own.
        KeyType::Entry | KeyType::Agreement => {}
    }
    agreement::not_covered(case, &mut report);
    agreement::not_a_case(case, &mut report);
    agreement::incompetent(case, &mut report);
    reference::missing(case, &mut report);
    report.close()
}

/// Applies the rules of flawed entries.
pub(super) fn evaluate_entry(context: &Context<'_>, flaw: &Flaw) -> (Vec<Finding>, Option<Date>) {
    let mut report = Report { context, findings: Vec::new(), next: None };
    entry::flawed(flaw, &mut report);
    report.close()
}

/// Applies the rules of the agreement itself.
pub(super) fn evaluate_agreement(context: &Context<'_>) -> (Vec<Finding>, Option<Date>) {
    let mut report = Report { context, findings: Vec::new(), next: None };
    signatures::incomplete(&mut report);
    report.close()
}

/// Reminders about somebody who has died stop, where that can be seen from here.
fn is_deceased(case: &Case<'_>) -> bool {
    let deceased = |body: &Body| matches!(body, Body::StudentStatus { status: Status::Deceased, .. });
    case.records().any(|record| record.withdrawn_from.is_none() && deceased(&record.fact.view.body))
}

/// Whether a key is the one under which what concerns a record alone is asked, so that it is reported once: a status or a
/// recognition under its own subject, a half under its connection.
fn primary(case: &Case<'_>, fact: &Fact) -> bool {
    match (&fact.view.body, case.key.key_type()) {
        (Body::StudentStatus { subject, .. }, KeyType::Subject) => subject == case.key.value(),
        (Body::EnrollmentConnection { .. }, KeyType::Connection) => true,
        (Body::QualificationRecognition(body), KeyType::Subject) => body.subject.as_deref() == Some(case.key.value()),
        _ => false,
    }
}

/// What the rules of one evaluation have found.
struct Report<'c> {
    context: &'c Context<'c>,
    findings: Vec<Finding>,
    next: Option<Date>,
}

/// A finding before it has its id.
struct Draft<'a> {
    rule: Rule,
    severity: Severity,
    about: &'a str,
    /// The entries that it rests on. They make its id: a rule names those that stay the same while the matter does.
    rests_on: &'a [&'a Fact],
    members: Vec<String>,
    owner: Owner,
    due_on: Option<Date>,
    text: Text,
}

/// A finding that rests on entries of which no record is at hand.
struct Found<'a> {
    rule: Rule,
    severity: Severity,
    about: &'a str,
    evidence: Vec<Evidence>,
    members: Vec<String>,
    owner: Owner,
    text: Text,
}

impl Report<'_> {
    /// Whether the date of the evaluation has come to a day. If not, the case is to be looked at again then. Rules ask
    /// for time through this alone, so that none can forget the second part.
    fn has_come(&mut self, day: Date) -> bool {
        let come = self.context.as_of >= day;
        if !come {
            self.next = Some(self.next.map_or(day, |next| next.min(day)));
        }
        come
    }

    fn push(&mut self, draft: Draft<'_>) {
        let evidence =
            |fact: &&Fact| Evidence { origin: fact.origin.clone(), index: fact.index, record: Some(fact.id) };
        let due_on = draft.due_on;
        let finding = Found {
            rule: draft.rule,
            severity: draft.severity,
            about: draft.about,
            evidence: draft.rests_on.iter().map(evidence).collect(),
            members: draft.members,
            owner: draft.owner,
            text: draft.text,
        };
        self.add(finding, due_on);
    }

    fn push_found(&mut self, draft: Found<'_>) {
        self.add(draft, None);
    }

    fn add(&mut self, draft: Found<'_>, due_on: Option<Date>) {
        let (mut evidence, mut members) = (draft.evidence, draft.members);
        evidence.sort_unstable();
        evidence.dedup();
        members.sort_unstable();
        self.findings.push(Finding {
            id: finding_id(draft.rule, self.context.standing.agreement.id, draft.about, &evidence),
            rule: draft.rule,
            severity: draft.severity,
            about: draft.about.to_owned(),
            evidence,
            members,
            owner: draft.owner,
            due_on,
            text: draft.text,
        });
    }

    /// Chains that part give a finding once for each branch: the gravest, earliest due counts.
    fn close(mut self) -> (Vec<Finding>, Option<Date>) {
        self.findings.sort_by(|a, b| {
            let order = |f: &Finding| (f.id, Reverse(f.severity), f.due_on);
            (order(a), &a.owner).cmp(&(order(b), &b.owner))
        });
        self.findings.dedup_by(|later, earlier| later.id == earlier.id);
        (self.findings, self.next)
    }
}
