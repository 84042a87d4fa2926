//! Publishing over HTTP: NDJSON drafts in, NDJSON receipts out. The whole input is staged and validated before anything is
//! published; the receipts stream as they come.

use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::publish::{CHUNK, MAX_LINE_LEN, Options, Staging};
use crate::store::DraftRow;
use crate::token::Scope;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Receipt batches on their way to a slow client.
const RECEIPTS_AHEAD: usize = 4;
/// What a receipt takes, about: most of it are an id, a hash and the names of members.
const RECEIPT_LEN: usize = 224;

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/v1/records")
            .route(web::post().to(publish))
            .route(web::get().to(super::search::operators_search)),
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Query {
    despite_findings: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

async fn publish(node: web::Data<Node>, request: HttpRequest, mut payload: web::Payload) -> Outcome<HttpResponse> {
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| Problem::new(Code::BadRequest, "expected despite-findings=<reason> or dry-run=true"))?
        .into_inner();
    if query.despite_findings.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Problem::new(Code::BadRequest, "despite-findings: a reason is required"));
    }
    let scope = Scope::Everything;
    let options = Options { despite_findings: query.despite_findings, dry_run: query.dry_run, scope };
    publish_lines(&node.into_inner(), &mut payload, options).await
}

/// A submission begins only while the sequencer's queue has room: beyond it a publisher is told to come again.
fn begin(node: &Arc<Node>, options: Options) -> Outcome<Staging> {
    if node.sequencer.has_room() { Staging::begin(node, options) } else { Err(Problem::new(Code::Busy, "")) }
}

/// Publishes NDJSON drafts as they stream in.
pub(super) async fn publish_lines(
    node: &Arc<Node>,
    payload: &mut web::Payload,
    options: Options,
) -> Outcome<HttpResponse> {
    let mut staging = begin(node, options)?;
    let mut lines = Lines::default();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::new(Code::Input, format!("the input broke off: {error}")))?;
        for full in lines.push(&chunk)? {
            staging.push(full).await?;
        }
    }
    if let Some(rest) = lines.finish() {
        staging.push(rest).await?;
    }
    let submission = staging.finish().await?;
    let (drafts, dry_run) = (submission.drafts, submission.dry_run);
    if dry_run {
        return super::json(&json!({"drafts": drafts, "published": 0}));
    }
    Ok(stream(submission))
}

/// Publishes one draft, which is the whole body; its receipt.
pub(super) async fn publish_one(node: &Arc<Node>, payload: web::Payload, options: Options) -> Outcome<HttpResponse> {
    let mut staging = begin(node, options)?;
    let body = payload.to_bytes_limited(MAX_LINE_LEN).await;
    let body =
        body.map_err(|_| Problem::new(Code::TooLarge, format!("the draft is longer than {MAX_LINE_LEN} bytes")))?;
    let body = body.map_err(|error| Problem::new(Code::Input, format!("the input broke off: {error}")))?;
    staging.push(vec![body.to_vec()]).await?;
    let submission = staging.finish().await?;
    if submission.dry_run {
        return super::json(&json!({"drafts": submission.drafts, "published": 0}));
    }
    let (sender, mut receiver) = mpsc::channel(RECEIPTS_AHEAD);
    // In a task of its own, so that a client that goes away does not stop it half-way.
    let appending = tokio::spawn(submission.append(sender));
    let rows = receiver.recv().await.unwrap_or_default();
    appending.await.map_err(|error| Problem::new(Code::Internal, error))??;
    let row = rows.first().ok_or_else(|| Problem::new(Code::Internal, "no receipt"))?;
    super::json(&receipt(row))
}

/// Receipts as they come; a failure in the middle is the last line.
pub(super) fn stream(submission: crate::publish::Submission) -> HttpResponse {
    let (sender, mut receiver) = mpsc::channel::<Vec<DraftRow>>(RECEIPTS_AHEAD);
    let appending = tokio::spawn(submission.append(sender));
    let (lines, body) = mpsc::channel::<Result<Bytes, Problem>>(RECEIPTS_AHEAD);
    tokio::spawn(async move {
        while let Some(rows) = receiver.recv().await {
            // A client that has gone does not stop publishing.
            let _ = lines.send(Ok(receipts(&rows))).await;
        }
        let failed = match appending.await {
            Ok(Ok(())) => return,
            Ok(Err(problem)) => problem,
            Err(error) => Problem::new(Code::Internal, error),
        };
        let _ = lines.send(Ok(Bytes::from(format!("{}\n", json!({"problem": failed.to_json()}))))).await;
    });
    let body = futures_util::stream::unfold(body, |mut body| async move { body.recv().await.map(|item| (item, body)) });
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).content_type("application/x-ndjson");
    response.streaming(body)
}

fn receipts(rows: &[DraftRow]) -> Bytes {
    let mut out = String::with_capacity(rows.len() * RECEIPT_LEN);
    rows.iter().for_each(|row| write_line(&mut out, row));
    out.into()
}

/// The line of a receipt. No part of it can hold what JSON escapes: a draft id has letters, digits and `._:-`.
fn write_line(out: &mut String, row: &DraftRow) {
    let (draft_id, id, index, size) = (&row.draft_id, row.id, row.index, row.size);
    let leaf = hefu_schemas::id::Digest(row.leaf_hash.0);
    let written = writeln!(
        out,
        "{{\"draftId\":\"{draft_id}\",\"id\":\"{id}\",\"index\":{index},\"leafHash\":\"{leaf}\",\"size\":{size}}}"
    );
    debug_assert!(written.is_ok(), "a string takes everything");
}

fn receipt(row: &DraftRow) -> Value {
    let leaf = hefu_schemas::id::Digest(row.leaf_hash.0).to_string();
    json!({"draftId": row.draft_id, "id": row.id.to_string(), "index": row.index, "leafHash": leaf, "size": row.size})
}

/// Splits a stream into chunks of lines; blank lines are skipped.
#[derive(Default)]
struct Lines {
    rest: BytesMut,
    lines: Vec<Vec<u8>>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Outcome<Vec<Vec<Vec<u8>>>> {
        let mut full = Vec::new();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = memchr::memchr(b'\n', &self.rest) {
            let line = self.rest.split_to(end + 1);
            self.take(line.strip_suffix(b"\n").unwrap_or(&line))?;
            if self.lines.len() == CHUNK {
                full.push(std::mem::take(&mut self.lines));
            }
        }
        if self.rest.len() > MAX_LINE_LEN {
            return Err(Problem::new(Code::TooLarge, format!("a line is longer than {MAX_LINE_LEN} bytes")));
        }
        Ok(full)
    }

    fn take(&mut self, line: &[u8]) -> Outcome<()> {
        if line.len() > MAX_LINE_LEN {
            return Err(Problem::new(Code::TooLarge, format!("a line is longer than {MAX_LINE_LEN} bytes")));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            self.lines.push(line.to_vec());
        }
        Ok(())
    }

    fn finish(mut self) -> Option<Vec<Vec<u8>>> {
        let rest = std::mem::take(&mut self.rest);
        // What is too long was refused while it came.
        let _ = self.take(&rest);
        (!self.lines.is_empty()).then_some(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_federation::tree::Hash;
    use hefu_schemas::id::{Digest, RecordId};

    #[test]
    fn the_line_of_a_receipt_is_its_json() {
        let row = DraftRow {
            draft_id: "xueji:2026.09_1-a".to_owned(),
            content: Digest([1; 32]),
            id: RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap(),
            index: 7,
            leaf_hash: Hash([0xab; 32]),
            size: 9,
        };
        let mut line = String::new();
        write_line(&mut line, &row);
        assert_eq!(line, format!("{}\n", receipt(&row)));
    }
}
