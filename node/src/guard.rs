//! The rollback guard (protocol §3): before a node signs, the last note that it signed (a small file of its own) and the
//! notes that its peers have seen must be a prefix of its log. A restored backup is the likeliest way a city forks its
//! own log.

use crate::client::Client;
use crate::folder::Folder;
use crate::group;
use crate::problem::{Code, Outcome, Problem};
use crate::sequencer::{Parts, Signing, publish_note, write_guard};
use crate::store::{OWN, OriginNo, Store};
use hefu_federation::append::Head;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_federation::tile::{TILE_WIDTH, TileMap, decode_hashes, split_bundle, subtree_root};
use hefu_federation::tree::{Hash, leaf_hash, root_at, root_subtrees};
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::Digest;
use std::time::Duration;

/// How long a peer may take to say what it has seen.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// What the guard found.
#[derive(Debug)]
pub struct Verdict {
    /// Whether the node may sign, or why not.
    pub signing: Signing,
    /// No peer could say what it has seen.
    pub unguarded: bool,
}

/// Decides whether the node may sign, and signs a head that a crash left unsigned. On a `shared` database nothing is signed here, but
/// by whoever holds the lease.
///
/// # Errors
/// The store fails. A contradiction is no error: the node serves, and says why it does not sign.
pub async fn check(parts: &Parts, ring: &KeyRing, peers: &[Client], confirmed: bool, shared: bool) -> Outcome<Verdict> {
    let seen = ask(parts, ring, peers).await;
    let unguarded = seen.is_empty();
    Ok(Verdict { signing: may_sign(parts, ring, &seen, confirmed, shared).await?, unguarded })
}

/// What is compared with the head: it must go on from both notes.
struct Known {
    guard: Option<Vec<u8>>,
    head: Head,
    note: Option<Vec<u8>>,
}

impl Known {
    /// Reads guard file, published note and head, in this order: a log that grows meanwhile is longer than what was read of it.
    async fn read(store: &dyn Store, folder: &Folder, ring: &KeyRing) -> Outcome<Result<Self, String>> {
        let guard = match std::fs::read(folder.guard()) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Ok(Err(format!("guard file: {error}"))),
        };
        if let Some(Err(why)) = guard.as_deref().map(|note| open(ring, note)) {
            return Ok(Err(format!(
                "the guard file does not read ({why}); if this folder is certainly the newest, remove the file and start with --confirm-guard"
            )));
        }
        let note = store.head(OWN).await?.note;
        let head = store.edge(OWN).await?;
        for (name, note) in [("guard file", &guard), ("published note", &note)] {
            if let Some(note) = note
                && let Err(why) = prefix(store, ring, note, &head).await?
            {
                return Ok(Err(format!(
                    "the {name} {why}: this folder is older than what was signed (a restored backup?); bring the newest data back"
                )));
            }
        }
        Ok(Ok(Self { guard, head, note }))
    }

    /// How much of the head both guard and published note cover.
    fn covered(&self, ring: &KeyRing) -> u64 {
        size(ring, self.guard.as_deref()).min(size(ring, self.note.as_deref()))
    }
}

fn size(ring: &KeyRing, note: Option<&[u8]>) -> u64 {
    note.and_then(|note| open(ring, note).ok()).map_or(0, |checkpoint| checkpoint.size)
}

/// Goes on after another server: the lease has just been taken. This server's own guard must be a prefix of what is there; what the
/// server before left unsigned is signed.
///
/// # Errors
/// The store fails, or the guard file cannot be written.
pub async fn resume(parts: &Parts, ring: &KeyRing) -> Outcome<Signing> {
    let known = match Known::read(parts.store.as_ref(), &parts.folder, ring).await? {
        Ok(known) if known.guard.is_none() => {
            return Ok(Err("the guard file has vanished; restart `serve`".to_owned()));
        }
        Ok(known) => known,
        Err(why) => return Ok(Err(why)),
    };
    if size(ring, known.note.as_deref()) < known.head.range.size() {
        return publish_left(parts, &known.head).await;
    }
    Ok(Ok(()))
}

/// Follows what another server has published: the guard file becomes that note. Whichever server goes on later, its guard is not much
/// older than the log.
///
/// # Errors
/// The store fails, or the guard file cannot be written.
pub async fn follow(parts: &Parts, ring: &KeyRing) -> Outcome<Signing> {
    let guard = std::fs::read(parts.folder.guard()).ok();
    if guard.is_some() && guard == parts.store.head(OWN).await?.note {
        return Ok(Ok(()));
    }
    let known = match Known::read(parts.store.as_ref(), &parts.folder, ring).await? {
        Ok(known) => known,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(note) = known.note.filter(|note| size(ring, known.guard.as_deref()) < size(ring, Some(note))) {
        write_guard(&parts.folder, note).await?;
    }
    Ok(Ok(()))
}

/// Whether a guard file is there and the database goes on from it.
///
/// # Errors
/// The store fails.
pub async fn is_newest(store: &dyn Store, folder: &Folder, ring: &KeyRing) -> Outcome<bool> {
    Ok(Known::read(store, folder, ring).await?.is_ok_and(|known| known.guard.is_some()))
}

async fn may_sign(parts: &Parts, ring: &KeyRing, seen: &[Vec<u8>], confirmed: bool, shared: bool) -> Outcome<Signing> {
    let known = match Known::read(parts.store.as_ref(), &parts.folder, ring).await? {
        Ok(known) => known,
        Err(why) => return Ok(Err(why)),
    };
    let head = &known.head;
    for note in seen {
        if let Err(why) = prefix(parts.store.as_ref(), ring, note, head).await? {
            return Ok(Err(format!(
                "a note that a peer has seen {why}: this folder is older than what was signed (a restored backup?); bring the newest data back"
            )));
        }
    }
    if known.guard.is_none() && seen.is_empty() && !confirmed && !(shared && group::is_vouched_for(parts).await?) {
        let why = "the guard file is missing and no peer answers; if this folder is certainly the newest, start with --confirm-guard";
        return Ok(Err(why.to_owned()));
    }
    if shared {
        // From here on a contradiction is seen, whoever has signed.
        if let Some(note) = known.note.filter(|_| known.guard.is_none()) {
            write_guard(&parts.folder, note).await?;
        }
    } else if known.covered(ring) < head.range.size() {
        return publish_left(parts, head).await;
    }
    Ok(Ok(()))
}

/// Signs and publishes what was left unsigned by a process that ended, or by a call whose answer was lost. It runs the normal path: what
/// is stored behind the published note is compared first.
///
/// # Errors
/// The store fails, or the guard file cannot be written.
pub(crate) async fn publish_left(parts: &Parts, head: &Head) -> Outcome<Signing> {
    let store = parts.store.as_ref();
    if let Err(problem) = compare_bundles(store, store.head(OWN).await?.published(), head.range.size()).await {
        return if problem.code == Code::Damaged { Ok(Err(not_as_written(&problem))) } else { Err(problem) };
    }
    publish_note(parts, head).await?;
    Ok(Ok(()))
}

/// Why nothing is signed any more when the disk does not keep what it is given.
pub(crate) fn not_as_written(damaged: &Problem) -> String {
    format!("{}; run `hefu fsck`", damaged.detail)
}

/// Compares the full bundles behind `from` entries of the own log with the hashes above them. (The bundle that is not full was compared
/// when the head was read.)
async fn compare_bundles(store: &dyn Store, from: u64, size: u64) -> Outcome<()> {
    for index in from / TILE_WIDTH..size / TILE_WIDTH {
        let damaged = || Problem::new(Code::Damaged, format!("entry_bundle {index} after writing"));
        let (width, bundle) = store.bundle(OWN, index).await?.ok_or_else(damaged)?;
        let entries = split_bundle(&bundle, width).map_err(|_| damaged())?;
        let leaves: Vec<Hash> = entries.iter().map(|data| leaf_hash(data)).collect();
        let above = store.tile(OWN, 1, index / TILE_WIDTH).await?.ok_or_else(damaged)?;
        let place = usize::try_from(index % TILE_WIDTH).map_err(|_| damaged())?;
        if subtree_root(&leaves).as_ref().map(|root| &root.0) != above.as_chunks().0.get(place) {
            return Err(damaged());
        }
    }
    Ok(())
}

fn open(ring: &KeyRing, note: &[u8]) -> Result<Checkpoint, String> {
    ring.open_checkpoint(note).map_err(|error| error.to_string())
}

/// Whether a note of ours is a prefix of the head.
pub(crate) async fn prefix(store: &dyn Store, ring: &KeyRing, note: &[u8], head: &Head) -> Outcome<Signing> {
    let checkpoint = match open(ring, note) {
        Ok(checkpoint) => checkpoint,
        Err(why) => return Ok(Err(format!("does not read ({why})"))),
    };
    if checkpoint.size > head.range.size() {
        return Ok(Err(format!("has {} entries, the log has {}", checkpoint.size, head.range.size())));
    }
    let root = stored_root(store, OWN, checkpoint.size).await?;
    Ok(if root == checkpoint.root { Ok(()) } else { Err(format!("has another root at size {}", checkpoint.size)) })
}

/// What the peers have seen of our log. Only notes that we signed count: whatever else a peer answers must not stop us.
async fn ask(parts: &Parts, ring: &KeyRing, peers: &[Client]) -> Vec<Vec<u8>> {
    let path = format!("v1/seen/{}", Digest::of(parts.origin.as_str().as_bytes()));
    let asked = peers.iter().map(|peer| tokio::time::timeout(ASK_TIMEOUT, peer.fetch(&path, MAX_NOTE_LEN)));
    let answers = futures_util::future::join_all(asked).await;
    let notes = answers.into_iter().filter_map(|answer| answer.ok()?.ok()?).map(|bytes| bytes.to_vec());
    notes.filter(|note| open(ring, note).is_ok()).collect()
}

/// Reads the tiles that hold some subtrees.
///
/// # Errors
/// The store fails; a tile is missing or damaged.
async fn tiles(store: &dyn Store, origin: OriginNo, subtrees: &[(u32, u64)]) -> Outcome<TileMap> {
    let mut map = TileMap::default();
    for (level, index) in TileMap::needed(subtrees) {
        let damaged = || Problem::new(Code::Damaged, format!("tile {level}/{index}"));
        let bytes = store.tile(origin, level, index).await?.ok_or_else(damaged)?;
        let width = u16::try_from(bytes.len() / 32).map_err(|_| damaged())?;
        map.insert(level, index, decode_hashes(&bytes, width).map_err(|_| damaged())?);
    }
    Ok(map)
}

/// The root of the first `size` entries of a stored log.
///
/// # Errors
/// The store fails; a tile is missing or damaged.
pub async fn stored_root(store: &dyn Store, origin: OriginNo, size: u64) -> Outcome<Hash> {
    let reader = tiles(store, origin, &root_subtrees(size)).await?;
    root_at(&reader, size).map_err(|error| Problem::new(Code::Damaged, format!("root at {size}: {error}")))
}
