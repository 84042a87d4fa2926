//! One engine for both databases: what a node keeps, in statements that SQLite and PostgreSQL both read.
//!
//! What is only of one database stands elsewhere: making, opening and tidying up the embedded file in `store::sqlite`,
//! connecting to a server and bringing its tables up to date in `store::postgres`.
//!
//! Isolation. The embedded database has one writer, so that what a transaction reads is what it changes. On a server several
//! write at once, `READ COMMITTED`, and a transaction locks what it depends on before it reads it, always in this order:
//!
//! ```text
//! lease (share)  ─▶  head of the log  ─▶  agreements, ascending  ─▶  all other rows
//! append_own,        append, absorb,      absorb, queue,
//! reconciling        add_wanted           commit_evaluations, store_buckets, new numbers
//! ```
//!
//! Reads of more than one statement see one committed state in both.

mod agreement;
mod bulk;
mod cited;
mod evaluate;
mod facts;
mod guard;
mod lease;
mod log;
pub(crate) mod mark;
pub(crate) mod moving;
mod packed;
mod payload;
#[cfg(test)]
mod plans;
mod reconcile;
mod records;
mod row;
mod rows;
mod search;
pub(crate) mod session;
mod states;
pub(crate) mod tables;
mod token;
pub(crate) mod value;
mod write;

use super::{StoreError, StoreResult, postgres, sqlite};
use session::Session;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How a transaction that writes begins on a server. It locks what others need, so one whose client is paused or gone is ended soon:
/// before the lease that it locks has run out.
const WRITING: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '2s'";
/// How a transaction for reads begins on a server.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long a call waits for a server that the last one has waited for in vain.
const MOMENT: Duration = Duration::from_secs(1);

/// How often something is run again that the server gave up for another's sake, or that may be done twice.
const RETRIES: u32 = 5;

/// Whether the server gave a transaction up so that another could go on: nothing of it was done, and it may be run again.
/// (`40001`: it could not be serialised; `40P01`: a deadlock.)
fn is_given_up(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else { return false };
    let state = error.as_database_error().and_then(|error| error.code());
    matches!(state.as_deref(), Some("40001" | "40P01"))
}

/// Begins a transaction on a server, in a task of its own, which ends also when nobody waits for it any more. The driver gives up no more
/// than what it knows to have begun: were it stopped while `BEGIN` is under way, the connection would go back with its transaction open,
/// and what others write on it next would be acknowledged and not last.
async fn begun(pool: &PgPool, how: &'static str) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.begin_with(how).await }).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Runs a transaction, and again when the server gave it up. The locks are taken in one order, so that this is rare.
macro_rules! transaction {
    ($body:block) => {{
        let mut runs = 0;
        loop {
            let result: StoreResult<_> = async { $body }.await;
            match result {
                Err(error) if runs < $crate::store::db::RETRIES && $crate::store::db::is_given_up(&error) => runs += 1,
                result => break result,
            }
        }
    }};
}
use transaction;

/// A store in either database.
#[derive(Debug, Clone)]
pub struct Database {
    pub(super) pools: Pools,
    pub(super) reconciling: lease::ReconcilersFence,
    /// The last call has waited for the server in vain.
    away: Arc<AtomicBool>,
}

/// Connections.
#[derive(Debug, Clone)]
pub(super) enum Pools {
    /// To one file.
    Sqlite {
        /// The one that writes.
        writer: SqlitePool,
        /// Those that read.
        readers: SqlitePool,
    },
    /// To a server.
    Postgres(PgPool),
}

impl Database {
    pub(super) fn of(pools: Pools) -> Self {
        Self { pools, reconciling: lease::ReconcilersFence::default(), away: Arc::default() }
    }

    /// What is to be had of a server. While it is away, one call waits long, in case that it is just restarted; those after it wait
    /// for a moment, so that whoever asks is told.
    async fn reach<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> StoreResult<T> {
        let result = if self.away.load(Ordering::Relaxed) {
            tokio::time::timeout(MOMENT, call).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
        } else {
            call.await
        };
        self.away.store(matches!(result, Err(sqlx::Error::PoolTimedOut)), Ordering::Relaxed);
        Ok(result?)
    }

    /// That something can be written at all: told at a start rather than by the first write.
    ///
    /// # Errors
    /// The file is read-only, or the server takes no writes; the database fails.
    pub async fn expect_writable(&self) -> StoreResult<()> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => sqlite::expect_writable(writer).await,
            Pools::Postgres(pool) => postgres::expect_writable(pool).await,
        }
    }

    /// A transaction whose reads are what it changes: in the embedded database it holds the write lock from its start, on a server it
    /// locks what it must (see above).
    async fn begin(&self) -> StoreResult<Session> {
        Ok(match &self.pools {
            Pools::Sqlite { writer, .. } => Session::SqliteTx(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Session::PostgresTx(self.reach(begun(pool, WRITING)).await?),
        })
    }

    /// A connection for one writing statement.
    async fn writer(&self) -> StoreResult<Session> {
        Ok(match &self.pools {
            Pools::Sqlite { writer, .. } => Session::Sqlite(writer.acquire().await?),
            Pools::Postgres(pool) => Session::Postgres(self.reach(pool.acquire()).await?),
        })
    }

    /// A connection for reading; single statements see one committed state.
    async fn reader(&self) -> StoreResult<Session> {
        Ok(match &self.pools {
            Pools::Sqlite { readers, .. } => Session::Sqlite(readers.acquire().await?),
            Pools::Postgres(pool) => Session::Postgres(self.reach(pool.acquire()).await?),
        })
    }

    /// A transaction for reads that must all see the same state.
    async fn snapshot(&self) -> StoreResult<Session> {
        Ok(match &self.pools {
            Pools::Sqlite { readers, .. } => Session::SqliteTx(readers.begin().await?),
            Pools::Postgres(pool) => Session::PostgresTx(self.reach(begun(pool, SNAPSHOT)).await?),
        })
    }

    /// Tidies up and closes all connections.
    ///
    /// # Errors
    /// The database fails; a reader elsewhere is no failure.
    pub async fn close(&self) -> StoreResult<()> {
        match &self.pools {
            Pools::Sqlite { writer, readers } => sqlite::close(writer, readers).await,
            Pools::Postgres(pool) => {
                pool.close().await;
                Ok(())
            }
        }
    }

    /// Makes what was deleted or overwritten be nowhere in the database's files (after an erasure). `false` when somebody who still
    /// reads keeps it there: try again later.
    ///
    /// # Errors
    /// The database fails.
    pub async fn truncate(&self) -> StoreResult<bool> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => sqlite::truncate(writer).await,
            Pools::Postgres(pool) => postgres::vacuum(pool).await,
        }
    }
}
