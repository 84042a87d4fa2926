//! A federation in one thread, decided by a 64-bit seed: clock, randomness, network and disks are simulated, and what runs on them are
//! the functions of production (`append::plan`, `pull::plan`, `judge_checkpoint`, `Frontier`, the judge of records, `KeyRing`, the
//! reconciler and the tally). What is written anew here is only the order of steps between them, and that follows
//! `node::{sequencer, guard, pull}` step by step.
//!
//! ```text
//! seed ─▶ Faults (which trouble) ─▶ steps: publish · pull · crash · put back an old copy · part · lie … ─▶ settle ─▶ invariants
//! ```
//!
//! The same seed gives the same trace. A failing seed is replayed by `simulate --seed`.

mod audit;
mod cities;
mod damage;
mod disk;
mod guard;
mod hostile;
mod leaves;
#[path = "../support/memory/mod.rs"]
pub mod memory;
mod mutant;
mod network;
mod node;
mod pull;
mod records;
mod rng;
mod run;
mod sequencer;
mod settle;
mod sim;
mod steps;
mod tally;

pub use audit::Violation;
pub use mutant::Mutant;
pub use run::{Caught, Failure, Progress, Summary, guarded, hunt, replay, run, table};
pub use sim::Counts;
