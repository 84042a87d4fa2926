//! Logs whose time runs back, also exactly between two bundles and between two steps of a pull.

use super::keys_of;
use super::log::{Forged, entries};
use super::world::{World, peer, pull_from};
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_node::problem::Code;

/// Entries of one step: sixteen bundles.
const STEP: usize = 4_096;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_runs_back_within_a_step_and_between_two() {
    let world = World::agreed().await;
    let truth = entries(&world.cd).await;
    let last = Entry::parse(truth.last().unwrap()).unwrap().t;
    let record = |t| Entry { t, body: Body::Record { c: [7; 32], a: Audience::Holder } }.write().unwrap();
    // Where time runs back, and how much of the log stands before the step in which it does.
    let before = truth.len();
    for (at, kept) in [(700, before), (768, before), (STEP - 1, before), (STEP, STEP), (STEP + 1, STEP)] {
        let node = world.copy_of_kunming().await;
        let row = peer(&node, &world.chengdu).await;
        let held = node.store.head(row.no).await.unwrap().size;
        let mut data = truth.clone();
        // Both times are later than all that is held: only the entry before tells that this one is older.
        data.resize(STEP + 100, record(last + 2));
        data[at..].fill(record(last + 1));
        let forged = Forged::new(&world.chengdu, &keys_of(&world.chengdu), data);
        world.liar.lie(move |path, answer| forged.answer(path, answer));
        let name = format!("at {at}");
        let problem = pull_from(&node, &world.chengdu).await.expect_err(&name);
        assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
        assert!(problem.detail.contains(&format!("entry {at} is older than the one before")), "{name}: {problem}");
        let size = node.store.head(row.no).await.unwrap().size;
        let expected = if kept == STEP { 4_096 } else { held };
        assert_eq!(
            size, expected,
            "{name}: whole steps of verified entries, nothing of the one in which time ran back"
        );
        world.assert_unharmed(&node, &name).await;
    }
    // The same log in which time stands still is a log.
    let node = world.copy_of_kunming().await;
    let mut data = truth.clone();
    data.resize(STEP + 100, record(last));
    let forged = Forged::new(&world.chengdu, &keys_of(&world.chengdu), data);
    world.liar.lie(move |path, answer| forged.answer(path, answer));
    pull_from(&node, &world.chengdu).await.unwrap();
    let row = peer(&node, &world.chengdu).await;
    assert_eq!(node.store.head(row.no).await.unwrap().size, 4_196);
}
