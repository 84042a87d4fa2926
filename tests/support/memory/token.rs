//! Tokens of local systems.

use super::{Memory, differs};
use async_trait::async_trait;
use hefu_node::store::{StoreResult, TokenRow, TokenStore};

#[async_trait]
impl TokenStore for Memory {
    async fn add_token(&self, hash: &[u8; 32], row: &TokenRow) -> StoreResult<i64> {
        self.write("add_token", |model| {
            if model.tokens.values().any(|(known, _)| known == hash) {
                return Err(differs("token: hash"));
            }
            let no = model.tokens.keys().last().map_or(1, |last| last + 1);
            model.tokens.insert(no, (*hash, TokenRow { no, ..row.clone() }));
            Ok(no)
        })
    }
    async fn token(&self, hash: &[u8; 32]) -> StoreResult<Option<([u8; 32], TokenRow)>> {
        self.read("token", |model| Ok(model.tokens.values().find(|(known, _)| known == hash).cloned()))
    }
    async fn tokens(&self) -> StoreResult<Vec<TokenRow>> {
        self.read("tokens", |model| Ok(model.tokens.values().map(|(_, row)| row.clone()).collect()))
    }
    async fn revoke_token(&self, no: i64, at_ms: i64) -> StoreResult<bool> {
        self.write("revoke_token", |model| {
            let Some((_, row)) = model.tokens.get_mut(&no) else { return Ok(false) };
            row.revoked_ms.get_or_insert(at_ms);
            Ok(true)
        })
    }
    async fn use_token(&self, no: i64, at_ms: i64) -> StoreResult<()> {
        self.write("use_token", |model| {
            if let Some((_, row)) = model.tokens.get_mut(&no) {
                row.used_ms = row.used_ms.max(Some(at_ms));
            }
            Ok(())
        })
    }
}
