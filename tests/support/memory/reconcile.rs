//! The queue of keys, facts, findings, due dates, buckets, tallies.

use super::payload::is_fact;
use super::{Memory, Model, differs};
use async_trait::async_trait;
use hefu_federation::reconcile::finding::{Finding, Severity};
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{
    AgreementNo, Bounds, BucketKey, BucketRow, DirtyRow, EvaluatedKey, OriginNo, PayloadRow, ReconcileStore,
    StoreResult, latest,
};
use hefu_schemas::id::Digest;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

type Place = (OriginNo, u64);
type Open = (AgreementNo, Key, Finding);

impl Model {
    /// Where entries are filed under a key.
    pub(super) fn filed(&self, agreement: AgreementNo, key: &Key) -> impl Iterator<Item = Place> + use<'_> {
        let facts = self.facts.get(&(agreement, key.bucket())).and_then(|keys| keys.get(key));
        facts.into_iter().flatten().copied()
    }

    fn facts(
        &self,
        agreement: AgreementNo,
        keys: &[Key],
        dirty: &[DirtyRow],
        bounds: Option<&Bounds>,
    ) -> Vec<(usize, OriginNo, PayloadRow)> {
        let mut queued: BTreeMap<&Key, Vec<Place>> = BTreeMap::new();
        for row in dirty.iter().filter(|row| row.agreement == agreement) {
            queued.entry(&row.key).or_default().extend(row.index.map(|index| (row.origin, index)));
        }
        let filed = keys.iter().enumerate().flat_map(|(position, key)| {
            let waiting = queued.get(key).into_iter().flatten().copied();
            self.filed(agreement, key).chain(waiting).map(move |(origin, index)| (position, origin, index))
        });
        let fact = |(position, origin, index): (usize, OriginNo, u64)| {
            let row = self.row_at(origin, index).filter(|row| row.agreement == agreement)?;
            is_fact(keys.get(position)?, row.state).then(|| (position, origin, row.clone()))
        };
        latest(filed.collect(), bounds).into_iter().filter_map(fact).collect()
    }

    fn commit(&mut self, agreement: AgreementNo, dirty: &[DirtyRow], evaluated: &[EvaluatedKey]) -> StoreResult<()> {
        let is_queued = |row: &DirtyRow| row.agreement == agreement && self.queue.get(&row.seq) == Some(row);
        if !dirty.iter().all(is_queued) {
            return Err(differs("dirty: a row is no longer queued"));
        }
        for row in dirty {
            self.queue.remove(&row.seq);
            if let Some(index) = row.index {
                let bucket = self.facts.entry((agreement, row.key.bucket())).or_default();
                bucket.entry(row.key.clone()).or_default().insert((row.origin, index));
            }
        }
        for EvaluatedKey { key, findings, next } in evaluated {
            let place = (agreement, key.bucket());
            let stored = self.findings.entry(place).or_default();
            if findings.is_empty() {
                stored.remove(key);
            } else {
                stored.insert(key.clone(), findings.iter().map(|finding| (finding.id, finding.clone())).collect());
            }
            match next {
                Some(next) => self.due.insert((agreement, key.clone()), *next),
                None => self.due.remove(&(agreement, key.clone())),
            };
            if !self.lax.stale {
                self.stale.insert(place);
            }
        }
        Ok(())
    }

    /// All open findings, what was observed first.
    fn open(&self) -> impl Iterator<Item = Open> {
        let seen = self.observed.values().flat_map(BTreeMap::values).filter_map(|finding| {
            let evidence = finding.evidence.first()?;
            Some((AgreementNo::NONE, Key::entry(&evidence.origin, evidence.index), finding.clone()))
        });
        let found = self.findings.iter().flat_map(|((agreement, _), keys)| {
            let of_key = |(key, findings)| of_key(*agreement, key, findings);
            keys.iter().flat_map(of_key).collect::<Vec<_>>()
        });
        seen.chain(found)
    }

    /// What is observed of an origin, behind the store's back.
    pub fn observed_of(&self, origin: OriginNo) -> Vec<Finding> {
        self.observed.get(&origin).map(|found| found.values().cloned().collect()).unwrap_or_default()
    }
}

fn of_key(agreement: AgreementNo, key: &Key, findings: &BTreeMap<Digest, Finding>) -> Vec<Open> {
    findings.values().map(|finding| (agreement, key.clone(), finding.clone())).collect()
}

fn rank(severity: Severity) -> usize {
    Severity::ALL.iter().position(|known| *known == severity).unwrap_or(usize::MAX)
}

#[async_trait]
impl ReconcileStore for Memory {
    async fn dirty(&self, agreement: AgreementNo, limit: usize) -> StoreResult<Vec<DirtyRow>> {
        self.read("dirty", |model| {
            Ok(model.queue.values().filter(|row| row.agreement == agreement).take(limit).cloned().collect())
        })
    }
    async fn dirty_count(&self) -> StoreResult<u64> {
        self.read("dirty_count", |model| Ok(u64::try_from(model.queue.len()).unwrap_or(u64::MAX)))
    }
    async fn facts(
        &self,
        agreement: AgreementNo,
        keys: &[Key],
        dirty: &[DirtyRow],
        bounds: Option<&Bounds>,
    ) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>> {
        self.read("facts", |model| Ok(model.facts(agreement, keys, dirty, bounds)))
    }
    async fn cited(&self, agreement: AgreementNo, keys: &[Key]) -> StoreResult<Vec<(usize, OriginNo, PayloadRow)>> {
        self.read("cited", |model| {
            let rows = keys.iter().enumerate().flat_map(|(position, key)| {
                let places = model.in_sight(agreement, key).into_iter();
                places.filter_map(move |(no, index)| Some((position, no, model.row_at(no, index)?.clone())))
            });
            Ok(rows.collect())
        })
    }
    async fn concerned(
        &self,
        agreement: AgreementNo,
        origin: OriginNo,
        rows: &[(PayloadRow, Vec<Key>)],
    ) -> StoreResult<Vec<Key>> {
        let rows: Vec<(PayloadRow, &[Key])> = rows.iter().map(|(row, keys)| (row.clone(), keys.as_slice())).collect();
        self.read("concerned", |model| model.concerned(agreement, origin, &rows))
    }
    async fn commit_evaluations(
        &self,
        agreement: AgreementNo,
        _as_of: Date,
        dirty: &[DirtyRow],
        evaluated: &[EvaluatedKey],
        _now_ms: i64,
    ) -> StoreResult<()> {
        self.write("commit_evaluations", |model| model.commit(agreement, dirty, evaluated))
    }
    async fn due(&self, agreement: AgreementNo, by: Date, limit: usize) -> StoreResult<Vec<Key>> {
        self.read("due", |model| {
            let of_it = model.due.iter().filter(|((of, _), date)| *of == agreement && **date <= by);
            let mut due: Vec<(Date, &Key)> = of_it.map(|((_, key), date)| (*date, key)).collect();
            due.sort();
            Ok(due.into_iter().take(limit).map(|(_, key)| key.clone()).collect())
        })
    }
    async fn bucket_keys(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<BucketKey>> {
        self.read("bucket_keys", |model| {
            let count = |(key, places): (&Key, &BTreeSet<Place>)| {
                let origins: BTreeSet<OriginNo> = places.iter().map(|(origin, _)| *origin).collect();
                BucketKey { key: key.clone(), origins: u32::try_from(origins.len()).unwrap_or(u32::MAX) }
            };
            Ok(model.facts.get(&(agreement, bucket)).into_iter().flatten().map(count).collect())
        })
    }
    async fn bucket_findings(&self, agreement: AgreementNo, bucket: u16) -> StoreResult<Vec<(Key, Finding)>> {
        self.read("bucket_findings", |model| {
            let keys = model.findings.get(&(agreement, bucket)).into_iter().flatten();
            let of_key = |(key, findings)| of_key(agreement, key, findings);
            Ok(keys.flat_map(of_key).map(|(_, key, finding)| (key, finding)).collect())
        })
    }
    async fn stale_buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<u16>> {
        self.read("stale_buckets", |model| {
            Ok(model.stale.iter().filter(|(of, _)| *of == agreement).map(|(_, bucket)| *bucket).collect())
        })
    }
    async fn store_buckets(&self, agreement: AgreementNo, rows: &[BucketRow]) -> StoreResult<()> {
        self.write("store_buckets", |model| {
            for row in rows {
                model.buckets.insert((agreement, row.bucket), row.clone());
                model.stale.remove(&(agreement, row.bucket));
            }
            Ok(())
        })
    }
    async fn buckets(&self, agreement: AgreementNo) -> StoreResult<Vec<BucketRow>> {
        self.read("buckets", |model| {
            Ok(model.buckets.iter().filter(|((of, _), _)| *of == agreement).map(|(_, row)| row.clone()).collect())
        })
    }
    async fn queue(&self, agreement: AgreementNo, origin: OriginNo, keys: &[(u64, Key)]) -> StoreResult<()> {
        let keys = keys.iter().map(|(index, key)| (Some(*index), key.clone())).collect();
        self.write("queue", |model| {
            model.enqueue(agreement, origin, keys);
            Ok(())
        })
    }
    async fn observe(&self, origin: OriginNo, finding: &Finding, _now_ms: i64) -> StoreResult<()> {
        self.write("observe", |model| {
            model.observed.entry(origin).or_default().insert(finding.id, finding.clone());
            Ok(())
        })
    }
    async fn settle(&self, origin: OriginNo) -> StoreResult<()> {
        self.write("settle", |model| {
            model.observed.remove(&origin);
            Ok(())
        })
    }
    async fn findings(
        &self,
        agreement: Option<AgreementNo>,
        rule: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> StoreResult<Vec<Open>> {
        self.read("findings", |model| {
            let asked = |(of, _, finding): &Open| {
                agreement.is_none_or(|agreement| *of == agreement)
                    && rule.is_none_or(|rule| finding.rule.code() == rule)
            };
            let mut found: Vec<Open> = model.open().filter(asked).collect();
            // Of no agreement is the smallest number.
            found.sort_by_key(|(of, _, finding)| (*of != AgreementNo::NONE, rank(finding.severity)));
            Ok(found.into_iter().skip(offset).take(limit).collect())
        })
    }
    async fn findings_with_id(&self, id: &Digest) -> StoreResult<Vec<Open>> {
        self.read("findings_with_id", |model| Ok(model.open().filter(|(.., finding)| finding.id == *id).collect()))
    }
    async fn finding_counts(&self) -> StoreResult<Vec<(AgreementNo, String, String, u64)>> {
        self.read("finding_counts", |model| {
            let mut counts: BTreeMap<(AgreementNo, usize, &str, &str), u64> = BTreeMap::new();
            for (agreement, _, finding) in model.open() {
                let severity = finding.severity;
                *counts.entry((agreement, rank(severity), finding.rule.code(), severity.code())).or_default() += 1;
            }
            let row = |((agreement, _, rule, severity), count): ((AgreementNo, usize, &str, &str), u64)| {
                (agreement, rule.to_owned(), severity.to_owned(), count)
            };
            Ok(counts.into_iter().map(row).collect())
        })
    }
    async fn add_tally(
        &self,
        agreement: AgreementNo,
        as_of: Date,
        party: OriginNo,
        statement: &[u8],
        _now_ms: i64,
    ) -> StoreResult<()> {
        self.write("add_tally", |model| {
            model.tallies.insert((agreement, as_of, party), statement.to_vec());
            Ok(())
        })
    }
    async fn tallies(&self, agreement: AgreementNo, limit: usize) -> StoreResult<Vec<(Date, OriginNo, Vec<u8>)>> {
        self.read("tallies", |model| {
            let of_it = model.tallies.iter().filter(|((of, ..), _)| *of == agreement);
            let mut all: Vec<_> = of_it.map(|((_, date, party), text)| (*date, *party, text.clone())).collect();
            all.sort_by_key(|(date, party, _)| (std::cmp::Reverse(*date), *party));
            Ok(all.into_iter().take(limit).collect())
        })
    }
}
