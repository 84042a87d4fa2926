//! `hefu agreement`.

use super::control::with;
use super::{Globals, output};
use crate::problem::{Code, Outcome, Problem};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

const PROPOSE: &str = "\
Example:
  hefu --dir km agreement propose --template > terms.json     # then edit title, terms, dates
  hefu --dir km agreement propose terms.json

The node fills in what nobody should have to copy: id, version, the parties' DIDs and fingerprints, the digests of the
schemas and the commitment of the linkage. It signs at once; the other parties see the proposal when they pull.";

const SIGN: &str = "\
Example:
  hefu --dir cd pull
  hefu --dir cd agreement list
  hefu --dir cd agreement sign urn:uuid:0198…

Read it first with `agreement show`. The signature is an entry in this node's log and cannot be taken back; when all
parties have signed and pulled each other, each opens the agreement by itself.";

const SUSPEND: &str = "\
Example:
  hefu --dir km agreement suspend urn:uuid:0198… --on 2026-12-01

This node publishes nothing under it from now on. The other parties are bound from DATE on, at least three days after this
entry. Records that were exchanged stay. `hefu agreement resume` opens it again.";

const RESUME: &str = "\
Example:
  hefu --dir km agreement resume urn:uuid:0198…";

const END: &str = "\
Example:
  hefu --dir km agreement end urn:uuid:0198… --on 2026-12-31

An end is final: to go on later, the parties sign a new agreement. As with `suspend`, this node publishes nothing under it from
now on, and the other parties are bound from DATE on, at least three days after this entry.";

const LIST: &str = "\
Example:
  hefu --dir km agreement list

A proposal of a peer is listed once its log was pulled. Records flow while the state is in-force.";

const SHOW: &str = "\
Example:
  hefu --dir cd agreement show urn:uuid:0198… > terms.json";

/// Propose, sign and look at agreements.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Propose an agreement to the parties named in a file, and sign it
    #[command(after_help = PROPOSE)]
    Propose(Propose),
    /// Sign an agreement that a peer proposed
    #[command(after_help = SIGN)]
    Sign {
        /// Its id
        #[arg(value_name = "AGREEMENT")]
        id: String,
    },
    /// Suspend an agreement for this node
    #[command(after_help = SUSPEND)]
    Suspend(Act),
    /// Take up an agreement again that this node has suspended
    #[command(after_help = RESUME)]
    Resume {
        /// Its id
        #[arg(value_name = "AGREEMENT")]
        id: String,
    },
    /// End an agreement for this node, for good
    #[command(after_help = END)]
    End(Act),
    /// All agreements and their states
    #[command(after_help = LIST)]
    List,
    /// One agreement with its whole text
    #[command(after_help = SHOW)]
    Show {
        /// Its id
        #[arg(value_name = "AGREEMENT")]
        id: String,
    },
}

/// A dated act.
#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// Its id
    #[arg(value_name = "AGREEMENT")]
    id: String,
    /// From which day on it binds the other parties
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Propose an agreement.
#[derive(Debug, clap::Args)]
pub(super) struct Propose {
    /// JSON file with title, type, parties (by origin), terms, validFrom, validTo, contacts; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "template")]
    file: Option<PathBuf>,
    /// Print a proposal between this node and all its peers to start from
    #[arg(long)]
    template: bool,
    /// With --template: the city of a peer, e.g. 510100=cd.example:8442 (may be repeated)
    #[arg(long, value_name = "CODE=PEER", requires = "template")]
    city: Vec<String>,
}

impl Command {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::Propose(propose) => propose.run(globals).await,
            Self::Sign { id } => sign(globals, &id).await,
            Self::Suspend(given) => {
                super::ask::confirm(globals, given.yes, "确定中止该协议吗？", "Suspend this agreement?")?;
                act(globals, "suspend", &given.id, given.on.as_deref()).await
            }
            Self::Resume { id } => act(globals, "resume", &id, None).await,
            Self::End(given) => {
                super::ask::confirm(
                    globals,
                    given.yes,
                    "确定终止该协议吗？终止后不能恢复。",
                    "End this agreement for good?",
                )?;
                act(globals, "end", &given.id, given.on.as_deref()).await
            }
            Self::List => list(globals).await,
            Self::Show { id } => show(globals, &id).await,
        }
    }
}

impl Propose {
    async fn run(self, globals: &Globals) -> Outcome<u8> {
        if self.template {
            let path = format!("/v1/agreement-template?cities={}", super::control::encoded(&self.city.join(",")));
            let template = with(globals, async |control| control.get(&path).await).await?;
            let pretty =
                serde_json::to_string_pretty(&template).map_err(|error| Problem::new(Code::Internal, error))?;
            output::data(pretty);
            return Ok(0);
        }
        let path = self.file.unwrap_or_default();
        let refused = |error: std::io::Error| Problem::new(Code::Input, format!("{}: {error}", path.display()));
        let bytes = if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map_err(refused)?;
            bytes
        } else {
            std::fs::read(&path).map_err(refused)?
        };
        let summary = with(globals, async |control| {
            control.json(control.request(Method::POST, "/v1/agreements").body(bytes)).await
        });
        let summary = summary.await?;
        output::words(
            globals,
            "已提出并签署。对方执行 hefu pull 后即可看到并签署：",
            "Proposed and signed. The other parties see it when they pull, and sign it with its id:",
        );
        print(globals, &summary);
        Ok(0)
    }
}

fn print(globals: &Globals, summary: &Value) {
    if globals.json {
        output::json(summary);
    } else {
        output::data(summary.get("id").and_then(Value::as_str).unwrap_or_default());
    }
}

async fn sign(globals: &Globals, id: &str) -> Outcome<u8> {
    let path = format!("/v1/agreements/{}/sign", super::control::encoded(id));
    let summary = with(globals, async |control| control.post(&path, &json!({})).await).await?;
    let state = output::state(globals, summary.get("state").and_then(Value::as_str).unwrap_or_default());
    output::words(globals, format!("已签署，状态：{state}"), format!("Signed; its state is now {state}:"));
    print(globals, &summary);
    Ok(0)
}

async fn act(globals: &Globals, act: &str, id: &str, on: Option<&str>) -> Outcome<u8> {
    let path = format!("/v1/agreements/{}/{act}", super::control::encoded(id));
    let summary = with(globals, async |control| control.post(&path, &json!({"on": on})).await).await?;
    let state = output::state(globals, summary.get("state").and_then(Value::as_str).unwrap_or_default());
    output::words(
        globals,
        format!("已记入日志，状态：{state}。其他缔约方拉取后即可看到："),
        format!("Entered in the log; its state is now {state}. The other parties see it when they pull:"),
    );
    print(globals, &summary);
    Ok(0)
}

async fn list(globals: &Globals) -> Outcome<u8> {
    let all = with(globals, async |control| control.get("/v1/agreements").await).await?;
    if globals.json {
        output::json(&all);
        return Ok(0);
    }
    let head = output::text(globals, "协议|版本|状态|已签署|有效期|名称", "AGREEMENT|VERSION|STATE|SIGNED|VALID|TITLE");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for row in all.as_array().into_iter().flatten() {
        let member = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let parties = row.get("parties").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let signed = parties.iter().filter(|party| party.get("signed") == Some(&Value::Bool(true))).count();
        rows.push(vec![
            member("id"),
            row.get("version").map(Value::to_string).unwrap_or_default(),
            output::state(globals, &member("state")),
            format!("{signed}/{}", parties.len()),
            format!("{} – {}", member("validFrom"), member("validTo")),
            row.get("title").map(|title| output::from_map(globals, title)).unwrap_or_default(),
        ]);
    }
    output::data(output::table(&rows));
    Ok(0)
}

async fn show(globals: &Globals, id: &str) -> Outcome<u8> {
    let path = format!("/v1/agreements/{}", super::control::encoded(id));
    let shown = with(globals, async |control| control.get(&path).await).await?;
    if globals.json {
        output::json(&shown);
        return Ok(0);
    }
    let pretty = serde_json::to_string_pretty(&shown).map_err(|error| Problem::new(Code::Internal, error))?;
    output::data(pretty);
    Ok(0)
}
