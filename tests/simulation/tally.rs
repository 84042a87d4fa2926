//! Reconciling and comparing, by the very functions of production.

use super::mutant::Mutant;
use super::node::{now, origin_no, ring_of};
use super::records::keys_of_row;
use super::sim::Sim;
use crate::memory::Memory;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_federation::reconcile::tally::{Comparison, Statement, compare};
use hefu_federation::trust::KeyRing;
use hefu_node::codec::decompress;
use hefu_node::problem::Outcome;
use hefu_node::registry::Known;
use hefu_node::store::{LogStore, OriginNo, PayloadRow};
use hefu_node::tally::{Question, compute, question_at};
use hefu_node::{guard::stored_root, reconcile};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::scan::scan;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Sim {
    /// The statement of a node for a question, computed as production does.
    fn statement(&mut self, node: usize, known: &Arc<Known>, question: &Question) -> Outcome<Statement> {
        let (memory, now_ms) = (self.node(node).memory.clone(), self.node_ms(node));
        now(reconcile::agreement(&memory, now_ms, known))?;
        if !self.is(Mutant::OldSizeTallied) {
            return now(compute(&memory, now_ms, known, question));
        }
        let mut old = question.clone();
        for (origin, (size, root)) in &mut old.heads {
            let no = (0..self.nodes.len()).find(|n| super::cities::city(*n).origin == *origin);
            let no = no.map_or(OriginNo(1), |n| origin_no(node, n));
            *size = size.saturating_sub(u64::from(node == 0)).max(1);
            *root = now(stored_root(&memory, no, *size))?;
        }
        let said = now(compute(&memory, now_ms, known, question))?;
        let Statement { matched, findings, digest, .. } = now(compute(&memory, now_ms, known, &old))?;
        Ok(Statement { matched, findings, digest, ..said })
    }

    /// Two nodes compute the tally of what both hold; where all inputs are the same, so is the result.
    pub(super) fn compare(&mut self, one: usize, two: usize) -> Outcome<()> {
        // A payload that changed at rest is read as it is: that is for `fsck` to find.
        if self.node(one).fate.flipped || self.node(two).fate.flipped {
            return Ok(());
        }
        let (a, b) = (self.node(one).memory.clone(), self.node(two).memory.clone());
        let known = self.node(one).registry()?;
        let mut question = now(question_at(&a, self.node_ms(one), &known, None))?;
        for n in 0..self.nodes.len() {
            let size = now(a.head(origin_no(one, n)))?.size.min(now(b.head(origin_no(two, n)))?.size);
            if size == 0 {
                return Ok(());
            }
            let root = now(stored_root(&a, origin_no(one, n), size))?;
            question.heads.insert(super::cities::city(n).origin.clone(), (size, root));
        }
        let ours = self.statement(one, &known, &question)?;
        let known = self.node(two).registry()?;
        let theirs = self.statement(two, &known, &question)?;
        self.counts.tallies += 1;
        match compare(&ours, &theirs) {
            Comparison::Fits => self.counts.fit += 1,
            Comparison::NotComparable(_) => {}
            Comparison::Differs => {
                self.audit.violated("tallies-are-equal", format!("of cities {one} and {two}, with the same inputs"));
            }
        }
        Ok(())
    }

    /// What came piece by piece gives the same result as all of it at once.
    pub(super) fn recompute(&mut self, node: usize) -> Outcome<()> {
        // What was evaluated before a payload changed at rest, and after, need not be the same.
        if self.node(node).fate.flipped {
            return Ok(());
        }
        let (memory, known, now_ms) = (self.node(node).memory.clone(), self.node(node).registry()?, self.node_ms(node));
        now(reconcile::agreement(&memory, now_ms, &known))?;
        let question = now(question_at(&memory, now_ms, &known, None))?;
        let before = now(compute(&memory, now_ms, &known, &question))?;
        let fresh = memory.copy();
        fresh.content().lax = crate::memory::Lax::default();
        self.forget(node, &fresh)?;
        now(reconcile::agreement(&fresh, now_ms, &known))?;
        let after = now(compute(&fresh, now_ms, &known, &question))?;
        let same = compare(&before, &after) == Comparison::Fits;
        self.audit.require(same, "piece-by-piece-is-at-once", || format!("city {node}: {before:?} {after:?}"));
        Ok(())
    }
}

impl Sim {
    /// Forgets what a store has evaluated, and queues all of it again.
    fn forget(&self, node: usize, store: &Memory) -> Outcome<()> {
        let memory = store.copy();
        let mut rings = BTreeMap::new();
        for row in now(memory.origins())? {
            if now(memory.head(row.no))?.size > 0 {
                rings.insert(row.no, ring_of(&memory, &row)?);
            }
        }
        let by_no = |no: OriginNo| (0..self.nodes.len()).find(|n| origin_no(node, *n) == no);
        store.content().forget_evaluations(|no, row| {
            let origin = by_no(no).map(|n| super::cities::city(n).origin.clone());
            keys(&memory, no, row, rings.get(&no), origin)
        });
        Ok(())
    }

    /// The same on a node itself.
    pub(super) fn evaluate_anew(&self, node: usize) -> Outcome<()> {
        self.forget(node, &self.node(node).memory)
    }
}

/// Under which keys a row belongs.
fn keys(
    memory: &Memory,
    no: OriginNo,
    row: &PayloadRow,
    ring: Option<&KeyRing>,
    origin: Option<hefu_schemas::id::Origin>,
) -> Vec<Key> {
    let entry = origin.map(|origin| Key::entry(&origin, row.index));
    match row.state {
        PayloadState::Invalid | PayloadState::Quarantined if !is_known_id(row) => entry.into_iter().collect(),
        PayloadState::Held => {
            let mut keys = keys_of_row(row);
            let of = row.of.and_then(|of| now(hefu_node::store::PayloadStore::row(memory, no, of)).ok().flatten());
            keys.extend(of.filter(|of| of.state == PayloadState::Held).iter().flat_map(keys_of_row));
            let disputed =
                ring.is_some_and(|ring| signer(row).is_some_and(|key| ring.is_disputed(&key, row.index, u64::MAX)));
            keys.extend(entry.filter(|_| disputed));
            keys.sort();
            keys.dedup();
            keys
        }
        _ => Vec::new(),
    }
}

/// Turned down for its id: the store queues nothing for it.
fn is_known_id(row: &PayloadRow) -> bool {
    row.reason.as_deref() == Some("id-new")
}

fn signer(row: &PayloadRow) -> Option<String> {
    let payload = row.payload.as_ref()?;
    let document = scan(decompress(payload.codec, &payload.body)?, MAX_RECORD_LEN).ok()?;
    let method = document.root().pointer("/proof/verificationMethod")?.as_str()?.into_owned();
    method.split_once('#').map(|(_, key)| key.to_owned())
}
