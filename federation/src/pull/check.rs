//! The ordered checks of a record (protocol §4.4), one function each. What they read of a document they read from its
//! tape, member by member: nothing is known of its shape before the schema was checked.
use super::judge::{Judge, Wanted};
use super::payload::PayloadState;
use crate::agreement::Standing;
use crate::commitment::{Commitment, blind_label, commit};
use crate::entry::{Audience, Body, Entry};
use crate::key::{PublicKey, Role};
use crate::mutant::{self, Mutant};
use crate::proof::{self, Claimed, Contexts};
use crate::trust::KeyRing;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{AgreementId, Digest, RecordId};
use hefu_schemas::record::{self, CONTEXTS, Kind};
use hefu_schemas::released::released;
use hefu_schemas::scan::{Item, Scanned, scan};
use hefu_schemas::validate::validate;
use std::borrow::Cow;
use std::sync::LazyLock;

/// The ordered checks of a record (protocol §4.4). The first that fails names the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "protocol §4.4 names the checks")]
pub enum Check {
    Commitment,
    Canonical,
    Issuer,
    Label,
    EntryKind,
    Supersedes,
    IdNew,
    Proof,
    KeyAtIndex,
    Schema,
    Semantics,
    Open,
    Scope,
}
impl Check {
    /// All, in the order in which they are made.
    pub const ALL: &'static [Self] = &[
        Self::Commitment,
        Self::Canonical,
        Self::Issuer,
        Self::Label,
        Self::EntryKind,
        Self::Supersedes,
        Self::IdNew,
        Self::Proof,
        Self::KeyAtIndex,
        Self::Schema,
        Self::Semantics,
        Self::Open,
        Self::Scope,
    ];
    /// Its name in findings, logs and docs, e.g. `commitment`, `key-at-index`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Commitment => "commitment",
            Self::Canonical => "canonical",
            Self::Issuer => "issuer",
            Self::Label => "label",
            Self::EntryKind => "entry-kind",
            Self::Supersedes => "supersedes",
            Self::IdNew => "id-new",
            Self::Proof => "proof",
            Self::KeyAtIndex => "key-at-index",
            Self::Schema => "schema",
            Self::Semantics => "semantics",
            Self::Open => "open",
            Self::Scope => "scope",
        }
    }
    /// From its name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|check| check.code() == code)
    }
}

/// A check that failed and the state that the payload gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) check: Check,
    pub(super) state: PayloadState,
}
impl Check {
    fn invalid(self) -> Failed {
        Failed { check: self, state: PayloadState::Invalid }
    }
    fn require(self, holds: bool) -> Result<(), Failed> {
        if holds { Ok(()) } else { Err(self.invalid()) }
    }
}

/// The bytes are those that the log commits to. Others say nothing of the record, whose own bytes are still missing: it is withheld,
/// and asked for again.
pub(super) fn commitment(entry: &Entry, salt: &[u8; 32], record: &[u8]) -> Result<(), Failed> {
    let committed = promise(entry).is_some_and(|(c, _)| *c == commit(salt, record));
    if committed || mutant::on(Mutant::Commitment) {
        Ok(())
    } else {
        Err(Failed { check: Check::Commitment, state: PayloadState::Withheld })
    }
}
/// They pass the gate and are in canonical form.
pub(super) fn canonical(record: &[u8]) -> Result<Scanned<'_>, Failed> {
    scan(record, MAX_RECORD_LEN).map_err(|_| Check::Canonical.invalid())
}
/// The issuer is the city whose log this is.
pub(super) fn issuer(keys: &KeyRing, document: &Scanned<'_>) -> Result<(), Failed> {
    let ours = text(document.root(), "/issuer").is_some_and(|issuer| issuer == keys.did().as_str());
    Check::Issuer.require(ours)
}
/// The entry's label is that of this agreement, and so is the agreement that the record names. Its version may differ.
pub(super) fn label(judge: &Judge<'_>, entry: &Entry, document: &Scanned<'_>) -> Result<(), Failed> {
    let labelled = promise(entry).is_some_and(|(c, audience)| match audience {
        Audience::Agreement(label) => *label == blind_label(judge.linkage.label_key(), c),
        Audience::Public | Audience::Holder => false,
    });
    let terms = document.root().member("termsOfUse").and_then(|terms| terms.items().next());
    let named = terms.and_then(|terms| text(terms, "/id"));
    let named = named.and_then(|id| AgreementId::parse(&id).ok());
    Check::Label.require(labelled && named == Some(judge.standing.agreement.id))
}
/// A `Withdrawal` stands in a withdraw entry, and nothing else does.
pub(super) fn entry_kind(entry: &Entry, document: &Scanned<'_>) -> Result<(), Failed> {
    let is_withdrawal = Kind::of(document) == Some(Kind::Withdrawal);
    Check::EntryKind.require(is_withdrawal == matches!(entry.body, Body::Withdraw { .. }))
}
/// What an amendment supersedes, or a withdrawal withdraws, is the record at `of`. While that record is not held nobody
/// can tell: pending.
pub(super) fn supersedes(wanted: &Wanted, document: &Scanned<'_>) -> Result<(), Failed> {
    let supersedes = text(document.root(), "/supersedes");
    let named = match wanted.entry.body {
        Body::Amend { .. } => supersedes,
        Body::Withdraw { .. } => text(document.root(), "/credentialSubject/record"),
        Body::Record { .. } | Body::Genesis(_) | Body::Agreement { .. } | Body::Signed(_) | Body::Unknown => {
            return Check::Supersedes.require(document.root().member("supersedes").is_none());
        }
    };
    let named = named.and_then(|id| RecordId::parse(&id).ok()).ok_or(Check::Supersedes.invalid())?;
    match wanted.of_id {
        Some(of_id) => Check::Supersedes.require(named == of_id || mutant::on(Mutant::Supersedes)),
        None => Err(Failed { check: Check::Supersedes, state: PayloadState::Pending }),
    }
}
/// The proof holds, and its key was valid at the index. Two checks that share the look-up of the key: where it was not
/// valid, the key that the proof names is decoded, to tell a bad signature from a bad key. `holds` verifies a signature that is
/// otherwise good, or keeps it to be verified with others.
pub(super) fn signature<'k>(
    keys: &'k KeyRing,
    index: u64,
    document: &Scanned<'_>,
    holds: &mut impl FnMut(Claimed<'k>) -> bool,
) -> Result<(), Failed> {
    let method = text(document.root(), "/proof/verificationMethod");
    let multikey = method.as_deref().and_then(|method| method.split_once('#')).map(|(_, multikey)| multikey);
    if let Some(key) = multikey.and_then(|multikey| keys.valid_at(Role::Record, multikey, index)) {
        return proof(keys, key, document, holds);
    }
    let key = multikey.and_then(|multikey| PublicKey::from_multikey(multikey).ok());
    match key {
        Some(key) => proof(keys, &key, document, &mut |claimed| claimed.holds())?,
        None => Check::Proof.require(mutant::on(Mutant::Proof))?,
    }
    Err(Check::KeyAtIndex.invalid())
}
fn proof<'k>(
    keys: &KeyRing,
    key: &'k PublicKey,
    document: &Scanned<'_>,
    holds: &mut impl FnMut(Claimed<'k>) -> bool,
) -> Result<(), Failed> {
    let claimed = proof::claim(document, Contexts::Exactly(&CONTEXTS), keys.did().as_str(), key);
    Check::Proof.require(claimed.is_ok_and(holds) || mutant::on(Mutant::Proof))
}
/// The agreement pins the schema that the record names, by the digest of the file that we have. A kind or file that we do
/// not have may be of a later version: quarantined (G5). That the file is that of the kind, its own `const` says.
pub(super) fn schema(agreement: &Agreement, document: &Scanned<'_>) -> Result<Kind, Failed> {
    let quarantined = Failed { check: Check::Schema, state: PayloadState::Quarantined };
    let Some(kind) = Kind::of(document) else {
        return Err(if names_a_kind(document) { quarantined } else { Check::Schema.invalid() });
    };
    let id = text(document.root(), "/credentialSchema/id").ok_or(Check::Schema.invalid())?;
    if !DIGESTS.iter().any(|(known, _)| *known == id) {
        return Err(quarantined);
    }
    let pinned = agreement.terms.schemas.get(id.as_ref()).ok_or(Check::Schema.invalid())?;
    if DIGESTS.iter().any(|(known, digest)| *known == id && digest == pinned) { Ok(kind) } else { Err(quarantined) }
}
/// The record is valid by its schema, and by the rules that need this record alone.
pub(super) fn content(kind: Kind, document: &Scanned<'_>) -> Result<(), Failed> {
    if record::check(document).is_empty() {
        return Ok(());
    }
    // Only a bad record is validated twice, to name the check.
    let check = if validate(kind.schema_name(), document).is_empty() { Check::Semantics } else { Check::Schema };
    Err(check.invalid())
}
/// The agreement is signed by all and was open for the issuer: pending before, invalid while suspended or after an end.
pub(super) fn open(standing: &Standing<'_>, keys: &KeyRing, wanted: &Wanted) -> Result<(), Failed> {
    let origin = keys.origin();
    let opened = standing.opened_at(origin).is_some_and(|opened| opened < wanted.index);
    if !opened || !standing.all_signed() {
        return Err(Failed { check: Check::Open, state: PayloadState::Pending });
    }
    let closed = standing.is_closed_by_others(origin, wanted.entry.t);
    Check::Open.require(standing.is_open_at(origin, wanted.index) && !closed)
}
/// The agreement lets this kind flow, of this stage, with these members.
pub(super) fn scope(agreement: &Agreement, kind: Kind, document: &Scanned<'_>) -> Result<(), Failed> {
    Check::Scope.require(agreement.in_scope(kind, document).is_ok())
}

/// What a record entry promises: commitment and audience.
fn promise(entry: &Entry) -> Option<(&Commitment, &Audience)> {
    match &entry.body {
        Body::Record { c, a } | Body::Amend { c, a, .. } | Body::Withdraw { c, a, .. } => Some((c, a)),
        Body::Genesis(_) | Body::Agreement { .. } | Body::Signed(_) | Body::Unknown => None,
    }
}
/// Whether the `type` is that of a credential of some kind, known or not.
fn names_a_kind(document: &Scanned<'_>) -> bool {
    let Some(types) = document.root().member("type") else { return false };
    let types: Vec<_> = types.items().map(|item| item.as_str()).collect();
    matches!(types.as_slice(), [Some(base), Some(_)] if base == "VerifiableCredential")
}
fn text<'a>(item: Item<'a>, pointer: &str) -> Option<Cow<'a, str>> {
    item.pointer(pointer)?.as_str()
}
/// Ids and digests of the released files: hashed once.
static DIGESTS: LazyLock<Vec<(&'static str, Digest)>> =
    LazyLock::new(|| released().iter().map(|file| (file.id, file.digest())).collect());

#[cfg(test)]
mod tests {
    use super::super::Judged;
    use super::super::world::{
        AGREEMENT, INDEX, World, amendment, key, key_id, origin, record_body, record_id, seen, sign, sign_with,
        student_status, withdrawal,
    };
    use super::*;
    use crate::entry::Act;
    use hefu_schemas::canonical;
    use hefu_schemas::released::released_schema;
    use serde_json::{Value, json};

    fn assert_held(judged: &Judged) {
        assert_eq!((judged.state, judged.reason.as_deref()), (PayloadState::Held, None));
        assert!(judged.payload.is_some() && judged.record.is_some());
    }
    #[track_caller]
    fn assert_fails(judged: &Judged, state: PayloadState, check: Check) {
        let named = judged.reason.as_deref().and_then(|reason| reason.split(": ").next());
        assert_eq!((judged.state, named), (state, Some(check.code())));
    }
    #[track_caller]
    fn assert_invalid(judged: &Judged, check: Check) {
        assert_fails(judged, PayloadState::Invalid, check);
    }
    /// Judges a student's record that was changed before it was signed.
    fn judge_changed(change: impl FnOnce(&mut Value)) -> Judged {
        let mut document = student_status(1);
        change(&mut document);
        World::new().judge_record(&sign(document, 1))
    }
    fn amend(of: u64) -> impl FnOnce([u8; 32], Audience) -> Body {
        move |c, a| Body::Amend { c, a, of }
    }
    fn withdraw(of: u64) -> impl FnOnce([u8; 32], Audience) -> Body {
        move |c, a| Body::Withdraw { c, a, of }
    }

    #[test]
    fn a_good_record_is_held_with_its_payload() {
        let world = World::new();
        let record = sign(student_status(1), 1);
        let judged = world.judge_record(&record);
        assert_held(&judged);
        assert_eq!(judged.payload, Some((super::super::world::SALT, record)));
        let id = RecordId::parse(&record_id(1)).unwrap();
        assert_eq!((judged.index, judged.record), (INDEX, Some((id, Kind::StudentStatus))));
    }

    #[test]
    fn good_amendments_and_withdrawals_are_held() {
        let world = World::new();
        let of_id = RecordId::parse(&record_id(1)).ok();
        let record = sign(amendment(2, 1), 1);
        assert_held(&world.judge(&Wanted { of_id, ..world.wanted(INDEX, &record, amend(9)) }, &record));
        let record = sign(withdrawal(2, 1), 1);
        assert_held(&world.judge(&Wanted { of_id, ..world.wanted(INDEX, &record, withdraw(9)) }, &record));
    }

    #[test]
    fn check_commitment_to_other_bytes() {
        let world = World::new();
        let (record, other) = (sign(student_status(1), 1), sign(student_status(2), 1));
        let judged = world.judge(&world.wanted(INDEX, &record, record_body), &other);
        assert_fails(&judged, PayloadState::Withheld, Check::Commitment);
        assert_eq!((judged.payload, judged.record), (None, None));
    }

    #[test]
    fn check_commitment_with_another_salt() {
        let world = World::new();
        let record = sign(student_status(1), 1);
        let mut wanted = world.wanted(INDEX, &record, record_body);
        wanted.entry.body = record_body(commit(&[8; 32], &record), Audience::Holder);
        assert_fails(&world.judge(&wanted, &record), PayloadState::Withheld, Check::Commitment);
    }

    #[test]
    fn check_canonical_form() {
        let record = [b" ".as_slice(), &sign(student_status(1), 1)].concat();
        let judged = World::new().judge_record(&record);
        assert_invalid(&judged, Check::Canonical);
        assert_eq!(judged.payload, None);
    }

    #[test]
    fn check_canonical_within_the_record_limit() {
        let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(MAX_RECORD_LEN));
        assert_invalid(&World::new().judge_record(long.as_bytes()), Check::Canonical);
    }

    #[test]
    fn check_issuer_is_the_citys_own() {
        assert_invalid(&judge_changed(|record| record["issuer"] = json!("did:web:cd.example")), Check::Issuer);
        assert_invalid(
            &judge_changed(|record| record["issuer"] = json!({ "id": "did:web:km.example" })),
            Check::Issuer,
        );
    }

    #[test]
    fn check_label_is_of_the_agreement() {
        let world = World::new();
        let record = sign(student_status(1), 1);
        for audience in [Audience::Agreement([0; 16]), Audience::Public, Audience::Holder] {
            let wanted = world.wanted(INDEX, &record, |c, _| record_body(c, audience));
            assert_invalid(&world.judge(&wanted, &record), Check::Label);
        }
    }

    #[test]
    fn check_label_and_the_agreement_named_agree() {
        let other = AGREEMENT.replace("8001", "8002");
        assert_invalid(&judge_changed(|record| record["termsOfUse"][0]["id"] = json!(other)), Check::Label);
        assert_invalid(&judge_changed(|record| record["termsOfUse"] = json!([])), Check::Label);
        assert_held(&judge_changed(|record| record["termsOfUse"][0]["version"] = json!(2)));
    }

    #[test]
    fn check_entry_kind_withdrawals_stand_in_withdraw_entries_alone() {
        let world = World::new();
        assert_invalid(&world.judge_record(&sign(withdrawal(2, 1), 1)), Check::EntryKind);
        let of_id = RecordId::parse(&record_id(1)).ok();
        let record = sign(amendment(2, 1), 1);
        let wanted = Wanted { of_id, ..world.wanted(INDEX, &record, withdraw(9)) };
        assert_invalid(&world.judge(&wanted, &record), Check::EntryKind);
    }

    #[test]
    fn check_supersedes_the_record_at_of() {
        let world = World::new();
        let of_id = RecordId::parse(&record_id(3)).ok();
        let record = sign(amendment(2, 1), 1);
        let wanted = Wanted { of_id, ..world.wanted(INDEX, &record, amend(9)) };
        assert_invalid(&world.judge(&wanted, &record), Check::Supersedes);
        let record = sign(withdrawal(2, 1), 1);
        let wanted = Wanted { of_id, ..world.wanted(INDEX, &record, withdraw(9)) };
        assert_invalid(&world.judge(&wanted, &record), Check::Supersedes);
    }

    #[test]
    fn check_supersedes_stands_in_amendments_alone() {
        let world = World::new();
        assert_invalid(&world.judge_record(&sign(amendment(2, 1), 1)), Check::Supersedes);
        let record = sign(student_status(1), 1);
        assert_invalid(&world.judge(&world.wanted(INDEX, &record, amend(9)), &record), Check::Supersedes);
    }

    #[test]
    fn check_supersedes_is_pending_while_the_other_record_is_not_held() {
        let world = World::new();
        let record = sign(amendment(2, 1), 1);
        let judged = world.judge(&world.wanted(INDEX, &record, amend(9)), &record);
        assert_fails(&judged, PayloadState::Pending, Check::Supersedes);
        assert!(judged.payload.is_some());
    }

    #[test]
    fn check_proof_holds() {
        let tampered = String::from_utf8(sign(student_status(1), 1)).unwrap().replace("primary", "junior");
        assert_invalid(&World::new().judge_record(tampered.as_bytes()), Check::Proof);
        assert_invalid(&World::new().judge_record(&canonical::write(&student_status(1)).unwrap()), Check::Proof);
    }

    #[test]
    fn check_proof_belongs_to_the_issuer_and_names_a_key() {
        let signed = |method: &str, contexts: Value| {
            let proof = json!({
                "@context": contexts,
                "type": "DataIntegrityProof",
                "cryptosuite": "eddsa-jcs-2022",
                "created": "2026-09-01T00:00:00Z",
                "verificationMethod": method,
                "proofPurpose": "assertionMethod"
            });
            canonical::write(&sign_with(student_status(1), proof, &key(1))).unwrap()
        };
        let foreign = key_id(1).to_string().replace("km.example", "cd.example");
        let world = World::new();
        assert_held(&world.judge_record(&signed(&key_id(1).to_string(), json!(CONTEXTS))));
        for method in [foreign.as_str(), "did:web:km.example", "did:web:km.example#z6Mk"] {
            assert_invalid(&world.judge_record(&signed(method, json!(CONTEXTS))), Check::Proof);
        }
        let first_alone = json!([CONTEXTS[0]]);
        assert_invalid(&world.judge_record(&signed(&key_id(1).to_string(), first_alone)), Check::Proof);
    }

    #[test]
    fn check_key_at_index_of_another_role_or_nobody() {
        for seed in [4, 99] {
            let judged = World::new().judge_record(&sign(student_status(1), seed));
            assert_invalid(&judged, Check::KeyAtIndex);
            assert!(judged.payload.is_some(), "evidence is kept");
        }
    }

    #[test]
    fn check_schema_is_pinned_by_the_agreement() {
        let id = released_schema(Kind::StudentStatus.schema_name()).id;
        let record = sign(student_status(1), 1);
        let unpinned = World::with_terms(|agreement| {
            agreement["terms"]["schemas"].as_object_mut().unwrap().remove(id);
        });
        assert_invalid(&unpinned.judge_record(&record), Check::Schema);
        let other_file = World::with_terms(|agreement| {
            agreement["terms"]["schemas"][id] = json!(Digest([9; 32]).to_string());
        });
        assert_fails(&other_file.judge_record(&record), PayloadState::Quarantined, Check::Schema);
    }

    #[test]
    fn check_schema_of_a_later_version_is_quarantined() {
        let newer = released_schema(Kind::StudentStatus.schema_name()).id.replace("v1", "v2");
        let judged = judge_changed(|record| record["credentialSchema"]["id"] = json!(newer));
        assert_fails(&judged, PayloadState::Quarantined, Check::Schema);
        assert!(judged.payload.is_some());
    }

    #[test]
    fn check_schema_of_an_unknown_kind_is_quarantined() {
        let kind = json!(["VerifiableCredential", "TeacherExchange"]);
        let newer = "https://w3id.org/hefu/schemas/teacher-exchange/v1.schema.json";
        let record = {
            let mut record = student_status(1);
            record["type"] = kind;
            record["credentialSchema"]["id"] = json!(newer);
            sign(record, 1)
        };
        let judged = World::new().judge_record(&record);
        assert_fails(&judged, PayloadState::Quarantined, Check::Schema);
        assert_eq!((judged.payload, judged.record), (None, None), "nothing says that this kind may flow");
        let pinned = World::with_terms(|agreement| {
            agreement["terms"]["schemas"][newer] = json!(Digest([9; 32]).to_string());
        });
        let judged = pinned.judge_record(&record);
        assert_fails(&judged, PayloadState::Quarantined, Check::Schema);
        assert!(judged.payload.is_some());
    }

    #[test]
    fn check_schema_fits_the_kind() {
        let other = released_schema(Kind::Withdrawal.schema_name()).id;
        assert_invalid(&judge_changed(|record| record["credentialSchema"]["id"] = json!(other)), Check::Schema);
        assert_invalid(&judge_changed(|record| record["type"] = json!("StudentStatus")), Check::Schema);
        assert_invalid(&judge_changed(|record| record["type"] = json!(["StudentStatus", "X"])), Check::Schema);
    }

    #[test]
    fn check_schema_is_obeyed() {
        let judged = judge_changed(|record| record["credentialSubject"]["status"] = json!("sleeping"));
        assert_invalid(&judged, Check::Schema);
        assert!(judged.payload.is_some());
        assert_invalid(&judge_changed(|record| record["note"] = json!("x")), Check::Schema);
    }

    #[test]
    fn check_semantics_are_obeyed() {
        let judged = judge_changed(|record| record["credentialSubject"]["effectiveOn"] = json!("2026-09-02"));
        assert_invalid(&judged, Check::Semantics);
        assert!(judged.payload.is_some());
    }

    #[test]
    fn check_open_is_pending_before_everybody_signed_and_the_issuer_opened() {
        let record = sign(student_status(1), 1);
        let mut not_opened = World::new();
        not_opened.acts.insert(origin("km"), vec![seen(Act::Sign, 1)]);
        let mut later = World::new();
        later.acts.insert(origin("km"), vec![seen(Act::Sign, 1), seen(Act::Open, INDEX + 1)]);
        let mut unsigned = World::new();
        unsigned.proofs.retain(|proof| *proof != origin("cd"));
        for world in [not_opened, later, unsigned] {
            let judged = world.judge_record(&record);
            assert_fails(&judged, PayloadState::Pending, Check::Open);
            assert!(judged.payload.is_some());
        }
    }

    #[test]
    fn check_open_fails_after_the_issuers_end_and_while_it_is_suspended() {
        let record = sign(student_status(1), 1);
        for act in [Act::End, Act::Suspend] {
            let mut world = World::new();
            world.act("km", seen(act, INDEX - 1));
            assert_invalid(&world.judge_record(&record), Check::Open);
        }
        let mut resumed = World::new();
        resumed.act("km", seen(Act::Suspend, INDEX - 2));
        resumed.act("km", seen(Act::Resume, INDEX - 1));
        resumed.act("km", seen(Act::End, INDEX + 1));
        assert_held(&resumed.judge_record(&record));
    }

    #[test]
    fn check_open_fails_after_the_date_in_the_others_end() {
        let mut world = World::new();
        world.act("cd", seen(Act::End, 500));
        assert_invalid(&world.judge_record(&sign(student_status(1), 1)), Check::Open);
    }

    #[test]
    fn check_scope_of_members_and_no_payload() {
        let judged = judge_changed(|record| record["credentialSubject"]["residence"] = json!("migrant-child"));
        assert_invalid(&judged, Check::Scope);
        assert_eq!(judged.payload, None);
        assert!(judged.record.is_some());
        assert_held(&judge_changed(|record| record["credentialSubject"]["fullTime"] = json!(true)));
    }

    #[test]
    fn check_scope_of_stages() {
        assert_invalid(&judge_changed(|record| record["credentialSubject"]["stage"] = json!("senior")), Check::Scope);
    }

    #[test]
    fn check_scope_decides_over_the_payload_of_other_failures_too() {
        let mut over_scope = student_status(1);
        over_scope["credentialSubject"]["residence"] = json!("migrant-child");
        let judged = World::new().judge_record(&sign(over_scope, 99));
        assert_invalid(&judged, Check::KeyAtIndex);
        assert_eq!(judged.payload, None);
    }

    #[test]
    fn checks_are_made_in_their_order() {
        // Everything is wrong: mended one by one, the failures come in the order of the checks.
        let world = World::with_terms(|agreement| agreement["terms"]["scope"][0]["stages"] = json!(["junior"]));
        let mut document = student_status(1);
        document["issuer"] = json!("did:web:cd.example");
        document["supersedes"] = json!(record_id(9));
        document["credentialSubject"]["effectiveOn"] = json!("2026-09-02");
        let entry = |record: &[u8], label: bool, kind: bool| {
            world.wanted(INDEX, record, |c, a| {
                let a = if label { a } else { Audience::Holder };
                if kind { Body::Record { c, a } } else { Body::Withdraw { c, a, of: 1 } }
            })
        };
        let first = |document: &Value, seed: u8, label: bool, kind: bool| {
            let record = sign(document.clone(), seed);
            world.judge(&entry(&record, label, kind), &record).reason.unwrap()
        };
        assert_eq!(first(&document, 99, false, false), "issuer");
        document["issuer"] = json!("did:web:km.example");
        assert_eq!(first(&document, 99, false, false), "label");
        assert_eq!(first(&document, 99, true, false), "entry-kind");
        assert_eq!(first(&document, 99, true, true), "supersedes");
        document.as_object_mut().unwrap().remove("supersedes");
        assert_eq!(first(&document, 99, true, true), "key-at-index");
        assert_eq!(first(&document, 1, true, true), "semantics");
        document["credentialSubject"]["effectiveOn"] = json!("2026-09-01");
        assert_eq!(first(&document, 1, true, true), "scope: scope/stage");
    }

    #[test]
    fn names_of_checks() {
        for check in Check::ALL {
            assert_eq!(Check::from_code(check.code()), Some(*check));
        }
        assert_eq!(Check::from_code("luck"), None);
    }
}
