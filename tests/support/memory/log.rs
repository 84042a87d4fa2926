//! Logs: origins, heads, tiles, bundles, notes, acts.

use super::{Log, Memory, Model, damaged, differs};
use async_trait::async_trait;
use hefu_federation::append::{Head, Plan};
use hefu_federation::tile::{TilePath, decode_hashes, encode_hashes};
use hefu_federation::tree::Hash;
use hefu_node::store::{
    ActRow, DraftRow, LogStore, OWN, OriginNo, OriginRow, OwnRecord, PayloadRow, SEQUENCER, StoreError, StoreResult,
    StoredHead,
};
use hefu_schemas::id::{Did, Digest, Origin};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Log {
    /// The right edge, from what is kept.
    fn edge(&self) -> Option<Head> {
        let mut edge = Vec::new();
        for path in Head::edge_tiles(self.size) {
            edge.push(match path {
                Some(TilePath::Hashes { level, index, width }) => {
                    decode_hashes(self.tiles.get(&(level, index))?, width).ok()?
                }
                _ => Vec::new(),
            });
        }
        let width = self.size % 256;
        let bundle = if width == 0 {
            Vec::new()
        } else {
            let (held, bytes) = self.bundles.get(&(self.size / 256))?;
            (u64::from(*held) == width).then(|| bytes.as_ref().clone())?
        };
        Head::restore(self.size, self.t, edge, bundle)
    }

    fn append(&mut self, plan: &Plan) {
        for tile in &plan.tiles {
            self.tiles.insert((tile.level, tile.index), Arc::new(encode_hashes(&tile.hashes)));
        }
        for bundle in &plan.bundles {
            self.bundles.insert(bundle.index, (bundle.width, Arc::new(bundle.bytes.clone())));
        }
        let planned = first(plan)..plan.head.size();
        let is_it =
            |index: u64, data: &[u8]| plan.entries.iter().any(|entry| entry.index == index && entry.data == data);
        self.signed.retain(|index, data| !planned.contains(index) || is_it(*index, data));
        (self.size, self.t) = (plan.head.size(), plan.head.t);
    }
}

/// Where a plan begins.
fn first(plan: &Plan) -> u64 {
    plan.entries.first().map_or_else(|| plan.head.size(), |entry| entry.index)
}

impl Model {
    fn check_head(&self, origin: OriginNo, plan: &Plan) -> StoreResult<()> {
        let fits = self.lax.size || self.log(origin)?.size == first(plan);
        if fits { Ok(()) } else { Err(StoreError::Conflict { expected: first(plan) }) }
    }

    fn check_fence(&self, fence: i64, plan: &Plan) -> StoreResult<()> {
        let lease = self.leases.get(SEQUENCER).filter(|lease| lease.holder.is_some());
        let ours = self.lax.fence || lease.is_some_and(|lease| lease.fence == fence);
        if ours { Ok(()) } else { Err(StoreError::Conflict { expected: first(plan) }) }
    }

    /// The drafts that own records make; an id or a draft that is known, or stands twice, is refused.
    fn new_drafts(&self, plan: &Plan, records: &[OwnRecord]) -> StoreResult<Vec<DraftRow>> {
        let log = self.log(OWN)?;
        let (mut ids, mut drafts, mut rows) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for record in records {
            let refused = || differs(format!("own record of entry {}", record.row.index));
            let entry = plan.entries.iter().find(|entry| entry.index == record.row.index).ok_or_else(refused)?;
            let id = record.row.id.ok_or_else(refused)?;
            let is_new = ids.insert(id) && (self.lax.ids || !log.ids.contains_key(&id));
            let is_unpublished = drafts.insert(&record.draft_id) && !self.drafts.contains_key(&record.draft_id);
            if !is_new || !is_unpublished {
                return Err(refused());
            }
            rows.push(DraftRow {
                draft_id: record.draft_id.clone(),
                content: record.content,
                id,
                index: entry.index,
                leaf_hash: entry.leaf_hash,
                size: plan.head.size(),
            });
        }
        Ok(rows)
    }

    fn append_own(&mut self, fence: i64, plan: &Plan, records: &[OwnRecord], acts: &[ActRow]) -> StoreResult<()> {
        self.check_fence(fence, plan)?;
        self.check_head(OWN, plan)?;
        let drafts = self.new_drafts(plan, records)?;
        let rows: Vec<(PayloadRow, _)> =
            records.iter().map(|record| (record.row.clone(), record.keys.clone())).collect();
        self.absorb(OWN, &rows, &[])?;
        self.log_mut(OWN)?.append(plan);
        self.drafts.extend(drafts.into_iter().map(|draft| (draft.draft_id.clone(), draft)));
        self.acts.extend(acts.iter().map(|act| ((act.origin, act.index), act.clone())));
        Ok(())
    }

    fn add_origin(&mut self, row: OriginRow) -> StoreResult<OriginNo> {
        if let Some(known) = self.origins.values_mut().find(|known| known.origin == row.origin) {
            if (&known.did, known.fingerprint) != (&row.did, row.fingerprint) {
                return Err(differs(format!("origin {}", row.origin)));
            }
            known.ca_pem = row.ca_pem.or(known.ca_pem.take());
            return Ok(known.no);
        }
        let no = OriginNo(self.origins.keys().last().map_or(OWN.0, |last| last.0 + 1));
        self.origins.insert(no, OriginRow { no, ..row });
        self.logs.insert(no, Log::default());
        Ok(no)
    }

    fn origin_mut(&mut self, origin: OriginNo) -> StoreResult<&mut OriginRow> {
        self.origins.get_mut(&origin).ok_or_else(|| damaged(format!("origin {}", origin.0)))
    }
}

#[async_trait]
impl LogStore for Memory {
    async fn add_origin(
        &self,
        origin: &Origin,
        did: &Did,
        fingerprint: &Hash,
        ca_pem: Option<&str>,
    ) -> StoreResult<OriginNo> {
        let row = OriginRow {
            no: OWN,
            origin: origin.clone(),
            did: did.clone(),
            fingerprint: *fingerprint,
            ca_pem: ca_pem.map(str::to_owned),
            stopped: None,
            reached_ms: None,
        };
        self.write("add_origin", |model| model.add_origin(row))
    }
    async fn origins(&self) -> StoreResult<Vec<OriginRow>> {
        self.read("origins", |model| Ok(model.origins.values().cloned().collect()))
    }
    async fn set_stopped(&self, origin: OriginNo, why: Option<&str>) -> StoreResult<()> {
        self.write("set_stopped", |model| {
            model.origin_mut(origin)?.stopped = why.map(str::to_owned);
            Ok(())
        })
    }
    async fn set_reached(&self, origin: OriginNo, at_ms: i64) -> StoreResult<()> {
        self.write("set_reached", |model| {
            let row = model.origin_mut(origin)?;
            row.reached_ms = row.reached_ms.max(Some(at_ms));
            Ok(())
        })
    }
    async fn head(&self, origin: OriginNo) -> StoreResult<StoredHead> {
        self.read("head", |model| {
            let log = model.log(origin)?;
            Ok(StoredHead { size: log.size, t: log.t, note: log.note.as_ref().map(|(_, note)| note.clone()) })
        })
    }
    async fn edge(&self, origin: OriginNo) -> StoreResult<Head> {
        self.read("edge", |model| {
            model.log(origin)?.edge().ok_or_else(|| damaged(format!("edge of origin {}", origin.0)))
        })
    }
    async fn append_own(&self, fence: i64, plan: &Plan, records: &[OwnRecord], acts: &[ActRow]) -> StoreResult<()> {
        self.write("append_own", |model| model.append_own(fence, plan, records, acts))
    }
    async fn append_replica(&self, origin: OriginNo, plan: &Plan, acts: &[ActRow]) -> StoreResult<()> {
        self.write("append_replica", |model| {
            model.check_head(origin, plan)?;
            model.log_mut(origin)?.append(plan);
            model.acts.extend(acts.iter().map(|act| ((act.origin, act.index), act.clone())));
            Ok(())
        })
    }
    async fn set_note(&self, origin: OriginNo, size: u64, note: &[u8]) -> StoreResult<()> {
        self.write("set_note", |model| {
            let stored = &mut model.log_mut(origin)?.note;
            if stored.as_ref().is_none_or(|(held, _)| *held <= size) {
                *stored = Some((size, note.to_vec()));
            }
            Ok(())
        })
    }
    async fn tile(&self, origin: OriginNo, level: u8, index: u64) -> StoreResult<Option<Vec<u8>>> {
        self.read("tile", |model| Ok(model.log(origin)?.tiles.get(&(level, index)).map(|tile| tile.as_ref().clone())))
    }
    async fn bundle(&self, origin: OriginNo, index: u64) -> StoreResult<Option<(u16, Vec<u8>)>> {
        self.read("bundle", |model| {
            Ok(model.log(origin)?.bundles.get(&index).map(|(width, bytes)| (*width, bytes.as_ref().clone())))
        })
    }
    async fn note_signed(&self, origin: OriginNo, entries: &[(u64, Vec<u8>)]) -> StoreResult<()> {
        self.write("note_signed", |model| {
            model.log_mut(origin)?.signed.extend(entries.iter().cloned());
            Ok(())
        })
    }
    async fn signed(&self, origin: OriginNo) -> StoreResult<Vec<(u64, Vec<u8>)>> {
        self.read("signed", |model| {
            let log = model.log(origin)?;
            Ok(log.signed.range(..log.size).map(|(index, data)| (*index, data.clone())).collect())
        })
    }
    async fn acts(&self, digest: &Digest, origin: OriginNo, most: usize) -> StoreResult<Vec<ActRow>> {
        let is_one = |row: &&ActRow| row.digest == *digest && row.origin == origin;
        self.read("acts", |model| Ok(model.acts.values().filter(is_one).take(most).cloned().collect()))
    }
}
