//! A peer that answers byte by byte: the round with it ends within the limits, and rounds with others go on beside.

use super::liar::Answer;
use super::world::{World, peer, pull_from, states};
use hefu_federation::pull::PayloadState::Held;
use hefu_node::client::Patience;
use hefu_node::clock::Stopwatch;
use hefu_node::problem::Code;
use hefu_node::store::OWN;
use std::time::Duration;

/// What the node under test waits: as much less than the real limits as an honest peer on a busy machine allows.
const PATIENCE: Patience = Patience { read: Duration::from_millis(900), answer: Duration::from_millis(1_100) };
/// A limit of the test: far above the patience, far below the drip's end.
const ENOUGH: f64 = 8.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drip_is_cut_off_and_others_are_pulled_meanwhile() {
    let world = World::agreed().await;
    world.publish(20).await;
    let cases = [
        ("/checkpoint", Duration::from_millis(50)),
        ("/records?", Duration::from_millis(50)),
        // Nothing at all after the head of the answer.
        ("/tile/entries/", Duration::from_secs(3_600)),
    ];
    for (asked, pause) in cases {
        let node = world.copy_of_kunming().await;
        *node.patience.lock().unwrap() = PATIENCE;
        world.liar.lie(
            move |path, answer| {
                if path.contains(asked) { Answer { drip: Some(pause), ..answer } } else { answer }
            },
        );
        let clock = Stopwatch::start();
        let dripping = pull_from(&node, &world.chengdu);
        let honest = async {
            pull_from(&node, &world.chongqing).await.unwrap();
            clock.seconds()
        };
        let (dripped, honest_s) = tokio::join!(dripping, honest);
        let problem = dripped.expect_err(asked);
        assert_eq!(problem.code, Code::PeerUnavailable, "{asked}: {problem}");
        let seconds = clock.seconds();
        assert!((0.8..ENOUGH).contains(&seconds), "{asked}: {seconds} s");
        assert!(honest_s < ENOUGH, "{asked}: the honest peer took {honest_s} s");
        let chongqing = peer(&node, &world.chongqing).await;
        assert_eq!(states(&node, chongqing.no).await.into_iter().collect::<Vec<_>>(), [(Held, 20)], "{asked}");
        assert_eq!(
            node.store.head(chongqing.no).await.unwrap().size,
            world.cq.node.store.head(OWN).await.unwrap().size,
            "{asked}"
        );
        *node.patience.lock().unwrap() = Patience::default();
        world.assert_unharmed(&node, asked).await;
        world.liar.be_honest();
        pull_from(&node, &world.chengdu).await.unwrap();
        let chengdu = peer(&node, &world.chengdu).await;
        assert_eq!(states(&node, chengdu.no).await.into_iter().collect::<Vec<_>>(), [(Held, 20)], "{asked}");
    }
}
