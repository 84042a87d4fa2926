//! The database server itself ends, by SIGKILL with all its processes or by its own immediate shutdown, under a node that publishes,
//! pulls and serves: the node says so, and goes on without a restart when the server is back. Nothing that was given is lost.

use super::pair::Pair;
use hefu_node::clock::Stopwatch;
use hefu_node::config::DatabaseSetting;
use hefu_node::store::postgres::cluster::{Cluster, End};
use hefu_node::store::postgres::{Address, create_database};
use hefu_tests::http::client;
use hefu_tests::process::Said;
use hefu_tests::{postgres, until};
use serde_json::Value;
use std::time::Duration;

/// How the server ends under load, and how long it is away.
const ENDS: [(End, u64); 5] =
    [(End::Killed, 0), (End::AtOnce, 0), (End::Killed, 300), (End::AtOnce, 700), (End::Killed, 0)];
/// How long everything goes on before it ends.
const PAUSES_MS: [u64; 5] = [130, 410, 70, 290, 530];
/// Submissions that are there.
const PARTS: u64 = 150;
/// How long somebody who asks waits at most until he is told that the server is away, on a busy machine: the first one, for whom
/// the pool tries for ten seconds, and those after him, who need not wait for that again.
const TOLD_S: [f64; 2] = [30.0, 9.5];

/// A server of the test's own, and a database on it.
async fn own_server() -> Option<(Cluster, String)> {
    postgres::cluster()?;
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(&[], &[])).await.unwrap().unwrap();
    create_database(&Address::parse(&cluster.url("postgres")).unwrap(), "node").await.unwrap();
    let url = cluster.url("node");
    Some((cluster, url))
}

fn end(cluster: &Cluster, how: End) {
    tokio::task::block_in_place(|| cluster.end(how)).unwrap();
}

fn begin(cluster: &Cluster) {
    tokio::task::block_in_place(|| cluster.begin()).unwrap();
}

fn assert_away(said: &Said, what: &str) {
    assert_eq!(said.code, Some(4), "{what}: {said:#?}");
    assert!(format!("{}{}", said.stdout, said.stderr).contains("database-away"), "{what}: {said:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_ends_under_a_node() {
    let Some((cluster, url)) = own_server().await else { return };
    let pair = Pair::prepare([DatabaseSetting::new(url), DatabaseSetting::default()], PARTS).await;
    let kunming = &pair.cities[0];
    pair.serve().await;
    let process = kunming.process().await;
    let load = pair.load();
    for ((how, away), pause) in ENDS.into_iter().zip(PAUSES_MS) {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let before = kunming.submitted();
        end(&cluster, how);
        tokio::time::sleep(Duration::from_millis(away)).await;
        begin(&cluster);
        let back = Stopwatch::start();
        // The first submission after it may have begun before it.
        until("it publishes again", async || kunming.submitted() > before + 1).await;
        println!("{how:?}, {away} ms away: two submissions {:.1} s after it is back", back.seconds());
    }
    pair.rest(load).await;
    pair.check().await;

    // What it says while the server is away.
    end(&cluster, End::Killed);
    let (since, client) = (Stopwatch::start(), client());
    let (publish, pull) = (kunming.publish_again(), kunming.command(&["--json", "pull"]));
    let answer = client.get(kunming.at("checkpoint")).send();
    let (publish, pull, answer) = tokio::join!(publish, pull, answer);
    assert_away(&publish, "publish");
    assert_away(&pull, "pull");
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 503);
    let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "database-away", "{problem}");
    println!("told after {:.1} s", since.seconds());
    assert!(since.seconds() < TOLD_S[0], "{}", since.seconds());
    let since = Stopwatch::start();
    assert_eq!(client.get(kunming.at("health/ready")).send().await.unwrap().status(), 503);
    assert_eq!(client.get(kunming.at("health/live")).send().await.unwrap().status(), 200);
    assert!(since.seconds() < TOLD_S[1], "{}", since.seconds());
    begin(&cluster);
    until("it is ready again", async || {
        client.get(kunming.at("health/ready")).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    assert_eq!(kunming.publish_again().await.code, Some(0));
    pair.check().await;
    assert_eq!(kunming.process().await, process, "it was never restarted");
    pair.end().await;
}
