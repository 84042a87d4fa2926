//! `hefu fsck --url`: any log, from outside.

use super::{Globals, output};
use crate::client::Client;
use crate::outside::{self, ReadError, Reader, Source};
use crate::problem::{Code, Outcome, Problem};
use hefu_federation::entry::Body;
use hefu_federation::tile::TilePath;
use hefu_federation::tree::Hash;
use hefu_federation::verdict::utc;
use hefu_federation::walk::{Step, Walked};
use hefu_schemas::id::{Digest, Origin};
use hefu_schemas::text::Text;
use indicatif::ProgressBar;
use serde_json::json;
use std::path::Path;

/// Complaints that are listed; the rest is counted.
const MAX_COMPLAINTS: usize = 100;

struct Checking {
    bar: ProgressBar,
    entries: u64,
    records: u64,
    complaints: Vec<Text>,
    count: u64,
}

impl Checking {
    fn complain(&mut self, what: Text) {
        self.count += 1;
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(what);
        }
    }
}

impl Reader for Checking {
    fn step(&mut self, step: &Step, size: u64, all: u64) {
        let is_record = |body: &Body| matches!(body, Body::Record { .. } | Body::Amend { .. } | Body::Withdraw { .. });
        let records = step.entries.iter().filter(|(_, entry)| is_record(&entry.body)).count();
        self.records += u64::try_from(records).unwrap_or(0);
        self.entries = size;
        for complaint in &step.complaints {
            self.complain(complaint.text());
        }
        self.bar.set_length(all);
        self.bar.set_position(size);
    }
    fn wants_tiles(&self) -> bool {
        true
    }
    fn tile_differs(&mut self, path: TilePath) {
        self.complain(Text::new(
            format!("{path} 缺失，或与各条目不符"),
            format!("{path} is missing, or not what the entries give"),
        ));
    }
}

/// Reads the whole log; exit code 1 when anything is wrong with it.
pub(super) async fn run(globals: &Globals, url: &str, fingerprint: &str, ca: Option<&Path>) -> Outcome<u8> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(Code::BadRequest, error);
    let origin = Origin::from_url(url).map_err(|error| refused(&format!("--url: {error}")))?;
    let fingerprint = Digest::parse(fingerprint).map_err(|error| refused(&format!("--fingerprint: {error}")))?;
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| Problem::new(Code::Input, format!("{}: {error}", path.display())))
    };
    let source = Source::Https(Client::anonymous(&origin, ca.map(read).transpose()?.as_deref(), true)?);
    let bar = output::progress(globals, Some(0), "读取日志", "reading the log");
    let mut checking = Checking { bar, entries: 0, records: 0, complaints: Vec::new(), count: 0 };
    let result = outside::read(&source, &origin, &Hash(fingerprint.0), &mut checking).await;
    checking.bar.finish_and_clear();
    let walked = match result {
        Ok(walked) => Some(walked),
        Err(ReadError::Unavailable(problem)) => return Err(problem),
        Err(error) => {
            checking.complain(error.text());
            None
        }
    };
    if let Some(index) = walked.as_ref().and_then(|walked| walked.ring.not_judged_from()) {
        output::words(
            globals,
            format!("日志第 {index} 条出自更新的版本，本程序未判断其含义。"),
            format!("Entry {index} is of a later version: what it means was not judged."),
        );
    }
    report(globals, &origin, &checking, walked.as_ref());
    Ok(u8::from(checking.count > 0))
}

fn report(globals: &Globals, origin: &Origin, checking: &Checking, walked: Option<&Walked>) {
    let (entries, records, count) = (checking.entries, checking.records, checking.count);
    if globals.json {
        output::json(&json!([{
            "origin": origin.as_str(),
            "entries": entries,
            "records": records,
            "root": walked.map(|walked| Digest(walked.checkpoint.root.0).to_string()),
            "lastEntryAt": walked.map(|walked| utc(walked.t)),
            "complaints": checking.complaints.iter().map(|what| &what.en).collect::<Vec<_>>(),
            "complaintCount": count,
        }]));
        return;
    }
    let verdict = if count == 0 {
        output::text(globals, "完好", "clean")
    } else {
        output::text(globals, format!("{count} 处问题"), output::counted(count, "complaint", "complaints"))
    };
    output::data(output::text(
        globals,
        format!("{origin}：读取 {entries} 条日志，其中记录 {records} 条，{verdict}"),
        format!(
            "{origin}: {} read, {} among them, {verdict}",
            output::counted(entries, "entry", "entries"),
            output::counted(records, "record", "records"),
        ),
    ));
    for complaint in &checking.complaints {
        output::data(format!("    {}", output::of(globals, complaint)));
    }
    if let Some(walked) = walked {
        let (root, t) = (Digest(walked.checkpoint.root.0), utc(walked.t));
        output::words(globals, format!("根 {root}，末条 {t}"), format!("root {root}, last entry {t}"));
    }
}
