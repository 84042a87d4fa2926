//! `docs/PROTOCOL.md`: every clause that binds is shown by a test that exists.

use super::{files, root};
use std::collections::{BTreeMap, BTreeSet};

/// The heading of the table of clauses and tests.
const TABLE: &str = "Clause → test";

/// Number of a clause.
type Number = (u32, u32);

fn protocol() -> Option<String> {
    let text = std::fs::read_to_string(root().join("docs/PROTOCOL.md")).ok();
    if text.is_none() {
        eprintln!("skipped: there is no docs/PROTOCOL.md");
    }
    text
}

fn number(text: &str) -> Option<Number> {
    let (chapter, clause) = text.trim().strip_prefix("P-")?.split_once('.')?;
    Some((chapter.parse().ok()?, clause.parse().ok()?))
}

/// The clauses by number, from their text.
fn clauses(text: &str) -> BTreeMap<Number, String> {
    let mut found = BTreeMap::new();
    for part in text.split("\n- **P-").skip(1) {
        let (name, rest) = part.split_once("**").expect("a clause begins with its number in bold");
        let end = rest.find("\n- **P-").or_else(|| rest.find("\n## ")).unwrap_or(rest.len());
        let number = number(&format!("P-{name}")).unwrap_or_else(|| panic!("P-{name} is no number"));
        assert!(found.insert(number, rest[..end].to_owned()).is_none(), "P-{name} stands twice");
    }
    found
}

/// The rows of the table: clauses and what is said of their tests.
fn rows(text: &str) -> Vec<(Vec<Number>, String)> {
    let table = text.split_once(TABLE).map(|(_, table)| table).unwrap_or_default();
    let row = |line: &str| {
        let (clauses, tests) = line.strip_prefix("| P-")?.trim_end_matches('|').split_once('|')?;
        let mut numbers = Vec::new();
        for part in format!("P-{clauses}").split(',') {
            match part.split_once(" to ").map(|(from, to)| (number(from), number(to))) {
                Some((Some(from), Some(to))) => numbers.extend((from.1..=to.1).map(|clause| (from.0, clause))),
                _ => numbers.extend(number(part)),
            }
        }
        Some((numbers, tests.trim().to_owned()))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn every_clause_that_binds_names_a_test() {
    let Some(text) = protocol() else { return };
    let (clauses, rows) = (clauses(&text), rows(&text));
    assert!(clauses.len() > 20 && rows.len() > 20);
    let mut tested = BTreeSet::new();
    for (numbers, tests) in &rows {
        for number in numbers {
            assert!(clauses.contains_key(number), "P-{}.{} is in the table and nowhere else", number.0, number.1);
            if *tests != "—" {
                tested.insert(*number);
            }
        }
    }
    let binds = |text: &str| text.split(|c: char| !c.is_ascii_uppercase()).any(|word| word == "MUST");
    let missing: Vec<String> = clauses
        .iter()
        .filter(|(number, text)| binds(text) && !tested.contains(number))
        .map(|(number, _)| format!("P-{}.{}", number.0, number.1))
        .collect();
    assert!(missing.is_empty(), "clauses with MUST and without a test: {missing:?}");
}

#[test]
fn tests_named_by_clauses_exist() {
    let Some(text) = protocol() else { return };
    let sources = files("rs");
    let is_test = |name: &str| sources.iter().any(|(_, text)| text.contains(&format!("fn {name}(")));
    let begins = |prefix: &str| sources.iter().any(|(_, text)| text.contains(&format!("fn {prefix}")));
    let mut missing = Vec::new();
    for (_, tests) in rows(&text) {
        // Paths stand in back quotes, names of tests are words with an underscore.
        let outside: String = tests.split('`').step_by(2).collect();
        for word in outside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '…')) {
            let exists = match word.strip_suffix('…') {
                Some(prefix) => prefix.is_empty() || begins(prefix),
                None => !word.contains('_') || is_test(word),
            };
            if !exists {
                missing.push(word.to_owned());
            }
        }
        for path in tests.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs")) {
            let path = path.replacen("F/", "federation/src/", 1).replacen("S/", "schemas/src/", 1);
            let path = path.replacen("N/", "node/src/", 1).replacen("T/", "tests/", 1);
            if !root().join(&path).exists() {
                missing.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "the table names what does not exist: {missing:?}");
}
