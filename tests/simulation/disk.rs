//! A node's disk: the database's faults, and the guard file.

use super::rng::Rng;
use crate::memory::{Faults, Model};
use hefu_node::store::{OWN, PayloadRow, StoreError, StoreResult};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most writes that a disk which lies takes back in a power cut.
pub(super) const MAX_CUT: usize = 5;

/// What the disk does to the node.
#[derive(Default)]
pub(super) struct State {
    /// Calls until the process dies, before it takes effect or after.
    pub(super) crash_in: Option<u64>,
    /// Writes until one fails, and whether it is kept all the same.
    pub(super) fail_in: Option<(u64, bool)>,
    /// The next own append is written with a flipped bit.
    pub(super) flip_next: bool,
    /// The process is dead: nothing of what it still asks for happens.
    pub(super) dead: bool,
    /// The disk confirms what it has not written: a power cut takes back the last writes.
    pub(super) keeps_before: bool,
    /// Writes are confirmed before they are on the disk: a power cut takes back all since a lease was last taken.
    pub(super) unsynced: bool,
    /// What was there before each of the last writes.
    pub(super) before: VecDeque<Model>,
    /// The guard file, and what a power cut would leave of it.
    pub(super) guard: Option<Vec<u8>>,
    pub(super) guard_before: Option<Option<Vec<u8>>>,
    /// How many writes were flipped on their way.
    pub(super) flipped: u64,
    pub(super) calls: u64,
}

/// A disk, shared by the store and the node.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the process that may be its last: before it, or (for `true`) after it.
    pub(super) fn step(&self) -> StoreResult<()> {
        let mut state = self.state();
        state.calls += 1;
        if let Some(left) = state.crash_in {
            state.crash_in = left.checked_sub(1);
            state.dead |= left == 0;
        }
        if state.dead { Err(gone()) } else { Ok(()) }
    }

    /// The files as a power cut leaves them that takes back so many writes; whether there were any.
    pub(super) fn cut(&self, model: &mut Model, writes: usize) -> bool {
        let mut state = self.state();
        if let Some(guard) = state.guard_before.take() {
            state.guard = guard;
        }
        let lax = model.lax;
        let kept = state.before.len().saturating_sub(writes);
        let before = std::mem::take(&mut state.before).into_iter().nth(kept);
        let Some(before) = before else { return false };
        *model = before;
        model.lax = lax;
        true
    }
}

/// What a process gets that is no more.
pub(super) fn gone() -> StoreError {
    StoreError::Database(sqlx::Error::PoolClosed)
}

impl Faults for Disk {
    fn before(&self, call: &'static str, writes: bool, model: &mut Model) -> StoreResult<()> {
        self.step()?;
        let mut state = self.state();
        if !writes {
            return Ok(());
        }
        if state.keeps_before && (!state.unsynced || call == "lease" || state.before.is_empty()) {
            let most = if state.unsynced { 1 } else { MAX_CUT };
            if state.before.len() >= most {
                state.before.pop_front();
            }
            state.before.push_back(model.clone());
        }
        match state.fail_in {
            Some((0, false)) => {
                state.fail_in = None;
                Err(StoreError::Database(sqlx::Error::PoolTimedOut))
            }
            Some((left, kept)) => {
                state.fail_in = Some((left.saturating_sub(1), kept));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn after(&self, call: &'static str, model: &mut Model) -> StoreResult<()> {
        let mut state = self.state();
        if call == "append_own" && std::mem::take(&mut state.flip_next) && flip_last(model) {
            state.flipped += 1;
        }
        if state.fail_in == Some((0, true)) {
            state.fail_in = None;
            return Err(StoreError::Database(sqlx::Error::PoolTimedOut));
        }
        drop(state);
        // The call took effect, and nobody hears of it.
        self.step()
    }
}

/// Flips a bit of the last entry of the own log.
fn flip_last(model: &mut Model) -> bool {
    let bundle = model.logs.get_mut(&OWN).and_then(|log| log.bundles.values_mut().last());
    let last = bundle.and_then(|(_, bytes)| Arc::make_mut(bytes).last_mut());
    last.map(|byte| *byte ^= 4).is_some()
}

/// Flips a bit of some stored payload; its row as it was.
pub(super) fn flip_payload(model: &mut Model, rng: &mut Rng) -> Option<Arc<PayloadRow>> {
    let log = model.logs.get_mut(&OWN)?;
    let mut rows: Vec<_> = log.rows.values_mut().filter(|row| row.payload.is_some()).collect();
    let position = rng.position(rows.len());
    let row = rows.get_mut(position)?;
    let before = row.clone();
    let payload = Arc::make_mut(row).payload.as_mut()?;
    let at = rng.position(payload.body.len());
    *payload.body.get_mut(at)? ^= 16;
    Some(before)
}
