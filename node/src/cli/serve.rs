//! `hefu serve`.

use super::{Globals, output};
use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use std::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLE: &str = "\
Example:
  hefu --dir km serve

`serve` never creates anything: run `hefu init` first. While it runs, other commands on the same folder go through its
control socket. With `--listener stdin` the listening socket is handed over as standard input (as inetd does with
`wait`), so that a supervisor may choose the port.";

/// Run the node until it is told to stop.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Serve {
    /// Where the listening socket comes from: opened by `listen` of the settings, or handed over as standard input
    #[arg(long, value_name = "SOURCE", default_value = "listen", value_parser = ["listen", "stdin"])]
    listener: String,
    /// Sign although the guard file is missing and no peer answers: only if this folder is certainly the newest
    #[arg(long)]
    confirm_guard: bool,
}

impl Serve {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let node = Node::open(&globals.dir, self.confirm_guard).await?;
        let listener = self.listener(&node)?;
        let address = listener.local_addr().map_err(|error| Problem::new(Code::Configuration, error))?;
        let control = crate::http::control(&node)?;
        let public = crate::http::public(&node, listener)?;
        let local = local(&node)?;
        let mut handles = vec![control.handle(), public.handle()];
        handles.extend(local.iter().map(actix_web::dev::Server::handle));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Problem::new(Code::Internal, error))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Problem::new(Code::Internal, error))?;
        let mut servers = tokio::spawn(async move {
            // Without a door there is nothing to wait for.
            let local = async { if let Some(door) = local { door.await } else { Ok(()) } };
            tokio::try_join!(control, public, local).map(|_| ())
        });
        crate::background::start(&node);
        if let Err(why) = node.sequencer.signing() {
            tracing::error!(why, "serving, but not signing");
        }
        tracing::info!(origin = %node.origin, %address, "serving");
        output::words(
            globals,
            format!("{} 正在服务（{address}）。按 Ctrl-C 停止。", node.config.url),
            format!("{} is serving on {address}. Ctrl-C stops it.", node.config.url),
        );
        let ended = tokio::select! {
            ended = &mut servers => Some(ended),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        futures_util::future::join_all(handles.into_iter().map(|handle| handle.stop(true))).await;
        node.stop().await;
        let _ = std::fs::remove_file(node.folder.control_socket());
        tracing::info!("stopped");
        match ended {
            None => Ok(0),
            Some(ended) => Err(Problem::new(Code::Internal, format!("a server ended by itself: {ended:?}"))),
        }
    }

    fn listener(&self, node: &Node) -> Outcome<TcpListener> {
        let address = node.config.listen;
        let refused = |error: std::io::Error| {
            let why = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("another program listens on {address}: stop it, or change `listen`")
                }
                _ => format!("listen {address}: {error}"),
            };
            Problem::new(Code::Configuration, why)
        };
        let listener = if self.listener == "stdin" {
            use std::os::fd::AsFd;
            TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(refused)?)
        } else {
            TcpListener::bind(address).map_err(refused)?
        };
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(listener)
    }
}

/// The door of local systems, if the settings open one.
fn local(node: &std::sync::Arc<Node>) -> Outcome<Option<actix_web::dev::Server>> {
    let Some(address) = node.config.local else { return Ok(None) };
    let refused = |error: std::io::Error| Problem::new(Code::Configuration, format!("local {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    tracing::info!(%address, "serving local systems");
    crate::http::local(node, listener).map(Some)
}
