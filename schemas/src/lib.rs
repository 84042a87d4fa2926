//! What a record may say: the JSON gate and canonical form, the published JSON Schemas, the lifecycles of student
//! status and enrollment connections, and the view of an agreement.
//!
//! This crate does no I/O, knows no clock and no randomness. `hefu-federation` builds on it; it knows nothing of
//! keys, logs or peers.

pub mod agreement;
pub mod canonical;
pub mod code;
pub mod credit;
pub mod dictionary;
pub mod enrollment_connection;
pub mod gate;
pub mod id;
pub mod identifier;
pub mod qualification_recognition;
pub mod record;
pub mod released;
pub mod scan;
pub mod student_status;
mod tape;
pub mod text;
pub mod validate;
pub mod violation;
