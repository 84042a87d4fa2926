//! Reading rows of `payload` and `draft`.

use crate::store::number::{damaged, fixed, kind, state, unsigned, unsigned_option};
use crate::store::{AgreementNo, DraftRow, OriginNo, Payload, PayloadRow, StoreResult};
use hefu_federation::tree::Hash;
use hefu_schemas::id::{Digest, RecordId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

/// Reads `idx, agreement, state, reason, t, of_idx, record_id, kind, salt, codec, body`, which begin at column `at`.
pub(super) fn payload_row(row: &SqliteRow, origin: OriginNo, at: usize) -> StoreResult<PayloadRow> {
    let index = unsigned(row.try_get(at)?, "payload: idx")?;
    // Only a damaged row pays for the text.
    read(row, index, at).map_err(|error| match error {
        crate::store::StoreError::Damaged { what } => damaged(format!("payload {} index {index}: {what}", origin.0)),
        error => error,
    })
}

fn read(row: &SqliteRow, index: u64, at: usize) -> StoreResult<PayloadRow> {
    let id: Option<&[u8]> = row.try_get(at + 6)?;
    let number: Option<i64> = row.try_get(at + 7)?;
    let body: Option<Vec<u8>> = row.try_get(at + 10)?;
    let payload = body.map(|body| {
        let codec = u8::try_from(row.try_get::<i64, _>(at + 9)?).map_err(|_| damaged("codec"))?;
        StoreResult::Ok(Payload { salt: fixed(row.try_get(at + 8)?, "salt")?, codec, body })
    });
    Ok(PayloadRow {
        index,
        agreement: AgreementNo(row.try_get(at + 1)?),
        state: state(row.try_get(at + 2)?, "state")?,
        reason: row.try_get(at + 3)?,
        t: row.try_get(at + 4)?,
        of: unsigned_option(row.try_get(at + 5)?, "of_idx")?,
        id: id.map(record_id).transpose()?,
        kind: number.map(|number| kind(number, "kind")).transpose()?,
        payload: payload.transpose()?,
    })
}

fn record_id(bytes: &[u8]) -> StoreResult<RecordId> {
    RecordId::from_uuid(Uuid::from_bytes(fixed(bytes, "record_id")?)).map_err(|_| damaged("record_id"))
}

/// Reads `draft_id, content, record_id, idx, leaf_hash, size`, which begin at column 1.
pub(super) fn draft_row(row: &SqliteRow) -> StoreResult<DraftRow> {
    Ok(DraftRow {
        draft_id: row.try_get(1)?,
        content: Digest(fixed(row.try_get(2)?, "draft: content")?),
        id: record_id(row.try_get(3)?)?,
        index: unsigned(row.try_get(4)?, "draft: idx")?,
        leaf_hash: Hash(fixed(row.try_get(5)?, "draft: leaf_hash")?),
        size: unsigned(row.try_get(6)?, "draft: size")?,
    })
}
