//! `fsck`: everything that is stored is read back and verified: bundles against tiles, tiles against the head and its
//! note, payloads against commitments, proofs and ids. It changes nothing.

use crate::Node;
use crate::codec::decompress;
use crate::compute::compute;
use crate::guard::stored_root;
use crate::problem::{Code, Outcome, Problem, counted};
use crate::pull::entries_at;
use crate::registry::Registry;
use crate::ring::ring_of;
use crate::store::{OriginRow, PayloadRow, Store};
use hefu_federation::commitment::commit;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::key::{KeyId, Role};
use hefu_federation::proof::{Contexts, verify};
use hefu_federation::pull::PayloadState;
use hefu_federation::tile::{TILE_WIDTH, split_bundle};
use hefu_federation::tree::{CompactRange, leaf_hash};
use hefu_federation::trust::KeyRing;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::record::CONTEXTS;
use hefu_schemas::scan::scan;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Payload rows checked at a time.
const STEP: usize = 4096;
/// Complaints that are listed for one origin; the rest is counted.
const MAX_COMPLAINTS: usize = 100;

/// What was found in one log.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whose.
    pub origin: String,
    /// Entries checked.
    pub entries: u64,
    /// Held payloads checked.
    pub payloads: u64,
    /// Payloads in other states.
    pub not_held: u64,
    /// What is wrong; empty when clean.
    pub complaints: Vec<String>,
    /// How many complaints there are, listed or not.
    pub complaint_count: u64,
}

impl Report {
    fn complain(&mut self, what: String) {
        self.complaint_count += 1;
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(what);
        }
    }
}

/// Checks the database itself and every stored log.
///
/// # Errors
/// The store cannot be read at all. Damage is not an error but a complaint.
pub async fn run(node: &Arc<Node>) -> Outcome<Vec<Report>> {
    let mut reports = stored(node.store.as_ref(), &node.registry).await?;
    if let Some(own) = reports.first_mut()
        && let Err(why) = node.sequencer.signing()
    {
        own.complain(format!("not signing: {why}"));
    }
    Ok(reports)
}

/// The same of a store that no node has open.
///
/// # Errors
/// As [`run`].
pub async fn stored(store: &dyn Store, registry: &Registry) -> Outcome<Vec<Report>> {
    let mut reports = Vec::new();
    for row in store.origins().await? {
        reports.push(origin(store, registry, &row).await?);
    }
    if let Some(own) = reports.first_mut() {
        for line in store.check().await? {
            own.complain(format!("database: {line}"));
        }
    }
    Ok(reports)
}

async fn origin(store: &dyn Store, registry: &Registry, row: &OriginRow) -> Outcome<Report> {
    let mut report = Report { origin: row.origin.to_string(), ..Report::default() };
    let head = store.head(row.no).await?;
    report.entries = head.size;
    if head.size == 0 {
        return Ok(report);
    }
    let ring = match ring_of(store, row).await {
        Ok(ring) => ring,
        Err(problem) => {
            report.complain(problem.detail);
            return Ok(report);
        }
    };
    log(store, row, head.size, &mut report).await?;
    note(store, row, &ring, head.note.as_deref(), &mut report).await?;
    payloads(store, registry, (row, &ring), head.size, &mut report).await?;
    Ok(report)
}

/// The entries give the leaves, the leaves the root, and the stored tiles the same root.
async fn log(store: &dyn Store, row: &OriginRow, size: u64, report: &mut Report) -> Outcome<()> {
    let mut range = CompactRange::new();
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = u16::try_from(TILE_WIDTH.min(size - index * TILE_WIDTH)).unwrap_or(u16::MAX);
        let stored = store.bundle(row.no, index).await?;
        let entries = stored.as_ref().and_then(|(stored, bytes)| split_bundle(bytes, *stored).ok());
        let Some(entries) = entries.filter(|entries| entries.len() >= usize::from(width)) else {
            report.complain(format!("entry bundle {index} is missing or damaged"));
            return Ok(());
        };
        for data in entries.iter().take(usize::from(width)) {
            range.append(leaf_hash(data));
        }
    }
    match stored_root(store, row.no, size).await {
        Ok(root) if root == range.root() => {}
        Ok(_) => report.complain("the tiles and the entries give different roots".to_owned()),
        Err(problem) => report.complain(problem.detail),
    }
    Ok(())
}

async fn note(
    store: &dyn Store,
    row: &OriginRow,
    ring: &KeyRing,
    note: Option<&[u8]>,
    report: &mut Report,
) -> Outcome<()> {
    let Some(note) = note else {
        report.complain("no signed note is stored".to_owned());
        return Ok(());
    };
    match ring.open_checkpoint(note) {
        Ok(checkpoint) => match stored_root(store, row.no, checkpoint.size).await {
            Ok(root) if root == checkpoint.root => {}
            Ok(_) => report.complain(format!("the stored note of size {} has another root", checkpoint.size)),
            Err(problem) => report.complain(problem.detail),
        },
        Err(error) => report.complain(format!("the stored note: {error}")),
    }
    Ok(())
}

async fn payloads(
    store: &dyn Store,
    registry: &Registry,
    (row, ring): (&OriginRow, &KeyRing),
    size: u64,
    report: &mut Report,
) -> Outcome<()> {
    for known in registry.snapshot().iter() {
        let mut from = 0;
        while from < size {
            let rows = store.rows(row.no, known.no, from, size, STEP).await?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
            let indexes: Vec<u64> = rows.iter().map(|row| row.index).collect();
            let entries: HashMap<u64, Entry> = match entries_at(store, row.no, &indexes).await {
                Ok(entries) => entries.into_iter().collect(),
                Err(problem) => {
                    report.complain(format!(
                        "payloads from entry {} on cannot be checked: {}",
                        first.index, problem.detail
                    ));
                    break;
                }
            };
            from = last.index + 1;
            let ring = ring.clone();
            let checked: Vec<Option<Result<(), String>>> =
                compute(move || rows.par_iter().with_min_len(64).map(|row| payload(&ring, &entries, row)).collect())
                    .await;
            for result in checked {
                match result {
                    None => report.not_held += 1,
                    Some(Ok(())) => report.payloads += 1,
                    Some(Err(what)) => report.complain(what),
                }
            }
        }
    }
    Ok(())
}

/// `None`: nothing is held there.
fn payload(ring: &KeyRing, entries: &HashMap<u64, Entry>, row: &PayloadRow) -> Option<Result<(), String>> {
    if row.state != PayloadState::Held {
        return None;
    }
    let wrong = |what: &str| Some(Err(format!("payload of entry {}: {what}", row.index)));
    let Some(payload) = &row.payload else { return wrong("is missing") };
    let Some(bytes) = decompress(payload.codec, &payload.body) else { return wrong("does not decompress") };
    let c = match entries.get(&row.index).map(|entry| &entry.body) {
        Some(Body::Record { c, .. } | Body::Amend { c, .. } | Body::Withdraw { c, .. }) => c,
        _ => return wrong("its entry is no record"),
    };
    if commit(&payload.salt, &bytes) != *c {
        return wrong("differs from its commitment");
    }
    let Ok(document) = scan(bytes, MAX_RECORD_LEN) else { return wrong("is not canonical") };
    let method =
        document.root().pointer("/proof/verificationMethod").and_then(|method| KeyId::parse(&method.as_str()?).ok());
    let key = method.and_then(|method| ring.valid_at(Role::Record, &method.multikey, row.index));
    let Some(key) = key else { return wrong("is signed by a key that is not valid at its index") };
    match verify(&document, Contexts::Exactly(&CONTEXTS), ring.did().as_str(), key) {
        Ok(()) => Some(Ok(())),
        Err(error) => wrong(&error.to_string()),
    }
}

/// A clean bill, or a problem that says how much is wrong.
///
/// # Errors
/// `damaged` when any report has complaints.
pub fn verdict(reports: &[Report]) -> Outcome<()> {
    let count: u64 = reports.iter().map(|report| report.complaint_count).sum();
    if count == 0 { Ok(()) } else { Err(Problem::new(Code::Damaged, counted(count, "complaint", "complaints"))) }
}
