//! The chain of a record: what it follows and corrects, and what follows, corrects or withdraws it, in the same log.

use super::{Found, summary};
use crate::Node;
use crate::problem::Outcome;
use crate::publish::view_of;
use crate::store::{AgreementNo, OriginNo, PayloadRow};
use hefu_federation::reconcile::key::{Key, keys_of};
use hefu_schemas::id::RecordId;
use hefu_schemas::record::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most records of a chain that are shown; a school career has some tens.
const MAX_CHAIN: usize = 1_000;
/// Queued rows looked through for records that are not filed yet.
const MAX_QUEUED: usize = 20_000;

/// One record of a chain and what it names.
struct Link {
    row: PayloadRow,
    follows: Option<u64>,
    keys: Vec<Key>,
}

/// The held rows of a log that are filed, or queued to be filed, under some keys.
pub(super) async fn under(
    node: &Node,
    origin: OriginNo,
    agreement: AgreementNo,
    keys: &[Key],
) -> Outcome<Vec<PayloadRow>> {
    let mut queued = node.store.dirty(agreement, MAX_QUEUED).await?;
    queued.retain(|row| keys.contains(&row.key));
    let facts = node.store.facts(agreement, keys, &queued, None).await?;
    Ok(facts.into_iter().filter(|(_, of, _)| *of == origin).map(|(_, _, row)| row).collect())
}

async fn index_of(node: &Node, origin: OriginNo, id: Option<RecordId>) -> Outcome<Option<u64>> {
    match id {
        Some(id) => Ok(node.store.index_of(origin, id).await?),
        None => Ok(None),
    }
}

async fn link(node: &Node, origin: OriginNo, row: PayloadRow) -> Outcome<Link> {
    let view = view_of(&row);
    let follows = index_of(node, origin, view.as_ref().and_then(|view| view.follows)).await?;
    Ok(Link { follows, keys: view.as_ref().map(keys_of).unwrap_or_default(), row })
}

/// All records that are connected with one by following and correcting, by index.
async fn connected(node: &Node, found: &Found) -> Outcome<BTreeMap<u64, Link>> {
    let (origin, agreement) = (found.origin.no, found.row.agreement);
    let (mut chain, mut near) = (BTreeMap::new(), BTreeMap::new());
    let (mut waiting, mut asked) = (vec![found.row.index], BTreeSet::new());
    while let Some(index) = waiting.pop() {
        if chain.contains_key(&index) || chain.len() == MAX_CHAIN {
            continue;
        }
        let link = match near.remove(&index) {
            Some(link) => link,
            None => match node.store.row(origin, index).await? {
                Some(row) => self::link(node, origin, row).await?,
                None => continue,
            },
        };
        let keys: Vec<Key> = link.keys.iter().filter(|key| asked.insert((*key).clone())).cloned().collect();
        waiting.extend(link.row.of.into_iter().chain(link.follows));
        chain.insert(index, link);
        if !keys.is_empty() {
            for row in under(node, origin, agreement, &keys).await? {
                if !chain.contains_key(&row.index) && !near.contains_key(&row.index) {
                    near.insert(row.index, self::link(node, origin, row).await?);
                }
            }
        }
        // Whatever names a record of the chain belongs to it.
        let names = |link: &Link| link.row.of.into_iter().chain(link.follows).any(|named| chain.contains_key(&named));
        waiting.extend(near.iter().filter(|(_, link)| names(link)).map(|(index, _)| *index));
    }
    Ok(chain)
}

fn about(link: &Link) -> Value {
    json!({"follows": link.follows, "corrects": link.row.of})
}

/// What a record names, and what names it, as indexes of its log.
pub(super) async fn links(node: &Node, found: &Found) -> Outcome<Value> {
    let chain = connected(node, found).await?;
    let index = found.row.index;
    let mut links = chain.get(&index).map_or_else(|| json!({}), about);
    let followed: Vec<u64> =
        chain.iter().filter(|(_, link)| link.follows == Some(index)).map(|(index, _)| *index).collect();
    let position = chain.keys().position(|at| *at == index).map(|position| position + 1);
    if let Some(members) = links.as_object_mut() {
        members.insert("followedBy".to_owned(), json!(followed));
        members.insert("position".to_owned(), json!(position));
        members.insert("length".to_owned(), json!(chain.len()));
    }
    Ok(links)
}

/// The first record that follows one and was not corrected itself.
pub(super) async fn follower(node: &Node, found: &Found) -> Outcome<Option<u64>> {
    let index = found.row.index;
    for (at, link) in connected(node, found).await? {
        if link.follows == Some(index) {
            let corrected = node.store.corrections_of(found.origin.no, at..at + 1).await?;
            if corrected.iter().all(|correction| correction.kind == Some(Kind::Withdrawal)) {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}

/// The whole chain in the order of the log.
///
/// # Errors
/// The store fails.
pub async fn history(node: &Node, found: &Found) -> Outcome<Value> {
    let mut steps = Vec::new();
    for (index, link) in connected(node, found).await? {
        let links = about(&link);
        let mut step = summary(node, &Found { origin: found.origin.clone(), row: link.row }).await?;
        if let Some(members) = step.as_object_mut() {
            members.insert("asked".to_owned(), json!(index == found.row.index));
            members.insert("links".to_owned(), links);
        }
        steps.push(step);
    }
    Ok(json!({"origin": found.origin.origin.as_str(), "record": found.row.id.map(|id| id.to_string()), "steps": steps}))
}
