//! The network between nodes, and what a node answers. One request is one step; what is lost, late, doubled or garbled on the way is
//! decided by the seed.

use super::cities::city;
use super::mutant::Mutant;
use super::node::{now, origin_no, ring_of};
use super::sim::Sim;
use hefu_federation::commitment::commit;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::key::{Role, SecretKey};
use hefu_federation::page::{Asked, Line, PageWriter};
use hefu_federation::pull::PayloadState;
use hefu_federation::request::{Headers, Parts, parse, sign};
use hefu_federation::tile::{TilePath, bundle_prefix};
use hefu_node::codec::decompress;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::pull::entries_at;
use hefu_node::store::{AgreementNo, AgreementStore, GuardStore, LogStore, OWN, PayloadRow, PayloadStore};
use std::collections::HashMap;

/// What is asked of a node.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Checkpoint,
    Tile(TilePath),
    Seen(String),
    /// The linkage of the agreement.
    Linkage,
    Records {
        from: u64,
        until: u64,
        headers: Headers,
    },
}

fn away() -> Problem {
    Problem::new(Code::Unavailable, "no answer")
}

fn target(server: usize, from: u64, until: u64) -> String {
    format!("https://{}/v1/agreements/x/records?from={from}&until={until}", city(server).origin)
}

impl Sim {
    /// A signed request for records.
    pub(super) fn ask_records(&mut self, client: usize, server: usize, from: u64, until: u64) -> Ask {
        let url = target(server, from, until);
        let parts = Parts { method: "GET", target_uri: &url, body: b"" };
        let (nonce, created) = (self.rng.bytes(), self.node_ms(client).div_euclid(1000));
        let headers = sign(parts, &city(client).request_id(), &city(client).request, created, &nonce);
        Ask::Records { from, until, headers }
    }

    /// Sends a request and brings the answer, or what the network makes of both.
    pub(super) fn fetch(&mut self, client: usize, server: usize, ask: &Ask) -> Outcome<Option<Vec<u8>>> {
        self.counts.requests += 1;
        let (faults, now_ms) = (self.faults, self.now_ms);
        let cut = |until: &i64| *until > now_ms;
        let parted = self.parted.get(&(client.min(server), client.max(server))).is_some_and(cut);
        if parted || !self.node(server).is_up() || (faults.drops && self.rng.chance(8)) {
            self.counts.lost += 1;
            return Err(away());
        }
        if faults.doubles && self.rng.chance(15) {
            self.counts.doubled += 1;
            let first = self.serve(server, client, ask);
            // Both copies arrive; one of the answers gets through.
            let second = self.serve(server, client, ask);
            return if self.rng.chance(50) { first } else { second };
        }
        let mut answer = self.serve(server, client, ask)?;
        if faults.drops && self.rng.chance(5) {
            self.counts.lost += 1;
            return Err(away());
        }
        if matches!(ask, Ask::Checkpoint) && faults.delays {
            // A cache on the way, or an answer that comes after the one to a later request.
            let old = self.old_notes.entry(server).or_default();
            old.extend(answer.clone());
            if self.rng.chance(20) {
                self.counts.late += 1;
                let old = self.old_notes.get(&server).cloned().unwrap_or_default();
                answer = self.rng.pick(&old).cloned();
            }
        }
        if faults.garbles && self.rng.chance(6) {
            self.counts.garbled += 1;
            answer = self.garble(client, server, ask, answer);
        }
        Ok(answer)
    }

    /// Somebody in the middle changes an answer.
    fn garble(&mut self, client: usize, server: usize, ask: &Ask, answer: Option<Vec<u8>>) -> Option<Vec<u8>> {
        if let (Ask::Records { from, until, .. }, true) = (ask, self.rng.chance(50)) {
            // A page of refusals that the city never made, well formed, under another key.
            let asked = Asked {
                agreement: super::cities::agreement(self.nodes.len()).id,
                to: &city(client).did,
                from: *from,
                until: *until,
            };
            let mut writer = PageWriter::new();
            for index in *from..*until {
                writer.push(&Line::Refused { index, row: "status".to_owned() });
            }
            let forger = SecretKey::from_seed(&self.rng.bytes());
            return Some(writer.finish(&asked, *until, &city(server).request_id(), &forger));
        }
        let mut bytes = answer?;
        let at = self.rng.position(bytes.len());
        let byte = bytes.get_mut(at)?;
        // Letters and digits stay such: more survives the parsers.
        *byte ^= if byte.is_ascii_alphanumeric() { 1 } else { 4 };
        Some(bytes)
    }

    fn serve(&mut self, server: usize, client: usize, ask: &Ask) -> Outcome<Option<Vec<u8>>> {
        let node = self.node(server);
        let mut memory = node.memory.clone();
        if let Some(hostile) = &node.hostile {
            if let Some(other) = hostile.other.as_ref().filter(|_| hostile.victims.contains(&client)) {
                memory = other.clone();
            }
            if matches!(ask, Ask::Checkpoint) && hostile.replays {
                let notes = hostile.old_notes.clone();
                if let Some(old) = self.rng.pick(&notes) {
                    return Ok(Some(old.clone()));
                }
            }
        }
        let answer = match ask {
            Ask::Checkpoint => Ok(now(memory.head(OWN))?.note),
            Ask::Seen(hash) => Ok(now(memory.seen_note(hash))?),
            Ask::Linkage => {
                // Who has it seals it to the others, sooner or later; here it goes in the clear.
                let secret = now(memory.linkages(AgreementNo(3)))?.into_iter().next();
                let waits = self.unsealed || (self.faults.late && self.rng.chance(80));
                Ok(secret.filter(|_| !waits).map(|(_, secret)| secret.to_vec()))
            }
            Ask::Tile(TilePath::Hashes { level, index, width }) => {
                let tile = now(memory.tile(OWN, *level, *index))?;
                Ok(tile.and_then(|tile| tile.get(..usize::from(*width) * 32).map(<[u8]>::to_vec)))
            }
            Ask::Tile(TilePath::Entries { index, width }) => {
                let bundle = now(memory.bundle(OWN, *index))?.filter(|(held, _)| held >= width);
                Ok(bundle.and_then(|(_, bytes)| bundle_prefix(&bytes, *width).ok().map(<[u8]>::to_vec)))
            }
            Ask::Records { from, until, headers } => {
                self.let_in(server, client, *from, *until, headers)?;
                self.page(server, client, &memory, *from, *until).map(Some)
            }
        };
        let garbles = self.node(server).hostile.as_ref().is_some_and(|hostile| hostile.garbles);
        match answer {
            Ok(Some(mut bytes)) if garbles && matches!(ask, Ask::Tile(_)) && self.rng.chance(30) => {
                // Entries other than those that the log commits to.
                let at = self.rng.position(bytes.len());
                if let Some(byte) = bytes.get_mut(at).filter(|byte| byte.is_ascii_digit()) {
                    *byte = if *byte == b'9' { b'8' } else { *byte + 1 };
                }
                Ok(Some(bytes))
            }
            other => other,
        }
    }

    /// Who asks, as `node::http::auth` checks it.
    fn let_in(&mut self, server: usize, client: usize, from: u64, until: u64, headers: &Headers) -> Outcome<()> {
        let refused = || Problem::new(Code::Unauthenticated, "");
        let now_s = self.node_ms(server).div_euclid(1000);
        let url = target(server, from, until);
        let parts = Parts { method: "GET", target_uri: &url, body: b"" };
        let (input, signature) = (Some(headers.signature_input.as_str()), Some(headers.signature.as_str()));
        let parsed = parse(parts, None, input, signature, now_s).map_err(|_| refused())?;
        let (memory, no) = (self.node(server).memory.clone(), origin_no(server, client));
        let row = now(memory.origins())?.into_iter().find(|row| row.no == no).ok_or_else(refused)?;
        let size = now(memory.head(no))?.size;
        if size == 0 {
            return Err(refused());
        }
        let ring = ring_of(&memory, &row)?;
        let key = ring.current(Role::Request, size).filter(|key| key.multikey() == parsed.key_id.multikey);
        parsed.verify(key.ok_or_else(refused)?).map_err(|_| refused())?;
        if !now(memory.use_nonce(&parsed.key_id.to_string(), &parsed.nonce, parsed.expires, now_s))? {
            return Err(Problem::new(Code::Replayed, ""));
        }
        self.audit.answered(server, parsed.nonce);
        Ok(())
    }

    /// A page of records, as `node::http::agreements` makes it.
    fn page(
        &mut self,
        server: usize,
        client: usize,
        memory: &crate::memory::Memory,
        from: u64,
        until: u64,
    ) -> Outcome<Vec<u8>> {
        let no = AgreementNo(3);
        let bad = || Problem::new(Code::BadRequest, "range");
        if from >= until || until > now(memory.head(OWN))?.published() {
            return Err(bad());
        }
        let rows = now(memory.rows(OWN, no, from, until, 1000))?;
        let indexes: Vec<u64> = rows.iter().map(|row| row.index).collect();
        let entries: HashMap<u64, Entry> = now(entries_at(memory, OWN, &indexes))?.into_iter().collect();
        let (withholds, garbles) =
            self.node(server).hostile.as_ref().map_or((false, false), |hostile| (hostile.withholds, hostile.garbles));
        let mut writer = PageWriter::new();
        let mut last: Option<Vec<u8>> = None;
        for row in &rows {
            let Some((salt, mut record)) = body(row, &entries) else { continue };
            // What cannot be read just now is left out; what corrects it may come before it.
            let unread = self.faults.fails && self.rng.chance(20);
            if unread || (withholds && self.rng.chance(50)) {
                continue;
            }
            // Sometimes another record than the one that the entry commits to, as good as that is by itself.
            let other = last.replace(record.clone());
            if let Some(other) = other.filter(|_| garbles && self.rng.chance(40)) {
                record = other;
            }
            writer.push(&Line::Record { index: row.index, salt, record: &record });
        }
        let agreement = super::cities::agreement(self.nodes.len()).id;
        let asked = Asked { agreement, to: &city(client).did, from, until };
        Ok(writer.finish(&asked, until, &city(server).request_id(), &city(server).request))
    }

    /// Asks all peers what they have seen of a log; the answers that came.
    pub(super) fn ask_seen(&mut self, client: usize) -> Vec<Vec<u8>> {
        let hash = super::node::seen_hash(&city(client).origin);
        let mut notes = Vec::new();
        for server in (0..self.nodes.len()).filter(|server| *server != client) {
            notes.extend(self.fetch(client, server, &Ask::Seen(hash.clone())).ok().flatten());
        }
        notes
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

fn body(row: &PayloadRow, entries: &HashMap<u64, Entry>) -> Option<([u8; 32], Vec<u8>)> {
    let held = row.payload.as_ref().filter(|_| row.state == PayloadState::Held)?;
    let record = decompress(held.codec, &held.body)?;
    let committed = match &entries.get(&row.index)?.body {
        Body::Record { c, .. } | Body::Amend { c, .. } | Body::Withdraw { c, .. } => commit(&held.salt, &record) == *c,
        _ => false,
    };
    committed.then_some((held.salt, record))
}
