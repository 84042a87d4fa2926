//! The logs that lie on the disks, as the audit reads them: what is byte by byte as it was at the last look is not hashed again.

use crate::memory::Model;
use hefu_federation::entry::Entry;
use hefu_federation::tile::{TILE_WIDTH, split_bundle};
use hefu_federation::tree::{CompactRange, Hash, empty_root, leaf_hash};
use hefu_node::store::OriginNo;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All logs of all nodes, by node and number.
#[derive(Default)]
pub(super) struct Logs(BTreeMap<(usize, OriginNo), Stored>);

impl Logs {
    /// A log of a node as it is now.
    pub(super) fn look(&mut self, node: usize, origin: OriginNo, model: &Model) -> &mut Stored {
        let stored = self.0.entry((node, origin)).or_default();
        let bundles = model.logs.get(&origin).map(|log| &log.bundles);
        stored.follow(bundles.into_iter().flat_map(BTreeMap::values));
        stored
    }
}

/// A log.
#[derive(Default)]
pub(super) struct Stored {
    bundles: Vec<Bundle>,
    leaves: Vec<Hash>,
    /// Of the first entry, of the first two, and so on.
    ranges: Vec<CompactRange>,
    /// How many entries' times were looked at, the last of them, and whether one was below the one before it.
    timed: (usize, i64, bool),
}

/// A bundle as it was at the last look.
struct Bundle {
    width: u16,
    bytes: Arc<Vec<u8>>,
    /// How many entries were read of it: all, or none of damaged bytes.
    read: usize,
}

impl Stored {
    fn follow<'a>(&mut self, now: impl Iterator<Item = &'a (u16, Arc<Vec<u8>>)>) {
        let mut count = 0;
        for (at, (width, bytes)) in now.enumerate() {
            count = at + 1;
            let held = self.bundles.get(at);
            if held.is_some_and(|held| held.width == *width && Arc::ptr_eq(&held.bytes, bytes)) {
                continue;
            }
            let goes_on = |held: &&Bundle| {
                held.width <= *width && held.read == usize::from(held.width) && bytes.starts_with(&held.bytes)
            };
            let (begin, known) = held.filter(goes_on).map_or((0, 0), |held| (held.bytes.len(), held.width));
            if known == 0 {
                self.cut(at);
            } else {
                self.bundles.truncate(at);
                let kept = self.entries() + usize::from(known);
                self.keep(kept);
            }
            let more = split_bundle(bytes.get(begin..).unwrap_or_default(), width - known).unwrap_or_default();
            self.extend(&more);
            let read = usize::from(known) + more.len();
            self.bundles.push(Bundle { width: *width, bytes: bytes.clone(), read });
        }
        if count < self.bundles.len() {
            self.cut(count);
        }
    }

    /// Forgets all from a bundle on.
    fn cut(&mut self, bundle: usize) {
        self.bundles.truncate(bundle);
        self.keep(self.entries());
        self.timed = (0, i64::MIN, false);
    }

    /// How many entries the bundles have.
    fn entries(&self) -> usize {
        self.bundles.iter().map(|bundle| bundle.read).sum()
    }

    fn keep(&mut self, entries: usize) {
        self.leaves.truncate(entries);
        self.ranges.truncate(entries);
    }

    fn extend(&mut self, entries: &[&[u8]]) {
        for data in entries {
            let mut range = self.ranges.last().cloned().unwrap_or_default();
            let leaf = leaf_hash(data);
            range.append(leaf);
            self.leaves.push(leaf);
            self.ranges.push(range);
        }
    }

    /// Whether this is what somebody reads who remembers nothing.
    pub(super) fn is_true(&self, origin: OriginNo, model: &Model) -> bool {
        let mut anew = Self::default();
        let bundles = model.logs.get(&origin).map(|log| &log.bundles);
        anew.follow(bundles.into_iter().flat_map(BTreeMap::values));
        (&anew.leaves, anew.ranges.last()) == (&self.leaves, self.ranges.last())
    }

    /// Its leaves.
    pub(super) fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// Its first leaves, as many as there are.
    pub(super) fn first(&self, size: u64) -> &[Hash] {
        let most = usize::try_from(size).unwrap_or(usize::MAX).min(self.leaves.len());
        self.leaves.get(..most).unwrap_or_default()
    }

    /// The root of its first entries; `None` when there are fewer.
    pub(super) fn root(&self, size: u64) -> Option<Hash> {
        match size.checked_sub(1) {
            None => Some(empty_root()),
            Some(last) => Some(self.ranges.get(usize::try_from(last).ok()?)?.root()),
        }
    }

    /// An entry.
    pub(super) fn entry(&self, index: u64) -> Option<Entry> {
        let bundle = self.bundles.get(usize::try_from(index / TILE_WIDTH).ok()?)?;
        let entries = split_bundle(&bundle.bytes, bundle.width).ok()?;
        Entry::parse(entries.get(usize::try_from(index % TILE_WIDTH).ok()?)?).ok()
    }

    /// Whether the time of an entry is below that of the one before it.
    pub(super) fn goes_back(&mut self) -> bool {
        let (mut looked, mut last, mut back) = self.timed;
        while looked < self.leaves.len() {
            let entry = u64::try_from(looked).ok().and_then(|index| self.entry(index));
            if let Some(Entry { t, .. }) = entry {
                back |= t < last;
                last = t;
            }
            looked += 1;
        }
        self.timed = (looked, last, back);
        back
    }
}
