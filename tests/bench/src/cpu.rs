//! What the kernel counts of threads and processes: processor time and resident memory, from `/proc`.

use crate::Failure;
use std::path::Path;

/// Clock ticks of `/proc/*/stat` in a second: 100 on every Linux that Rust knows (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// An integer as a float; figures have no more digits than one holds.
pub(crate) fn float(number: u64) -> f64 {
    const LOW_BITS: u32 = 32;
    let part = |bits: u64| f64::from(u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    part(number >> LOW_BITS) * 2_f64.powi(32) + part(number)
}

/// Seconds of processor time of this thread so far.
pub(crate) fn of_thread() -> f64 {
    nanoseconds(Path::new("/proc/thread-self/schedstat"))
}

/// Seconds of processor time of the living threads of a process: finer than ticks, right while no thread ends.
pub(crate) fn of_threads(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.map(|task| nanoseconds(&task.path().join("schedstat"))).sum()
}

fn nanoseconds(path: &Path) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).map_or(0.0, |ns: u64| float(ns) / 1e9)
}

/// Processor time of a process, or of the children that a process has waited for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Spent {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// What a process has spent, all its threads.
pub(crate) fn of_process(pid: u32) -> Result<Spent, Failure> {
    spent(&format!("/proc/{pid}/stat"), 11)
}

/// What the children of this process have spent that have ended.
pub(crate) fn of_children() -> Result<Spent, Failure> {
    spent("/proc/self/stat", 13)
}

/// The same of another process's children.
pub(crate) fn of_children_of(pid: u32) -> Result<Spent, Failure> {
    spent(&format!("/proc/{pid}/stat"), 13)
}

/// Two neighbouring fields behind the name, which may itself hold spaces (proc(5), `/proc/pid/stat`).
fn spent(path: &str, field: usize) -> Result<Spent, Failure> {
    let text = std::fs::read_to_string(path)?;
    let (_, rest) = text.rsplit_once(") ").ok_or("no /proc/*/stat as in proc(5)")?;
    let mut fields = rest.split(' ').skip(field).filter_map(|ticks| ticks.parse::<u64>().ok());
    let mut next = || fields.next().map(|ticks| float(ticks) / TICKS_PER_SECOND).ok_or("no times in /proc/*/stat");
    Ok(Spent { user: next()?, system: next()? })
}

/// Resident memory of a process in MB (10^6 bytes): (now, peak); `None` when it has ended.
pub(crate) fn memory(pid: u32) -> Option<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok().map(|kib: u64| float(kib * 1024) / 1e6)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// Cores that this process may use.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| float(u64::try_from(cores.get()).unwrap_or(1)))
}
