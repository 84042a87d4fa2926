//! The tally (protocol §9): the result of reconciling an agreement on a date at given checkpoints, signed; and comparing it with
//! the other parties'.

pub mod difference;

use crate::Node;
use crate::clock::date_at;
use crate::guard::stored_root;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::view_of;
use crate::reconcile::evaluations;
use crate::registry::Known;
use crate::store::{Bounds, BucketKey, BucketRow, OWN, OriginRow, Store};
use crate::task::finish;
use difference::Difference;
use hefu_federation::base64url::{decode_array, encode};
use hefu_federation::key::Role;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::RULE_SET;
use hefu_federation::reconcile::finding::{Finding, Severity};
use hefu_federation::reconcile::key::{Key, KeyType, keys_of};
use hefu_federation::reconcile::tally::{
    BUCKETS, BucketHasher, Comparison, Statement, compare, key_result, tally_digest,
};
use hefu_federation::tree::Hash;
use hefu_schemas::id::Origin;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Longest statement or answer, bytes.
pub const MAX_TALLY_LEN: usize = 1024 * 1024;
/// Rows read at a time.
const ROWS_STEP: usize = 1000;

/// What two parties must agree on before they compute: the date and the heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Date of the evaluation.
    pub as_of: Date,
    /// Size and root of each party's log.
    pub heads: BTreeMap<Origin, (u64, Hash)>,
}

/// The question on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WireQuestion {
    /// `YYYY-MM-DD`.
    pub as_of: String,
    /// By origin.
    pub heads: BTreeMap<String, WireHead>,
}

/// A head on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireHead {
    /// Number of entries.
    pub size: u64,
    /// base64url.
    pub root: String,
}

impl Question {
    /// As sent.
    pub fn to_wire(&self) -> WireQuestion {
        let head = |(origin, (size, root)): (&Origin, &(u64, Hash))| {
            (origin.to_string(), WireHead { size: *size, root: encode(&root.0) })
        };
        WireQuestion { as_of: self.as_of.to_string(), heads: self.heads.iter().map(head).collect() }
    }

    /// As received.
    pub fn from_wire(wire: &WireQuestion) -> Option<Self> {
        let head = |(origin, head): (&String, &WireHead)| {
            Some((Origin::parse(origin).ok()?, (head.size, Hash(decode_array(&head.root)?))))
        };
        let heads = wire.heads.iter().map(head).collect::<Option<_>>()?;
        Some(Self { as_of: wire.as_of.parse().ok()?, heads })
    }
}

/// The question that this node would ask: today, and all that it holds of each party's log.
///
/// # Errors
/// A party's log is not held at all.
pub async fn question(node: &Node, known: &Known, as_of: Option<Date>) -> Outcome<Question> {
    question_at(node.store.as_ref(), node.clock.now_ms(), known, as_of).await
}

/// The same of a store.
///
/// # Errors
/// As [`question`].
pub async fn question_at(store: &dyn Store, now_ms: i64, known: &Known, as_of: Option<Date>) -> Outcome<Question> {
    let as_of = as_of.unwrap_or_else(|| date_at(now_ms, &known.document.terms.time_zone));
    let mut heads = BTreeMap::new();
    for row in parties(store, known).await? {
        let size = store.head(row.no).await?.size;
        heads.insert(row.origin, (size, stored_root(store, row.no, size).await?));
    }
    Ok(Question { as_of, heads })
}

/// The parties' rows; every one must be followed.
async fn parties(store: &dyn Store, known: &Known) -> Outcome<Vec<OriginRow>> {
    let rows = store.origins().await?;
    let find = |origin: &Origin| {
        rows.iter().find(|row| row.origin == *origin).cloned().ok_or_else(|| {
            Problem::new(Code::UnknownPeer, format!("{origin} is a party that this node does not follow"))
        })
    };
    known.document.parties.iter().map(|party| find(&party.origin)).collect()
}

/// Computes the statement for a question.
///
/// # Errors
/// `behind` when we hold less than asked; `split-view` when our root at a head differs; the store fails.
pub async fn state(node: &Arc<Node>, known: &Arc<Known>, question: &Question) -> Outcome<Statement> {
    crate::reconcile::run(node).await?;
    let no_change_meanwhile = crate::reconcile::alone(node).await?;
    let (node, known, question) = (node.clone(), known.clone(), question.clone());
    finish(async move {
        let statement = compute(node.store.as_ref(), node.clock.now_ms(), &known, &question).await;
        no_change_meanwhile.give_back().await;
        statement
    })
    .await
}

/// The same of a store whose queue is empty and stays so meanwhile.
///
/// # Errors
/// As [`state`].
pub async fn compute(store: &dyn Store, now_ms: i64, known: &Arc<Known>, question: &Question) -> Outcome<Statement> {
    let parties = parties(store, known).await?;
    let mut bounds = Bounds::new();
    let mut states = BTreeMap::new();
    for row in &parties {
        let (size, root) = asked_head(question, row)?;
        check_head(store, row, size, &root).await?;
        bounds.insert(row.no, size);
        states.insert(row.origin.clone(), store.states_digest(row.no, known.no, size).await?);
    }
    let buckets = buckets(store, now_ms, known, question.as_of, &bounds).await?;
    let digests: Vec<_> = buckets.iter().map(|row| row.digest).collect();
    let digest = tally_digest(&digests).ok_or_else(|| Problem::new(Code::Internal, "not 4,096 buckets"))?;
    let total = |position: usize| buckets.iter().filter_map(|row| row.findings.get(position)).sum();
    Ok(Statement {
        agreement: known.document.id,
        agreement_digest: known.document.digest,
        as_of: question.as_of,
        heads: question.heads.clone(),
        rule_set: RULE_SET,
        states,
        matched: buckets.iter().map(|row| row.matched).sum(),
        findings: Severity::ALL.iter().enumerate().map(|(position, severity)| (*severity, total(position))).collect(),
        digest,
    })
}

/// The head that a question names for a party: it must name one for each.
fn asked_head(question: &Question, row: &OriginRow) -> Outcome<(u64, Hash)> {
    let lacks = || Problem::new(Code::BadRequest, format!("heads lacks the party {}", row.origin));
    question.heads.get(&row.origin).copied().ok_or_else(lacks)
}

async fn check_head(store: &dyn Store, row: &OriginRow, size: u64, root: &Hash) -> Outcome<()> {
    let held = store.head(row.no).await?.size;
    if held < size {
        return Err(Problem::new(Code::Behind, format!("{}: {held} of {size} entries held", row.origin)));
    }
    if stored_root(store, row.no, size).await? != *root {
        return Err(Problem::new(Code::SplitView, format!("{}: another root at size {size}", row.origin)));
    }
    Ok(())
}

/// All 4,096 buckets for a date and bounds. Cached ones serve when the date is today's and no entry at or above the bounds touches
/// them; the others are evaluated in memory.
async fn buckets(
    store: &dyn Store,
    now_ms: i64,
    known: &Arc<Known>,
    as_of: Date,
    bounds: &Bounds,
) -> Outcome<Vec<BucketRow>> {
    let today = date_at(now_ms, &known.document.terms.time_zone);
    refresh(store, known).await?;
    let mut rows: BTreeMap<u16, BucketRow> =
        store.buckets(known.no).await?.into_iter().map(|row| (row.bucket, row)).collect();
    // On another date every key is evaluated anew; a bucket without a row has none.
    let touched = if as_of == today { Some(beyond(store, known, bounds).await?) } else { None };
    let special = rows.keys().copied().filter(|bucket| touched.as_ref().is_none_or(|touched| touched.contains(bucket)));
    for bucket in special.collect::<Vec<_>>() {
        rows.insert(bucket, evaluated_bucket(store, known, as_of, bounds, bucket).await?);
    }
    let digest = BucketHasher::new().finish();
    let empty = |bucket| BucketRow { bucket, digest, matched: 0, findings: [0; 4] };
    Ok((0..BUCKETS).map(|bucket| rows.remove(&bucket).unwrap_or_else(|| empty(bucket))).collect())
}

/// Computes the stale buckets from stored facts and findings: no payload is read.
async fn refresh(store: &dyn Store, known: &Arc<Known>) -> Outcome<()> {
    let mut stale = store.stale_buckets(known.no).await?;
    // The agreement's own key has no fact that would make its bucket stale for the first time.
    let own = Key::agreement(known.document.id).bucket();
    if !stale.contains(&own) && !store.buckets(known.no).await?.iter().any(|row| row.bucket == own) {
        stale.push(own);
    }
    for part in stale.chunks(64) {
        let mut rows = Vec::with_capacity(part.len());
        for bucket in part {
            let keys = keys_of_bucket(store, known, *bucket).await?;
            let found = store.bucket_findings(known.no, *bucket).await?;
            rows.push(summed(*bucket, &keys, found));
        }
        store.store_buckets(known.no, &rows).await?;
    }
    Ok(())
}

/// The keys of a bucket, in key order: those that have facts, and the agreement's own.
pub(crate) async fn keys_of_bucket(store: &dyn Store, known: &Arc<Known>, bucket: u16) -> Outcome<Vec<BucketKey>> {
    let mut keys = store.bucket_keys(known.no, bucket).await?;
    leave_out_absent(store, known, &mut keys).await?;
    let own = Key::agreement(known.document.id);
    if own.bucket() == bucket {
        keys.push(BucketKey { key: own, origins: 0 });
        keys.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(keys)
}

/// A round notes a revocation, and files what it disputes, before it stores the entry that revokes. Where it broke off in between
/// there is no such entry: nothing is in dispute, and the keys of the disputed records do not exist.
async fn leave_out_absent(store: &dyn Store, known: &Arc<Known>, keys: &mut Vec<BucketKey>) -> Outcome<()> {
    let entries: Vec<Key> =
        keys.iter().map(|row| &row.key).filter(|key| key.key_type() == KeyType::Entry).cloned().collect();
    if entries.is_empty() {
        return Ok(());
    }
    // Whether an entry is flawed does not depend on the date.
    let found = evaluations(store, known, Date::default(), &entries, &[], None).await?;
    let absent: HashSet<&Key> =
        entries.iter().zip(&found).filter(|(_, (_, facts))| *facts == 0).map(|(key, _)| key).collect();
    keys.retain(|row| !absent.contains(&row.key));
    Ok(())
}

fn summed(bucket: u16, keys: &[BucketKey], found: Vec<(Key, Finding)>) -> BucketRow {
    let mut by_key: HashMap<Key, Vec<Finding>> = HashMap::new();
    for (key, finding) in found {
        by_key.entry(key).or_default().push(finding);
    }
    let mut sum = Sum::new(bucket);
    for BucketKey { key, origins } in keys {
        let findings = by_key.remove(key).unwrap_or_default();
        sum.push(key, &findings, key.key_type().joins_halves() && *origins >= 2 && findings.is_empty());
    }
    sum.finish()
}

/// Adds up the keys of a bucket, in key order.
struct Sum {
    row: BucketRow,
    hasher: BucketHasher,
}

impl Sum {
    fn new(bucket: u16) -> Self {
        let digest = BucketHasher::new().finish();
        Self { row: BucketRow { bucket, digest, matched: 0, findings: [0; 4] }, hasher: BucketHasher::new() }
    }

    fn push(&mut self, key: &Key, findings: &[Finding], matched: bool) {
        self.hasher.push(&key_result(key, findings));
        self.row.matched += u64::from(matched);
        for (count, severity) in self.row.findings.iter_mut().zip(Severity::ALL) {
            *count += findings.iter().map(|finding| u64::from(finding.severity == *severity)).sum::<u64>();
        }
    }

    fn finish(mut self) -> BucketRow {
        self.row.digest = self.hasher.finish();
        self.row
    }
}

/// The buckets that entries at or above the bounds touch.
async fn beyond(store: &dyn Store, known: &Known, bounds: &Bounds) -> Outcome<BTreeSet<u16>> {
    let mut touched = BTreeSet::new();
    let origins = store.origins().await?;
    for (origin, bound) in bounds {
        if let Some(row) = origins.iter().find(|row| row.no == *origin) {
            let ring = crate::ring::ring_of(store, row).await?;
            // A revocation above the head does not count, and may concern any record before it.
            if ring.revocations().iter().any(|revocation| revocation.at >= *bound) {
                return Ok((0..BUCKETS).collect());
            }
        }
        let size = store.head(*origin).await?.size;
        let party = origins.iter().find(|row| row.no == *origin).map(|row| &row.origin);
        // Acts above the heads do not count either.
        let acts = party.and_then(|party| known.acts.get(party)).into_iter().flatten();
        if acts.map(|act| act.index).any(|index| index >= *bound) {
            touched.insert(Key::agreement(known.document.id).bucket());
        }
        let mut from = *bound;
        while from < size {
            let rows = store.rows(*origin, known.no, from, size, ROWS_STEP).await?;
            let Some(last) = rows.last() else { break };
            from = last.index + 1;
            let mut with_keys = Vec::with_capacity(rows.len());
            for row in rows {
                let corrected = match row.of {
                    Some(of) => crate::pull::keys_at(store, *origin, of).await?,
                    None => Vec::new(),
                };
                let own = view_of(&row).map(|view| keys_of(&view)).unwrap_or_default();
                if matches!(row.state, PayloadState::Invalid | PayloadState::Quarantined) {
                    touched.extend(party.map(|party| Key::entry(party, row.index).bucket()));
                }
                touched.extend(own.iter().chain(&corrected).map(Key::bucket));
                with_keys.push((row, own));
            }
            let concerned = store.concerned(known.no, *origin, &with_keys).await?;
            touched.extend(concerned.iter().map(Key::bucket));
        }
    }
    Ok(touched)
}

async fn evaluated_bucket(
    store: &dyn Store,
    known: &Arc<Known>,
    as_of: Date,
    bounds: &Bounds,
    bucket: u16,
) -> Outcome<BucketRow> {
    let keys: Vec<Key> = keys_of_bucket(store, known, bucket).await?.into_iter().map(|row| row.key).collect();
    let found = evaluations(store, known, as_of, &keys, &[], Some(bounds)).await?;
    let mut sum = Sum::new(bucket);
    // A key without a fact below the bounds does not exist yet.
    for (key, (evaluation, _)) in keys.iter().zip(found).filter(|(_, (_, facts))| *facts > 0) {
        sum.push(key, &evaluation.findings, evaluation.matched);
    }
    Ok(sum.finish())
}

/// One party's answer to our question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The party.
    pub origin: Origin,
    /// Its statement, how it compares with ours and, when it does not fit, where; or why there is no statement.
    pub result: Result<(Statement, Comparison, Difference), Problem>,
}

/// Computes and signs our statement, asks every other party for its own, verifies, compares, stores.
///
/// # Errors
/// Ours cannot be computed.
pub async fn ask(node: &Arc<Node>, known: &Arc<Known>, as_of: Option<Date>) -> Outcome<(Statement, Vec<Answer>)> {
    let question = question(node, known, as_of).await?;
    let ours = state(node, known, &question).await?;
    let signed = ours.sign(&node.keys.request_id(&node.did), &node.keys.request);
    node.store.add_tally(known.no, ours.as_of, OWN, &signed, node.clock.now_ms()).await?;
    let others: Vec<OriginRow> =
        parties(node.store.as_ref(), known).await?.into_iter().filter(|row| row.no != OWN).collect();
    let asked = others.iter().map(|row| ask_one(node, known, row, &question, &ours));
    let results = futures_util::future::join_all(asked).await;
    let answers =
        others.iter().zip(results).map(|(row, result)| Answer { origin: row.origin.clone(), result }).collect();
    Ok((ours, answers))
}

async fn ask_one(
    node: &Arc<Node>,
    known: &Arc<Known>,
    row: &OriginRow,
    question: &Question,
    ours: &Statement,
) -> Outcome<(Statement, Comparison, Difference)> {
    let client = node.patient_client(row)?;
    let body = serde_json::to_vec(&question.to_wire()).map_err(|error| Problem::new(Code::Internal, error))?;
    let path = format!("v1/agreements/{}/tally", known.document.id.uuid());
    let answer = client.post_signed(&path, body, MAX_TALLY_LEN).await?;
    let answer = answer.ok_or_else(|| misbehaved(row, &"it does not know the agreement"))?;
    let size = node.store.head(row.no).await?.size;
    let ring = node.rings.at(node.store.as_ref(), row, size).await?;
    let (theirs, _) = Statement::open(&answer, |key_id| {
        (key_id.did == row.did).then(|| ring.valid_at(Role::Request, &key_id.multikey, size).cloned()).flatten()
    })
    .map_err(|error| misbehaved(row, &error))?;
    if theirs.as_of != question.as_of || theirs.agreement != known.document.id || theirs.heads != question.heads {
        return Err(misbehaved(row, &"its statement answers another question"));
    }
    node.store.add_tally(known.no, theirs.as_of, row.no, &answer, node.clock.now_ms()).await?;
    let comparison = compare(ours, &theirs);
    let difference = match comparison {
        Comparison::Fits => Difference::default(),
        _ => difference::ask(node, known, row, &client, question).await?,
    };
    Ok((theirs, comparison, difference))
}

fn misbehaved(row: &OriginRow, why: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::PeerMisbehaved, format!("{}: {why}", row.origin))
}
