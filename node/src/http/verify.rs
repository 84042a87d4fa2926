//! `POST /v1/verify` of the control socket: a record judged by this node's replica of its issuer's log.

use super::json;
use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::verify::in_replica;
use actix_web::{HttpResponse, web};
use hefu_federation::verdict::{Policy, PolicyError, Submitted};
use hefu_schemas::identifier::Identifier;
use serde::Deserialize;
use serde_json::json as object;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/verify").route(web::post().to(verify)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The file as it was handed over.
    file: String,
    policy: Option<serde_json::Value>,
    subject: Option<Person>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    scheme: String,
    id: String,
}

/// {verdict}, or {} when this node keeps no log of the issuer.
async fn verify(node: web::Data<Node>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let asked: Asked = serde_json::from_slice(&bytes).map_err(|_| Problem::new(Code::BadRequest, "body"))?;
    let submitted = Submitted::read(asked.file.as_bytes()).map_err(|error| Problem::new(Code::NoRecord, error))?;
    let policy = asked.policy.map(|policy| read_policy(policy.to_string().as_bytes())).transpose()?;
    let person = |person: Person| Identifier::normalise(&person.scheme, &person.id);
    let subject = asked.subject.map(person).transpose().map_err(|error| Problem::new(Code::Input, error))?;
    let verdict = in_replica(&node.into_inner(), &submitted, policy.as_ref(), subject.as_ref()).await?;
    json(&verdict.map_or_else(|| object!({}), |verdict| object!({"verdict": verdict.to_json()})))
}

/// Reads a policy; what is wrong with it becomes a problem with its violations.
///
/// # Errors
/// `invalid-policy`.
pub(crate) fn read_policy(bytes: &[u8]) -> Outcome<Policy> {
    Policy::read(bytes).map_err(|error| match error {
        PolicyError::Gate(error) => Problem::new(Code::InvalidPolicy, error),
        PolicyError::Invalid(violations) => Problem::new(
            Code::InvalidPolicy,
            if violations.len() == 1 { "1 violation".to_owned() } else { format!("{} violations", violations.len()) },
        )
        .with("violations", object!(violations)),
    })
}
