//! Every keyword of a schema and every rule is shown by an example that breaks it.
use super::released;
use super::tests::{NAMES, examples, violations};
use crate::canonical;
use crate::gate::MAX_AGREEMENT_LEN;
use crate::scan::scan;
use crate::validate::{SchemaName, validate};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Rules that no example can break: they guard a step that the ones before never let fail, or (the type) stand before a
/// schema is chosen.
const WITHOUT_EXAMPLE: [&str; 3] = ["agreement/document", "record/envelope", "record/type"];

/// A rule's code has a slash, a keyword of JSON Schema has none.
fn is_rule(code: &str) -> bool {
    code.contains('/')
}

/// The keywords that a document can break, as violations name them.
fn keywords(schema: &Value, found: &mut BTreeSet<String>) {
    const NAMED: [&str; 4] = ["properties", "$defs", "patternProperties", "dependentSchemas"];
    const APPLIED: [&str; 6] = ["if", "then", "else", "items", "allOf", "additionalProperties"];
    const SILENT: [&str; 6] = ["$schema", "$id", "$ref", "$comment", "title", "description"];
    match schema {
        Value::Bool(false) => drop(found.insert("falseSchema".to_owned())),
        Value::Array(schemas) => schemas.iter().for_each(|schema| keywords(schema, found)),
        Value::Object(members) => {
            for (keyword, value) in members {
                match keyword.as_str() {
                    named if NAMED.contains(&named) => {
                        value.as_object().into_iter().flat_map(|named| named.values()).for_each(|s| keywords(s, found));
                    }
                    "additionalProperties" if *value == Value::Bool(false) => drop(found.insert(keyword.clone())),
                    applied if APPLIED.contains(&applied) => keywords(value, found),
                    silent if SILENT.contains(&silent) => {}
                    // Its violations are those of the member that is missing.
                    "dependentRequired" => drop(found.insert("required".to_owned())),
                    _ => drop(found.insert(keyword.clone())),
                }
            }
        }
        _ => {}
    }
}

fn broken(name: SchemaName) -> BTreeSet<String> {
    let rule = |(_, example): (_, Value)| example["why"]["rule"].as_str().unwrap().to_owned();
    examples(name, "invalid").into_iter().map(rule).collect()
}

#[test]
fn every_keyword_is_broken_by_an_example_of_its_schema() {
    let all: BTreeSet<String> = NAMES.into_iter().flat_map(broken).collect();
    for file in released().iter().filter(|file| file.path.ends_with(".schema.json")) {
        let mut used = BTreeSet::new();
        keywords(&serde_json::from_str(file.text).unwrap(), &mut used);
        assert!(used.len() >= 5, "{used:?}");
        let name = NAMES.into_iter().find(|name| super::released_schema(*name).id == file.id);
        // What the kinds share is shown by any of them.
        let shown = name.map_or_else(|| all.clone(), broken);
        let missing: Vec<_> = used.difference(&shown).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", file.id);
    }
}

#[test]
fn every_rule_is_broken_by_an_example() {
    let all: BTreeSet<String> = NAMES.into_iter().flat_map(broken).filter(|code| is_rule(code)).collect();
    let mut rules = BTreeSet::new();
    collect_rules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut rules);
    let expected: BTreeSet<String> =
        rules.into_iter().filter(|code| !WITHOUT_EXAMPLE.contains(&code.as_str())).collect();
    assert!(expected.len() > 40);
    assert_eq!(all, expected);
}

/// The codes that the sources give to violations, outside their tests.
fn collect_rules(folder: &Path, rules: &mut BTreeSet<String>) {
    const FAMILIES: [&str; 6] = ["record", "status", "connection", "recognition", "withdrawal", "agreement"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_rules(&path, rules);
        } else if path.file_name().is_some_and(|name| name != "coverage.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let source = text.split("mod tests {").next().unwrap_or_default();
            let is_code = |word: &str| {
                word.split_once('/').is_some_and(|(family, rest)| {
                    FAMILIES.contains(&family)
                        && !rest.is_empty()
                        && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                })
            };
            rules.extend(source.split('"').filter(|word| is_code(word)).map(str::to_owned));
        }
    }
}

/// Other validators know the schemas alone: they refuse the examples of a keyword and accept those of a rule.
#[test]
fn the_code_tells_what_the_schema_alone_decides() {
    for name in NAMES {
        for (path, example) in examples(name, "invalid") {
            let why = &example["why"];
            assert_eq!(why.as_object().unwrap().len(), 2, "{}", path.display());
            let bytes = canonical::write(&example["document"]).unwrap();
            let by_schema = validate(name, &scan(bytes, MAX_AGREEMENT_LEN).unwrap());
            let is_rule = is_rule(why["rule"].as_str().unwrap());
            assert_eq!(by_schema.is_empty(), is_rule, "{}: {by_schema:?}", path.display());
            let found = violations(name, &example["document"]);
            assert!(found.iter().all(|v| self::is_rule(&v.rule) == is_rule), "{}: {found:?}", path.display());
        }
    }
}

#[test]
fn there_are_enough_examples_of_each_kind() {
    for (name, valid, invalid) in [
        (SchemaName::StudentStatus, 8, 30),
        (SchemaName::EnrollmentConnection, 14, 30),
        (SchemaName::QualificationRecognition, 8, 40),
        (SchemaName::Withdrawal, 4, 12),
        (SchemaName::Agreement, 4, 40),
    ] {
        let counted = (examples(name, "valid").len(), examples(name, "invalid").len());
        assert!(counted.0 >= valid && counted.1 >= invalid, "{name:?}: {counted:?}");
    }
}

/// Each kind of connection, in each of its halves, has an example.
#[test]
fn every_half_of_every_connection_has_an_example() {
    use crate::enrollment_connection::HALVES;
    let of = |document: &Value, member: &str| document["credentialSubject"][member].as_str().unwrap().to_owned();
    let shown: BTreeSet<_> = examples(SchemaName::EnrollmentConnection, "valid")
        .into_iter()
        .map(|(_, document)| (of(&document, "connectionKind"), of(&document, "role")))
        .collect();
    for half in HALVES {
        let half = (half.kind.code().to_owned(), half.role.code().to_owned());
        assert!(shown.contains(&half), "{half:?}");
    }
}
