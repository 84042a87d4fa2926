//! Facts of many keys at a time.
//!
//! Handing over a row from the database's thread costs more than finding it, and a reconciliation reads two rows or more a
//! key. So SQLite packs many rows into one value, and they are taken apart here.

use super::bulk::Column::{Blob, Int};
use super::bulk::{Args, Bulk, Use};
use super::row::payload_row;
use super::session::Session;
use super::value::joined;
use crate::store::number::{damaged, fixed, int, kind, state, unsigned};
use crate::store::{AgreementNo, OriginNo, Payload, PayloadRow, StoreResult};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_schemas::id::RecordId;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(super) const FIND_FACTS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT GROUP_CONCAT(v.column1 || ' ' || f.origin || ' ' || f.idx || ' ', '')",
    columns: &[Int, Int, Blob],
    after: joined!("fact" "f" on "f.agreement = ? AND f.bucket = v.column2 AND f.key = v.column3"),
};
pub(super) const FIND_FACTS_RECENT: Bulk =
    FIND_FACTS.with(joined!("fact_recent" "f" on "f.agreement = ? AND f.bucket = v.column2 AND f.key = v.column3"));
/// Numbers in decimal, each with a space behind it (-1 for null), then the bytes that the last four of them are the lengths of.
/// `||` joins the bytes of blobs as they are, and so does the cast back.
pub(super) const FIND_ROWS: Bulk = Bulk {
    rows: Use::Join,
    before: "SELECT CAST(GROUP_CONCAT(p.origin || ' ' || p.idx || ' ' || p.agreement || ' ' || p.t || ' ' \
             || p.state || ' ' || IFNULL(p.of_idx, -1) || ' ' || IFNULL(p.kind, -1) || ' ' || IFNULL(p.codec, -1) || ' ' \
             || IFNULL(LENGTH(p.record_id), -1) || ' ' || IFNULL(LENGTH(p.salt), -1) || ' ' \
             || IFNULL(LENGTH(p.body), -1) || ' ' || IFNULL(LENGTH(CAST(p.reason AS BLOB)), -1) || ' ' \
             || IFNULL(p.record_id, x'') || IFNULL(p.salt, x'') || IFNULL(p.body, x'') || IFNULL(p.reason, ''), '') AS BLOB)",
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
/// Rows of one packed value: even if each were as long as a record may be, it would have 16 MiB.
const ROWS_AT_ONCE: usize = 64;

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
            let mut packed = Packed(row.get::<Option<&[u8]>>(0)?.unwrap_or_default());
            while !packed.0.is_empty() {
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
    let mut held = BTreeMap::new();
    if conn.is_postgres() {
        for row in FIND_ROWS_PLAIN.fetch(conn, wanted, bind, &[]).await? {
            let origin = OriginNo(row.get(11)?);
            let row = payload_row(&row, origin, 0)?;
            held.insert((origin, row.index), row);
        }
        return Ok(held);
    }
    for part in wanted.chunks(ROWS_AT_ONCE) {
        for row in FIND_ROWS.fetch(conn, part, bind, &[]).await? {
            let mut packed = Packed(row.get::<Option<&[u8]>>(0)?.unwrap_or_default());
            while !packed.0.is_empty() {
                let (origin, row) = packed.row()?;
                held.insert((origin, row.index), row);
            }
        }
    }
    Ok(held)
}

/// Packed rows, read from the front.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn number(&mut self) -> StoreResult<i64> {
        let space = self.0.iter().position(|byte| *byte == b' ').ok_or_else(|| damaged("fact: packed row"))?;
        let text = std::str::from_utf8(self.bytes(space)?).ok().and_then(|text| text.parse().ok());
        self.bytes(1)?;
        text.ok_or_else(|| damaged("fact: packed row"))
    }

    fn bytes(&mut self, len: usize) -> StoreResult<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(|| damaged("fact: packed row"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes of a length that may be that of a null.
    fn blob(&mut self, len: i64) -> StoreResult<Option<&'a [u8]>> {
        usize::try_from(len).ok().map(|len| self.bytes(len)).transpose()
    }

    fn row(&mut self) -> StoreResult<(OriginNo, PayloadRow)> {
        let origin = OriginNo(self.number()?);
        let index = unsigned(self.number()?, "payload: idx")?;
        let what = |column: &str| format!("payload {} index {index}: {column}", origin.0);
        let (agreement, t) = (AgreementNo(self.number()?), self.number()?);
        let state = state(self.number()?, "payload: state")?;
        let (of, kind_number, codec) = (self.number()?, self.number()?, self.number()?);
        let (id, salt, body, reason) = (self.number()?, self.number()?, self.number()?, self.number()?);
        let (id, salt, body, reason) = (self.blob(id)?, self.blob(salt)?, self.blob(body)?, self.blob(reason)?);
        let payload = match (salt, body, u8::try_from(codec)) {
            (Some(salt), Some(body), Ok(codec)) => {
                Some(Payload { salt: fixed(salt, &what("salt"))?, codec, body: body.to_vec() })
            }
            (None, None, Err(_)) if state != PayloadState::Held => None,
            _ => return Err(damaged(what("payload"))),
        };
        let record_id = |id: &[u8]| {
            let uuid = Uuid::from_bytes(fixed(id, &what("record_id"))?);
            RecordId::from_uuid(uuid).map_err(|_| damaged(what("record_id")))
        };
        let row = PayloadRow {
            index,
            agreement,
            state,
            reason: reason.map(|reason| String::from_utf8_lossy(reason).into_owned()),
            t,
            of: u64::try_from(of).ok(),
            id: id.map(record_id).transpose()?,
            kind: (kind_number >= 0).then(|| kind(kind_number, "payload: kind")).transpose()?,
            payload,
        };
        Ok((origin, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_cut_short_is_damaged() {
        let salt = [7_u8; 32];
        let whole = [b"2 9 3 50 1 -1 1 1 -1 32 4 2 ".as_slice(), &salt, b"\0\xff 1ok"].concat();
        let (origin, row) = Packed(&whole).row().unwrap();
        assert_eq!((origin, row.index, row.of, row.id), (OriginNo(2), 9, None, None));
        assert_eq!((row.reason.as_deref(), row.payload.unwrap().body.as_slice()), (Some("ok"), b"\0\xff 1".as_slice()));
        for len in 0..whole.len() {
            assert!(Packed(&whole[..len]).row().is_err(), "{len}");
        }
        // Without a payload a row may be flawed, and not held.
        let (_, row) = Packed(b"2 9 3 50 7 -1 1 -1 -1 -1 -1 -1 ").row().unwrap();
        assert_eq!((row.state, row.payload), (PayloadState::Invalid, None));
        assert!(Packed(b"2 9 3 50 1 -1 1 -1 -1 -1 -1 -1 ").row().is_err());
        assert!(Packed(b"2 9 3 50 1 -1 9 1 -1 0 0 0 ").row().is_err());
    }
}
