//! The invariants. Whatever is seen here is seen from outside: by what was signed, given and held, not by what a node believes.

use super::cities::city;
use super::leaves::Logs;
use super::node::{Fate, Knew, origin_no, seen_hash};
use crate::memory::Memory;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::commitment::commit;
use hefu_federation::entry::Body;
use hefu_federation::pull::PayloadState;
use hefu_federation::tree::Hash;
use hefu_node::codec::decompress;
use hefu_node::store::{DraftRow, OWN, PayloadRow, SEQUENCER};
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
    /// What lies on the disks.
    pub(super) logs: Logs,
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
    /// Notes that a node has kept as the largest of a peer, since its disk was last set back: size and root.
    kept: BTreeMap<(usize, usize), Vec<(u64, Hash)>>,
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
        self.kept.retain(|(node, _), _| *node != city);
    }

    pub(super) fn appended(&mut self, city: usize, memory: &Memory, fence: i64) {
        let held = memory.content().fence(SEQUENCER);
        self.require(held == Some(fence), "fence", || format!("city {city}: appended with {fence}, lease {held:?}"));
    }

    pub(super) fn answered(&mut self, server: usize, nonce: [u8; 16]) {
        let is_new = self.nonces.insert((server, nonce));
        self.require(is_new, "nonce-once", || format!("city {server} answered a request twice"));
    }

    /// What a start could know: the notes of its own log that came from peers, and what had been signed.
    pub(super) fn knows(&mut self, city: usize, memory: &Memory, seen: &[Checkpoint]) -> Knew {
        let stored = self.logs.look(city, OWN, &memory.content());
        let told = seen.iter().any(|note| stored.root(note.size) != Some(note.root));
        let behind = self.signed.get(&city).is_some_and(|signed| !stored.leaves().starts_with(signed));
        Knew { answered: !seen.is_empty(), told, behind }
    }

    /// A process has started, or not: what it says of itself, by what it could know.
    pub(super) fn started(&mut self, city: usize, lost: usize, fate: Fate, knew: Knew, signs: bool, unguarded: bool) {
        self.require(unguarded != knew.answered, "unguarded-is-labelled", || {
            format!("city {city}: a peer answered: {}, unguarded: {unguarded}", knew.answered)
        });
        self.require(!signs || !knew.told, "loss-is-reported", || {
            format!("city {city} signs although a peer has seen another log of it")
        });
        let unknowable = fate.set_back && fate.guard_too;
        self.require(!signs || lost == 0 || unknowable, "loss-is-reported", || {
            format!("city {city} signs, {lost} receipts lost")
        });
    }

    /// A note is about to leave a node. A second history is excused only where the disk was put back with its guard file, what it lacked
    /// was known to no peer that answered, and, if none did, the process has said from its start on that it is unguarded.
    pub(super) fn signs(
        &mut self,
        city: usize,
        memory: &Memory,
        checkpoint: &Checkpoint,
        fate: Fate,
        label: (Knew, bool),
    ) {
        let stored = self.logs.look(city, OWN, &memory.content());
        let is_stored = stored.root(checkpoint.size) == Some(checkpoint.root);
        let leaves = stored.first(checkpoint.size);
        let before = self.signed.entry(city).or_default();
        let (short, long) = if before.len() < leaves.len() { (&**before, leaves) } else { (leaves, &**before) };
        let goes_on = long.starts_with(short);
        if !goes_on || before.len() < leaves.len() {
            *before = leaves.to_vec();
        }
        self.require(is_stored, "signed-is-stored", || format!("city {city}: note of size {}", checkpoint.size));
        if goes_on {
            return;
        }
        self.forked.insert(city);
        let (knew, unguarded) = label;
        let excused = fate.set_back && fate.guard_too && knew.behind && !knew.told;
        self.require(excused, "one-history", || format!("city {city} signed two histories, size {}", checkpoint.size));
        self.require(knew.answered || unguarded, "unguarded-is-labelled", || {
            format!("city {city} signed a second history and did not say that it was unguarded")
        });
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
    pub(super) fn lost(&mut self, city: usize, memory: &Memory, receipts: &[DraftRow]) -> usize {
        let leaves = self.logs.look(city, OWN, &memory.content()).leaves();
        let is_there = |receipt: &&DraftRow| {
            let at = usize::try_from(receipt.index).ok().and_then(|index| leaves.get(index));
            at == Some(&receipt.leaf_hash)
        };
        receipts.iter().filter(|receipt| !is_there(receipt)).count()
    }

    /// A node has kept a note of a peer as seen, if it is the largest.
    pub(super) fn saw(&mut self, node: usize, of: usize, memory: &Memory, note: &[u8]) {
        let largest = memory.content().seen_note_of(&seen_hash(&city(of).origin));
        if largest.as_deref() == Some(note) {
            self.kept.entry((node, of)).or_default().extend(said(note));
        }
    }

    /// The notes of a peer that a node has seen, largest or not, and not forgotten with its disk.
    pub(super) fn notes(&self, node: usize, of: usize, memory: &Memory) -> Vec<(u64, Hash)> {
        let largest = memory.content().seen_note_of(&seen_hash(&city(of).origin)).and_then(|note| said(&note));
        self.kept.get(&(node, of)).into_iter().flatten().copied().chain(largest).collect()
    }

    /// A note that a node took for good: what it holds must agree.
    pub(super) fn accepted(&mut self, node: usize, of: usize, memory: &Memory, checkpoint: &Checkpoint) {
        let held = self.logs.look(node, origin_no(node, of), &memory.content()).root(checkpoint.size);
        self.require(held.is_none_or(|root| root == checkpoint.root), "replica-is-signed", || {
            format!("city {node} holds of {of} another log than the note of size {} says", checkpoint.size)
        });
    }

    /// Rows that a node now holds of a peer.
    pub(super) fn absorbed(&mut self, node: usize, of: usize, memory: &Memory, rows: &[PayloadRow]) {
        let no = origin_no(node, of);
        let held = memory.content().payload_rows(no);
        let held: Vec<_> = held.into_iter().filter(|row| row.state == PayloadState::Held).collect();
        for row in rows {
            let Some(row) = held.iter().find(|stored| stored.index == row.index) else { continue };
            let Some(payload) = &row.payload else { continue };
            let bytes = decompress(payload.codec, &payload.body).unwrap_or_default();
            let digest = Digest::of(&bytes);
            let good = self.good.contains(&(of, digest)) && !self.bad.contains(&digest);
            self.require(good, "only-good-is-held", || format!("city {node} holds entry {} of {of}", row.index));
            let entry = self.logs.look(node, no, &memory.content()).entry(row.index);
            let promised = entry.and_then(|entry| match entry.body {
                Body::Record { c, .. } | Body::Amend { c, .. } | Body::Withdraw { c, .. } => Some(c),
                _ => None,
            });
            self.require(promised == Some(commit(&payload.salt, &bytes)), "held-is-committed", || {
                format!("city {node}: entry {} of {of}", row.index)
            });
            let same = held.iter().filter(|other| other.id == row.id).count();
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
            let size = model.seen_size(&seen_hash(&city(other).origin)).unwrap_or(0);
            let before = self.seen.insert((node, other), size).unwrap_or(0);
            self.require(size >= before, "seen-only-grows", || format!("city {node}: of {other} {before}, now {size}"));
        }
    }

    /// Times of a replica's entries never go back.
    pub(super) fn ordered(&mut self, node: usize, of: usize, memory: &Memory) {
        let back = self.logs.look(node, origin_no(node, of), &memory.content()).goes_back();
        self.require(!back, "time-goes-on", || format!("city {node}: an entry of {of} is older"));
    }
}

/// Size and root that a note names.
fn said(note: &[u8]) -> Option<(u64, Hash)> {
    let mut lines = std::str::from_utf8(note).ok()?.lines().skip(1);
    let (size, root) = (lines.next()?.parse().ok()?, lines.next()?);
    Some((size, Hash(STANDARD.decode(root).ok()?.try_into().ok()?)))
}
