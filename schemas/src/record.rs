//! The envelope of a record (records §1): reading the members that rules and checks need, and checking a whole record.
//!
//! A [`Draft`] is what a registrar's system hands over; completed and checked it is a [`Record`], which can be signed.
mod draft;
mod rules;

pub use draft::{Completion, Draft, DraftError, MAX_DRAFT_ID_LEN, PLACEHOLDER_PROOF_VALUE};
pub(crate) use rules::{Checker, violation};

use crate::code::codes;
use crate::id::{AgreementId, RecordId};
use crate::scan::{Item, Scanned};
use crate::validate::{SchemaName, validate};
use crate::violation::Violation;
use jiff::civil::Date;
use std::borrow::Cow;

/// The two contexts of every record, in order; never fetched, never processed as JSON-LD.
pub const CONTEXTS: [&str; 2] = ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/hefu/contexts/v1.jsonld"];

codes! {
    /// The kinds of record, and the small `Withdrawal`; the codes are the names of their schemas.
    pub enum Kind {
        StudentStatus => "student-status",
        EnrollmentConnection => "enrollment-connection",
        QualificationRecognition => "qualification-recognition",
        Withdrawal => "withdrawal",
    }
}

impl Kind {
    /// The second item of the record's `type`.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::StudentStatus => "StudentStatus",
            Self::EnrollmentConnection => "EnrollmentConnection",
            Self::QualificationRecognition => "QualificationRecognition",
            Self::Withdrawal => "Withdrawal",
        }
    }

    /// The kind of a type name.
    pub fn from_type_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.type_name() == name)
    }

    /// The kind that a document says it is, whether or not it is valid.
    pub fn of(document: &Scanned<'_>) -> Option<Self> {
        Self::of_object(document.root())
    }

    /// The kind that an object says it is.
    fn of_object(object: Item<'_>) -> Option<Self> {
        let mut types = object.member("type")?.items();
        let (base, own) = (types.next()?, types.next()?);
        if base.as_str()? != "VerifiableCredential" || types.next().is_some() {
            return None;
        }
        Self::from_type_name(&own.as_str()?)
    }

    /// The schema of the kind.
    pub const fn schema_name(self) -> SchemaName {
        match self {
            Self::StudentStatus => SchemaName::StudentStatus,
            Self::EnrollmentConnection => SchemaName::EnrollmentConnection,
            Self::QualificationRecognition => SchemaName::QualificationRecognition,
            Self::Withdrawal => SchemaName::Withdrawal,
        }
    }
}

/// A validated, unsigned record: canonical bytes whose proof still has [`PLACEHOLDER_PROOF_VALUE`].
#[derive(Debug, Clone)]
pub struct Record {
    document: Scanned<'static>,
    kind: Kind,
}

impl Record {
    /// The canonical document with the placeholder.
    pub fn document(&self) -> &Scanned<'static> {
        &self.document
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads its members.
    pub fn view(&self) -> View<'_> {
        View::read(&self.document).expect("the record was checked when it was made")
    }
}

/// Schema and the rules that need this record alone, for a document from anywhere.
///
/// The rules are asked only of a document that the schema accepts: they rely on its shape.
pub fn check(document: &Scanned<'_>) -> Vec<Violation> {
    let Some(kind) = Kind::of(document) else {
        return vec![violation(
            "/type",
            "record/type",
            "不是已发布的记录类别",
            "not a kind of record that is released",
        )];
    };
    let violations = validate(kind.schema_name(), document);
    if violations.is_empty() { rules::check(document) } else { violations }
}

/// The members of the envelope that checks and rules read. Made of a document that [`check`] accepted, or `None`.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
    /// The issuer, as text.
    pub issuer: Cow<'a, str>,
    /// First ten characters of `validFrom`.
    pub valid_from: Date,
    /// `validFrom` as written.
    pub valid_from_text: Cow<'a, str>,
    /// The cited agreement.
    pub agreement: AgreementId,
    /// The cited version.
    pub agreement_version: u32,
    /// Id of the schema.
    pub schema: Cow<'a, str>,
    /// The record that this one continues.
    pub follows: Option<RecordId>,
    /// The record that this one corrects.
    pub supersedes: Option<RecordId>,
    /// The records, own or a peer's, on which this decision relied.
    pub basis: Vec<(String, RecordId)>,
    /// Code and scheme-independent name of the stating office: `statedBy.code`.
    pub stated_by: Cow<'a, str>,
    /// `credentialSubject`.
    pub subject: Item<'a>,
    /// `proof.verificationMethod`.
    pub verification_method: Cow<'a, str>,
}

impl<'a> View<'a> {
    /// Reads the envelope; `None` where a member is missing or malformed.
    pub fn read(document: &'a Scanned<'_>) -> Option<Self> {
        let root = document.root();
        let text = |item: Item<'a>| item.as_str();
        let terms = root.member("termsOfUse")?.items().next()?;
        let valid_from_text = text(root.member("validFrom")?)?;
        Some(Self {
            kind: Kind::of(document)?,
            id: RecordId::parse(&root.member("id")?.as_str()?).ok()?,
            issuer: text(root.member("issuer")?)?,
            valid_from: valid_from_text.get(..10)?.parse().ok()?,
            valid_from_text,
            agreement: AgreementId::parse(&terms.member("id")?.as_str()?).ok()?,
            agreement_version: u32::try_from(terms.member("version")?.as_integer()?).ok()?,
            schema: text(root.pointer("/credentialSchema/id")?)?,
            follows: optional_id(root, "follows")?,
            supersedes: optional_id(root, "supersedes")?,
            basis: basis(root)?,
            stated_by: text(root.pointer("/statedBy/code")?)?,
            subject: root.member("credentialSubject")?,
            verification_method: text(root.pointer("/proof/verificationMethod")?)?,
        })
    }
}

/// Issuer and id of each item; empty where there is none, `None` where one is malformed.
fn basis(root: Item<'_>) -> Option<Vec<(String, RecordId)>> {
    let read = |item: Item<'_>| {
        let issuer = item.member("issuer")?.as_str()?.into_owned();
        Some((issuer, RecordId::parse(&item.member("id")?.as_str()?).ok()?))
    };
    root.member("basis").map_or(Some(Vec::new()), |list| list.items().map(read).collect())
}

/// `Some(None)` where the member is absent, `None` where it is malformed.
fn optional_id(root: Item<'_>, name: &str) -> Option<Option<RecordId>> {
    match root.member(name) {
        None => Some(None),
        Some(item) => RecordId::parse(&item.as_str()?).ok().map(Some),
    }
}
