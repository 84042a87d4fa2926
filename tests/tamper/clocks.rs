//! Clocks that are wrong: a log's time never decreases, and a request with a wrong time is refused with a word about clocks.

use super::log::entries;
use super::world::{World, assert_clean, drafts, peer, publish, pull_from, states};
use hefu_federation::entry::Entry;
use hefu_federation::pull::PayloadState::{Held, Wanted};
use hefu_node::problem::Code;
use std::collections::BTreeMap;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_with_a_clock_that_was_set_back() {
    let world = World::agreed().await;
    let lines = drafts(&world.cd.node, &world.population(20), 1);
    publish(&world.cd.node, &lines[..10]).await.unwrap();
    world.cd.node.clock.shift(-HOUR_MS);
    publish(&world.cd.node, &lines[10..20]).await.unwrap();
    let times: Vec<i64> = entries(&world.cd).await.iter().map(|data| Entry::parse(data).unwrap().t).collect();
    assert!(times.is_sorted(), "t never decreases: {times:?}");
    assert_clean(&world.cd.node, "set back").await;
    world.cd.node.clock.shift(HOUR_MS);
    let node = world.copy_of_kunming().await;
    pull_from(&node, &world.chengdu).await.unwrap();
    let row = peer(&node, &world.chengdu).await;
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 20)]));
    world.assert_unharmed(&node, "set back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_a_wrong_time_are_refused_with_a_word_about_clocks() {
    let world = World::agreed().await;
    world.publish(20).await;
    let node = world.copy_of_kunming().await;
    for (shift, way) in [(-HOUR_MS, "behind"), (HOUR_MS, "ahead of")] {
        node.clock.shift(shift);
        let problem = pull_from(&node, &world.chengdu).await.expect_err(way);
        assert_eq!(problem.code, Code::PeerUnavailable, "{way}: {problem}");
        assert_eq!(problem.extra["peerCode"], "unauthenticated", "{way}");
        assert!(problem.detail.contains("compare the clocks of both nodes"), "{way}: {problem}");
        assert!(problem.detail.contains(&format!(" s {way} the peer's")), "{way}: {problem}");
        // The log is public: it is there, its records are still wanted.
        let row = peer(&node, &world.chengdu).await;
        assert_eq!(states(&node, row.no).await, BTreeMap::from([(Wanted, 20)]), "{way}");
        node.clock.shift(-shift);
    }
    pull_from(&node, &world.chengdu).await.unwrap();
    world.assert_unharmed(&node, "clocks").await;
}
