//! A plain HTTP client: what anybody could send, and what a peer would sign.

use crate::certificate::certificates;
use crate::node::TestNode;
use hefu_federation::request::{Parts, sign};
use hefu_node::clock::random;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response whole.
    ///
    /// # Panics
    /// When it breaks off.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("a whole answer").to_vec();
        Self { status, headers, body }
    }

    /// A header, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The stable code of a problem, after checking that the answer is one as of RFC 9457.
    ///
    /// # Panics
    /// When it is not.
    pub fn problem(&self) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.header("content-type"), "application/problem+json", "{}: {text}", self.status);
        let body = self.json();
        for name in ["type", "title", "titleZh", "detail", "hint", "hintZh"] {
            assert!(body.get(name).is_some_and(Value::is_string), "{name} in {text}");
        }
        assert_eq!(body.get("status"), Some(&Value::from(self.status.as_u16())), "{text}");
        body.get("code").and_then(Value::as_str).expect("a code").to_owned()
    }
}

/// A client that trusts the tests' authority alone.
///
/// # Panics
/// When it cannot be made.
pub fn client() -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(certificates().ca.as_bytes()).expect("a PEM certificate");
    roots.add(ca).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// A client of a control socket; the host of its URLs is of no meaning.
///
/// # Panics
/// When it cannot be made.
pub fn control_client(socket: &Path) -> reqwest::Client {
    // reqwest asks for a provider even where no TLS is spoken; a second installation is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().unix_socket(socket).no_proxy().build().expect("a client")
}

/// Fetches a public resource.
///
/// # Panics
/// When there is no answer.
pub async fn get(node: &TestNode, path: &str) -> Answer {
    let response = client().get(format!("{}{path}", node.url)).send().await.expect("an answer");
    Answer::read(response).await
}

/// Sends to the control socket.
///
/// # Panics
/// When there is no answer.
pub async fn control(node: &TestNode, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let client = control_client(&node.node().folder.control_socket());
    let request = client.request(method, format!("http://control{path}")).body(body);
    Answer::read(request.send().await.expect("an answer")).await
}

/// A request that can be bent before it is sent.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Method that is sent.
    pub method: Method,
    /// URL that is sent.
    pub url: String,
    /// Body that is sent.
    pub body: Vec<u8>,
    /// Headers that are sent.
    pub headers: HeaderMap,
}

impl Signed {
    /// A request of `from` to `to`, signed now, good as it is.
    pub fn new(from: &TestNode, to: &TestNode, method: Method, path: &str, body: &[u8]) -> Self {
        Self::made_at(from, to, (method, path, body), from.clock().now_s())
    }

    /// The same, signed at a time (UTC seconds).
    pub fn made_at(from: &TestNode, to: &TestNode, (method, path, body): (Method, &str, &[u8]), at: i64) -> Self {
        let node = from.node();
        let url = format!("{}{path}", to.url);
        let parts = Parts { method: method.as_str(), target_uri: &url, body };
        let signed = sign(parts, &node.keys.request_id(&node.did), &node.keys.request, at, &random());
        let mut request = Self { method, url, body: body.to_vec(), headers: HeaderMap::new() };
        request.set("signature-input", &signed.signature_input);
        request.set("signature", &signed.signature);
        if let Some(digest) = &signed.content_digest {
            request.set("content-digest", digest);
        }
        request
    }

    /// Sets a header.
    ///
    /// # Panics
    /// When it cannot be one.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self) -> Answer {
        let request =
            client().request(self.method.clone(), &self.url).headers(self.headers.clone()).body(self.body.clone());
        Answer::read(request.send().await.expect("an answer")).await
    }
}
