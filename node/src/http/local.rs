//! The door of local systems: a registrar's or a school's program, with a token for each. Every handler begins with the token
//! and the action that it needs; what the token does not cover looks as if it were not there.

use super::search::{self, Asked, Query};
use super::{Parameters, agreement_within, control, json, openapi, records};
use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::Options;
use crate::token::{Action, Scope, authorise};
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use control::FindingQuery;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Largest body but for drafts, which stream.
pub(super) const MAX_BODY_LEN: usize = 1024 * 1024;
/// Most tally statements of one answer.
const MAX_TALLIES: usize = 100;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/records")
                .route(web::get().to(find_records))
                .route(web::head().to(find_records))
                .route(web::post().to(publish)),
        )
        .service(web::resource("/v1/records/search").route(web::post().to(search_records)))
        .service(web::resource("/v1/records/{id}").route(web::get().to(record)).route(web::head().to(record)))
        .service(web::resource("/v1/findings").route(web::get().to(findings)).route(web::head().to(findings)))
        .service(web::resource("/v1/findings/{id}").route(web::get().to(finding)).route(web::head().to(finding)))
        .service(web::resource("/v1/agreements/{id}/subjects").route(web::post().to(subjects)))
        .service(
            web::resource("/v1/agreements/{id}/tally")
                .route(web::get().to(tallies))
                .route(web::head().to(tallies))
                .route(web::post().to(ask_tally)),
        )
        .service(web::resource("/v1/status").route(web::get().to(status)).route(web::head().to(status)))
        .service(
            web::resource("/openapi.json").route(web::get().to(openapi::local)).route(web::head().to(openapi::local)),
        );
}

/// The scope of the request's token, if it allows the action.
async fn allowed(node: &Node, request: &HttpRequest, action: Action) -> Outcome<Scope> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    // Two of them are none: which one counts must not depend on who reads.
    let one = headers.next().filter(|_| headers.next().is_none());
    authorise(node, one.and_then(|value| value.to_str().ok()), action).await
}

/// A page of own and held records.
async fn find_records(node: web::Data<Node>, request: HttpRequest) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadRecords).await?;
    let query = parameters::<Query>(&request)?;
    search::search_within(&node, &query, Asked::ByUrl, &scope).await
}

/// The same by a body, which may name a person's reference.
async fn search_records(node: web::Data<Node>, request: HttpRequest, body: web::Bytes) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadRecords).await?;
    if !matches!(media_type(&request), Some(Media::Json)) {
        return Err(Problem::new(Code::MediaType, "expected application/json"));
    }
    search::search_within(&node, &control::body(&body)?, Asked::ByBody, &scope).await
}

/// One record.
async fn record(node: web::Data<Node>, request: HttpRequest, id: web::Path<String>) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadRecords).await?;
    search::one_within(&node, &id, &scope).await
}

/// Parameters are read behind the check of the token, not by an extractor before it.
fn parameters<T: serde::de::DeserializeOwned>(request: &HttpRequest) -> Outcome<Parameters<T>> {
    use actix_web::FromRequest;
    Parameters::from_request(request, &mut actix_web::dev::Payload::None).into_inner()
}

/// How to publish.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PublishQuery {
    /// Check only.
    #[serde(default)]
    dry_run: bool,
}

/// One draft as JSON, or many as NDJSON.
async fn publish(node: web::Data<Node>, request: HttpRequest, mut payload: web::Payload) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::Publish).await?;
    let query = parameters::<PublishQuery>(&request)?;
    let options = Options { despite_findings: None, dry_run: query.dry_run, scope };
    let node = node.into_inner();
    match media_type(&request) {
        Some(Media::Json) => records::publish_one(&node, payload, options).await,
        Some(Media::Lines) => records::publish_lines(&node, &mut payload, options).await,
        None => Err(Problem::new(Code::MediaType, "expected application/json or application/x-ndjson")),
    }
}

enum Media {
    Json,
    Lines,
}

/// The content type without its parameters.
fn media_type(request: &HttpRequest) -> Option<Media> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Some(Media::Json),
        "application/x-ndjson" => Some(Media::Lines),
        _ => None,
    }
}

/// Open findings; their records are shown to whoever may read records.
async fn findings(node: web::Data<Node>, request: HttpRequest) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadFindings).await?;
    let query = parameters::<FindingQuery>(&request)?;
    if query.records {
        allowed(&node, &request, Action::ReadRecords).await?;
    }
    control::findings_within(&node, &query, &scope).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct OneFindingQuery {
    /// With the records of both sides.
    #[serde(default)]
    records: bool,
}

/// One open finding.
async fn finding(node: web::Data<Node>, request: HttpRequest, id: web::Path<String>) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadFindings).await?;
    let query = parameters::<OneFindingQuery>(&request)?;
    if query.records {
        allowed(&node, &request, Action::ReadRecords).await?;
    }
    control::finding_within(&node, &id, &scope, query.records).await
}

/// Identifiers in, subject references out.
async fn subjects(
    node: web::Data<Node>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::MakeReferences).await?;
    agreement_within(&node, &id, &scope)?;
    if media_type(&request).is_none() {
        return Err(Problem::new(Code::MediaType, "expected application/x-ndjson, or one object as application/json"));
    }
    let body = payload.to_bytes_limited(MAX_BODY_LEN).await;
    let body =
        body.map_err(|_| Problem::new(Code::TooLarge, format!("the body is longer than {MAX_BODY_LEN} bytes")))?;
    let body = body.map_err(|error| Problem::new(Code::Input, format!("the input broke off: {error}")))?;
    control::subjects(node, id, body).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TalliesQuery {
    /// How many statements, newest date first: 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// A statement that is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TallyStatement)]
pub(super) struct Statement {
    as_of: String,
    origin: String,
    #[schema(value_type = Object)]
    statement: Box<RawValue>,
}

/// Tally statements that are kept, own and of the other parties.
async fn tallies(node: web::Data<Node>, request: HttpRequest, id: web::Path<String>) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::ReadTallies).await?;
    let known = agreement_within(&node, &id, &scope)?;
    let limit = parameters::<TalliesQuery>(&request)?.limit.unwrap_or(MAX_TALLIES);
    if !(1..=MAX_TALLIES).contains(&limit) {
        return Err(Problem::new(Code::BadRequest, format!("limit: expected 1 to {MAX_TALLIES}")));
    }
    let origins = node.store.origins().await?;
    let mut statements = Vec::new();
    for (as_of, party, bytes) in node.store.tallies(known.no, limit).await? {
        let text = String::from_utf8(bytes).ok().and_then(|text| RawValue::from_string(text).ok());
        let statement = text.ok_or_else(|| Problem::new(Code::Damaged, "tally"))?;
        let origin = origins.iter().find(|row| row.no == party).map(|row| row.origin.to_string()).unwrap_or_default();
        statements.push(Statement { as_of: as_of.to_string(), origin, statement });
    }
    json(&statements)
}

/// Computes, asks the other parties and compares.
async fn ask_tally(node: web::Data<Node>, request: HttpRequest, id: web::Path<String>) -> Outcome<HttpResponse> {
    let scope = allowed(&node, &request, Action::AskTallies).await?;
    agreement_within(&node, &id, &scope)?;
    control::ask_tally(node, id, request).await
}

/// How the node is.
async fn status(node: web::Data<Node>, request: HttpRequest) -> Outcome<HttpResponse> {
    allowed(&node, &request, Action::ReadStatus).await?;
    control::status(node).await
}
