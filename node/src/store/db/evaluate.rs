//! Storing what the reconciler found, step by step in one transaction.

use super::bulk::Column::{Blob, Int, Text};
use super::bulk::{Args, Bulk, NOTHING, Use, same};
use super::session::{Session, query, scalar};
use super::value::joined;
use crate::store::number::{count, damaged, fixed, int, of_severity};
use crate::store::{AgreementNo, DirtyRow, EvaluatedKey, StoreError, StoreResult, sql};
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::Key;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Facts that gather in the small table before they move over to the large one in key order: about 6 MB. Keys are
/// random, so a move rewrites the large table nearly whole: it must bring many rows.
const FACTS_RECENT: i64 = 65_536;

pub(super) const FILE: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO fact_recent (agreement, bucket, key, origin, idx)",
    columns: &[Int, Int, Blob, Int, Int],
    after: same(" ON CONFLICT (agreement, bucket, key, origin, idx) DO NOTHING"),
};
pub(super) const MOVE: &str = "INSERT INTO fact (agreement, bucket, key, origin, idx) \
     SELECT agreement, bucket, key, origin, idx FROM fact_recent WHERE agreement = $1 ORDER BY bucket, key, origin, idx \
     ON CONFLICT (agreement, bucket, key, origin, idx) DO NOTHING";
pub(super) const CLEAR: &str = "DELETE FROM fact_recent WHERE agreement = $1";
pub(super) const FIND_FINDINGS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, f.id, f.json",
    columns: &[Int, Int, Blob],
    after: joined!("finding" "f" on "f.agreement = ? AND f.bucket = v.column2 AND f.key = v.column3"),
};
pub(super) const DROP_FINDINGS: Bulk = Bulk {
    rows: Use::In,
    before: "DELETE FROM finding WHERE (agreement, bucket, key, id)",
    columns: &[Int, Int, Blob, Blob],
    after: NOTHING,
};
pub(super) const ADD_FINDINGS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO finding (agreement, bucket, key, id, rule, severity, opened_ms, json)",
    columns: &[Int, Int, Blob, Blob, Text, Int, Int, Text],
    after: same(
        " ON CONFLICT (agreement, bucket, key, id) DO UPDATE SET rule = excluded.rule, \
             severity = excluded.severity, json = excluded.json",
    ),
};
pub(super) const FIND_DUE: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, d.on_date",
    columns: &[Int, Int, Blob],
    after: joined!("due" "d" on "d.agreement = ? AND d.bucket = v.column2 AND d.key = v.column3"),
};
pub(super) const DROP_DUE: Bulk = Bulk {
    rows: Use::In,
    before: "DELETE FROM due WHERE (agreement, bucket, key)",
    columns: &[Int, Int, Blob],
    after: NOTHING,
};
pub(super) const SET_DUE: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO due (agreement, bucket, key, on_date)",
    columns: &[Int, Int, Blob, Text],
    after: same(" ON CONFLICT (agreement, bucket, key) DO UPDATE SET on_date = excluded.on_date"),
};
pub(super) const MARK_STALE: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO bucket (agreement, bucket, stale)",
    columns: &[Int, Int, Int],
    after: same(" ON CONFLICT (agreement, bucket) DO UPDATE SET stale = 1"),
};

/// Files the dirty rows as facts and notes the evaluation.
pub(super) async fn file(
    conn: &mut Session,
    agreement: AgreementNo,
    as_of: Date,
    dirty: &[DirtyRow],
    now_ms: i64,
) -> StoreResult<()> {
    if dirty.iter().any(|row| row.agreement != agreement) {
        return Err(StoreError::Differs { what: "agreement of a queued key".to_owned() });
    }
    let filed = dirty.iter().filter_map(|row| Some((row.key.bucket(), row, row.index?)));
    let mut facts: Vec<(u16, &DirtyRow, u64)> = filed.collect();
    facts.sort_unstable_by_key(|(bucket, row, index)| (*bucket, &row.key, row.origin, *index));
    let bind = |args: &mut Args, (bucket, row, index): &(u16, &DirtyRow, u64)| {
        args.push(agreement.0).push(i64::from(*bucket)).push(row.key.bytes()).push(row.origin.0).push(int(*index));
    };
    let new = FILE.execute(conn, &facts, bind).await?;
    let note = scalar(sql::NOTE_EVALUATION).bind(agreement.0).bind(as_of.to_string()).bind(now_ms);
    let recent: Option<i64> = note.bind(int(new)).fetch_optional(conn).await?;
    let recent = recent.ok_or_else(|| damaged(format!("agreement {}: no such row", agreement.0)))?;
    if recent >= FACTS_RECENT {
        query(MOVE).bind(agreement.0).execute(conn).await?;
        query(CLEAR).bind(agreement.0).execute(conn).await?;
        query(sql::MERGED).bind(agreement.0).execute(conn).await?;
    }
    Ok(())
}

/// The evaluated keys with their positions and buckets, in the order of the tables.
fn in_order(evaluated: &[EvaluatedKey]) -> Vec<(i64, u16, &EvaluatedKey)> {
    let mut keys: Vec<_> = (0..).zip(evaluated).map(|(position, e)| (position, e.key.bucket(), e)).collect();
    keys.sort_unstable_by_key(|(_, bucket, e)| (*bucket, &e.key));
    keys
}

fn bind_key(args: &mut Args, (position, bucket, evaluated): &(i64, u16, &EvaluatedKey)) {
    args.push(*position).push(i64::from(*bucket)).push(evaluated.key.bytes());
}

/// Replaces the findings of the evaluated keys; what stays the same is not written again.
pub(super) async fn replace_findings(
    conn: &mut Session,
    agreement: AgreementNo,
    evaluated: &[EvaluatedKey],
    now_ms: i64,
) -> StoreResult<()> {
    let keys = in_order(evaluated);
    let mut stored: BTreeMap<(i64, [u8; 32]), String> = BTreeMap::new();
    for row in FIND_FINDINGS.fetch(conn, &keys, bind_key, &[agreement.0]).await? {
        stored.insert((row.get(0)?, fixed(row.get(1)?, "finding: id")?), row.get(2)?);
    }
    let mut changed: Vec<(u16, &Key, &Finding, String)> = Vec::new();
    // A statement of PostgreSQL's may not touch a row twice.
    let mut written = BTreeSet::new();
    for (position, bucket, evaluation) in &keys {
        for finding in &evaluation.findings {
            let json = finding.to_json().to_string();
            let known = stored.remove(&(*position, finding.id.0)).is_some_and(|old| old == json);
            if !known && written.insert((*position, finding.id.0)) {
                changed.push((*bucket, &evaluation.key, finding, json));
            }
        }
    }
    let gone: Vec<_> = keys
        .iter()
        .flat_map(|(position, bucket, evaluation)| {
            let of_key = stored.range((*position, [0; 32])..=(*position, [0xff; 32]));
            of_key.map(|((_, id), _)| (*bucket, &evaluation.key, *id))
        })
        .collect();
    let bind = |args: &mut Args, (bucket, key, id): &(u16, &Key, [u8; 32])| {
        args.push(agreement.0).push(i64::from(*bucket)).push(key.bytes()).push(id.to_vec());
    };
    let dropped = DROP_FINDINGS.execute(conn, &gone, bind).await?;
    if dropped != count(&gone) {
        return Err(damaged("finding: rows that were there cannot be deleted"));
    }
    let bind = |args: &mut Args, (bucket, key, finding, json): &(u16, &Key, &Finding, String)| {
        args.push(agreement.0).push(i64::from(*bucket)).push(key.bytes()).push(finding.id.0.to_vec());
        args.push(finding.rule.code()).push(of_severity(finding.severity)).push(now_ms).push(json.as_str());
    };
    ADD_FINDINGS.execute(conn, &changed, bind).await?;
    Ok(())
}

/// Replaces the due dates of the evaluated keys.
pub(super) async fn replace_due(
    conn: &mut Session,
    agreement: AgreementNo,
    evaluated: &[EvaluatedKey],
) -> StoreResult<()> {
    let keys = in_order(evaluated);
    let mut stored: BTreeMap<i64, String> = BTreeMap::new();
    for row in FIND_DUE.fetch(conn, &keys, bind_key, &[agreement.0]).await? {
        stored.insert(row.get(0)?, row.get(1)?);
    }
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for (position, bucket, evaluation) in &keys {
        match (stored.get(position), evaluation.next.map(|date| date.to_string())) {
            (Some(_), None) => gone.push((*bucket, &evaluation.key)),
            (old, Some(date)) if old != Some(&date) => changed.push((*bucket, &evaluation.key, date)),
            _ => {}
        }
    }
    let bind = |args: &mut Args, (bucket, key): &(u16, &Key)| {
        args.push(agreement.0).push(i64::from(*bucket)).push(key.bytes());
    };
    DROP_DUE.execute(conn, &gone, bind).await?;
    let bind = |args: &mut Args, (bucket, key, date): &(u16, &Key, String)| {
        args.push(agreement.0).push(i64::from(*bucket)).push(key.bytes()).push(date.as_str());
    };
    SET_DUE.execute(conn, &changed, bind).await?;
    Ok(())
}

/// Marks the buckets of all keys concerned stale.
pub(super) async fn mark_stale(
    conn: &mut Session,
    agreement: AgreementNo,
    dirty: &[DirtyRow],
    evaluated: &[EvaluatedKey],
) -> StoreResult<()> {
    let keys = dirty.iter().map(|row| &row.key).chain(evaluated.iter().map(|evaluation| &evaluation.key));
    let buckets: BTreeSet<u16> = keys.map(Key::bucket).collect();
    let buckets: Vec<u16> = buckets.into_iter().collect();
    let bind = |args: &mut Args, bucket: &u16| {
        args.push(agreement.0).push(i64::from(*bucket)).push(1_i64);
    };
    MARK_STALE.execute(conn, &buckets, bind).await?;
    Ok(())
}

/// Takes the rows off the queue, by runs of consecutive numbers; all must still be there.
pub(super) async fn dequeue(conn: &mut Session, agreement: AgreementNo, dirty: &[DirtyRow]) -> StoreResult<()> {
    for run in dirty.chunk_by(|a, b| a.seq.checked_add(1) == Some(b.seq)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let query = query(sql::DEQUEUE).bind(agreement.0).bind(first.seq).bind(last.seq);
        if query.execute(conn).await? != count(run) {
            // Another reconciler was at work: its result stands.
            return Err(StoreError::Differs { what: "queue of keys to be evaluated".to_owned() });
        }
    }
    Ok(())
}
