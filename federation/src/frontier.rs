//! The frontier of a log that is being pulled: subtree roots that a checkpoint's root vouches for, so that every entry
//! bundle is verified before it is stored, however long the log.
//!
//! A checkpoint of size n is explained by the level-1 hashes (one for each full bundle of 256) and the leaf hashes of the last,
//! partial bundle. They are fetched first (32 bytes for 256 entries), must give the checkpoint's root together with what
//! we hold, and then each bundle is compared with its hash alone.
//!
//! ```text
//! bundles        0 … first          … until                        … n / 256          n
//! explained by   what we hold       level-1 hashes, kept             few hashes of        leaf hashes
//!                (compact range)    (≤ MAX_BUNDLES)                higher levels        of the rest
//! ```
//!
//! Of a log that is far ahead only the next [`MAX_BUNDLES`] bundles are explained one by one, the rest by the widest subtrees that
//! fit; when those bundles are stored, the next frontier goes on. So neither the size that a peer claims nor the size that its log
//! has makes us hold more than 2 MiB of hashes. Every hash of every tile that is fetched enters a comparison.
use crate::append::{check_place, subtree_roots};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::mutant::{self, Mutant};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TilePath, decode_hashes, split_bundle, subtree_root, tile_width};
use crate::tree::{CompactRange, Hash, MAX_LOG_SIZE, leaf_hash};
use thiserror::Error;

/// Most bundles that one frontier explains one by one: 16,777,216 entries, 257 tiles, 2 MiB of hashes. At least 256.
pub const MAX_BUNDLES: u64 = 1 << 16;
/// Width of a full tile, as paths have it.
const FULL: u16 = 256;

/// Verified subtree roots between our size and a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    checkpoint: Checkpoint,
    /// Index of the bundle whose root is the first of `bundles`.
    first_bundle: u64,
    /// Roots of full bundles.
    bundles: Vec<Hash>,
    /// Leaf hashes of the partial bundle behind them; empty when there is none, or when the frontier ends before it.
    tail: Vec<Hash>,
}

/// Why the tiles do not explain the checkpoint, or a bundle not the frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum FrontierError {
    #[error("the checkpoint is not beyond what is held, or beyond the largest log")]
    Size,
    #[error("a tile is missing or has another width")]
    Tiles,
    #[error("the tiles do not give the checkpoint's root together with the entries held: split view or corrupt tiles")]
    Root,
    #[error("bundle {index} differs from its tile")]
    Bundle { index: u64 },
    #[error("entry {index} is malformed")]
    Entry { index: u64 },
    #[error("entry {index} is older than the one before")]
    Time { index: u64 },
}

/// Consecutive hashes of one level, within one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// From 1.
    level: u8,
    /// Number of the first hash in its level.
    from: u64,
    /// Number behind the last.
    to: u64,
}
impl Span {
    /// Tree levels below these hashes, counted from bundles.
    fn height(self) -> u32 {
        TILE_HEIGHT * (u32::from(self.level) - 1)
    }
    fn tile(self, size: u64) -> TilePath {
        let index = self.from / TILE_WIDTH;
        TilePath::Hashes { level: self.level, index, width: tile_width(size, self.level, index) }
    }
    /// How many hashes of its tile stand before it.
    fn before(self) -> usize {
        usize::from(u8::try_from(self.from % TILE_WIDTH).unwrap_or(0))
    }
}

/// How the way from our size to a checkpoint is explained.
struct Route {
    /// The bundle that our size lies in.
    first: u64,
    /// Behind the last bundle that is explained by its own hash: all, or a multiple of 256.
    until: u64,
    /// Full bundles of the checkpoint.
    bundles: u64,
    /// Size of the checkpoint.
    size: u64,
    /// Entries that we hold of the bundle `first`.
    held: u16,
}
impl Route {
    fn new(size: u64, checkpoint: &Checkpoint, limit: u64) -> Option<Self> {
        if checkpoint.size <= size || checkpoint.size > MAX_LOG_SIZE {
            return None;
        }
        let (first, bundles) = (size / TILE_WIDTH, checkpoint.size / TILE_WIDTH);
        let until = if bundles - first <= limit { bundles } else { (first + limit) / TILE_WIDTH * TILE_WIDTH };
        let held = u16::try_from(size % TILE_WIDTH).unwrap_or(0);
        Some(Self { first, until, bundles, size: checkpoint.size, held })
    }
    /// The leaf hashes of the bundle that we hold a part of, when it has become full: the only place where they still show.
    fn held_tile(&self) -> Option<TilePath> {
        let full = self.held > 0 && self.first < self.bundles;
        full.then_some(TilePath::Hashes { level: 0, index: self.first, width: FULL })
    }
    /// The leaf hashes behind the last full bundle.
    fn tail_tile(&self) -> Option<TilePath> {
        let width = tile_width(self.size, 0, self.bundles);
        (width > 0).then_some(TilePath::Hashes { level: 0, index: self.bundles, width })
    }
    /// The hashes over all full bundles from `first` on: at most `limit` / 256 + 1 spans of level 1, then two of each level.
    fn spans(&self) -> Vec<Span> {
        let (mut spans, mut at) = (Vec::new(), self.first);
        while at < self.bundles {
            let level = if at < self.until { 1 } else { self.widest_level(at) };
            let height = TILE_HEIGHT * (u32::from(level) - 1);
            let from = at >> height;
            let to = (self.bundles >> height).min((from / TILE_WIDTH + 1) * TILE_WIDTH);
            spans.push(Span { level, from, to });
            at = to << height;
        }
        spans
    }
    /// The highest level that has a hash which begins at this bundle and lies within the checkpoint.
    fn widest_level(&self, at: u64) -> u8 {
        let (mut level, mut bundles) = (1, TILE_WIDTH);
        while at.is_multiple_of(bundles) && at + bundles <= self.bundles {
            (level, bundles) = (level + 1, bundles * TILE_WIDTH);
        }
        level
    }
    fn tiles(&self) -> Vec<TilePath> {
        let spans = self.spans();
        let middle = spans.iter().map(|span| span.tile(self.size));
        self.held_tile().into_iter().chain(middle).chain(self.tail_tile()).collect()
    }
}

/// The tiles to fetch to go from `size` (ours) to the checkpoint, in the order in which [`Frontier::verify`] takes them: the
/// level-0 tile of our own partial bundle if it has become full, level-1 tiles from bundle `size / 256` on (then, far
/// ahead, of higher levels), and the partial level-0 tile at the end if there is one. None when the checkpoint is not
/// beyond our size, or beyond [`MAX_LOG_SIZE`].
pub fn wanted_tiles(size: u64, checkpoint: &Checkpoint) -> Vec<TilePath> {
    Route::new(size, checkpoint, MAX_BUNDLES).map(|route| route.tiles()).unwrap_or_default()
}

impl Frontier {
    /// Verifies fetched tiles (as [`wanted_tiles`], in that order). `held_full`: our roots of the full bundles before
    /// `size / 256`, as a compact range whose unit is a bundle of 256 entries; `held_tail`: leaf hashes of our own last partial
    /// bundle. [`Head::whole_bundles`](crate::append::Head::whole_bundles) and [`Head::tail`](crate::append::Head::tail) are
    /// these. When it succeeds, the checkpoint's log is proved to extend ours (protocol §4.2): nothing of it is stored before.
    ///
    /// # Errors
    /// They do not explain the checkpoint's root, or contradict what we hold.
    pub fn verify(
        held_full: &CompactRange,
        held_tail: &[Hash],
        checkpoint: Checkpoint,
        tiles: &[(TilePath, Vec<u8>)],
    ) -> Result<Self, FrontierError> {
        Self::verify_limited(held_full, held_tail, checkpoint, tiles, MAX_BUNDLES)
    }
    fn verify_limited(
        held_full: &CompactRange,
        held_tail: &[Hash],
        checkpoint: Checkpoint,
        tiles: &[(TilePath, Vec<u8>)],
        limit: u64,
    ) -> Result<Self, FrontierError> {
        let held = u8::try_from(held_tail.len()).map_err(|_| FrontierError::Size)?;
        let size = held_full.size().saturating_mul(TILE_WIDTH).saturating_add(u64::from(held));
        let route = Route::new(size, &checkpoint, limit).ok_or(FrontierError::Size)?;
        let mut fetched = Fetched(tiles.iter());

        let held_tile = route.held_tile().map(|path| fetched.take(path)).transpose()?;
        let (range, bundles) = extend(held_full.clone(), &route, &mut fetched)?;
        let mut tail = route.tail_tile().map(|path| fetched.take(path)).transpose()?.unwrap_or_default();
        if fetched.0.next().is_some() {
            return Err(FrontierError::Tiles);
        }
        // What we hold must be the beginning of the same bundle in their log.
        if let Some(leaves) = &held_tile
            && subtree_root(leaves).as_ref() != bundles.first()
        {
            return Err(FrontierError::Root);
        }
        if !held_tile.as_ref().unwrap_or(&tail).starts_with(held_tail) {
            return Err(FrontierError::Root);
        }
        let mut whole = CompactRange::from_parts(route.bundles * TILE_WIDTH, range.hashes().to_vec())
            .expect("a size in entries has the same one bits as in bundles");
        tail.iter().for_each(|leaf| whole.append(*leaf));
        if whole.root() != checkpoint.root {
            return Err(FrontierError::Root);
        }
        if route.until < route.bundles {
            tail.clear();
        }
        Ok(Self { checkpoint, first_bundle: route.first, bundles, tail })
    }
    /// The checkpoint that it explains.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
    /// Behind the last entry that [`bundle_at`](Self::bundle_at) knows a bundle for. Below the checkpoint's size only where more
    /// than [`MAX_BUNDLES`] were missing: another frontier to the same checkpoint goes on from there.
    pub fn until(&self) -> u64 {
        let len = |hashes: &[Hash]| u64::try_from(hashes.len()).unwrap_or(0);
        (self.first_bundle + len(&self.bundles)) * TILE_WIDTH + len(&self.tail)
    }
    /// The bundle to fetch that holds entry `size`: its path has the checkpoint's width there.
    pub fn bundle_at(&self, size: u64) -> Option<TilePath> {
        let index = size / TILE_WIDTH;
        if index < self.first_bundle || size >= self.until() {
            return None;
        }
        let width = tile_width(self.until(), 0, index);
        Some(TilePath::Entries { index, width })
    }
    /// Verifies a fetched bundle against its hash and returns the leaf data of the entries from `size` on.
    ///
    /// # Errors
    /// It differs, or an entry of a known kind is malformed, or `t` decreases (`last_t` is that of our last entry). Malformed is
    /// also a first entry that is no genesis, another genesis, and an `of` that is not below its own index.
    pub fn verify_bundle(
        &self,
        path: TilePath,
        bytes: &[u8],
        size: u64,
        last_t: i64,
    ) -> Result<VerifiedEntries, FrontierError> {
        let bundle = size / TILE_WIDTH;
        let differs = FrontierError::Bundle { index: bundle };
        let TilePath::Entries { width, .. } = path else { return Err(differs) };
        if self.bundle_at(size) != Some(path) {
            return Err(differs);
        }
        let entries = split_bundle(bytes, width).map_err(|_| differs)?;
        let leaves: Vec<Hash> = entries.iter().map(|data| leaf_hash(data)).collect();
        let known = usize::try_from(bundle - self.first_bundle).ok().and_then(|nth| self.bundles.get(nth));
        let same = match known {
            Some(root) => subtree_root(&leaves).as_ref() == Some(root),
            None => leaves == self.tail,
        };
        if !same && !mutant::on(Mutant::Bundle) {
            return Err(differs);
        }
        let held = usize::try_from(size % TILE_WIDTH).map_err(|_| differs)?;
        VerifiedEntries::read(size, entries.get(held..).unwrap_or_default(), last_t)
    }
}
/// Fetched tiles, to be taken in the order in which they were wanted.
struct Fetched<'a>(std::slice::Iter<'a, (TilePath, Vec<u8>)>);
impl Fetched<'_> {
    fn take(&mut self, wanted: TilePath) -> Result<Vec<Hash>, FrontierError> {
        match (self.0.next(), wanted) {
            (Some((path, bytes)), TilePath::Hashes { width, .. }) if *path == wanted => {
                decode_hashes(bytes, width).map_err(|_| FrontierError::Tiles)
            }
            _ => Err(FrontierError::Tiles),
        }
    }
}
/// Extends the range of whole bundles by the spans' hashes, and returns those of level 1 that a frontier keeps.
fn extend(
    mut range: CompactRange,
    route: &Route,
    fetched: &mut Fetched<'_>,
) -> Result<(CompactRange, Vec<Hash>), FrontierError> {
    let mut kept = Vec::new();
    for span in route.spans() {
        let tile = fetched.take(span.tile(route.size))?;
        let (before, hashes) = tile.split_at_checked(span.before()).ok_or(FrontierError::Tiles)?;
        // The tile's hashes before the span lie under the last subtrees of the range. They are not needed for the root, but a
        // tile that contradicts what is established is corrupt.
        if !range.hashes().ends_with(&subtree_roots(before)) {
            return Err(FrontierError::Root);
        }
        for hash in hashes {
            if range.size() < route.until {
                kept.push(*hash);
            }
            range.append_subtree(span.height(), *hash).map_err(|_| FrontierError::Tiles)?;
        }
    }
    Ok((range, kept))
}

/// Entries that a checkpoint vouches for, ready to be stored. Only [`Frontier::verify_bundle`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEntries {
    first: u64,
    data: Vec<Vec<u8>>,
    entries: Vec<Entry>,
    last_t: i64,
}
impl VerifiedEntries {
    fn read(first: u64, data: &[&[u8]], mut last_t: i64) -> Result<Self, FrontierError> {
        let mut entries = Vec::with_capacity(data.len());
        for (index, data) in (first..).zip(data) {
            let entry = Entry::parse(data).map_err(|_| FrontierError::Entry { index })?;
            check_place(&entry.body, index).map_err(|_| FrontierError::Entry { index })?;
            if entry.t < last_t && !mutant::on(Mutant::Time) {
                return Err(FrontierError::Time { index });
            }
            last_t = entry.t;
            entries.push(entry);
        }
        Ok(Self { first, data: data.iter().map(|data| data.to_vec()).collect(), entries, last_t })
    }
    /// Index of the first.
    pub fn first(&self) -> u64 {
        self.first
    }
    /// Leaf data, in order.
    pub fn data(&self) -> &[Vec<u8>] {
        &self.data
    }
    /// The parsed entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
    /// Whether its first entry is not older than the last one before it: for whoever verified both at the same time.
    ///
    /// # Errors
    /// It is older.
    pub fn follows(&self, last_t: i64) -> Result<(), FrontierError> {
        let is_older = self.entries.first().is_some_and(|first| first.t < last_t);
        if is_older && !mutant::on(Mutant::Time) { Err(FrontierError::Time { index: self.first }) } else { Ok(()) }
    }
    /// `t` of the last one.
    pub fn last_t(&self) -> i64 {
        self.last_t
    }
    /// The leaf data, without a copy.
    pub fn into_data(self) -> Vec<Vec<u8>> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::tests::Stored;
    use crate::append::{MAX_BATCH, plan, plan_data};
    use crate::entry::tests::sample_genesis;
    use crate::entry::{Audience, Body};
    use crate::tile::encode_hashes;
    use proptest::prelude::*;
    use std::sync::OnceLock;

    /// Leaf data of a log of 1,300 entries of all kinds.
    fn honest() -> &'static [Vec<u8>] {
        static LOG: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        LOG.get_or_init(|| {
            let mut stored = Stored::default();
            let mut data = Vec::new();
            for n in 0..1300_u16 {
                let mut c = [0; 32];
                c[..2].copy_from_slice(&n.to_be_bytes());
                let body = match n {
                    0 => Body::Genesis(Box::new(sample_genesis(1))),
                    n if n % 7 == 3 => Body::Amend { c, a: Audience::Public, of: u64::from(n / 2) },
                    n if n % 11 == 5 => Body::Withdraw { c, a: Audience::Agreement([1; 16]), of: u64::from(n) - 1 },
                    _ => Body::Record { c, a: Audience::Agreement([2; 16]) },
                };
                let plan = plan(&stored.head, vec![body], i64::from(n / 3)).unwrap();
                data.push(plan.entries[0].data.clone());
                stored.apply(plan);
            }
            data
        })
    }
    fn last_t(data: &[Vec<u8>]) -> i64 {
        data.last().map_or(0, |data| Entry::parse(data).map_or(0, |entry| entry.t))
    }
    fn log(data: &[Vec<u8>]) -> Stored {
        let mut stored = Stored::default();
        for batch in data.chunks(MAX_BATCH) {
            stored.apply(plan_data(&stored.head, batch.to_vec(), last_t(batch)).unwrap());
        }
        stored
    }
    fn checkpoint(data: &[Vec<u8>]) -> Checkpoint {
        let mut range = CompactRange::new();
        data.iter().for_each(|data| range.append(leaf_hash(data)));
        Checkpoint { origin: "kunming.example/hefu".to_owned(), size: range.size(), root: range.root() }
    }
    /// Pulls until the checkpoint's size, as a node does, with whatever `serve` answers.
    fn pull(
        mut mine: Stored,
        to: &Checkpoint,
        mut serve: impl FnMut(TilePath) -> Vec<u8>,
    ) -> Result<Stored, FrontierError> {
        let tiles = wanted_tiles(mine.head.size(), to);
        let tiles: Vec<_> = tiles.into_iter().map(|path| (path, serve(path))).collect();
        let frontier = Frontier::verify(&mine.head.whole_bundles(), mine.head.tail(), to.clone(), &tiles)?;
        assert_eq!((frontier.until(), frontier.checkpoint()), (to.size, to));
        while let Some(path) = frontier.bundle_at(mine.head.size()) {
            let verified = frontier.verify_bundle(path, &serve(path), mine.head.size(), mine.head.t)?;
            assert_eq!((verified.first(), verified.data().len()), (mine.head.size(), verified.entries().len()));
            let last_t = verified.last_t();
            mine.apply(plan_data(&mine.head, verified.into_data(), last_t).unwrap());
        }
        Ok(mine)
    }
    fn sizes() -> impl Strategy<Value = (usize, usize, usize)> {
        let size = || prop_oneof![0_usize..1300, prop::sample::select(vec![0, 1, 255, 256, 257, 512, 513, 768, 1024])];
        (size(), size(), 0_usize..300).prop_filter_map("n < m", |(a, b, more)| {
            let (n, m) = (a.min(b), a.max(b));
            (n < m).then_some((n, m, (m + more).min(1300)))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn an_honest_log_is_pulled_whole_whatever_the_sizes((n, m, now) in sizes()) {
            let (all, served) = (honest(), log(&honest()[..now]));
            let pulled = pull(log(&all[..n]), &checkpoint(&all[..m]), |path| served.serve(path).unwrap());
            prop_assert_eq!(pulled, Ok(log(&all[..m])));
        }

        #[test]
        fn any_flipped_bit_in_any_tile_or_bundle_is_refused((n, m, _) in sizes(), at: usize, bit in 0_u8..8) {
            let (mut mine, served, to) = (log(&honest()[..n]), log(&honest()[..m]), checkpoint(&honest()[..m]));
            let flip = |bytes: &mut [u8]| {
                let at = at % bytes.len();
                bytes[at] ^= 1 << bit;
            };
            let tiles: Vec<_> =
                wanted_tiles(mine.head.size(), &to).into_iter().map(|path| (path, served.serve(path).unwrap())).collect();
            let (full, tail) = (mine.head.whole_bundles(), mine.head.tail());
            for nth in 0..tiles.len() {
                let mut flipped = tiles.clone();
                flip(&mut flipped[nth].1);
                prop_assert_eq!(Frontier::verify(&full, tail, to.clone(), &flipped), Err(FrontierError::Root));
            }
            let frontier = Frontier::verify(&full, tail, to, &tiles).unwrap();
            while let Some(path) = frontier.bundle_at(mine.head.size()) {
                let (size, t) = (mine.head.size(), mine.head.t);
                let bytes = served.serve(path).unwrap();
                let mut flipped = bytes.clone();
                flip(&mut flipped);
                let refused = frontier.verify_bundle(path, &flipped, size, t);
                prop_assert_eq!(refused, Err(FrontierError::Bundle { index: size / 256 }));
                let data = frontier.verify_bundle(path, &bytes, size, t).unwrap().into_data();
                mine.apply(plan_data(&mine.head, data, t).unwrap());
            }
        }

        #[test]
        fn a_fork_below_our_size_is_a_split_view((n, m, _) in sizes(), at: usize) {
            prop_assume!(n > 1);
            let mut other = honest()[..m].to_vec();
            let at = 1 + at % (n - 1);
            other[at] = Entry { t: 0, body: Body::Record { c: [9; 32], a: Audience::Holder } }.write().unwrap();
            let served = log(&other);
            let pulled = pull(log(&honest()[..n]), &checkpoint(&other), |path| served.serve(path).unwrap());
            prop_assert_eq!(pulled, Err(FrontierError::Root));
        }

        #[test]
        fn bundles_with_other_entries_than_their_tiles_are_refused((n, m, _) in sizes(), at: usize, how in 0_u8..4) {
            let (served, to, at) = (log(&honest()[..m]), checkpoint(&honest()[..m]), n + at % (m - n));
            let mut other = honest()[..m].to_vec();
            match how {
                0 => other.swap(at, (at + 1) % m),
                1 => _ = other.remove(at),
                2 => other[at] = other[(at + 1) % m].clone(),
                _ => other.insert(at, other[at].clone()),
            }
            other.truncate(m);
            prop_assume!(other != honest()[..m]);
            let lying = log(&other);
            let pulled = pull(log(&honest()[..n]), &to, |path| match path {
                TilePath::Hashes { .. } => served.serve(path).unwrap(),
                TilePath::Entries { .. } => lying.serve(path).unwrap_or_default(),
            });
            prop_assert!(matches!(pulled, Err(FrontierError::Bundle { .. })), "{pulled:?}");
        }
    }

    #[test]
    fn entries_that_a_log_may_not_hold_are_refused() {
        let record = |t| Entry { t, body: Body::Record { c: [1; 32], a: Audience::Holder } }.write().unwrap();
        let amend = |of| Entry { t: 9, body: Body::Amend { c: [1; 32], a: Audience::Holder, of } }.write().unwrap();
        let genesis = honest()[0].clone();
        let unknown = br#"{"k":"later","t":9,"v":1}"#.to_vec();
        let cases = [
            (vec![genesis.clone(), record(9), record(8)], Err(FrontierError::Time { index: 2 })),
            (vec![genesis.clone(), unknown.clone(), record(8)], Err(FrontierError::Time { index: 2 })),
            (vec![genesis.clone(), b"{}".to_vec()], Err(FrontierError::Entry { index: 1 })),
            (vec![genesis.clone(), Vec::new()], Err(FrontierError::Entry { index: 1 })),
            (vec![genesis.clone(), record(9), amend(2)], Err(FrontierError::Entry { index: 2 })),
            (vec![genesis.clone(), genesis.clone()], Err(FrontierError::Entry { index: 1 })),
            (vec![record(9)], Err(FrontierError::Entry { index: 0 })),
            (vec![unknown.clone()], Err(FrontierError::Entry { index: 0 })),
            (vec![genesis, unknown, amend(1), record(9)], Ok(4)),
        ];
        for (data, expected) in cases {
            let served = log(&data);
            let pulled = pull(Stored::default(), &checkpoint(&data), |path| served.serve(path).unwrap());
            assert_eq!(pulled.map(|stored| stored.head.size()), expected);
        }
    }

    #[test]
    fn time_does_not_go_back_behind_what_we_hold() {
        let mut mine = log(&honest()[..300]);
        mine.head.t = i64::MAX;
        let served = log(&honest()[..301]);
        let pulled = pull(mine, &checkpoint(&honest()[..301]), |path| served.serve(path).unwrap());
        assert_eq!(pulled, Err(FrontierError::Time { index: 300 }));
    }

    #[test]
    fn of_bundles_that_are_verified_side_by_side_each_follows_the_one_before() {
        let record = |t| Entry { t, body: Body::Record { c: [1; 32], a: Audience::Holder } }.write().unwrap();
        let read = |first, t| VerifiedEntries::read(first, &[&record(t)], 0).unwrap();
        let (one, same, older) = (read(255, 9), read(256, 9), read(256, 8));
        assert_eq!(same.follows(one.last_t()), Ok(()));
        assert_eq!(older.follows(one.last_t()), Err(FrontierError::Time { index: 256 }));
    }

    #[test]
    fn tiles_are_taken_only_as_they_were_wanted() {
        let (mine, served, to) = (log(&honest()[..300]), log(&honest()[..900]), checkpoint(&honest()[..900]));
        let tiles: Vec<_> =
            wanted_tiles(300, &to).into_iter().map(|path| (path, served.serve(path).unwrap())).collect();
        let verify = |tiles: &[(TilePath, Vec<u8>)]| {
            Frontier::verify(&mine.head.whole_bundles(), mine.head.tail(), to.clone(), tiles)
        };
        let names: Vec<String> = tiles.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, ["tile/0/001", "tile/1/000.p/3", "tile/0/003.p/132"]);
        assert!(verify(&tiles).is_ok());
        for wrong in [&tiles[1..], &tiles[..2], &[], &[&tiles[..], &tiles[..1]].concat()] {
            assert_eq!(verify(wrong), Err(FrontierError::Tiles));
        }
        let mut swapped = tiles.clone();
        swapped.swap(0, 1);
        assert_eq!(verify(&swapped), Err(FrontierError::Tiles));
        let mut longer = tiles;
        longer[1].1.extend_from_slice(&[0; 32]);
        assert_eq!(verify(&longer), Err(FrontierError::Tiles));
    }

    #[test]
    fn bundles_are_verified_only_where_they_are_wanted() {
        let (served, to) = (log(&honest()[..600]), checkpoint(&honest()[..600]));
        let tiles: Vec<_> = wanted_tiles(0, &to).into_iter().map(|path| (path, served.serve(path).unwrap())).collect();
        let frontier = Frontier::verify(&CompactRange::new(), &[], to, &tiles).unwrap();
        let entries = |index, width| TilePath::Entries { index, width };
        let wanted = [(0, (0, 256)), (255, (0, 256)), (256, (1, 256)), (599, (2, 88))];
        for (size, (index, width)) in wanted {
            assert_eq!(frontier.bundle_at(size), Some(entries(index, width)));
        }
        assert_eq!((frontier.bundle_at(600), frontier.bundle_at(u64::MAX)), (None, None));
        let bytes = served.serve(entries(1, 256)).unwrap();
        assert_eq!(frontier.verify_bundle(entries(1, 256), &bytes, 256, 0).unwrap().data(), &honest()[256..512]);
        assert_eq!(frontier.verify_bundle(entries(1, 256), &bytes, 500, 0).unwrap().data(), &honest()[500..512]);
        let wrong = [(entries(0, 256), 256), (entries(1, 255), 256), (entries(1, 256), 0), (entries(1, 256), 600)];
        for (path, size) in wrong {
            assert_eq!(frontier.verify_bundle(path, &bytes, size, 0), Err(FrontierError::Bundle { index: size / 256 }));
        }
        let tile = TilePath::Hashes { level: 0, index: 1, width: 256 };
        assert_eq!(frontier.verify_bundle(tile, &bytes, 256, 0), Err(FrontierError::Bundle { index: 1 }));
    }

    #[test]
    fn absurd_checkpoints_cost_nothing() {
        let head = log(&honest()[..300]).head;
        let (full, tail) = (head.whole_bundles(), head.tail());
        for size in [0, 299, 300, MAX_LOG_SIZE + 1, u64::MAX] {
            let to = Checkpoint { size, ..checkpoint(&honest()[..300]) };
            assert_eq!(wanted_tiles(300, &to), []);
            assert_eq!(Frontier::verify(&full, tail, to, &[]), Err(FrontierError::Size), "{size}");
        }
        let to = Checkpoint { size: MAX_LOG_SIZE, ..checkpoint(&honest()[..300]) };
        assert!(wanted_tiles(300, &to).len() < 300);
        assert_eq!(wanted_tiles(u64::MAX, &to), []);
        assert_eq!(Frontier::verify(&full, &[Hash([0; 32]); 256], to, &[]), Err(FrontierError::Size));
    }

    /// The hash tiles of a log of which only bundle roots exist: 70,000 bundles are 18 million entries.
    struct Sketch {
        roots: Vec<Hash>,
        tail: Vec<Hash>,
        tiles: std::collections::HashMap<TilePath, Vec<u8>>,
        checkpoint: Checkpoint,
    }
    impl Sketch {
        fn new(bundles: u32, tail: u8) -> Self {
            let roots: Vec<Hash> = (0..bundles).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let tail: Vec<Hash> = (0..tail).map(|n| leaf_hash(&[n])).collect();
            let mut range = CompactRange::new();
            roots.iter().for_each(|root| range.append(*root));
            range = CompactRange::from_parts(range.size() * 256, range.hashes().to_vec()).unwrap();
            tail.iter().for_each(|leaf| range.append(*leaf));
            let mut tiles = std::collections::HashMap::new();
            let (mut hashes, mut level) = (roots.clone(), 1);
            while !hashes.is_empty() {
                for (index, tile) in (0..).zip(hashes.chunks(256)) {
                    let width = u16::try_from(tile.len()).unwrap();
                    tiles.insert(TilePath::Hashes { level, index, width }, encode_hashes(tile));
                }
                (hashes, level) = (hashes.chunks_exact(256).filter_map(subtree_root).collect(), level + 1);
            }
            if let Some(width) = u16::try_from(tail.len()).ok().filter(|width| *width > 0) {
                tiles.insert(TilePath::Hashes { level: 0, index: u64::from(bundles), width }, encode_hashes(&tail));
            }
            let checkpoint = Checkpoint { origin: String::new(), size: range.size(), root: range.root() };
            Self { roots, tail, tiles, checkpoint }
        }
        fn fetch(&self, first: usize, limit: u64) -> Vec<(TilePath, Vec<u8>)> {
            let size = u64::try_from(first).unwrap() * 256;
            let wanted = Route::new(size, &self.checkpoint, limit).unwrap().tiles();
            wanted.into_iter().map(|path| (path, self.tiles[&path].clone())).collect()
        }
    }

    #[test]
    fn a_long_log_is_explained_part_by_part() {
        let limit = 512;
        for (bundles, tail) in [(70_000, 7), (131_072, 0)] {
            let sketch = Sketch::new(bundles, tail);
            let bundles = sketch.roots.len();
            let mut held = CompactRange::new();
            for first in [0, 1, 256, 300, 60_000, 65_535, 65_536, bundles - 400, bundles - 1] {
                let known = usize::try_from(held.size()).unwrap();
                sketch.roots[known..first].iter().for_each(|root| held.append(*root));
                let tiles = sketch.fetch(first, limit);
                assert!(tiles.len() <= 3 + 6 + 1, "{}", tiles.len());
                let verify =
                    |tiles: &[_]| Frontier::verify_limited(&held, &[], sketch.checkpoint.clone(), tiles, limit);
                let frontier = verify(&tiles).unwrap();
                let until = first + frontier.bundles.len();
                assert_eq!(frontier.bundles, sketch.roots[first..until]);
                let whole = until == bundles;
                assert!(whole || (until % 256 == 0 && until > first && until - first <= 512));
                assert_eq!(frontier.tail, if whole { &sketch.tail[..] } else { &[] });
                assert_eq!(frontier.until() == sketch.checkpoint.size, whole);
                assert_eq!(frontier.bundle_at(frontier.until()), None);
                for (nth, at) in
                    (0..tiles.len()).flat_map(|nth| [0, 31, 32, tiles[nth].1.len() - 1].map(|at| (nth, at)))
                {
                    let mut corrupt = tiles.clone();
                    let Some(byte) = corrupt[nth].1.get_mut(at) else { continue };
                    *byte ^= 1;
                    assert_eq!(verify(&corrupt), Err(FrontierError::Root), "{first} {:?} {at}", tiles[nth].0);
                }
            }
        }
    }
}
