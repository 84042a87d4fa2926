//! Records that others cite (`record` keys): which keys are to be evaluated again when something comes, and what such a key
//! has in sight besides those who cite.
//!
//! ```text
//! comes: record, correction or withdrawal of a cited id ─back along `of`─▶ ids ─▶ cited? ─▶ queue, nothing filed
//! evaluated: record key ─▶ the record ─forward along `of`─▶ corrections, withdrawal ─▶ what cites a correction (revocations)
//! ```

use super::bulk::Column::{Blob, Int, Text};
use super::bulk::{Args, Bulk, Use, same};
use super::facts;
use super::session::{Row, Session, query, scalar};
use super::value::joined;
use crate::store::number::{damaged, fixed, int, unsigned};
use crate::store::{AgreementNo, OriginNo, PayloadRow, StoreResult, sql};
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_schemas::id::RecordId;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Longest chain of corrections that is followed. A record is corrected a few times; a log that corrects on and on is cut off.
const MAX_CHAIN: usize = 64;

pub(super) const ADD: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO cited (agreement, issuer, id)",
    columns: &[Int, Text, Blob],
    after: same(" ON CONFLICT (agreement, issuer, id) DO NOTHING"),
};
pub(super) const FIND_CITED: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column3",
    columns: &[Int, Text, Blob],
    after: joined!("cited" "c" on "c.agreement = ? AND c.issuer = v.column2 AND c.id = v.column3"),
};
pub(super) const FIND_BEFORE: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT p.record_id, p.of_idx",
    columns: &[Int, Int],
    after: joined!("payload" "p" on "p.origin = v.column1 AND p.idx = v.column2"),
};
pub(super) const FIND_AFTER: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, p.origin, p.idx",
    columns: &[Int, Int, Int],
    after: joined!("payload" "p" by "payload_by_corrected" on "p.origin = v.column2 AND p.of_idx = v.column3 AND p.of_idx IS NOT NULL"),
};
pub(super) const FIND_RECORDS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT v.column1, r.origin, r.idx",
    columns: &[Int, Int, Blob],
    after: joined!("record_id" "r" on "r.origin = v.column2 AND r.id = v.column3"),
};

/// What arrived of one origin under one agreement: rows that are held, with their keys.
pub(super) type Arrived<'a> = [(&'a PayloadRow, &'a [Key])];

/// Notes what arriving records cite.
pub(super) async fn note(conn: &mut Session, agreement: AgreementNo, rows: &Arrived<'_>) -> StoreResult<()> {
    let cited = rows.iter().flat_map(|(_, keys)| keys.iter()).filter_map(Key::cited);
    let cited: BTreeSet<(&str, RecordId)> = cited.collect();
    let cited: Vec<(&str, RecordId)> = cited.into_iter().collect();
    let bind = |args: &mut Args, (issuer, id): &(&str, RecordId)| {
        args.push(agreement.0).push(*issuer).push(bytes(*id));
    };
    ADD.execute(conn, &cited, bind).await?;
    Ok(())
}

/// The `record` keys that arriving records concern because they are what is cited, correct it, withdraw it, or cite a
/// correction of it. Where nothing of the origin is cited this is one look at an index.
pub(super) async fn concerned(
    conn: &mut Session,
    agreement: AgreementNo,
    origin: OriginNo,
    rows: &Arrived<'_>,
) -> StoreResult<Vec<Key>> {
    let issuer: Option<String> = scalar(sql::DID).bind(origin.0).fetch_optional(conn).await?;
    let Some(issuer) = issuer else { return Err(damaged(format!("origin {}", origin.0))) };
    let any: bool = scalar(sql::ANY_CITED).bind(agreement.0).bind(&issuer).fetch_one(conn).await?;
    if !any {
        return Ok(Vec::new());
    }
    let mut ids: BTreeSet<RecordId> = rows.iter().filter_map(|(row, _)| row.id).collect();
    ids.extend(ancestors(conn, origin, &issuer, rows).await?);
    let ids: Vec<RecordId> = ids.into_iter().collect();
    let bind = |args: &mut Args, id: &RecordId| {
        args.push(0_i64).push(issuer.as_str()).push(bytes(*id));
    };
    let found = FIND_CITED.fetch(conn, &ids, bind, &[agreement.0]).await?;
    found.iter().map(|row| Ok(Key::record(&issuer, record_id(row.get(0)?)?))).collect()
}

/// Ids of what rows correct or withdraw, back to the first; and the same of what they cite of their own log.
async fn ancestors(
    conn: &mut Session,
    origin: OriginNo,
    issuer: &str,
    rows: &Arrived<'_>,
) -> StoreResult<BTreeSet<RecordId>> {
    let mut at: BTreeSet<u64> = rows.iter().filter_map(|(row, _)| row.of).collect();
    let own = rows.iter().flat_map(|(_, keys)| keys.iter()).filter_map(Key::cited);
    let own: Vec<(i64, OriginNo, RecordId)> =
        own.filter(|(cited, _)| *cited == issuer).map(|(_, id)| (0, origin, id)).collect();
    at.extend(records(conn, &own).await?.into_iter().map(|(_, _, index)| index));
    let mut ids = BTreeSet::new();
    for _ in 0..MAX_CHAIN {
        if at.is_empty() {
            break;
        }
        let asked: Vec<u64> = std::mem::take(&mut at).into_iter().collect();
        let bind = |args: &mut Args, index: &u64| {
            args.push(origin.0).push(int(*index));
        };
        for row in FIND_BEFORE.fetch(conn, &asked, bind, &[]).await? {
            if let Some(id) = row.get::<Option<&[u8]>>(0)? {
                ids.insert(record_id(id)?);
            }
            if let Some(of) = row.get::<Option<i64>>(1)? {
                at.insert(unsigned(of, "payload: of_idx")?);
            }
        }
    }
    Ok(ids)
}

/// What `record` keys have in sight besides those who cite, held: (position of the key, origin, row), sorted.
pub(super) async fn in_sight(
    conn: &mut Session,
    agreement: AgreementNo,
    keys: &[Key],
) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>> {
    let named: Vec<(i64, &str, RecordId)> =
        (0..).zip(keys).filter_map(|(position, key)| key.cited().map(|(issuer, id)| (position, issuer, id))).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let origins = origins(conn).await?;
    let asked: Vec<(i64, OriginNo, RecordId)> = named
        .iter()
        .flat_map(|(position, issuer, id)| {
            let of_issuer = origins.get(*issuer).map_or(&[][..], Vec::as_slice);
            of_issuer.iter().map(|origin| (*position, *origin, *id))
        })
        .collect();
    let first = records(conn, &asked).await?;
    let later = corrections(conn, &first).await?;
    let revoking = citing_corrections(conn, agreement, keys, &later).await?;
    let all: BTreeSet<(i64, OriginNo, u64)> = first.into_iter().chain(later).chain(revoking).collect();
    let wanted: BTreeSet<(OriginNo, u64)> = all.iter().map(|(_, origin, index)| (*origin, *index)).collect();
    let held = facts::held(conn, &wanted.into_iter().collect::<Vec<_>>()).await?;
    let row = |(position, origin, index): (i64, OriginNo, u64)| {
        let row = held.get(&(origin, index)).filter(|row| row.agreement == agreement)?;
        Some((usize::try_from(position).ok()?, origin, row.clone()))
    };
    Ok(all.into_iter().filter_map(row).collect())
}

/// What corrects or withdraws rows, on and on.
async fn corrections(
    conn: &mut Session,
    first: &BTreeSet<(i64, OriginNo, u64)>,
) -> StoreResult<BTreeSet<(i64, OriginNo, u64)>> {
    let (mut found, mut last) = (BTreeSet::new(), first.clone());
    for _ in 0..MAX_CHAIN {
        let asked: Vec<(i64, OriginNo, u64)> = std::mem::take(&mut last).into_iter().collect();
        if asked.is_empty() {
            break;
        }
        let bind = |args: &mut Args, (position, origin, index): &(i64, OriginNo, u64)| {
            args.push(*position).push(origin.0).push(int(*index));
        };
        for row in FIND_AFTER.fetch(conn, &asked, bind, &[]).await? {
            let next = (row.get(0)?, OriginNo(row.get(1)?), unsigned(row.get(2)?, "payload: idx")?);
            if !first.contains(&next) && found.insert(next) {
                last.insert(next);
            }
        }
    }
    Ok(found)
}

/// What the same city files under the keys of corrections: what revokes a corrected record cites its correction.
async fn citing_corrections(
    conn: &mut Session,
    agreement: AgreementNo,
    keys: &[Key],
    later: &BTreeSet<(i64, OriginNo, u64)>,
) -> StoreResult<Vec<(i64, OriginNo, u64)>> {
    let rows: Vec<(OriginNo, u64)> = later.iter().map(|(_, origin, index)| (*origin, *index)).collect();
    let held = facts::held(conn, &rows).await?;
    let (mut under, mut owners) = (Vec::new(), Vec::new());
    for (position, origin, index) in later {
        let key = usize::try_from(*position).ok().and_then(|position| keys.get(position));
        let id = held.get(&(*origin, *index)).and_then(|row| row.id);
        if let (Some((issuer, _)), Some(id)) = (key.and_then(Key::cited), id) {
            under.push(Key::record(issuer, id));
            owners.push((*position, *origin));
        }
    }
    let filed = facts::filed(conn, agreement, &under).await?;
    let of_issuer = |(at, origin, index): (usize, OriginNo, u64)| {
        owners.get(at).filter(|(_, own)| *own == origin).map(|(position, _)| (*position, origin, index))
    };
    Ok(filed.into_iter().filter_map(of_issuer).collect())
}

/// Where records stand in logs: (position, origin, index).
async fn records(
    conn: &mut Session,
    asked: &[(i64, OriginNo, RecordId)],
) -> StoreResult<BTreeSet<(i64, OriginNo, u64)>> {
    let bind = |args: &mut Args, (position, origin, id): &(i64, OriginNo, RecordId)| {
        args.push(*position).push(origin.0).push(bytes(*id));
    };
    let rows = FIND_RECORDS.fetch(conn, asked, bind, &[]).await?;
    let at = |row: &Row| Ok((row.get(0)?, OriginNo(row.get(1)?), unsigned(row.get(2)?, "record_id: idx")?));
    rows.iter().map(at).collect()
}

/// Origins by DID: a host may have several, on different paths.
async fn origins(conn: &mut Session) -> StoreResult<HashMap<String, Vec<OriginNo>>> {
    let mut origins: HashMap<String, Vec<OriginNo>> = HashMap::new();
    for row in query(sql::DIDS).fetch_all(conn).await? {
        origins.entry(row.get(0)?).or_default().push(OriginNo(row.get(1)?));
    }
    Ok(origins)
}

/// Whether any of the keys is of a cited record.
pub(super) fn any(keys: &[Key]) -> bool {
    keys.iter().any(|key| key.key_type() == KeyType::Record)
}

fn bytes(id: RecordId) -> Vec<u8> {
    id.uuid().into_bytes().to_vec()
}

fn record_id(bytes: &[u8]) -> StoreResult<RecordId> {
    let uuid = Uuid::from_bytes(fixed(bytes, "cited: id")?);
    RecordId::from_uuid(uuid).map_err(|_| damaged("cited: id"))
}
