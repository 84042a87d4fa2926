//! Facts by key, findings, due dates, buckets, tallies.

use super::bulk::Column::{Blob, Int};
use super::bulk::{Args, Bulk, Use, same};
use super::session::{Row, query, scalar};
use super::transaction;
use super::value::{Sql, hinted};
use super::write::NOTHING_FILED;
use super::{Database, cited, evaluate, facts, packed, write};
use crate::store::number::{damaged, fixed, int, limit, of_severity, severity, unsigned};
use crate::store::{
    AgreementNo, Bounds, BucketKey, BucketRow, DirtyRow, EvaluatedKey, OriginNo, PayloadRow, ReconcileStore,
    StoreResult, latest, sql,
};
use async_trait::async_trait;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::Digest;
use jiff::civil::Date;
use std::collections::{BTreeSet, HashMap};

/// Both tables may have a fact; the index alone tells whether it is held, or flawed: what is flawed is filed under its own key
/// only.
pub(super) const BUCKET_KEYS: Sql = hinted!(
    "SELECT f.key, COUNT(DISTINCT f.origin) FROM \
     (SELECT key, origin, idx FROM fact WHERE agreement = $1 AND bucket = $2 \
      UNION ALL SELECT key, origin, idx FROM fact_recent WHERE agreement = $1 AND bucket = $2) AS f",
    sqlite " CROSS JOIN payload p INDEXED BY payload_by_agreement ON ",
    postgres " CROSS JOIN LATERAL (SELECT 1 FROM payload p WHERE ",
    "p.origin = f.origin AND p.agreement = $1 AND p.idx = f.idx AND p.state IN (1, 7, 8)",
    postgres " OFFSET 0) AS p",
    " GROUP BY f.key ORDER BY f.key"
);
pub(super) const STORE_BUCKETS: Bulk = Bulk {
    rows: Use::Insert,
    before: "INSERT INTO bucket (agreement, bucket, stale, digest, matched, critical, error, warning, notice)",
    columns: &[Int, Int, Int, Blob, Int, Int, Int, Int, Int],
    after: same(
        " ON CONFLICT (agreement, bucket) DO UPDATE SET stale = 0, digest = excluded.digest, \
            matched = excluded.matched, critical = excluded.critical, error = excluded.error, \
            warning = excluded.warning, notice = excluded.notice",
    ),
};

#[async_trait]
impl ReconcileStore for Database {
    async fn dirty(&self, agreement: AgreementNo, most: usize) -> StoreResult<Vec<DirtyRow>> {
        let query = query(sql::DIRTY).bind(agreement.0).bind(limit(most));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| dirty_row(row, agreement)).collect()
    }

    async fn dirty_count(&self) -> StoreResult<u64> {
        unsigned(scalar(sql::DIRTY_COUNT).fetch_one(&mut self.reader().await?).await?, "dirty: count")
    }

    async fn facts(
        &self,
        agreement: AgreementNo,
        keys: &[Key],
        dirty: &[DirtyRow],
        bounds: Option<&Bounds>,
    ) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>> {
        let mut tx = self.snapshot().await?;
        let mut filed = facts::filed(&mut tx, agreement, keys).await?;
        let positions: HashMap<&Key, usize> = keys.iter().zip(0..).collect();
        for row in dirty.iter().filter(|row| row.agreement == agreement) {
            if let (Some(position), Some(index)) = (positions.get(&row.key), row.index) {
                filed.insert((*position, row.origin, index));
            }
        }
        let filed = latest(filed, bounds);
        // Each row is read once, in the order of the table, also when several keys share it.
        let wanted: BTreeSet<(OriginNo, u64)> = filed.iter().map(|(_, origin, index)| (*origin, *index)).collect();
        let judged = facts::judged(&mut tx, &wanted.into_iter().collect::<Vec<_>>()).await?;
        let fact = |(position, origin, index): (usize, OriginNo, u64)| {
            let row = judged.get(&(origin, index))?;
            facts::is_fact(keys.get(position)?, row.state).then(|| (position, origin, row.clone()))
        };
        Ok(filed.into_iter().filter_map(fact).collect())
    }

    async fn cited(&self, agreement: AgreementNo, keys: &[Key]) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>> {
        if !cited::any(keys) {
            return Ok(Vec::new());
        }
        cited::in_sight(&mut self.snapshot().await?, agreement, keys).await
    }

    async fn concerned(
        &self,
        agreement: AgreementNo,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
    ) -> StoreResult<Vec<Key>> {
        let held = rows.iter().filter(|(row, _)| row.state == PayloadState::Held && row.agreement == agreement);
        let arrived: Vec<(&PayloadRow, &[Key])> = held.map(|(row, keys)| (row, keys.as_slice())).collect();
        cited::concerned(&mut self.snapshot().await?, agreement, origin, &arrived).await
    }

    async fn commit_evaluations(
        &self,
        agreement: AgreementNo,
        as_of: Date,
        dirty: &[DirtyRow],
        evaluated: &[EvaluatedKey],
        now_ms: i64,
    ) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            self.reconciling.check(&mut tx).await?;
            tx.lock(sql::LOCK_AGREEMENT, agreement.0).await?;
            evaluate::file(&mut tx, agreement, as_of, dirty, now_ms).await?;
            evaluate::replace_findings(&mut tx, agreement, evaluated, now_ms).await?;
            evaluate::replace_due(&mut tx, agreement, evaluated).await?;
            evaluate::mark_stale(&mut tx, agreement, dirty, evaluated).await?;
            evaluate::dequeue(&mut tx, agreement, dirty).await?;
            // If we stop here nothing was written: the rows are still queued and are evaluated again.
            tx.commit().await?;
            Ok(())
        })
    }

    async fn due(&self, agreement: AgreementNo, by: Date, most: usize) -> StoreResult<Vec<Key>> {
        let query = scalar(sql::DUE).bind(agreement.0).bind(by.to_string()).bind(limit(most));
        let keys: Vec<Vec<u8>> = query.fetch_all(&mut self.reader().await?).await?;
        keys.into_iter().map(|key| stored_key(key, "due: key")).collect()
    }

    async fn bucket_keys(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<BucketKey>> {
        let query = query(BUCKET_KEYS).bind(agreement.0).bind(i64::from(bucket));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        let bucket_key = |row: &Row| {
            let origins = u32::try_from(row.get::<i64>(1)?).map_err(|_| damaged("fact: origins"))?;
            Ok(BucketKey { key: stored_key(row.get(0)?, "fact: key")?, origins })
        };
        rows.iter().map(bucket_key).collect()
    }

    async fn bucket_findings(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<(Key, Finding)>> {
        let query = query(sql::BUCKET_FINDINGS).bind(agreement.0).bind(i64::from(bucket));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        let item = |row: &Row| Ok((stored_key(row.get(0)?, "finding: key")?, finding(row.get(1)?)?));
        rows.iter().map(item).collect()
    }

    async fn stale_buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<u16>> {
        let query = scalar(sql::STALE_BUCKETS).bind(agreement.0);
        let buckets: Vec<i64> = query.fetch_all(&mut self.reader().await?).await?;
        buckets.into_iter().map(bucket_number).collect()
    }

    async fn store_buckets(&self, agreement: AgreementNo, rows: &[BucketRow]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            self.reconciling.check(&mut tx).await?;
            tx.lock(sql::LOCK_AGREEMENT, agreement.0).await?;
            let bind = |args: &mut Args, row: &BucketRow| {
                args.push(agreement.0).push(i64::from(row.bucket)).push(0_i64).push(row.digest.0.to_vec());
                args.push(int(row.matched));
                row.findings.iter().for_each(|count| {
                    args.push(int(*count));
                });
            };
            STORE_BUCKETS.execute(&mut tx, rows, bind).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    async fn buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<BucketRow>> {
        let rows = query(sql::BUCKETS).bind(agreement.0).fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(bucket_row).collect()
    }

    async fn findings(
        &self,
        agreement: Option<AgreementNo>,
        rule: Option<&str>,
        most: usize,
        offset: usize,
    ) -> StoreResult<Vec<(AgreementNo, Key, Finding)>> {
        let observed = if agreement.is_none() { self.observations(rule).await? } else { Vec::new() };
        let shown = observed.len();
        let mut found: Vec<_> = observed.into_iter().skip(offset).take(most).collect();
        let query = query(sql::FINDINGS).bind(agreement.map(|no| no.0)).bind(rule);
        let query = query.bind(limit(most.saturating_sub(found.len()))).bind(limit(offset.saturating_sub(shown)));
        for row in &query.fetch_all(&mut self.reader().await?).await? {
            let key = stored_key(row.get(1)?, "finding: key")?;
            found.push((AgreementNo(row.get(0)?), key, finding(row.get(2)?)?));
        }
        Ok(found)
    }

    async fn findings_with_id(&self, id: &Digest) -> StoreResult<Vec<(AgreementNo, Key, Finding)>> {
        let rows = query(sql::FINDINGS_WITH_ID).bind(id.0.as_slice()).fetch_all(&mut self.reader().await?).await?;
        let item = |row: &Row| {
            let key = stored_key(row.get(1)?, "finding: key")?;
            Ok((AgreementNo(row.get(0)?), key, finding(row.get(2)?)?))
        };
        rows.iter().map(item).collect()
    }

    async fn finding_counts(&self) -> StoreResult<Vec<(AgreementNo, String, String, u64)>> {
        let rows = query(sql::FINDING_COUNTS).fetch_all(&mut self.reader().await?).await?;
        let count = |row: &Row| {
            let severity = severity(row.get(2)?, "finding: severity")?.code().to_owned();
            let count = unsigned(row.get(3)?, "finding: count")?;
            Ok((AgreementNo(row.get(0)?), row.get(1)?, severity, count))
        };
        let mut counts: Vec<_> = rows.iter().map(count).collect::<StoreResult<_>>()?;
        let observed = self.observations(None).await?;
        for same in observed.chunk_by(|(_, _, a), (_, _, b)| (a.rule, a.severity) == (b.rule, b.severity)) {
            if let Some((no, _, first)) = same.first() {
                let count = u64::try_from(same.len()).unwrap_or(u64::MAX);
                counts.push((*no, first.rule.code().to_owned(), first.severity.code().to_owned(), count));
            }
        }
        Ok(counts)
    }

    async fn queue(&self, agreement: AgreementNo, origin: OriginNo, keys: &[(u64, Key)]) -> StoreResult<()> {
        transaction!({
            let mut tx = self.begin().await?;
            let keys: Vec<(Option<u64>, &Key)> = keys.iter().map(|(index, key)| (Some(*index), key)).collect();
            write::queue(&mut tx, agreement, origin, &keys).await?;
            tx.commit().await?;
            Ok(())
        })
    }

    async fn observe(&self, origin: OriginNo, finding: &Finding, now_ms: i64) -> StoreResult<()> {
        let query = query(sql::OBSERVE).bind(finding.id.0.to_vec()).bind(origin.0).bind(finding.rule.code());
        let query = query.bind(of_severity(finding.severity)).bind(now_ms).bind(finding.to_json().to_string());
        query.execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn settle(&self, origin: OriginNo) -> StoreResult<()> {
        query(sql::SETTLE).bind(origin.0).execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn add_tally(
        &self,
        agreement: AgreementNo,
        as_of: Date,
        party: OriginNo,
        statement: &[u8],
        now_ms: i64,
    ) -> StoreResult<()> {
        let query = query(sql::ADD_TALLY).bind(agreement.0).bind(as_of.to_string()).bind(party.0);
        query.bind(statement).bind(now_ms).execute(&mut self.writer().await?).await?;
        Ok(())
    }

    async fn tallies(&self, agreement: AgreementNo, most: usize) -> StoreResult<Vec<(Date, OriginNo, Vec<u8>)>> {
        let query = query(sql::TALLIES).bind(agreement.0).bind(limit(most));
        let rows = query.fetch_all(&mut self.reader().await?).await?;
        let tally = |row: &Row| {
            let as_of: Date = row.get::<&str>(0)?.parse().map_err(|_| damaged("tally: as_of"))?;
            Ok((as_of, OriginNo(row.get(1)?), row.get(2)?))
        };
        rows.iter().map(tally).collect()
    }
}

impl Database {
    /// What was observed, each under the key of the entry that it rests on.
    async fn observations(&self, rule: Option<&str>) -> StoreResult<Vec<(AgreementNo, Key, Finding)>> {
        let rows: Vec<String> = scalar(sql::OBSERVATIONS).bind(rule).fetch_all(&mut self.reader().await?).await?;
        let read = |json: &String| {
            let finding = finding(json)?;
            let at = finding.evidence.first().ok_or_else(|| damaged("observation: evidence"))?;
            Ok((AgreementNo::NONE, Key::entry(&at.origin, at.index), finding))
        };
        rows.iter().map(read).collect()
    }
}

/// A key from the database.
fn stored_key(bytes: Vec<u8>, what: &str) -> StoreResult<Key> {
    Key::from_bytes(bytes).ok_or_else(|| damaged(what))
}

fn finding(json: &str) -> StoreResult<Finding> {
    let value = serde_json::from_str(json).map_err(|_| damaged("finding: json"))?;
    Finding::from_json(&value).ok_or_else(|| damaged("finding: json"))
}

fn bucket_number(number: i64) -> StoreResult<u16> {
    u16::try_from(number).map_err(|_| damaged("bucket: bucket"))
}

fn dirty_row(row: &Row, agreement: AgreementNo) -> StoreResult<DirtyRow> {
    let key = packed::unpack(row.get(1)?).ok_or_else(|| damaged("dirty: key"))?;
    let index = match row.get(3)? {
        NOTHING_FILED => None,
        index => Some(unsigned(index, "dirty: idx")?),
    };
    Ok(DirtyRow { seq: row.get(0)?, agreement, key, origin: OriginNo(row.get(2)?), index })
}

fn bucket_row(row: &Row) -> StoreResult<BucketRow> {
    let count = |at: usize| unsigned(row.get(at)?, "bucket: count");
    Ok(BucketRow {
        bucket: bucket_number(row.get(0)?)?,
        digest: Digest(fixed(row.get(1)?, "bucket: digest")?),
        matched: count(2)?,
        findings: [count(3)?, count(4)?, count(5)?, count(6)?],
    })
}
