//! C2SP tlog-tiles: paths, tiles of hashes, entry bundles.
//!
//! ```text
//! tile/<L>/<N>        256 hashes of 32 bytes, each the root of 256^L entries        tile/<L>/<N>.p/<W>        the first W
//! tile/entries/<N>    256 entries, each a big-endian u16 length and its bytes       tile/entries/<N>.p/<W>    the first W
//! ```
use crate::entry::MAX_ENTRY_LEN;
use crate::tree::{Hash, HashReader, MAX_LOG_SIZE, node_hash};
use std::collections::{BTreeSet, HashMap};
use thiserror::Error;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Tree levels that a tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// Longest entry bundle: 256 entries of 1,024 bytes with their lengths.
pub const MAX_BUNDLE_LEN: usize = 256 * (2 + 1024);
/// Highest level at which a log of [`MAX_LOG_SIZE`] entries has a tile: 256^5 is 2^40. The standard numbers levels up to 63.
pub const MAX_LEVEL: u8 = 5;
/// Width of a full tile, as paths have it.
const FULL: u16 = 256;
/// Bytes of a hash.
const HASH_LEN: usize = 32;

/// A resource of the log by its path below the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// `tile/<level>/<N>[.p/<W>]`.
    Hashes {
        /// 0 is the leaves.
        level: u8,
        /// 0-based.
        index: u64,
        /// 1 to 256; 256 is full and has no `.p` part.
        width: u16,
    },
    /// `tile/entries/<N>[.p/<W>]`.
    Entries {
        /// 0-based.
        index: u64,
        /// 1 to 256.
        width: u16,
    },
}
/// Not a path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a tile path")]
pub struct InvalidTilePath;
impl TilePath {
    /// Parses `tile/…` strictly (`x001/234` groups, no leading zeros otherwise, width 1 to 255 in `.p/`).
    ///
    /// # Errors
    /// Anything else; a level or index that no log of [`MAX_LOG_SIZE`] entries has.
    pub fn parse(path: &str) -> Result<Self, InvalidTilePath> {
        let (kind, rest) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(InvalidTilePath)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, plain_number(width).filter(|width| (1..FULL).contains(width))),
            None => (rest, Some(FULL)),
        };
        let (index, width) = (grouped_number(index).ok_or(InvalidTilePath)?, width.ok_or(InvalidTilePath)?);
        if kind == "entries" {
            return Ok(Self::Entries { index, width });
        }
        let level = plain_number(kind).and_then(|level| u8::try_from(level).ok()).filter(|level| *level <= MAX_LEVEL);
        Ok(Self::Hashes { level: level.ok_or(InvalidTilePath)?, index, width })
    }
}
/// Decimal without leading zeros.
fn plain_number(text: &str) -> Option<u16> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
/// Groups of three digits, all but the last behind an `x`; the first is not zero unless it is the only one.
fn grouped_number(text: &str) -> Option<u64> {
    let (upper, last) = text.rsplit_once('/').map_or((None, text), |(upper, last)| (Some(upper), last));
    let mut number = 0_u64;
    if let Some(upper) = upper {
        for group in upper.split('/') {
            number = number.checked_mul(1000)?.checked_add(three_digits(group.strip_prefix('x')?)?)?;
            if number == 0 {
                return None;
            }
        }
    }
    let number = number.checked_mul(1000)?.checked_add(three_digits(last)?)?;
    (number <= MAX_LOG_SIZE / TILE_WIDTH).then_some(number)
}
fn three_digits(text: &str) -> Option<u64> {
    (text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
impl std::fmt::Display for TilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (index, width) = match *self {
            Self::Hashes { level, index, width } => {
                write!(f, "tile/{level}/")?;
                (index, width)
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                (index, width)
            }
        };
        let mut unit = 1_000_u64;
        while index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 && index >= 1000 {
            write!(f, "x{:03}/", index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", index % 1000)?;
        if width < FULL { write!(f, ".p/{width}") } else { Ok(()) }
    }
}
/// How many hashes the tile at a place has in a log of `size` entries: 256 when it is full, 0 when there is none. Bundles are
/// as wide as the tiles of level 0.
pub fn tile_width(size: u64, level: u8, index: u64) -> u16 {
    let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
    let before = index.saturating_mul(TILE_WIDTH);
    u16::try_from(hashes.saturating_sub(before).min(TILE_WIDTH)).unwrap_or(FULL)
}

/// Bytes that are no tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a tile of {expected} hashes or entries")]
pub struct InvalidTile {
    /// How many were expected.
    pub expected: u16,
}
/// Decodes a tile of exactly `width` hashes.
///
/// # Errors
/// Another length.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, InvalidTile> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LEN>();
    if !rest.is_empty() || hashes.len() != usize::from(width) || !(1..=FULL).contains(&width) {
        return Err(InvalidTile { expected: width });
    }
    Ok(hashes.iter().copied().map(Hash).collect())
}
/// Encodes a tile.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hashes.len() * HASH_LEN);
    hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
    bytes
}
/// Appends one entry to a bundle: big-endian u16 length, then the data.
///
/// # Panics
/// Data longer than 65,535 bytes: whoever makes or takes in an entry has checked it against [`MAX_ENTRY_LEN`].
pub fn push_entry(bundle: &mut Vec<u8>, data: &[u8]) {
    let len = u16::try_from(data.len()).expect("an entry has at most 1,024 bytes");
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(data);
}
/// Splits a bundle into exactly `width` entries of at most 1,024 bytes.
///
/// # Errors
/// Truncated, trailing bytes, too long an entry, another number.
pub fn split_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, InvalidTile> {
    let (entries, rest) = split_first_entries(bytes, width)?;
    if rest.is_empty() { Ok(entries) } else { Err(InvalidTile { expected: width }) }
}
/// The first `width` entries of a (wider) stored bundle, as bytes.
///
/// # Errors
/// It holds fewer.
pub fn bundle_prefix(bytes: &[u8], width: u16) -> Result<&[u8], InvalidTile> {
    let (_, rest) = split_first_entries(bytes, width)?;
    bytes.strip_suffix(rest).ok_or(InvalidTile { expected: width })
}
fn split_first_entries(bytes: &[u8], width: u16) -> Result<(Vec<&[u8]>, &[u8]), InvalidTile> {
    let invalid = InvalidTile { expected: width };
    if !(1..=FULL).contains(&width) {
        return Err(invalid);
    }
    let (mut entries, mut rest) = (Vec::with_capacity(usize::from(width)), bytes);
    for _ in 0..width {
        let (len, behind) = rest.split_first_chunk().ok_or(invalid)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len > MAX_ENTRY_LEN {
            return Err(invalid);
        }
        let (entry, behind) = behind.split_at_checked(len).ok_or(invalid)?;
        entries.push(entry);
        rest = behind;
    }
    Ok((entries, rest))
}
/// The root of the subtree over a full tile (or of an aligned part of one): hash of 2^k hashes, k ≤ 8.
pub fn subtree_root(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() || hashes.len() > usize::from(FULL) {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied()
}

/// Where the hashes under a subtree stand: always within one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Level of the tile.
    pub level: u8,
    /// Index of the tile.
    pub index: u64,
    /// Its first hash in the tile.
    pub offset: u16,
    /// How many hashes, a power of two.
    pub count: u16,
}
/// Finds the subtree of 2^`level` leaves at `index`; `None` beyond [`MAX_LOG_SIZE`].
pub fn place(level: u32, index: u64) -> Option<Place> {
    let start = 1_u64.checked_shl(level).and_then(|leaves| index.checked_mul(leaves))?;
    if start > MAX_LOG_SIZE {
        return None;
    }
    let count = 1_u64 << (level % TILE_HEIGHT);
    let first = index * count;
    Some(Place {
        level: u8::try_from(level / TILE_HEIGHT).ok()?,
        index: first / TILE_WIDTH,
        offset: u16::try_from(first % TILE_WIDTH).ok()?,
        count: u16::try_from(count).ok()?,
    })
}
/// Tiles that were read for a proof, by level and index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TileMap(HashMap<(u8, u64), Vec<Hash>>);
impl TileMap {
    /// Level and index of each tile that holds one of these subtrees: what to read and [`insert`](Self::insert) before a
    /// proof is made.
    pub fn needed(subtrees: &[(u32, u64)]) -> BTreeSet<(u8, u64)> {
        let places = subtrees.iter().filter_map(|(level, index)| place(*level, *index));
        places.map(|place| (place.level, place.index)).collect()
    }
    /// Adds a tile: all its hashes so far.
    pub fn insert(&mut self, level: u8, index: u64, hashes: Vec<Hash>) {
        self.0.insert((level, index), hashes);
    }
}
impl HashReader for TileMap {
    fn subtree(&self, level: u32, index: u64) -> Option<Hash> {
        let place = place(level, index)?;
        let start = usize::from(place.offset);
        let tile = self.0.get(&(place.level, place.index))?;
        subtree_root(tile.get(start..start + usize::from(place.count))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, CompactRange, leaf_hash};
    use proptest::prelude::*;

    #[test]
    fn paths_as_the_standard_writes_them() {
        let paths = [
            ("tile/0/x001/x234/067", TilePath::Hashes { level: 0, index: 1_234_067, width: 256 }),
            ("tile/0/x001/x234/067.p/8", TilePath::Hashes { level: 0, index: 1_234_067, width: 8 }),
            ("tile/entries/000.p/255", TilePath::Entries { index: 0, width: 255 }),
            ("tile/entries/999", TilePath::Entries { index: 999, width: 256 }),
            ("tile/2/x001/000.p/1", TilePath::Hashes { level: 2, index: 1000, width: 1 }),
            ("tile/5/000.p/1", TilePath::Hashes { level: 5, index: 0, width: 1 }),
            ("tile/entries/x004/x294/x967/296", TilePath::Entries { index: 1 << 32, width: 256 }),
        ];
        for (text, path) in paths {
            assert_eq!(TilePath::parse(text), Ok(path));
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let bad = [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/64/000",
            "tile/6/000",
            "tile/256/000",
            "tile//000",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/x000",
            "tile/0/001/234",
            "tile/0/x001/x234",
            "tile/0/x0001/234",
            "tile/0/x001//234",
            "tile/0/x01/234",
            "tile/0/+12",
            "tile/0/ 12",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/+1",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/000.P/1",
            "tile/Entries/000",
            "tile/data/000",
            "tile/0/X001/000",
            "tile/entries/x004/x294/x967/297",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/０００",
            "tile/0/000?",
            "tile/8/0/000",
        ];
        for path in bad {
            assert_eq!(TilePath::parse(path), Err(InvalidTilePath), "{path}");
        }
    }

    #[test]
    fn widths_are_those_of_the_standards_example() {
        // tlog-tiles, "Partial Tiles": a tree of 70,000.
        let widths =
            [(0, 272, 256), (0, 273, 112), (0, 274, 0), (1, 0, 256), (1, 1, 17), (1, 2, 0), (2, 0, 1), (3, 0, 0)];
        for (level, index, width) in widths {
            assert_eq!(tile_width(70_000, level, index), width, "{level} {index}");
        }
        assert_eq!((tile_width(256, 0, 0), tile_width(256, 1, 0)), (256, 1));
        assert_eq!((tile_width(u64::MAX, 255, u64::MAX), tile_width(u64::MAX, 0, u64::MAX)), (0, 0));
    }

    #[test]
    fn bundles_are_split_exactly() {
        let mut bundle = Vec::new();
        let long = vec![b'x'; MAX_ENTRY_LEN];
        for data in [&b"a"[..], b"", &long] {
            push_entry(&mut bundle, data);
        }
        assert_eq!(split_bundle(&bundle, 3).unwrap(), [&b"a"[..], b"", &long]);
        assert_eq!(bundle_prefix(&bundle, 1).unwrap(), b"\0\x01a");
        assert_eq!(bundle_prefix(&bundle, 3).unwrap(), bundle);
        for width in [0, 2, 4, 256, 257, u16::MAX] {
            assert_eq!(split_bundle(&bundle, width), Err(InvalidTile { expected: width }));
        }
        assert!(bundle_prefix(&bundle, 4).is_err() && bundle_prefix(&bundle, 0).is_err());
        for cut in 0..bundle.len() {
            assert!(split_bundle(&bundle[..cut], 3).is_err(), "{cut}");
        }
        let mut too_long = Vec::new();
        push_entry(&mut too_long, &[b'x'; MAX_ENTRY_LEN + 1]);
        assert!(split_bundle(&too_long, 1).is_err() && bundle_prefix(&too_long, 1).is_err());
        assert!(split_bundle(&[bundle, vec![0]].concat(), 3).is_err());
        assert!(MAX_BUNDLE_LEN == usize::from(FULL) * (2 + MAX_ENTRY_LEN));
    }

    #[test]
    fn tiles_are_decoded_exactly() {
        let hashes: Vec<Hash> = (0..3_u8).map(|n| leaf_hash(&[n])).collect();
        let bytes = encode_hashes(&hashes);
        assert_eq!(decode_hashes(&bytes, 3).unwrap(), hashes);
        for (bytes, width) in [(&bytes[..], 2), (&bytes, 4), (&bytes[1..], 3), (&[], 0), (&[0; 257 * 32], 257)] {
            assert_eq!(decode_hashes(bytes, width), Err(InvalidTile { expected: width }));
        }
    }

    #[test]
    fn roots_of_tiles() {
        let hashes: Vec<Hash> = (0..=256_u16).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut range = CompactRange::new();
        for len in 0..=257_usize {
            let expected = (matches!(len, 1..=256) && len.is_power_of_two()).then(|| range.root());
            assert_eq!(subtree_root(&hashes[..len]), expected, "{len}");
            if let Some(hash) = hashes.get(len) {
                range.append(*hash);
            }
        }
    }

    proptest! {
        #[test]
        fn every_path_is_read_as_written(level in 0..=MAX_LEVEL, index in 0..=MAX_LOG_SIZE / 256, width in 1_u16..=256) {
            for path in [TilePath::Hashes { level, index, width }, TilePath::Entries { index, width }] {
                prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
            }
        }
        #[test]
        fn no_text_is_read_that_would_be_written_otherwise(text in "(tile/)?([0-9]{1,2}|entries)(/x?[0-9]{1,4}){1,3}(\\.p/[0-9]{1,3})?") {
            if let Ok(path) = TilePath::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
            }
        }
        #[test]
        fn subtrees_stand_in_one_tile(level in 0_u32..48, index: u64) {
            let index = index >> 24 >> level;
            let place = place(level, index).unwrap();
            prop_assert!(place.offset + place.count <= 256);
            prop_assert_eq!(place.index * 256 + u64::from(place.offset), (index << level) >> (8 * place.level));
        }
    }

    #[test]
    fn no_place_is_beyond_the_largest_log() {
        assert_eq!(place(0, MAX_LOG_SIZE).map(|place| (place.level, place.index)), Some((0, 1 << 32)));
        for (level, index) in
            [(0, MAX_LOG_SIZE + 1), (0, u64::MAX), (39, 3), (63, 1), (63, 2), (64, 0), (u32::MAX, u64::MAX)]
        {
            assert_eq!(place(level, index), None, "{level} {index}");
        }
    }

    #[test]
    fn proofs_are_made_from_the_tiles_that_are_needed() {
        let leaves: Vec<Hash> = (0..700_u16).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let level_1: Vec<Hash> = leaves.chunks_exact(256).filter_map(subtree_root).collect();
        let mut range = CompactRange::new();
        leaves.iter().for_each(|leaf| range.append(*leaf));
        for index in [0, 255, 256, 699] {
            let mut tiles = TileMap::default();
            for (level, tile) in TileMap::needed(&tree::inclusion_subtrees(index, 700).unwrap()) {
                let all = if level == 0 { &leaves } else { &level_1 };
                let start = usize::try_from(tile).unwrap() * 256;
                tiles.insert(level, tile, all[start..all.len().min(start + 256)].to_vec());
            }
            let proof = tree::prove_inclusion(&tiles, index, 700).unwrap();
            let leaf = leaves[usize::try_from(index).unwrap()];
            assert_eq!(tree::verify_inclusion(&leaf, index, 700, &proof, &range.root()), Ok(()));
        }
        assert_eq!(tree::prove_inclusion(&TileMap::default(), 0, 700), Err(tree::ProofError::NotStored));
    }
}
