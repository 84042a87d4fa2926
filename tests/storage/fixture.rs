//! A store to test, and small values to put into it. All of them are made up.

use hefu_federation::append::{Head, Plan, plan_data};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::{Evidence, Finding, Owner, Rule, Severity, finding_id};
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::tree::Hash;
use hefu_node::store::{AgreementNo, EvaluatedKey, OWN, OriginNo, OwnRecord, Payload, PayloadRow, SEQUENCER, Store};
use hefu_schemas::id::{AgreementId, Did, Digest, Origin, RecordId};
use hefu_schemas::record::Kind;
use hefu_schemas::text::Text;
use jiff::civil::{Date, date};
use uuid::Uuid;

/// One implementation under test, in a place of its own.
pub(super) trait Fixture: Sized {
    /// A new, empty one. `None`, with a word to standard error, where this machine cannot have one: the case passes.
    async fn create() -> Option<Self>;
    /// The store.
    fn store(&self) -> &dyn Store;
}

/// One that outlives its process.
pub(super) trait Reopen: Fixture {
    /// Drops the store as a crash would, and opens it again.
    async fn reopen(&mut self);
}

/// One that statements of SQL reach.
pub(super) trait Damage: Fixture {
    /// Runs a statement behind the store's back, its constraints off.
    async fn damage(&self, sql: &'static str);
}

pub(super) const AS_OF: Date = date(2025, 9, 1);

pub(super) fn origin(name: &str) -> Origin {
    Origin::parse(&format!("{name}.example")).unwrap()
}

pub(super) fn did(name: &str) -> Did {
    Did::from_authority(&format!("{name}.example")).unwrap()
}

pub(super) fn hash(n: u8) -> Hash {
    Hash([n; 32])
}

pub(super) fn digest(n: u64) -> Digest {
    Digest::of(&n.to_be_bytes())
}

pub(super) fn record_id(n: u64) -> RecordId {
    let mut random = [0_u8; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let uuid = uuid::Builder::from_unix_timestamp_millis(1_756_000_000_000 + n, &random).into_uuid();
    RecordId::from_uuid(uuid).unwrap()
}

pub(super) fn agreement_id(n: u128) -> AgreementId {
    AgreementId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn subject(n: u64) -> Key {
    Key::new(KeyType::Subject, &format!("urn:hefu:subject:1:{}", digest(n)))
}

/// Adds the own log and one replica.
pub(super) async fn two_origins(store: &dyn Store) -> (OriginNo, OriginNo) {
    let own = store.add_origin(&origin("kunming"), &did("kunming"), &hash(1), None).await.unwrap();
    let peer = store.add_origin(&origin("chengdu"), &did("chengdu"), &hash(2), None).await.unwrap();
    (own, peer)
}

/// Adds an agreement.
pub(super) async fn agreement(store: &dyn Store, n: u128) -> AgreementNo {
    let bytes = n.to_be_bytes();
    store.add_document(agreement_id(n), 1, &Digest::of(&bytes), &bytes, 1).await.unwrap()
}

/// Plans entries whose data nobody reads.
pub(super) fn plan(head: &Head, entries: u64) -> Plan {
    let data = (0..entries).map(|n| format!("{{\"n\":{}}}", head.size() + n).into_bytes()).collect();
    plan_data(head, data, 1_756_000_000).unwrap()
}

/// Takes the sequencer's lease.
pub(super) async fn fence(store: &dyn Store) -> i64 {
    store.lease(SEQUENCER, "one", 0, 1_000).await.unwrap().unwrap()
}

/// Appends entries to the own log, the last ones with records.
pub(super) async fn append_own(store: &dyn Store, entries: u64, records: &[OwnRecord]) -> Plan {
    let plan = plan(&store.edge(OWN).await.unwrap(), entries);
    store.append_own(fence(store).await, &plan, records, &[]).await.unwrap();
    plan
}

pub(super) fn payload(n: u64) -> Payload {
    Payload { salt: digest(n).0, codec: 1, body: format!("body {n}").into_bytes() }
}

pub(super) fn held(index: u64, agreement: AgreementNo, id: u64) -> PayloadRow {
    PayloadRow {
        index,
        agreement,
        state: PayloadState::Held,
        reason: None,
        t: 1_756_000_000,
        of: None,
        id: Some(record_id(id)),
        kind: Some(Kind::StudentStatus),
        payload: Some(payload(id)),
    }
}

pub(super) fn invalid(index: u64, agreement: AgreementNo, id: u64) -> PayloadRow {
    PayloadRow { state: PayloadState::Invalid, reason: Some("schema".to_owned()), ..held(index, agreement, id) }
}

pub(super) fn unheld(index: u64, agreement: AgreementNo, state: PayloadState) -> PayloadRow {
    PayloadRow { state, id: None, kind: None, payload: None, ..held(index, agreement, 0) }
}

pub(super) fn own_record(index: u64, agreement: AgreementNo, n: u64) -> OwnRecord {
    OwnRecord {
        row: held(index, agreement, n),
        draft_id: format!("draft-{n}"),
        content: digest(n),
        keys: vec![subject(n)],
    }
}

pub(super) fn finding(n: u64, rule: Rule, severity: Severity) -> Finding {
    let evidence = vec![Evidence { origin: origin("kunming"), index: n, record: Some(record_id(n)) }];
    Finding {
        id: finding_id(rule, agreement_id(7), "step", &evidence),
        rule,
        severity,
        about: "step".to_owned(),
        evidence,
        members: vec!["stage".to_owned()],
        owner: Owner { party: origin("kunming"), office: Some("530102".to_owned()) },
        due_on: Some(date(2025, 9, 30)),
        text: Text::new("查明去向", "find the child"),
    }
}

pub(super) fn evaluated(key: Key, findings: Vec<Finding>, next: Option<Date>) -> EvaluatedKey {
    EvaluatedKey { key, findings, next }
}

/// Evaluates all queued keys of an agreement with the same findings for each.
pub(super) async fn evaluate_all(store: &dyn Store, agreement: AgreementNo, findings: &[Finding]) {
    let dirty = store.dirty(agreement, usize::MAX).await.unwrap();
    let mut keys: Vec<Key> = dirty.iter().map(|row| row.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let evaluated: Vec<_> = keys.into_iter().map(|key| evaluated(key, findings.to_vec(), None)).collect();
    store.commit_evaluations(agreement, AS_OF, &dirty, &evaluated, 1).await.unwrap();
}
