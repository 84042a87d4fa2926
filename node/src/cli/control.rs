//! Talking to the node: through the control socket of the serving process, or, when nothing serves, through a node that this
//! command opens for itself under the folder's lock. Both are the same requests.

use super::Globals;
use crate::Node;
pub(super) use crate::http::{encoded, push_query};
use crate::problem::{Code, Outcome, Problem};
use actix_web::dev::ServerHandle;
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use std::sync::Arc;

/// A way to the node. Drop it through [`Control::close`].
pub(super) struct Control {
    http: reqwest::Client,
    /// The node that this command opened, with its socket server.
    own: Option<(Arc<Node>, ServerHandle)>,
}

impl Control {
    /// Connects to the serving node, or opens the folder.
    pub(super) async fn open(globals: &Globals) -> Outcome<Self> {
        let socket = globals.dir.join("control.sock");
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Ok(Self { http: http(&socket)?, own: None });
        }
        let node = Node::open(&globals.dir, false).await?;
        let server = crate::http::control(&node)?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { http: http(&socket)?, own: Some((node, handle)) })
    }

    /// Connects to the serving node, if one serves.
    pub(super) async fn of_serving(globals: &Globals) -> Outcome<Option<Self>> {
        let socket = globals.dir.join("control.sock");
        if tokio::net::UnixStream::connect(&socket).await.is_err() {
            return Ok(None);
        }
        Ok(Some(Self { http: http(&socket)?, own: None }))
    }

    /// Ends the node that this command opened.
    pub(super) async fn close(self) {
        if let Some((node, handle)) = self.own {
            handle.stop(true).await;
            node.stop().await;
            let _ = std::fs::remove_file(node.folder.control_socket());
        }
    }

    /// A request; the host name is of no meaning on a socket.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://control{path}"))
    }

    /// Sends and reads a JSON answer.
    pub(super) async fn json(&self, request: RequestBuilder) -> Outcome<Value> {
        let bytes = self.bytes(request).await?;
        serde_json::from_slice(&bytes).map_err(|error| Problem::new(Code::Internal, format!("answer: {error}")))
    }

    /// Sends and reads the whole answer.
    pub(super) async fn bytes(&self, request: RequestBuilder) -> Outcome<Bytes> {
        self.send(request).await?.bytes().await.map_err(gone)
    }

    /// Sends; an error answer becomes its problem.
    pub(super) async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let response = request.send().await.map_err(gone)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(gone)?;
        let problem = serde_json::from_slice(&body).ok().and_then(|body| Problem::from_json(&body));
        Err(problem.unwrap_or_else(|| Problem::new(Code::Internal, format!("the node answered {status}"))))
    }

    /// `GET` of a JSON resource.
    pub(super) async fn get(&self, path: &str) -> Outcome<Value> {
        self.json(self.request(Method::GET, path)).await
    }

    /// `POST` of a JSON body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.json(self.request(Method::POST, path).json(body)).await
    }
}

/// Runs one exchange with the node and closes it, whatever comes of it.
pub(super) async fn with<T>(globals: &Globals, work: impl AsyncFnOnce(&Control) -> Outcome<T>) -> Outcome<T> {
    let control = Control::open(globals).await?;
    let result = work(&control).await;
    control.close().await;
    result
}

fn http(socket: &std::path::Path) -> Outcome<reqwest::Client> {
    // reqwest asks for a provider even where no TLS is spoken; a second installation is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .build()
        .map_err(|error| Problem::new(Code::Internal, error))
}

fn gone(error: reqwest::Error) -> Problem {
    Problem::new(Code::Unavailable, format!("control socket: {}", error.without_url()))
}
