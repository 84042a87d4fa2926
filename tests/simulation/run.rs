//! Many simulations, on all cores: each is one thread for itself.

use super::audit::Violation;
use super::mutant::Mutant;
use super::rng::Rng;
use super::sim::{Counts, Sim};
use std::fmt::Write as _;
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

fn simulate(seed: u64, mutant: Option<Mutant>) -> Outcome {
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
    hefu_federation::mutant::plant(None);
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
    /// How many.
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
        for Failure { seed, violation } in self.failures.iter().take(10) {
            let _ = writeln!(text, "FAILED {}: {}\n  {}", violation.invariant, violation.detail, command(*seed, None));
        }
        text
    }
}

/// The command that replays a seed.
pub(super) fn command(seed: u64, mutant: Option<Mutant>) -> String {
    let mutant = mutant.map(|mutant| format!(" --mutant {}", mutant.code())).unwrap_or_default();
    format!("cargo run --release -p hefu-tests --bin simulate -- --seed {seed:#x}{mutant}")
}

/// The seed of a number: neighbours have nothing in common.
pub(super) fn seed_of(number: u64) -> u64 {
    Rng::new(number).next()
}

/// Runs the first `seeds` seeds from `first` on, on `threads` threads.
pub fn run(first: u64, seeds: u64, threads: usize) -> Summary {
    let (next, summary) = (AtomicU64::new(first), Mutex::new(Summary { seeds, ..Summary::default() }));
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= first.saturating_add(seeds) {
            return;
        }
        let seed = seed_of(number);
        let outcome = simulate(seed, None);
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.counts.add(&outcome.counts);
        let first = outcome.violations.into_iter().next();
        summary.failures.extend(first.map(|violation| Failure { seed, violation }));
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| on_one_thread(work));
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
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
            simulate(seed, Some(mutant)).violations.into_iter().next().map(|violation| (number + 1, seed, violation))
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
