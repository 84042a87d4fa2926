//! A PostgreSQL server.

use super::StoreResult;
use sqlx::postgres::PgPool;

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
/// space of dead rows and leaves their bytes in it.
pub(super) async fn vacuum(pool: &PgPool) -> StoreResult<bool> {
    sqlx::query("VACUUM (FULL) payload").execute(pool).await?;
    Ok(true)
}
