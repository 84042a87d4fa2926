//! Publishing a table through the control socket: the body is the mapping, then the table. A dry run answers what would change;
//! applying answers receipts as publishing does, with the counts in a header.

use crate::Node;
use crate::csv::mapping::{MAX_MAPPING_LEN, Mapping};
use crate::csv::{Import, Staged};
use crate::problem::{Code, Outcome, Problem};
use crate::publish::Options;
use crate::token::Scope;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

/// Carries the counts beside the receipts.
pub(crate) const REPORT_HEADER: &str = "hefu-report";

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/v1/csv").route(web::post().to(publish)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Query {
    kind: String,
    agreement: String,
    /// Bytes of the body that are the mapping.
    mapping: usize,
    #[serde(default)]
    apply: bool,
    despite_findings: Option<String>,
}

fn read_mapping(bytes: &[u8], kind: &str) -> Outcome<Mapping> {
    let mapping = Mapping::read(bytes).map_err(|error| {
        Problem::new(Code::InvalidMapping, &error)
            .with("line", json!(error.line))
            .with("message", json!(error.what.text()))
    })?;
    if mapping.kind.code() != kind {
        let detail = format!("it is for {}, not for the kind that is asked for", mapping.kind.code());
        return Err(Problem::new(Code::InvalidMapping, detail));
    }
    Ok(mapping)
}

async fn publish(node: web::Data<Node>, request: HttpRequest, mut payload: web::Payload) -> Outcome<HttpResponse> {
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| {
            Problem::new(Code::BadRequest, "expected kind, agreement, mapping=<bytes> and perhaps apply=true")
        })?
        .into_inner();
    if query.despite_findings.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Problem::new(Code::BadRequest, "despite-findings: a reason is required"));
    }
    let known = super::agreement(&node, &query.agreement)?;
    let node = node.into_inner();
    if !node.sequencer.has_room() {
        return Err(Problem::new(Code::Busy, ""));
    }
    if query.mapping > MAX_MAPPING_LEN {
        return Err(Problem::new(Code::InvalidMapping, format!("longer than {MAX_MAPPING_LEN} bytes")));
    }
    let broken = |error| Problem::new(Code::Input, format!("the input broke off: {error}"));
    let mut head = BytesMut::new();
    while head.len() < query.mapping {
        let chunk = payload.next().await.ok_or_else(|| Problem::new(Code::BadRequest, "the mapping is cut short"))?;
        head.extend_from_slice(&chunk.map_err(broken)?);
    }
    let rest = head.split_off(query.mapping);
    let mapping = read_mapping(&head, &query.kind)?;
    let options = Options { despite_findings: query.despite_findings, dry_run: !query.apply, scope: Scope::Everything };
    let mut import = Import::begin(&node, known, mapping, options).await?;
    import.push(&rest).await?;
    while let Some(chunk) = payload.next().await {
        import.push(&chunk.map_err(broken)?).await?;
    }
    let Staged { report, submission } = import.finish().await?;
    if !query.apply {
        return super::json(&report);
    }
    let mut response = super::records::stream(submission);
    if let Ok(value) = HeaderValue::from_str(&counts(&report).to_string()) {
        response.headers_mut().insert(HeaderName::from_static(REPORT_HEADER), value);
    }
    Ok(response)
}

/// The report without the list: it fits into a header.
fn counts(report: &Value) -> Value {
    let mut report = report.clone();
    if let Some(members) = report.as_object_mut() {
        members.remove("changes");
    }
    report
}
