//! Searching and reading own and held records: on the control socket and, within a token's scope, for local systems.

use super::json;
use crate::Node;
use crate::codec::decompress;
use crate::problem::{Code, Outcome, Problem};
use crate::store::{AgreementNo, OriginNo, OriginRow, PayloadRow, Place, Search};
use crate::token::Scope;
use actix_web::{HttpResponse, web};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_schemas::id::RecordId;
use hefu_schemas::record::Kind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Rows of a page, if nothing is said.
const DEFAULT_ROWS: usize = 100;
/// Most rows of a page.
const MAX_ROWS: usize = 1_000;
/// Bytes of records at which a page ends: a page may have one record of 256 KiB more.
const MAX_PAGE_LEN: usize = 8 * 1024 * 1024;
/// Parts of the logs that one request looks through, when little is found.
const MAX_PARTS: usize = 16;

/// Routes of the control socket: all agreements.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/records/search").route(web::post().to(operators_search_by_body)))
        .service(web::resource("/v1/records/{id}").route(web::get().to(operators_record)));
}

/// What to look for.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordSearch)]
pub(super) struct Query {
    /// UUID or URN of an agreement.
    agreement: Option<String>,
    /// Kind, e.g. `student-status`.
    kind: Option<String>,
    /// Origin of a log; this node's own or a peer's.
    origin: Option<String>,
    /// Payload state; `held` if absent, `any` for all.
    state: Option<String>,
    /// Subject reference under which a record is filed. Only in a body: URLs are logged by gateways.
    #[param(ignore)]
    subject: Option<String>,
    /// URN of the connection under which a record is filed.
    connection: Option<String>,
    /// Index from which on, in each log.
    since: Option<u64>,
    /// Rows of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where the page begins, as in `next` or `from` of the page before.
    from: Option<String>,
}

/// A row: where a record stands, and the record when it is held.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecordRow)]
pub(super) struct Row {
    /// Origin of the log.
    origin: String,
    /// Index in it.
    index: u64,
    /// Time of the entry, RFC 3339 in UTC.
    at: String,
    /// URN of the agreement.
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<String>,
    /// State of the payload.
    state: &'static str,
    /// Why, when it is not held.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Index of the record that this one corrects or withdraws.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// Kind of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Id of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The record as signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    record: Option<Box<RawValue>>,
}

/// A page of rows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RecordPage)]
pub(super) struct Page {
    /// By log and index.
    records: Vec<Row>,
    /// The next page of a search by URL; absent at the end. A page may be short, even empty, before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// How the question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// In a URL, which gateways and proxies log: a subject reference does not belong there.
    ByUrl,
    /// In a body.
    ByBody,
}

/// The agreements within a scope; the built-in ones are in the widest alone.
fn agreements(node: &Node, scope: &Scope) -> Vec<AgreementNo> {
    let known = scope.within(node.registry.snapshot());
    let mut all: Vec<AgreementNo> = known.iter().map(|known| known.no).collect();
    if *scope == Scope::Everything {
        all.extend([AgreementNo::PUBLIC, AgreementNo::HOLDER]);
    }
    all.sort();
    all.dedup();
    all
}

/// The operator's search.
pub(super) async fn operators_search(node: web::Data<Node>, query: super::Parameters<Query>) -> Outcome<HttpResponse> {
    search_within(&node, &query, Asked::ByUrl, &Scope::Everything).await
}

/// The operator's search by a body.
async fn operators_search_by_body(node: web::Data<Node>, body: web::Bytes) -> Outcome<HttpResponse> {
    search_within(&node, &super::control::body(&body)?, Asked::ByBody, &Scope::Everything).await
}

/// The operator's record.
async fn operators_record(node: web::Data<Node>, id: web::Path<String>) -> Outcome<HttpResponse> {
    one_within(&node, &id, &Scope::Everything).await
}

/// A page of what is asked for within a scope.
pub(super) async fn search_within(node: &Node, query: &Query, asked: Asked, scope: &Scope) -> Outcome<HttpResponse> {
    if asked == Asked::ByUrl && query.subject.is_some() {
        return Err(Problem::new(Code::BadRequest, "subject: not in a URL; POST it to /v1/records/search"));
    }
    let agreements = match &query.agreement {
        Some(id) => vec![super::agreement_within(node, id, scope)?.no],
        None => agreements(node, scope),
    };
    search(node, query, asked, &agreements).await
}

/// One record within a scope.
pub(super) async fn one_within(node: &Node, id: &str, scope: &Scope) -> Outcome<HttpResponse> {
    one(node, id, &agreements(node, scope)).await
}

/// A page of what is asked for among these agreements.
async fn search(node: &Node, query: &Query, asked: Asked, agreements: &[AgreementNo]) -> Outcome<HttpResponse> {
    let wrong = |name: &str, expected: &str| Problem::new(Code::BadRequest, format!("{name}: expected {expected}"));
    let origins = node.store.origins().await?;
    let limit = query.limit.unwrap_or(DEFAULT_ROWS);
    if !(1..=MAX_ROWS).contains(&limit) {
        return Err(wrong("limit", &format!("1 to {MAX_ROWS}")));
    }
    let kind = query.kind.as_deref().map(|kind| Kind::from_code(kind).ok_or_else(|| wrong("kind", "a kind of record")));
    let state = match query.state.as_deref() {
        None => Some(PayloadState::Held),
        Some("any") => None,
        Some(state) => Some(PayloadState::from_code(state).ok_or_else(|| wrong("state", "a payload state or any"))?),
    };
    let key = match (&query.subject, &query.connection) {
        (Some(_), Some(_)) => return Err(wrong("subject, connection", "one of them")),
        (Some(subject), None) => Some(Key::new(KeyType::Subject, subject)),
        (None, Some(connection)) => Some(Key::new(KeyType::Connection, connection)),
        (None, None) => None,
    };
    let named = |origin: &String| origins.iter().find(|row| row.origin.as_str() == origin).map(|row| row.no);
    let origin = query
        .origin
        .as_ref()
        .map(|text| named(text).ok_or_else(|| Problem::new(Code::UnknownPeer, "origin: not followed")));
    let from = query.from.as_deref().map(|from| place(from).ok_or_else(|| wrong("from", "that of a next link")));
    let search = Search {
        agreements,
        origin: origin.transpose()?,
        kind: kind.transpose()?,
        state,
        key: key.as_ref(),
        since: query.since.unwrap_or(0),
        from: from.transpose()?.unwrap_or(Place::START),
    };
    let (rows, next) = collect(node, &origins, search, limit).await?;
    let from = next.map(|Place(OriginNo(origin), index)| format!("{origin}.{index}"));
    let next = from.as_deref().filter(|_| asked == Asked::ByUrl).map(|from| link(query, from));
    json(&Page { records: rows, next, from })
}

/// Rows until the page is full, in number or in bytes, and where it goes on.
async fn collect(
    node: &Node,
    origins: &[OriginRow],
    mut search: Search<'_>,
    limit: usize,
) -> Outcome<(Vec<Row>, Option<Place>)> {
    let (mut rows, mut len) = (Vec::new(), 0);
    for _ in 0..MAX_PARTS {
        let found = node.store.search(search, limit - rows.len()).await?;
        for (origin, stored) in found.rows {
            if len > MAX_PAGE_LEN {
                return Ok((rows, Some(Place(origin, stored.index))));
            }
            let row = row(node, origins, origin, &stored);
            len += row.record.as_ref().map_or(0, |record| record.get().len());
            rows.push(row);
        }
        match found.next {
            Some(next) if rows.len() < limit => search.from = next,
            next => return Ok((rows, next)),
        }
    }
    Ok((rows, Some(search.from)))
}

fn row(node: &Node, origins: &[OriginRow], origin: OriginNo, stored: &PayloadRow) -> Row {
    let mut reason = stored.reason.clone();
    let payload = stored.payload.as_ref().filter(|_| stored.state == PayloadState::Held);
    let read = |payload: &crate::store::Payload| {
        let text = String::from_utf8(decompress(payload.codec, &payload.body)?).ok()?;
        RawValue::from_string(text).ok()
    };
    let record = payload.and_then(read);
    if payload.is_some() && record.is_none() {
        // The page goes on: `hefu fsck` says what is damaged.
        reason = Some("damaged".to_owned());
    }
    Row {
        origin: origins.iter().find(|row| row.no == origin).map(|row| row.origin.to_string()).unwrap_or_default(),
        index: stored.index,
        at: jiff::Timestamp::from_second(stored.t).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string(),
        agreement: node.registry.by_no(stored.agreement).map(|known| known.document.id.to_string()),
        state: stored.state.code(),
        reason,
        of: stored.of,
        kind: stored.kind.map(Kind::code),
        id: stored.id.map(|id| id.to_string()),
        record,
    }
}

/// `<number of the log>.<index>`.
fn place(text: &str) -> Option<Place> {
    let (origin, index) = text.split_once('.')?;
    Some(Place(OriginNo(origin.parse().ok()?), index.parse().ok()?))
}

/// The same question from another place on, relative to the host.
fn link(query: &Query, from: &str) -> String {
    let mut link = format!("/v1/records?from={from}");
    let (since, limit) = (query.since.map(|since| since.to_string()), query.limit.map(|limit| limit.to_string()));
    let members = [
        ("agreement", &query.agreement),
        ("kind", &query.kind),
        ("origin", &query.origin),
        ("state", &query.state),
        ("connection", &query.connection),
        ("since", &since),
        ("limit", &limit),
    ];
    super::push_query(&mut link, members.map(|(name, value)| (name, value.as_deref())));
    link
}

/// One record by URN, UUID or index (of the own log), when it is of one of these agreements. A record id that several logs
/// have is that of the own log first.
async fn one(node: &Node, id: &str, agreements: &[AgreementNo]) -> Outcome<HttpResponse> {
    let missing = || Problem::new(Code::NotFound, "no such record");
    let origins = node.store.origins().await?;
    if let Ok(index) = id.parse::<u64>() {
        let stored = node.store.row(crate::store::OWN, index).await?;
        let stored = stored.filter(|row| agreements.contains(&row.agreement)).ok_or_else(missing)?;
        return json(&row(node, &origins, crate::store::OWN, &stored));
    }
    let id = RecordId::parse(&format!("urn:uuid:{}", id.trim_start_matches("urn:uuid:"))).map_err(|_| missing())?;
    for origin in &origins {
        let Some(index) = node.store.index_of(origin.no, id).await? else { continue };
        let Some(stored) = node.store.row(origin.no, index).await? else { continue };
        if agreements.contains(&stored.agreement) {
            return json(&row(node, &origins, origin.no, &stored));
        }
    }
    Err(missing())
}
