//! The digest of payload states (bytes.md, Tally), with the digests of full blocks cached.

use super::Database;
use super::bulk::Column::{Blob, Int};
use super::bulk::{Args, Bulk, Use, same};
use super::session::{Session, query, scalar};
use crate::store::number::{fixed, int, state, unsigned};
use crate::store::{AgreementNo, OriginNo, StoreResult, sql};
use hefu_federation::reconcile::tally::STATE_BLOCK;
use hefu_schemas::id::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};

pub(super) const TOUCH: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO state_block (origin, agreement, block, version)",
    columns: &[Int, Int, Int, Int],
    after: same(
        " ON CONFLICT (origin, agreement, block) DO UPDATE SET version = state_block.version + 1, digest = NULL",
    ),
};
/// The condition keeps a digest out that was computed before another writer touched the block.
pub(super) const KEEP: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO state_block (origin, agreement, block, version, digest)",
    columns: &[Int, Int, Int, Int, Blob],
    after: same(
        " ON CONFLICT (origin, agreement, block) DO UPDATE SET digest = excluded.digest \
             WHERE state_block.version = excluded.version",
    ),
};

/// Drops the digests of the blocks of these rows. Must be called in the transaction that changes them.
pub(super) async fn touch(
    conn: &mut Session,
    origin: OriginNo,
    rows: impl Iterator<Item = (AgreementNo, u64)>,
) -> StoreResult<()> {
    let blocks: BTreeSet<(AgreementNo, u64)> =
        rows.map(|(agreement, index)| (agreement, index / STATE_BLOCK)).collect();
    let blocks: Vec<_> = blocks.into_iter().collect();
    let bind = |args: &mut Args, (agreement, block): &(AgreementNo, u64)| {
        args.push(origin.0).push(agreement.0).push(int(*block)).push(1_i64);
    };
    TOUCH.execute(conn, &blocks, bind).await?;
    Ok(())
}

/// A block as the cache has it.
#[derive(Debug, Clone, Copy, Default)]
struct Cached {
    version: i64,
    digest: Option<[u8; 32]>,
}

impl Database {
    /// Digest of the payload states of [0, size).
    pub(super) async fn digest_of_states(
        &self,
        origin: OriginNo,
        agreement: AgreementNo,
        size: u64,
    ) -> StoreResult<Digest> {
        let mut tx = self.snapshot().await?;
        let head: i64 = scalar(sql::HEAD).bind(origin.0).fetch_optional(&mut tx).await?.unwrap_or(0);
        let cached = load(&mut tx, origin, agreement, size.div_ceil(STATE_BLOCK)).await?;
        let mut outer = Sha256::new();
        let mut computed = Vec::new();
        for block in 0..size.div_ceil(STATE_BLOCK) {
            let full = block * STATE_BLOCK + STATE_BLOCK <= size;
            let entry = cached.get(&block).copied().unwrap_or_default();
            let digest = match entry.digest.filter(|_| full) {
                Some(digest) => digest,
                None => {
                    let digest = compute(&mut tx, origin, agreement, block, size).await?;
                    // Entries that are not there yet may still come into a block.
                    if full && block * STATE_BLOCK + STATE_BLOCK <= unsigned(head, "head: size")? {
                        computed.push((block, entry.version, digest));
                    }
                    digest
                }
            };
            outer.update(digest);
        }
        drop(tx);
        self.keep(origin, agreement, &computed).await?;
        Ok(Digest(outer.finalize().into()))
    }

    async fn keep(&self, origin: OriginNo, agreement: AgreementNo, blocks: &[(u64, i64, [u8; 32])]) -> StoreResult<()> {
        if blocks.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let bind = |args: &mut Args, (block, version, digest): &(u64, i64, [u8; 32])| {
            args.push(origin.0).push(agreement.0).push(int(*block)).push(*version).push(digest.to_vec());
        };
        KEEP.execute(&mut tx, blocks, bind).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What the cache has of the first `blocks` blocks.
async fn load(
    conn: &mut Session,
    origin: OriginNo,
    agreement: AgreementNo,
    blocks: u64,
) -> StoreResult<HashMap<u64, Cached>> {
    let query = query(sql::STATE_BLOCKS).bind(origin.0).bind(agreement.0).bind(int(blocks));
    let mut out = HashMap::new();
    for row in query.fetch_all(conn).await? {
        let digest: Option<&[u8]> = row.get(2)?;
        let digest = digest.map(|digest| fixed(digest, "state_block: digest")).transpose()?;
        out.insert(unsigned(row.get(0)?, "state_block: block")?, Cached { version: row.get(1)?, digest });
    }
    Ok(out)
}

/// Digest of one block below `size`: of its `index:state` lines.
async fn compute(
    conn: &mut Session,
    origin: OriginNo,
    agreement: AgreementNo,
    block: u64,
    size: u64,
) -> StoreResult<[u8; 32]> {
    let from = block * STATE_BLOCK;
    let query = query(sql::STATES).bind(origin.0).bind(agreement.0).bind(int(from));
    let mut lines = String::new();
    for row in query.bind(int(size.min(from + STATE_BLOCK))).fetch_all(conn).await? {
        let index = unsigned(row.get(0)?, "payload: idx")?;
        lines.push_str(&format!("{index}:{}\n", state(row.get(1)?, "payload: state")?.code()));
    }
    Ok(Sha256::digest(lines.as_bytes()).into())
}
