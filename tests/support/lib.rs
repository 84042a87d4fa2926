//! What all tests of the whole product share: nodes and federations that really run, drafts that are valid, and the check
//! that a log is sound, which every test calls after every step.
//!
//! Only the edges are faked: the clock can be moved, the network is loopback, the disk is a temporary folder. A test
//! waits for conditions, never for time.

pub mod certificate;
pub mod check;
pub mod draft;
pub mod faulty;
pub mod federation;
pub mod http;
pub mod local;
pub mod node;
pub mod postgres;
pub mod process;
pub mod snapshot;
pub mod wait;

pub use check::check_log;
pub use draft::Drafts;
pub use federation::TestFederation;
pub use hefu_node::clock::Clock as FakeClock;
pub use hefu_simulation::memory;
pub use node::TestNode;
pub use process::{Serving, hefu};
pub use snapshot::Snapshots;
pub use wait::until;
