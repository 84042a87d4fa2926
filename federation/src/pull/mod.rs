//! Pull as a pure planner and judge: which bytes are wanted next, and what came of them.
//!
//! ```text
//! plan(State) ─▶ Want ─(the node fetches)─▶ bytes
//!   Checkpoint  ─▶ Checkpoint::open, judge_checkpoint       Frontier ─▶ Frontier::verify
//!   Entries     ─▶ Frontier::verify_bundle                  Records  ─▶ page::read, judge_page ─▶ JudgedPage
//! ```
//!
//! A bad record does not stop the cursor: its entry, its commitment and the check that failed are kept.
mod check;
mod judge;
mod payload;
#[cfg(test)]
pub(crate) mod world;

pub use check::Check;
pub use judge::{
    ERASED_WITHOUT_ENTRY, Judge, Judged, JudgedPage, Wanted, judge_line, judge_line_then, judge_lines_then, judge_page,
    refuse_known_id,
};
pub use payload::PayloadState;

use crate::checkpoint::Checkpoint;
use crate::frontier::{Frontier, wanted_tiles};
use crate::tile::TilePath;
use crate::tree::Hash;
use hefu_schemas::id::AgreementId;

/// What the planner needs to know of a replica.
#[derive(Debug, Clone)]
pub struct State {
    /// Entries that we hold, all verified.
    pub size: u64,
    /// The frontier towards the newest checkpoint, once verified.
    pub frontier: Option<Frontier>,
    /// The newest checkpoint of the peer that was judged in this round.
    pub checkpoint: Option<Checkpoint>,
    /// Per agreement in force with the peer, the first index whose record is wanted and not yet asked for in this round.
    pub wanted: Vec<(AgreementId, u64)>,
    /// Why pulling has stopped (evidence of a split view).
    pub stopped: bool,
}
/// The next bytes to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// The peer's checkpoint.
    Checkpoint,
    /// Hash tiles that explain the checkpoint.
    Frontier(Vec<TilePath>),
    /// An entry bundle.
    Entries(TilePath),
    /// A page of records.
    Records {
        /// Of which agreement.
        agreement: AgreementId,
        /// First index.
        from: u64,
        /// Index behind the last: our size of the log.
        until: u64,
    },
}
/// The next bytes to bring; `None` when the round is over.
///
/// Entries come before records: the log says which records there are. A frontier that was verified is used up first, even
/// where a newer checkpoint has come.
pub fn plan(state: &State) -> Option<Want> {
    if state.stopped {
        return None;
    }
    let Some(checkpoint) = &state.checkpoint else {
        return Some(Want::Checkpoint);
    };
    if let Some(path) = next_bundle(state) {
        return Some(Want::Entries(path));
    }
    if checkpoint.size > state.size {
        return Some(Want::Frontier(wanted_tiles(state.size, checkpoint)));
    }
    let wanted = state.wanted.iter().find(|(_, from)| *from < state.size);
    wanted.map(|&(agreement, from)| Want::Records { agreement, from, until: state.size })
}
/// The bundle behind what we hold, while the frontier reaches further.
fn next_bundle(state: &State) -> Option<TilePath> {
    let frontier = state.frontier.as_ref()?;
    if frontier.checkpoint().size > state.size { frontier.bundle_at(state.size) } else { None }
}

/// What a checkpoint means for our replica of that log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointVerdict {
    /// Larger than ours: to be explained by a frontier.
    Newer,
    /// As ours.
    Same,
    /// Smaller than ours, and equal there: the peer serves an old one.
    Stale,
    /// Differs from what we hold at its size: a split view or a rollback. Evidence is kept.
    Split,
}
/// Compares a checkpoint of size n with our own root at n (`None` when n is beyond our size).
///
/// Without an own root nobody is accused: the verdict is then `Newer`, from which nothing is stored before a frontier
/// has explained it.
pub fn judge_checkpoint(checkpoint: &Checkpoint, size: u64, own_root: Option<Hash>) -> CheckpointVerdict {
    match own_root {
        Some(root) if checkpoint.size <= size => {
            if root != checkpoint.root {
                CheckpointVerdict::Split
            } else if checkpoint.size == size {
                CheckpointVerdict::Same
            } else {
                CheckpointVerdict::Stale
            }
        }
        Some(_) | None => CheckpointVerdict::Newer,
    }
}

/// Whether a note of the log that we have seen says something of a checkpoint that our entries do not: it lies behind what we hold, and
/// within the checkpoint. Then the log of the checkpoint must have the note's root at the note's size
/// ([`prefix::root_of`](crate::prefix::root_of)), before the checkpoint counts as seen.
///
/// What lies within our entries has been compared with them; a note beyond the checkpoint is compared when the log is as long again.
pub fn is_to_contain(checkpoint: &Checkpoint, size: u64, seen: &Checkpoint) -> bool {
    size < seen.size && seen.size <= checkpoint.size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::encode_hashes;
    use crate::tree::{CompactRange, leaf_hash};

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(&[number])).collect()
    }
    fn checkpoint(size: u8) -> Checkpoint {
        let mut range = CompactRange::new();
        leaves(size).into_iter().for_each(|leaf| range.append(leaf));
        Checkpoint { origin: "km.example".to_owned(), size: size.into(), root: range.root() }
    }
    fn state(size: u64, newest: Option<Checkpoint>) -> State {
        State { size, frontier: None, checkpoint: newest, wanted: Vec::new(), stopped: false }
    }
    fn frontier(checkpoint: Checkpoint) -> Frontier {
        let leaves = leaves(u8::try_from(checkpoint.size).unwrap());
        let tiles = wanted_tiles(0, &checkpoint).into_iter().map(|path| (path, encode_hashes(&leaves)));
        Frontier::verify(&CompactRange::new(), &[], checkpoint, &tiles.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_round_goes_from_the_checkpoint_to_the_records() {
        let agreement = AgreementId::PUBLIC;
        let mut round = state(0, None);
        round.wanted = vec![(agreement, 4)];
        assert_eq!(plan(&round), Some(Want::Checkpoint));
        round.checkpoint = Some(checkpoint(5));
        assert_eq!(plan(&round), Some(Want::Frontier(wanted_tiles(0, &checkpoint(5)))));
        round.frontier = Some(frontier(checkpoint(5)));
        assert_eq!(plan(&round), Some(Want::Entries(TilePath::Entries { index: 0, width: 5 })));
        round.size = 5;
        assert_eq!(plan(&round), Some(Want::Records { agreement, from: 4, until: 5 }));
        round.wanted = vec![(agreement, 5)];
        assert_eq!(plan(&round), None, "nothing is there yet");
        round.wanted.clear();
        assert_eq!(plan(&round), None);
    }

    #[test]
    fn a_verified_frontier_is_used_up_before_the_next() {
        let mut round = state(3, Some(checkpoint(9)));
        round.frontier = Some(frontier(checkpoint(5)));
        assert_eq!(plan(&round), Some(Want::Entries(TilePath::Entries { index: 0, width: 5 })));
        round.size = 5;
        assert_eq!(plan(&round), Some(Want::Frontier(wanted_tiles(5, &checkpoint(9)))));
    }

    #[test]
    fn nothing_is_planned_once_pulling_has_stopped() {
        let mut round = state(0, None);
        round.stopped = true;
        assert_eq!(plan(&round), None);
    }

    #[test]
    fn a_stale_or_equal_checkpoint_brings_no_entries() {
        assert_eq!(plan(&state(5, Some(checkpoint(5)))), None);
        assert_eq!(plan(&state(5, Some(checkpoint(3)))), None);
    }

    #[test]
    fn checkpoints_are_compared_with_our_own_root_at_their_size() {
        let root = |size| Some(checkpoint(size).root);
        let other = Some(Hash([9; 32]));
        for (name, size, own_root, verdict) in [
            ("larger", 4, None, CheckpointVerdict::Newer),
            ("as ours", 5, root(5), CheckpointVerdict::Same),
            ("smaller", 6, root(5), CheckpointVerdict::Stale),
            ("other root at our size", 5, other, CheckpointVerdict::Split),
            ("other root at a smaller size", 6, other, CheckpointVerdict::Split),
            ("root not known", 6, None, CheckpointVerdict::Newer),
        ] {
            assert_eq!(judge_checkpoint(&checkpoint(5), size, own_root), verdict, "{name}");
        }
    }

    #[test]
    fn a_note_that_was_seen_between_our_entries_and_the_checkpoint_is_to_be_contained() {
        for (size, seen, shown, compared) in
            [(4, 5, 9, true), (4, 9, 9, true), (0, 1, 1, true), (5, 5, 9, false), (6, 5, 9, false), (4, 9, 8, false)]
        {
            let contained = is_to_contain(&checkpoint(shown), size, &checkpoint(seen));
            assert_eq!(contained, compared, "{size} {seen} {shown}");
        }
    }
}
