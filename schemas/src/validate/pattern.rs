//! Patterns as tables. The regular expressions of the validator build their states as they meet them, in memory that the threads
//! pass on to each other; half of the time of a validation went there. The patterns of the schemas are few and small: most are a
//! row of classes of bytes, of the others the whole automaton is built once, a step a byte. Neither takes memory while it looks.

mod row;

use super::Tape;
use crate::scan::Item;
use jsonschema::{Keyword, ValidationError};
use regex_automata::Input;
use regex_automata::dfa::{Automaton, StartKind, dense};
use row::Row;
use serde_json::{Map, Value};

/// Largest automaton, and most memory to build it, in bytes. The largest of the released schemas has some 30 kB.
const MAX_LEN: usize = 1024 * 1024;

/// A pattern that a string must match somewhere (JSON Schema Validation 2020-12 §6.3.3).
pub(super) struct Pattern(Form);

enum Form {
    Row(Row),
    Automaton(Box<dense::DFA<Vec<u32>>>),
}

impl Pattern {
    /// `None` if the pattern is too large, or may mean another thing in ECMA-262 than here: such a schema is validated with the
    /// regular expressions of the validator.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        // Classes of letters, borders of words and references; `\xHH` and escaped punctuation mean the same in both.
        let mut escapes = pattern.split('\\').skip(1);
        if escapes.any(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() && c != 'x')) || !pattern.is_ascii()
        {
            return None;
        }
        Row::new(pattern).map(Form::Row).or_else(|| Form::automaton(pattern)).map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Form {
    fn automaton(pattern: &str) -> Option<Self> {
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(MAX_LEN))
            .determinize_size_limit(Some(MAX_LEN));
        dense::Builder::new()
            .configure(config)
            .build(pattern)
            .ok()
            .map(|automaton| Self::Automaton(Box::new(automaton)))
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Row(row) => row.is_match(text),
            // It cannot fail: no byte makes it give up.
            Self::Automaton(automaton) => {
                automaton.try_search_fwd(&Input::new(text).earliest(true)).is_ok_and(|end| end.is_some())
            }
        }
    }
}

impl<'i> Keyword<'i, Tape> for Pattern {
    /// Never asked: whoever wants to know why asks the validator that has its own patterns.
    fn validate(&self, item: Item<'i>) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, item) { Ok(()) } else { Err(ValidationError::custom("pattern")) }
    }

    fn is_valid(&self, item: Item<'i>) -> bool {
        item.as_str().is_none_or(|text| self.is_match(&text))
    }
}

/// Makes the keyword; an error where [`Pattern::new`] has none.
pub(super) fn keyword<'a>(
    _: &'a Map<String, Value>,
    value: &'a Value,
) -> Result<Box<dyn for<'i> Keyword<'i, Tape>>, ValidationError<'a>> {
    match value.as_str().and_then(Pattern::new) {
        Some(pattern) => Ok(Box::new(pattern)),
        None => Err(ValidationError::custom("no automaton")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::released;
    use jsonschema::{PatternOptions, options};
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    /// Every pattern of the released schemas.
    fn patterns() -> BTreeSet<String> {
        fn collect(schema: &Value, found: &mut BTreeSet<String>) {
            match schema {
                Value::Object(members) => {
                    found.extend(members.get("pattern").and_then(Value::as_str).map(str::to_owned));
                    members.values().for_each(|value| collect(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        for file in released().iter().filter(|file| file.path.ends_with(".schema.json")) {
            collect(&serde_json::from_str(file.text).unwrap(), &mut found);
        }
        found
    }

    #[test]
    fn every_released_pattern_has_a_table() {
        let patterns = patterns();
        assert!(patterns.len() > 20, "{}", patterns.len());
        let mut rows = 0;
        for pattern in patterns {
            match Pattern::new(&pattern).unwrap_or_else(|| panic!("{pattern}")).0 {
                Form::Row(_) => rows += 1,
                Form::Automaton(automaton) => {
                    assert!(automaton.memory_usage() < MAX_LEN / 8, "{pattern}: {}", automaton.memory_usage());
                }
            }
        }
        assert!(rows > 15, "{rows}");
    }

    #[test]
    fn what_may_mean_another_thing_is_left_to_the_validator() {
        for pattern in [r"^\d+$", r"\bx", r"\w", r"(?=a)b", "é", r"\u0041", "(", &"(a|b){1000}".repeat(50)] {
            assert!(Pattern::new(pattern).is_none(), "{}", &pattern[..pattern.len().min(20)]);
        }
        assert!(Pattern::new(r"^a\.b\x41$").unwrap().is_match("a.bA"));
    }

    /// Texts near what the patterns are about.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = [
            "urn:uuid:",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "did:web:",
            "km.example",
            "%3A8443",
            "#z6Mk",
            "2026-09-01",
            "T00:00:00+08:00",
            "530100",
            "0",
            "9",
            "a",
            "Z",
            "-",
            "_",
            ".",
            ":",
            "\n",
            "\u{7f}",
            "é",
            "学",
            "😂",
            " ",
            "",
            "urn:hefu:subject:1:",
            "xQx-_0",
            "zh-Hans",
            "1234567890123456",
        ];
        let piece = proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned);
        let any = prop_oneof![4 => piece, 1 => "[0-9a-zA-Z]{1,70}".prop_map(|text| text), 1 => any::<String>()];
        proptest::collection::vec(any, 0..6).prop_map(|parts| parts.concat())
    }

    /// A pattern and a text that it matches, or one that differs from it in one place.
    fn near() -> impl Strategy<Value = (String, String)> {
        let pattern = proptest::sample::select(Vec::from_iter(patterns()));
        let text = pattern.prop_flat_map(|pattern| {
            let inner = pattern.trim_start_matches('^').trim_end_matches('$').to_owned();
            (Just(pattern), proptest::string::string_regex(&inner).unwrap())
        });
        let other =
            proptest::sample::select(vec!["", "0", "9", "a", "g", "Z", "-", ".", ":", "\n", "\u{7f}", "é", "学"]);
        (text, any::<proptest::sample::Index>(), other, any::<[bool; 2]>()).prop_map(
            |((pattern, text), at, other, [change, instead])| {
                let mut pieces: Vec<String> = text.chars().map(String::from).collect();
                pieces.push(String::new());
                let at = at.index(pieces.len());
                if let (true, Some(piece)) = (change, pieces.get_mut(at)) {
                    *piece = if instead { other.to_owned() } else { format!("{other}{piece}") };
                }
                (pattern, pieces.concat())
            },
        )
    }

    fn theirs(pattern: &str, text: &str) -> bool {
        let options = options().with_pattern_options(PatternOptions::regex());
        options.build(&json!({"pattern": pattern})).unwrap().is_valid(&json!(text))
    }

    proptest! {
        #[test]
        fn tables_and_the_validators_expressions_agree(text in texts()) {
            for pattern in patterns() {
                let ours = Pattern::new(&pattern).unwrap();
                prop_assert_eq!(ours.is_match(&text), theirs(&pattern, &text), "{}", pattern);
            }
        }

        #[test]
        fn they_agree_near_what_matches((pattern, text) in near()) {
            let expected = theirs(&pattern, &text);
            prop_assert_eq!(Pattern::new(&pattern).unwrap().is_match(&text), expected, "{}: {:?}", pattern, text);
            prop_assert_eq!(Form::automaton(&pattern).unwrap().is_match(&text), expected, "{}: {:?}", pattern, text);
        }
    }
}
