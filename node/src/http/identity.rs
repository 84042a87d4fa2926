//! Who the node is and how it is: DID document, well-known document, schemas and contexts, health.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::store::OWN;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use hefu_schemas::released::{released, released_for_verifying};
use serde_json::json;

/// Routes at the root of the host: host-level `did:web` and the well-known document.
pub(super) fn well_known(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/.well-known/did.json")
                .route(web::get().to(did_document))
                .route(web::head().to(did_document)),
        )
        .service(web::resource("/.well-known/hefu").route(web::get().to(hefu)).route(web::head().to(hefu)));
}

/// Routes below the origin.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/openapi.json")
                .route(web::get().to(super::openapi::public))
                .route(web::head().to(super::openapi::public)),
        )
        .service(web::resource("/health/live").route(web::get().to(live)).route(web::head().to(live)))
        .service(web::resource("/health/ready").route(web::get().to(ready)).route(web::head().to(ready)))
        .service(web::resource("/schemas/{path:.*}").route(web::get().to(file)).route(web::head().to(file)))
        .service(web::resource("/contexts/{path:.*}").route(web::get().to(file)).route(web::head().to(file)));
}

async fn did_document(node: web::Data<Node>) -> HttpResponse {
    public(&node.ring.did_document().to_string(), "application/did+json")
}

/// `{protocol, origin, did, url, fingerprint, logKey, witnessKey}`.
async fn hefu(node: web::Data<Node>) -> HttpResponse {
    let body = json!({
        "protocol": 1,
        "origin": node.origin.as_str(),
        "did": node.did.as_str(),
        "url": node.config.base_url(),
        "fingerprint": hefu_schemas::id::Digest(node.ring.fingerprint().0).to_string(),
        "logKey": node.keys.log.public().multikey(),
        "witnessKey": node.keys.witness.public().multikey(),
    });
    public(&body.to_string(), "application/json")
}

async fn file(node: web::Data<Node>, request: HttpRequest) -> Outcome<HttpResponse> {
    let prefix = node.origin.as_str().split_once('/').map_or(0, |(_, path)| path.len() + 1);
    let path = request.path().get(prefix..).unwrap_or_default();
    if let Some(page) = crate::pages::page(path) {
        return Ok(for_people(page));
    }
    let mut files = released().iter().chain(released_for_verifying());
    let file = files.find(|file| path == file.path).ok_or_else(|| Problem::new(Code::NotFound, ""))?;
    let kind = if file.path.ends_with(".jsonld") { "application/ld+json" } else { "application/schema+json" };
    Ok(public(file.text, kind))
}

/// A page about the released files. It may load nothing, and be put into no other.
fn for_people(page: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, crate::pages::policy()))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .content_type("text/html; charset=utf-8")
        .body(page)
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({"status": "live"}))
}

/// The database answers and the node signs.
async fn ready(node: web::Data<Node>) -> Outcome<HttpResponse> {
    let head = node.store.head(OWN).await?;
    if let Err(why) = node.sequencer.signing() {
        return Err(Problem::new(Code::NotSigning, why));
    }
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"status": "ready", "size": head.size})))
}

fn public(body: &str, content_type: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .content_type(content_type)
        .body(body.to_owned())
}
