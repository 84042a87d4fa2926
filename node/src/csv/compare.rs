//! What a row changes: compared with the live head of its chain among the city's own records.

use super::fault::Kind;
use super::mapping::Mapping;
use super::row::{Desired, matter};
use crate::codec::decompress;
use crate::publish::view_of;
use crate::store::PayloadRow;
use hefu_schemas::id::RecordId;
use hefu_schemas::record::Kind as RecordKind;
use hefu_schemas::student_status::{Event, Status, next};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What comes of a row.
#[derive(Debug)]
pub(super) enum Change {
    /// The live head says the same.
    Unchanged,
    /// Nothing is published of it: a chain begins.
    New(Map<String, Value>),
    /// The live head says otherwise.
    Changed {
        /// The body of the record that is to be published.
        body: Map<String, Value>,
        /// The head, where the new record follows it; an entry after an ended spell follows nothing.
        follows: Option<(u64, RecordId)>,
        /// The members that differ.
        members: Vec<String>,
    },
    /// It cannot be published; the members to blame.
    Refused(Kind, Vec<String>),
}

/// A record of the own log that stands.
struct Head {
    index: u64,
    id: RecordId,
    body: Map<String, Value>,
}

impl Head {
    fn status(&self) -> Option<Status> {
        Status::from_code(self.body.get("status")?.as_str()?)
    }

    /// Whether its chain goes on: a spell that ended, also by a transfer out, does not.
    fn goes_on(&self) -> bool {
        self.status().is_none_or(|status| !status.is_ended() && status != Status::TransferredOut)
    }
}

/// Members that no following record may change: to say otherwise is to say that the earlier record was wrong.
fn fixed(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::StudentStatus => &["entryYear", "identityCheck", "numberKind"],
        RecordKind::EnrollmentConnection => {
            &["connectionKind", "role", "id", "identityCheck", "requestedOn", "sending", "receiving"]
        }
        RecordKind::QualificationRecognition | RecordKind::Withdrawal => {
            &["role", "source", "purpose", "identityCheck"]
        }
    }
}

/// Members that go on to hold although a table does not know them; the others belong to one event or step.
fn lasting(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::StudentStatus => &[
            "numberKind",
            "institution",
            "attendsAt",
            "city",
            "isced",
            "entryYear",
            "schoolSystem",
            "residence",
            "fullTime",
            "field",
            "identityCheck",
            "sameAs",
            "localCode",
        ],
        RecordKind::EnrollmentConnection => &[
            "id",
            "identityCheck",
            "sameAs",
            "plannedPeriod",
            "actualPeriod",
            "programme",
            "activity",
            "plannedCredits",
            "stays",
            "quota",
            "eligibility",
            "formerRegistration",
        ],
        RecordKind::QualificationRecognition | RecordKind::Withdrawal => {
            &["identityCheck", "sameAs", "target", "purpose"]
        }
    }
}

/// The heads of the chains that a row may continue, by what corrects and follows what (as the reconciler reads a log: an
/// amendment takes the place of what it corrects, a withdrawal ends its chain and nothing revives).
fn heads(kind: RecordKind, wanted: &str, mut rows: Vec<PayloadRow>) -> Vec<Head> {
    rows.sort_by_key(|row| row.index);
    rows.dedup_by_key(|row| row.index);
    let (mut replaced, mut withdrawn) = (BTreeMap::new(), BTreeSet::new());
    for row in &rows {
        let Some(of) = row.of else { continue };
        if row.kind == Some(RecordKind::Withdrawal) {
            withdrawn.insert(of);
        } else {
            replaced.insert(of, row.index);
            if withdrawn.contains(&of) {
                withdrawn.insert(row.index);
            }
        }
    }
    let by_id: BTreeMap<RecordId, u64> = rows.iter().filter_map(|row| Some((row.id?, row.index))).collect();
    let (mut followed, mut standing) = (BTreeSet::new(), Vec::new());
    for row in rows.iter().filter(|row| row.kind == Some(kind) && !replaced.contains_key(&row.index)) {
        let Some(view) = view_of(row) else { continue };
        if let Some(first) = view.follows.and_then(|id| by_id.get(&id)) {
            followed.extend(std::iter::successors(Some(*first), |index| replaced.get(index).copied()));
        }
        let document = row.payload.as_ref().and_then(|payload| decompress(payload.codec, &payload.body));
        let document: Option<Value> = document.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(Value::Object(body)) =
            document.and_then(|mut value| value.get_mut("credentialSubject").map(Value::take))
            && matter(kind, &body) == wanted
        {
            standing.push(Head { index: row.index, id: view.id, body });
        }
    }
    standing.retain(|head| !followed.contains(&head.index) && !withdrawn.contains(&head.index));
    standing
}

/// The head that a row is compared with: the chain that goes on, else the one that ended last.
fn live(kind: RecordKind, wanted: &str, rows: Vec<PayloadRow>) -> Result<Option<Head>, Kind> {
    let (mut open, mut ended): (Vec<Head>, Vec<Head>) = heads(kind, wanted, rows).into_iter().partition(Head::goes_on);
    match open.len() {
        0 => {
            let on = |head: &Head| head.body.get("effectiveOn").and_then(Value::as_str).map(str::to_owned);
            ended.sort_by_key(|head| (on(head), head.index));
            Ok(ended.pop())
        }
        1 => Ok(open.pop()),
        _ => Err(Kind::TwoChains),
    }
}

/// What is compared: the names that stand beside a code may be written otherwise.
fn essence(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let coded = members.contains_key("code");
            let kept = members.iter().filter(|(name, _)| !(coded && *name == "name"));
            Value::Object(kept.map(|(name, value)| (name.clone(), essence(value))).collect())
        }
        Value::Array(items) => items.iter().map(essence).collect(),
        other => other.clone(),
    }
}

/// Compares a row with the own records under its key.
pub(super) fn compare(mapping: &Mapping, desired: &Desired, rows: Vec<PayloadRow>) -> Change {
    let kind = mapping.kind;
    let head = match live(kind, &desired.matter, rows) {
        Ok(head) => head,
        Err(refused) => return Change::Refused(refused, Vec::new()),
    };
    match head {
        None => begin(mapping, desired),
        Some(head) => go_on(mapping, desired, &head),
    }
}

fn begin(mapping: &Mapping, desired: &Desired) -> Change {
    let mut body = desired.body.clone();
    if mapping.kind == RecordKind::StudentStatus && desired.event().is_none() {
        let status = body.get("status").and_then(Value::as_str).and_then(Status::from_code);
        let own = mapping.events.new.iter().find(|(of, _)| Some(*of) == status).map(|(_, event)| *event);
        let usual = match status {
            Some(Status::Enrolled) => Some(Event::Enter),
            Some(Status::PlaceReserved) => Some(Event::ReservePlace),
            _ => None,
        };
        match (own.or(usual), status) {
            (Some(event), _) => drop(body.insert("event".to_owned(), event.code().into())),
            (None, Some(_)) => return Change::Refused(Kind::NewStatus, vec!["status".to_owned()]),
            // No code of the schema: validation says so.
            (None, None) => {}
        }
    }
    Change::New(body)
}

fn go_on(mapping: &Mapping, desired: &Desired, head: &Head) -> Change {
    let kind = mapping.kind;
    let given = desired.event();
    let mut stated: BTreeSet<&str> = mapping.members.iter().map(super::mapping::Member::top).collect();
    if let Some(subject) = &mapping.subject {
        stated.insert("id");
        stated.extend(subject.identity.iter().map(|_| "identityCheck"));
    }
    let derived = kind == RecordKind::StudentStatus && given.is_none();
    let differs = |name: &&str| {
        let of = |body: &Map<String, Value>| body.get(*name).map(essence);
        !(derived && *name == "event") && of(&desired.body) != of(&head.body)
    };
    let members: Vec<String> = stated.iter().copied().filter(differs).map(str::to_owned).collect();
    if members.is_empty() {
        return Change::Unchanged;
    }
    let new_spell =
        given.is_some_and(Event::is_entry) && members.iter().any(|name| name == "event" || name == "effectiveOn");
    if new_spell && !head.goes_on() {
        return Change::Changed { body: desired.body.clone(), follows: None, members };
    }
    let of_date = |name: &String| name == mapping.date_member();
    let of_fixed = |name: &String| fixed(kind).contains(&name.as_str());
    if members.iter().any(of_fixed) || members.iter().all(of_date) {
        let blamed =
            if members.iter().any(of_fixed) { members.into_iter().filter(of_fixed).collect() } else { members };
        return Change::Refused(Kind::Unchangeable, blamed);
    }
    let mut body = desired.body.clone();
    if kind == RecordKind::StudentStatus {
        match given {
            Some(event) if event.is_entry() => return Change::Refused(Kind::Entry, vec!["event".to_owned()]),
            Some(_) => {}
            None => match event(mapping, desired, head, &members) {
                Some(event) => drop(body.insert("event".to_owned(), event.code().into())),
                None => return Change::Refused(Kind::NoEvent, vec!["status".to_owned()]),
            },
        }
    }
    for name in lasting(kind).iter().filter(|name| !stated.contains(**name)) {
        if let Some(value) = head.body.get(*name) {
            body.insert((*name).to_owned(), value.clone());
        }
    }
    Change::Changed { body, follows: Some((head.index, head.id)), members }
}

/// The event behind a change: as the mapping says, else the only one that there is.
fn event(mapping: &Mapping, desired: &Desired, head: &Head, members: &[String]) -> Option<Event> {
    // Another stage is another spell: it ends by one event and begins by another.
    if members.iter().any(|name| name == "stage") {
        return None;
    }
    let from = head.status()?;
    let to = Status::from_code(desired.body.get("status")?.as_str()?)?;
    let said = mapping.events.changed.iter().find(|(a, b, _)| (*a, *b) == (from, to)).map(|(.., event)| *event);
    if said.is_some() || !head.goes_on() {
        return said;
    }
    if from == to {
        let moved = members.iter().any(|name| name == "institution");
        return Some(Event::MoveSchool).filter(|event| moved && next(Some(from), *event) == Some(to));
    }
    let mut possible = Event::ALL.iter().filter(|event| next(Some(from), **event) == Some(to));
    match (possible.next(), possible.next()) {
        (Some(event), None) => Some(*event),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::compress;
    use crate::store::{AgreementNo, Payload};
    use hefu_federation::pull::PayloadState;
    use hefu_federation::reconcile::key::{Key, KeyType};
    use serde_json::json;

    const ENTER: &str = include_str!("../../../schemas/json/student-status/valid/enter.json");
    const PUPIL: &str = "urn:hefu:subject:1:fclvd2yEI-V6J4VImj-cQ_tudWh21q2anKxKpOcuwZM";

    fn id(index: u64) -> String {
        format!("urn:uuid:0198f3c2-f343-76f5-8b2f-{index:012}")
    }

    fn stored(index: u64, kind: RecordKind, of: Option<u64>, document: &Value) -> PayloadRow {
        let (codec, body) = compress(&hefu_schemas::canonical::write(document).unwrap());
        PayloadRow {
            index,
            agreement: AgreementNo(3),
            state: PayloadState::Held,
            reason: None,
            t: 0,
            of,
            id: RecordId::parse(&id(index)).ok(),
            kind: Some(kind),
            payload: Some(Payload { salt: [0; 32], codec, body }),
        }
    }

    /// A record of the pupil at an index, after another one.
    fn record(index: u64, follows: Option<u64>, status: &str, event: &str, on: &str) -> PayloadRow {
        let mut document: Value = serde_json::from_str(ENTER).unwrap();
        document["id"] = id(index).into();
        document["validFrom"] = format!("{on}T00:00:00+08:00").into();
        document["credentialSubject"] = body(status, Some(event), on);
        if let Some(follows) = follows {
            document["follows"] = id(follows).into();
        }
        stored(index, RecordKind::StudentStatus, None, &document)
    }

    fn correcting(row: PayloadRow, of: u64) -> PayloadRow {
        PayloadRow { of: Some(of), ..row }
    }

    fn body(status: &str, event: Option<&str>, on: &str) -> Value {
        let institution = json!({"scheme": "cn-school-id", "code": "2153000011", "name": {"zh": "甲"}});
        let mut body =
            json!({"id": PUPIL, "stage": "primary", "status": status, "effectiveOn": on, "institution": institution});
        if let Some(event) = event {
            body["event"] = event.into();
        }
        body
    }

    fn mapping() -> Mapping {
        let text = r#"
kind = "student-status"
statedBy = { value = 1 }
subject = { scheme = "cn-resident-id", id = "id" }
[members]
stage = { value = "primary" }
status = { column = "status" }
effectiveOn = { column = "on", type = "date" }
institution = { column = "school", type = "institution", nameColumn = "name" }
event = { column = "event", optional = true }
[institutions]
scheme = "cn-school-id"
"#;
        Mapping::read(text.as_bytes()).unwrap()
    }

    fn changed(rows: &[PayloadRow], body: Value) -> Change {
        let Value::Object(body) = body else { panic!("an object") };
        let key = Key::new(KeyType::Subject, PUPIL);
        let matter = matter(RecordKind::StudentStatus, &body);
        compare(&mapping(), &Desired { row: 2, key, matter, body, stated_by: json!(1) }, rows.to_vec())
    }

    /// What comes of a row, as text: the event and what it follows.
    fn outcome(rows: &[PayloadRow], status: &str, event: Option<&str>, on: &str) -> String {
        match changed(rows, body(status, event, on)) {
            Change::Unchanged => "unchanged".to_owned(),
            Change::New(body) => format!("new {}", body["event"].as_str().unwrap()),
            Change::Changed { body, follows, .. } => {
                format!("{} after {:?}", body["event"].as_str().unwrap(), follows.map(|(index, _)| index))
            }
            Change::Refused(kind, members) => format!("{} {}", kind.code(), members.join(" ")),
        }
    }

    #[test]
    fn what_comes_of_a_row() {
        let entered = [record(3, None, "enrolled", "enter", "2024-09-01")];
        let graduated = [entered[0].clone(), record(4, Some(3), "graduated", "graduate", "2026-07-01")];
        for (rows, status, event, on, expected) in [
            (&[][..], "enrolled", None, "2024-09-01", "new enter"),
            (&[], "enrolled", Some("transfer-in"), "2024-09-01", "new transfer-in"),
            (&[], "suspended", None, "2024-09-01", "csv/new-status status"),
            (&entered, "enrolled", None, "2024-09-01", "unchanged"),
            (&entered, "enrolled", Some("enter"), "2024-09-01", "unchanged"),
            (&entered, "enrolled", None, "2024-09-02", "csv/unchangeable effectiveOn"),
            (&entered, "suspended", None, "2025-03-01", "suspend after Some(3)"),
            (&entered, "registration-kept", None, "2025-03-01", "csv/no-event status"),
            (&entered, "registration-kept", Some("go-abroad"), "2025-03-01", "go-abroad after Some(3)"),
            (&entered, "enrolled", Some("transfer-in"), "2025-03-01", "csv/entry event"),
            (&graduated, "graduated", None, "2026-07-01", "unchanged"),
            (&graduated, "enrolled", None, "2026-09-01", "csv/no-event status"),
            (&graduated, "enrolled", Some("enter"), "2026-09-01", "enter after None"),
        ] {
            assert_eq!(outcome(rows, status, event, on), expected, "{status} {event:?} {on}");
        }
    }

    #[test]
    fn the_head_is_read_as_the_reconciler_reads_it() {
        let entered = record(3, None, "enrolled", "enter", "2024-09-01");
        let suspended = record(4, Some(3), "suspended", "suspend", "2025-03-01");
        let amended = correcting(record(5, None, "enrolled", "enter", "2024-09-02"), 3);
        // Whoever followed what was corrected follows the correction.
        let all = [entered.clone(), suspended.clone(), amended.clone()];
        assert_eq!(outcome(&all, "suspended", None, "2025-03-01"), "unchanged");
        assert_eq!(outcome(&[entered.clone(), amended], "enrolled", None, "2024-09-02"), "unchanged");
        // A withdrawal ends the chain, and nothing revives.
        let withdrawal = stored(6, RecordKind::Withdrawal, Some(4), &json!({}));
        assert_eq!(outcome(&[entered.clone(), suspended, withdrawal], "enrolled", None, "2024-09-01"), "new enter");
        let twice = [entered, record(7, None, "enrolled", "enter", "2024-09-01")];
        assert_eq!(outcome(&twice, "enrolled", None, "2024-09-01"), "csv/two-chains ");
    }

    #[test]
    fn a_name_is_no_change_and_what_a_table_does_not_know_goes_on() {
        let entered = record(3, None, "enrolled", "enter", "2024-09-01");
        let mut renamed = body("enrolled", None, "2024-09-01");
        renamed["institution"]["name"] = json!({"zh": "乙", "en": "B"});
        assert!(matches!(changed(std::slice::from_ref(&entered), renamed), Change::Unchanged));

        let mut document: Value = serde_json::from_str(ENTER).unwrap();
        document["id"] = id(3).into();
        document["credentialSubject"] = body("enrolled", Some("enter"), "2024-09-01");
        document["credentialSubject"]["residence"] = json!("migrant-child");
        document["credentialSubject"]["reason"] = json!("family-moved");
        let known = stored(3, RecordKind::StudentStatus, None, &document);
        let mut moved = body("enrolled", None, "2025-03-01");
        moved["institution"]["code"] = json!("2153000012");
        let Change::Changed { body, members, .. } = changed(&[known], moved) else { panic!("it moved") };
        assert_eq!(
            (&body["event"], &body["residence"], body.get("reason")),
            (&json!("move-school"), &json!("migrant-child"), None)
        );
        assert_eq!(members, ["effectiveOn", "institution"]);
        // Another stage is no move to another school.
        let mut junior = moved_to_junior();
        junior["institution"]["code"] = json!("3153000013");
        assert!(matches!(changed(&[entered], junior), Change::Refused(Kind::NoEvent, _)));
    }

    fn moved_to_junior() -> Value {
        let mut junior = body("enrolled", None, "2025-09-01");
        junior["stage"] = json!("junior");
        junior
    }
}
