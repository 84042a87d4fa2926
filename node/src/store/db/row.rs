//! Reading rows of `payload` and `draft`.

use super::session::Row;
use crate::store::number::{damaged, fixed, kind, state, unsigned, unsigned_option};
use crate::store::{AgreementNo, DraftRow, OriginNo, Payload, PayloadRow, StoreResult};
use hefu_federation::tree::Hash;
use hefu_schemas::id::{Digest, RecordId};
use uuid::Uuid;

/// Reads `idx, agreement, state, reason, t, of_idx, record_id, kind, salt, codec, body`, which begin at column `at`.
pub(super) fn payload_row(row: &Row, origin: OriginNo, at: usize) -> StoreResult<PayloadRow> {
    let index = unsigned(row.get(at)?, "payload: idx")?;
    // Only a damaged row pays for the text.
    read(row, index, at).map_err(|error| match error {
        crate::store::StoreError::Damaged { what } => damaged(format!("payload {} index {index}: {what}", origin.0)),
        error => error,
    })
}

fn read(row: &Row, index: u64, at: usize) -> StoreResult<PayloadRow> {
    let id: Option<&[u8]> = row.get(at + 6)?;
    let number: Option<i64> = row.get(at + 7)?;
    let (salt, codec, body): (Option<&[u8]>, Option<i64>, Option<Vec<u8>>) =
        (row.get(at + 8)?, row.get(at + 9)?, row.get(at + 10)?);
    let payload = match (salt, codec, body) {
        (Some(salt), Some(codec), Some(body)) => {
            let codec = u8::try_from(codec).map_err(|_| damaged("codec"))?;
            Some(Payload { salt: fixed(salt, "salt")?, codec, body })
        }
        (None, None, None) => None,
        _ => return Err(damaged("payload")),
    };
    Ok(PayloadRow {
        index,
        agreement: AgreementNo(row.get(at + 1)?),
        state: state(row.get(at + 2)?, "state")?,
        reason: row.get(at + 3)?,
        t: row.get(at + 4)?,
        of: unsigned_option(row.get(at + 5)?, "of_idx")?,
        id: id.map(record_id).transpose()?,
        kind: number.map(|number| kind(number, "kind")).transpose()?,
        payload,
    })
}

pub(super) fn record_id(bytes: &[u8]) -> StoreResult<RecordId> {
    RecordId::from_uuid(Uuid::from_bytes(fixed(bytes, "record_id")?)).map_err(|_| damaged("record_id"))
}

/// Reads `draft_id, content, idx, size`, which begin at column 1; the rest stands elsewhere under the index.
pub(super) fn draft_row(row: &Row, id: RecordId, index: u64, leaf_hash: Hash) -> StoreResult<DraftRow> {
    Ok(DraftRow {
        draft_id: row.get(1)?,
        content: Digest(fixed(row.get(2)?, "draft: content")?),
        id,
        index,
        leaf_hash,
        size: unsigned(row.get(4)?, "draft: size")?,
    })
}
