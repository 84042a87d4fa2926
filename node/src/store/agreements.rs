//! What a node keeps of agreements.

use super::{AgreementNo, StoreResult};
use async_trait::async_trait;
use hefu_schemas::id::{AgreementId, Did, Digest, Origin};

/// An agreement document that we hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the table's comment")]
pub struct DocumentRow {
    pub no: AgreementNo,
    pub id: AgreementId,
    pub version: u32,
    pub digest: Digest,
    pub bytes: Vec<u8>,
    pub received_ms: i64,
}

/// Agreements, proofs, linkages.
#[async_trait]
pub trait AgreementStore: Send + Sync {
    /// Stores a document (idempotent); the number of its id.
    async fn add_document(
        &self,
        id: AgreementId,
        version: u32,
        digest: &Digest,
        bytes: &[u8],
        now_ms: i64,
    ) -> StoreResult<AgreementNo>;
    /// All documents by number and version.
    async fn documents(&self) -> StoreResult<Vec<DocumentRow>>;
    /// Stores a verified detached proof of a party (idempotent).
    async fn add_proof(&self, digest: &Digest, party: &Origin, proof: &[u8]) -> StoreResult<()>;
    /// Proofs of a document by party.
    async fn proofs(&self, digest: &Digest) -> StoreResult<Vec<(Origin, Vec<u8>)>>;
    /// Stores a linkage (secret ‖ label key) of an epoch (idempotent).
    async fn add_linkage(&self, agreement: AgreementNo, epoch: u32, secret: &[u8; 64]) -> StoreResult<()>;
    /// The linkages of an agreement by epoch.
    async fn linkages(&self, agreement: AgreementNo) -> StoreResult<Vec<(u32, zeroize::Zeroizing<[u8; 64]>)>>;
    /// Stores a linkage sealed for a party (JSON), to be served to it (idempotent: the first stays).
    async fn add_sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did, sealed: &[u8]) -> StoreResult<()>;
    /// The sealed linkage for a party.
    async fn sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did) -> StoreResult<Option<Vec<u8>>>;
}
