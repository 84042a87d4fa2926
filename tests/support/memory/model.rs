//! The content of the store.

use super::damaged;
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{
    ActRow, AgreementNo, BucketRow, DirtyRow, DocumentRow, DraftRow, OriginNo, OriginRow, PayloadRow, StoreResult,
    TokenRow,
};
use hefu_schemas::id::{AgreementId, Digest, RecordId};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One log, own or replica.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Number of entries.
    pub size: u64,
    /// `t` of the last.
    pub t: i64,
    /// The largest verified note with its size.
    pub note: Option<(u64, Vec<u8>)>,
    /// Hashes by level and index.
    pub tiles: BTreeMap<(u8, u64), Arc<Vec<u8>>>,
    /// Entries by bundle.
    pub bundles: BTreeMap<u64, (u16, Arc<Vec<u8>>)>,
    /// Entries that say something of keys.
    pub signed: BTreeMap<u64, Vec<u8>>,
    /// Ids that are taken.
    pub ids: BTreeMap<RecordId, u64>,
    /// Payload rows by index.
    pub rows: BTreeMap<u64, Arc<PayloadRow>>,
    /// How far the log was searched for an agreement's label.
    pub labelled: BTreeMap<AgreementNo, u64>,
}

/// What a store that keeps less than it promises leaves out: the simulator plants these.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lax {
    /// An own append does not look at the lease's fence.
    pub fence: bool,
    /// An append does not look at the head's size.
    pub size: bool,
    /// Keys of absorbed rows are not queued.
    pub queue: bool,
    /// A nonce is never found used.
    pub nonce: bool,
    /// A record id may stand twice in a log.
    pub ids: bool,
    /// A smaller seen note replaces a larger one.
    pub seen: bool,
    /// Every holder gets the lease.
    pub lease: bool,
    /// An evaluation leaves the buckets as they are.
    pub stale: bool,
    /// A row that is held is replaced by what comes later.
    pub held: bool,
}

/// The entries that are filed under keys.
type Filed = BTreeMap<Key, BTreeSet<(OriginNo, u64)>>;

/// A lease.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) holder: Option<String>,
    pub(super) until_ms: i64,
    pub(super) fence: i64,
    pub(super) since_ms: i64,
    /// Who wants it next, and until when.
    pub(super) wish: Option<(String, i64)>,
}

/// Everything that a node keeps.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// What is left out.
    pub lax: Lax,
    /// Logs by number.
    pub logs: BTreeMap<OriginNo, Log>,
    pub(super) origins: BTreeMap<OriginNo, OriginRow>,
    pub(super) acts: BTreeMap<(OriginNo, u64), ActRow>,
    pub(super) drafts: BTreeMap<String, DraftRow>,
    pub(super) numbers: BTreeMap<AgreementId, AgreementNo>,
    pub(super) documents: BTreeMap<(AgreementNo, u32), DocumentRow>,
    pub(super) proofs: BTreeMap<(Digest, String), Vec<u8>>,
    pub(super) linkages: BTreeMap<(AgreementNo, u32), [u8; 64]>,
    pub(super) sealed: BTreeMap<(AgreementNo, u32, String), Vec<u8>>,
    pub(super) queue: BTreeMap<i64, DirtyRow>,
    pub(super) last_queued: i64,
    /// By agreement and bucket, then by key.
    pub(super) facts: BTreeMap<(AgreementNo, u16), Filed>,
    pub(super) cited: BTreeSet<(AgreementNo, Key)>,
    /// The same.
    pub(super) findings: BTreeMap<(AgreementNo, u16), BTreeMap<Key, BTreeMap<Digest, Finding>>>,
    pub(super) observed: BTreeMap<OriginNo, BTreeMap<Digest, Finding>>,
    pub(super) due: BTreeMap<(AgreementNo, Key), Date>,
    pub(super) buckets: BTreeMap<(AgreementNo, u16), BucketRow>,
    pub(super) stale: BTreeSet<(AgreementNo, u16)>,
    pub(super) tallies: BTreeMap<(AgreementNo, Date, OriginNo), Vec<u8>>,
    pub(super) leases: BTreeMap<String, Lease>,
    pub(super) nonces: BTreeMap<(String, [u8; 16]), i64>,
    pub(super) seen: BTreeMap<String, (u64, Vec<u8>)>,
    pub(super) audits: Vec<(i64, String, String, serde_json::Value)>,
    pub(super) tokens: BTreeMap<i64, ([u8; 32], TokenRow)>,
}

impl Model {
    pub(super) fn log(&self, origin: OriginNo) -> StoreResult<&Log> {
        self.logs.get(&origin).ok_or_else(|| damaged(format!("origin {}: no such log", origin.0)))
    }

    pub(super) fn log_mut(&mut self, origin: OriginNo) -> StoreResult<&mut Log> {
        self.logs.get_mut(&origin).ok_or_else(|| damaged(format!("origin {}: no such log", origin.0)))
    }

    /// The fence of a lease that is held.
    pub fn fence(&self, name: &str) -> Option<i64> {
        self.leases.get(name).filter(|lease| lease.holder.is_some()).map(|lease| lease.fence)
    }

    /// The row of an origin.
    pub fn origin_row(&self, origin: OriginNo) -> Option<&OriginRow> {
        self.origins.get(&origin)
    }

    /// Size of the largest note seen of an origin.
    pub fn seen_size(&self, origin_hash: &str) -> Option<u64> {
        self.seen.get(origin_hash).map(|(size, _)| *size)
    }

    /// The largest note seen of an origin.
    pub fn seen_note_of(&self, origin_hash: &str) -> Option<Vec<u8>> {
        self.seen.get(origin_hash).map(|(_, note)| note.clone())
    }

    /// Forgets what was made of the held records, and queues all their keys again.
    pub fn forget_evaluations(&mut self, keys_of: impl Fn(OriginNo, &PayloadRow) -> Vec<Key>) {
        (self.facts, self.findings, self.due) = Default::default();
        (self.buckets, self.stale, self.queue) = Default::default();
        let rows: Vec<(OriginNo, Arc<PayloadRow>)> =
            self.logs.iter().flat_map(|(no, log)| log.rows.values().map(|row| (*no, row.clone()))).collect();
        for (origin, row) in rows {
            let keys = keys_of(origin, &row).into_iter().map(|key| (Some(row.index), key)).collect();
            self.enqueue(row.agreement, origin, keys);
        }
    }

    pub(super) fn row_at(&self, origin: OriginNo, index: u64) -> Option<&PayloadRow> {
        self.logs.get(&origin)?.rows.get(&index).map(Arc::as_ref)
    }

    /// Queues keys; the rows are numbered in the order given.
    pub(super) fn enqueue(&mut self, agreement: AgreementNo, origin: OriginNo, keys: Vec<(Option<u64>, Key)>) {
        for (index, key) in keys {
            self.last_queued += 1;
            let seq = self.last_queued;
            self.queue.insert(seq, DirtyRow { seq, agreement, key, origin, index });
        }
    }
}
