//! A round of pulling, in the order of steps of `node::pull`, one request at a time: between two of them anything may happen.

use super::mutant::Mutant;
use super::network::Ask;
use super::node::{now, origin_no, ring_of, seen_hash};
use super::sim::Sim;
use crate::memory::Memory;
use hefu_federation::append::{Head, plan_data};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::Body;
use hefu_federation::frontier::{Frontier, FrontierError, VerifiedEntries};
use hefu_federation::linkage::Linkage;
use hefu_federation::prefix::{root_of, wanted_tiles};
use hefu_federation::pull::{CheckpointVerdict, PayloadState, State, Want, is_to_contain, judge_checkpoint, plan};
use hefu_federation::tile::{TILE_WIDTH, TilePath, split_bundle};
use hefu_federation::tree::Hash;
use hefu_federation::trust::KeyRing;
use hefu_node::guard::stored_root;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::pull::{
    Fresh, Wrong, dispute, early_corrections, judge_rows, label, labelled, note, observed, spoken_for, verify, wanted,
    with_keys_of_corrected,
};
use hefu_node::registry::Known;
use hefu_node::store::{ActRow, AgreementStore, GuardStore, LogStore, OriginRow, PayloadStore, ReconcileStore};
use std::ops::Range;
use std::sync::Arc;

/// Records asked for at a time, as in production.
const PAGE_LEN: usize = 1_000;
/// Now and then a few, so that a round takes several pages.
const FEW: usize = 3;

/// A round in progress.
pub(super) struct Round {
    row: OriginRow,
    ring: KeyRing,
    head: Head,
    state: State,
    note: Vec<u8>,
    /// What its new entries want.
    fresh: Option<Fresh>,
    /// The log is up to date: which records are asked for, from which index on.
    records: Option<Asked>,
}

/// The records that a round asks for, in this order.
#[derive(Clone, Copy)]
enum Asked {
    /// What earlier rounds have left.
    Left(u64),
    /// What its new entries want.
    Fresh(u64),
    /// What a search of the stored entries has found.
    Found(u64),
}

impl Asked {
    fn from(self) -> u64 {
        match self {
            Self::Left(from) | Self::Fresh(from) | Self::Found(from) => from,
        }
    }

    fn at(self, from: u64) -> Self {
        match self {
            Self::Left(_) => Self::Left(from),
            Self::Fresh(_) => Self::Fresh(from),
            Self::Found(_) => Self::Found(from),
        }
    }
}

fn misbehaved(why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::PeerMisbehaved, why)
}

/// One process of a node and the peer that it pulls.
#[derive(Clone, Copy)]
pub(super) struct Puller {
    pub(super) node: usize,
    pub(super) process: usize,
    pub(super) peer: usize,
}

impl Sim {
    fn memory(&self, at: Puller) -> Memory {
        self.node(at.node).memory.clone()
    }

    fn known(&self, at: Puller) -> Outcome<Arc<Known>> {
        let process = self.node(at.node).processes.get(at.process).and_then(Option::as_ref);
        process.map(|process| process.known.clone()).ok_or_else(|| misbehaved("no process"))
    }

    /// The next request of a round, or its first; whether the round is over.
    pub(super) fn pull_step(&mut self, at: Puller, round: Option<Round>) -> Outcome<Option<Round>> {
        let Some(mut round) = round else { return self.begin(at).map(Some) };
        if round.records.is_none() {
            match plan(&round.state) {
                Some(Want::Checkpoint) => return self.checkpoint(at, &mut round).map(|()| Some(round)),
                Some(Want::Frontier(tiles)) => return self.frontier(at, &mut round, &tiles).map(|()| Some(round)),
                Some(Want::Entries(_)) => return self.entries(at, &mut round).map(|()| Some(round)),
                Some(Want::Records { .. }) | None => now(self.memory(at).settle(round.row.no))?,
            }
        }
        let result = match round.records {
            None => self.behind_the_log(at, &mut round).map(|()| true),
            Some(asked) => self.records(at, &mut round, asked),
        };
        match result {
            Ok(goes_on) => Ok(goes_on.then_some(round)),
            Err(problem) => {
                // The process may be dead by now, or the disk fail again: then the next round does it.
                let _ = self.leave_wanted(at, &round);
                Err(problem)
            }
        }
    }

    fn behind_the_log(&mut self, at: Puller, round: &mut Round) -> Outcome<()> {
        let known = self.known(at)?;
        let known = if known.linkage.is_none() { self.exchange(at)? } else { known };
        round.records = Some(Asked::Left(0));
        if round.fresh.is_none() || known.standing().opened_at(&round.row.origin).is_none() {
            self.search(at, round)?;
            round.records = Some(Asked::Found(0));
        }
        Ok(())
    }

    /// Searches the stored entries for the label of the agreement.
    fn search(&mut self, at: Puller, round: &Round) -> Outcome<()> {
        let (memory, known, size) = (self.memory(at), self.known(at)?, round.head.size());
        // Without its linkage no label is known: the search has not begun.
        let linked = known.linkage.is_some() || self.is(Mutant::UnlinkedSearched);
        if !linked || !known.acts.contains_key(&round.row.origin) {
            return Ok(());
        }
        if self.is(Mutant::LabelsSkipped) && self.rng.chance(30) {
            now(memory.add_wanted(round.row.no, known.no, &[], size))?;
        }
        now(label(&memory, round.row.no, &known, size)).map(|_| ())
    }

    /// What the new entries want and did not come is wanted by the rounds that follow.
    fn leave_wanted(&mut self, at: Puller, round: &Round) -> Outcome<()> {
        if let Some(fresh) = round.fresh.as_ref().filter(|_| self.is(Mutant::FreshForgotten)) {
            now(self.memory(at).add_wanted(round.row.no, self.known(at)?.no, &[], fresh.until()))?;
        }
        self.search(at, round)
    }

    /// Between log and records: the linkage, if the peer has it. It must be the one that the agreement commits to.
    fn exchange(&mut self, at: Puller) -> Outcome<Arc<Known>> {
        if let Some(bytes) = self.fetch(at.node, at.peer, &Ask::Linkage)? {
            let secret: [u8; 64] = bytes.try_into().map_err(|_| misbehaved("a linkage of another length"))?;
            let known = self.known(at)?;
            let terms = &known.document.terms;
            if Linkage::from_exposed(terms.linkage_epoch, &secret).commitment() != terms.linkage_commitment {
                return Err(misbehaved("another linkage than the agreement's"));
            }
            now(self.memory(at).add_linkage(known.no, terms.linkage_epoch, &secret))?;
            self.counts.linked_late += u64::from(!self.unsealed);
            self.reload(at.node, at.process)?;
        }
        self.known(at)
    }

    fn begin(&mut self, at: Puller) -> Outcome<Round> {
        // Another process may have pulled acts: production looks at the registry's version now and then.
        self.reload(at.node, at.process)?;
        let (memory, no) = (self.memory(at), origin_no(at.node, at.peer));
        let row = now(memory.origins())?.into_iter().find(|row| row.no == no).ok_or_else(|| misbehaved("unknown"))?;
        if row.stopped.is_some() {
            return Err(Problem::new(Code::SplitView, ""));
        }
        let head = now(memory.edge(no))?;
        let ring = if head.size() > 0 { ring_of(&memory, &row)? } else { self.found(at, &row)? };
        let state = State { size: head.size(), frontier: None, checkpoint: None, wanted: Vec::new(), stopped: false };
        Ok(Round { row, ring, head, state, note: Vec::new(), fresh: None, records: None })
    }

    fn found(&mut self, at: Puller, row: &OriginRow) -> Outcome<KeyRing> {
        let path = TilePath::Entries { index: 0, width: 1 };
        let bundle = self.required(at, path)?;
        let entries = split_bundle(&bundle, 1).map_err(misbehaved)?;
        let genesis = entries.first().ok_or_else(|| misbehaved("no first entry"))?;
        KeyRing::found(genesis, &row.origin, &row.fingerprint).map_err(misbehaved)
    }

    fn required(&mut self, at: Puller, path: TilePath) -> Outcome<Vec<u8>> {
        self.fetch(at.node, at.peer, &Ask::Tile(path))?.ok_or_else(|| misbehaved("missing"))
    }

    fn checkpoint(&mut self, at: Puller, round: &mut Round) -> Outcome<()> {
        let memory = self.memory(at);
        let shown = self.fetch(at.node, at.peer, &Ask::Checkpoint)?.ok_or_else(|| misbehaved("no checkpoint"))?;
        let checkpoint = round.ring.open_checkpoint(&shown).map_err(misbehaved)?;
        round.note.clone_from(&shown);
        let size = round.head.size();
        let own_root = if checkpoint.size <= size && size > 0 {
            Some(now(stored_root(&memory, round.row.no, checkpoint.size))?)
        } else {
            None
        };
        let mut verdict = judge_checkpoint(&checkpoint, size, own_root);
        verdict = match verdict {
            CheckpointVerdict::Split if self.is(Mutant::SplitIgnored) => CheckpointVerdict::Stale,
            CheckpointVerdict::Stale if self.is(Mutant::StaleAccepted) => CheckpointVerdict::Newer,
            other => other,
        };
        match verdict {
            CheckpointVerdict::Split => return Err(self.split(at, round, &checkpoint)?),
            CheckpointVerdict::Stale => self.counts.stale += 1,
            CheckpointVerdict::Same | CheckpointVerdict::Newer => {
                let hash = seen_hash(&round.row.origin);
                self.compare_with_seen(at, round, &hash, &checkpoint)?;
                now(memory.add_seen_note(&hash, checkpoint.size, &shown))?;
                self.audit.saw(at.node, at.peer, &memory, &shown);
                if checkpoint.size == size {
                    now(memory.set_note(round.row.no, size, &shown))?;
                }
            }
        }
        self.audit.accepted(at.node, at.peer, &memory, &checkpoint);
        round.state.checkpoint = Some(checkpoint);
        Ok(())
    }

    /// Notes a contradiction and stops; what the round ends with.
    fn split(&mut self, at: Puller, round: &Round, checkpoint: &Checkpoint) -> Outcome<Problem> {
        let memory = self.memory(at);
        let now_ms = self.node_ms(at.node);
        now(note(&memory, &round.row, Wrong::Split(checkpoint.size), now_ms))?;
        now(memory.set_stopped(round.row.no, Some("split view")))?;
        self.counts.splits += 1;
        let peer = at.peer;
        let guilty = !self.node(peer).honest() || self.audit.forked.contains(&peer);
        self.audit.require(guilty, "no-false-alarm", || format!("city {} accuses {peer} of two histories", at.node));
        Ok(Problem::new(Code::SplitView, ""))
    }

    fn frontier(&mut self, at: Puller, round: &mut Round, paths: &[TilePath]) -> Outcome<()> {
        let checkpoint = round.state.checkpoint.clone().ok_or_else(|| misbehaved("no checkpoint"))?;
        let mut tiles = Vec::new();
        for path in paths {
            tiles.push((*path, self.required(at, *path)?));
        }
        match Frontier::verify(&round.head.whole_bundles(), round.head.tail(), checkpoint.clone(), &tiles) {
            Ok(frontier) => {
                round.state.frontier = Some(frontier);
                Ok(())
            }
            Err(FrontierError::Root) if self.is_forked(at, round, &checkpoint)? => {
                if self.is(Mutant::SplitIgnored) {
                    return Err(misbehaved("root"));
                }
                Err(self.split(at, round, &checkpoint)?)
            }
            Err(error) => Err(misbehaved(error)),
        }
    }

    /// The largest note that was seen of the log must be of the same log.
    fn compare_with_seen(&mut self, at: Puller, round: &Round, hash: &str, checkpoint: &Checkpoint) -> Outcome<()> {
        let seen = now(self.memory(at).seen_note(hash))?;
        let Some(note) = seen.filter(|note| *note != round.note) else { return Ok(()) };
        let Ok(seen) = round.ring.open_checkpoint(&note) else { return Ok(()) };
        if !is_to_contain(checkpoint, round.head.size(), &seen) || self.is(Mutant::SeenUnchecked) {
            return Ok(());
        }
        match self.root_then(at, seen.size, checkpoint)? {
            Some(root) if root == seen.root => Ok(()),
            Some(_) => Err(self.split(at, round, checkpoint)?),
            None => Err(misbehaved("its tiles do not lead from the note seen to its checkpoint")),
        }
    }

    fn root_then(&mut self, at: Puller, size: u64, checkpoint: &Checkpoint) -> Outcome<Option<Hash>> {
        let mut tiles = Vec::new();
        for path in wanted_tiles(size, checkpoint) {
            tiles.push((path, self.required(at, path)?));
        }
        Ok(root_of(size, checkpoint, &tiles))
    }

    fn is_forked(&mut self, at: Puller, round: &Round, checkpoint: &Checkpoint) -> Outcome<bool> {
        let theirs = self.root_then(at, round.head.size(), checkpoint)?;
        Ok(theirs.is_some_and(|theirs| theirs != round.head.root()))
    }

    fn entries(&mut self, at: Puller, round: &mut Round) -> Outcome<()> {
        let frontier = round.state.frontier.take().ok_or_else(|| misbehaved("no frontier"))?;
        let size = round.head.size();
        let mut paths = Vec::new();
        for step in 0..4 {
            let index = if step == 0 { size } else { (size / TILE_WIDTH + step) * TILE_WIDTH };
            paths.extend(frontier.bundle_at(index));
        }
        let mut bundles = Vec::new();
        for path in &paths {
            bundles.push(bytes::Bytes::from(self.required(at, *path)?));
        }
        let known = self.known(at)?;
        let groups = verify(&frontier, &paths, &bundles, size, round.head.t).map_err(misbehaved)?;
        for group in groups {
            self.store_entries(at, round, &group)?;
            self.found_in(at, round, &known, &group)?;
        }
        let (memory, checkpoint) = (self.memory(at), frontier.checkpoint().clone());
        if round.head.size() == checkpoint.size {
            now(memory.set_note(round.row.no, checkpoint.size, &round.note))?;
            self.audit.accepted(at.node, at.peer, &memory, &checkpoint);
        }
        self.audit.ordered(at.node, at.peer, &memory);
        round.state.size = round.head.size();
        round.state.frontier = Some(frontier);
        Ok(())
    }

    fn store_entries(&mut self, at: Puller, round: &mut Round, verified: &VerifiedEntries) -> Outcome<()> {
        let memory = self.memory(at);
        let no = round.row.no;
        let said = (verified.first()..).zip(verified.entries());
        let acts: Vec<ActRow> = said
            .filter_map(|(index, entry)| match &entry.body {
                Body::Agreement { digest, act, on } => {
                    Some(ActRow { origin: no, index, digest: *digest, act: *act, on: *on, t: entry.t })
                }
                _ => None,
            })
            .collect();
        self.note_keys(at, round, verified)?;
        let plan = plan_data(&round.head, verified.data().to_vec(), verified.last_t()).map_err(misbehaved)?;
        now(memory.append_replica(no, &plan, &acts))?;
        round.head = plan.head;
        self.counts.entries += u64::try_from(verified.data().len()).unwrap_or(0);
        if !acts.is_empty() {
            self.reload(at.node, at.process)?;
        }
        Ok(())
    }

    /// What new entries want of the agreement, if it is known that the peer takes part, and with which labels.
    fn found_in(&mut self, at: Puller, round: &mut Round, known: &Known, verified: &VerifiedEntries) -> Outcome<()> {
        if known.linkage.is_none() || !known.acts.contains_key(&round.row.origin) {
            return Ok(());
        }
        let first = verified.first();
        let fresh = match &mut round.fresh {
            Some(fresh) => fresh,
            None if self.is(Mutant::FreshBegunLate) => round.fresh.insert(Fresh::at(first)),
            None => round.fresh.insert(Fresh::at(now(self.memory(at).labelled_until(round.row.no, known.no))?)),
        };
        let entries: Vec<_> = (first..).zip(verified.entries()).collect();
        let (rows, until) = labelled(known, &entries, first);
        fresh.extend(first, &rows, until);
        Ok(())
    }

    /// What the entries say of keys, before they are stored.
    fn note_keys(&mut self, at: Puller, round: &mut Round, verified: &VerifiedEntries) -> Outcome<()> {
        let memory = self.memory(at);
        let before = round.ring.revocations().len();
        let said = observed(&mut round.ring, verified);
        if said.is_empty() {
            return Ok(());
        }
        now(memory.note_signed(round.row.no, &said))?;
        for revocation in round.ring.revocations().get(before..).unwrap_or_default() {
            if !self.is(Mutant::DisputeSkipped) {
                now(dispute(&memory, &round.row, self.known(at)?.as_ref(), revocation))?;
            }
        }
        Ok(())
    }

    /// One page of records; whether the round goes on.
    fn records(&mut self, at: Puller, round: &mut Round, asked: Asked) -> Outcome<bool> {
        let (memory, known, no) = (self.memory(at), self.known(at)?, round.row.no);
        if known.linkage.is_none() || known.standing().opened_at(&round.row.origin).is_none() {
            return Ok(false);
        }
        let retry = !self.is(Mutant::WithheldDropped);
        let limit = if self.rng.chance(30) { FEW } else { PAGE_LEN };
        let mut indexes = match (asked, &mut round.fresh) {
            (Asked::Fresh(from), Some(fresh)) => fresh.from(from, limit),
            _ => now(memory.wanted(no, known.no, asked.from(), round.head.size(), retry, limit))?,
        };
        let (Some(first), Some(last)) = (indexes.first(), indexes.last()) else {
            return self.all_asked(at, round, asked);
        };
        let range = *first..last + 1;
        let ask = self.ask_records(at.node, at.peer, range.start, range.end);
        let page = self.fetch(at.node, at.peer, &ask)?.ok_or_else(|| misbehaved("no page"))?;
        round.records = Some(asked.at(spoken_for(&page, &range, &mut indexes)));
        self.store_page(at, round, range, &page, &indexes)?;
        Ok(true)
    }

    /// Nothing is left of what was asked for: what is asked for next, and whether the round goes on.
    fn all_asked(&mut self, at: Puller, round: &mut Round, asked: Asked) -> Outcome<bool> {
        let (memory, no) = (self.memory(at), round.row.no);
        round.records = match asked {
            Asked::Left(_) => Some(Asked::Fresh(0)),
            Asked::Fresh(_) => {
                let until = round.fresh.as_ref().map_or(0, Fresh::until);
                now(memory.add_wanted(no, self.known(at)?.no, &[], until))?;
                self.search(at, round)?;
                Some(Asked::Found(until))
            }
            Asked::Found(_) => {
                let now_ms = self.node_ms(at.node);
                now(memory.set_reached(no, now_ms))?;
                None
            }
        };
        Ok(round.records.is_some())
    }

    /// Judges and stores a page.
    fn store_page(
        &mut self,
        at: Puller,
        round: &Round,
        range: Range<u64>,
        page: &[u8],
        indexes: &[u64],
    ) -> Outcome<()> {
        let (memory, known, no) = (self.memory(at), self.known(at)?, round.row.no);
        let wanted = now(wanted(&memory, no, indexes))?;
        let own = &super::cities::city(at.node).did;
        let rows =
            judge_rows(&round.ring, own, &known, (range, round.head.size()), page, &wanted).map_err(misbehaved)?;
        let mut early = now(early_corrections(&memory, no, &rows))?;
        if self.is(Mutant::EarlyUnfiled) {
            early.clear();
        }
        let rows = now(with_keys_of_corrected(&memory, no, rows))?;
        now(memory.absorb(no, &rows, &early))?;
        let held: Vec<_> = rows.into_iter().map(|(row, _)| row).filter(|row| row.state == PayloadState::Held).collect();
        self.counts.held += u64::try_from(held.len()).unwrap_or(0);
        let fresh = matches!(round.records, Some(Asked::Fresh(_)));
        self.counts.held_at_once += if fresh { u64::try_from(held.len()).unwrap_or(0) } else { 0 };
        self.audit.absorbed(at.node, at.peer, &memory, &held);
        Ok(())
    }
}
