//! Looking at records through the control socket.

use crate::Node;
use crate::inspect;
use crate::problem::{Code, Outcome, Problem};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

/// Rows of a list when nothing is said.
const DEFAULT_LIMIT: usize = 100;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/inspect/records").route(web::post().to(list)))
        .service(web::resource("/v1/inspect/records/{record}").route(web::get().to(show)))
        .service(web::resource("/v1/inspect/records/{record}/history").route(web::get().to(history)))
        .service(web::resource("/v1/inspect/records/{record}/correctable").route(web::get().to(correctable)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    origin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    origin: Option<String>,
    agreement: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    since: Option<String>,
    subject: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

fn query<T: for<'de> Deserialize<'de>>(request: &HttpRequest) -> Outcome<T> {
    let read = web::Query::<T>::from_query(request.query_string());
    read.map(web::Query::into_inner).map_err(|error| Problem::new(Code::BadRequest, format!("query: {error}")))
}

async fn found(node: &Node, record: &str, request: &HttpRequest) -> Outcome<inspect::Found> {
    let which: Which = query(request)?;
    inspect::find(node, record, which.origin.as_deref()).await
}

/// The question is a body: the reference of a subject stands in no URL.
async fn list(node: web::Data<Node>, question: web::Bytes) -> Outcome<HttpResponse> {
    let filter: Filter = super::control::body(&question)?;
    let asked = inspect::Query {
        origin: filter.origin,
        agreement: filter.agreement,
        kind: filter.kind,
        state: filter.state,
        since: filter.since,
        subject: filter.subject,
        limit: filter.limit.unwrap_or(DEFAULT_LIMIT),
        offset: filter.offset.unwrap_or(0),
    };
    super::json(&inspect::list(&node, &asked).await?)
}

async fn show(node: web::Data<Node>, record: web::Path<String>, request: HttpRequest) -> Outcome<HttpResponse> {
    super::json(&inspect::show(&node, &found(&node, &record, &request).await?).await?)
}

async fn history(node: web::Data<Node>, record: web::Path<String>, request: HttpRequest) -> Outcome<HttpResponse> {
    super::json(&inspect::history(&node, &found(&node, &record, &request).await?).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Correction {
    #[serde(default)]
    withdraw: bool,
    origin: Option<String>,
}

/// The record as `show` has it, if it can be corrected.
async fn correctable(node: web::Data<Node>, record: web::Path<String>, request: HttpRequest) -> Outcome<HttpResponse> {
    let asked: Correction = query(&request)?;
    let found = inspect::find(&node, &record, asked.origin.as_deref()).await?;
    inspect::correctable(&node, &found, asked.withdraw).await?;
    super::json(&inspect::show(&node, &found).await?)
}
