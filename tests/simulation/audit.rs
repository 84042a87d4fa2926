//! The invariants. Whatever is seen here is seen from outside: by what was signed, given and held, not by what a node believes.

use super::cities::city;
use super::node::{Fate, now, origin_no};
use crate::memory::{Memory, Model};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::commitment::commit;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::pull::PayloadState;
use hefu_federation::tile::split_bundle;
use hefu_federation::tree::{CompactRange, Hash, leaf_hash};
use hefu_node::codec::decompress;
use hefu_node::pull::entries_in;
use hefu_node::store::{DraftRow, OWN, OriginNo, PayloadRow, SEQUENCER};
use hefu_schemas::id::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Audit {
    pub(super) violations: Vec<Violation>,
    /// Leaves of the longest log that a city has signed.
    signed: BTreeMap<usize, Vec<Hash>>,
    /// Cities that signed two histories, and may have.
    pub(super) forked: BTreeSet<usize>,
    leases: BTreeMap<usize, (String, i64)>,
    nonces: BTreeSet<(usize, [u8; 16])>,
    /// Records as their cities made them: good ones, and those that nobody may accept.
    good: BTreeSet<(usize, Digest)>,
    bad: BTreeSet<Digest>,
    seen: BTreeMap<(usize, usize), u64>,
    pub(super) receipts: u64,
}

impl Audit {
    pub(super) fn violated(&mut self, invariant: &'static str, detail: impl Into<String>) {
        self.violations.push(Violation { invariant, detail: detail.into() });
    }

    pub(super) fn require(&mut self, holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) {
        if !holds {
            self.violated(invariant, detail());
        }
    }

    pub(super) fn made(&mut self, city: usize, bytes: &[u8], good: bool) {
        let digest = Digest::of(bytes);
        if good {
            self.good.insert((city, digest));
        } else {
            self.bad.insert(digest);
        }
    }

    /// A lease was taken: nobody else's may be running.
    pub(super) fn leased(&mut self, city: usize, holder: &str, now_ms: i64, ttl_ms: i64) {
        let other = self.leases.get(&city).is_some_and(|(held, until)| held != holder && *until > now_ms);
        self.require(!other, "one-lease", || format!("city {city}: {holder} got the lease of another"));
        self.leases.insert(city, (holder.to_owned(), now_ms + ttl_ms));
    }

    /// A database was put back: who held the lease is not known any more.
    pub(super) fn forget(&mut self, city: usize) {
        self.leases.remove(&city);
        self.nonces.retain(|(server, _)| *server != city);
        self.seen.retain(|(node, _), _| *node != city);
    }

    pub(super) fn appended(&mut self, city: usize, memory: &Memory, fence: i64) {
        let held = memory.content().fence(SEQUENCER);
        self.require(held == Some(fence), "fence", || format!("city {city}: appended with {fence}, lease {held:?}"));
    }

    pub(super) fn answered(&mut self, server: usize, nonce: [u8; 16]) {
        let is_new = self.nonces.insert((server, nonce));
        self.require(is_new, "nonce-once", || format!("city {server} answered a request twice"));
    }

    /// A note is about to leave a node.
    pub(super) fn signs(&mut self, city: usize, memory: &Memory, checkpoint: &Checkpoint, fate: Fate, unguarded: bool) {
        let leaves = leaves(&memory.content(), OWN, checkpoint.size);
        let stored = root(&leaves) == checkpoint.root;
        self.require(stored, "signed-is-stored", || format!("city {city}: note of size {}", checkpoint.size));
        let before = self.signed.entry(city).or_default();
        let (short, long) = if before.len() < leaves.len() { (&*before, &leaves) } else { (&leaves, &*before) };
        if long.starts_with(short) {
            if before.len() < leaves.len() {
                *before = leaves;
            }
            return;
        }
        let allowed = fate.set_back && fate.guard_too && (unguarded || fate.unknowable);
        *before = leaves;
        if allowed {
            self.forked.insert(city);
        } else if !self.forked.contains(&city) {
            self.violated("one-history", format!("city {city} signed two histories, size {}", checkpoint.size));
        }
    }

    /// A receipt is given: its note is published, its entry is there.
    pub(super) fn receipt(&mut self, city: usize, memory: &Memory, receipt: &DraftRow, counts: bool) {
        self.receipts += 1;
        if !counts {
            return;
        }
        let published = memory.content().logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0)).unwrap_or(0);
        self.require(receipt.size <= published, "receipt-after-note", || {
            format!("city {city}: receipt for {} of {}, published {published}", receipt.index, receipt.size)
        });
    }

    /// Receipts whose entries are no longer in the log.
    pub(super) fn lost(memory: &Memory, receipts: &[DraftRow]) -> usize {
        let model = memory.content();
        let leaves = leaves(&model, OWN, u64::MAX);
        let is_there = |receipt: &&DraftRow| {
            let at = usize::try_from(receipt.index).ok().and_then(|index| leaves.get(index));
            at == Some(&receipt.leaf_hash)
        };
        receipts.iter().filter(|receipt| !is_there(receipt)).count()
    }

    /// A note that a node took for good: what it holds must agree.
    pub(super) fn accepted(&mut self, node: usize, of: usize, memory: &Memory, checkpoint: &Checkpoint) {
        let held = leaves(&memory.content(), origin_no(node, of), checkpoint.size);
        let same = u64::try_from(held.len()).ok() != Some(checkpoint.size) || root(&held) == checkpoint.root;
        self.require(same, "replica-is-signed", || {
            format!("city {node} holds of {of} another log than the note of size {} says", checkpoint.size)
        });
    }

    /// Rows that a node now holds of a peer.
    pub(super) fn absorbed(&mut self, node: usize, of: usize, memory: &Memory, rows: &[PayloadRow]) {
        let no = origin_no(node, of);
        for row in rows {
            let stored = memory.content().logs.get(&no).and_then(|log| log.rows.get(&row.index).cloned());
            let Some(row) = stored.filter(|row| row.state == PayloadState::Held) else { continue };
            let Some(payload) = &row.payload else { continue };
            let bytes = decompress(payload.codec, &payload.body).unwrap_or_default();
            let digest = Digest::of(&bytes);
            let good = self.good.contains(&(of, digest)) && !self.bad.contains(&digest);
            self.require(good, "only-good-is-held", || format!("city {node} holds entry {} of {of}", row.index));
            let entry = now(entries_in(&memory.copy(), no, row.index, row.index + 1)).ok();
            let promised =
                entry.and_then(|entries| entries.into_iter().next()).and_then(|(_, entry)| match entry.body {
                    Body::Record { c, .. } | Body::Amend { c, .. } | Body::Withdraw { c, .. } => Some(c),
                    _ => None,
                });
            self.require(promised == Some(commit(&payload.salt, &bytes)), "held-is-committed", || {
                format!("city {node}: entry {} of {of}", row.index)
            });
            let rows = memory.content().payload_rows(no);
            let same = rows.iter().filter(|other| other.state == PayloadState::Held && other.id == row.id).count();
            self.require(same <= 1, "ids-are-unique", || format!("city {node}: {same} records of {of} with one id"));
        }
    }

    /// After each step: what a node publishes its guard knows; what it has seen only grows.
    pub(super) fn step(&mut self, node: usize, cities: usize, memory: &Memory, guard: Option<u64>, fate: Fate) {
        let model = memory.content();
        let published = model.logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0)).unwrap_or(0);
        self.require(fate.guard_lost || guard.is_some_and(|guard| guard >= published), "guard-before-note", || {
            format!("city {node}: published {published}, guard {guard:?}")
        });
        for other in (0..cities).filter(|other| *other != node) {
            let size = model.seen_size(&super::node::seen_hash(&city(other).origin)).unwrap_or(0);
            let before = self.seen.insert((node, other), size).unwrap_or(0);
            self.require(size >= before, "seen-only-grows", || format!("city {node}: of {other} {before}, now {size}"));
        }
    }

    /// Times of a replica's entries never go back.
    pub(super) fn ordered(&mut self, node: usize, of: usize, memory: &Memory) {
        let model = memory.content();
        let mut last = i64::MIN;
        for data in entries(&model, origin_no(node, of)) {
            if let Ok(Entry { t, .. }) = Entry::parse(&data) {
                self.require(t >= last, "time-goes-on", || format!("city {node}: an entry of {of} is older"));
                last = t;
            }
        }
    }
}

fn entries(model: &Model, origin: OriginNo) -> Vec<Vec<u8>> {
    let Some(log) = model.logs.get(&origin) else { return Vec::new() };
    let split = |(width, bytes): &(u16, std::sync::Arc<Vec<u8>>)| {
        let parts = split_bundle(bytes, *width).unwrap_or_default();
        parts.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    log.bundles.values().flat_map(split).collect()
}

/// The leaves of a stored log below a size.
pub(super) fn leaves(model: &Model, origin: OriginNo, size: u64) -> Vec<Hash> {
    let most = usize::try_from(size).unwrap_or(usize::MAX);
    entries(model, origin).iter().take(most).map(|data| leaf_hash(data)).collect()
}

/// Size and root that a note names.
pub(super) fn said(note: &[u8]) -> Option<(u64, Hash)> {
    let mut lines = std::str::from_utf8(note).ok()?.lines().skip(1);
    let (size, root) = (lines.next()?.parse().ok()?, lines.next()?);
    Some((size, Hash(STANDARD.decode(root).ok()?.try_into().ok()?)))
}

pub(super) fn root(leaves: &[Hash]) -> Hash {
    let mut range = CompactRange::new();
    leaves.iter().for_each(|leaf| range.append(*leaf));
    range.root()
}
