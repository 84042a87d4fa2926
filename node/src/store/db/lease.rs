//! Leases as other servers see them.

use super::Database;
use super::session::{Row, Session, query, scalar};
use crate::store::lease::{LeaseRow, LeaseStore, RECONCILER};
use crate::store::number::unsigned;
use crate::store::{StoreError, StoreResult, sql};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// No lease was taken: nothing is to be compared.
const NONE: i64 = 0;
/// It was lost, even if it was taken again since: what was read under it is old. Never a fence.
const LOST: i64 = -1;

/// The fence under which this process reconciles. Whatever it commits meanwhile must be under it: a server that was paused and wakes
/// would write what it had read before another one took over.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReconcilersFence(Arc<AtomicI64>);

impl ReconcilersFence {
    /// Notes what came of taking or renewing a lease.
    pub(super) fn taken(&self, name: &str, fence: Option<i64>) {
        if name == RECONCILER {
            let before = self.0.load(Ordering::Acquire);
            let after = match (before, fence) {
                (NONE, Some(fence)) => fence,
                (NONE, None) => NONE,
                (before, fence) if fence == Some(before) => before,
                _ => LOST,
            };
            self.0.store(after, Ordering::Release);
        }
    }

    /// Notes that a lease was given back.
    pub(super) fn given_back(&self, name: &str) {
        if name == RECONCILER {
            self.0.store(NONE, Ordering::Release);
        }
    }

    /// Locks the lease until the transaction ends, if there is one: nobody takes over in between.
    pub(super) async fn check(&self, tx: &mut Session) -> StoreResult<()> {
        let fence = self.0.load(Ordering::Acquire);
        if fence == NONE {
            return Ok(());
        }
        let held: Option<i64> = scalar(super::log::FENCE).bind(RECONCILER).bind(fence).fetch_optional(tx).await?;
        held.map(|_| ()).ok_or_else(|| StoreError::Differs { what: format!("lease {RECONCILER}") })
    }
}

#[async_trait]
impl LeaseStore for Database {
    async fn leases(&self, beginning: &str) -> StoreResult<Vec<LeaseRow>> {
        let rows = query(sql::LEASES).bind(beginning).fetch_all(&mut self.reader().await?).await?;
        let lease = |row: &Row| {
            Ok(LeaseRow {
                name: row.get(0)?,
                holder: row.get(1)?,
                fence: row.get(2)?,
                until_ms: row.get(3)?,
                since_ms: row.get(4)?,
                wanted_by: row.get(5)?,
                wanted_until_ms: row.get(6)?,
            })
        };
        rows.iter().map(lease).collect()
    }

    async fn want(&self, name: &str, who: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<()> {
        let query = query(sql::WANT).bind(name).bind(who).bind(now_ms.saturating_add(ttl_ms)).bind(now_ms);
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn registry_version(&self) -> StoreResult<u64> {
        unsigned(scalar(sql::REGISTRY_VERSION).fetch_one(&mut self.reader().await?).await?, "registry version")
    }
}
