//! Drafts that are valid under the demonstration's agreement.

use hefu_federation::linkage::Linkage;
use hefu_node::clock::Clock;
use hefu_node::registry::Known;
use hefu_node::synthetic::{Cited, City};
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::id::RecordId;
use hefu_schemas::identifier::Identifier;
use hefu_schemas::student_status::{Event, Status};
use hefu_schemas::text::Text;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes drafts for one city.
#[derive(Debug, Clone)]
pub struct Drafts {
    /// The city that states.
    pub city: City,
    /// The agreement that the drafts cite.
    pub cited: Cited,
    known: Arc<Known>,
}

/// A transfer between two cities: what both halves say alike.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// URN of the connection.
    pub connection: RecordId,
    /// Subject reference.
    pub subject: String,
    /// Where the student leaves.
    pub sending: City,
    /// Where the student goes.
    pub receiving: City,
    /// Date of the request.
    pub requested_on: Date,
}

/// A new record id.
pub fn record_id() -> RecordId {
    Clock::default().record_id()
}

/// The id of a draft's record.
///
/// # Panics
/// When it has none.
pub fn id_of(draft: &Value) -> RecordId {
    let id = draft.pointer("/record/id").and_then(Value::as_str).expect("a draft with an id");
    RecordId::parse(id).expect("a record id")
}

/// A day relative to today in the agreement's time zone.
pub fn day(days: i64) -> Date {
    Clock::default().today("Asia/Shanghai").saturating_add(days.days())
}

fn place(code: &str, name: &Text) -> Value {
    json!({"scheme": "gb-t-2260", "code": code, "name": name})
}

impl Drafts {
    /// For a city under an agreement whose linkage it holds.
    pub fn new(city: City, known: Arc<Known>) -> Self {
        let cited = Cited { id: known.document.id, version: known.document.version };
        Self { city, cited, known }
    }

    /// The subject reference of made-up person number `n`: the same in every city of the agreement.
    ///
    /// # Panics
    /// When the linkage has not arrived.
    pub fn subject(&self, n: u32) -> String {
        let identifier = Identifier::normalise("passport:UTO", &format!("T{n:08}")).expect("a made-up passport");
        self.linkage().subject_reference(&identifier)
    }

    /// The linkage of the agreement.
    ///
    /// # Panics
    /// When it has not arrived.
    pub fn linkage(&self) -> &Linkage {
        self.known.linkage.as_ref().expect("the linkage has arrived")
    }

    /// A primary pupil enters school.
    pub fn enter(&self, subject: &str, on: Date) -> Value {
        self.status(subject, (Event::Enter, Status::Enrolled), on, None)
    }

    /// A status of a primary pupil, after an earlier record of the same pupil.
    pub fn status(&self, subject: &str, what: (Event, Status), on: Date, follows: Option<RecordId>) -> Value {
        let (event, status) = what;
        let body = json!({
            "id": subject,
            "stage": "primary",
            "status": status.code(),
            "event": event.code(),
            "effectiveOn": on.to_string(),
        });
        self.draft("StudentStatus", body, on, follows)
    }

    /// A step of this city's half of a transfer.
    pub fn half(&self, transfer: &Transfer, (role, step): (Role, Step), on: Date, follows: Option<RecordId>) -> Value {
        let body = json!({
            "connection": transfer.connection.to_string(),
            "connectionKind": "transfer",
            "role": role.code(),
            "id": transfer.subject,
            "sending": side(&transfer.sending),
            "receiving": side(&transfer.receiving),
            "requestedOn": transfer.requested_on.to_string(),
            "step": step.code(),
            "stepOn": on.to_string(),
        });
        self.draft("EnrollmentConnection", body, on, follows)
    }

    /// The correction of an earlier draft that was published: a new record that supersedes it, changed by `change`.
    ///
    /// # Panics
    /// When the draft is no object with a record.
    pub fn amend(&self, draft: &Value, change: impl FnOnce(&mut Value)) -> Value {
        let (corrected, id) = (id_of(draft), record_id());
        let mut draft = draft.clone();
        let members = draft.as_object_mut().expect("a draft");
        members.insert("draftId".to_owned(), json!(format!("d:{}", id.uuid())));
        let record = members.get_mut("record").expect("a record");
        change(record);
        let members = record.as_object_mut().expect("a record");
        members.insert("id".to_owned(), json!(id.to_string()));
        members.insert("supersedes".to_owned(), json!(corrected.to_string()));
        members.insert("correction".to_owned(), json!("entry-error"));
        draft
    }

    fn draft(&self, kind: &str, body: Value, on: Date, follows: Option<RecordId>) -> Value {
        let id = record_id();
        let office = self.city.offices.first().expect("every city has an office");
        let mut record = json!({
            "id": id.to_string(),
            "type": ["VerifiableCredential", kind],
            "validFrom": format!("{on}T00:00:00+08:00"),
            "termsOfUse": [{"type": "Agreement", "id": self.cited.id.to_string(), "version": self.cited.version}],
            "statedBy": place(&office.code, &office.name),
            "credentialSubject": body,
        });
        if let (Some(follows), Some(members)) = (follows, record.as_object_mut()) {
            members.insert("follows".to_owned(), json!(follows.to_string()));
        }
        json!({"draftId": format!("d:{}", id.uuid()), "record": record})
    }
}

/// One side of a transfer: a numbered school of the city's own list.
fn side(city: &City) -> Value {
    let office = city.offices.first().expect("every city has an office");
    let name = json!({"zh": "示例小学", "en": "Example Primary School"});
    json!({
        "city": place(&city.code, &city.name),
        "office": place(&office.code, &office.name),
        "institution": {"scheme": "local", "code": format!("{}-p001", city.code), "name": name},
        "grade": 3,
    })
}

/// Sets a member anywhere in a JSON document.
///
/// # Panics
/// When the parent does not exist.
pub fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent object");
    parent.insert(name.to_owned(), value);
}
