//! The embedded database: one file in WAL mode, one writer, two readers.
//!
//! A write is one `BEGIN IMMEDIATE` transaction on the one writing connection: writers of this process queue for it,
//! a second process (the command line beside a running server) waits up to [`BUSY`]. Readers see the last committed state
//! and never wait. A transaction whose future is dropped is rolled back.

use super::db::{Database, Pools};
use super::{StoreError, StoreResult, fault, number};
use crate::problem::Code;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqlSafeStr, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// Marks the file as ours: `HEFU` in the header (`PRAGMA application_id`).
const APPLICATION_ID: &str = "1212499541";
/// Bytes of a page. Records of about 400 bytes and tiles of 8 KiB fit 16 KiB pages better than the usual 4 KiB.
const PAGE_SIZE: u32 = 16_384;
/// How long a connection waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
/// Page cache of the writer, KiB (negative as the pragma wants it).
const WRITER_CACHE: &str = "-65536";
/// Page cache of each reader, KiB.
const READER_CACHE: &str = "-16384";
/// Readers: one for serving, one for whoever scans.
const READERS: u32 = 2;
/// Pages in the write-ahead file at which it is copied back (64 MiB): pages that are written again and again (the last tile,
/// the right edge of an index) are then copied once.
const CHECKPOINT_PAGES: &str = "4096";
/// What the write-ahead file is cut down to after a burst, bytes.
const JOURNAL_LIMIT: &str = "134217728";
/// Prepared statements kept per connection: all of ours in all their sizes.
const STATEMENTS: usize = 200;
/// Rows in flight between the database's thread and ours.
const ROWS_IN_FLIGHT: usize = 1_024;

/// A store in one SQLite file.
pub type Sqlite = Database;

impl Database {
    /// Makes a new database at `path` with permissions 0600 (SQLite gives its side files the same).
    ///
    /// # Errors
    /// The file exists, or cannot be made.
    pub async fn create(path: &Path) -> StoreResult<Self> {
        let mut file = tokio::fs::OpenOptions::new();
        file.write(true).create_new(true);
        #[cfg(unix)]
        file.mode(0o600);
        let file = file.open(path).await.map_err(sqlx::Error::Io)?;
        file.sync_all().await.map_err(sqlx::Error::Io)?;
        // Page size first, since it cannot change once there is a page. If we stop before the tables are there, `open`
        // refuses the file or completes it: nothing is in it yet.
        let options = options(path).page_size(PAGE_SIZE).pragma("application_id", APPLICATION_ID);
        let mut conn = options.journal_mode(SqliteJournalMode::Wal).connect().await?;
        migrator().run(&mut conn).await?;
        conn.close().await?;
        Self::open(path).await
    }

    /// Opens the database at `path`, brings its tables up to date and never makes one.
    ///
    /// # Errors
    /// No such file, not a database of Hefu, newer than this program, or one whose node has moved.
    pub async fn open(path: &Path) -> StoreResult<Self> {
        let database = Self::open_any(path).await?;
        database.refuse_mark().await?;
        if let Pools::Sqlite { writer, .. } = &database.pools {
            migrator().run(writer).await?;
        }
        Ok(database)
    }

    /// Opens it as it is, whatever `hefu move` has marked it with.
    pub(crate) async fn open_any(path: &Path) -> StoreResult<Self> {
        let options = options(path);
        let writing = options.clone().pragma("cache_size", WRITER_CACHE);
        let writer = pool(1).connect_with(writing).await?;
        let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&writer).await?;
        if id.to_string() != APPLICATION_ID {
            return Err(number::damaged("the file is not a database of this program"));
        }
        let reading = options.pragma("cache_size", READER_CACHE).pragma("query_only", "ON");
        let readers = pool(READERS).connect_with(reading).await?;
        Ok(Self::of(Pools::Sqlite { writer, readers }))
    }
}

/// Writes nothing, by a statement that must be able to. (`BEGIN IMMEDIATE` alone is none: for a file that is read-only SQLite makes it
/// one for reading, without a word.)
const WRITE_NOTHING: &str = "DELETE FROM lease WHERE FALSE";

/// That the file can be written: else SQLite opens it for reading alone. Somebody who is writing it just now shows that it can be,
/// and is not waited for.
pub(super) async fn expect_writable(writer: &SqlitePool) -> StoreResult<()> {
    let mut conn = writer.acquire().await?;
    sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(&mut *conn).await?;
    let written = sqlx::raw_sql(WRITE_NOTHING).execute(&mut *conn).await;
    let patient = AssertSqlSafe(format!("PRAGMA busy_timeout = {}", BUSY.as_millis()));
    sqlx::raw_sql(patient).execute(&mut *conn).await?;
    match written.map_err(StoreError::Database) {
        Err(error) if fault::code(&error) == Code::DatabaseLocked => Ok(()),
        other => other.map(drop),
    }
}

/// Copies the write-ahead file back, cuts it to nothing and closes all connections.
pub(super) async fn close(writer: &SqlitePool, readers: &SqlitePool) -> StoreResult<()> {
    readers.close().await;
    truncate(writer).await?;
    writer.close().await;
    Ok(())
}

/// Copies the write-ahead file back and cuts it to nothing. `false` when a reader still needed it.
pub(super) async fn truncate(writer: &SqlitePool) -> StoreResult<bool> {
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
    Ok(busy == 0)
}

/// The database's own check.
pub(super) async fn check(readers: &SqlitePool) -> StoreResult<Vec<String>> {
    let mut conn = readers.acquire().await?;
    let mut lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *conn).await?;
    lines.retain(|line| line != "ok");
    for row in sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *conn).await? {
        let (child, parent) = (row.try_get::<&str, _>(0)?, row.try_get::<&str, _>(2)?);
        lines.push(format!("{child}: a row without its parent in {parent}"));
    }
    Ok(lines)
}

/// A shorter one, which does not compare indexes with their tables.
pub(super) async fn quick_check(readers: &SqlitePool) -> StoreResult<Vec<String>> {
    let mut lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(20)").fetch_all(readers).await?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// Options of every connection.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", JOURNAL_LIMIT)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS_IN_FLIGHT)
        .disable_statement_logging()
}

/// A pool whose connections live as long as it: a reconnect would lose cache and prepared statements. Only one whose last
/// transaction has no end is replaced.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .before_acquire(|conn, _| Box::pin(async move { is_at_rest(conn).await }))
        .min_connections(connections)
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Whether a connection can begin a transaction. SQLite rolls one back by itself when the disk is full or refuses a write
/// (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction"); sqlx, whose own rollback then finds nothing
/// to roll back, counts it as open for ever, and every later one would be refused.
async fn is_at_rest(conn: &mut SqliteConnection) -> sqlx::Result<bool> {
    if !conn.is_in_transaction() {
        return Ok(true);
    }
    // A rollback may still be waiting for the connection's thread: this waits behind it.
    conn.ping().await?;
    Ok(!conn.is_in_transaction())
}

/// The migrations, built into the program: version, name, statements.
const MIGRATIONS: [(i64, &str, &str); 7] = [
    (1, "store", include_str!("../../migrations/sqlite/0001_store.sql")),
    (2, "references", include_str!("../../migrations/sqlite/0002_references.sql")),
    (3, "token", include_str!("../../migrations/sqlite/0003_token.sql")),
    (4, "corrections", include_str!("../../migrations/sqlite/0004_corrections.sql")),
    (5, "lease", include_str!("../../migrations/sqlite/0005_lease.sql")),
    (6, "smaller_rows", include_str!("../../migrations/sqlite/0006_smaller_rows.sql")),
    (7, "acts_by_digest", include_str!("../../migrations/sqlite/0007_acts_by_digest.sql")),
];

fn migrator() -> Migrator {
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(migration).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a transaction begins after one that SQLite rolled back.
    async fn begins_again(pool: SqlitePoolOptions) -> bool {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("hefu.db");
        drop(Sqlite::create(&path).await.unwrap());
        let pool = pool.connect_with(options(&path)).await.unwrap();
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        // As it does by itself when the disk is full; the tests of crashes fill a real one.
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        match pool.begin_with("BEGIN IMMEDIATE").await {
            Ok(tx) => tx.commit().await.is_ok(),
            Err(error) => {
                assert!(matches!(error, sqlx::Error::InvalidSavePointStatement), "{error}");
                false
            }
        }
    }

    /// Every commit reaches the disk before it is acknowledged, and what is deleted is overwritten, on every connection.
    #[tokio::test]
    async fn connections_are_durable_and_forget() {
        let base = tempfile::tempdir().unwrap();
        let store = Sqlite::create(&base.path().join("hefu.db")).await.unwrap();
        let Pools::Sqlite { writer, readers } = &store.pools else { panic!("embedded") };
        for pool in [writer, readers] {
            for (name, expected) in [("synchronous", 2), ("secure_delete", 1), ("foreign_keys", 1)] {
                let asked = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("PRAGMA {name}")));
                let value: i64 = asked.fetch_one(pool).await.unwrap();
                assert_eq!(value, expected, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn a_write_that_the_disk_refused_does_not_keep_later_ones_from_beginning() {
        assert!(begins_again(pool(1)).await);
        // Were this to hold, there would be no need to look at connections.
        let plain = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        assert!(!begins_again(plain).await);
    }
}
