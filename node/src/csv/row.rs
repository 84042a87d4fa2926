//! From a row to what the city wants to be published of its subject. The identifier becomes a reference here, in memory, and
//! goes no further.

use super::cell;
use super::fault::{Fault, Kind};
use super::mapping::{Cell, Column, Mapping, Source};
use super::table::{Row, Table};
use hefu_federation::linkage::Linkage;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_schemas::identifier::Identifier;
use hefu_schemas::record::Kind as RecordKind;
use hefu_schemas::student_status::Event;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What a row says.
#[derive(Debug)]
pub(super) struct Desired {
    /// The row.
    pub(super) row: usize,
    /// Key under which its chain is filed.
    pub(super) key: Key,
    /// What the chain is about.
    pub(super) matter: String,
    /// Members of `credentialSubject`; without `event` where the table has none.
    pub(super) body: Map<String, Value>,
    /// The stating office.
    pub(super) stated_by: Value,
}

impl Desired {
    /// The event that the table gives.
    pub(super) fn event(&self) -> Option<Event> {
        Event::from_code(self.body.get("event")?.as_str()?)
    }
}

/// Where the mapped columns stand.
#[derive(Debug, Default)]
pub(super) struct Columns(HashMap<String, (usize, Option<usize>)>);

impl Columns {
    pub(super) fn new(mapping: &Mapping, table: &Table) -> Self {
        let named = mapping.names().into_iter().enumerate();
        Self(named.map(|(at, name)| (name.to_owned(), (at, table.position(name)))).collect())
    }

    fn cell<'a>(&self, row: &'a Row, name: &str) -> &'a str {
        let cell = self.0.get(name).and_then(|(at, _)| row.cells.get(*at));
        cell.map(String::as_str).unwrap_or_default()
    }

    /// A fault in a mapped column.
    pub(super) fn fault(&self, row: usize, kind: Kind, name: &str) -> Fault {
        self.name(Fault::new(row, kind), name)
    }

    /// Puts a fault into a mapped column.
    pub(super) fn name(&self, fault: Fault, name: &str) -> Fault {
        fault.in_column(name, self.0.get(name).and_then(|(_, position)| *position))
    }
}

/// The chain that a record of a kind belongs to: what may follow what (as publishing checks it).
pub(super) fn matter(kind: RecordKind, body: &Map<String, Value>) -> String {
    let text = |pointer: &str| {
        let mut parts = pointer.split('/');
        let first = parts.next().and_then(|name| body.get(name));
        let found = parts.fold(first, |value, name| value?.get(name));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let parts: &[&str] = match kind {
        RecordKind::StudentStatus => &["id"],
        RecordKind::EnrollmentConnection => &["connection", "connectionKind", "role"],
        RecordKind::QualificationRecognition => &["role", "id", "source/type", "source/awardingBody/code", "purpose"],
        RecordKind::Withdrawal => &[],
    };
    parts.iter().map(|pointer| text(pointer)).collect::<Vec<_>>().join(" ")
}

struct Reading<'a> {
    mapping: &'a Mapping,
    columns: &'a Columns,
    row: &'a Row,
    faults: Vec<Fault>,
}

/// Reads a row.
///
/// # Errors
/// All that is wrong with its cells.
pub(super) fn desired(
    mapping: &Mapping,
    columns: &Columns,
    linkage: &Linkage,
    row: &Row,
) -> Result<Desired, Vec<Fault>> {
    let mut reading = Reading { mapping, columns, row, faults: Vec::new() };
    let mut body = Map::new();
    reading.subject(linkage, &mut body);
    for member in &mapping.members {
        if let Some(value) = reading.value(&member.source) {
            set(&mut body, &member.path, value);
        }
    }
    let stated_by = reading.value(&mapping.stated_by);
    let key = match mapping.kind {
        RecordKind::EnrollmentConnection => body.get("connection").map(|urn| (KeyType::Connection, urn)),
        _ => body.get("id").map(|reference| (KeyType::Subject, reference)),
    };
    let key = key.and_then(|(key_type, value)| value.as_str().map(|value| Key::new(key_type, value)));
    match (key, stated_by) {
        (Some(key), Some(stated_by)) if reading.faults.is_empty() => {
            Ok(Desired { row: row.number, key, matter: matter(mapping.kind, &body), body, stated_by })
        }
        _ => {
            if reading.faults.is_empty() {
                reading.faults.push(Fault::new(row.number, Kind::Missing));
            }
            Err(reading.faults)
        }
    }
}

fn set(body: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => drop(body.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let inner = body.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(inner) = inner.as_object_mut() {
                set(inner, rest, value);
            }
        }
    }
}

impl Reading<'_> {
    fn refuse(&mut self, kind: Kind, name: &str) {
        self.faults.push(self.columns.fault(self.row.number, kind, name));
    }

    /// A cell that must not be empty.
    fn filled(&mut self, name: &str) -> Option<String> {
        let text = self.columns.cell(self.row, name);
        if text.is_empty() {
            self.refuse(Kind::Missing, name);
            return None;
        }
        Some(text.to_owned())
    }

    fn subject(&mut self, linkage: &Linkage, body: &mut Map<String, Value>) {
        let mapping = self.mapping;
        let Some(subject) = &mapping.subject else { return };
        let scheme = self.value(&subject.scheme).and_then(|scheme| scheme.as_str().map(str::to_owned));
        if let (Some(scheme), Some(id)) = (scheme, self.filled(&subject.id)) {
            match Identifier::normalise(&scheme, &id) {
                Ok(identifier) => drop(body.insert("id".to_owned(), linkage.subject_reference(&identifier).into())),
                Err(_) => self.refuse(Kind::Identifier, &subject.id),
            }
        }
        let Some(identity) = &subject.identity else { return };
        let name = self.filled(&identity.name);
        let sex = self.value(&identity.sex);
        let sex = sex.as_ref().and_then(|sex| match sex.as_str() {
            Some("M") => Some('M'),
            Some("F") => Some('F'),
            Some("X") => Some('X'),
            _ => {
                if let Source::Column(column) = &identity.sex {
                    self.refuse(Kind::Sex, &column.name);
                } else {
                    self.faults.push(Fault::new(self.row.number, Kind::Sex));
                }
                None
            }
        });
        let birth_date = self.filled(&identity.birth_date).and_then(|text| {
            let date = cell::date(&text);
            if date.is_none() {
                self.refuse(Kind::NoDate, &identity.birth_date);
            }
            date
        });
        if let (Some(name), Some(sex), Some(birth_date)) = (name, sex, birth_date) {
            let check = linkage.identity_check(&name, sex, birth_date);
            body.insert("identityCheck".to_owned(), check.into());
        }
    }

    /// The value of a source; `None` where the member is absent, or the cell is refused.
    fn value(&mut self, source: &Source) -> Option<Value> {
        let column = match source {
            Source::Fixed(value) => return Some(value.clone()),
            Source::Column(column) => column,
        };
        let text = self.columns.cell(self.row, &column.name);
        if !text.is_empty() {
            return self.converted(column, text);
        }
        match &column.default {
            Some(Value::String(text)) if column.cell != Cell::Text => self.converted(column, &text.clone()),
            Some(value) => Some(value.clone()),
            None if column.optional => None,
            None => {
                self.refuse(Kind::Missing, &column.name);
                None
            }
        }
    }

    fn converted(&mut self, column: &Column, text: &str) -> Option<Value> {
        let mapping = self.mapping;
        let converted = match column.cell {
            Cell::Text if column.values.is_empty() => Ok(text.into()),
            Cell::Text => column.values.get(text).cloned().ok_or(Kind::NotMapped),
            Cell::Integer => text.parse::<i64>().map(Value::from).map_err(|_| Kind::NoInteger),
            Cell::Date => cell::date(text).map(|date| date.to_string().into()).ok_or(Kind::NoDate),
            Cell::Month => cell::month(text).map(Value::from).ok_or(Kind::NoMonth),
            Cell::Institution | Cell::Place => {
                let directory = if column.cell == Cell::Place { &mapping.places } else { &mapping.institutions };
                let in_table = column.name_column.as_deref().map(|name| self.columns.cell(self.row, name));
                let named = in_table.filter(|name| !name.is_empty()).map(|name| serde_json::json!({ "zh": name }));
                let name = directory.names.get(text).cloned().map(Value::Object).or(named);
                let place = |name| serde_json::json!({"scheme": directory.scheme, "code": text, "name": name});
                name.map(place).ok_or(Kind::NoName)
            }
        };
        converted.map_err(|kind| self.refuse(kind, &column.name)).ok()
    }
}
