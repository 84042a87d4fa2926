//! `hefu record`.

pub(super) mod render;

use super::control::{Control, encoded, with};
use super::{Globals, output};
use crate::problem::{Code, Outcome, Problem};
use serde_json::{Map, Value, json};

const SHOW: &str = "\
Example:
  hefu --dir km record show 17
  hefu --dir km record show urn:uuid:0198… --json
  hefu --dir km record show 4 --origin cd.example            # a peer's record, as it is held here
  hefu --dir km record show 17 --draft > draft.json          # to be edited for `hefu amend`

RECORD is an index of the log or a urn:uuid:. Without --origin an index is of this node's own log, and a urn is looked for in
all logs that it keeps.";

const LIST: &str = "\
Example:
  hefu --dir km record list
  hefu --dir km record list --kind student-status --since 2026-09-01 --limit 20
  hefu --dir km record list --origin cd.example --state withheld
  hefu --dir km record list --subject urn:hefu:subject:1:…   # all records of one person

Newest first. `hefu subject` turns an identifier into the reference that --subject takes. States: held, wanted (not fetched
yet), pending (the agreement is not open yet), refused, withheld, erased, restricted, invalid, quarantined.";

const HISTORY: &str = "\
Example:
  hefu --dir km record history 17

The whole chain that the record stands in, in the order of the log: what continues (follows) what, what corrects what, what
withdraws what. EFFECTIVE is the day on which the stated fact holds, RECORDED the day on which the city stated it.";

/// The members that the node adds to a draft by itself.
const NODE_MEMBERS: [&str; 5] = ["@context", "issuer", "credentialSchema", "credentialStatus", "proof"];

/// Look at records, own ones and those held of peers.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Record {
    /// One record: what it says, where it stands in the log, what became of it
    #[command(after_help = SHOW)]
    Show {
        #[command(flatten)]
        which: Which,
        /// Print it as a draft that `hefu publish` and `hefu amend` read
        #[arg(long)]
        draft: bool,
    },
    /// Records of a log, newest first
    #[command(after_help = LIST)]
    List(List),
    /// The chain of a record: what it continues, what corrects, continues or withdraws it
    #[command(after_help = HISTORY)]
    History {
        #[command(flatten)]
        which: Which,
    },
}

/// Names a record.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Its index or its urn:uuid:
    #[arg(value_name = "RECORD")]
    record: String,
    /// The peer whose log it is in, by origin
    #[arg(long, value_name = "PEER")]
    origin: Option<String>,
}

/// Filters.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// The log of this peer instead of the own one
    #[arg(long, value_name = "PEER")]
    origin: Option<String>,
    /// Only under this agreement
    #[arg(long, value_name = "AGREEMENT")]
    agreement: Option<String>,
    /// Only of this kind, e.g. student-status
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only in this state, e.g. held
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those recorded on this day or later
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only of the person with this reference
    #[arg(long, value_name = "REFERENCE")]
    subject: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// How many to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

impl Which {
    fn path(&self, tail: &str) -> String {
        path(&self.record, tail, self.origin.as_deref())
    }
}

fn path(record: &str, tail: &str, origin: Option<&str>) -> String {
    let query = origin.map_or(String::new(), |origin| format!("?origin={}", encoded(origin)));
    format!("/v1/inspect/records/{}{tail}{query}", encoded(record))
}

/// The record with all that `show` tells, if it can be amended, or withdrawn.
pub(super) async fn correctable(control: &Control, record: &str, withdraw: bool) -> Outcome<Value> {
    control.get(&format!("/v1/inspect/records/{}/correctable?withdraw={withdraw}", encoded(record))).await
}

/// A record without what the node adds by itself.
pub(super) fn draft_of(shown: &Value) -> Outcome<Map<String, Value>> {
    let record = shown.get("record").and_then(Value::as_object).cloned();
    let mut record = record.ok_or_else(|| Problem::new(Code::UnknownRecord, "its payload is not held here"))?;
    record.retain(|name, _| !NODE_MEMBERS.contains(&name.as_str()));
    Ok(record)
}

impl Record {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::Show { which, draft } => show(globals, &which, draft).await,
            Self::List(list) => list.run(globals).await,
            Self::History { which } => history(globals, &which).await,
        }
    }
}

async fn show(globals: &Globals, which: &Which, draft: bool) -> Outcome<u8> {
    let shown = with(globals, async |control| control.get(&which.path("")).await).await?;
    if draft {
        let draft = json!({"record": draft_of(&shown)?});
        let pretty = serde_json::to_string_pretty(&draft).map_err(|error| Problem::new(Code::Internal, error))?;
        output::data(pretty);
    } else if globals.json {
        output::json(&shown);
    } else {
        output::data(render::record(globals, &shown));
    }
    Ok(0)
}

impl List {
    async fn run(self, globals: &Globals) -> Outcome<u8> {
        let question = json!({
            "origin": self.origin,
            "agreement": self.agreement,
            "kind": self.kind,
            "state": self.state,
            "since": self.since,
            "subject": self.subject,
            "limit": self.limit,
            "offset": self.offset,
        });
        let answer = with(globals, async |control| control.post("/v1/inspect/records", &question).await).await?;
        if globals.json {
            output::json(&answer);
            return Ok(0);
        }
        let records = answer.get("records").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if records.is_empty() {
            output::words(globals, "没有符合条件的记录。", "No such records.");
            return Ok(0);
        }
        output::data(render::list(globals, records));
        if records.len() == self.limit {
            let next = self.offset + self.limit;
            output::words(
                globals,
                format!("可能还有更多：--offset {next}。"),
                format!("There may be more: --offset {next}."),
            );
        }
        Ok(0)
    }
}

async fn history(globals: &Globals, which: &Which) -> Outcome<u8> {
    let answer = with(globals, async |control| control.get(&which.path("/history")).await).await?;
    if globals.json {
        output::json(&answer);
    } else {
        output::data(render::history(globals, &answer));
    }
    Ok(0)
}
