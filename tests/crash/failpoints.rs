//! Every call of the store, failing: before it does anything, and after it has done everything. In the process that goes on, and
//! in one that ends there.
//!
//! By default each method fails at its first, a middle and its last call; with `HEFU_FAILPOINTS=full` at every call.

use super::scene::{Scene, Step};
use hefu_tests::faulty::{After, Failpoint, Fault, METHODS};
use std::collections::BTreeMap;

/// Methods that a node does not call while it runs.
const NOT_CALLED: [(&str, &str); 4] = [
    ("audits", "the audit is written, and read by people with tools of their own"),
    ("leases", SEVERAL),
    ("want", SEVERAL),
    ("registry_version", SEVERAL),
];
const SEVERAL: &str = "only servers that share a database look at each other's leases and changes";

const BOTH: [(Fault, After); 2] = [(Fault::Failed, After::GoesOn), (Fault::Persisted, After::Dies)];
const OTHERS: [(Fault, After); 2] = [(Fault::Failed, After::Dies), (Fault::Persisted, After::GoesOn)];

/// Calls by step and method in a run that nothing disturbs.
type Calls = Vec<(Step, BTreeMap<&'static str, u64>)>;

/// The failpoints of each step.
fn plan(calls: &Calls, full: bool) -> BTreeMap<Step, Vec<Failpoint>> {
    let mut plan: BTreeMap<Step, Vec<Failpoint>> = BTreeMap::new();
    for method in METHODS {
        let of_step = |(step, counts): &(Step, BTreeMap<&str, u64>)| {
            let (step, count) = (*step, counts.get(method.name).copied().unwrap_or(0));
            (1..=count).map(move |nth| (step, nth))
        };
        let all: Vec<(Step, u64)> = calls.iter().flat_map(of_step).collect();
        let mut places: Vec<usize> =
            if full { (0..all.len()).collect() } else { vec![0, all.len() / 2, all.len().saturating_sub(1)] };
        places.dedup();
        let few = places.len() == 1;
        for (number, (step, nth)) in places.into_iter().filter_map(|place| all.get(place)).enumerate() {
            // A read that has done everything has done nothing: two ways are enough for it.
            let ways: Vec<(Fault, After)> = match (method.writes, full || few, number % 2 == 0) {
                (true, true, _) => [BOTH, OTHERS].concat(),
                (true, false, true) => BOTH.to_vec(),
                (true, false, false) => OTHERS.to_vec(),
                (false, true, _) => BOTH.to_vec(),
                (false, false, even) => vec![BOTH[usize::from(even)]],
            };
            let failpoint = |(fault, after)| Failpoint { method: method.name, nth: *nth, fault, after };
            plan.entry(*step).or_default().extend(ways.into_iter().map(failpoint));
        }
    }
    plan
}

/// Says which pass failed.
struct Pass(usize, Vec<(Step, Failpoint)>);

impl Drop for Pass {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("pass {}: {:?}\nHEFU_FAILPOINTS_PASS={} runs it alone", self.0, self.1, self.0);
        }
    }
}

/// How often each method failed in each way.
#[derive(Default)]
struct Covered(BTreeMap<(&'static str, Fault), u64>);

impl Covered {
    fn count(&self, method: &'static str, fault: Fault) -> u64 {
        self.0.get(&(method, fault)).copied().unwrap_or(0)
    }

    fn print(&self, calls: &Calls) {
        println!("{:<20} {:>6} {:>8} {:>22}", "store method", "calls", "failed", "failed but persisted");
        for method in METHODS {
            let count: u64 = calls.iter().filter_map(|(_, counts)| counts.get(method.name)).sum();
            let (failed, persisted) =
                (self.count(method.name, Fault::Failed), self.count(method.name, Fault::Persisted));
            println!("{:<20} {count:>6} {failed:>8} {persisted:>22}", method.name);
        }
    }
}

async fn undisturbed(scene: &mut Scene) -> Calls {
    scene.reset().await;
    let mut calls = Vec::new();
    for step in Step::ALL {
        if step == Step::Keys {
            scene.settle().await;
        }
        calls.push((step, scene.run(step, None).await.0));
    }
    scene.settle_beside_a_liar(true).await;
    calls
}

/// One pass through the steps, with at most one failpoint in each.
async fn pass(scene: &mut Scene, pass: &Pass, covered: &mut Covered) -> u64 {
    scene.reset().await;
    let (mut missed, mut settled) = (0, false);
    for step in Step::ALL {
        let failpoint = pass.1.iter().find(|(of, _)| *of == step).map(|(_, failpoint)| *failpoint);
        if step.is_of_a_liar() && !settled {
            scene.settle().await;
            settled = true;
        }
        if failpoint.is_none() && step.can_be_left_out() {
            continue;
        }
        let (_, struck) = scene.run(step, failpoint).await;
        match failpoint {
            Some(failpoint) if struck => *covered.0.entry((failpoint.method, failpoint.fault)).or_default() += 1,
            Some(_) => missed += 1,
            None => {}
        }
        if step.is_of_a_liar() {
            scene.settle_beside_a_liar(step == Step::Split).await;
        }
    }
    missed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_store_may_fail() {
    let full = std::env::var("HEFU_FAILPOINTS").is_ok_and(|how| how == "full");
    let only: Option<usize> = std::env::var("HEFU_FAILPOINTS_PASS").ok().and_then(|pass| pass.parse().ok());
    let mut scene = Scene::make().await;
    let calls = undisturbed(&mut scene).await;
    let plan = plan(&calls, full);
    let passes = plan.values().map(Vec::len).max().unwrap_or(0);
    let (mut covered, mut missed) = (Covered::default(), 0);
    for number in (0..passes).filter(|number| only.is_none_or(|only| only == *number)) {
        let of_step = |(step, all): (&Step, &Vec<Failpoint>)| Some((*step, *all.get(number)?));
        let this = Pass(number, plan.iter().filter_map(of_step).collect());
        missed += pass(&mut scene, &this, &mut covered).await;
    }
    covered.print(&calls);
    let failpoints: usize = plan.values().map(Vec::len).sum();
    println!(
        "{failpoints} failpoints in {passes} passes; {missed} were not reached, since an earlier one changed the way"
    );
    if only.is_some() {
        return;
    }
    for method in METHODS {
        let called = calls.iter().any(|(_, counts)| counts.contains_key(method.name));
        if let Some((_, why)) = NOT_CALLED.iter().find(|(name, _)| *name == method.name) {
            assert!(!called, "{} is called after all; it was said: {why}", method.name);
            continue;
        }
        for fault in [Fault::Failed, Fault::Persisted] {
            assert!(covered.count(method.name, fault) > 0, "{} never {fault:?}; called: {called}", method.name);
        }
    }
}
