//! The agreements that the node knows, in memory: documents, verified proofs, acts, linkages. Reloaded after each
//! change; readers hold a snapshot.

use crate::store::{AgreementNo, DocumentRow, LogStore, OriginNo, Store, StoreError, StoreResult};
use hefu_federation::agreement::{MAX_ACTS, SeenAct, Standing, State, counted};
use hefu_federation::linkage::Linkage;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::id::{AgreementId, Digest, Origin};
use jiff::civil::Date;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// One version of an agreement with all that is known of it.
#[derive(Debug)]
pub struct Known {
    /// Local number of its id.
    pub no: AgreementNo,
    /// The document.
    pub document: Agreement,
    /// Verified proofs by party.
    pub proofs: Vec<(Origin, Vec<u8>)>,
    /// Acts by party, in index order.
    pub acts: BTreeMap<Origin, Vec<SeenAct>>,
    /// The linkage of the document's epoch, once opened.
    pub linkage: Option<Linkage>,
}

impl Known {
    /// What the pure checks need.
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            agreement: &self.document,
            proofs: self.proofs.iter().map(|(origin, _)| origin.clone()).collect(),
            acts: self.acts.clone(),
        }
    }

    /// Whether a city may publish under it at a time (UTC seconds).
    pub fn takes_records_of(&self, origin: &Origin, t: i64) -> bool {
        let standing = self.standing();
        standing.is_open_at(origin, u64::MAX) && !standing.is_closed_by_others(origin, t)
    }

    /// The state on a day.
    pub fn state(&self, today: Date) -> State {
        self.standing().state(today)
    }
}

/// All agreements, newest version of an id last.
pub type Snapshot = Arc<Vec<Arc<Known>>>;

/// Holder of the current snapshot.
#[derive(Debug, Default)]
pub struct Registry {
    /// Locked only to swap or clone the pointer.
    current: RwLock<Snapshot>,
    /// How often the store was said to know more than the snapshot.
    doubts: AtomicU64,
    /// How many of these doubts had come when the reading began that made the snapshot.
    settled: AtomicU64,
    /// One reading at a time: what an earlier one has read may not replace what a later one has.
    reading: tokio::sync::Mutex<()>,
}

impl Registry {
    /// The current snapshot.
    pub fn snapshot(&self) -> Snapshot {
        self.current.read().map_or_else(|poisoned| poisoned.into_inner().clone(), |guard| guard.clone())
    }

    /// The newest version of an agreement.
    pub fn by_id(&self, id: AgreementId) -> Option<Arc<Known>> {
        self.snapshot().iter().rev().find(|known| known.document.id == id).cloned()
    }

    /// The version with a digest.
    pub fn by_digest(&self, digest: &Digest) -> Option<Arc<Known>> {
        self.snapshot().iter().find(|known| known.document.digest == *digest).cloned()
    }

    /// The newest version of an agreement by local number.
    pub fn by_no(&self, no: AgreementNo) -> Option<Arc<Known>> {
        self.snapshot().iter().rev().find(|known| known.no == no).cloned()
    }

    /// Notes that the store may know more: a change was made that is not read yet, or failed and may have been made all the same.
    pub fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) >= self.doubts.load(Ordering::Acquire)
    }

    /// Reads everything anew if there is a doubt: nobody else would, since a change that was made is no news to the next round.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub async fn settle(&self, store: &dyn Store) -> StoreResult<()> {
        if self.is_settled() {
            return Ok(());
        }
        let _one_at_a_time = self.reading.lock().await;
        // Somebody else has read it meanwhile.
        if self.is_settled() { Ok(()) } else { self.read(store).await }
    }

    /// Reads everything anew from the store.
    ///
    /// # Errors
    /// The store fails, or a stored document no longer reads.
    pub async fn reload(&self, store: &dyn Store) -> StoreResult<()> {
        let _one_at_a_time = self.reading.lock().await;
        self.read(store).await.inspect_err(|_| self.doubt())
    }

    async fn read(&self, store: &dyn Store) -> StoreResult<()> {
        // Before it reads: a doubt that comes meanwhile stays, and nobody is told that it is settled until it is.
        let doubts = self.doubts.load(Ordering::Acquire);
        let origins: BTreeMap<_, _> = store.origins().await?.into_iter().map(|row| (row.origin, row.no)).collect();
        let mut all = Vec::new();
        for row in store.documents().await? {
            all.push(Arc::new(load(store, row, &origins).await?));
        }
        let snapshot = Arc::new(all);
        match self.current.write() {
            Ok(mut guard) => *guard = snapshot,
            Err(poisoned) => *poisoned.into_inner() = snapshot,
        }
        self.settled.store(doubts, Ordering::Release);
        Ok(())
    }
}

async fn load(store: &dyn Store, row: DocumentRow, origins: &BTreeMap<Origin, OriginNo>) -> StoreResult<Known> {
    let document = Agreement::read(&row.bytes)
        .map_err(|_| StoreError::Damaged { what: format!("agreement_document {}", row.digest) })?;
    let epoch = document.terms.linkage_epoch;
    let linkages = store.linkages(row.no).await?;
    let linkage = linkages
        .into_iter()
        .find(|(stored, _)| *stored == epoch)
        .map(|(epoch, secret)| Linkage::from_exposed(epoch, &secret))
        .filter(|linkage| linkage.commitment() == document.terms.linkage_commitment);
    let mut acts = BTreeMap::new();
    for party in &document.parties {
        let Some(origin) = origins.get(&party.origin) else { continue };
        let seen = seen(store, &row.digest, *origin).await?;
        if !seen.is_empty() {
            acts.insert(party.origin.clone(), seen);
        }
    }
    Ok(Known { no: row.no, proofs: store.proofs(&row.digest).await?, acts, document, linkage })
}

/// The acts of a city on a document that count.
///
/// # Errors
/// The store fails.
pub async fn seen(store: &(impl LogStore + ?Sized), digest: &Digest, origin: OriginNo) -> StoreResult<Vec<SeenAct>> {
    let rows = store.acts(digest, origin, MAX_ACTS + 1).await?;
    Ok(counted(rows.into_iter().map(|row| SeenAct { act: row.act, index: row.index, on: row.on, t: row.t })))
}
