//! Drafts: what a registrar's system hands over, and what the node adds to make a record of it (bytes: Draft).
use super::{CONTEXTS, Kind, Record, check, violation};
use crate::canonical::{self, string, with_members};
use crate::gate::{GateError, MAX_RECORD_LEN};
use crate::id::{Did, Digest, RecordId};
use crate::released::released_schema;
use crate::scan::{Item, Scanned, scan, scan_any};
use crate::violation::Violation;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::LazyLock;
use thiserror::Error;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The `proofValue` of a completed draft until it is signed: 88 characters of base58btc behind `z`.
pub const PLACEHOLDER_PROOF_VALUE: &str =
    "z1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111";

/// Longest draft id, in characters.
pub const MAX_DRAFT_ID_LEN: usize = 128;

/// Most proofs are shorter: their text is allocated once.
const USUAL_PROOF_LEN: usize = 512;

/// The members that the node adds, which a draft must not have.
const NODE_MEMBERS: [&str; 5] = ["@context", "issuer", "credentialSchema", "credentialStatus", "proof"];

/// A line of input: what a registrar's system hands over to be published.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// Idempotency key, `[A-Za-z0-9._:-]{1,128}`.
    pub draft_id: String,
    /// SHA-256 of the canonical bytes of `record` as given (to tell a repeat from a conflict).
    pub content: Digest,
    /// The whole line in canonical form, its texts in NFC: as it came, where it came so.
    line: Scanned<'a>,
}

/// What the node adds to a draft.
#[derive(Debug, Clone)]
pub struct Completion<'a> {
    /// The publishing node.
    pub issuer: &'a Did,
    /// Used when the draft has no `id`.
    pub id: RecordId,
    /// `<did>#<multikey>` of the record key.
    pub verification_method: &'a str,
    /// Proof creation, UTC seconds, written as `YYYY-MM-DDThh:mm:ssZ`.
    pub created: i64,
}

/// Why a draft could not be read or completed.
#[derive(Debug, Error)]
pub enum DraftError {
    /// The bytes are no acceptable JSON.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// JSON, but no draft or no valid record.
    #[error("{} violations", .0.len())]
    Invalid(Vec<Violation>),
}

impl<'a> Draft<'a> {
    /// Reads one line `{draftId?, record}` of any layout.
    ///
    /// # Errors
    /// What the gate refuses; unknown or missing members; a draft id out of its pattern; a member that the node adds.
    pub fn read(line: &'a [u8]) -> Result<Self, DraftError> {
        let line = scan_any(line, MAX_RECORD_LEN)?;
        if !line.root().is_object() {
            return Err(invalid("", "draft/shape", "草稿必须是对象", "a draft is an object"));
        }
        let Some(record) = line.root().member("record").filter(Item::is_object) else {
            return Err(invalid("/record", "draft/record", "缺少记录对象", "the record is missing or no object"));
        };
        if line.root().members().any(|(name, _)| name != "record" && name != "draftId") {
            // The name of the member is not quoted: whoever misplaced it may have put an identifier there.
            return Err(invalid("", "draft/unknown-member", "草稿含有未知成员", "the draft has an unknown member"));
        }
        let of_node: Vec<_> =
            NODE_MEMBERS.into_iter().filter(|name| record.member(name).is_some()).map(member_of_node).collect();
        if !of_node.is_empty() {
            return Err(DraftError::Invalid(of_node));
        }
        let content = Digest::of(record.raw());
        let draft_id = read_draft_id(line.root().member("draftId"), content)?;
        let line = if is_normalised(record.raw()) { line } else { normalised(&line)? };
        Ok(Self { draft_id, content, line })
    }

    /// The record without `@context`, `issuer`, `credentialSchema`, `credentialStatus`, `proof`; its texts in NFC.
    pub fn record(&self) -> Item<'_> {
        self.line.root().member("record").expect("a draft is read only with one")
    }

    /// The id that the registrar's system gave it, if it is one.
    pub fn id(&self) -> Option<RecordId> {
        RecordId::parse(&self.record().member("id")?.as_str()?).ok()
    }

    /// Adds the envelope and a placeholder `proofValue`, and validates the whole against schema and own rules.
    ///
    /// # Errors
    /// All violations.
    pub fn complete(self, completion: &Completion<'_>) -> Result<Record, DraftError> {
        let record = self.record();
        let Some(kind) = Kind::of_object(record) else {
            return Err(invalid(
                "/type",
                "record/type",
                "不是已发布的记录类别",
                "not a kind of record that is released",
            ));
        };
        let schema = released_schema(kind.schema_name()).id;
        let issuer = quoted(completion.issuer.as_str());
        let credential_schema = [r#"{"id":""#, schema, r#"","type":"JsonSchema"}"#].concat();
        let id = if record.member("id").is_none() { format!(r#""{}""#, completion.id) } else { String::new() };
        let proof = unsigned_proof(completion)?;
        // In canonical order.
        let added = [
            ("@context", CONTEXTS_TEXT.as_bytes()),
            ("credentialSchema", credential_schema.as_bytes()),
            ("id", id.as_bytes()),
            ("issuer", issuer.as_slice()),
            ("proof", proof.as_slice()),
        ];
        let document = scan(with_members(record, &added), MAX_RECORD_LEN)?;
        let violations = check(&document);
        if violations.is_empty() { Ok(Record { document, kind }) } else { Err(DraftError::Invalid(violations)) }
    }
}

fn invalid(pointer: &str, rule: &str, zh: &str, en: &str) -> DraftError {
    DraftError::Invalid(vec![violation(pointer, rule, zh, en)])
}

fn member_of_node(name: &str) -> Violation {
    let pointer = format!("/record/{name}");
    violation(&pointer, "draft/member-of-node", "该成员由节点添加，草稿中不得出现", "the node adds this member itself")
}

/// The id as given, or by default the digest of the content in hex.
fn read_draft_id(given: Option<Item<'_>>, content: Digest) -> Result<String, DraftError> {
    let fits = |id: &str| {
        (1..=MAX_DRAFT_ID_LEN).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
    };
    let Some(given) = given else { return Ok(content.to_string()) };
    given.as_str().filter(|id| fits(id)).map(Cow::into_owned).ok_or_else(|| {
        invalid(
            "/draftId",
            "draft/id",
            "草稿编号只能由字母、数字和 . _ : - 组成，最长 128 个字符",
            "a draft id has 1 to 128 letters, digits and . _ : -",
        )
    })
}

/// Whether canonical text is in NFC for certain. Escapes are ASCII, so that what holds for the text holds for what it says.
fn is_normalised(text: &[u8]) -> bool {
    // ASCII and U+4000 to U+9FFF (first bytes E4 to E9), which is nearly all Chinese text, never change nor combine.
    text.iter().all(|byte| matches!(byte, 0..=0xbf | 0xe4..=0xe9))
        || std::str::from_utf8(text).is_ok_and(|text| is_nfc_quick(text.chars()) == IsNormalized::Yes)
}

/// Text that people enter is in NFC before it is signed (protocol §1).
fn normalised(line: &Scanned<'_>) -> Result<Scanned<'static>, GateError> {
    let mut value = line.root().to_value();
    normalise(&mut value);
    scan(canonical::write(&value)?, usize::MAX)
}

/// The gate has limited the depth.
fn normalise(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_ascii() => *text = text.nfc().collect(),
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(members) => members.values_mut().for_each(normalise),
        _ => {}
    }
}

/// The proof without its signature (bytes: Proof), its members in canonical order.
fn unsigned_proof(completion: &Completion<'_>) -> Result<Vec<u8>, DraftError> {
    let created = jiff::Timestamp::from_second(completion.created)
        .map_err(|_| invalid("/proof/created", "record/no-such-date", "日期不存在", "no such date in the calendar"))?;
    let created = created.to_string();
    let parts = [
        r#"{"@context":"#,
        CONTEXTS_TEXT.as_str(),
        r#","created":""#,
        created.as_str(),
        r#"","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod","proofValue":""#,
        PLACEHOLDER_PROOF_VALUE,
        r#"","type":"DataIntegrityProof","verificationMethod":"#,
    ];
    let mut proof = Vec::with_capacity(USUAL_PROOF_LEN);
    parts.into_iter().for_each(|part| proof.extend_from_slice(part.as_bytes()));
    string::write(&mut proof, completion.verification_method);
    proof.push(b'}');
    Ok(proof)
}

/// A canonical JSON string.
fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    string::write(&mut out, text);
    out
}

/// The contexts as canonical JSON.
static CONTEXTS_TEXT: LazyLock<String> = LazyLock::new(|| json!(CONTEXTS).to_string());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateErrorKind;

    const ENTER: &str = include_str!("../../json/student-status/valid/enter.json");
    const REQUESTED: &str = include_str!("../../json/enrollment-connection/valid/transfer-requested.json");
    const WITHDRAWAL: &str = include_str!("../../json/withdrawal/valid/fraud.json");
    const KEY: &str = "did:web:km.example#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";

    /// A published example as its registrar's system would have handed it over.
    fn draft_of(example: &str) -> Value {
        let mut record: Value = serde_json::from_str(example).unwrap();
        let members = record.as_object_mut().unwrap();
        NODE_MEMBERS.iter().for_each(|name| drop(members.remove(*name)));
        members.remove("id");
        json!({ "record": record })
    }

    /// What a line says.
    fn read(line: &Value) -> Result<(String, Digest, Value), DraftError> {
        Draft::read(line.to_string().as_bytes()).map(said)
    }

    fn said(draft: Draft<'_>) -> (String, Digest, Value) {
        let record = draft.record().to_value();
        (draft.draft_id, draft.content, record)
    }

    fn complete(line: &Value) -> Result<Record, DraftError> {
        let issuer = Did::parse("did:web:km.example").unwrap();
        let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let completion = Completion { issuer: &issuer, id, verification_method: KEY, created: 1_788_220_800 };
        Draft::read(line.to_string().as_bytes())?.complete(&completion)
    }

    fn rules(error: DraftError) -> Vec<(String, String)> {
        match error {
            DraftError::Invalid(violations) => violations.into_iter().map(|v| (v.pointer, v.rule)).collect(),
            DraftError::Gate(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_placeholder_is_as_long_as_a_signature() {
        assert_eq!((PLACEHOLDER_PROOF_VALUE.len(), &PLACEHOLDER_PROOF_VALUE[..2]), (89, "z1"));
    }

    #[test]
    fn a_draft_of_each_kind_becomes_a_record() {
        const AWARD: &str = include_str!("../../json/qualification-recognition/valid/awarding-skill-level.json");
        for (example, kind) in [
            (ENTER, Kind::StudentStatus),
            (REQUESTED, Kind::EnrollmentConnection),
            (AWARD, Kind::QualificationRecognition),
            (WITHDRAWAL, Kind::Withdrawal),
        ] {
            let record = complete(&draft_of(example)).unwrap();
            let view = record.view();
            assert_eq!((record.kind(), view.kind), (kind, kind));
            assert_eq!(view.id.to_string(), "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057");
            assert_eq!((view.issuer.as_ref(), view.verification_method.as_ref()), ("did:web:km.example", KEY));
            assert_eq!(view.agreement_version, 1);
            let text = std::str::from_utf8(record.document().bytes()).unwrap();
            assert!(text.contains("\"created\":\"2026-09-01T00:00:00Z\"") && text.contains(PLACEHOLDER_PROOF_VALUE));
            assert_eq!(canonical::canonicalize(text.as_bytes(), MAX_RECORD_LEN).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn an_id_that_is_given_stays() {
        let mut line = draft_of(ENTER);
        line["record"]["id"] = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8058".into();
        assert_eq!(complete(&line).unwrap().view().id.to_string(), "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8058");
    }

    #[test]
    fn the_draft_id_is_by_default_the_digest_of_the_content() {
        let mut line = draft_of(ENTER);
        let draft = read(&line).unwrap();
        let (draft_id, content, _) = &draft;
        assert_eq!(*content, Digest::of(&canonical::write(&line["record"]).unwrap()));
        assert_eq!(*draft_id, content.to_string());
        let spaced = serde_json::to_string_pretty(&line).unwrap();
        assert_eq!(said(Draft::read(spaced.as_bytes()).unwrap()), draft);
        line["draftId"] = "xueji:2026.09_1-a".into();
        let named = read(&line).unwrap();
        assert_eq!((named.0.as_str(), named.1), ("xueji:2026.09_1-a", *content));
    }

    #[test]
    fn texts_are_normalised_and_the_content_is_as_given() {
        let mut line = draft_of(ENTER);
        line["record"]["statedBy"]["name"]["fr"] = "E\u{301}cole".into();
        let (_, content, record) = read(&line).unwrap();
        assert_eq!(record["statedBy"]["name"]["fr"], "\u{c9}cole");
        assert_eq!(content, Digest::of(&canonical::write(&line["record"]).unwrap()));
    }

    #[test]
    fn text_that_is_taken_for_normalised_is() {
        for code in (0..0x80).chain(0x4000..0xa000) {
            let character = char::from_u32(code).unwrap();
            assert_eq!(is_nfc_quick(std::iter::once(character)), IsNormalized::Yes, "{code:x}");
            assert_eq!(unicode_normalization::char::canonical_combining_class(character), 0, "{code:x}");
        }
        for (text, expected) in [
            ("王小明 A-1", true),
            ("\u{3400}（）·é", true),
            ("e\u{301}", false),
            ("\u{f900}", false),
            ("\u{2f800}", false),
        ] {
            assert_eq!(is_normalised(text.as_bytes()), expected, "{text:?}");
            assert_eq!(text.nfc().eq(text.chars()), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_that_are_no_draft() {
        let record = draft_of(ENTER)["record"].clone();
        let with = |name: &str| {
            let mut record = record.clone();
            record[name] = json!({});
            json!({ "record": record })
        };
        let long = "a".repeat(MAX_DRAFT_ID_LEN + 1);
        let table = [
            (json!([]), "", "draft/shape"),
            (json!({}), "/record", "draft/record"),
            (json!({ "record": [] }), "/record", "draft/record"),
            (json!({ "record": record, "990010201203040014": 1 }), "", "draft/unknown-member"),
            (json!({ "record": record, "draftId": "" }), "/draftId", "draft/id"),
            (json!({ "record": record, "draftId": "王小明" }), "/draftId", "draft/id"),
            (json!({ "record": record, "draftId": 1 }), "/draftId", "draft/id"),
            (json!({ "record": record, "draftId": long }), "/draftId", "draft/id"),
            (with("proof"), "/record/proof", "draft/member-of-node"),
            (with("issuer"), "/record/issuer", "draft/member-of-node"),
            (with("credentialStatus"), "/record/credentialStatus", "draft/member-of-node"),
        ];
        for (line, pointer, rule) in table {
            assert_eq!(rules(read(&line).unwrap_err()), [(pointer.to_owned(), rule.to_owned())], "{rule} {pointer}");
        }
        let twice = Draft::read(br#"{"record":{"id":1,"id":2}}"#).unwrap_err();
        assert!(matches!(twice, DraftError::Gate(GateError { kind: GateErrorKind::DuplicateMember, .. })));
    }

    #[test]
    fn drafts_of_no_valid_record() {
        let edited = |edit: fn(&mut Value)| {
            let mut line = draft_of(ENTER);
            edit(&mut line["record"]);
            rules(complete(&line).unwrap_err())
        };
        let all = |pointer: &str, rule: &str| vec![(pointer.to_owned(), rule.to_owned())];
        assert_eq!(edited(|r| r["type"] = json!(["VerifiableCredential", "Diploma"])), all("/type", "record/type"));
        assert_eq!(edited(|r| r["type"] = json!("StudentStatus")), all("/type", "record/type"));
        assert_eq!(edited(|r| r["type"] = json!(["VerifiableCredential"])), all("/type", "record/type"));
        let wrong_day = edited(|r| r["credentialSubject"]["effectiveOn"] = "2024-09-02".into());
        assert_eq!(wrong_day, all("/credentialSubject/effectiveOn", "status/effective-date"));
        let two = edited(|r| {
            r["credentialSubject"]["stage"] = "kindergarten".into();
            r["validFrom"] = "2024-09-01".into();
        });
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn a_time_that_no_calendar_has_is_refused() {
        let issuer = Did::parse("did:web:km.example").unwrap();
        let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let completion = Completion { issuer: &issuer, id, verification_method: KEY, created: i64::MAX };
        let line = draft_of(ENTER).to_string();
        let error = Draft::read(line.as_bytes()).unwrap().complete(&completion).unwrap_err();
        assert_eq!(rules(error), [("/proof/created".to_owned(), "record/no-such-date".to_owned())]);
    }
}
