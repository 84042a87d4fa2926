//! The rollback guard (protocol §3): before a node signs, the last note that it signed (a small file of its own) and the
//! notes that its peers have seen must be a prefix of its log. A restored backup is the likeliest way a city forks its
//! own log.

use crate::client::Client;
use crate::problem::{Code, Outcome, Problem};
use crate::sequencer::{Parts, Signing, publish_note};
use crate::store::{OWN, OriginNo, Store};
use hefu_federation::append::Head;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_federation::tile::{TileMap, decode_hashes};
use hefu_federation::tree::{Hash, root_at, root_subtrees};
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

/// Decides whether the node may sign, and signs a head that a crash left unsigned.
///
/// # Errors
/// The store fails. A contradiction is no error: the node serves, and says why it does not sign.
pub async fn check(parts: &Parts, ring: &KeyRing, peers: &[Client], confirmed: bool) -> Outcome<Verdict> {
    let seen = ask(parts, ring, peers).await;
    let unguarded = seen.is_empty();
    Ok(Verdict { signing: may_sign(parts, ring, &seen, confirmed).await?, unguarded })
}

async fn may_sign(parts: &Parts, ring: &KeyRing, seen: &[Vec<u8>], confirmed: bool) -> Outcome<Signing> {
    let head = parts.store.edge(OWN).await?;
    let stored = parts.store.head(OWN).await?;
    let guard = match std::fs::read(parts.folder.guard()) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Ok(Err(format!("guard file: {error}"))),
    };
    if let Some(Err(why)) = guard.as_deref().map(|note| open(ring, note)) {
        return Ok(Err(format!(
            "the guard file does not read ({why}); if this folder is certainly the newest, remove the file and start with --confirm-guard"
        )));
    }
    for (name, note) in [("guard file", &guard), ("published note", &stored.note)] {
        if let Some(note) = note
            && let Err(why) = prefix(parts.store.as_ref(), ring, note, &head).await?
        {
            return Ok(Err(format!(
                "the {name} {why}: this folder is older than what was signed (a restored backup?); bring the newest data back"
            )));
        }
    }
    for note in seen {
        if let Err(why) = prefix(parts.store.as_ref(), ring, note, &head).await? {
            return Ok(Err(format!(
                "a note that a peer has seen {why}: this folder is older than what was signed (a restored backup?); bring the newest data back"
            )));
        }
    }
    if guard.is_none() && seen.is_empty() && !confirmed {
        let why = "the guard file is missing and no peer answers; if this folder is certainly the newest, start with --confirm-guard";
        return Ok(Err(why.to_owned()));
    }
    let size = |note: &Option<Vec<u8>>| {
        note.as_deref().and_then(|note| open(ring, note).ok()).map_or(0, |checkpoint| checkpoint.size)
    };
    if size(&guard).min(size(&stored.note)) < head.range.size() {
        // Recovery runs the normal path: the read-back head is signed, guarded and published.
        publish_note(parts, &head).await?;
    }
    Ok(Ok(()))
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
