//! JSON documents: gate, tape, writer, drafts, agreements, and identifiers of persons.

use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::gate::{MAX_AGREEMENT_LEN, MAX_RECORD_LEN};
use hefu_schemas::identifier::{Identifier, normalise_name};
use hefu_schemas::record::{Draft, View, check};
use hefu_schemas::scan::{Item, scan};
use serde_json::Value;

/// The canonical reader accepts exactly the bytes that the general reader accepts and the writer reproduces.
pub fn gate(data: &[u8]) {
    let written = canonical::canonicalize(data, MAX_RECORD_LEN);
    let scanned = scan(data, MAX_RECORD_LEN);
    match (&written, &scanned) {
        (Ok(written), Ok(_)) => assert_eq!(written, data, "the gate accepts what the writer writes otherwise"),
        (Ok(written), Err(_)) => assert_ne!(written, data, "the gate refuses canonical bytes"),
        (Err(_), Ok(_)) => panic!("the two readers disagree on what is acceptable"),
        (Err(_), Err(_)) => {}
    }
    if let Ok(written) = written {
        let again = scan(written.as_slice(), MAX_RECORD_LEN);
        // Canonical bytes may be longer than what was read: an escape that is not needed is shorter only sometimes.
        assert!(again.is_ok() || written.len() > MAX_RECORD_LEN, "what the writer wrote is not canonical");
    }
}

/// The tape shows the same document as a tree does.
pub fn tape(data: &[u8]) {
    if let Ok(scanned) = scan(data, MAX_RECORD_LEN) {
        let tree: Value = serde_json::from_slice(data).expect("what the gate accepts is JSON");
        assert!(same(scanned.root(), &tree), "tape and tree differ");
        let _ = check(&scanned);
        let _ = View::read(&scanned);
        let _ = hefu_federation::reconcile::view::View::read(&scanned);
    }
}

fn same(item: Item<'_>, value: &Value) -> bool {
    match value {
        Value::Null => !item.is_object() && item.as_str().is_none() && item.as_integer().is_none(),
        Value::Bool(value) => item.as_bool() == Some(*value),
        Value::Number(value) => item.as_integer() == value.as_i64() && value.as_i64().is_some(),
        Value::String(value) => item.as_str().as_deref() == Some(value),
        Value::Array(values) => {
            let items: Vec<Item<'_>> = item.items().collect();
            items.len() == values.len() && items.into_iter().zip(values).all(|(item, value)| same(item, value))
        }
        Value::Object(members) => {
            item.is_object()
                && members.iter().all(|(name, value)| item.member(name).is_some_and(|item| same(item, value)))
        }
    }
}

/// Our writer equals another canonicaliser on every document that the gate lets through.
pub fn writer(data: &[u8]) {
    if let Ok(written) = canonical::canonicalize(data, MAX_RECORD_LEN) {
        let tree: Value = serde_json::from_slice(data).expect("what the gate accepts is JSON");
        let oracle = serde_json_canonicalizer::to_vec(&tree).expect("a document can be written");
        assert_eq!(written, oracle, "the canonical forms differ");
    }
}

/// A line that a person or a local system hands over.
pub fn draft(data: &[u8]) {
    let _ = Draft::read(data);
}

/// A document that a peer offers.
pub fn agreement(data: &[u8]) {
    if let Ok(agreement) = Agreement::read(data) {
        assert_eq!(agreement.bytes(), data);
    }
    if let Ok(written) = canonical::canonicalize(data, MAX_AGREEMENT_LEN) {
        let _ = Agreement::read(&written);
    }
}

/// Scheme and identifier, separated by a line feed. Normalising again changes nothing.
pub fn identifier(data: &[u8]) {
    let Some((scheme, id)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else { return };
    if let Ok(first) = Identifier::normalise(scheme, id) {
        let again = Identifier::normalise(first.scheme(), first.expose()).expect("a normal form is accepted");
        assert_eq!((first.scheme(), first.expose()), (again.scheme(), again.expose()));
    }
    // A second normalisation may still reorder combining marks that a dropped character stood between: the definition is
    // one pass. What is dropped does not come back.
    let name = normalise_name(id);
    assert!(!name.contains(|c: char| c.is_whitespace() || "·•・-'".contains(c)), "a name keeps a separator");
}
