//! Writing payload rows with their record ids, dirty keys and drafts, for the own log and for replicas.

use super::bulk::Column::{Blob, Int, Text};
use super::bulk::{Args, Bulk, NOTHING, Use, same};
use super::payload::{draft_hash, find_drafts, find_ids};
use super::session::{Session, query, scalar};
use super::{cited, facts, packed, states};
use crate::store::number::{count, damaged, int, of_kind};
use crate::store::{AgreementNo, Early, OWN, OriginNo, OwnRecord, PayloadRow, StoreError, StoreResult, sql};
use hefu_federation::append::Plan;
use hefu_federation::pull::{Check, PayloadState};
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::RecordId;
use std::collections::{BTreeMap, HashSet};

/// Own entries after which the newest draft keys move over to the large table: about 400 KB gather.
const DRAFTS_RECENT: u64 = 16_384;

pub(super) const ABSORB: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO payload (origin, idx, agreement, state, reason, t, of_idx, record_id, kind, salt, codec, body)",
    columns: &[Int, Int, Int, Int, Text, Int, Int, Blob, Int, Blob, Int, Blob],
    after: same(
        " ON CONFLICT (origin, idx) DO UPDATE SET state = excluded.state, reason = excluded.reason, \
            record_id = excluded.record_id, kind = excluded.kind, salt = excluded.salt, codec = excluded.codec, \
            body = excluded.body WHERE payload.state <> 1 AND payload.agreement = excluded.agreement",
    ),
};
pub(super) const ADD_OWN: Bulk = ABSORB.with(NOTHING);
pub(super) const ADD_IDS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO record_id (origin, id, idx)",
    columns: &[Int, Blob, Int],
    after: same(" ON CONFLICT (origin, id) DO NOTHING"),
};
pub(super) const ADD_DIRTY: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO dirty (agreement, seq, key, origin, idx)",
    columns: &[Int, Int, Blob, Int, Int],
    after: NOTHING,
};
pub(super) const ADD_DRAFTS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO draft (idx, draft_id, content, size)",
    columns: &[Int, Text, Blob, Int],
    after: NOTHING,
};
pub(super) const ADD_DRAFT_KEYS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO draft_key_recent (hash, idx)",
    columns: &[Int, Int],
    after: NOTHING,
};
pub(super) const MOVE_DRAFT_KEYS: &str =
    "INSERT INTO draft_key (hash, idx) SELECT hash, idx FROM draft_key_recent ORDER BY hash, idx";
pub(super) const CLEAR_DRAFT_KEYS: &str = "DELETE FROM draft_key_recent";

/// The index in the queue of a key that is to be looked at again, without an entry to be filed under it.
pub(super) const NOTHING_FILED: i64 = -1;

/// Rows to be written by index, with their keys.
pub(super) type Fresh<'a> = BTreeMap<u64, (&'a PayloadRow, &'a [Key])>;

/// A row to be written, with what the check of its id made of it.
struct NewRow<'a> {
    row: &'a PayloadRow,
    state: PayloadState,
    reason: Option<&'a str>,
    keys: &'a [Key],
}

/// Stores what was judged of a page; the indexes turned down for their id.
pub(super) async fn absorb(
    conn: &mut Session,
    origin: OriginNo,
    fresh: Fresh<'_>,
    early: &[Early],
) -> StoreResult<Vec<u64>> {
    let refused = note_ids(conn, origin, &fresh).await?;
    let early: Vec<&Early> = early.iter().filter(|early| !refused.contains(&early.correction.of)).collect();
    let rows: Vec<NewRow<'_>> = fresh.into_values().map(|(row, keys)| judged(row, keys, &refused)).collect();
    write_rows(conn, &ABSORB, origin, &rows, &early).await?;
    let mut refused: Vec<u64> = refused.into_iter().collect();
    refused.sort_unstable();
    Ok(refused)
}

/// Stores own records; their ids must be new and their drafts unpublished.
pub(super) async fn add_own(conn: &mut Session, plan: &Plan, records: &[OwnRecord]) -> StoreResult<()> {
    let fresh: Fresh<'_> = records.iter().map(|r| (r.row.index, (&r.row, r.keys.as_slice()))).collect();
    let refused = note_ids(conn, OWN, &fresh).await?;
    if let Some(index) = refused.iter().next() {
        return Err(StoreError::Differs { what: format!("record id of entry {index}") });
    }
    let rows: Vec<NewRow<'_>> = fresh.into_values().map(|(row, keys)| judged(row, keys, &refused)).collect();
    write_rows(conn, &ADD_OWN, OWN, &rows, &[]).await?;
    add_drafts(conn, plan, records).await
}

/// Notes the ids of the rows in index order; the indexes whose id stands at another one (check `id-new`). Of two rows of
/// the batch with one id the earlier entry keeps it.
async fn note_ids(conn: &mut Session, origin: OriginNo, fresh: &Fresh<'_>) -> StoreResult<HashSet<u64>> {
    let taking = fresh.values().filter(|(row, _)| row.state.takes_id());
    let ids: Vec<(RecordId, u64)> = taking.filter_map(|(row, _)| Some((row.id?, row.index))).collect();
    let bind = |args: &mut Args, (id, index): &(RecordId, u64)| {
        args.push(origin.0).push(id.uuid().into_bytes().to_vec()).push(int(*index));
    };
    if ADD_IDS.execute(conn, &ids, bind).await? == count(&ids) {
        return Ok(HashSet::new());
    }
    let asked: Vec<(i64, RecordId)> = (0..).zip(ids.iter().map(|(id, _)| *id)).collect();
    let stored = find_ids(conn, origin, &asked).await?;
    let elsewhere = |(position, (_, index)): (i64, (RecordId, u64))| {
        stored.get(&position).is_some_and(|at| *at != index).then_some(index)
    };
    Ok((0..).zip(ids).filter_map(elsewhere).collect())
}

fn judged<'a>(row: &'a PayloadRow, keys: &'a [Key], refused: &HashSet<u64>) -> NewRow<'a> {
    if refused.contains(&row.index) {
        return NewRow { row, state: PayloadState::Invalid, reason: Some(Check::IdNew.code()), keys: &[] };
    }
    NewRow { row, state: row.state, reason: row.reason.as_deref(), keys }
}

/// Writes payload rows and dirty keys, and drops the digests of the blocks that change.
async fn write_rows(
    conn: &mut Session,
    bulk: &Bulk,
    origin: OriginNo,
    rows: &[NewRow<'_>],
    early: &[&Early],
) -> StoreResult<()> {
    let bind = |args: &mut Args, new: &NewRow<'_>| {
        let (row, payload) = (new.row, new.row.payload.as_ref());
        args.push(origin.0).push(int(row.index)).push(row.agreement.0).push(new.state.number()).push(new.reason);
        args.push(row.t).push(row.of.map(int)).push(row.id.map(|id| id.uuid().into_bytes().to_vec()));
        args.push(row.kind.map(of_kind)).push(payload.map(|p| p.salt.to_vec()));
        args.push(payload.map(|p| i64::from(p.codec))).push(payload.map(|p| p.body.as_slice()));
    };
    if bulk.execute(conn, rows, bind).await? != count(rows) {
        return Err(StoreError::Differs { what: format!("payload {}: agreement of a row", origin.0) });
    }
    // Only what is held is a fact: keys of anything else wait until it is, but for those of flawed entries.
    let mut keys: BTreeMap<AgreementNo, Vec<(Option<u64>, &Key)>> = BTreeMap::new();
    for new in rows.iter().filter(|new| new.state == PayloadState::Held || facts::is_flaw(new.state)) {
        let queue = keys.entry(new.row.agreement).or_default();
        let filed = new.keys.iter().filter(|key| facts::is_fact(key, new.state));
        queue.extend(filed.map(|key| (Some(new.row.index), key)));
    }
    for Early { correction, keys: of_corrected } in early {
        let queue = keys.entry(correction.agreement).or_default();
        queue.extend(of_corrected.iter().map(|key| (Some(correction.index), key)));
    }
    for (agreement, mut keys) in keys {
        let held = rows.iter().filter(|new| new.state == PayloadState::Held && new.row.agreement == agreement);
        let arrived: Vec<(&PayloadRow, &[Key])> = held.map(|new| (new.row, new.keys)).collect();
        // What cites and what is cited may arrive at once by two servers: the second must see the first.
        conn.lock(sql::LOCK_AGREEMENT, agreement.0).await?;
        cited::note(conn, agreement, &arrived).await?;
        let concerned = cited::concerned(conn, agreement, origin, &arrived).await?;
        keys.extend(concerned.iter().map(|key| (None, key)));
        queue(conn, agreement, origin, &keys).await?;
    }
    states::touch(conn, origin, rows.iter().map(|new| (new.row.agreement, new.row.index))).await
}

/// Queues keys to be evaluated, with the entry that was filed under them, if any.
pub(super) async fn queue(
    conn: &mut Session,
    agreement: AgreementNo,
    origin: OriginNo,
    keys: &[(Option<u64>, &Key)],
) -> StoreResult<()> {
    let numbers = int(count(keys));
    let query = scalar(sql::QUEUE).bind(agreement.0).bind(numbers);
    let last: Option<i64> = query.fetch_optional(conn).await?;
    let last = last.ok_or_else(|| damaged(format!("agreement {}: no such row", agreement.0)))?;
    let rows: Vec<(i64, Option<u64>, &Key)> =
        (last - numbers + 1..).zip(keys).map(|(seq, (index, key))| (seq, *index, *key)).collect();
    let bind = |args: &mut Args, (seq, index, key): &(i64, Option<u64>, &Key)| {
        args.push(agreement.0).push(*seq).push(packed::pack(key)).push(origin.0).push(index.map_or(NOTHING_FILED, int));
    };
    ADD_DIRTY.execute(conn, &rows, bind).await?;
    Ok(())
}

/// Stores the drafts of own records, and now and then moves the newest keys over to the large table.
async fn add_drafts(conn: &mut Session, plan: &Plan, records: &[OwnRecord]) -> StoreResult<()> {
    let size = plan.head.range.size();
    let first = plan.entries.first().map_or(size, |entry| entry.index);
    let mut ids = HashSet::with_capacity(records.len());
    for record in records {
        // Record id and leaf hash are found by the index again, in `payload` and in the bundle.
        let stands = (first..size).contains(&record.row.index) && record.row.id.is_some();
        if !stands || !ids.insert(record.draft_id.as_str()) {
            return Err(StoreError::Differs { what: format!("draft of entry {}", record.row.index) });
        }
    }
    let asked: Vec<(i64, &str)> = (0..).zip(records.iter().map(|record| record.draft_id.as_str())).collect();
    if let Some(row) = find_drafts(conn, &asked).await?.into_values().next() {
        return Err(StoreError::Differs { what: format!("draft of entry {}", row.index) });
    }
    let bind = |args: &mut Args, record: &OwnRecord| {
        args.push(int(record.row.index)).push(record.draft_id.as_str()).push(record.content.0.to_vec());
        args.push(int(size));
    };
    ADD_DRAFTS.execute(conn, records, bind).await?;
    let bind = |args: &mut Args, record: &OwnRecord| {
        args.push(draft_hash(&record.draft_id)).push(int(record.row.index));
    };
    ADD_DRAFT_KEYS.execute(conn, records, bind).await?;
    if first / DRAFTS_RECENT != size / DRAFTS_RECENT {
        query(MOVE_DRAFT_KEYS).execute(conn).await?;
        query(CLEAR_DRAFT_KEYS).execute(conn).await?;
    }
    Ok(())
}
