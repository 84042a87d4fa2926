//! Two real nodes that publish, pull, reconcile and state tallies at once, while one or the other, or a command, is killed at
//! random moments (SIGKILL): on the embedded database, and on PostgreSQL. 20 and 10 kills by default; `HEFU_KILLS=300` makes 300 of
//! each, `HEFU_KILLS_SEED` repeats the choices of a run (not the moments at which the machine is where it was). A run that fails says
//! its seed and keeps the folders.

use super::pair::Pair;
use hefu_node::clock::{Stopwatch, random};
use hefu_tests::postgres::On;
use std::time::Duration;

/// Kills when nothing else is said.
const KILLS: u64 = 20;
/// The same on PostgreSQL.
const KILLS_ON_A_SERVER: u64 = 10;
/// Kills between two checks of the whole.
const CHECK_EVERY: u64 = 10;
/// Longest time between a restart and the next kill.
const PAUSE_MS: u64 = 90;
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

async fn kill_at_random(on: On, usual: u64) {
    let kills = number("HEFU_KILLS").unwrap_or(usual);
    let seed = number("HEFU_KILLS_SEED").unwrap_or_else(|| u64::from_be_bytes(random()));
    let (Some(one), Some(other)) = (on.setting().await, on.setting().await) else { return };
    println!("{kills} kills on {on:?}, HEFU_KILLS_SEED={seed}");
    let clock = Stopwatch::start();
    let pair = Pair::prepare([one, other], kills * PARTS_PER_KILL + PARTS_BESIDE).await;
    let cities = &pair.cities;
    pair.serve().await;
    let (mut choices, mut killed) = (Choices(seed), [0_u64; 3]);
    let mut done = 0;
    while done < kills {
        let load = pair.load();
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
            pair.serve().await;
        }
        pair.rest(load).await;
        pair.check().await;
    }
    println!(
        "{on:?}: killed: {} servers, {} pairs of servers, {} publishing commands; {:.1} s",
        killed[0],
        killed[1],
        killed[2],
        clock.seconds()
    );
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load() {
    kill_at_random(On::File, KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load_on_postgres() {
    kill_at_random(On::Server, KILLS_ON_A_SERVER).await;
}
