//! Both doors, as anybody and as a peer would knock.

mod bad_input;
mod control;
mod public;
mod requests;
mod searching;
