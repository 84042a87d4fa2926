//! Copying the tables of one database to another, page by page in the order of their keys, and comparing what came out.

use super::bulk::Column;
use super::mark::{self, Mark};
use super::session::{Row, Session, query, scalar};
use super::tables::{Keep, TABLES, Table};
use super::value::Value;
use super::{Database, Pools};
use crate::store::{StoreResult, postgres};
use hefu_schemas::id::Digest;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// Rows of the first page of a table.
const FIRST_PAGE: usize = 64;
/// Rows of the smallest and the largest page.
const PAGE_ROWS: (usize, usize) = (8, 512);
/// Pages grow until they have this many bytes, and shrink above.
const PAGE_BYTES: usize = 2 << 20;
/// Bytes after which what was written is committed: neither a disk access for each page, nor a transaction without bounds.
const COMMIT_BYTES: usize = 16 << 20;

/// Who else works on the database now.
const HELD_LEASES: &str = "SELECT name FROM lease WHERE holder IS NOT NULL AND until_ms > $1 ORDER BY name";
const LEASES: &str = "SELECT name, fence FROM lease ORDER BY name";
/// A lease that nobody has; the next holder's fence is larger than any before.
const CARRY_FENCE: &str = "INSERT INTO lease (name, holder, fence, until_ms) VALUES ($1, NULL, $2, 0)";
/// What the migrations put in.
const CLEAR_AGREEMENTS: &str = "DELETE FROM agreement";
/// A copy waits for the other database between two statements.
const PATIENT: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";
const STATISTICS: &str = "ANALYZE";

/// A row as it is.
pub(crate) type Values = Vec<Value>;

/// What a table held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Its rows.
    pub(crate) rows: u64,
    /// SHA-256 over them in the order of the key.
    pub(crate) digest: Digest,
}

/// Reads a table from its beginning to its end.
pub(crate) struct Pages {
    table: &'static Table,
    behind: Option<Values>,
    step: usize,
    rows: u64,
    bytes: usize,
    hasher: Sha256,
}

impl Pages {
    /// At the beginning of a table.
    pub(crate) fn new(table: &'static Table) -> Self {
        Self { table, behind: None, step: FIRST_PAGE, rows: 0, bytes: 0, hasher: Sha256::new() }
    }

    /// The next rows; none at the end.
    pub(crate) async fn next(&mut self, session: &mut Session) -> StoreResult<Vec<Values>> {
        let text = self.table.page(self.behind.is_none());
        let mut values = self.behind.take().unwrap_or_default();
        values.push(Value::Int(i64::try_from(self.step).ok()));
        let rows = session.fetch_all(checked(text), values).await?;
        let rows: Vec<Values> = rows.iter().map(|row| read(self.table, row)).collect::<StoreResult<_>>()?;
        let Some(last) = rows.last() else { return Ok(rows) };
        self.behind = Some(self.table.key_places().filter_map(|place| last.get(place).cloned()).collect());
        self.bytes = rows.iter().map(|row| digest(&mut self.hasher, row)).sum();
        self.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let step = if self.bytes > PAGE_BYTES { self.step / 2 } else { self.step * 2 };
        self.step = step.clamp(PAGE_ROWS.0, PAGE_ROWS.1);
        Ok(rows)
    }

    /// What was read so far.
    pub(crate) fn totals(self) -> Totals {
        Totals { rows: self.rows, digest: Digest(self.hasher.finalize().into()) }
    }
}

/// Text made of the names of our own list.
fn checked(text: String) -> SqlStr {
    AssertSqlSafe(text).into_sql_str()
}

fn read(table: &Table, row: &Row) -> StoreResult<Values> {
    let value = |(place, (_, column)): (usize, &(&str, Column))| {
        Ok(match column {
            Column::Int => Value::Int(row.get(place)?),
            Column::Text => Value::Text(row.get(place)?),
            Column::Blob => Value::Blob(row.get(place)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

/// Adds a row to a digest: for each value a type, and its length and bytes; the number of bytes.
fn digest(hasher: &mut Sha256, row: &[Value]) -> usize {
    let mut total = 0;
    for value in row {
        let (kind, bytes): (u8, &[u8]) = match value {
            Value::Int(Some(number)) => (1, &number.to_be_bytes()),
            Value::Text(Some(text)) => (2, text.as_bytes()),
            Value::Blob(Some(bytes)) => (3, bytes),
            _ => (0, &[]),
        };
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        hasher.update([kind]);
        hasher.update(len.to_be_bytes());
        hasher.update(bytes);
        total += bytes.len();
    }
    total
}

/// Where rows are written to, in transactions of bounded size.
pub(crate) struct Filling<'d> {
    database: &'d Database,
    session: Option<Session>,
    bytes: usize,
}

impl<'d> Filling<'d> {
    /// Into an empty database.
    pub(crate) fn of(database: &'d Database) -> Self {
        Self { database, session: None, bytes: 0 }
    }

    /// Copies the next page of a table; the number of rows, 0 at the end, when all of it is on disk.
    pub(crate) async fn copy(&mut self, pages: &mut Pages, from: &mut Session) -> StoreResult<u64> {
        let rows = pages.next(from).await?;
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.database.begin().await?,
        };
        let bind = |args: &mut super::bulk::Args, row: &Values| {
            for value in row {
                args.push(value.clone());
            }
        };
        let written = pages.table.bulk().execute(&mut session, &rows, bind).await?;
        self.bytes += pages.bytes;
        if rows.is_empty() || self.bytes > COMMIT_BYTES {
            self.bytes = 0;
            session.commit().await?;
        } else {
            self.session = Some(session);
        }
        Ok(written)
    }

    /// Carries the fences over, and lets the database go on numbering where the old one stopped.
    pub(crate) async fn end(self, from: &mut Session) -> StoreResult<()> {
        let mut session = self.database.writer().await?;
        for row in query(LEASES).fetch_all(from).await? {
            let (name, fence): (String, i64) = (row.get(0)?, row.get(1)?);
            query(CARRY_FENCE).bind(name).bind(fence).execute(&mut session).await?;
        }
        drop(session);
        self.database.numbers(false).await
    }
}

impl Database {
    /// A transaction that lets nobody else write until it ends, and the names of leases that others hold now.
    pub(crate) async fn hold(&self, now_ms: i64) -> StoreResult<(Session, Vec<String>)> {
        let mut session = self.begin().await?;
        if !session.is_postgres() {
            // The folder's lock says that nobody else is there; a killed process may have left a lease.
            return Ok((session, Vec::new()));
        }
        query(PATIENT).execute(&mut session).await?;
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        // Readers go on; whoever writes, or would also move, waits.
        let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", names.join(", "));
        session.execute(checked(lock), Vec::new()).await?;
        let held = scalar(HELD_LEASES).bind(now_ms).fetch_all(&mut session).await?;
        Ok((session, held))
    }

    /// Number of rows of a table.
    pub(crate) async fn rows_of(session: &mut Session, table: &Table) -> StoreResult<u64> {
        let rows = session.fetch_all(checked(format!("SELECT COUNT(*) FROM {}", table.name)), Vec::new()).await?;
        let count: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.get(0)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The mark of this database.
    pub(crate) async fn mark(&self) -> StoreResult<Option<Mark>> {
        mark::read(&mut self.reader().await?).await
    }

    /// Refuses a database that bears one.
    pub(crate) async fn refuse_mark(&self) -> StoreResult<()> {
        self.mark().await?.map_or(Ok(()), |mark| Err(mark.refusal()))
    }

    /// Marks an empty database, or one that an interrupted move of the same node has half filled, and empties it.
    pub(crate) async fn expect(&self, mark: &Mark) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        mark::set(&mut tx, mark).await?;
        tx.commit().await?;
        if let Pools::Postgres(pool) = &self.pools {
            postgres::prepare_tables(pool).await?;
            let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
            let mut tx = self.begin().await?;
            tx.execute(checked(format!("TRUNCATE {} RESTART IDENTITY", names.join(", "))), Vec::new()).await?;
            tx.commit().await?;
            return self.numbers(true).await;
        }
        query(CLEAR_AGREEMENTS).execute(&mut self.writer().await?).await?;
        Ok(())
    }

    /// Lets rows bring their numbers, or lets the database give them out behind the last one. (The embedded one does so by itself.)
    async fn numbers(&self, brought: bool) -> StoreResult<()> {
        if let Pools::Sqlite { .. } = &self.pools {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for table in TABLES.iter().filter(|table| table.keep == Keep::Numbered) {
            let (name, column) = (table.name, table.key.first().copied().unwrap_or_default());
            let kind = if brought { "BY DEFAULT" } else { "ALWAYS" };
            let alter = format!("ALTER TABLE {name} ALTER COLUMN {column} SET GENERATED {kind}");
            tx.execute(checked(alter), Vec::new()).await?;
            let last = format!(
                "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), COALESCE(MAX({column}), 1), \
                 MAX({column}) IS NOT NULL) FROM {name}"
            );
            tx.execute(checked(last), Vec::new()).await?;
        }
        tx.commit().await
    }

    /// What a copy was not told: statistics of its tables.
    pub(crate) async fn analyze(&self) -> StoreResult<()> {
        let mut session = self.writer().await?;
        if session.is_postgres() {
            query(STATISTICS).execute(&mut session).await?;
        }
        Ok(())
    }

    /// A session whose reads all see the same state.
    pub(crate) async fn reading(&self) -> StoreResult<Session> {
        let mut session = self.snapshot().await?;
        if session.is_postgres() {
            query(PATIENT).execute(&mut session).await?;
        }
        Ok(session)
    }

    /// Takes the mark of a filled database away: from now on it is a node's.
    pub(crate) async fn arrive(&self) -> StoreResult<()> {
        let mut tx = self.begin().await?;
        mark::clear(&mut tx).await?;
        tx.commit().await
    }
}
