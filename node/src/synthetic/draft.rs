//! Statements of the population, and the drafts that are made of them.
use super::case::Part;
use super::city::City;
use super::person::Person;
use super::recognition::Qualification;
use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
use hefu_schemas::id::{AgreementId, RecordId};
use hefu_schemas::student_status::{Event, Stage, Status};
use hefu_schemas::text::Text;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

/// Offset of the time zone of the agreement, Asia/Shanghai.
const MIDNIGHT: &str = "T00:00:00+08:00";

/// The agreement that drafts cite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cited {
    /// Its id.
    pub id: AgreementId,
    /// Its version.
    pub version: u32,
}

/// What one office states of one person.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: RecordId,
    pub(super) follows: Option<RecordId>,
    /// The record that it corrects, a date of which was wrong.
    pub(super) supersedes: Option<RecordId>,
    /// Records on which it relies: index of the city that published it, and id.
    pub(super) basis: Vec<(usize, RecordId)>,
    /// Index of the office in its city.
    pub(super) office: usize,
    pub(super) on: Date,
    pub(super) body: Body,
}

/// By kind.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Status { stage: Stage, status: Status, event: Event, until: Option<Date>, connection: Option<RecordId> },
    Half { matter: Matter, role: Role, step: Step, reason: Option<&'static str> },
    Qualification(Box<Qualification>),
    Withdrawal { record: RecordId },
}

/// What a half says of a transfer besides its step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matter {
    pub(super) connection: RecordId,
    pub(super) sending: School,
    pub(super) receiving: School,
    pub(super) requested_on: Date,
    pub(super) planned: Option<(Date, Date)>,
}

/// A numbered school of one of the cities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct School {
    pub(super) city: usize,
    /// Index of the office that it belongs to.
    pub(super) office: usize,
    pub(super) stage: Stage,
    pub(super) number: u16,
    /// Counted from the first of primary school.
    pub(super) grade: u8,
}

/// All statements of one city about one person, in publishing order.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) person: Person,
    pub(super) statements: Vec<Statement>,
}

impl Group {
    /// The record in which a half reached a step.
    pub(super) fn step(&self, wanted: Step) -> Option<RecordId> {
        let reached = |statement: &&Statement| matches!(statement.body, Body::Half { step, .. } if step == wanted);
        self.statements.iter().find(reached).map(|statement| statement.id)
    }

    /// The same statements under another connection.
    pub(super) fn with_connection(mut self, id: RecordId) -> Self {
        for statement in &mut self.statements {
            match &mut statement.body {
                Body::Half { matter, .. } => matter.connection = id,
                Body::Status { connection: Some(connection), .. } => *connection = id,
                Body::Status { connection: None, .. } | Body::Qualification(_) | Body::Withdrawal { .. } => {}
            }
        }
        self
    }
}

/// One draft of the population, still with the person in place of the subject reference.
#[derive(Debug, Clone)]
pub struct Synthetic {
    /// Index of the city that publishes it.
    pub city: usize,
    /// Which file it belongs to.
    pub part: Part,
    /// Its draft id, in sequence within city and part.
    pub draft_id: String,
    /// Whom it is about.
    pub person: Person,
    pub(super) statement: Statement,
}

impl Synthetic {
    /// The id of its record.
    pub fn record_id(&self) -> RecordId {
        self.statement.id
    }

    /// The draft `{draftId, record}` with a subject reference; `cities` are those of the population.
    pub fn draft(&self, cities: &[City], agreement: Cited, subject: &str) -> Value {
        self.statement.draft(cities, self.city, agreement, subject, &self.draft_id)
    }
}

/// Draft ids are sequential within a city and a part.
pub(super) fn draft_id(city: &City, part: Part, number: u64) -> String {
    format!("{}-{}-{number:07}", city.code, part.code())
}

impl Statement {
    /// The draft of a statement by one of the cities.
    pub(super) fn draft(&self, cities: &[City], city: usize, cited: Cited, subject: &str, draft_id: &str) -> Value {
        let (kind, body) = match &self.body {
            Body::Status { stage, status, event, until, connection } => {
                let mut body = json!({
                    "id": subject,
                    "stage": stage.code(),
                    "status": status.code(),
                    "event": event.code(),
                    "effectiveOn": self.on.to_string(),
                });
                put(&mut body, "until", until.map(|until| until.to_string()));
                put(&mut body, "connection", connection.map(|connection| connection.to_string()));
                ("StudentStatus", body)
            }
            Body::Half { matter, role, step, reason } => {
                let mut body = matter.body(cities, subject);
                put(&mut body, "role", Some(role.code().to_owned()));
                put(&mut body, "step", Some(step.code().to_owned()));
                put(&mut body, "stepOn", Some(self.on.to_string()));
                put(&mut body, "reason", reason.map(str::to_owned));
                ("EnrollmentConnection", body)
            }
            Body::Qualification(body) => ("QualificationRecognition", body.body(cities, subject, self.on)),
            Body::Withdrawal { record } => {
                let (record, from) = (record.to_string(), self.on.to_string());
                ("Withdrawal", json!({"record": record, "reason": "entry-error", "from": from}))
            }
        };
        let mut record = json!({
            "id": self.id.to_string(),
            "type": ["VerifiableCredential", kind],
            "validFrom": format!("{}{MIDNIGHT}", self.on),
            "termsOfUse": [{"type": "Agreement", "id": cited.id.to_string(), "version": cited.version}],
            "statedBy": office(cities, city, self.office),
            "credentialSubject": body,
        });
        put(&mut record, "follows", self.follows.map(|follows| follows.to_string()));
        put(&mut record, "supersedes", self.supersedes.map(|supersedes| supersedes.to_string()));
        put(&mut record, "correction", self.supersedes.map(|_| "wrong-date".to_owned()));
        if let (Some(basis), Value::Object(members)) = (self.basis(cities), &mut record) {
            members.insert("basis".to_owned(), basis);
        }
        json!({"draftId": draft_id, "record": record})
    }

    fn basis(&self, cities: &[City]) -> Option<Value> {
        let cited = |(city, id): &(usize, RecordId)| {
            Some(json!({"issuer": cities.get(*city)?.did.as_str(), "id": id.to_string()}))
        };
        (!self.basis.is_empty()).then(|| self.basis.iter().filter_map(cited).collect())
    }
}

impl Matter {
    fn body(&self, cities: &[City], subject: &str) -> Value {
        let mut body = json!({
            "connection": self.connection.to_string(),
            "connectionKind": ConnectionKind::Transfer.code(),
            "id": subject,
            "sending": self.sending.side(cities),
            "receiving": self.receiving.side(cities),
            "requestedOn": self.requested_on.to_string(),
        });
        if let (Some((from, to)), Value::Object(members)) = (self.planned, &mut body) {
            members.insert("plannedPeriod".to_owned(), json!({"from": from.to_string(), "to": to.to_string()}));
        }
        body
    }
}

impl School {
    fn side(&self, cities: &[City]) -> Value {
        let city = cities.get(self.city).map(|city| place(&city.code, &city.name));
        json!({
            "city": city,
            "office": office(cities, self.city, self.office),
            "institution": self.institution(cities),
            "grade": self.grade,
        })
    }

    /// A school with a number for a name, under a code of the city's own list.
    fn institution(&self, cities: &[City]) -> Value {
        let office = cities.get(self.city).and_then(|city| city.office(self.office));
        let (area, name) = office.map_or(("", Text::new("", "")), |office| (office.code.as_str(), office.name.clone()));
        let (letter, zh, en) = match self.stage {
            Stage::Primary => ('p', "小学", "Primary School"),
            Stage::Junior => ('j', "初级中学", "Junior Secondary School"),
            _ => ('s', "高级中学", "Senior Secondary School"),
        };
        let number = self.number;
        json!({
            "scheme": "local",
            "code": format!("{area}-{letter}{number:03}"),
            "name": {
                "zh": format!("{}所属演示{zh}（{number}）", name.zh),
                "en": format!("Demonstration {en} No. {number}, {}", name.en),
            },
        })
    }
}

fn office(cities: &[City], city: usize, office: usize) -> Value {
    let office = cities.get(city).and_then(|city| city.office(office));
    office.map_or(Value::Null, |office| place(&office.code, &office.name))
}

/// A place of GB/T 2260.
pub(super) fn place(code: &str, name: &Text) -> Value {
    json!({"scheme": "gb-t-2260", "code": code, "name": name})
}

fn put(object: &mut Value, member: &str, text: Option<String>) {
    if let (Value::Object(members), Some(text)) = (object, text) {
        let members: &mut Map<String, Value> = members;
        members.insert(member.to_owned(), Value::String(text));
    }
}
