//! `hefu tally`.

use super::control::{encoded, with};
use super::{Globals, output};
use crate::problem::{Outcome, Problem};
use hefu_federation::reconcile::finding::Severity;
use hefu_schemas::code;
use serde_json::{Value, json};

const EXAMPLE: &str = "\
Example:
  hefu --dir km tally show --agreement urn:uuid:0198…

The node computes its statement for today and what it holds of each party's log, asks the other
parties for theirs over the same heads, verifies their signatures and compares. Exit code 1 when
the parties' results differ or cannot be compared.";

/// The signed result of reconciling, compared with the other parties'.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Tally {
    /// Compute, sign, ask the others, compare
    #[command(after_help = EXAMPLE)]
    Show(Show),
}

/// Compute, sign, ask the others, compare.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The agreement
    #[arg(long, value_name = "AGREEMENT")]
    agreement: String,
    /// Date of the evaluation, YYYY-MM-DD [default: today in the agreement's time zone]
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
}

impl Tally {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let Self::Show(show) = self;
        let mut path = format!("/v1/agreements/{}/tally", encoded(&show.agreement));
        if let Some(as_of) = &show.as_of {
            path.push_str(&format!("?as-of={}", encoded(as_of)));
        }
        let bar = output::progress(globals, None, "合符", "tally");
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let answer = with(globals, async |control| control.post(&path, &json!({})).await).await;
        bar.finish_and_clear();
        let answer = answer?;
        let fits = answer.get("fits") == Some(&Value::Bool(true));
        if globals.json {
            output::json(&answer);
        } else {
            print(globals, &answer, fits);
        }
        Ok(u8::from(!fits))
    }
}

fn print(globals: &Globals, answer: &Value, fits: bool) {
    let ours = answer.get("ours");
    let as_of = ours.and_then(|ours| ours.get("asOf")).and_then(Value::as_str).unwrap_or_default();
    let matched = ours.and_then(|ours| ours.get("matched")).and_then(Value::as_u64).unwrap_or(0);
    let count = |severity: &Severity| {
        ours.and_then(|ours| ours.get("findings")?.get(severity.code())).and_then(Value::as_u64).unwrap_or(0)
    };
    let counts = |severity: &Severity| {
        let name = code::name("severity", severity.code());
        let name = name.map_or_else(|| severity.code().to_owned(), |name| output::of(globals, &name));
        format!("{name} {}", count(severity))
    };
    let findings = Severity::ALL.iter().map(counts).collect::<Vec<_>>().join(" · ");
    let matters = output::counted(matched, "matter matches", "matters match");
    output::data(output::text(
        globals,
        format!("核对日 {as_of}：相符事项 {matched}；差异 {findings}"),
        format!("as of {as_of}: {matters}; findings: {findings}"),
    ));
    let digest = |value: &Value| value.get("digest").and_then(Value::as_str).unwrap_or("–").to_owned();
    let mut rows = vec![vec![output::text(globals, "本节点", "this node"), digest(answer), String::new()]];
    for other in answer.get("answers").and_then(Value::as_array).into_iter().flatten() {
        let origin = other.get("origin").and_then(Value::as_str).unwrap_or_default().to_owned();
        let verdict = match other.get("problem").and_then(Problem::from_json) {
            Some(problem) => problem.to_string(),
            None if other.get("fits") == Some(&Value::Bool(true)) => output::text(globals, "合", "fits"),
            None => output::text(
                globals,
                format!("不合：{}", other.get("differs").unwrap_or(&Value::Null)),
                format!("differs in {}", other.get("differs").unwrap_or(&Value::Null)),
            ),
        };
        rows.push(vec![origin, digest(other), verdict]);
    }
    output::data(output::table(&rows));
    print_differences(globals, answer);
    output::data(verdict(globals, answer, fits, Severity::ALL.iter().map(count).sum()));
}

/// What the comparison comes to. An answer with a problem holds no statement: nothing was compared with it.
fn verdict(globals: &Globals, answer: &Value, fits: bool, open: u64) -> String {
    let answers = answer.get("answers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let silent = answers.iter().filter(|other| other.get("problem").is_some()).count();
    let differs = |other: &Value| other.get("problem").is_none() && other.get("fits") != Some(&Value::Bool(true));
    match (fits, open) {
        (true, 0) => {
            output::text(globals, "各方结果一致：合符。", "All parties compute the same: the halves fit (合).")
        }
        (true, _) => output::text(
            globals,
            format!("各方结果一致（合符）；其中待处理差异 {open} 项。"),
            format!(
                "All parties compute the same result (合). It contains {}.",
                output::counted(open, "open finding", "open findings")
            ),
        ),
        (false, _) if silent > 0 && !answers.iter().any(differs) => output::text(
            globals,
            format!("{silent} 方未应答，尚未比较。"),
            format!("Not compared: {silent} of {} parties gave no statement; try again.", answers.len() + 1),
        ),
        (false, _) => output::text(
            globals,
            "各方结果不一致：尚未合符。",
            "The parties' results are not the same: the halves do not fit yet.",
        ),
    }
}

/// Where the results differ: keys and payload states, by party.
fn print_differences(globals: &Globals, answer: &Value) {
    for other in answer.get("answers").and_then(Value::as_array).into_iter().flatten() {
        let origin = other.get("origin").and_then(Value::as_str).unwrap_or_default();
        for key in
            other.pointer("/difference/keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            output::data(output::text(
                globals,
                format!("  与 {origin} 不同的事项：{key}"),
                format!("  differs from {origin}: {key}"),
            ));
        }
        for state in other.pointer("/difference/states").and_then(Value::as_array).into_iter().flatten() {
            let cell = |at: usize| {
                state
                    .get(at)
                    .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
                    .unwrap_or_default()
            };
            let (log, index, ours, theirs) = (cell(0), cell(1), cell(2), cell(3));
            output::data(output::text(
                globals,
                format!("  {log}#{index}：本节点 {ours}，{origin} {theirs}"),
                format!("  {log}#{index}: {ours} here, {theirs} at {origin}"),
            ));
        }
    }
}
