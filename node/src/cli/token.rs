//! `hefu token`.

use super::control::{encoded, with};
use super::{Globals, output};
use crate::problem::Outcome;
use crate::token::Action;
use serde_json::{Value, json};

const NEW_EXAMPLE: &str = "\
Example:
  hefu --dir km token new --name school-system --allow publish,read-records --days 90
  hefu --dir km token new --name worklist --allow read-findings --agreement urn:uuid:0198… --days 30

The token is printed once, on standard output: keep it where only that system reads it. The node keeps its hash alone.
Local systems reach the node at the address `local` of hefu.toml, e.g. local = \"127.0.0.1:8450\".";

const LIST_EXAMPLE: &str = "\
Example:
  hefu --dir km token list";

const REVOKE_EXAMPLE: &str = "\
Example:
  hefu --dir km token revoke 3";

/// Let local systems in: make, list and revoke their tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Make a token; it is printed once
    #[command(after_help = NEW_EXAMPLE)]
    New(New),
    /// The tokens: what they allow, until when, when last used
    #[command(after_help = LIST_EXAMPLE)]
    List,
    /// Refuse a token from now on
    #[command(after_help = REVOKE_EXAMPLE)]
    Revoke(Revoke),
}

/// A new token.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Which system it is for: name no person
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do
    #[arg(long, value_name = "ACTION", required = true, value_delimiter = ',', value_parser = actions())]
    allow: Vec<String>,
    /// Only under this agreement; may be repeated [default: all]
    #[arg(long, value_name = "AGREEMENT")]
    agreement: Vec<String>,
    /// Days until it expires, 1 to 366
    #[arg(long, value_name = "DAYS")]
    days: u32,
}

/// Which token.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// Its number, as in `hefu token list`
    id: u64,
}

fn actions() -> clap::builder::PossibleValuesParser {
    let value = |action: &Action| clap::builder::PossibleValue::new(action.code()).help(action.describe());
    clap::builder::PossibleValuesParser::new(Action::ALL.iter().map(value))
}

impl Token {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::New(new) => new.run(globals).await,
            Self::List => list(globals).await,
            Self::Revoke(Revoke { id }) => revoke(globals, id).await,
        }
    }
}

impl New {
    async fn run(self, globals: &Globals) -> Outcome<u8> {
        let mut body = json!({"name": self.name, "actions": self.allow, "days": self.days});
        if let Some(members) = body.as_object_mut().filter(|_| !self.agreement.is_empty()) {
            members.insert("agreements".to_owned(), json!(self.agreement));
        }
        let made = with(globals, async |control| control.post("/v1/tokens", &body).await).await?;
        if globals.json {
            output::json(&made);
            return Ok(0);
        }
        output::data(text(&made, "token"));
        let (id, expires) = (made.get("id").map(Value::to_string).unwrap_or_default(), text(&made, "expiresAt"));
        output::words(
            globals,
            format!("令牌 {id} 有效至 {expires}。此处只显示一次。"),
            format!("Token {id} is valid until {expires}. It is shown here once."),
        );
        Ok(0)
    }
}

async fn list(globals: &Globals) -> Outcome<u8> {
    let rows = with(globals, async |control| control.get("/v1/tokens").await).await?;
    if globals.json {
        output::json(&rows);
        return Ok(0);
    }
    let rows = rows.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        output::words(globals, "尚无令牌。", "There are no tokens.");
        return Ok(0);
    }
    let titles =
        ["编号 id", "名称 name", "状态 state", "权限 actions", "协议 agreements", "到期 expires", "最近使用 last used"];
    let title = |title: &&str| {
        let (zh, en) = title.split_once(' ').unwrap_or_default();
        output::text(globals, zh, en)
    };
    let mut table = vec![titles.iter().map(title).collect::<Vec<_>>()];
    for row in &rows {
        let joined = |name: &str| {
            let items: Option<Vec<&str>> =
                row.get(name).and_then(Value::as_array).map(|items| items.iter().filter_map(Value::as_str).collect());
            items.map(|items| items.join(","))
        };
        table.push(vec![
            row.get("id").map(Value::to_string).unwrap_or_default(),
            text(row, "name"),
            state(globals, &text(row, "state")),
            joined("actions").unwrap_or_default(),
            joined("agreements").unwrap_or_else(|| output::text(globals, "全部", "all")),
            day(&text(row, "expiresAt")),
            Some(day(&text(row, "usedAt"))).filter(|day| !day.is_empty()).unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    output::data(output::table(&table));
    Ok(0)
}

async fn revoke(globals: &Globals, id: u64) -> Outcome<u8> {
    let path = format!("/v1/tokens/{}/revoke", encoded(&id.to_string()));
    let row = with(globals, async |control| control.post(&path, &Value::Null).await).await?;
    if globals.json {
        output::json(&row);
    } else {
        output::words(globals, format!("令牌 {id} 已撤销。"), format!("Token {id} is revoked."));
    }
    Ok(0)
}

fn state(globals: &Globals, state: &str) -> String {
    match state {
        "valid" => output::text(globals, "有效", state),
        "expired" => output::text(globals, "已过期", state),
        _ => output::text(globals, "已撤销", state),
    }
}

fn text(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The day of a time.
fn day(time: &str) -> String {
    time.split('T').next().unwrap_or_default().to_owned()
}
