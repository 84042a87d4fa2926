//! Payloads, own and of peers; record ids; drafts.

use super::Database;
use super::bulk::Column::{Blob, Int};
use super::bulk::{Args, Bulk, Use, same};
use super::row::{draft_row, payload_row, record_id};
use super::rows::{Packed, ROWS_AT_ONCE, packed_rows};
use super::session::{Row, Session, query, scalar};
use super::transaction;
use super::value::{Sql, by_index, indexes, joined};
use super::{log, search, states, write};
use crate::store::number::{damaged, int, limit, state, unsigned};
use crate::store::{
    AgreementNo, DraftRow, Early, Found, OWN, OriginNo, PayloadRow, PayloadStore, Search, StoreResult, sql,
};
use async_trait::async_trait;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::{Digest, RecordId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Rows of an agreement by index; packed on SQLite.
pub(super) const ROWS: Sql = Sql {
    sqlite: concat!(
        "SELECT ",
        packed_rows!(),
        " FROM (SELECT * FROM payload INDEXED BY payload_by_agreement \
         WHERE origin = $1 AND agreement = $2 AND idx >= $3 AND idx < $4 ORDER BY idx LIMIT $5) AS p"
    ),
    postgres: "SELECT idx, agreement, state, reason, t, of_idx, record_id, kind, salt, codec, body FROM payload \
               WHERE origin = $1 AND agreement = $2 AND idx >= $3 AND idx < $4 ORDER BY idx LIMIT $5",
};
/// Indexes of rows still to be fetched; packed on SQLite. (The list of states is that of the partial index, word for word.)
pub(super) const WANTED: Sql = indexes!(
    "SELECT idx FROM payload",
    "payload_wanted",
    "WHERE origin = $1 AND agreement = $2 \
     AND idx >= $3 AND idx < $4 AND state IN (0, 2, 4) AND state = 0 ORDER BY idx LIMIT $5"
);
/// The same with those asked for before.
pub(super) const WANTED_AGAIN: Sql = indexes!(
    "SELECT idx FROM payload",
    "payload_wanted",
    "WHERE origin = $1 AND agreement = $2 \
     AND idx >= $3 AND idx < $4 AND state IN (0, 2, 4) ORDER BY idx LIMIT $5"
);
pub(super) const ADD_WANTED: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO payload (origin, idx, agreement, state, t, of_idx)",
    columns: &[Int, Int, Int, Int, Int, Int],
    after: same(" ON CONFLICT (origin, idx) DO NOTHING"),
};
pub(super) const HELD_AMONG: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT p.idx",
    columns: &[Int],
    after: joined!("payload" "p" on "p.origin = ? AND p.idx = v.column1 AND p.state = 1"),
};
pub(super) const FIND_IDS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, r.idx",
    columns: &[Int, Blob],
    after: joined!("record_id" "r" on "r.origin = ? AND r.id = v.column2"),
};
pub(super) const FIND_DRAFTS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, d.draft_id, d.content, d.idx, d.size",
    columns: &[Int, Int],
    after: joined!("draft_key" "k" on "k.hash = v.column2", "draft" "d" on "d.idx = k.idx"),
};
pub(super) const FIND_DRAFTS_RECENT: Bulk =
    FIND_DRAFTS.with(joined!("draft_key_recent" "k" on "k.hash = v.column2", "draft" "d" on "d.idx = k.idx"));
/// Record ids by index: they stay when a record is erased.
pub(super) const FIND_RECORD_IDS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT p.idx, p.record_id",
    columns: &[Int],
    after: joined!("payload" "p" on "p.origin = ? AND p.idx = v.column1"),
};
/// Whether a row is held in a range of indexes.
pub(super) const ANY_HELD: Sql = by_index!(
    "SELECT EXISTS (SELECT 1 FROM payload",
    "payload_by_agreement",
    "WHERE origin = $1 AND agreement = $2 AND idx >= $3 AND idx <= $4 AND state = 1)"
);

#[async_trait]
impl PayloadStore for Database {
    async fn labelled_until(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<u64> {
        let query = scalar(sql::LABEL_CURSOR).bind(origin.0).bind(agreement.0);
        let until: Option<i64> = query.fetch_optional(&mut self.reader().await?).await?;
        unsigned(until.unwrap_or(0), "label_cursor: until")
    }

    async fn add_wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        rows: &[(u64, i64, Option<u64>)],
        until: u64,
    ) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            tx.lock(sql::LOCK_HEAD, origin.0).await?;
            let bind = |args: &mut Args, (index, t, of): &(u64, i64, Option<u64>)| {
                args.push(origin.0).push(int(*index)).push(agreement.0).push(PayloadState::Wanted.number());
                args.push(*t).push(of.map(int));
            };
            ADD_WANTED.execute(&mut tx, rows, bind).await?;
            states::touch(&mut tx, origin, rows.iter().map(|(index, _, _)| (agreement, *index))).await?;
            let query = query(sql::SET_LABEL_CURSOR).bind(origin.0).bind(agreement.0).bind(int(until));
            query.execute(&mut tx).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    async fn wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        retry: bool,
        most: usize,
    ) -> StoreResult<Vec<u64>> {
        let query = query(if retry { WANTED_AGAIN } else { WANTED }).bind(origin.0);
        let query = query.bind(agreement.0).bind(int(from)).bind(int(until)).bind(limit(most));
        let mut conn = self.reader().await?;
        if conn.is_postgres() {
            let rows = query.fetch_all(&mut conn).await?;
            return rows.iter().map(|row| unsigned(row.get(0)?, "payload: idx")).collect();
        }
        let row = query.fetch_one(&mut conn).await?;
        let (mut packed, mut indexes) = (Packed::of(&row)?, Vec::new());
        while !packed.is_empty() {
            indexes.push(unsigned(packed.number()?, "payload: idx")?);
        }
        Ok(indexes)
    }

    async fn absorb(
        &self,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
        early: &[Early],
    ) -> StoreResult<Vec<u64>> {
        transaction!({
            let mut tx = self.begin().await?;
            tx.lock(sql::LOCK_HEAD, origin.0).await?;
            let held = held_among(&mut tx, origin, rows).await?;
            // In index order, so that of two rows of the batch with one id the earlier entry keeps it.
            let mut fresh = BTreeMap::new();
            for (row, keys) in rows.iter().filter(|(row, _)| !held.contains(&row.index)) {
                fresh.entry(row.index).or_insert((row, keys.as_slice()));
            }
            let turned_down = write::absorb(&mut tx, origin, fresh, early).await?;
            // If we stop here nothing was written, and the page is asked for again.
            tx.commit().await?;
            Ok(turned_down)
        })
    }

    async fn rows(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        most: usize,
    ) -> StoreResult<Vec<PayloadRow>> {
        let query = |from: u64, most: usize| {
            query(ROWS).bind(origin.0).bind(agreement.0).bind(int(from)).bind(int(until)).bind(limit(most))
        };
        let mut tx = self.snapshot().await?;
        if tx.is_postgres() {
            let rows = query(from, most).fetch_all(&mut tx).await?;
            return rows.iter().map(|row| payload_row(row, origin, 0)).collect();
        }
        let (mut rows, mut from) = (Vec::new(), from);
        loop {
            let before = rows.len();
            let step = most.saturating_sub(before).min(ROWS_AT_ONCE);
            let row = query(from, step).fetch_one(&mut tx).await?;
            let mut packed = Packed::of(&row)?;
            while !packed.is_empty() {
                rows.push(packed.row()?.1);
            }
            let Some(last) = rows.last().filter(|_| step > 0 && rows.len() == before + step) else { return Ok(rows) };
            from = last.index + 1;
        }
    }

    async fn row(&self, origin: OriginNo, index: u64) -> StoreResult<Option<PayloadRow>> {
        let query = query(sql::ROW).bind(origin.0).bind(int(index));
        let row = query.fetch_optional(&mut self.reader().await?).await?;
        row.map(|row| payload_row(&row, origin, 0)).transpose()
    }

    async fn search(&self, search: Search<'_>, limit: usize) -> StoreResult<Found> {
        search::page(&mut self.snapshot().await?, &search, limit).await
    }

    async fn index_of(&self, origin: OriginNo, id: RecordId) -> StoreResult<Option<u64>> {
        Ok(self.indexes_of(origin, &[id]).await?.into_iter().next().flatten())
    }

    async fn indexes_of(&self, origin: OriginNo, ids: &[RecordId]) -> StoreResult<Vec<Option<u64>>> {
        let mut conn = self.reader().await?;
        let asked: Vec<(i64, RecordId)> = (0..).zip(ids.iter().copied()).collect();
        let found = find_ids(&mut conn, origin, &asked).await?;
        Ok(asked.iter().map(|(position, _)| found.get(position).copied()).collect())
    }

    async fn drafts(&self, draft_ids: &[&str]) -> StoreResult<Vec<Option<DraftRow>>> {
        let asked: Vec<(i64, &str)> = (0..).zip(draft_ids.iter().copied()).collect();
        let mut tx = self.snapshot().await?;
        let mut found = find_drafts(&mut tx, &asked).await?;
        Ok(asked.iter().map(|(position, _)| found.remove(position)).collect())
    }

    async fn state_counts(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<Vec<(PayloadState, u64)>> {
        let row =
            query(sql::STATE_COUNTS).bind(origin.0).bind(agreement.0).fetch_one(&mut self.reader().await?).await?;
        let mut counts = Vec::new();
        for (number, column) in (0..).zip(0..row.len()) {
            let count = unsigned(row.get(column)?, "payload: count")?;
            if count > 0 {
                counts.push((state(number, "payload: state")?, count));
            }
        }
        Ok(counts)
    }

    async fn states_digest(&self, origin: OriginNo, agreement: AgreementNo, size: u64) -> StoreResult<Digest> {
        self.digest_of_states(origin, agreement, size).await
    }
}

/// Indexes of record ids of a log, by the position in which they were asked for.
pub(super) async fn find_ids(
    conn: &mut Session,
    origin: OriginNo,
    asked: &[(i64, RecordId)],
) -> StoreResult<HashMap<i64, u64>> {
    let bind = |args: &mut Args, (position, id): &(i64, RecordId)| {
        args.push(*position).push(id.uuid().into_bytes().to_vec());
    };
    let rows = FIND_IDS.fetch(conn, asked, bind, &[origin.0]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, unsigned(row.get(1)?, "record_id: idx")?))).collect()
}

/// Drafts by the position in which they were asked for. All tables must be read in one transaction: a draft that moves
/// from one to the other is then in exactly one of them.
pub(super) async fn find_drafts(conn: &mut Session, asked: &[(i64, &str)]) -> StoreResult<HashMap<i64, DraftRow>> {
    let bind = |args: &mut Args, (position, id): &(i64, &str)| {
        args.push(*position).push(draft_hash(id));
    };
    let mut alike = Vec::new();
    for bulk in [FIND_DRAFTS_RECENT, FIND_DRAFTS] {
        alike.append(&mut bulk.fetch(conn, asked, bind, &[]).await?);
    }
    // Nearly always nothing is known of a draft.
    if alike.is_empty() {
        return Ok(HashMap::new());
    }
    // Others may share the first bytes of the hash.
    let draft_ids: HashMap<i64, &str> = asked.iter().copied().collect();
    let mut rows = Vec::with_capacity(alike.len());
    for row in alike {
        if draft_ids.get(&row.get(0)?) == Some(&row.get(1)?) {
            rows.push(row);
        }
    }
    let indexes: BTreeSet<u64> =
        rows.iter().map(|row| unsigned(row.get(3)?, "draft: idx")).collect::<StoreResult<_>>()?;
    let (ids, leaves) = (record_ids(conn, &indexes).await?, log::leaves(conn, OWN, &indexes).await?);
    let draft = |row: &Row| {
        let index = unsigned(row.get(3)?, "draft: idx")?;
        let of_entry = || damaged(format!("draft: idx {index}"));
        let (id, leaf_hash) = ids.get(&index).zip(leaves.get(&index)).ok_or_else(of_entry)?;
        Ok((row.get(0)?, draft_row(row, *id, index, *leaf_hash)?))
    };
    rows.iter().map(draft).collect()
}

/// Record ids of own entries.
async fn record_ids(conn: &mut Session, indexes: &BTreeSet<u64>) -> StoreResult<HashMap<u64, RecordId>> {
    let indexes: Vec<u64> = indexes.iter().copied().collect();
    let bind = |args: &mut Args, index: &u64| {
        args.push(int(*index));
    };
    let rows = FIND_RECORD_IDS.fetch(conn, &indexes, bind, &[OWN.0]).await?;
    rows.iter().map(|row| Ok((unsigned(row.get(0)?, "payload: idx")?, record_id(row.get(1)?)?))).collect()
}

/// The first 8 bytes of SHA-256(draft id), under which `draft_key` finds it.
pub(super) fn draft_hash(draft_id: &str) -> i64 {
    let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(draft_id.as_bytes());
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The indexes of the rows that are held already.
async fn held_among(
    conn: &mut Session,
    origin: OriginNo,
    rows: &[(PayloadRow, Vec<Key>)],
) -> StoreResult<HashSet<u64>> {
    // Most pages are of entries of which nothing is held yet: one look at the index tells.
    let mut ranges: BTreeMap<AgreementNo, (u64, u64)> = BTreeMap::new();
    for (row, _) in rows {
        let (from, to) = ranges.entry(row.agreement).or_insert((row.index, row.index));
        (*from, *to) = ((*from).min(row.index), (*to).max(row.index));
    }
    let mut any = false;
    for (agreement, (from, to)) in ranges {
        let query = scalar(ANY_HELD).bind(origin.0).bind(agreement.0).bind(int(from)).bind(int(to));
        let held: bool = query.fetch_one(conn).await?;
        any |= held;
    }
    if !any {
        return Ok(HashSet::new());
    }
    let bind = |args: &mut Args, (row, _): &(PayloadRow, Vec<Key>)| {
        args.push(int(row.index));
    };
    let held = HELD_AMONG.fetch(conn, rows, bind, &[origin.0]).await?;
    held.iter().map(|row| unsigned(row.get(0)?, "payload: idx")).collect()
}
