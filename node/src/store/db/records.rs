//! Looking stored records up.

use super::Database;
use super::row::payload_row;
use super::session::query;
use super::value::{Sql, by_index};
use crate::store::number::{int, kind, limit, of_kind, unsigned};
use crate::store::records::{Correction, Listing, RecordStore};
use crate::store::{AgreementNo, OriginNo, PayloadRow, StoreResult};
use async_trait::async_trait;
use std::ops::Range;

/// Rows of a log, newest first: walks the primary key backwards and leaves out what is not asked for.
pub(super) const LISTING: &str = "SELECT idx, agreement, state, reason, t, of_idx, record_id, kind, NULL, NULL, NULL \
     FROM payload WHERE origin = $1 AND ($2 IS NULL OR agreement = $2) AND ($3 IS NULL OR kind = $3) \
     AND ($4 IS NULL OR state = $4) AND t >= $5 ORDER BY idx DESC LIMIT $6 OFFSET $7";
/// Held corrections of the records in a range.
pub(super) const CORRECTIONS_OF: Sql = by_index!(
    "SELECT of_idx, idx, agreement, kind FROM payload",
    "payload_by_corrected",
    "WHERE origin = $1 AND of_idx >= $2 AND of_idx < $3 AND state = 1 ORDER BY of_idx, idx"
);

#[async_trait]
impl RecordStore for Database {
    async fn listing(&self, which: &Listing, most: usize, offset: usize) -> StoreResult<Vec<PayloadRow>> {
        let query = query(LISTING)
            .bind(which.origin.0)
            .bind(which.agreement.map(|no| no.0))
            .bind(which.kind.map(of_kind))
            .bind(which.state.map(|state| state.number()))
            .bind(which.since)
            .bind(limit(most))
            .bind(limit(offset));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| payload_row(row, which.origin, 0)).collect()
    }

    async fn corrections_of(&self, origin: OriginNo, of: Range<u64>) -> StoreResult<Vec<Correction>> {
        let query = query(CORRECTIONS_OF).bind(origin.0).bind(int(of.start)).bind(int(of.end));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        rows.iter()
            .map(|row| {
                let number: Option<i64> = row.get(3)?;
                Ok(Correction {
                    of: unsigned(row.get(0)?, "payload: of_idx")?,
                    index: unsigned(row.get(1)?, "payload: idx")?,
                    agreement: AgreementNo(row.get(2)?),
                    kind: number.map(|number| kind(number, "payload: kind")).transpose()?,
                })
            })
            .collect()
    }
}
