//! Bringing the tables up to date. Several servers may start at once: one does it, the others wait and find it done.
//!
//! (sqlx's own migrator would lock by an advisory lock, which some engines and poolers lack.)

use crate::store::db::tables::TABLES;
use crate::store::{StoreError, StoreResult};
use sha2::{Digest, Sha256};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

/// The migrations, built into the program: version, name, statements.
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "store", include_str!("../../../migrations/postgres/0001_store.sql")),
    (2, "lease", include_str!("../../../migrations/postgres/0002_lease.sql")),
    (3, "smaller_rows", include_str!("../../../migrations/postgres/0003_smaller_rows.sql")),
    (4, "acts_by_digest", include_str!("../../../migrations/postgres/0004_acts_by_digest.sql")),
];
/// What was applied. The digest tells whether a released migration was edited.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (version bigint PRIMARY KEY, name text NOT NULL, \
     digest bytea NOT NULL)";
/// Whether there is such a table.
const EXISTS: &str = "SELECT to_regclass('migration') IS NOT NULL";
/// Whoever migrates waits here; it ends with the transaction. Readers of the table do not wait.
const LOCK: &str = "LOCK TABLE migration IN EXCLUSIVE MODE";
/// Whether it is there and how much is in the schema, as of one moment: another server may be making the tables.
const CONTENTS: &str = "SELECT COUNT(*) FILTER (WHERE c.relname = 'migration'), COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
/// The logs in them.
const LOGS: &str = "SELECT COUNT(*) FROM origin";
/// Which logs.
const FINGERPRINTS: &str = "SELECT fingerprint FROM origin";
/// Entries of the longest.
const LONGEST: &str = "SELECT MAX(size) FROM head";
/// Times that making the table of migrations is tried when another server makes it at the same moment.
const ATTEMPTS: u32 = 5;

/// Makes the tables in an empty database, or completes what a refused `init` left: tables without a log.
pub(super) async fn create(pool: &PgPool) -> StoreResult<()> {
    match sqlx::query_as(CONTENTS).fetch_one(pool).await? {
        (0_i64, 0_i64) => begin_table(pool).await?,
        (0, _) => return Err(StoreError::Occupied),
        _ => {}
    }
    apply(pool).await?;
    let logs: i64 = sqlx::query_scalar(LOGS).fetch_one(pool).await?;
    if logs > 0 { Err(StoreError::Occupied) } else { Ok(()) }
}

/// Takes away again what an `init` has made that did not come to its end: the tables, if they hold the log with this fingerprint and
/// nothing else. Anything else stays as it is.
pub(super) async fn take_back(pool: &PgPool, fingerprint: &[u8]) -> StoreResult<()> {
    let mut tx = pool.begin().await?;
    let exists: bool = sqlx::query_scalar(EXISTS).fetch_one(&mut *tx).await?;
    if !exists || applied(&mut tx).await?.is_empty() {
        return Ok(());
    }
    let logs: Vec<Vec<u8>> = sqlx::query_scalar(FINGERPRINTS).fetch_all(&mut *tx).await?;
    let longest: Option<i64> = sqlx::query_scalar(LONGEST).fetch_one(&mut *tx).await?;
    if logs != [fingerprint] || longest.is_some_and(|size| size > 1) {
        return Ok(());
    }
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).chain(["migration"]).collect();
    sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {}", tables.join(", ")))).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether there is nothing, or what a refused `init` left.
pub(super) async fn is_vacant(pool: &PgPool) -> StoreResult<bool> {
    match sqlx::query_as(CONTENTS).fetch_one(pool).await? {
        (0_i64, others) => return Ok(others == 0_i64),
        // Nothing but the table of migrations: the first of them was refused.
        (_, 1) => return Ok(true),
        _ => {}
    }
    let logs: i64 = sqlx::query_scalar(LOGS).fetch_one(pool).await?;
    Ok(logs == 0)
}

/// Makes the tables beside what is there, or brings them up to date.
pub(super) async fn prepare(pool: &PgPool) -> StoreResult<()> {
    let exists: bool = sqlx::query_scalar(EXISTS).fetch_one(pool).await?;
    if !exists {
        begin_table(pool).await?;
    }
    apply(pool).await
}

/// Applies what this program has and the database does not.
pub(super) async fn update(pool: &PgPool) -> StoreResult<()> {
    let exists: bool = sqlx::query_scalar(EXISTS).fetch_one(pool).await?;
    if !exists {
        return Err(StoreError::Empty);
    }
    apply(pool).await
}

/// Whether another server was making the same table: the row, the type or the table was there first.
fn collides(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(|error| error.code());
    matches!(state.as_deref(), Some("23505" | "42710" | "42P07"))
}

/// Makes the table of migrations. Two servers that do so at once may collide in the catalogue in spite of `IF NOT EXISTS`.
async fn begin_table(pool: &PgPool) -> StoreResult<()> {
    for _ in 1..ATTEMPTS {
        match sqlx::raw_sql(TABLE).execute(pool).await {
            Err(error) if collides(&error) => {}
            other => return Ok(other.map(|_| ())?),
        }
    }
    sqlx::raw_sql(TABLE).execute(pool).await?;
    Ok(())
}

async fn apply(pool: &PgPool) -> StoreResult<()> {
    if pending(&applied(&mut pool.begin().await?).await?)?.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    sqlx::query(LOCK).execute(&mut *tx).await?;
    // Again under the lock: another server may have been faster.
    for (version, name, text) in pending(&applied(&mut tx).await?)? {
        let done = sqlx::raw_sql(text).execute(&mut *tx).await;
        done.map_err(|error| MigrateError::ExecuteMigration(error, version))?;
        let note = sqlx::query("INSERT INTO migration (version, name, digest) VALUES ($1, $2, $3)");
        note.bind(version).bind(name).bind(digest(text)).execute(&mut *tx).await?;
    }
    // If we stop here nothing was done: statements that make tables are part of the transaction.
    tx.commit().await?;
    Ok(())
}

type Applied = Vec<(i64, Vec<u8>)>;

async fn applied(tx: &mut Transaction<'_, Postgres>) -> StoreResult<Applied> {
    Ok(sqlx::query_as("SELECT version, digest FROM migration ORDER BY version").fetch_all(&mut **tx).await?)
}

/// What is not applied yet; what is applied must be ours.
fn pending(applied: &Applied) -> Result<Vec<(i64, &'static str, &'static str)>, MigrateError> {
    for (version, stored) in applied {
        let ours = MIGRATIONS.iter().find(|(ours, ..)| ours == version);
        let (_, _, text) = ours.ok_or(MigrateError::VersionMissing(*version))?;
        if digest(text) != *stored {
            return Err(MigrateError::VersionMismatch(*version));
        }
    }
    let new = |(version, ..): &&(i64, &str, &str)| applied.iter().all(|(stored, _)| stored != version);
    Ok(MIGRATIONS.iter().filter(new).copied().collect())
}

fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_must_be_ours() {
        assert_eq!(pending(&Vec::new()).unwrap().len(), MIGRATIONS.len());
        let all: Applied = MIGRATIONS.iter().map(|(version, _, text)| (*version, digest(text))).collect();
        assert_eq!(pending(&all).unwrap(), []);
        let edited: Applied = vec![(1, vec![0; 32])];
        assert!(matches!(pending(&edited), Err(MigrateError::VersionMismatch(1))));
        let newer: Applied = [all, vec![(9_999, vec![0; 32])]].concat();
        assert!(matches!(pending(&newer), Err(MigrateError::VersionMissing(9_999))));
    }
}
