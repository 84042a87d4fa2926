//! Suspending, resuming and ending an agreement (protocol §7): acts of this node in its own log. Nothing is asked of the
//! other parties; they learn of it when they pull.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Known;
use crate::sequencer::NewAct;
use hefu_federation::entry::Act;
use hefu_schemas::id::AgreementId;
use jiff::civil::Date;
use std::sync::Arc;

/// Appends an act. Own records behind a `suspend` or `end` are not good from that entry on; the other parties are bound by
/// the date, at least three days after the entry.
///
/// # Errors
/// The agreement is unknown, or not in a state for this act; a date that has passed or that the act does not take; the
/// node does not sign. Nothing is appended then.
pub async fn act(node: &Arc<Node>, id: AgreementId, act: Act, on: Option<Date>) -> Outcome<Arc<Known>> {
    let _one_at_a_time = node.acting.lock().await;
    node.registry.settle(node.store.as_ref()).await?;
    let known = node.registry.by_id(id).ok_or_else(|| Problem::new(Code::UnknownAgreement, id))?;
    allowed(node, &known, act)?;
    if let Some(on) = on {
        let today = node.clock.today(&known.document.terms.time_zone);
        if !act.may_have_date() || on < today {
            let why = if act.may_have_date() { "it has passed" } else { "this act takes none" };
            return Err(Problem::new(Code::BadRequest, format!("on {on}: {why}")));
        }
    }
    let appended = node.sequencer.append_act(NewAct { digest: known.document.digest, act, on }).await;
    appended.inspect_err(|_| node.registry.doubt())?;
    node.registry.reload(node.store.as_ref()).await?;
    node.reconcile_bell.notify_one();
    node.hint_bell.notify_one();
    node.registry.by_id(id).ok_or_else(|| Problem::new(Code::UnknownAgreement, id))
}

fn allowed(node: &Node, known: &Known, act: Act) -> Outcome<()> {
    let standing = known.standing();
    let (opened, open) = (standing.opened_at(&node.origin).is_some(), standing.is_open_at(&node.origin, u64::MAX));
    let ended = known.acts.get(&node.origin).is_some_and(|acts| acts.iter().any(|seen| seen.act == Act::End));
    let why = match act {
        _ if ended => "this node has ended it: an end is final",
        _ if !opened => "this node has not opened it",
        Act::Suspend if !open => "this node has suspended it already",
        Act::Resume if open => "this node has not suspended it",
        Act::Suspend | Act::Resume | Act::End => return Ok(()),
        Act::Sign | Act::Open | Act::Linkage => "no act of this kind",
    };
    Err(Problem::new(Code::Conflict, format!("{}: {why}", known.document.id)))
}
