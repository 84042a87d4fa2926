//! A node that is killed while it publishes.

use super::process::{Moments, Served};
use crate::tamper::world::{World, drafts, peer, pull_from, read, states};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::pull::PayloadState::Held;
use hefu_node::clock::Stopwatch;
use hefu_node::guard::stored_root;
use hefu_node::sequencer::MAX_SUBMISSION;
use hefu_node::store::OWN;
use hefu_tests::process::{command, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

const SEED: u64 = 20_260_901;
/// Kills in a row.
const KILLS: usize = 10;
/// Drafts of a file: more than one group commit takes.
const FILE: usize = 2 * MAX_SUBMISSION + 200;
/// Drafts that are published between two kills.
const PART: usize = 90;

/// Kunming's drafts, and the number of entries before them: genesis and the acts on the agreement.
async fn prepare(records: usize) -> (World, Vec<String>, u64) {
    let mut world = World::agreed().await;
    let node = world.km.as_ref().unwrap().node.clone();
    let population = world.population(u64::try_from(records).unwrap());
    let drafts = drafts(&node, &population, 0)[..records].to_vec();
    let size = node.store.head(OWN).await.unwrap().size;
    assert_eq!(size, 3, "genesis, sign, open");
    drop(node);
    world.close_kunming().await;
    (world, drafts, size)
}

fn file(world: &World, lines: &[String]) -> PathBuf {
    let path = world.folder().with_extension("ndjson");
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn receipt(line: &str) -> Value {
    let receipt: Value = serde_json::from_str(line).unwrap();
    assert!(receipt["leafHash"].is_string(), "{line}");
    receipt
}

/// Publishes to the end.
async fn publish(dir: &Path, file: &Path) -> Vec<Value> {
    let said = run(dir, &["publish", &file.display().to_string()]).await.ended(0);
    said.stdout.lines().map(receipt).collect()
}

/// Each draft once, in the order of the file, one entry behind the other: as if nothing had happened.
fn assert_as_undisturbed(lines: &[String], receipts: &[Value], first: u64) {
    assert_eq!(receipts.len(), lines.len());
    for ((line, receipt), index) in lines.iter().zip(receipts).zip(first..) {
        let draft: Value = serde_json::from_str(line).unwrap();
        assert_eq!(receipt["draftId"], draft["draftId"]);
        assert_eq!(receipt["index"], index, "{receipt}");
        assert!(receipt["size"].as_u64().unwrap() > index, "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_first_receipts() {
    let (world, lines, first) = prepare(FILE).await;
    let (dir, path) = (&world.kunming.dir, file(&world, &lines));
    let serving = Served::start(dir, &world.kunming.listener).await;
    let mut publishing = command(dir, &["publish", &path.display().to_string()]);
    let mut publishing = publishing.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(publishing.stdout.take().unwrap()).lines();
    let mut given = vec![receipt(&output.next_line().await.unwrap().expect("a first receipt"))];
    serving.kill().await;
    while let Some(line) = output.next_line().await.unwrap() {
        given.push(receipt(&line));
    }
    let code = publishing.wait().await.unwrap().code();
    eprintln!("{} of {} receipts came before the kill", given.len(), lines.len());
    if given.len() < lines.len() {
        assert_eq!(code, Some(4), "the node went away: try again");
    }
    let log = std::fs::metadata(dir.join("hefu.db-wal")).unwrap().len();
    assert!(log > 0, "the write-ahead file of the killed process is left behind");

    let serving = Served::start(dir, &world.kunming.listener).await;
    let size = serving.check("before publishing again").await;
    assert!(size >= first + u64::try_from(given.len()).unwrap(), "a receipt that was given stands in the log");
    let receipts = publish(dir, &path).await;
    assert_eq!(receipts[..given.len()], given, "receipts that were given stay as they are");
    assert_as_undisturbed(&lines, &receipts, first);
    assert_eq!(publish(dir, &path).await, receipts, "publishing once more changes nothing");
    assert_eq!(serving.check("at the end").await, first + u64::try_from(lines.len()).unwrap());
    pull_from(&world.cd.node, &world.kunming).await.unwrap();
    let row = peer(&world.cd.node, &world.kunming).await;
    assert_eq!(states(&world.cd.node, row.no).await, BTreeMap::from([(Held, u64::try_from(FILE).unwrap())]));
    serving.kill().await;
}

/// The largest checkpoint that was published while a future ran.
async fn watched(world: &World, running: impl Future<Output = ()>) -> Option<Checkpoint> {
    let port = world.kunming.listener.local_addr().unwrap().port();
    let keys = crate::tamper::keys_of(&world.kunming);
    let origin = &world.kunming.city.origin;
    let mut seen = None;
    let looking = async {
        loop {
            let (status, note) = read(port, "checkpoint").await;
            if status == 200 {
                seen = Some(Checkpoint::open(&note, origin, &keys.log.public()).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = running => {}
        () = looking => {}
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_ten_times() {
    let (world, lines, first) = prepare(PART * (KILLS + 1)).await;
    let dir = &world.kunming.dir;
    let mut moments = Moments::new(SEED);
    let mut published = first;
    let mut undisturbed = Duration::ZERO;
    let (mut unfinished, mut whole) = (0, 0);
    for (number, part) in lines.chunks(PART).enumerate() {
        let name = format!("part {number}");
        let path = file(&world, part);
        let mut serving = Served::start(dir, &world.kunming.listener).await;
        let clock = Stopwatch::start();
        if number == 0 {
            publish(dir, &path).await;
            undisturbed = Duration::from_secs_f64(clock.seconds());
        } else {
            let mut publishing = command(dir, &["publish", &path.display().to_string()]);
            let mut publishing = publishing.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut receipts = BufReader::new(publishing.stdout.take().unwrap()).lines();
            let moment = undisturbed * moments.next() / 1_000;
            // By time, which mostly strikes before the batch is written, or as soon as it is answered.
            let seen = watched(&world, async {
                if number.is_multiple_of(3) {
                    drop(receipts.next_line().await)
                } else {
                    tokio::time::sleep(moment).await
                }
            })
            .await;
            serving.kill().await;
            publishing.wait().await.unwrap();
            serving = Served::start(dir, &world.kunming.listener).await;
            let size = serving.check(&name).await;
            assert!(
                size == published || size == published + u64::try_from(part.len()).unwrap(),
                "{name}: all of a batch or nothing: {size}"
            );
            *if size == published { &mut unfinished } else { &mut whole } += 1;
            // What was published before the kill still stands.
            pull_from(&world.cd.node, &world.kunming).await.unwrap();
            let row = peer(&world.cd.node, &world.kunming).await;
            if let Some(seen) = seen {
                let root = stored_root(world.cd.node.store.as_ref(), row.no, seen.size).await.unwrap();
                assert_eq!(root, seen.root, "{name}: size {}", seen.size);
            }
        }
        let receipts = publish(dir, &path).await;
        assert_as_undisturbed(part, &receipts, published);
        published += u64::try_from(part.len()).unwrap();
        serving.kill().await;
    }
    eprintln!("killed before the batch was written: {unfinished}, after: {whole}");
    let serving = Served::start(dir, &world.kunming.listener).await;
    assert_eq!(serving.check("at the end").await, first + u64::try_from(lines.len()).unwrap());
    pull_from(&world.cd.node, &world.kunming).await.unwrap();
    let row = peer(&world.cd.node, &world.kunming).await;
    assert_eq!(states(&world.cd.node, row.no).await, BTreeMap::from([(Held, u64::try_from(lines.len()).unwrap())]));
    serving.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_for_one_folder() {
    let (world, lines, first) = prepare(10).await;
    let dir = &world.kunming.dir;
    let serving = Served::start(dir, &world.kunming.listener).await;
    let said = run(dir, &["--json", "serve"]).await.ended(3);
    assert_eq!(said.json()["code"], "locked", "{said:?}");
    // The first one goes on, and its socket is still its own.
    let receipts = publish(dir, &file(&world, &lines)).await;
    assert_as_undisturbed(&lines, &receipts, first);
    serving.kill().await;
    // The lock ends with its process, whatever it leaves behind.
    assert!(dir.join("control.sock").exists(), "a killed process leaves its socket");
    let serving = Served::start(dir, &world.kunming.listener).await;
    assert_eq!(serving.check("after the kill").await, first + 10);
    serving.kill().await;
}
