//! log.json: the tree, the tiles, proofs and frontier of a log of 600 entries.

use crate::common::{KUNMING, digest, hex, key, key_json, utf8};
use crate::entries::{T, genesis};
use hefu_federation::append::{Head, Plan, plan};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Audience, Body};
use hefu_federation::frontier::wanted_tiles;
use hefu_federation::tile::{TileMap, TilePath, encode_hashes};
use hefu_federation::tree::{
    CompactRange, Hash, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};
use hefu_schemas::id::Digest;
use serde_json::{Value, json};

const SIZE: u64 = 600;
const SIZES: [u64; 12] = [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, SIZE];
/// Leaves that are listed.
const LEAVES: [u64; 6] = [0, 1, 2, 255, 256, 599];
const INCLUSIONS: [(u64, u64); 7] = [(0, 1), (0, 2), (0, 600), (255, 256), (256, 257), (300, 600), (599, 600)];
const CONSISTENCIES: [(u64, u64); 7] = [(1, 2), (1, 600), (3, 7), (255, 257), (256, 600), (300, 600), (512, 600)];
/// From a replica's size to a checkpoint's.
const FRONTIERS: [(u64, u64); 12] = [
    (0, 1),
    (0, 256),
    (1, 600),
    (100, 200),
    (100, 256),
    (100, 257),
    (256, 600),
    (300, 600),
    (511, 512),
    (599, 600),
    (70_000, 200_000),
    (1_000, 20_000_000),
];
const PATHS: [&str; 7] = [
    "tile/0/000",
    "tile/0/001.p/44",
    "tile/1/000.p/2",
    "tile/0/x001/234",
    "tile/0/x001/x234/067.p/255",
    "tile/entries/000",
    "tile/entries/x012/345.p/1",
];
const NO_PATHS: [&str; 12] = [
    "tile/0/0",
    "tile/0/0000",
    "tile/00/000",
    "tile/0/001/234",
    "tile/0/x000/001",
    "tile/0/x001/x234",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/-1/000",
    "tile/8/0/000",
    "tile/data/000",
];

pub(crate) fn make() -> Value {
    let (log, leaves) = grow();
    let mut tiles = TileMap::default();
    for tile in &log.tiles {
        tiles.insert(tile.level, tile.index, tile.hashes.clone());
    }
    let root_of = |size: u64| range(&leaves, size).root();
    assert_eq!(root_of(SIZE), log.head.root());
    json!({
        "about": "Tree, tiles and proofs (P-5.1, P-5.2, P-5.4, P-6.2; RFC 6962 §2.1; C2SP tlog-tiles) of a log of 600 entries: entry 0 is the genesis below, entry i is {\"a\":\"public\",\"c\":base64url(H(decimal i)),\"k\":\"record\",\"t\":1790000000,\"v\":1}. Hashes in hex. subtrees: roots of the complete subtrees that make up a size, from the left. frontier: the tiles that a replica of size `from` fetches to reach a checkpoint of size `to`, in order; of long lists number, first and last. Keys are for tests.",
        "key": key_json(KUNMING, "log"),
        "genesis": utf8(log.entries[0].data.clone()),
        "fingerprint": hex(&log.entries[0].leaf_hash.0),
        "lastEntry": utf8(log.entries[599].data.clone()),
        "leafHashes": LEAVES.map(|index| {
            json!({"index": index, "hash": hex(&leaves[usize::try_from(index).unwrap()].0)})
        }),
        "sizes": SIZES.map(|size| sized(&leaves, size)),
        "tiles": served(&log),
        "inclusion": INCLUSIONS.map(|(index, size)| {
            let (leaf, proof) = (leaves[usize::try_from(index).unwrap()], prove_inclusion(&tiles, index, size).unwrap());
            assert!(verify_inclusion(&leaf, index, size, &proof, &root_of(size)).is_ok());
            json!({"index": index, "size": size, "leafHash": hex(&leaf.0), "proof": hashes(&proof), "root": hex(&root_of(size).0)})
        }),
        "consistency": CONSISTENCIES.map(|(from, to)| {
            let proof = prove_consistency(&tiles, from, to).unwrap();
            assert!(verify_consistency(from, to, &proof, &root_of(from), &root_of(to)).is_ok());
            json!({"from": from, "to": to, "proof": hashes(&proof), "fromRoot": hex(&root_of(from).0), "toRoot": hex(&root_of(to).0)})
        }),
        "mustReject": bad_proofs(&tiles, &leaves),
        "frontier": FRONTIERS.map(frontier),
        "paths": PATHS.map(|path| {
            assert_eq!(TilePath::parse(path).unwrap().to_string(), path);
            match TilePath::parse(path).unwrap() {
                TilePath::Hashes { level, index, width } => json!({"path": path, "level": level, "index": index, "width": width}),
                TilePath::Entries { index, width } => json!({"path": path, "entries": true, "index": index, "width": width}),
            }
        }),
        "noPaths": NO_PATHS.map(|path| {
            assert!(TilePath::parse(path).is_err(), "{path}");
            path
        }),
    })
}

/// The log, and its leaf hashes.
fn grow() -> (Plan, Vec<Hash>) {
    let mut batch = vec![Body::Genesis(Box::new(genesis()))];
    batch.extend((1..SIZE).map(|i| Body::Record { c: Digest::of(i.to_string().as_bytes()).0, a: Audience::Public }));
    let log = plan(&Head::default(), batch, T).unwrap();
    let leaves = log.entries.iter().map(|entry| entry.leaf_hash).collect();
    (log, leaves)
}

fn range(leaves: &[Hash], size: u64) -> CompactRange {
    let mut range = CompactRange::new();
    leaves.iter().take(usize::try_from(size).unwrap()).for_each(|leaf| range.append(*leaf));
    range
}

fn hashes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hex(&hash.0)).collect()
}

fn sized(leaves: &[Hash], size: u64) -> Value {
    let range = range(leaves, size);
    let checkpoint = Checkpoint { origin: KUNMING.to_owned(), size, root: range.root() };
    let note = checkpoint.sign(&key(KUNMING, "log")).unwrap();
    json!({"size": size, "root": hex(&range.root().0), "subtrees": hashes(range.hashes()), "checkpoint": note})
}

/// Every resource of the log at its full size, with the hash of its bytes.
fn served(log: &Plan) -> Vec<Value> {
    let resource = |path: TilePath, bytes: &[u8]| {
        let mut value = json!({"path": path.to_string(), "length": bytes.len(), "sha256": digest(bytes)});
        if bytes.len() <= 64 {
            value["hex"] = json!(hex(bytes));
        }
        value
    };
    let tiles = log.tiles.iter().map(|tile| {
        let width = u16::try_from(tile.hashes.len()).unwrap();
        let path = TilePath::Hashes { level: tile.level, index: tile.index, width };
        resource(path, &encode_hashes(&tile.hashes))
    });
    let bundles = log
        .bundles
        .iter()
        .map(|bundle| resource(TilePath::Entries { index: bundle.index, width: bundle.width }, &bundle.bytes));
    tiles.chain(bundles).collect()
}

fn bad_proofs(tiles: &TileMap, leaves: &[Hash]) -> Value {
    let (root, old) = (range(leaves, SIZE).root(), range(leaves, 300).root());
    let leaf = leaves[300];
    let good = prove_inclusion(tiles, 300, SIZE).unwrap();
    let (mut swapped, mut longer) = (good.clone(), good.clone());
    swapped.swap(0, 1);
    longer.push(leaf);
    let inclusion = [
        ("another index", 301, SIZE, good.clone()),
        ("another size", 300, 400, good.clone()),
        ("index beyond the size", SIZE, SIZE, good.clone()),
        ("hashes in another order", 300, SIZE, swapped),
        ("a hash too many", 300, SIZE, longer),
        ("a hash missing", 300, SIZE, good[1..].to_vec()),
    ]
    .map(|(name, index, size, proof)| {
        assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err(), "{name}");
        json!({"name": name, "index": index, "size": size, "leafHash": hex(&leaf.0), "proof": hashes(&proof), "root": hex(&root.0)})
    });
    let good = prove_consistency(tiles, 300, SIZE).unwrap();
    let other = range(leaves, 299).root();
    let consistency = [
        ("another old root", 300, other, good.clone()),
        ("another old size", 299, old, good.clone()),
        ("a hash missing", 300, old, good[1..].to_vec()),
        ("nothing", 300, old, Vec::new()),
        ("equal sizes, other roots", SIZE, old, Vec::new()),
    ]
    .map(|(name, from, from_root, proof)| {
        assert!(verify_consistency(from, SIZE, &proof, &from_root, &root).is_err(), "{name}");
        json!({"name": name, "from": from, "to": SIZE, "proof": hashes(&proof), "fromRoot": hex(&from_root.0), "toRoot": hex(&root.0)})
    });
    json!({"inclusion": inclusion, "consistency": consistency})
}

fn frontier((from, to): (u64, u64)) -> Value {
    let checkpoint = Checkpoint { origin: KUNMING.to_owned(), size: to, root: Hash([0; 32]) };
    let tiles: Vec<String> = wanted_tiles(from, &checkpoint).iter().map(ToString::to_string).collect();
    if tiles.len() > 8 {
        return json!({"from": from, "to": to, "number": tiles.len(), "first": tiles.first(), "last": tiles.last()});
    }
    json!({"from": from, "to": to, "tiles": tiles})
}
