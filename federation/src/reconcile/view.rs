//! The members that rules read, taken from a record once. Owned, small.
mod recognition;

pub use recognition::{Appeal, Component, Condition, Converted, Credits, Mapping, Recognition, Revocation, Source};

use super::finding::date;
use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
use hefu_schemas::id::{AgreementId, RecordId};
use hefu_schemas::qualification_recognition::Step as RecognitionStep;
use hefu_schemas::record::{self, Kind};
use hefu_schemas::scan::{Item, Scanned};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;

/// What rules read of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its id.
    pub id: RecordId,
    /// Its issuer, a DID.
    pub issuer: String,
    /// Date of `validFrom`.
    pub valid_from: Date,
    /// Cited agreement and version.
    pub agreement: (AgreementId, u32),
    /// `follows`.
    pub follows: Option<RecordId>,
    /// `supersedes`.
    pub supersedes: Option<RecordId>,
    /// The records on which it relies: DID of the issuer, id.
    pub basis: Vec<(String, RecordId)>,
    /// Code of the office that states it.
    pub stated_by: String,
    /// By kind.
    pub body: Body,
}
/// The body by kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the schema")]
#[expect(clippy::large_enum_variant, reason = "a key has few facts at a time, mostly of the large variant")]
pub enum Body {
    StudentStatus {
        subject: String,
        same_as: Vec<String>,
        stage: Stage,
        status: Status,
        event: Event,
        effective_on: Date,
        until: Option<Date>,
        connection: Option<String>,
        /// Transferred out under no connection: to a city that is no party, or abroad.
        leaves_federation: bool,
        full_time: Option<bool>,
    },
    EnrollmentConnection {
        subject: Option<String>,
        same_as: Vec<String>,
        connection: String,
        kind: ConnectionKind,
        role: Role,
        step: Step,
        step_on: Date,
        waiting_for: bool,
        sending: Side,
        receiving: Side,
        requested_on: Date,
        programme: Option<String>,
        planned: Option<Period>,
        actual: Option<Period>,
    },
    QualificationRecognition(Box<Recognition>),
    /// A withdrawal, filed under the keys of what it withdraws.
    Withdrawal {
        record: RecordId,
        from: Date,
    },
}
/// A period; `to` is the first day that no longer belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Period {
    pub from: Date,
    pub to: Option<Date>,
}
/// One side of a connection: city code, institution (`scheme:code`), office code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Side {
    pub city: String,
    pub office: Option<String>,
    pub institution: Option<String>,
    pub programme: Option<String>,
    pub grade: Option<String>,
}
impl View {
    /// Reads a record that passed the checks; `None` if a needed member is missing.
    pub fn read(document: &Scanned<'_>) -> Option<Self> {
        let envelope = record::View::read(document)?;
        let body = match envelope.kind {
            Kind::StudentStatus => student_status(envelope.subject)?,
            Kind::EnrollmentConnection => enrollment_connection(envelope.subject)?,
            Kind::QualificationRecognition => {
                Body::QualificationRecognition(Box::new(recognition::recognition(envelope.subject)?))
            }
            Kind::Withdrawal => withdrawal(envelope.subject)?,
        };
        Some(Self {
            id: envelope.id,
            issuer: envelope.issuer.into_owned(),
            valid_from: envelope.valid_from,
            agreement: (envelope.agreement, envelope.agreement_version),
            follows: envelope.follows,
            supersedes: envelope.supersedes,
            basis: envelope.basis,
            stated_by: envelope.stated_by.into_owned(),
            body,
        })
    }
    /// The records that it cites by issuer and id: what its `record` keys are made of. A followed record is mostly filed under
    /// the same key as its follower. It need not be where the follower has changed the reference of the person, nor where a
    /// recognition names nobody; and who relies on a recognition must hear of its revocation, which follows it.
    pub fn citations(&self) -> impl Iterator<Item = Citation<'_>> {
        let follows = self.follows.filter(|_| self.cites_what_it_follows());
        let follows = follows.map(|id| Citation { issuer: &self.issuer, id, member: "follows" });
        let source = match &self.body {
            Body::QualificationRecognition(body) => body.source.record.as_ref(),
            _ => None,
        };
        let source = source.map(|(issuer, id)| Citation { issuer, id: *id, member: "source.record" });
        let basis = self.basis.iter().map(|(issuer, id)| Citation { issuer, id: *id, member: "basis" });
        basis.chain(source).chain(follows)
    }
    /// Whether what it follows is asked under the `record` key of that.
    pub(super) fn cites_what_it_follows(&self) -> bool {
        self.is_moved() || matches!(self.body, Body::QualificationRecognition(_))
    }
    /// Whether it takes back what it follows.
    pub(super) fn revokes(&self) -> bool {
        let step = match &self.body {
            Body::QualificationRecognition(body) => Some(body.step),
            _ => None,
        };
        matches!(step, Some(RecognitionStep::Revoked | RecognitionStep::Denied))
    }
    /// The kind and stage for which the stating office must be named in `mayState` (rule A4); `None` for a withdrawal, which any
    /// office may state.
    pub fn competence(&self) -> Option<(Kind, Option<&'static str>)> {
        match &self.body {
            Body::StudentStatus { stage, .. } => Some((Kind::StudentStatus, Some(stage.code()))),
            Body::EnrollmentConnection { .. } => Some((Kind::EnrollmentConnection, None)),
            Body::QualificationRecognition(_) => Some((Kind::QualificationRecognition, None)),
            Body::Withdrawal { .. } => None,
        }
    }
    /// Whether it names the person by more references than one.
    pub(super) fn is_moved(&self) -> bool {
        match &self.body {
            Body::StudentStatus { same_as, .. } | Body::EnrollmentConnection { same_as, .. } => !same_as.is_empty(),
            Body::QualificationRecognition(body) => !body.same_as.is_empty(),
            Body::Withdrawal { .. } => false,
        }
    }
}

/// A record that another one cites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Citation<'a> {
    /// Its issuer, a DID.
    pub issuer: &'a str,
    /// Its id.
    pub id: RecordId,
    /// The member that cites it.
    pub member: &'static str,
}

fn student_status(item: Item<'_>) -> Option<Body> {
    let status = Status::from_code(&text(item, "status")?)?;
    let connection = optional(item, "connection", as_text)?;
    Some(Body::StudentStatus {
        subject: text(item, "id")?,
        same_as: texts(item, "sameAs")?,
        stage: Stage::from_code(&text(item, "stage")?)?,
        status,
        event: Event::from_code(&text(item, "event")?)?,
        effective_on: day(item, "effectiveOn")?,
        until: optional(item, "until", as_date)?,
        leaves_federation: status == Status::TransferredOut && connection.is_none(),
        connection,
        full_time: optional(item, "fullTime", |value| value.as_bool())?,
    })
}

fn enrollment_connection(item: Item<'_>) -> Option<Body> {
    Some(Body::EnrollmentConnection {
        subject: optional(item, "id", as_text)?,
        same_as: texts(item, "sameAs")?,
        connection: text(item, "connection")?,
        kind: ConnectionKind::from_code(&text(item, "connectionKind")?)?,
        role: Role::from_code(&text(item, "role")?)?,
        step: Step::from_code(&text(item, "step")?)?,
        step_on: day(item, "stepOn")?,
        waiting_for: item.member("waitingFor").is_some(),
        sending: side(item.member("sending")?)?,
        receiving: side(item.member("receiving")?)?,
        requested_on: day(item, "requestedOn")?,
        programme: optional(item, "programme", as_text)?,
        planned: optional(item, "plannedPeriod", period)?,
        actual: optional(item, "actualPeriod", period)?,
    })
}

fn withdrawal(item: Item<'_>) -> Option<Body> {
    Some(Body::Withdrawal { record: RecordId::parse(&text(item, "record")?).ok()?, from: day(item, "from")? })
}

fn side(item: Item<'_>) -> Option<Side> {
    Some(Side {
        city: text(item.member("city")?, "code")?,
        office: optional(item, "office", |office| text(office, "code"))?,
        institution: optional(item, "institution", institution)?,
        programme: optional(item, "programme", as_text)?,
        grade: optional(item, "grade", |grade| grade.as_integer().map(|grade| grade.to_string()))?,
    })
}

/// Codes of two schemes may look alike: the scheme is part of it.
fn institution(item: Item<'_>) -> Option<String> {
    Some(format!("{}:{}", text(item, "scheme")?, text(item, "code")?))
}

fn period(item: Item<'_>) -> Option<Period> {
    Some(Period { from: day(item, "from")?, to: optional(item, "to", as_date)? })
}

fn as_text(item: Item<'_>) -> Option<String> {
    item.as_str().map(std::borrow::Cow::into_owned)
}

fn as_date(item: Item<'_>) -> Option<Date> {
    date(&item.as_str()?)
}

fn text(item: Item<'_>, name: &str) -> Option<String> {
    as_text(item.member(name)?)
}

fn day(item: Item<'_>, name: &str) -> Option<Date> {
    as_date(item.member(name)?)
}

fn texts(item: Item<'_>, name: &str) -> Option<Vec<String>> {
    item.member(name).map_or(Some(Vec::new()), |list| list.items().map(as_text).collect())
}

/// `Some(None)` where the member is absent, `None` where it is not what `read` reads.
fn optional<'a, T>(item: Item<'a>, name: &str, read: impl FnOnce(Item<'a>) -> Option<T>) -> Option<Option<T>> {
    match item.member(name) {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::canonical::canonicalize;
    use hefu_schemas::gate::MAX_RECORD_LEN;
    use hefu_schemas::qualification_recognition::{Outcome, Role};
    use hefu_schemas::scan::scan;
    use std::path::{Path, PathBuf};

    fn examples(kind: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json").join(kind).join("valid");
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn read(path: &Path) -> Option<View> {
        let bytes = canonicalize(&std::fs::read(path).unwrap(), MAX_RECORD_LEN).unwrap();
        View::read(&scan(bytes, MAX_RECORD_LEN).unwrap())
    }

    fn example(kind: &str, name: &str) -> View {
        read(&examples(kind).into_iter().find(|path| path.ends_with(name)).unwrap()).unwrap()
    }

    #[test]
    fn reads_every_example_of_the_schemas() {
        for kind in ["student-status", "enrollment-connection", "qualification-recognition", "withdrawal"] {
            let examples = examples(kind);
            assert!(!examples.is_empty());
            for path in examples {
                let view = read(&path).unwrap_or_else(|| panic!("{}", path.display()));
                let fits = match &view.body {
                    Body::StudentStatus { effective_on, .. } => {
                        kind == "student-status" && *effective_on == view.valid_from
                    }
                    Body::EnrollmentConnection { step_on, .. } => {
                        kind == "enrollment-connection" && *step_on == view.valid_from
                    }
                    Body::QualificationRecognition(recognition) => {
                        kind == "qualification-recognition" && recognition.step_on == view.valid_from
                    }
                    Body::Withdrawal { from, .. } => kind == "withdrawal" && *from == view.valid_from,
                };
                assert!(fits, "{}", path.display());
            }
        }
    }

    #[test]
    fn reads_the_members_of_a_status() {
        let to_a_party = example("student-status", "transfer-out-to-a-party.json");
        let Body::StudentStatus { status, event, connection, leaves_federation, .. } = to_a_party.body else {
            panic!()
        };
        assert_eq!((status, event), (Status::TransferredOut, Event::TransferOut));
        assert!(connection.is_some() && !leaves_federation && to_a_party.follows.is_some());
        let out = example("student-status", "transfer-out-of-the-federation.json");
        let Body::StudentStatus { connection, leaves_federation, .. } = out.body else { panic!() };
        assert!(connection.is_none() && leaves_federation);
        let entered = example("student-status", "enter.json");
        assert!(matches!(entered.body, Body::StudentStatus { leaves_federation: false, connection: None, .. }));
    }

    #[test]
    fn reads_the_members_of_a_half() {
        let half = example("enrollment-connection", "transfer-waiting-for-documents.json");
        let Body::EnrollmentConnection { waiting_for, kind, sending, receiving, .. } = half.body else { panic!() };
        assert!(waiting_for);
        assert_eq!(kind, ConnectionKind::Transfer);
        for side in [sending, receiving] {
            assert_eq!(side.city.len(), 6);
            assert!(side.office.is_some() && side.institution.unwrap().starts_with("cn-school-id:"));
        }
        let stay = example("enrollment-connection", "visiting-nominated.json");
        assert!(matches!(stay.body, Body::EnrollmentConnection { planned: Some(Period { to: Some(_), .. }), .. }));
    }

    #[test]
    fn reads_the_members_of_a_recognition() {
        let view = example("qualification-recognition", "recognising-credits.json");
        let (issuer, relied_on) = view.basis.first().unwrap();
        let Body::QualificationRecognition(half) = &view.body else { panic!() };
        assert_eq!((half.role, half.outcome), (Role::Recognising, Some(Outcome::Partial)));
        assert_eq!(half.source.record, Some((issuer.clone(), *relied_on)));
        assert!(half.subject.is_some() && half.appeal_until.is_some() && !half.reasons.is_empty());
        let converted = half.mapping.iter().filter_map(|row| row.converted.as_ref());
        let total: i64 = converted.map(|converted| converted.credits.hundredths).sum();
        assert_eq!((half.components.len(), half.mapping.len(), total), (3, 2, 800));
        let award = example("qualification-recognition", "awarding-skill-level.json");
        let Body::QualificationRecognition(award) = award.body else { panic!() };
        assert_eq!(award.source.nqf, Some(("cn-skill".to_owned(), "level-3".to_owned())));
        assert_eq!((award.role, award.purpose, award.outcome), (Role::Awarding, None, None));
    }

    #[test]
    fn a_member_that_is_missing_or_malformed_is_no_view() {
        let path = examples("student-status").into_iter().find(|path| path.ends_with("suspend.json")).unwrap();
        let text = String::from_utf8(canonicalize(&std::fs::read(path).unwrap(), MAX_RECORD_LEN).unwrap()).unwrap();
        let read = |text: &str| View::read(&scan(text.as_bytes(), MAX_RECORD_LEN).unwrap());
        assert!(read(&text).is_some());
        for (from, to) in [
            ("\"status\":\"suspended\"", "\"status\":\"asleep\""),
            ("\"effectiveOn\":\"", "\"effectiveOn\":\"9"),
            ("\"until\":\"", "\"until\":\"x"),
            ("\"stage\":\"", "\"stagf\":\""),
        ] {
            assert!(text.contains(from));
            assert_eq!(read(&text.replace(from, to)), None, "{to}");
        }
        assert_eq!(read("{}"), None);
    }
}
