//! Bundles of entries, fetched a step at a time and one step ahead.

use super::{BUNDLES_PER_STEP, required};
use crate::client::Client;
use crate::problem::Outcome;
use crate::store::OriginRow;
use bytes::Bytes;
use hefu_federation::frontier::Frontier;
use hefu_federation::tile::{MAX_BUNDLE_LEN, TILE_WIDTH, TilePath};

/// The bundles of one step behind a log of `size`.
pub(super) fn next_bundles(frontier: &Frontier, size: u64) -> Vec<TilePath> {
    let at = |step| if step == 0 { size } else { (size / TILE_WIDTH + step) * TILE_WIDTH };
    (0..BUNDLES_PER_STEP).filter_map(|step| frontier.bundle_at(at(step))).collect()
}

/// Fetches bundles, all at once.
pub(super) async fn bundles_at(client: &Client, peer: &OriginRow, paths: &[TilePath]) -> Outcome<Vec<Bytes>> {
    let fetch = |path: &TilePath| {
        let path = path.to_string();
        async move { required(client, peer, &path, MAX_BUNDLE_LEN).await }
    };
    futures_util::future::try_join_all(paths.iter().map(fetch)).await
}
