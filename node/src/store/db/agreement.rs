//! Agreements, proofs, linkages.

use super::Database;
use super::session::{Row, query, scalar};
use super::transaction;
use crate::store::number::{damaged, fixed};
use crate::store::{AgreementNo, AgreementStore, DocumentRow, StoreError, StoreResult, sql};
use async_trait::async_trait;
use hefu_schemas::id::{AgreementId, Did, Digest, Origin};
use uuid::Uuid;
use zeroize::Zeroizing;

#[async_trait]
impl AgreementStore for Database {
    async fn add_document(
        &self,
        id: AgreementId,
        version: u32,
        digest: &Digest,
        bytes: &[u8],
        now_ms: i64,
    ) -> StoreResult<AgreementNo> {
        transaction!({
            let mut tx = self.begin().await?;
            tx.lock(sql::LOCK_AGREEMENT, AgreementNo::PUBLIC.0).await?;
            let uuid = id.uuid();
            let known = scalar(sql::AGREEMENT).bind(uuid.as_bytes().as_slice()).fetch_optional(&mut tx).await?;
            let no: i64 = match known {
                Some(no) => no,
                None => scalar(sql::ADD_AGREEMENT).bind(uuid.as_bytes().as_slice()).fetch_one(&mut tx).await?,
            };
            let stored = scalar(sql::DOCUMENT_DIGEST).bind(no).bind(i64::from(version));
            let stored: Option<Vec<u8>> = stored.fetch_optional(&mut tx).await?;
            match stored {
                Some(stored) if stored == digest.0 => return Ok(AgreementNo(no)),
                Some(_) => return Err(StoreError::Differs { what: format!("agreement {id} version {version}") }),
                None => {}
            }
            let add = query(sql::ADD_DOCUMENT).bind(no).bind(i64::from(version)).bind(digest.0.as_slice());
            add.bind(bytes).bind(now_ms).execute(&mut tx).await?;
            tx.commit().await?;
            Ok(AgreementNo(no))
        })
    }

    async fn documents(&self) -> StoreResult<Vec<DocumentRow>> {
        let rows = query(sql::DOCUMENTS).fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(document_row).collect()
    }

    async fn add_proof(&self, digest: &Digest, party: &Origin, proof: &[u8]) -> StoreResult<()> {
        let query = query(sql::ADD_PROOF).bind(digest.0.as_slice()).bind(party.as_str()).bind(proof);
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn proofs(&self, digest: &Digest) -> StoreResult<Vec<(Origin, Vec<u8>)>> {
        let rows = query(sql::PROOFS).bind(digest.0.as_slice()).fetch_all(&mut self.reader().await?).await?;
        let proof = |row: &Row| {
            let party = Origin::parse(row.get(0)?).map_err(|_| damaged("agreement_proof: party"))?;
            Ok((party, row.get(1)?))
        };
        rows.iter().map(proof).collect()
    }

    async fn add_linkage(&self, agreement: AgreementNo, epoch: u32, secret: &[u8; 64]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            let add = query(sql::ADD_LINKAGE).bind(agreement.0).bind(i64::from(epoch)).bind(secret.as_slice());
            add.execute(&mut tx).await?;
            let stored = scalar(sql::LINKAGE).bind(agreement.0).bind(i64::from(epoch));
            let stored: Zeroizing<Vec<u8>> = Zeroizing::new(stored.fetch_one(&mut tx).await?);
            if stored.as_slice() != secret {
                return Err(StoreError::Differs { what: format!("linkage {} epoch {epoch}", agreement.0) });
            }
            tx.commit().await?;
            Ok(())
        })
    }

    async fn linkages(&self, agreement: AgreementNo) -> StoreResult<Vec<(u32, Zeroizing<[u8; 64]>)>> {
        let rows = query(sql::LINKAGES).bind(agreement.0).fetch_all(&mut self.reader().await?).await?;
        let linkage = |row: &Row| {
            let epoch = u32::try_from(row.get::<i64>(0)?).map_err(|_| damaged("linkage: epoch"))?;
            Ok((epoch, Zeroizing::new(fixed(row.get(1)?, "linkage: secret")?)))
        };
        rows.iter().map(linkage).collect()
    }

    async fn add_sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did, sealed: &[u8]) -> StoreResult<()> {
        let query = query(sql::ADD_SEALED).bind(agreement.0).bind(i64::from(epoch)).bind(to.as_str()).bind(sealed);
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did) -> StoreResult<Option<Vec<u8>>> {
        let query = scalar(sql::SEALED).bind(agreement.0).bind(i64::from(epoch)).bind(to.as_str());
        Ok(query.fetch_optional(&mut self.reader().await?).await?)
    }
}

fn document_row(row: &Row) -> StoreResult<DocumentRow> {
    let what = "document: version";
    Ok(DocumentRow {
        no: AgreementNo(row.get(0)?),
        id: AgreementId::from_uuid(Uuid::from_bytes(fixed(row.get(1)?, "agreement: id")?)),
        version: u32::try_from(row.get::<i64>(2)?).map_err(|_| damaged(what))?,
        digest: Digest(fixed(row.get(3)?, "document: digest")?),
        bytes: row.get(4)?,
        received_ms: row.get(5)?,
    })
}
