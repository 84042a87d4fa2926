//! From a line to a sealed record: the draft is read, completed, validated, checked against its agreement, signed, salted,
//! committed and compressed. No disk, no network: it runs on the rayon pool.

use crate::Node;
use crate::codec::compress;
use crate::registry::{Known, Snapshot};
use crate::sequencer::Sealed;
use crate::store::Payload;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::Audience;
use hefu_federation::proof;
use hefu_federation::reconcile::key::{Key, keys_of};
use hefu_federation::reconcile::view::{Body, View};
use hefu_schemas::id::Origin;
use hefu_schemas::record::{Completion, Draft, DraftError, Record};
use hefu_schemas::text::Text;
use hefu_schemas::violation::Violation;
use std::sync::Arc;

/// A sealed record with what the checks against earlier records read.
pub(super) struct Staged {
    pub(super) sealed: Sealed,
    pub(super) view: View,
    /// Contradictions with the agreement that a migration may publish all the same.
    pub(super) contradictions: Vec<Violation>,
}

/// Why a line was refused: its draft id, when that could be read, and the violations.
pub(super) type Refused = (Option<String>, Vec<Violation>);

pub(super) fn violation(pointer: &str, rule: &str, zh: &str, en: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), rule: rule.to_owned(), message: Text::new(zh, en) }
}

/// What the records of a part have in common.
pub(super) struct Sealing<'a> {
    pub(super) node: &'a Node,
    /// The agreements, newest last, and why one may not be published under now.
    agreements: Vec<(Arc<Known>, Result<(), Violation>)>,
    /// Seconds since 1970.
    pub(super) created_s: i64,
    /// Name of the record key: writing it costs as much as a tenth of a signature.
    pub(super) method: String,
}

impl<'a> Sealing<'a> {
    pub(super) fn new(node: &'a Node, agreements: &Snapshot, created_s: i64) -> Self {
        let of_now = |known: &Arc<Known>| (known.clone(), open_now(known, &node.origin, created_s));
        let agreements = agreements.iter().map(of_now).collect();
        Self { node, agreements, created_s, method: node.keys.record_id(&node.did).to_string() }
    }
}

/// The salt is random, and of this record alone. Boxed: it is passed on several times, and is more than a kilobyte.
pub(super) fn seal(sealing: &Sealing<'_>, line: &[u8], salt: [u8; 32]) -> Result<Box<Staged>, Refused> {
    let Sealing { node, ref agreements, created_s, ref method } = *sealing;
    let draft = Draft::read(line).map_err(|error| (None, violations(error)))?;
    let (draft_id, content) = (draft.draft_id.clone(), draft.content);
    let refuse = |violations| (Some(draft_id.clone()), violations);
    // Random bytes for an id only where it is wanted.
    let id = draft.id().unwrap_or_else(|| node.clock.record_id());
    let completion = Completion { issuer: &node.did, id, verification_method: method, created: created_s };
    let record = draft.complete(&completion).map_err(|error| refuse(violations(error)))?;
    let view = View::read(record.document()).ok_or_else(|| {
        refuse(vec![violation("", "record/members", "缺少规则所需成员", "members that the rules read are missing")])
    })?;
    let known = agreement(agreements, &view).map_err(|violation| refuse(vec![violation]))?;
    let keys = keys_of(&view);
    let contradictions =
        against_terms(known, &record, &view, &keys, &node.origin).map_err(|violation| refuse(vec![violation]))?;
    let signed = proof::sign(record, &node.keys.record);
    let commitment = commit(&salt, signed.bytes());
    let linkage = known.linkage.as_ref().ok_or_else(|| refuse(vec![no_linkage()]))?;
    let (codec, body) = compress(signed.bytes());
    let sealed = Sealed {
        draft_id: draft_id.clone(),
        content,
        id: signed.id(),
        kind: signed.kind(),
        agreement: known.no,
        audience: Audience::Agreement(blind_label(linkage.label_key(), &commitment)),
        commitment,
        payload: Payload { salt, codec, body },
        corrects: match &view.body {
            Body::Withdrawal { record, .. } => Some(*record),
            _ => view.supersedes,
        },
        keys,
    };
    Ok(Box::new(Staged { sealed, view, contradictions }))
}

fn violations(error: DraftError) -> Vec<Violation> {
    match error {
        DraftError::Invalid(violations) => violations,
        DraftError::Gate(error) => {
            vec![violation("", "gate", &format!("不是可接受的 JSON（第 {} 字节）", error.offset), &error.to_string())]
        }
    }
}

fn no_linkage() -> Violation {
    violation(
        "/termsOfUse",
        "agreement/linkage",
        "尚未取得该协议的关联密钥",
        "the linkage of the agreement has not arrived yet: pull first",
    )
}

/// The agreement must be known and open for this node: what is published under it is served at once.
fn agreement<'k>(agreements: &'k [(Arc<Known>, Result<(), Violation>)], view: &View) -> Result<&'k Known, Violation> {
    let (id, version) = view.agreement;
    let pointer = "/termsOfUse/0";
    if id.is_built_in() {
        return Err(violation(
            pointer,
            "agreement/built-in",
            "本版本尚不支持内置协议下的发布",
            "publishing under a built-in agreement is not supported by this version",
        ));
    }
    let mut newest_first = agreements.iter().rev();
    let known = newest_first.find(|(known, _)| known.document.id == id && known.document.version == version);
    let Some((known, open)) = known else {
        return Err(violation(
            pointer,
            "agreement/unknown",
            "本节点没有所引协议或版本",
            "this node knows no such agreement or version",
        ));
    };
    open.clone().map(|()| known.as_ref())
}

/// Whether an agreement is open for a city now.
fn open_now(known: &Known, origin: &Origin, now_s: i64) -> Result<(), Violation> {
    let pointer = "/termsOfUse/0";
    if known.standing().opened_at(origin).is_none() {
        return Err(violation(
            pointer,
            "agreement/not-open",
            "所引协议尚未由本节点启用",
            "the cited agreement is not open for this node yet",
        ));
    }
    if !known.takes_records_of(origin, now_s) {
        return Err(violation(
            pointer,
            "agreement/suspended",
            "所引协议已中止或终止",
            "the cited agreement is suspended or ended",
        ));
    }
    Ok(())
}

/// The agreement says which offices may state what (rule A4).
fn competent(known: &Known, view: &View, origin: &Origin) -> Result<(), Violation> {
    let Some((kind, stage)) = view.competence() else { return Ok(()) };
    let may = known.document.party(origin).is_some_and(|party| party.may_state(kind, stage, &view.stated_by));
    may.then_some(()).ok_or_else(|| {
        let zh = "协议未授权该机关出具此类记录";
        violation("/statedBy", "agreement/may-state", zh, "this office may not state such records under the agreement")
    })
}

/// Over-sharing and a wrong epoch are never published; a date outside the agreement only by decision.
fn against_terms(
    known: &Known,
    record: &Record,
    view: &View,
    keys: &[Key],
    origin: &Origin,
) -> Result<Vec<Violation>, Violation> {
    let document = &known.document;
    document.in_scope(record.kind(), record.document()).map_err(|row| {
        let zh = format!("超出协议约定的共享范围（{row}）");
        violation("/credentialSubject", "agreement/scope", &zh, &format!("outside the agreement's scope ({row})"))
    })?;
    competent(known, view, origin)?;
    let root = record.document().root();
    let schema = root.pointer("/credentialSchema/id").and_then(|id| id.as_str());
    if !schema.is_some_and(|id| document.terms.schemas.contains_key(id.as_ref())) {
        return Err(violation(
            "/credentialSchema",
            "agreement/schema",
            "协议未固定该模式",
            "the agreement does not pin this schema",
        ));
    }
    let prefix = format!("urn:hefu:subject:{}:", document.terms.linkage_epoch);
    let foreign_epoch = keys
        .iter()
        .filter(|key| key.key_type() == hefu_federation::reconcile::key::KeyType::Subject)
        .any(|key| !key.value().starts_with(&prefix));
    if foreign_epoch {
        return Err(violation(
            "/credentialSubject/id",
            "agreement/epoch",
            "对象引用不属于协议当前的关联期",
            "the subject reference is not of the agreement's epoch",
        ));
    }
    let written = root.member("validFrom").and_then(|time| time.as_str()).unwrap_or_default();
    if hefu_schemas::agreement::midnight(view.valid_from, &document.terms.time_zone).is_some_and(|due| due != written) {
        let zh = format!("时刻须为协议时区（{}）的零时", document.terms.time_zone);
        let en = format!("the time must be midnight in the agreement's time zone ({})", document.terms.time_zone);
        return Err(violation("/validFrom", "agreement/offset", &zh, &en));
    }
    // A status may have begun before the agreement, every pupil enrolled earlier has one; and so may what is withdrawn.
    let may_have_begun_before = matches!(view.body, Body::StudentStatus { .. } | Body::Withdrawal { .. });
    let too_early = view.valid_from < document.valid_from && !may_have_begun_before;
    if too_early || view.valid_from > document.valid_to {
        return Ok(vec![violation(
            "/validFrom",
            "agreement/date",
            "日期不在协议有效期内",
            "the date lies outside the agreement's validity",
        )]);
    }
    Ok(Vec::new())
}
