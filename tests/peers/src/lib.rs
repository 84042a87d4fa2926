//! The parts of the node that make up records and tell the time, without the node around them.

#[path = "../../../node/src/clock.rs"]
pub mod clock;
#[path = "../../../node/src/synthetic/mod.rs"]
pub mod synthetic;
