//! What a record continues: the state of every followed record, from the store or from earlier lines of the same
//! submission. About 40 bytes a record.

use super::seal::{Staged, violation};
use crate::Node;
use crate::codec::decompress;
use crate::problem::{Code, Outcome, Problem};
use crate::store::{AgreementNo, OWN, PayloadRow};
use hefu_federation::reconcile::view::{Body, Recognition, View};
use hefu_schemas::enrollment_connection::{self, ConnectionKind, Role, Step};
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::qualification_recognition;
use hefu_schemas::scan::scan;
use hefu_schemas::student_status::{self, Status};
use hefu_schemas::violation::Violation;
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};

/// The first bytes of the SHA-256 of a subject or connection: enough to compare, too little to store a person.
type Matter = [u8; 8];

/// What later records need to know of one.
#[derive(Debug, Clone, Copy)]
enum Link {
    Status {
        matter: Matter,
        status: Status,
        on: Date,
    },
    Connection {
        matter: Matter,
        kind: ConnectionKind,
        role: Role,
        step: Step,
        on: Date,
    },
    Recognition {
        matter: Matter,
        role: qualification_recognition::Role,
        step: qualification_recognition::Step,
        on: Date,
    },
    Other,
}

#[derive(Default)]
pub(super) struct Chains {
    links: HashMap<RecordId, Link>,
    /// Published records that lines of this submission name, with their agreements.
    published: HashMap<RecordId, AgreementNo>,
    /// Records that were corrected or withdrawn before, or by an earlier line.
    corrected: HashSet<RecordId>,
}

impl Chains {
    /// Loads the published records that some lines follow or correct.
    pub(super) async fn prepare<'a>(&mut self, node: &Node, staged: impl Iterator<Item = &'a Staged>) -> Outcome<()> {
        let mut corrects = HashSet::new();
        let named = staged.flat_map(|staged| {
            corrects.extend(staged.sealed.corrects);
            [staged.view.follows, staged.sealed.corrects, Some(staged.sealed.id)]
        });
        let named = named.flatten();
        let wanted: Vec<RecordId> =
            named.filter(|id| !self.links.contains_key(id)).collect::<HashSet<_>>().into_iter().collect();
        let indexes = node.store.indexes_of(OWN, &wanted).await?;
        for (id, index) in wanted.into_iter().zip(indexes) {
            let Some(index) = index else { continue };
            if corrects.contains(&id) && !node.store.corrections_of(OWN, index..index + 1).await?.is_empty() {
                self.corrected.insert(id);
            }
            let row = node.store.row(OWN, index).await?;
            self.published.extend(row.as_ref().map(|row| (id, row.agreement)));
            let view = row.as_ref().and_then(view_of);
            let view = view.ok_or_else(|| Problem::new(Code::Damaged, format!("payload of own entry {index}")))?;
            self.links.insert(id, link(&view));
        }
        Ok(())
    }

    /// Remembers a line for later ones.
    pub(super) fn note(&mut self, staged: &Staged) {
        self.links.insert(staged.sealed.id, link(&staged.view));
        self.corrected.extend(staged.sealed.corrects);
    }

    /// What is invalid, and what contradicts (and may be published by decision).
    pub(super) fn check(&self, staged: &Staged) -> (Vec<Violation>, Vec<Violation>) {
        let (mut invalid, mut contradictions) = (Vec::new(), staged.contradictions.clone());
        let view = &staged.view;
        if self.links.contains_key(&staged.sealed.id) {
            invalid.push(violation("/id", "record/id-new", "该记录号已被使用", "this record id is used already"));
        }
        // One that stands under another agreement is none of this one's business, and is not told from an unknown one.
        if staged.sealed.corrects.is_some_and(|id| self.published.get(&id) != Some(&staged.sealed.agreement)) {
            invalid.push(violation(
                "/supersedes",
                "supersedes/unknown",
                "所更正或撤回的记录未曾发布",
                "the record to be corrected or withdrawn is not published",
            ));
        }
        if staged.sealed.corrects.is_some_and(|id| self.corrected.contains(&id)) {
            contradictions.push(violation(
                "/supersedes",
                "supersedes/corrected",
                "所更正或撤回的记录已被更正或撤回",
                "the record to be corrected or withdrawn was corrected or withdrawn before",
            ));
        }
        if let Some(follows) = view.follows {
            match self.links.get(&follows) {
                None => contradictions.push(violation(
                    "/follows",
                    "follows/unknown",
                    "所承接的记录未曾发布",
                    "the followed record is not published",
                )),
                Some(before) => contradictions.extend(step(*before, link(view), view)),
            }
        }
        (invalid, contradictions)
    }
}

fn link(view: &View) -> Link {
    match &view.body {
        Body::StudentStatus { subject, status, effective_on, .. } => {
            Link::Status { matter: matter(subject), status: *status, on: *effective_on }
        }
        Body::EnrollmentConnection { connection, kind, role, step, step_on, .. } => {
            Link::Connection { matter: matter(connection), kind: *kind, role: *role, step: *step, on: *step_on }
        }
        Body::QualificationRecognition(body) => {
            let Recognition { role, subject, source, step, step_on, purpose, .. } = body.as_ref();
            let subject = subject.as_deref().unwrap_or_default();
            let body = source.awarding_body.as_deref().unwrap_or_default();
            let purpose = purpose.map_or("", |purpose| purpose.code());
            let matter = matter(&format!("{} {subject} {} {body} {purpose}", role.code(), source.kind.code()));
            Link::Recognition { matter, role: *role, step: *step, on: *step_on }
        }
        Body::Withdrawal { .. } => Link::Other,
    }
}

fn matter(text: &str) -> Matter {
    let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(text.as_bytes());
    [a, b, c, d, e, f, g, h]
}

/// Whether one record may follow another.
fn step(before: Link, now: Link, view: &View) -> Vec<Violation> {
    let (same_matter, illegal, earlier, later, date) = match (before, now, &view.body) {
        (
            Link::Status { matter: a, status, on: earlier },
            Link::Status { matter: b, on: later, .. },
            Body::StudentStatus { event, status: stated, .. },
        ) => {
            let illegal = (student_status::next(Some(status), *event) != Some(*stated))
                .then(|| illegal_event(status.code(), event.code(), stated.code()));
            (a == b, illegal, earlier, later, "/credentialSubject/effectiveOn")
        }
        (
            Link::Connection { matter: a, kind: k1, role: r1, step: s1, on: earlier },
            Link::Connection { matter: b, kind, role, step, on: later },
            _,
        ) => {
            let illegal = (!enrollment_connection::may_follow(kind, role, Some(s1), step))
                .then(|| illegal_step("connection/illegal-step", s1.code(), step.code()));
            ((a, k1, r1) == (b, kind, role), illegal, earlier, later, "/credentialSubject/stepOn")
        }
        (
            Link::Recognition { matter: a, role, step: s1, on: earlier },
            Link::Recognition { matter: b, step, on: later, .. },
            _,
        ) => {
            let illegal = (!qualification_recognition::may_follow(role, Some(s1), step))
                .then(|| illegal_step("recognition/illegal-step", s1.code(), step.code()));
            (a == b, illegal, earlier, later, "/credentialSubject/stepOn")
        }
        _ => return vec![other_matter()],
    };
    let backwards = (later < earlier).then(|| backwards(date));
    (!same_matter).then(other_matter).into_iter().chain(illegal).chain(backwards).collect()
}

fn other_matter() -> Violation {
    violation(
        "/follows",
        "follows/other-matter",
        "所承接的记录属于另一对象或另一事项",
        "the followed record is of another subject or matter",
    )
}

fn backwards(pointer: &str) -> Violation {
    violation(
        pointer,
        "follows/backwards",
        "生效日期早于所承接的记录",
        "the date lies before that of the followed record",
    )
}

fn illegal_event(from: &str, event: &str, to: &str) -> Violation {
    let zh = format!("从“{from}”不能经“{event}”变为“{to}”");
    let en = format!("{event} does not lead from {from} to {to}");
    violation("/credentialSubject/event", "status/illegal-event", &zh, &en)
}

fn illegal_step(rule: &str, from: &str, to: &str) -> Violation {
    let zh = format!("步骤“{from}”之后不能是“{to}”");
    violation("/credentialSubject/step", rule, &zh, &format!("{to} does not follow {from}"))
}

/// The view of a stored row.
pub(crate) fn view_of(row: &PayloadRow) -> Option<View> {
    let payload = row.payload.as_ref()?;
    let bytes = decompress(payload.codec, &payload.body)?;
    View::read(&scan(bytes, hefu_schemas::gate::MAX_RECORD_LEN).ok()?)
}
