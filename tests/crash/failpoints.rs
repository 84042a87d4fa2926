//! Every call of the store, failing: before it does anything, and after it has done everything. In the process that goes on, and
//! in one that ends there.
//!
//! By default each method fails at its first, a middle and its last call, on PostgreSQL at one of them; with `HEFU_FAILPOINTS=full` at
//! every call on both databases.

use super::scene::{Scene, Step};
use hefu_tests::faulty::{After, Failpoint, Fault, METHODS, Method};
use hefu_tests::postgres::On;
use std::collections::BTreeMap;
use std::ops::Range;

/// Methods that a node does not call while it runs.
const NOT_CALLED: [(&str, &str); 1] = [("audits", "the audit is written, and read by people with tools of their own")];
/// Nor these, on a database of its own.
const OF_SEVERAL: [(&str, &str); 3] = [("leases", SEVERAL), ("want", SEVERAL), ("registry_version", SEVERAL)];
const SEVERAL: &str = "only servers that share a database look at each other's leases and changes";
/// A server that is not alone calls this 20 times a second, whatever else it does: so many of them fail when all are to.
const BY_THE_CLOCK: (&str, usize) = ("leases", 16);
/// Further passes for what a task in the background calls when its time has come, so that its number is not foreseen.
const FURTHER: usize = 3;

const BOTH: [(Fault, After); 2] = [(Fault::Failed, After::GoesOn), (Fault::Persisted, After::Dies)];
const OTHERS: [(Fault, After); 2] = [(Fault::Failed, After::Dies), (Fault::Persisted, After::GoesOn)];

/// Calls by step and method in a run that nothing disturbs.
type Calls = Vec<(Step, BTreeMap<&'static str, u64>)>;

/// How many of the calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Every one.
    All,
    /// The first, a middle and the last one of each method.
    Three,
    /// One of each method.
    One,
}

impl Which {
    fn of(on: On) -> Self {
        match (std::env::var("HEFU_FAILPOINTS").is_ok_and(|how| how == "full"), on) {
            (true, _) => Self::All,
            (false, On::File) => Self::Three,
            (false, On::Server) => Self::One,
        }
    }

    /// Places among so many calls of a method.
    fn places(self, method: &Method, calls: usize) -> Vec<usize> {
        let (by_the_clock, most) = BY_THE_CLOCK;
        match self {
            Self::All if method.name == by_the_clock => (0..calls).step_by(calls.div_ceil(most).max(1)).collect(),
            Self::All => (0..calls).collect(),
            Self::Three => vec![0, calls / 2, calls.saturating_sub(1)],
            Self::One => Vec::new(),
        }
    }

    /// A read that has done everything has done nothing: two ways are enough for it.
    fn ways(self, method: &Method, is_only: bool, is_even: bool) -> Vec<(Fault, After)> {
        match (method.writes, self == Self::All || self == Self::Three && is_only, is_even) {
            (true, true, _) => [BOTH, OTHERS].concat(),
            (true, false, true) => BOTH.to_vec(),
            (true, false, false) => OTHERS.to_vec(),
            (false, true, _) => BOTH.to_vec(),
            (false, false, _) if self == Self::One => BOTH.to_vec(),
            (false, false, even) => vec![BOTH[usize::from(even)]],
        }
    }
}

type Plan = BTreeMap<Step, Vec<Failpoint>>;

/// The failpoints of each step.
fn plan(calls: &Calls, which: Which) -> Plan {
    let mut plan = Plan::new();
    // Those that few steps call come first: the others find room elsewhere.
    let mut methods: Vec<&Method> = METHODS.iter().collect();
    methods.sort_by_key(|method| calls.iter().filter(|(_, counts)| counts.contains_key(method.name)).count());
    for (of_all, method) in methods.into_iter().enumerate() {
        let of_step = |(step, counts): &(Step, BTreeMap<&str, u64>)| {
            let (step, count) = (*step, counts.get(method.name).copied().unwrap_or(0));
            (1..=count).map(move |nth| (step, nth))
        };
        let all: Vec<(Step, u64)> = calls.iter().flat_map(of_step).collect();
        let mut places = which.places(method, all.len());
        if which == Which::One {
            // Where the fewest others fail: so there are few passes.
            places.extend((0..all.len()).min_by_key(|place| plan.get(&all[*place].0).map_or(0, Vec::len)));
        }
        places.dedup();
        let is_only = places.len() == 1;
        for (number, (step, nth)) in places.into_iter().filter_map(|place| all.get(place)).enumerate() {
            let is_even = if which == Which::One { of_all % 2 == 0 } else { number % 2 == 0 };
            let failpoint = |(fault, after)| Failpoint { method: method.name, nth: *nth, fault, after };
            plan.entry(*step).or_default().extend(which.ways(method, is_only, is_even).into_iter().map(failpoint));
        }
    }
    plan
}

/// The failpoints of further passes: what has not failed in both ways yet, at its first call in the step that has most of them.
fn rest(calls: &Calls, covered: &Covered) -> Plan {
    let mut plan = Plan::new();
    for method in METHODS {
        let count = |counts: &BTreeMap<&str, u64>| counts.get(method.name).copied().unwrap_or(0);
        let Some((step, _)) = calls.iter().filter(|(_, counts)| count(counts) > 0).max_by_key(|(_, c)| count(c)) else {
            continue;
        };
        for (fault, after) in BOTH.into_iter().filter(|(fault, _)| covered.count(method.name, *fault) == 0) {
            plan.entry(*step).or_default().push(Failpoint { method: method.name, nth: 1, fault, after });
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
    for step in Step::of(scene.on()) {
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
    for step in Step::of(scene.on()) {
        let failpoint = pass.1.iter().find(|(of, _)| *of == step).map(|(_, failpoint)| *failpoint);
        if step.is_of_a_liar() && !settled {
            scene.settle().await;
            settled = true;
        }
        let is_needed = pass.1.iter().any(|(later, _)| step.is_needed_by(*later));
        if failpoint.is_none() && step.can_be_left_out() && !is_needed {
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

/// All passes of a plan; failpoints that were not reached.
async fn passes(scene: &mut Scene, plan: &Plan, some: Option<&Range<usize>>, covered: &mut Covered) -> u64 {
    let count = plan.values().map(Vec::len).max().unwrap_or(0);
    let mut missed = 0;
    for number in (0..count).filter(|number| some.is_none_or(|some| some.contains(number))) {
        let of_step = |(step, all): (&Step, &Vec<Failpoint>)| Some((*step, *all.get(number)?));
        let this = Pass(number, plan.iter().filter_map(of_step).collect());
        missed += pass(scene, &this, covered).await;
    }
    missed
}

/// `n`, one pass, or `n-`, that one and all behind it.
fn chosen(some: &str) -> Option<Range<usize>> {
    let first: usize = some.trim_end_matches('-').parse().ok()?;
    Some(first..if some.ends_with('-') { usize::MAX } else { first + 1 })
}

async fn every_call_fails(on: On) {
    let some = std::env::var("HEFU_FAILPOINTS_PASS").ok().and_then(|some| chosen(&some));
    let Some(mut scene) = Scene::make(on).await else { return };
    let calls = undisturbed(&mut scene).await;
    let plan = plan(&calls, Which::of(on));
    let mut covered = Covered::default();
    let missed = passes(&mut scene, &plan, some.as_ref(), &mut covered).await;
    for _ in 0..FURTHER {
        let rest = rest(&calls, &covered);
        if some.is_none() && !rest.is_empty() {
            passes(&mut scene, &rest, None, &mut covered).await;
        }
    }
    covered.print(&calls);
    let (failpoints, count) =
        (plan.values().map(Vec::len).sum::<usize>(), plan.values().map(Vec::len).max().unwrap_or(0));
    println!(
        "{failpoints} failpoints in {count} passes; {missed} were not reached, since an earlier one changed the way"
    );
    if some.is_some() {
        return;
    }
    let several: &[(&str, &str)] = if on == On::File { &OF_SEVERAL } else { &[] };
    for method in METHODS {
        let called = calls.iter().any(|(_, counts)| counts.contains_key(method.name));
        if let Some((_, why)) = NOT_CALLED.iter().chain(several).find(|(name, _)| *name == method.name) {
            assert!(!called, "{} is called after all; it was said: {why}", method.name);
            continue;
        }
        for fault in [Fault::Failed, Fault::Persisted] {
            assert!(covered.count(method.name, fault) > 0, "{} never {fault:?}; called: {called}", method.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_store_may_fail() {
    every_call_fails(On::File).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_the_store_may_fail_on_postgres() {
    every_call_fails(On::Server).await;
}
