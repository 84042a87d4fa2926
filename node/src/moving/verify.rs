//! Is the copy a log that may be signed on? The same checks as of `fsck`, on the copy, before the old database is left.

use super::summary::{LogSummary, Summary};
use crate::folder::Folder;
use crate::guard;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Registry;
use crate::ring::ring_of;
use crate::store::{Database, LogStore, OWN, Store};
use hefu_schemas::id::Digest;

/// Recomputes the root of every log from its entries, compares it with tiles, note and guard file, and every record with its
/// commitment and proof.
pub(super) async fn verify(target: &Database, folder: &Folder, summary: &mut Summary) -> Outcome<()> {
    let registry = Registry::default();
    registry.reload(target).await?;
    let reports = crate::fsck::stored(target, &registry).await?;
    for report in &reports {
        if let Some(first) = report.complaints.first() {
            let more = report.complaint_count.saturating_sub(1);
            let what = format!("{}: {first} (and {more} more); the node stays in {}", report.origin, summary.from);
            return Err(Problem::new(Code::Damaged, what));
        }
    }
    guarded(target, folder).await?;
    summary.records = reports.iter().map(|report| report.payloads).sum();
    for row in target.origins().await? {
        let entries = target.head(row.no).await?.size;
        let root = match entries {
            0 => None,
            size => Some(Digest(guard::stored_root(target, row.no, size).await?.0).to_string()),
        };
        summary.logs.push(LogSummary { origin: row.origin.to_string(), entries, root });
    }
    Ok(())
}

/// The guard file is a prefix of the copied log: an older copy of the folder must not become a newer-looking database.
async fn guarded(target: &dyn Store, folder: &Folder) -> Outcome<()> {
    let note = match std::fs::read(folder.guard()) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(crate::store::fault::of_file("guard file", &error, Code::NotSigning)),
    };
    let own = target.origins().await?.into_iter().find(|row| row.no == OWN);
    let own = own.ok_or_else(|| Problem::new(Code::Damaged, "the database has no own origin"))?;
    let ring = ring_of(target, &own).await?;
    let head = target.edge(OWN).await?;
    let checked = guard::prefix(target, &ring, &note, &head).await?;
    checked
        .map_err(|why| Problem::new(Code::NotSigning, format!("the guard file {why}: this folder is not the newest")))
}
