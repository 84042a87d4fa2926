//! Snapshots of what commands say: one text file for each name, with the outputs in both languages and as JSON. What differs
//! by run (ports, keys, hashes, ids, times, folders) is masked, so that the files are compared byte for byte.
//!
//! ```text
//! taken.all("peer-list", &node, &["peer", "list"]).await;      runs it in en, in zh and with --json
//! taken.one("init", "en", &args, &said);                       for what can be run only once
//! taken.compare();                                             at the end of the test
//! ```
//!
//! `HEFU_UPDATE=1` writes the files instead of comparing; read the difference before it is committed.

use crate::process::{Said, Serving, command, run_with};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

mod mask;

pub use mask::mask;

/// Variable that makes [`Snapshots::compare`] write.
const UPDATE: &str = "HEFU_UPDATE";

/// The snapshots of one test.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    /// Texts of this run and what stands for them, longest first.
    names: Vec<(String, String)>,
    taken: BTreeMap<String, String>,
}

impl Default for Snapshots {
    fn default() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/snapshots");
        Self { folder, names: Vec::new(), taken: BTreeMap::new() }
    }
}

impl Snapshots {
    /// Replaces a text of this run by another; one as long keeps tables straight.
    pub fn name(&mut self, text: impl Into<String>, name: &str) {
        self.names.push((text.into(), name.to_owned()));
        self.names.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// Names a node: its folder, origin, DID and fingerprint. The port that stands for its own is 8441, 8442, …
    pub fn node(&mut self, node: &Serving, name: &str, port: u16) {
        let origin = node.url.trim_start_matches("https://");
        self.name(origin, &format!("{name}.example:{port}"));
        self.name(origin.replace(':', "%3A"), &format!("{name}.example%3A{port}"));
        self.name(origin.replace("localhost", "127.0.0.1"), &format!("127.0.0.1:{port}"));
        self.name(&node.fingerprint, &format!("<fingerprint of {name}>"));
        self.name(node.dir.display().to_string(), &format!("<folder of {name}>"));
        self.name(node.ca.display().to_string(), &format!("<ca of {name}>"));
    }

    /// Runs a command that changes nothing in English, in Chinese and with `--json`.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn all(&mut self, name: &str, node: &Serving, args: &[&str]) {
        self.all_with(name, node, args, b"").await;
    }

    /// As [`Self::all`], with standard input.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn all_with(&mut self, name: &str, node: &Serving, args: &[&str], input: &[u8]) {
        for (label, option) in [("en", &["--lang", "en"][..]), ("zh", &["--lang", "zh"]), ("json", &["--json"])] {
            let said = run_with(command(&node.dir, &[args, option].concat()), input).await;
            self.one(name, label, args, &said);
        }
    }

    /// Keeps what a command has said, below what is kept under the name already. `label` is the language, or `json`.
    pub fn one(&mut self, name: &str, label: &str, args: &[&str], said: &Said) {
        let option = if label == "json" { "--json".to_owned() } else { format!("--lang {label}") };
        let code = said.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let mut text = format!("$ hefu {option} {}\n", args.join(" "));
        for line in data(&said.stdout).lines() {
            let _ = writeln!(text, "{line}");
        }
        for line in said.stderr.lines() {
            let _ = writeln!(text, "! {line}");
        }
        let _ = writeln!(text, "= {code}\n");
        let masked = mask(&text, &self.names);
        self.taken.entry(name.to_owned()).or_default().push_str(&masked);
    }

    /// Compares with the files, or writes them.
    ///
    /// # Panics
    /// With the first line that differs in each file that differs.
    pub fn compare(self) {
        let update = std::env::var_os(UPDATE).is_some();
        let mut differing = Vec::new();
        for (name, text) in &self.taken {
            let path = self.folder.join(format!("{name}.txt"));
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            if stored == *text {
                continue;
            }
            if update {
                std::fs::write(&path, text).expect("a written snapshot");
            } else {
                differing.push(format!("{}:{}", path.display(), difference(&stored, text)));
            }
        }
        let differing = differing.join("\n");
        assert!(differing.is_empty(), "{differing}\n{UPDATE}=1 writes what was seen: read it before you keep it");
    }
}

/// JSON is laid out for reading, one document a line of output; words stay as they are.
fn data(stdout: &str) -> String {
    let mut text = String::new();
    let whole = serde_json::from_str::<Value>(stdout).ok().map(|document| document.to_string());
    for line in whole.as_deref().unwrap_or(stdout).lines() {
        let document: Option<Value> = serde_json::from_str(line).ok().filter(|value: &Value| !value.is_number());
        let pretty = document.and_then(|mut document| {
            unsteady(&mut document);
            serde_json::to_string_pretty(&document).ok()
        });
        let _ = writeln!(text, "{}", pretty.as_deref().unwrap_or(line));
    }
    text
}

/// Members named `…Ms` are times or unsteady; signed notes have base64 of every length.
fn unsteady(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("\n\n— ") => *text = "<signed note>".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(unsteady),
        Value::Object(members) => {
            for (name, member) in members {
                if name.ends_with("Ms") && member.is_number() {
                    *member = "<milliseconds>".into();
                }
                unsteady(member);
            }
        }
        _ => {}
    }
}

/// The first line that differs, with its number.
fn difference(stored: &str, seen: &str) -> String {
    let (mut left, mut right) = (stored.lines(), seen.lines());
    for number in 1_usize.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => return format!("{number}\n  kept {}\n  seen {}", a.unwrap_or("(end)"), b.unwrap_or("(end)")),
        }
    }
    "ends of lines".to_owned()
}
