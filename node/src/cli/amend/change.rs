//! Changing the members of a draft, and what differs between two.

use crate::problem::{Code, Outcome, Problem};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Members that tell the place of a record among others, not what it says.
const PLACE: [&str; 3] = ["id", "supersedes", "correction"];
/// Dates of effect, by kind: the first ten characters of `validFrom` equal theirs.
const DATES: [&str; 2] = ["effectiveOn", "stepOn"];

/// One member that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) pointer: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Change {
    pub(super) fn to_json(&self) -> Value {
        json!({"pointer": self.pointer, "before": self.before, "after": self.after})
    }
}

/// The members without members, by pointer.
fn leaves(pointer: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(&format!("{pointer}/{name}"), value, into);
            }
        }
        other => drop(into.insert(pointer.to_owned(), other.clone())),
    }
}

/// What differs between two drafts, but for their places.
pub(super) fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let flat = |members: &Map<String, Value>| {
        let mut into = BTreeMap::new();
        for (name, value) in members.iter().filter(|(name, _)| !PLACE.contains(&name.as_str())) {
            leaves(&format!("/{name}"), value, &mut into);
        }
        into
    };
    let (mut old, mut new) = (flat(before), flat(after));
    let pointers: std::collections::BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    let change = |pointer: String| Change { before: old.remove(&pointer), after: new.remove(&pointer), pointer };
    pointers.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

fn refused(name: &str, why: &str) -> Problem {
    Problem::new(Code::Input, format!("{name}: {why}"))
}

/// The object that holds a member, and the member's name.
fn parent<'a>(record: &'a mut Map<String, Value>, name: &str) -> Outcome<(&'a mut Map<String, Value>, String)> {
    let path = match name.strip_prefix('/') {
        Some(pointer) => pointer.to_owned(),
        None => format!("credentialSubject/{}", name.replace('.', "/")),
    };
    let mut parts: Vec<String> = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| refused(name, "expected a member"))?;
    let mut at = record;
    for part in parts {
        let next = at.entry(part).or_insert_with(|| json!({}));
        at = next.as_object_mut().ok_or_else(|| refused(name, "what stands above it is no object"))?;
    }
    Ok((at, last))
}

/// Sets a member: `NAME=VALUE`.
pub(super) fn set(record: &mut Map<String, Value>, pair: &str) -> Outcome<()> {
    let (name, text) = pair.split_once('=').ok_or_else(|| refused(pair, "expected NAME=VALUE"))?;
    let (members, last) = parent(record, name)?;
    let as_text = members.get(&last).is_some_and(Value::is_string);
    let read = || hefu_schemas::canonical::read(text.as_bytes(), hefu_schemas::gate::MAX_RECORD_LEN).ok();
    let value = if as_text { None } else { read() };
    members.insert(last, value.unwrap_or_else(|| json!(text)));
    Ok(())
}

/// Takes a member away.
pub(super) fn unset(record: &mut Map<String, Value>, name: &str) -> Outcome<()> {
    let (members, last) = parent(record, name)?;
    members.remove(&last).map(drop).ok_or_else(|| refused(name, "the record has no such member"))
}

/// Where a date of effect was changed and `validFrom` was not, it follows.
pub(super) fn move_date(after: &mut Map<String, Value>, before: &Map<String, Value>) {
    let date = |record: &Map<String, Value>| {
        let body = record.get("credentialSubject")?;
        DATES.iter().find_map(|name| body.get(*name)?.as_str().map(str::to_owned))
    };
    let (Some(day), Some(valid_from)) = (date(after), after.get("validFrom").and_then(Value::as_str)) else { return };
    if before.get("validFrom").and_then(Value::as_str) == Some(valid_from)
        && let Some((old, midnight)) = valid_from.split_at_checked(10)
        && old != day
    {
        let moved = format!("{day}{midnight}");
        after.insert("validFrom".to_owned(), json!(moved));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Map<String, Value> {
        let record = json!({
            "id": "urn:uuid:1",
            "validFrom": "2026-09-01T00:00:00+08:00",
            "statedBy": {"code": "530102"},
            "credentialSubject": {"effectiveOn": "2026-09-01", "receiving": {"grade": 3}, "reason": "moved"},
        });
        record.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_set_differs_and_nothing_else() {
        let before = record();
        let mut after = before.clone();
        for pair in ["effectiveOn=2026-09-02", "receiving.grade=4", "/statedBy/code=530103"] {
            set(&mut after, pair).unwrap();
        }
        unset(&mut after, "reason").unwrap();
        move_date(&mut after, &before);
        after.insert("supersedes".to_owned(), after.get("id").cloned().unwrap());
        let seen: Vec<(String, Option<Value>)> =
            changes(&before, &after).into_iter().map(|change| (change.pointer, change.after)).collect();
        assert_eq!(
            seen,
            [
                ("/credentialSubject/effectiveOn".to_owned(), Some(json!("2026-09-02"))),
                ("/credentialSubject/reason".to_owned(), None),
                ("/credentialSubject/receiving/grade".to_owned(), Some(json!(4))),
                ("/statedBy/code".to_owned(), Some(json!("530103"))),
                ("/validFrom".to_owned(), Some(json!("2026-09-02T00:00:00+08:00"))),
            ]
        );
    }

    #[test]
    fn a_date_that_was_written_is_left_alone() {
        let before = record();
        let mut after = before.clone();
        set(&mut after, "effectiveOn=2026-09-02").unwrap();
        set(&mut after, "/validFrom=2026-09-05T00:00:00+08:00").unwrap();
        move_date(&mut after, &before);
        assert_eq!(after["validFrom"], json!("2026-09-05T00:00:00+08:00"));
    }

    #[test]
    fn names_that_lead_nowhere_are_refused() {
        for pair in ["effectiveOn", "=3", "reason.code=x", "/=3"] {
            assert!(set(&mut record(), pair).is_err(), "{pair}");
        }
        assert!(unset(&mut record(), "grade").is_err());
    }
}
