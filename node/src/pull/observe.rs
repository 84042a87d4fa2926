//! What a round sees of a peer's log that no tally holds (rule G2): written into the worklist when pulling stops or fails, taken
//! away when a round reaches the checkpoint again.

use crate::problem::Outcome;
use crate::store::{OriginRow, Store};
use hefu_federation::reconcile::finding::{Evidence, Finding, Owner, Rule, Severity, finding_id};
use hefu_schemas::id::AgreementId;
use hefu_schemas::text::Text;

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// A checkpoint of this size contradicts what is held or was seen: a split view, or a rollback that was written over.
    Split(u64),
    /// The peer does not show the entries from this index on that its checkpoint covers.
    Gap(u64),
}

/// Notes it on the worklist; noting it again changes nothing.
///
/// # Errors
/// The store fails.
pub async fn note(store: &dyn Store, peer: &OriginRow, wrong: Wrong, now_ms: i64) -> Outcome<()> {
    let (about, index, text) = match wrong {
        Wrong::Split(size) => (
            "split-view",
            size,
            Text::new(
                format!(
                    "{}出示的大小为{size}的检查点与其先前出示的日志矛盾，已停止拉取。请联系对方和其他缔约方。",
                    peer.origin
                ),
                format!(
                    "A checkpoint of size {size} that {} shows contradicts what it showed before. Pulling has stopped: tell it and the other parties.",
                    peer.origin
                ),
            ),
        ),
        Wrong::Gap(index) => (
            "gap",
            index,
            Text::new(
                format!("{}的检查点所涵盖的日志，自第{index}条起未能出示。", peer.origin),
                format!("{} does not show its log from entry {index} on, which its checkpoint covers.", peer.origin),
            ),
        ),
    };
    let evidence = vec![Evidence { origin: peer.origin.clone(), index, record: None }];
    let finding = Finding {
        // It is of no agreement.
        id: finding_id(Rule::G2, AgreementId::PUBLIC, about, &evidence),
        rule: Rule::G2,
        severity: Severity::Critical,
        about: about.to_owned(),
        evidence,
        members: Vec::new(),
        owner: Owner { party: peer.origin.clone(), office: None },
        due_on: None,
        text,
    };
    Ok(store.observe(peer.no, &finding, now_ms).await?)
}
