//! `hefu fsck`.

use super::control::with;
use super::{Globals, output};
use crate::problem::Outcome;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  hefu --dir km fsck
  hefu fsck --url https://hefu.chengdu.example --fingerprint 3f9a…(64 hex characters)

Reads every stored log back: entries against tiles, tiles against the signed note, payloads against commitments and
proofs. Changes nothing. Exit code 1 when anything is damaged.

With --url any log is read from outside, without a folder: checkpoint, every tile and every entry; grammar, order of time,
first entry against the fingerprint, root, and signature by the log's own key. It takes as long as the log is.";

/// Read everything back and verify it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Fsck {
    /// Public URL of a node whose log is to be read from outside
    #[arg(long, value_name = "URL", requires = "fingerprint")]
    url: Option<String>,
    /// Its fingerprint, compared out of band
    #[arg(long, value_name = "FINGERPRINT", requires = "url")]
    fingerprint: Option<String>,
    /// PEM file with a certificate to trust for it, besides those of the system
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
}

impl Fsck {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        if let (Some(url), Some(fingerprint)) = (&self.url, &self.fingerprint) {
            return super::fsck_url::run(globals, url, fingerprint, self.ca.as_deref()).await;
        }
        let bar = output::progress(globals, None, "检查", "checking");
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        let reports = with(globals, async |control| control.post("/v1/fsck", &json!({})).await).await;
        bar.finish_and_clear();
        let reports = reports?;
        let number = |report: &Value, name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        let complaints: u64 =
            reports.as_array().into_iter().flatten().map(|report| number(report, "complaintCount")).sum();
        if globals.json {
            output::json(&reports);
            return Ok(u8::from(complaints > 0));
        }
        for report in reports.as_array().into_iter().flatten() {
            let origin = report.get("origin").and_then(Value::as_str).unwrap_or_default();
            let (entries, payloads, count) =
                (number(report, "entries"), number(report, "payloads"), number(report, "complaintCount"));
            let verdict = if count == 0 {
                output::text(globals, "完好", "clean")
            } else {
                output::text(globals, format!("{count} 处问题"), output::counted(count, "complaint", "complaints"))
            };
            output::data(output::text(
                globals,
                format!("{origin}：{entries} 条日志、{payloads} 份记录，{verdict}"),
                format!(
                    "{origin}: {}, {}, {verdict}",
                    output::counted(entries, "entry", "entries"),
                    output::counted(payloads, "record", "records"),
                ),
            ));
            for complaint in report.get("complaints").and_then(Value::as_array).into_iter().flatten() {
                output::data(format!("    {}", complaint.as_str().unwrap_or_default()));
            }
        }
        Ok(u8::from(complaints > 0))
    }
}
