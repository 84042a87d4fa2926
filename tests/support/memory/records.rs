//! Lists, and what corrects what.

use super::Memory;
use async_trait::async_trait;
use hefu_federation::pull::PayloadState;
use hefu_node::store::records::{Correction, Listing, RecordStore};
use hefu_node::store::{OriginNo, PayloadRow, StoreResult};
use std::ops::Range;

#[async_trait]
impl RecordStore for Memory {
    async fn listing(&self, which: &Listing, limit: usize, offset: usize) -> StoreResult<Vec<PayloadRow>> {
        let listed = |row: &PayloadRow| {
            which.agreement.is_none_or(|agreement| row.agreement == agreement)
                && which.kind.is_none_or(|kind| row.kind == Some(kind))
                && which.state.is_none_or(|state| row.state == state)
                && row.t >= which.since
        };
        self.read("listing", |model| {
            let rows = model.log(which.origin)?.rows.values().rev().filter(|row| listed(row));
            let bare = |row: &std::sync::Arc<PayloadRow>| PayloadRow { payload: None, ..row.as_ref().clone() };
            Ok(rows.skip(offset).take(limit).map(bare).collect())
        })
    }
    async fn corrections_of(&self, origin: OriginNo, of: Range<u64>) -> StoreResult<Vec<Correction>> {
        self.read("corrections_of", |model| {
            let held = model.log(origin)?.rows.values().filter(|row| row.state == PayloadState::Held);
            let correction = |row: &std::sync::Arc<PayloadRow>| {
                let of = row.of.filter(|at| of.contains(at))?;
                Some(Correction { of, index: row.index, agreement: row.agreement, kind: row.kind })
            };
            let mut found: Vec<Correction> = held.filter_map(correction).collect();
            found.sort_by_key(|correction| correction.of);
            Ok(found)
        })
    }
}
