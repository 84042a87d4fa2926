//! Appending to the own log, as a pure plan: from the head and a batch to entries, tiles and the next head.
//!
//! ```text
//! level 1   [ root of 0..256 | root of 256..512 ]           a hash whenever a tile of level 0 becomes full
//! level 0   [ 256 leaf hashes ] [ 256 leaf hashes ] [ 88 ]  ← edge: the last tile of each level, while it is not full
//! bundles   [ 256 entries     ] [ 256 entries     ] [ 88 ]  ← bundle: the last one, while it is not full
//! ```
use crate::entry::{Body, Entry, EntryError, MAX_ENTRY_LEN};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TilePath, push_entry, split_bundle, subtree_root, tile_width};
use crate::tree::{CompactRange, Hash, MAX_LOG_SIZE, leaf_hash};
use hefu_schemas::gate::{GateError, GateErrorKind};
use thiserror::Error;
/// Most entries of one batch.
pub const MAX_BATCH: usize = 4096;
/// Hashes in a full tile, entries in a full bundle.
const FULL: usize = 256;
/// Where a log ends, with the right edge of its tiles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The right edge of the tree.
    pub range: CompactRange,
    /// `t` of the last entry, UTC seconds.
    pub t: i64,
    /// The rightmost, not full tile of each level from 0 up: its hashes (empty vec when the last is full). As many levels as
    /// have hashes at all.
    pub edge: Vec<Vec<Hash>>,
    /// The rightmost, not full entry bundle (empty when the last is full).
    pub bundle: Vec<u8>,
}
impl Head {
    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.range.size()
    }
    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.range.root()
    }
    /// The tiles that [`restore`](Self::restore) wants, from level 0 up, `None` where the last one is full. The bundle that it
    /// wants has index and width of level 0.
    pub fn edge_tiles(size: u64) -> Vec<Option<TilePath>> {
        let mut tiles = Vec::new();
        for level in 0..=u8::MAX {
            let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
            if hashes == 0 {
                break;
            }
            let index = hashes / TILE_WIDTH;
            let width = tile_width(size, level, index);
            tiles.push((width > 0).then_some(TilePath::Hashes { level, index, width }));
        }
        tiles
    }
    /// Rebuilds a head from what is stored: the compact range follows from the edge. `None` when the parts have other widths
    /// than this size has, or the bundle's entries do not hash to the tile of level 0. Whoever needs to know that this is
    /// the head that was signed compares the root.
    pub fn restore(size: u64, t: i64, edge: Vec<Vec<Hash>>, bundle: Vec<u8>) -> Option<Self> {
        let wanted = Self::edge_tiles(size);
        let width = |tile: &Option<TilePath>| match tile {
            Some(TilePath::Hashes { width, .. }) => usize::from(*width),
            _ => 0,
        };
        if !wanted.iter().map(width).eq(edge.iter().map(Vec::len)) {
            return None;
        }
        let leaves = edge.first().map_or(&[][..], Vec::as_slice);
        if leaves.is_empty() != bundle.is_empty() {
            return None;
        }
        if !leaves.is_empty() {
            let entries = split_bundle(&bundle, u16::try_from(leaves.len()).ok()?).ok()?;
            if !entries.iter().map(|data| leaf_hash(data)).eq(leaves.iter().copied()) {
                return None;
            }
        }
        let range = CompactRange::from_parts(size, edge.iter().rev().flat_map(|tile| subtree_roots(tile)).collect())?;
        Some(Self { range, t, edge, bundle })
    }
    /// The range over whole bundles: its "leaves" are the roots of 256 entries each, and its size counts bundles. With
    /// [`tail`](Self::tail) it is what a pull starts from.
    pub fn whole_bundles(&self) -> CompactRange {
        let bundles = self.size() / TILE_WIDTH;
        let hashes = usize::try_from(bundles.count_ones()).ok().and_then(|len| self.range.hashes().get(..len));
        CompactRange::from_parts(bundles, hashes.unwrap_or_default().to_vec())
            .expect("the hashes of a range begin with those of its larger subtrees")
    }
    /// The leaf hashes of the last bundle while it is not full.
    pub fn tail(&self) -> &[Hash] {
        self.edge.first().map_or(&[], Vec::as_slice)
    }
}
/// The roots of the full subtrees of a tile that is not full, largest first.
pub(crate) fn subtree_roots(tile: &[Hash]) -> Vec<Hash> {
    let (mut roots, mut rest) = (Vec::new(), tile);
    while !rest.is_empty() {
        let (subtree, behind) = rest.split_at(1 << rest.len().ilog2());
        roots.extend(subtree_root(subtree));
        rest = behind;
    }
    roots
}
/// A tile to write: replaces the narrower one at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileWrite {
    /// Level, 0 is the leaves.
    pub level: u8,
    /// 0-based.
    pub index: u64,
    /// All its hashes so far.
    pub hashes: Vec<Hash>,
}
/// An entry bundle to write: replaces the narrower one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleWrite {
    /// 0-based.
    pub index: u64,
    /// Entries in it.
    pub width: u16,
    /// Length-prefixed entries.
    pub bytes: Vec<u8>,
}
/// One planned entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// 0-based.
    pub index: u64,
    /// Leaf data.
    pub data: Vec<u8>,
    /// Its hash.
    pub leaf_hash: Hash,
}
/// What one append writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub entries: Vec<Planned>,
    /// Tiles that change.
    pub tiles: Vec<TileWrite>,
    /// Bundles that change.
    pub bundles: Vec<BundleWrite>,
    /// The head afterwards.
    pub head: Head,
}
/// Why nothing was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum AppendError {
    #[error("empty batch, more than the limit of entries, or the log would exceed its largest size")]
    Batch,
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("an `of` does not name an earlier entry")]
    Of,
    #[error("a log begins with its genesis, which stands nowhere else")]
    Genesis,
}
/// Plans an append at time `now` (UTC seconds; never below the last `t`).
///
/// # Errors
/// Empty or too large a batch, an entry too long, an `of` at or beyond its own index, a genesis that is not first.
pub fn plan(head: &Head, batch: Vec<Body>, now: i64) -> Result<Plan, AppendError> {
    let t = now.max(head.t);
    let mut data = Vec::with_capacity(batch.len());
    for (index, body) in (head.size()..).zip(batch) {
        check_place(&body, index)?;
        data.push(Entry { t, body }.write()?);
    }
    plan_data(head, data, t)
}
/// What an entry may not say at its index.
///
/// # Errors
/// `Of` or `Genesis`.
pub(crate) fn check_place(body: &Body, index: u64) -> Result<(), AppendError> {
    match body {
        Body::Genesis(_) if index > 0 => Err(AppendError::Genesis),
        Body::Amend { of, .. } | Body::Withdraw { of, .. } if *of >= index => Err(AppendError::Of),
        body if index == 0 && !matches!(body, Body::Genesis(_)) => Err(AppendError::Genesis),
        _ => Ok(()),
    }
}
/// Plans storing entries that were verified elsewhere (a replica): the same tiles and head from leaf data. They are not
/// parsed again; `last_t` is that of the last one.
///
/// # Errors
/// Empty or too large a batch, an entry too long.
pub fn plan_data(head: &Head, data: Vec<Vec<u8>>, last_t: i64) -> Result<Plan, AppendError> {
    let added = u64::try_from(data.len()).unwrap_or(u64::MAX);
    if data.is_empty() || data.len() > MAX_BATCH || added > MAX_LOG_SIZE.saturating_sub(head.size()) {
        return Err(AppendError::Batch);
    }
    if data.iter().any(|data| data.len() > MAX_ENTRY_LEN) {
        let too_large = GateError { kind: GateErrorKind::TooLarge, offset: MAX_ENTRY_LEN };
        return Err(EntryError::Gate(too_large).into());
    }
    let planned = |(index, data): (u64, Vec<u8>)| Planned { index, leaf_hash: leaf_hash(&data), data };
    let entries: Vec<Planned> = (head.size()..).zip(data).map(planned).collect();

    let mut next = Head { t: last_t.max(head.t), ..head.clone() };
    entries.iter().for_each(|entry| next.range.append(entry.leaf_hash));
    let bundles = extend_bundles(head.size(), &mut next.bundle, &entries);
    let tiles = extend_tiles(head.size(), &mut next.edge, entries.iter().map(|entry| entry.leaf_hash).collect());
    Ok(Plan { entries, tiles, bundles, head: next })
}
/// Appends to the last bundle and begins new ones; `last` is afterwards the one that is not full.
fn extend_bundles(size: u64, last: &mut Vec<u8>, entries: &[Planned]) -> Vec<BundleWrite> {
    let mut writes = Vec::new();
    let mut rest = entries;
    let mut index = size / TILE_WIDTH;
    let mut held = usize::try_from(size % TILE_WIDTH).unwrap_or(0);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(FULL - held));
        now.iter().for_each(|entry| push_entry(last, &entry.data));
        let width = held + now.len();
        let bytes = if width == FULL { std::mem::take(last) } else { last.clone() };
        writes.push(BundleWrite { index, width: u16::try_from(width).unwrap_or(u16::MAX), bytes });
        (rest, index, held) = (later, index + 1, 0);
    }
    writes
}
/// Appends hashes to the edge of each level; a tile that becomes full gives a hash to the level above.
fn extend_tiles(size: u64, edge: &mut Vec<Vec<Hash>>, leaves: Vec<Hash>) -> Vec<TileWrite> {
    let (mut writes, mut added) = (Vec::new(), leaves);
    for level in 0..=u8::MAX {
        if added.is_empty() {
            break;
        }
        if edge.len() <= usize::from(level) {
            edge.push(Vec::new());
        }
        let Some(last) = edge.get_mut(usize::from(level)) else { break };
        let mut index = size.checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
        let mut above = Vec::new();
        for hash in added {
            last.push(hash);
            if last.len() == FULL {
                above.extend(subtree_root(last));
                writes.push(TileWrite { level, index, hashes: std::mem::take(last) });
                index += 1;
            }
        }
        if !last.is_empty() {
            writes.push(TileWrite { level, index, hashes: last.clone() });
        }
        added = above;
    }
    writes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::commitment::Commitment;
    use crate::entry::{Audience, MAX_TIME, tests::sample_genesis};
    use crate::tile::{self, TileMap};
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A store in memory that accepts only what a store may be asked for.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub(crate) struct Stored {
        pub(crate) tiles: HashMap<(u8, u64), Vec<Hash>>,
        pub(crate) bundles: HashMap<u64, Vec<u8>>,
        pub(crate) head: Head,
    }
    impl Stored {
        pub(crate) fn apply(&mut self, plan: Plan) {
            for write in plan.tiles {
                assert!(matches!(write.hashes.len(), 1..=256));
                let old = self.tiles.insert((write.level, write.index), write.hashes.clone()).unwrap_or_default();
                assert!(old.len() < write.hashes.len() && write.hashes.starts_with(&old));
            }
            for write in plan.bundles {
                tile::split_bundle(&write.bytes, write.width).unwrap();
                let old = self.bundles.insert(write.index, write.bytes.clone()).unwrap_or_default();
                assert!(old.len() < write.bytes.len() && write.bytes.starts_with(&old));
            }
            self.head = plan.head;
        }
        /// What a server answers: the tile or bundle as it was when it had this width.
        pub(crate) fn serve(&self, path: TilePath) -> Option<Vec<u8>> {
            match path {
                TilePath::Hashes { level, index, width } => {
                    Some(tile::encode_hashes(self.tiles.get(&(level, index))?.get(..usize::from(width))?))
                }
                TilePath::Entries { index, width } => {
                    tile::bundle_prefix(self.bundles.get(&index)?, width).ok().map(<[u8]>::to_vec)
                }
            }
        }
        fn restored(&self) -> Option<Head> {
            let size = self.head.size();
            let hashes = |path: &Option<TilePath>| match path {
                Some(TilePath::Hashes { level, index, .. }) => self.tiles[&(*level, *index)].clone(),
                _ => Vec::new(),
            };
            let edge = Head::edge_tiles(size).iter().map(hashes).collect();
            let bundle = if size.is_multiple_of(256) { Vec::new() } else { self.bundles[&(size / 256)].clone() };
            Head::restore(size, self.head.t, edge, bundle)
        }
    }
    fn appended(lens: impl IntoIterator<Item = usize>) -> Stored {
        let (mut stored, mut number) = (Stored::default(), 0_u64);
        for len in lens {
            let data = (number..).take(len).map(|n| n.to_string().into_bytes()).collect();
            number += u64::try_from(len).unwrap();
            stored.apply(plan_data(&stored.head, data, 9).unwrap());
        }
        stored
    }
    /// Every tile by its definition: hash i of tile N at level L is the root of 256^L leaves.
    fn check_tiles(stored: &Stored) {
        let size = stored.head.size();
        let mut leaves = CompactRange::new();
        let mut level_hashes: Vec<Hash> = (0..size).map(|n| leaf_hash(n.to_string().as_bytes())).collect();
        level_hashes.iter().for_each(|leaf| leaves.append(*leaf));
        assert_eq!(stored.head.range, leaves);
        let mut tiles = 0;
        for level in 0..5_u8 {
            for (index, chunk) in (0_u64..).zip(level_hashes.chunks(256)) {
                assert_eq!(stored.tiles[&(level, index)], chunk, "{level} {index}");
                assert_eq!(usize::from(tile_width(size, level, index)), chunk.len());
                tiles += 1;
            }
            level_hashes = level_hashes.chunks_exact(256).filter_map(subtree_root).collect();
        }
        assert_eq!(stored.tiles.len(), tiles);
        assert_eq!(stored.restored().as_ref(), Some(&stored.head));
    }

    proptest! {
        #[test]
        fn any_split_into_batches_gives_the_same(lens in proptest::collection::vec(1_usize..400, 0..6)) {
            let total: usize = lens.iter().sum();
            let split = appended(lens);
            let again = appended((0..total.div_ceil(MAX_BATCH)).map(|n| (total - n * MAX_BATCH).min(MAX_BATCH)));
            prop_assert_eq!(&split, &again);
            check_tiles(&split);
        }
    }

    #[test]
    fn every_size_around_the_ends_of_tiles() {
        for size in [1, 2, 255, 256, 257, 511, 512, 513] {
            check_tiles(&appended([size]));
            check_tiles(&appended(std::iter::repeat_n(1, size)));
        }
    }

    #[test]
    fn a_log_of_three_levels() {
        let mut sizes = vec![MAX_BATCH; 16];
        check_tiles(&appended(sizes.clone()));
        sizes.extend([1, 254, 1, 1]);
        let stored = appended(sizes);
        check_tiles(&stored);
        assert_eq!(stored.head.edge.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        let mut tiles = TileMap::default();
        stored.tiles.iter().for_each(|((level, index), hashes)| tiles.insert(*level, *index, hashes.clone()));
        assert_eq!(crate::tree::root_at(&tiles, stored.head.size()), Ok(stored.head.root()));
        let whole = stored.head.whole_bundles();
        assert_eq!((whole.size(), stored.head.tail().len()), (257, 1));
        assert_eq!(whole.hashes(), &stored.head.range.hashes()[..2]);
    }

    #[test]
    fn heads_that_do_not_fit_together_are_not_restored() {
        let stored = appended([300, 400]);
        let Head { range, t, edge, bundle } = stored.head.clone();
        let restore = |size, edge: &[Vec<Hash>], bundle: &[u8]| Head::restore(size, t, edge.to_vec(), bundle.to_vec());
        assert_eq!(restore(700, &edge, &bundle).map(|head| head.range), Some(range));
        for size in [0, 699, 701, 956, u64::MAX] {
            assert_eq!(restore(size, &edge, &bundle), None, "{size}");
        }
        assert_eq!(restore(700, &edge[..1], &bundle), None);
        assert_eq!(restore(700, &edge, &[]), None);
        assert_eq!(restore(700, &edge, &bundle[1..]), None);
        let mut other = bundle.clone();
        other[2] ^= 1;
        assert_eq!(restore(700, &edge, &other), None);
        assert_eq!(restore(0, &[], &[0]), None);
        assert_eq!(restore(0, &[], &[]), Some(Head { t, ..Head::default() }));
    }

    fn record(number: u8) -> Body {
        Body::Record { c: [number; 32], a: Audience::Holder }
    }
    fn founded() -> Head {
        plan(&Head::default(), vec![Body::Genesis(Box::new(sample_genesis(1)))], 100).unwrap().head
    }

    #[test]
    fn entries_are_written_with_a_time_that_never_decreases() {
        let first = plan(&founded(), vec![record(1), record(2)], 200).unwrap();
        let second = plan(&first.head, vec![record(3)], 150).unwrap();
        let times = |plan: &Plan| plan.entries.iter().map(|e| Entry::parse(&e.data).unwrap().t).collect::<Vec<_>>();
        assert_eq!((times(&first), times(&second), second.head.t), (vec![200, 200], vec![200], 200));
        let indexes: Vec<u64> = first.entries.iter().chain(&second.entries).map(|entry| entry.index).collect();
        assert_eq!(indexes, [1, 2, 3]);
        assert!(first.entries.iter().all(|entry| entry.leaf_hash == leaf_hash(&entry.data)));
    }

    #[test]
    fn what_cannot_be_appended_is_refused() {
        let head = founded();
        let c: Commitment = [0; 32];
        let a = Audience::Public;
        let refused = |batch: Vec<Body>, now| plan(&head, batch, now).unwrap_err();
        assert_eq!(refused(vec![], 1), AppendError::Batch);
        assert_eq!(refused(vec![record(1); MAX_BATCH + 1], 1), AppendError::Batch);
        assert_eq!(refused(vec![record(1), Body::Amend { c, a, of: 2 }], 1), AppendError::Of);
        assert_eq!(refused(vec![Body::Withdraw { c, a, of: u64::MAX }], 1), AppendError::Of);
        assert!(plan(&head, vec![record(1), Body::Amend { c, a, of: 1 }], 1).is_ok());
        assert_eq!(refused(vec![Body::Genesis(Box::new(sample_genesis(1)))], 1), AppendError::Genesis);
        assert_eq!(plan(&Head::default(), vec![record(1)], 1), Err(AppendError::Genesis));
        assert_eq!(refused(vec![Body::Unknown], 1), EntryError::Member("k").into());
        assert_eq!(refused(vec![record(1)], MAX_TIME + 1), EntryError::Member("t").into());
        let too_long = plan_data(&head, vec![vec![b'x'; MAX_ENTRY_LEN + 1]], 1);
        assert!(matches!(too_long, Err(AppendError::Entry(EntryError::Gate(_)))));
        assert_eq!(plan_data(&head, vec![], 1), Err(AppendError::Batch));
        let range = CompactRange::from_parts(MAX_LOG_SIZE, vec![leaf_hash(b"")]).unwrap();
        assert_eq!(plan_data(&Head { range, ..head }, vec![vec![]], 1), Err(AppendError::Batch));
    }
}
