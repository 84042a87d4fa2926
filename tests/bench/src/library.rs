//! Paths of the library: the limits of every other figure, on all cores at once; on one thread the canonical pass and verifying one
//! record.

use crate::report::{Must, Report, Row};
use crate::sample::Sample;
use crate::{Failure, cpu};
use ed25519_dalek::{Signature, VerifyingKey};
use hefu_federation::pull::{Judge, PayloadState, judge_line};
use hefu_node::clock::Stopwatch;
use hefu_schemas::canonical;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::scan::scan;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::hint::black_box;
use std::sync::Barrier;

/// Times that each figure is taken; the lowest counts: whatever disturbs adds.
const TIMES: usize = 5;
/// Shortest time that is measured: the kernel counts a running thread's time some hundred times a second.
const LEAST_S: f64 = 0.25;

/// Items between two looks at the clock.
const ITEMS: usize = 16;

/// What the hardware allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// One `verify_strict` with a decoded key.
    pub(crate) verify: Cost,
    /// Canonicalise, sign and hash.
    pub(crate) publish: Cost,
    pub(crate) record_len: f64,
    /// Bytes of a record that no store can do without.
    pub(crate) stored_len: f64,
    /// Bytes of a record that the wire carries at least.
    pub(crate) wire_len: f64,
}

/// Processor time of one item, in µs of a core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// While the other cores have nothing to do.
    pub(crate) one_core_us: f64,
    /// While all cores do the same. That is more where they share something: often two of them are threads of one core.
    pub(crate) all_cores_us: f64,
}

impl Cost {
    fn of<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) -> Self {
        Self { one_core_us: time(items, &work), all_cores_us: time_on_all_cores(items, &work) }
    }
}

/// Lowest µs of processor time for one item of a list, with one thread for each core at it.
fn time_on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let start = Barrier::new(threads);
    let thread = || {
        start.wait();
        let (clock, before, mut done) = (Stopwatch::start(), cpu::of_thread(), 0_u64);
        for part in items.chunks(ITEMS).cycle() {
            part.iter().for_each(&work);
            done += u64::try_from(part.len()).unwrap_or(0);
            if clock.seconds() >= LEAST_S {
                break;
            }
        }
        (cpu::of_thread() - before) * 1e6 / cpu::float(done.max(1))
    };
    let run = || {
        let each: Vec<f64> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).collect()
        });
        each.iter().sum::<f64>() / cpu::float(u64::try_from(each.len()).unwrap_or(1))
    };
    (0..TIMES).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Lowest µs of processor time for one item of a list.
pub(crate) fn time<T>(items: &[T], mut work: impl FnMut(&T)) -> f64 {
    // Once without counting: tables that are made on first use, caches.
    items.iter().for_each(&mut work);
    let mut run = |rounds: u32| {
        let before = cpu::of_thread();
        for _ in 0..rounds {
            items.iter().for_each(&mut work);
        }
        (cpu::of_thread() - before) / f64::from(rounds)
    };
    let mut rounds = 1;
    while run(rounds) * f64::from(rounds) < LEAST_S {
        rounds *= 2;
    }
    let lowest = (0..TIMES).map(|_| run(rounds)).fold(f64::INFINITY, f64::min);
    lowest * 1e6 / cpu::float(u64::try_from(items.len()).unwrap_or(1).max(1))
}

/// The limits.
pub(crate) fn limits(sample: &Sample) -> Limits {
    let signed: Vec<([u8; 64], Signature)> = sample
        .records
        .iter()
        .map(|record| {
            let message = hashes(record);
            (message, Signature::from_bytes(&sample.secret.sign(&message)))
        })
        .collect();
    let key = VerifyingKey::from_bytes(&sample.public.bytes()).unwrap_or_default();
    let verify = Cost::of(&signed, |(message, signature)| {
        black_box(key.verify_strict(black_box(message), signature).is_ok());
    });
    let publish = Cost::of(&sample.drafts, |draft| {
        let canonical = canonical::canonicalize(black_box(draft), MAX_RECORD_LEN).unwrap_or_default();
        let message = hashes(&canonical);
        black_box((sample.secret.sign(&message), Sha256::digest(&canonical)));
    });
    Limits {
        verify,
        publish,
        record_len: sample.record_len(),
        stored_len: sample.stored_len(),
        wire_len: sample.wire_len().unwrap_or(f64::NAN),
    }
}

/// Two hashes over a text of that length in all, as a proof has them.
fn hashes(bytes: &[u8]) -> [u8; 64] {
    let (proof, document) = bytes.split_at(bytes.len() / 6);
    let mut both = [0; 64];
    let parts = Sha256::digest(proof).into_iter().chain(Sha256::digest(document));
    both.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    both
}

/// The two library paths.
pub(crate) fn measure(sample: &Sample, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
    let pass = time(&sample.records, |record| {
        black_box(scan(black_box(record.as_slice()), MAX_RECORD_LEN).is_ok());
    });
    let twice = time(&sample.records, |record| {
        let value: Value = serde_json::from_slice(black_box(record)).unwrap_or_default();
        black_box((serde_json_canonicalizer::to_vec(&value).is_ok(), serde_json_canonicalizer::to_vec(&value).is_ok()));
    });
    report.push(Row {
        path: "canonical pass with spans and tape".into(),
        figure: format!("{pass:.2} µs"),
        limit: format!("{twice:.1} µs (parse, crate canonicaliser twice)"),
        ratio: pass / twice,
        must: Must::AtMost(1.0 / 8.0),
        note: format!("records of {:.0} bytes", limits.record_len),
    });
    let standing = sample.standing();
    let judge = Judge { keys: &sample.keys, standing: &standing, linkage: &sample.linkage };
    let lines: Vec<_> = sample.wanted.iter().zip(&sample.records).collect();
    let bad = lines.iter().map(|(wanted, record)| judge_line(&judge, wanted, sample.salt(), record));
    if let Some(bad) = bad.into_iter().find(|judged| judged.state != PayloadState::Held) {
        return Err(format!("a record of the sample is not good: {:?}", bad.reason).into());
    }
    let verify = time(&lines, |(wanted, record)| {
        black_box(judge_line(&judge, wanted, sample.salt(), record));
    });
    report.push(Row {
        path: "verify one record".into(),
        figure: format!("{verify:.1} µs"),
        limit: format!("{:.1} µs (verify_strict)", limits.verify.one_core_us),
        ratio: verify / limits.verify.one_core_us,
        must: Must::AtMost(1.6),
        note: "commitment, canonical pass, bindings, proof, key at index, schema, rules, scope".into(),
    });
    Ok(())
}
