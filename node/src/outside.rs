//! Reading a log from outside, whole: from the city itself over HTTPS, or from a copy of its files. No folder, no database;
//! what is kept is the right edge of its tree (`hefu_federation::walk`).

use crate::client::Client;
use crate::problem::{Code, Outcome, Problem};
use bytes::Bytes;
use hefu_federation::note::MAX_NOTE_LEN;
use hefu_federation::tile::{MAX_BUNDLE_LEN, TilePath, bundle_prefix};
use hefu_federation::tree::Hash;
use hefu_federation::trust::TrustError;
use hefu_federation::walk::{Step, Walk, WalkError, Walked};
use hefu_schemas::id::Origin;
use hefu_schemas::text::Text;
use std::path::PathBuf;

/// Bundles fetched at a time.
const AHEAD: usize = 8;
/// Longest tile of hashes.
const MAX_TILE_LEN: usize = 256 * 32;
/// Width of a full tile or bundle.
const FULL: u16 = 256;

/// Where a log is read.
#[derive(Debug)]
pub enum Source {
    /// From its city.
    Https(Client),
    /// From a folder with `checkpoint` and `tile/…`, as any web server or `curl` would fetch them.
    Folder(PathBuf),
}

impl Source {
    async fn fetch(&self, path: &str, limit: usize) -> Outcome<Option<Bytes>> {
        match self {
            Self::Https(client) => client.fetch(path, limit).await,
            Self::Folder(dir) => {
                let path = dir.join(path);
                match tokio::fs::metadata(&path).await {
                    Ok(file) if file.len() > u64::try_from(limit).unwrap_or(u64::MAX) => Err(Problem::new(
                        Code::PeerMisbehaved,
                        format!("{}: over the limit of {limit} bytes", path.display()),
                    )),
                    Ok(_) => {
                        let read = tokio::fs::read(&path).await;
                        read.map(|bytes| Some(bytes.into())).map_err(|error| Problem::new(Code::Input, error))
                    }
                    Err(_) => Ok(None),
                }
            }
        }
    }

    /// A tile or bundle. Where the partial one is gone because it has become full, the full one holds it.
    async fn tile(&self, path: TilePath) -> Outcome<Option<Vec<u8>>> {
        let limit = |path: TilePath| if is_bundle(path) { MAX_BUNDLE_LEN } else { MAX_TILE_LEN };
        if let Some(bytes) = self.fetch(&path.to_string(), limit(path)).await? {
            return Ok(Some(bytes.into()));
        }
        let (full, width) = match path {
            TilePath::Entries { index, width } => (TilePath::Entries { index, width: FULL }, width),
            TilePath::Hashes { level, index, width } => (TilePath::Hashes { level, index, width: FULL }, width),
        };
        if width == FULL {
            return Ok(None);
        }
        let Some(bytes) = self.fetch(&full.to_string(), limit(full)).await? else { return Ok(None) };
        let prefix = match path {
            TilePath::Entries { .. } => bundle_prefix(&bytes, width).ok(),
            TilePath::Hashes { .. } => bytes.get(..usize::from(width) * 32),
        };
        Ok(prefix.map(<[u8]>::to_vec))
    }
}

fn is_bundle(path: TilePath) -> bool {
    matches!(path, TilePath::Entries { .. })
}

/// Why a log could not be read to its end.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be reached, or breaks off.
    Unavailable(Problem),
    /// A part of it is not there.
    Missing(String),
    /// It is not what it should be.
    Bad(WalkError),
}

impl ReadError {
    /// What it is, for people.
    pub fn text(&self) -> Text {
        match self {
            Self::Unavailable(problem) => problem.code.title(),
            Self::Missing(path) => Text::new(format!("缺少 {path}"), format!("{path} is missing")),
            Self::Bad(error) => error.text(),
        }
    }

    /// For a command that ends with it.
    pub fn into_problem(self, origin: &Origin) -> Problem {
        match self {
            Self::Unavailable(problem) => problem,
            Self::Missing(path) => Problem::new(Code::PeerMisbehaved, format!("{origin}: {path} is missing")),
            Self::Bad(error) => {
                let differs = error == WalkError::Trust(TrustError::Fingerprint);
                let code = if differs { Code::FingerprintDiffers } else { Code::PeerMisbehaved };
                Problem::new(code, format!("{origin}: {error}"))
            }
        }
    }
}

/// What is done with each part of a log while it is read.
pub trait Reader {
    /// Takes note of a bundle's entries and of what is wrong with them; `size` of `all` entries are read.
    fn step(&mut self, step: &Step, size: u64, all: u64);
    /// Whether the tiles of hashes are to be fetched and compared too.
    fn wants_tiles(&self) -> bool {
        false
    }
    /// A tile of hashes differs from what the entries give, or is missing.
    fn tile_differs(&mut self, _path: TilePath) {}
}

/// Reads a log from its first entry to its checkpoint.
///
/// # Errors
/// It cannot be read, or is not what its checkpoint says.
pub async fn read(
    source: &Source,
    origin: &Origin,
    fingerprint: &Hash,
    reader: &mut impl Reader,
) -> Result<Walked, ReadError> {
    let note = source.fetch("checkpoint", MAX_NOTE_LEN).await.map_err(ReadError::Unavailable)?;
    let note = note.ok_or_else(|| ReadError::Missing("checkpoint".to_owned()))?;
    let mut walk = Walk::begin(&note, origin, fingerprint).map_err(ReadError::Bad)?;
    let all = walk.stated().size;
    // The first bundle alone: a log of another city ends here, before much is fetched.
    let mut ahead = 1;
    loop {
        let paths = walk.upcoming(ahead);
        if paths.is_empty() {
            break;
        }
        let fetched = futures_util::future::join_all(paths.iter().map(|path| source.tile(*path))).await;
        for (path, bytes) in paths.iter().zip(fetched) {
            let bytes = bytes.map_err(ReadError::Unavailable)?;
            let bytes = bytes.ok_or_else(|| ReadError::Missing(path.to_string()))?;
            let step = walk.take(&bytes).map_err(ReadError::Bad)?;
            if reader.wants_tiles() {
                compare_tiles(source, &step, reader).await?;
            }
            reader.step(&step, walk.size(), all);
        }
        ahead = AHEAD;
    }
    walk.finish().map_err(ReadError::Bad)
}

async fn compare_tiles(source: &Source, step: &Step, reader: &mut impl Reader) -> Result<(), ReadError> {
    let fetched = futures_util::future::join_all(step.tiles.iter().map(|(path, _)| source.tile(*path))).await;
    for ((path, expected), served) in step.tiles.iter().zip(fetched) {
        if served.map_err(ReadError::Unavailable)?.as_ref() != Some(expected) {
            reader.tile_differs(*path);
        }
    }
    Ok(())
}
