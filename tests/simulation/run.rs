//! Many simulations, on all cores: each is one thread for itself.

use super::audit::Violation;
use super::mutant::Mutant;
use super::rng::Rng;
use super::sim::{Counts, Sim};
use hefu_node::clock::Stopwatch;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Fewest steps of a simulation, and how many more it may have.
const STEPS: (u64, u64) = (30, 60);

/// What came of one seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Hash of all that happened.
    pub trace: u64,
    /// What happened.
    pub counts: Counts,
    /// The invariants that did not hold.
    pub violations: Vec<Violation>,
}

/// Runs one seed on a thread of its own.
pub fn replay(seed: u64, mutant: Option<Mutant>) -> Outcome {
    on_one_thread(|| simulate(seed, mutant))
}

/// Runs one seed here. A panic is a violation like any other, so that its seed is not lost.
fn simulate(seed: u64, mutant: Option<Mutant>) -> Outcome {
    let outcome = guarded(|| simulate_bare(seed, mutant));
    hefu_federation::mutant::plant(None);
    outcome
}

/// What a simulation came to; a violation where it panicked.
pub fn guarded(simulate: impl FnOnce() -> Outcome) -> Outcome {
    std::panic::catch_unwind(AssertUnwindSafe(simulate)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let detail = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("without a text").to_owned();
        let violations = vec![Violation { invariant: "no-panic", detail }];
        Outcome { trace: 0, counts: Counts::default(), violations }
    })
}

fn simulate_bare(seed: u64, mutant: Option<Mutant>) -> Outcome {
    let mut sim = Sim::new(seed, mutant);
    let steps = STEPS.0 + Rng::new(seed ^ 0x5EED).below(STEPS.1);
    for _ in 0..steps {
        if sim.failed() {
            break;
        }
        sim.step();
        sim.look();
    }
    if !sim.failed() {
        sim.settle();
    }
    let trace = sim.trace();
    Outcome { trace, counts: sim.counts, violations: sim.audit.violations }
}

/// The parallel parts of production find a pool of one thread here: they run where the simulation runs.
fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    pool.install(work)
}

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
}

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// What happened in all of them.
    pub counts: Counts,
    /// The seeds that failed, the smallest first.
    pub failures: Vec<Failure>,
}

impl Summary {
    /// For people: numbers, and for each failing seed the command that replays it.
    pub fn text(&self) -> String {
        let mut text = format!("simulated {} seeds\n", self.seeds);
        for (name, count) in self.counts.rows() {
            let _ = writeln!(text, "{count:>12} {name}");
        }
        for Failure { seed, violation } in &self.failures {
            let _ = writeln!(text, "FAILED {}: {}\n  {}", violation.invariant, violation.detail, command(*seed, None));
        }
        text
    }
}

/// The command that replays a seed.
pub(super) fn command(seed: u64, mutant: Option<Mutant>) -> String {
    let mutant = mutant.map(|mutant| format!(" --mutant {}", mutant.code())).unwrap_or_default();
    format!("cargo run --release -p hefu-simulation --bin simulate -- --seed {seed:#x}{mutant}")
}

/// The seed of a number: neighbours have nothing in common.
pub(super) fn seed_of(number: u64) -> u64 {
    Rng::new(number).next()
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Seeds that are done.
    pub done: u64,
    /// Seeds of the run.
    pub seeds: u64,
    /// All below this number are done: a run that was broken off goes on there.
    pub next: u64,
    /// How long it has taken.
    pub seconds: f64,
}

impl Progress {
    /// For people.
    pub fn text(&self) -> String {
        let count = |seeds: u64| f64::from(u32::try_from(seeds).unwrap_or(u32::MAX));
        let rate = count(self.done) / self.seconds.max(0.001);
        let left = count(self.seeds - self.done) / rate.max(0.001);
        format!(
            "{} of {} seeds, {rate:.0} a second, {:.0} min left; to go on from here: --first {}",
            self.done,
            self.seeds,
            (left / 60.0).ceil(),
            self.next
        )
    }
}

/// Between two words on the progress.
const PROGRESS_MS: u64 = 5_000;

/// What the threads of a run share.
struct Shared {
    summary: Summary,
    /// Numbers that are being run.
    running: BTreeSet<u64>,
    /// The next number.
    next: u64,
    /// When was last said how far the run has come.
    told_ms: u64,
}

/// Runs `seeds` seeds from number `first` on, on `threads` threads. The first failure ends it, once the seeds that are being run are
/// done. `tell` hears every few seconds how far it has come.
pub fn run(first: u64, seeds: u64, threads: usize, tell: impl Fn(&Progress) + Sync) -> Summary {
    let clock = Stopwatch::start();
    let end = first.saturating_add(seeds);
    let shared = Shared { summary: Summary::default(), running: BTreeSet::new(), next: first, told_ms: 0 };
    let shared = Mutex::new(shared);
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || {
        let mut shared = lock();
        let number = shared.next;
        if number >= end || !shared.summary.failures.is_empty() {
            return None;
        }
        shared.next += 1;
        shared.running.insert(number);
        Some(number)
    };
    let work = || {
        while let Some(number) = take() {
            let seed = seed_of(number);
            let outcome = simulate(seed, None);
            let mut shared = lock();
            shared.running.remove(&number);
            shared.summary.seeds += 1;
            shared.summary.counts.add(&outcome.counts);
            let failed = outcome.violations.into_iter().next();
            shared.summary.failures.extend(failed.map(|violation| Failure { seed, violation }));
            let now_ms = clock.milliseconds();
            if now_ms >= shared.told_ms + PROGRESS_MS {
                shared.told_ms = now_ms;
                let next = shared.running.first().copied().unwrap_or(shared.next);
                tell(&Progress { done: shared.summary.seeds, seeds, next, seconds: clock.seconds() });
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| on_one_thread(work));
        }
    });
    let mut summary = shared.into_inner().unwrap_or_else(PoisonError::into_inner).summary;
    summary.failures.sort_by_key(|failure| failure.seed);
    summary
}

/// How a planted fault was found, or not.
#[derive(Debug, Clone)]
pub struct Caught {
    /// The fault.
    pub mutant: Mutant,
    /// How many seeds it took, which one found it, and what did not hold.
    pub by: Option<(u64, u64, Violation)>,
}

/// Plants each fault and runs seeds until one finds it, at most `bound`.
pub fn hunt(mutants: &[Mutant], bound: u64, threads: usize) -> Vec<Caught> {
    let (next, caught) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || loop {
        let position = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let Some(mutant) = mutants.get(position).copied() else { return };
        let tried = (0..bound).find_map(|number| {
            let seed = seed_of(number);
            let violation = simulate(seed, Some(mutant)).violations.into_iter().next()?;
            // What fails without the fault, too, has not found it.
            simulate(seed, None).violations.is_empty().then_some((number + 1, seed, violation))
        });
        caught.lock().unwrap_or_else(PoisonError::into_inner).push((position, Caught { mutant, by: tried }));
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| on_one_thread(work));
        }
    });
    let mut caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    caught.sort_by_key(|(position, _)| *position);
    caught.into_iter().map(|(_, caught)| caught).collect()
}

/// The table of planted faults.
pub fn table(caught: &[Caught]) -> String {
    let mut text =
        String::from("| planted fault | what it breaks | seeds | seed | invariant |\n|---|---|---|---|---|\n");
    for Caught { mutant, by } in caught {
        let (code, breaks) = (mutant.code(), mutant.breaks());
        let _ = match by {
            Some((seeds, seed, violation)) => {
                writeln!(text, "| {code} | {breaks} | {seeds} | {seed:#018x} | {} |", violation.invariant)
            }
            None => writeln!(text, "| {code} | {breaks} | NOT CAUGHT | | |"),
        };
    }
    text
}
