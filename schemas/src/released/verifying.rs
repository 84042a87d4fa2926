//! The schemas of what verifiers write and read: policy and verdict. They are no records, and no agreement pins them.
use super::ReleasedFile;

/// The policy of a verifier.
pub(super) const POLICY: ReleasedFile = schema!("policy");
/// The verdict on a record.
pub(super) const VERDICT: ReleasedFile = schema!("verdict");

/// The released files besides those of records and agreements.
pub fn released_for_verifying() -> &'static [ReleasedFile] {
    &[POLICY, VERDICT]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;
    use crate::gate::MAX_RECORD_LEN;
    use crate::scan::scan;
    use crate::validate::{SchemaName, validate};
    use serde_json::Value;
    use std::path::Path;

    const NAMES: [(&str, SchemaName); 2] = [("policy", SchemaName::Policy), ("verdict", SchemaName::Verdict)];

    /// The files of a folder beside a schema: name, content.
    fn examples(name: &str, folder: &str) -> Vec<(String, Value)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json").join(name).join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files
            .map(|path| {
                (path.display().to_string(), canonical::read(&std::fs::read(&path).unwrap(), MAX_RECORD_LEN).unwrap())
            })
            .collect()
    }
    fn violations(name: SchemaName, document: &Value) -> Vec<(String, String)> {
        let document = scan(canonical::write(document).unwrap(), MAX_RECORD_LEN).unwrap();
        validate(name, &document).into_iter().map(|violation| (violation.pointer, violation.rule)).collect()
    }

    #[test]
    fn policies_and_verdicts_are_accepted_or_refused_as_their_examples_say() {
        for (folder, name) in NAMES {
            let (valid, invalid) = (examples(folder, "valid"), examples(folder, "invalid"));
            assert!(valid.len() >= 4 && invalid.len() >= 8, "{folder}");
            for (path, document) in valid {
                assert_eq!(violations(name, &document), [], "{path}");
            }
            for (path, example) in invalid {
                let why = |member: &str| example["why"][member].as_str().unwrap().to_owned();
                let found = violations(name, &example["document"]);
                assert!(found.contains(&(why("pointer"), why("rule"))), "{path}: {found:?}");
            }
        }
    }

    #[test]
    fn every_file_stands_at_its_id() {
        for file in released_for_verifying() {
            let schema: Value = serde_json::from_str(file.text).unwrap();
            assert_eq!(schema["$id"], file.id);
            assert_eq!(file.id, format!("https://w3id.org/hefu{}", file.path));
        }
    }
}
