//! Searching the rows of all logs.

use super::Model;
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{Found, OriginNo, PayloadRow, Place, Search, StoreResult};

/// Indexes of each log that one page looks through.
const WINDOW: u64 = 32_768;

impl Model {
    pub(super) fn search(&self, search: &Search<'_>, most: usize) -> StoreResult<Found> {
        let mut rows: Vec<(OriginNo, PayloadRow)> = Vec::new();
        for (origin, log) in self.logs.range(search.from.0..) {
            if search.origin.is_some_and(|only| only != *origin) {
                continue;
            }
            let first = if *origin == search.from.0 { search.since.max(search.from.1) } else { search.since };
            // What is filed under a key is found at once, however long the log.
            let end = if search.key.is_some() { u64::MAX } else { log.size.min(first.saturating_add(WINDOW)) };
            for (index, row) in log.rows.range(first..end.max(first)) {
                if !self.fits(search, *origin, row) {
                    continue;
                }
                if rows.len() == most {
                    return Ok(Found { rows, next: Some(Place(*origin, *index)) });
                }
                rows.push((*origin, row.as_ref().clone()));
            }
            if end < log.size {
                return Ok(Found { rows, next: Some(Place(*origin, end)) });
            }
        }
        Ok(Found { rows, next: None })
    }

    fn fits(&self, search: &Search<'_>, origin: OriginNo, row: &PayloadRow) -> bool {
        let filed = |key: &Key| {
            let queued = self.queue.values().any(|queued| {
                queued.agreement == row.agreement
                    && queued.key == *key
                    && (queued.origin, queued.index) == (origin, Some(row.index))
            });
            queued || self.filed(row.agreement, key).any(|at| at == (origin, row.index))
        };
        search.agreements.contains(&row.agreement)
            && search.state.is_none_or(|state| row.state == state)
            && search.kind.is_none_or(|kind| row.kind == Some(kind))
            && search.key.is_none_or(filed)
    }
}
