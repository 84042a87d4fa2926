//! Why a store did not do what was asked.

use thiserror::Error;

/// Why a store did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The head is no longer where the plan began, or the lease has passed to another holder: nothing was written.
    #[error("the log was appended to by another writer (expected size {expected})")]
    Conflict {
        /// Size that the plan began at.
        expected: u64,
    },
    /// A stored value cannot be read back.
    #[error("stored data is damaged: {what}")]
    Damaged {
        /// Table and key, without personal data.
        what: String,
    },
    /// A row says otherwise: an origin with another fingerprint, a document with another digest.
    #[error("already stored differently: {what}")]
    Differs {
        /// What.
        what: String,
    },
    /// A new node's database holds a node already, or something else.
    #[error("the database is not empty")]
    Occupied,
    /// The database holds no node.
    #[error("the database holds no node")]
    Empty,
    /// The node that it held has gone to another database.
    #[error("its node was moved to {to}")]
    MovedAway {
        /// Of the move.
        id: String,
        /// Where, without a password.
        to: String,
        /// When, ms since 1970.
        at_ms: i64,
    },
    /// A move into it has not come to its end.
    #[error("a move into it, from {from}, is not finished")]
    Arriving {
        /// Where the node comes from, without a password.
        from: String,
    },
    /// The server would acknowledge what is not on disk.
    #[error("the server runs with {setting} = off: what it acknowledges may be lost")]
    NotDurable {
        /// The server's setting.
        setting: String,
    },
    /// The server takes no writes.
    #[error("the database is read-only: a standby, or default_transaction_read_only is on")]
    ReadOnly,
    /// The database refused or failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("database migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}
/// Result of a store call.
pub type StoreResult<T> = Result<T, StoreError>;
