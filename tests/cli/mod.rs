//! The command line, by the real binary.

mod help;
mod nodes;
mod readme;
mod refusals;
mod snapshots;
