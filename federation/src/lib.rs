//! How cities trust, pull and reconcile: keys and proofs, the log, pull as a pure planner and judge, the reconciler
//! and the tally.
//!
//! No I/O, no async runtime, no clock, no randomness: bytes, time and random bytes are arguments. A pure function says
//! which bytes are wanted, the node brings them, a pure function judges them.

pub mod agreement;
pub mod append;
mod base58;
pub mod base64url;
pub mod checkpoint;
pub mod commitment;
pub mod entry;
pub mod frontier;
pub mod key;
pub mod linkage;
#[doc(hidden)]
pub mod mutant;
pub mod note;
pub mod page;
pub mod prefix;
pub mod proof;
pub mod pull;
pub mod reconcile;
pub mod request;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod verdict;
pub mod walk;
