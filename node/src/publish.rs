//! Publishing: every draft of a submission is read, validated, signed and sealed before the first one is appended; then
//! they go to the sequencer in order.
//!
//! ```text
//! lines ─▶ seal (rayon) ─▶ check against what is published ─▶ spool ─▶ sequencer ─▶ receipts
//! ```
//!
//! The spool is a file without a name in the node's folder: it vanishes with the process, so that a crash leaves
//! either nothing or what has receipts.

mod chain;
mod population;
mod seal;
mod spool;

use crate::Node;
use crate::clock::fill_random;
use crate::compute::{JOB_LEN, compute};
use crate::problem::{Code, Outcome, Problem, counted};
use crate::sequencer::{InOrder, MAX_SUBMISSION, Receipts, Sealed};
use crate::store::{DraftRow, OWN};
use crate::token::Scope;
use chain::Chains;
pub(crate) use chain::view_of;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::violation::Violation;
use population::Population;
use rayon::prelude::*;
use seal::{Sealing, Staged, seal};
use serde_json::{Value, json};
use spool::{Reader, Spool};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most drafts of one submission.
pub const MAX_DRAFTS: usize = 2_000_000;
/// Longest line: a record and its envelope.
pub const MAX_LINE_LEN: usize = hefu_schemas::gate::MAX_RECORD_LEN + 1024;
/// Most violations that are reported; the rest is counted.
pub const MAX_REPORTED: usize = 200;
/// Lines sealed at a time.
pub const CHUNK: usize = 1024;
/// Parts of a submission that are under way at a time: one commit takes two, and two more are ready for the next.
const AHEAD: usize = 4;

/// How to publish.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Publish in spite of contradictions; the reason goes into the audit.
    pub despite_findings: Option<String>,
    /// Check only.
    pub dry_run: bool,
    /// The agreements that may be cited; others look like unknown ones.
    pub scope: Scope,
}

/// A violation with its line.
#[derive(Debug, Clone)]
struct Refusal {
    line: usize,
    draft_id: Option<String>,
    violation: Violation,
}

/// A submission that is being staged.
pub struct Staging {
    node: Arc<Node>,
    options: Options,
    created_s: i64,
    spool: Spool,
    chains: Chains,
    population: Population,
    /// The first half of the SHA-256 of each draft id: of two million drafts the ids themselves would take some 300 MB.
    drafts: HashSet<[u8; 16]>,
    lines: usize,
    /// Size of the own log before the first look into it.
    size: Option<u64>,
    invalid: Vec<Refusal>,
    invalid_count: usize,
    contradictions: Vec<Refusal>,
    contradiction_count: usize,
}

impl Staging {
    /// Begins a submission.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(node: &Arc<Node>, options: Options) -> Outcome<Self> {
        Ok(Self {
            spool: Spool::new(node.folder.path())?,
            created_s: node.clock.now_s(),
            node: node.clone(),
            options,
            chains: Chains::default(),
            population: Population::default(),
            drafts: HashSet::new(),
            lines: 0,
            size: None,
            invalid: Vec::new(),
            invalid_count: 0,
            contradictions: Vec::new(),
            contradiction_count: 0,
        })
    }

    /// Stages lines in order: at most [`CHUNK`] of them.
    ///
    /// # Errors
    /// Too many drafts; the store or the spool fails. A bad draft is no error here: it is reported by [`Self::finish`].
    pub async fn push(&mut self, lines: Vec<Vec<u8>>) -> Outcome<()> {
        let first = self.lines + 1;
        self.lines += lines.len();
        if self.lines > MAX_DRAFTS {
            return Err(Problem::new(Code::TooLarge, format!("more than {MAX_DRAFTS} drafts; publish in parts")));
        }
        if self.size.is_none() {
            self.size = Some(self.node.store.head(OWN).await?.size);
        }
        let (node, created_s) = (self.node.clone(), self.created_s);
        let snapshot = self.options.scope.within(self.node.registry.snapshot());
        let staged: Vec<Result<Box<Staged>, seal::Refused>> = compute(move || {
            let sealing = Sealing::new(&node, &snapshot, created_s);
            let job = |lines: &[Vec<u8>]| {
                let mut salts = vec![[0; 32]; lines.len()];
                fill_random(salts.as_flattened_mut());
                lines.iter().zip(salts).map(|(line, salt)| seal(&sealing, line, salt)).collect::<Vec<_>>()
            };
            lines.par_chunks(JOB_LEN / 4).flat_map_iter(job).collect()
        })
        .await;
        let mut good = Vec::with_capacity(staged.len());
        for (line, result) in (first..).zip(staged) {
            match result {
                Ok(staged) => good.push((line, staged)),
                Err((draft_id, violations)) => self.refuse(line, draft_id.as_deref(), violations, false),
            }
        }
        self.check(&good).await?;
        for (_, mut staged) in good {
            if let Some(corrected) = staged.sealed.corrects {
                self.file_under_corrected(corrected, &mut staged.sealed).await?;
            }
            self.spool.write(&staged.sealed)?;
        }
        Ok(())
    }

    /// A correction is filed under the keys of what it corrects too, or that key would not hear of it.
    async fn file_under_corrected(&self, corrected: RecordId, sealed: &mut Sealed) -> Outcome<()> {
        if let Some(index) = self.node.store.index_of(OWN, corrected).await? {
            sealed.keys.extend(crate::pull::keys_at(self.node.store.as_ref(), OWN, index).await?);
            sealed.keys.sort();
            sealed.keys.dedup();
        }
        Ok(())
    }

    /// Compares with what is published and with earlier lines.
    async fn check(&mut self, good: &[(usize, Box<Staged>)]) -> Outcome<()> {
        let node = self.node.clone();
        self.chains.prepare(&node, good.iter().map(|(_, staged)| &**staged)).await?;
        self.population.prepare(&node, good.iter().map(|(_, staged)| &**staged)).await?;
        // Last: whoever gives the same drafts again may do so while they are still being appended. What was published until now
        // is not checked against itself; what will be from now on has not been looked at above.
        let draft_ids: Vec<&str> = good.iter().map(|(_, staged)| staged.sealed.draft_id.as_str()).collect();
        let published = self.node.store.drafts(&draft_ids).await?;
        for ((line, staged), published) in good.iter().zip(published) {
            let sealed = &staged.sealed;
            let Digest(hash) = Digest::of(sealed.draft_id.as_bytes());
            let earlier = hash.first_chunk().is_some_and(|half| !self.drafts.insert(*half));
            let conflict = earlier || published.as_ref().is_some_and(|row| row.content != sealed.content);
            if conflict {
                let detail = if earlier { "stands twice in this submission" } else { "was used for other content" };
                return Err(Problem::new(
                    Code::DraftConflict,
                    format!("line {line}: draft id {} {detail}", sealed.draft_id),
                ));
            }
            if published.is_some() {
                self.chains.note(staged);
                continue;
            }
            let (mut invalid, contradictions) = self.chains.check(staged);
            invalid.extend(self.population.check(&node, staged));
            self.refuse(*line, Some(&sealed.draft_id), invalid, false);
            self.refuse(*line, Some(&sealed.draft_id), contradictions, true);
            self.chains.note(staged);
        }
        Ok(())
    }

    fn refuse(&mut self, line: usize, draft_id: Option<&str>, violations: Vec<Violation>, contradiction: bool) {
        let (list, count) = if contradiction {
            (&mut self.contradictions, &mut self.contradiction_count)
        } else {
            (&mut self.invalid, &mut self.invalid_count)
        };
        *count += violations.len();
        let room = MAX_REPORTED.saturating_sub(list.len());
        let draft_id = draft_id.map(str::to_owned);
        list.extend(violations.into_iter().take(room).map(|violation| Refusal {
            line,
            draft_id: draft_id.clone(),
            violation,
        }));
    }

    /// What stands against publishing, by line: how many violations, and the first of them.
    pub(crate) fn complaints(&self) -> (usize, Vec<(usize, &Violation)>) {
        let (mut count, mut first) = (self.invalid_count, self.invalid.iter().collect::<Vec<_>>());
        if self.options.despite_findings.is_none() {
            count += self.contradiction_count;
            first.extend(&self.contradictions);
        }
        (count, first.into_iter().map(|refusal| (refusal.line, &refusal.violation)).collect())
    }

    /// Ends staging: everything is good, or nothing is published.
    ///
    /// # Errors
    /// `invalid-records` or `findings` with the violations by line; the node does not sign.
    pub async fn finish(self) -> Outcome<Submission> {
        if self.invalid_count > 0 {
            return Err(refused(Code::InvalidRecords, self.invalid_count, &self.invalid));
        }
        if self.contradiction_count > 0 {
            let Some(reason) = &self.options.despite_findings else {
                return Err(refused(Code::Findings, self.contradiction_count, &self.contradictions));
            };
            if !self.options.dry_run {
                let detail = json!({"drafts": self.lines, "contradictions": self.contradiction_count, "first": report(&self.contradictions)});
                self.node.store.audit(self.node.clock.now_ms(), "publish-despite-findings", reason, &detail).await?;
            }
        }
        if let Err(why) = self.node.sequencer.signing()
            && !self.options.dry_run
        {
            return Err(Problem::new(Code::NotSigning, why));
        }
        Ok(Submission {
            drafts: self.lines,
            dry_run: self.options.dry_run,
            spool: self.spool.into_reader()?,
            size: self.size.unwrap_or(0),
            node: self.node,
        })
    }
}

fn refused(code: Code, count: usize, refusals: &[Refusal]) -> Problem {
    let all = counted(u64::try_from(count).unwrap_or(u64::MAX), "violation", "violations");
    let detail = if refusals.len() < count { format!("{all}; the first {} follow", refusals.len()) } else { all };
    Problem::new(code, detail).with("count", json!(count)).with("violations", report(refusals))
}

fn report(refusals: &[Refusal]) -> Value {
    let row = |refusal: &Refusal| {
        json!({
            "line": refusal.line,
            "draftId": refusal.draft_id,
            "pointer": refusal.violation.pointer,
            "rule": refusal.violation.rule,
            "message": refusal.violation.message,
        })
    };
    refusals.iter().map(row).collect()
}

/// A submission that is wholly valid, signed and spooled. Only [`Staging::finish`] makes it.
pub struct Submission {
    node: Arc<Node>,
    spool: Reader,
    size: u64,
    /// Number of drafts.
    pub drafts: usize,
    /// Whether nothing is to be appended.
    pub dry_run: bool,
}

impl Submission {
    /// Appends everything in order and sends the receipts in input order. Several parts are under way at a time, so that the
    /// sequencer never waits for the spool.
    ///
    /// # Errors
    /// The first failure: everything that has a receipt is in the log, and nothing behind the part that failed. Publishing the same
    /// drafts again goes on.
    pub async fn append(mut self, receipts: mpsc::Sender<Vec<DraftRow>>) -> Outcome<()> {
        if self.dry_run {
            return Ok(());
        }
        let appended = self.append_parts(&receipts).await;
        // Also for the parts before one that failed.
        self.node.reconcile_bell.notify_one();
        self.node.hint_bell.notify_one();
        appended
    }

    async fn append_parts(&mut self, receipts: &mpsc::Sender<Vec<DraftRow>>) -> Outcome<()> {
        let in_order = InOrder::looked_up_at(self.size);
        let mut ahead: VecDeque<Receipts> = VecDeque::with_capacity(AHEAD);
        loop {
            while ahead.len() < AHEAD {
                let part: Vec<Sealed> = self.spool.read(MAX_SUBMISSION)?;
                if part.is_empty() {
                    break;
                }
                ahead.push_back(self.node.sequencer.append_part(part, &in_order).await?);
            }
            let Some(part) = ahead.pop_front() else { return Ok(()) };
            let rows = part.wait().await?;
            // The client may have gone: publishing goes on, the same drafts give the same receipts later.
            let _ = receipts.send(rows).await;
        }
    }
}
