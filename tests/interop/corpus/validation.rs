//! Documents near the examples beside the schemas, and whether our validator accepts each by its schema alone. The rules
//! that no schema can state are not asked.

use crate::mutation::{Pool, mutate};
use crate::random::Random;
use hefu_schemas::canonical;
use hefu_schemas::gate::MAX_AGREEMENT_LEN;
use hefu_schemas::scan::scan;
use hefu_schemas::validate::{SchemaName, validate};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// Most changes of one document: with more, nearly nothing stays valid.
const MAX_CHANGES: usize = 2;

struct Example {
    schema: SchemaName,
    folder: &'static str,
    file: String,
    document: Value,
    /// Of an invalid example: whether the schema itself is to refuse it, not a rule that no schema can state.
    by_schema: Option<bool>,
}

/// Writes {schema, from, document, valid} for every example, valid and invalid, and for `count` changed ones.
pub(crate) fn write(
    random: &mut Random,
    count: usize,
    schemas: &Path,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let (valid, invalid) = (examples(schemas, "valid")?, examples(schemas, "invalid")?);
    for example in valid.iter().chain(&invalid) {
        let accepted = line(example, &example.document, out)?;
        if example.by_schema.unwrap_or(false) == accepted {
            return Err(format!("{}: it is not the schema that decides as stated", example.file).into());
        }
    }
    let pools: Vec<(&str, Pool)> = SCHEMAS.iter().map(|(_, folder)| (*folder, pool(schemas, folder, &valid))).collect();
    for _ in 0..count {
        let example = random.choose(&valid);
        let Some((_, pool)) = pools.iter().find(|(folder, _)| *folder == example.folder) else { continue };
        let mut document = example.document.clone();
        for _ in 0..=random.below(MAX_CHANGES) {
            mutate(random, pool, &mut document);
        }
        line(example, &document, out)?;
    }
    Ok(())
}

const SCHEMAS: [(SchemaName, &str); 5] = [
    (SchemaName::StudentStatus, "student-status"),
    (SchemaName::EnrollmentConnection, "enrollment-connection"),
    (SchemaName::QualificationRecognition, "qualification-recognition"),
    (SchemaName::Withdrawal, "withdrawal"),
    (SchemaName::Agreement, "agreement"),
];

/// Writes a line; our verdict.
fn line(example: &Example, document: &Value, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    let bytes = canonical::write(document)?;
    let valid = validate(example.schema, &scan(&bytes, MAX_AGREEMENT_LEN)?).is_empty();
    let line = json!({"schema": example.folder, "from": example.file, "document": document, "valid": valid});
    writeln!(out, "{line}")?;
    Ok(valid)
}

/// The examples of all kinds; of an invalid one the document in it.
fn examples(schemas: &Path, which: &str) -> Result<Vec<Example>, Box<dyn Error>> {
    let mut found = Vec::new();
    for (schema, folder) in SCHEMAS {
        let mut files = std::fs::read_dir(schemas.join(folder).join(which))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        files.sort();
        for path in files {
            let mut document = canonical::read(&std::fs::read(&path)?, MAX_AGREEMENT_LEN)?;
            // Names of rules beyond the schema have a slash.
            let rule = document.pointer("/why/rule").and_then(Value::as_str);
            let by_schema = rule.map(|rule| !rule.contains('/'));
            if which == "invalid" {
                document = document.get_mut("document").map(Value::take).ok_or("an invalid example has a document")?;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            found.push(Example { schema, folder, file: format!("{folder}/{which}/{name}"), document, by_schema });
        }
    }
    Ok(found)
}

/// What may be put into documents of a schema: all that the examples and the schema's own lists hold.
fn pool(schemas: &Path, folder: &str, examples: &[Example]) -> Pool {
    let mut pool = Pool::default();
    for example in examples.iter().filter(|example| example.folder == folder) {
        pool.learn(&example.document);
    }
    for file in [folder, "envelope"] {
        let text = std::fs::read(schemas.join(file).join("v1.schema.json")).unwrap_or_default();
        if let Ok(schema) = serde_json::from_slice(&text) {
            pool.learn_choices(&schema);
        }
    }
    pool
}
