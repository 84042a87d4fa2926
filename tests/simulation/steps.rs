//! What may happen next.

use super::cities::city;
use super::disk::flip_payload;
use super::mutant::Mutant;
use super::node::{Batch, Fate, Snapshot, now};
use super::pull::Puller;
use super::records::{New, What, keys_of_row, record_id, seal};
use super::sim::Sim;
use hefu_federation::entry::{Act, KeyAct, Says, Signed};
use hefu_federation::key::Role;
use hefu_federation::trust::Revocation;
use hefu_node::codec::decompress;
use hefu_node::pull::dispute;
use hefu_node::sequencer::Sealed;
use hefu_node::store::OWN;
use hefu_schemas::id::{Digest, RecordId};
use jiff::civil::Date;

impl Sim {
    /// One step.
    pub(super) fn step(&mut self) {
        self.counts.steps += 1;
        self.now_ms += match self.rng.below(20) {
            0 => 86_400_000,
            1..=3 => 20_000,
            _ => i64::try_from(self.rng.below(5_000)).unwrap_or(0),
        };
        let number = self.rng.position(self.nodes.len());
        let process = usize::from(self.rng.chance(30));
        let process = if self.has(number, process) { process } else { 1 - process };
        self.mark("step", &[self.counts.steps, u64::try_from(number).unwrap_or(0), self.now_ms.unsigned_abs()]);
        if !self.has(number, process) {
            let _ = self.start(number, 0);
            return;
        }
        if self.rng.chance(25) {
            self.trouble(number, process);
        }
        match self.rng.below(100) {
            0..=34 => self.publish_some(number, process),
            35..=64 => {
                if let Some(peer) = self.other(number) {
                    self.round(Puller { node: number, process, peer });
                }
            }
            65..=88 => {
                if let Some(peer) = self.other(number) {
                    let at = Puller { node: number, process, peer };
                    if self.faults.drops && self.rng.chance(25) {
                        self.glimpse(at);
                    } else {
                        self.pull(at);
                    }
                }
            }
            89..=90 => {
                if let Some(other) = self.other(number) {
                    // A disk may fail in between, a log may be damaged, or two logs differ: at the end none of that is an excuse.
                    let result = self.compare(number, other);
                    self.counts.unstated += u64::from(result.is_err());
                }
            }
            _ => self.misbehave(),
        }
    }

    /// Two requests, and then the line is gone: a round that had not begun has seen a note, and stored nothing.
    fn glimpse(&mut self, at: Puller) {
        let _ = self.pull(at) && self.pull(at);
        if let Some(process) = self.node_mut(at.node).processes.get_mut(at.process).and_then(Option::as_mut) {
            process.rounds.remove(&at.peer);
        }
    }

    fn has(&self, number: usize, process: usize) -> bool {
        self.node(number).processes.get(process).is_some_and(Option::is_some)
    }

    fn other(&mut self, number: usize) -> Option<usize> {
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != number).collect();
        self.rng.pick(&others).copied()
    }

    /// A record of a city, made and signed; `None` when it could not be.
    pub(super) fn record(&mut self, number: usize, pupil: u8, what: What) -> Option<Sealed> {
        let (id, created_s) = (record_id(&mut self.rng, self.now_ms), self.node_ms(number).div_euclid(1000));
        let on = Date::constant(2026, 9, 1).checked_add(jiff::Span::new().days(i64::from(pupil % 3))).ok()?;
        let corrected = match &what {
            What::Amend(id) | What::Withdraw(id) => self.keys_of_own(number, *id),
            What::Enter | What::Citing(..) => Vec::new(),
        };
        let key = city(number).record_key(self.node(number).generation);
        let issuer = &city(number).did;
        let new = New { number, city: city(number), key, id, pupil, what, on, created_s, issuer };
        let sealed = seal(&new, self.rng.bytes(), &corrected)?;
        self.made(number, &sealed, true);
        Some(sealed)
    }

    pub(super) fn made(&mut self, number: usize, sealed: &Sealed, good: bool) {
        let bytes = decompress(sealed.payload.codec, &sealed.payload.body).unwrap_or_default();
        self.audit.made(number, &bytes, good);
    }

    fn keys_of_own(&self, number: usize, id: RecordId) -> Vec<hefu_federation::reconcile::key::Key> {
        let row = {
            let model = self.node(number).memory.content();
            let log = model.logs.get(&OWN);
            log.and_then(|log| log.rows.get(log.ids.get(&id)?).cloned())
        };
        row.map(|row| keys_of_row(&row)).unwrap_or_default()
    }

    fn publish_some(&mut self, number: usize, process: usize) {
        if self.resume(number, process) {
            return;
        }
        if !self.has_opened(number) {
            if self.has_linkage(number) && self.rng.chance(25) {
                let result = self.act(number, process, Act::Open);
                self.mark("open", &[u64::from(result.is_ok())]);
            }
            return;
        }
        if self.faults.rotates && self.rng.chance(12) && self.node(number).backlog.is_empty() {
            self.rotate(number, process);
            return;
        }
        for _ in 0..=self.rng.below(2) {
            self.hand_over(number);
        }
        let pause = self.faults.pauses && self.node(number).honest() && self.rng.chance(20);
        self.counts.pauses += u64::from(pause);
        let records = self.node(number).backlog.clone();
        let result = self.publish(number, process, &Batch { records, ..Batch::default() }, pause);
        self.mark("publish", &[u64::from(result.is_ok()), self.rng.clone().next()]);
        if result.is_ok() {
            self.node_mut(number).backlog.clear();
        }
    }

    /// A process that was asleep goes on where it was.
    fn resume(&mut self, number: usize, process: usize) -> bool {
        let slot = self.node_mut(number).processes.get_mut(process).and_then(Option::as_mut);
        let Some(paused) = slot.and_then(|process| process.paused.take()) else { return false };
        let result = self.with_shell(number, process, |shell| {
            let result = shell.finish(paused.fence, paused.plan, &paused.rows, &paused.acts);
            if result.is_err() {
                shell.process.head = None;
            }
            result
        });
        self.mark("resume", &[u64::from(result.is_some_and(|result| result.is_ok()))]);
        true
    }

    /// A registrar hands over a draft.
    fn hand_over(&mut self, number: usize) {
        let pupil = u8::try_from(self.rng.below(6)).unwrap_or(0);
        let open = self.node(number).open.clone();
        let (what, pupil) = match (self.rng.below(10), self.rng.pick(&open).copied()) {
            (0..=1, Some((id, pupil))) => (What::Amend(id), pupil),
            (2, Some((id, pupil))) => (What::Withdraw(id), pupil),
            (3, _) => {
                let cited = self.rng.position(self.nodes.len());
                let ids: Vec<RecordId> = self.node(cited).open.iter().map(|(id, _)| *id).collect();
                match self.rng.pick(&ids) {
                    Some(id) => (What::Citing(city(cited).did.clone(), *id), pupil),
                    None => (What::Enter, pupil),
                }
            }
            _ => (What::Enter, pupil),
        };
        let corrects = match what {
            What::Amend(id) | What::Withdraw(id) => Some(id),
            What::Enter | What::Citing(..) => None,
        };
        let is_withdrawal = matches!(what, What::Withdraw(_));
        let Some(sealed) = self.record(number, pupil, what) else { return };
        self.counts.records += 1;
        let node = self.node_mut(number);
        // What waits in the backlog is not published yet, so it cannot be corrected.
        let published = corrects.is_none_or(|id| !node.backlog.iter().any(|waiting| waiting.id == id));
        if published {
            node.open.retain(|(id, _)| Some(*id) != corrects);
            if !is_withdrawal {
                node.open.push((sealed.id, pupil));
            }
            node.backlog.push(sealed);
        }
    }

    /// A city changes its record key: the old one is retired, or revoked because it may be in other hands.
    pub(super) fn rotate(&mut self, number: usize, process: usize) {
        let node = self.node_mut(number);
        {
            // A person watches while keys are changed: no accident of the disk in between.
            let mut disk = node.disk.state();
            (disk.crash_in, disk.fail_in, disk.flip_next) = (None, None, false);
        }
        let (generation, recovery) = (node.generation, node.recovery);
        let city = city(number);
        let size = node.memory.content().logs.get(&OWN).map_or(0, |log| log.size);
        if generation + 1 >= city.record.len() || recovery + 2 >= city.recovery.len() {
            return;
        }
        let revokes = self.rng.chance(40);
        let from = revokes.then(|| size.saturating_sub(self.rng.below(4)));
        let text = |generation: usize| city.record_key(generation).public().multikey();
        let end = (if revokes { KeyAct::Revoke } else { KeyAct::Retire }, text(generation), from);
        let mut acts = vec![(KeyAct::Add, text(generation + 1), None), end];
        if self.rng.chance(50) {
            acts.reverse();
        }
        let mut signed = Vec::new();
        for (offset, (act, key, from)) in acts.into_iter().enumerate() {
            let (Some(by), Some(next)) =
                (city.recovery.get(recovery + offset), city.recovery.get(recovery + offset + 1))
            else {
                return;
            };
            let next = Digest::of(next.public().multikey().as_bytes());
            let says = Says::Key { act, role: Role::Record, key, from, recovery: next };
            signed.push(Signed::new(says, &city.origin, by));
        }
        if self.publish(number, process, &Batch { signed, ..Batch::default() }, false).is_err() {
            return;
        }
        self.counts.rotations += 1;
        let node = self.node_mut(number);
        (node.generation, node.recovery) = (generation + 1, recovery + 2);
        if let Some(from) = from.filter(|_| self.mutant != Some(Mutant::DisputeSkipped)) {
            // The city's own records are disputed here as they are at its peers.
            let memory = self.node(number).memory.clone();
            let after = memory.content().logs.get(&OWN).map_or(0, |log| log.size);
            let revocation = Revocation { multikey: text(generation), from, at: after };
            let row = memory.content().origin_row(OWN).cloned();
            if let (Some(row), Ok(known)) = (row, self.node(number).registry()) {
                let _ = now(dispute(&memory, &row, &known, &revocation));
            }
        }
        // All of it is on the disk before that person leaves.
        let mut disk = self.node(number).disk.state();
        if !disk.unsynced {
            disk.before.clear();
        }
    }

    /// Something goes wrong with a node's machine, or between two cities.
    fn trouble(&mut self, number: usize, process: usize) {
        let soon = self.rng.below(24);
        let faults = self.faults;
        let disk = self.node(number).disk.clone();
        let kinds = [
            faults.crashes,
            faults.fails,
            faults.flips,
            faults.restores,
            faults.parts,
            faults.pauses,
            faults.crashes,
            faults.restores,
        ];
        let kinds: Vec<usize> = kinds.iter().enumerate().filter(|(_, on)| **on).map(|(kind, _)| kind).collect();
        let Some(kind) = self.rng.pick(&kinds).copied() else { return };
        match kind {
            0 => disk.state().crash_in = Some(soon),
            1 => {
                self.counts.fails += 1;
                disk.state().fail_in = Some((soon % 6, self.rng.chance(50)));
            }
            2 if self.node(number).honest() && self.rng.chance(15) => self.flip(number),
            3 => self.copy_or_put_back(number),
            4 => {
                if let Some(other) = self.other(number) {
                    self.part(number, other);
                }
            }
            5 if !self.has(number, 1 - process) => {
                self.counts.seconds += 1;
                let _ = self.start(number, 1 - process);
            }
            6 => {
                // Killed between two calls: what it had in memory is gone, nothing else.
                self.counts.crashes += 1;
                if let Some(slot) = self.node_mut(number).processes.get_mut(process) {
                    *slot = None;
                }
            }
            7 if self.rng.chance(15) => {
                let node = self.node_mut(number);
                node.processes = [None, None];
                node.fate.guard_lost = true;
                node.fate.guard_too |= node.fate.set_back;
                // Gone, or half written by a disk that lies about renames.
                let torn =
                    node.disk.state().guard.as_deref().and_then(|note| note.get(..note.len() / 2)).map(<[u8]>::to_vec);
                let torn = torn.filter(|_| self.rng.chance(50));
                self.node(number).disk.state().guard = torn;
                self.counts.removed += 1;
            }
            _ => {}
        }
    }

    /// Two cities cannot reach each other for a while.
    fn part(&mut self, one: usize, two: usize) {
        let until = self.now_ms + 1_000 + i64::try_from(self.rng.below(60_000)).unwrap_or(0);
        self.counts.parts += 1;
        self.parted.insert((one.min(two), one.max(two)), until);
    }

    fn flip(&mut self, number: usize) {
        self.counts.flips += 1;
        if self.rng.chance(50) {
            self.node(number).disk.state().flip_next = true;
            return;
        }
        let mut rng = self.rng.split();
        let node = self.node_mut(number);
        let before = flip_payload(&mut node.memory.content(), &mut rng);
        node.fate.flipped |= before.is_some();
        if let Some(row) =
            before.filter(|row| node.sound.iter().all(|known| (known.index, known.id) != (row.index, row.id)))
        {
            node.sound.push(row);
        }
    }

    /// Copies a node's files, or puts an old copy in their place.
    fn copy_or_put_back(&mut self, number: usize) {
        let with_guard = self.rng.chance(50);
        let put_back = self.rng.chance(40);
        let is_put_back = put_back && !self.node(number).snapshots.is_empty();
        let glimpsed = self.rng.chance(50);
        if let Some(node) = self.other(number).filter(|_| is_put_back && with_guard && glimpsed) {
            // Somebody has just asked how far it is.
            self.glimpse(Puller { node, process: 0, peer: number });
        }
        let node = self.node_mut(number);
        let guard = node.disk.state().guard.clone();
        if !is_put_back {
            if !node.fate.guard_lost {
                let copy = node.memory.content().clone();
                let generations = (node.generation, node.recovery);
                node.snapshots.push(Snapshot { model: copy, guard, generations });
            }
            return;
        }
        let Some(copy) = node.snapshots.pop() else { return };
        node.processes = [None, None];
        *node.memory.content() = copy.model;
        (node.generation, node.recovery) = copy.generations;
        {
            let mut disk = node.disk.state();
            (disk.crash_in, disk.fail_in) = (None, None);
            disk.before.clear();
            if with_guard {
                disk.guard = copy.guard;
            }
        }
        // An old database beside a guard file that is gone is the same as both put back.
        let guard_too = node.fate.guard_too || with_guard || node.disk.state().guard.is_none();
        node.fate = Fate { set_back: true, guard_too, ..node.fate };
        node.receipts_before = node.receipts.len();
        node.backlog.clear();
        node.open.clear();
        if with_guard {
            self.counts.guarded += 1;
        } else {
            self.counts.restores += 1;
        }
        self.audit.forget(number);
        if with_guard && self.rng.chance(50) {
            // It starts at once, and nobody answers.
            for other in (0..self.nodes.len()).filter(|other| *other != number) {
                self.part(number, other);
            }
            let _ = self.start(number, 0);
        }
        self.mark("put back", &[u64::from(with_guard)]);
    }
}
