//! What a hostile city does: it has all its keys, and lies.

use super::cities::city;
use super::node::now;
use super::records::{New, What, record_id, seal};
use super::sim::Sim;
use crate::memory::Memory;
use hefu_federation::append::plan_data;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_node::codec::{compress, decompress};
use hefu_node::sequencer::Sealed;
use hefu_node::store::{LogStore, OWN, Payload};
use jiff::civil::Date;

impl Sim {
    /// The hostile city, if there is one, does something.
    pub(super) fn misbehave(&mut self) {
        let Some(number) = self.nodes.iter().position(|node| !node.honest()) else { return };
        let what = self.rng.below(9);
        self.mark("misbehave", &[what]);
        match what {
            0 => self.toggle(number),
            1 => self.fork(number),
            2 | 3 => self.grow_other(number),
            4 => self.write_back_in_time(number),
            5 => {
                if self.node(number).is_up() {
                    self.rotate(number, 0);
                    // The very next entry, under the key that has just ended.
                    self.forge(number, 0);
                }
            }
            kind => self.forge(number, kind),
        }
    }

    fn toggle(&mut self, number: usize) {
        let (withholds, garbles, replays) = (self.rng.chance(40), self.rng.chance(40), self.rng.chance(30));
        let note = self.node(number).memory.content().logs.get(&OWN).and_then(|log| Some(log.note.as_ref()?.1.clone()));
        if let Some(hostile) = &mut self.node_mut(number).hostile {
            hostile.old_notes.extend(note);
            (hostile.withholds, hostile.garbles) = (withholds, garbles);
            hostile.replays = replays;
        }
    }

    /// From now on some peers are shown another log.
    fn fork(&mut self, number: usize) {
        let copy = self.node(number).memory.copy();
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != number).collect();
        let victims = others.into_iter().filter(|_| self.rng.chance(50)).collect();
        self.counts.forks += 1;
        if let Some(hostile) = &mut self.node_mut(number).hostile {
            hostile.other = Some(copy);
            hostile.victims = victims;
        }
        self.grow_other(number);
    }

    fn grow_other(&mut self, number: usize) {
        let other = self.node(number).hostile.as_ref().and_then(|hostile| hostile.other.clone());
        let (Some(other), Some(sealed)) = (other, self.record(number, 5, What::Enter)) else { return };
        let t = self.node_ms(number).div_euclid(1000);
        self.append_raw(number, &other, sealed, t);
    }

    fn write_back_in_time(&mut self, number: usize) {
        if self.rng.chance(70) {
            return;
        }
        let Some(sealed) = self.record(number, 4, What::Enter) else { return };
        let t = self.node_ms(number).div_euclid(1000) - 900_000;
        let memory = self.node(number).memory.clone();
        self.append_raw(number, &memory, sealed, t);
    }

    /// An entry at any time, past all the checks of an append; with a signed note.
    fn append_raw(&mut self, number: usize, memory: &Memory, sealed: Sealed, t: i64) {
        let append = || {
            let head = now(memory.edge(OWN)).ok()?;
            let body = Body::Record { c: sealed.commitment, a: sealed.audience };
            let plan = plan_data(&head, vec![Entry { t, body }.write().ok()?], t).ok()?;
            let (rows, _) = super::sequencer::rows(&plan, vec![sealed.clone()], &[None], &[]);
            now(memory.append_own(0, &plan, &rows, &[])).ok()?;
            let (origin, root) = (city(number).origin.to_string(), plan.head.root());
            let note = Checkpoint { origin, size: plan.head.size(), root }.sign(&city(number).log).ok()?;
            now(memory.set_note(OWN, plan.head.size(), note.as_bytes())).ok()
        };
        let done = append().is_some();
        self.mark("raw", &[u64::from(done)]);
        if let Some(process) = self.node_mut(number).processes.iter_mut().flatten().next() {
            process.head = None;
        }
        self.reap(number);
    }

    /// Publishes a record that no peer may hold.
    fn forge(&mut self, number: usize, kind: u64) {
        let node = self.node(number);
        let open = node.open.clone();
        let generation = node.generation;
        let (id, created_s) = (record_id(&mut self.rng, self.now_ms), self.node_ms(number).div_euclid(1000));
        let own = city(number);
        let mut new = New {
            number,
            city: own,
            key: own.record_key(generation),
            id,
            pupil: 3,
            what: What::Enter,
            on: Date::constant(2026, 9, 1),
            created_s,
            issuer: &own.did,
        };
        let mut good = false;
        let mut corrects = None;
        let mut twist = false;
        match (kind, open.as_slice()) {
            (0, _) if generation > 0 => new.key = own.record_key(generation - 1),
            (6, _) => new.issuer = &city(0).did,
            (7, [(first, _), (second, _), ..]) => {
                new.what = What::Amend(*first);
                corrects = Some(*second);
            }
            (8, [(known, _), ..]) if self.rng.chance(50) => {
                // Another record under an id that is taken: whichever comes first is held, and never both.
                (new.id, good) = (*known, true);
            }
            _ => twist = true,
        }
        let Some(mut sealed) = seal(&new, self.rng.bytes(), &[]) else { return };
        if twist {
            let Some(twisted) = twisted(&sealed) else { return };
            sealed = twisted;
        }
        sealed.corrects = corrects.or(sealed.corrects);
        sealed.draft_id = format!("f:{}", self.rng.next());
        self.made(number, &sealed, good);
        self.counts.forged += 1;
        let batch = super::node::Batch { records: vec![sealed], ..Default::default() };
        let result = self.publish(number, 0, &batch, false);
        self.mark("forge", &[kind, u64::from(result.is_ok())]);
    }
}

/// The same record with another signature: of the right form, by nobody.
fn twisted(sealed: &Sealed) -> Option<Sealed> {
    let bytes = decompress(sealed.payload.codec, &sealed.payload.body)?;
    let text = String::from_utf8(bytes).ok()?;
    let at = text.find("\"proofValue\":\"z")? + 40;
    let old = text.get(at..=at)?;
    let new = if old == "5" { "6" } else { "5" };
    let text = [text.get(..at)?, new, text.get(at + 1..)?].concat();
    let commitment = commit(&sealed.payload.salt, text.as_bytes());
    let (codec, body) = compress(text.as_bytes());
    let label = blind_label(super::cities::linkage().label_key(), &commitment);
    Some(Sealed {
        commitment,
        audience: Audience::Agreement(label),
        payload: Payload { salt: sealed.payload.salt, codec, body },
        ..sealed.clone()
    })
}
