//! Leases, nonces, seen notes, the audit, the database's own check.

use super::Sqlite;
use crate::store::number::{damaged, int, limit};
use crate::store::{GuardStore, StoreResult, sql};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

#[async_trait]
impl GuardStore for Sqlite {
    async fn lease(&self, name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<Option<i64>> {
        let until_ms = now_ms.saturating_add(ttl_ms);
        let query = sqlx::query_scalar(sql::LEASE).bind(name).bind(holder).bind(until_ms).bind(now_ms);
        Ok(query.fetch_optional(&self.writer).await?)
    }

    async fn release(&self, name: &str, holder: &str) -> StoreResult<()> {
        sqlx::query(sql::RELEASE).bind(name).bind(holder).execute(&self.writer).await?;
        Ok(())
    }

    async fn use_nonce(&self, key_id: &str, nonce: &[u8; 16], expires_s: i64, now_s: i64) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        sqlx::query(sql::PURGE_NONCES).bind(now_s).execute(&mut *tx).await?;
        let query = sqlx::query(sql::USE_NONCE).bind(key_id).bind(nonce.as_slice()).bind(expires_s);
        let new = query.execute(&mut *tx).await?.rows_affected() == 1;
        tx.commit().await?;
        Ok(new)
    }

    async fn seen_note(&self, origin_hash: &str) -> StoreResult<Option<Vec<u8>>> {
        Ok(sqlx::query_scalar(sql::SEEN_NOTE).bind(origin_hash).fetch_optional(&self.readers).await?)
    }

    async fn add_seen_note(&self, origin_hash: &str, size: u64, note: &[u8]) -> StoreResult<()> {
        let query = sqlx::query(sql::ADD_SEEN_NOTE).bind(origin_hash).bind(int(size)).bind(note);
        query.execute(&self.writer).await?;
        Ok(())
    }

    async fn audit(&self, at_ms: i64, action: &str, reason: &str, detail: &serde_json::Value) -> StoreResult<()> {
        let query = sqlx::query(sql::AUDIT).bind(at_ms).bind(action).bind(reason).bind(detail.to_string());
        query.execute(&self.writer).await?;
        Ok(())
    }

    async fn audits(&self, most: usize) -> StoreResult<Vec<(i64, String, String, serde_json::Value)>> {
        let rows = sqlx::query(sql::AUDITS).bind(limit(most)).fetch_all(&self.readers).await?;
        let audit = |row: &SqliteRow| {
            let detail = serde_json::from_str(row.try_get(3)?).map_err(|_| damaged("audit: detail"))?;
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, detail))
        };
        rows.iter().map(audit).collect()
    }

    async fn check(&self) -> StoreResult<Vec<String>> {
        let mut conn = self.reader().await?;
        let mut lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *conn).await?;
        lines.retain(|line| line != "ok");
        for row in sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *conn).await? {
            lines.push(format!(
                "{}: a row without its parent in {}",
                row.try_get::<&str, _>(0)?,
                row.try_get::<&str, _>(2)?
            ));
        }
        Ok(lines)
    }

    async fn quick_check(&self) -> StoreResult<Vec<String>> {
        let mut conn = self.reader().await?;
        let mut lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(20)").fetch_all(&mut *conn).await?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }
}
