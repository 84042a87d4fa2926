//! Searching the rows of all logs, page by page.
//!
//! Without a key the search walks the index of each agreement in each log; with one it takes what is filed under the key.
//! Where a page ends is a place in this order, not a count: rows that come meanwhile move nothing.

use super::facts::filed;
use super::packed;
use super::row::payload_row;
use super::session::{Session, query, scalar};
use super::value::{Sql, by_index};
use crate::store::number::{int, limit, of_kind, unsigned};
use crate::store::{Found, OriginNo, PayloadRow, Place, Search, StoreResult, sql};
use std::collections::BTreeSet;

/// Indexes of a log that one page looks through: some milliseconds when nothing matches.
const WINDOW: u64 = 32_768;

/// Rows of an agreement in a range of a log.
pub(super) const INDEXES: Sql = by_index!(
    "SELECT idx FROM payload",
    "payload_by_agreement",
    "WHERE origin = $1 AND agreement = $2 AND idx >= $3 AND idx < $4 \
     AND ($5 IS NULL OR state = $5) AND ($6 IS NULL OR kind = $6) ORDER BY idx LIMIT $7"
);
/// What waits to be filed under a key; a queued key without an index files nothing.
pub(super) const QUEUED: &str = "SELECT origin, idx FROM dirty WHERE agreement = $1 AND key IN ($2, $3) AND idx >= 0";

/// A page of a search, all of it as of one moment.
pub(super) async fn page(conn: &mut Session, search: &Search<'_>, most: usize) -> StoreResult<Found> {
    if search.key.is_some() { by_key(conn, search, most).await } else { by_agreement(conn, search, most).await }
}

async fn by_agreement(conn: &mut Session, search: &Search<'_>, most: usize) -> StoreResult<Found> {
    let mut rows: Vec<(OriginNo, PayloadRow)> = Vec::new();
    for origin in origins(conn, search).await? {
        let first = if origin == search.from.0 { search.since.max(search.from.1) } else { search.since };
        let size: i64 = query(sql::HEAD).bind(origin.0).fetch_one(conn).await?.get(0)?;
        let size = unsigned(size, "head: size")?;
        let end = size.min(first.saturating_add(WINDOW));
        // One row more than fits tells where the next page begins.
        let room = (most - rows.len()).saturating_add(1);
        for index in indexes(conn, search, origin, (first, end), room).await? {
            if rows.len() == most {
                return Ok(Found { rows, next: Some(Place(origin, index)) });
            }
            rows.extend(row(conn, origin, index).await?.map(|row| (origin, row)));
        }
        if end < size {
            return Ok(Found { rows, next: Some(Place(origin, end)) });
        }
    }
    Ok(Found { rows, next: None })
}

/// The logs that the search has yet to look through.
async fn origins(conn: &mut Session, search: &Search<'_>) -> StoreResult<Vec<OriginNo>> {
    let mut origins = Vec::new();
    for row in query(sql::ORIGINS).fetch_all(conn).await? {
        let origin = OriginNo(row.get(0)?);
        if origin >= search.from.0 && search.origin.is_none_or(|only| only == origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// The first indexes in a range, of all agreements.
async fn indexes(
    conn: &mut Session,
    search: &Search<'_>,
    origin: OriginNo,
    (from, until): (u64, u64),
    most: usize,
) -> StoreResult<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for agreement in search.agreements {
        let query = scalar(INDEXES).bind(origin.0).bind(agreement.0).bind(int(from)).bind(int(until));
        let query = query.bind(search.state.map(|state| state.number())).bind(search.kind.map(of_kind));
        let some: Vec<i64> = query.bind(limit(most)).fetch_all(conn).await?;
        for index in some {
            found.insert(unsigned(index, "payload: idx")?);
        }
        while found.len() > most {
            found.pop_last();
        }
    }
    Ok(found)
}

async fn by_key(conn: &mut Session, search: &Search<'_>, most: usize) -> StoreResult<Found> {
    let Some(key) = search.key else { return Ok(Found { rows: Vec::new(), next: None }) };
    let mut places = BTreeSet::new();
    for agreement in search.agreements {
        let stored = filed(conn, *agreement, std::slice::from_ref(key)).await?;
        places.extend(stored.into_iter().map(|(_, origin, index)| Place(origin, index)));
        // Rows of an earlier version stand there under the key itself.
        let queued = query(QUEUED).bind(agreement.0).bind(packed::pack(key)).bind(key.bytes());
        for row in queued.fetch_all(conn).await? {
            places.insert(Place(OriginNo(row.get(0)?), unsigned(row.get(1)?, "dirty: idx")?));
        }
    }
    let mut rows: Vec<(OriginNo, PayloadRow)> = Vec::new();
    for place in places.range(search.from..) {
        let Place(origin, index) = *place;
        if index < search.since || search.origin.is_some_and(|only| only != origin) {
            continue;
        }
        let Some(row) = row(conn, origin, index).await?.filter(|row| fits(search, row)) else { continue };
        if rows.len() == most {
            return Ok(Found { rows, next: Some(*place) });
        }
        rows.push((origin, row));
    }
    Ok(Found { rows, next: None })
}

fn fits(search: &Search<'_>, row: &PayloadRow) -> bool {
    search.kind.is_none_or(|kind| row.kind == Some(kind)) && search.state.is_none_or(|state| row.state == state)
}

async fn row(conn: &mut Session, origin: OriginNo, index: u64) -> StoreResult<Option<PayloadRow>> {
    let row = query(sql::ROW).bind(origin.0).bind(int(index)).fetch_optional(conn).await?;
    row.map(|row| payload_row(&row, origin, 0)).transpose()
}
