//! The judgement itself: one function for each statement, each from what is known to a reason.
use super::{Change, LogRead, Place, Reason, Source, Statement, Submitted, Verdict};
use crate::key::{PublicKey, Role};
use crate::proof::{self, Contexts, ProofError};
use crate::pull::{Check, PayloadState};
use crate::trust::KeyRing;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::{self, CONTEXTS, Kind};
use hefu_schemas::released::released_schema;
use hefu_schemas::scan::{Item, Scanned};
use hefu_schemas::validate::validate;
use std::borrow::Cow;

/// Why there is no log of the issuer to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLog {
    /// A policy was given, and it does not name the issuer.
    NotInPolicy,
    /// No policy was given, and this node does not follow the issuer.
    NotFollowed,
    /// It could not be read.
    Unavailable,
    /// It was founded by another entry than the one that was compared.
    OtherFingerprint,
    /// It was read, and is not what its checkpoint says.
    Contradicts,
}

/// The issuer's log, as far as it was read and verified.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a> {
    /// Its keys, all entries observed.
    pub ring: &'a KeyRing,
    /// Entries read.
    pub size: u64,
    /// `t` of the last one.
    pub t: i64,
    /// Where it was read.
    pub source: Source,
    /// Where the record stands in it.
    pub place: Place,
}

/// What is known of the agreement that the record cites.
#[derive(Debug, Clone, Copy)]
pub struct Cover<'a> {
    /// Its document.
    pub agreement: &'a Agreement,
    /// The state of this very record in the replica, and the check that gave it, if it stands there.
    pub settled: Option<(PayloadState, Option<Check>)>,
}

/// The log, or why there is none.
pub type Known<'a> = Result<LogView<'a>, NoLog>;

/// All that a verdict is made of.
#[derive(Debug)]
pub struct Question<'a> {
    /// What was handed over.
    pub submitted: &'a Submitted,
    /// The issuer's log.
    pub log: Known<'a>,
    /// The agreement, if its document is known.
    pub cover: Option<Cover<'a>>,
    /// Whether an identifier that was given is the subject's: `Some(None)` when it was given and cannot be compared.
    pub subject: Option<Option<bool>>,
    /// What is required.
    pub required: &'a [Statement],
    /// UTC seconds.
    pub now: i64,
}

/// Judges a record. The same question gives the same verdict.
pub fn judge(question: &Question<'_>) -> Verdict {
    let document = &question.submitted.document;
    let log = &question.log;
    let reason = |statement| match statement {
        Statement::Integrity => integrity(document),
        Statement::Issuer => issuer(document, log),
        Statement::KeyValid => key_valid(document, log),
        Statement::Schema => schema(document),
        Statement::Semantics => semantics(document),
        Statement::InPeriod => in_period(document, question.now),
        Statement::InLog => in_log(log),
        Statement::Witnessed => Reason::WitnessesNotChecked,
        Statement::Standing => standing(log),
        Statement::Agreement => agreement(question.cover.as_ref()),
        Statement::Office => office(document, question.cover.as_ref()),
        Statement::Subject => subject(question.subject),
    };
    let root = document.root();
    let read = |view: &LogView<'_>| LogRead {
        origin: view.ring.origin().to_string(),
        size: view.size,
        t: view.t,
        source: view.source,
    };
    Verdict {
        id: text(root, "/id").and_then(|id| RecordId::parse(&id).ok()),
        kind: Kind::of(document),
        // Only what has the form of an identity of a node is repeated.
        issuer: text(root, "/issuer").filter(|did| hefu_schemas::id::Did::parse(did).is_ok()).map(Cow::into_owned),
        digest: Digest::of(document.bytes()),
        canonical: question.submitted.canonical,
        made_at: question.now,
        log: log.as_ref().ok().map(read),
        findings: Statement::ALL.into_iter().map(|statement| (statement, reason(statement))).collect(),
        required: question.required.to_vec(),
        violations: if Kind::of(document).is_some() { record::check(document) } else { Vec::new() },
    }
}

/// The proof holds over these bytes, under the key that it names itself: whose key that is, the next two say.
fn integrity(document: &Scanned<'_>) -> Reason {
    let verified = named_key(document).ok_or(ProofError::Controller).and_then(|(controller, multikey)| {
        let key = PublicKey::from_multikey(&multikey).map_err(|_| ProofError::Controller)?;
        proof::verify(document, Contexts::Exactly(&CONTEXTS), &controller, &key)
    });
    match verified {
        Ok(()) => Reason::ProofHolds,
        Err(ProofError::Suite) => Reason::UnknownSuite,
        // A proof that is none has no method either: what is missing is the proof.
        Err(_) if !document.root().member("proof").is_some_and(|proof| proof.is_object()) => {
            Reason::ProofFails(ProofError::Missing)
        }
        Err(error) => Reason::ProofFails(error),
    }
}

/// The method's DID and Multikey.
fn named_key(document: &Scanned<'_>) -> Option<(String, String)> {
    let method = text(document.root(), "/proof/verificationMethod")?;
    method.split_once('#').map(|(did, multikey)| (did.to_owned(), multikey.to_owned()))
}

fn issuer(document: &Scanned<'_>, log: &Known<'_>) -> Reason {
    let issuer = text(document.root(), "/issuer");
    let method = named_key(document);
    if let (Some(issuer), Some((did, _))) = (&issuer, &method)
        && **issuer != **did
    {
        return Reason::MethodOfAnother;
    }
    match log {
        Ok(view) if issuer.is_some_and(|issuer| issuer == view.ring.did().as_str()) => Reason::IssuerKnown,
        Ok(_) => Reason::MethodOfAnother,
        Err(NoLog::NotInPolicy) => Reason::IssuerNotInPolicy,
        Err(NoLog::NotFollowed) => Reason::IssuerNotFollowed,
        Err(NoLog::Unavailable) => Reason::LogUnavailable,
        Err(NoLog::OtherFingerprint) => Reason::OtherFingerprint,
        Err(NoLog::Contradicts) => Reason::LogContradicts,
    }
}

fn key_valid(document: &Scanned<'_>, log: &Known<'_>) -> Reason {
    let Ok(view) = log else { return Reason::NoLog };
    let Some((_, multikey)) = named_key(document) else { return Reason::KeyNotOfLog };
    let ring = view.ring;
    let place = match view.place {
        Place::At { index, .. } => Some(index),
        Place::Differs { .. } | Place::Nowhere | Place::NoSalt | Place::NotHeld => None,
    };
    let until = place.map_or(view.size, |index| index + 1);
    if let Some(index) = ring.not_judged_from().filter(|index| *index < until) {
        return Reason::NotUnderstood { index };
    }
    let mut ranges =
        ring.keys().filter(|(role, key, _)| *role == Role::Record && key.multikey() == multikey).peekable();
    if ranges.peek().is_none() {
        return Reason::KeyNotOfLog;
    }
    match place {
        Some(index) if ring.valid_at(Role::Record, &multikey, index).is_some() => Reason::KeyValid { index },
        Some(index) => Reason::KeyNotValidAt { index },
        // No record stands at index 0, which is the genesis.
        None if ranges.any(|(.., range)| range.start <= 1 && range.end >= view.size) => {
            Reason::KeyValidThroughout { size: view.size }
        }
        None => Reason::IndexUnknown,
    }
}

fn schema(document: &Scanned<'_>) -> Reason {
    let Some(kind) = Kind::of(document) else { return Reason::KindUnknown };
    let named = text(document.root(), "/credentialSchema/id");
    if named.is_some_and(|id| id != released_schema(kind.schema_name()).id) {
        return Reason::SchemaUnknown;
    }
    match validate(kind.schema_name(), document).len() {
        0 => Reason::SchemaHolds,
        count => Reason::SchemaViolated { count },
    }
}

fn semantics(document: &Scanned<'_>) -> Reason {
    if schema(document) != Reason::SchemaHolds {
        return Reason::NotReached;
    }
    match record::check(document).len() {
        0 => Reason::RulesHold,
        count => Reason::RulesViolated { count },
    }
}

fn in_period(document: &Scanned<'_>, now: i64) -> Reason {
    let seconds = |name: &str| {
        let item = document.root().member(name)?;
        Some(item.as_str().and_then(|text| Some(text.parse::<jiff::Timestamp>().ok()?.as_second())))
    };
    match (seconds("validFrom"), seconds("validUntil")) {
        (Some(Some(from)), _) if now < from => Reason::NotYet,
        (Some(Some(_)), Some(Some(until))) if now >= until => Reason::Over,
        (Some(Some(_)), None | Some(Some(_))) => Reason::InPeriod,
        _ => Reason::NoPeriod,
    }
}

fn in_log(log: &Known<'_>) -> Reason {
    let Ok(view) = log else { return Reason::NoLog };
    let (size, t) = (view.size, view.t);
    match view.place {
        Place::At { index, .. } => Reason::InLog { index, size, t },
        Place::Differs { index } => Reason::OtherContent { index },
        Place::Nowhere => Reason::NotInLog { size, t },
        Place::NoSalt => Reason::NoSalt,
        Place::NotHeld => Reason::NotHeld,
    }
}

fn standing(log: &Known<'_>) -> Reason {
    let Ok(view) = log else { return Reason::NoLog };
    match view.place {
        Place::At { changed: Some(Change::Corrected(by)), .. } => Reason::Corrected { by },
        Place::At { changed: Some(Change::Withdrawn(by)), .. } => Reason::Withdrawn { by },
        // What stands behind an entry that is not understood may be of any meaning.
        Place::At { changed: None, .. } => match view.ring.not_judged_from() {
            Some(index) => Reason::NotUnderstood { index },
            None => Reason::Stands { size: view.size, t: view.t },
        },
        Place::Differs { .. } | Place::Nowhere | Place::NoSalt | Place::NotHeld => Reason::PlaceUnknown,
    }
}

fn agreement(cover: Option<&Cover<'_>>) -> Reason {
    let Some(cover) = cover else { return Reason::AgreementUnknown };
    match cover.settled {
        Some((PayloadState::Held, _)) => Reason::Covered,
        Some((_, Some(check @ (Check::Label | Check::Open | Check::Scope)))) => Reason::NotCovered { check },
        Some(_) | None => Reason::NotSettled,
    }
}

/// Some row of the party's `mayState` fits kind, stage and office. A withdrawal is stated by any office that may state anything.
fn office(document: &Scanned<'_>, cover: Option<&Cover<'_>>) -> Reason {
    let Some(cover) = cover else { return Reason::AgreementUnknown };
    let root = document.root();
    let (Some(kind), Some(office)) = (Kind::of(document), text(root, "/statedBy/code")) else {
        return Reason::NotSettled;
    };
    let stage = text(root, "/credentialSubject/stage");
    let Some(party) = text(root, "/issuer").and_then(|did| cover.agreement.party_of(&did)) else {
        return Reason::OfficeMayNotState;
    };
    let fits = party.may_state.iter().any(|row| {
        let of_stage = row.stages.is_empty() || stage.as_ref().is_none_or(|stage| row.stages.contains(stage.as_ref()));
        row.offices.contains(office.as_ref()) && (kind == Kind::Withdrawal || (row.kind == kind && of_stage))
    });
    if fits { Reason::OfficeMayState } else { Reason::OfficeMayNotState }
}

fn subject(given: Option<Option<bool>>) -> Reason {
    match given {
        None => Reason::SubjectNotAsked,
        Some(None) => Reason::SubjectNotLinked,
        Some(Some(true)) => Reason::SubjectFits,
        Some(Some(false)) => Reason::SubjectDiffers,
    }
}

fn text<'a>(item: Item<'a>, pointer: &str) -> Option<Cow<'a, str>> {
    item.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, Entry};
    use crate::pull::world::{World, amendment, key, key_id, sign, sign_with, student_status, withdrawal};
    use crate::verdict::Outcome;
    use hefu_schemas::canonical;
    use hefu_schemas::scan::scan;
    use hefu_schemas::validate::SchemaName;
    use serde_json::{Value, json};

    /// 2026-10-01, a month behind the example's `validFrom`.
    const NOW: i64 = 1_790_784_000;

    fn submitted(record: &[u8]) -> Submitted {
        Submitted::read(record).unwrap()
    }
    fn good() -> Submitted {
        submitted(&sign(student_status(1), 1))
    }
    fn changed(change: impl FnOnce(&mut Value)) -> Submitted {
        let mut document = student_status(1);
        change(&mut document);
        submitted(&sign(document, 1))
    }
    /// A world whose agreement lets the office of the example state the status of primary pupils.
    fn stating() -> World {
        World::with_terms(|document| {
            document["parties"][0]["mayState"] =
                json!([{"kind": "student-status", "stages": ["primary"], "offices": ["530100"]}]);
        })
    }
    fn view(ring: &KeyRing, place: Place) -> LogView<'_> {
        LogView { ring, size: 20, t: NOW, source: Source::Replica, place }
    }
    fn at(changed: Option<Change>) -> Place {
        Place::At { index: 10, changed }
    }
    fn ask(submitted: &Submitted, log: Known<'_>, cover: Option<Cover<'_>>, subject: Option<Option<bool>>) -> Verdict {
        judge(&Question { submitted, log, cover, subject, required: &Statement::DEFAULT, now: NOW })
    }
    /// What one statement comes to, of a record whose log is known and which stands at entry 10.
    fn of_record(submitted: &Submitted, statement: Statement) -> Reason {
        let world = World::new();
        reason(&ask(submitted, Ok(view(&world.keys, at(None))), None, None), statement)
    }
    fn of_log(log: Known<'_>, statement: Statement) -> Reason {
        reason(&ask(&good(), log, None, None), statement)
    }
    fn reason(verdict: &Verdict, statement: Statement) -> Reason {
        verdict.findings.iter().find(|(of, _)| *of == statement).unwrap().1
    }
    #[track_caller]
    fn check(cases: &[(Reason, Reason, Outcome)]) {
        for (found, expected, outcome) in cases {
            assert_eq!((found, found.outcome()), (expected, *outcome));
        }
    }
    use Outcome::{Established, Refuted, Unknown};

    #[test]
    fn a_good_record_in_the_log_is_valid() {
        let world = stating();
        let cover = Cover { agreement: &world.agreement, settled: Some((PayloadState::Held, None)) };
        let verdict = ask(&good(), Ok(view(&world.keys, at(None))), Some(cover), None);
        assert!(verdict.is_valid());
        let document = scan(canonical::write(&verdict.to_json()).unwrap(), 1 << 20).unwrap();
        assert_eq!(validate(SchemaName::Verdict, &document), []);
        let nobody = ask(&good(), Err(NoLog::NotFollowed), None, None);
        assert!(!nobody.is_valid());
        let stage = changed(|record| record["credentialSubject"]["stage"] = json!("nursery"));
        let nobody = Verdict { violations: ask(&stage, Err(NoLog::NotFollowed), None, None).violations, ..nobody };
        assert_eq!(nobody.violations.len(), 1);
        let document = scan(canonical::write(&nobody.to_json()).unwrap(), 1 << 20).unwrap();
        assert_eq!(validate(SchemaName::Verdict, &document), []);
    }

    #[test]
    fn integrity_in_all_three() {
        let text = String::from_utf8(sign(student_status(1), 1)).unwrap();
        let of = |text: String| of_record(&submitted(text.as_bytes()), Statement::Integrity);
        let mut second: Value = serde_json::from_str(&text).unwrap();
        second["proof"] = json!([second["proof"], second["proof"]]);
        let mut context: Value = serde_json::from_str(&text).unwrap();
        context["@context"].as_array_mut().unwrap().push(json!("https://example.org/more"));
        let suite = text.replace("eddsa-jcs-2022", "ecdsa-jcs-2019");
        check(&[
            (of(text.clone()), Reason::ProofHolds, Established),
            (of(text.replace("\"primary\"", "\"junior\"")), Reason::ProofFails(ProofError::Signature), Refuted),
            (of(second.to_string()), Reason::ProofFails(ProofError::Missing), Refuted),
            (of(context.to_string()), Reason::ProofFails(ProofError::Contexts), Refuted),
            (of(text.replace("#z6Mk", "#z6Xk")), Reason::ProofFails(ProofError::Controller), Refuted),
            (of(suite), Reason::UnknownSuite, Unknown),
        ]);
    }

    #[test]
    fn issuer_in_all_three() {
        let world = World::new();
        let other = changed(|record| record["issuer"] = json!("did:web:cd.example"));
        let of = |log| of_log(log, Statement::Issuer);
        check(&[
            (of(Ok(view(&world.keys, at(None)))), Reason::IssuerKnown, Established),
            (of_record(&other, Statement::Issuer), Reason::MethodOfAnother, Refuted),
            (of(Err(NoLog::OtherFingerprint)), Reason::OtherFingerprint, Refuted),
            (of(Err(NoLog::Contradicts)), Reason::LogContradicts, Refuted),
            (of(Err(NoLog::NotInPolicy)), Reason::IssuerNotInPolicy, Unknown),
            (of(Err(NoLog::NotFollowed)), Reason::IssuerNotFollowed, Unknown),
            (of(Err(NoLog::Unavailable)), Reason::LogUnavailable, Unknown),
        ]);
    }

    #[test]
    fn key_valid_in_all_three() {
        let world = World::new();
        let stranger = submitted(&sign(student_status(1), 9));
        let mut later = world.keys.clone();
        later.observe(5, &Entry { t: 5, body: Body::Unknown });
        let of = |log| of_log(log, Statement::KeyValid);
        check(&[
            (of(Ok(view(&world.keys, at(None)))), Reason::KeyValid { index: 10 }, Established),
            (of(Ok(view(&world.keys, Place::NoSalt))), Reason::KeyValidThroughout { size: 20 }, Established),
            (of_record(&stranger, Statement::KeyValid), Reason::KeyNotOfLog, Refuted),
            (of(Ok(view(&later, at(None)))), Reason::NotUnderstood { index: 5 }, Unknown),
            (of(Ok(view(&later, Place::NoSalt))), Reason::NotUnderstood { index: 5 }, Unknown),
            (of(Err(NoLog::Unavailable)), Reason::NoLog, Unknown),
        ]);
    }

    #[test]
    fn schema_and_rules_in_all_three() {
        let of = |record: &Submitted, statement| of_record(record, statement);
        let stage = changed(|record| record["credentialSubject"]["stage"] = json!("nursery"));
        let dates = changed(|record| record["credentialSubject"]["effectiveOn"] = json!("2026-09-02"));
        let kind = changed(|record| record["type"][1] = json!("LaterKind"));
        let file = changed(|record| record["credentialSchema"]["id"] = json!("https://example.org/v2.schema.json"));
        check(&[
            (of(&good(), Statement::Schema), Reason::SchemaHolds, Established),
            (of(&stage, Statement::Schema), Reason::SchemaViolated { count: 1 }, Refuted),
            (of(&kind, Statement::Schema), Reason::KindUnknown, Unknown),
            (of(&file, Statement::Schema), Reason::SchemaUnknown, Unknown),
            (of(&good(), Statement::Semantics), Reason::RulesHold, Established),
            (of(&dates, Statement::Semantics), Reason::RulesViolated { count: 1 }, Refuted),
            (of(&stage, Statement::Semantics), Reason::NotReached, Unknown),
        ]);
    }

    #[test]
    fn in_period_in_all_three() {
        let of = |change: &dyn Fn(&mut Value)| of_record(&changed(|record| change(record)), Statement::InPeriod);
        check(&[
            (of(&|_| ()), Reason::InPeriod, Established),
            (of(&|record| record["validUntil"] = json!("2027-09-01T00:00:00+08:00")), Reason::InPeriod, Established),
            (of(&|record| record["validFrom"] = json!("2026-11-01T00:00:00+08:00")), Reason::NotYet, Refuted),
            (of(&|record| record["validUntil"] = json!("2026-09-15T00:00:00+08:00")), Reason::Over, Refuted),
            (of(&|record| record["validFrom"] = json!("soon")), Reason::NoPeriod, Unknown),
        ]);
    }

    #[test]
    fn in_log_and_standing_in_all_three() {
        let world = World::new();
        let mut later = world.keys.clone();
        later.observe(15, &Entry { t: 5, body: Body::Unknown });
        let of = |place, statement| of_log(Ok(view(&world.keys, place)), statement);
        let (in_log, standing) = (Statement::InLog, Statement::Standing);
        check(&[
            (of(at(None), in_log), Reason::InLog { index: 10, size: 20, t: NOW }, Established),
            (of(Place::Differs { index: 10 }, in_log), Reason::OtherContent { index: 10 }, Refuted),
            (of(Place::Nowhere, in_log), Reason::NotInLog { size: 20, t: NOW }, Refuted),
            (of(Place::NoSalt, in_log), Reason::NoSalt, Unknown),
            (of(Place::NotHeld, in_log), Reason::NotHeld, Unknown),
            (of_log(Err(NoLog::Unavailable), in_log), Reason::NoLog, Unknown),
            (of(at(None), standing), Reason::Stands { size: 20, t: NOW }, Established),
            (of(at(Some(Change::Corrected(12))), standing), Reason::Corrected { by: 12 }, Refuted),
            (of(at(Some(Change::Withdrawn(13))), standing), Reason::Withdrawn { by: 13 }, Refuted),
            (of(Place::NoSalt, standing), Reason::PlaceUnknown, Unknown),
            (of_log(Ok(view(&later, at(None))), standing), Reason::NotUnderstood { index: 15 }, Unknown),
            (of_log(Err(NoLog::Unavailable), standing), Reason::NoLog, Unknown),
        ]);
    }

    #[test]
    fn agreement_office_and_subject_in_all_three() {
        let (world, none) = (stating(), World::new());
        let of = |world: &World, record: &Submitted, settled, statement| {
            let cover = Cover { agreement: &world.agreement, settled };
            reason(&ask(record, Ok(view(&world.keys, at(None))), Some(cover), None), statement)
        };
        let (agreement, office, subject) = (Statement::Agreement, Statement::Office, Statement::Subject);
        let (held, scope) = (Some((PayloadState::Held, None)), Some((PayloadState::Invalid, Some(Check::Scope))));
        let pending = Some((PayloadState::Pending, None));
        let asked = |given| reason(&ask(&good(), Err(NoLog::NotFollowed), None, given), subject);
        let removed = submitted(&sign(withdrawal(2, 1), 1));
        check(&[
            (of(&world, &good(), held, agreement), Reason::Covered, Established),
            (of(&world, &good(), scope, agreement), Reason::NotCovered { check: Check::Scope }, Refuted),
            (of(&world, &good(), pending, agreement), Reason::NotSettled, Unknown),
            (of_record(&good(), agreement), Reason::AgreementUnknown, Unknown),
            (of(&world, &good(), held, office), Reason::OfficeMayState, Established),
            (of(&world, &removed, held, office), Reason::OfficeMayState, Established),
            (of(&world, &submitted(&sign(amendment(2, 1), 1)), held, office), Reason::OfficeMayState, Established),
            (of(&none, &good(), held, office), Reason::OfficeMayNotState, Refuted),
            (of_record(&good(), office), Reason::AgreementUnknown, Unknown),
            (asked(Some(Some(true))), Reason::SubjectFits, Established),
            (asked(Some(Some(false))), Reason::SubjectDiffers, Refuted),
            (asked(Some(None)), Reason::SubjectNotLinked, Unknown),
            (asked(None), Reason::SubjectNotAsked, Unknown),
        ]);
    }

    #[test]
    fn what_is_refuted_is_never_valid_whatever_is_required() {
        let world = World::new();
        let record = good();
        let question = |place| Question {
            submitted: &record,
            log: Ok(view(&world.keys, place)),
            cover: None,
            subject: None,
            required: &Statement::ALWAYS,
            now: NOW,
        };
        assert!(judge(&question(Place::NoSalt)).is_valid());
        assert!(!judge(&question(Place::Nowhere)).is_valid());
        assert!(!judge(&question(at(Some(Change::Withdrawn(12))))).is_valid());
    }

    #[test]
    fn a_proof_by_the_right_key_under_another_did_is_not_the_issuers() {
        let mut proof: Value = serde_json::from_slice::<Value>(&sign(student_status(1), 1)).unwrap()["proof"].clone();
        proof.as_object_mut().unwrap().remove("proofValue");
        proof["verificationMethod"] = json!(key_id(1).to_string().replace("km.example", "cd.example"));
        let record = submitted(&canonical::write(&sign_with(student_status(1), proof, &key(1))).unwrap());
        assert_eq!(of_record(&record, Statement::Integrity), Reason::ProofHolds);
        assert_eq!(of_record(&record, Statement::Issuer), Reason::MethodOfAnother);
    }

    #[test]
    fn every_reason_speaks_both_languages() {
        let world = World::new();
        for log in [Ok(view(&world.keys, at(None))), Err(NoLog::NotFollowed), Err(NoLog::Contradicts)] {
            for (_, reason) in ask(&good(), log, None, None).findings {
                let text = reason.text();
                assert!(text.en.ends_with('.') && text.zh.ends_with('。') && reason.code() != "unknown", "{reason:?}");
            }
        }
    }
}
