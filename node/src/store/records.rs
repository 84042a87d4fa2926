//! Looking stored records up: lists, and what corrects what.

use super::{AgreementNo, OriginNo, PayloadRow, StoreResult};
use async_trait::async_trait;
use hefu_federation::pull::PayloadState;
use hefu_schemas::record::Kind;

/// Which rows of a log are listed.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    /// The log.
    pub origin: OriginNo,
    /// Only of this agreement.
    pub agreement: Option<AgreementNo>,
    /// Only of this kind: rows whose payload is not held have none.
    pub kind: Option<Kind>,
    /// Only in this state.
    pub state: Option<PayloadState>,
    /// Only entries of this time or later, UTC seconds.
    pub since: i64,
}

/// Lists and corrections.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Rows without their payloads, newest first.
    async fn listing(&self, which: &Listing, limit: usize, offset: usize) -> StoreResult<Vec<PayloadRow>>;
    /// The held rows that amend or withdraw the record at an index, ascending: index and kind.
    async fn corrections_of(&self, origin: OriginNo, index: u64) -> StoreResult<Vec<(u64, Option<Kind>)>>;
}
