//! `hefu pull` and `hefu reconcile`.

use super::control::{encoded, with};
use super::{Globals, output};
use crate::problem::{Outcome, Problem};
use serde_json::{Value, json};

const PULL: &str = "\
Example:
  hefu --dir km pull
  hefu --dir km pull cd.example

A serving node pulls by itself; this does it now and waits. Everything is verified before it is stored; what was pulled
stays when a peer goes away in the middle, and the next pull goes on from there.";

/// Bring the replicas of the peers' logs and records up to date.
#[derive(Debug, clap::Args)]
#[command(after_help = PULL)]
pub(super) struct Pull {
    /// Only this peer, by origin
    #[arg(value_name = "PEER")]
    origin: Option<String>,
}

impl Pull {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let path =
            self.origin.map_or_else(|| "/v1/pull".to_owned(), |origin| format!("/v1/pull?origin={}", encoded(&origin)));
        let bar = output::progress(globals, None, "拉取", "pulling");
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let answer = with(globals, async |control| control.post(&path, &json!({})).await).await;
        bar.finish_and_clear();
        let answer = answer?;
        let problems = answer.get("problems").and_then(Value::as_array).cloned().unwrap_or_default();
        if globals.json {
            output::json(&answer);
        } else {
            for report in answer.get("reports").and_then(Value::as_array).into_iter().flatten() {
                output::data(line(globals, report));
            }
        }
        let mut code = 0;
        for failed in problems {
            if let Some(problem) = failed.get("problem").and_then(Problem::from_json) {
                code = code.max(problem.exit_code());
                if !globals.json {
                    output::problem(globals, &problem);
                }
            }
        }
        Ok(code)
    }
}

fn line(globals: &Globals, report: &Value) -> String {
    let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let origin = report.get("origin").and_then(Value::as_str).unwrap_or_default();
    let (entries, held, not_held, size) = (number("entries"), number("held"), number("notHeld"), number("size"));
    output::text(
        globals,
        format!("{origin}：新增日志 {entries} 条（共 {size}），新增持有记录 {held} 条，未持有 {not_held} 条"),
        format!(
            "{origin}: {} (of {size}), {} now held, {not_held} not held",
            output::counted(entries, "new entry", "new entries"),
            output::counted(held, "record", "records"),
        ),
    )
}

const RECONCILE: &str = "\
Example:
  hefu --dir km reconcile
  hefu --dir km finding list

A serving node reconciles by itself; this does it now and waits.";

/// Put the halves together: evaluate all rules on what has come.
#[derive(Debug, clap::Args)]
#[command(after_help = RECONCILE)]
pub(super) struct Reconcile {}

impl Reconcile {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let bar = output::progress(globals, None, "核对", "reconciling");
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let report = with(globals, async |control| control.post("/v1/reconcile", &json!({})).await).await;
        bar.finish_and_clear();
        let report = report?;
        let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (keys, findings) = (number("keys"), number("findings"));
        if globals.json {
            output::json(&report);
        } else {
            output::data(output::text(
                globals,
                format!("已核对 {keys} 个事项；待处理差异 {findings} 项（hefu finding list）"),
                format!(
                    "{} evaluated; {} (hefu finding list)",
                    output::counted(keys, "matter", "matters"),
                    output::counted(findings, "open finding", "open findings"),
                ),
            ));
        }
        Ok(0)
    }
}
