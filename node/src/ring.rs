//! Keys of origins, as they follow from their stored logs.

use crate::compute::compute;
use crate::problem::{Code, Outcome, Problem};
use crate::store::{OriginNo, OriginRow, Store};
use hefu_federation::entry::Entry;
use hefu_federation::tree::Hash;
use hefu_federation::trust::KeyRing;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The keys of origins whose logs have not grown since they were asked for: what anybody can ask for, such as the keys that a
/// request may be signed with, costs one look at the size of the log.
#[derive(Debug, Default)]
pub struct Rings(Mutex<HashMap<OriginNo, Kept>>);

#[derive(Debug, Clone)]
struct Kept {
    founded: Hash,
    size: u64,
    ring: Arc<KeyRing>,
}

impl Rings {
    /// The keys of an origin whose stored log has a size.
    ///
    /// # Errors
    /// As [`ring_of`].
    pub async fn at(&self, store: &dyn Store, row: &OriginRow, size: u64) -> Outcome<Arc<KeyRing>> {
        let is_it = |kept: &&Kept| kept.founded == row.fingerprint && kept.size == size;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&row.no).filter(is_it).cloned();
        if let Some(kept) = kept {
            return Ok(kept.ring);
        }
        let ring = Arc::new(ring_of(store, row).await?);
        let kept = Kept { founded: row.fingerprint, size, ring: ring.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(row.no, kept);
        Ok(ring)
    }
}

/// The keys of an origin, read from its stored log.
///
/// # Errors
/// The stored first entry does not found the log.
pub async fn ring_of(store: &dyn Store, row: &OriginRow) -> Outcome<KeyRing> {
    let (founding, row) = (Founding::read(store, row).await?, row.clone());
    // Each entry has a signature to be verified.
    compute(move || founding.ring(&row)).await
}

/// The entries from which the keys of an origin follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Founding {
    genesis: Vec<u8>,
    /// Entries that say something of keys, or are not understood, by index.
    signed: Vec<(u64, Vec<u8>)>,
}

impl Founding {
    /// Reads them.
    ///
    /// # Errors
    /// The store fails, or has no first entry.
    pub async fn read(store: &dyn Store, row: &OriginRow) -> Outcome<Self> {
        let damaged = || Problem::new(Code::Damaged, format!("entry 0 of {}", row.origin));
        let (width, bundle) = store.bundle(row.no, 0).await?.ok_or_else(damaged)?;
        let entries = hefu_federation::tile::split_bundle(&bundle, width).map_err(|_| damaged())?;
        let genesis = entries.first().ok_or_else(damaged)?.to_vec();
        Ok(Self { genesis, signed: store.signed(row.no).await? })
    }

    /// The keys that follow from them.
    ///
    /// # Errors
    /// The first entry does not found the log of this origin.
    pub fn ring(&self, row: &OriginRow) -> Outcome<KeyRing> {
        let damaged = |index: u64| Problem::new(Code::Damaged, format!("entry {index} of {}", row.origin));
        let mut ring = KeyRing::found(&self.genesis, &row.origin, &row.fingerprint).map_err(|_| damaged(0))?;
        for (index, data) in &self.signed {
            ring.observe(*index, &Entry::parse(data).map_err(|_| damaged(*index))?);
        }
        Ok(ring)
    }
}
