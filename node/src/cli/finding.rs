//! `hefu finding`.

use super::control::{push_query, with};
use super::{Globals, output};
use crate::problem::Outcome;
use clap::builder::PossibleValuesParser;
use hefu_federation::reconcile::finding::Rule;
use hefu_schemas::code;
use serde_json::Value;

const EXAMPLE: &str = "\
Example:
  hefu --dir km finding list
  hefu --dir km finding list --rule S4 --records
  hefu --dir km finding list --json --limit 1000

A finding closes by itself when a later record settles it.";

/// The worklist: where the halves do not fit.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Finding {
    /// Open findings, gravest first
    #[command(after_help = EXAMPLE)]
    List(List),
}

/// Open findings.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only of this agreement
    #[arg(long, value_name = "AGREEMENT")]
    agreement: Option<String>,
    /// Only of this rule
    #[arg(long, value_name = "RULE", value_parser = PossibleValuesParser::new(Rule::ALL.iter().map(|rule| rule.code())))]
    rule: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How many to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// Show the records of both sides with each
    #[arg(long)]
    records: bool,
}

impl Finding {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let Self::List(list) = self;
        let mut path = format!("/v1/findings?limit={}&offset={}&records={}", list.limit, list.offset, list.records);
        push_query(&mut path, [("agreement", list.agreement.as_deref()), ("rule", list.rule.as_deref())]);
        let answer = with(globals, async |control| control.get(&path).await).await?;
        if globals.json {
            output::json(&answer);
            return Ok(0);
        }
        let findings = answer.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
        if findings.is_empty() {
            output::words(globals, "没有待处理差异。", "No open findings.");
        }
        for finding in &findings {
            output::data(lines(globals, finding));
        }
        let total: u64 = answer
            .get("counts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|row| row.get("count")?.as_u64())
            .sum();
        let shown = u64::try_from(findings.len()).unwrap_or(0);
        if shown > 0 && total > shown {
            output::words(globals, format!("显示 {shown} 项，共 {total} 项。"), format!("{shown} of {total} shown."));
        }
        Ok(0)
    }
}

/// One finding as a paragraph.
pub(super) fn lines(globals: &Globals, finding: &Value) -> String {
    let member = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
    let severity = code::name("severity", member("severity"))
        .map_or_else(|| member("severity").to_owned(), |name| output::of(globals, &name));
    let mut out = format!(
        "{} [{severity}] {}\n    {}",
        member("rule"),
        finding.get("title").map(|title| output::from_map(globals, title)).unwrap_or_default(),
        finding.get("text").map(|text| output::from_map(globals, text)).unwrap_or_default(),
    );
    let owner = finding.pointer("/owner/party").and_then(Value::as_str).unwrap_or_default();
    let due = finding.get("dueOn").and_then(Value::as_str);
    let due = due.map_or(String::new(), |due| output::text(globals, format!("，期限 {due}"), format!(", due {due}")));
    out.push_str(&output::text(globals, format!("\n    责任方 {owner}{due}"), format!("\n    owner {owner}{due}")));
    for evidence in finding.get("evidence").and_then(Value::as_array).into_iter().flatten() {
        let origin = evidence.get("origin").and_then(Value::as_str).unwrap_or_default();
        let index = evidence.get("index").and_then(Value::as_u64).unwrap_or(0);
        let record = evidence.get("record").and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!("\n    {origin}#{index} {record}"));
    }
    let records = finding.get("records").and_then(Value::as_array);
    if let Some(records) = records {
        out.push('\n');
        out.push_str(&side_by_side(records));
    }
    out
}

/// The records of a finding beside each other: one row for each member of their subjects, one column for each record.
pub(super) fn side_by_side(records: &[Value]) -> String {
    let mut names: Vec<String> = Vec::new();
    for record in records {
        for name in record
            .pointer("/record/credentialSubject")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|body| body.keys())
        {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let cell = |record: &Value, name: &str| {
        let value = record.pointer("/record/credentialSubject").and_then(|body| body.get(name));
        value.map_or_else(|| "–".to_owned(), short)
    };
    let title = |record: &Value| {
        let origin = record.get("origin").and_then(Value::as_str).unwrap_or_default();
        format!("{origin}#{}", record.get("index").and_then(Value::as_u64).unwrap_or(0))
    };
    let mut rows = vec![std::iter::once(String::new()).chain(records.iter().map(title)).collect::<Vec<_>>()];
    for name in names {
        let differs =
            records.iter().any(|record| Some(cell(record, &name)) != records.first().map(|first| cell(first, &name)));
        let mark = if differs { "≠ " } else { "  " };
        rows.push(
            std::iter::once(format!("{mark}{name}")).chain(records.iter().map(|record| cell(record, &name))).collect(),
        );
    }
    output::table(&rows).lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// A value short enough for a column.
fn short(value: &Value) -> String {
    const MAX_CHARS: usize = 40;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => members
            .get("code")
            .or_else(|| members.get("institution").and_then(|inner| inner.get("code")))
            .and_then(Value::as_str)
            .map_or_else(|| value.to_string(), str::to_owned),
        other => other.to_string(),
    };
    if text.chars().count() <= MAX_CHARS { text } else { text.chars().take(MAX_CHARS - 1).chain(['…']).collect() }
}
