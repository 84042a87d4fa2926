//! How commands speak: words in one language, JSON, tables, progress on a terminal only.

use super::Globals;
use crate::problem::Problem;
use hefu_schemas::text::{Lang, Text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Violations shown on a terminal; `--json` has all that the node lists.
const MAX_SHOWN: usize = 20;

/// The text in the language of the command.
pub(super) fn text(globals: &Globals, zh: impl Into<String>, en: impl Into<String>) -> String {
    match globals.lang() {
        Lang::Zh => zh.into(),
        Lang::En => en.into(),
    }
}

/// Prints data to stdout. A closed pipe is no error: the reader has what it wanted.
pub(super) fn data(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// Prints words to stderr, unless only JSON is wanted.
pub(super) fn words(globals: &Globals, zh: impl Into<String>, en: impl Into<String>) {
    if !globals.json {
        let _ = writeln!(std::io::stderr().lock(), "{}", text(globals, zh, en));
    }
}

/// Prints what a person looks at before something is published: beside the data, or, when nothing else comes, as the data.
pub(super) fn aside(globals: &Globals, alone: bool, text: String) {
    match (globals.json, alone) {
        (true, _) => {}
        (false, true) => data(text),
        (false, false) => words(globals, text.as_str(), text.as_str()),
    }
}

/// Prints JSON to stdout.
pub(super) fn json(value: &Value) {
    data(value.to_string());
}

/// Prints a problem: words and violations, or JSON.
pub(super) fn problem(globals: &Globals, problem: &Problem) {
    if globals.json {
        json(&problem.to_json());
        return;
    }
    let mut out = problem.for_terminal(globals.lang());
    let violations = problem.extra.get("violations").and_then(Value::as_array);
    for violation in violations.into_iter().flatten().take(MAX_SHOWN) {
        out.push_str("\n  ");
        out.push_str(&violation_line(globals, violation));
    }
    let more = violations.map_or(0, |all| all.len().saturating_sub(MAX_SHOWN));
    if more > 0 {
        out.push_str(&text(
            globals,
            format!("\n  …另有 {more} 条（--json 可全部列出）"),
            format!("\n  … and {more} more (--json lists them)"),
        ));
    }
    out.push_str(&super::publish::csv::faults(globals, problem));
    let _ = writeln!(std::io::stderr().lock(), "{out}");
}

fn violation_line(globals: &Globals, violation: &Value) -> String {
    let member = |name: &str| violation.get(name).and_then(Value::as_str).unwrap_or_default();
    let place = violation
        .get("line")
        .map_or(String::new(), |line| text(globals, format!("第 {line} 行 "), format!("line {line} ")));
    let message = violation.get("message").map(|message| from_map(globals, message)).unwrap_or_default();
    format!("{place}{} {message} ({})", member("pointer"), member("rule"))
}

/// The entry of a language map `{zh, en}` in the language of the command.
pub(super) fn from_map(globals: &Globals, map: &Value) -> String {
    let key = match globals.lang() {
        Lang::Zh => "zh",
        Lang::En => "en",
    };
    let any = || map.as_object().and_then(|map| map.values().next());
    map.get(key).or_else(any).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A text in the language of the command.
pub(super) fn of(globals: &Globals, both: &Text) -> String {
    both.in_lang(globals.lang()).to_owned()
}

/// The state of an agreement; English says the word that is on the wire.
pub(super) fn state(globals: &Globals, code: &str) -> String {
    let zh = match code {
        "proposed" => "已提出",
        "partially-signed" => "部分签署",
        "signed" => "各方已签署",
        "in-force" => "已生效",
        "suspended" => "已中止",
        "ended" => "已终止",
        "expired" => "已到期",
        other => other,
    };
    text(globals, zh, code)
}

pub(super) use crate::problem::counted;

/// A progress bar on stderr, on a terminal only.
pub(super) fn progress(globals: &Globals, total: Option<u64>, zh: &str, en: &str) -> ProgressBar {
    let visible = std::io::stderr().is_terminal() && !globals.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(total, target).with_message(text(globals, zh, en));
    let style = match total {
        Some(_) => "{msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}",
        None => "{msg} {spinner} {human_pos} {per_sec}",
    };
    bar.with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Columns of equal width for a terminal; wide characters count two.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Width on a terminal: CJK and full-width characters take two columns.
pub(super) fn width(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFD);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
