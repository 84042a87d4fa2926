//! The general reader and the integer-only writer of canonical JSON (RFC 8785).
//!
//! The reader serves drafts and foreign documents, in any layout; what cities exchange is canonical already and goes
//! through [`crate::scan`]. A byte string is canonical exactly when [`canonicalize`] reproduces it.

mod reader;
pub(crate) mod string;
#[cfg(test)]
pub(crate) mod testing;

use crate::gate::{self, GateError, GateErrorKind, MAX_DEPTH, MAX_INTEGER};
use crate::scan::Item;
use serde_json::{Map, Number, Value};

/// Most records are shorter: their text is allocated once.
const USUAL_LEN: usize = 2048;

/// Reads a document of any layout through the gate.
///
/// # Errors
/// The first thing that the gate refuses: length, encoding and byte order mark first, then in the order of the bytes.
pub fn read(bytes: &[u8], max_len: usize) -> Result<Value, GateError> {
    reader::read(gate::text(bytes, max_len)?)
}

/// Writes the canonical form. Numbers must be integers within the gate's range.
///
/// # Errors
/// `NotAnInteger`, `IntegerTooLarge`, `NegativeZero` or `TooDeep`, at offset 0.
pub fn write(value: &Value) -> Result<Vec<u8>, GateError> {
    let mut out = Vec::with_capacity(USUAL_LEN);
    write_value(&mut out, value, 0)?;
    Ok(out)
}

/// The canonical text of a scanned object with further members: canonical JSON each, in canonical order and not in the object. Those
/// without a text are left out. What the object has is copied as it stands.
pub(crate) fn with_members(object: Item<'_>, further: &[(&str, &[u8])]) -> Vec<u8> {
    let (text, start) = (object.raw(), object.span().start);
    let further_len: usize = further.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Vec::with_capacity(text.len() + further_len);
    let mut own = object.member_nodes().peekable();
    let copy = |out: &mut Vec<u8>, (name, value): (Item<'_>, Item<'_>)| {
        push_comma(out);
        out.extend_from_slice(text.get(name.span().start - start..value.span().end - start).unwrap_or_default());
    };
    out.push(b'{');
    for (name, value) in further.iter().filter(|(_, value)| !value.is_empty()) {
        let is_before = |own: Item<'_>| own.as_str().is_some_and(|own| string::utf16_order(&own, name).is_lt());
        while let Some(member) = own.next_if(|(own, _)| is_before(*own)) {
            copy(&mut out, member);
        }
        push_comma(&mut out);
        string::write(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    own.for_each(|member| copy(&mut out, member));
    out.push(b'}');
    out
}

/// A comma behind a member; none behind the brace.
fn push_comma(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

/// [`read()`] then [`write()`].
///
/// # Errors
/// As [`read()`].
pub fn canonicalize(bytes: &[u8], max_len: usize) -> Result<Vec<u8>, GateError> {
    write(&read(bytes, max_len)?)
}

fn write_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), GateError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(integer(number)?.to_string().as_bytes()),
        Value::String(text) => string::write(out, text),
        Value::Array(items) => write_array(out, items, deeper(depth)?)?,
        Value::Object(members) => write_object(out, members, deeper(depth)?)?,
    }
    Ok(())
}

fn write_array(out: &mut Vec<u8>, items: &[Value], depth: usize) -> Result<(), GateError> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_value(out, item, depth)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object(out: &mut Vec<u8>, members: &Map<String, Value>, depth: usize) -> Result<(), GateError> {
    out.push(b'{');
    // The map's own order is by code point, or by insertion if some crate turned that feature on: it may be another one.
    if members.keys().is_sorted_by(|a, b| string::utf16_order(a, b).is_lt()) {
        for (index, (name, value)) in members.iter().enumerate() {
            write_name(out, index, name);
            write_value(out, value, depth)?;
        }
    } else {
        let mut members: Vec<(&String, &Value)> = members.iter().collect();
        members.sort_by(|(a, _), (b, _)| string::utf16_order(a, b));
        for (index, (name, value)) in members.into_iter().enumerate() {
            write_name(out, index, name);
            write_value(out, value, depth)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// What stands before the value of a member.
fn write_name(out: &mut Vec<u8>, index: usize, name: &str) {
    if index > 0 {
        out.push(b',');
    }
    string::write(out, name);
    out.push(b':');
}

fn deeper(depth: usize) -> Result<usize, GateError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(GateError::new(GateErrorKind::TooDeep, 0)) }
}

fn integer(number: &Number) -> Result<i64, GateError> {
    let kind = match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) if (-MAX_INTEGER..=MAX_INTEGER).contains(&integer) => return Ok(integer),
        (Some(_), _) => GateErrorKind::IntegerTooLarge,
        (None, _) if number.is_u64() => GateErrorKind::IntegerTooLarge,
        (None, Some(float)) if float == 0.0 && float.is_sign_negative() => GateErrorKind::NegativeZero,
        (None, _) => GateErrorKind::NotAnInteger,
    };
    Err(GateError::new(kind, 0))
}

#[cfg(test)]
mod tests {
    use super::testing::{any_json_like, any_value, mutated, vectors};
    use super::*;
    use crate::gate::GateErrorKind::*;
    use crate::gate::MAX_RECORD_LEN;
    use crate::scan::scan;
    use proptest::prelude::*;
    use serde_json::json;

    fn read_all(bytes: &[u8]) -> Result<Value, GateError> {
        read(bytes, MAX_RECORD_LEN)
    }

    fn oracle(value: &Value) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(value).unwrap()
    }

    /// Name, bytes, kind and offset for the reader; both readers must agree.
    const REFUSALS: &[(&str, &[u8], GateErrorKind, usize)] = &[
        ("not UTF-8", b"\"a\xff\"", NotUtf8, 2),
        ("overlong UTF-8", b"\"\xc0\xaf\"", NotUtf8, 1),
        ("surrogate in UTF-8", b"\"\xed\xa0\x80\"", NotUtf8, 1),
        ("UTF-16", b"\xff\xfe[\0]\0", NotUtf8, 0),
        ("byte order mark", b"\xef\xbb\xbf{}", ByteOrderMark, 0),
        ("byte order mark and not UTF-8", b"\xef\xbb\xbf\xff", NotUtf8, 3),
        ("empty", b"", Syntax, 0),
        ("only space", b" \n", Syntax, 2),
        ("open object", b"{", Syntax, 1),
        ("open array", b"[1", Syntax, 2),
        ("open string", b"\"abc", Syntax, 4),
        ("open escape", b"\"\\", Syntax, 2),
        ("unknown escape", b"\"\\x\"", Syntax, 2),
        ("short unicode escape", b"\"\\u12\"", Syntax, 5),
        ("bare control character", b"\"a\x01\"", Syntax, 2),
        ("bare newline in a string", b"\"a\n\"", Syntax, 2),
        ("trailing comma in an array", b"[1,]", Syntax, 3),
        ("trailing comma in an object", b"{\"a\":1,}", Syntax, 7),
        ("no colon", b"{\"a\" 1}", Syntax, 5),
        ("name without quotes", b"{a:1}", Syntax, 1),
        ("single quotes", b"['a']", Syntax, 1),
        ("wrong bracket", b"[1}", Syntax, 2),
        ("wrong literal", b"[nul]", Syntax, 4),
        ("upper-case literal", b"True", Syntax, 0),
        ("NaN", b"NaN", Syntax, 0),
        ("leading zero", b"[01]", Syntax, 2),
        ("leading zero after minus", b"[-01]", Syntax, 3),
        ("plus", b"+1", Syntax, 0),
        ("minus alone", b"-", Syntax, 1),
        ("point without digits", b"[1.]", Syntax, 3),
        ("exponent without digits", b"1e+", Syntax, 3),
        ("form feed as space", b"[1,\x0c2]", Syntax, 3),
        ("comment", b"/* */1", Syntax, 0),
        ("duplicate", br#"{"a":1,"a":2}"#, DuplicateMember, 7),
        ("duplicate in another spelling", br#"{"a":1,"\u0061":2}"#, DuplicateMember, 7),
        ("duplicate that is not adjacent", br#"{"a":1,"b":2,"a":3}"#, DuplicateMember, 13),
        ("duplicate below", br#"[{"":{},"":{}}]"#, DuplicateMember, 8),
        ("high surrogate alone", br#""a\ud800""#, LoneSurrogate, 2),
        ("high surrogate and a letter", br#""\ud800x""#, LoneSurrogate, 1),
        ("high surrogate and a newline", br#""\ud800\n""#, LoneSurrogate, 1),
        ("high surrogate and a plain escape", br#""\uD800\u0041""#, LoneSurrogate, 1),
        ("two high surrogates", br#""\ud800\ud800""#, LoneSurrogate, 1),
        ("low surrogate alone", br#""\uDC00""#, LoneSurrogate, 1),
        ("lone surrogate in a name", br#"{"\udfff":1}"#, LoneSurrogate, 2),
        ("bytes after", b"{} x", TrailingBytes, 3),
        ("second document", b"1 2", TrailingBytes, 2),
        ("NUL after", b"1\0", TrailingBytes, 1),
        ("fraction", b"[0.1]", NotAnInteger, 1),
        ("whole fraction", b"1.0", NotAnInteger, 0),
        ("exponent", b"[1,1e3]", NotAnInteger, 3),
        ("exponent beyond floats", b"1E400", NotAnInteger, 0),
        ("minus zero with fraction", b"-0.0", NotAnInteger, 0),
        ("minus zero", br#"{"a":-0}"#, NegativeZero, 5),
        ("2^53", b"9007199254740992", IntegerTooLarge, 0),
        ("-2^53", b"[-9007199254740992]", IntegerTooLarge, 1),
        ("2^64 - 1", b"18446744073709551615", IntegerTooLarge, 0),
        ("2^64", b"18446744073709551616", IntegerTooLarge, 0),
        ("a hundred digits", &[b'7'; 100], IntegerTooLarge, 0),
    ];

    #[test]
    fn every_refusal_has_its_kind_and_place() {
        let deep = [b'['; 33];
        for (name, bytes, kind, offset) in REFUSALS.iter().chain(&[("too deep", &deep[..], TooDeep, 32)]) {
            let refused = GateError::new(*kind, *offset);
            assert_eq!(read_all(bytes), Err(refused), "{name}, read");
            assert_eq!(scan(*bytes, MAX_RECORD_LEN).unwrap_err(), refused, "{name}, scan");
            assert_eq!(scan(bytes.to_vec(), MAX_RECORD_LEN).unwrap_err(), refused, "{name}, scan of owned bytes");
        }
        let too_large = GateError::new(TooLarge, 3);
        assert_eq!(read(b"1234", 3), Err(too_large));
        assert_eq!(scan(&b"1234"[..], 3).unwrap_err(), too_large);
    }

    #[test]
    fn limits_are_reached_and_not_passed() {
        for depth in [0, 1, 31, 32] {
            let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let objects = format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            for text in [arrays, objects].iter().filter(|text| !text.is_empty()) {
                assert_eq!(canonicalize(text.as_bytes(), MAX_RECORD_LEN).unwrap(), text.as_bytes());
                assert!(scan(text.as_bytes(), MAX_RECORD_LEN).is_ok(), "{text}");
            }
        }
        // A hostile depth must not reach the stack's end.
        let hostile = "[".repeat(MAX_RECORD_LEN);
        assert_eq!(read_all(hostile.as_bytes()), Err(GateError::new(GateErrorKind::TooDeep, 32)));
        let text = format!("\"{}\"", "a".repeat(MAX_RECORD_LEN - 2));
        assert!(read(text.as_bytes(), MAX_RECORD_LEN).is_ok());
        assert_eq!(read(text.as_bytes(), MAX_RECORD_LEN - 1).unwrap_err().kind, GateErrorKind::TooLarge);
        for text in ["9007199254740991", "-9007199254740991", "0", "-1"] {
            assert_eq!(canonicalize(text.as_bytes(), 16 + 1).unwrap(), text.as_bytes());
            assert_eq!(scan(text.as_bytes(), 17).unwrap().root().as_integer(), text.parse().ok());
        }
    }

    #[test]
    fn the_writer_refuses_what_no_reader_lets_in() {
        let mut deep = json!(1);
        (0..33).for_each(|_| deep = json!([deep.take()]));
        let table = [
            (json!(0.5), GateErrorKind::NotAnInteger),
            (json!(56.0), GateErrorKind::NotAnInteger),
            (json!(1e30), GateErrorKind::NotAnInteger),
            (json!(-0.0), GateErrorKind::NegativeZero),
            (json!([MAX_INTEGER + 1]), GateErrorKind::IntegerTooLarge),
            (json!({"a": -MAX_INTEGER - 1}), GateErrorKind::IntegerTooLarge),
            (json!(u64::MAX), GateErrorKind::IntegerTooLarge),
            (deep, GateErrorKind::TooDeep),
        ];
        for (value, kind) in table {
            assert_eq!(write(&value), Err(GateError::new(kind, 0)), "{value}");
        }
    }

    #[test]
    fn members_stand_in_the_order_of_utf_16() {
        // RFC 8785 §3.2.3, with a pair on either side of the surrogates.
        let text = r#"{"\ue000":1,"\ud83d\ude02":2,"\ud7ff":3,"\uffff":4,"\ud800\udc00":5,"\r":6,"":7,"1":8,"10":9}"#;
        let ascii = r#""":7,"\r":6,"1":8,"10":9"#;
        let beyond = "\"\u{d7ff}\":3,\"\u{10000}\":5,\"\u{1f602}\":2,\"\u{e000}\":1,\"\u{ffff}\":4";
        let expected = format!("{{{ascii},{beyond}}}");
        assert_eq!(canonicalize(text.as_bytes(), 1000).unwrap(), expected.as_bytes());
        assert!(scan(expected.as_bytes(), 1000).is_ok());
        let by_code_point = "{\"\u{e000}\":1,\"\u{1f602}\":2}";
        let refused = scan(by_code_point.as_bytes(), 1000).unwrap_err();
        assert_eq!(refused, GateError::new(GateErrorKind::NotCanonical, 9));
    }

    #[test]
    fn published_documents_without_fractions() {
        let Some(folder) = vectors("canonical::published_documents_without_fractions") else { return };
        let folder = folder.join("json-canonicalization/testdata");
        for name in ["arrays", "french", "unicode", "weird"] {
            let input = std::fs::read(folder.join(format!("input/{name}.json"))).unwrap();
            let output = std::fs::read(folder.join(format!("output/{name}.json"))).unwrap();
            assert_eq!(canonicalize(&input, MAX_RECORD_LEN).unwrap(), output, "{name}");
            assert_eq!(
                scan(&output[..], MAX_RECORD_LEN).unwrap().root().to_value(),
                read_all(&input).unwrap(),
                "{name}"
            );
            assert_eq!(scan(&input[..], MAX_RECORD_LEN).unwrap_err().kind, GateErrorKind::NotCanonical, "{name}");
        }
    }

    #[test]
    fn published_documents_with_fractions_are_for_the_oracle_only() {
        let Some(folder) = vectors("canonical::published_documents_with_fractions") else { return };
        let folder = folder.join("json-canonicalization/testdata");
        for name in ["structures", "values"] {
            let input = std::fs::read(folder.join(format!("input/{name}.json"))).unwrap();
            let output = std::fs::read(folder.join(format!("output/{name}.json"))).unwrap();
            let value: Value = serde_json::from_slice(&input).unwrap();
            assert_eq!(oracle(&value), output, "{name}");
            assert_eq!(read_all(&input).unwrap_err().kind, GateErrorKind::NotAnInteger, "{name}");
            assert_eq!(scan(&input[..], MAX_RECORD_LEN).unwrap_err().kind, GateErrorKind::NotAnInteger, "{name}");
        }
    }

    #[test]
    fn published_numbers() {
        let Some(folder) = vectors("canonical::published_numbers") else { return };
        let text = std::fs::read_to_string(folder.join("json-canonicalization/es6_numbers_10000.txt")).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for line in text.lines() {
            let number = line.split_once(',').unwrap().1;
            let within = number.parse::<i64>().is_ok_and(|n| n.abs() <= MAX_INTEGER);
            let scanned = scan(number.as_bytes(), 64);
            if within {
                assert_eq!(canonicalize(number.as_bytes(), 64).unwrap(), number.as_bytes());
                assert_eq!(scanned.unwrap().root().as_integer(), number.parse().ok());
                accepted += 1;
            } else {
                assert_eq!(Err(scanned.unwrap_err()), read(number.as_bytes(), 64), "{number}");
                refused += 1;
            }
        }
        assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn documents_that_must_be_rejected() {
        let Some(folder) = vectors("canonical::documents_that_must_be_rejected") else { return };
        let file = std::fs::read(folder.join("strict-json/must_reject.json")).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        let cases = file["must_reject"].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let bytes = case["json"].as_str().unwrap().as_bytes();
            let refused = read_all(bytes).unwrap_err();
            assert_eq!(scan(bytes, MAX_RECORD_LEN).unwrap_err(), refused, "{}", case["why"]);
            assert_ne!(refused.kind, GateErrorKind::Syntax, "{}", case["why"]);
        }
    }

    /// What holds for any bytes at all.
    fn check_any(bytes: &[u8]) -> Result<(), TestCaseError> {
        let (ours, scanned) = (read_all(bytes), scan(bytes, MAX_RECORD_LEN));
        match &ours {
            Ok(value) => {
                let written = write(value).unwrap();
                prop_assert_eq!(&oracle(value), &written);
                prop_assert_eq!(scan(&written[..], MAX_RECORD_LEN).unwrap().root().to_value(), value.clone());
                match scanned {
                    Ok(scanned) => {
                        prop_assert_eq!(written, bytes);
                        prop_assert_eq!(&scanned.root().to_value(), value);
                    }
                    Err(refused) => {
                        prop_assert_eq!(refused.kind, GateErrorKind::NotCanonical);
                        prop_assert!(refused.offset <= bytes.len());
                        prop_assert_ne!(written, bytes);
                    }
                }
            }
            Err(refused) => {
                prop_assert_eq!(scanned.unwrap_err(), *refused);
                prop_assert!(refused.offset <= bytes.len());
            }
        }
        check_against_serde_json(bytes, ours)
    }

    fn check_against_serde_json(bytes: &[u8], ours: Result<Value, GateError>) -> Result<(), TestCaseError> {
        match (ours, serde_json::from_slice::<Value>(bytes)) {
            (Ok(ours), theirs) => prop_assert_eq!(ours, theirs.unwrap()),
            (Err(refused), Ok(_)) => {
                let beyond_json =
                    matches!(refused.kind, DuplicateMember | TooDeep | NotAnInteger | NegativeZero | IntegerTooLarge);
                prop_assert!(beyond_json, "{}", refused);
            }
            (Err(_), Err(_)) => {}
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn further_members_stand_where_they_belong(
            object in proptest::collection::btree_map("[a-z@\u{e000}\u{10000}]{0,3}", any_value(), 0..6),
            further in proptest::collection::btree_map("[a-z@\u{e000}\u{10000}]{0,3}", any_value(), 0..6),
        ) {
            let mut further: Vec<(String, Vec<u8>)> =
                further.iter().filter(|(name, _)| !object.contains_key(*name)).map(|(name, value)| (name.clone(), write(value).unwrap())).collect();
            further.sort_by(|(a, _), (b, _)| string::utf16_order(a, b));
            let object: Map<String, Value> = object.into_iter().collect();
            // Below something else, as the record of a draft is.
            let below = scan(write(&json!({ "a": 1, "b": object })).unwrap(), usize::MAX).unwrap();
            let mut whole = object.clone();
            for (name, text) in &further {
                whole.insert(name.clone(), serde_json::from_slice(text).unwrap());
            }
            let further: Vec<(&str, &[u8])> = further.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
            let object = below.root().member("b").unwrap();
            prop_assert_eq!(with_members(object, &further), write(&Value::Object(whole)).unwrap());
            prop_assert_eq!(with_members(object, &[("c", b"")]), object.raw());
        }

        #[test]
        fn integer_documents_equal_the_oracle(value in any_value()) {
            let written = write(&value).unwrap();
            prop_assert_eq!(&oracle(&value), &written);
            check_any(&written)?;
            check_any(&serde_json::to_vec(&value).unwrap())?;
            check_any(&serde_json::to_vec_pretty(&value).unwrap())?;
        }

        #[test]
        fn one_changed_byte_is_accepted_only_if_canonical(
            bytes in any_value().prop_flat_map(|value| mutated(write(&value).unwrap())),
        ) {
            check_any(&bytes)?;
        }

        #[test]
        fn text_that_looks_like_json(text in any_json_like()) {
            check_any(text.as_bytes())?;
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            check_any(&bytes)?;
        }
    }
}
