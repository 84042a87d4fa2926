//! What every database must keep of the store's promises: one suite, run on each implementation.

mod agreements;
mod citing;
mod damages;
mod fixture;
mod guards;
mod logs;
mod memory;
mod payloads;
mod postgres;
mod reconciling;
mod restarts;
mod searching;
mod sqlite;
mod suite;
mod tables;
mod tokens;
