//! What bits that flip at rest do: production's `fsck` finds them, nobody is served them, and after they are put right from a backup
//! all is as it would have been.

use super::cities::agreement;
use super::node::{now, origin_no};
use super::sim::Sim;
use crate::memory::Memory;
use hefu_federation::pull::PayloadState;
use hefu_node::codec::decompress;
use hefu_node::fsck::{self, Report};
use hefu_node::problem::Outcome;
use hefu_node::registry::Registry;
use hefu_node::store::{AgreementStore, OWN, PayloadRow};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Sim {
    /// `fsck` of a node, as production runs it over a store that nobody has open.
    fn fsck(&self, number: usize) -> Outcome<Vec<Report>> {
        let memory: Memory = self.node(number).memory.copy();
        let document = agreement(self.nodes.len());
        now(memory.add_document(document.id, document.version, &document.digest, document.bytes(), 0))?;
        let registry = Registry::default();
        now(registry.reload(&memory))?;
        now(fsck::stored(&memory, &registry))
    }

    /// Own rows that do not say what they said, and what they were. A bit of a compressed body may be one that says nothing.
    fn damaged(&self, number: usize) -> Vec<Arc<PayloadRow>> {
        let node = self.node(number);
        let rows = node.memory.content().payload_rows(OWN);
        let differs = |sound: &&Arc<PayloadRow>| {
            let row = rows.iter().find(|row| row.index == sound.index && row.id == sound.id);
            row.is_some_and(|row| says(row) != says(sound))
        };
        node.sound.iter().filter(differs).cloned().collect()
    }

    /// `fsck` complains of what is damaged, and of nothing else.
    pub(super) fn check_damage(&mut self, number: usize) {
        let node = self.node(number);
        // What a city signs after its database was set back may be under keys that it no longer has.
        if !node.honest() || node.fate.set_back || node.fate.entry_flipped {
            return;
        }
        let damaged = self.damaged(number);
        // A clean bill is looked at now and then: it verifies every signature again.
        if damaged.is_empty() && !self.rng.chance(10) {
            return;
        }
        self.counts.scrubs += 1;
        let result = self.fsck(number);
        let failed = result.as_ref().err().map(ToString::to_string);
        let reports = result.unwrap_or_default();
        let found: BTreeSet<String> = reports.iter().flat_map(|report| report.complaints.iter().cloned()).collect();
        let named = |row: &Arc<PayloadRow>| {
            let name = format!("payload of entry {}: ", row.index);
            found.iter().any(|complaint| complaint.starts_with(&name))
        };
        let all = damaged.iter().all(named) && found.len() == damaged.len() && reports.len() == self.nodes.len();
        self.audit.require(all, "damage-is-found", || {
            let indexes: Vec<u64> = damaged.iter().map(|row| row.index).collect();
            format!("city {number}: damaged {indexes:?}, complaints {found:?}, {failed:?}, {} reports", reports.len())
        });
    }

    /// Before it is put right, a damaged record is at a peer that had it already, or it is missing there, and with it only what
    /// corrects it.
    pub(super) fn check_withheld(&mut self, node: usize, peer: usize) {
        let theirs = self.node(peer);
        if !theirs.honest() || theirs.fate.set_back || theirs.fate.entry_flipped {
            return;
        }
        let mut missing: BTreeSet<u64> = self.damaged(peer).iter().map(|row| row.index).collect();
        let rows = theirs.memory.content().payload_rows(OWN);
        missing.extend(
            rows.iter()
                .scan(missing.clone(), |missing, row| {
                    let waits = row.of.is_some_and(|of| missing.contains(&of));
                    Some(waits.then(|| missing.insert(row.index)).map(|_| row.index))
                })
                .flatten(),
        );
        let held = self.node(node).memory.content().payload_rows(origin_no(node, peer));
        for row in held.iter().filter(|row| row.state != PayloadState::Held) {
            let (index, state) = (row.index, row.state.code());
            self.audit.require(missing.contains(&index), "all-arrives", || {
                format!("city {node}: entry {index} of {peer} is {state} beside a damaged one")
            });
        }
    }

    /// The damaged records are put back from a backup, and everything is evaluated anew.
    pub(super) fn repair(&mut self, number: usize) -> bool {
        let damaged = self.damaged(number);
        {
            let mut model = self.node(number).memory.content();
            if let Some(log) = model.logs.get_mut(&OWN) {
                log.rows.extend(damaged.iter().map(|row| (row.index, row.clone())));
            }
        }
        let node = self.node_mut(number);
        node.sound.clear();
        node.fate.flipped = false;
        if !damaged.is_empty() {
            self.counts.repaired += u64::try_from(damaged.len()).unwrap_or(0);
            let _ = self.evaluate_anew(number);
        }
        !damaged.is_empty()
    }
}

/// Salt and bytes of a row's record, as far as they can be read.
fn says(row: &PayloadRow) -> Option<([u8; 32], Option<Vec<u8>>)> {
    row.payload.as_ref().map(|payload| (payload.salt, decompress(payload.codec, &payload.body)))
}
