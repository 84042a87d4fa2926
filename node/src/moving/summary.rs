//! What a move has done, or would do.

use crate::config::{Config, DatabaseSetting};
use crate::store::{Keep, TABLES};
use hefu_schemas::id::Digest;
use hefu_schemas::text::Text;
use serde::Serialize;

/// What was moved.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The old database, without a password.
    pub from: String,
    /// The new one.
    pub to: String,
    /// Nothing was done: this is what would be.
    pub dry_run: bool,
    /// An interrupted move was brought to its end; it was verified before.
    pub finished: bool,
    /// Rows in all tables.
    pub rows: u64,
    /// Records that were verified, own and of peers.
    pub records: u64,
    /// The logs, own first.
    pub logs: Vec<LogSummary>,
    /// The tables, in the order of copying.
    pub tables: Vec<TableSummary>,
    /// What stays behind, and why.
    pub left: Vec<LeftTable>,
    /// Where the file of an embedded database is kept.
    pub kept: Option<String>,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Whose.
    pub origin: String,
    /// Its entries.
    pub entries: u64,
    /// Root over them, recomputed from the copy; none of a log without entries.
    pub root: Option<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Its name.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over them, the same of original and copy.
    #[serde(serialize_with = "hex")]
    pub digest: Option<Digest>,
}

/// A table that is not moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftTable {
    /// Its name.
    pub table: &'static str,
    /// Why it need not be.
    pub reason: Text,
}

fn hex<S: serde::Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    digest.map(|digest| digest.to_string()).serialize(serializer)
}

impl Summary {
    pub(super) fn new(config: &Config, to: &DatabaseSetting) -> Self {
        let left = TABLES.iter().filter_map(|table| match table.keep {
            Keep::Left(zh, en) => Some(LeftTable { table: table.name, reason: Text::new(zh, en) }),
            Keep::Copied | Keep::Numbered => None,
        });
        Self {
            from: config.database.to_string(),
            to: to.to_string(),
            dry_run: false,
            finished: false,
            rows: 0,
            records: 0,
            logs: Vec::new(),
            tables: Vec::new(),
            left: left.collect(),
            kept: None,
        }
    }

    pub(super) fn finished(config: &Config, to: &DatabaseSetting, kept: Option<String>) -> Self {
        Self { finished: true, kept, ..Self::new(config, to) }
    }
}
