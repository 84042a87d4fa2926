//! What `init` leaves when it ends before its end: a marker says that nothing there is in use yet, so that the next `init` clears
//! it away and begins anew. Without the marker keys are never touched, whatever else is missing.

use crate::config::FILE_NAME;
use crate::folder::{Folder, replace, write_new};
use crate::keys::Recovery;
use crate::problem::{Code, Outcome, Problem};
use hefu_federation::key::Role;
use hefu_federation::tree::Hash;
use hefu_schemas::id::Digest;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The marker. In it stands the digest of the recovery key's file, which is outside the folder, and on the next line, as soon as the
/// database is filled, the fingerprint of the log: a database on a server is outside, too.
const MARKER: &str = "init.unfinished";
/// What `init` makes beside the keys.
const MADE: [&str; 9] =
    ["hefu.db", "hefu.db-wal", "hefu.db-shm", "guard", "guard.new", "hefu.new", "init.new", "tls.pem", "tls-key.pem"];

fn refused(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Configuration, format!("{}: {error}", path.display()))
}

fn marker(folder: &Folder) -> PathBuf {
    folder.path().join(MARKER)
}

/// Marks the folder, which holds no node, before anything is made. The caller holds its lock.
///
/// # Errors
/// The marker cannot be written.
pub(crate) fn begin(folder: &Folder, recovery: &Recovery) -> Outcome<()> {
    let path = marker(folder);
    write_new(&path, recovery.digest().to_string().as_bytes()).map_err(|error| refused(&path, &error))
}

/// Notes which log is about to be founded: what is then found in a database on a server is known by it. The caller holds the lock.
///
/// # Errors
/// The marker cannot be written.
pub(crate) fn found(folder: &Folder, recovery: &Recovery, fingerprint: &Hash) -> Outcome<()> {
    let path = marker(folder);
    let text = format!("{}\n{}", recovery.digest(), Digest(fingerprint.0));
    replace(&path, text.as_bytes()).map_err(|error| refused(&path, &error))
}

/// The fingerprint of the log that an unfinished `init` may have founded.
pub(crate) fn founded(folder: &Folder) -> Option<Hash> {
    if folder.path().join(FILE_NAME).exists() {
        return None;
    }
    let text = std::fs::read_to_string(marker(folder)).ok()?;
    Digest::parse(text.lines().nth(1)?).ok().map(|digest| Hash(digest.0))
}

/// Takes the marker away: the node is whole. One that stays behind does no harm beside the settings.
pub(crate) fn end(folder: &Folder) {
    if let Err(error) = std::fs::remove_file(marker(folder))
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%error, "the marker of an unfinished init stays");
    }
}

/// Clears away what an earlier `init` left unfinished.
///
/// # Errors
/// Another `init` is at work; a file cannot be removed.
pub(crate) fn clear(folder: &Folder, recovery_out: &Path) -> Outcome<()> {
    if !marker(folder).exists() {
        return Ok(());
    }
    let _lock = folder.lock()?;
    sweep(folder, recovery_out)
}

/// Removes what is marked as unfinished; a recovery key only if it is the one that was made with it. The caller holds the lock.
///
/// # Errors
/// A file cannot be removed.
pub(crate) fn sweep(folder: &Folder, recovery_out: &Path) -> Outcome<()> {
    let path = marker(folder);
    let Ok(recovery) = std::fs::read_to_string(&path) else { return Ok(()) };
    if folder.path().join(FILE_NAME).exists() {
        return Ok(());
    }
    let mut left: Vec<PathBuf> = MADE.iter().map(|name| folder.path().join(name)).collect();
    left.extend(Role::HELD.iter().map(|role| folder.key(role.code())));
    // Made and not written, it is empty.
    let recovery = recovery.lines().next().unwrap_or_default();
    if std::fs::read(recovery_out).is_ok_and(|file| file.is_empty() || Digest::of(&file).to_string() == recovery) {
        left.push(recovery_out.to_owned());
    }
    // The marker goes last: were we to stop in between, the next one comes here again.
    for path in left.iter().chain([&path]) {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(refused(path, &error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(folder: &Folder) {
        std::fs::create_dir_all(folder.path().join("keys")).unwrap();
        for path in
            MADE.iter().map(|name| folder.path().join(name)).chain([folder.key("log"), folder.path().join("own")])
        {
            std::fs::write(path, "x").unwrap();
        }
    }

    #[test]
    fn only_what_is_marked_is_cleared_away() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::new(&base.path().join("node"));
        let (recovery, key) = (base.path().join("recovery.pem"), Recovery::new().unwrap());
        fill(&folder);
        key.write(&recovery).unwrap();
        clear(&folder, &recovery).unwrap();
        assert!(folder.key("log").exists() && recovery.exists(), "no marker");

        begin(&folder, &key).unwrap();
        std::fs::write(folder.path().join(FILE_NAME), "").unwrap();
        clear(&folder, &recovery).unwrap();
        assert!(folder.key("log").exists() && recovery.exists(), "settings make it a node");

        std::fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
        let other = base.path().join("other.pem");
        Recovery::new().unwrap().write(&other).unwrap();
        clear(&folder, &other).unwrap();
        assert!(!folder.key("log").exists() && !folder.database().exists(), "cleared away");
        assert!(other.exists() && recovery.exists(), "another node's recovery key stays");
        assert!(folder.path().join("own").exists(), "what init does not make stays");

        begin(&folder, &key).unwrap();
        assert_eq!(founded(&folder), None);
        found(&folder, &key, &Hash([7; 32])).unwrap();
        assert_eq!(founded(&folder), Some(Hash([7; 32])));
        clear(&folder, &recovery).unwrap();
        assert!(!recovery.exists() && !marker(&folder).exists() && founded(&folder).is_none());
        end(&folder);
    }

    #[test]
    fn another_init_at_work_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::new(base.path());
        fill(&folder);
        begin(&folder, &Recovery::new().unwrap()).unwrap();
        let lock = folder.lock().unwrap();
        assert_eq!(clear(&folder, &base.path().join("recovery.pem")).unwrap_err().code, Code::Locked);
        assert!(folder.key("log").exists());
        drop(lock);
    }
}
