//! Who sent a request (protocol §6): an RFC 9421 signature by a request key that stands in the log of a peer that we
//! follow. Checked before a handler sees anything of it.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::store::OriginRow;
use actix_web::HttpRequest;
use hefu_federation::key::Role;
use hefu_federation::request::{Parts, parse};

/// A peer whose signature was verified.
#[derive(Debug, Clone)]
pub(super) struct Requester {
    pub(super) peer: OriginRow,
}

/// Verifies the signature of a request over its whole body.
///
/// # Errors
/// `unauthenticated` or `replayed`; says which check failed, never what was sent.
pub(super) async fn requester(node: &Node, request: &HttpRequest, body: &[u8]) -> Outcome<Requester> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(Code::Unauthenticated, error);
    // The URL is the configured one: a gateway may have rewritten Host and everything around it.
    let prefix = node.origin.as_str().split_once('/').map_or(0, |(_, path)| path.len() + 1);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = format!("{}{}", node.config.base_url(), path.get(prefix..).unwrap_or("/"));
    // A gateway may add a signature of its own: repeated lines are one list (RFC 9110 §5.3), ours is found by its tag.
    let header = |name: &str| {
        let lines: Option<Vec<&str>> = request.headers().get_all(name).map(|value| value.to_str().ok()).collect();
        lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
    };
    let (digest, input, signature) = (header("content-digest"), header("signature-input"), header("signature"));
    let parts = Parts { method: request.method().as_str(), target_uri: &target, body };
    let now = node.clock.now_s();
    let parsed = parse(parts, digest.as_deref(), input.as_deref(), signature.as_deref(), now)
        .map_err(|error| refused(&error))?;
    let unknown = || refused(&"unknown key: this node does not follow the sender");
    let peers = node.peers().await?;
    let peer = peers.into_iter().find(|row| row.did == parsed.key_id.did).ok_or_else(unknown)?;
    let size = node.store.head(peer.no).await?.size;
    if size == 0 {
        return Err(unknown());
    }
    let ring = node.rings.at(node.store.as_ref(), &peer, size).await?;
    let key =
        ring.current(Role::Request, size).filter(|key| key.multikey() == parsed.key_id.multikey).ok_or_else(unknown)?;
    parsed.verify(key).map_err(|error| refused(&error))?;
    // Only a verified request spends its nonce: others cannot fill the table.
    let fresh = node.store.use_nonce(&parsed.key_id.to_string(), &parsed.nonce, parsed.expires, now).await?;
    if fresh { Ok(Requester { peer }) } else { Err(Problem::new(Code::Replayed, "")) }
}
