//! canonical.json: texts of any layout and their canonical bytes, and what the gate refuses.

use crate::common::{digest, hex, utf8};
use hefu_schemas::canonical::canonicalize;
use hefu_schemas::gate::{GateErrorKind, MAX_RECORD_LEN};
use hefu_schemas::scan::scan;
use serde_json::{Value, json};

const ACCEPTED: [(&str, &str); 14] = [
    ("empty object", " { } "),
    ("white space of all kinds", "\t{\r\n\"b\" : [ 1 , 2 ],\"a\":null }\n"),
    (
        "members in the order of UTF-16",
        r#"{"\ufb33":1,"\ud83d\ude00":2,"\u20ac":3,"1":4,"\r":5,"\u0080":6,"\u00f6":7}"#,
    ),
    ("a pair beyond the first plane goes before U+E000", r#"{"\ue000":1,"\ud800\udc00":2,"\uffff":3}"#),
    ("a name and its beginning", r#"{"ab":1,"a":2,"":3,"A":4}"#),
    ("short escapes", r#""\b\t\n\f\r\"\\\/""#),
    ("other control characters", r#""\u0000\u000B\u000b\u001f\u007f""#),
    ("escapes that are not needed", r#""\u0061\u5b66\u7c4d\uD83D\uDE00\u2028""#),
    ("no normalisation", "\"e\u{301} \u{e9} \u{212b}\""),
    ("largest integers", "[9007199254740991,-9007199254740991,0,-1,10]"),
    ("words", "[true,false,null]"),
    ("a string alone", "\"\""),
    ("depth 32", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    ("empty members", r#"{"a":{},"b":[],"c":""}"#),
];

const REFUSED: [(&str, &[u8]); 29] = [
    ("nothing", b""),
    ("white space alone", b" \n"),
    ("byte order mark", b"\xef\xbb\xbf{}"),
    ("not UTF-8", b"\"\xff\""),
    ("overlong UTF-8", b"\"\xc0\xaf\""),
    ("surrogate in UTF-8", b"\"\xed\xa0\x80\""),
    ("UTF-16", b"\xff\xfe{\x00}\x00"),
    ("duplicate member", br#"{"a":1,"b":2,"a":3}"#),
    ("duplicate member by an escape", br#"{"a":1,"\u0061":2}"#),
    ("duplicate member further in", br#"[{"a":{"b":1,"b":1}}]"#),
    ("high surrogate alone", br#""\ud800""#),
    ("low surrogate alone", br#""\udc00""#),
    ("surrogates in the wrong order", br#""\udc00\ud800""#),
    ("second document", b"{}{}"),
    ("comma at the end", b"[1,]"),
    ("comment", b"[1/*one*/]"),
    ("single quotes", b"{'a':1}"),
    ("control character in a string", b"\"\x01\""),
    ("unknown escape", br#""\x""#),
    ("fraction", b"1.5"),
    ("fraction of nothing", b"1.0"),
    ("exponent", b"1e3"),
    ("minus zero", b"-0"),
    ("leading zero", b"01"),
    ("plus", b"+1"),
    ("2^53", b"9007199254740992"),
    ("-2^53", b"-9007199254740992"),
    ("an 18-digit number", b"990010201203040093"),
    ("depth 33", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
];

const NOT_CANONICAL: [(&str, &str); 7] = [
    ("white space", "{ }"),
    ("line end behind", "{}\n"),
    ("members out of order", r#"{"b":1,"a":2}"#),
    ("members in the order of code points", r#"{"\ue000":1,"𐀀":2}"#),
    ("escape that is not needed", r#""\u0061""#),
    ("escape in upper case", r#""\u001F""#),
    ("escaped slash", r#""\/""#),
];

pub(crate) fn make() -> Value {
    let accepted = ACCEPTED.map(|(name, text)| {
        let canonical = canonicalize(text.as_bytes(), MAX_RECORD_LEN).unwrap();
        assert_eq!(canonicalize(&canonical, MAX_RECORD_LEN).unwrap(), canonical);
        assert!(scan(canonical.as_slice(), MAX_RECORD_LEN).is_ok());
        json!({"name": name, "text": text, "sha256": digest(&canonical), "canonical": utf8(canonical)})
    });
    let refused = REFUSED.map(|(name, bytes)| {
        let error = canonicalize(bytes, MAX_RECORD_LEN).unwrap_err();
        // Whoever takes canonical bytes alone refuses them too.
        assert!(scan(bytes, MAX_RECORD_LEN).is_err());
        json!({"name": name, "hex": hex(bytes), "why": format!("{:?}", error.kind), "offset": error.offset})
    });
    let other_layout = NOT_CANONICAL.map(|(name, text)| {
        assert!(canonicalize(text.as_bytes(), MAX_RECORD_LEN).is_ok());
        assert_eq!(scan(text.as_bytes(), MAX_RECORD_LEN).unwrap_err().kind, GateErrorKind::NotCanonical, "{name}");
        json!({"name": name, "text": text})
    });
    json!({
        "about": "JSON gate and canonical form (P-1.1 to P-1.3). accepted: any layout in, canonical bytes out. mustReject: what no reader may take; why and offset (of the byte that cannot stand) are ours to explain and need not be the same. notCanonical: what passes the gate and must be refused where canonical bytes are asked for.",
        "accepted": accepted,
        "mustReject": refused,
        "notCanonical": other_layout,
    })
}
