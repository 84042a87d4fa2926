//! The suite on the store in memory.

use super::fixture::{Fixture, Reopen};
use hefu_node::store::Store;
use hefu_tests::memory::Memory;

struct InMemory(Memory);

impl Fixture for InMemory {
    async fn create() -> Option<Self> {
        Some(Self(Memory::new()))
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }
}

impl Reopen for InMemory {
    async fn reopen(&mut self) {
        self.0 = self.0.copy();
    }
}

super::suite::cases!(super::InMemory);
super::suite::restarts!(super::InMemory);
