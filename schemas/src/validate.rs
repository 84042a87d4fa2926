//! Validation of scanned documents against the published schemas.

mod explain;
mod pattern;
mod repeated;

use crate::released::{released, released_schema};
use crate::scan::Scanned;
use crate::tape::Tape;
use crate::violation::Violation;
use jsonschema::{Draft, PatternOptions, ReferencingError, Registry, ValidationError, Validator};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Most violations that are reported of one document: nobody reads more, and a hostile document has no other bound.
pub const MAX_VIOLATIONS: usize = 100;

/// The documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaName {
    /// A `StudentStatus` record (学籍).
    StudentStatus,
    /// An `EnrollmentConnection` record (招生入学衔接).
    EnrollmentConnection,
    /// A `QualificationRecognition` record (学历、学分与职业资格认定).
    QualificationRecognition,
    /// The payload of a withdraw entry.
    Withdrawal,
    /// An agreement between cities (协议).
    Agreement,
    /// What a verifier trusts and requires (核验策略).
    Policy,
    /// What is known of a record (核验结论).
    Verdict,
}

/// Checks a document against its schema. Empty when it is valid; else every violation, at most [`MAX_VIOLATIONS`].
pub fn validate(name: SchemaName, document: &Scanned<'_>) -> Vec<Violation> {
    static STUDENT_STATUS: LazyLock<Schema> = LazyLock::new(|| Schema::released(SchemaName::StudentStatus));
    static ENROLLMENT_CONNECTION: LazyLock<Schema> =
        LazyLock::new(|| Schema::released(SchemaName::EnrollmentConnection));
    static QUALIFICATION_RECOGNITION: LazyLock<Schema> =
        LazyLock::new(|| Schema::released(SchemaName::QualificationRecognition));
    static WITHDRAWAL: LazyLock<Schema> = LazyLock::new(|| Schema::released(SchemaName::Withdrawal));
    static AGREEMENT: LazyLock<Schema> = LazyLock::new(|| Schema::released(SchemaName::Agreement));
    static POLICY: LazyLock<Schema> = LazyLock::new(|| Schema::released(SchemaName::Policy));
    static VERDICT: LazyLock<Schema> = LazyLock::new(|| Schema::released(SchemaName::Verdict));

    let schema = match name {
        SchemaName::StudentStatus => &STUDENT_STATUS,
        SchemaName::EnrollmentConnection => &ENROLLMENT_CONNECTION,
        SchemaName::QualificationRecognition => &QUALIFICATION_RECOGNITION,
        SchemaName::Withdrawal => &WITHDRAWAL,
        SchemaName::Agreement => &AGREEMENT,
        SchemaName::Policy => &POLICY,
        SchemaName::Verdict => &VERDICT,
    };
    schema.violations(document)
}

/// A compiled schema.
struct Schema {
    /// Says yes or no.
    fast: Validator<Tape>,
    /// Says why not, with its own patterns. Made when the first document is refused: most nodes never need it.
    exact: LazyLock<Validator<Tape>, Box<dyn FnOnce() -> Validator<Tape> + Send + Sync>>,
    /// Every member that the schema or a resource declares, wherever: tells an unknown member from one whose
    /// own rule failed (see [`explain`]).
    declared: BTreeSet<String>,
}

/// A schema with the resources that it may refer to, by their absolute ids.
struct Source {
    schema: Value,
    resources: Vec<(&'static str, Value)>,
}

impl Source {
    fn released(name: SchemaName) -> Self {
        Self { schema: parsed(released_schema(name).text), resources: Self::released_resources() }
    }

    fn released_resources() -> Vec<(&'static str, Value)> {
        let resources = released().iter().filter(|file| file.path.ends_with(".schema.json"));
        resources.map(|file| (file.id, parsed(file.text))).collect()
    }

    /// Lets it remember values that it found valid, where they repeat.
    fn remembering(mut self) -> Self {
        repeated::remember(&mut self.resources);
        self
    }

    /// Nothing besides the resources is ever fetched.
    fn compile(self, patterns: Patterns) -> Result<Validator<Tape>, Unusable> {
        let registry = Registry::new().draft(Draft::Draft202012).extend(self.resources)?.prepare()?;
        let mut options = jsonschema::options_for::<Tape>()
            .with_draft(Draft::Draft202012)
            .with_registry(&registry)
            .offline()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .with_pattern_options(PatternOptions::regex());
        if patterns == Patterns::Automata {
            options = options.with_keyword("pattern", |parent, value, _| pattern::keyword(parent, value));
            options = options.with_keyword(repeated::KEYWORD, |parent, value, _| repeated::keyword(parent, value));
        }
        Ok(options.build(&self.schema)?)
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("released schemas are JSON")
}

/// What matches the patterns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patterns {
    /// Tables: see [`pattern`].
    Automata,
    /// The validator itself: its errors name the keyword.
    Expressions,
}

impl Schema {
    /// The files are part of the program, so a fault in one is ours.
    fn released(name: SchemaName) -> Self {
        Self::compile(move || Source::released(name)).expect("released schemas compile")
    }

    /// Compiles a schema from a source that is read anew where it is needed again: it is larger than what is made of it.
    fn compile(source: impl Fn() -> Source + Send + Sync + 'static) -> Result<Self, Unusable> {
        let read = source();
        let mut declared = BTreeSet::new();
        for schema in read.resources.iter().map(|(_, schema)| schema).chain([&read.schema]) {
            collect_declared(schema, &mut declared);
        }
        match read.remembering().compile(Patterns::Automata) {
            Ok(fast) => {
                let exact = move || source().compile(Patterns::Expressions).expect("it compiled with other patterns");
                Ok(Self { fast, exact: LazyLock::new(Box::new(exact)), declared })
            }
            // A pattern that has no automaton, or a fault of the schema, which comes again.
            Err(_) => {
                let fast = source().compile(Patterns::Expressions)?;
                let exact = fast.clone();
                Ok(Self { fast, exact: LazyLock::new(Box::new(move || exact)), declared })
            }
        }
    }

    fn violations(&self, document: &Scanned<'_>) -> Vec<Violation> {
        // The yes-or-no answer is several times faster than the list, and nearly always yes.
        if self.fast.is_valid(document.root()) {
            return Vec::new();
        }
        explain::violations(document.root(), self.exact.iter_errors(document.root()), &self.declared)
    }
}

/// Names under every `properties` keyword of a schema. A member that happens to be called `properties` adds its
/// keywords too, which does no harm.
fn collect_declared(schema: &Value, declared: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            if let Some(Value::Object(properties)) = keywords.get("properties") {
                declared.extend(properties.keys().cloned());
            }
            keywords.values().for_each(|keyword| collect_declared(keyword, declared));
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| collect_declared(schema, declared)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Reference(#[from] ReferencingError),
    #[error(transparent)]
    Schema(#[from] ValidationError<'static>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;
    use crate::scan::scan;
    use serde_json::json;

    const PERSON: &str = "https://example.org/person.schema.json";

    fn person() -> Value {
        json!({
            "$id": PERSON,
            "type": "object",
            "required": ["stage"],
            "properties": {
                "stage": {"enum": ["primary", "junior"]},
                "kind": {"const": "G"},
                "code": {"type": "string", "pattern": "^[0-9]{4}$"},
                "name": {"type": "object", "additionalProperties": {"maxLength": 4}, "propertyNames": {"maxLength": 2}},
                "year": {"type": "integer", "minimum": 1990, "maximum": 2100},
                "list": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"minLength": 2}},
                "day": {"format": "date"},
                "banned": false,
                "place": {"oneOf": [
                    {"properties": {"scheme": {"const": "gb-t-2260"}, "code": {"pattern": "^[0-9]{6}$"}}},
                    {"properties": {"scheme": {"const": "local"}}},
                ]},
            },
        })
    }

    /// A closed object over a resource that it refers to by its absolute id, as the released schemas do.
    fn schema() -> Schema {
        let schema = json!({
            "$id": "https://example.org/record.schema.json",
            "allOf": [{"$ref": PERSON}],
            "properties": {"until": {"type": "string"}},
            "if": {"properties": {"kind": {"const": "G"}}, "required": ["kind"]},
            "then": {"required": ["until"]},
            "unevaluatedProperties": false,
        });
        compiled(schema, vec![(PERSON, person())]).unwrap()
    }

    fn compiled(schema: Value, resources: Vec<(&'static str, Value)>) -> Result<Schema, Unusable> {
        Schema::compile(move || Source { schema: schema.clone(), resources: resources.clone() })
    }

    fn violations(schema: &Schema, document: &Value) -> Vec<Violation> {
        let document = scan(canonical::write(document).unwrap(), usize::MAX).unwrap();
        schema.violations(&document)
    }

    fn found(document: Value) -> Vec<(String, String)> {
        violations(&schema(), &document).into_iter().map(|violation| (violation.pointer, violation.rule)).collect()
    }

    #[test]
    fn every_violation_names_place_and_keyword() {
        let table = [
            ("valid", json!({"stage": "primary", "until": "x"}), vec![]),
            ("missing", json!({}), vec![("/stage", "required")]),
            ("missing by condition", json!({"stage": "junior", "kind": "G"}), vec![("/until", "required")]),
            ("unknown member", json!({"stage": "junior", "extra": 1}), vec![("/extra", "unevaluatedProperties")]),
            ("enum", json!({"stage": "x"}), vec![("/stage", "enum")]),
            ("const", json!({"stage": "junior", "kind": "J"}), vec![("/kind", "const")]),
            ("pattern", json!({"stage": "junior", "code": "12345"}), vec![("/code", "pattern")]),
            ("type", json!({"stage": "junior", "code": 1234}), vec![("/code", "type")]),
            ("maximum", json!({"stage": "junior", "year": 3000}), vec![("/year", "maximum")]),
            ("minimum", json!({"stage": "junior", "year": 1}), vec![("/year", "minimum")]),
            ("too few", json!({"stage": "junior", "list": []}), vec![("/list", "minItems")]),
            ("twice", json!({"stage": "junior", "list": ["aa", "aa"]}), vec![("/list", "uniqueItems")]),
            ("in a list", json!({"stage": "junior", "list": ["aa", "b"]}), vec![("/list/1", "minLength")]),
            ("format is asserted", json!({"stage": "junior", "day": "2024-02-30"}), vec![("/day", "format")]),
            ("banned", json!({"stage": "junior", "banned": 1}), vec![("/banned", "falseSchema")]),
            ("property name", json!({"stage": "junior", "name": {"zho": "x"}}), vec![("/name", "propertyNames")]),
            (
                "the form that is meant",
                json!({"stage": "junior", "place": {"scheme": "gb-t-2260", "code": "1"}}),
                vec![("/place", "oneOf"), ("/place/code", "pattern")],
            ),
            ("no form is meant", json!({"stage": "junior", "place": {"scheme": "x"}}), vec![("/place", "oneOf")]),
            (
                "two faults",
                json!({"stage": "x", "year": 1, "extra": 1}),
                vec![("/extra", "unevaluatedProperties"), ("/stage", "enum"), ("/year", "minimum")],
            ),
        ];
        for (name, document, expected) in table {
            let expected: Vec<_> = expected.into_iter().map(|(at, rule)| (at.to_owned(), rule.to_owned())).collect();
            let mut found = found(document);
            found.sort();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_member_deep_down_does_not_make_its_neighbours_unknown() {
        let inner = json!({"properties": {"a": true}, "unevaluatedProperties": false});
        let schema = json!({
            "allOf": [{"properties": {"inner": inner, "other": true}}],
            "unevaluatedProperties": false,
        });
        let schema = compiled(schema, vec![]).unwrap();
        let pointers = |document: Value| -> Vec<String> {
            violations(&schema, &document).into_iter().map(|violation| violation.pointer).collect()
        };
        assert_eq!(pointers(json!({"inner": {"b": 1}, "other": 1})), ["/inner/b"]);
        assert_eq!(pointers(json!({"inner": {"other": 1}})), ["/inner/other"]);
        assert_eq!(pointers(json!({"inner": {"a": 1}, "a": 1})), ["/a"]);
    }

    #[test]
    fn values_and_telling_names_are_never_shown() {
        let secret = "990010201203040011";
        let documents = [
            json!({"stage": secret, "kind": secret, "code": secret, "day": secret, "banned": secret}),
            json!({"stage": "junior", "list": [secret, secret]}),
            json!({"stage": "junior", secret: 1}),
            json!({"stage": "junior", "王小明": secret}),
            json!({"stage": "junior", "a".repeat(65): 1}),
            json!({"stage": "junior", "name": {secret: 1}}),
            json!({"stage": "junior", "name": {"zh": secret}}),
            json!({"stage": "junior", "year": 530_102_201_203_040_i64, "place": {"scheme": secret}}),
            json!(secret),
        ];
        for document in documents {
            let violations = violations(&schema(), &document);
            assert!(!violations.is_empty(), "{document}");
            let shown = serde_json::to_string(&violations).unwrap();
            for hidden in ["990010201203040", "王小明", "aaaaa"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
            assert!(
                violations.iter().all(|violation| !violation.message.zh.is_empty() && !violation.message.en.is_empty())
            );
        }
    }

    #[test]
    fn messages_are_plain_words_in_both_languages() {
        let message = |document: Value| {
            let violation = violations(&schema(), &document).remove(0);
            (violation.message.zh, violation.message.en)
        };
        let (zh, en) = message(json!({}));
        assert_eq!((zh.as_str(), en.as_str()), ("缺少必填项“stage”", "the required member \"stage\" is missing"));
        let (zh, en) = message(json!({"stage": 1}));
        assert_eq!(
            (zh.as_str(), en.as_str()),
            ("不是允许的取值，允许：primary、junior", "is not one of the allowed values: primary, junior")
        );
        let (zh, en) = message(json!({"stage": "junior", "list": 1}));
        assert_eq!((zh.as_str(), en.as_str()), ("类型不对，应为列表", "must be a list"));
        let (zh, en) = message(json!({"stage": "junior", "extra": 1}));
        assert_eq!((zh.as_str(), en.as_str()), ("此处不允许出现“extra”项", "the member \"extra\" is not allowed here"));
    }

    #[test]
    fn the_list_of_violations_is_bounded() {
        let list = vec!["x"; 10 * MAX_VIOLATIONS];
        assert_eq!(found(json!({"stage": "junior", "list": list})).len(), MAX_VIOLATIONS);
        let members: serde_json::Map<_, _> = (0..10 * MAX_VIOLATIONS).map(|n| (format!("m{n}"), json!(n))).collect();
        assert_eq!(found(Value::Object(members)).len(), MAX_VIOLATIONS);
    }

    #[test]
    fn nothing_is_fetched_and_unknown_formats_are_refused() {
        let elsewhere = json!({"$ref": "https://example.org/elsewhere.schema.json"});
        assert!(matches!(compiled(elsewhere, vec![]), Err(Unusable::Schema(_))));
        assert!(compiled(json!({"format": "no-such-format"}), vec![]).is_err());
        assert!(compiled(json!({"pattern": "(?=a)b"}), vec![]).is_err(), "no look-around in linear time");
        assert!(compiled(json!({"type": "strnig"}), vec![]).is_err());
    }
}
