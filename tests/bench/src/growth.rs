//! One more record, and the tally after it, in a log that has ten times as many, and ten times as many again.

use crate::city::{self, Node};
use crate::flows::{LARGE, write_drafts};
use crate::report::{Must, Report, Row};
use crate::touched::Touched;
use crate::{Failure, Options, cpu};
use hefu_node::clock::Stopwatch;
use hefu_node::synthetic::Load;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// Records one by one at each size; the median counts.
const TIMES: usize = 15;
/// Sizes of the log.
const SIZES: [u64; 3] = [10_000, 100_000, LARGE];

/// What one more record costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    reconcile_ms: f64,
    tally_ms: f64,
    tally_wall_ms: f64,
    /// Rows written by reconciling; 0 where they are not counted, on a server.
    rows: f64,
}

/// Publishes up to each size, then record by record.
pub(crate) fn measure(options: &Options, program: &Path, base: &Path, report: &mut Report) -> Result<(), Failure> {
    let base = base.join("growth");
    let (mut a, b, agreement) = city::federation(options, program, &base)?;
    let sizes: Vec<u64> = SIZES.into_iter().filter(|size| options.large || *size < LARGE).collect();
    let most = sizes.last().copied().unwrap_or(0);
    let drafts = base.join("drafts.ndjson");
    // Residents come first in the file and have one key each; who moves, an eighth of all, comes behind and is not reached.
    write_drafts(&drafts, [&a, &b], agreement, Load::Population, most + most / 4 + 1_000)?;
    let mut lines = BufReader::new(std::fs::File::open(&drafts)?).lines();
    let (mut published, mut first) = (0_u64, None);
    let mut touched = (options.database == "sqlite").then(|| Touched::count_in(&a.dir)).transpose()?;
    for size in sizes {
        let part = base.join("part.ndjson");
        let mut file = BufWriter::new(std::fs::File::create(&part)?);
        while published < size {
            writeln!(file, "{}", lines.next().ok_or("too few drafts")??)?;
            published += 1;
        }
        file.flush()?;
        a.run(&["publish", &part.display().to_string()])?;
        a.run(&["reconcile"])?;
        let pid = a.serve()?;
        // The buckets that all these records made stale are computed once.
        a.run(&["tally", "show", "--agreement", &agreement.to_string()])?;
        let mut costs = Vec::new();
        for _ in 0..TIMES {
            std::fs::write(&part, format!("{}\n", lines.next().ok_or("too few drafts")??))?;
            published += 1;
            costs.push(one_more(&a, pid, &part, &agreement.to_string(), touched.as_mut())?);
        }
        a.stop()?;
        let cost = Cost {
            reconcile_ms: median(&costs, |cost| cost.reconcile_ms),
            tally_ms: median(&costs, |cost| cost.tally_ms),
            tally_wall_ms: median(&costs, |cost| cost.tally_wall_ms),
            rows: median(&costs, |cost| cost.rows),
        };
        let first = *first.get_or_insert(cost);
        push(report, size, cost, first);
        // The one thing that is asserted, of the medians: now and then a record closes a finding.
        if cost.rows > first.rows {
            return Err(format!("one more record at {size} writes {} rows, at first {}", cost.rows, first.rows).into());
        }
    }
    Ok(())
}

fn push(report: &mut Report, size: u64, cost: Cost, first: Cost) {
    let rows = if cost.rows > 0.0 { format!(", and {:.0} rows written", cost.rows) } else { String::new() };
    report.push(Row {
        path: format!("reconcile one more record at {size}"),
        figure: format!("{:.2} ms", cost.reconcile_ms),
        limit: format!("{:.2} ms at {}", first.reconcile_ms, SIZES.first().copied().unwrap_or(0)),
        ratio: cost.reconcile_ms / first.reconcile_ms,
        must: Must::AtMost(2.0),
        note: format!("processor time of the node{rows}; medians of {TIMES}"),
    });
    report.push(Row {
        path: format!("tally after one change at {size}"),
        figure: format!("{:.1} ms", cost.tally_ms),
        limit: "50 ms".into(),
        ratio: cost.tally_ms / 50.0,
        must: if size == LARGE { Must::AtMost(1.0) } else { Must::Stated },
        note: format!(
            "processor time of the node; the whole command takes {:.1} ms; at most 50 ms is asked for at {LARGE} only",
            cost.tally_wall_ms
        ),
    });
}

fn one_more(
    node: &Node,
    pid: u32,
    part: &Path,
    agreement: &str,
    mut touched: Option<&mut Touched>,
) -> Result<Cost, Failure> {
    node.run(&["publish", &part.display().to_string()])?;
    let mut count = || touched.as_mut().map_or(Ok(0), |touched| touched.rows());
    let (rows, before) = (count()?, cpu::of_threads(pid));
    node.run(&["reconcile"])?;
    let reconciled = cpu::of_threads(pid);
    let rows = f64::from(i32::try_from(count()? - rows)?);
    let clock = Stopwatch::start();
    node.run(&["tally", "show", "--agreement", agreement])?;
    let tally_wall_ms = clock.seconds() * 1e3;
    let tally = cpu::of_threads(pid);
    Ok(Cost { reconcile_ms: (reconciled - before) * 1e3, tally_ms: (tally - reconciled) * 1e3, tally_wall_ms, rows })
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    let mut all: Vec<f64> = costs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
