//! Payload rows: what is wanted, what was judged, what is held.

use super::{Memory, Model, differs};
use async_trait::async_trait;
use hefu_federation::pull::{Check, PayloadState};
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::reconcile::tally::StateHasher;
use hefu_node::store::{AgreementNo, DraftRow, Early, Found, OriginNo, PayloadRow, PayloadStore, Search, StoreResult};
use hefu_schemas::id::{Digest, RecordId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether an entry in this state is a fact under a key.
pub(super) fn is_fact(key: &Key, state: PayloadState) -> bool {
    match state {
        PayloadState::Held => true,
        PayloadState::Invalid | PayloadState::Quarantined => key.key_type() == KeyType::Entry,
        _ => false,
    }
}

impl Model {
    /// Stores judged rows; see [`PayloadStore::absorb`].
    pub(super) fn absorb(
        &mut self,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
        early: &[Early],
    ) -> StoreResult<Vec<u64>> {
        let replace_held = self.lax.held || self.lax.size;
        let log = self.log(origin)?;
        let mut fresh: BTreeMap<u64, (PayloadRow, &[Key])> = BTreeMap::new();
        for (row, keys) in rows {
            let stored = log.rows.get(&row.index);
            if stored.is_some_and(|stored| stored.agreement != row.agreement) {
                return Err(differs(format!("payload {}: agreement of a row", row.index)));
            }
            if replace_held || stored.is_none_or(|stored| stored.state != PayloadState::Held) {
                fresh.insert(row.index, (row.clone(), keys));
            }
        }
        let refused = self.take_ids(origin, &mut fresh)?;
        let mut queues: BTreeMap<AgreementNo, Vec<(Option<u64>, Key)>> = BTreeMap::new();
        for (row, keys) in fresh.values() {
            let facts = keys.iter().filter(|key| is_fact(key, row.state)).map(|key| (Some(row.index), key.clone()));
            queues.entry(row.agreement).or_default().extend(facts);
        }
        for Early { correction, keys } in early.iter().filter(|early| !refused.contains(&early.correction.of)) {
            let keys = keys.iter().map(|key| (Some(correction.index), key.clone()));
            queues.entry(correction.agreement).or_default().extend(keys);
        }
        let arrived: Vec<(PayloadRow, &[Key])> =
            fresh.values().filter(|(row, _)| row.state == PayloadState::Held).cloned().collect();
        let log = self.log_mut(origin)?;
        log.rows.extend(fresh.into_values().map(|(row, _)| (row.index, Arc::new(row))));
        for (agreement, mut keys) in queues {
            let arrived: Vec<_> = arrived.iter().filter(|(row, _)| row.agreement == agreement).cloned().collect();
            self.note_cited(agreement, &arrived);
            keys.extend(self.concerned(agreement, origin, &arrived)?.into_iter().map(|key| (None, key)));
            if !self.lax.queue {
                self.enqueue(agreement, origin, keys);
            }
        }
        Ok(refused)
    }

    /// Notes the ids of rows in index order; those whose id stands elsewhere in the log turn invalid.
    fn take_ids(&mut self, origin: OriginNo, fresh: &mut BTreeMap<u64, (PayloadRow, &[Key])>) -> StoreResult<Vec<u64>> {
        let lax = self.lax.ids || self.lax.size;
        let ids = &mut self.log_mut(origin)?.ids;
        let mut refused = Vec::new();
        for (index, (row, keys)) in fresh {
            let Some(id) = row.id.filter(|_| row.state.takes_id()) else { continue };
            let at = *ids.entry(id).or_insert(*index);
            if at != *index && !lax {
                (row.state, row.reason, *keys) = (PayloadState::Invalid, Some(Check::IdNew.code().to_owned()), &[]);
                refused.push(*index);
            }
        }
        Ok(refused)
    }

    fn add_wanted(
        &mut self,
        origin: OriginNo,
        agreement: AgreementNo,
        rows: &[(u64, i64, Option<u64>)],
        until: u64,
    ) -> StoreResult<()> {
        let log = self.log_mut(origin)?;
        for (index, t, of) in rows {
            let row = PayloadRow {
                index: *index,
                agreement,
                state: PayloadState::Wanted,
                reason: None,
                t: *t,
                of: *of,
                id: None,
                kind: None,
                payload: None,
            };
            log.rows.entry(*index).or_insert_with(|| Arc::new(row));
        }
        log.labelled.insert(agreement, until);
        Ok(())
    }

    /// Rows of an agreement in a range of a log.
    pub(super) fn rows_in(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
    ) -> StoreResult<impl Iterator<Item = &PayloadRow>> {
        let range = from..until.max(from);
        let rows = self.log(origin)?.rows.range(range).map(|(_, row)| row.as_ref());
        Ok(rows.filter(move |row| row.agreement == agreement))
    }

    /// Looks at one record's row behind the store's back.
    pub fn payload_rows(&self, origin: OriginNo) -> Vec<Arc<PayloadRow>> {
        self.logs.get(&origin).map(|log| log.rows.values().cloned().collect()).unwrap_or_default()
    }

    /// The published drafts.
    pub fn draft_rows(&self) -> Vec<DraftRow> {
        self.drafts.values().cloned().collect()
    }
}

#[async_trait]
impl PayloadStore for Memory {
    async fn labelled_until(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<u64> {
        self.read("labelled_until", |model| Ok(model.log(origin)?.labelled.get(&agreement).copied().unwrap_or(0)))
    }
    async fn add_wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        rows: &[(u64, i64, Option<u64>)],
        until: u64,
    ) -> StoreResult<()> {
        self.write("add_wanted", |model| model.add_wanted(origin, agreement, rows, until))
    }
    async fn wanted(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        retry: bool,
        limit: usize,
    ) -> StoreResult<Vec<u64>> {
        let asked = |row: &&PayloadRow| match row.state {
            PayloadState::Wanted => true,
            PayloadState::Withheld | PayloadState::Pending => retry,
            _ => false,
        };
        self.read("wanted", |model| {
            Ok(model.rows_in(origin, agreement, from, until)?.filter(asked).map(|row| row.index).take(limit).collect())
        })
    }
    async fn absorb(
        &self,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
        early: &[Early],
    ) -> StoreResult<Vec<u64>> {
        self.write("absorb", |model| model.absorb(origin, rows, early))
    }
    async fn rows(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        from: u64,
        until: u64,
        limit: usize,
    ) -> StoreResult<Vec<PayloadRow>> {
        self.read("rows", |model| Ok(model.rows_in(origin, agreement, from, until)?.take(limit).cloned().collect()))
    }
    async fn row(&self, origin: OriginNo, index: u64) -> StoreResult<Option<PayloadRow>> {
        self.read("row", |model| Ok(model.row_at(origin, index).cloned()))
    }
    async fn search(&self, search: Search<'_>, limit: usize) -> StoreResult<Found> {
        self.read("search", |model| model.search(&search, limit))
    }
    async fn index_of(&self, origin: OriginNo, id: RecordId) -> StoreResult<Option<u64>> {
        self.read("index_of", |model| Ok(model.log(origin)?.ids.get(&id).copied()))
    }
    async fn indexes_of(&self, origin: OriginNo, ids: &[RecordId]) -> StoreResult<Vec<Option<u64>>> {
        self.read("indexes_of", |model| {
            let known = &model.log(origin)?.ids;
            Ok(ids.iter().map(|id| known.get(id).copied()).collect())
        })
    }
    async fn drafts(&self, draft_ids: &[&str]) -> StoreResult<Vec<Option<DraftRow>>> {
        self.read("drafts", |model| Ok(draft_ids.iter().map(|id| model.drafts.get(*id).cloned()).collect()))
    }
    async fn state_counts(&self, origin: OriginNo, agreement: AgreementNo) -> StoreResult<Vec<(PayloadState, u64)>> {
        self.read("state_counts", |model| {
            let states: Vec<PayloadState> =
                model.rows_in(origin, agreement, 0, u64::MAX)?.map(|row| row.state).collect();
            let numbers: BTreeSet<i64> = states.iter().map(|state| state.number()).collect();
            let count = |number: i64| {
                let mut of_it = states.iter().filter(|state| state.number() == number).peekable();
                let state = **of_it.peek()?;
                Some((state, u64::try_from(of_it.count()).unwrap_or(u64::MAX)))
            };
            Ok(numbers.into_iter().filter_map(count).collect())
        })
    }
    async fn states_digest(&self, origin: OriginNo, agreement: AgreementNo, size: u64) -> StoreResult<Digest> {
        self.read("states_digest", |model| {
            let mut hasher = StateHasher::new();
            model.rows_in(origin, agreement, 0, size)?.for_each(|row| hasher.push(row.index, row.state.code()));
            Ok(hasher.finish(size))
        })
    }
}
