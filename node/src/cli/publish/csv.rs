//! `hefu publish FILE.csv --mapping`: a table instead of drafts.

use super::super::control::{Control, encoded, push_query, with};
use super::super::{Globals, output};
use super::{Publish, receipts, stream_of};
use crate::csv::mapping::MAX_MAPPING_LEN;
use crate::http::REPORT_HEADER;
use crate::problem::{Code, Outcome, Problem};
use futures_util::StreamExt;
use reqwest::{Body, Method};
use serde_json::Value;
use std::path::Path;

/// Changed rows and faults shown on a terminal; `--json` has all that the node lists.
const MAX_SHOWN: usize = 20;

/// What `--mapping` needs beside it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Table {
    /// The mapping of a CSV file (TOML): FILE is then a table, and only checked unless --apply is given
    #[arg(long, value_name = "MAP.toml", requires_all = ["kind", "agreement"])]
    pub(super) mapping: Option<std::path::PathBuf>,
    /// Kind of record that the rows are: student-status, enrollment-connection or qualification-recognition
    #[arg(long, value_name = "KIND", requires = "mapping")]
    kind: Option<String>,
    /// The agreement under which the rows are published
    #[arg(long, value_name = "AGREEMENT", requires = "mapping")]
    agreement: Option<String>,
    /// Publish what the rows change
    #[arg(long, requires = "mapping", conflicts_with = "dry_run")]
    apply: bool,
    /// Print a commented mapping to start from
    #[arg(long)]
    pub(super) mapping_template: bool,
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(Code::Input, format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| refused(&error))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_MAPPING_LEN).unwrap_or(u64::MAX).saturating_add(1);
    std::io::Read::read_to_end(&mut std::io::Read::take(file, most), &mut bytes).map_err(|error| refused(&error))?;
    Ok(bytes)
}

impl Publish {
    /// Sends mapping and table.
    pub(super) async fn table(&self, globals: &Globals, file: &Path, mapping: &Path) -> Outcome<u8> {
        let mapping = read(mapping)?;
        let (table, len) = stream_of(file).await?;
        let bar = output::progress(globals, len, "读取与比较", "reading and comparing");
        let counted = bar.clone();
        let table = table.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                counted.inc(u64::try_from(chunk.len()).unwrap_or(0));
            }
        });
        let of = |option: &Option<String>| encoded(option.as_deref().unwrap_or_default());
        let mut path = format!("/v1/csv?kind={}&agreement={}", of(&self.table.kind), of(&self.table.agreement));
        path.push_str(&format!("&mapping={}&apply={}", mapping.len(), self.table.apply));
        push_query(&mut path, [("despite-findings", self.despite_findings.as_deref())]);
        let first = futures_util::stream::once(async move { Ok(bytes::Bytes::from(mapping)) });
        let body = Body::wrap_stream(first.chain(table));
        with(globals, async |control| self.send_table(globals, control, &path, body, bar).await).await
    }

    async fn send_table(
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
        if !self.table.apply {
            let report: Value = response.json().await.map_err(|error| Problem::new(Code::Internal, error))?;
            if globals.json {
                output::json(&report);
            } else {
                output::data(would(globals, &report));
                output::words(
                    globals,
                    "以上为试运行，未发布；加 --apply 发布。",
                    "This was a dry run: nothing was published. --apply publishes it.",
                );
            }
            return Ok(0);
        }
        let counts = response.headers().get(REPORT_HEADER).and_then(|value| value.to_str().ok());
        let counts: Option<Value> = counts.and_then(|text| serde_json::from_str(text).ok());
        let published = receipts(globals, response).await?;
        if let Some(counts) = counts {
            output::words(globals, counted(globals, &counts), counted(globals, &counts));
        }
        let records = output::counted(published, "record", "records");
        output::words(globals, format!("已发布 {published} 条记录。"), format!("{records} published."));
        Ok(0)
    }
}

fn counted(globals: &Globals, report: &Value) -> String {
    let of = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (rows, new, changed, same) = (of("rows"), of("new"), of("changed"), of("unchanged"));
    output::text(
        globals,
        format!("{rows} 行：新增 {new}，变更 {changed}，未变 {same}。"),
        format!("{rows} row(s): {new} new, {changed} changed, {same} unchanged."),
    )
}

/// What a table would change.
fn would(globals: &Globals, report: &Value) -> String {
    let mut text = counted(globals, report);
    let changes = report.get("changes").and_then(Value::as_array);
    for change in changes.into_iter().flatten().take(MAX_SHOWN) {
        let row = change.get("row").and_then(Value::as_u64).unwrap_or(0);
        let members = change.get("members").and_then(Value::as_array);
        let members: Vec<&str> = members.into_iter().flatten().filter_map(Value::as_str).collect();
        let (zh, en) = (members.join("、"), members.join(", "));
        text.push_str(&match change.get("follows").and_then(Value::as_u64) {
            Some(index) => output::text(
                globals,
                format!("\n  第 {row} 行：{zh} 有变，承接第 {index} 条"),
                format!("\n  row {row}: {en} changed; follows entry {index}"),
            ),
            None => output::text(
                globals,
                format!("\n  第 {row} 行：{zh} 有变，重新开始"),
                format!("\n  row {row}: {en} changed; begins anew"),
            ),
        });
    }
    let of = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let more = of("changed").saturating_sub(u64::try_from(MAX_SHOWN).unwrap_or(0));
    if more > 0 {
        text.push_str(&output::text(
            globals,
            format!("\n  …另有 {more} 行变更"),
            format!("\n  … and {more} more changed"),
        ));
    }
    text
}

/// The faults of a table, for a terminal.
pub(in crate::cli) fn faults(globals: &Globals, problem: &Problem) -> String {
    let mut text = String::new();
    // The detail of a mapping that is refused is English, as all details are: here is the same for who reads Chinese.
    let line = problem.extra.get("line").and_then(Value::as_u64);
    let said = problem.extra.get("message").map(|both| output::from_map(globals, both));
    if let (Some(line), Some(said)) = (line, said) {
        text.push_str(&output::text(globals, format!("\n  第 {line} 行：{said}"), ""));
    }
    let listed = problem.extra.get("faults").and_then(Value::as_array);
    for fault in listed.into_iter().flatten().take(MAX_SHOWN) {
        let row = fault.get("row").and_then(Value::as_u64).unwrap_or(0);
        let of = |name: &str| fault.get(name).and_then(Value::as_str);
        let said = |name: &str| fault.get(name).map(|both| output::from_map(globals, both)).unwrap_or_default();
        let place = match (of("column"), of("cell")) {
            (Some(column), Some(cell)) => {
                output::text(globals, format!("“{column}”列（{cell}）"), format!(", column “{column}” ({cell})"))
            }
            (Some(column), None) => output::text(globals, format!("“{column}”列"), format!(", column “{column}”")),
            (None, _) => String::new(),
        };
        let code = of("code").unwrap_or_default();
        text.push_str(&output::text(
            globals,
            format!("\n  第 {row} 行{place}：{}（{code}）\n    {}", said("message"), said("remedy")),
            format!("\n  row {row}{place}: {} ({code})\n    {}", said("message"), said("remedy")),
        ));
    }
    let count = problem.extra.get("count").and_then(Value::as_u64).unwrap_or(0);
    let more = count.saturating_sub(u64::try_from(listed.map_or(0, Vec::len).min(MAX_SHOWN)).unwrap_or(0));
    if listed.is_some() && more > 0 {
        let (zh, en) = (format!("\n  …另有 {more} 条"), format!("\n  … and {more} more"));
        text.push_str(&output::text(globals, zh, en));
    }
    text
}
