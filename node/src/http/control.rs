//! The resources of the control socket besides records: peers, agreements, subjects, pulls, findings, tallies, checks. Who can
//! open the socket is the operator: the file's mode is the authentication.

use super::{agreement, json};
use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::view_of;
use crate::registry::Known;
use crate::store::{AgreementNo, OWN, OriginRow};
use crate::task::finish;
use crate::token::Scope;
use crate::{fsck, propose, pull, reconcile, tally};
use actix_web::{HttpRequest, HttpResponse, web};
use hefu_federation::linkage::Linkage;
use hefu_federation::reconcile::finding::{Finding, Severity};
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::Digest;
use hefu_schemas::identifier::Identifier;
use serde::Deserialize;
use serde_json::{Value, json as object};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Largest body of these resources: identifiers come by the line, in parts.
pub(super) const MAX_BODY_LEN: usize = 64 * 1024 * 1024;
/// Most findings of one answer.
const MAX_FINDINGS: usize = 10_000;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/status").route(web::get().to(status)))
        .service(web::resource("/v1/peers").route(web::get().to(peers)).route(web::post().to(add_peer)))
        .service(web::resource("/v1/peer-checks").route(web::post().to(check_peers)))
        .service(web::resource("/v1/pull").route(web::post().to(pull_peers)))
        .service(web::resource("/v1/reconcile").route(web::post().to(run_reconcile)))
        .service(web::resource("/v1/findings").route(web::get().to(findings)))
        .service(
            web::resource("/v1/agreements").route(web::get().to(agreements)).route(web::post().to(propose_agreement)),
        )
        .service(web::resource("/v1/agreement-template").route(web::get().to(template)))
        .service(web::resource("/v1/agreements/{id}").route(web::get().to(show_agreement)))
        .service(web::resource("/v1/agreements/{id}/sign").route(web::post().to(sign_agreement)))
        .service(web::resource("/v1/agreements/{id}/{act:suspend|resume|end}").route(web::post().to(act_on_agreement)))
        .service(web::resource("/v1/agreements/{id}/subjects").route(web::post().to(subjects)))
        .service(web::resource("/v1/agreements/{id}/tally").route(web::post().to(ask_tally)))
        .service(web::resource("/v1/fsck").route(web::post().to(run_fsck)));
}

/// A JSON body.
pub(super) fn body<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Outcome<T> {
    serde_json::from_slice(bytes).map_err(|error| Problem::new(Code::BadRequest, format!("body: {error}")))
}

pub(super) async fn status(node: web::Data<Node>) -> Outcome<HttpResponse> {
    json(&crate::status::status(&node).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerQuery {
    origin: Option<String>,
}

impl PeerQuery {
    /// The peer that is named, or all.
    async fn peers(&self, node: &Node) -> Outcome<Vec<OriginRow>> {
        let mut peers = node.peers().await?;
        if let Some(origin) = &self.origin {
            peers.retain(|row| row.origin.as_str() == origin);
            if peers.is_empty() {
                return Err(Problem::new(Code::UnknownPeer, origin));
            }
        }
        Ok(peers)
    }
}

/// Looks at one peer or all: {origin, checks [{check, holds, seen, expected, remedy}]}.
async fn check_peers(node: web::Data<Node>, query: web::Query<PeerQuery>) -> Outcome<HttpResponse> {
    let peers = query.peers(&node).await?;
    let node = node.into_inner();
    let mut all = Vec::new();
    for row in peers {
        let checks = crate::peer_check::check(&node, &row).await;
        all.push(object!({"origin": row.origin.as_str(), "checks": checks}));
    }
    json(&all)
}

async fn peer_json(node: &Node, row: &OriginRow) -> Outcome<Value> {
    let mut states: HashMap<&str, u64> = HashMap::new();
    for known in node.registry.snapshot().iter() {
        for (state, count) in node.store.state_counts(row.no, known.no).await? {
            *states.entry(state.code()).or_default() += count;
        }
    }
    Ok(object!({
        "origin": row.origin.as_str(),
        "did": row.did.as_str(),
        "fingerprint": Digest(row.fingerprint.0).to_string(),
        "size": node.store.head(row.no).await?.size,
        "records": states,
        "reachedAt": row.reached_ms.and_then(|ms| jiff::Timestamp::from_second(ms.div_euclid(1000)).ok()).map(|at| at.to_string()),
        "stopped": row.stopped,
    }))
}

async fn peers(node: web::Data<Node>) -> Outcome<HttpResponse> {
    let mut all = Vec::new();
    for row in node.peers().await? {
        all.push(peer_json(&node, &row).await?);
    }
    json(&all)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewPeer {
    url: String,
    fingerprint: String,
    ca_pem: Option<String>,
}

async fn add_peer(node: web::Data<Node>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let new: NewPeer = body(&bytes)?;
    let fingerprint = Digest::parse(&new.fingerprint)
        .map_err(|error| Problem::new(Code::BadRequest, format!("fingerprint: {error}")))?;
    let one = node.clone().into_inner();
    let row =
        finish(async move { propose::add_peer(&one, &new.url, &fingerprint, new.ca_pem.as_deref()).await }).await?;
    json(&peer_json(&node, &row).await?)
}

/// Pulls one peer or all; failures are listed beside the reports.
async fn pull_peers(node: web::Data<Node>, query: web::Query<PeerQuery>) -> Outcome<HttpResponse> {
    let peers = query.peers(&node).await?;
    let node = node.into_inner();
    let (mut reports, mut problems) = (Vec::new(), Vec::new());
    // Beside each other: a peer that drips does not keep the others waiting.
    let pulls = peers.iter().map(|row| pull::pull(&node, row));
    for (row, pulled) in peers.iter().zip(futures_util::future::join_all(pulls).await) {
        match pulled {
            Ok(report) => reports.push(report),
            Err(problem) => problems.push(object!({"origin": row.origin.as_str(), "problem": problem.to_json()})),
        }
    }
    json(&object!({"reports": reports, "problems": problems, "sinceStart": crate::status::pull_totals(&node)}))
}

async fn run_reconcile(node: web::Data<Node>) -> Outcome<HttpResponse> {
    json(&reconcile::report(&node.into_inner()).await?)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingQuery {
    agreement: Option<String>,
    rule: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
    #[serde(default)]
    pub(super) records: bool,
}

/// Open findings, gravest first; with `records=true` the records of both sides stand beside each.
async fn findings(node: web::Data<Node>, query: web::Query<FindingQuery>) -> Outcome<HttpResponse> {
    findings_within(&node, &query, &Scope::Everything).await
}

/// The same, of the agreements within a scope.
pub(super) async fn findings_within(node: &Node, query: &FindingQuery, scope: &Scope) -> Outcome<HttpResponse> {
    let filter = match &query.agreement {
        Some(id) => Some(vec![super::agreement_within(node, id, scope)?.no]),
        None if *scope == Scope::Everything => None,
        None => Some(scope.within(node.registry.snapshot()).iter().map(|known| known.no).collect()),
    };
    let limit = query.limit.unwrap_or(100).min(MAX_FINDINGS);
    let found = found(node, filter.as_deref(), query.rule.as_deref(), limit, query.offset.unwrap_or(0)).await?;
    let mut rows = Vec::with_capacity(found.len());
    for (no, key, finding) in &found {
        let mut row = finding_json(node, *no, key.value(), finding);
        if query.records {
            let records = evidence_records(node, finding).await?;
            if let Some(row) = row.as_object_mut() {
                row.insert("records".to_owned(), records);
            }
        }
        rows.push(row);
    }
    let counts: Vec<Value> = node
        .store
        .finding_counts()
        .await?
        .into_iter()
        .filter(|(no, ..)| filter.as_ref().is_none_or(|filter| filter.contains(no)))
        .map(|(_, rule, severity, count)| object!({"rule": rule, "severity": severity, "count": count}))
        .collect();
    json(&object!({"findings": rows, "counts": counts}))
}

/// Findings of all agreements or of some, gravest first.
async fn found(
    node: &Node,
    agreements: Option<&[AgreementNo]>,
    rule: Option<&str>,
    limit: usize,
    offset: usize,
) -> Outcome<Vec<(AgreementNo, Key, Finding)>> {
    match agreements {
        None => Ok(node.store.findings(None, rule, limit, offset).await?),
        Some([only]) => Ok(node.store.findings(Some(*only), rule, limit, offset).await?),
        Some(some) => {
            if offset > MAX_FINDINGS {
                return Err(Problem::new(
                    Code::BadRequest,
                    format!("offset: at most {MAX_FINDINGS}; name an agreement"),
                ));
            }
            let mut all = Vec::new();
            for no in some.iter().collect::<BTreeSet<_>>() {
                all.append(&mut node.store.findings(Some(*no), rule, limit + offset, 0).await?);
            }
            // Each agreement's are in order: a stable sort merges them as the store orders them all.
            all.sort_by_key(|(no, _, finding)| {
                (Severity::ALL.iter().position(|one| *one == finding.severity), finding.rule.code(), *no)
            });
            Ok(all.into_iter().skip(offset).take(limit).collect())
        }
    }
}

/// One finding by its id, with the records of both sides if they may be seen.
pub(super) async fn finding_within(node: &Node, id: &str, scope: &Scope, records: bool) -> Outcome<HttpResponse> {
    let missing = || Problem::new(Code::NotFound, "no open finding has this id");
    let id = Digest::parse(id).map_err(|_| missing())?;
    for (no, key, finding) in node.store.findings_with_id(&id).await? {
        if !node.registry.by_no(no).is_some_and(|known| scope.covers(known.document.id)) {
            continue;
        }
        let mut row = finding_json(node, no, key.value(), &finding);
        if let Some(members) = row.as_object_mut().filter(|_| records) {
            members.insert("records".to_owned(), evidence_records(node, &finding).await?);
        }
        return json(&row);
    }
    Err(missing())
}

fn finding_json(node: &Node, no: AgreementNo, key: &str, finding: &Finding) -> Value {
    let mut row = finding.to_json();
    if let Some(members) = row.as_object_mut() {
        let known = node.registry.by_no(no);
        members.insert("agreement".to_owned(), object!(known.map(|known| known.document.id.to_string())));
        members.insert("key".to_owned(), object!(key));
        members.insert("title".to_owned(), object!(finding.rule.title()));
    }
    row
}

async fn evidence_records(node: &Node, finding: &Finding) -> Outcome<Value> {
    let origins = node.store.origins().await?;
    let mut records = Vec::new();
    for evidence in &finding.evidence {
        let Some(row) = origins.iter().find(|row| row.origin == evidence.origin) else { continue };
        let stored = node.store.row(row.no, evidence.index).await?;
        let payload = stored.as_ref().filter(|row| view_of(row).is_some()).and_then(|row| row.payload.as_ref());
        let bytes = payload.and_then(|payload| crate::codec::decompress(payload.codec, &payload.body));
        let record: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        records.push(object!({"origin": evidence.origin.as_str(), "index": evidence.index, "record": record}));
    }
    Ok(Value::Array(records))
}

fn agreement_json(node: &Node, known: &Known) -> Value {
    let today = node.clock.today(&known.document.terms.time_zone);
    let standing = known.standing();
    let party = |party: &hefu_schemas::agreement::Party| {
        object!({
            "origin": party.origin.as_str(),
            "name": party.name,
            "signed": standing.has_signed(&party.origin),
            "openedAt": standing.opened_at(&party.origin),
        })
    };
    object!({
        "id": known.document.id.to_string(),
        "version": known.document.version,
        "title": known.document.title,
        "digest": known.document.digest.to_string(),
        "state": known.state(today).code(),
        "validFrom": known.document.valid_from.to_string(),
        "validTo": known.document.valid_to.to_string(),
        "linkage": known.linkage.is_some(),
        "parties": known.document.parties.iter().map(party).collect::<Vec<_>>(),
    })
}

async fn agreements(node: web::Data<Node>) -> Outcome<HttpResponse> {
    let all: Vec<Value> = node.registry.snapshot().iter().map(|known| agreement_json(&node, known)).collect();
    json(&all)
}

async fn show_agreement(node: web::Data<Node>, id: web::Path<String>) -> Outcome<HttpResponse> {
    let known = agreement(&node, &id)?;
    let document: Value =
        serde_json::from_slice(known.document.bytes()).map_err(|error| Problem::new(Code::Damaged, error))?;
    json(&object!({"summary": agreement_json(&node, &known), "document": document}))
}

async fn propose_agreement(node: web::Data<Node>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let refused = |error: hefu_schemas::gate::GateError| Problem::new(Code::InvalidAgreement, error);
    let draft = hefu_schemas::canonical::read(&bytes, hefu_schemas::gate::MAX_AGREEMENT_LEN).map_err(refused)?;
    let one = node.clone().into_inner();
    let known = finish(async move { propose::propose(&one, draft).await }).await?;
    json(&agreement_json(&node, &known))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateQuery {
    /// `<code>=<origin>`, comma-separated: the peers whose city is known.
    #[serde(default)]
    cities: String,
}

/// A proposal between this node and all its peers, to be edited by a person.
async fn template(node: web::Data<Node>, query: web::Query<TemplateQuery>) -> Outcome<HttpResponse> {
    use crate::synthetic::{City, Office, agreement_terms};
    use hefu_schemas::text::Text;
    let given: HashMap<&str, &str> =
        query.cities.split(',').filter_map(|pair| pair.split_once('=')).map(|(code, origin)| (origin, code)).collect();
    let mut cities = Vec::new();
    for row in node.store.origins().await? {
        let own = row.no == OWN;
        let code =
            if own { node.config.city.as_str() } else { given.get(row.origin.as_str()).copied().unwrap_or("000000") };
        let known = City::known(code, row.origin.clone()).map_err(|error| Problem::new(Code::BadRequest, error))?;
        cities.push(known.unwrap_or_else(|| {
            let name = |key: &str| {
                node.config.name.get(key).or_else(|| node.config.name.values().next()).filter(|_| own).cloned()
            };
            let text = Text::new(
                name("zh").unwrap_or_else(|| row.origin.to_string()),
                name("en").unwrap_or_else(|| row.origin.to_string()),
            );
            let office = Office { code: code.to_owned(), name: text.clone() };
            City {
                code: code.to_owned(),
                name: text,
                origin: row.origin.clone(),
                did: row.did.clone(),
                offices: vec![office],
            }
        }));
    }
    if cities.len() < 2 {
        return Err(Problem::new(Code::UnknownPeer, "a proposal needs a peer: `hefu peer add` first"));
    }
    json(&agreement_terms(&cities, node.clock.today(&node.config.time_zone)))
}

async fn sign_agreement(node: web::Data<Node>, id: web::Path<String>) -> Outcome<HttpResponse> {
    let (one, id) = (node.clone().into_inner(), agreement(&node, &id)?.document.id);
    let known = finish(async move { propose::sign(&one, id).await }).await?;
    json(&agreement_json(&node, &known))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAct {
    on: Option<String>,
}

async fn act_on_agreement(
    node: web::Data<Node>,
    path: web::Path<(String, String)>,
    bytes: web::Bytes,
) -> Outcome<HttpResponse> {
    let (id, act) = path.into_inner();
    let (one, id) = (node.clone().into_inner(), agreement(&node, &id)?.document.id);
    let act = hefu_federation::entry::Act::from_code(&act).ok_or_else(|| Problem::new(Code::NotFound, act))?;
    let new: NewAct = body(&bytes)?;
    let read = |text: String| text.parse().map_err(|_| Problem::new(Code::BadRequest, "on: expected YYYY-MM-DD"));
    let on = new.on.map(read).transpose()?;
    let known = finish(async move { crate::standing::act(&one, id, act, on).await }).await?;
    json(&agreement_json(&node, &known))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Person {
    scheme: String,
    id: String,
    name: Option<String>,
    sex: Option<String>,
    birth_date: Option<String>,
}

/// Identifiers in, references out, line by line. Nothing of them is stored, logged or quoted.
pub(super) async fn subjects(node: web::Data<Node>, id: web::Path<String>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let known = agreement(&node, &id)?;
    let linkage = known
        .linkage
        .as_ref()
        .ok_or_else(|| Problem::new(Code::AgreementNotOpen, "its linkage has not arrived yet"))?;
    let mut out = String::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())) {
        let row = subject(linkage, line).map_err(|why| Problem::new(Code::Input, format!("line {number}: {why}")))?;
        out.push_str(&row.to_string());
        out.push('\n');
    }
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).content_type("application/x-ndjson").body(out))
}

fn subject(linkage: &Linkage, line: &[u8]) -> Result<Value, String> {
    let person: Person =
        serde_json::from_slice(line).map_err(|_| "expected {scheme, id, name?, sex?, birthDate?}".to_owned())?;
    let identifier = Identifier::normalise(&person.scheme, &person.id).map_err(|error| error.to_string())?;
    let mut row = object!({"subject": linkage.subject_reference(&identifier)});
    if let (Some(name), Some(sex), Some(birth_date)) = (&person.name, &person.sex, &person.birth_date) {
        let sex = match sex.as_str() {
            "M" => 'M',
            "F" => 'F',
            "X" => 'X',
            _ => return Err("sex: expected M, F or X".to_owned()),
        };
        let birth_date = birth_date.parse().map_err(|_| "birthDate: expected YYYY-MM-DD".to_owned())?;
        if let Some(members) = row.as_object_mut() {
            members.insert("identityCheck".to_owned(), linkage.identity_check(name, sex, birth_date).into());
        }
    }
    Ok(row)
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct TallyQuery {
    /// Date of the evaluation; today if absent.
    #[serde(rename = "as-of")]
    as_of: Option<String>,
}

pub(super) async fn ask_tally(
    node: web::Data<Node>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Outcome<HttpResponse> {
    use hefu_federation::reconcile::tally::Comparison;
    let query = web::Query::<TallyQuery>::from_query(request.query_string())
        .map_err(|_| Problem::new(Code::BadRequest, "expected as-of=YYYY-MM-DD"))?;
    let as_of = match &query.as_of {
        Some(text) => Some(text.parse().map_err(|_| Problem::new(Code::BadRequest, "as-of: expected YYYY-MM-DD"))?),
        None => None,
    };
    let known: Arc<Known> = agreement(&node, &id)?;
    let node = node.into_inner();
    let (ours, answers) = tally::ask(&node, &known, as_of).await?;
    let answer = |answer: &tally::Answer| match &answer.result {
        Ok((theirs, comparison, difference)) => {
            let (fits, differs): (bool, Vec<&str>) = match comparison {
                Comparison::Fits => (true, Vec::new()),
                Comparison::NotComparable(members) => (false, members.clone()),
                Comparison::Differs => (false, vec!["digest"]),
            };
            object!({"origin": answer.origin.as_str(), "fits": fits, "differs": differs, "difference": difference, "digest": theirs.digest.to_string(), "statement": theirs.to_json()})
        }
        Err(problem) => object!({"origin": answer.origin.as_str(), "fits": false, "problem": problem.to_json()}),
    };
    let answers: Vec<Value> = answers.iter().map(answer).collect();
    let fits = answers.iter().all(|answer| answer.get("fits") == Some(&Value::Bool(true)));
    json(&object!({"fits": fits, "ours": ours.to_json(), "digest": ours.digest.to_string(), "answers": answers}))
}

async fn run_fsck(node: web::Data<Node>) -> Outcome<HttpResponse> {
    json(&fsck::run(&node.into_inner()).await?)
}
