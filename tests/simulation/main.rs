//! `simulate`: seeds of the simulator, one to look at or many at once, and the table of planted faults.

use hefu_simulation::{Mutant, hunt, replay, run, table};
use std::process::ExitCode;

/// As in the node.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: simulate [--seeds N] [--first N] [--threads N] | --seed 0xHEX [--mutant NAME] | --mutants [NAME] [--seeds N]";

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn main() -> ExitCode {
    match work(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is as it should be; `None` when the arguments are not understood.
fn work(arguments: &[String]) -> Option<bool> {
    let (mut seeds, mut first, mut seed, mut mutant, mut mutants) = (None, 0, None, None, None);
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seeds" => seeds = Some(number(rest.next()?)?),
            "--first" => first = number(rest.next()?)?,
            "--threads" => threads = rest.next()?.parse().ok()?,
            "--seed" => seed = Some(number(rest.next()?)?),
            "--mutant" => mutant = Some(Mutant::from_code(rest.next()?)?),
            "--mutants" => {
                let name = rest.clone().next().filter(|name| !name.starts_with("--"));
                mutants = Some(match name {
                    Some(name) => vec![Mutant::from_code(name)?],
                    None => Mutant::ALL.to_vec(),
                });
                if name.is_some() {
                    rest.next();
                }
            }
            _ => return None,
        }
    }
    if let Some(mutants) = mutants {
        let caught = hunt(&mutants, seeds.unwrap_or(600), threads);
        print!("{}", table(&caught));
        return Some(caught.iter().all(|caught| caught.by.is_some()));
    }
    if let Some(seed) = seed {
        let outcome = replay(seed, mutant);
        println!("seed {seed:#x}, trace {:#x}", outcome.trace);
        outcome.counts.rows().iter().for_each(|(name, count)| println!("{count:>8} {name}"));
        for violation in &outcome.violations {
            println!("FAILED {}: {}", violation.invariant, violation.detail);
        }
        return Some(outcome.violations.is_empty());
    }
    let summary = run(first, seeds.unwrap_or(2_000), threads, |progress| eprintln!("{}", progress.text()));
    print!("{}", summary.text());
    Some(summary.failures.is_empty())
}
