//! A peer that lies: a TLS gateway in front of a real node, which hands on its answers, except those that it alters.

use super::world::{certificate, client};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Zeros without end behind the body.
    pub(crate) endless: bool,
    /// The body comes byte by byte, with so much time between two.
    pub(crate) drip: Option<Duration>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), endless: false, drip: None }
    }

    pub(crate) fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// Turns a true answer to a request for a path (with its query) into the one that is sent.
pub(crate) type Lie = Arc<dyn Fn(&str, Answer) -> Answer + Send + Sync>;

struct State {
    client: reqwest::Client,
    upstream: u16,
    lie: Mutex<Option<Lie>>,
    asked: Mutex<Vec<String>>,
}

/// The gateway.
pub(crate) struct Liar(Arc<State>);

impl Liar {
    /// Stands on a listener, in front of the node that listens in plain HTTP on a port.
    pub(crate) fn start(listener: TcpListener, upstream: u16) -> Self {
        let state = Arc::new(State { client: client(), upstream, lie: Mutex::new(None), asked: Mutex::default() });
        let data = web::Data::from(state.clone());
        listener.set_nonblocking(true).unwrap();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(1 << 20))
                .default_service(web::route().to(hand_on))
        });
        tokio::spawn(server.workers(1).disable_signals().listen_rustls_0_23(listener, tls()).unwrap().run());
        Self(state)
    }

    /// Tells this from now on.
    pub(crate) fn lie(&self, lie: impl Fn(&str, Answer) -> Answer + Send + Sync + 'static) {
        self.set(Some(Arc::new(lie)));
    }

    pub(crate) fn set(&self, lie: Option<Lie>) {
        *self.0.lie.lock().unwrap() = lie;
        self.0.asked.lock().unwrap().clear();
    }

    /// Tells the truth from now on.
    pub(crate) fn be_honest(&self) {
        self.set(None);
    }

    /// The paths asked for since the last change, with their queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }
}

fn tls() -> rustls::ServerConfig {
    let (chain, key) = certificate();
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap()
}

async fn hand_on(state: web::Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    state.asked.lock().unwrap().push(path.clone());
    let answer = truth(&state, &request, &path, body).await;
    let lie = state.lie.lock().unwrap().clone();
    let answer = match lie {
        Some(lie) => lie(&path, answer),
        None => answer,
    };
    let mut response = HttpResponse::build(actix_web::http::StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    if let Some(pause) = answer.drip {
        let bytes = futures_util::stream::iter(answer.body);
        let dripping = futures_util::StreamExt::then(bytes, move |byte| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![byte]))
        });
        return response.streaming(Box::pin(dripping));
    }
    if !answer.endless {
        return response.body(answer.body);
    }
    let zeros = Bytes::from(vec![0; 1 << 16]);
    let first = futures_util::stream::once(std::future::ready(Ok::<_, std::io::Error>(Bytes::from(answer.body))));
    let rest = futures_util::stream::unfold(zeros, |zeros| async move { Some((Ok(zeros.clone()), zeros)) });
    response.streaming(Box::pin(futures_util::StreamExt::chain(first, rest)))
}

async fn truth(state: &State, request: &HttpRequest, path: &str, body: Bytes) -> Answer {
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut sent = state.client.request(method, format!("http://127.0.0.1:{}{path}", state.upstream)).body(body);
    for name in ["content-digest", "signature-input", "signature", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            sent = sent.header(name, value.as_bytes());
        }
    }
    let Ok(answer) = sent.send().await else { return Answer::new(502, "the node behind is away") };
    let header = |name: &str| Some((name.to_owned(), answer.headers().get(name)?.to_str().ok()?.to_owned()));
    let headers =
        ["content-type", "content-encoding", "cache-control"].iter().filter_map(|name| header(name)).collect();
    let status = answer.status().as_u16();
    Answer { status, headers, body: answer.bytes().await.unwrap().to_vec(), endless: false, drip: None }
}
