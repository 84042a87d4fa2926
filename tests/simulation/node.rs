//! A simulated node: its store, its processes, and what is known of it from outside.

use super::audit::Audit;
use super::cities::{City, START_MS, agreement, city, known};
use super::disk::Disk;
use super::mutant::Mutant;
use super::pull::Round;
use super::rng::Rng;
use crate::memory::{Memory, Model};
use hefu_federation::agreement::SeenAct;
use hefu_federation::append::{self, Head, Plan};
use hefu_federation::entry::Signed;
use hefu_federation::linkage::Linkage;
use hefu_federation::trust::KeyRing;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::registry::{Known, seen};
use hefu_node::ring::Founding;
use hefu_node::sequencer::{NewAct, Sealed};
use hefu_node::store::{
    ActRow, AgreementNo, AgreementStore, DraftRow, LogStore, OWN, OriginNo, OriginRow, OwnRecord, PayloadRow,
};
use hefu_schemas::id::{Digest, Origin, RecordId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The value of a future that never waits: everything that it awaits is in memory.
pub(super) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing in memory waits"),
    }
}

/// Most key rings that are remembered.
const MAX_RINGS: usize = 1_000;

thread_local! {
    /// Key rings by origin and by the entries that they follow from: decoding keys is half of the work of a small simulation.
    static RINGS: RefCell<HashMap<(String, Founding), KeyRing>> = RefCell::default();
}

/// The keys of an origin, read from a stored log at each call, as `hefu_node::ring::ring_of` does; of the same entries they are the same.
pub(super) fn ring_of(store: &Memory, row: &OriginRow) -> Outcome<KeyRing> {
    let founding = now(Founding::read(store, row))?;
    RINGS.with_borrow_mut(|rings| {
        let place = (row.origin.to_string(), founding);
        if let Some(ring) = rings.get(&place) {
            return Ok(ring.clone());
        }
        let ring = place.1.ring(row)?;
        if rings.len() >= MAX_RINGS {
            rings.clear();
        }
        rings.insert(place, ring.clone());
        Ok(ring)
    })
}

/// What a process holds in its memory: gone with it.
pub(super) struct Process {
    pub(super) holder: String,
    pub(super) head: Option<Head>,
    pub(super) unpublished: bool,
    /// The fence under which it appended last.
    pub(super) fence: Option<i64>,
    pub(super) signing: Result<(), String>,
    pub(super) unguarded: bool,
    pub(super) knew: Knew,
    pub(super) known: Arc<Known>,
    pub(super) paused: Option<Paused>,
    pub(super) rounds: BTreeMap<usize, Round>,
}

/// An append that stopped between the lease and the transaction: the process was put to sleep.
pub(super) struct Paused {
    pub(super) fence: i64,
    pub(super) plan: Plan,
    pub(super) rows: Vec<OwnRecord>,
    pub(super) acts: Vec<ActRow>,
}

/// What is to be appended together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Sealed>,
    pub(super) acts: Vec<NewAct>,
    pub(super) signed: Vec<Signed>,
}

/// What happened to a node's disk that no program can undo.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fate {
    /// The database was replaced by an older one, or lost writes that it had confirmed.
    pub(super) set_back: bool,
    /// The guard file with it.
    pub(super) guard_too: bool,
    /// The guard file is gone or unreadable.
    pub(super) guard_lost: bool,
    /// Bits of own payloads were flipped at rest.
    pub(super) flipped: bool,
    /// An entry was written with another bit: the log takes nothing more.
    pub(super) entry_flipped: bool,
}

/// What a process could know when it started, seen from outside.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Knew {
    /// A genuine note of its own log came from some peer.
    pub(super) answered: bool,
    /// One of these notes was of another log than the one on its disk.
    pub(super) told: bool,
    /// Its disk lacked something that had been signed.
    pub(super) behind: bool,
}

/// How a city misbehaves.
#[derive(Default)]
pub(super) struct Hostile {
    /// Its other log, and who is shown that.
    pub(super) other: Option<Memory>,
    pub(super) victims: BTreeSet<usize>,
    pub(super) withholds: bool,
    pub(super) garbles: bool,
    pub(super) replays: bool,
    /// Checkpoints that it served before.
    pub(super) old_notes: Vec<Vec<u8>>,
}

/// A copy of the files.
pub(super) struct Snapshot {
    pub(super) model: Model,
    pub(super) guard: Option<Vec<u8>>,
    pub(super) generations: (usize, usize),
}

/// A node.
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) cities: usize,
    pub(super) memory: Memory,
    pub(super) disk: Disk,
    /// Two at most share the database.
    pub(super) processes: [Option<Process>; 2],
    pub(super) starts: u64,
    /// Which record key signs, and which recovery key is announced.
    pub(super) generation: usize,
    pub(super) recovery: usize,
    /// Drafts that were handed over and have no receipt yet.
    pub(super) backlog: Vec<Sealed>,
    /// Receipts that were given.
    pub(super) receipts: Vec<DraftRow>,
    /// How many of them were given before the disk was last set back.
    pub(super) receipts_before: usize,
    /// Published and not corrected yet, with the pupil.
    pub(super) open: Vec<(RecordId, u8)>,
    pub(super) snapshots: Vec<Snapshot>,
    /// Own rows in which a bit was flipped, as they were.
    pub(super) sound: Vec<Arc<PayloadRow>>,
    pub(super) fate: Fate,
    pub(super) hostile: Option<Hostile>,
    pub(super) skew_ms: i64,
    /// The agreement as it was read last.
    known: RefCell<Option<Arc<Known>>>,
}

/// Number of another city's log in a node's store, as set up: its own is the first.
pub(super) fn origin_no(node: usize, other: usize) -> OriginNo {
    let position = match other.cmp(&node) {
        std::cmp::Ordering::Less => other + 2,
        std::cmp::Ordering::Equal => 1,
        std::cmp::Ordering::Greater => other + 1,
    };
    OriginNo(i64::try_from(position).unwrap_or(0))
}

impl Node {
    pub(super) fn city(&self) -> &'static City {
        city(self.number)
    }

    pub(super) fn honest(&self) -> bool {
        self.hostile.is_none()
    }

    pub(super) fn is_up(&self) -> bool {
        self.processes.iter().any(Option::is_some)
    }

    /// Makes a node as `init` and `peer add` leave it, with the agreement and all proofs, and not yet its linkage.
    pub(super) fn new(number: usize, cities: usize, rng: &mut Rng, mutant: Option<Mutant>) -> Self {
        let disk = Disk::new();
        let memory = Memory::with_faults(Arc::new(disk.clone()));
        let node = Self {
            number,
            cities,
            memory,
            disk,
            processes: [None, None],
            starts: 0,
            generation: 0,
            recovery: 0,
            backlog: Vec::new(),
            receipts: Vec::new(),
            receipts_before: 0,
            open: Vec::new(),
            snapshots: Vec::new(),
            sound: Vec::new(),
            fate: Fate::default(),
            hostile: None,
            skew_ms: i64::try_from(rng.below(4000)).unwrap_or(0) - 2000,
            known: RefCell::default(),
        };
        node.set_up().expect("a store in memory without faults takes this");
        node.memory.content().lax = mutant.map(Mutant::lax).unwrap_or_default();
        node
    }

    fn set_up(&self) -> Outcome<()> {
        let own = self.city();
        let others = (0..self.cities).filter(|other| *other != self.number).map(city);
        for row in std::iter::once(own).chain(others) {
            now(self.memory.add_origin(&row.origin, &row.did, &row.fingerprint, None))?;
        }
        let plan = append::plan(&Head::default(), vec![own.genesis.clone()], START_MS / 1000)
            .map_err(|error| Problem::new(Code::Internal, error))?;
        let fence = now(hefu_node::store::GuardStore::lease(&self.memory, "sequencer", "init", 0, 1))?;
        now(self.memory.append_own(fence.unwrap_or(0), &plan, &[], &[]))?;
        let checkpoint =
            hefu_federation::checkpoint::Checkpoint { origin: own.origin.to_string(), size: 1, root: plan.head.root() };
        let note = checkpoint.sign(&own.log).map_err(|error| Problem::new(Code::Internal, error))?;
        self.disk.state().guard = Some(note.clone().into_bytes());
        now(self.memory.set_note(OWN, 1, note.as_bytes()))?;
        now(hefu_node::store::GuardStore::release(&self.memory, "sequencer", "init"))?;
        Ok(())
    }

    /// The agreement with the acts that the store has seen.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn registry(&self) -> Outcome<Arc<Known>> {
        let mut acts: BTreeMap<Origin, Vec<SeenAct>> = BTreeMap::new();
        let digest = &agreement(self.cities).digest;
        for other in 0..self.cities {
            let acted = now(seen(&self.memory, digest, origin_no(self.number, other)))?;
            if !acted.is_empty() {
                acts.insert(city(other).origin.clone(), acted);
            }
        }
        let secret = now(self.memory.linkages(AgreementNo(3)))?.into_iter().next();
        let mut last = self.known.borrow_mut();
        match last.as_ref().filter(|last| last.acts == acts && last.linkage.is_some() == secret.is_some()) {
            Some(last) => Ok(last.clone()),
            None => {
                let linkage = secret.map(|(epoch, secret)| Linkage::from_exposed(epoch, &secret));
                Ok(last.insert(known(self.cities, acts, linkage)).clone())
            }
        }
    }
}

/// What the steps of one process work with.
pub(super) struct Shell<'a> {
    pub(super) number: usize,
    pub(super) memory: Memory,
    pub(super) disk: Disk,
    pub(super) process: &'a mut Process,
    pub(super) receipts: &'a mut Vec<DraftRow>,
    pub(super) fate: &'a mut Fate,
    pub(super) honest: bool,
    pub(super) audit: &'a mut Audit,
    pub(super) now_ms: i64,
    pub(super) mutant: Option<Mutant>,
}

impl Shell<'_> {
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn city(&self) -> &'static City {
        city(self.number)
    }
}

/// Size that a note names on its second line.
pub(super) fn size_of(note: &[u8]) -> u64 {
    let text = std::str::from_utf8(note).ok();
    text.and_then(|text| text.lines().nth(1)?.parse().ok()).unwrap_or(0)
}

/// The name under which a log's notes are kept as seen.
pub(super) fn seen_hash(origin: &Origin) -> String {
    Digest::of(origin.as_str().as_bytes()).to_string()
}
