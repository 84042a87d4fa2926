//! The figures, and how they are shown.

use crate::{Options, cpu};
use hefu_node::clock::{Clock, Stopwatch};
use serde_json::{Value, json};

/// What a figure must be, as a multiple of its limit or by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Must {
    AtMost(f64),
    AtLeast(f64),
    /// Stated only.
    Stated,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    /// Which path.
    pub(crate) path: String,
    /// What was measured, with its unit.
    pub(crate) figure: String,
    /// The limit of the same run, with its unit.
    pub(crate) limit: String,
    /// What is compared: figure ÷ limit, or the figure.
    pub(crate) ratio: f64,
    /// What it must be.
    pub(crate) must: Must,
    /// What else belongs to it.
    pub(crate) note: String,
}

impl Row {
    fn met(&self) -> Option<bool> {
        match self.must {
            Must::AtMost(most) => Some(self.ratio <= most),
            Must::AtLeast(least) => Some(self.ratio >= least),
            Must::Stated => None,
        }
    }

    fn must(&self) -> String {
        match self.must {
            Must::AtMost(most) => format!("≤ {most:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            Must::AtLeast(least) => format!("≥ {least:.4}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            Must::Stated => "stated".to_owned(),
        }
    }

    fn cells(&self) -> [String; 6] {
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        let ratio = if self.ratio.is_finite() { format!("{:.3}", self.ratio) } else { String::new() };
        [self.path.clone(), self.figure.clone(), self.limit.clone(), ratio, self.must(), met.to_owned()]
    }
}

const HEADINGS: [&str; 6] = ["path", "figure", "limit, same run", "ratio", "must reach", ""];

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    head: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    clock: Stopwatch,
}

impl Report {
    pub(crate) fn begin(options: &Options) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let processor = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor = processor.map_or("unknown", |(_, name)| name);
        let memory = read("/proc/meminfo").lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        let memory: u64 = memory.unwrap_or(0);
        let profile = if cfg!(debug_assertions) { "release, debug assertions on" } else { "dist" };
        let head = vec![
            ("date", Clock::default().today("UTC").to_string()),
            ("version", format!("{} ({})", env!("CARGO_PKG_VERSION"), commit())),
            ("profile", profile.to_owned()),
            ("processor", format!("{processor}, {:.0} cores", cpu::cores())),
            ("memory", format!("{:.0} GB", cpu::float(memory * 1024) / 1e9)),
            ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
            ("load before", read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()),
            ("database", options.database.split(':').next().unwrap_or_default().to_owned()),
            ("records", options.records.to_string()),
        ];
        Self { head, rows: Vec::new(), clock: Stopwatch::start() }
    }

    /// Adds a figure and shows it at once.
    pub(crate) fn push(&mut self, row: Row) {
        let [path, figure, limit, ratio, must, met] = row.cells();
        self.say(&format!("{path}: {figure}; limit {limit}; {ratio} (must be {must}) {met}  {}", row.note));
        self.rows.push(row);
    }

    /// Words for whoever waits.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("{:6.1} s  {text}", self.clock.seconds());
    }

    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "path": row.path, "figure": row.figure, "limit": row.limit, "must": row.must(), "met": row.met(),
                "ratio": row.ratio.is_finite().then_some(row.ratio), "note": row.note,
            })
        };
        let head: serde_json::Map<_, _> =
            self.head.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
        json!({"run": head, "seconds": self.clock.seconds(), "figures": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// The table for a terminal.
    pub(crate) fn text(&self) -> String {
        let head = self.head.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
        let rows: Vec<[String; 6]> =
            std::iter::once(HEADINGS.map(str::to_owned)).chain(self.rows.iter().map(Row::cells)).collect();
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let line = |row: &[String; 6]| {
            let cells = row.iter().enumerate().map(|(at, cell)| pad(cell, width(at).unwrap_or(0)));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        head + "\n" + &rows.iter().map(line).collect::<String>()
    }

    /// The part of docs/PERFORMANCE.md that is written by this program.
    pub(crate) fn markdown(&self) -> String {
        let head = self.head.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ");
        let mut text = format!("{head}\n\n| {} |\n|{}\n", HEADINGS.join(" | "), "---|".repeat(HEADINGS.len()));
        for row in &self.rows {
            text.push_str(&format!("| {} |\n", row.cells().join(" | ")));
        }
        let notes: Vec<&Row> = self.rows.iter().filter(|row| !row.note.is_empty()).collect();
        if !notes.is_empty() {
            text.push('\n');
        }
        for row in notes {
            text.push_str(&format!("- {}: {}\n", row.path, row.note));
        }
        text.push_str(&format!("\nThe run took {:.0} s.\n", self.clock.seconds()));
        text
    }
}

/// A cell of the table for a terminal.
fn pad(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count())))
}

/// The commit that was built, as far as git knows.
fn commit() -> String {
    let git = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "no commit".to_owned() } else { text }
}
