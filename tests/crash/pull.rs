//! A node that is killed while it pulls.

use super::process::{Moments, Served};
use crate::tamper::world::{World, agreement, copy_folder};
use hefu_node::clock::Stopwatch;
use hefu_tests::process::command;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

const SEED: u64 = 20_260_902;
/// Kills, each of a replica of its own.
const KILLS: usize = 5;
/// Records of each of the two peers: more than one page, and more than one step of the log.
const RECORDS: u64 = 1_050;

/// What a node holds of its peers' logs and records.
async fn replicas(serving: &Served) -> Vec<(String, u64, Value)> {
    let peers = serving.json(&["peer", "list"]).await;
    let row = |peer: &Value| {
        (peer["origin"].as_str().unwrap().to_owned(), peer["size"].as_u64().unwrap(), peer["records"].clone())
    };
    peers.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_pulling() {
    let mut world = World::agreed().await;
    let id = agreement(&world.cd.node).document.id.to_string();
    world.publish(RECORDS).await;
    // The peers have done their part, so that they answer a tally at once.
    for running in [&world.cd, &world.cq] {
        world.pull_all(running).await;
        hefu_node::reconcile::run(&running.node).await.unwrap();
    }
    world.close_kunming().await;
    let mut moments = Moments::new(SEED);
    let mut undisturbed = Duration::ZERO;
    let mut digest = None;
    for number in 0..=KILLS {
        let name = format!("replica {number}");
        let dir = world.folder();
        copy_folder(&world.kunming.dir, &dir).await;
        let mut serving = Served::start(&dir, &world.kunming.listener).await;
        if number == 0 {
            let clock = Stopwatch::start();
            serving.json(&["pull"]).await;
            undisturbed = Duration::from_secs_f64(clock.seconds());
        } else {
            let mut pulling = command(&dir, &["pull"]);
            let mut pulling = pulling.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let moment = moments.next();
            tokio::time::sleep(undisturbed * moment / 1_000).await;
            serving.kill().await;
            pulling.wait().await.unwrap();
            serving = Served::start(&dir, &world.kunming.listener).await;
            serving.check(&name).await;
            eprintln!("{name}: killed at {moment} of 1,000: {:?}", replicas(&serving).await);
            serving.json(&["pull"]).await;
        }
        for (origin, size, records) in replicas(&serving).await {
            assert_eq!(size, 3 + RECORDS, "{name}: {origin}");
            assert_eq!(records, json!({"held": RECORDS}), "{name}: {origin}");
        }
        // Undisturbed or killed: the same result, which the peers compute too.
        if [0, KILLS].contains(&number) {
            serving.check(&name).await;
            let tally = serving.json(&["tally", "show", "--agreement", &id]).await;
            assert_eq!(tally["fits"], true, "{name}: {tally:#}");
            let first = digest.get_or_insert_with(|| tally["digest"].clone());
            assert_eq!(*first, tally["digest"], "{name}");
        }
        serving.kill().await;
    }
}
