//! What a round learns of its peer's keys (protocol §3), and which records it puts in dispute (rule G3).

use super::Round;
use crate::codec::decompress;
use crate::problem::Outcome;
use crate::registry::Known;
use crate::store::{OriginRow, PayloadRow, Store};
use hefu_federation::frontier::VerifiedEntries;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_federation::trust::{KeyRing, Revocation};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::scan::{Scanned, scan};

/// Rows looked through at a time.
const ROWS_STEP: usize = 1000;

impl Round<'_> {
    /// Takes note of the entries that say something of keys, before the entries themselves are stored: were we to stop in
    /// between, the next round comes here again.
    pub(super) async fn note_keys(&mut self, verified: &VerifiedEntries) -> Outcome<()> {
        let known = self.ring.revocations().len();
        let said = observed(&mut self.ring, verified);
        if said.is_empty() {
            return Ok(());
        }
        self.node.store.note_signed(self.peer.no, &said).await?;
        for revocation in self.ring.revocations().get(known..).unwrap_or_default().to_vec() {
            for known in self.shared() {
                dispute(self.node.store.as_ref(), &self.peer, &known, &revocation).await?;
            }
        }
        Ok(())
    }
}

/// Shows entries to a ring. Those that changed it, with their data: the keys follow from them alone, however many others there are.
///
/// Of the entries that are not understood that is the first. A version that understands it looks through the log behind it again.
pub fn observed(ring: &mut KeyRing, verified: &VerifiedEntries) -> Vec<(u64, Vec<u8>)> {
    let entries = (verified.first()..).zip(verified.entries()).zip(verified.data());
    let changing = entries.filter(|((index, entry), _)| ring.observe(*index, entry));
    changing.map(|((index, _), data)| (index, data.clone())).collect()
}

/// Queues the held records of a log that a revocation puts in dispute, each under the key of its entry.
///
/// # Errors
/// The store fails.
pub async fn dispute(store: &dyn Store, peer: &OriginRow, known: &Known, revocation: &Revocation) -> Outcome<()> {
    tracing::warn!(origin = %peer.origin, from = revocation.from, "a record key is revoked as compromised");
    let mut from = revocation.from;
    while from < revocation.at {
        let rows = store.rows(peer.no, known.no, from, revocation.at, ROWS_STEP).await?;
        let Some(last) = rows.last() else { break };
        from = last.index + 1;
        let disputed = rows.iter().filter(|row| signer_of(row).is_some_and(|key| key == revocation.multikey));
        let keys: Vec<(u64, Key)> = disputed.map(|row| (row.index, Key::entry(&peer.origin, row.index))).collect();
        store.queue(known.no, peer.no, &keys).await?;
    }
    Ok(())
}

/// The Multikey text of the key that a held record names.
pub(crate) fn signer_of(row: &PayloadRow) -> Option<String> {
    let payload = row.payload.as_ref().filter(|_| row.state == PayloadState::Held)?;
    signer(&scan(decompress(payload.codec, &payload.body)?, MAX_RECORD_LEN).ok()?)
}

/// The same of a document.
pub(super) fn signer(document: &Scanned<'_>) -> Option<String> {
    let method = document.root().pointer("/proof/verificationMethod")?.as_str()?.into_owned();
    method.split_once('#').map(|(_, multikey)| multikey.to_owned())
}
