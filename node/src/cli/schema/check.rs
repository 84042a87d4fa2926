//! Which kind of document something is, and what is wrong with it. Values are never quoted.

use hefu_federation::verdict::{Policy, PolicyError};
use hefu_schemas::agreement::{Agreement, AgreementError};
use hefu_schemas::canonical;
use hefu_schemas::gate::{GateError, MAX_AGREEMENT_LEN, MAX_RECORD_LEN};
use hefu_schemas::id::{Did, RecordId};
use hefu_schemas::record::{self, Completion, Draft, DraftError, Kind};
use hefu_schemas::scan::scan;
use hefu_schemas::text::Text;
use hefu_schemas::validate::{SchemaName, validate};
use hefu_schemas::violation::Violation;
use serde_json::Value;

/// What a document can be checked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A record of a kind, signed.
    Record(Kind),
    /// A line {index, salt, record} of a record page, or {record, …} with a signed record.
    Page(Kind),
    /// A draft {draftId?, record}.
    Draft,
    /// An agreement.
    Agreement,
    /// A verifier's policy.
    Policy,
    /// A verdict.
    Verdict,
}

/// Names for `--as`.
pub(super) const NAMES: [&str; 8] = [
    "student-status",
    "enrollment-connection",
    "qualification-recognition",
    "withdrawal",
    "draft",
    "agreement",
    "policy",
    "verdict",
];

impl Form {
    /// The one of a name of [`NAMES`].
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "draft" => Some(Self::Draft),
            "agreement" => Some(Self::Agreement),
            "policy" => Some(Self::Policy),
            "verdict" => Some(Self::Verdict),
            kind => Kind::from_code(kind).map(Self::Record),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Record(kind) | Self::Page(kind) => kind.code(),
            Self::Draft => "draft",
            Self::Agreement => "agreement",
            Self::Policy => "policy",
            Self::Verdict => "verdict",
        }
    }

    /// For people.
    pub(super) fn title(self) -> Text {
        match self {
            Self::Draft => Text::new("草稿", "draft"),
            Self::Agreement => Text::new("协议", "agreement"),
            Self::Policy => Text::new("核验策略", "policy"),
            Self::Verdict => Text::new("核验结论", "verdict"),
            Self::Record(kind) | Self::Page(kind) => {
                hefu_schemas::code::name("kind", kind.code()).unwrap_or_else(|| Text::new(kind.code(), kind.code()))
            }
        }
    }

    /// What a document says that it is, by members that no other has.
    pub(super) fn of(document: &Value) -> Option<Self> {
        let has = |name: &str| document.get(name).is_some();
        if let Some(inner) = document.get("record").filter(|inner| inner.is_object() && !has("type")) {
            let signed = inner.get("proof").is_some() && !has("draftId");
            return if signed { kind_of(inner).map(Self::Page) } else { Some(Self::Draft) };
        }
        if has("statements") && has("verdict") {
            Some(Self::Verdict)
        } else if has("parties") && has("terms") {
            Some(Self::Agreement)
        } else if has("cities") && has("require") {
            Some(Self::Policy)
        } else if has("credentialSubject") && !has("proof") && !has("issuer") {
            // What belongs into a draft's `record`; the draft's own check says so.
            Some(Self::Draft)
        } else {
            kind_of(document).map(Self::Record)
        }
    }

    /// Everything that is wrong with a document of this form.
    ///
    /// # Errors
    /// The gate refuses it: too large for its form.
    pub(super) fn violations(self, document: &Value) -> Result<Vec<Violation>, GateError> {
        let bytes = canonical::write(document)?;
        match self {
            Self::Record(kind) => signed(kind, document),
            Self::Page(kind) => {
                let inner = document.get("record").unwrap_or(&Value::Null);
                Ok(below_record(signed(kind, inner)?))
            }
            Self::Draft => draft(&bytes),
            Self::Agreement => match Agreement::read(&bytes) {
                Ok(_) => Ok(Vec::new()),
                Err(AgreementError::Invalid(violations)) => Ok(violations),
                Err(AgreementError::Gate(error)) => Err(error),
            },
            Self::Policy => match Policy::read(&bytes) {
                Ok(_) => Ok(Vec::new()),
                Err(PolicyError::Invalid(violations)) => Ok(violations),
                Err(PolicyError::Gate(error)) => Err(error),
            },
            Self::Verdict => Ok(validate(SchemaName::Verdict, &scan(bytes, MAX_AGREEMENT_LEN)?)),
        }
    }
}

/// The kind that a record says it is.
fn kind_of(record: &Value) -> Option<Kind> {
    match record.get("type")?.as_array()?.as_slice() {
        [base, own] if base == "VerifiableCredential" => Kind::from_type_name(own.as_str()?),
        _ => None,
    }
}

/// Schema and rules of the kind that is meant; the rules only where the record says that it is of this kind.
fn signed(kind: Kind, record: &Value) -> Result<Vec<Violation>, GateError> {
    let document = scan(canonical::write(record)?, MAX_RECORD_LEN)?;
    let violations = validate(kind.schema_name(), &document);
    Ok(if violations.is_empty() { record::check(&document) } else { violations })
}

/// A draft as a node would complete it. What depends on the agreement and on earlier records is checked when it is published.
fn draft(bytes: &[u8]) -> Result<Vec<Violation>, GateError> {
    const METHOD: &str = "did:web:node.example#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
    let issuer = Did::parse("did:web:node.example").expect("a DID of the form that is asked for");
    let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").expect("a UUID of version 7");
    let read = match Draft::read(bytes) {
        Ok(draft) => draft,
        Err(DraftError::Invalid(violations)) => return Ok(violations),
        Err(DraftError::Gate(error)) => return Err(error),
    };
    match read.complete(&Completion { issuer: &issuer, id, verification_method: METHOD, created: 0 }) {
        Ok(_) => Ok(Vec::new()),
        Err(DraftError::Invalid(violations)) => Ok(below_record(violations)),
        Err(DraftError::Gate(error)) => Err(error),
    }
}

/// Pointers of a record that stands in a member `record`.
fn below_record(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.iter_mut().for_each(|violation| violation.pointer.insert_str(0, "/record"));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::released::examples;
    use serde_json::json;

    #[test]
    fn what_a_document_is_shows_in_its_members() {
        for (schema, form) in [
            (SchemaName::StudentStatus, "student-status"),
            (SchemaName::EnrollmentConnection, "enrollment-connection"),
            (SchemaName::QualificationRecognition, "qualification-recognition"),
            (SchemaName::Withdrawal, "withdrawal"),
            (SchemaName::Agreement, "agreement"),
            (SchemaName::Policy, "policy"),
            (SchemaName::Verdict, "verdict"),
        ] {
            for example in examples(schema) {
                let document: Value = serde_json::from_str(example.text).unwrap();
                let found = Form::of(&document).unwrap();
                assert_eq!(Some(found), Form::from_name(form), "{}", example.name);
                assert_eq!(found.violations(&document).unwrap(), [], "{}", example.name);
            }
        }
        assert!(NAMES.iter().all(|name| Form::from_name(name).is_some_and(|form| form.name() == *name)));
        for other in [json!([]), json!({}), json!({"type": "StudentStatus"}), json!("x"), json!({"record": 1})] {
            assert_eq!(Form::of(&other), None, "{other}");
        }
    }

    #[test]
    fn drafts_and_lines_of_pages_point_below_record() {
        let mut record: Value = serde_json::from_str(examples(SchemaName::StudentStatus)[0].text).unwrap();
        record["credentialSubject"]["effectiveOn"] = json!("2020-01-01");
        let line = json!({"index": 5, "salt": "x", "record": record});
        let form = Form::of(&line).unwrap();
        assert_eq!(form, Form::Page(Kind::StudentStatus));
        assert_eq!(form.violations(&line).unwrap()[0].pointer, "/record/credentialSubject/effectiveOn");
        for member in ["@context", "issuer", "credentialSchema", "proof"] {
            record.as_object_mut().unwrap().remove(member);
        }
        let draft = json!({"draftId": "a", "record": record});
        assert_eq!(Form::of(&draft), Some(Form::Draft));
        let found = Form::Draft.violations(&draft).unwrap();
        assert_eq!(
            (&*found[0].pointer, &*found[0].rule),
            ("/record/credentialSubject/effectiveOn", "status/effective-date")
        );
        assert_eq!(Form::of(&record), Some(Form::Draft));
        assert_eq!(Form::Draft.violations(&record).unwrap()[0].rule, "draft/record");
    }
}
