//! `docs/THREATS.md`: every test that it names exists, in the file that it names.

use super::{files, root};

/// Who is spoken of: a section each.
const ADVERSARIES: [&str; 8] = [
    "The network",
    "The gateway",
    "A peer",
    "A thief of a key",
    "The operator with the database",
    "A third party with a file",
    "A former party",
    "A local system with a stolen token",
];

#[test]
fn every_threat_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/THREATS.md")).unwrap();
    let sources = files("rs");
    let mut missing = Vec::new();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "what it tries, what stands against it, what remains, tests: {line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "an empty cell: {line}");
        rows += 1;
        if cells[3] == "—" {
            continue;
        }
        for group in cells[3].split(';') {
            let (path, names) = group.trim().trim_start_matches('`').split_once('`').expect("`path` and names");
            let path = path.replacen("F/", "federation/src/", 1).replacen("S/", "schemas/src/", 1);
            let path = path.replacen("N/", "node/src/", 1).replacen("T/", "tests/", 1);
            let source = sources.iter().find(|(name, _)| *name == path).map(|(_, text)| text);
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                if !source.is_some_and(|text| text.contains(&format!("fn {name}("))) {
                    missing.push(format!("{path} {name}"));
                }
            }
            assert!(!names.trim().is_empty(), "a file without a test: {line}");
        }
    }
    assert!(rows >= 30, "{rows} rows");
    assert!(missing.is_empty(), "named and not there: {missing:#?}");
    for adversary in ADVERSARIES {
        assert!(text.lines().any(|line| line.starts_with("## ") && line.contains(adversary)), "{adversary}");
    }
}
