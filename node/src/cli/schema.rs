//! `hefu schema`: the released schemas and code lists, and files checked against them. No folder is opened.

mod check;
mod validate;

use super::{Globals, output};
use crate::pages::{catalogue, words};
use crate::problem::{Code, Outcome, Problem};
use clap::builder::PossibleValuesParser;
use hefu_schemas::code::{CodeList, Copied, lists};
use hefu_schemas::text::Text;
use serde_json::{Value, json};
use std::io::Write;

const LIST_EXAMPLE: &str = "\
Example:
  hefu schema list              names, titles and what each schema is for
  hefu schema list --json       also ids, paths and the SHA-256 that agreements pin

Every node serves the same files, with pages for people, under /schemas/.";

const SHOW_EXAMPLE: &str = "\
Example:
  hefu schema show student-status > student-status.json     the file as released, byte for byte
  hefu schema show student-status --codes status            a code list of it, as a table
  hefu schema show --codes gb-t-2260 --json                 any code list, as JSON

`hefu schema list` names the schemas and their code lists.";

/// Schemas and code lists.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Schema {
    /// List the schemas: name, title, what it is for, SHA-256
    #[command(after_help = LIST_EXAMPLE)]
    List,
    /// Print a schema as released, or a code list
    #[command(after_help = SHOW_EXAMPLE)]
    Show(Show),
    /// Check a file: record, draft, agreement, policy or verdict, one or one a line
    Validate(validate::Validate),
}

/// What to print.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Name of the schema
    #[arg(value_name = "NAME", required_unless_present = "codes", hide_possible_values = true, value_parser = names())]
    name: Option<String>,
    /// Print this code list instead: codes with their Chinese and English names, and the source
    #[arg(long, value_name = "LIST", hide_possible_values = true, value_parser = list_names())]
    codes: Option<String>,
}

/// Names of the schemas.
fn names() -> PossibleValuesParser {
    catalogue::entries().iter().map(|entry| entry.name).collect::<Vec<_>>().into()
}

/// Names of the code lists.
fn list_names() -> PossibleValuesParser {
    lists().iter().map(|list| list.name.as_str()).collect::<Vec<_>>().into()
}

impl Schema {
    pub(super) fn run(self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::List => {
                list(globals);
                Ok(0)
            }
            Self::Show(show) => show.run(globals),
            Self::Validate(validate) => validate.run(globals),
        }
    }
}

fn list(globals: &Globals) {
    let entries = catalogue::entries();
    if globals.json {
        let row = |entry: &catalogue::Entry| {
            json!({
                "name": entry.name,
                "title": entry.title,
                "purpose": entry.purpose,
                "id": entry.file.id,
                "path": entry.file.path,
                "sha256": entry.file.digest().to_string(),
                "codes": entry.lists,
            })
        };
        output::json(&json!({ "schemas": entries.iter().map(row).collect::<Vec<_>>() }));
        return;
    }
    for entry in entries {
        let (title, purpose) = (output::of(globals, &entry.title), output::of(globals, &entry.purpose));
        output::data(format!("{}  {title}", entry.name));
        output::data(format!("  {purpose}"));
        output::data(format!("  {}", entry.file.id));
        output::data(format!("  sha256 {}", entry.file.digest()));
        if !entry.lists.is_empty() {
            let names = entry.lists.join(" ");
            output::data(output::text(globals, format!("  代码表：{names}"), format!("  code lists: {names}")));
        }
    }
    let others: Vec<_> = lists().iter().map(|list| list.name.as_str()).collect();
    let others: Vec<_> = others.into_iter().filter(|name| !entries.iter().any(|e| e.lists.contains(name))).collect();
    let others = others.join(" ");
    output::data(output::text(globals, format!("其他代码表：{others}"), format!("other code lists: {others}")));
}

impl Show {
    fn run(self, globals: &Globals) -> Outcome<u8> {
        if let Some(name) = self.codes {
            let unknown = || Problem::new(Code::NotFound, "no such code list");
            let list = lists().iter().find(|list| list.name == name).ok_or_else(unknown)?;
            codes(globals, list);
        } else {
            let unknown = || Problem::new(Code::NotFound, "no such schema");
            let entry = catalogue::find(&self.name.unwrap_or_default()).ok_or_else(unknown)?;
            // Nothing is added: whoever hashes the output gets the digest that agreements pin.
            let _ = std::io::stdout().lock().write_all(entry.file.text.as_bytes());
        }
        Ok(0)
    }
}

fn codes(globals: &Globals, list: &CodeList) {
    if globals.json {
        let row = |(code, text): &(String, Text)| json!({ "code": code, "zh": text.zh, "en": text.en });
        let copy = |copy| if copy == Copied::Own { "own" } else { "secondary" };
        let sources: Vec<Value> = (list.sources.iter())
            .map(|source| json!({ "title": source.title, "year": source.year, "copy": copy(source.copy) }))
            .collect();
        output::json(&json!({
            "list": list.name,
            "title": words::list(&list.name),
            "source": sources,
            "codes": list.rows.iter().map(row).collect::<Vec<_>>(),
        }));
        return;
    }
    let rows: Vec<_> =
        list.rows.iter().map(|(code, text)| vec![code.clone(), text.zh.clone(), text.en.clone()]).collect();
    output::data(output::table(&rows));
    let title = words::list(&list.name);
    output::words(globals, format!("{}：{} 项", title.zh, rows.len()), format!("{}: {} codes", title.en, rows.len()));
    for source in &list.sources {
        let (zh, en) = match source.copy {
            Copied::Own => ("", ""),
            Copied::Secondary => ("；转录，不声称与原文一致", "; a copy, no conformity with the original is claimed"),
        };
        output::words(
            globals,
            format!("来源：{}，{} 年{zh}", source.title, source.year),
            format!("source: {}, {}{en}", source.title, source.year),
        );
    }
}
