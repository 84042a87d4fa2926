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
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

/// What a command waits, once, for another one that holds the folder.
const MOMENT: Duration = Duration::from_millis(300);
/// Until a connection that was made before the socket went is surely accepted.
const ACCEPTED: Duration = Duration::from_millis(5);

/// A way to the node. Drop it through [`Control::close`].
pub(super) struct Control {
    http: reqwest::Client,
    dir: PathBuf,
    /// The node that this command opened, with its socket server: at once, or when whoever answered before has ended.
    own: OnceCell<(Arc<Node>, ServerHandle)>,
}

impl Control {
    /// Connects to the serving node, or opens the folder.
    pub(super) async fn open(globals: &Globals) -> Outcome<Self> {
        let control = Self::to(globals)?;
        control.reach().await?;
        Ok(control)
    }

    fn to(globals: &Globals) -> Outcome<Self> {
        Ok(Self { http: http(&socket(&globals.dir))?, dir: globals.dir.clone(), own: OnceCell::new() })
    }

    /// Sees to it that somebody answers on the socket. Another command has it for a moment only: it is waited for once.
    async fn reach(&self) -> Outcome<()> {
        match self.reach_now().await {
            Err(problem) if problem.code == Code::Locked => {
                tokio::time::sleep(MOMENT).await;
                self.reach_now().await
            }
            reached => reached,
        }
    }

    async fn reach_now(&self) -> Outcome<()> {
        if UnixStream::connect(socket(&self.dir)).await.is_ok() {
            return Ok(());
        }
        self.own.get_or_try_init(|| serve(&self.dir)).await.map(|_| ())
    }

    /// Connects to the serving node, if one serves.
    pub(super) async fn of_serving(globals: &Globals) -> Outcome<Option<Self>> {
        if UnixStream::connect(socket(&globals.dir)).await.is_err() {
            return Ok(None);
        }
        Self::to(globals).map(Some)
    }

    /// Ends the node that this command opened.
    pub(super) async fn close(self) {
        if let Some((node, handle)) = self.own.into_inner() {
            // Another command that comes from here on finds nobody, and waits for the lock; one that has come is answered.
            let _ = std::fs::remove_file(node.folder.control_socket());
            tokio::time::sleep(ACCEPTED).await;
            handle.stop(true).await;
            node.stop().await;
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

    /// Sends; an error answer becomes its problem. The command that had the socket may have ended since [`Self::open`]: what did
    /// not reach it, or changes nothing, is sent once more.
    pub(super) async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let (http, request) = request.build_split();
        let request = request.map_err(gone)?;
        let (reads, again) = (request.method() == Method::GET, request.try_clone());
        let sent = match (http.execute(request).await, again) {
            (Err(error), Some(again)) if self.own.get().is_none() && (error.is_connect() || reads) => {
                self.reach().await?;
                http.execute(again).await
            }
            (sent, _) => sent,
        };
        let response = sent.map_err(gone)?;
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

fn socket(dir: &Path) -> PathBuf {
    crate::folder::Folder::new(dir).control_socket()
}

/// Opens the folder and answers on its socket.
async fn serve(dir: &Path) -> Outcome<(Arc<Node>, ServerHandle)> {
    let node = Node::open(dir, false).await?;
    let server = crate::http::control(&node)?;
    let handle = server.handle();
    tokio::spawn(server);
    Ok((node, handle))
}

fn http(socket: &Path) -> Outcome<reqwest::Client> {
    // reqwest asks for a provider even where no TLS is spoken; a second installation is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        // No certificate is ever looked at: reading those of the system takes longer than most commands.
        .tls_certs_only([])
        .unix_socket(socket)
        .no_proxy()
        .build()
        .map_err(|error| Problem::new(Code::Internal, error))
}

fn gone(error: reqwest::Error) -> Problem {
    if error.is_connect() {
        return Problem::new(Code::Locked, "another command that held it has just ended: give this one again");
    }
    Problem::new(Code::Unavailable, format!("control socket: {}", error.without_url()))
}
