//! Which root a log had at a smaller size, proved by its own tiles under the root of a checkpoint: whoever has kept a root of that
//! log, of entries held or of a note seen, learns whether the log of now is the log of then.
//!
//! ```text
//! size, checkpoint ─▶ wanted_tiles ─(fetched)─▶ root_of ─▶ the root at size, or nothing proved
//! ```
use crate::checkpoint::Checkpoint;
use crate::tile::{TileMap, TilePath, decode_hashes, tile_width};
use crate::tree::{
    Hash, MAX_LOG_SIZE, consistency_subtrees, prove_consistency, root_at, root_subtrees, verify_consistency,
};

/// The tiles to fetch for [`root_of`]; none where the checkpoint is of that size itself, or nothing can be proved.
pub fn wanted_tiles(size: u64, checkpoint: &Checkpoint) -> Vec<TilePath> {
    let tile = |(level, index)| TilePath::Hashes { level, index, width: tile_width(checkpoint.size, level, index) };
    let needed = subtrees(size, checkpoint).map(|subtrees| TileMap::needed(&subtrees));
    needed.into_iter().flatten().map(tile).collect()
}

/// The root that the log had at `size`, as the tiles of [`wanted_tiles`] prove under the checkpoint's root. `None` when they do not:
/// damaged tiles prove nothing, and accuse nobody.
pub fn root_of(size: u64, checkpoint: &Checkpoint, tiles: &[(TilePath, Vec<u8>)]) -> Option<Hash> {
    if size == checkpoint.size {
        return Some(checkpoint.root);
    }
    subtrees(size, checkpoint)?;
    let mut read = TileMap::default();
    for (path, bytes) in tiles {
        let TilePath::Hashes { level, index, width } = *path else { return None };
        read.insert(level, index, decode_hashes(bytes, width).ok()?);
    }
    let root = root_at(&read, size).ok()?;
    let proof = prove_consistency(&read, size, checkpoint.size).ok()?;
    verify_consistency(size, checkpoint.size, &proof, &root, &checkpoint.root).is_ok().then_some(root)
}

/// The subtrees under the root at `size` and on the way from there to the checkpoint's.
fn subtrees(size: u64, checkpoint: &Checkpoint) -> Option<Vec<(u32, u64)>> {
    if size >= checkpoint.size || checkpoint.size > MAX_LOG_SIZE {
        return None;
    }
    // Of an empty log there is no proof.
    let way = consistency_subtrees(size, checkpoint.size).ok()?;
    Some(root_subtrees(size).into_iter().chain(way).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::tests::Stored;
    use crate::append::{MAX_BATCH, plan_data};
    use crate::tree::{CompactRange, leaf_hash};
    use proptest::prelude::*;

    fn data(count: usize, other_from: usize) -> Vec<Vec<u8>> {
        (0..count).map(|n| format!("{n} {}", n >= other_from).into_bytes()).collect()
    }
    fn log(data: &[Vec<u8>]) -> Stored {
        let mut stored = Stored::default();
        for batch in data.chunks(MAX_BATCH) {
            stored.apply(plan_data(&stored.head, batch.to_vec(), 0).unwrap());
        }
        stored
    }
    fn checkpoint(data: &[Vec<u8>]) -> Checkpoint {
        let mut range = CompactRange::new();
        data.iter().for_each(|data| range.append(leaf_hash(data)));
        Checkpoint { origin: "kunming.example/hefu".to_owned(), size: range.size(), root: range.root() }
    }
    fn fetch(size: u64, to: &Checkpoint, served: &Stored) -> Vec<(TilePath, Vec<u8>)> {
        wanted_tiles(size, to).into_iter().map(|path| (path, served.serve(path).unwrap())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn tiles_prove_the_root_of_then_whatever_the_sizes(now in 1_usize..1200, then: usize, fork: usize, bit: usize) {
            let then = 1 + then % now;
            let all = data(now, 1 + fork % now);
            let (served, to, before) = (log(&all), checkpoint(&all), checkpoint(&all[..then]));
            let tiles = fetch(before.size, &to, &served);
            prop_assert_eq!(root_of(before.size, &to, &tiles), Some(before.root));
            // Another log of then: what is proved is another root.
            let other = checkpoint(&data(then, then));
            prop_assert_eq!(other.root == before.root, 1 + fork % now >= then);
            for nth in 0..tiles.len() {
                let mut damaged = tiles.clone();
                let at = bit / 8 % damaged[nth].1.len();
                damaged[nth].1[at] ^= 1 << (bit % 8);
                let root = root_of(before.size, &to, &damaged);
                prop_assert!(root.is_none() || root == Some(before.root), "a damaged tile proves no other root");
            }
        }
    }

    #[test]
    fn nothing_is_proved_without_tiles_or_out_of_range() {
        let all = data(300, 300);
        let (served, to) = (log(&all), checkpoint(&all));
        assert_eq!(root_of(300, &to, &[]), Some(to.root), "a checkpoint says it itself");
        for size in [0, 301, u64::MAX] {
            assert_eq!((wanted_tiles(size, &to), root_of(size, &to, &[])), (Vec::new(), None), "{size}");
        }
        let tiles = fetch(200, &to, &served);
        assert!(!tiles.is_empty() && root_of(200, &to, &tiles).is_some());
        assert_eq!(root_of(200, &to, &[]), None);
        let mut short = tiles.clone();
        short[0].1.pop();
        assert_eq!(root_of(200, &to, &short), None);
        let mut bundle = tiles;
        bundle[0].0 = TilePath::Entries { index: 0, width: 1 };
        assert_eq!(root_of(200, &to, &bundle), None);
        let absurd = Checkpoint { size: u64::MAX, ..to };
        assert_eq!((wanted_tiles(200, &absurd), root_of(200, &absurd, &[])), (Vec::new(), None));
    }
}
