//! `hefu verify`: a record that somebody hands over, judged by what can be known here.

use super::control::with;
use super::{Globals, output};
use crate::client::Client;
use crate::clock::Clock;
use crate::http::verify::read_policy;
use crate::outside::Source;
use crate::problem::{Code, Outcome, Problem};
use crate::verify::{outside, text, without_log};
use hefu_federation::verdict::{
    City, MAX_POLICY_LEN, MAX_SUBMITTED_LEN, NoLog, Outcome as Found, Policy, Statement, Submitted, template,
};
use hefu_schemas::text::Text;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Example:
  hefu verify --policy-template > policy.json      a policy to start from: write in the cities that you know
  hefu verify record.json --policy policy.json     the issuer's log is read from the city, over HTTPS
  hefu verify record.json --policy policy.json --mirror km-log      … or in a copy of its files
  hefu --dir km verify record.json                 by this node's own replica

FILE is a record as JSON in any layout, or a line of a record page {index, record, salt}: with its salt the record can be
found in the log. Nobody else is asked, nothing is stored.

The verdict is a list of statements, each established, refuted or unknown, as of when. Valid is what the policy requires: all
of it established, and nothing refuted. Without a policy: integrity, issuer, key-valid, schema, semantics, in-period, in-log,
standing. Exit code 0: valid. 1: not, or not known to be. 3: not readable as a record, or the policy is not valid.";

/// Verify a record that somebody hands over.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Verify {
    /// The record; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "policy_template")]
    file: Option<PathBuf>,
    /// Whom to trust as which city, and what to require
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Read the issuer's log in a copy of its files (a folder with `checkpoint` and `tile/`) instead of asking the city
    #[arg(long, value_name = "DIR", requires = "policy")]
    mirror: Option<PathBuf>,
    /// Ask nobody: only what the file itself, the replica or --mirror says
    #[arg(long)]
    offline: bool,
    /// PEM file with a certificate to trust for the city, besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// JSON file {scheme, id} of the person who presents the record; compared by this node, not kept
    #[arg(long, value_name = "FILE")]
    subject: Option<PathBuf>,
    /// Print a policy to start from
    #[arg(long)]
    policy_template: bool,
}

impl Verify {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        if self.policy_template {
            let pretty =
                serde_json::to_string_pretty(&template(&[])).map_err(|error| Problem::new(Code::Internal, error))?;
            output::data(pretty);
            output::words(
                globals,
                "请填入您核对过指纹的城市。随文件没有盐值时，in-log 与 standing 无法成立，可从 require 中去掉。",
                "Write in the cities whose fingerprints you have compared. Without a salt, in-log and standing cannot be established: take them out of `require` if you accept that.",
            );
            return Ok(0);
        }
        let file = self.file.as_deref().unwrap_or(Path::new("-"));
        let bytes = read_limited(file, MAX_SUBMITTED_LEN)?;
        let submitted = Submitted::read(&bytes).map_err(|error| Problem::new(Code::NoRecord, error))?;
        let policy_text = self.policy.as_deref().map(|path| read_limited(path, MAX_POLICY_LEN)).transpose()?;
        let policy = policy_text.as_deref().map(read_policy).transpose()?;
        let verdict = self.verdict(globals, &bytes, &submitted, policy.as_ref().zip(policy_text.as_deref())).await?;
        let valid = verdict.get("valid") == Some(&Value::Bool(true));
        if globals.json {
            output::json(&verdict);
        } else {
            render(globals, &verdict);
        }
        Ok(u8::from(!valid))
    }

    /// By the replica, else by the policy's city, else by nothing.
    async fn verdict(
        &self,
        globals: &Globals,
        file: &[u8],
        submitted: &Submitted,
        policy: Option<(&Policy, &[u8])>,
    ) -> Outcome<Value> {
        let now = Clock::default().now_s();
        let by_node = globals.dir.join(crate::config::FILE_NAME).exists() && self.mirror.is_none();
        if by_node {
            match self.by_replica(globals, file, policy.map(|(_, text)| text)).await {
                Ok(Some(verdict)) => return Ok(verdict),
                Ok(None) => {}
                // A node that is out of order is no reason not to ask the city that the policy names.
                Err(problem) if policy.is_some() && is_of_node(&problem) => {
                    let title = problem.code.title();
                    output::words(
                        globals,
                        format!("本节点不可用（{}），改为读取该城市的日志。", title.zh),
                        format!("This node cannot be asked ({}): the city's own log is read.", title.en),
                    );
                }
                Err(problem) => return Err(problem),
            }
        }
        let subject = self.subject.is_some();
        let without = |why| without_log(submitted, policy.map(|(policy, _)| policy), why, subject, now).to_json();
        let Some((policy, _)) = policy else { return Ok(without(NoLog::NotFollowed)) };
        let issuer = text(submitted, "/issuer").unwrap_or_default();
        let Some(city) = policy.city(&issuer) else { return Ok(without(NoLog::NotInPolicy)) };
        let Some(source) = self.source(city)? else { return Ok(without(NoLog::Unavailable)) };
        let bar = output::progress(globals, Some(0), "读取日志", "reading the log");
        let progress = |size, all| {
            bar.set_length(all);
            bar.set_position(size);
        };
        let (verdict, problem) = outside(&source, city, (submitted, policy, subject), now, progress).await;
        bar.finish_and_clear();
        if let Some(problem) = problem {
            let detail = problem.detail;
            output::words(globals, format!("日志：{detail}"), format!("log: {detail}"));
        }
        Ok(verdict.to_json())
    }

    fn source(&self, city: &City) -> Outcome<Option<Source>> {
        match &self.mirror {
            Some(dir) => Ok(Some(Source::Folder(dir.clone()))),
            None if self.offline => Ok(None),
            None => {
                let ca = self.ca.as_deref().map(read_text).transpose()?;
                Ok(Some(Source::Https(Client::anonymous(&city.origin, ca.as_deref(), true)?)))
            }
        }
    }

    /// `None` when this node keeps no log of the issuer.
    async fn by_replica(&self, globals: &Globals, file: &[u8], policy: Option<&[u8]>) -> Outcome<Option<Value>> {
        let parse =
            |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|error| Problem::new(Code::Input, error));
        let policy = policy.map(parse).transpose()?;
        let subject = match &self.subject {
            // What is in it is not quoted.
            Some(path) => Some(
                serde_json::from_slice::<Value>(&read_limited(path, MAX_POLICY_LEN)?)
                    .map_err(|_| Problem::new(Code::Input, "--subject: expected {scheme, id}"))?,
            ),
            None => None,
        };
        let body = json!({"file": String::from_utf8_lossy(file), "policy": policy, "subject": subject});
        let answer = with(globals, async |control| control.post("/v1/verify", &body).await).await?;
        Ok(answer.get("verdict").cloned())
    }
}

/// Whether a problem is the node's, and not of what was given.
fn is_of_node(problem: &Problem) -> bool {
    matches!(problem.code, Code::Locked | Code::Configuration | Code::Unavailable | Code::Damaged | Code::Internal)
}

/// Reads a file or standard input, at most one byte more than the limit: the reader behind it refuses that.
fn read_limited(path: &Path, limit: usize) -> Outcome<Vec<u8>> {
    let unreadable = |error: std::io::Error| Problem::new(Code::Input, format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| Problem::new(Code::Input, format!("{}: {error}", path.display())))
}

/// The name as policies have it; in Chinese with what it means.
fn statement_name(globals: &Globals, code: &str) -> String {
    let title = Statement::from_code(code).map(|statement| statement.title().zh).unwrap_or_default();
    output::text(globals, format!("{title} {code}"), code)
}

fn render(globals: &Globals, verdict: &Value) {
    let text = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let valid = verdict.get("valid") == Some(&Value::Bool(true));
    let word =
        if valid { Text::new("有效", "valid") } else { Text::new("不能认定有效", "not established as valid") };
    output::data(output::text(
        globals,
        format!("结论：{}（{}）", word.zh, text("madeAt")),
        format!("verdict: {} ({})", word.en, text("madeAt")),
    ));
    let (id, issuer) = (text("id"), text("issuer"));
    output::data(output::text(
        globals,
        format!("记录：{id}，签发方：{issuer}"),
        format!("record: {id}, issuer: {issuer}"),
    ));
    if verdict.get("canonical") == Some(&Value::Bool(false)) {
        output::data(output::text(
            globals,
            "文件不是规范格式（JCS）：已按规范格式核验。",
            "The file was not in canonical form (JCS): its canonical form was judged.",
        ));
    }
    let mut rows = Vec::new();
    for row in verdict.get("statements").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let outcome =
            [Found::Established, Found::Refuted, Found::Unknown].into_iter().find(|o| o.code() == member("outcome"));
        let required = if row.get("required") == Some(&Value::Bool(true)) { "*" } else { "" };
        rows.push(vec![
            outcome.map(|outcome| output::of(globals, &outcome.title())).unwrap_or_default(),
            statement_name(globals, member("statement")) + required,
            row.get("text").map(|text| output::from_map(globals, text)).unwrap_or_default(),
        ]);
    }
    output::data(output::table(&rows));
    for violation in verdict.get("violations").and_then(Value::as_array).into_iter().flatten() {
        let pointer = violation.get("pointer").and_then(Value::as_str).unwrap_or_default();
        let message = violation.get("message").map(|text| output::from_map(globals, text)).unwrap_or_default();
        output::data(format!("    {pointer} {message}"));
    }
    output::words(globals, "* 为必须成立的各项。", "* is required.");
}
