//! A store in memory: what the traits of `node::store` promise, written down as plainly as possible, over ordered maps.
//!
//! It is the model that the databases are compared with, and the disk of the simulator: the whole content is one value that can be
//! kept, put back and damaged. Every call is one step under one lock, so each is all or nothing by itself; whoever wants more
//! trouble than that says so through [`Faults`].

mod agreements;
mod citing;
mod guard;
mod log;
mod model;
mod payload;
mod reconcile;
mod records;
mod search;
mod token;

pub use model::{Lax, Log, Model};

use hefu_node::store::{StoreError, StoreResult};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What may go wrong around a call.
pub trait Faults: Send + Sync {
    /// Before a call takes effect; an error is what the caller gets, and nothing was done.
    ///
    /// # Errors
    /// The fault.
    fn before(&self, call: &'static str, writes: bool, model: &mut Model) -> StoreResult<()>;
    /// After a write took effect; an error is what the caller gets although it did.
    ///
    /// # Errors
    /// The fault.
    fn after(&self, call: &'static str, model: &mut Model) -> StoreResult<()>;
}

/// A store in memory. Clones share it, as processes share a database.
#[derive(Clone, Default)]
pub struct Memory {
    model: Arc<Mutex<Model>>,
    faults: Option<Arc<dyn Faults>>,
}

impl Memory {
    /// Empty, without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty, with faults around its calls.
    pub fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Self { model: Arc::default(), faults: Some(faults) }
    }

    /// The content, to look at, to keep or to damage: behind the store's back, without faults.
    pub fn content(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store of its own with the same content and no faults: what a copy of the files would be.
    pub fn copy(&self) -> Self {
        Self { model: Arc::new(Mutex::new(self.content().clone())), faults: None }
    }

    fn read<T>(&self, call: &'static str, step: impl FnOnce(&Model) -> StoreResult<T>) -> StoreResult<T> {
        let mut model = self.content();
        if let Some(faults) = &self.faults {
            faults.before(call, false, &mut model)?;
        }
        step(&model)
    }

    /// `step` changes nothing when it fails.
    fn write<T>(&self, call: &'static str, step: impl FnOnce(&mut Model) -> StoreResult<T>) -> StoreResult<T> {
        let mut model = self.content();
        if let Some(faults) = &self.faults {
            faults.before(call, true, &mut model)?;
        }
        let value = step(&mut model)?;
        if let Some(faults) = &self.faults {
            faults.after(call, &mut model)?;
        }
        Ok(value)
    }
}

fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}

fn differs(what: impl Into<String>) -> StoreError {
    StoreError::Differs { what: what.into() }
}
