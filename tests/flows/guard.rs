//! One process for one folder, and no signature by a folder that is older than what was signed.

use super::{two, with_faults};
use hefu_federation::append;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Act, Body};
use hefu_node::Node;
use hefu_node::clock::Clock;
use hefu_node::problem::Code;
use hefu_node::pull::pull;
use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{GuardStore, LogStore, OWN};
use hefu_schemas::id::Digest;
use hefu_tests::check::check_stored;
use hefu_tests::draft::day;
use hefu_tests::faulty::{After, Failpoint, Fault};
use hefu_tests::http::get;
use hefu_tests::node::copy_folder;
use hefu_tests::{TestFederation, TestNode, check_log};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_held_by_one_process() {
    let mut node = TestNode::new("530100").await;
    let second = Node::open(node.dir(), false).await.err().unwrap();
    assert_eq!(second.code, Code::Locked, "{second}");
    node.close().await;
    node.open().await;
    check_log(node.node()).await;
}

/// A copy of a node's folder, made while nothing runs on it.
async fn backed_up(node: &mut TestNode) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    node.close().await;
    copy_folder(node.dir(), copy.path());
    node.open().await;
    copy
}

/// Closes a node and puts a copy of its folder in the folder's place.
async fn put_back(node: &mut TestNode, copy: &TempDir) {
    node.close().await;
    copy_folder(copy.path(), node.dir());
}

/// Publishes one record of the first city.
async fn publish_one(federation: &TestFederation, n: u32) {
    let drafts = federation.drafts(0);
    federation.node(0).publish(&[drafts.enter(&drafts.subject(n), day(-30))]).await.unwrap();
}

/// The node serves what it has, says that it is not ready, and signs nothing.
async fn refuses_to_sign(federation: &TestFederation, draft: serde_json::Value, why: &str) {
    let node = federation.node(0);
    let size = node.size().await;
    let said = node.node().sequencer.signing().unwrap_err();
    assert!(said.contains(why), "{said}");
    let refused = node.publish(&[draft]).await.unwrap_err();
    assert_eq!(refused.code, Code::NotSigning, "{refused}");
    assert_eq!(node.size().await, size);
    let ready = get(node, "/health/ready").await;
    assert_eq!((ready.status.as_u16(), ready.problem().as_str()), (503, "not-signing"));
    for path in ["/health/live", "/checkpoint", "/tile/entries/000.p/1"] {
        assert_eq!(get(node, path).await.status.as_u16(), 200, "{path}");
    }
    check_stored(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_beside_a_newer_guard_does_not_sign() {
    let mut federation = two().await;
    let draft = federation.drafts(0).enter(&federation.drafts(0).subject(9), day(-30));
    let old = backed_up(federation.node_mut(0)).await;
    publish_one(&federation, 1).await;
    let node = federation.node_mut(0);
    let newest = backed_up(node).await;
    // No peer has seen the new note: the guard file alone knows.
    let guard = std::fs::read(node.dir().join("guard")).unwrap();
    put_back(node, &old).await;
    std::fs::write(node.dir().join("guard"), guard).unwrap();
    node.open().await;
    refuses_to_sign(&federation, draft.clone(), "the guard file").await;
    // The newest data back: it signs again.
    let node = federation.node_mut(0);
    put_back(node, &newest).await;
    node.open().await;
    node.publish(&[draft]).await.unwrap();
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_folder_does_not_sign_when_a_peer_has_seen_more() {
    let mut federation = two().await;
    let draft = federation.drafts(0).enter(&federation.drafts(0).subject(9), day(-30));
    let old = backed_up(federation.node_mut(0)).await;
    publish_one(&federation, 1).await;
    federation.node(1).pull(federation.node(0)).await.unwrap();
    let held = federation.node(1).size_of(federation.node(0)).await;
    let node = federation.node_mut(0);
    put_back(node, &old).await;
    node.open().await;
    refuses_to_sign(&federation, draft.clone(), "a note that a peer has seen").await;
    // Confirming is for a guard that is missing, not against what a peer has seen.
    let node = federation.node_mut(0);
    node.close().await;
    node.try_open(true).await.unwrap();
    refuses_to_sign(&federation, draft, "a note that a peer has seen").await;
    // The peer is not misled: what it holds stays, the older checkpoint is only stale.
    federation.node(1).pull(federation.node(0)).await.unwrap();
    assert_eq!(federation.node(1).size_of(federation.node(0)).await, held);
    check_log(federation.node(1).node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_guard_file_a_peer_answers_or_the_operator_confirms() {
    let mut federation = two().await;
    let draft = federation.drafts(0).enter(&federation.drafts(0).subject(9), day(-30));
    // A peer that has seen our newest note answers.
    federation.node_mut(0).close().await;
    std::fs::remove_file(federation.node(0).dir().join("guard")).unwrap();
    federation.node_mut(0).open().await;
    publish_one(&federation, 1).await;
    check_log(federation.node(0).node()).await;
    // Nobody answers.
    federation.node_mut(1).stop_serving().await;
    federation.node_mut(0).close().await;
    std::fs::remove_file(federation.node(0).dir().join("guard")).unwrap();
    federation.node_mut(0).open().await;
    refuses_to_sign(&federation, draft.clone(), "--confirm-guard").await;
    assert!(!federation.node(0).dir().join("guard").exists(), "a node that does not sign writes no guard");
    let node = federation.node_mut(0);
    node.close().await;
    node.try_open(true).await.unwrap();
    node.publish(&[draft]).await.unwrap();
    check_log(node.node()).await;
    // From now on the guard is there again.
    node.restart().await;
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_does_not_read_is_not_taken_for_a_missing_one() {
    let mut node = TestNode::new("530100").await;
    for bytes in [&b""[..], b"no note", b"\xff\xfe"] {
        node.close().await;
        let kept = std::fs::read(node.dir().join("guard")).unwrap();
        std::fs::write(node.dir().join("guard"), bytes).unwrap();
        node.try_open(true).await.unwrap();
        let why = node.node().sequencer.signing().unwrap_err();
        assert!(why.contains("the guard file does not read"), "{why}");
        node.close().await;
        std::fs::write(node.dir().join("guard"), kept).unwrap();
        node.open().await;
        check_log(node.node()).await;
    }
}

/// Appends three entries that nobody has signed, as a crash would leave them.
async fn leave_unsigned(node: &TestNode) {
    let (store, clock) = (Sqlite::open(&node.dir().join("hefu.db")).await.unwrap(), Clock::default());
    let fence = store.lease("sequencer", "crashed", clock.now_ms(), 1000).await.unwrap().unwrap();
    let head = store.edge(OWN).await.unwrap();
    let act = |n: u8| Body::Agreement { digest: Digest([n; 32]), act: Act::Sign, on: None };
    let plan = append::plan(&head, (0..3).map(act).collect(), clock.now_s()).unwrap();
    store.append_own(fence, &plan, &[], &[]).await.unwrap();
    store.release("sequencer", "crashed").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_a_crash_left_unsigned_is_signed_at_the_next_start() {
    let mut node = TestNode::new("530100").await;
    node.close().await;
    leave_unsigned(&node).await;
    // The process died here: four entries are durable, the note covers one.
    node.open().await;
    check_log(node.node()).await;
    let answer = get(&node, "/checkpoint").await;
    let key = node.node().keys.log.public();
    assert_eq!(Checkpoint::open(&answer.body, &node.city.origin, &key).unwrap().size, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_published_note_covers_is_not_shown() {
    let mut node = TestNode::new("530100").await;
    node.close().await;
    leave_unsigned(&node).await;
    let guard = std::fs::read(node.dir().join("guard")).unwrap();
    std::fs::write(node.dir().join("guard"), b"torn").unwrap();
    node.open().await;
    let shown = async |node: &TestNode, paths: [&str; 2]| {
        let [one, four] = paths;
        (get(node, one).await.status.as_u16(), get(node, four).await.status.as_u16())
    };
    let bundles = ["/tile/entries/000.p/1", "/tile/entries/000.p/4"];
    let tiles = ["/tile/0/000.p/1", "/tile/0/000.p/4"];
    assert_eq!((shown(&node, bundles).await, shown(&node, tiles).await), ((200, 404), (200, 404)));
    node.close().await;
    std::fs::write(node.dir().join("guard"), guard).unwrap();
    node.open().await;
    assert_eq!((shown(&node, bundles).await, shown(&node, tiles).await), ((200, 200), (200, 200)));
    check_log(node.node()).await;
}

/// A peer's round breaks off behind the checkpoint: it has seen the city's newest note, and holds none of the entries behind it.
async fn see_the_note_alone(federation: &mut TestFederation) -> Vec<u8> {
    let faults = with_faults(federation, 1).await;
    let (node, peer) = (federation.node(0), federation.node(1));
    let held = peer.size_of(node).await;
    let (fault, after) = (Fault::Failed, After::GoesOn);
    faults.begin(Some(Failpoint { method: "append_replica", nth: 1, fault, after }));
    peer.pull(node).await.unwrap_err();
    assert!(faults.end().1, "its store has failed");
    assert_eq!(peer.size_of(node).await, held);
    let seen = peer.node().store.seen_note(&Digest::of(node.city.origin.as_str().as_bytes()).to_string()).await;
    let note = node.node().store.head(OWN).await.unwrap().note.unwrap();
    assert_eq!(seen.unwrap().as_ref(), Some(&note));
    note
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_goes_on_from_a_note_that_was_seen_is_pulled() {
    let mut federation = two().await;
    publish_one(&federation, 1).await;
    see_the_note_alone(&mut federation).await;
    publish_one(&federation, 2).await;
    let (node, peer) = (federation.node(0), federation.node(1));
    assert_eq!(peer.pull(node).await.unwrap().size, node.size().await);
    check_log(peer.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_put_back_with_its_guard_is_found_out_by_whoever_saw_its_note() {
    // As long as the log that was seen, and longer.
    for records in [1, 2] {
        let mut federation = two().await;
        let old = backed_up(federation.node_mut(0)).await;
        publish_one(&federation, 1).await;
        let seen = see_the_note_alone(&mut federation).await;
        // Nobody answers when the old folder is opened, guard file and all: the node cannot know, and says so.
        federation.node_mut(1).stop_serving().await;
        let node = federation.node_mut(0);
        put_back(node, &old).await;
        node.open().await;
        assert!(node.node().unguarded);
        for n in 0..records {
            publish_one(&federation, 7 + n).await;
        }
        federation.node_mut(1).serve().unwrap();
        let (node, peer) = (federation.node(0), federation.node(1));
        let (held, row) = (peer.size_of(node).await, peer.row(node).await);
        let problem = peer.pull(node).await.unwrap_err();
        assert_eq!(problem.code, Code::SplitView, "{problem}");
        let shown = node.node().store.head(OWN).await.unwrap().note.unwrap();
        let name = format!("split-view-{}-{}", Digest::of(node.city.origin.as_str().as_bytes()), node.size().await);
        let evidence =
            |what: &str| std::fs::read(peer.node().folder.evidence().join(format!("{name}.{what}"))).unwrap();
        assert_eq!((evidence("held"), evidence("shown")), (seen, shown), "both notes are kept");
        assert!(peer.row(node).await.stopped.is_some_and(|why| why.contains("that was seen")));
        assert_eq!(peer.size_of(node).await, held, "nothing of it is stored");
        for row in [row, peer.row(node).await] {
            let problem = pull(peer.node(), &row).await.unwrap_err();
            assert_eq!(problem.code, Code::SplitView, "pulling has stopped, also for whoever waited meanwhile");
        }
        check_stored(peer.node()).await;
    }
}
