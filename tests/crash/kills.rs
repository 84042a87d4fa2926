//! Two real nodes that publish, pull, reconcile and state tallies at once, while one or the other, or a command, is killed at
//! random moments (SIGKILL). 20 kills by default; `HEFU_KILLS=300` makes 300 of them, `HEFU_KILLS_SEED` repeats the choices of
//! a run (not the moments at which the machine is where it was). A run that fails says its seed and keeps the folders.

use super::city::City;
use hefu_node::clock::{Stopwatch, random};
use hefu_node::synthetic::{Part, Population};
use hefu_tests::TestFederation;
use hefu_tests::draft::day;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Kills when nothing else is said.
const KILLS: u64 = 20;
/// Kills between two checks of the whole.
const CHECK_EVERY: u64 = 10;
/// Longest time between a restart and the next kill.
const PAUSE_MS: u64 = 90;
/// Drafts of one submission.
const PART: usize = 20;
/// Submissions that are there for each kill, and beside.
const PARTS_PER_KILL: u64 = 4;
const PARTS_BESIDE: u64 = 20;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Server(usize),
    BothServers,
    /// The command that publishes: beside a server, or as the node itself while no server is there.
    Publisher(usize),
}

/// Choices from a seed (splitmix64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn target(&mut self) -> Target {
        match self.below(8) {
            0..3 => Target::Server(0),
            3..5 => Target::Server(1),
            5 => Target::BothServers,
            6 => Target::Publisher(0),
            _ => Target::Publisher(1),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
}

/// Two cities under an agreement, with what they are to publish, as folders that nothing has open.
async fn prepare(kills: u64) -> (TestFederation, [Arc<City>; 2]) {
    let mut federation = TestFederation::new(&["530100", "510100"]).await;
    let parts = kills * PARTS_PER_KILL + PARTS_BESIDE;
    let records = parts * u64::try_from(PART).unwrap();
    let population = Population::new(7, day(0), federation.cities(), records).unwrap();
    let id = federation.agreement.unwrap().to_string();
    let mut cities = Vec::new();
    for n in 0..2 {
        let lines = federation.population_lines(&population, n, Part::Main);
        let node = federation.node_mut(n);
        node.keep_on_failure();
        node.close().await;
        let settings = node.dir().join("hefu.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        assert!(text.contains("pull_interval_s = 60"));
        std::fs::write(&settings, text.replace("pull_interval_s = 60", "pull_interval_s = 1")).unwrap();
        cities.push(Arc::new(City::new(node, &id, &lines, PART)));
    }
    let [one, other] = <[Arc<City>; 2]>::try_from(cities).unwrap_or_else(|_| panic!("two cities"));
    (federation, [one, other])
}

/// Everything that was promised to anybody holds.
async fn check(cities: &[Arc<City>; 2]) {
    for city in cities {
        city.fsck().await;
    }
    for _ in 0..2 {
        for city in cities {
            city.json(&["pull"]).await;
        }
    }
    let mut digests = Vec::new();
    for city in cities {
        let tally = city.tally().await;
        assert_eq!(tally["fits"], Value::Bool(true), "{tally:#}");
        digests.push(tally["digest"].clone());
    }
    assert_eq!(digests[0], digests[1]);
    for city in cities {
        city.assert_promises_hold().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load() {
    let kills = number("HEFU_KILLS").unwrap_or(KILLS);
    let seed = number("HEFU_KILLS_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    println!("{kills} kills, HEFU_KILLS_SEED={seed}");
    let clock = Stopwatch::start();
    // Its nodes keep ports and folders until the end.
    let (_federation, cities) = prepare(kills).await;
    for city in &cities {
        city.serve().await;
    }
    let (mut choices, mut killed) = (Choices(seed), [0_u64; 3]);
    let mut done = 0;
    while done < kills {
        let load: Vec<_> = cities.iter().flat_map(City::load).collect();
        let until = kills.min(done + CHECK_EVERY);
        while done < until {
            tokio::time::sleep(Duration::from_millis(choices.below(PAUSE_MS))).await;
            let target = choices.target();
            match target {
                Target::Server(n) => cities[n].kill().await,
                Target::BothServers => {
                    tokio::join!(cities[0].kill(), cities[1].kill());
                }
                Target::Publisher(n) => {
                    if !cities[n].kill_publisher().await {
                        continue;
                    }
                }
            }
            let which = match target {
                Target::Server(_) => 0,
                Target::BothServers => 1,
                Target::Publisher(_) => 2,
            };
            killed[which] += 1;
            done += 1;
            for city in &cities {
                city.serve().await;
            }
        }
        for city in &cities {
            city.rest();
        }
        for task in load {
            task.await.unwrap();
        }
        check(&cities).await;
    }
    println!(
        "killed: {} servers, {} pairs of servers, {} publishing commands; {:.1} s",
        killed[0],
        killed[1],
        killed[2],
        clock.seconds()
    );
    for city in &cities {
        println!("{}", city.figures());
    }
    for city in &cities {
        city.kill().await;
    }
}
