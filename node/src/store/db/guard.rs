//! Leases, nonces, seen notes, the audit, the database's own check.

use super::session::{Row, query, scalar};
use super::transaction;
use super::value::Sql;
use super::{Database, Pools, RETRIES};
use crate::store::number::{damaged, int, limit};
use crate::store::{GuardStore, StoreResult, postgres, sql, sqlite};
use async_trait::async_trait;

/// Forgets nonces that have expired. On a server two requests may do so at once: neither waits for the other's rows.
pub(super) const PURGE_NONCES: Sql = Sql {
    sqlite: "DELETE FROM nonce WHERE expires_s < $1",
    postgres: "DELETE FROM nonce WHERE ctid = ANY (ARRAY \
               (SELECT ctid FROM nonce WHERE expires_s < $1 LIMIT 1000 FOR UPDATE SKIP LOCKED))",
};

#[async_trait]
impl GuardStore for Database {
    async fn lease(&self, name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<Option<i64>> {
        let until_ms = now_ms.saturating_add(ttl_ms);
        let query = scalar(sql::LEASE).bind(name).bind(holder).bind(until_ms).bind(now_ms);
        let fence = query.fetch_optional(&mut self.writer().await?).await?;
        self.reconciling.taken(name, fence);
        Ok(fence)
    }

    async fn release(&self, name: &str, holder: &str) -> StoreResult<()> {
        self.reconciling.given_back(name);
        // A connection ends with the thread that opened it, of a door that closes for one; leases are given back just then. To give
        // one back twice is no change.
        let mut runs = 0;
        loop {
            match query(sql::RELEASE).bind(name).bind(holder).execute(&mut self.writer().await?).await {
                Err(sqlx::Error::Io(_)) if runs < RETRIES => runs += 1,
                released => break Ok(released.map(drop)?),
            }
        }
    }

    async fn use_nonce(&self, key_id: &str, nonce: &[u8; 16], expires_s: i64, now_s: i64) -> StoreResult<bool> {
        transaction!({
            let mut tx = self.begin().await?;
            query(PURGE_NONCES).bind(now_s).execute(&mut tx).await?;
            let query = query(sql::USE_NONCE).bind(key_id).bind(nonce.as_slice()).bind(expires_s);
            let new = query.execute(&mut tx).await? == 1;
            tx.commit().await?;
            Ok(new)
        })
    }

    async fn seen_note(&self, origin_hash: &str) -> StoreResult<Option<Vec<u8>>> {
        Ok(scalar(sql::SEEN_NOTE).bind(origin_hash).fetch_optional(&mut self.reader().await?).await?)
    }

    async fn add_seen_note(&self, origin_hash: &str, size: u64, note: &[u8]) -> StoreResult<()> {
        let query = query(sql::ADD_SEEN_NOTE).bind(origin_hash).bind(int(size)).bind(note);
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn audit(&self, at_ms: i64, action: &str, reason: &str, detail: &serde_json::Value) -> StoreResult<()> {
        let query = query(sql::AUDIT).bind(at_ms).bind(action).bind(reason).bind(detail.to_string());
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn audits(&self, most: usize) -> StoreResult<Vec<(i64, String, String, serde_json::Value)>> {
        let rows = query(sql::AUDITS).bind(limit(most)).fetch_all(&mut self.reader().await?).await?;
        let audit = |row: &Row| {
            let detail = serde_json::from_str(row.get(3)?).map_err(|_| damaged("audit: detail"))?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, detail))
        };
        rows.iter().map(audit).collect()
    }

    async fn check(&self) -> StoreResult<Vec<String>> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => sqlite::check(readers).await,
            Pools::Postgres(pool) => postgres::check(pool).await,
        }
    }

    async fn quick_check(&self) -> StoreResult<Vec<String>> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => sqlite::quick_check(readers).await,
            Pools::Postgres(pool) => postgres::check(pool).await,
        }
    }
}
