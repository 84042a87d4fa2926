//! The command line, by the real binary.

mod corrections;
mod csv;
mod database;
mod doctor;
mod help;
mod moving;
mod nodes;
mod readme;
mod refusals;
mod schema;
mod snapshots;
mod verify;
