//! The entries that a frontier explains: one step of them is stored while the next one is verified and the one behind it is fetched.
//! Labels of agreements are looked for where the entries are parsed anyway.

use super::fresh::Fresh;
use super::{Round, misbehaved, required};
use crate::client::Client;
use crate::compute::compute;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Known;
use crate::store::{ActRow, OriginRow};
use bytes::Bytes;
use hefu_federation::append::{self, plan_data};
use hefu_federation::commitment::blind_label;
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_federation::frontier::{Frontier, FrontierError, VerifiedEntries};
use hefu_federation::tile::{MAX_BUNDLE_LEN, TILE_WIDTH, TilePath};
use hefu_federation::tree::leaf_hash;
use rayon::prelude::*;
use std::collections::btree_map;
use std::sync::Arc;

/// Bundles fetched and stored at a time: one transaction of at most 4,096 entries, which are synced to the disk once.
const BUNDLES_PER_STEP: u64 = 16;
const _: () = assert!(BUNDLES_PER_STEP * TILE_WIDTH == 4096 && append::MAX_BATCH >= 4096);

/// Bundles that were fetched, with their paths.
type Fetched = (Vec<TilePath>, Vec<Bytes>);
/// A row for each entry with the label of an agreement: (index, t, of).
pub type Labelled = Vec<(u64, i64, Option<u64>)>;

/// Verified entries, and those of them that carry the label of an agreement.
struct Verified {
    groups: Vec<VerifiedEntries>,
    labels: Vec<Labels>,
}

/// The entries of an agreement among those from `first` to `until`.
struct Labels {
    known: Arc<Known>,
    first: u64,
    rows: Labelled,
    until: u64,
}

impl Round<'_> {
    /// Fetches, verifies and stores all that the frontier explains.
    pub(super) async fn entries(&mut self) -> Outcome<()> {
        let frontier = Arc::new(self.state.frontier.take().ok_or_else(|| self.misbehaved("no frontier"))?);
        let (client, peer) = (self.client.clone(), self.peer.clone());
        let (mut size, mut last_t) = (self.head.range.size(), self.head.t);
        let mut fetched = Some(bundles_at(&client, &peer, &frontier, size).await);
        let mut verified: Option<Verified> = None;
        loop {
            let ended = fetched.is_none();
            let next = (size / TILE_WIDTH + BUNDLES_PER_STEP) * TILE_WIDTH;
            let fetch = async {
                // Nothing is asked for behind the end.
                let more = !ended && next < frontier.until();
                if more { Some(bundles_at(&client, &peer, &frontier, next).await) } else { None }
            };
            let bundles = fetched.take().transpose();
            let verify = verify_step(&frontier, &peer, self.shared(), bundles, size, last_t);
            let ready = verified.take();
            let store = async {
                match ready {
                    Some(ready) => self.store(ready).await,
                    None => Ok(()),
                }
            };
            let (stored, next_verified, next_fetched) = tokio::join!(store, verify, fetch);
            stored?;
            (verified, fetched) = (next_verified?, next_fetched);
            let Some(Verified { groups, .. }) = &verified else { break };
            (size, last_t) = (next.min(frontier.until()), groups.last().map_or(last_t, VerifiedEntries::last_t));
        }
        let checkpoint = frontier.checkpoint();
        if self.head.range.size() == checkpoint.size {
            self.node.store.set_note(self.peer.no, checkpoint.size, &self.note).await?;
        }
        self.state.size = self.head.range.size();
        Ok(())
    }

    /// Stores verified bundles, which follow one another, in one transaction.
    async fn store(&mut self, Verified { groups, labels }: Verified) -> Outcome<()> {
        let mut acts = Vec::new();
        let (mut data, mut last_t) = (Vec::new(), self.head.t);
        for group in groups {
            for (index, entry) in (group.first()..).zip(group.entries()) {
                if let Body::Agreement { digest, act, on } = &entry.body {
                    acts.push(ActRow { origin: self.peer.no, index, digest: *digest, act: *act, on: *on, t: entry.t });
                }
            }
            self.note_keys(&group).await?;
            last_t = group.last_t();
            data.extend(group.into_data());
        }
        let new = u64::try_from(data.len()).unwrap_or(0);
        // A log may be signed by the right key and begin with another entry than the one that people compared.
        let is_first = self.head.range.size() == 0;
        if is_first && data.first().is_none_or(|first| leaf_hash(first) != self.peer.fingerprint) {
            let detail = format!("{}: its log begins with another entry", self.peer.origin);
            return Err(Problem::new(Code::FingerprintDiffers, detail));
        }
        let plan = plan_data(&self.head, data, last_t)
            .map_err(|error| Problem::new(Code::Internal, format!("append: {error}")))?;
        let stored = self.node.store.append_replica(self.peer.no, &plan, &acts).await;
        stored.inspect_err(|_| self.node.registry.doubt())?;
        self.head = plan.head;
        self.report.entries += new;
        self.report.size = self.head.range.size();
        if acts.iter().any(|act| self.node.registry.by_digest(&act.digest).is_some()) {
            self.node.registry.reload(self.node.store.as_ref()).await?;
        } else if !acts.is_empty() {
            // Of a document that is not known yet they are read when it comes; it may be coming just now.
            self.node.registry.doubt();
        }
        for Labels { known, first, rows, until } in labels {
            let fresh = match self.fresh.entry(known.no) {
                btree_map::Entry::Occupied(entry) => entry.into_mut(),
                btree_map::Entry::Vacant(entry) => {
                    entry.insert(Fresh::at(self.node.store.labelled_until(self.peer.no, known.no).await?))
                }
            };
            // An agreement that has not been searched for up to here is searched for at the end, from where its search stands.
            fresh.extend(first, &rows, until);
        }
        Ok(())
    }
}

/// Fetches the bundles of one step behind a log of `size`, all at once.
async fn bundles_at(client: &Client, peer: &OriginRow, frontier: &Frontier, size: u64) -> Outcome<Fetched> {
    let at = |step| if step == 0 { size } else { (size / TILE_WIDTH + step) * TILE_WIDTH };
    let paths: Vec<TilePath> = (0..BUNDLES_PER_STEP).filter_map(|step| frontier.bundle_at(at(step))).collect();
    let fetch = |path: &TilePath| {
        let path = path.to_string();
        async move { required(client, peer, &path, MAX_BUNDLE_LEN).await }
    };
    let bundles = futures_util::future::try_join_all(paths.iter().map(fetch)).await?;
    Ok((paths, bundles))
}

/// Verifies the bundles of one step; nothing when there are none.
async fn verify_step(
    frontier: &Arc<Frontier>,
    peer: &OriginRow,
    shared: Vec<Arc<Known>>,
    fetched: Outcome<Option<Fetched>>,
    size: u64,
    last_t: i64,
) -> Outcome<Option<Verified>> {
    let Some((paths, bundles)) = fetched? else { return Ok(None) };
    let frontier = frontier.clone();
    let verified = compute(move || {
        let groups = verify(&frontier, &paths, &bundles, size, last_t)?;
        let labels = shared.into_iter().map(|known| labels(known, &groups, size)).collect();
        Ok::<_, FrontierError>(Verified { groups, labels })
    });
    verified.await.map(Some).map_err(|error| misbehaved(peer, error))
}

/// Verifies bundles that follow one another, each by itself: where it starts is known before the one in front of it is read.
///
/// # Errors
/// A bundle differs from its hash, or its entries may not stand there.
pub fn verify(
    frontier: &Frontier,
    paths: &[TilePath],
    bundles: &[Bytes],
    size: u64,
    mut last_t: i64,
) -> Result<Vec<VerifiedEntries>, FrontierError> {
    let oldest = last_t;
    let one = |(path, bytes): (&TilePath, &Bytes)| {
        let start = match path {
            TilePath::Entries { index, .. } => size.max(index * TILE_WIDTH),
            TilePath::Hashes { .. } => size,
        };
        frontier.verify_bundle(*path, bytes, start, oldest)
    };
    let verified: Vec<Result<VerifiedEntries, FrontierError>> =
        paths.par_iter().zip(bundles.par_iter()).map(one).collect();
    let mut groups = Vec::with_capacity(paths.len());
    for group in verified {
        let group = group?;
        group.follows(last_t)?;
        last_t = group.last_t();
        groups.push(group);
    }
    Ok(groups)
}

fn labels(known: Arc<Known>, groups: &[VerifiedEntries], first: u64) -> Labels {
    let entries: Vec<(u64, &Entry)> = groups.iter().flat_map(|group| (group.first()..).zip(group.entries())).collect();
    let (rows, until) = labelled(&known, &entries, first);
    Labels { known, first, rows, until }
}

/// The entries from `first` on that carry the label of an agreement, and where the search ends: behind them, or before one that is not
/// understood. It may change what later entries mean (protocol §3): the search stays before it until it is understood.
pub fn labelled(known: &Known, entries: &[(u64, &Entry)], first: u64) -> (Labelled, u64) {
    let understood = entries.iter().take_while(|(_, entry)| entry.body != Body::Unknown).count();
    let entries = entries.get(..understood).unwrap_or_default();
    let until = entries.last().map_or(first, |(index, _)| index + 1);
    let Some(linkage) = &known.linkage else { return (Vec::new(), until) };
    let ours = |(index, entry): &(u64, &Entry)| {
        let (c, audience, of) = match &entry.body {
            Body::Record { c, a } => (c, a, None),
            Body::Amend { c, a, of } | Body::Withdraw { c, a, of } => (c, a, Some(*of)),
            Body::Genesis(_) | Body::Agreement { .. } | Body::Signed(_) | Body::Unknown => return None,
        };
        let Audience::Agreement(label) = audience else { return None };
        (blind_label(linkage.label_key(), c) == *label).then_some((*index, entry.t, of))
    };
    let rows = entries.par_iter().with_min_len(crate::compute::JOB_LEN).filter_map(ours).collect();
    (rows, until)
}
