//! `hefu amend`.

mod change;

use super::control::with;
use super::record::{correctable, draft_of};
use super::withdraw::{finish, one_of};
use super::{Globals, ask, output};
use crate::problem::{Code, Outcome, Problem};
use change::{Change, changes};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  hefu --dir km amend 17 --correction wrong-date --set effectiveOn=2026-09-01
  hefu --dir km amend 17 --correction entry-error --set receiving.grade=4 --unset reason --dry-run

  hefu --dir km record show 17 --draft > draft.json           # for larger changes: edit, then
  hefu --dir km amend 17 --correction entry-error --file draft.json

Publishes a new record that takes the place of the given one, which then never held. The difference is shown first. NAME is a
member of credentialSubject, with dots for members of members, or a JSON pointer from the record (/statedBy/code). VALUE is
taken as text where text stood before, else as JSON if it is. When a date of effect changes, validFrom follows by itself.

A lawful change of facts is no correction: publish a record that follows the earlier one. Corrections: entry-error,
wrong-person, wrong-date, authority-decision, fraud.";

/// Longest draft file.
const MAX_FILE_LEN: usize = crate::publish::MAX_LINE_LEN;

/// Correct a record of this node.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Amend {
    /// Its index or its urn:uuid:
    #[arg(value_name = "RECORD")]
    record: String,
    /// Why: a code, see below
    #[arg(long, value_name = "CODE", value_parser = correction)]
    correction: String,
    /// Set a member (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", required_unless_present_any = ["unset", "file"])]
    set: Vec<String>,
    /// Take a member away (may be repeated)
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// An edited draft of the record; - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only check and show the difference
    #[arg(long)]
    dry_run: bool,
}

fn correction(given: &str) -> Result<String, String> {
    one_of("correction", given)
}

impl Amend {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let given = self.file.as_ref().map(read).transpose()?;
        let answer = with(globals, async |control| {
            let shown = correctable(control, &self.record, false).await?;
            let before = draft_of(&shown)?;
            let after = self.corrected(&before, given)?;
            let changes = changes(&before, &after);
            if changes.is_empty() {
                return Err(Problem::new(Code::Input, "the corrected record says the same as the published one"));
            }
            output::aside(globals, self.dry_run, table(globals, &changes));
            let draft = json!({"record": after});
            // What would be refused is refused before anybody is asked.
            ask::publish(control, &draft, true).await?;
            let rows: Vec<Value> = changes.iter().map(Change::to_json).collect();
            let corrects = shown.get("index");
            if self.dry_run {
                return Ok(json!({"published": false, "corrects": corrects, "changes": rows}));
            }
            ask::confirm(globals, self.yes, "确定更正吗？", "Publish this correction?")?;
            let receipt = ask::publish(control, &draft, false).await?;
            Ok(json!({"published": true, "corrects": corrects, "changes": rows, "receipt": receipt}))
        })
        .await?;
        finish(globals, &answer, ("已更正", "Corrected"));
        Ok(0)
    }

    /// The record as it should have been: a new one, which supersedes the old.
    fn corrected(&self, before: &Map<String, Value>, given: Option<Value>) -> Outcome<Map<String, Value>> {
        let id = before.get("id").cloned().unwrap_or_default();
        let mut after = match given {
            None => before.clone(),
            Some(mut given) => {
                let record = given.get_mut("record").map(Value::take);
                let refused = |why: &str| Problem::new(Code::Input, format!("draft file: {why}"));
                let Some(Value::Object(record)) = record else {
                    return Err(refused("expected {\"record\": {…}}, as `hefu record show RECORD --draft` prints it"));
                };
                if record.get("id").is_some_and(|given| *given != id) {
                    return Err(refused("it is of another record"));
                }
                record
            }
        };
        for pair in &self.set {
            change::set(&mut after, pair)?;
        }
        for name in &self.unset {
            change::unset(&mut after, name)?;
        }
        change::move_date(&mut after, before);
        after.remove("id");
        after.insert("supersedes".to_owned(), id);
        after.insert("correction".to_owned(), json!(self.correction));
        Ok(after)
    }
}

fn read(path: &PathBuf) -> Outcome<Value> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(Code::Input, format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let mut reader: Box<dyn std::io::Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| refused(&error))?)
    };
    std::io::Read::read_to_end(&mut reader, &mut bytes).map_err(|error| refused(&error))?;
    // The same gate as for any draft: what serde_json would silently round or drop is refused here.
    hefu_schemas::canonical::read(&bytes, MAX_FILE_LEN).map_err(|error| refused(&error))
}

fn table(globals: &Globals, changes: &[Change]) -> String {
    let head = output::text(globals, "成员|原为|更正为", "MEMBER|WAS|BECOMES");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    for change in changes {
        let cell = |value: &Option<Value>| match value {
            None => "–".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        rows.push(vec![change.pointer.clone(), cell(&change.before), cell(&change.after)]);
    }
    output::table(&rows)
}
