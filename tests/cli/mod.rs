//! The command line, by the real binary.

mod corrections;
mod help;
mod nodes;
mod readme;
mod refusals;
mod snapshots;
