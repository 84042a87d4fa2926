//! `hefu publish`.

pub(super) mod csv;

use super::control::{Control, push_query, with};
use super::{Globals, output};
use crate::problem::{Code, Outcome, Problem};
use futures_util::StreamExt;
use reqwest::{Body, Method};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

/// Bytes read of a file at a time.
const READ_LEN: usize = 256 * 1024;

const EXAMPLE: &str = "\
Example:
  hefu --dir km publish september.ndjson > receipts.ndjson

Each line is one draft {\"draftId\": …, \"record\": {…}}. All of them are validated and signed before the first one is
appended: one bad line, and nothing is published. Publishing the same file again is harmless: a draft id that was
published gives its first receipt again. Receipts {draftId, id, index, leafHash, size} go to stdout in input order.

  hefu publish --mapping-template > map.toml
  hefu --dir km publish roll.csv --kind student-status --agreement urn:uuid:0198… --mapping map.toml
  hefu --dir km publish roll.csv --kind student-status --agreement urn:uuid:0198… --mapping map.toml --apply > receipts.ndjson

With --mapping FILE is a table (CSV; UTF-8 or GB18030): each row is compared with what is published, and only checked unless
--apply is given. What differs follows the earlier record; whom no row names is left alone: absence is never a withdrawal.
Identifiers become references on this machine; they are not stored, logged or quoted.";

/// Publish drafts: validated and signed as a whole, then appended to the log.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Publish {
    /// NDJSON file of drafts, or - for standard input; with --mapping a CSV file
    #[arg(value_name = "FILE", required_unless_present = "mapping_template")]
    file: Option<PathBuf>,
    /// Publish in spite of contradictions with earlier records or the agreement's dates: for migrations. The reason is kept in the audit
    #[arg(long, value_name = "REASON")]
    despite_findings: Option<String>,
    /// Only check
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: csv::Table,
}

impl Publish {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        if self.table.mapping_template {
            output::data(crate::csv::TEMPLATE.trim_end());
            return Ok(0);
        }
        let file = self.file.clone().unwrap_or_default();
        if let Some(mapping) = self.table.mapping.clone() {
            return self.table(globals, &file, &mapping).await;
        }
        if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
            return Err(Problem::new(Code::Input, "a CSV file needs --mapping, --kind and --agreement"));
        }
        let (body, len) = stream_of(&file).await?;
        let bar = output::progress(globals, len, "读取与校验", "reading and checking");
        let counted = bar.clone();
        let body = body.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                counted.inc(u64::try_from(chunk.len()).unwrap_or(0));
            }
        });
        let mut path = format!("/v1/records?dry-run={}", self.dry_run);
        push_query(&mut path, [("despite-findings", self.despite_findings.as_deref())]);
        with(globals, async |control| self.send(globals, control, &path, Body::wrap_stream(body), bar).await).await
    }

    async fn send(
        &self,
        globals: &Globals,
        control: &Control,
        path: &str,
        body: Body,
        bar: indicatif::ProgressBar,
    ) -> Outcome<u8> {
        let response = control.send(control.request(Method::POST, path).body(body)).await;
        bar.finish_and_clear();
        let response = response?;
        if self.dry_run {
            let answer: Value = response.json().await.map_err(|error| Problem::new(Code::Internal, error))?;
            let drafts = answer.get("drafts").and_then(Value::as_u64).unwrap_or(0);
            output::words(
                globals,
                format!("{drafts} 条草稿均可发布（未发布）。"),
                format!("{} good (nothing was published).", output::counted(drafts, "draft is", "drafts are")),
            );
            if globals.json {
                output::json(&answer);
            }
            return Ok(0);
        }
        let published = receipts(globals, response).await?;
        let records = output::counted(published, "record", "records");
        output::words(globals, format!("已发布 {published} 条记录。"), format!("{records} published."));
        Ok(0)
    }
}

/// Prints receipts as they come; how many.
async fn receipts(globals: &Globals, response: reqwest::Response) -> Outcome<u64> {
    let bar = output::progress(globals, None, "发布", "publishing");
    let (mut published, mut rest) = (0_u64, Vec::new());
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        rest.extend_from_slice(&chunk.map_err(|error| {
            Problem::new(
                Code::Unavailable,
                format!("the node went away after {published} receipt(s), publish the same file again: {error}"),
            )
        })?);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=end).collect();
        published += print(&lines)?;
        bar.set_position(published);
    }
    bar.finish_and_clear();
    Ok(published)
}

/// A file, or standard input, in parts, and its length where that is known.
async fn stream_of(
    path: &Path,
) -> Outcome<(impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static, Option<u64>)> {
    let refused = |error: std::io::Error| Problem::new(Code::Input, format!("{}: {error}", path.display()));
    let (reader, len): (Box<dyn tokio::io::AsyncRead + Send + Unpin>, _) = if path.as_os_str() == "-" {
        (Box::new(tokio::io::stdin()), None)
    } else {
        let file = tokio::fs::File::open(path).await.map_err(refused)?;
        let metadata = file.metadata().await.map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(std::io::ErrorKind::IsADirectory.into()));
        }
        (Box::new(file), Some(metadata.len()))
    };
    let stream = futures_util::stream::unfold(reader, |mut reader| async move {
        let mut buffer = bytes::BytesMut::with_capacity(READ_LEN);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(buffer.freeze()), reader)),
            Err(error) => Some((Err(error), reader)),
        }
    });
    Ok((stream, len))
}

/// Prints receipts, as they came, in one piece; how many. A problem in the middle of the stream ends the command.
fn print(lines: &[u8]) -> Outcome<u64> {
    let (mut count, mut len, mut problem) = (0, 0, None);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"{\"problem\"") {
            problem = Some(line);
            break;
        }
        (count, len) = (count + u64::from(line != b"\n"), len + line.len());
    }
    let receipts = lines.get(..len).unwrap_or_default().trim_ascii_end();
    if !receipts.is_empty() {
        output::data(String::from_utf8_lossy(receipts));
    }
    let Some(line) = problem else { return Ok(count) };
    let value: Value = serde_json::from_slice(line).map_err(|error| Problem::new(Code::Internal, error))?;
    let problem = value.get("problem").and_then(Problem::from_json);
    Err(problem.unwrap_or_else(|| Problem::new(Code::Internal, "publishing broke off")))
}
