//! Publishing and pulling between two real nodes, the bytes and the memory that they take, and the demonstration.

use crate::city::{self, Node, Ran};
use crate::library::Limits;
use crate::report::{Must, Report, Row};
use crate::sample::{SEED, reference};
use crate::{Failure, Options, cpu};
use hefu_node::clock::Clock;
use hefu_node::synthetic::{Cited, Load, Population};
use hefu_schemas::id::AgreementId;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Times that nodes of the usual size are made, publish and pull: the median counts, since a machine that is shared is not always as
/// fast.
const TIMES: usize = 3;
/// Records of the runs that take long.
pub(crate) const LARGE: u64 = 1_000_000;

/// Writes drafts of the first city; how many there are.
pub(crate) fn write_drafts(
    path: &Path,
    nodes: [&Node; 2],
    agreement: AgreementId,
    load: Load,
    records: u64,
) -> Result<u64, Failure> {
    let as_of = Clock::default().today("Asia/Shanghai");
    let cities = nodes.map(|node| node.city.clone()).to_vec();
    let population = Population::new(SEED, as_of, cities, records)?;
    let cited = Cited { id: agreement, version: 1 };
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let mut count = 0;
    for line in population.load(0, load, cited, reference).take(usize::try_from(records)?) {
        writeln!(file, "{line}")?;
        count += 1;
    }
    file.flush()?;
    Ok(count)
}

/// Publishes, pulls, reconciles, at one size.
pub(crate) fn measure(
    options: &Options,
    program: &Path,
    base: &Path,
    limits: &Limits,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut flows = Vec::with_capacity(TIMES);
    for time in 0..TIMES {
        let base = base.join(format!("flows{time}"));
        flows.push(run(options, program, &base, options.records, report)?);
        // Of the disk's space only what one of them takes.
        std::fs::remove_dir_all(base)?;
    }
    tell(&flows, limits, report);
    let idle_mb = median(&flows, |flow| flow.idle_mb).map_or(f64::NAN, |flow| flow.idle_mb);
    memory(report, "idle, serving", idle_mb, 40.0);
    if options.large {
        tell(&[run(options, program, &base.join("large"), LARGE, report)?], limits, report);
    }
    Ok(())
}

fn memory(report: &mut Report, what: &str, mb: f64, most: f64) {
    report.push(Row {
        path: format!("resident memory: {what}"),
        figure: format!("{mb:.0} MB"),
        limit: format!("{most:.0} MB"),
        ratio: mb / most,
        must: Must::AtMost(1.0),
        note: String::new(),
    });
}

/// What two nodes did and take.
struct Flow {
    count: u64,
    publish: Ran,
    pull: Ran,
    reconcile: Ran,
    /// Bytes of a record: in the own log, in the replica, on the wire.
    own: f64,
    replica: f64,
    wire: f64,
    /// Memory of a node that serves and has nothing to do.
    idle_mb: f64,
}

/// One node publishes, the other one pulls and reconciles.
fn run(options: &Options, program: &Path, base: &Path, records: u64, report: &Report) -> Result<Flow, Failure> {
    let (mut a, mut b, agreement) = city::federation(options, program, base)?;
    let drafts: PathBuf = base.join("drafts.ndjson");
    let count = write_drafts(&drafts, [&a, &b], agreement, options.load(), records)?;
    let idle_mb = memory_at_rest(&mut b)?;
    let (disk_a, disk_b) = (a.database_len(), b.database_len());
    let publish = a.run(&["publish", &drafts.display().to_string()])?;
    let (pull, wire) = pull_all(&mut a, &b, count, report)?;
    let each = |bytes: u64| cpu::float(bytes) / cpu::float(count);
    let (own, replica) = (each(a.database_len() - disk_a), each(b.database_len() - disk_b));
    let reconcile = b.run(&["reconcile"])?;
    report.say(&format!("published {count}: {}; pulled: {}", spent(&publish), spent(&pull)));
    Ok(Flow { count, publish, pull, reconcile, own, replica, wire: each(wire), idle_mb })
}

/// The one in the middle.
fn median(flows: &[Flow], by: impl Fn(&Flow) -> f64) -> Option<&Flow> {
    let mut sorted: Vec<&Flow> = flows.iter().collect();
    sorted.sort_by(|one, other| by(one).total_cmp(&by(other)));
    sorted.get(sorted.len() / 2).copied()
}

/// The rows of some runs of one size; of the memory the most that any took.
fn tell(flows: &[Flow], limits: &Limits, report: &mut Report) {
    let (Some(publish), Some(pull), Some(reconcile)) = (
        median(flows, |flow| flow.publish.spent.total()),
        median(flows, |flow| flow.pull.spent.total()),
        median(flows, |flow| flow.reconcile.spent.total()),
    ) else {
        return;
    };
    let (count, reconcile) = (publish.count, &reconcile.reconcile);
    rate(report, &format!("publish {count}"), count, &publish.publish, limits.publish.all_cores_us, Must::AtLeast(0.5));
    rate(report, &format!("pull {count}"), count, &pull.pull, limits.verify.all_cores_us, Must::AtLeast(0.4));
    bytes(
        report,
        "bytes on disk, replica",
        pull.replica,
        limits.stored_len,
        1.6,
        "compressed body, salt, leaf data, hash; queued for reconciling, not reconciled",
    );
    bytes(
        report,
        "bytes on disk, own log",
        pull.own,
        limits.stored_len,
        1.6,
        "the same with drafts, and reconciled as far as it served",
    );
    bytes(
        report,
        "bytes on the wire",
        pull.wire,
        limits.wire_len,
        1.3,
        "one zstd frame a page of 1,000, and the entries; TLS and HTTP included in the figure",
    );
    let most = |mb: fn(&Flow) -> f64| flows.iter().map(mb).fold(0.0, f64::max);
    memory(report, &format!("publish {count}"), most(|flow| flow.publish.peak_mb), 250.0);
    memory(report, &format!("pull {count}"), most(|flow| flow.pull.peak_mb), 250.0);
    report.push(Row {
        path: format!("reconcile {count} at once"),
        figure: format!("{:.1} µs a record", reconcile.spent.total() * 1e6 / cpu::float(count)),
        limit: String::new(),
        ratio: f64::NAN,
        must: Must::Stated,
        note: spent(reconcile),
    });
}

/// Memory of a node that serves and has nothing to do, in MB.
fn memory_at_rest(node: &mut Node) -> Result<f64, Failure> {
    let pid = node.serve()?;
    std::thread::sleep(Duration::from_secs(2));
    let now = cpu::memory(pid).map_or(f64::NAN, |(now, _)| now);
    node.stop()?;
    Ok(now)
}

/// The second node pulls all records of the first one, which serves meanwhile; with the bytes on the wire.
fn pull_all(from: &mut Node, to: &Node, count: u64, report: &Report) -> Result<(Ran, u64), Failure> {
    let server = from.serve()?;
    std::thread::sleep(Duration::from_secs(1));
    let (wire, served) = (from.wire.carried(), cpu::of_process(server)?);
    let pull = to.run(&["pull"])?;
    let served = cpu::of_process(server)?.since(served).total() * 1e6 / cpu::float(count);
    let wire = from.wire.carried() - wire;
    report.say(&format!("serving side of the pull (with its own reconciling): {served:.1} µs of processor a record"));
    let held = pull.json().pointer("/reports/0/held").and_then(serde_json::Value::as_u64);
    if held != Some(count) {
        return Err(format!("{held:?} of {count} records are held: {}", pull.said.trim()).into());
    }
    from.stop()?;
    Ok((pull, wire))
}

fn spent(ran: &Ran) -> String {
    format!(
        "processor {:.2} s (system {:.2}), database's {:.2} s, wall {:.2} s, {:.2} cores busy, peak {:.0} MB",
        ran.spent.total(),
        ran.spent.system,
        ran.database,
        ran.seconds,
        ran.cores_busy(),
        ran.peak_mb
    )
}

/// A rate beside that of the limit on all cores.
fn rate(report: &mut Report, path: &str, count: u64, ran: &Ran, limit_us: f64, must: Must) {
    let (rate, most) = (cpu::float(count) * cpu::cores() / ran.spent.total(), cpu::cores() * 1e6 / limit_us);
    report.push(Row {
        path: path.to_owned(),
        figure: format!("{rate:.0}/s, {:.1} µs a record", ran.spent.total() * 1e6 / cpu::float(count)),
        limit: format!("{most:.0}/s, {limit_us:.1} µs"),
        ratio: rate / most,
        must,
        note: spent(ran),
    });
}

fn bytes(report: &mut Report, path: &str, figure: f64, limit: f64, most: f64, note: &str) {
    report.push(Row {
        path: path.to_owned(),
        figure: format!("{figure:.0} a record"),
        limit: format!("{limit:.0}"),
        ratio: figure / limit,
        must: Must::AtMost(most),
        note: note.to_owned(),
    });
}

/// Three cities, everything, by the product's own command.
pub(crate) fn demo(options: &Options, program: &Path, base: &Path, report: &mut Report) -> Result<(), Failure> {
    let records = options.records.to_string();
    let mut command = Command::new(program);
    command.args(["--lang", "en", "demo", "--records", &records, "--folder"]).arg(base.join("demo"));
    let ran = city::run(command, &base.join("demo.out"))?;
    report.push(Row {
        path: format!("demo, 3 × {records}, everything"),
        figure: format!("{:.1} s", ran.seconds),
        limit: String::new(),
        ratio: f64::NAN,
        must: Must::Stated,
        note: format!("wall; processor of the command and its ended nodes {:.1} s", ran.spent.total()),
    });
    Ok(())
}
