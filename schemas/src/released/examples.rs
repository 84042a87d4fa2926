//! Valid examples that are published with the schemas: a few of those in the folders, to be shown beside a schema.
use crate::validate::SchemaName;

/// One valid document.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Name of its file in `json/<kind>/valid/`, without `.json`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! examples {
    ($kind:literal: $($name:literal),+) => {
        &[$(Example {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/json/", $kind, "/valid/", $name, ".json")),
        }),+]
    };
}

/// Two or three valid documents of a schema; nobody in them exists, and no signature in them verifies.
pub fn examples(name: SchemaName) -> &'static [Example] {
    match name {
        SchemaName::StudentStatus => {
            examples!("student-status": "enter", "suspend", "transfer-out-to-a-party")
        }
        SchemaName::EnrollmentConnection => {
            examples!("enrollment-connection": "transfer-requested", "migrant-admission-applied", "quota-reported-to-everybody")
        }
        SchemaName::QualificationRecognition => {
            examples!("qualification-recognition": "awarding-transcript", "recognising-credits", "recognising-conditional")
        }
        SchemaName::Withdrawal => {
            examples!("withdrawal": "entry-error", "not-ours")
        }
        SchemaName::Agreement => {
            examples!("agreement": "two-cities", "programmes-and-credits")
        }
        SchemaName::Policy => {
            examples!("policy": "two-cities", "witnessed")
        }
        SchemaName::Verdict => {
            examples!("verdict": "valid-in-replica", "tampered-and-unknown")
        }
    }
}
