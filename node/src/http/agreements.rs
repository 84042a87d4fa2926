//! What only the parties of an agreement get: offers, pages of records, tally statements, hints.

use super::auth::{Requester, requester};
use super::{agreement, json};
use crate::Node;
use crate::codec::decompress;
use crate::compute::compute;
use crate::exchange;
use crate::problem::{Code, Outcome, Problem};
use crate::pull::entries_at;
use crate::registry::Known;
use crate::store::{OWN, PayloadRow};
use crate::tally::{self, Question, WireQuestion};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use hefu_federation::commitment::commit;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::page::{Asked, Line, MAX_LINES, PageWriter};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::tally::BUCKETS;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::scan::scan;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

/// zstd level of a page: the fastest.
const PAGE_LEVEL: i32 = 1;

/// Routes below the origin.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/agreements").route(web::get().to(offers)))
        .service(web::resource("/v1/agreements/{id}/records").route(web::get().to(records)))
        .service(web::resource("/v1/agreements/{id}/tally").route(web::post().to(tally)))
        .service(web::resource("/v1/agreements/{id}/tally/buckets").route(web::post().to(buckets)))
        .service(web::resource("/v1/agreements/{id}/tally/buckets/{bucket}").route(web::post().to(bucket)))
        .service(web::resource("/v1/hints").route(web::post().to(hint)));
}

/// The agreements that name the requester.
async fn offers(node: web::Data<Node>, request: HttpRequest, body: web::Bytes) -> Outcome<HttpResponse> {
    let sender = requester(&node, &request, &body).await?;
    json(&exchange::offers(&node, &sender.peer.did).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: u64,
    until: u64,
}

/// A page of our own records of one agreement, for one of its parties.
async fn records(
    node: web::Data<Node>,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Outcome<HttpResponse> {
    let sender = requester(&node, &request, &body).await?;
    let known = party(&node, &id, &sender)?;
    let range = web::Query::<Range>::from_query(request.query_string())
        .map_err(|_| Problem::new(Code::BadRequest, "expected from=<index>&until=<size>"))?;
    let published = node.store.head(OWN).await?.published();
    if range.from >= range.until || range.until > published {
        return Err(Problem::new(Code::BadRequest, format!("expected from < until <= {published}")));
    }
    if known.standing().opened_at(&node.origin).is_none() {
        return Err(Problem::new(Code::AgreementNotOpen, ""));
    }
    let rows = node.store.rows(OWN, known.no, range.from, range.until, MAX_LINES).await?;
    let node = node.into_inner();
    let indexes: Vec<u64> = rows.iter().map(|row| row.index).collect();
    let entries = entries_at(node.store.as_ref(), OWN, &indexes).await?;
    let page = compute(move || page(&node, &known, &sender, &range, &rows, &entries.into_iter().collect())).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).content_type("application/x-ndjson");
    response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("zstd")));
    Ok(response.body(page))
}

fn page(
    node: &Arc<Node>,
    known: &Known,
    sender: &Requester,
    range: &Range,
    rows: &[PayloadRow],
    entries: &HashMap<u64, Entry>,
) -> Outcome<Vec<u8>> {
    let full = rows.len() == MAX_LINES;
    let read = |row: &PayloadRow| {
        let held = row.payload.as_ref().filter(|_| row.state == PayloadState::Held)?;
        let record = decompress(held.codec, &held.body)?;
        // Damaged here, it would be judged as a forgery there, and could break the page for all others.
        is_committed(entries.get(&row.index)?, &held.salt, &record).then_some((held.salt, record))
    };
    let bodies: Vec<_> = rows.par_iter().with_min_len(crate::compute::JOB_LEN).map(read).collect();
    let records_len = bodies.iter().flatten().map(|(_, record)| record.len()).sum();
    let mut writer = PageWriter::with_room(bodies.len(), records_len);
    let mut until = range.until;
    for (row, body) in rows.iter().zip(&bodies) {
        // A row that is no longer held, or is damaged, is left out: the puller sees it as withheld.
        let Some((salt, record)) = body else { continue };
        let line = match refused(known, sender, row, record) {
            None => Line::Record { index: row.index, salt: *salt, record },
            Some(scope_row) => Line::Refused { index: row.index, row: scope_row },
        };
        if !writer.push(&line) {
            until = row.index;
            break;
        }
    }
    if full && until == range.until {
        until = rows.last().map_or(until, |row| row.index + 1);
    }
    let asked = Asked { agreement: known.document.id, to: &sender.peer.did, from: range.from, until: range.until };
    let bytes = writer.finish(&asked, until, &node.keys.request_id(&node.did), &node.keys.request);
    // At once, with its length in the frame: nothing is copied into windows, here or where it is read.
    zstd::bulk::compress(&bytes, PAGE_LEVEL).map_err(|error| Problem::new(Code::Internal, error))
}

fn is_committed(entry: &Entry, salt: &[u8; 32], record: &[u8]) -> bool {
    match &entry.body {
        Body::Record { c, .. } | Body::Amend { c, .. } | Body::Withdraw { c, .. } => commit(salt, record) == *c,
        Body::Genesis(_) | Body::Agreement { .. } | Body::Signed(_) | Body::Unknown => false,
    }
}

/// The scope row that keeps a record from a party: in an agreement of three, not everything is directed to everybody.
fn refused(known: &Known, sender: &Requester, row: &PayloadRow, record: &[u8]) -> Option<String> {
    let (kind, to) = (row.kind?, &sender.peer.did);
    if known.document.flows_whole(kind, to) {
        return None;
    }
    let Ok(document) = scan(record, MAX_RECORD_LEN) else { return Some("scope".to_owned()) };
    known.document.may_receive(kind, &document, to).err()
}

/// Our signed statement for a question of another party.
async fn tally(
    node: web::Data<Node>,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Outcome<HttpResponse> {
    let sender = requester(&node, &request, &body).await?;
    let known = party(&node, &id, &sender)?;
    let question = question(&body)?;
    let node = node.into_inner();
    pull_to(&node, &known, &question).await?;
    let statement = tally::state(&node, &known, &question).await?;
    let signed = statement.sign(&node.keys.request_id(&node.did), &node.keys.request);
    node.store.add_tally(known.no, statement.as_of, OWN, &signed, node.clock.now_ms()).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).content_type("application/json").body(signed))
}

fn question(body: &[u8]) -> Outcome<Question> {
    let malformed = || Problem::new(Code::BadRequest, "expected {asOf, heads}");
    let wire: WireQuestion = serde_json::from_slice(body).map_err(|_| malformed())?;
    Question::from_wire(&wire).ok_or_else(malformed)
}

/// Digests of our buckets and the payloads that we do not hold, for a party whose tally differs.
async fn buckets(
    node: web::Data<Node>,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Outcome<HttpResponse> {
    let sender = requester(&node, &request, &body).await?;
    let known = party(&node, &id, &sender)?;
    json(&tally::difference::detail(&node.into_inner(), &known, &question(&body)?, None).await?)
}

/// Results of the keys of one bucket, by hash.
async fn bucket(
    node: web::Data<Node>,
    request: HttpRequest,
    path: web::Path<(String, u16)>,
    body: web::Bytes,
) -> Outcome<HttpResponse> {
    let sender = requester(&node, &request, &body).await?;
    let (id, bucket) = path.into_inner();
    if bucket >= BUCKETS {
        return Err(Problem::new(Code::NotFound, "no such bucket"));
    }
    let known = party(&node, &id, &sender)?;
    json(&tally::difference::detail(&node.into_inner(), &known, &question(&body)?, Some(bucket)).await?)
}

/// "Each party pulls at least that far": what is missing is pulled before the statement is computed.
async fn pull_to(node: &Arc<Node>, known: &Known, question: &Question) -> Outcome<()> {
    for row in node.peers().await? {
        let Some((size, _)) = question.heads.get(&row.origin) else { continue };
        let held = node.store.head(row.no).await?.size;
        // A round that broke off may have left entries in which nobody has looked for our labels yet.
        let labelled = node.store.labelled_until(row.no, known.no).await?;
        let waiting = node.store.wanted(row.no, known.no, 0, *size, false, 1).await?;
        if held < *size || labelled < *size || !waiting.is_empty() {
            crate::pull::pull(node, &row).await?;
        }
    }
    Ok(())
}

/// The peer has something new: the next pull comes at once.
async fn hint(node: web::Data<Node>, request: HttpRequest, body: web::Bytes) -> Outcome<HttpResponse> {
    requester(&node, &request, &body).await?;
    node.pull_bell.notify_one();
    Ok(HttpResponse::NoContent().finish())
}

fn party(node: &Node, id: &str, sender: &Requester) -> Outcome<Arc<Known>> {
    let known = agreement(node, id)?;
    let named = known.document.parties.iter().any(|party| party.did == sender.peer.did);
    if named { Ok(known) } else { Err(Problem::new(Code::NotAParty, "")) }
}
