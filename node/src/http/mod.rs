//! HTTP is translation: a handler extracts, calls one function, renders. Two doors: the public one for peers and the world
//! (TLS), and the control socket for the people of this node.

mod agreements;
mod auth;
mod control;
mod csv;
mod doctor;
mod identity;
mod inspect;
mod local;
mod log;
mod openapi;
mod query;
mod records;
mod search;
mod tokens;
pub(crate) mod verify;

pub(crate) use csv::REPORT_HEADER;
pub use openapi::{Door, document};
pub(crate) use query::{encoded, push_query};

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, ResponseError, web};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::sync::Arc;

/// Worker threads of the public door.
const WORKERS: usize = 2;
/// Open connections of a worker.
const MAX_CONNECTIONS: usize = 1024;
/// Seconds until an idle connection or a slow head is cut off.
const CLIENT_TIMEOUT_S: u64 = 15;
/// Content type of every error answer (RFC 9457).
const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds for what is under way when the node stops.
const SHUTDOWN_S: u64 = 5;

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.code == Code::TokenRefused {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"hefu\""));
        }
        if self.code == Code::Busy {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.body(self.to_json().to_string())
    }
}

async fn not_found() -> Outcome<HttpResponse> {
    Err(Problem::new(Code::NotFound, ""))
}

/// The public door on an open listener. The returned future ends when the node stops.
///
/// # Errors
/// Certificates do not read; the listener is refused.
pub fn public(node: &Arc<Node>, listener: TcpListener) -> Outcome<actix_web::dev::Server> {
    let data = web::Data::from(node.clone());
    let prefix = node.origin.as_str().split_once('/').map_or(String::new(), |(_, path)| format!("/{path}"));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(hefu_federation::request::MAX_BODY_LEN))
            .wrap(from_fn(drop_unsigned_headers))
            .wrap(from_fn(only_problems))
            .configure(identity::well_known)
            .service(
                web::scope(&prefix).configure(log::routes).configure(identity::routes).configure(agreements::routes),
            )
            .default_service(web::route().to(not_found))
    })
    .workers(WORKERS)
    .max_connections(MAX_CONNECTIONS)
    .client_request_timeout(std::time::Duration::from_secs(CLIENT_TIMEOUT_S))
    .keep_alive(std::time::Duration::from_secs(CLIENT_TIMEOUT_S))
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals();
    let refused = |error: std::io::Error| Problem::new(Code::Configuration, format!("listen: {error}"));
    let server = if node.config.tls.behind_gateway {
        server.listen(listener).map_err(refused)?
    } else {
        server.listen_rustls_0_23(listener, tls(node)?).map_err(refused)?
    };
    Ok(server.run())
}

/// The door of local systems, on an open listener: token by token, apart from the public one, so that no peer's request is
/// ever read for a token and no token opens a peer's resource.
///
/// # Errors
/// Certificates do not read; the listener is refused.
pub fn local(node: &Arc<Node>, listener: TcpListener) -> Outcome<actix_web::dev::Server> {
    let data = web::Data::from(node.clone());
    let refused = |error: std::io::Error| Problem::new(Code::Configuration, format!("local: {error}"));
    let loopback = listener.local_addr().map_err(refused)?.ip().is_loopback();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(local::MAX_BODY_LEN))
            .wrap(from_fn(only_problems))
            .configure(local::routes)
            .default_service(web::route().to(not_found))
    })
    .workers(WORKERS)
    .max_connections(MAX_CONNECTIONS)
    .client_request_timeout(std::time::Duration::from_secs(CLIENT_TIMEOUT_S))
    .keep_alive(std::time::Duration::from_secs(CLIENT_TIMEOUT_S))
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals();
    let server = if loopback || node.config.tls.behind_gateway {
        server.listen(listener).map_err(refused)?
    } else {
        server.listen_rustls_0_23(listener, tls(node)?).map_err(refused)?
    };
    Ok(server.run())
}

/// The control socket.
///
/// # Errors
/// The socket cannot be made.
pub fn control(node: &Arc<Node>) -> Outcome<actix_web::dev::Server> {
    use std::os::unix::fs::PermissionsExt;
    let path = node.folder.control_socket();
    let refused = |error: std::io::Error| Problem::new(Code::Configuration, format!("{}: {error}", path.display()));
    // The lock is ours, so a socket that lies here is what a killed process left.
    if path.exists() {
        std::fs::remove_file(&path).map_err(refused)?;
    }
    let data = web::Data::from(node.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(control::MAX_BODY_LEN))
            .wrap(from_fn(only_problems))
            .configure(control::routes)
            .configure(verify::routes)
            .configure(doctor::routes)
            .configure(records::routes)
            .configure(csv::routes)
            .configure(inspect::routes)
            .configure(search::routes)
            .configure(tokens::routes)
            .default_service(web::route().to(not_found))
    })
    .workers(1)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .bind_uds(&path)
    .map_err(refused)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
    Ok(server.run())
}

/// TLS 1.3 with the configured certificate.
fn tls(node: &Node) -> Outcome<rustls::ServerConfig> {
    let settings = &node.config.tls;
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
        return Err(Problem::new(
            Code::Configuration,
            "tls: set certificate and key, or behind_gateway = true when a gateway terminates TLS",
        ));
    };
    let unusable = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        Problem::new(Code::Configuration, format!("tls: {}: {error}", path.display()))
    };
    let chain_path = node.folder.path().join(certificate);
    let chain = CertificateDer::pem_file_iter(&chain_path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&chain_path, &error))?;
    let key_path = node.folder.path().join(key);
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| unusable(&key_path, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Problem::new(Code::Internal, error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&chain_path, &error))
}

/// Headers that no signature covers never reach a handler: nothing may depend on what a gateway or an attacker adds.
async fn drop_unsigned_headers(
    mut request: actix_web::dev::ServiceRequest,
    next: actix_web::middleware::Next<impl actix_web::body::MessageBody + 'static>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, actix_web::Error> {
    const KEPT: [&str; 5] = ["content-digest", "signature-input", "signature", "content-length", "transfer-encoding"];
    let names: Vec<header::HeaderName> = request.headers().keys().cloned().collect();
    for name in names.iter().filter(|name| !KEPT.contains(&name.as_str())) {
        request.headers_mut().remove(name);
    }
    next.call(request).await
}

/// Every error answer is a problem document, also those that the framework makes: a bad query, a body over the limit.
async fn only_problems(
    request: actix_web::dev::ServiceRequest,
    next: actix_web::middleware::Next<impl actix_web::body::MessageBody + 'static>,
) -> Result<actix_web::dev::ServiceResponse<BoxBody>, actix_web::Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    if is_problem || !(response.status().is_client_error() || response.status().is_server_error()) {
        return Ok(response);
    }
    let problem = match response.status() {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, ""),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed, ""),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, "the body is over the limit"),
        status if status.is_client_error() => Problem::new(Code::BadRequest, status),
        status => Problem::new(Code::Internal, status),
    };
    let (request, response) = response.into_parts();
    let mut answer = problem.error_response();
    // RFC 9110 §15.5.6: a 405 names the methods that are allowed.
    if let Some(allow) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    Ok(actix_web::dev::ServiceResponse::new(request, answer))
}

/// A JSON answer that nobody may keep.
fn json(value: &impl serde::Serialize) -> Outcome<HttpResponse> {
    let body = serde_json::to_vec(value).map_err(|error| Problem::new(Code::Internal, error))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(body))
}

/// The parameters of a query; what does not read is a problem that names the parameter and quotes nothing.
struct Parameters<T>(T);

impl<T> std::ops::Deref for Parameters<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: serde::de::DeserializeOwned> actix_web::FromRequest for Parameters<T> {
    type Error = Problem;
    type Future = std::future::Ready<Outcome<Self>>;

    fn from_request(request: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let read = web::Query::<T>::from_query(request.query_string());
        let wrong = |_| Problem::new(Code::BadRequest, "query: a parameter is unknown, given twice or not in its form");
        std::future::ready(read.map(|query| Self(query.into_inner())).map_err(wrong))
    }
}

/// The same within a scope: what is out of it looks like unknown.
fn agreement_within(node: &Node, id: &str, scope: &crate::token::Scope) -> Outcome<Arc<crate::registry::Known>> {
    let known = agreement(node, id)?;
    if scope.covers(known.document.id) { Ok(known) } else { Err(Problem::new(Code::UnknownAgreement, "")) }
}

/// The sub-resource of a path that ends in an agreement's UUID.
fn agreement(node: &Node, id: &str) -> Outcome<Arc<crate::registry::Known>> {
    let unknown = || Problem::new(Code::UnknownAgreement, "");
    let id = hefu_schemas::id::AgreementId::parse(&format!("urn:uuid:{}", id.trim_start_matches("urn:uuid:")))
        .map_err(|_| unknown())?;
    node.registry.by_id(id).ok_or_else(unknown)
}
