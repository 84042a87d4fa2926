//! How the node is: what `hefu status` and its JSON say.

use crate::Node;
use crate::problem::Outcome;
use crate::store::{OWN, OriginRow};
use hefu_schemas::id::Digest;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// When a peer without an agreement counts as stale; agreements say it in `staleHours`.
const DEFAULT_STALE_HOURS: u32 = 24;
/// Severities, gravest first.
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "notice"];

/// Node, log, peers, findings, agreements.
///
/// # Errors
/// The store fails.
pub async fn status(node: &Node) -> Outcome<Value> {
    let head = node.store.head(OWN).await?;
    let note = head.note.as_deref().and_then(|note| node.ring.open_checkpoint(note).ok());
    let mut peers = Vec::new();
    for row in node.peers().await? {
        peers.push(peer(node, &row).await?);
    }
    let mut status = json!({
        "origin": node.origin.as_str(),
        "did": node.did.as_str(),
        "url": node.config.base_url(),
        "name": node.config.name,
        "fingerprint": Digest(node.ring.fingerprint().0).to_string(),
        "size": head.size,
        "published": note.map(|note| note.size),
        "signing": node.sequencer.signing().err().map_or(json!(true), |why| json!(why)),
        "unguarded": node.unguarded,
        "waiting": node.store.dirty_count().await?,
        "pulled": pull_totals(node),
        "peers": peers,
        "findings": findings(node).await?,
        "agreements": agreements(node),
    });
    // Only where there may be other servers.
    if let (Some(group), Some(members)) = (crate::group::status(node).await?, status.as_object_mut()) {
        members.insert("group".to_owned(), group);
    }
    Ok(status)
}

/// Records pulled since the process started, and the time that took.
pub(crate) fn pull_totals(node: &Node) -> Value {
    let (records, busy_ms) = (&node.pulled.records, &node.pulled.busy_ms);
    json!({"records": records.load(Ordering::Relaxed), "busyMs": busy_ms.load(Ordering::Relaxed)})
}

/// How far a peer was pulled, how far it is known to have gone, and whether that is too long ago.
async fn peer(node: &Node, row: &OriginRow) -> Outcome<Value> {
    let head = node.store.head(row.no).await?;
    let mut largest = head.size;
    let seen = node.store.seen_note(&Digest::of(row.origin.as_str().as_bytes()).to_string()).await?;
    if let Ok(ring) = node.rings.at(node.store.as_ref(), row, head.size).await {
        for note in head.note.iter().chain(&seen) {
            largest = largest.max(ring.open_checkpoint(note).map_or(0, |checkpoint| checkpoint.size));
        }
    }
    let known = node.registry.snapshot();
    let of_peer = known.iter().filter(|known| known.document.party(&row.origin).is_some());
    let hours = of_peer.map(|known| known.document.terms.stale_hours).min().unwrap_or(DEFAULT_STALE_HOURS);
    let limit_ms = i64::from(hours).saturating_mul(HOUR_MS);
    let stale = row.reached_ms.is_none_or(|at| node.clock.now_ms().saturating_sub(at) > limit_ms);
    Ok(json!({
        "origin": row.origin.as_str(),
        "size": head.size,
        "behindBy": largest.saturating_sub(head.size),
        "reachedAt": row.reached_ms.and_then(|ms| jiff::Timestamp::from_second(ms.div_euclid(1000)).ok()).map(|at| at.to_string()),
        "stale": stale,
        "staleHours": hours,
        "stopped": row.stopped,
    }))
}

/// Open findings by severity.
async fn findings(node: &Node) -> Outcome<Value> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (_, _, severity, count) in node.store.finding_counts().await? {
        *counts.entry(severity).or_default() += count;
    }
    let row = |name: &str| (name.to_owned(), json!(counts.get(name).copied().unwrap_or(0)));
    Ok(Value::Object(SEVERITIES.into_iter().map(row).collect::<Map<_, _>>()))
}

/// Agreements with their states today.
fn agreements(node: &Node) -> Vec<Value> {
    let snapshot = node.registry.snapshot();
    let row = |known: &std::sync::Arc<crate::registry::Known>| {
        let today = node.clock.today(&known.document.terms.time_zone);
        json!({
            "id": known.document.id.to_string(),
            "version": known.document.version,
            "state": known.state(today).code(),
            "validTo": known.document.valid_to.to_string(),
            "title": known.document.title,
        })
    };
    snapshot.iter().map(row).collect()
}
