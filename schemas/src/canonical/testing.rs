//! Documents for the tests of this crate.

use crate::gate::MAX_INTEGER;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use std::path::PathBuf;

/// The folder of published vectors; says so when there is none.
pub(crate) fn vectors(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("HEFU_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {test} needs HEFU_VECTORS");
    }
    folder
}

/// Strings with everything that escapes and orders differently.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => proptest::char::range('a', 'e'),
        2 => any::<char>(),
        1 => proptest::char::range('\0', '\u{7f}'),
        1 => select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '中']),
    ];
    proptest::collection::vec(character, 0..12).prop_map(String::from_iter)
}

/// Documents that the gate lets through.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::from),
        (-20..20_i64).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any_text(), inner), 0..6)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

/// The bytes with one or two of them replaced, removed or doubled.
pub(crate) fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let likely = select(br#" {}[]:,"\/ubn0123456789abcdefDE-+."#.to_vec());
    let change = (any::<Index>(), 0..3, prop_oneof![3 => likely, 1 => any::<u8>()]);
    proptest::collection::vec(change, 1..3).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for (index, how, byte) in changes {
            match how {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => *index.get_mut(&mut bytes) = byte,
                1 => drop(bytes.remove(index.index(bytes.len()))),
                _ => bytes.insert(index.index(bytes.len()), byte),
            }
        }
        bytes
    })
}

/// Sequences of JSON's own tokens, seldom well-formed.
pub(crate) fn any_json_like() -> impl Strategy<Value = String> {
    let tokens = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "\n",
        "\"\"",
        "\"a\"",
        "\"b\"",
        "\"a\":",
        "\"b\":",
        "\"",
        "\\",
        "\\u",
        "d83d",
        "de02",
        "\"\\ud83d\\ude02\"",
        "\"\\ud83d\"",
        "\"\\u0061\"",
        "\\n",
        "/",
        "0",
        "1",
        "-",
        ".",
        "e",
        "+",
        "-0",
        "0.5",
        "1e3",
        "12",
        "9007199254740991",
        "9007199254740992",
        "true",
        "false",
        "null",
        "{}",
        "[]",
        "é",
        "\u{7f}",
        "\u{1}",
    ];
    proptest::collection::vec(select(tokens.to_vec()), 0..10).prop_map(|tokens| tokens.concat())
}
