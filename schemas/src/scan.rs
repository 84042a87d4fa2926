//! One pass over bytes that must be canonical: gate, canonical form, spans and tape.
//!
//! ```text
//! {"a":[1,"x"],"b":true}      node  kind     span    next  len
//!                             0     object    0..22  7     2
//!                             1     string    1..4   5     tag   a member is its name, then its value
//!                             2     array     5..12  5     2     next skips all below
//!                             3     integer   6..7   4
//!                             4     string    8..11  5
//!                             5     string   13..16  7     tag   next of a name skips the member
//!                             6     true     17..21  7
//! ```

mod item;
mod walk;

use crate::canonical;
use crate::gate::{self, GateError, GateErrorKind};
pub use item::Item;
pub(crate) use item::{Children, Members};
use std::borrow::Cow;
use std::fmt;
pub(crate) use walk::{Kind, Node, tag};

/// Longest document that positions on the tape can name; the limits of the gate are far below.
const MAX_LEN: usize = 1 << 28;

/// A canonical document: its bytes and the tape of its values.
#[derive(Clone)]
pub struct Scanned<'a> {
    text: Cow<'a, str>,
    /// Never empty: the outermost value is first.
    tape: Vec<Node>,
}

/// Checks gate and canonical form in one pass.
///
/// # Errors
/// The first thing that the gate refuses, exactly as [`canonical::read`] reports it; `NotCanonical` if that has no
/// complaint, at the first byte that the canonical form would not have.
pub fn scan<'a>(bytes: impl Into<Cow<'a, [u8]>>, max_len: usize) -> Result<Scanned<'a>, GateError> {
    let max_len = max_len.min(MAX_LEN);
    let bytes = bytes.into();
    if bytes.len() > max_len {
        return Err(GateError::new(GateErrorKind::TooLarge, max_len));
    }
    let text = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(gate::text(bytes, max_len)?),
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes)
                .map_err(|error| GateError::new(GateErrorKind::NotUtf8, error.utf8_error().valid_up_to()))?,
        ),
    };
    match walk::walk(&text) {
        Ok(tape) => Ok(Scanned { text, tape }),
        Err(offset) => Err(explain(text.as_bytes(), max_len, offset)),
    }
}

/// [`scan`] of bytes in any layout: those that are not canonical are brought into that form.
///
/// # Errors
/// What the gate refuses, as [`canonical::read`] reports it.
pub(crate) fn scan_any(bytes: &[u8], max_len: usize) -> Result<Scanned<'_>, GateError> {
    let max_len = max_len.min(MAX_LEN);
    let text = gate::text(bytes, max_len)?;
    // Programs mostly write canonical lines.
    match walk::walk(text) {
        Ok(tape) => Ok(Scanned { text: Cow::Borrowed(text), tape }),
        Err(_) => scan(canonical::canonicalize(bytes, max_len)?, MAX_LEN),
    }
}

/// Why the pass stopped. Refused documents are rare: reading them a second time buys one definition of every refusal.
#[cold]
fn explain(bytes: &[u8], max_len: usize, offset: usize) -> GateError {
    match canonical::read(bytes, max_len) {
        Err(refused) => refused,
        Ok(_) => GateError::new(GateErrorKind::NotCanonical, offset),
    }
}

impl Scanned<'_> {
    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The bytes, without a copy when owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_owned().into_bytes()
    }

    /// Detaches from the borrowed bytes.
    pub fn into_owned(self) -> Scanned<'static> {
        Scanned { text: Cow::Owned(self.text.into_owned()), tape: self.tape }
    }

    /// The outermost value.
    pub fn root(&self) -> Item<'_> {
        Item::new(self, 0)
    }
}

impl Scanned<'static> {
    /// A document that is one string, into the buffers of an earlier one.
    pub(crate) fn of_string(string: &str, reuse: Option<Self>) -> Self {
        let (text, mut tape) = reuse.map_or_else(Default::default, |old| (old.text.into_owned(), old.tape));
        let mut bytes = text.into_bytes();
        bytes.clear();
        tape.clear();
        canonical::string::write(&mut bytes, string);
        tape.push(Node::string(bytes.len(), bytes.len() > string.len() + 2));
        Scanned { text: Cow::Owned(String::from_utf8(bytes).unwrap_or_default()), tape }
    }
}

/// Shows sizes only: the content may identify a person.
impl fmt::Debug for Scanned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanned").field("len", &self.text.len()).field("nodes", &self.tape.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::testing::any_value;
    use crate::gate::MAX_RECORD_LEN;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn scanned(text: &str) -> Scanned<'_> {
        scan(text.as_bytes(), MAX_RECORD_LEN).unwrap()
    }

    #[test]
    fn json_that_is_not_canonical_is_refused_at_the_first_wrong_byte() {
        let table = [
            ("space before", " 1", 0),
            ("newline after", "1\n", 1),
            ("space after a comma", "[1, 2]", 3),
            ("space after a colon", r#"{"a": 1}"#, 5),
            ("space in an empty array", "[ ]", 1),
            ("members out of order", r#"{"b":1,"a":2}"#, 7),
            ("a longer name before its beginning", r#"{"aa":1,"a":2}"#, 8),
            ("numbers as names order as text", r#"{"2":1,"10":2}"#, 7),
            ("an escaped name out of order", r#"{"b":1,"\n":2}"#, 7),
            ("out of order behind an escaped name", r#"{"\n":1,"\b":2}"#, 8),
            ("escaped solidus", r#""\/""#, 1),
            ("escaped letter", r#""a\u0061""#, 2),
            ("escaped letter beyond ASCII", r#""\u00e9""#, 1),
            ("escaped pair", r#""\ud83d\ude02""#, 1),
            ("long form of a short escape", r#""\u000a""#, 1),
            ("long form of a quote", r#""\u0022""#, 1),
            ("upper-case digits in an escape", r#""\u001F""#, 1),
            ("escaped DEL", r#""\u007f""#, 1),
        ];
        for (name, text, offset) in table {
            let refused = scan(text.as_bytes(), MAX_RECORD_LEN).unwrap_err();
            assert_eq!(refused, GateError::new(GateErrorKind::NotCanonical, offset), "{name}");
            assert!(canonical::read(text.as_bytes(), MAX_RECORD_LEN).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_the_gate_refuses_goes_before_what_is_not_canonical() {
        let text = br#"{"b": 1, "a": 2, "a": 3}"#;
        assert_eq!(scan(&text[..], MAX_RECORD_LEN).unwrap_err(), GateError::new(GateErrorKind::DuplicateMember, 17));
    }

    #[test]
    fn members_items_and_spans() {
        let text = r#"{"\n":"a\"b\u0000","a":[1,"x",{"k":null}],"b":true,"c":{},"d":-7}"#;
        let document = scanned(text);
        let root = document.root();
        assert_eq!(root.raw(), text.as_bytes());
        assert_eq!(root.member("\n").unwrap().as_str().unwrap(), "a\"b\0");
        assert_eq!(root.member("a").unwrap().items().count(), 3);
        assert_eq!(root.member("b").unwrap().as_bool(), Some(true));
        assert_eq!(root.member("d").unwrap().as_integer(), Some(-7));
        assert!(root.member("c").unwrap().is_object() && root.member("c").unwrap().members().next().is_none());
        assert!(
            root.member("k").is_none() && root.member("").is_none() && root.member("b").unwrap().member("a").is_none()
        );
        let names: Vec<_> = root.members().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["\n", "a", "b", "c", "d"]);
        let item = root.member("a").unwrap();
        assert_eq!(&text.as_bytes()[item.span()], br#"[1,"x",{"k":null}]"#);
        assert!(item.as_str().is_none() && item.as_integer().is_none() && item.as_bool().is_none());
        assert!(item.members().next().is_none() && root.items().next().is_none());
    }

    #[test]
    fn pointers_of_rfc_6901() {
        // The names of RFC 6901 §5, and members that look like indexes.
        let text = r#"{"":0,"a/b":1,"foo":["bar","baz"],"m~n":8,"~1":9}"#;
        let document = scanned(text);
        let find = |pointer| document.root().pointer(pointer).map(|item| item.to_value());
        assert_eq!(find(""), Some(document.root().to_value()));
        for (pointer, value) in
            [("/", json!(0)), ("/a~1b", json!(1)), ("/foo/0", json!("bar")), ("/m~0n", json!(8)), ("/~01", json!(9))]
        {
            assert_eq!(find(pointer), Some(value), "{pointer}");
        }
        for pointer in [
            "foo",
            "/foo/2",
            "/foo/00",
            "/foo/01",
            "/foo/-",
            "/foo/+1",
            "/foo/",
            "/x",
            "/foo/0/0",
            "/foo/99999999999999999999",
        ] {
            assert_eq!(find(pointer), None, "{pointer}");
        }
    }

    #[test]
    fn a_document_without_one_member_is_still_canonical() {
        for text in [r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"\n":[],"a":{"a":3},"b":"x"}"#] {
            let document = scanned(text);
            let value = document.root().to_value();
            for name in value.as_object().unwrap().keys() {
                let (head, tail) = document.root().without_member(name).unwrap();
                let mut expected = value.clone();
                expected.as_object_mut().unwrap().remove(name);
                assert_eq!([head, tail].concat(), canonical::write(&expected).unwrap(), "{text} without {name:?}");
            }
            assert!(document.root().without_member("proof").is_none());
        }
        assert!(scanned("[1]").root().without_member("a").is_none());
    }

    #[test]
    fn debug_output_holds_no_content() {
        let document = scanned(r#"{"name":"Wang Xiaoming"}"#);
        let shown = format!("{document:?} {:?}", document.root().member("name"));
        assert!(!shown.contains("Wang") && !shown.contains("name\""), "{shown}");
    }

    #[test]
    fn borrowed_and_owned_are_the_same() {
        let document = scanned(r#"[1,{"a":"é"}]"#);
        let owned = document.clone().into_owned();
        assert_eq!(owned.root().to_value(), document.root().to_value());
        assert_eq!(owned.bytes(), document.bytes());
        assert_eq!(owned.into_bytes(), document.bytes());
    }

    proptest! {
        #[test]
        fn every_value_is_where_the_tape_says(value in any_value()) {
            let bytes = canonical::write(&value).unwrap();
            let document = scan(bytes, MAX_RECORD_LEN).unwrap();
            check_item(document.root(), &value)?;
        }
    }

    fn value_has(item: Item<'_>, name: &str) -> bool {
        item.members().any(|(found, _)| found == name)
    }

    fn check_item(item: Item<'_>, value: &Value) -> Result<(), TestCaseError> {
        prop_assert_eq!(&item.to_value(), value);
        prop_assert_eq!(item.raw(), canonical::write(value).unwrap());
        prop_assert_eq!(item.as_str(), value.as_str().map(Cow::Borrowed));
        prop_assert_eq!(item.as_integer(), value.as_i64());
        prop_assert_eq!(item.as_bool(), value.as_bool());
        prop_assert_eq!(item.items().count(), value.as_array().map_or(0, Vec::len));
        for (child, value) in item.items().zip(value.as_array().into_iter().flatten()) {
            check_item(child, value)?;
        }
        prop_assert_eq!(item.members().count(), value.as_object().map_or(0, serde_json::Map::len));
        for (name, value) in value.as_object().into_iter().flatten() {
            check_item(item.member(name).unwrap(), value)?;
            // Names that differ in one place, at which no tag looks, too.
            for at in 0..name.len() {
                let other: String = name.char_indices().map(|(i, c)| if i == at { '\u{1}' } else { c }).collect();
                prop_assert_eq!(item.member(&other).is_some(), value_has(item, &other), "{:?}", other);
            }
        }
        Ok(())
    }
}
