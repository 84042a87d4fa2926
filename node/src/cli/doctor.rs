//! `hefu doctor`.

use super::control::Control;
use super::{Globals, output};
use crate::clock::Clock;
use crate::doctor;
use crate::problem::{Code, Outcome, Problem};
use hefu_schemas::text::{Lang, Text};
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  hefu --dir km doctor

Looks at folder, settings, keys, certificate, disk, database, log, signing, guard, clock, own URL and each peer; says what was
seen, what was expected and what to do. Changes nothing. While nothing serves, what needs a server is left out or a
warning. Exit code 1 when a check failed; a warning is none.";

/// Look for what may be wrong with this node.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Doctor {
    /// PEM file with a certificate to trust for this node's own URL, besides those of the system and its own
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Doctor {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Problem::new(Code::Input, format!("{}: {error}", path.display())))
        };
        let ca_pem = self.ca.as_ref().map(read).transpose()?;
        let mut checks = doctor::to_json(&doctor::files(&globals.dir, Clock::default().now_s()));
        let further = match Control::of_serving(globals).await? {
            Some(control) => control.post("/v1/doctor", &json!({"caPem": ca_pem})).await,
            None => doctor::resting(&globals.dir, ca_pem.as_deref()).await.map(|checks| doctor::to_json(&checks)),
        };
        let further = further.unwrap_or_else(|problem| doctor::to_json(&[doctor::not_opened(&problem)]));
        if let (Value::Array(checks), Value::Array(further)) = (&mut checks, further) {
            checks.extend(further);
        }
        let count = |level: &str| level_count(&checks, level);
        let (failed, warnings) = (count("failed"), count("warning"));
        if globals.json {
            output::json(&json!({"failed": failed, "warnings": warnings, "checks": checks}));
        } else {
            checks.as_array().into_iter().flatten().for_each(|check| render(globals, check));
            output::words(
                globals,
                format!("{failed} 项不正常，{warnings} 项提醒。"),
                format!("{failed} failed, {warnings} warning(s)."),
            );
        }
        Ok(u8::from(failed > 0))
    }
}

fn level_count(checks: &Value, level: &str) -> usize {
    let is = |check: &&Value| check.get("level").and_then(Value::as_str) == Some(level);
    checks.as_array().into_iter().flatten().filter(is).count()
}

/// The check's name for people.
fn title(check: &str) -> Text {
    let (zh, en) = match check {
        "folder" => ("目录", "folder"),
        "settings" => ("配置", "settings"),
        "keys" => ("密钥", "keys"),
        "certificate" => ("证书", "certificate"),
        "disk" => ("磁盘", "disk"),
        "node" => ("节点", "node"),
        "database" => ("数据库", "database"),
        "log" => ("日志", "log"),
        "signing" => ("签发", "signing"),
        "guard" => ("回退保护", "guard"),
        "clock" => ("时钟", "clock"),
        "url" => ("公开网址", "own URL"),
        "peer" => ("对端", "peer"),
        other => (other, other),
    };
    Text::new(zh, en)
}

fn render(globals: &Globals, check: &Value) {
    let member = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = |name: &str| check.get(name).map(|text| output::from_map(globals, text)).unwrap_or_default();
    let level = match (member("level"), globals.lang()) {
        ("ok", Lang::Zh) => "正常  ",
        ("warning", Lang::Zh) => "提醒  ",
        (_, Lang::Zh) => "不正常",
        ("ok", Lang::En) => "ok     ",
        ("warning", Lang::En) => "warning",
        (_, Lang::En) => "failed ",
    };
    let about = match member("about") {
        "" => String::new(),
        "log" => output::text(globals, "（对照日志）", " (against the log)"),
        "peers" => output::text(globals, "（对照对端）", " (against the peers)"),
        about => format!(" {about}"),
    };
    let (colon, title) = (output::text(globals, "：", ": "), output::of(globals, &title(member("check"))));
    output::data(format!("{level}  {title}{about}{colon}{}", text("seen")));
    if member("level") != "ok" {
        let (expected, remedy) = (text("expected"), text("remedy"));
        output::data(output::text(globals, format!("    应为：{expected}"), format!("    expected: {expected}")));
        output::data(output::text(globals, format!("    处理：{remedy}"), format!("    do: {remedy}")));
    }
}
