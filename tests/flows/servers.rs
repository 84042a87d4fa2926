//! Several servers of one city on one PostgreSQL database.

mod processes;

use hefu_federation::agreement::State;
use hefu_federation::entry::Act;
use hefu_node::Node;
use hefu_node::config::DatabaseSetting;
use hefu_node::problem::{Code, Outcome};
use hefu_node::publish::Options;
use hefu_node::sequencer::NewAct;
use hefu_node::store::{DraftRow, OWN, OriginRow, SEQUENCER};
use hefu_node::{group, guard, pull, reconcile, standing};
use hefu_schemas::id::Digest;
use hefu_tests::check::check_stored;
use hefu_tests::draft::day;
use hefu_tests::node::{self, join_folder, publish_lines, stage};
use hefu_tests::{TestFederation, TestNode, postgres, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A node on a new database, closed.
async fn on_server(code: &str) -> Option<TestNode> {
    let url = postgres::empty_database().await?;
    Some(TestNode::init_with(code, |config| config.database = DatabaseSetting::new(url)).await)
}

/// Opens a further server of a node's city, which has no guard file, and lets it take part.
async fn join(node: &TestNode, base: &TempDir, name: &str) -> Arc<Node> {
    let dir = base.path().join(name);
    join_folder(node.dir(), &dir);
    until("the first server is there", async || !node.node().store.leases("server:").await.unwrap().is_empty()).await;
    take_part(Node::open(&dir, false).await.unwrap())
}

/// As a serving process does.
fn take_part(node: Arc<Node>) -> Arc<Node> {
    tokio::spawn(group::run(node.clone()));
    node
}

async fn publish(node: &Arc<Node>, drafts: &[Value]) -> Outcome<Vec<DraftRow>> {
    let lines = drafts.iter().map(|draft| draft.to_string().into_bytes()).collect();
    publish_lines(node, lines, Options::default()).await
}

/// Appends something that needs no agreement.
async fn append(node: &Node, n: u8) -> Outcome<u64> {
    node.sequencer.append_act(NewAct { digest: Digest([n; 32]), act: Act::Sign, on: None }).await
}

async fn peer(node: &Node, of: &TestNode) -> OriginRow {
    node.peers().await.unwrap().into_iter().find(|row| row.origin == of.city.origin).unwrap()
}

/// What every server has signed is part of the one log, all of which is published.
async fn check(servers: &[&Arc<Node>]) {
    for node in servers {
        check_stored(node).await;
        assert_eq!(node.sequencer.signing(), Ok(()));
        assert!(guard::is_newest(node.store.as_ref(), &node.folder, &node.ring).await.unwrap());
        let head = node.store.head(OWN).await.unwrap();
        assert_eq!(head.published(), head.size);
    }
}

/// Which server of some holds the right to append.
async fn holder(servers: &[&Arc<Node>]) -> Option<usize> {
    let rows = servers[0].store.leases(SEQUENCER).await.unwrap();
    let name = rows.first()?.held_by(servers[0].clock.now_ms())?.to_owned();
    servers.iter().position(|node| node.member.holder == name)
}

/// Four submissions through each server; each draft has a place of its own, the same from whichever server one asks.
async fn all_publish_at_once(federation: &TestFederation, servers: [&Arc<Node>; 3]) {
    let drafts = federation.drafts(0);
    let part = |server: u32, n: u32| -> Vec<Value> {
        (0..10).map(|i| drafts.enter(&drafts.subject(server * 1_000 + n * 100 + i), day(-3))).collect()
    };
    let jobs: Vec<(u32, Vec<Value>)> = (0..3)
        .flat_map(|server| (0..4).map(move |n| (server, n)))
        .map(|(server, n)| (server, part(server, n)))
        .collect();
    let published = jobs.iter().map(|(server, drafts)| publish(servers[usize::try_from(*server).unwrap()], drafts));
    let receipts: Vec<DraftRow> =
        futures_util::future::join_all(published).await.into_iter().flat_map(|rows| rows.unwrap()).collect();
    let indexes: BTreeSet<u64> = receipts.iter().map(|row| row.index).collect();
    assert_eq!((receipts.len(), indexes.len()), (120, 120));
    let published = servers[0].store.head(OWN).await.unwrap().published();
    assert!(receipts.iter().all(|row| row.size <= published));
    let again = publish(servers[2], &jobs[0].1).await.unwrap();
    assert_eq!(again, receipts[..10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_city_do_everything_beside_each_other() {
    let Some(mut kunming) = on_server("530100").await else { return };
    kunming.open().await;
    let first = take_part(kunming.node().clone());
    let base = tempfile::tempdir().unwrap();
    let peers = [TestNode::new("510100").await, TestNode::new("500000").await];
    let [chengdu, chongqing] = peers;
    let mut federation = TestFederation::of(vec![kunming, chengdu, chongqing]).await;
    // The second server is there before the agreement is made through the first one.
    let second = join(federation.node(0), &base, "second").await;
    federation.agree().await;
    let id = federation.agreement.unwrap();
    until("the second server knows the agreement", async || {
        second.registry.by_id(id).is_some_and(|known| known.state(day(0)) == State::InForce)
    })
    .await;
    let third = join(federation.node(0), &base, "third").await;
    let servers = [&first, &second, &third];

    all_publish_at_once(&federation, servers).await;
    check(&servers).await;

    // Different peers at the same time; of one peer, one after the other.
    for n in [1, 2] {
        let drafts = federation.drafts(n);
        let lines: Vec<Value> = (0..30).map(|i| drafts.enter(&drafts.subject(50_000 + i), day(-2))).collect();
        federation.node(n).publish(&lines).await.unwrap();
    }
    let (chengdu, chongqing) = (peer(&first, federation.node(1)).await, peer(&first, federation.node(2)).await);
    let (a, b, c) =
        tokio::join!(pull::pull(&second, &chengdu), pull::pull(&third, &chongqing), pull::pull(&first, &chengdu));
    assert_eq!(a.unwrap().held + b.unwrap().held + c.unwrap().held, 60);
    let claim = group::to_pull(&second, chengdu.origin.as_str(), Duration::ZERO).await.unwrap().unwrap();
    let refused = pull::pull_if_free(&first, &chengdu).await.unwrap_err();
    assert_eq!(refused.code, Code::Taken);
    assert!(refused.detail.contains(group::shown(&second.member.holder)), "{refused}");
    claim.give_back().await;
    pull::pull_if_free(&first, &chengdu).await.unwrap();

    // One reconciles, the others wait; both compute the same from it.
    let (a, b) = tokio::join!(reconcile::report(&first), reconcile::report(&second));
    assert_eq!(a.unwrap().findings, b.unwrap().findings);
    let question = hefu_node::tally::question(&third, &federation.known(0), None).await.unwrap();
    let of_third = hefu_node::tally::state(&third, &federation.known(0), &question).await.unwrap();
    let of_first = hefu_node::tally::state(&first, &federation.known(0), &question).await.unwrap();
    assert_eq!(of_third, of_first);

    // Who is there, and who does what.
    until("each server sees the others", async || {
        let status = group::status(&third).await.unwrap().unwrap();
        status["servers"].as_array().unwrap().len() == 3
    })
    .await;
    a_suspension_by_another_server_counts_at_once(&federation, &first, &second).await;
    check(&servers).await;
}

/// What was read by one server before another one suspended the agreement is not appended behind that.
async fn a_suspension_by_another_server_counts_at_once(
    federation: &TestFederation,
    one: &Arc<Node>,
    other: &Arc<Node>,
) {
    let (id, drafts) = (federation.agreement.unwrap(), federation.drafts(0));
    let line = drafts.enter(&drafts.subject(60_000), day(-2)).to_string().into_bytes();
    let staged = stage(other, vec![line], Options::default()).await.unwrap();
    standing::act(one, id, Act::Suspend, None).await.unwrap();
    let size = one.store.head(OWN).await.unwrap().size;
    assert_eq!(node::append(staged).await.unwrap_err().code, Code::AgreementNotOpen);
    assert_eq!(one.store.head(OWN).await.unwrap().size, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_overtaken_appends_nothing_by_its_old_fence() {
    let Some(mut kunming) = on_server("530100").await else { return };
    kunming.open().await;
    let base = tempfile::tempdir().unwrap();
    let first = take_part(kunming.node().clone());
    let second = join(&kunming, &base, "second").await;
    let servers = [&first, &second];
    append(&first, 1).await.unwrap();
    assert_eq!(holder(&servers).await, Some(0));
    // For the second server the lease of the first one has run out: as if the first had been paused.
    second.clock.shift(60_000);
    append(&second, 2).await.unwrap();
    assert_eq!(holder(&servers).await, Some(1));
    // The first one appends by its old fence, is refused, and then waits for its turn; or it has noticed before.
    let mut n = 3;
    until("it is the first one's turn again", async || {
        n += 1;
        match append(&first, n).await {
            Ok(_) => true,
            Err(problem) => {
                assert_eq!(problem.code, Code::Taken, "{problem}");
                false
            }
        }
    })
    .await;
    assert!(append(&second, 200).await.is_ok());
    check(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_without_a_guard_signs_only_when_another_one_vouches() {
    let Some(mut kunming) = on_server("530100").await else { return };
    kunming.open().await;
    append(kunming.node(), 1).await.unwrap();
    let base = tempfile::tempdir().unwrap();
    // No other server takes part, and there are no peers: nobody can say that the database is the newest.
    let dir = base.path().join("alone");
    join_folder(kunming.dir(), &dir);
    let alone = Node::open(&dir, false).await.unwrap();
    let why = alone.sequencer.signing().unwrap_err();
    assert!(why.contains("the guard file is missing"), "{why}");
    assert_eq!(append(&alone, 2).await.unwrap_err().code, Code::NotSigning);
    alone.stop().await;
    // One that does not sign vouches for nobody.
    let alone = take_part(alone);
    let dir = base.path().join("second");
    join_folder(kunming.dir(), &dir);
    until("the server that does not sign is seen", async || {
        !kunming.node().store.leases("server:").await.unwrap().is_empty()
    })
    .await;
    let second = Node::open(&dir, false).await.unwrap();
    assert!(second.sequencer.signing().is_err());
    second.stop().await;
    drop((alone, second));

    let first = take_part(kunming.node().clone());
    let third = join(&kunming, &base, "third").await;
    append(&third, 3).await.unwrap();
    assert!(third.folder.guard().exists());
    check(&[&first, &third]).await;
}

fn point_to(dir: &Path, from: &str, to: &str) {
    let file = dir.join("hefu.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    std::fs::write(&file, text.replace(&format!("{from}\""), &format!("{to}\""))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restored_backup_no_server_signs() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut kunming = TestNode::init_with("530100", |config| config.database = DatabaseSetting::new(&url)).await;
    kunming.open().await;
    append(kunming.node(), 1).await.unwrap();
    kunming.close().await;
    let old = postgres::save(&url).await;
    let base = tempfile::tempdir().unwrap();
    kunming.open().await;
    let (first, second) = (take_part(kunming.node().clone()), join(&kunming, &base, "second").await);
    append(&first, 2).await.unwrap();
    // A standby follows what is published: its guard is as new.
    let note = first.store.head(OWN).await.unwrap().note;
    until("the standby's guard follows", async || std::fs::read(second.folder.guard()).ok() == note).await;
    let dir = base.path().join("second");
    second.stop().await;
    first.stop().await;
    // The old database comes back; new folders have no guard file at all.
    let moved = |from: &Path, name: &str, guard: bool| {
        let to = base.path().join(name);
        join_folder(from, &to);
        if guard {
            std::fs::copy(from.join("guard"), to.join("guard")).unwrap();
        }
        point_to(&to, &url, &old);
        to
    };
    for (name, guard, why) in [
        ("first again", true, "older than what was signed"),
        ("second again", true, "older than what was signed"),
        ("new", false, "the guard file is missing"),
        ("newer", false, "the guard file is missing"),
    ] {
        let from = if name == "first again" { kunming.dir() } else { dir.as_path() };
        let node = take_part(Node::open(&moved(from, name, guard), false).await.unwrap());
        let said = node.sequencer.signing().unwrap_err();
        assert!(said.contains(why), "{name}: {said}");
        assert_eq!(append(&node, 9).await.unwrap_err().code, Code::NotSigning, "{name}");
        assert_eq!(node.store.head(OWN).await.unwrap().size, 2, "{name}");
    }
}
