//! A city's node: it publishes signed records to its log, pulls and verifies its peers' records, and reconciles.
//!
//! ```text
//! publish  Draft ─▶ Record ─▶ SignedRecord ─▶ Entry ─▶ Receipt       publish, sequencer
//! pull     Want ─▶ bytes ─▶ verified page ─▶ replica                 pull, exchange
//! reconcile  dirty keys ─▶ facts ─▶ findings ─▶ buckets ─▶ tally     reconcile, tally
//! ```
//!
//! What is pure stands in `hefu-schemas` and `hefu-federation`; here are the database, the network, the clock and the
//! files.

pub mod background;
pub mod cli;
pub mod client;
pub mod clock;
pub mod codec;
pub mod compute;
pub mod config;
pub mod csv;
pub mod doctor;
pub mod exchange;
pub mod folder;
pub mod fsck;
pub mod group;
pub mod guard;
pub mod http;
pub mod inspect;
pub mod keys;
pub mod moving;
pub mod node;
pub mod outside;
mod pages;
pub mod peer_check;
pub mod problem;
pub mod propose;
pub mod publish;
pub mod pull;
pub mod reconcile;
pub mod registry;
pub mod ring;
pub mod sequencer;
pub mod standing;
pub mod status;
pub mod store;
pub mod synthetic;
pub mod tally;
pub mod task;
pub mod telemetry;
pub mod token;
mod unfinished;
pub mod verify;

pub use node::Node;
