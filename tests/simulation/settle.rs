//! The end of a simulation: all trouble stops, and what was promised must have come about within a bound.

use super::audit::{Audit, leaves};
use super::node::{Batch, now, origin_no};
use super::sim::{Faults, Sim};
use hefu_federation::entry::Act;
use hefu_federation::pull::PayloadState;
use hefu_node::problem::{Code, Outcome};
use hefu_node::store::{LogStore, OWN};

/// Rounds with every peer until all that is wanted must be there: one for acts, one for the records behind them, one for records
/// that waited for others, one to spare.
const ROUNDS: usize = 4;

impl Sim {
    pub(super) fn settle(&mut self) {
        self.faults = Faults::default();
        self.parted.clear();
        self.old_notes.clear();
        for number in 0..self.nodes.len() {
            self.reap(number);
            let node = self.node_mut(number);
            {
                let mut disk = node.disk.state();
                (disk.crash_in, disk.fail_in, disk.flip_next) = (None, None, false);
            }
            if node.processes.iter().flatten().any(|process| process.paused.is_some()) {
                node.processes = [None, None];
            }
            node.processes[1] = None;
        }
        // A lease that a dead process held has run out.
        self.now_ms += 60_000;
        for number in 0..self.nodes.len() {
            if self.node(number).processes.first().is_some_and(Option::is_none) {
                let _ = self.start(number, 0);
            }
        }
        for number in 0..self.nodes.len() {
            if !self.has_opened(number) {
                let _ = self.act(number, 0, Act::Open);
            }
            let records = self.node(number).backlog.clone();
            let result = self.publish(number, 0, &Batch { records, ..Batch::default() }, false);
            let node = self.node(number);
            let signs = node.processes.iter().flatten().any(|process| process.signing.is_ok());
            // A log whose own bytes changed at rest takes nothing more: that is said, and for a person to mend.
            let damage = result.as_ref().err().is_some_and(|problem| problem.code == Code::Damaged);
            let excused = node.fate.set_back || (node.fate.entry_flipped && damage);
            let goes_on = !node.honest() || excused || !signs || result.is_ok();
            self.audit.require(goes_on, "drafts-go-on", || format!("city {number}: {:?}", result.err()));
        }
        for _ in 0..ROUNDS {
            self.now_ms += 60_000;
            self.pull_all();
        }
        self.look();
        self.mend();
        self.check_receipts();
        for node in 0..self.nodes.len() {
            for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
                if self.node(node).honest() {
                    self.check_forks(node, peer);
                    self.count_silent(node, peer);
                    self.check_arrived(node, peer);
                }
            }
        }
        self.check_tallies();
        self.counts.own_forks += u64::try_from(self.audit.forked.len()).unwrap_or(0);
        self.counts.store_calls += self.nodes.iter().map(|node| node.disk.state().calls).sum::<u64>();
        for node in 0..self.nodes.len() {
            let size = self.node(node).memory.content().logs.get(&OWN).map_or(0, |log| log.size);
            self.mark("end", &[size, u64::try_from(self.node(node).receipts.len()).unwrap_or(0)]);
        }
    }

    /// Bits that flipped at rest are looked for, and put right.
    fn mend(&mut self) {
        let cities = self.nodes.len();
        for number in 0..cities {
            self.check_damage(number);
            for node in (0..cities).filter(|node| *node != number) {
                if self.node(node).honest() && self.node(number).fate.flipped {
                    self.check_withheld(node, number);
                }
            }
        }
        let mut any = false;
        for number in 0..cities {
            any |= self.repair(number);
        }
        if any {
            for _ in 0..ROUNDS {
                self.now_ms += 60_000;
                self.pull_all();
            }
            self.look();
        }
    }

    /// A receipt that was given is in the log, unless the disk itself lost it.
    fn check_receipts(&mut self) {
        for number in 0..self.nodes.len() {
            let node = self.node(number);
            if node.honest() && !node.fate.set_back {
                let lost = Audit::lost(&node.memory, &node.receipts);
                self.audit.require(lost == 0, "no-receipt-is-lost", || format!("city {number}: {lost}"));
            }
        }
    }

    /// Whoever holds entries that a peer's log contradicts has noticed.
    fn check_forks(&mut self, node: usize, peer: usize) {
        let no = origin_no(node, peer);
        let published = self.node(peer).memory.content().logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0));
        let theirs = leaves(&self.node(peer).memory.content(), OWN, published.unwrap_or(0));
        let ours = leaves(&self.node(node).memory.content(), no, u64::MAX);
        let common = ours.len().min(theirs.len());
        let same = ours.get(..common) == theirs.get(..common);
        // What a hostile city shows to one it need not show to another.
        let shown = self.node(peer).honest();
        let stopped = self.is_stopped(node, peer);
        self.audit.require(same || stopped || !shown, "forks-are-reported", || {
            format!("city {node} holds another log of {peer} and has not noticed")
        });
        let false_alarm = stopped && shown && !self.audit.forked.contains(&peer);
        self.audit.require(!false_alarm, "no-false-alarm", || format!("city {node} has stopped pulling {peer}"));
    }

    pub(super) fn is_stopped(&self, node: usize, peer: usize) -> bool {
        let rows = now(self.node(node).memory.copy().origins()).unwrap_or_default();
        rows.iter().any(|row| row.no == origin_no(node, peer) && row.stopped.is_some())
    }

    /// Every record of an honest city is at every honest peer.
    fn check_arrived(&mut self, node: usize, peer: usize) {
        let theirs = self.node(peer);
        if !theirs.honest() || theirs.fate.set_back || theirs.fate.entry_flipped {
            return;
        }
        let published = theirs.memory.content().logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0)).unwrap_or(0);
        let records = theirs.memory.content().payload_rows(OWN);
        let no = origin_no(node, peer);
        let size = self.node(node).memory.content().logs.get(&no).map_or(0, |log| log.size);
        self.audit.require(size == published, "all-arrives", || {
            format!("city {node} has {size} of {published} entries of {peer}")
        });
        let held = self.node(node).memory.content().payload_rows(no);
        for record in records.iter().filter(|record| record.index < published) {
            let arrived = held.iter().find(|row| row.index == record.index);
            let is_held = arrived.is_some_and(|row| row.state == PayloadState::Held);
            self.audit.require(is_held, "all-arrives", || {
                let state = arrived.map(|row| (row.state.code(), row.reason.clone()));
                format!("city {node}: entry {} of {peer}: {state:?}", record.index)
            });
        }
    }

    fn check_tallies(&mut self) {
        let honest: Vec<usize> = (0..self.nodes.len()).filter(|node| self.node(*node).honest()).collect();
        for pair in honest.windows(2) {
            if let [one, two] = pair {
                let result = self.compare(*one, *two);
                self.check_stated(&[*one, *two], result);
            }
        }
        if let Some(node) = self.rng.pick(&honest).copied() {
            let result = self.recompute(node);
            self.check_stated(&[node], result);
        }
    }

    /// Without trouble a tally can be computed, unless a log was damaged for good or shows two histories.
    fn check_stated(&mut self, nodes: &[usize], result: Outcome<()>) {
        let Err(problem) = result else { return };
        self.counts.unstated += 1;
        let contradicts =
            !self.audit.forked.is_empty() || self.nodes.iter().any(|node| !node.honest() || node.fate.set_back);
        let excused = match problem.code {
            Code::Damaged => nodes.iter().any(|node| self.node(*node).fate.entry_flipped),
            Code::SplitView => contradicts,
            _ => false,
        };
        self.audit.require(excused, "tallies-are-stated", || format!("cities {nodes:?}: {problem}"));
    }
}
