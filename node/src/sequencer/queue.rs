//! What waits for the one writer: submissions in parts, acts, the end.

use crate::problem::{Code, Outcome, Problem};
use crate::store::{DraftRow, Payload};
use hefu_federation::append;
use hefu_federation::commitment::Commitment;
use hefu_federation::entry::{Act, Audience};
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::Kind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Most entries of one group commit ([ADR 0017](../../../docs/adr/0017-group-commit.md)), whatever is small enough to come with it.
const MAX_GROUP: usize = 4096;
/// Most records of one submission: two fit into one group commit.
pub const MAX_SUBMISSION: usize = MAX_GROUP / 2;
const _: () = assert!(MAX_GROUP <= append::MAX_BATCH);
/// Submissions that may wait: beyond it a publisher is told to come again (429).
pub const QUEUE_LEN: usize = 16;
/// How long the first submission of a group waits for others.
const GROUP_WAIT: Duration = Duration::from_millis(20);

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
pub struct InOrder(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    has_failed: AtomicBool,
    /// Size of the own log below which none of the submission's ids stands, but where it put them itself.
    new_below: AtomicU64,
}

impl InOrder {
    /// A submission whose ids were looked up when the own log had a size, or later.
    pub fn looked_up_at(size: u64) -> Self {
        Self(Arc::new(Progress { has_failed: AtomicBool::new(false), new_below: AtomicU64::new(size) }))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn new_below(&self) -> u64 {
        self.0.new_below.load(Ordering::Acquire)
    }

    /// From one size of the log to another nobody else has appended records.
    pub(super) fn alone(&self, before: u64, after: u64) {
        if self.new_below() >= before {
            self.0.new_below.store(after, Ordering::Release);
        }
    }

    pub(super) fn fail(&self) {
        self.0.has_failed.store(true, Ordering::Release);
    }

    pub(super) fn refuse_rest(&self) -> Outcome<()> {
        if self.0.has_failed.load(Ordering::Acquire) {
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

/// Where receipts go.
pub(super) type Reply = oneshot::Sender<Outcome<Vec<DraftRow>>>;

pub(super) enum Job {
    Records(Vec<Sealed>, InOrder, Reply),
    Act(NewAct, oneshot::Sender<Outcome<u64>>),
    Stop(oneshot::Sender<()>),
}

/// Whether the node signs, and if not, why.
pub type Signing = Result<(), String>;

/// Handle of the sequencer task.
#[derive(Debug, Clone)]
pub struct Sequencer {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) signing: watch::Receiver<Signing>,
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

pub(super) async fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
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
pub(super) fn parted(jobs: Vec<Job>) -> (Vec<Job>, Vec<oneshot::Sender<()>>) {
    let (mut rest, mut stops) = (Vec::with_capacity(jobs.len()), Vec::new());
    for job in jobs {
        match job {
            Job::Stop(reply) => stops.push(reply),
            job => rest.push(job),
        }
    }
    (rest, stops)
}
