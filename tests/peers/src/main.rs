//! `peers`: the same signed records through the product and through what others offer, side by side, in one run.
//!
//! `tests/peers/run` installs what is needed, builds the product and starts this. A row that cannot be run says so, and makes the
//! exit code 1; a bar that is not met does not: figures are for people, a busy machine is no failure.

mod city;
mod corpus;
mod postgres;
mod pouchdb;
mod process;
mod report;
mod store;
mod verify;

use city::Federation;
use corpus::Corpus;
use hefu_peers::synthetic::Load;
use report::{Bar, Measured, Report, float};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::Store;

/// The product's allocator, which the crate that the library is compared with has as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why something could not be measured.
type Failure = Box<dyn std::error::Error>;

/// What is compared.
const PARTS: [&str; 3] = ["verify", "pouchdb", "postgres"];
const USAGE: &str =
    "usage: tests/peers/run [--records N] [--transfers] [--times N] [--only verify|pouchdb|postgres[,…]] [--json] [--write]
                       [--database sqlite|postgres|URL] [--hefu FILE]";
/// Most records of a city: what the demonstration allows.
const MAX_RECORDS: u64 = 2_000_000;

/// What was asked for. What the usage does not name comes from `tests/peers/run`.
struct Options {
    records: u64,
    load: Load,
    times: usize,
    only: Vec<String>,
    json: bool,
    write: bool,
    database: String,
    hefu: PathBuf,
    folder: PathBuf,
    packages: PathBuf,
    /// The crate's program, built with our compiler flags, and without.
    affinidi: PathBuf,
    affinidi_default: PathBuf,
    version: String,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            records: 100_000,
            load: Load::Population,
            times: 3,
            only: Vec::new(),
            json: false,
            write: false,
            database: "sqlite".into(),
            hefu: PathBuf::new(),
            folder: PathBuf::new(),
            packages: PathBuf::new(),
            affinidi: PathBuf::new(),
            affinidi_default: PathBuf::new(),
            version: String::new(),
        };
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--json" => options.json = true,
                "--transfers" => options.load = Load::Transfers,
                "--write" => options.write = true,
                "--records" => options.records = arguments.next()?.parse().ok()?,
                "--times" => options.times = arguments.next()?.parse().ok()?,
                "--only" => options.only = arguments.next()?.split(',').map(str::to_owned).collect(),
                "--database" => options.database = arguments.next()?,
                "--hefu" => options.hefu = arguments.next()?.into(),
                "--folder" => options.folder = arguments.next()?.into(),
                "--packages" => options.packages = arguments.next()?.into(),
                "--affinidi" => options.affinidi = arguments.next()?.into(),
                "--affinidi-default" => options.affinidi_default = arguments.next()?.into(),
                _ => return None,
            }
        }
        let known = options.only.iter().all(|part| PARTS.contains(&part.as_str()));
        let sized = (100..=MAX_RECORDS).contains(&options.records) && (1..=100).contains(&options.times);
        (known && sized).then_some(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match measure(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all parts and shows the figures; whether everything could be run.
fn measure(mut options: Options) -> Result<bool, Failure> {
    let mut hefu = process::command(&options.hefu);
    hefu.arg("--version");
    options.version = process::said(hefu)?.trim().trim_start_matches("hefu ").to_owned();
    let mut report = Report::begin(&options);
    let base = std::path::absolute(&options.folder)?;
    let store = Store::new(&options, &base)?;
    let mut federation = Federation::new(&options, &base.join("cities"), store.databases())?;
    report.say(&format!("{} records are published", federation.count));
    let pulled = if options.wants("pouchdb") || options.wants("postgres") {
        Some(pull(&options, &store, &mut federation, &mut report)?)
    } else {
        None
    };
    federation.publisher.serve()?;
    let corpus = Corpus::new(&federation, &base)?;
    federation.publisher.stop();
    report.about("records", format!("{} of {} bytes", federation.count, corpus.record_len()));
    if options.wants("verify") {
        verifying(&options, &federation, &corpus, &mut report)?;
    }
    if let Some(ours) = pulled {
        pulling(&options, &corpus, &base, ours, &mut report);
    }
    if options.write {
        report.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PERFORMANCE.md"))?;
    }
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    Ok(report.is_whole())
}

/// Our pull, with nothing held at the beginning of each.
fn pull(options: &Options, store: &Store, federation: &mut Federation, report: &mut Report) -> Result<f64, Failure> {
    store.keep(federation)?;
    federation.publisher.serve()?;
    let mut pulls = Vec::new();
    for _ in 0..options.times {
        store.restore(federation)?;
        pulls.push(federation.pull()?);
    }
    federation.publisher.stop();
    let count = float(federation.count);
    pulls.sort_by(|one, other| one.with_reconcile.total_cmp(&other.with_reconcile));
    let both = pulls.get(options.times / 2).ok_or("nothing was pulled")?.with_reconcile;
    pulls.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let pulled = pulls.get(options.times / 2).ok_or("nothing was pulled")?;
    let [pulling, serving] = [pulled.pulling, pulled.serving].map(|seconds| seconds * 1e6 / count);
    let note = format!(
        "everything verified, TLS 1.3, each page committed to the disk; processor time of a record: {pulling:.1} µs where it \
         is pulled, {serving:.1} µs where it is served"
    );
    let ours = report.ours("hefu pull", Measured { rate: count / pulled.seconds, note });
    let note = "both commands, one after the other".to_owned();
    report.ours("hefu pull, then hefu reconcile", Measured { rate: count / both, note });
    Ok(ours)
}

fn verifying(options: &Options, federation: &Federation, corpus: &Corpus, report: &mut Report) -> Result<(), Failure> {
    let library = verify::Ours::new(federation, corpus)?;
    let [alone, together] = library.measure(corpus, options.times)?;
    let alone = report.ours("hefu, verify one record", alone);
    let ours = report.ours("hefu, verify the records of a page", together);
    for (what, program, bar) in [
        ("as cargo builds it by default", &options.affinidi_default, Bar::AtLeast(2.0)),
        ("with our compiler flags", &options.affinidi, Bar::AtLeast(2.0)),
    ] {
        let what = format!("crate affinidi-data-integrity, {what}, verify one proof");
        report.verifier(&what, verify::affinidi(corpus, program, options.times), [ours, alone], bar);
    }
    for (part, what) in verify::NPM {
        report.verifier(what, verify::npm(corpus, &options.packages, part), [ours, alone], Bar::AtLeast(8.0));
    }
    Ok(())
}

fn pulling(options: &Options, corpus: &Corpus, base: &Path, ours: f64, report: &mut Report) {
    if options.wants("pouchdb") {
        let bar = Bar::AtLeast(8.0);
        match pouchdb::measure(corpus, &options.packages, base) {
            Ok(figures) => {
                for (batch, measured) in figures {
                    report.peer(&format!("PouchDB replication, batches of {batch}"), Ok(measured), Some(ours), bar);
                }
            }
            Err(error) => report.peer("PouchDB replication", Err(error), Some(ours), bar),
        }
    }
    if options.wants("postgres") {
        let bar = Bar::MoreThan(1.0);
        match postgres::measure(corpus, base, options.times) {
            Ok(figures) => {
                for (what, measured) in figures {
                    let what = format!("PostgreSQL logical replication, {what}");
                    report.peer(&what, Ok(measured), Some(ours), bar);
                }
            }
            Err(error) => report.peer("PostgreSQL logical replication", Err(error), Some(ours), bar),
        }
    }
}
