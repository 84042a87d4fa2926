//! Tokens of local systems.

use super::Database;
use super::session::{Row, query, scalar};
use crate::store::number::{damaged, fixed};
use crate::store::{StoreResult, TokenRow, TokenStore, sql};
use crate::token::Action;
use async_trait::async_trait;
use hefu_schemas::id::AgreementId;

#[async_trait]
impl TokenStore for Database {
    async fn add_token(&self, hash: &[u8; 32], row: &TokenRow) -> StoreResult<i64> {
        let actions: Vec<&str> = row.actions.iter().map(|action| action.code()).collect();
        let agreements = row.agreements.as_ref().map(|ids| {
            let ids: Vec<String> = ids.iter().map(|id| id.uuid().to_string()).collect();
            ids.join(",")
        });
        let query = scalar(sql::ADD_TOKEN).bind(hash.as_slice()).bind(&row.name).bind(actions.join(","));
        let query = query.bind(agreements).bind(row.created_ms).bind(row.expires_ms);
        Ok(query.fetch_one(&mut self.writer().await?).await?)
    }

    async fn token(&self, hash: &[u8; 32]) -> StoreResult<Option<([u8; 32], TokenRow)>> {
        let row = query(sql::TOKEN).bind(hash.as_slice()).fetch_optional(&mut self.reader().await?).await?;
        row.map(|row| Ok((fixed(row.get(8)?, "token: hash")?, token(&row)?))).transpose()
    }

    async fn tokens(&self) -> StoreResult<Vec<TokenRow>> {
        query(sql::TOKENS).fetch_all(&mut self.reader().await?).await?.iter().map(token).collect()
    }

    async fn revoke_token(&self, no: i64, at_ms: i64) -> StoreResult<bool> {
        let done = query(sql::REVOKE_TOKEN).bind(no).bind(at_ms).execute(&mut self.writer().await?).await?;
        Ok(done == 1)
    }

    async fn use_token(&self, no: i64, at_ms: i64) -> StoreResult<()> {
        query(sql::USE_TOKEN).bind(no).bind(at_ms).execute(&mut self.writer().await?).await?;
        Ok(())
    }
}

fn token(row: &Row) -> StoreResult<TokenRow> {
    let (actions, agreements): (&str, Option<&str>) = (row.get(2)?, row.get(3)?);
    let parts =
        |text: &'_ str| -> Vec<String> { text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect() };
    let action = |code: String| Action::from_code(&code).ok_or_else(|| damaged("token: actions"));
    let agreement =
        |id: String| AgreementId::parse(&format!("urn:uuid:{id}")).map_err(|_| damaged("token: agreements"));
    Ok(TokenRow {
        no: row.get(0)?,
        name: row.get(1)?,
        actions: parts(actions).into_iter().map(action).collect::<StoreResult<_>>()?,
        agreements: agreements.map(|ids| parts(ids).into_iter().map(agreement).collect()).transpose()?,
        created_ms: row.get(4)?,
        expires_ms: row.get(5)?,
        revoked_ms: row.get(6)?,
        used_ms: row.get(7)?,
    })
}
