//! Both doors, as anybody and as a peer would knock.

mod bad_input;
mod control;
mod local;
mod openapi;
mod pages;
mod public;
mod requests;
mod searching;
