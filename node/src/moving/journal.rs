//! What is still to be done once the old database is left: written before it is, done at once, or when the folder is next opened
//! after a crash. Each step may be done twice.

use super::{Step, Watch};
use crate::config::database::Place;
use crate::config::{Config, FILE_NAME};
use crate::folder::{Folder, replace, sync_parent};
use crate::node::place;
use crate::problem::{Code, Outcome, Problem};
use crate::store::db::mark::{Mark, State};
use crate::store::{Database, fault};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The journal: private to its owner, since the settings may hold a password.
#[derive(Serialize, Deserialize)]
pub(super) struct Journal {
    /// Of the move, as in the mark of the old database.
    pub(super) id: String,
    /// Origin of the own log.
    pub(super) node: String,
    /// The new text of the settings.
    pub(super) settings: String,
    /// Name that the old file gets, of an embedded database.
    pub(super) kept: Option<String>,
}

/// A folder whose moves have all come to an end.
#[derive(Debug)]
pub struct Settled {
    /// The settings now.
    pub config: Config,
    /// A move was brought to its end just now; where the old file is kept, if it was one.
    pub finished: Option<Option<String>>,
}

fn failed(path: &Path, error: &std::io::Error) -> Problem {
    fault::of_file(&path.display().to_string(), error, Code::Internal)
}

impl Journal {
    pub(super) fn write(&self, folder: &Folder) -> Outcome<()> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| Problem::new(Code::Internal, error))?;
        replace(&folder.journal(), &bytes).map_err(|error| failed(&folder.journal(), &error))
    }

    fn read(folder: &Folder) -> Outcome<Option<Self>> {
        let path = folder.journal();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        let journal = serde_json::from_slice(&bytes);
        Ok(Some(journal.map_err(|_| Problem::new(Code::Damaged, format!("{} does not read", path.display())))?))
    }

    /// Whether a mark says that this move has left its database.
    fn left(&self, mark: Option<Mark>) -> bool {
        mark.is_some_and(|mark| mark.state == State::Left && mark.id == self.id)
    }
}

/// Brings a move to its end that was interrupted behind its turning point. Needs the folder's lock.
///
/// # Errors
/// The new database cannot be reached, or a file cannot be written: it is tried again when the folder is next opened.
pub async fn settle(folder: &Folder, config: Config, watch: &Watch<'_>) -> Outcome<Settled> {
    let Some(journal) = Journal::read(folder)? else { return Ok(Settled { config, finished: None }) };
    let settings: Config = toml::from_str(&journal.settings)
        .map_err(|error| Problem::new(Code::Damaged, format!("{}: {}", FILE_NAME, error.message())))?;
    if config.database != settings.database {
        let source = open(&config, folder).await?;
        let mark = source.mark().await?;
        source.close().await?;
        if !journal.left(mark) {
            // It stopped before its turning point: nothing has changed for the node.
            remove(&folder.journal())?;
            return Ok(Settled { config, finished: None });
        }
        arrive(&settings, folder, &journal).await?;
        watch(Step::Arrived)?;
        let path = folder.path().join(FILE_NAME);
        replace(&path, journal.settings.as_bytes()).map_err(|error| failed(&path, &error))?;
        watch(Step::Switched)?;
    }
    let kept = journal.kept.as_ref().map(|name| folder.path().join(name));
    if let Some(kept) = kept.as_ref().filter(|_| folder.database().exists()) {
        let old = Database::open_any(&folder.database()).await?;
        let mark = old.mark().await?;
        old.close().await?;
        if journal.left(mark) {
            rename(&folder.database(), kept)?;
        }
    }
    remove(&folder.journal())?;
    let finished = Some(kept.map(|kept| kept.display().to_string()));
    Ok(Settled { config: settings, finished })
}

async fn open(config: &Config, folder: &Folder) -> Outcome<Database> {
    Ok(match place(config)? {
        Place::Embedded => Database::open_any(&folder.database()).await?,
        Place::Server(address) => Database::connect_any(&address).await?,
    })
}

/// Makes the filled database a node's.
async fn arrive(settings: &Config, folder: &Folder, journal: &Journal) -> Outcome<()> {
    let filled = folder.arriving_database();
    let embedded = settings.database.is_embedded();
    let target = match place(settings)? {
        Place::Server(address) => Database::connect_any(&address).await?,
        Place::Embedded if filled.exists() => Database::open_any(&filled).await?,
        Place::Embedded => return Ok(()),
    };
    match target.mark().await? {
        Some(mark) if mark.state == State::Arriving && mark.node == journal.node => target.arrive().await?,
        None => {}
        Some(mark) => return Err(mark.refusal().into()),
    }
    target.close().await?;
    if !embedded {
        return Ok(());
    }
    if folder.database().exists() {
        // Checked before: what an earlier move has left and could not rename any more.
        rename(&folder.database(), &folder.path().join(format!("hefu.db.moved-{}", journal.id)))?;
    }
    rename(&filled, &folder.database())
}

/// A database's file and those that SQLite may have beside it.
pub(super) fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Renames a closed database, its side files first: a file without its write-ahead file could be an older one.
fn rename(from: &Path, to: &Path) -> Outcome<()> {
    for (from, to) in files(from).iter().zip(files(to)).rev() {
        match std::fs::rename(from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(from, &error)),
            _ => {}
        }
    }
    sync_parent(to).map_err(|error| failed(to, &error))
}

fn remove(path: &Path) -> Outcome<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &error)),
        _ => sync_parent(path).map_err(|error| failed(path, &error)),
    }
}
