//! Starting, in the order of steps of `node::guard`: guard file, published note and what peers have seen must be a prefix of the log.

use super::mutant::Mutant;
use super::node::{Shell, now, ring_of, size_of};
use hefu_federation::append::Head;
use hefu_federation::trust::KeyRing;
use hefu_node::guard::stored_root;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::store::{LogStore, OWN};

impl Shell<'_> {
    /// Decides whether the process may sign, and signs a head that a crash left unsigned. `answers`: how many peers answered at
    /// all; `seen`: the notes that they have.
    pub(super) fn start(&mut self, seen: &[Vec<u8>]) -> Outcome<()> {
        let row = now(self.memory.origins())?.into_iter().find(|row| row.no == OWN);
        let row = row.ok_or_else(|| Problem::new(Code::Damaged, "no own origin"))?;
        let ring = ring_of(&self.memory, &row)?;
        let seen: Vec<&Vec<u8>> = seen.iter().filter(|note| ring.open_checkpoint(note).is_ok()).collect();
        self.process.unguarded = seen.is_empty() && !self.is(Mutant::LabelSkipped);
        self.process.signing = self.may_sign(&ring, &seen)?;
        Ok(())
    }

    fn may_sign(&mut self, ring: &KeyRing, seen: &[&Vec<u8>]) -> Outcome<Result<(), String>> {
        let head = now(self.memory.edge(OWN))?;
        let stored = now(self.memory.head(OWN))?;
        let guard = self.disk.state().guard.clone();
        if guard.as_deref().is_some_and(|note| ring.open_checkpoint(note).is_err()) {
            return Ok(Err("the guard file does not read".to_owned()));
        }
        let file = guard.as_ref().filter(|_| !self.is(Mutant::GuardUnread));
        for note in file.into_iter().chain(&stored.note) {
            if !self.prefix(ring, note, &head)? {
                return Ok(Err("this folder is older than what was signed".to_owned()));
            }
        }
        for note in seen.iter().filter(|_| !self.is(Mutant::PeersUnasked)) {
            if !self.prefix(ring, note, &head)? {
                return Ok(Err("this folder is older than what a peer has seen".to_owned()));
            }
        }
        if guard.is_none() && seen.is_empty() {
            return Ok(Err("the guard file is missing and no peer answers".to_owned()));
        }
        let size = |note: &Option<Vec<u8>>| note.as_deref().map_or(0, size_of);
        if size(&guard).min(size(&stored.note)) < head.size() {
            self.publish_note(&head)?;
        }
        Ok(Ok(()))
    }

    fn prefix(&self, ring: &KeyRing, note: &[u8], head: &Head) -> Outcome<bool> {
        let Ok(checkpoint) = ring.open_checkpoint(note) else { return Ok(false) };
        Ok(checkpoint.size <= head.size() && now(stored_root(&self.memory, OWN, checkpoint.size))? == checkpoint.root)
    }
}
