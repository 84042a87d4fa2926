//! The log: origins, heads, tiles, bundles, acts.

use super::bulk::Column::{Blob, Int, Text};
use super::bulk::{Args, Bulk, NOTHING, Use, same};
use super::session::{Row, Session, query, scalar};
use super::transaction;
use super::value::{Sql, locking};
use super::{Database, write};
use crate::store::number::{act, count, damaged, fixed, int, limit, of_act, unsigned};
use crate::store::{
    ActRow, AgreementNo, LogStore, OWN, OriginNo, OriginRow, OwnRecord, SEQUENCER, StoreError, StoreResult, StoredHead,
    sql,
};
use async_trait::async_trait;
use hefu_federation::append::{BundleWrite, Head, Plan, TileWrite};
use hefu_federation::tile::{TILE_HEIGHT, TILE_WIDTH, decode_hashes, encode_hashes, split_bundle};
use hefu_federation::tree::{Hash, leaf_hash};
use hefu_schemas::id::{Did, Digest, Origin};
use std::collections::{BTreeSet, HashMap};

pub(super) const ADD_TILES: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO tile (origin, level, idx, hashes)",
    columns: &[Int, Int, Int, Blob],
    after: same(
        " ON CONFLICT (origin, level, idx) DO UPDATE SET hashes = excluded.hashes \
             WHERE length(excluded.hashes) >= length(tile.hashes)",
    ),
};
pub(super) const ADD_BUNDLES: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO entry_bundle (origin, idx, width, body)",
    columns: &[Int, Int, Int, Blob],
    after: same(
        " ON CONFLICT (origin, idx) DO UPDATE SET width = excluded.width, body = excluded.body \
             WHERE excluded.width >= entry_bundle.width",
    ),
};
pub(super) const ADD_ACTS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO agreement_act (origin, idx, digest, act, on_date, t)",
    columns: &[Int, Int, Blob, Int, Text, Int],
    after: NOTHING,
};

/// Whether a fence is that of the present holder.
pub(super) const FENCE: Sql =
    locking!("SELECT fence FROM lease WHERE name = $1 AND fence = $2 AND holder IS NOT NULL", " FOR SHARE");

#[async_trait]
impl LogStore for Database {
    async fn add_origin(
        &self,
        origin: &Origin,
        did: &Did,
        fingerprint: &Hash,
        ca_pem: Option<&str>,
    ) -> StoreResult<OriginNo> {
        transaction!({
            let mut tx = self.begin().await?;
            tx.lock(sql::LOCK_AGREEMENT, AgreementNo::PUBLIC.0).await?;
            let known = query(sql::ORIGIN).bind(origin.as_str()).fetch_optional(&mut tx).await?;
            let no = if let Some(row) = known {
                let same = row.get::<&str>(1)? == did.as_str() && row.get::<&[u8]>(2)? == fingerprint.0;
                if !same {
                    return Err(StoreError::Differs { what: format!("origin {origin}") });
                }
                let no: i64 = row.get(0)?;
                if let Some(pem) = ca_pem {
                    query(sql::SET_CA).bind(no).bind(pem).execute(&mut tx).await?;
                }
                no
            } else {
                let add = scalar(sql::ADD_ORIGIN).bind(origin.as_str()).bind(did.as_str());
                let no: i64 = add.bind(fingerprint.0.as_slice()).bind(ca_pem).fetch_one(&mut tx).await?;
                query(sql::ADD_HEAD).bind(no).execute(&mut tx).await?;
                no
            };
            tx.commit().await?;
            Ok(OriginNo(no))
        })
    }

    async fn origins(&self) -> StoreResult<Vec<OriginRow>> {
        let rows = query(sql::ORIGINS).fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(origin_row).collect()
    }

    async fn set_stopped(&self, origin: OriginNo, why: Option<&str>) -> StoreResult<()> {
        let done = query(sql::SET_STOPPED).bind(origin.0).bind(why).execute(&mut self.writer().await?).await?;
        if done == 1 { Ok(()) } else { Err(unknown(origin)) }
    }

    async fn set_reached(&self, origin: OriginNo, at_ms: i64) -> StoreResult<()> {
        query(sql::SET_REACHED).bind(origin.0).bind(at_ms).execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn head(&self, origin: OriginNo) -> StoreResult<StoredHead> {
        head(&mut self.reader().await?, origin).await
    }

    async fn edge(&self, origin: OriginNo) -> StoreResult<Head> {
        let mut tx = self.snapshot().await?;
        let StoredHead { size, t, .. } = head(&mut tx, origin).await?;
        let mut edge = Vec::new();
        for level in 0_u8.. {
            let hashes = size >> (TILE_HEIGHT * u32::from(level));
            if hashes == 0 {
                break;
            }
            edge.push(edge_tile(&mut tx, origin, level, hashes).await?);
        }
        let bundle = edge_bundle(&mut tx, origin, size).await?;
        Head::restore(size, t, edge, bundle).ok_or_else(|| damaged(format!("tile {}: right edge", origin.0)))
    }

    async fn append_own(&self, fence: i64, plan: &Plan, records: &[OwnRecord], acts: &[ActRow]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            // The row stays locked until the commit: nobody takes the lease over in between.
            let held: Option<i64> = scalar(FENCE).bind(SEQUENCER).bind(fence).fetch_optional(&mut tx).await?;
            if held.is_none() {
                return Err(StoreError::Conflict { expected: first_index(plan) });
            }
            append(&mut tx, OWN, plan, acts).await?;
            write::add_own(&mut tx, plan, records).await?;
            // If we stop here, nothing was written; after the commit all is, and the note is signed at the next start.
            tx.commit().await?;
            Ok(())
        })
    }

    async fn append_replica(&self, origin: OriginNo, plan: &Plan, acts: &[ActRow]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            append(&mut tx, origin, plan, acts).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    async fn set_note(&self, origin: OriginNo, size: u64, note: &[u8]) -> StoreResult<()> {
        // No row is affected when a larger note is there: that is no failure.
        query(sql::SET_NOTE).bind(origin.0).bind(int(size)).bind(note).execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn tile(&self, origin: OriginNo, level: u8, index: u64) -> StoreResult<Option<Vec<u8>>> {
        tile(&mut self.reader().await?, origin, level, index).await
    }

    async fn bundle(&self, origin: OriginNo, index: u64) -> StoreResult<Option<(u16, Vec<u8>)>> {
        bundle(&mut self.reader().await?, origin, index).await
    }

    async fn note_signed(&self, origin: OriginNo, entries: &[(u64, Vec<u8>)]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            for (index, data) in entries {
                let query = query(sql::NOTE_SIGNED).bind(origin.0).bind(int(*index)).bind(data.as_slice());
                query.execute(&mut tx).await?;
            }
            tx.commit().await?;
            Ok(())
        })
    }

    async fn signed(&self, origin: OriginNo) -> StoreResult<Vec<(u64, Vec<u8>)>> {
        let rows = query(sql::SIGNED).bind(origin.0).fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| Ok((unsigned(row.get(0)?, "signed_entry: idx")?, row.get(1)?))).collect()
    }

    async fn acts(&self, digest: &Digest, origin: OriginNo, most: usize) -> StoreResult<Vec<ActRow>> {
        let query = query(sql::ACTS).bind(digest.0.as_slice()).bind(origin.0).bind(limit(most));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(act_row).collect()
    }
}

fn unknown(origin: OriginNo) -> StoreError {
    damaged(format!("origin {}: no such row", origin.0))
}

fn first_index(plan: &Plan) -> u64 {
    plan.entries.first().map_or(plan.head.range.size(), |entry| entry.index)
}

/// Moves the head by compare-and-swap and writes what the plan says.
async fn append(conn: &mut Session, origin: OriginNo, plan: &Plan, acts: &[ActRow]) -> StoreResult<()> {
    let expected = first_index(plan);
    let size = plan.head.range.size();
    let moving = query(sql::MOVE_HEAD).bind(origin.0).bind(int(expected)).bind(int(size)).bind(plan.head.t);
    if moving.execute(conn).await? != 1 {
        return Err(StoreError::Conflict { expected });
    }
    let kept: Vec<&TileWrite> = plan.tiles.iter().filter(|tile| is_kept(tile)).collect();
    let bind = |args: &mut Args, tile: &&TileWrite| {
        args.push(origin.0).push(i64::from(tile.level)).push(int(tile.index)).push(encode_hashes(&tile.hashes));
    };
    let tiles = ADD_TILES.execute(conn, &kept, bind).await?;
    let edge = expected / TILE_WIDTH;
    if !expected.is_multiple_of(TILE_WIDTH) && edge < size / TILE_WIDTH {
        query(sql::DROP_TILE).bind(origin.0).bind(int(edge)).execute(conn).await?;
    }
    let bind = |args: &mut Args, bundle: &BundleWrite| {
        args.push(origin.0).push(int(bundle.index)).push(i64::from(bundle.width)).push(bundle.bytes.as_slice());
    };
    let bundles = ADD_BUNDLES.execute(conn, &plan.bundles, bind).await?;
    // A tile or bundle wider than what the head says was there.
    if tiles != count(&kept) || bundles != count(&plan.bundles) {
        return Err(damaged(format!("tile {}: wider than the head says", origin.0)));
    }
    let bind = |args: &mut Args, row: &ActRow| {
        args.push(row.origin.0).push(int(row.index)).push(row.digest.0.as_slice()).push(of_act(row.act));
        args.push(row.on.map(|date| date.to_string())).push(row.t);
    };
    ADD_ACTS.execute(conn, acts, bind).await?;
    forget_others(conn, origin, plan).await
}

/// Forgets entries that were noted where others are now: a round noted them and broke off, and the peer's log went on otherwise (it was
/// put back from a backup).
async fn forget_others(conn: &mut Session, origin: OriginNo, plan: &Plan) -> StoreResult<()> {
    let (first, size) = (first_index(plan), plan.head.range.size());
    let noted = query(sql::NOTED).bind(origin.0).bind(int(first)).bind(int(size)).fetch_all(conn).await?;
    for row in &noted {
        let (index, data): (u64, Vec<u8>) = (unsigned(row.get(0)?, "signed_entry: idx")?, row.get(1)?);
        if !plan.entries.iter().any(|entry| entry.index == index && entry.data == data) {
            query(sql::FORGET_NOTED).bind(origin.0).bind(int(index)).execute(conn).await?;
        }
    }
    Ok(())
}

async fn head(conn: &mut Session, origin: OriginNo) -> StoreResult<StoredHead> {
    let row = query(sql::HEAD).bind(origin.0).fetch_optional(conn).await?.ok_or_else(|| unknown(origin))?;
    let size = unsigned(row.get(0)?, "head: size")?;
    Ok(StoredHead { size, t: row.get(1)?, note: row.get(2)? })
}

/// A full tile of level 0 is not kept: its hashes are those of the entries of a full bundle.
fn is_kept(tile: &TileWrite) -> bool {
    tile.level > 0 || count(&tile.hashes) < TILE_WIDTH
}

async fn tile(conn: &mut Session, origin: OriginNo, level: u8, index: u64) -> StoreResult<Option<Vec<u8>>> {
    let query = scalar(sql::TILE).bind(origin.0).bind(i64::from(level)).bind(int(index));
    let kept: Option<Vec<u8>> = query.fetch_optional(conn).await?;
    if kept.is_some() || level > 0 {
        return Ok(kept);
    }
    let full = bundle(conn, origin, index).await?.filter(|(width, _)| u64::from(*width) == TILE_WIDTH);
    let hashes = |(width, bytes): (u16, Vec<u8>)| Ok(encode_hashes(&hashes_of(&bytes, width, index)?));
    full.map(hashes).transpose()
}

/// The leaf hashes of a bundle.
fn hashes_of(bytes: &[u8], width: u16, index: u64) -> StoreResult<Vec<Hash>> {
    let entries = split_bundle(bytes, width).map_err(|_| damaged(format!("entry_bundle {index}")))?;
    Ok(entries.iter().map(|data| leaf_hash(data)).collect())
}

/// Leaf hashes of entries, as far as they are there.
pub(super) async fn leaves(
    conn: &mut Session,
    origin: OriginNo,
    indexes: &BTreeSet<u64>,
) -> StoreResult<HashMap<u64, Hash>> {
    let bundles: BTreeSet<u64> = indexes.iter().map(|index| index / TILE_WIDTH).collect();
    let mut leaves = HashMap::new();
    for at in bundles {
        if let Some((width, bytes)) = bundle(conn, origin, at).await? {
            let hashes = (at * TILE_WIDTH..).zip(hashes_of(&bytes, width, at)?);
            leaves.extend(hashes.filter(|(index, _)| indexes.contains(index)));
        }
    }
    Ok(leaves)
}

async fn bundle(conn: &mut Session, origin: OriginNo, index: u64) -> StoreResult<Option<(u16, Vec<u8>)>> {
    let query = query(sql::BUNDLE).bind(origin.0).bind(int(index));
    let Some(row) = query.fetch_optional(conn).await? else { return Ok(None) };
    let width = u16::try_from(row.get::<i64>(0)?).map_err(|_| damaged("entry_bundle: width"))?;
    Ok(Some((width, row.get(1)?)))
}

/// The rightmost tile of a level with so many hashes, if it is not full.
async fn edge_tile(conn: &mut Session, origin: OriginNo, level: u8, hashes: u64) -> StoreResult<Vec<Hash>> {
    let width = u16::try_from(hashes % TILE_WIDTH).map_err(|_| damaged("tile: width"))?;
    if width == 0 {
        return Ok(Vec::new());
    }
    let what = || damaged(format!("tile {} level {level} index {}", origin.0, hashes / TILE_WIDTH));
    let bytes = tile(conn, origin, level, hashes / TILE_WIDTH).await?.ok_or_else(what)?;
    decode_hashes(&bytes, width).map_err(|_| what())
}

/// The rightmost bundle, if it is not full.
async fn edge_bundle(conn: &mut Session, origin: OriginNo, size: u64) -> StoreResult<Vec<u8>> {
    if size.is_multiple_of(TILE_WIDTH) {
        return Ok(Vec::new());
    }
    let index = size / TILE_WIDTH;
    match bundle(conn, origin, index).await? {
        Some((width, bytes)) if u64::from(width) == size % TILE_WIDTH => Ok(bytes),
        _ => Err(damaged(format!("entry_bundle {} index {index}", origin.0))),
    }
}

fn origin_row(row: &Row) -> StoreResult<OriginRow> {
    let no: i64 = row.get(0)?;
    let what = || damaged(format!("origin {no}"));
    Ok(OriginRow {
        no: OriginNo(no),
        origin: Origin::parse(row.get(1)?).map_err(|_| what())?,
        did: Did::parse(row.get(2)?).map_err(|_| what())?,
        fingerprint: Hash(fixed(row.get(3)?, "origin: fingerprint")?),
        ca_pem: row.get(4)?,
        stopped: row.get(5)?,
        reached_ms: row.get(6)?,
    })
}

fn act_row(row: &Row) -> StoreResult<ActRow> {
    let on: Option<&str> = row.get(4)?;
    Ok(ActRow {
        origin: OriginNo(row.get(0)?),
        index: unsigned(row.get(1)?, "agreement_act: idx")?,
        digest: Digest(fixed(row.get(2)?, "agreement_act: digest")?),
        act: act(row.get(3)?, "agreement_act: act")?,
        on: on.map(str::parse).transpose().map_err(|_| damaged("agreement_act: on_date"))?,
        t: row.get(5)?,
    })
}
