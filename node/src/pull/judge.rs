//! Records of a peer, page by page: one is judged while those before it are stored and the next ones are fetched.
//!
//! ```text
//! peer ─▶ fetch, find the entries ─▶ judge (rayon) ─▶ store
//! ```

use super::fresh::Fresh;
use super::keys::signer;
use super::{Round, entries_at};
use crate::Node;
use crate::client::Client;
use crate::codec::compress;
use crate::compute::{JOB_LEN, compute};
use crate::problem::{Code, Outcome, Problem};
use crate::publish::view_of;
use crate::registry::Known;
use crate::store::{Early, OriginNo, Payload, PayloadRow, Store};
use bytes::Bytes;
use hefu_federation::entry::Entry;
use hefu_federation::page::{self, Asked, MAX_LINES, MAX_PAGE_LEN};
use hefu_federation::pull::{Judge, Judged, PayloadState, Wanted, judge_lines_then, judge_page};
use hefu_federation::reconcile::key::{Key, KeyType, keys_of};
use hefu_federation::reconcile::view::View;
use hefu_federation::trust::KeyRing;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{Did, RecordId};
use hefu_schemas::scan::{Scanned, scan};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use zstd::zstd_safe;

/// Pages fetched ahead of the one that is judged.
const PAGES_AHEAD: usize = 2;
/// Pages that are judged and wait for the one that is being stored: while that one is synced to the disk, both cores go on.
const PAGES_JUDGED: usize = 1;
/// Records judged at a time: enough to share what checking their signatures takes; few, so that no core waits long for the last of a page.
const PART_LEN: usize = JOB_LEN / 2;
/// Records of a page further apart than this are asked for corrections by themselves: a few that were withheld may lie anywhere in a
/// log.
const FAR: u64 = 1_000;

/// A page, still unverified.
struct Fetched {
    /// What it speaks for, of that what was wanted when it was asked for.
    entries: Vec<(u64, Entry)>,
    from: u64,
    until: u64,
    bytes: Bytes,
}
/// The rows of a page, with the keys of their records.
type Rows = Vec<(PayloadRow, Vec<Key>)>;
/// Rows that are judged and not stored yet: by index, the ids of their records.
type Unstored = HashMap<u64, Option<RecordId>>;

impl Round<'_> {
    /// Fetches, judges and stores what is wanted under each shared agreement: what earlier rounds have left first, then what the new
    /// entries want, and at last what is found by searching the stored ones.
    pub(super) async fn records(&mut self) -> Outcome<()> {
        for known in self.shared() {
            let fresh = self.fresh.remove(&known.no);
            if known.standing().opened_at(&self.peer.origin).is_none() {
                self.label(&known).await?;
                continue;
            }
            let mut from = 0;
            if let Some(fresh) = fresh {
                self.stored_wants(&known, from).await?;
                from = fresh.until();
                self.agreement_records(&known, Wants::Fresh(fresh)).await?;
                // All that they want has come, or is a row: the search goes on behind it.
                self.node.store.add_wanted(self.peer.no, known.no, &[], from).await?;
            }
            self.label(&known).await?;
            self.stored_wants(&known, from).await?;
        }
        Ok(())
    }

    /// Fetches, judges and stores the rows from an index on that are wanted.
    async fn stored_wants(&mut self, known: &Arc<Known>, from: u64) -> Outcome<()> {
        let until = self.head.range.size();
        match self.node.store.wanted(self.peer.no, known.no, from, until, true, 1).await?.first() {
            Some(first) => self.agreement_records(known, Wants::Stored(*first..until)).await,
            None => Ok(()),
        }
    }

    /// Each page goes through three hands, which work at the same time. What was judged before a failure is stored.
    async fn agreement_records(&mut self, known: &Arc<Known>, wants: Wants) -> Outcome<()> {
        let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
        let fetcher =
            Fetcher { node: self.node.clone(), peer: self.peer.no, client: self.client.clone(), known: known.clone() };
        let fetching = tokio::spawn(fetcher.run(wants, sender));
        let (judged, mut ready) = mpsc::channel::<Rows>(PAGES_JUDGED);
        let unstored = Mutex::new(Unstored::new());
        let (round, unstored) = (&*self, &unstored);
        let judging = async move {
            while let Some(page) = pages.recv().await {
                let rows = round.judge(known, page, unstored).await?;
                locked(unstored).extend(rows.iter().map(|(row, _)| (row.index, row.id)));
                // The receiver is gone when storing failed: its error is the one to report.
                if judged.send(rows).await.is_err() {
                    break;
                }
            }
            Ok::<(), Problem>(())
        };
        let storing = async move {
            let (mut held, mut not_held) = (0, 0);
            while let Some(rows) = ready.recv().await {
                let indexes: Vec<u64> = rows.iter().map(|(row, _)| row.index).collect();
                match round.absorb(rows).await {
                    Ok((more, less)) => (held, not_held) = (held + more, not_held + less),
                    Err(problem) => return (held, not_held, Err(problem)),
                }
                // From now on they are found in the store.
                let mut unstored = locked(unstored);
                for index in indexes {
                    unstored.remove(&index);
                }
            }
            (held, not_held, Ok(()))
        };
        let (judged, (held, not_held, stored)) = tokio::join!(judging, storing);
        self.report.held += held;
        self.report.not_held += not_held;
        stored?;
        judged?;
        fetching.await.map_err(|error| Problem::new(Code::Internal, error))?
    }

    /// Judges one page on the rayon pool and prepares its rows.
    async fn judge(&self, known: &Arc<Known>, page: Fetched, unstored: &Mutex<Unstored>) -> Outcome<Rows> {
        let Fetched { entries, from, until, bytes } = page;
        let wanted = with_corrected(self.node.store.as_ref(), self.peer.no, entries, unstored).await?;
        let (ring, own, known, origin) =
            (self.ring.clone(), self.node.did.clone(), known.clone(), self.peer.origin.clone());
        let range = (from..until, self.head.range.size());
        compute(move || judge_rows(&ring, &own, &known, range, &bytes, &wanted))
            .await
            .map_err(|error| Problem::new(Code::PeerMisbehaved, format!("{origin}: {error}")))
    }

    /// Stores judged rows, after those of the page before: how many are held, and how many are not.
    async fn absorb(&self, rows: Rows) -> Outcome<(u64, u64)> {
        let store = self.node.store.as_ref();
        let early = early_corrections(store, self.peer.no, &rows).await?;
        let rows = with_keys_of_corrected(store, self.peer.no, rows).await?;
        let held = rows.iter().filter(|(row, _)| row.state == PayloadState::Held).count();
        let turned_down = store.absorb(self.peer.no, &rows, &early).await?;
        let held = held.saturating_sub(turned_down.len());
        for (row, _) in rows.iter().filter(|(row, _)| row.state != PayloadState::Held) {
            let reason = row.reason.as_deref().unwrap_or_default();
            tracing::debug!(origin = %self.peer.origin, index = row.index, state = row.state.code(), reason, "record not held");
        }
        if !rows.is_empty() {
            self.node.reconcile_bell.notify_one();
        }
        Ok((u64::try_from(held).unwrap_or(0), u64::try_from(rows.len() - held).unwrap_or(0)))
    }
}

/// Keeps of the wanted indexes those that the page of a range speaks for; from which index on the next one is asked for. Its reach is read
/// from the still unverified trailer: the judge verifies it.
pub fn spoken_for(bytes: &[u8], range: &Range<u64>, wanted: &mut Vec<u64>) -> u64 {
    let reach = trailer_next(bytes);
    wanted.retain(|index| reach.is_none_or(|reach| *index < reach));
    reach.filter(|next| *next > range.start && *next < range.end).unwrap_or(range.end)
}

/// The wanted entries at some indexes.
///
/// # Errors
/// The store fails.
pub async fn wanted(store: &dyn Store, peer: OriginNo, indexes: &[u64]) -> Outcome<Vec<Wanted>> {
    let entries = entries_at(store, peer, indexes).await?;
    with_corrected(store, peer, entries, &Mutex::default()).await
}

/// Entries, those that correct a record with its id. The pages before may still be on their way into the store.
async fn with_corrected(
    store: &dyn Store,
    peer: OriginNo,
    entries: Vec<(u64, Entry)>,
    unstored: &Mutex<Unstored>,
) -> Outcome<Vec<Wanted>> {
    let mut wanted = Vec::with_capacity(entries.len());
    for (index, entry) in entries {
        let of = entry.body.of();
        // What is no longer unstored is stored: looked for in this order.
        let known = of.map(|of| (of, locked(unstored).get(&of).copied()));
        let of_id = match known {
            Some((_, Some(id))) => id,
            Some((of, None)) => store.row(peer, of).await?.and_then(|row| row.id),
            None => None,
        };
        wanted.push(Wanted { index, entry, of_id });
    }
    Ok(wanted)
}

fn locked(unstored: &Mutex<Unstored>) -> MutexGuard<'_, Unstored> {
    unstored.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A correction is filed under the keys of what it corrects too, or that key would not hear of it.
///
/// # Errors
/// The store fails.
pub async fn with_keys_of_corrected(
    store: &dyn Store,
    peer: OriginNo,
    mut rows: Vec<(PayloadRow, Vec<Key>)>,
) -> Outcome<Vec<(PayloadRow, Vec<Key>)>> {
    let corrected: HashSet<u64> = rows.iter().filter_map(|(row, _)| row.of).collect();
    if corrected.is_empty() {
        return Ok(rows);
    }
    let here = rows.iter().filter(|(row, _)| corrected.contains(&row.index));
    let mut in_page: HashMap<u64, Vec<Key>> = here.map(|(row, keys)| (row.index, keys_of_record(keys))).collect();
    for index in with_known_ids(store, peer, &rows, &corrected).await? {
        in_page.insert(index, Vec::new());
    }
    for (row, keys) in &mut rows {
        let (Some(of), PayloadState::Held) = (row.of, row.state) else { continue };
        keys.extend(match in_page.get(&of) {
            Some(keys) => keys.clone(),
            None => keys_at(store, peer, of).await?,
        });
        keys.sort();
        keys.dedup();
    }
    Ok(rows)
}

/// The records of a page that will be turned down for their ids, of those that others in it correct. Their keys are nobody's: a
/// correction that comes in a later page does not get them, and the result may not depend on pages.
async fn with_known_ids(
    store: &dyn Store,
    peer: OriginNo,
    rows: &[(PayloadRow, Vec<Key>)],
    corrected: &HashSet<u64>,
) -> Outcome<Vec<u64>> {
    let mut first: HashMap<RecordId, u64> = HashMap::new();
    let mut asked = Vec::new();
    for (row, _) in rows {
        let Some(id) = row.id.filter(|_| row.state.takes_id()) else { continue };
        let at = *first.entry(id).or_insert(row.index);
        if corrected.contains(&row.index) {
            asked.push((row.index, id, at));
        }
    }
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<RecordId> = asked.iter().map(|(_, id, _)| *id).collect();
    let stored = store.indexes_of(peer, &ids).await?;
    let refused = |((index, _, at), stored): ((u64, RecordId, u64), Option<u64>)| {
        (stored.unwrap_or(at) != index).then_some(index)
    };
    Ok(asked.into_iter().zip(stored).filter_map(refused).collect())
}

/// The corrections that came before the records of a page that are held now, with the keys of these: they were filed under their
/// own keys alone. One step of the chain is enough, as in [`with_keys_of_corrected`]: what corrects a correction is filed under
/// that one's keys, whenever either of them came.
///
/// # Errors
/// The store fails.
pub async fn early_corrections(
    store: &dyn Store,
    peer: OriginNo,
    rows: &[(PayloadRow, Vec<Key>)],
) -> Outcome<Vec<Early>> {
    let held: BTreeMap<u64, &[Key]> = rows
        .iter()
        .filter(|(row, _)| row.state == PayloadState::Held)
        .map(|(row, keys)| (row.index, keys.as_slice()))
        .collect();
    let indexes: Vec<u64> = held.keys().copied().collect();
    let mut early = Vec::new();
    for near in indexes.chunk_by(|one, next| next - one <= FAR) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        for correction in store.corrections_of(peer, *first..last + 1).await? {
            let keys = held.get(&correction.of).map(|keys| keys_of_record(keys));
            early.extend(keys.map(|keys| Early { correction, keys }));
        }
    }
    Ok(early)
}

/// The keys of what a record says. The key of a disputed entry is of that entry alone: were its correction filed there too, the
/// finding would depend on whether both came in one page.
fn keys_of_record(keys: &[Key]) -> Vec<Key> {
    keys.iter().filter(|key| key.key_type() != KeyType::Entry).cloned().collect()
}

/// The keys of a stored record; none when it is not held.
///
/// # Errors
/// The store fails.
pub(crate) async fn keys_at(store: &dyn Store, origin: OriginNo, index: u64) -> Outcome<Vec<Key>> {
    let row = store.row(origin, index).await?.filter(|row| row.state == PayloadState::Held);
    Ok(row.as_ref().and_then(view_of).map(|view| keys_of(&view)).unwrap_or_default())
}

/// Where the indexes stand whose records are fetched.
enum Wants {
    /// In the store, as rows that are wanted.
    Stored(Range<u64>),
    /// In the entries that this round brought.
    Fresh(Fresh),
}

struct Fetcher {
    node: Arc<Node>,
    peer: OriginNo,
    client: Client,
    known: Arc<Known>,
}

impl Fetcher {
    /// Fetches page after page of what is wanted from an index on. Where a page ends is read from its still unverified
    /// trailer, so that the next one is on its way while this one is judged.
    async fn run(self, mut wants: Wants, pages: mpsc::Sender<Fetched>) -> Outcome<()> {
        let mut from = 0;
        loop {
            let store = self.node.store.as_ref();
            // A few that are withheld far apart must not cost all the pages between them.
            let mut wanted = match &mut wants {
                Wants::Stored(range) => {
                    let from = range.start.max(from);
                    store.wanted(self.peer, self.known.no, from, range.end, true, MAX_LINES).await?
                }
                Wants::Fresh(fresh) => fresh.from(from, MAX_LINES),
            };
            let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
            let (first, until) = (*first, last + 1);
            let bytes = self.fetch(first, until).await?;
            from = spoken_for(&bytes, &(first..until), &mut wanted);
            let entries = entries_at(store, self.peer, &wanted).await?;
            // The receiver is gone when judging failed: its error is the one to report.
            if pages.send(Fetched { entries, from: first, until, bytes }).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn fetch(&self, from: u64, until: u64) -> Outcome<Bytes> {
        let path = format!("v1/agreements/{}/records?from={from}&until={until}", self.known.document.id.uuid());
        let misbehaved = |why: &str| Problem::new(Code::PeerMisbehaved, format!("{path} {why}"));
        let compressed =
            self.client.fetch_signed(&path, MAX_PAGE_LEN).await?.ok_or_else(|| misbehaved("is missing"))?;
        let inflated = compute(move || inflate(&compressed)).await;
        inflated.ok_or_else(|| misbehaved(&format!("is not a zstd page within {MAX_PAGE_LEN} bytes")))
    }
}

/// Inflates a page: one frame, whose window and content are never beyond the limit.
fn inflate(compressed: &[u8]) -> Option<Bytes> {
    let is_whole = zstd_safe::find_frame_compressed_size(compressed).is_ok_and(|len| len == compressed.len());
    let told = zstd_safe::get_frame_content_size(compressed).ok()?.and_then(|len| usize::try_from(len).ok());
    let bytes = match told.filter(|_| is_whole) {
        // Of the length that the frame tells, or refused: no window is needed.
        Some(len) if len <= MAX_PAGE_LEN => zstd::bulk::decompress(compressed, len).ok()?,
        Some(_) => return None,
        None => inflate_stream(compressed)?,
    };
    Some(bytes.into())
}

/// The same of a frame that does not tell its length.
fn inflate_stream(compressed: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut decoder = zstd::stream::read::Decoder::new(compressed).ok()?.single_frame();
    decoder.window_log_max(MAX_PAGE_LEN.ilog2()).ok()?;
    // Records of one schema shrink to a sixteenth: most pages need no second buffer.
    let mut bytes = Vec::with_capacity(compressed.len().saturating_mul(16).min(MAX_PAGE_LEN));
    let limit = u64::try_from(MAX_PAGE_LEN).ok()?;
    decoder.take(limit + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= MAX_PAGE_LEN).then_some(bytes)
}

/// `next` of the last line, before anything is verified: only to know what to fetch meanwhile.
fn trailer_next(bytes: &[u8]) -> Option<u64> {
    let body = bytes.strip_suffix(b"\n")?;
    let last = body.rsplit(|byte| *byte == b'\n').next()?;
    let trailer = scan(last, MAX_RECORD_LEN).ok()?;
    trailer.root().member("next")?.as_integer().and_then(|next| u64::try_from(next).ok())
}

/// Judges a page of a range of a log, of which `size` entries are held: its rows as they are stored, with their keys. It is signed now, not
/// when its entries were made: so by a request key of the whole log.
///
/// # Errors
/// The page is not what was asked for, or not signed by the peer.
pub fn judge_rows(
    ring: &KeyRing,
    own: &Did,
    known: &Known,
    (range, size): (Range<u64>, u64),
    bytes: &[u8],
    wanted: &[Wanted],
) -> Result<Vec<(PayloadRow, Vec<Key>)>, page::PageError> {
    let asked = Asked { agreement: known.document.id, to: own, from: range.start, until: range.end };
    let page = page::read(bytes, &asked, |key_id| {
        (key_id.did == *ring.did()).then(|| ring.request_key(&key_id.multikey, size).cloned()).flatten()
    })?;
    debug_assert!(page.lines().len() <= MAX_LINES);
    let standing = known.standing();
    let Some(linkage) = &known.linkage else { return Ok(Vec::new()) };
    let judge = Judge { keys: ring, standing: &standing, linkage };
    let mut made: HashMap<u64, Made> = HashMap::new();
    let judged = judge_page(&page, wanted, |lines| {
        let part = |lines: &[(&Wanted, [u8; 32], &[u8])]| -> Vec<(Judged, Made)> {
            let read = |wanted: &Wanted, document: &Scanned<'_>| keys(ring, wanted.index, document);
            let mut made = Vec::with_capacity(lines.len());
            for ((mut judged, keys), (_, _, record)) in judge_lines_then(&judge, lines, read).into_iter().zip(lines) {
                let body = judged.payload.is_some().then(|| compress(record));
                // Only the compressed body is stored: a page of the others would be kept until its end.
                judged.payload = judged.payload.map(|(salt, _)| (salt, Vec::new()));
                made.push((judged, (keys.flatten(), body)));
            }
            made
        };
        let both: Vec<(Judged, Made)> = lines.par_chunks(PART_LEN).flat_map_iter(part).collect();
        let judged = |(judged, of_it): (Judged, Made)| {
            made.insert(judged.index, of_it);
            judged
        };
        both.into_iter().map(judged).collect()
    });
    let entries: HashMap<u64, &Wanted> = wanted.iter().map(|wanted| (wanted.index, wanted)).collect();
    let row = |judged: &Judged| {
        let made = made.remove(&judged.index).unwrap_or_default();
        entries.get(&judged.index).map(|wanted| stored(ring, known, wanted, judged, made))
    };
    Ok(judged.rows().iter().filter_map(row).collect())
}

/// What is made of a record while it is judged: its keys, if it is held, and the compressed body with its codec, if it is kept.
type Made = (Option<Vec<Key>>, Option<(u8, Vec<u8>)>);

/// The keys under which a held record is filed.
fn keys(ring: &KeyRing, index: u64, document: &Scanned<'_>) -> Option<Vec<Key>> {
    let mut keys = keys_of(&View::read(document)?);
    // A record that comes after the revocation of its key is in dispute at once.
    if !ring.revocations().is_empty() && signer(document).is_some_and(|key| ring.is_disputed(&key, index, u64::MAX)) {
        keys.push(Key::entry(ring.origin(), index));
    }
    Some(keys)
}

/// A judged row as it is stored, with the keys of its record.
fn stored(
    ring: &KeyRing,
    known: &Known,
    wanted: &Wanted,
    judged: &Judged,
    (keys, body): Made,
) -> (PayloadRow, Vec<Key>) {
    let of = wanted.entry.body.of();
    let keys = match judged.state {
        PayloadState::Held => keys,
        // What is not good is reconciled too: as an entry.
        PayloadState::Invalid | PayloadState::Quarantined => Some(vec![Key::entry(ring.origin(), judged.index)]),
        _ => None,
    };
    let payload = judged.payload.as_ref().zip(body);
    let payload = payload.map(|((salt, _), (codec, body))| Payload { salt: *salt, codec, body });
    let id: Option<RecordId> = judged.record.map(|(id, _)| id);
    let row = PayloadRow {
        index: judged.index,
        agreement: known.no,
        state: judged.state,
        reason: judged.reason.clone(),
        t: wanted.entry.t,
        of,
        id,
        kind: judged.record.map(|(_, kind)| kind),
        payload,
    };
    (row, keys.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn with_window(log: u32, content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_page_is_one_frame_whose_window_is_within_the_limit() {
        for log in [10, 24] {
            assert_eq!(inflate(&with_window(log, b"a page")).as_deref(), Some(&b"a page"[..]), "{log}");
        }
        assert_eq!(inflate(&with_window(25, b"a page")), None);
        let two = [with_window(20, b"one"), with_window(20, b"two")].concat();
        assert_eq!(inflate(&two).as_deref(), Some(&b"one"[..]), "what is behind it is not looked at");
        assert_eq!(inflate(&with_window(20, &vec![b' '; MAX_PAGE_LEN + 1])), None);
    }

    #[test]
    fn a_frame_that_tells_its_length_is_held_to_it() {
        let told = zstd::bulk::compress(b"a page of a length", 1).unwrap();
        assert_eq!(inflate(&told).as_deref(), Some(&b"a page of a length"[..]));
        assert_eq!(inflate(&[told.clone(), told.clone()].concat()).as_deref(), Some(&b"a page of a length"[..]));
        assert_eq!(inflate(told.split_last().unwrap().1), None, "cut off");
        assert_eq!(inflate(&zstd::bulk::compress(&vec![b' '; MAX_PAGE_LEN + 1], 1).unwrap()), None);
        // Magic number and frame header (RFC 8878, 3.1.1): one segment, the length in one byte behind.
        let mut lying = told;
        assert_eq!((lying[4] & 0b1110_0000, lying[5]), (0b0010_0000, 18));
        for len in [0, 17, 19, 255] {
            lying[5] = len;
            assert_eq!(inflate(&lying), None, "{len}");
        }
    }
}
