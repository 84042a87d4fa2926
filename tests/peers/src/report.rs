//! The figures and how they are shown.

use crate::{Failure, Options};
use hefu_peers::clock::{Clock, Stopwatch};
use serde_json::{Value, json};
use std::path::Path;

const BEGIN: &str = "<!-- peers:begin -->";
const END: &str = "<!-- peers:end -->";
const HEADINGS: [&str; 6] = ["what", "records/s", "ours, records/s", "ours ÷ theirs", "required", ""];

/// A count as a float; none here comes near 2^32.
pub(crate) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The median of some seconds.
pub(crate) fn median(times: usize, mut run: impl FnMut() -> Result<f64, Failure>) -> Result<f64, Failure> {
    let mut runs = (0..times).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(f64::total_cmp);
    runs.get(times / 2).copied().ok_or_else(|| "nothing was run".into())
}

/// What came of a measurement.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Records a second.
    pub(crate) rate: f64,
    pub(crate) note: String,
}

/// What ours ÷ theirs must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    MoreThan(f64),
    /// Ours, or stated only.
    Stated,
}

struct Row {
    what: String,
    /// Why it could not be run, otherwise.
    measured: Result<Measured, String>,
    ours: Option<f64>,
    bar: Bar,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let theirs = self.measured.as_ref().ok()?.rate;
        Some(self.ours? / theirs)
    }

    fn met(&self) -> Option<bool> {
        let ratio = self.ratio()?;
        match self.bar {
            Bar::AtLeast(least) => Some(ratio >= least),
            Bar::MoreThan(least) => Some(ratio > least),
            Bar::Stated => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let rate = self.measured.as_ref().map_or_else(|_| "not run".to_owned(), |measured| thousands(measured.rate));
        let required = match self.bar {
            Bar::AtLeast(least) => format!("≥ {least}"),
            Bar::MoreThan(least) => format!("> {least}"),
            Bar::Stated => String::new(),
        };
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        };
        let ours = self.ours.map(thousands).unwrap_or_default();
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        [self.what.clone(), rate, ours, ratio, required, met.to_owned()]
    }

    fn note(&self) -> String {
        match &self.measured {
            Ok(measured) => measured.note.clone(),
            Err(why) => format!("could not be run: {why}"),
        }
    }
}

/// `12345.6` as `12,346`.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// All figures of a run.
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
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let head = vec![
            ("date", Clock::default().today("UTC").to_string()),
            ("processor", format!("{}, {cores} cores", processor.map_or("unknown", |(_, name)| name))),
            ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
            ("load before", read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()),
            ("hefu", options.version.clone()),
            ("store", options.database.split(':').next().unwrap_or_default().to_owned()),
            ("median of", options.times.to_string()),
        ];
        Self { head, rows: Vec::new(), clock: Stopwatch::start() }
    }

    pub(crate) fn about(&mut self, name: &'static str, what: String) {
        self.head.push((name, what));
    }

    /// Our own figure.
    pub(crate) fn ours(&mut self, what: &str, measured: Measured) -> f64 {
        let rate = measured.rate;
        self.push(Row { what: what.to_owned(), measured: Ok(measured), ours: None, bar: Bar::Stated });
        rate
    }

    /// Somebody else's, beside ours.
    pub(crate) fn peer(&mut self, what: &str, measured: Result<Measured, Failure>, ours: Option<f64>, bar: Bar) {
        let measured = measured.map_err(|error| error.to_string());
        self.push(Row { what: what.to_owned(), measured, ours, bar });
    }

    /// Who verifies one at a time, beside ours of a page and beside one of ours at a time.
    pub(crate) fn verifier(&mut self, what: &str, measured: Result<Measured, Failure>, ours: [f64; 2], bar: Bar) {
        let measured = measured.map_err(|error| error.to_string());
        let [page, alone] = ours;
        for (what, ours) in [(what.to_owned(), page), (format!("{what}; one of ours at a time"), alone)] {
            self.push(Row { what, measured: measured.clone(), ours: Some(ours), bar });
        }
    }

    fn push(&mut self, row: Row) {
        let cells: Vec<String> = row.cells().into_iter().filter(|cell| !cell.is_empty()).collect();
        self.say(&format!("{}; {}", cells.join("; "), row.note()));
        self.rows.push(row);
    }

    /// Words for whoever waits.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("{:6.1} s  {text}", self.clock.seconds());
    }

    /// Whether everything could be run.
    pub(crate) fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.measured.is_ok())
    }

    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "what": row.what, "recordsPerSecond": row.measured.as_ref().ok().map(|measured| measured.rate),
                "ours": row.ours, "ratio": row.ratio(), "required": row.cells().get(4), "met": row.met(),
                "note": row.note(),
            })
        };
        let head: serde_json::Map<_, _> =
            self.head.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
        json!({"run": head, "seconds": self.clock.seconds(), "figures": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// The table for a terminal.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<[String; 6]> =
            std::iter::once(HEADINGS.map(str::to_owned)).chain(self.rows.iter().map(Row::cells)).collect();
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let line = |row: &[String; 6]| {
            let cell = |(at, cell): (usize, &String)| {
                let missing = width(at).unwrap_or(0).saturating_sub(cell.chars().count());
                if at == 0 {
                    format!("{cell}{}", " ".repeat(missing))
                } else {
                    format!("{}{cell}", " ".repeat(missing))
                }
            };
            row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let head: String = self.head.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let notes: String = self.rows.iter().map(|row| format!("{}: {}\n", row.what, row.note())).collect();
        format!("{head}\n{}\n{notes}", rows.iter().map(line).collect::<String>())
    }

    fn markdown(&self) -> String {
        let head = self.head.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ");
        let mut text = format!("{head}\n\n| {} |\n|---|---:|---:|---:|---:|---|\n", HEADINGS.join(" | "));
        for row in &self.rows {
            text.push_str(&format!("| {} |\n", row.cells().join(" | ").trim_end()));
        }
        text.push('\n');
        for row in &self.rows {
            text.push_str(&format!("- {}: {}.\n", row.what, row.note()));
        }
        text
    }

    /// Puts the figures between the marks of a document, or at its end when it has none.
    pub(crate) fn write(&self, document: &Path) -> Result<(), Failure> {
        let text = match std::fs::read_to_string(document) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Performance\n".to_owned(),
            Err(error) => return Err(error.into()),
        };
        Ok(std::fs::write(document, placed(&text, &self.markdown()))?)
    }
}

/// What is compared, and what is not the same.
const FAIRNESS: &str = "\
## Peers, side by side

Written by `tests/peers/run --write`. The same signed records, published by a real node, go through all of them in one run, on
the same cores.

- Verifying: one thread each, records a second of processor time. The others are called for one record after the other, which is
  what they offer. Ours is shown twice: one record at a time, and the records of a page in the parts in which `hefu pull` verifies
  them, where each signature keeps an equation of its own (ADR 0016). Ours does more: besides the proof it checks the
  commitment, the canonical form, the key's range in the log, the schema and the agreement's scope. The crate has the same
  compiler, profile and allocator, and is built twice: as cargo builds it for whoever sets no flags, and with the flags of this
  project, which compile the vector back end of the curve in for both. The npm packages have one core for all threads of
  their process and every document at hand; `vc` is the call for a credential, `data-integrity` the part below it.
- Pulling: wall time, both ends on the same cores. Ours is the time of the command `hefu pull` from its start to its end: two
  processes, TLS 1.3, every proof, schema and commitment verified, each page committed with `fsync`. Reconciling is a step of
  its own and given in a row of its own; none of the others has one.
- PouchDB verifies nothing, speaks plain HTTP, and LevelDB does not sync to the disk; starting its process is not counted.
- PostgreSQL verifies nothing and speaks plain TCP. Both clusters have default settings, `fsync` and `synchronous_commit`
  on, but a subscription's own default lets the apply worker not wait for the disk, and the wait before a worker is
  started again is cut from 5 s to 0.1 s, in its favour. The table has a `bigint` key and one column. What was written before is
  checkpointed and synced before the clock starts.";

fn placed(text: &str, figures: &str) -> String {
    let part = format!("{BEGIN}\n{FAIRNESS}\n\n{figures}{END}");
    match text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1))) {
        Some((before, after)) => format!("{before}{part}{after}"),
        None => format!("{}\n\n{part}\n", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_the_marks_stays() {
        let new = placed(&format!("# A\n\n{BEGIN}\nold\n{END}\n\nbehind\n"), "new\n");
        assert!(
            new.starts_with(&format!("# A\n\n{BEGIN}\n## Peers")) && new.ends_with(&format!("new\n{END}\n\nbehind\n"))
        );
        assert_eq!(placed(&new, "new\n"), new);
        let appended = placed("# A\n", "new\n");
        assert!(appended.starts_with("# A\n\n<!-- ") && appended.ends_with(&format!("{END}\n")));
        assert_eq!(placed(&appended, "new\n"), appended);
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(["7", "123", "1,234", "1,234,567"], [7.2, 123.0, 1_234.4, 1_234_567.0].map(thousands).as_slice());
    }

    #[test]
    fn a_row_says_whether_its_bar_is_met_or_why_it_was_not_run() {
        let row = |measured, bar| Row { what: "it".into(), measured, ours: Some(80.0), bar };
        let theirs = || Ok(Measured { rate: 10.0, note: String::new() });
        assert_eq!(row(theirs(), Bar::AtLeast(8.0)).met(), Some(true));
        assert_eq!(row(theirs(), Bar::MoreThan(8.0)).met(), Some(false));
        let failed = row(Err("no server".into()), Bar::AtLeast(8.0));
        assert_eq!((failed.met(), failed.note().as_str()), (None, "could not be run: no server"));
    }
}
