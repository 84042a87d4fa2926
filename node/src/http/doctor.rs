//! `POST /v1/doctor` of the control socket: the checks of a node that serves.

use super::json;
use crate::Node;
use crate::doctor;
use crate::problem::{Code, Outcome, Problem};
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/doctor").route(web::post().to(examine)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    ca_pem: Option<String>,
}

async fn examine(node: web::Data<Node>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let asked: Asked =
        serde_json::from_slice(&bytes).map_err(|error| Problem::new(Code::BadRequest, format!("body: {error}")))?;
    json(&doctor::serving(&node.into_inner(), asked.ca_pem.as_deref()).await?)
}
