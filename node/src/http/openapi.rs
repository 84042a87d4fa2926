//! The OpenAPI 3.1 documents: one for each door, since both have a `tally` of their own. Parameters and answers are those of the
//! handlers' types; the operations stand in one table for each door, and a test compares the tables with the routes.

mod local_door;
mod parts;
mod public_door;

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Server};

/// Which door a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// For peers and the world.
    Public,
    /// For local systems with tokens.
    Local,
}

/// The document of a door as JSON; `url` is where the door is.
///
/// # Errors
/// It cannot be written.
pub fn document(door: Door, url: &str) -> Outcome<String> {
    build(door, url).to_pretty_json().map_err(|error| Problem::new(Code::Internal, error))
}

fn build(door: Door, url: &str) -> OpenApi {
    let (title, description, paths) = match door {
        Door::Public => (
            "Hefu node: public door",
            "What peers and the world read. The normative text is docs/PROTOCOL.md. Every GET without authentication answers HEAD too.",
            public_door::paths(),
        ),
        Door::Local => (
            "Hefu node: local systems",
            "What programs of the city do with a token (`hefu token new`). Every GET answers HEAD too.",
            local_door::paths(),
        ),
    };
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(license))
        .build();
    let components = parts::schemas(ComponentsBuilder::new(), door);
    let components = match door {
        Door::Local => components.security_scheme(
            "token",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .bearer_format("hefu_ and 72 hexadecimal digits")
                    .description(Some("A token of `hefu token new`; each operation names the action that it needs."))
                    .build(),
            ),
        ),
        Door::Public => components.security_scheme(
            "signature",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "Signature",
                "An RFC 9421 signature with its Signature-Input and, with a body, Content-Digest (docs/PROTOCOL.md, section 7).",
            ))),
        ),
    };
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(url)]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// The document of the local door.
pub(super) async fn local() -> Outcome<HttpResponse> {
    answer(document(Door::Local, "/")?)
}

/// The document of the public door.
pub(super) async fn public(node: web::Data<Node>) -> Outcome<HttpResponse> {
    answer(document(Door::Public, node.config.base_url())?)
}

fn answer(document: String) -> Outcome<HttpResponse> {
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .content_type("application/json")
        .body(document))
}
