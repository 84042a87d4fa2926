//! Pulling a peer (protocol §4): the pure planner says what is wanted, the client brings it, the pure judge says what it is
//! worth, the store keeps what was verified. A round ends when nothing is wanted any more, or with the first failure; the
//! next round goes on where this one ended.

mod entries;
mod fresh;
mod judge;
mod keys;
mod observe;
mod split;

pub use entries::{Labelled, labelled, verify};
pub use fresh::Fresh;
pub(crate) use judge::keys_at;
pub use judge::{early_corrections, judge_rows, spoken_for, wanted, with_keys_of_corrected};
pub(crate) use keys::signer_of;
pub use keys::{dispute, observed};
pub use observe::{Wrong, note};

use crate::Node;
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::compute::compute;
use crate::exchange;
use crate::group;
use crate::guard::stored_root;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Known;
use crate::ring::ring_of;
use crate::store::{AgreementNo, OriginNo, OriginRow, Store};
use crate::task::finish;
use hefu_federation::append::Head;
use hefu_federation::entry::Entry;
use hefu_federation::frontier::{Frontier, FrontierError};
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_federation::pull::{CheckpointVerdict, State, Want, judge_checkpoint, plan};
use hefu_federation::tile::{MAX_BUNDLE_LEN, TILE_WIDTH, TilePath, split_bundle};
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::Digest;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest hash tile: 256 hashes.
const MAX_TILE_LEN: usize = 256 * 32;
/// Entries searched for a label at a time.
const LABEL_STEP: u64 = 16 * TILE_WIDTH;
/// Bundles of a stored log that are read before their entries are looked at: 2 MB.
const BUNDLES_AT_ONCE: usize = 64;

/// Member of a problem that names what the peer does not serve.
const MISSING: &str = "missing";

/// What a round brought.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The peer.
    pub origin: String,
    /// Entries that are new.
    pub entries: u64,
    /// Records that are now held.
    pub held: u64,
    /// Records that were turned down or are missing.
    pub not_held: u64,
    /// Size of the replica.
    pub size: u64,
}

/// A round in progress.
struct Round<'a> {
    node: &'a Arc<Node>,
    peer: OriginRow,
    client: Client,
    ring: KeyRing,
    head: Head,
    state: State,
    /// The signed checkpoint that was judged in this round.
    note: bytes::Bytes,
    /// What its new entries want, by agreement: not stored as wanted yet.
    fresh: BTreeMap<AgreementNo, Fresh>,
    report: Report,
}

/// How long somebody who asks waits for another server that pulls the same peer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pulls one peer until nothing is wanted.
///
/// # Errors
/// The peer is away, misbehaves, or its log contradicts what it showed before. What was stored stays: all of it is verified.
/// `taken` when another server is at it for too long.
pub async fn pull(node: &Arc<Node>, peer: &OriginRow) -> Outcome<Report> {
    pull_within(node, peer, PATIENCE).await
}

/// The same, unless another server is at it: then `taken`, at once.
///
/// # Errors
/// As [`pull`].
pub async fn pull_if_free(node: &Arc<Node>, peer: &OriginRow) -> Outcome<Report> {
    pull_within(node, peer, Duration::ZERO).await
}

async fn pull_within(node: &Arc<Node>, peer: &OriginRow, patience: Duration) -> Outcome<Report> {
    let one_at_a_time = node.pull_lock(peer.no).lock_owned().await;
    let claim = group::to_pull(node, peer.origin.as_str(), patience).await?;
    let (node, peer) = (node.clone(), peer.no);
    finish(async move {
        let report = pull_now(&node, peer).await;
        if let Some(claim) = claim {
            claim.give_back().await;
        }
        drop(one_at_a_time);
        report
    })
    .await
}

/// What is known of the peer may have changed while others pulled it.
async fn pull_now(node: &Arc<Node>, peer: OriginNo) -> Outcome<Report> {
    let rows = node.store.origins().await?;
    let peer = rows.iter().find(|row| row.no == peer).ok_or_else(|| Problem::new(Code::UnknownPeer, ""))?;
    pull_alone(node, peer).await
}

async fn pull_alone(node: &Arc<Node>, peer: &OriginRow) -> Outcome<Report> {
    let clock = Stopwatch::start();
    if let Some(why) = &peer.stopped {
        return Err(Problem::new(Code::SplitView, format!("{}: {why}", peer.origin)));
    }
    node.registry.settle(node.store.as_ref()).await?;
    let client = node.client(&peer.origin, peer.ca_pem.as_deref())?;
    let mut round = Round::begin(node, peer.clone(), client).await?;
    if let Err(problem) = round.log().await {
        // A gap is what is not shown at all: bytes that do not verify may be damaged on their way.
        if problem.extra.contains_key(MISSING) && round.state.checkpoint.is_some() {
            note(node.store.as_ref(), peer, Wrong::Gap(round.head.range.size()), node.clock.now_ms()).await?;
        }
        return Err(problem);
    }
    node.store.settle(peer.no).await?;
    if let Err(problem) = round.behind_the_log().await {
        round.leave_wanted().await;
        return Err(problem);
    }
    node.store.set_reached(peer.no, node.clock.now_ms()).await?;
    if round.report.held > 0 {
        node.reconcile_bell.notify_one();
        node.pulled.records.fetch_add(round.report.held, Ordering::Relaxed);
        node.pulled.busy_ms.fetch_add(clock.milliseconds(), Ordering::Relaxed);
    }
    Ok(round.report)
}

impl<'a> Round<'a> {
    async fn begin(node: &'a Arc<Node>, peer: OriginRow, client: Client) -> Outcome<Self> {
        let head = node.store.edge(peer.no).await?;
        let ring = if head.range.size() > 0 {
            ring_of(node.store.as_ref(), &peer).await?
        } else {
            found(&client, &peer).await?
        };
        let size = head.range.size();
        let state = State { size, frontier: None, checkpoint: None, wanted: Vec::new(), stopped: false };
        let report = Report { origin: peer.origin.to_string(), size, ..Report::default() };
        Ok(Self { node, peer, client, ring, head, state, note: bytes::Bytes::new(), fresh: BTreeMap::new(), report })
    }

    /// Brings the replica of the log up to the peer's checkpoint.
    async fn log(&mut self) -> Outcome<()> {
        while let Some(want) = plan(&self.state) {
            match want {
                Want::Checkpoint => self.checkpoint().await?,
                Want::Frontier(tiles) => self.frontier(tiles).await?,
                Want::Entries(_) => self.entries().await?,
                Want::Records { .. } => break,
            }
        }
        Ok(())
    }

    async fn checkpoint(&mut self) -> Outcome<()> {
        let note = self.required("checkpoint", MAX_NOTE_LEN).await?;
        let checkpoint = self.ring.open_checkpoint(&note).map_err(|error| self.misbehaved(error))?;
        self.note = note.clone();
        let size = self.head.range.size();
        let own_root = if checkpoint.size <= size && size > 0 {
            Some(stored_root(self.node.store.as_ref(), self.peer.no, checkpoint.size).await?)
        } else {
            None
        };
        match judge_checkpoint(&checkpoint, size, own_root) {
            CheckpointVerdict::Split => return Err(self.split(&checkpoint).await?),
            CheckpointVerdict::Stale => {
                let held = self.head.range.size();
                tracing::info!(origin = %self.peer.origin, size = checkpoint.size, held, "the peer serves an old checkpoint");
            }
            CheckpointVerdict::Same | CheckpointVerdict::Newer => {
                let hash = Digest::of(self.peer.origin.as_str().as_bytes()).to_string();
                // Rare and deep: its future is kept out of that of every round.
                Box::pin(self.compare_with_seen(&hash, &checkpoint)).await?;
                self.node.store.add_seen_note(&hash, checkpoint.size, &note).await?;
                if checkpoint.size == size {
                    self.node.store.set_note(self.peer.no, size, &note).await?;
                }
            }
        }
        self.state.checkpoint = Some(checkpoint);
        Ok(())
    }

    async fn frontier(&mut self, tiles: Vec<TilePath>) -> Outcome<()> {
        let checkpoint = self.state.checkpoint.clone().ok_or_else(|| self.misbehaved("no checkpoint"))?;
        let fetched = self.tiles(tiles).await?;
        match Frontier::verify(&self.head.whole_bundles(), self.head.tail(), checkpoint.clone(), &fetched) {
            Ok(frontier) => {
                self.state.frontier = Some(frontier);
                Ok(())
            }
            Err(FrontierError::Root) if Box::pin(self.is_forked(&checkpoint)).await? => {
                Err(self.split(&checkpoint).await?)
            }
            Err(error) => Err(self.misbehaved(error)),
        }
    }

    async fn tiles(&self, paths: Vec<TilePath>) -> Outcome<Vec<(TilePath, Vec<u8>)>> {
        let mut fetched = Vec::with_capacity(paths.len());
        for path in paths {
            fetched.push((path, self.required(&path.to_string(), MAX_TILE_LEN).await?.to_vec()));
        }
        Ok(fetched)
    }

    /// Agreements come between log and records: their acts are entries, their records are wanted by their labels.
    async fn behind_the_log(&mut self) -> Outcome<()> {
        exchange::agreements(self.node, &self.peer, &self.ring, &self.client).await?;
        self.records().await
    }

    /// Stores as wanted what the new entries want and what did not come. Where that fails the next round does it.
    async fn leave_wanted(&self) {
        for known in self.shared() {
            if let Err(problem) = self.label(&known).await {
                tracing::debug!(origin = %self.peer.origin, detail = %problem.detail, "the search for labels broke off");
            }
        }
    }

    /// Searches the stored entries for the label of an agreement, from where the search stands.
    async fn label(&self, known: &Arc<Known>) -> Outcome<()> {
        let size = self.head.range.size();
        if let Some(index) = label(self.node.store.as_ref(), self.peer.no, known, size).await? {
            tracing::warn!(origin = %self.peer.origin, index, "unknown kind of entry: later entries are not judged");
        }
        Ok(())
    }

    /// Agreements with the peer whose linkage we have and that the peer has opened.
    fn shared(&self) -> Vec<Arc<Known>> {
        let snapshot = self.node.registry.snapshot();
        let shared = |known: &&Arc<Known>| {
            known.linkage.is_some()
                && known.document.party(&self.peer.origin).is_some()
                && known.document.party(&self.node.origin).is_some()
                && known.acts.contains_key(&self.peer.origin)
        };
        snapshot.iter().filter(shared).cloned().collect()
    }

    async fn required(&self, path: &str, limit: usize) -> Outcome<bytes::Bytes> {
        required(&self.client, &self.peer, path, limit).await
    }

    fn misbehaved(&self, why: impl std::fmt::Display) -> Problem {
        misbehaved(&self.peer, why)
    }
}

fn misbehaved(peer: &OriginRow, why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::PeerMisbehaved, format!("{}: {why}", peer.origin))
}

/// Fetches what a peer must have.
async fn required(client: &Client, peer: &OriginRow, path: &str, limit: usize) -> Outcome<bytes::Bytes> {
    let missing = || misbehaved(peer, format!("{path} is missing")).with(MISSING, path.into());
    client.fetch(path, limit).await?.ok_or_else(missing)
}

/// The first entry of a log that we hold nothing of: it must have the fingerprint that people compared.
pub(crate) async fn found(client: &Client, peer: &OriginRow) -> Outcome<KeyRing> {
    let misbehaved =
        |why: &dyn std::fmt::Display| Problem::new(Code::PeerMisbehaved, format!("{}: {why}", peer.origin));
    for path in [TilePath::Entries { index: 0, width: 1 }, TilePath::Entries { index: 0, width: 256 }] {
        let Some(bundle) = client.fetch(&path.to_string(), MAX_BUNDLE_LEN).await? else { continue };
        let width = if matches!(path, TilePath::Entries { width: 1, .. }) { 1 } else { 256 };
        let entries = split_bundle(&bundle, width).map_err(|error| misbehaved(&error))?;
        let genesis = entries.first().ok_or_else(|| misbehaved(&"no first entry"))?;
        return KeyRing::found(genesis, &peer.origin, &peer.fingerprint).map_err(|error| match error {
            hefu_federation::trust::TrustError::Fingerprint => Problem::new(Code::FingerprintDiffers, error),
            other => misbehaved(&other),
        });
    }
    Err(misbehaved(&"no first entry"))
}

/// Searches the entries below `size` for the label of an agreement. What to fetch is a query over the rows that this adds: an
/// agreement that arrives late finds its old entries too. Returns the index of an entry that is not understood, where the search ends.
///
/// # Errors
/// The store fails.
pub async fn label(store: &dyn Store, peer: OriginNo, known: &Arc<Known>, size: u64) -> Outcome<Option<u64>> {
    let mut from = store.labelled_until(peer, known.no).await?;
    while from < size {
        let end = size.min((from / LABEL_STEP + 1) * LABEL_STEP);
        let entries = entries_in(store, peer, from, end).await?;
        let (rows, until) = {
            let known = known.clone();
            compute(move || {
                let entries: Vec<(u64, &Entry)> = entries.iter().map(|(index, entry)| (*index, entry)).collect();
                labelled(&known, &entries, from)
            })
            .await
        };
        store.add_wanted(peer, known.no, &rows, until).await?;
        if until < end {
            return Ok(Some(until));
        }
        from = until;
    }
    Ok(None)
}

/// The stored entries of an origin in [from, until), parsed.
///
/// # Errors
/// The store fails, or a bundle is damaged.
pub async fn entries_between(node: &Node, origin: OriginNo, from: u64, until: u64) -> Outcome<Vec<(u64, Entry)>> {
    entries_in(node.store.as_ref(), origin, from, until).await
}

/// The same of a store.
///
/// # Errors
/// As [`entries_between`].
pub async fn entries_in(store: &dyn Store, origin: OriginNo, from: u64, until: u64) -> Outcome<Vec<(u64, Entry)>> {
    entries_at(store, origin, &(from..until).collect::<Vec<_>>()).await
}

/// Entries at some indexes in ascending order, which may lie anywhere in a log: only the bundles around them are read, and only they
/// are kept.
///
/// # Errors
/// Part of the log is missing or does not read.
pub async fn entries_at(store: &dyn Store, origin: OriginNo, indexes: &[u64]) -> Outcome<Vec<(u64, Entry)>> {
    let mut entries = Vec::with_capacity(indexes.len());
    let of_bundles: Vec<&[u64]> = indexes.chunk_by(|one, next| one / TILE_WIDTH == next / TILE_WIDTH).collect();
    for some in of_bundles.chunks(BUNDLES_AT_ONCE) {
        let mut bundles = Vec::with_capacity(some.len());
        for indexes in some {
            let Some(index) = indexes.first().map(|first| first / TILE_WIDTH) else { continue };
            let bundle = store.bundle(origin, index).await?.ok_or_else(|| damaged_bundle(index))?;
            bundles.push((index, bundle, indexes.to_vec()));
        }
        let parsed = compute(move || bundles.par_iter().map(parse_some).collect::<Outcome<Vec<_>>>()).await?;
        entries.extend(parsed.into_iter().flatten());
    }
    Ok(entries)
}

fn damaged_bundle(index: u64) -> Problem {
    Problem::new(Code::Damaged, format!("entry_bundle {index}"))
}

/// The entries of a bundle that are asked for.
fn parse_some((bundle, (width, bytes), indexes): &(u64, (u16, Vec<u8>), Vec<u64>)) -> Outcome<Vec<(u64, Entry)>> {
    let damaged = || damaged_bundle(*bundle);
    let entries = split_bundle(bytes, *width).map_err(|_| damaged())?;
    let one = |index: &u64| {
        let at = usize::try_from(index % TILE_WIDTH).map_err(|_| damaged())?;
        let data = entries.get(at).ok_or_else(damaged)?;
        Ok((*index, Entry::parse(data).map_err(|_| damaged())?))
    };
    indexes.iter().map(one).collect()
}
