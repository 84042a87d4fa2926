//! A peer that shows another log than before: noticed by the entries that we hold of it, or by a note of it that we have seen.

use super::{Round, Wrong, note};
use crate::folder;
use crate::problem::{Code, Outcome, Problem};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::prefix::{root_of, wanted_tiles};
use hefu_federation::pull::is_to_contain;
use hefu_federation::tree::Hash;
use hefu_schemas::id::Digest;

impl Round<'_> {
    /// Compares a checkpoint with the largest note that we have seen of the log: of a city that was put back with its guard file we
    /// may hold no entry that differs, and only know that it had signed more. Behind that note nothing is seen before the peer has
    /// proved that its log goes on from it.
    pub(super) async fn compare_with_seen(&self, origin_hash: &str, checkpoint: &Checkpoint) -> Outcome<()> {
        let seen = self.node.store.seen_note(origin_hash).await?;
        let Some(note) = seen.filter(|note| self.note != note.as_slice()) else { return Ok(()) };
        // By a key that has ended since, it says nothing any more.
        let Ok(seen) = self.ring.open_checkpoint(&note) else { return Ok(()) };
        if !is_to_contain(checkpoint, self.head.range.size(), &seen) {
            return Ok(());
        }
        match self.root_then(seen.size, checkpoint).await? {
            Some(root) if root == seen.root => Ok(()),
            Some(_) => {
                Err(self.stop(checkpoint, &note, &format!("its note of size {} that was seen", seen.size)).await?)
            }
            None => {
                let why = format!("its tiles do not lead from its note of size {} to its checkpoint", seen.size);
                Err(self.misbehaved(why))
            }
        }
    }

    /// The root that the log had at a size, as the peer's own tiles prove under its checkpoint's root.
    async fn root_then(&self, size: u64, checkpoint: &Checkpoint) -> Outcome<Option<Hash>> {
        let tiles = self.tiles(wanted_tiles(size, checkpoint)).await?;
        Ok(root_of(size, checkpoint, &tiles))
    }

    /// Whether the peer's own tiles prove, under its signed root, that its log was another one at our size: then this is a
    /// fork, and not only a badly served tile.
    pub(super) async fn is_forked(&self, checkpoint: &Checkpoint) -> Outcome<bool> {
        let theirs = self.root_then(self.head.range.size(), checkpoint).await?;
        Ok(theirs.is_some_and(|theirs| theirs != self.head.range.root()))
    }

    /// A checkpoint contradicts the entries held.
    pub(super) async fn split(&self, checkpoint: &Checkpoint) -> Outcome<Problem> {
        let held = self.node.store.head(self.peer.no).await?.note.unwrap_or_default();
        self.stop(checkpoint, &held, "the entries held").await
    }

    /// Keeps both notes as evidence, stops pulling from the peer, keeps serving.
    async fn stop(&self, checkpoint: &Checkpoint, held: &[u8], what: &str) -> Outcome<Problem> {
        let why = format!("its checkpoint of size {} contradicts {what}", checkpoint.size);
        let evidence = self.node.folder.evidence();
        let name = format!("split-view-{}-{}", Digest::of(self.peer.origin.as_str().as_bytes()), checkpoint.size);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&evidence)?;
            folder::replace(&evidence.join(format!("{name}.held")), held)?;
            folder::replace(&evidence.join(format!("{name}.shown")), &self.note)
        };
        write().map_err(|error| Problem::new(Code::Unavailable, format!("evidence: {error}")))?;
        // The finding first: were we to stop in between, the next round comes here again.
        note(self.node.store.as_ref(), &self.peer, Wrong::Split(checkpoint.size), self.node.clock.now_ms()).await?;
        self.node.store.set_stopped(self.peer.no, Some(&why)).await?;
        Ok(Problem::new(
            Code::SplitView,
            format!("{}: {why}; evidence/{name}.* in the node's folder", self.peer.origin),
        ))
    }
}
