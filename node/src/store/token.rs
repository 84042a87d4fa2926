//! Tokens of local systems.

use super::StoreResult;
use crate::token::Action;
use async_trait::async_trait;
use hefu_schemas::id::AgreementId;

/// A token of a local system; its text is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the table's comment")]
pub struct TokenRow {
    /// Given by the store.
    pub no: i64,
    pub name: String,
    pub actions: Vec<Action>,
    /// `None`: all agreements.
    pub agreements: Option<Vec<AgreementId>>,
    pub created_ms: i64,
    pub expires_ms: i64,
    pub revoked_ms: Option<i64>,
    pub used_ms: Option<i64>,
}

/// Tokens of local systems.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Stores a token by its hash; its number, which is never given to another. A hash that is there is an error.
    async fn add_token(&self, hash: &[u8; 32], row: &TokenRow) -> StoreResult<i64>;
    /// The token with a hash, with the hash as stored.
    async fn token(&self, hash: &[u8; 32]) -> StoreResult<Option<([u8; 32], TokenRow)>>;
    /// All tokens by number, revoked and expired ones too.
    async fn tokens(&self) -> StoreResult<Vec<TokenRow>>;
    /// Revokes a token; the time of the first revocation stays. `false` when there is none of that number.
    async fn revoke_token(&self, no: i64, at_ms: i64) -> StoreResult<bool>;
    /// Notes the last use.
    async fn use_token(&self, no: i64, at_ms: i64) -> StoreResult<()>;
}
