//! The end of a simulation: all trouble stops, and what was promised must have come about within a bound.

use super::node::{Batch, Node, origin_no};
use super::pull::Puller;
use super::sim::{Counts, Faults, Sim};
use hefu_federation::entry::Act;
use hefu_federation::pull::PayloadState;
use hefu_node::problem::{Code, Outcome};
use hefu_node::store::OWN;

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
            if !self.has_linkage(number) {
                for peer in (0..self.nodes.len()).filter(|peer| *peer != number) {
                    self.round(Puller { node: number, process: 0, peer });
                }
            }
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
        self.rounds();
        self.look();
        self.mend();
        self.look();
        for node in 0..self.nodes.len() {
            for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
                if self.node(node).honest() {
                    self.check_forks(node, peer);
                    self.check_arrived(node, peer);
                }
            }
        }
        self.check_tallies();
        self.check_audit();
        self.counts.own_forks += u64::try_from(self.audit.forked.len()).unwrap_or(0);
        self.counts.store_calls += self.nodes.iter().map(|node| node.disk.state().calls).sum::<u64>();
        for node in 0..self.nodes.len() {
            let size = self.node(node).memory.content().logs.get(&OWN).map_or(0, |log| log.size);
            self.mark("end", &[size, u64::try_from(self.node(node).receipts.len()).unwrap_or(0)]);
        }
    }

    /// All pull all, as often as it may take. Where all are honest, a round that brought nothing would be the same again.
    fn rounds(&mut self) {
        let brought = |counts: &Counts| (counts.entries, counts.held, counts.splits);
        for nth in 0..ROUNDS {
            let before = brought(&self.counts);
            self.now_ms += 60_000;
            self.pull_all();
            // The first one may have gone on with rounds that had begun before.
            if nth > 0 && before == brought(&self.counts) && self.nodes.iter().all(Node::honest) {
                return;
            }
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
            self.rounds();
        }
    }

    /// Whoever holds entries that a peer's log contradicts, or has seen a note that it contradicts, has noticed.
    fn check_forks(&mut self, node: usize, peer: usize) {
        let (mine, its) = (self.node(node).memory.clone(), self.node(peer).memory.clone());
        let notes = self.audit.notes(node, peer, &mine);
        let model = its.content();
        let published = model.logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0)).unwrap_or(0);
        let log = self.audit.logs.look(peer, OWN, &model);
        let theirs = log.first(published).to_vec();
        // Only the largest note is kept: beyond the log it says nothing of it until that is as long again.
        let seen_more = notes.iter().any(|(size, _)| *size > published);
        let seen_other = !seen_more && notes.iter().any(|(size, root)| log.root(*size) != Some(*root));
        drop(model);
        let ours = self.audit.logs.look(node, origin_no(node, peer), &mine.content()).leaves();
        let common = ours.len().min(theirs.len());
        let same = ours.get(..common) == theirs.get(..common);
        // What a hostile city shows to one it need not show to another.
        let shown = self.node(peer).honest();
        let stopped = self.is_stopped(node, peer);
        self.audit.require(same || stopped || !shown, "forks-are-reported", || {
            format!("city {node} holds another log of {peer} and has not noticed")
        });
        self.audit.require(!seen_other || stopped || !shown, "forks-are-reported", || {
            format!("city {node} has seen a note of another log of {peer} and has not noticed")
        });
        let forked = self.audit.forked.contains(&peer);
        self.counts.noticed_by_note += u64::from(shown && stopped && same && seen_other);
        self.counts.silent += u64::from(shown && forked && seen_more && !stopped);
        let false_alarm = stopped && shown && !forked;
        self.audit.require(!false_alarm, "no-false-alarm", || format!("city {node} has stopped pulling {peer}"));
    }

    pub(super) fn is_stopped(&self, node: usize, peer: usize) -> bool {
        let model = self.node(node).memory.content();
        model.origin_row(origin_no(node, peer)).is_some_and(|row| row.stopped.is_some())
    }

    /// Every record of an honest city is at every honest peer.
    fn check_arrived(&mut self, node: usize, peer: usize) {
        let theirs = self.node(peer);
        // Of a city that signed two histories everybody keeps what he has.
        if !theirs.honest() || self.audit.forked.contains(&peer) {
            return;
        }
        let fate = theirs.fate;
        let published = theirs.memory.content().logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.0)).unwrap_or(0);
        let records = theirs.memory.content().payload_rows(OWN);
        let no = origin_no(node, peer);
        let size = self.node(node).memory.content().logs.get(&no).map_or(0, |log| log.size);
        // What a city lacks that was put back, it cannot serve: not before the newest data are brought back.
        if fate.set_back && size > published {
            return;
        }
        self.audit.require(size == published, "all-arrives", || {
            format!("city {node} has {size} of {published} entries of {peer}, {fate:?}")
        });
        let held = self.node(node).memory.content().payload_rows(no);
        for record in records.iter().filter(|record| record.index < published) {
            let arrived = held.iter().find(|row| row.index == record.index);
            let is_held = arrived.is_some_and(|row| row.state == PayloadState::Held);
            self.audit.require(is_held, "all-arrives", || {
                let state = arrived.map(|row| (row.state.code(), row.reason.clone()));
                format!("city {node}: entry {} of {peer}: {state:?}, {fate:?}", record.index)
            });
        }
    }

    /// What the audit remembers of the logs is what lies on the disks.
    fn check_audit(&mut self) {
        for node in 0..self.nodes.len() {
            let memory = self.node(node).memory.clone();
            for of in 0..self.nodes.len() {
                let (model, no) = (memory.content(), origin_no(node, of));
                let is_true = self.audit.logs.look(node, no, &model).is_true(no, &model);
                self.audit.require(is_true, "audit-is-true", || format!("city {node}: the log of {of}"));
            }
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
        // A city that was put back may have appended what it did not sign.
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
