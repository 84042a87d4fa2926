//! The node's folder: its files, its lock, and writing that survives a crash.

use crate::problem::{Code, Outcome, Problem};
use crate::store::fault;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Longest name of a holder that is read from a lock, bytes.
const MAX_HOLDER_LEN: u64 = 1_024;

/// Paths below the folder.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// The folder at a path.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.dir.join("hefu.db")
    }

    /// The embedded database while `hefu move` fills it.
    pub fn arriving_database(&self) -> PathBuf {
        self.dir.join("hefu.db.moving")
    }

    /// What `hefu move` has still to do, once the old database is left.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("move.json")
    }

    /// The guard: the last signed note, verbatim.
    pub fn guard(&self) -> PathBuf {
        self.dir.join("guard")
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// The file of a key.
    pub fn key(&self, role: &str) -> PathBuf {
        self.dir.join("keys").join(format!("{role}.pem"))
    }

    /// Where evidence of misbehaviour is kept.
    pub fn evidence(&self) -> PathBuf {
        self.dir.join("evidence")
    }

    /// Takes the lock of the folder; it is given back when the file is dropped, also by a crash.
    ///
    /// # Errors
    /// `locked` when another process holds it.
    pub fn lock(&self) -> Outcome<File> {
        let path = self.dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| fault::of_file(&path.display().to_string(), &error, Code::Configuration))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Problem::new(Code::Locked, format!("{} is locked", path.display()))),
            Err(TryLockError::Error(error)) => {
                Err(Problem::new(Code::Configuration, format!("{}: {error}", path.display())))
            }
        }
    }
}

/// Who has signed a lock last ([`sign_lock`]). That process has ended, however it did: the lock is ours.
///
/// # Errors
/// The disk refuses.
pub(crate) fn last_holder(lock: &File) -> std::io::Result<String> {
    let mut name = String::new();
    let mut lock = lock;
    lock.rewind()?;
    lock.take(MAX_HOLDER_LEN).read_to_string(&mut name)?;
    Ok(name)
}

/// Writes into a lock that is held who holds it. A power cut may take it away: then nobody knows.
///
/// # Errors
/// The disk refuses.
pub(crate) fn sign_lock(lock: &File, holder: &str) -> std::io::Result<()> {
    let mut lock = lock;
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(holder.as_bytes())
}

/// Writes a new private file (0600); refuses to replace one.
///
/// # Errors
/// The file exists, or the disk refuses.
pub fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)
}

/// Replaces a file so that a crash leaves either the old or the new bytes: temporary file, fsync, rename, fsync of the folder.
///
/// # Errors
/// The disk refuses; the old file is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A crash before this line leaves the old file; after it, the new one, whole.
    std::fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes what was renamed or removed beside a file last.
///
/// # Errors
/// The disk refuses.
pub fn sync_parent(path: &Path) -> std::io::Result<()> {
    // A bare file name has the empty path as its parent: the working folder.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
