//! Reconciling: keys that new entries were filed under, and keys whose time has come, are evaluated by the pure rules.
//!
//! ```text
//! dirty rows ─▶ facts of their keys ─▶ rules (rayon) ─▶ findings, due dates, stale buckets     one transaction a step
//! ```

use crate::Node;
use crate::clock::date_at;
use crate::compute::compute;
use crate::group::{Claim, claim};
use crate::problem::{Code, Outcome, Problem};
use crate::publish::view_of;
use crate::pull::signer_of;
use crate::registry::Known;
use crate::ring::ring_of;
use crate::store::{AgreementNo, Bounds, DirtyRow, EvaluatedKey, OriginNo, OriginRow, PayloadRow, RECONCILER, Store};
use crate::task::finish;
use hefu_federation::pull::{Check, PayloadState};
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::reconcile::{Context, Evaluation, Fact, Flaw, reconcile, reconcile_agreement, reconcile_entry};
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::Origin;
use jiff::civil::Date;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// Queue rows of one step. Keys are HMACs: the more rows are merged at a time, the fewer pages each of them dirties.
const STEP_ROWS: usize = 50_000;
/// Keys evaluated at a time.
const STEP_KEYS: usize = 10_000;
/// How often a step is tried again that another reconciler was faster with.
const ATTEMPTS: u32 = 3;
/// How long somebody who asks waits for another server that reconciles.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a reconciliation did.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Keys evaluated.
    pub keys: u64,
    /// Open findings afterwards.
    pub findings: u64,
}

/// Evaluates everything that waits, for every agreement, as of today in its time zone; the number of keys.
///
/// # Errors
/// The store fails; `taken` when another server is at it for too long.
pub async fn run(node: &Arc<Node>) -> Outcome<u64> {
    run_within(node, PATIENCE).await
}

/// The same for somebody who asks: also counts the findings, all of them.
///
/// # Errors
/// As [`run`].
pub async fn report(node: &Arc<Node>) -> Outcome<Report> {
    let keys = run(node).await?;
    let findings = node.store.finding_counts().await?.iter().map(|(.., count)| count).sum();
    Ok(Report { keys, findings })
}

/// The same, unless another server is at it: then `taken`, at once.
///
/// # Errors
/// The store fails.
pub async fn run_if_free(node: &Arc<Node>) -> Outcome<u64> {
    run_within(node, Duration::ZERO).await
}

/// That nothing is reconciled meanwhile, by this server or another one.
#[derive(Debug)]
pub struct Alone {
    claim: Option<Claim>,
    _in_this_process: OwnedMutexGuard<()>,
}

impl Alone {
    /// Lets others go on.
    pub async fn give_back(self) {
        if let Some(claim) = self.claim {
            claim.give_back().await;
        }
    }
}

/// Waits until nothing is reconciled.
///
/// # Errors
/// The store fails; `taken` when another server is at it for longer.
pub async fn alone(node: &Node) -> Outcome<Alone> {
    alone_within(node, PATIENCE).await
}

async fn alone_within(node: &Node, patience: Duration) -> Outcome<Alone> {
    let in_this_process = node.reconciling.clone().lock_owned().await;
    Ok(Alone { claim: claim(node, RECONCILER, patience).await?, _in_this_process: in_this_process })
}

async fn run_within(node: &Arc<Node>, patience: Duration) -> Outcome<u64> {
    let alone = alone_within(node, patience).await?;
    let one = node.clone();
    let keys = finish(async move {
        let keys = evaluate_all(&one).await;
        alone.give_back().await;
        keys
    });
    // Paused for longer than the lease lasts: what was evaluated is not written, and still queued.
    keys.await.map_err(|problem| match problem.code {
        Code::Conflict if node.member.shared => Problem::new(Code::Taken, "reconcile: another server has taken over"),
        _ => problem,
    })
}

async fn evaluate_all(node: &Arc<Node>) -> Outcome<u64> {
    let mut keys = 0;
    let snapshot = node.registry.snapshot();
    let mut done: Vec<AgreementNo> = Vec::new();
    for known in snapshot.iter().rev() {
        if !done.contains(&known.no) {
            done.push(known.no);
            keys += agreement(node.store.as_ref(), node.clock.now_ms(), known).await?;
        }
    }
    Ok(keys)
}

/// Evaluates everything that waits of one agreement, as of the day that `now_ms` is in its time zone; the number of keys. One at a
/// time on one store.
///
/// # Errors
/// The store fails.
pub async fn agreement(store: &dyn Store, now_ms: i64, known: &Arc<Known>) -> Outcome<u64> {
    let as_of = date_at(now_ms, &known.document.terms.time_zone);
    let (mut evaluated, mut again) = (0, 0);
    loop {
        let dirty = store.dirty(known.no, STEP_ROWS).await?;
        if dirty.is_empty() {
            break;
        }
        match step(store, now_ms, known, as_of, dirty).await {
            Ok(count) => evaluated += count,
            // Another reconciler has taken some of them: nothing was written, and what is still queued is read anew.
            Err(problem) if problem.code == Code::Conflict && again < ATTEMPTS => again += 1,
            Err(problem) => return Err(problem),
        }
    }
    evaluated += signatures(store, now_ms, known, as_of).await?;
    loop {
        let due = store.due(known.no, as_of, STEP_KEYS).await?;
        if due.is_empty() {
            return Ok(evaluated);
        }
        let keys = evaluate(store, known, as_of, &due, &[]).await?;
        evaluated += u64::try_from(keys.len()).unwrap_or(0);
        store.commit_evaluations(known.no, as_of, &[], &keys, now_ms).await?;
    }
}

/// Evaluates the key of the agreement itself. Its facts are acts and proofs, which are not queued: it is looked at in each round,
/// and stored when its findings change.
async fn signatures(store: &dyn Store, now_ms: i64, known: &Arc<Known>, as_of: Date) -> Outcome<u64> {
    let key = Key::agreement(known.document.id);
    let evaluated = evaluate(store, known, as_of, std::slice::from_ref(&key), &[]).await?;
    let stored = store.bucket_findings(known.no, key.bucket()).await?;
    let stored = stored.into_iter().filter(|(other, _)| *other == key).map(|(_, finding)| finding);
    if evaluated.iter().flat_map(|evaluated| evaluated.findings.iter().cloned()).eq(stored) {
        return Ok(0);
    }
    store.commit_evaluations(known.no, as_of, &[], &evaluated, now_ms).await?;
    Ok(1)
}

async fn step(store: &dyn Store, now_ms: i64, known: &Arc<Known>, as_of: Date, dirty: Vec<DirtyRow>) -> Outcome<u64> {
    let mut keys: Vec<Key> = dirty.iter().map(|row| row.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let mut evaluated = Vec::with_capacity(keys.len());
    for part in keys.chunks(STEP_KEYS) {
        evaluated.extend(evaluate(store, known, as_of, part, &dirty).await?);
    }
    let count = u64::try_from(evaluated.len()).unwrap_or(0);
    store.commit_evaluations(known.no, as_of, &dirty, &evaluated, now_ms).await?;
    Ok(count)
}

async fn evaluate(
    store: &dyn Store,
    known: &Arc<Known>,
    as_of: Date,
    keys: &[Key],
    dirty: &[DirtyRow],
) -> Outcome<Vec<EvaluatedKey>> {
    let found = evaluations(store, known, as_of, keys, dirty, None).await?;
    let evaluated = keys.iter().zip(found).map(|(key, (evaluation, _))| EvaluatedKey {
        key: key.clone(),
        findings: evaluation.findings,
        next: evaluation.next,
    });
    Ok(evaluated.collect())
}

/// Evaluates keys on a date, with only the entries below `bounds` when given; the evaluation and the number of facts filed under each.
///
/// # Errors
/// The store fails.
pub async fn evaluations(
    store: &dyn Store,
    known: &Arc<Known>,
    as_of: Date,
    keys: &[Key],
    dirty: &[DirtyRow],
    bounds: Option<&Bounds>,
) -> Outcome<Vec<(Evaluation, usize)>> {
    let rows = store.facts(known.no, keys, dirty, bounds).await?;
    let mut cited = store.cited(known.no, keys).await?;
    if let Some(bounds) = bounds {
        cited.retain(|(_, origin, row)| bounds.get(origin).is_some_and(|bound| row.index < *bound));
    }
    let (flawed, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(position, ..)| is_entry(keys, *position));
    let rows_of_origins = store.origins().await?;
    let rings = rings(store, &rows_of_origins, &flawed).await?;
    let origins: HashMap<OriginNo, Origin> = rows_of_origins.into_iter().map(|row| (row.no, row.origin)).collect();
    let (known, keys, bounds) = (known.clone(), keys.to_vec(), bounds.cloned());
    Ok(compute(move || {
        let flaws = flaws_by_key(&flawed, &origins, &rings, bounds.as_ref());
        let mut facts = facts_by_key(&rows, &origins, keys.len());
        // A key exists by what is filed under it: what it cites is only in its sight.
        let filed: Vec<usize> = facts.iter().map(Vec::len).collect();
        for (facts, mut cited) in facts.iter_mut().zip(facts_by_key(&cited, &origins, keys.len())) {
            facts.append(&mut cited);
        }
        let mut standing = known.standing();
        if let Some(bounds) = bounds {
            // Acts are entries too: those at or above the heads are not part of the question.
            let bounds: HashMap<&Origin, u64> =
                bounds.iter().filter_map(|(no, bound)| Some((origins.get(no)?, *bound))).collect();
            for (origin, acts) in &mut standing.acts {
                acts.retain(|act| bounds.get(origin).is_some_and(|bound| act.index < *bound));
            }
        }
        let context = Context { standing: &standing, as_of };
        let evaluate = |((position, key), (facts, filed)): ((usize, &Key), (&Vec<Fact>, &usize))| match key.key_type() {
            KeyType::Entry => flaws.get(&position).map_or_else(absent, |flaw| (reconcile_entry(&context, flaw), 1)),
            KeyType::Agreement => (reconcile_agreement(&context), 1),
            _ => (reconcile(&context, key, facts), *filed),
        };
        let sights = keys.par_iter().enumerate().zip(facts.par_iter().zip(filed.par_iter()));
        sights.with_min_len(crate::compute::JOB_LEN).map(evaluate).collect()
    })
    .await)
}

fn is_entry(keys: &[Key], position: usize) -> bool {
    keys.get(position).is_some_and(|key| key.key_type() == KeyType::Entry)
}

/// A key of which nothing is in sight.
fn absent() -> (Evaluation, usize) {
    (Evaluation { findings: Vec::new(), matched: false, next: None }, 0)
}

/// The keys of the origins of which held records are asked as entries: those in dispute.
async fn rings(
    store: &dyn Store,
    origins: &[OriginRow],
    flawed: &[(usize, OriginNo, PayloadRow)],
) -> Outcome<HashMap<OriginNo, KeyRing>> {
    let mut rings = HashMap::new();
    let held = flawed.iter().filter(|(_, _, row)| row.state == PayloadState::Held);
    let asked: BTreeSet<OriginNo> = held.map(|(_, origin, _)| *origin).collect();
    for row in origins.iter().filter(|row| asked.contains(&row.no)) {
        rings.insert(row.no, ring_of(store, row).await?);
    }
    Ok(rings)
}

/// Flawed entries by the position of their key: each has one. A held record is flawed where its key is revoked, by an entry below
/// the bound.
fn flaws_by_key(
    rows: &[(usize, OriginNo, PayloadRow)],
    origins: &HashMap<OriginNo, Origin>,
    rings: &HashMap<OriginNo, KeyRing>,
    bounds: Option<&Bounds>,
) -> HashMap<usize, Flaw> {
    let flaw = |(position, no, row): &(usize, OriginNo, PayloadRow)| {
        let (state, mut reason) = (row.state, row.reason.clone());
        if state == PayloadState::Held {
            let size = bounds.map_or(Some(u64::MAX), |bounds| bounds.get(no).copied())?;
            let disputed = rings.get(no)?.is_disputed(&signer_of(row)?, row.index, size);
            reason = disputed.then(|| Check::KeyAtIndex.code().to_owned());
            reason.as_ref()?;
        }
        Some((*position, Flaw { origin: origins.get(no)?.clone(), index: row.index, id: row.id, state, reason }))
    };
    rows.iter().filter_map(flaw).collect()
}

fn facts_by_key(
    rows: &[(usize, OriginNo, PayloadRow)],
    origins: &HashMap<OriginNo, Origin>,
    keys: usize,
) -> Vec<Vec<Fact>> {
    let fact = |(position, origin, row): &(usize, OriginNo, PayloadRow)| {
        let view = view_of(row)?;
        let origin = origins.get(origin)?.clone();
        Some((*position, Fact { origin, index: row.index, t: row.t, of: row.of, id: view.id, view }))
    };
    let read: Vec<(usize, Fact)> = rows.par_iter().with_min_len(crate::compute::JOB_LEN).filter_map(fact).collect();
    let mut by_key: Vec<Vec<Fact>> = (0..keys).map(|_| Vec::new()).collect();
    for (position, fact) in read {
        if let Some(facts) = by_key.get_mut(position) {
            facts.push(fact);
        }
    }
    by_key
}
