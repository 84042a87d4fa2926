//! Tables of local systems: each row says what is, and becomes a draft only where that differs from what the city has
//! published.
//!
//! ```text
//! bytes ─▶ rows (table) ─▶ desired records (row) ─▶ new, changed, unchanged (compare) ─▶ staging, as of any draft
//! ```
//!
//! Whom no row names is left alone: absence from a table is never a withdrawal. Memory holds a chunk of rows, a number for
//! each row that changes something, and 16 bytes for each matter, to see that it comes once.

mod blame;
mod cell;
mod compare;
mod fault;
pub mod mapping;
mod row;
pub mod table;

pub use fault::{Fault, MAX_FAULTS};

use crate::Node;
use crate::compute::compute;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::{CHUNK, Options, Staging, Submission};
use crate::registry::Known;
use crate::store::{DirtyRow, OWN, PayloadRow};
use blame::column_of;
use compare::{Change, compare};
use fault::{Faults, Kind};
use hefu_schemas::agreement::midnight;
use hefu_schemas::id::{Digest, RecordId};
use jiff::civil::Date;
use mapping::Mapping;
use rayon::prelude::*;
use row::{Columns, Desired, desired};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use table::{Row, Table};

/// A commented mapping to start from; it reads back.
pub const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/csv/map.toml"));
/// Most changed rows that a report lists; all are counted.
pub const MAX_LISTED: usize = 200;
/// Queued rows looked through for records that are not filed yet.
const MAX_QUEUED: usize = 1_000_000;
/// Rows of one job of the pool.
const ROWS_PER_JOB: usize = 64;

/// A table that is being published, or tried.
pub struct Import {
    node: Arc<Node>,
    known: Arc<Known>,
    mapping: Arc<Mapping>,
    table: Table,
    columns: Option<Arc<Columns>>,
    waiting: Vec<Row>,
    staging: Staging,
    /// Row of each staged draft, in order.
    staged: Vec<usize>,
    /// The first half of the SHA-256 of each matter that came.
    seen: HashSet<[u8; 16]>,
    queued: Vec<DirtyRow>,
    faults: Faults,
    report: Report,
}

/// What a table would change, or changed.
#[derive(Debug, Default)]
struct Report {
    rows: usize,
    new: usize,
    changed: usize,
    unchanged: usize,
    changes: Vec<Value>,
}

impl Report {
    fn to_json(&self) -> Value {
        json!({"rows": self.rows, "new": self.new, "changed": self.changed, "unchanged": self.unchanged, "changes": self.changes})
    }
}

/// The counts of a table that was staged, and what is to be appended.
pub struct Staged {
    /// `{rows, new, changed, unchanged, changes}`.
    pub report: Value,
    /// The drafts.
    pub submission: Submission,
}

impl Import {
    /// Begins.
    ///
    /// # Errors
    /// The agreement's linkage has not arrived; the store fails.
    pub async fn begin(node: &Arc<Node>, known: Arc<Known>, mapping: Mapping, options: Options) -> Outcome<Self> {
        if known.linkage.is_none() {
            return Err(Problem::new(Code::AgreementNotOpen, "its linkage has not arrived yet"));
        }
        let mut queued = node.store.dirty(known.no, MAX_QUEUED).await?;
        queued.retain(|row| row.origin == OWN);
        Ok(Self {
            table: Table::new(&mapping),
            mapping: Arc::new(mapping),
            columns: None,
            waiting: Vec::new(),
            staging: Staging::begin(node, options)?,
            staged: Vec::new(),
            seen: HashSet::new(),
            queued,
            faults: Faults::default(),
            report: Report::default(),
            node: node.clone(),
            known,
        })
    }

    /// Takes a part of the table.
    ///
    /// # Errors
    /// The store fails. What is wrong with the table is reported by [`Self::finish`].
    pub async fn push(&mut self, bytes: &[u8]) -> Outcome<()> {
        let mut rows = Vec::new();
        self.table.push(bytes, &mut rows);
        self.take(rows);
        self.work(CHUNK).await
    }

    fn take(&mut self, rows: Vec<Result<Row, Fault>>) {
        for row in rows {
            match row {
                Ok(row) => {
                    self.report.rows += 1;
                    self.waiting.push(row);
                }
                Err(fault) => self.faults.add(fault),
            }
        }
    }

    /// Works off the rows that wait while there are as many as `least`.
    async fn work(&mut self, least: usize) -> Outcome<()> {
        while self.waiting.len() >= least.max(1) {
            let rest = self.waiting.split_off(self.waiting.len().min(CHUNK));
            let rows = std::mem::replace(&mut self.waiting, rest);
            self.chunk(rows).await?;
        }
        Ok(())
    }

    async fn chunk(&mut self, rows: Vec<Row>) -> Outcome<()> {
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => {
                let columns = Arc::new(Columns::new(&self.mapping, &self.table));
                self.columns = Some(columns.clone());
                columns
            }
        };
        let (mapping, known) = (self.mapping.clone(), self.known.clone());
        let read: Vec<Result<Desired, Vec<Fault>>> = compute({
            let (mapping, columns) = (mapping.clone(), columns.clone());
            move || {
                let Some(linkage) = &known.linkage else { return Vec::new() };
                let job = |row: &Row| desired(&mapping, &columns, linkage, row);
                rows.par_iter().with_min_len(ROWS_PER_JOB).map(job).collect()
            }
        })
        .await;
        let mut wanted = Vec::with_capacity(read.len());
        for result in read {
            match result {
                Ok(desired) => {
                    let Digest(hash) = Digest::of(desired.matter.as_bytes());
                    let half = hash.first_chunk().copied().unwrap_or_default();
                    if self.seen.insert(half) {
                        wanted.push(desired);
                    } else {
                        let member = if self.mapping.subject.is_some() { "id" } else { "connection" };
                        self.refuse(&columns, desired.row, Kind::TwoRows, &[member]);
                    }
                }
                Err(faults) => faults.into_iter().for_each(|fault| self.faults.add(fault)),
            }
        }
        self.stage(&columns, wanted).await
    }

    /// Compares with what is published, and stages what differs.
    async fn stage(&mut self, columns: &Columns, wanted: Vec<Desired>) -> Outcome<()> {
        let keys: Vec<_> = wanted.iter().map(|desired| desired.key.clone()).collect();
        let mut published: Vec<Vec<PayloadRow>> = wanted.iter().map(|_| Vec::new()).collect();
        for (position, origin, row) in self.node.store.facts(self.known.no, &keys, &self.queued, None).await? {
            if origin == OWN
                && let Some(rows) = published.get_mut(position)
            {
                rows.push(row);
            }
        }
        let (mapping, known) = (self.mapping.clone(), self.known.clone());
        let compared: Vec<(Desired, Change, Option<Vec<u8>>)> = compute(move || {
            let job = |(desired, rows): (Desired, Vec<PayloadRow>)| {
                let last = rows.iter().map(|row| row.index + 1).max().unwrap_or(0);
                let change = compare(&mapping, &desired, rows);
                let draft = match &change {
                    Change::New(body) => draft(&mapping, &known, &desired, body, None, last),
                    Change::Changed { body, follows, .. } => {
                        draft(&mapping, &known, &desired, body, follows.map(|(_, id)| id), last)
                    }
                    Change::Unchanged | Change::Refused(..) => None,
                };
                (desired, change, draft)
            };
            wanted.into_par_iter().zip(published).with_min_len(ROWS_PER_JOB).map(job).collect()
        })
        .await;
        let mut lines = Vec::new();
        for (desired, change, draft) in compared {
            match change {
                Change::Unchanged => self.report.unchanged += 1,
                Change::Refused(kind, members) => {
                    let members: Vec<&str> = members.iter().map(String::as_str).collect();
                    self.refuse(columns, desired.row, kind, &members);
                }
                Change::New(_) | Change::Changed { .. } => {
                    let Some(draft) = draft else {
                        let member = self.mapping.date_member();
                        self.refuse(columns, desired.row, Kind::NoDate, &[member]);
                        continue;
                    };
                    lines.push(draft);
                    self.staged.push(desired.row);
                    self.note(desired.row, &change);
                }
            }
        }
        self.staging.push(lines).await
    }

    /// Counts a change, and lists the first ones: which members, never their values.
    fn note(&mut self, row: usize, change: &Change) {
        let Change::Changed { follows, members, .. } = change else {
            self.report.new += 1;
            return;
        };
        self.report.changed += 1;
        if self.report.changes.len() < MAX_LISTED {
            let follows = follows.as_ref().map(|(index, _)| index);
            self.report.changes.push(json!({"row": row, "follows": follows, "members": members}));
        }
    }

    /// A fault in the columns of some members, or in none.
    fn refuse(&mut self, columns: &Columns, row: usize, kind: Kind, members: &[&str]) {
        let mapping = self.mapping.clone();
        let names: BTreeSet<&str> = members.iter().filter_map(|name| column_of(&mapping, name)).collect();
        if names.is_empty() {
            self.faults.add(Fault::new(row, kind));
        }
        for name in names {
            self.faults.add(columns.fault(row, kind, name));
        }
    }

    /// Ends the table: everything is good, or nothing is published.
    ///
    /// # Errors
    /// `invalid-rows` with all faults up to [`MAX_FAULTS`].
    pub async fn finish(mut self) -> Outcome<Staged> {
        let mut rows = Vec::new();
        self.table.finish(&mut rows);
        self.take(rows);
        self.work(1).await?;
        let (count, complaints) = self.staging.complaints();
        self.faults.count_more(count.saturating_sub(complaints.len()));
        let columns = self.columns.clone().unwrap_or_default();
        for (line, violation) in complaints {
            let row = line.checked_sub(1).and_then(|line| self.staged.get(line)).copied().unwrap_or_default();
            self.faults.add(blame::fault_of(&self.mapping, &columns, row, violation));
        }
        let report = self.report.to_json();
        if self.faults.count > 0 {
            let count = self.faults.count;
            let problem = Problem::new(Code::InvalidRows, format!("{count} fault(s)"))
                .with("report", report)
                .with("count", json!(count))
                .with("faults", self.faults.into_json());
            return Err(problem);
        }
        Ok(Staged { report, submission: self.staging.finish().await? })
    }
}

/// The draft of a row. Its id is made of what it says and of where the own log stood: the same row gives the same draft until
/// something of its subject is published, and what was withdrawn may be stated again.
fn draft(
    mapping: &Mapping,
    known: &Known,
    desired: &Desired,
    body: &Map<String, Value>,
    follows: Option<RecordId>,
    last: u64,
) -> Option<Vec<u8>> {
    let document = &known.document;
    let date: Date = body.get(mapping.date_member())?.as_str()?.parse().ok()?;
    let mut record = json!({
        "type": ["VerifiableCredential", mapping.kind.type_name()],
        "validFrom": midnight(date, &document.terms.time_zone)?,
        "termsOfUse": [{"type": "Agreement", "id": document.id.to_string(), "version": document.version}],
        "statedBy": desired.stated_by,
        "credentialSubject": body,
    });
    if let (Some(follows), Some(members)) = (follows, record.as_object_mut()) {
        members.insert("follows".to_owned(), follows.to_string().into());
    }
    // What the gate refuses is staged all the same: it is reported with everything else.
    let content = hefu_schemas::canonical::write(&record).map(|bytes| Digest::of(&bytes)).ok()?;
    Some(json!({"draftId": format!("csv:{content}:{last}"), "record": record}).to_string().into_bytes())
}
