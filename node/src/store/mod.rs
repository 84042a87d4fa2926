//! What a node keeps, as traits at the grain of the flows that use them; one implementation per database.
//!
//! The own log is one more origin in the same tables: serving, checking, pulling and reconciling share one code path.
//! Durability: a method that returns `Ok` has committed; a crash at any point leaves either all or nothing of one
//! call. Every write is one transaction. Methods are idempotent where that is said.

mod agreements;
pub(crate) mod db;
mod error;
pub(crate) mod fault;
mod filed;
mod head;
mod lease;
mod number;
pub mod postgres;
pub mod records;
mod sql;
pub mod sqlite;
mod token;

pub use error::{StoreError, StoreResult};

pub use db::Database;
pub use db::tables::{Keep, TABLES, Table};
pub use filed::{Bounds, Filed, MAX_READ_PER_ORIGIN, latest};
pub use lease::{LeaseRow, LeaseStore, RECONCILER};
pub use token::{TokenRow, TokenStore};

pub use agreements::{AgreementStore, DocumentRow};

use async_trait::async_trait;
use hefu_federation::append::{Head, Plan};
use hefu_federation::entry::Act;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::Key;
use hefu_federation::tree::Hash;
use hefu_schemas::id::{Did, Digest, Origin, RecordId};
use hefu_schemas::record::Kind;
use jiff::civil::Date;

/// Local number of an origin: the own one is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginNo(pub i64);
/// Number of the own origin.
pub const OWN: OriginNo = OriginNo(1);
/// Local number of an agreement id (all its versions share it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgreementNo(pub i64);
impl AgreementNo {
    /// No agreement: of observations.
    pub const NONE: Self = Self(0);
    /// Number of the built-in agreement `public`, on every node.
    pub const PUBLIC: Self = Self(1);
    /// Number of the built-in agreement `holder`, on every node.
    pub const HOLDER: Self = Self(2);
}
/// Name of the lease whose fence [`LogStore::append_own`] checks.
pub const SEQUENCER: &str = "sequencer";

/// An origin that the node keeps a log of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the table's comment")]
pub struct OriginRow {
    pub no: OriginNo,
    pub origin: Origin,
    pub did: Did,
    pub fingerprint: Hash,
    /// PEM of extra roots to trust for its TLS certificate.
    pub ca_pem: Option<String>,
    /// Why pulling from it has stopped, if it has (evidence of a split view).
    pub stopped: Option<String>,
    /// Time of the last round that reached its checkpoint, ms since 1970.
    pub reached_ms: Option<i64>,
}

/// Where a log ends in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// Number of entries.
    pub size: u64,
    /// `t` of the last entry.
    pub t: i64,
    /// The largest verified signed note: for the own log the last published one.
    pub note: Option<Vec<u8>>,
}

/// Compressed payload as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// 32 bytes.
    pub salt: [u8; 32],
    /// How `body` is compressed (see `codec`).
    pub codec: u8,
    /// Compressed canonical bytes.
    pub body: Vec<u8>,
}

/// A row for an index that carries a record of one of our agreements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadRow {
    /// 0-based.
    pub index: u64,
    /// Its agreement.
    pub agreement: AgreementNo,
    /// Its state.
    pub state: PayloadState,
    /// Why, for invalid, pending, refused, quarantined.
    pub reason: Option<String>,
    /// `t` of the entry.
    pub t: i64,
    /// `of` of the entry.
    pub of: Option<u64>,
    /// Record id, when known.
    pub id: Option<RecordId>,
    /// Kind, when known.
    pub kind: Option<Kind>,
    /// Salt and body, when held (or kept as evidence).
    pub payload: Option<Payload>,
}

/// One own record to be appended with its entry.
#[derive(Debug, Clone)]
pub struct OwnRecord {
    /// The row; its state is `Held`, its index that of the plan's entry.
    pub row: PayloadRow,
    /// Idempotency key.
    pub draft_id: String,
    /// Digest of the draft's content.
    pub content: Digest,
    /// Keys under which it is to be reconciled.
    pub keys: Vec<Key>,
}

/// An act on an agreement seen in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the entry")]
pub struct ActRow {
    pub origin: OriginNo,
    pub index: u64,
    pub digest: Digest,
    pub act: Act,
    pub on: Option<Date>,
    pub t: i64,
}

/// A published draft.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "bytes.md, Receipt")]
pub struct DraftRow {
    pub draft_id: String,
    pub content: Digest,
    pub id: RecordId,
    pub index: u64,
    pub leaf_hash: Hash,
    pub size: u64,
}

/// What to look for among the rows of all logs.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Only rows of these agreements.
    pub agreements: &'a [AgreementNo],
    /// Only of this log.
    pub origin: Option<OriginNo>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only in this state.
    pub state: Option<PayloadState>,
    /// Only what is filed under this key: records about it, and what corrects or withdraws them.
    pub key: Option<&'a Key>,
    /// Only from this index on, in each log.
    pub since: u64,
    /// Where to begin: the first log and index of this page.
    pub from: Place,
}

/// A log and an index in it: the order in which a search returns rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub OriginNo, pub u64);

impl Place {
    /// Before everything.
    pub const START: Self = Self(OWN, 0);
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Ascending by place, payloads included.
    pub rows: Vec<(OriginNo, PayloadRow)>,
    /// Where the search goes on; `None` when it is at its end. A page may be short, even empty, before that.
    pub next: Option<Place>,
}

/// The log: own and replicas.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Adds an origin; repeating the same is no change, but for the roots, which are replaced when given. The first one added
    /// is the own (number 1). Another DID or fingerprint under a known origin is [`StoreError::Differs`].
    async fn add_origin(
        &self,
        origin: &Origin,
        did: &Did,
        fingerprint: &Hash,
        ca_pem: Option<&str>,
    ) -> StoreResult<OriginNo>;
    /// All origins by number.
    async fn origins(&self) -> StoreResult<Vec<OriginRow>>;
    /// Notes that pulling from an origin has stopped, and why; `None` lifts it.
    async fn set_stopped(&self, origin: OriginNo, why: Option<&str>) -> StoreResult<()>;
    /// Notes that an origin's checkpoint was reached.
    async fn set_reached(&self, origin: OriginNo, at_ms: i64) -> StoreResult<()>;
    /// Where a log ends.
    async fn head(&self, origin: OriginNo) -> StoreResult<StoredHead>;
    /// The head with the right edge of tiles and bundle, restored and checked.
    async fn edge(&self, origin: OriginNo) -> StoreResult<Head>;
    /// Appends own entries: compare-and-swap on the plan's first index and the lease's fence; entries, tiles, head, payload rows,
    /// record ids, drafts, acts, dirty keys in one transaction. `size` in draft rows is set by `set_note`'s size, that is the plan's.
    /// The fence is that of the lease [`SEQUENCER`], which must not have been given back. A record id or draft id that the
    /// log has already is [`StoreError::Differs`].
    async fn append_own(&self, fence: i64, plan: &Plan, records: &[OwnRecord], acts: &[ActRow]) -> StoreResult<()>;
    /// Appends verified entries of a replica: compare-and-swap on the plan's first index; acts too.
    async fn append_replica(&self, origin: OriginNo, plan: &Plan, acts: &[ActRow]) -> StoreResult<()>;
    /// Stores the largest verified note of a log (own: the published one). Never replaces a larger one; one of the same size
    /// it does, since cosignatures come later.
    async fn set_note(&self, origin: OriginNo, size: u64, note: &[u8]) -> StoreResult<()>;
    /// Hashes of a stored tile, 32 bytes each (as wide as it is so far).
    async fn tile(&self, origin: OriginNo, level: u8, index: u64) -> StoreResult<Option<Vec<u8>>>;
    /// A stored bundle with its width.
    async fn bundle(&self, origin: OriginNo, index: u64) -> StoreResult<Option<(u16, Vec<u8>)>>;
    /// Notes entries of a log that say something of its keys or are not understood: (index, leaf data). Noting them again
    /// replaces them.
    async fn note_signed(&self, origin: OriginNo, entries: &[(u64, Vec<u8>)]) -> StoreResult<()>;
    /// Those of them that the log holds, by index.
    async fn signed(&self, origin: OriginNo) -> StoreResult<Vec<(u64, Vec<u8>)>>;
    /// Acts on a document in a log, by index: at most that many, the first ones.
    async fn acts(&self, digest: &Digest, origin: OriginNo, most: usize) -> StoreResult<Vec<ActRow>>;
}

/// Payloads, own and of peers.
#[async_trait]
pub trait PayloadStore: Send + Sync {
    /// How far the entries of an origin have been searched for an agreement's label.
    async fn labelled_until(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<u64>;
    /// Adds `Wanted` rows (index, t, of) and moves the search cursor, in one transaction; existing rows stay as they are.
    async fn add_wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        rows: &[(u64, i64, Option<u64>)],
        until: u64,
    ) -> StoreResult<()>;
    /// Indexes in [from, until) of an agreement in state `Wanted`, `Withheld` or `Pending` (with `retry`) or just `Wanted`, at most `limit`, ascending.
    async fn wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        retry: bool,
        limit: usize,
    ) -> StoreResult<Vec<u64>>;
    /// Stores what was judged of a page, in one transaction: rows replace those of their indexes unless these are held; new record ids are noted
    /// (a row whose id stands at another index of this origin is stored as invalid, reason `id-new`, without keys); dirty keys are queued,
    /// and with them the `record` keys of cited records that the rows are, correct or withdraw.
    /// Returns the indexes turned down that way, ascending. Only held, pending, restricted and quarantined rows take their id; only keys
    /// of held rows are queued, and the `entry` keys of invalid and quarantined ones. What came early is filed unless what it
    /// corrects is turned down. Idempotent.
    async fn absorb(&self, origin: OriginNo, rows: &[(PayloadRow, Vec<Key>)], early: &[Early])
    -> StoreResult<Vec<u64>>;
    /// Rows of one agreement in [from, until) in index order, at most `limit`, payloads included.
    async fn rows(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        limit: usize,
    ) -> StoreResult<Vec<PayloadRow>>;
    /// One row.
    async fn row(&self, origin: OriginNo, index: u64) -> StoreResult<Option<PayloadRow>>;
    /// A page of at most `limit` rows of all logs that a search asks for. It reads a bounded part of each log, so that a rare
    /// row in a long log is found over several pages.
    async fn search(&self, search: Search<'_>, limit: usize) -> StoreResult<Found>;
    /// Index of a record id in a log.
    async fn index_of(&self, origin: OriginNo, id: RecordId) -> StoreResult<Option<u64>>;
    /// Index of many record ids in a log, in the order asked.
    async fn indexes_of(&self, origin: OriginNo, ids: &[RecordId]) -> StoreResult<Vec<Option<u64>>>;
    /// Published drafts by id, in the order asked.
    async fn drafts(&self, draft_ids: &[&str]) -> StoreResult<Vec<Option<DraftRow>>>;
    /// Number of rows by state for an origin and agreement.
    async fn state_counts(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<Vec<(PayloadState, u64)>>;
    /// Digest of the payload states of [0, size) (bytes: Tally), with block digests cached.
    async fn states_digest(&self, origin: OriginNo, agreement: AgreementNo, size: u64) -> StoreResult<Digest>;
}

/// A correction that came before what it corrects, and is held: when that is held too, it is filed under its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Early {
    /// The correction.
    pub correction: records::Correction,
    /// The keys of what it corrects.
    pub keys: Vec<Key>,
}

/// A key that is to be evaluated, mostly because an entry was filed under it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the table's comment")]
pub struct DirtyRow {
    pub seq: i64,
    pub agreement: AgreementNo,
    pub key: Key,
    pub origin: OriginNo,
    /// `None` when nothing is to be filed: what the key cites has changed.
    pub index: Option<u64>,
}

/// One key's evaluation to be stored.
#[derive(Debug, Clone)]
pub struct EvaluatedKey {
    /// The key.
    pub key: Key,
    /// All its findings now.
    pub findings: Vec<Finding>,
    /// When time alone may change them.
    pub next: Option<Date>,
}

/// A key of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketKey {
    /// The key.
    pub key: Key,
    /// Number of origins with facts.
    pub origins: u32,
}

/// A bucket's cached result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "bytes.md, Tally")]
pub struct BucketRow {
    pub bucket: u16,
    pub digest: Digest,
    pub matched: u64,
    /// critical, error, warning, notice.
    pub findings: [u64; 4],
}

/// Facts by key, findings, buckets, tallies.
#[async_trait]
pub trait ReconcileStore: Send + Sync {
    /// The oldest queued keys of one agreement, at most `limit` rows, ascending by seq.
    async fn dirty(&self, agreement: AgreementNo, limit: usize) -> StoreResult<Vec<DirtyRow>>;
    /// Number of queued rows.
    async fn dirty_count(&self) -> StoreResult<u64>;
    /// Held rows filed under these keys (stored facts and `dirty` ones given), payloads included, and under `entry` keys the invalid
    /// and quarantined ones too: (position in `keys`, origin, row). Of each origin the [`latest`] of them below the bounds.
    async fn facts(
        &self,
        agreement: AgreementNo,
        keys: &[Key],
        dirty: &[DirtyRow],
        bounds: Option<&Bounds>,
    ) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>>;
    /// Held rows that `record` keys among these have in sight besides those who cite: the record that the key names, its
    /// corrections, its withdrawal, and what the same city files under its corrections. Only rows of this agreement:
    /// (position in `keys`, origin, row).
    async fn cited(&self, agreement: AgreementNo, keys: &[Key]) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>>;
    /// The `record` keys that these rows of an origin concern without being filed under them: those of the rows themselves and of
    /// what they correct or withdraw, as far as they are cited.
    async fn concerned(
        &self,
        agreement: AgreementNo,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
    ) -> StoreResult<Vec<Key>>;
    /// In one transaction: files the dirty rows as facts (in key order), replaces the findings and due dates of the evaluated keys,
    /// marks their buckets stale, notes the evaluation date, and takes the rows off the queue. [`StoreError::Differs`] when one of the rows
    /// is no longer queued: another reconciler was at work. One reconciler at a time calls this and `store_buckets`.
    async fn commit_evaluations(
        &self,
        agreement: AgreementNo,
        as_of: Date,
        dirty: &[DirtyRow],
        evaluated: &[EvaluatedKey],
        now_ms: i64,
    ) -> StoreResult<()>;
    /// Keys whose result may change by a date, at most `limit`.
    async fn due(&self, agreement: AgreementNo, by: Date, limit: usize) -> StoreResult<Vec<Key>>;
    /// The keys of a bucket, in key order.
    async fn bucket_keys(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<BucketKey>>;
    /// The findings of a bucket by key, in key order.
    async fn bucket_findings(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<(Key, Finding)>>;
    /// Buckets that are stale (never computed and non-empty, or changed since).
    async fn stale_buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<u16>>;
    /// Stores computed buckets and clears their stale marks.
    async fn store_buckets(&self, agreement: AgreementNo, rows: &[BucketRow]) -> StoreResult<()>;
    /// All computed buckets.
    async fn buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<BucketRow>>;
    /// Queues keys to be evaluated, with the entry of an origin to be filed under each.
    async fn queue(&self, agreement: AgreementNo, origin: OriginNo, keys: &[(u64, Key)]) -> StoreResult<()>;
    /// Notes what this node alone has seen of an origin (rule G2); noting it again changes nothing.
    async fn observe(&self, origin: OriginNo, finding: &Finding, now_ms: i64) -> StoreResult<()>;
    /// Takes away what was noted of an origin: it is settled.
    async fn settle(&self, origin: OriginNo) -> StoreResult<()>;
    /// Open findings, gravest first, with their keys; `rule` filters. What was observed of an origin comes first and, being of no
    /// agreement ([`AgreementNo::NONE`]), only where no agreement is asked for.
    async fn findings(
        &self,
        agreement: Option<AgreementNo>,
        rule: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> StoreResult<Vec<(AgreementNo, Key, Finding)>>;
    /// The open findings with an id, by agreement and key: one under each key that it concerns.
    async fn findings_with_id(&self, id: &Digest) -> StoreResult<Vec<(AgreementNo, Key, Finding)>>;
    /// Number of open findings by agreement, rule, severity.
    async fn finding_counts(&self) -> StoreResult<Vec<(AgreementNo, String, String, u64)>>;
    /// Stores a verified signed statement (replaces the one for the same agreement, date and party).
    async fn add_tally(
        &self,
        agreement: AgreementNo,
        as_of: Date,
        party: OriginNo,
        statement: &[u8],
        now_ms: i64,
    ) -> StoreResult<()>;
    /// Statements of an agreement: newest date first.
    async fn tallies(&self, agreement: AgreementNo, limit: usize) -> StoreResult<Vec<(Date, OriginNo, Vec<u8>)>>;
}

/// Lease, nonces, seen notes, audit.
#[async_trait]
pub trait GuardStore: Send + Sync {
    /// Takes or renews a lease by compare-and-swap: `Some(fence)` when it is ours until `now_ms + ttl_ms`. The fence grows with each new holder.
    async fn lease(&self, name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<Option<i64>>;
    /// Gives a lease back.
    async fn release(&self, name: &str, holder: &str) -> StoreResult<()>;
    /// Notes a nonce; `false` when it was used before. Those that have expired are forgotten.
    async fn use_nonce(&self, key_id: &str, nonce: &[u8; 16], expires_s: i64, now_s: i64) -> StoreResult<bool>;
    /// The largest valid note seen of an origin, by hex SHA-256 of the origin.
    async fn seen_note(&self, origin_hash: &str) -> StoreResult<Option<Vec<u8>>>;
    /// Stores it if larger than what is there.
    async fn add_seen_note(&self, origin_hash: &str, size: u64, note: &[u8]) -> StoreResult<()>;
    /// Writes to the audit.
    async fn audit(&self, at_ms: i64, action: &str, reason: &str, detail: &serde_json::Value) -> StoreResult<()>;
    /// The audit, newest first.
    async fn audits(&self, limit: usize) -> StoreResult<Vec<(i64, String, String, serde_json::Value)>>;
    /// The database's own integrity check, one line for each complaint.
    async fn check(&self) -> StoreResult<Vec<String>>;
    /// A shorter one, which does not compare indexes with their tables: seconds where [`Self::check`] takes minutes.
    async fn quick_check(&self) -> StoreResult<Vec<String>>;
}

/// Everything that a node needs of its database.
pub trait Store:
    LogStore + PayloadStore + AgreementStore + ReconcileStore + GuardStore + LeaseStore + TokenStore + records::RecordStore
{
}
impl<T> Store for T where
    T: LogStore
        + PayloadStore
        + AgreementStore
        + ReconcileStore
        + GuardStore
        + LeaseStore
        + TokenStore
        + records::RecordStore
{
}
