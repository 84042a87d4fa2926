//! Looking stored records up: lists, and what corrects what.

use super::{AgreementNo, OriginNo, PayloadRow, StoreResult};
use async_trait::async_trait;
use hefu_federation::pull::PayloadState;
use hefu_schemas::record::Kind;
use std::ops::Range;

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

/// A held row that amends or withdraws another one of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// What it corrects.
    pub of: u64,
    /// Its own index.
    pub index: u64,
    /// Its agreement.
    pub agreement: AgreementNo,
    /// Its kind.
    pub kind: Option<Kind>,
}

/// Lists and corrections.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Rows without their payloads, newest first.
    async fn listing(&self, which: &Listing, limit: usize, offset: usize) -> StoreResult<Vec<PayloadRow>>;
    /// The held rows that amend or withdraw what stands at these indexes, by that and by their own index.
    async fn corrections_of(&self, origin: OriginNo, of: Range<u64>) -> StoreResult<Vec<Correction>>;
}
