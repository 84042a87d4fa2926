//! Publishing, in the order of steps of `node::sequencer`: lease, plan, transaction, read back, sign, guard, note, receipts.

use super::mutant::Mutant;
use super::node::{Batch, Paused, Shell, now};
use hefu_federation::append::{self, Head, Plan, Planned};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::Body;
use hefu_federation::pull::PayloadState;
use hefu_federation::tile::split_bundle;
use hefu_federation::tree::leaf_hash;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::sequencer::{NewAct, Sealed};
use hefu_node::store::{
    ActRow, DraftRow, GuardStore, LogStore, OWN, OwnRecord, PayloadRow, PayloadStore, SEQUENCER, StoreError,
};
use hefu_schemas::record::Kind;

/// Time to live of the lease, as in production.
pub(super) const LEASE_TTL_MS: i64 = 15_000;

fn internal(error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::Internal, error)
}

impl Shell<'_> {
    fn fence(&mut self) -> Outcome<i64> {
        if let Err(why) = &self.process.signing {
            return Err(Problem::new(Code::NotSigning, why));
        }
        let fence = now(self.memory.lease(SEQUENCER, &self.process.holder, self.now_ms, LEASE_TTL_MS))?;
        let fence = fence.ok_or_else(|| Problem::new(Code::NotSigning, "another process holds the lease"))?;
        self.audit.leased(self.number, &self.process.holder, self.now_ms, LEASE_TTL_MS);
        Ok(fence)
    }

    /// Publishes a batch; the receipts of its records, those published before included. With `pause` the process falls asleep before
    /// the transaction.
    pub(super) fn publish(&mut self, batch: &Batch, pause: bool) -> Outcome<Vec<DraftRow>> {
        let result = self.append(batch, pause);
        if result.is_err() {
            self.process.head = None;
        }
        result
    }

    fn append(&mut self, batch: &Batch, pause: bool) -> Outcome<Vec<DraftRow>> {
        let asked: Vec<&str> = batch.records.iter().map(|record| record.draft_id.as_str()).collect();
        let known = now(self.memory.drafts(&asked))?;
        let forgets = self.is(Mutant::DraftsForgotten);
        let fresh: Vec<Sealed> = batch
            .records
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none() || forgets)
            .map(|(record, known)| match known {
                Some(_) => Sealed { draft_id: format!("{}:again", record.draft_id), ..record.clone() },
                None => record.clone(),
            })
            .collect();
        let ofs = self.resolve_ofs(&fresh)?;
        let fence = self.fence()?;
        if self.process.fence.replace(fence) != Some(fence) {
            // Whoever held the lease before may have stopped between its append and its note.
            self.process.unpublished |= !self.is(Mutant::UnpublishedForgotten);
            self.process.head = if self.is(Mutant::SizeIgnored) { self.process.head.take() } else { None };
        }
        self.publish_rest()?;
        let mut receipts: Vec<DraftRow> = known.into_iter().flatten().collect();
        if !fresh.is_empty() || !batch.acts.is_empty() || !batch.signed.is_empty() {
            let head = match self.process.head.take() {
                Some(head) => head,
                None => now(self.memory.edge(OWN))?,
            };
            let plan =
                append::plan(&head, bodies(&fresh, &ofs, batch), self.now_ms.div_euclid(1000)).map_err(internal)?;
            let (rows, acts) = rows(&plan, fresh, &ofs, &batch.acts);
            self.note_keys(&plan, batch)?;
            if pause {
                self.process.paused = Some(Paused { fence, plan, rows, acts });
                return Err(Problem::new(Code::Busy, "asleep"));
            }
            receipts.extend(self.finish(fence, plan, &rows, &acts)?);
        }
        for receipt in &receipts {
            self.audit.receipt(self.number, &self.memory, receipt, self.honest && !self.fate.set_back);
        }
        self.receipts.extend(receipts.iter().cloned());
        Ok(receipts)
    }

    /// The transaction and what follows it.
    pub(super) fn finish(
        &mut self,
        fence: i64,
        plan: Plan,
        rows: &[OwnRecord],
        acts: &[ActRow],
    ) -> Outcome<Vec<DraftRow>> {
        if let Err(error) = now(self.memory.append_own(fence, &plan, rows, acts)) {
            // It may be in the log all the same.
            self.process.unpublished |=
                !matches!(error, StoreError::Conflict { .. }) && !self.is(Mutant::UnpublishedForgotten);
            return Err(error.into());
        }
        self.audit.appended(self.number, &self.memory, fence);
        if !self.is(Mutant::ReadBackSkipped)
            && let Err(problem) = self.read_back(&plan)
        {
            self.process.signing = Err(problem.detail.clone());
            return Err(problem);
        }
        let size = plan.head.size();
        let receipt = |(row, entry): (&OwnRecord, &Planned)| {
            let OwnRecord { row, draft_id, content, .. } = row.clone();
            row.id.map(|id| DraftRow { draft_id, content, id, index: entry.index, leaf_hash: entry.leaf_hash, size })
        };
        let receipts: Vec<DraftRow> = rows.iter().zip(&plan.entries).filter_map(receipt).collect();
        if self.is(Mutant::ReceiptBeforeNote) {
            for receipt in &receipts {
                self.audit.receipt(self.number, &self.memory, receipt, self.honest && !self.fate.set_back);
            }
        }
        if let Err(problem) = self.publish_note(&plan.head) {
            self.process.unpublished = true;
            return Err(problem);
        }
        self.process.head = Some(plan.head);
        Ok(receipts)
    }

    /// Publishes what an earlier append left unpublished.
    fn publish_rest(&mut self) -> Outcome<()> {
        if self.process.unpublished {
            let head = now(self.memory.edge(OWN))?;
            self.publish_note(&head)?;
            self.process.unpublished = false;
        }
        Ok(())
    }

    fn resolve_ofs(&self, fresh: &[Sealed]) -> Outcome<Vec<Option<u64>>> {
        let mut ofs = Vec::new();
        for record in fresh {
            ofs.push(match record.corrects {
                None => None,
                Some(id) => {
                    let missing = || Problem::new(Code::InvalidRecords, "corrects a record that is not published");
                    Some(now(self.memory.index_of(OWN, id))?.ok_or_else(missing)?)
                }
            });
        }
        Ok(ofs)
    }

    /// Own entries that say something of keys, before they are in the log.
    fn note_keys(&self, plan: &Plan, batch: &Batch) -> Outcome<()> {
        let signed = plan.entries.iter().rev().take(batch.signed.len());
        let noted: Vec<(u64, Vec<u8>)> = signed.map(|entry| (entry.index, entry.data.clone())).collect();
        if noted.is_empty() { Ok(()) } else { Ok(now(self.memory.note_signed(OWN, &noted))?) }
    }

    fn read_back(&self, plan: &Plan) -> Outcome<()> {
        let damaged = |index: u64| Problem::from(StoreError::Damaged { what: format!("entry_bundle {index}") });
        for written in &plan.bundles {
            let at = written.index;
            let (width, bytes) = now(self.memory.bundle(OWN, at))?.ok_or_else(|| damaged(at))?;
            let entries = split_bundle(&bytes, width).map_err(|_| damaged(at))?;
            for planned in plan.entries.iter().filter(|planned| planned.index / 256 == at) {
                let read = usize::try_from(planned.index % 256).ok().and_then(|at| entries.get(at));
                if read.map(|data| leaf_hash(data)) != Some(planned.leaf_hash) {
                    return Err(damaged(at));
                }
            }
        }
        Ok(())
    }

    /// Signs the head, moves the guard, publishes.
    pub(super) fn publish_note(&mut self, head: &Head) -> Outcome<()> {
        let (city, size) = (self.city(), head.size());
        let checkpoint = Checkpoint { origin: city.origin.to_string(), size, root: head.root() };
        let note = checkpoint.sign(&city.log).map_err(internal)?.into_bytes();
        let guard_last = self.is(Mutant::NoteBeforeGuard);
        if guard_last {
            self.leaves(&checkpoint);
        } else {
            self.write_guard(&note, &checkpoint)?;
        }
        now(self.memory.set_note(OWN, size, &note))?;
        if guard_last {
            self.write_guard(&note, &checkpoint)?;
        }
        Ok(())
    }

    /// A note is on the disk, from where it may get out: before that it was nowhere but in the process.
    fn leaves(&mut self, checkpoint: &Checkpoint) {
        if self.honest {
            let label = (self.process.knew, self.process.unguarded);
            self.audit.signs(self.number, &self.memory, checkpoint, *self.fate, label);
        }
    }

    /// Temporary file, fsync, rename, fsync of the folder: all or nothing, and then for good.
    fn write_guard(&mut self, note: &[u8], checkpoint: &Checkpoint) -> Outcome<()> {
        self.disk.step()?;
        let mut state = self.disk.state();
        if self.mutant == Some(Mutant::GuardUnsynced) && state.guard_before.is_none() {
            state.guard_before = Some(state.guard.clone());
        }
        state.guard = Some(note.to_vec());
        drop(state);
        self.fate.guard_lost = false;
        self.leaves(checkpoint);
        Ok(self.disk.step()?)
    }
}

fn bodies(fresh: &[Sealed], ofs: &[Option<u64>], batch: &Batch) -> Vec<Body> {
    let record = |(record, of): (&Sealed, &Option<u64>)| match of {
        Some(of) if record.kind == Kind::Withdrawal => {
            Body::Withdraw { c: record.commitment, a: record.audience, of: *of }
        }
        Some(of) => Body::Amend { c: record.commitment, a: record.audience, of: *of },
        None => Body::Record { c: record.commitment, a: record.audience },
    };
    let act = |act: &NewAct| Body::Agreement { digest: act.digest, act: act.act, on: act.on };
    let signed = batch.signed.iter().map(|signed| Body::Signed(Box::new(signed.clone())));
    fresh.iter().zip(ofs).map(record).chain(batch.acts.iter().map(act)).chain(signed).collect()
}

/// The rows of a plan, as `node::sequencer` makes them.
pub(super) fn rows(
    plan: &Plan,
    fresh: Vec<Sealed>,
    ofs: &[Option<u64>],
    acts: &[NewAct],
) -> (Vec<OwnRecord>, Vec<ActRow>) {
    let t = plan.head.t;
    let record = |((sealed, of), entry): ((Sealed, &Option<u64>), &Planned)| OwnRecord {
        row: PayloadRow {
            index: entry.index,
            agreement: sealed.agreement,
            state: PayloadState::Held,
            reason: None,
            t,
            of: *of,
            id: Some(sealed.id),
            kind: Some(sealed.kind),
            payload: Some(sealed.payload),
        },
        draft_id: sealed.draft_id,
        content: sealed.content,
        keys: sealed.keys,
    };
    let records: Vec<OwnRecord> = fresh.into_iter().zip(ofs).zip(&plan.entries).map(record).collect();
    let act = |(entry, act): (&Planned, &NewAct)| ActRow {
        origin: OWN,
        index: entry.index,
        digest: act.digest,
        act: act.act,
        on: act.on,
        t,
    };
    let acts = plan.entries.iter().skip(records.len()).zip(acts).map(act).collect();
    (records, acts)
}
