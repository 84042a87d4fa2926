//! The one writer of the own log (protocol §3): append in batches, then read back, sign, guard, publish, answer.

mod turn;

use crate::clock::Clock;
use crate::folder::{Folder, replace};
use crate::guard;
use crate::keys::Keys;
use crate::problem::{Code, Outcome, Problem};
use crate::store::fault;
use crate::store::{ActRow, DraftRow, OWN, OwnRecord, Payload, PayloadRow, Store, StoreError};
use hefu_federation::append::{self, Head, Plan};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::commitment::Commitment;
use hefu_federation::entry::{Act, Audience, Body};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_federation::tile::split_bundle;
use hefu_federation::tree::leaf_hash;
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::{Digest, Origin, RecordId};
use hefu_schemas::record::Kind;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use turn::Turn;

/// Most entries of one group commit (protocol §3), whatever is small enough to come with it.
const MAX_GROUP: usize = 1024;
/// Most records of one submission: two fit into one group commit.
pub const MAX_SUBMISSION: usize = MAX_GROUP / 2;
const _: () = assert!(MAX_GROUP <= append::MAX_BATCH);
/// Submissions that may wait: beyond it a publisher is told to come again (429).
pub const QUEUE_LEN: usize = 16;
/// How long the first submission of a group waits for others.
const GROUP_WAIT: Duration = Duration::from_millis(20);
/// Time to live of the lease of the embedded database, where nobody waits for its end; renewed at a third of it.
pub(crate) const LEASE_TTL_MS: i64 = 15_000;

/// A signed record, salted and committed, ready to be appended. Made by `publish` alone.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as in the entry and the receipt")]
pub struct Sealed {
    pub draft_id: String,
    pub content: Digest,
    pub id: RecordId,
    pub kind: Kind,
    pub agreement: crate::store::AgreementNo,
    pub audience: Audience,
    pub commitment: Commitment,
    pub payload: Payload,
    /// The published record that this one corrects or withdraws: the entry is an `amend` or `withdraw` of it.
    pub corrects: Option<RecordId>,
    pub keys: Vec<Key>,
}

/// An act on an agreement to be appended.
#[derive(Debug, Clone, Copy)]
pub struct NewAct {
    /// Digest of the document.
    pub digest: Digest,
    /// What is done.
    pub act: Act,
    /// Its date, for acts that take one.
    pub on: Option<jiff::civil::Date>,
}

/// Parts of one submission, given in order. When one of them fails those behind it are refused: what is in the log is a beginning
/// of the submission.
#[derive(Debug, Clone, Default)]
pub struct InOrder {
    has_failed: Arc<AtomicBool>,
}

impl InOrder {
    fn fail(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    fn refuse_rest(&self) -> Outcome<()> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(Problem::new(Code::Unavailable, "the part of the submission before this one was not appended"));
        }
        Ok(())
    }
}

/// Receipts that will come.
#[derive(Debug)]
pub struct Receipts(oneshot::Receiver<Outcome<Vec<DraftRow>>>);

impl Receipts {
    /// Waits until the checkpoint that covers the records is published; receipts in the order of the records.
    ///
    /// # Errors
    /// Not signing; the store fails; a part before this one failed. Nothing of this part is in the log then, unless the error says
    /// otherwise.
    pub async fn wait(self) -> Outcome<Vec<DraftRow>> {
        self.0.await.map_err(|_| stopped())?
    }
}

enum Job {
    Records(Vec<Sealed>, InOrder, oneshot::Sender<Outcome<Vec<DraftRow>>>),
    Act(NewAct, oneshot::Sender<Outcome<u64>>),
    Stop(oneshot::Sender<()>),
}

/// Whether the node signs, and if not, why.
pub type Signing = Result<(), String>;

/// Handle of the sequencer task.
#[derive(Debug, Clone)]
pub struct Sequencer {
    jobs: mpsc::Sender<Job>,
    signing: watch::Receiver<Signing>,
}

impl Sequencer {
    /// Appends records that are a whole submission.
    ///
    /// # Errors
    /// As [`Receipts::wait`].
    pub async fn append(&self, records: Vec<Sealed>) -> Outcome<Vec<DraftRow>> {
        self.append_part(records, &InOrder::default()).await?.wait().await
    }

    /// Gives a part of a submission to be appended; waits for room in the queue, not for the receipts.
    ///
    /// # Errors
    /// The node is shutting down.
    pub async fn append_part(&self, records: Vec<Sealed>, in_order: &InOrder) -> Outcome<Receipts> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Records(records, in_order.clone(), reply)).await.map_err(|_| stopped())?;
        Ok(Receipts(answer))
    }

    /// Appends an act on an agreement; its index.
    ///
    /// # Errors
    /// As [`Receipts::wait`].
    pub async fn append_act(&self, act: NewAct) -> Outcome<u64> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Act(act, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Ends the task after what waits is appended, and gives the lease back.
    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Stop(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Whether the queue has room: asked before a submission is read.
    pub fn has_room(&self) -> bool {
        self.jobs.capacity() > 0
    }

    /// Whether the node signs now.
    pub fn signing(&self) -> Signing {
        self.signing.borrow().clone()
    }
}

fn stopped() -> Problem {
    Problem::new(Code::Unavailable, "the node is shutting down")
}

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
pub fn start(parts: Parts, may_sign: Signing) -> Sequencer {
    begin(parts, Turn::new(None), may_sign)
}

/// The same where other servers append, too: it compares its guard by the keys of the own log whenever it takes over.
pub fn start_beside_others(parts: Parts, ring: KeyRing, may_sign: Signing) -> Sequencer {
    begin(parts, Turn::new(Some(ring)), may_sign)
}

fn begin(parts: Parts, turn: Turn, may_sign: Signing) -> Sequencer {
    let (jobs, queue) = mpsc::channel(QUEUE_LEN);
    let (state, signing) = watch::channel(may_sign);
    tokio::spawn(Writer { parts, state, turn, head: None, unpublished: false, fence: None }.run(queue));
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
    records: Vec<(Prepared, InOrder, oneshot::Sender<Outcome<Vec<DraftRow>>>)>,
    acts: Vec<(NewAct, oneshot::Sender<Outcome<u64>>)>,
    draft_ids: HashSet<String>,
}

struct Writer {
    parts: Parts,
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
        let fence = self.fence().await;
        for job in jobs {
            match job {
                Job::Act(act, reply) => group.acts.push((act, reply)),
                Job::Records(records, in_order, reply) => {
                    match self.prepare(records, &in_order, &mut group.draft_ids).await {
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
    async fn prepare(
        &self,
        records: Vec<Sealed>,
        in_order: &InOrder,
        draft_ids: &mut HashSet<String>,
    ) -> Outcome<Prepared> {
        in_order.refuse_rest()?;
        let asked: Vec<&str> = records.iter().map(|record| record.draft_id.as_str()).collect();
        let known = self.parts.store.drafts(&asked).await?;
        let mut fresh = Vec::with_capacity(records.len());
        for (record, known) in records.into_iter().zip(&known) {
            match known {
                Some(row) if row.content == record.content => {}
                Some(row) => return Err(Problem::new(Code::DraftConflict, format!("draft {}", row.draft_id))),
                None if draft_ids.contains(&record.draft_id) => {
                    return Err(Problem::new(Code::Busy, format!("draft {} is being published", record.draft_id)));
                }
                None => fresh.push(record),
            }
        }
        draft_ids.extend(fresh.iter().map(|record| record.draft_id.clone()));
        let ofs = self.resolve_ofs(&fresh).await?;
        Ok(Prepared { fresh, ofs, known })
    }

    async fn append(&mut self, fence: i64, group: &mut Group) -> Outcome<(std::vec::IntoIter<DraftRow>, Vec<u64>)> {
        if self.fence.replace(fence) != Some(fence) {
            // The lease is newly ours: whoever held it before may have stopped between its append and its note.
            (self.head, self.unpublished) = (None, true);
        }
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
        let head = match self.head.take() {
            Some(head) => head,
            None => self.parts.store.edge(OWN).await?,
        };
        let plan = append::plan(&head, bodies(&fresh, &ofs, &acts), self.parts.clock.now_s())
            .map_err(|error| Problem::new(Code::Internal, format!("append: {error}")))?;
        let (rows, act_rows) = rows(&plan, fresh, &ofs, &acts);
        // From here on the entries may be durable, also when the answer of the database is lost: whoever asks again finds the
        // drafts published, and must not get receipts before their note.
        self.unpublished = true;
        self.parts.store.append_own(fence, &plan, &rows, &act_rows).await.map_err(|error| self.refused(error))?;
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

async fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let count = |job: &Job| match job {
        Job::Records(records, ..) => records.len(),
        Job::Act(..) | Job::Stop(_) => 1,
    };
    let mut total = count(&first);
    let mut jobs = vec![first];
    let mut take = |total: &mut usize, job: Job| {
        *total += count(&job);
        jobs.push(job);
    };
    let deadline = tokio::time::sleep(GROUP_WAIT);
    tokio::pin!(deadline);
    while total < MAX_SUBMISSION {
        tokio::select! {
            job = queue.recv() => match job {
                Some(job) => take(&mut total, job),
                None => break,
            },
            () = &mut deadline => break,
        }
    }
    // A second large one that is there already: half as many transactions, and pages that are written again.
    while total + MAX_SUBMISSION <= MAX_GROUP
        && let Ok(job) = queue.try_recv()
    {
        take(&mut total, job);
    }
    jobs
}

/// What is to be appended, and who waits for the end.
fn parted(jobs: Vec<Job>) -> (Vec<Job>, Vec<oneshot::Sender<()>>) {
    let (mut rest, mut stops) = (Vec::with_capacity(jobs.len()), Vec::new());
    for job in jobs {
        match job {
            Job::Stop(reply) => stops.push(reply),
            job => rest.push(job),
        }
    }
    (rest, stops)
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
