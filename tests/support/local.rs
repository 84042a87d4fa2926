//! The door of local systems, opened beside a test's node.

use crate::http::Answer;
use crate::node::TestNode;
use actix_web::dev::ServerHandle;
use hefu_node::clock::random;
use hefu_node::store::TokenRow;
use hefu_node::token::{Action, Token};
use hefu_schemas::id::AgreementId;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use std::net::TcpListener;

/// An open door.
pub struct LocalDoor {
    /// Where it is.
    pub url: String,
    handle: ServerHandle,
    client: reqwest::Client,
}

impl std::fmt::Debug for LocalDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalDoor({})", self.url)
    }
}

impl LocalDoor {
    /// Opens the door of a running node on a free port of loopback.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(node: &TestNode) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener for the runtime");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let door = hefu_node::http::local(node.node(), listener).expect("an open door");
        let handle = door.handle();
        tokio::spawn(door);
        Self { url, handle, client: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    /// A request with a token.
    pub fn request(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }

    /// A request without one.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).headers(HeaderMap::new())
    }

    /// Reads a resource.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        Answer::read(self.request(token, Method::GET, path).send().await.expect("an answer")).await
    }

    /// Sends a body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, token: &str, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(token, Method::POST, path).header("content-type", kind).body(body);
        Answer::read(request.send().await.expect("an answer")).await
    }

    /// Closes it.
    pub async fn close(self) {
        self.handle.stop(false).await;
    }
}

/// A token that is good for an hour.
///
/// # Panics
/// When the store fails.
pub async fn token(node: &TestNode, actions: &[Action], agreements: Option<&[AgreementId]>) -> String {
    let (token, now) = (Token::of(&random()), node.clock().now_ms());
    let row = TokenRow {
        no: 0,
        name: "test".to_owned(),
        actions: actions.to_vec(),
        agreements: agreements.map(<[AgreementId]>::to_vec),
        created_ms: now,
        expires_ms: now + 3_600_000,
        revoked_ms: None,
        used_ms: None,
    };
    node.node().store.add_token(&token.hash(), &row).await.expect("a stored token");
    token.expose().to_owned()
}
