//! Looking at records, own and held: one, many, and the chain that one stands in.

mod chain;

pub use chain::history;

use crate::Node;
use crate::codec::decompress;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::view_of;
use crate::store::records::Listing;
use crate::store::{OWN, OriginRow, PayloadRow};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::tile::{TILE_WIDTH, split_bundle};
use hefu_federation::tree::leaf_hash;
use hefu_schemas::id::{AgreementId, Digest, RecordId};
use hefu_schemas::record::Kind;
use jiff::civil::Date;
use serde_json::{Value, json};

/// Most rows of one list.
pub const MAX_LISTED: usize = 10_000;
/// Members of a body that a list shows, in this order, where a record has them.
const SUMMARY: [&str; 7] = ["connectionKind", "role", "step", "event", "status", "outcome", "reason"];
/// Dates on which a body takes effect, by kind.
const DATES: [&str; 3] = ["effectiveOn", "stepOn", "from"];

/// A stored row with the log that it is of.
#[derive(Debug, Clone)]
pub struct Found {
    /// The log.
    pub origin: OriginRow,
    /// The row.
    pub row: PayloadRow,
}

/// What a list is to show.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Log; the own one by default.
    pub origin: Option<String>,
    /// Agreement id.
    pub agreement: Option<String>,
    /// Code of a kind.
    pub kind: Option<String>,
    /// Code of a payload state.
    pub state: Option<String>,
    /// First day, in the node's time zone.
    pub since: Option<String>,
    /// Subject reference.
    pub subject: Option<String>,
    /// Most rows.
    pub limit: usize,
    /// Rows left out before them.
    pub offset: usize,
}

/// The log of a name; the own one by default.
async fn log_of(node: &Node, origin: Option<&str>) -> Outcome<OriginRow> {
    let rows = node.store.origins().await?;
    let found = rows.into_iter().find(|row| match origin {
        Some(origin) => row.origin.as_str() == origin,
        None => row.no == OWN,
    });
    found.ok_or_else(|| Problem::new(Code::UnknownPeer, origin.unwrap_or_default()))
}

/// Finds a record by its URN or by its index in a log. Without an origin an index is of the own log; a URN is looked for in
/// all logs, in the own one first.
///
/// # Errors
/// `unknown-record`; `unknown-peer`.
pub async fn find(node: &Node, record: &str, origin: Option<&str>) -> Outcome<Found> {
    let unknown = |why: &str| Problem::new(Code::UnknownRecord, format!("{record}: {why}"));
    if let Ok(index) = record.parse::<u64>() {
        let origin = log_of(node, origin).await?;
        let row = node.store.row(origin.no, index).await?;
        let why = format!("entry {index} of {} carries no record of an agreement of this node", origin.origin);
        return Ok(Found { row: row.ok_or_else(|| unknown(&why))?, origin });
    }
    let id = RecordId::parse(record).map_err(|_| unknown("neither an index nor a urn:uuid: of version 7"))?;
    let origins = match origin {
        Some(_) => vec![log_of(node, origin).await?],
        None => node.store.origins().await?,
    };
    for origin in origins {
        if let Some(index) = node.store.index_of(origin.no, id).await?
            && let Some(row) = node.store.row(origin.no, index).await?
        {
            return Ok(Found { origin, row });
        }
    }
    Err(unknown("no log that this node keeps has it"))
}

/// The document of a row, when it is kept.
fn document(row: &PayloadRow) -> Option<Value> {
    let payload = row.payload.as_ref()?;
    serde_json::from_slice(&decompress(payload.codec, &payload.body)?).ok()
}

fn time(t: i64) -> Option<String> {
    jiff::Timestamp::from_second(t).ok().map(|at| at.to_string())
}

/// What became of a record: it stands, or what corrected it.
async fn standing(node: &Node, found: &Found) -> Outcome<Value> {
    let index = found.row.index;
    let corrections = node.store.corrections_of(found.origin.no, index..index + 1).await?;
    let state = |kind: Option<Kind>| if kind == Some(Kind::Withdrawal) { "withdrawn" } else { "corrected" };
    Ok(match corrections.first() {
        Some(by) => json!({"state": state(by.kind), "by": by.index}),
        None if found.row.kind == Some(Kind::Withdrawal) => json!({"state": "withdrawal"}),
        None if found.row.state == PayloadState::Held => json!({"state": "stands"}),
        None => json!({"state": "unknown"}),
    })
}

/// What lists and chains say of a record; members that are not known are absent or null.
async fn summary(node: &Node, found: &Found) -> Outcome<Value> {
    let row = &found.row;
    let document = document(row);
    let body = document.as_ref().and_then(|document| document.get("credentialSubject"));
    let member = |name: &str| Some((name.to_owned(), body?.get(name)?.clone()));
    let says: serde_json::Map<String, Value> = SUMMARY.into_iter().filter_map(member).collect();
    let effective = DATES.iter().find_map(|name| body?.get(*name).cloned());
    let known = node.registry.by_no(row.agreement);
    Ok(json!({
        "origin": found.origin.origin.as_str(),
        "index": row.index,
        "id": row.id.map(|id| id.to_string()),
        "kind": row.kind.map(Kind::code),
        "agreement": known.map(|known| known.document.id.to_string()),
        "state": row.state.code(),
        "reason": row.reason,
        "recordedAt": time(row.t),
        "effectiveOn": effective,
        "says": says,
        "standing": standing(node, found).await?,
    }))
}

/// One record with its entry, its leaf hash and what became of it.
///
/// # Errors
/// The store fails or is damaged.
pub async fn show(node: &Node, found: &Found) -> Outcome<Value> {
    let damaged = || Problem::new(Code::Damaged, format!("entry {} of {}", found.row.index, found.origin.origin));
    let (bundle, at) = (found.row.index / TILE_WIDTH, usize::try_from(found.row.index % TILE_WIDTH).unwrap_or(0));
    let (width, bytes) = node.store.bundle(found.origin.no, bundle).await?.ok_or_else(damaged)?;
    let entries = split_bundle(&bytes, width).map_err(|_| damaged())?;
    let entry = entries.get(at).ok_or_else(damaged)?;
    let parsed: Value = serde_json::from_slice(entry).map_err(|_| damaged())?;
    let mut shown = summary(node, found).await?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("own".to_owned(), json!(found.origin.no == OWN));
        members.insert("entry".to_owned(), parsed);
        members.insert("leafHash".to_owned(), json!(Digest(leaf_hash(entry).0).to_string()));
        members.insert("links".to_owned(), chain::links(node, found).await?);
        members.insert("record".to_owned(), document(&found.row).unwrap_or(Value::Null));
    }
    Ok(shown)
}

/// A list, newest first.
///
/// # Errors
/// A filter that does not read; an unknown peer or agreement.
pub async fn list(node: &Node, query: &Query) -> Outcome<Value> {
    let wrong = |name: &str, want: &str| Problem::new(Code::BadRequest, format!("{name}: expected {want}"));
    let origin = log_of(node, query.origin.as_deref()).await?;
    let agreement = match &query.agreement {
        None => None,
        Some(id) => {
            let id = AgreementId::parse(id).map_err(|_| wrong("agreement", "urn:uuid:…"))?;
            let known = node.registry.by_id(id);
            Some(known.ok_or_else(|| Problem::new(Code::UnknownAgreement, id))?.no)
        }
    };
    let read = |given: &Option<String>| given.as_deref().map(str::to_owned);
    let kind = match read(&query.kind) {
        None => None,
        Some(code) => Some(Kind::from_code(&code).ok_or_else(|| wrong("kind", &codes(Kind::ALL, |kind| kind.code())))?),
    };
    let state = match read(&query.state) {
        None => None,
        Some(code) => Some(
            PayloadState::from_code(&code)
                .ok_or_else(|| wrong("state", &codes(PayloadState::ALL, |state| state.code())))?,
        ),
    };
    let since = match read(&query.since) {
        None => i64::MIN,
        Some(text) => midnight(node, &text).ok_or_else(|| wrong("since", "YYYY-MM-DD"))?,
    };
    let (limit, offset) = (query.limit.min(MAX_LISTED), query.offset);
    let which = Listing { origin: origin.no, agreement, kind, state, since };
    let rows = match &query.subject {
        Some(subject) => of_subject(node, &which, subject, limit, offset).await?,
        None => node.store.listing(&which, limit, offset).await?,
    };
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        // The payloads of those that are shown, one by one: the list itself is read without them.
        let row = node.store.row(origin.no, row.index).await?.unwrap_or(row);
        listed.push(summary(node, &Found { origin: origin.clone(), row }).await?);
    }
    Ok(json!({"origin": origin.origin.as_str(), "records": listed}))
}

fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|item| code(*item)).collect::<Vec<_>>().join(", ")
}

fn midnight(node: &Node, text: &str) -> Option<i64> {
    let date: Date = text.parse().ok()?;
    let zone = jiff::tz::TimeZone::get(&node.config.time_zone).ok()?;
    Some(date.to_zoned(zone).ok()?.timestamp().as_second())
}

/// The rows of one person: those filed under the reference, in every agreement or in the one that is asked for.
async fn of_subject(
    node: &Node,
    which: &Listing,
    subject: &str,
    limit: usize,
    offset: usize,
) -> Outcome<Vec<PayloadRow>> {
    let key = Key::new(KeyType::Subject, subject);
    let mut rows = Vec::new();
    for known in node.registry.snapshot().iter().filter(|known| which.agreement.is_none_or(|no| no == known.no)) {
        rows.extend(chain::under(node, which.origin, known.no, std::slice::from_ref(&key)).await?);
    }
    rows.retain(|row| {
        let kind = which.kind.is_none_or(|kind| row.kind == Some(kind));
        kind && which.state.is_none_or(|state| row.state == state) && row.t >= which.since
    });
    rows.sort_by_key(|row| std::cmp::Reverse(row.index));
    rows.dedup_by_key(|row| row.index);
    Ok(rows.into_iter().skip(offset).take(limit).collect())
}

/// Refuses what cannot be corrected: a record of another city, one that is not held, a withdrawal, one that is corrected
/// or withdrawn already; to withdraw, also one that another follows.
///
/// # Errors
/// `not-correctable`, with what stands against it.
pub async fn correctable(node: &Node, found: &Found, withdraw: bool) -> Outcome<()> {
    let refuse = |why: String| {
        let named = format!("{}#{}", found.origin.origin, found.row.index);
        Err(Problem::new(Code::NotCorrectable, format!("{named}: {why}")))
    };
    if found.origin.no != OWN {
        return refuse("only the city that published a record can correct it".to_owned());
    }
    if view_of(&found.row).is_none() {
        return refuse(format!("its payload is {}", found.row.state.code()));
    }
    if found.row.kind == Some(Kind::Withdrawal) {
        return refuse("a withdrawal is final".to_owned());
    }
    let index = found.row.index;
    match node.store.corrections_of(OWN, index..index + 1).await?.first() {
        Some(by) if by.kind == Some(Kind::Withdrawal) => refuse(format!("it was withdrawn by entry {}", by.index)),
        Some(by) => refuse(format!("it was corrected by entry {}: correct that one", by.index)),
        None if withdraw => match chain::follower(node, found).await? {
            // The chain ends with its head: withdrawing what lies before it would change nothing.
            Some(by) => refuse(format!("entry {by} follows it: withdraw that one first")),
            None => Ok(()),
        },
        None => Ok(()),
    }
}
