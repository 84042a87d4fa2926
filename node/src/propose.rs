//! Proposing and signing agreements: the node fills in what a person should not have to copy (ids, fingerprints, schema
//! digests, linkage), and each signature is an entry in the own log and a detached proof.

use crate::Node;
use crate::clock::random;
use crate::exchange::{advance, alone_in_its_agreement};
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Known;
use crate::ring::ring_of;
use crate::sequencer::NewAct;
use crate::store::{AgreementNo, OWN, OriginRow};
use hefu_federation::entry::Act;
use hefu_federation::linkage::Linkage;
use hefu_federation::proof::sign_detached;
use hefu_schemas::agreement::{Agreement, AgreementError};
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest};
use hefu_schemas::released::released_schema;
use hefu_schemas::validate::SchemaName;
use serde_json::{Value, json};
use std::sync::Arc;

/// The one version of an agreement that this program takes. The newest version of an id is the one that counts, so a later one that a
/// single party has signed would stand in the way of the one that all have signed.
pub const VERSION: u32 = 1;
/// Longest `/.well-known/hefu`, bytes.
const MAX_WELL_KNOWN_LEN: usize = 16 * 1024;

/// Completes a proposal, stores it, seals its linkage for every party and signs it.
///
/// # Errors
/// `invalid-agreement` with the violations; a party that is not followed.
pub async fn propose(node: &Arc<Node>, mut draft: Value) -> Outcome<Arc<Known>> {
    let linkage = Linkage::new(1, random(), random());
    let id = node.clock.agreement_id();
    complete(node, &mut draft, id, &linkage).await?;
    let bytes = canonical::write(&draft).map_err(|error| Problem::new(Code::InvalidAgreement, error))?;
    let document = Agreement::read(&bytes).map_err(|error| invalid(&error))?;
    if document.party(&node.origin).is_none() {
        return Err(Problem::new(
            Code::InvalidAgreement,
            format!("parties: this node ({}) is not among them", node.origin),
        ));
    }
    only_version(&document)?;
    let now = node.clock.now_ms();
    let no = node.store.add_document(document.id, document.version, &document.digest, document.bytes(), now).await?;
    node.store.add_linkage(no, linkage.epoch(), &linkage.expose()).await?;
    seal_for_all(node, &document, no, &linkage).await?;
    sign_document(node, &document).await?;
    node.registry
        .by_digest(&document.digest)
        .ok_or_else(|| Problem::new(Code::Internal, "the agreement is not in the registry"))
}

/// Refuses any version but [`VERSION`].
pub(crate) fn only_version(document: &Agreement) -> Outcome<()> {
    if document.version == VERSION {
        return Ok(());
    }
    let detail = format!(
        "version {}: later versions of an agreement are not supported yet; end this one and propose another, with an id of its own",
        document.version
    );
    Err(Problem::new(Code::InvalidAgreement, detail))
}

/// Signs an agreement that was proposed to us.
///
/// # Errors
/// It is unknown, its linkage has not arrived, or the node does not sign.
pub async fn sign(node: &Arc<Node>, id: AgreementId) -> Outcome<Arc<Known>> {
    node.registry.settle(node.store.as_ref()).await?;
    let known = node.registry.by_id(id).ok_or_else(|| Problem::new(Code::UnknownAgreement, id))?;
    if known.linkage.is_none() {
        return Err(Problem::new(
            Code::AgreementNotOpen,
            "its linkage has not arrived: pull from the party that proposed it",
        ));
    }
    if !known.standing().has_signed(&node.origin) {
        sign_document(node, &known.document).await?;
    }
    advance(node).await?;
    node.registry.by_id(id).ok_or_else(|| Problem::new(Code::UnknownAgreement, id))
}

/// The entry first: a proof without its entry would promise what the log does not say. Repeating is harmless.
async fn sign_document(node: &Arc<Node>, document: &Agreement) -> Outcome<()> {
    let _one_at_a_time = node.acting.lock().await;
    let known = node.registry.by_digest(&document.digest);
    if let Some(linkage) = known.as_ref().and_then(|known| known.linkage.as_ref()) {
        alone_in_its_agreement(node, document, linkage)?;
    }
    let signed = known.is_some_and(|known| known.acts.contains_key(&node.origin));
    if !signed {
        let act = NewAct { digest: document.digest, act: Act::Sign, on: None };
        node.sequencer.append_act(act).await.inspect_err(|_| node.registry.doubt())?;
    }
    // A crash here leaves the entry without its proof: signing again adds it.
    let proof = sign_detached(document.bytes(), &node.keys.record_id(&node.did), node.clock.now_s(), &node.keys.record);
    let stored = node.store.add_proof(&document.digest, &node.origin, &proof).await;
    stored.inspect_err(|_| node.registry.doubt())?;
    node.registry.reload(node.store.as_ref()).await?;
    Ok(())
}

async fn seal_for_all(node: &Arc<Node>, document: &Agreement, no: AgreementNo, linkage: &Linkage) -> Outcome<()> {
    let rows = node.store.origins().await?;
    for party in document.parties.iter().filter(|party| party.origin != node.origin) {
        let row = find(&rows, party.origin.as_str())?;
        let ring = ring_of(node.store.as_ref(), row).await?;
        let sealed = linkage
            .seal(document.id, &party.did, ring.seal(), random())
            .map_err(|error| Problem::new(Code::Internal, error))?;
        let bytes = serde_json::to_vec(&sealed).map_err(|error| Problem::new(Code::Internal, error))?;
        node.store.add_sealed(no, linkage.epoch(), &party.did, &bytes).await?;
    }
    Ok(())
}

fn find<'a>(rows: &'a [OriginRow], origin: &str) -> Outcome<&'a OriginRow> {
    rows.iter().find(|row| row.origin.as_str() == origin).ok_or_else(|| Problem::new(Code::UnknownPeer, origin))
}

/// Fills in id, version, parties' identity, schema digests and the linkage's commitment, where they are absent.
async fn complete(node: &Arc<Node>, draft: &mut Value, id: AgreementId, linkage: &Linkage) -> Outcome<()> {
    let malformed = |what: &str| Problem::new(Code::InvalidAgreement, format!("expected an object with {what}"));
    let rows = node.store.origins().await?;
    let document = draft.as_object_mut().ok_or_else(|| malformed("title, parties, terms"))?;
    document.entry("id").or_insert_with(|| json!(id.to_string()));
    document.entry("version").or_insert_with(|| json!(1));
    let parties = document.get_mut("parties").and_then(Value::as_array_mut).ok_or_else(|| malformed("parties"))?;
    for party in parties {
        let party = party.as_object_mut().ok_or_else(|| malformed("parties"))?;
        let origin = party.get("origin").and_then(Value::as_str).ok_or_else(|| malformed("parties[].origin"))?;
        let row = find(&rows, origin)?;
        let head = node.store.head(row.no).await?;
        if head.size == 0 {
            return Err(Problem::new(Code::UnknownPeer, format!("{origin}: pull from it first")));
        }
        party.entry("did").or_insert_with(|| json!(row.did.as_str()));
        party.entry("fingerprint").or_insert_with(|| json!(Digest(row.fingerprint.0).to_string()));
        if let Some(note) = head.note.and_then(|note| String::from_utf8(note).ok()) {
            party.entry("checkpoint").or_insert_with(|| json!(note));
        }
    }
    let terms = document.get_mut("terms").and_then(Value::as_object_mut).ok_or_else(|| malformed("terms"))?;
    terms.entry("schemas").or_insert_with(|| {
        let pinned = [
            SchemaName::StudentStatus,
            SchemaName::EnrollmentConnection,
            SchemaName::QualificationRecognition,
            SchemaName::Withdrawal,
        ];
        let row = |name| (released_schema(name).id.to_owned(), json!(released_schema(name).digest().to_string()));
        Value::Object(pinned.into_iter().map(row).collect())
    });
    terms.insert(
        "linkage".to_owned(),
        json!({"epoch": linkage.epoch(), "commitment": linkage.commitment().to_string()}),
    );
    Ok(())
}

fn invalid(error: &AgreementError) -> Problem {
    let problem = Problem::new(Code::InvalidAgreement, error);
    match error {
        AgreementError::Invalid(violations) => problem.with("violations", json!(violations)),
        AgreementError::Gate(_) => problem,
    }
}

/// Adds a peer: reads who it says it is, founds its log on the fingerprint that people compared, and pulls it once.
///
/// # Errors
/// `fingerprint-differs`, the peer cannot be reached, or what it shows does not verify: nothing is stored then. When the
/// log was founded and the first pull breaks off, the peer stays and is pulled again as any other: the fingerprint agreed,
/// and a person would only have to compare it once more. The problem says so, and has the member `added`.
pub async fn add_peer(node: &Arc<Node>, url: &str, fingerprint: &Digest, ca_pem: Option<&str>) -> Outcome<OriginRow> {
    let unusable = |why: &dyn std::fmt::Display| Problem::new(Code::BadRequest, why);
    let origin = hefu_schemas::id::Origin::from_url(url).map_err(|error| unusable(&error))?;
    if origin == node.origin {
        return Err(unusable(&"that is this node itself"));
    }
    let did = hefu_schemas::id::Did::from_authority(origin.authority()).map_err(|error| unusable(&error))?;
    let client = node.client(&origin, ca_pem)?;
    let misbehaved = |why: &dyn std::fmt::Display| Problem::new(Code::PeerMisbehaved, format!("{origin}: {why}"));
    let host = hefu_schemas::id::Origin::parse(origin.authority()).map_err(|error| unusable(&error))?;
    let answer = node.client(&host, ca_pem)?.fetch(".well-known/hefu", MAX_WELL_KNOWN_LEN).await?;
    let answer = answer.ok_or_else(|| misbehaved(&"no /.well-known/hefu there: is it a Hefu node?"))?;
    let said: Value = serde_json::from_slice(&answer).map_err(|error| misbehaved(&error))?;
    let stated = said.get("fingerprint").and_then(Value::as_str).and_then(|text| Digest::parse(text).ok());
    if stated != Some(*fingerprint) {
        let stated = stated.map_or_else(|| "none".to_owned(), |stated| stated.to_string());
        return Err(Problem::new(
            Code::FingerprintDiffers,
            format!("{origin} states {stated}\nyou gave      {fingerprint}"),
        ));
    }
    let row = OriginRow {
        no: OWN,
        origin: origin.clone(),
        did: did.clone(),
        fingerprint: hefu_federation::tree::Hash(fingerprint.0),
        ca_pem: ca_pem.map(str::to_owned),
        stopped: None,
        reached_ms: None,
    };
    // The statement is only words: the first entry of its log must hash to the fingerprint before anything is stored.
    crate::pull::found(&client, &row).await?;
    let no = node.store.add_origin(&origin, &did, &row.fingerprint, ca_pem).await?;
    let row = OriginRow { no, ..row };
    match crate::pull::pull(node, &row).await {
        Ok(_) => Ok(row),
        Err(problem) => {
            let detail = format!(
                "{origin} was added, since its fingerprint agrees; its first pull broke off and is tried again by itself\n{}",
                problem.detail
            );
            Err(Problem { detail, ..problem }.with("added", json!(true)))
        }
    }
}
