//! Facts of many keys at a time.
//!
//! A reconciliation reads two rows or more a key: on SQLite they come packed (`rows`).

use super::bulk::Column::{Blob, Int};
use super::bulk::{Args, Bulk, Use};
use super::row::payload_row;
use super::rows::{Packed, ROWS_AT_ONCE, packed_rows};
use super::session::Session;
use super::value::joined;
use crate::store::number::{damaged, int, unsigned};
use crate::store::{AgreementNo, OriginNo, PayloadRow, StoreResult};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FIND_FACTS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT GROUP_CONCAT(v.column1 || ' ' || f.origin || ' ' || f.idx || ' ', '')",
    columns: &[Int, Int, Blob],
    after: joined!("fact" "f" on "f.agreement = ? AND f.bucket = v.column2 AND f.key = v.column3"),
};
pub(super) const FIND_FACTS_RECENT: Bulk =
    FIND_FACTS.with(joined!("fact_recent" "f" on "f.agreement = ? AND f.bucket = v.column2 AND f.key = v.column3"));
pub(super) const FIND_ROWS: Bulk = Bulk {
    rows: Use::Join,
    before: concat!("SELECT ", packed_rows!()),
    columns: &[Int, Int],
    after: joined!("payload" "p" on "p.origin = v.column1 AND p.idx = v.column2 AND p.state IN (1, 7, 8)"),
};
/// The same for PostgreSQL, whose rows cost less to hand over than to pack.
pub(super) const FIND_FACTS_PLAIN: Bulk = Bulk { before: "SELECT v.column1, f.origin, f.idx", ..FIND_FACTS };
/// Those of them that came last.
pub(super) const FIND_FACTS_RECENT_PLAIN: Bulk =
    Bulk { before: "SELECT v.column1, f.origin, f.idx", ..FIND_FACTS_RECENT };
/// The rows, for PostgreSQL.
pub(super) const FIND_ROWS_PLAIN: Bulk = Bulk {
    before: "SELECT p.idx, p.agreement, p.state, p.reason, p.t, p.of_idx, p.record_id, p.kind, p.salt, p.codec, p.body, p.origin",
    ..FIND_ROWS
};
/// What is filed under these keys: (position of the key, origin, index), sorted.
pub(super) async fn filed(
    conn: &mut Session,
    agreement: AgreementNo,
    keys: &[Key],
) -> StoreResult<BTreeSet<(usize, OriginNo, u64)>> {
    // In the order of the table, so that each of its pages is read once.
    let mut asked: Vec<(i64, u16, &Key)> =
        (0..).zip(keys).map(|(position, key)| (position, key.bucket(), key)).collect();
    asked.sort_unstable_by_key(|(_, bucket, key)| (*bucket, *key));
    let bind = |args: &mut Args, (position, bucket, key): &(i64, u16, &Key)| {
        args.push(*position).push(i64::from(*bucket)).push(key.bytes());
    };
    let mut out = BTreeSet::new();
    if conn.is_postgres() {
        for bulk in [FIND_FACTS_PLAIN, FIND_FACTS_RECENT_PLAIN] {
            for row in bulk.fetch(conn, &asked, bind, &[agreement.0]).await? {
                let position = usize::try_from(row.get::<i64>(0)?).map_err(|_| damaged("fact: position"))?;
                out.insert((position, OriginNo(row.get(1)?), unsigned(row.get(2)?, "fact: idx")?));
            }
        }
        return Ok(out);
    }
    for bulk in [FIND_FACTS, FIND_FACTS_RECENT] {
        for row in bulk.fetch(conn, &asked, bind, &[agreement.0]).await? {
            let mut packed = Packed::of(&row)?;
            while !packed.is_empty() {
                let position = usize::try_from(packed.number()?).map_err(|_| damaged("fact: position"))?;
                out.insert((position, OriginNo(packed.number()?), unsigned(packed.number()?, "fact: idx")?));
            }
        }
    }
    Ok(out)
}

/// Whether a row in this state is a flawed entry, with a key of its own.
pub(super) fn is_flaw(state: PayloadState) -> bool {
    matches!(state, PayloadState::Invalid | PayloadState::Quarantined)
}

/// Whether a row in this state is a fact under a key: what is held is under any, a flawed entry only under its own.
pub(super) fn is_fact(key: &Key, state: PayloadState) -> bool {
    state == PayloadState::Held || (is_flaw(state) && key.key_type() == KeyType::Entry)
}

/// The held ones of these rows.
pub(super) async fn held(
    conn: &mut Session,
    wanted: &[(OriginNo, u64)],
) -> StoreResult<BTreeMap<(OriginNo, u64), PayloadRow>> {
    let mut rows = judged(conn, wanted).await?;
    rows.retain(|_, row| row.state == PayloadState::Held);
    Ok(rows)
}

/// Those of these rows that are held or flawed.
pub(super) async fn judged(
    conn: &mut Session,
    wanted: &[(OriginNo, u64)],
) -> StoreResult<BTreeMap<(OriginNo, u64), PayloadRow>> {
    let bind = |args: &mut Args, (origin, index): &(OriginNo, u64)| {
        args.push(origin.0).push(int(*index));
    };
    let mut judged = BTreeMap::new();
    if conn.is_postgres() {
        for row in FIND_ROWS_PLAIN.fetch(conn, wanted, bind, &[]).await? {
            let origin = OriginNo(row.get(11)?);
            let row = payload_row(&row, origin, 0)?;
            judged.insert((origin, row.index), row);
        }
    } else {
        for part in wanted.chunks(ROWS_AT_ONCE) {
            for row in FIND_ROWS.fetch(conn, part, bind, &[]).await? {
                let mut packed = Packed::of(&row)?;
                while !packed.is_empty() {
                    let (origin, row) = packed.row()?;
                    judged.insert((origin, row.index), row);
                }
            }
        }
    }
    // Passed over, it would be missing from a tally without a word.
    let lost = judged.iter().find(|(_, row)| row.state == PayloadState::Held && row.payload.is_none());
    match lost {
        Some(((origin, index), _)) => Err(damaged(format!("payload {} index {index}: held without a body", origin.0))),
        None => Ok(judged),
    }
}
