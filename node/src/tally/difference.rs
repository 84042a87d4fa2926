//! Where two parties' results differ, when their tallies do not fit (protocol §9): first by bucket, then by key; and the
//! payloads that one of them does not hold. Keys cross the wire as hashes: both sides have the keys.

use super::{MAX_TALLY_LEN, Question, buckets, misbehaved};
use crate::Node;
use crate::client::Client;
use crate::problem::{Code, Outcome, Problem};
use crate::reconcile::evaluations;
use crate::registry::Known;
use crate::store::{Bounds, OriginRow};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_federation::reconcile::tally::key_result;
use hefu_schemas::id::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Buckets whose keys are compared: enough to find what is wrong.
const MAX_BUCKETS: usize = 8;
/// Keys and payloads that are listed.
const MAX_LISTED: usize = 100;
/// Rows read at a time.
const ROWS_STEP: usize = 1000;

/// What a party says in detail about its own result.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Detail {
    /// Digests of all buckets, hex, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<String>,
    /// Of one bucket: hash of each key → result of the key, hex.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// By origin: the payloads that are not held, index → state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, BTreeMap<u64, String>>,
}

/// What differs between us and a party.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Keys whose results differ, or that one side does not have; those that we do not have as `sha256:<hex>`.
    pub keys: Vec<String>,
    /// Payloads in different states: origin, index, our state, theirs.
    pub states: Vec<(String, u64, String, String)>,
}

/// Our own detail: of one bucket with `bucket`, else all bucket digests and the payloads that are not held.
///
/// # Errors
/// The store fails.
pub async fn detail(node: &Arc<Node>, known: &Arc<Known>, question: &Question, bucket: Option<u16>) -> Outcome<Detail> {
    let bounds = bounds(node, known, question).await?;
    if let Some(bucket) = bucket {
        let results = results(node, known, question, &bounds, bucket).await?;
        let row = |(key, result): (Key, Digest)| (Digest::of(key.bytes()).to_string(), result.to_string());
        return Ok(Detail { keys: results.into_iter().map(row).collect(), ..Detail::default() });
    }
    let buckets = buckets(node.store.as_ref(), node.clock.now_ms(), known, question.as_of, &bounds).await?;
    let mut states = BTreeMap::new();
    for row in node.store.origins().await? {
        if let Some(size) = bounds.get(&row.no) {
            states.insert(row.origin.to_string(), not_held(node, known, &row, *size).await?);
        }
    }
    let buckets = buckets.iter().map(|row| row.digest.to_string()).collect();
    Ok(Detail { buckets, states, ..Detail::default() })
}

async fn bounds(node: &Node, known: &Known, question: &Question) -> Outcome<Bounds> {
    let mut bounds = Bounds::new();
    for row in super::parties(node.store.as_ref(), known).await? {
        let (size, root) = super::asked_head(question, &row)?;
        super::check_head(node.store.as_ref(), &row, size, &root).await?;
        bounds.insert(row.no, size);
    }
    Ok(bounds)
}

async fn results(
    node: &Arc<Node>,
    known: &Arc<Known>,
    question: &Question,
    bounds: &Bounds,
    bucket: u16,
) -> Outcome<Vec<(Key, Digest)>> {
    let keys = super::keys_of_bucket(node.store.as_ref(), known, bucket)
        .await?
        .into_iter()
        .map(|row| row.key)
        .collect::<Vec<_>>();
    let found = evaluations(node.store.as_ref(), known, question.as_of, &keys, &[], Some(bounds)).await?;
    let present = keys.into_iter().zip(found).filter(|(_, (_, facts))| *facts > 0);
    Ok(present
        .map(|(key, (evaluation, _))| {
            let result = key_result(&key, &evaluation.findings);
            (key, result)
        })
        .collect())
}

async fn not_held(node: &Node, known: &Known, row: &OriginRow, size: u64) -> Outcome<BTreeMap<u64, String>> {
    let (mut states, mut from) = (BTreeMap::new(), 0);
    while from < size && states.len() < MAX_LISTED {
        let rows = node.store.rows(row.no, known.no, from, size, ROWS_STEP).await?;
        let Some(last) = rows.last() else { break };
        from = last.index + 1;
        let other = rows.iter().filter(|row| row.state != PayloadState::Held);
        states.extend(other.map(|row| (row.index, row.state.code().to_owned())));
    }
    Ok(states)
}

/// Asks a party for its detail and compares it with ours.
///
/// # Errors
/// The party does not answer, or ours cannot be computed.
pub async fn ask(
    node: &Arc<Node>,
    known: &Arc<Known>,
    row: &OriginRow,
    client: &Client,
    question: &Question,
) -> Outcome<Difference> {
    let theirs = fetch(known, row, client, question, None).await?;
    let ours = detail(node, known, question, None).await?;
    let mut difference = Difference { states: states(&ours, &theirs), ..Difference::default() };
    let differing =
        (0_u16..).zip(ours.buckets.iter().zip(&theirs.buckets)).filter(|(_, (ours, theirs))| ours != theirs);
    let bounds = bounds(node, known, question).await?;
    for (bucket, _) in differing.take(MAX_BUCKETS) {
        let theirs = fetch(known, row, client, question, Some(bucket)).await?.keys;
        let ours = results(node, known, question, &bounds, bucket).await?;
        let mut unseen: BTreeSet<&String> = theirs.keys().collect();
        for (key, result) in &ours {
            let hash = Digest::of(key.bytes()).to_string();
            unseen.remove(&hash);
            if theirs.get(&hash) != Some(&result.to_string()) {
                difference.keys.push(key.value().to_owned());
            }
        }
        difference.keys.extend(unseen.into_iter().map(|hash| format!("sha256:{hash}")));
    }
    difference.keys.truncate(MAX_LISTED);
    Ok(difference)
}

fn states(ours: &Detail, theirs: &Detail) -> Vec<(String, u64, String, String)> {
    let held = || PayloadState::Held.code().to_owned();
    let (empty, mut found) = (BTreeMap::new(), Vec::new());
    for (origin, ours) in &ours.states {
        let theirs = theirs.states.get(origin).unwrap_or(&empty);
        for index in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let (a, b) = (ours.get(index), theirs.get(index));
            if a != b && found.len() < MAX_LISTED {
                found.push((origin.clone(), *index, a.cloned().unwrap_or_else(held), b.cloned().unwrap_or_else(held)));
            }
        }
    }
    found
}

async fn fetch(
    known: &Known,
    row: &OriginRow,
    client: &Client,
    question: &Question,
    bucket: Option<u16>,
) -> Outcome<Detail> {
    let path = match bucket {
        Some(bucket) => format!("v1/agreements/{}/tally/buckets/{bucket}", known.document.id.uuid()),
        None => format!("v1/agreements/{}/tally/buckets", known.document.id.uuid()),
    };
    let body = serde_json::to_vec(&question.to_wire()).map_err(|error| Problem::new(Code::Internal, error))?;
    let answer = client
        .post_signed(&path, body, MAX_TALLY_LEN)
        .await?
        .ok_or_else(|| misbehaved(row, &"no detail of its tally"))?;
    serde_json::from_slice(&answer).map_err(|error| misbehaved(row, &error))
}
