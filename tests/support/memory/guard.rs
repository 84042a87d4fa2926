//! Leases, nonces, seen notes, the audit.

use super::Memory;
use super::model::Lease;
use async_trait::async_trait;
use hefu_node::store::{GuardStore, LeaseRow, LeaseStore, StoreResult};

#[async_trait]
impl GuardStore for Memory {
    async fn lease(&self, name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<Option<i64>> {
        self.write("lease", |model| {
            let lax = model.lax.lease;
            let free = Lease { holder: None, until_ms: 0, fence: 0, since_ms: 0, wish: None };
            let lease = model.leases.entry(name.to_owned()).or_insert(free);
            let is_ours = lease.holder.as_deref() == Some(holder);
            let is_held = lease.holder.is_some() && lease.until_ms > now_ms;
            let is_wanted = lease.wish.as_ref().is_some_and(|(who, until)| who != holder && *until > now_ms);
            if !is_ours && !lax && (is_held || is_wanted) {
                return Ok(None);
            }
            if !is_ours {
                lease.fence += 1;
                lease.holder = Some(holder.to_owned());
                (lease.since_ms, lease.wish) = (now_ms, None);
            }
            lease.until_ms = now_ms.saturating_add(ttl_ms);
            Ok(Some(lease.fence))
        })
    }
    async fn release(&self, name: &str, holder: &str) -> StoreResult<()> {
        self.write("release", |model| {
            if let Some(lease) = model.leases.get_mut(name).filter(|lease| lease.holder.as_deref() == Some(holder)) {
                lease.holder = None;
            }
            Ok(())
        })
    }
    async fn use_nonce(&self, key_id: &str, nonce: &[u8; 16], expires_s: i64, now_s: i64) -> StoreResult<bool> {
        self.write("use_nonce", |model| {
            model.nonces.retain(|_, expires| *expires >= now_s);
            let is_new = model.nonces.insert((key_id.to_owned(), *nonce), expires_s).is_none();
            Ok(is_new || model.lax.nonce)
        })
    }
    async fn seen_note(&self, origin_hash: &str) -> StoreResult<Option<Vec<u8>>> {
        self.read("seen_note", |model| Ok(model.seen.get(origin_hash).map(|(_, note)| note.clone())))
    }
    async fn add_seen_note(&self, origin_hash: &str, size: u64, note: &[u8]) -> StoreResult<()> {
        self.write("add_seen_note", |model| {
            let smaller = model.seen.get(origin_hash).is_none_or(|(seen, _)| *seen < size);
            if smaller || model.lax.seen {
                model.seen.insert(origin_hash.to_owned(), (size, note.to_vec()));
            }
            Ok(())
        })
    }
    async fn audit(&self, at_ms: i64, action: &str, reason: &str, detail: &serde_json::Value) -> StoreResult<()> {
        self.write("audit", |model| {
            model.audits.push((at_ms, action.to_owned(), reason.to_owned(), detail.clone()));
            Ok(())
        })
    }
    async fn audits(&self, limit: usize) -> StoreResult<Vec<(i64, String, String, serde_json::Value)>> {
        self.read("audits", |model| Ok(model.audits.iter().rev().take(limit).cloned().collect()))
    }
    async fn check(&self) -> StoreResult<Vec<String>> {
        self.read("check", |_| Ok(Vec::new()))
    }
    async fn quick_check(&self) -> StoreResult<Vec<String>> {
        self.read("quick_check", |_| Ok(Vec::new()))
    }
}

#[async_trait]
impl LeaseStore for Memory {
    async fn leases(&self, beginning: &str) -> StoreResult<Vec<LeaseRow>> {
        self.read("leases", |model| {
            let named = model.leases.iter().filter(|(name, _)| name.starts_with(beginning));
            let row = |(name, lease): (&String, &Lease)| LeaseRow {
                name: name.clone(),
                holder: lease.holder.clone(),
                fence: lease.fence,
                until_ms: lease.until_ms,
                since_ms: lease.since_ms,
                wanted_by: lease.wish.as_ref().map(|(who, _)| who.clone()),
                wanted_until_ms: lease.wish.as_ref().map_or(0, |(_, until)| *until),
            };
            Ok(named.map(row).collect())
        })
    }
    async fn want(&self, name: &str, who: &str, now_ms: i64, ttl_ms: i64) -> StoreResult<()> {
        self.write("want", |model| {
            if let Some(lease) = model.leases.get_mut(name).filter(|lease| lease.holder.as_deref() != Some(who)) {
                let is_free = lease.wish.as_ref().is_none_or(|(other, until)| other == who || *until <= now_ms);
                if is_free {
                    lease.wish = Some((who.to_owned(), now_ms.saturating_add(ttl_ms)));
                }
            }
            Ok(())
        })
    }
    async fn registry_version(&self) -> StoreResult<u64> {
        self.read("registry_version", |model| {
            let (origins, documents) = (model.origins.len(), model.documents.len());
            let rows = origins + documents + model.proofs.len() + model.acts.len() + model.linkages.len();
            Ok(u64::try_from(rows).unwrap_or(u64::MAX))
        })
    }
}
