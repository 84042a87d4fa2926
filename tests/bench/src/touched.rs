//! Rows that a node writes, counted by triggers in a copy that nobody needs any more: a constant number for one more record, however
//! many there are, is what makes reconciling incremental.

use crate::Failure;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::path::Path;
use std::time::Duration;

/// How long a node's own transaction may keep us waiting.
const BUSY: Duration = Duration::from_secs(20);

/// The rows of one database.
pub(crate) struct Touched {
    runtime: tokio::runtime::Runtime,
    database: SqliteConnection,
}

impl Touched {
    /// Counts from now on what is written into any table of a node's database.
    pub(crate) fn count_in(dir: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = SqliteConnectOptions::new().filename(dir.join("hefu.db")).busy_timeout(BUSY);
        let database = runtime.block_on(async {
            let mut database = SqliteConnection::connect_with(&options).await?;
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_%' ESCAPE '\\'";
            let tables = sqlx::query(tables).fetch_all(&mut database).await?;
            sqlx::query("CREATE TABLE IF NOT EXISTS _touched (n INTEGER NOT NULL)").execute(&mut database).await?;
            sqlx::query("INSERT INTO _touched VALUES (0)").execute(&mut database).await?;
            for row in tables {
                let table: String = row.try_get(0)?;
                for act in ["INSERT", "UPDATE", "DELETE"] {
                    let trigger = format!(
                        "CREATE TRIGGER IF NOT EXISTS _{table}_{act} AFTER {act} ON {table} BEGIN UPDATE _touched SET n = n + 1; END"
                    );
                    // The names are the schema's own.
                    sqlx::query(AssertSqlSafe(trigger)).execute(&mut database).await?;
                }
            }
            Ok::<_, sqlx::Error>(database)
        })?;
        Ok(Self { runtime, database })
    }

    /// Rows written since counting began.
    pub(crate) fn rows(&mut self) -> Result<i64, Failure> {
        let query = sqlx::query_scalar("SELECT max(n) FROM _touched");
        Ok(self.runtime.block_on(query.fetch_one(&mut self.database))?)
    }
}

/// Bytes of a node's database with everything copied back from its journal: how much of that a node leaves when it stops is chance.
pub(crate) fn database_len(dir: &Path) -> Result<u64, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = SqliteConnectOptions::new().filename(dir.join("hefu.db")).busy_timeout(BUSY);
    runtime
        .block_on(async {
            let mut database = SqliteConnection::connect_with(&options).await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database).await?;
            Ok(database.close().await?)
        })
        .and_then(|()| Ok(std::fs::metadata(dir.join("hefu.db"))?.len()))
}
