//! A PostgreSQL server: connecting to it, and what its sessions must be like. The statements are those of `store::db`.
//!
//! Several servers of one city share a database, so nothing here is kept in a session or in memory: no advisory locks, no
//! `LISTEN`. A pooler between must keep a session for a connection (PgBouncer: `pool_mode = session`).

mod address;
pub mod cluster;
mod migrate;

pub use address::{Address, AddressError};
pub(crate) use address::{is_address, redacted};

use super::db::{Database, Pools};
use super::{StoreError, StoreResult};
use hefu_federation::tree::Hash;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::time::Duration;

/// Connections of one process: some for those who serve, one for the sequencer, one for each peer that is pulled at a time.
const CONNECTIONS: u32 = 12;
/// How long a call waits for one of them, and for the server to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(300);
/// What every session says first.
///
/// The plans are fixed, as `CROSS JOIN` and `INDEXED BY` fix them on SQLite: rows that are asked for are looked up one by one in an
/// index. A planner that has not yet seen statistics of a table that grows from nothing would keep to reading it whole.
/// (`jit`: what it takes for costly would be compiled each time.)
///
/// `lock_timeout`: whoever waits longer for a row reports that the database is busy. A session whose client has gone while its
/// transaction was open must not hold locks for ever.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET enable_material = off; SET jit = off; SET random_page_cost = 1.1; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '60s'; SET default_transaction_isolation = 'read committed'";
/// A commit that is acknowledged must be on disk, as it is by these settings of the server.
const DURABLE: &str = "SELECT name FROM (VALUES ('fsync'), ('full_page_writes')) AS s (name) \
     WHERE current_setting(name, true) = 'off'";

impl Database {
    /// Makes the tables of a new node in an empty database.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] when there is a node, or something else, in it; the server cannot be reached or refuses.
    pub async fn found(address: &Address) -> StoreResult<Self> {
        let database = Self::connect_any(address).await?;
        if database.mark().await?.is_some() {
            return Err(StoreError::Occupied);
        }
        if let Pools::Postgres(pool) = &database.pools {
            migrate::create(pool).await?;
        }
        Ok(database)
    }

    /// Takes away what an `init` has put into a database that did not come to its end, known by the fingerprint of the log that it
    /// has founded. Anything else is left alone.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub async fn unfound(address: &Address, fingerprint: &Hash) -> StoreResult<()> {
        let database = Self::connect_any(address).await?;
        if let Pools::Postgres(pool) = &database.pools {
            migrate::take_back(pool, &fingerprint.0).await?;
        }
        database.close().await
    }

    /// Opens the database of a node and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Empty`] when it holds no node; [`StoreError::Migrate`] when its tables are newer than this program;
    /// [`StoreError::MovedAway`] and [`StoreError::Arriving`] when its node has moved; the server cannot be reached or refuses.
    pub async fn connect(address: &Address) -> StoreResult<Self> {
        let database = Self::connect_any(address).await?;
        database.refuse_mark().await?;
        if let Pools::Postgres(pool) = &database.pools {
            migrate::update(pool).await?;
        }
        Ok(database)
    }

    /// Opens it as it is, whatever is in it.
    pub(crate) async fn connect_any(address: &Address) -> StoreResult<Self> {
        Ok(Self::of(Pools::Postgres(connect(address).await?)))
    }

    /// Whether nothing is in the database but what a refused `init` or an interrupted move may have left.
    pub(crate) async fn is_vacant(&self) -> StoreResult<bool> {
        match &self.pools {
            Pools::Postgres(pool) => migrate::is_vacant(pool).await,
            Pools::Sqlite { .. } => Ok(false),
        }
    }
}

/// Makes a database beside the one of an address. The name is ours: letters, digits and `_`.
///
/// # Errors
/// The server cannot be reached or refuses.
pub async fn create_database(address: &Address, name: &str) -> StoreResult<()> {
    command(address, format!("CREATE DATABASE {name}")).await
}

/// Drops such a database, also while somebody uses it.
///
/// # Errors
/// The server cannot be reached or refuses.
pub async fn drop_database(address: &Address, name: &str) -> StoreResult<()> {
    command(address, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn command(address: &Address, sql: String) -> StoreResult<()> {
    let mut conn = address.options().connect().await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

async fn connect(address: &Address) -> StoreResult<PgPool> {
    if let Some(warning) = address.warning() {
        tracing::warn!(database = %address, "{}", warning.en);
    }
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .idle_timeout(IDLE)
        .after_connect(|conn, _| Box::pin(prepare(conn)))
        .connect_lazy_with(address.options().clone());
    // The first connection is made apart from the pool, which would try again and again: what refuses it is told at once.
    let mut first =
        tokio::time::timeout(PATIENCE, address.options().connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    let unsafe_settings: Vec<String> = sqlx::query_scalar(DURABLE).fetch_all(&mut first).await?;
    first.close().await?;
    match unsafe_settings.into_iter().next() {
        Some(setting) => Err(StoreError::NotDurable { setting }),
        None => Ok(pool),
    }
}

/// That the server takes writes, which a standby does not, nor a database that was made read-only.
pub(super) async fn expect_writable(pool: &PgPool) -> StoreResult<()> {
    let read_only: bool =
        sqlx::query_scalar("SELECT current_setting('transaction_read_only') = 'on'").fetch_one(pool).await?;
    if read_only { Err(StoreError::ReadOnly) } else { Ok(()) }
}

/// Makes a new session what it must be.
async fn prepare(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SESSION).execute(&mut *conn).await?;
    // `local`, `remote_write` and `remote_apply` write to disk here, too.
    sqlx::raw_sql(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes the tables, or completes them.
pub(super) async fn prepare_tables(pool: &PgPool) -> StoreResult<()> {
    migrate::prepare(pool).await
}

/// What a server can say of its own health. (Checksums of pages are verified whenever they are read; comparing indexes with their
/// tables is `pg_amcheck`'s, which needs rights that a node should not have.)
pub(super) async fn check(pool: &PgPool) -> StoreResult<Vec<String>> {
    let broken: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready) ORDER BY 1",
    )
    .fetch_all(pool)
    .await?;
    Ok(broken.into_iter().map(|index| format!("{index}: the index is not valid")).collect())
}

/// Writes the payloads anew, so that what was deleted or overwritten is in no file of the table. A plain `VACUUM` frees the
/// space of dead rows and leaves their bytes in it. What the write-ahead log, archives and standbys hold is the operator's to let
/// expire.
pub(super) async fn vacuum(pool: &PgPool) -> StoreResult<bool> {
    let mut conn = pool.acquire().await?;
    sqlx::query("VACUUM (FULL) payload").execute(&mut *conn).await?;
    Ok(true)
}
