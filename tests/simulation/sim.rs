//! One simulation: nodes, network and clock under one stream of random numbers.

use super::audit::Audit;
use super::cities::{MAX_CITIES, START_MS, agreement, city, linkage};
use super::disk::MAX_CUT;
use super::mutant::Mutant;
use super::node::{Batch, Hostile, Node, Process, Shell, now, size_of};
use super::pull::Puller;
use super::rng::Rng;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::Act;
use hefu_federation::mutant as hook;
use hefu_node::problem::{Outcome, Problem};
use hefu_node::sequencer::NewAct;
use hefu_node::store::{AgreementNo, AgreementStore, DraftRow};
use std::collections::BTreeMap;

/// Which trouble a simulation has: seeds differ in it, so that each trouble also comes alone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) crashes: bool,
    pub(super) loses: bool,
    pub(super) restores: bool,
    pub(super) flips: bool,
    pub(super) fails: bool,
    pub(super) drops: bool,
    pub(super) doubles: bool,
    pub(super) delays: bool,
    pub(super) garbles: bool,
    pub(super) parts: bool,
    pub(super) pauses: bool,
    pub(super) rotates: bool,
    pub(super) hostile: bool,
    pub(super) late: bool,
}

impl Faults {
    fn draw(rng: &mut Rng) -> Self {
        let mut on = |percent| rng.chance(percent);
        Self {
            crashes: on(55),
            loses: on(12),
            restores: on(30),
            flips: on(20),
            fails: on(35),
            drops: on(40),
            doubles: on(30),
            delays: on(30),
            garbles: on(30),
            parts: on(40),
            pauses: on(35),
            rotates: on(40),
            hostile: on(45),
            late: on(20),
        }
    }
}

macro_rules! counts {
    ($($name:ident: $says:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "named like the things that are counted")]
        pub struct Counts { $(pub $name: u64,)* }

        impl Counts {
            /// Adds those of another simulation.
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)* }
            /// Words and numbers.
            pub fn rows(&self) -> Vec<(&'static str, u64)> { vec![$(($says, self.$name),)*] }
        }
    };
}

counts! {
    steps: "steps", store_calls: "store calls", records: "records published", receipts: "receipts given",
    entries: "entries pulled", held: "records held by peers", held_at_once: "of them stored once, never as wanted", requests: "requests",
    tallies: "tallies compared", fit: "of them equal",
    crashes: "crashes", cuts: "writes lost with the power", fails: "failed writes", restores: "old copies put back without the guard",
    guarded: "old copies put back with the guard", removed: "guard files lost", flips: "bits flipped", pauses: "processes put to sleep",
    seconds: "second processes started", rotations: "keys changed", parts: "partitions", lost: "requests or answers lost",
    doubled: "requests doubled", late: "answers late", garbled: "answers garbled", stale: "old checkpoints shown",
    forks: "forks by hostile cities", forged: "records forged", unguarded: "starts without an answer",
    refusals: "starts that refuse to sign", own_forks: "forks by restored cities", splits: "split views found",
    noticed_by_note: "of them by a note alone", silent: "peers that saw a longer note than a restored city has again", opened_late: "agreements opened late", linked_late: "linkages that came late",
    scrubs: "runs of fsck", repaired: "damaged records put back", unstated: "tallies that could not be computed",
}

/// A simulation.
pub(super) struct Sim {
    pub(super) rng: Rng,
    pub(super) now_ms: i64,
    pub(super) nodes: Vec<Node>,
    pub(super) audit: Audit,
    pub(super) faults: Faults,
    pub(super) mutant: Option<Mutant>,
    pub(super) counts: Counts,
    /// Until when two cities cannot reach each other.
    pub(super) parted: BTreeMap<(usize, usize), i64>,
    /// Checkpoints that are still on their way somewhere.
    pub(super) old_notes: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The linkage has not been sealed to those who have not opened the agreement.
    pub(super) unsealed: bool,
    /// FNV-1a over all that happened.
    trace: u64,
}

impl Sim {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        hook::plant(mutant.and_then(Mutant::hook));
        let mut rng = Rng::new(seed);
        let cities = 2 + rng.position(MAX_CITIES - 1);
        let faults = Faults::draw(&mut rng);
        let nodes = (0..cities).map(|number| Node::new(number, cities, &mut rng, mutant)).collect();
        let mut sim = Self {
            rng,
            now_ms: START_MS,
            nodes,
            audit: Audit::default(),
            faults: Faults::default(),
            mutant,
            counts: Counts::default(),
            parted: BTreeMap::new(),
            old_notes: BTreeMap::new(),
            unsealed: true,
            trace: 0xCBF2_9CE4_8422_2325,
        };
        let late = faults.late.then(|| sim.rng.position(cities));
        sim.counts.opened_late = u64::from(faults.late);
        sim.set_up(late);
        sim.unsealed = false;
        sim.faults = faults;
        if faults.hostile
            && cities > 2
            && let Some(node) = sim.nodes.last_mut()
        {
            node.hostile = Some(Hostile::default());
            let mut model = node.memory.content();
            (model.lax.ids, model.lax.fence) = (true, true);
        }
        let unsynced = mutant == Some(Mutant::StoreUnsynced);
        for node in &sim.nodes {
            let mut disk = node.disk.state();
            (disk.keeps_before, disk.unsynced) = (faults.loses || unsynced, unsynced);
        }
        sim
    }

    /// All start, sign the agreement, pull each other, and open it: without trouble. To one the linkage may come late: it cannot open it yet.
    fn set_up(&mut self, late: Option<usize>) {
        for node in self.nodes.iter().filter(|node| late != Some(node.number)) {
            let _ = now(node.memory.add_linkage(AgreementNo(3), 1, &linkage().expose()));
        }
        for act in [Act::Sign, Act::Open] {
            for node in 0..self.nodes.len() {
                if act == Act::Sign {
                    let _ = self.start(node, 0);
                }
                if act == Act::Sign || late != Some(node) {
                    let _ = self.act(node, 0, act);
                }
            }
            self.pull_all();
        }
    }

    /// Publishes an act on the agreement.
    pub(super) fn act(&mut self, number: usize, process: usize, act: Act) -> Outcome<Vec<DraftRow>> {
        let acts = vec![NewAct { digest: agreement(self.nodes.len()).digest, act, on: None }];
        self.publish(number, process, &Batch { acts, ..Batch::default() }, false)
    }

    /// Whether the linkage of the agreement has reached a city.
    pub(super) fn has_linkage(&self, number: usize) -> bool {
        self.node(number).registry().is_ok_and(|known| known.linkage.is_some())
    }

    /// Whether a city has opened the agreement, by its own log.
    pub(super) fn has_opened(&self, number: usize) -> bool {
        let known = self.node(number).registry().ok();
        known.is_some_and(|known| known.standing().opened_at(&city(number).origin).is_some())
    }

    pub(super) fn pull_all(&mut self) {
        for node in 0..self.nodes.len() {
            for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
                self.round(Puller { node, process: 0, peer });
            }
        }
    }

    pub(super) fn node(&self, number: usize) -> &Node {
        self.nodes.get(number).expect("a number below their count")
    }

    pub(super) fn node_mut(&mut self, number: usize) -> &mut Node {
        self.nodes.get_mut(number).expect("a number below their count")
    }

    /// The time on a node's clock.
    pub(super) fn node_ms(&self, number: usize) -> i64 {
        self.now_ms + self.node(number).skew_ms
    }

    /// Notes what happened.
    pub(super) fn mark(&mut self, what: &str, numbers: &[u64]) {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        for byte in what.bytes().chain(numbers) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace
    }

    /// Runs some steps of a process; `None` when it is not there.
    pub(super) fn with_shell<T>(
        &mut self,
        number: usize,
        process: usize,
        step: impl FnOnce(&mut Shell<'_>) -> T,
    ) -> Option<T> {
        let (now_ms, mutant) = (self.node_ms(number), self.mutant);
        let node = self.nodes.get_mut(number)?;
        let honest = node.hostile.is_none();
        let mut shell = Shell {
            number,
            memory: node.memory.clone(),
            disk: node.disk.clone(),
            process: node.processes.get_mut(process)?.as_mut()?,
            receipts: &mut node.receipts,
            fate: &mut node.fate,
            honest,
            audit: &mut self.audit,
            now_ms,
            mutant,
        };
        let value = step(&mut shell);
        self.reap(number);
        Some(value)
    }

    /// A process that died takes the others of its machine with it.
    pub(super) fn reap(&mut self, number: usize) {
        let is_unsynced = self.is(Mutant::StoreUnsynced);
        let node = self.node_mut(number);
        if !std::mem::take(&mut node.disk.state().dead) {
            return;
        }
        let writes = 1 + self.rng.position(MAX_CUT);
        let node = self.node_mut(number);
        node.disk.state().crash_in = None;
        node.processes = [None, None];
        let cut = node.disk.cut(&mut node.memory.content(), writes);
        if cut && !is_unsynced {
            // Beside a guard file that is gone it is as if that were put back, too.
            node.fate.guard_too |= node.disk.state().guard.is_none();
            node.fate.set_back = true;
            node.receipts_before = node.receipts.len();
        }
        self.counts.crashes += 1;
        if cut {
            self.counts.cuts += 1;
            self.audit.forget(number);
        }
        self.mark("crash", &[u64::from(cut)]);
    }

    /// Starts a process: what peers have seen is asked for, the guard decides.
    pub(super) fn start(&mut self, number: usize, process: usize) -> Outcome<()> {
        let seen = self.ask_seen(number);
        let node = self.node_mut(number);
        let known = node.registry()?;
        let memory = node.memory.clone();
        // What was garbled on its way says nothing.
        let key = city(number).log.public();
        let genuine: Vec<Checkpoint> =
            seen.iter().filter_map(|note| Checkpoint::open(note, &city(number).origin, &key).ok()).collect();
        let knew = self.audit.knows(number, &memory, &genuine);
        let node = self.node_mut(number);
        node.starts += 1;
        let fresh = Process {
            holder: format!("serve-{process}"),
            head: None,
            unpublished: false,
            fence: None,
            signing: Err("starting".to_owned()),
            unguarded: false,
            knew,
            known,
            paused: None,
            rounds: BTreeMap::new(),
        };
        if let Some(slot) = node.processes.get_mut(process) {
            *slot = Some(fresh);
        }
        let started = self.with_shell(number, process, |shell| {
            let result = shell.start(&seen);
            if let Err(problem) = &result {
                shell.process.signing = Err(problem.detail.clone());
            }
            result.map(|()| (shell.process.signing.is_ok(), shell.process.unguarded))
        });
        let (signs, unguarded) = started.unwrap_or_else(|| Err(gone()))?;
        self.counts.unguarded += u64::from(unguarded);
        self.counts.refusals += u64::from(!signs);
        self.mark("start", &[u64::from(signs), u64::from(unguarded)]);
        if let Some(node) = self.nodes.get(number).filter(|node| node.honest()) {
            let lost = self.audit.lost(number, &memory, &node.receipts);
            self.audit.started(number, lost, node.fate, knew, signs, unguarded);
        }
        Ok(())
    }

    pub(super) fn reload(&mut self, number: usize, process: usize) -> Outcome<()> {
        let known = self.node(number).registry()?;
        let slot = self.node_mut(number).processes.get_mut(process).and_then(Option::as_mut);
        if let Some(slot) = slot {
            slot.known = known;
        }
        Ok(())
    }

    pub(super) fn publish(
        &mut self,
        number: usize,
        process: usize,
        batch: &Batch,
        pause: bool,
    ) -> Outcome<Vec<DraftRow>> {
        let result = self.with_shell(number, process, |shell| shell.publish(batch, pause));
        let receipts = result.unwrap_or_else(|| Err(gone()))?;
        self.counts.receipts += u64::try_from(receipts.len()).unwrap_or(0);
        if !batch.acts.is_empty() {
            self.reload(number, process)?;
        }
        Ok(receipts)
    }

    /// One request of a round; whether the round goes on. One process at a time pulls a peer.
    pub(super) fn pull(&mut self, at: Puller) -> bool {
        let others = self.node(at.node).processes.iter().enumerate().filter(|(process, _)| *process != at.process);
        if others.filter_map(|(_, process)| process.as_ref()).any(|process| process.rounds.contains_key(&at.peer)) {
            return false;
        }
        let process = self.node_mut(at.node).processes.get_mut(at.process).and_then(Option::as_mut);
        let Some(process) = process.filter(|process| process.paused.is_none()) else { return false };
        let round = process.rounds.remove(&at.peer);
        let result = self.pull_step(at, round);
        self.reap(at.node);
        let code = match &result {
            Ok(round) => u64::from(round.is_some()),
            Err(problem) => 2 + u64::from(problem.code.status()),
        };
        self.mark("pull", &[code]);
        let Ok(Some(round)) = result else { return false };
        let process = self.node_mut(at.node).processes.get_mut(at.process).and_then(Option::as_mut);
        process.is_some_and(|process| {
            process.rounds.insert(at.peer, round);
            true
        })
    }

    /// A whole round, or what comes of it.
    pub(super) fn round(&mut self, at: Puller) {
        // More requests than any round of a log this small takes.
        for _ in 0..40 {
            if !self.pull(at) {
                return;
            }
        }
    }

    /// Looks at all nodes from outside.
    pub(super) fn look(&mut self) {
        for number in 0..self.nodes.len() {
            self.reap(number);
            let node = self.node_mut(number);
            node.fate.entry_flipped |= node.disk.state().flipped > 0;
            let Some(node) = self.nodes.get(number).filter(|node| node.honest()) else { continue };
            let guard = node.disk.state().guard.as_deref().map(size_of);
            self.audit.step(number, self.nodes.len(), &node.memory, guard, node.fate);
            // A receipt that was given is in the log, unless the disk itself lost it since.
            let since = node.receipts.get(node.receipts_before..).unwrap_or_default();
            let lost = self.audit.lost(number, &node.memory, since);
            self.audit.require(lost == 0, "no-receipt-is-lost", || format!("city {number}: {lost}"));
        }
    }

    pub(super) fn failed(&self) -> bool {
        !self.audit.violations.is_empty()
    }
}

fn gone() -> Problem {
    super::disk::gone().into()
}
