//! The released schema and context files, built into the program.
#[cfg(test)]
mod coverage;

use crate::id::Digest;
use crate::validate::SchemaName;

/// One released schema or context file, as served under `/schemas/…` and `/contexts/…`.
#[derive(Debug, Clone)]
pub struct ReleasedFile {
    /// `$id`, or the URL of the context.
    pub id: &'static str,
    /// Path on every node, e.g. `/schemas/student-status/v1.schema.json`.
    pub path: &'static str,
    /// The bytes as released.
    pub text: &'static str,
}

impl ReleasedFile {
    /// SHA-256 of the file's bytes as released: what an agreement pins.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

macro_rules! schema {
    ($kind:literal) => {
        ReleasedFile {
            id: concat!("https://w3id.org/hefu/schemas/", $kind, "/v1.schema.json"),
            path: concat!("/schemas/", $kind, "/v1.schema.json"),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/json/", $kind, "/v1.schema.json")),
        }
    };
}

const ENVELOPE: ReleasedFile = schema!("envelope");
const STUDENT_STATUS: ReleasedFile = schema!("student-status");
const ENROLLMENT_CONNECTION: ReleasedFile = schema!("enrollment-connection");
const QUALIFICATION_RECOGNITION: ReleasedFile = schema!("qualification-recognition");
const WITHDRAWAL: ReleasedFile = schema!("withdrawal");
const AGREEMENT: ReleasedFile = schema!("agreement");
const CONTEXT: ReleasedFile = ReleasedFile {
    id: "https://w3id.org/hefu/contexts/v1.jsonld",
    path: "/contexts/v1.jsonld",
    text: include_str!("../json/contexts/v1.jsonld"),
};

mod examples;
mod verifying;
pub use examples::{Example, examples};
pub use verifying::released_for_verifying;

/// All released files: the schemas, the definitions that they share, and the context.
pub fn released() -> &'static [ReleasedFile] {
    &[ENVELOPE, STUDENT_STATUS, ENROLLMENT_CONNECTION, QUALIFICATION_RECOGNITION, WITHDRAWAL, AGREEMENT, CONTEXT]
}

/// The schema file of a kind of document.
pub fn released_schema(name: SchemaName) -> &'static ReleasedFile {
    match name {
        SchemaName::StudentStatus => &STUDENT_STATUS,
        SchemaName::EnrollmentConnection => &ENROLLMENT_CONNECTION,
        SchemaName::QualificationRecognition => &QUALIFICATION_RECOGNITION,
        SchemaName::Withdrawal => &WITHDRAWAL,
        SchemaName::Agreement => &AGREEMENT,
        SchemaName::Policy => &verifying::POLICY,
        SchemaName::Verdict => &verifying::VERDICT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{Agreement, AgreementError};
    use crate::canonical;
    use crate::gate::{MAX_AGREEMENT_LEN, MAX_RECORD_LEN};
    use crate::record::{self, Kind, View};
    use crate::scan::scan;
    use crate::violation::Violation;
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    pub(super) const NAMES: [SchemaName; 5] = [
        SchemaName::StudentStatus,
        SchemaName::EnrollmentConnection,
        SchemaName::QualificationRecognition,
        SchemaName::Withdrawal,
        SchemaName::Agreement,
    ];

    /// The files of a folder beside a schema, by name.
    pub(super) fn examples(name: SchemaName, folder: &str) -> Vec<(PathBuf, Value)> {
        let path = released_schema(name).path.trim_start_matches("/schemas/").trim_end_matches("v1.schema.json");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json").join(path).join(folder);
        let read = |path: PathBuf| {
            let document = canonical::read(&std::fs::read(&path).unwrap(), MAX_AGREEMENT_LEN).unwrap();
            (path, document)
        };
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).map(read).collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files
    }

    pub(super) fn violations(name: SchemaName, document: &Value) -> Vec<Violation> {
        let bytes = canonical::write(document).unwrap();
        match name {
            SchemaName::Agreement => match Agreement::read(&bytes) {
                Ok(_) => Vec::new(),
                Err(AgreementError::Invalid(violations)) => violations,
                Err(AgreementError::Gate(error)) => panic!("{error}"),
            },
            _ => record::check(&scan(bytes, MAX_RECORD_LEN).unwrap()),
        }
    }

    #[test]
    fn every_file_stands_at_its_id() {
        let mut seen = std::collections::BTreeSet::new();
        for file in released() {
            let value: Value = serde_json::from_str(file.text).unwrap();
            let id = value.get("$id").and_then(Value::as_str);
            assert_eq!(id.unwrap_or(file.id), file.id);
            assert_eq!(id.is_some(), file.path.ends_with(".schema.json"), "{}", file.id);
            assert_eq!(file.id, format!("https://w3id.org/hefu{}", file.path));
            assert!(seen.insert(file.digest()), "{}", file.id);
        }
        assert_eq!(record::CONTEXTS[1], CONTEXT.id);
        assert!(NAMES.iter().all(|name| seen.contains(&released_schema(*name).digest())));
        for kind in Kind::ALL {
            let path = released_schema(kind.schema_name()).path;
            assert_eq!(path, format!("/schemas/{}/v1.schema.json", kind.code()));
        }
    }

    #[test]
    fn valid_examples_are_accepted() {
        for name in NAMES {
            let files = examples(name, "valid");
            assert!(files.len() >= 4, "{name:?}");
            for (path, document) in files {
                assert_eq!(violations(name, &document), [], "{}", path.display());
                if name != SchemaName::Agreement {
                    let scanned = scan(canonical::write(&document).unwrap(), MAX_RECORD_LEN).unwrap();
                    let view = View::read(&scanned).unwrap();
                    assert_eq!(view.kind.schema_name(), name, "{}", path.display());
                    assert_eq!(view.schema, released_schema(name).id, "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn invalid_examples_are_refused_for_the_stated_reason() {
        let mut otherwise = Vec::new();
        for name in NAMES {
            let files = examples(name, "invalid");
            assert!(files.len() >= 8, "{name:?}");
            for (path, example) in files {
                let why = |member: &str| example["why"][member].as_str().unwrap().to_owned();
                let found = violations(name, &example["document"]);
                let all: Vec<_> = found.iter().map(|v| (v.pointer.clone(), v.rule.clone())).collect();
                if !all.contains(&(why("pointer"), why("rule"))) {
                    otherwise.push(format!("{}: found {all:?}", path.display()));
                }
                let readable = |v: &Violation| !v.message.zh.is_empty() && !v.message.en.is_empty();
                assert!(found.iter().all(readable), "{}", path.display());
            }
        }
        assert!(otherwise.is_empty(), "{otherwise:#?}");
    }

    /// Every object schema is closed, so that no member slips in that nobody looks at.
    #[test]
    fn every_object_is_closed() {
        fn walk(schema: &Value, at: &str, open: &mut Vec<String>) {
            let Some(keywords) = schema.as_object() else { return };
            let closed = ["additionalProperties", "unevaluatedProperties"].iter().any(|k| keywords.contains_key(*k));
            let chooses = keywords.contains_key("if") && keywords.contains_key("then");
            if keywords.get("type").is_some_and(|t| t == "object") && !closed && !chooses {
                open.push(at.to_owned());
            }
            for (name, value) in keywords.iter().filter(|(name, _)| name.as_str() != "const") {
                walk(value, &format!("{at}/{name}"), open);
            }
        }
        for file in released().iter().filter(|file| file.path.ends_with(".schema.json")) {
            let mut open = Vec::new();
            walk(&serde_json::from_str(file.text).unwrap(), "", &mut open);
            assert!(open.is_empty(), "{}: {open:?}", file.id);
        }
    }

    #[test]
    fn every_member_of_a_record_is_a_term_of_the_context() {
        // Terms of the W3C context of verifiable credentials, which comes first.
        const W3C: &str = "@context id type issuer validFrom validUntil credentialSchema termsOfUse credentialSubject \
            credentialStatus proof name statusPurpose statusListIndex statusListCredential cryptosuite created \
            verificationMethod proofPurpose proofValue";
        fn properties(schema: &Value, names: &mut Vec<String>) {
            if let Some(members) = schema.get("properties").and_then(Value::as_object) {
                names.extend(members.keys().cloned());
            }
            if let Some(object) = schema.as_object() {
                object.iter().filter(|(name, _)| name.as_str() != "const").for_each(|(_, v)| properties(v, names));
            }
        }
        let context: Value = serde_json::from_str(CONTEXT.text).unwrap();
        let mut names = Vec::new();
        for file in [&ENVELOPE, &STUDENT_STATUS, &ENROLLMENT_CONNECTION, &QUALIFICATION_RECOGNITION, &WITHDRAWAL] {
            properties(&serde_json::from_str(file.text).unwrap(), &mut names);
        }
        for name in names {
            let known = context["@context"].get(&name).is_some() || W3C.split_whitespace().any(|term| term == name);
            assert!(known, "{name}");
        }
    }
}
