//! Leases: who may do what only one server of a city does at a time.

use super::StoreResult;
use async_trait::async_trait;

/// Name of the lease whose fence [`super::ReconcileStore::commit_evaluations`] checks, in a process that has taken it.
pub const RECONCILER: &str = "reconcile";

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// What it is for.
    pub name: String,
    /// Who took it last and has not given it back.
    pub holder: Option<String>,
    /// Grows with each new holder.
    pub fence: i64,
    /// When it runs out unless it is renewed.
    pub until_ms: i64,
    /// When the holder took it.
    pub since_ms: i64,
    /// Who wants it next.
    pub wanted_by: Option<String>,
    /// Until when it is kept for whoever wants it.
    pub wanted_until_ms: i64,
}

impl LeaseRow {
    /// Who holds it at a time.
    pub fn held_by(&self, now_ms: i64) -> Option<&str> {
        self.holder.as_deref().filter(|_| self.until_ms > now_ms)
    }

    /// Who wants it at a time.
    pub fn wanted_by(&self, now_ms: i64) -> Option<&str> {
        self.wanted_by.as_deref().filter(|_| self.wanted_until_ms > now_ms)
    }

    /// Whether somebody would get it.
    pub fn is_free_for(&self, who: &str, now_ms: i64) -> bool {
        let other = |name: Option<&str>| name.is_some_and(|name| name != who);
        self.holder.as_deref() == Some(who) || !other(self.held_by(now_ms)) && !other(self.wanted_by(now_ms))
    }
}

/// What servers of one city must know of each other.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// The leases whose names begin so, by name.
    async fn leases(&self, beginning: &str) -> StoreResult<Vec<LeaseRow>>;
    /// Notes that somebody wants a lease next, unless it is his or somebody else's wish has not run out. Until `now_ms + ttl_ms` it
    /// is given to nobody else; whoever takes it ends the wish. A lease that nobody has ever taken cannot be wanted.
    async fn want(&self, name: &str, who: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<()>;
    /// A number that grows whenever an origin, a document, a proof, an act or a linkage is added.
    async fn registry_version(&self) -> StoreResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_keeps_others_away_until_it_runs_out() {
        let row = LeaseRow {
            name: "x".to_owned(),
            holder: None,
            fence: 1,
            until_ms: 100,
            since_ms: 0,
            wanted_by: Some("two".to_owned()),
            wanted_until_ms: 50,
        };
        assert!(row.is_free_for("two", 10) && !row.is_free_for("one", 10) && row.is_free_for("one", 50));
        let held = LeaseRow { holder: Some("one".to_owned()), ..row };
        assert!(held.is_free_for("one", 10) && !held.is_free_for("two", 10));
        assert!(held.is_free_for("two", 100), "it has run out");
    }
}
