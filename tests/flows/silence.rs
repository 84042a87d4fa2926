//! What is nobody's business stays out of logs, errors and metrics, even when everything is logged.

use hefu_tests::process::{command, run_with};
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of a payload's member that would stand in a log if a payload did.
const OF_PAYLOADS: [&str; 5] = ["urn:hefu:subject:", "credentialSubject", "proofValue", "effectiveOn", "identityCheck"];
/// Digits in a row of a resident id before its check character (GB 11643).
const RESIDENT_ID_DIGITS: usize = 17;

/// All files below a folder whose name ends so.
fn files(folder: &Path, endings: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
    found
}

/// The lines of the private keys below a folder: whatever form a log would give a key, it would not be longer.
fn key_lines(folder: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (_, bytes) in files(folder, &["pem", "key"]) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.contains("PRIVATE KEY") {
            lines.extend(text.lines().filter(|line| line.len() > 16 && !line.starts_with("-----")).map(str::to_owned));
        }
    }
    lines
}

/// The longest run of digits in a line that may be an identifier: times and sizes are shorter.
fn has_resident_id(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_digit()).any(|run| {
        // A year from 1900 to 2099 where the birth date of a resident id stands; a nanosecond count has none there.
        run.len() >= RESIDENT_ID_DIGITS && matches!(run.get(6..8), Some("19" | "20"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_at_trace_level_logs_no_identifier_no_secret_and_no_payload() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("demo");
    let place = folder.display().to_string();
    let mut demo = command(&base.path().join("unused"), &["--json", "demo", "--records", "300", "--folder", &place]);
    demo.env("HEFU_LOG", "trace");
    let said = run_with(demo, b"").await.ended(0);
    let mut logs: Vec<(String, Vec<u8>)> = files(&folder, &[".log"]);
    assert_eq!(logs.len(), 3, "each node keeps a log");
    logs.push(("stderr of the demo".to_owned(), said.stderr.into_bytes()));
    let keys = key_lines(&folder);
    assert!(keys.len() >= 3 * 6, "{} key lines were looked for", keys.len());
    let mut lines = 0;
    for (name, bytes) in &logs {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            lines += 1;
            let told = OF_PAYLOADS.iter().find(|word| line.contains(**word)).copied();
            let told = told.or_else(|| has_resident_id(line).then_some("an identifier"));
            let told = told.or_else(|| keys.iter().any(|key| line.contains(key)).then_some("a private key"));
            // The line itself is not printed: it would be told once more.
            assert!(told.is_none(), "{name} tells {}", told.unwrap_or_default());
        }
    }
    assert!(lines > 1_000, "trace level was on: {lines} lines");
}
