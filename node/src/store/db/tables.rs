//! All tables with their columns, once: what `hefu move` carries from one database to another, and what it leaves behind.
//!
//! A table or column that a migration adds must be added here: a test compares this list with the tables of both databases.

use super::bulk::{Bulk, Column, NOTHING, Use};

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it when a node moves.
    pub keep: Keep,
    pub(super) columns: &'static [(&'static str, Column)],
    pub(super) key: &'static [&'static str],
    insert: &'static str,
    types: &'static [Column],
}

/// What becomes of a table when a node moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Every row is copied and compared.
    Copied,
    /// The same; the database itself gives out its numbers, and goes on behind the last one.
    Numbered,
    /// It stays behind; why, in Chinese and English.
    Left(&'static str, &'static str),
}

impl Table {
    /// Names and types (`bigint`, `text`, `bytea`) of its columns, in the order of the migrations.
    pub fn columns(&self) -> Vec<(&'static str, &'static str)> {
        self.columns.iter().map(|(name, column)| (*name, column.name())).collect()
    }

    /// The columns of its primary key: the order in which it is read.
    pub fn key(&self) -> &'static [&'static str] {
        self.key
    }

    /// Whether its rows are copied.
    pub fn is_copied(&self) -> bool {
        !matches!(self.keep, Keep::Left(..))
    }

    /// The statement that inserts rows as they are.
    pub(super) fn bulk(&self) -> Bulk {
        Bulk { rows: Use::Insert, before: self.insert, columns: self.types, after: NOTHING }
    }

    /// The query for the first rows, or for those behind a key (whose columns are the first parameters); the last parameter is how
    /// many.
    pub(super) fn page(&self, first: bool) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let (names, key) = (names.join(", "), self.key.join(", "));
        let (behind, limit) = if first {
            (String::new(), 1)
        } else {
            let numbers: Vec<String> = (1..=self.key.len()).map(|number| format!("${number}")).collect();
            (format!(" WHERE ({key}) > ({})", numbers.join(", ")), self.key.len() + 1)
        };
        format!("SELECT {names} FROM {}{behind} ORDER BY {key} LIMIT ${limit}", self.name)
    }

    /// Where the columns of the key stand.
    pub(super) fn key_places(&self) -> impl Iterator<Item = usize> {
        self.key.iter().filter_map(|key| self.columns.iter().position(|(name, _)| name == key))
    }
}

macro_rules! table {
    ($keep:expr, $name:ident ($first:ident $type:ident $(, $column:ident $types:ident)*), key ($($key:ident),+)) => {
        Table {
            name: stringify!($name),
            keep: $keep,
            columns: &[(stringify!($first), Column::$type) $(, (stringify!($column), Column::$types))*],
            key: &[$(stringify!($key)),+],
            insert: concat!("INSERT INTO ", stringify!($name), " (", stringify!($first) $(, ", ", stringify!($column))*, ")"),
            types: &[Column::$type $(, Column::$types)*],
        }
    };
}

use Keep::{Copied, Left, Numbered};

/// All tables; those that others refer to come before them.
pub const TABLES: &[Table] = &[
    table!(Copied, origin (no Int, origin Text, did Text, fingerprint Blob, ca_pem Text, stopped Text, reached_ms Int), key (no)),
    table!(Copied, head (origin Int, size Int, t Int, note_size Int, note Blob), key (origin)),
    table!(Copied, entry_bundle (origin Int, idx Int, width Int, body Blob), key (origin, idx)),
    table!(Copied, tile (origin Int, level Int, idx Int, hashes Blob), key (origin, level, idx)),
    table!(Copied, payload (origin Int, idx Int, agreement Int, state Int, reason Text, t Int, of_idx Int, record_id Blob,
        kind Int, salt Blob, codec Int, body Blob), key (origin, idx)),
    table!(Copied, record_id (origin Int, id Blob, idx Int), key (origin, id)),
    table!(Copied, label_cursor (origin Int, agreement Int, until Int), key (origin, agreement)),
    table!(Left("负载状态摘要的缓存，下次对账时重新计算", "digests of payload states, a cache: the next tally computes them anew"),
        state_block (origin Int, agreement Int, block Int, version Int, digest Blob), key (origin, agreement, block)),
    table!(Copied, draft (idx Int, draft_id Text, content Blob, size Int), key (idx)),
    table!(Copied, draft_key (hash Int, idx Int), key (hash, idx)),
    table!(Copied, draft_key_recent (hash Int, idx Int), key (hash, idx)),
    table!(Copied, agreement (no Int, id Blob, as_of Text, evaluated_ms Int, recent Int, queued Int), key (no)),
    table!(Copied, document (agreement Int, version Int, digest Blob, bytes Blob, received_ms Int), key (agreement, version)),
    table!(Copied, agreement_proof (digest Blob, party Text, proof Blob), key (digest, party)),
    table!(Copied, agreement_act (origin Int, idx Int, digest Blob, act Int, on_date Text, t Int), key (origin, idx)),
    table!(Copied, linkage (agreement Int, epoch Int, secret Blob), key (agreement, epoch)),
    table!(Copied, sealed_linkage (agreement Int, epoch Int, party Text, sealed Blob), key (agreement, epoch, party)),
    table!(Copied, dirty (agreement Int, seq Int, key Blob, origin Int, idx Int), key (agreement, seq)),
    table!(Copied, fact (agreement Int, bucket Int, key Blob, origin Int, idx Int), key (agreement, bucket, key, origin, idx)),
    table!(Copied, fact_recent (agreement Int, bucket Int, key Blob, origin Int, idx Int),
        key (agreement, bucket, key, origin, idx)),
    table!(Copied, finding (agreement Int, bucket Int, key Blob, id Blob, rule Text, severity Int, opened_ms Int, json Text),
        key (agreement, bucket, key, id)),
    table!(Copied, due (agreement Int, bucket Int, key Blob, on_date Text), key (agreement, bucket, key)),
    table!(Copied, bucket (agreement Int, bucket Int, stale Int, digest Blob, matched Int, critical Int, error Int,
        warning Int, notice Int), key (agreement, bucket)),
    table!(Copied, tally (agreement Int, as_of Text, party Int, statement Blob, received_ms Int), key (agreement, as_of, party)),
    table!(Copied, seen_note (origin_hash Text, size Int, note Blob), key (origin_hash)),
    table!(Left("当前由谁写入：迁移后无人持有；仅带走递增的序号", "who may write now: nobody; only the fences are carried over, so that they go on growing"),
        lease (name Text, holder Text, fence Int, until_ms Int, since_ms Int, wanted_by Text, wanted_until_ms Int), key (name)),
    // Also those that have expired: they are few, and the next request forgets them.
    table!(Copied, nonce (key_id Text, nonce Blob, expires_s Int), key (key_id, nonce)),
    table!(Numbered, audit (no Int, at_ms Int, action Text, reason Text, detail Text), key (no)),
    table!(Copied, cited (agreement Int, issuer Text, id Blob), key (agreement, issuer, id)),
    table!(Copied, observation (id Blob, origin Int, rule Text, severity Int, opened_ms Int, json Text), key (id)),
    table!(Copied, signed_entry (origin Int, idx Int, data Blob), key (origin, idx)),
    table!(Numbered, token (no Int, hash Blob, name Text, actions Text, agreements Text, created_ms Int, expires_ms Int,
        revoked_ms Int, used_ms Int), key (no)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_made_of_the_list() {
        let head = TABLES.iter().find(|table| table.name == "record_id").unwrap();
        assert_eq!(head.bulk().sqlite(1), "INSERT INTO record_id (origin, id, idx) VALUES (?,?,?)");
        assert_eq!(head.page(true), "SELECT origin, id, idx FROM record_id ORDER BY origin, id LIMIT $1");
        assert_eq!(
            head.page(false),
            "SELECT origin, id, idx FROM record_id WHERE (origin, id) > ($1, $2) ORDER BY origin, id LIMIT $3"
        );
        for table in TABLES {
            assert_eq!(table.key_places().count(), table.key.len(), "{}", table.name);
        }
    }
}
