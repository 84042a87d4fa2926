//! JSON texts in any layout, and the canonical bytes that we make of them or our refusal.

use crate::random::Random;
use hefu_schemas::canonical::canonicalize;
use hefu_schemas::gate::MAX_RECORD_LEN;
use serde_json::{Number, Value, json};
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;

/// One in so many documents holds an integer that is out of range.
const OUT_OF_RANGE_ONE_IN: usize = 10;
/// Most members or items of one container.
const MAX_WIDTH: usize = 6;
/// Containers within containers, at most: below the gate's limit.
const MAX_DEPTH: usize = 24;

const INTEGERS: [i64; 12] = [
    0,
    1,
    -1,
    9,
    10,
    -128,
    4_294_967_296,
    9_007_199_254_740_990,
    9_007_199_254_740_991,
    -9_007_199_254_740_991,
    -9_007_199_254_740_990,
    999_999_999_999_999,
];
const OUT_OF_RANGE: [&str; 8] = [
    "9007199254740992",
    "-9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000000000000000000",
];
/// Characters whose escapes or whose order in UTF-16 are easy to get wrong.
const CHARACTERS: [char; 36] = [
    'a',
    'b',
    'Z',
    '0',
    ' ',
    '"',
    '\\',
    '/',
    '\u{0}',
    '\u{8}',
    '\t',
    '\n',
    '\u{b}',
    '\u{c}',
    '\r',
    '\u{1f}',
    '\u{7f}',
    '\u{80}',
    '\u{a0}',
    'é',
    'ß',
    '\u{301}',
    '学',
    '籍',
    '合',
    '\u{2028}',
    '\u{2029}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{fb33}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{10000}',
    '😀',
    '𠮷',
    '\u{10ffff}',
];

/// Writes `count` lines {text, canonical} or {text, refused}.
pub(crate) fn write(random: &mut Random, count: usize, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        let mut text = String::new();
        let mut spoil = random.once_in(OUT_OF_RANGE_ONE_IN);
        render(random, MAX_DEPTH, &mut spoil, &mut text);
        let line = match canonicalize(text.as_bytes(), MAX_RECORD_LEN) {
            Ok(canonical) => json!({"text": text, "canonical": String::from_utf8(canonical)?}),
            Err(error) => json!({"text": text, "refused": format!("{:?}", error.kind)}),
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Renders a random value; while `spoil` is set, the first number is one that is out of range.
fn render(random: &mut Random, depth: usize, spoil: &mut bool, text: &mut String) {
    space(random, text);
    // A document begins with a container, so that there is something in it.
    let choices = if depth == MAX_DEPTH { 4 } else { 12 };
    match random.below(if depth == 0 { 8 } else { choices }) {
        0 | 1 if depth > 0 => container(random, depth - 1, spoil, ('{', '}'), text),
        2 | 3 if depth > 0 => container(random, depth - 1, spoil, ('[', ']'), text),
        4 => text.push_str(random.choose::<&str>(&["null", "true", "false"])),
        5..=7 => number(random, spoil, text),
        _ => string(random, "", text),
    }
    space(random, text);
}

fn container(random: &mut Random, depth: usize, spoil: &mut bool, brackets: (char, char), text: &mut String) {
    text.push(brackets.0);
    for position in 0..random.below(MAX_WIDTH + 1) {
        if position > 0 {
            text.push(',');
        }
        if brackets.0 == '{' {
            space(random, text);
            // The position at the end of a name keeps the names apart without giving their order away.
            string(random, &position.to_string(), text);
            space(random, text);
            text.push(':');
        }
        render(random, depth, spoil, text);
    }
    if *spoil && brackets.0 == '[' && text.ends_with('[') {
        number(random, spoil, text);
    }
    text.push(brackets.1);
}

fn number(random: &mut Random, spoil: &mut bool, text: &mut String) {
    if std::mem::take(spoil) {
        text.push_str(random.choose::<&str>(&OUT_OF_RANGE));
        return;
    }
    let any = i64::try_from(random.next() >> 12).unwrap_or(0) * if random.once_in(2) { 1 } else { -1 };
    let integer = if random.once_in(2) { *random.choose(&INTEGERS) } else { any };
    text.push_str(&Number::from(integer).to_string());
}

/// A string literal: each character as it is, or in one of its escapes.
fn string(random: &mut Random, end: &str, text: &mut String) {
    let length = random.below(8);
    let characters: Vec<char> = (0..length).map(|_| *random.choose(&CHARACTERS)).chain(end.chars()).collect();
    text.push('"');
    for character in characters {
        let plain = Value::String(character.to_string()).to_string();
        let inner = plain.get(1..plain.len() - 1).unwrap_or_default();
        match random.below(4) {
            0 => escape(random, character, text),
            1 if character == '/' => text.push_str("\\/"),
            _ => text.push_str(inner),
        }
    }
    text.push('"');
}

/// `\uXXXX`, in either case, as a pair beyond the first plane.
fn escape(random: &mut Random, character: char, text: &mut String) {
    let upper = random.once_in(2);
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = if upper { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
    }
}

fn space(random: &mut Random, text: &mut String) {
    if random.once_in(4) {
        text.push_str(random.choose::<&str>(&[" ", "\t", "\n", "\r\n", "  "]));
    }
}
