//! The one writer of the own log (protocol §3): append in batches, then read back, sign, guard, publish, answer.

mod queue;
mod turn;

pub use queue::{InOrder, MAX_SUBMISSION, NewAct, QUEUE_LEN, Receipts, Sealed, Sequencer, Signing};

use crate::clock::Clock;
use crate::folder::{Folder, replace};
use crate::guard;
use crate::keys::Keys;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Registry;
use crate::store::fault;
use crate::store::{ActRow, AgreementNo, DraftRow, OWN, OwnRecord, PayloadRow, Store, StoreError};
use hefu_federation::append::{self, Head, Plan};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::Body;
use hefu_federation::pull::PayloadState;
use hefu_federation::tile::split_bundle;
use hefu_federation::tree::leaf_hash;
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::{Origin, RecordId};
use hefu_schemas::record::Kind;
use queue::{Job, Reply, gather, parted};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use turn::Turn;

/// Time to live of the lease of the embedded database, where nobody waits for its end; renewed at a third of it.
pub(crate) const LEASE_TTL_MS: i64 = 15_000;

/// What the sequencer task works with.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Secret keys: the log key signs notes.
    pub keys: Arc<Keys>,
    /// Origin of the own log.
    pub origin: Origin,
    /// The folder: guard file.
    pub folder: Folder,
    /// Time.
    pub clock: Arc<Clock>,
    /// Name of this process in the lease.
    pub holder: String,
}

/// Starts the task of a node that is alone on its database. `guard` has already decided whether the node may sign.
pub fn start(parts: Parts, registry: Arc<Registry>, may_sign: Signing) -> Sequencer {
    begin(parts, registry, Turn::new(None), may_sign)
}

/// The same where other servers append, too: it compares its guard by the keys of the own log whenever it takes over.
pub fn start_beside_others(parts: Parts, registry: Arc<Registry>, ring: KeyRing, may_sign: Signing) -> Sequencer {
    begin(parts, registry, Turn::new(Some(ring)), may_sign)
}

fn begin(parts: Parts, registry: Arc<Registry>, turn: Turn, may_sign: Signing) -> Sequencer {
    let (jobs, queue) = mpsc::channel(QUEUE_LEN);
    let (state, signing) = watch::channel(may_sign);
    tokio::spawn(Writer { parts, registry, state, turn, head: None, unpublished: false, fence: None }.run(queue));
    Sequencer { jobs, signing }
}

/// A submission after its drafts were looked up.
struct Prepared {
    fresh: Vec<Sealed>,
    ofs: Vec<Option<u64>>,
    known: Vec<Option<DraftRow>>,
}

/// Submissions that share one transaction.
#[derive(Default)]
struct Group {
    records: Vec<(Prepared, InOrder, Reply)>,
    acts: Vec<(NewAct, oneshot::Sender<Outcome<u64>>)>,
    draft_ids: HashSet<String>,
    ids: HashSet<RecordId>,
}

struct Writer {
    parts: Parts,
    /// The agreements: what is appended was read before, and an act may have come in between.
    registry: Arc<Registry>,
    state: watch::Sender<Signing>,
    turn: Turn,
    /// The head after our last append; `None` when it must be read from the store.
    head: Option<Head>,
    /// The last append is durable, or may be, and its note is not published.
    unpublished: bool,
    /// The fence under which we appended last.
    fence: Option<i64>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut ticks = self.turn.ticks();
        loop {
            tokio::select! {
                job = queue.recv() => match job {
                    Some(first) => {
                        let (jobs, stops) = parted(gather(first, &mut queue).await);
                        self.commit(jobs).await;
                        if !stops.is_empty() {
                            self.give_back().await;
                            for reply in stops {
                                let _ = reply.send(());
                            }
                            return;
                        }
                        self.after_commit().await;
                    }
                    None => break,
                },
                _ = ticks.tick() => self.tick().await,
            }
        }
        self.give_back().await;
    }

    /// One group: one transaction, one note. The jobs are answered after the note is published.
    async fn commit(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut group = Group::default();
        // Before drafts are looked up: from here on nobody else appends.
        let fence = self.fence().await.inspect(|fence| self.under(*fence));
        for job in jobs {
            match job {
                Job::Act(act, reply) => group.acts.push((act, reply)),
                Job::Records(records, in_order, reply) => {
                    match self.prepare(records, &in_order, &mut group).await {
                        Ok(prepared) => group.records.push((prepared, in_order, reply)),
                        // Refused alone, with what is behind it: the others of the group go on.
                        Err(problem) => {
                            in_order.fail();
                            drop(reply.send(Err(problem)));
                        }
                    }
                }
                Job::Stop(_) => {}
            }
        }
        let result = match fence {
            Ok(fence) => self.append(fence, &mut group).await,
            Err(problem) => Err(problem),
        };
        match result {
            Ok((mut receipts, act_indexes)) => {
                for (prepared, _, reply) in group.records {
                    let all = prepared.known.into_iter().filter_map(|known| known.or_else(|| receipts.next()));
                    let _ = reply.send(Ok(all.collect()));
                }
                for ((_, reply), index) in group.acts.into_iter().zip(act_indexes) {
                    let _ = reply.send(Ok(index));
                }
            }
            Err(problem) => {
                self.doubt().await;
                tracing::warn!(code = problem.code.as_str(), detail = %problem.detail, "nothing appended");
                for (_, in_order, reply) in group.records {
                    in_order.fail();
                    let _ = reply.send(Err(problem.clone()));
                }
                group.acts.into_iter().for_each(|(_, reply)| drop(reply.send(Err(problem.clone()))));
            }
        }
    }

    /// Drafts that were published before get their first receipt again; the same id with other content is refused.
    async fn prepare(&mut self, records: Vec<Sealed>, in_order: &InOrder, group: &mut Group) -> Outcome<Prepared> {
        in_order.refuse_rest()?;
        let asked: Vec<&str> = records.iter().map(|record| record.draft_id.as_str()).collect();
        let known = self.parts.store.drafts(&asked).await?;
        let mut fresh = Vec::with_capacity(records.len());
        for (record, known) in records.into_iter().zip(&known) {
            match known {
                Some(row) if row.content == record.content => {}
                Some(row) => return Err(Problem::new(Code::DraftConflict, format!("draft {}", row.draft_id))),
                None if group.draft_ids.contains(&record.draft_id) => {
                    return Err(Problem::new(Code::Busy, format!("draft {} is being published", record.draft_id)));
                }
                None => fresh.push(record),
            }
        }
        let ofs = self.resolve_ofs(&fresh).await?;
        let head = self.edge().await?;
        let (size, t) = (head.range.size(), head.t);
        self.still_taken(&fresh, t).await?;
        if in_order.new_below() < size {
            let ids: Vec<RecordId> = fresh.iter().map(|record| record.id).collect();
            let found = self.parts.store.indexes_of(OWN, &ids).await?;
            if let Some((record, _)) = fresh.iter().zip(found).find(|(_, found)| found.is_some()) {
                return Err(used(record));
            }
        }
        // Refused before anything of it is noted: those behind it may have the same ids.
        if let Some(record) = fresh.iter().find(|record| group.ids.contains(&record.id)) {
            return Err(used(record));
        }
        group.ids.extend(fresh.iter().map(|record| record.id));
        group.draft_ids.extend(fresh.iter().map(|record| record.draft_id.clone()));
        Ok(Prepared { fresh, ofs, known })
    }

    /// The end of the own log, as it was written last.
    async fn edge(&mut self) -> Outcome<&Head> {
        let head = match self.head.take() {
            Some(head) => head,
            None => self.parts.store.edge(OWN).await?,
        };
        Ok(self.head.insert(head))
    }

    /// The agreements were open when the records were read. Behind an act of this city, or the end of another's notice, they would be
    /// in the log and invalid.
    async fn still_taken(&self, fresh: &[Sealed], last_t: i64) -> Outcome<()> {
        self.registry.settle(self.parts.store.as_ref()).await?;
        let t = self.parts.clock.now_s().max(last_t);
        let agreements: BTreeSet<AgreementNo> = fresh.iter().map(|record| record.agreement).collect();
        for known in agreements.into_iter().filter_map(|no| self.registry.by_no(no)) {
            if !known.takes_records_of(&self.parts.origin, t) {
                let detail = format!("{}: suspended or ended since these drafts were read", known.document.id);
                return Err(Problem::new(Code::AgreementNotOpen, detail));
            }
        }
        Ok(())
    }

    /// The lease is newly ours under another fence: whoever held it before may have stopped between its append and its note.
    fn under(&mut self, fence: i64) {
        if self.fence.replace(fence) != Some(fence) {
            (self.head, self.unpublished) = (None, true);
        }
    }

    async fn append(&mut self, fence: i64, group: &mut Group) -> Outcome<(std::vec::IntoIter<DraftRow>, Vec<u64>)> {
        self.publish_rest().await?;
        self.published(group).await?;
        let (mut fresh, mut ofs) = (Vec::new(), Vec::new());
        for (prepared, ..) in &mut group.records {
            fresh.append(&mut prepared.fresh);
            ofs.append(&mut prepared.ofs);
        }
        let acts: Vec<NewAct> = group.acts.iter().map(|(act, _)| *act).collect();
        if fresh.is_empty() && acts.is_empty() {
            return Ok((Vec::new().into_iter(), Vec::new()));
        }
        let head = self.edge().await?.clone();
        // Until the append has ended well nothing is known of the end.
        self.head = None;
        let plan = append::plan(&head, bodies(&fresh, &ofs, &acts), self.parts.clock.now_s())
            .map_err(|error| Problem::new(Code::Internal, format!("append: {error}")))?;
        let (rows, act_rows) = rows(&plan, fresh, &ofs, &acts);
        // From here on the entries may be durable, also when the answer of the database is lost: whoever asks again finds the
        // drafts published, and must not get receipts before their note.
        self.unpublished = true;
        let appended = self.parts.store.append_own(fence, &plan, &rows, &act_rows).await;
        if !acts.is_empty() {
            // Now, not before: somebody may have read everything anew in between. The next records find what these acts say.
            self.registry.doubt();
        }
        appended.map_err(|error| self.refused(error))?;
        // A crash here leaves an unsigned head: at the next start it is read back, hashed and signed.
        if let Err(problem) = self.read_back(&plan).await {
            if problem.code == Code::Damaged {
                // The disk does not keep what it is given: nothing more is signed until a person has looked.
                let _ = self.state.send_replace(Err(guard::not_as_written(&problem)));
            }
            return Err(problem);
        }
        if let Err(mut problem) = publish_note(&self.parts, &plan.head).await {
            problem.detail.push_str("; the entries are in the log and not published yet: the same command goes on");
            return Err(problem);
        }
        self.unpublished = false;
        let size = plan.head.range.size();
        if let Some((_, only, _)) = group.records.first()
            && group.records.iter().all(|(_, in_order, _)| in_order.is(only))
        {
            only.alone(head.range.size(), size);
        }
        let receipt = |(row, entry): (OwnRecord, &append::Planned)| {
            let OwnRecord { row, draft_id, content, .. } = row;
            row.id.map(|id| DraftRow { draft_id, content, id, index: entry.index, leaf_hash: entry.leaf_hash, size })
        };
        let receipts: Vec<DraftRow> = rows.into_iter().zip(&plan.entries).filter_map(receipt).collect();
        self.head = Some(plan.head);
        Ok((receipts.into_iter(), act_rows.iter().map(|row| row.index).collect()))
    }

    /// Publishes what an earlier append left unpublished, as a start does: no receipt is given before its note is there.
    async fn publish_rest(&mut self) -> Outcome<()> {
        if self.unpublished {
            let head = self.parts.store.edge(OWN).await?;
            // Mostly there is nothing: the holder before has ended well.
            if self.parts.store.head(OWN).await?.published() < head.range.size()
                && let Err(why) = guard::publish_left(&self.parts, &head).await?
            {
                let _ = self.state.send_replace(Err(why.clone()));
                return Err(Problem::new(Code::NotSigning, why));
            }
            self.unpublished = false;
        }
        Ok(())
    }

    /// The index of each corrected record: published before.
    async fn resolve_ofs(&self, fresh: &[Sealed]) -> Outcome<Vec<Option<u64>>> {
        let ids: Vec<RecordId> = fresh.iter().filter_map(|record| record.corrects).collect();
        if ids.is_empty() {
            return Ok(vec![None; fresh.len()]);
        }
        let found = self.parts.store.indexes_of(OWN, &ids).await?;
        let found: HashMap<RecordId, Option<u64>> = ids.into_iter().zip(found).collect();
        let lookup = |record: &Sealed| match record.corrects.map(|id| found.get(&id).copied().flatten()) {
            None => Ok(None),
            Some(Some(index)) => Ok(Some(index)),
            Some(None) => {
                let detail = format!("draft {} corrects a record that is not published", record.draft_id);
                Err(Problem::new(Code::InvalidRecords, detail))
            }
        };
        fresh.iter().map(lookup).collect()
    }

    /// What the disk gives back must be what was planned: only then is it signed.
    async fn read_back(&self, plan: &Plan) -> Outcome<()> {
        let damaged = |what: String| Problem::from(StoreError::Damaged { what });
        for written in &plan.bundles {
            let (width, bytes) = self
                .parts
                .store
                .bundle(OWN, written.index)
                .await?
                .ok_or_else(|| damaged(format!("entry_bundle {} after writing", written.index)))?;
            let entries =
                split_bundle(&bytes, width).map_err(|_| damaged(format!("entry_bundle {}", written.index)))?;
            let first = written.index * hefu_federation::tile::TILE_WIDTH;
            for planned in
                plan.entries.iter().filter(|planned| planned.index / hefu_federation::tile::TILE_WIDTH == written.index)
            {
                let read = usize::try_from(planned.index - first).ok().and_then(|at| entries.get(at));
                if read.map(|data| leaf_hash(data)) != Some(planned.leaf_hash) {
                    return Err(damaged(format!("entry {} after writing", planned.index)));
                }
            }
        }
        Ok(())
    }
}

/// Signs the head, moves the guard, publishes: in this order, so that no note is ever seen that the guard does not know.
pub async fn publish_note(parts: &Parts, head: &Head) -> Outcome<()> {
    let size = head.range.size();
    let checkpoint = Checkpoint { origin: parts.origin.to_string(), size, root: head.range.root() };
    let note = checkpoint.sign(&parts.keys.log).map_err(|error| Problem::new(Code::Internal, error))?;
    write_guard(&parts.folder, note.clone().into_bytes()).await?;
    // A crash here leaves a guard ahead of the published note, equal to the head: the next start publishes it.
    parts.store.set_note(OWN, size, note.as_bytes()).await?;
    Ok(())
}

/// Replaces the guard file.
pub(crate) async fn write_guard(folder: &Folder, note: Vec<u8>) -> Outcome<()> {
    let path = folder.guard();
    tokio::task::spawn_blocking(move || replace(&path, &note))
        .await
        .map_err(|error| Problem::new(Code::Internal, error))?
        .map_err(|error| fault::of_file("guard file", &error, Code::NotSigning))
}

fn used(record: &Sealed) -> Problem {
    let detail = format!("draft {}: this record id is used already", record.draft_id);
    Problem::new(Code::InvalidRecords, detail)
}

fn bodies(fresh: &[Sealed], ofs: &[Option<u64>], acts: &[NewAct]) -> Vec<Body> {
    let record = |(record, of): (&Sealed, &Option<u64>)| match of {
        Some(of) if record.kind == Kind::Withdrawal => {
            Body::Withdraw { c: record.commitment, a: record.audience, of: *of }
        }
        Some(of) => Body::Amend { c: record.commitment, a: record.audience, of: *of },
        None => Body::Record { c: record.commitment, a: record.audience },
    };
    let act = |act: &NewAct| Body::Agreement { digest: act.digest, act: act.act, on: act.on };
    fresh.iter().zip(ofs).map(record).chain(acts.iter().map(act)).collect()
}

fn rows(plan: &Plan, fresh: Vec<Sealed>, ofs: &[Option<u64>], acts: &[NewAct]) -> (Vec<OwnRecord>, Vec<ActRow>) {
    let t = plan.head.t;
    let mut entries = plan.entries.iter();
    let records = fresh.into_iter().zip(ofs).zip(entries.by_ref()).map(|((sealed, of), entry)| OwnRecord {
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
    });
    let records: Vec<OwnRecord> = records.collect();
    let acts = plan.entries.iter().skip(records.len()).zip(acts).map(|(entry, act)| ActRow {
        origin: OWN,
        index: entry.index,
        digest: act.digest,
        act: act.act,
        on: act.on,
        t,
    });
    let acts = acts.collect();
    (records, acts)
}
