//! `hefu peer`.

use super::control::{encoded, with};
use super::{Globals, output};
use crate::problem::{Code, Outcome, Problem};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  hefu --dir km peer add https://localhost:8442 --fingerprint 3f9a…(64 hex characters) --ca cd/tls.pem

Compare the fingerprint by telephone or in person: it is the one moment of trust. Case, spaces and colons in it do not
matter. Both sides add each other.";

const CHECK: &str = "\
Example:
  hefu --dir km peer check
  hefu --dir km peer check cd.example

Looks, and stores nothing: does it answer, is its certificate good, are fingerprint and checkpoint those of the log that is
stored here, do the clocks agree, does it let this node in. For what does not hold: seen, expected, remedy, and exit code 1.";

const LIST: &str = "\
Example:
  hefu --dir km peer list

HELD are the records that were verified and are kept; NOT HELD those that are wanted, withheld, refused or invalid.";

/// Follow other cities' nodes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Peer {
    /// Follow a node: its log is pulled from now on
    #[command(after_help = EXAMPLE)]
    Add(Add),
    /// The peers, how far they were pulled, and what is held of their records
    #[command(after_help = LIST)]
    List,
    /// Whether peers can be worked with: reach, certificate, fingerprint, log, clock, access
    #[command(after_help = CHECK)]
    Check {
        /// Only this peer, by origin
        #[arg(value_name = "PEER")]
        origin: Option<String>,
    },
}

/// Follow a node.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Its public URL
    #[arg(value_name = "URL")]
    url: String,
    /// Its fingerprint, compared out of band
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: String,
    /// PEM file with a certificate to trust for it, besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Peer {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::Add(add) => add.run(globals).await,
            Self::List => list(globals).await,
            Self::Check { origin } => check(globals, origin.as_deref()).await,
        }
    }
}

impl Add {
    async fn run(self, globals: &Globals) -> Outcome<u8> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Problem::new(Code::Input, format!("{}: {error}", path.display())))
        };
        let ca_pem = self.ca.as_ref().map(read).transpose()?;
        let body = json!({"url": self.url, "fingerprint": self.fingerprint, "caPem": ca_pem});
        let peer = with(globals, async |control| control.post("/v1/peers", &body).await).await?;
        if globals.json {
            output::json(&peer);
            return Ok(0);
        }
        let origin = peer.get("origin").and_then(Value::as_str).unwrap_or_default();
        let size = peer.get("size").and_then(Value::as_u64).unwrap_or(0);
        output::words(
            globals,
            format!("已关注 {origin}：指纹一致，已拉取 {size} 条日志。对方也须添加本节点。"),
            format!(
                "Following {origin}: the fingerprint agrees, {} pulled. The other side must add this node too.",
                output::counted(size, "entry", "entries")
            ),
        );
        Ok(0)
    }
}

async fn check(globals: &Globals, origin: Option<&str>) -> Outcome<u8> {
    let path = origin
        .map_or_else(|| "/v1/peer-checks".to_owned(), |origin| format!("/v1/peer-checks?origin={}", encoded(origin)));
    let answer = with(globals, async |control| control.post(&path, &json!({})).await).await?;
    let peers = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let checks = |peer: &Value| peer.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    let failed = peers.iter().flat_map(checks).any(|check| check.get("holds") == Some(&Value::Bool(false)));
    if globals.json {
        output::json(&answer);
        return Ok(u8::from(failed));
    }
    if peers.is_empty() {
        output::words(globals, "没有对端。", "No peers.");
    }
    for peer in peers {
        output::data(peer.get("origin").and_then(Value::as_str).unwrap_or_default());
        output::data(check_rows(globals, &checks(peer)));
    }
    Ok(u8::from(failed))
}

/// Names of the checks in Chinese.
const CHECKS: [(&str, &str); 7] = [
    ("reach", "可达"),
    ("certificate", "证书"),
    ("fingerprint", "指纹"),
    ("checkpoint", "检查点"),
    ("consistency", "一致性"),
    ("clock", "时钟"),
    ("access", "访问"),
];

/// One row for each check, and below those that do not hold what is expected and what to do.
fn check_rows(globals: &Globals, checks: &[Value]) -> String {
    let member = |check: &Value, name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for check in checks {
        let name = member(check, "check");
        let map = |name: &str| check.get(name).map(|map| output::from_map(globals, map)).unwrap_or_default();
        let zh = CHECKS.iter().find(|(code, _)| *code == name).map_or(name.as_str(), |(_, zh)| zh);
        let verdict = match check.get("holds").and_then(Value::as_bool) {
            Some(true) => output::text(globals, "正常", "ok"),
            Some(false) => output::text(globals, "不正常", "NO"),
            None => output::text(globals, "未查", "not looked at"),
        };
        rows.push(vec![format!("  {}", output::text(globals, zh, name.as_str())), verdict, map("seen")]);
        if check.get("holds") == Some(&Value::Bool(false)) {
            let (expected, remedy) = (map("expected"), map("remedy"));
            rows.push(vec![
                String::new(),
                String::new(),
                output::text(globals, format!("应为：{expected}"), format!("expected: {expected}")),
            ]);
            rows.push(vec![
                String::new(),
                String::new(),
                output::text(globals, format!("处理：{remedy}"), format!("remedy: {remedy}")),
            ]);
        }
    }
    output::table(&rows)
}

async fn list(globals: &Globals) -> Outcome<u8> {
    let peers = with(globals, async |control| control.get("/v1/peers").await).await?;
    if globals.json {
        output::json(&peers);
        return Ok(0);
    }
    let head = output::text(
        globals,
        "对端|日志条数|持有记录|未持有|最近拉取|状态",
        "PEER|ENTRIES|HELD|NOT HELD|REACHED|STATE",
    );
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for peer in peers.as_array().into_iter().flatten() {
        let member = |name: &str| peer.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let records = peer.get("records").and_then(Value::as_object);
        let held = records.and_then(|records| records.get("held")).and_then(Value::as_u64).unwrap_or(0);
        let all: u64 = records.map_or(0, |records| records.values().filter_map(Value::as_u64).sum());
        let state = peer
            .get("stopped")
            .and_then(Value::as_str)
            .map_or_else(|| output::text(globals, "正常", "following"), str::to_owned);
        let size = peer.get("size").and_then(Value::as_u64).unwrap_or(0);
        rows.push(vec![
            member("origin"),
            size.to_string(),
            held.to_string(),
            (all - held).to_string(),
            member("reachedAt"),
            state,
        ]);
    }
    output::data(output::table(&rows));
    Ok(0)
}
