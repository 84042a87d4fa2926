//! `hefu-bench`: what each path costs, beside the physical limit that is measured in the same run.
//!
//! ```text
//! cargo run --profile dist -p hefu-bench -- [--records N] [--transfers] [--large] [--json] [--write] [--peers] [--only PATH,…]
//! ```
//!
//! The library paths run here on one thread; the flows run in processes of the real `hefu`, whose processor time and memory are
//! read from the kernel. A rate is records ÷ (processor seconds ÷ cores): what the machine would do if nothing else ran on it.
//! Nothing here is asserted but that a constant number of rows is touched: figures are for people, a busy machine is no failure.

mod city;
mod cpu;
mod document;
mod flows;
mod growth;
mod library;
mod proxy;
mod report;
mod sample;
mod server;
mod steps;
mod touched;

use clap::Parser;
use hefu_node::synthetic::Load;
use report::Report;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The product's own allocator, so that what is measured here is what runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a figure could not be measured.
type Failure = Box<dyn std::error::Error>;

/// What each path costs, beside the physical limit that is measured in the same run.
#[derive(Debug, Parser)]
#[command(name = "hefu-bench")]
struct Options {
    /// Records that are published and pulled
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=2_000_000))]
    records: u64,
    /// Steps of transfers alone (2.3 kB a record) instead of the demonstration's population (1.3 kB)
    #[arg(long)]
    transfers: bool,
    /// Also what takes long: reconciling, tally and memory at a million records
    #[arg(long)]
    large: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the figures into docs/PERFORMANCE.md, between its two marks
    #[arg(long)]
    write: bool,
    /// Database of the nodes: sqlite, or the URL of a PostgreSQL server on which databases may be made
    #[arg(long, value_name = "URL", default_value = "sqlite")]
    database: String,
    /// Also the same records through what others offer: `tests/peers/run`, which installs what it needs
    #[arg(long)]
    peers: bool,
    /// Only these paths: library, flows, growth, demo
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    only: Vec<String>,
    /// The program to measure [default: the one of the same profile, which is built first]
    #[arg(long, value_name = "FILE")]
    hefu: Option<PathBuf>,
    /// Folder for the nodes, on the disk that is to be measured [default: a new one below the target folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Options {
    fn load(&self) -> Load {
        if self.transfers { Load::Transfers } else { Load::Population }
    }

    fn wants(&self, path: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == path)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(report) => {
            if options.json {
                println!("{}", report.json());
            } else {
                println!("{}", report.text());
            }
            if options.peers { peers(&options) } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs what compares with others, with the same options: a workspace of its own, so that none of it is a dependency here.
fn peers(options: &Options) -> ExitCode {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../peers/run"));
    command.args(["--records", &options.records.to_string(), "--database", &options.database]);
    for (flag, is_set) in [("--transfers", options.transfers), ("--json", options.json), ("--write", options.write)] {
        if is_set {
            command.arg(flag);
        }
    }
    if let Some(hefu) = &options.hefu {
        command.arg("--hefu").arg(hefu);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn measure(options: &Options) -> Result<Report, Failure> {
    let mut report = Report::begin(options);
    let sample = sample::Sample::new(options.load())?;
    let limits = library::limits(&sample);
    report.say(&format!(
        "limits, one core busy: verify_strict {:.1} µs, canonicalise + sign + hash {:.1} µs; all cores busy: {:.1} and {:.1} µs; \
         records of {:.0} bytes",
        limits.verify.one_core_us,
        limits.publish.one_core_us,
        limits.verify.all_cores_us,
        limits.publish.all_cores_us,
        limits.record_len
    ));
    if options.wants("library") {
        library::measure(&sample, &limits, &mut report)?;
        steps::measure(&sample, &limits, &mut report)?;
    }
    let processes = ["flows", "growth", "demo"].into_iter().any(|path| options.wants(path));
    if processes {
        let folder = city::Folder::new(options)?;
        let program = city::program(options)?;
        if options.wants("flows") {
            flows::measure(options, &program, folder.path(), &limits, &mut report)?;
        }
        if options.wants("growth") {
            growth::measure(options, &program, folder.path(), &mut report)?;
        }
        // The demonstration makes its databases itself.
        if options.wants("demo") && options.database == "sqlite" {
            flows::demo(options, &program, folder.path(), &mut report)?;
        }
    }
    if options.write {
        document::write(&report)?;
    }
    Ok(report)
}
