//! Exchange of agreements between nodes (protocol §7): documents, detached proofs and sealed linkages of the agreements in
//! which both are named; and the acts that follow from them.

use crate::Node;
use crate::client::Client;
use crate::group;
use crate::problem::{Code, Outcome, Problem};
use crate::propose::only_version;
use crate::registry::Known;
use crate::sequencer::NewAct;
use crate::store::{OWN, OriginRow};
use hefu_federation::entry::Act;
use hefu_federation::key::Role;
use hefu_federation::linkage::{Linkage, SealedLinkage};
use hefu_federation::proof::verify_detached;
use hefu_federation::trust::KeyRing;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::id::{Did, Digest, Origin};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cmp::Reverse;
use std::sync::Arc;

/// Longest list of offers, bytes.
const MAX_OFFERS_LEN: usize = 8 * 1024 * 1024;
/// Most agreements of one list.
pub const MAX_OFFERS: usize = 64;
/// Most agreements that a party has signed and we have not: what it offers beyond them waits until one is signed or over. One list
/// is compared with what was known before it: [`MAX_OFFERS`] less one can come to be over it.
pub const MAX_UNSIGNED: usize = 64;
/// Most of them with those that are over: what is kept is not taken away.
pub const MAX_LEFT: usize = 1024;

/// One agreement as a node serves it to a party.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The canonical document.
    pub document: Box<RawValue>,
    /// Proofs that the serving node has verified, by origin.
    pub proofs: Vec<OfferedProof>,
    /// The linkage, sealed for the requester; by the initiator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkage: Option<SealedLinkage>,
}

/// One detached proof.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedProof {
    /// Whose.
    pub party: String,
    /// The proof object.
    pub proof: Box<RawValue>,
}

/// What we serve to a peer: the agreements that name it, with the proofs verified so far.
///
/// # Errors
/// The store fails.
pub async fn offers(node: &Node, to: &Did) -> Outcome<Vec<Offer>> {
    let damaged = || Problem::new(Code::Damaged, "agreement document");
    let raw = |bytes: &[u8]| -> Outcome<Box<RawValue>> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| damaged())?;
        RawValue::from_string(text).map_err(|_| damaged())
    };
    let mut offers = Vec::new();
    let snapshot = node.registry.snapshot();
    let names = |known: &&Arc<Known>| known.document.parties.iter().any(|party| party.did == *to);
    let mut all: Vec<&Arc<Known>> = snapshot.iter().filter(names).collect();
    // What others have offered to both of us, or is over, keeps nothing of ours out of the list.
    all.sort_by_cached_key(|known| {
        (is_over(node, &known.document), !known.acts.contains_key(&node.origin), Reverse(known.no))
    });
    for known in all.into_iter().take(MAX_OFFERS) {
        let sealed = node.store.sealed(known.no, known.document.terms.linkage_epoch, to).await?;
        let mut proofs = Vec::new();
        for (party, proof) in &known.proofs {
            proofs.push(OfferedProof { party: party.to_string(), proof: raw(proof)? });
        }
        let linkage = sealed.and_then(|sealed| serde_json::from_slice(&sealed).ok());
        offers.push(Offer { document: raw(known.document.bytes())?, proofs, linkage });
    }
    Ok(offers)
}

/// Fetches a peer's offers, keeps what verifies, and opens what all parties have signed.
///
/// # Errors
/// The peer cannot be reached or sends malformed offers.
pub async fn agreements(node: &Arc<Node>, peer: &OriginRow, ring: &KeyRing, client: &Client) -> Outcome<()> {
    let answer = match client.fetch_signed("v1/agreements", MAX_OFFERS_LEN).await {
        // A peer that does not follow us yet cannot know our key: its log is public all the same.
        Err(problem)
            if problem.extra.get("peerCode").and_then(|code| code.as_str()) == Some(Code::Unauthenticated.as_str()) =>
        {
            tracing::info!(origin = %peer.origin, "the peer does not accept our requests yet: it must add this node as a peer");
            return Ok(());
        }
        other => other?,
    };
    let misbehaved = |why: String| Problem::new(Code::PeerMisbehaved, format!("{}: {why}", peer.origin));
    let answer = answer.ok_or_else(|| misbehaved("v1/agreements is missing".to_owned()))?;
    let offers: Vec<Offer> =
        serde_json::from_slice(&answer).map_err(|error| misbehaved(format!("agreements: {error}")))?;
    let mut changed = false;
    for offer in offers.iter().take(MAX_OFFERS) {
        match accept(node, peer, ring, offer).await {
            Ok(new) => changed |= new,
            // One bad offer does not hide the others.
            Err(problem) => {
                tracing::warn!(origin = %peer.origin, detail = %problem.detail, "an offered agreement was refused")
            }
        }
    }
    if changed {
        node.registry.reload(node.store.as_ref()).await?;
    }
    advance(node).await
}

/// Verifies and stores one offer; whether anything is new.
async fn accept(node: &Arc<Node>, peer: &OriginRow, ring: &KeyRing, offer: &Offer) -> Outcome<bool> {
    let refused = |why: &dyn std::fmt::Display| Problem::new(Code::InvalidAgreement, why);
    let document = Agreement::read(offer.document.get().as_bytes()).map_err(|error| refused(&error))?;
    let names = |origin: &Origin| document.party(origin).is_some();
    if !names(&node.origin) || !names(&peer.origin) {
        return Err(refused(&"it does not name both of us"));
    }
    only_version(&document)?;
    for party in &document.parties {
        let known = node.store.origins().await?.into_iter().find(|row| row.origin == party.origin);
        if known.is_some_and(|row| Digest(row.fingerprint.0) != party.fingerprint) {
            return Err(refused(&format!(
                "the fingerprint of {} differs from the one that was compared",
                party.origin
            )));
        }
    }
    let held = node.registry.by_digest(&document.digest);
    let has_linkage = held.as_ref().is_some_and(|known| known.linkage.is_some());
    let sealed = offer.linkage.as_ref().filter(|_| !has_linkage);
    let linkage = sealed.map(|sealed| open_linkage(node, &document, sealed)).transpose()?;
    let mut proofs = Vec::new();
    for offered in &offer.proofs {
        proofs.extend(verify_proof(node, peer, ring, &document, held.as_deref(), offered).await?);
    }
    if let Some(linkage) = &linkage {
        alone_in_its_agreement(node, &document, linkage)?;
    }
    if held.is_none() {
        new_document(node, &document, &proofs).await?;
    }
    // From here on everything is verified; a crash between two of these is mended by the next round.
    let (id, version, now) = (document.id, document.version, node.clock.now_ms());
    let no = node.store.add_document(id, version, &document.digest, document.bytes(), now).await?;
    if let Some(linkage) = &linkage {
        node.store.add_linkage(no, linkage.epoch(), &linkage.expose()).await?;
    }
    for (party, proof) in &proofs {
        node.store.add_proof(&document.digest, party, proof).await?;
    }
    Ok(held.is_none() || linkage.is_some() || !proofs.is_empty())
}

/// Whether a document may be stored that is not known yet.
async fn new_document(node: &Node, document: &Agreement, proofs: &[(Origin, Vec<u8>)]) -> Outcome<()> {
    let refused = |why: &str| Problem::new(Code::InvalidAgreement, why);
    // A document that nobody has signed must not take the place of the one that is signed later.
    if proofs.is_empty() {
        return Err(refused("no party that this node follows has signed it"));
    }
    // What our log says that we signed comes back to whoever has lost it, whenever that is.
    if !node.store.acts(&document.digest, OWN, 1).await?.is_empty() {
        return Ok(());
    }
    if is_over(node, document) {
        return Err(refused("its last day has passed, and this node has not signed it"));
    }
    let snapshot = node.registry.snapshot();
    let room = |signer: &Origin| {
        let signed = |known: &&Arc<Known>| known.proofs.iter().any(|(party, _)| party == signer);
        let left = snapshot.iter().filter(signed).filter(|known| !known.acts.contains_key(&node.origin));
        let open = left.clone().filter(|known| !is_over(node, &known.document)).count();
        open < MAX_UNSIGNED && left.count() < MAX_LEFT
    };
    // Of several who have signed it one with room is enough: no party uses up that of another one.
    let has_room = proofs.iter().any(|(signer, _)| room(signer));
    has_room.then_some(()).ok_or_else(|| refused("too many agreements of this party wait for our signature"))
}

fn is_over(node: &Node, document: &Agreement) -> bool {
    document.valid_to < node.clock.today(&document.terms.time_zone)
}

/// Labels tell the agreements of records apart, and references of one agreement say nothing in another: no two that we sign have a
/// secret in common. What we have not signed stands in nobody's way.
///
/// # Errors
/// `invalid-agreement`.
pub(crate) fn alone_in_its_agreement(node: &Node, document: &Agreement, linkage: &Linkage) -> Outcome<()> {
    let same = |known: &Arc<Known>| {
        let is_another = known.document.id != document.id && known.acts.contains_key(&node.origin);
        let other = known.linkage.as_ref().filter(|_| is_another);
        other.is_some_and(|other| other.shares_with(linkage))
    };
    if node.registry.snapshot().iter().any(same) {
        return Err(Problem::new(Code::InvalidAgreement, "its linkage shares a secret with that of another agreement"));
    }
    Ok(())
}

fn open_linkage(node: &Node, document: &Agreement, sealed: &SealedLinkage) -> Outcome<Linkage> {
    let terms = &document.terms;
    let (epoch, commitment) = (terms.linkage_epoch, &terms.linkage_commitment);
    Linkage::open(sealed, document.id, epoch, &node.did, &node.keys.seal, commitment)
        .map_err(|error| Problem::new(Code::InvalidAgreement, error))
}

/// A proof counts when it verifies under the party's record key; of a party that we do not follow it cannot be verified yet.
/// `None` too when there is nothing new in it.
async fn verify_proof(
    node: &Arc<Node>,
    peer: &OriginRow,
    ring: &KeyRing,
    document: &Agreement,
    held: Option<&Known>,
    offered: &OfferedProof,
) -> Outcome<Option<(Origin, Vec<u8>)>> {
    let unnamed = |error| Problem::new(Code::InvalidAgreement, format!("proof of a party: {error}"));
    let origin = Origin::parse(&offered.party).map_err(unnamed)?;
    let refused =
        |why: &dyn std::fmt::Display| Problem::new(Code::InvalidAgreement, format!("proof of {origin}: {why}"));
    let already = held.is_some_and(|known| known.proofs.iter().any(|(party, _)| *party == origin));
    let Some(party) = document.party(&origin) else { return Err(refused(&"not a party")) };
    if already || origin == node.origin {
        return Ok(None);
    }
    let others;
    let ring = if origin == peer.origin {
        ring
    } else {
        let rows = node.store.origins().await?;
        let Some(row) = rows.iter().find(|row| row.origin == origin) else { return Ok(None) };
        let size = node.store.head(row.no).await?.size;
        if size == 0 {
            return Ok(None);
        }
        others = node.rings.at(node.store.as_ref(), row, size).await?;
        &others
    };
    let proof = offered.proof.get().as_bytes();
    verify_detached(document.bytes(), proof, party.did.as_str(), |key_id| {
        ring.keys()
            .find(|(role, key, _)| *role == Role::Record && key.multikey() == key_id.multikey)
            .map(|(_, key, _)| key.clone())
    })
    .map_err(|error| refused(&error))?;
    Ok(Some((origin, proof.to_vec())))
}

/// Appends `open` to the own log for every agreement that all parties have signed.
///
/// # Errors
/// The sequencer does not sign; the store fails.
pub async fn advance(node: &Arc<Node>) -> Outcome<()> {
    let may_open = |known: &Known| known.linkage.is_some() && known.standing().may_open(&node.origin);
    if !node.registry.snapshot().iter().any(|known| may_open(known)) {
        return Ok(());
    }
    let _one_at_a_time = node.acting.lock().await;
    let claim = group::to_open(node).await?;
    // Another task or server may have opened it since.
    node.registry.reload(node.store.as_ref()).await?;
    for known in node.registry.snapshot().iter() {
        if may_open(known) {
            let act = NewAct { digest: known.document.digest, act: Act::Open, on: None };
            node.sequencer.append_act(act).await.inspect_err(|_| node.registry.doubt())?;
            node.registry.reload(node.store.as_ref()).await?;
        }
    }
    if let Some(claim) = claim {
        claim.give_back().await;
    }
    Ok(())
}
