//! The schemas that this program has, with what they are for.

use super::json::Json;
use super::words;
use hefu_schemas::released::{ReleasedFile, released, released_for_verifying};
use hefu_schemas::text::Text;
use hefu_schemas::validate::SchemaName;
use std::sync::LazyLock;

/// One schema.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name: the folder of the file, and the page.
    pub(crate) name: &'static str,
    /// The file as released.
    pub(crate) file: &'static ReleasedFile,
    /// Its documents; none for the definitions that the others share.
    pub(crate) schema: Option<SchemaName>,
    /// The code lists that are its own.
    pub(crate) lists: &'static [&'static str],
    /// The families of rules that its documents have beyond the schema.
    pub(crate) rules: &'static [&'static str],
    /// Title of the file.
    pub(crate) title: Text,
    /// What it is for.
    pub(crate) purpose: Text,
    /// The file, read.
    pub(crate) json: Json,
}

const STATUS_LISTS: &[&str] = &["status", "event", "stage", "number-kind", "residence", "status-reason"];
const CONNECTION_LISTS: &[&str] = &[
    "connection-kind",
    "role",
    "step",
    "connection-reason",
    "waiting-for",
    "eligibility",
    "former-registration",
    "track",
    "activity-purpose",
    "activity-form",
];
const RECOGNITION_LISTS: &[&str] = &[
    "recognition-role",
    "source-type",
    "recognition-step",
    "recognition-purpose",
    "outcome",
    "condition",
    "recognition-reason",
    "component-result",
    "appeal-result",
    "revocation-effect",
    "revocation-reason",
    "vocational-level",
    "credit-scheme",
];
const AGREEMENT_LISTS: &[&str] =
    &["agreement-type", "population", "purpose", "existing-cases", "programme-type", "kind"];

/// Name, documents, code lists and rules of each schema, in the order in which they are shown.
type Row = (&'static str, Option<SchemaName>, &'static [&'static str], &'static [&'static str]);
const ROWS: [Row; 8] = [
    ("student-status", Some(SchemaName::StudentStatus), STATUS_LISTS, &["record", "status"]),
    ("enrollment-connection", Some(SchemaName::EnrollmentConnection), CONNECTION_LISTS, &["record", "connection"]),
    (
        "qualification-recognition",
        Some(SchemaName::QualificationRecognition),
        RECOGNITION_LISTS,
        &["record", "recognition"],
    ),
    ("withdrawal", Some(SchemaName::Withdrawal), &["withdrawal-reason"], &["record", "withdrawal"]),
    ("agreement", Some(SchemaName::Agreement), AGREEMENT_LISTS, &["agreement"]),
    ("policy", Some(SchemaName::Policy), &[], &["policy"]),
    ("verdict", Some(SchemaName::Verdict), &[], &[]),
    ("envelope", None, &["correction", "isced"], &[]),
];

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| ROWS.into_iter().map(entry).collect());

fn entry((name, schema, lists, rules): Row) -> Entry {
    let path = format!("/schemas/{name}/v1.schema.json");
    let mut files = released().iter().chain(released_for_verifying());
    let file = files.find(|file| file.path == path).expect("each row names a released file, as the test shows");
    let json = Json::released(file.text);
    let title = words::title(json.text_of("title").unwrap_or_default());
    let purpose = words::description(json.text_of("description").unwrap_or_default());
    Entry { name, file, schema, lists, rules, title, purpose, json }
}

/// All schemas.
pub(crate) fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The schema of a name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::code::lists;

    #[test]
    fn every_released_schema_stands_once_with_lists_that_are_there() {
        let files =
            released().iter().chain(released_for_verifying()).filter(|file| file.path.ends_with(".schema.json"));
        let mut paths: Vec<_> = files.map(|file| file.path).collect();
        let mut seen: Vec<_> = entries().iter().map(|entry| entry.file.path).collect();
        paths.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, paths);
        for entry in entries() {
            assert!(!entry.title.zh.is_empty() && entry.purpose.zh != entry.purpose.en, "{}", entry.name);
            assert!(entry.lists.iter().all(|name| lists().iter().any(|list| list.name == *name)), "{}", entry.name);
        }
        assert!(find("student-status").is_some() && find("weather").is_none());
    }
}
