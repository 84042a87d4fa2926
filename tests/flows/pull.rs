//! Pulling: in parts, late, and from peers that go away.

use super::tally::all_fit;
use super::{two, with_faults};
use hefu_federation::pull::PayloadState;
use hefu_node::problem::Code;
use hefu_node::pull::{entries_at, entries_between};
use hefu_node::store::OWN;
use hefu_node::synthetic::{Part, Population};
use hefu_tests::draft::{day, id_of, record_id};
use hefu_tests::node::listen;
use hefu_tests::{TestFederation, check_log};
use serde_json::json;
use sqlx::Connection;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An hour, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// The first city publishes some hundred records.
async fn publish_some(federation: &TestFederation, records: u64) {
    let population = Population::new(3, day(0), federation.cities(), records).unwrap();
    let lines = federation.population_lines(&population, 0, Part::Main);
    federation.node(0).publish_lines(lines, Default::default()).await.unwrap();
}

/// What is wanted of an agreement may lie anywhere in a log of millions.
#[tokio::test(flavor = "multi_thread")]
async fn entries_far_apart_cost_the_bundles_around_them_alone() {
    let mut federation = two().await;
    publish_some(&federation, 1_200).await;
    let faults = with_faults(&mut federation, 0).await;
    let node = federation.node(0);
    let all = entries_between(node.node(), OWN, 0, node.size().await).await.unwrap();
    let indexes = [0, 3, 255, 600, 1_100];
    faults.begin(None);
    let some = entries_at(node.node().store.as_ref(), OWN, &indexes).await.unwrap();
    assert_eq!(faults.end().0.get("bundle"), Some(&3));
    let expected = all.into_iter().filter(|(index, _)| indexes.contains(index)).collect::<Vec<_>>();
    assert_eq!((some.len(), some == expected), (indexes.len(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn pulling_again_brings_only_what_is_new() {
    let federation = two().await;
    let (node, peer, drafts) = (federation.node(0), federation.node(1), federation.drafts(0));
    let mut known = peer.size_of(node).await;
    // Across the edge of a bundle, one by one and many at a time; an empty round changes nothing.
    for count in [1, 0, 249, 1, 1, 1, 1, 1, 300, 0] {
        let lines: Vec<_> = (0..count).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
        node.publish(&lines).await.unwrap();
        let report = peer.pull(node).await.unwrap();
        assert_eq!((report.entries, report.held, report.not_held), (u64::from(count), u64::from(count), 0));
        known += u64::from(count);
        assert_eq!((report.size, peer.size_of(node).await), (known, known));
        check_log(peer.node()).await;
    }
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_away_is_an_error_and_the_next_pull_completes() {
    let mut federation = two().await;
    publish_some(&federation, 50).await;
    federation.node_mut(0).stop_serving().await;
    let (node, peer) = (federation.node(0), federation.node(1));
    let away = peer.pull(node).await.unwrap_err();
    assert_eq!(away.code, Code::PeerUnavailable, "{away}");
    assert!(away.detail.contains(node.city.origin.as_str()), "{away}");
    check_log(peer.node()).await;
    federation.node_mut(0).serve().unwrap();
    let (node, peer) = (federation.node(0), federation.node(1));
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.size, report.not_held), (node.size().await, 0));
    federation.check().await;
}

/// Passes bytes of one connection on, in both directions, until the far side has sent its share.
async fn pass(near: TcpStream, to: SocketAddr, mut share: usize) -> std::io::Result<()> {
    let far = TcpStream::connect(to).await?;
    let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.into_split(), far.into_split());
    let up = async move { tokio::io::copy(&mut near_read, &mut far_write).await.map(|_| ()) };
    let down = async move {
        let mut buffer = vec![0; 4096];
        loop {
            let len = far_read.read(&mut buffer).await?.min(share);
            if len == 0 {
                return Ok(());
            }
            near_write.write_all(&buffer[..len]).await?;
            share -= len;
        }
    };
    tokio::select! { ended = up => ended, ended = down => ended }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_breaks_off_anywhere_goes_on_where_it_ended() {
    let mut federation = two().await;
    publish_some(&federation, 1300).await;
    // The peer serves on another port; what lets every connection through for some bytes alone stands at its address.
    let node = federation.node_mut(0);
    node.stop_serving().await;
    let behind = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hidden = behind.local_addr().unwrap();
    node.serve_on(behind).unwrap();
    let (node, peer) = (federation.node(0), federation.node(1));
    let mut last = peer.size_of(node).await;
    let (origin, no) = (peer.row(node).await.no, federation.known(1).no);
    let (mut failures, mut without_records) = (0, 0);
    for share in [0, 300, 2_000, 5_000, 12_000, 30_000, 60_000, 90_000, 120_000, 200_000, 10_000_000] {
        let front = listen(node.address()).unwrap();
        front.set_nonblocking(true).unwrap();
        let front = TcpListener::from_std(front).unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((near, _)) = front.accept().await {
                tokio::spawn(pass(near, hidden, share));
            }
        });
        let outcome = peer.pull(node).await;
        serving.abort();
        let _ = serving.await;
        check_log(peer.node()).await;
        let size = peer.size_of(node).await;
        assert!(size >= last, "nothing that was stored is lost");
        last = size;
        match outcome {
            Ok(report) => assert_eq!(report.size, node.size().await),
            Err(problem) => {
                failures += 1;
                assert_eq!(problem.code, Code::PeerUnavailable, "after {share} bytes: {problem}");
                if size == node.size().await {
                    without_records += 1;
                    let states = peer.node().store.state_counts(origin, no).await.unwrap();
                    let all: u64 = states.iter().map(|(_, count)| count).sum();
                    assert_eq!(all, 1300, "what did not come is wanted: {states:?}");
                    assert!(states.iter().any(|(state, _)| *state == PayloadState::Wanted));
                }
            }
        }
    }
    assert!(failures >= 4 && without_records >= 1, "the shares are large enough to fail in different places");
    assert_eq!(last, node.size().await);
    let states = peer.node().store.state_counts(origin, no).await.unwrap();
    assert_eq!(states.len(), 1, "everything is held: {states:?}");
}

/// Takes an agreement out of a closed node's database, as if its document had never come: its acts are in the log.
async fn forget_agreements(dir: &std::path::Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("hefu.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for table in ["agreement_proof", "linkage", "sealed_linkage", "document", "label_cursor", "agreement WHERE no > 2"]
    {
        let statement = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_arrives_late_finds_its_old_entries() {
    let mut federation = two().await;
    publish_some(&federation, 400).await;
    let peer = federation.node_mut(1);
    peer.close().await;
    forget_agreements(peer.dir()).await;
    peer.open().await;

    // With a clock that is wrong its signed requests are refused: the log is public and comes, the agreement does not.
    let (node, peer) = (federation.node(0), federation.node(1));
    peer.clock().shift(-HOUR_MS);
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.size, report.held, report.not_held), (node.size().await, 0, 0));
    assert!(peer.node().registry.snapshot().is_empty());
    peer.clock().shift(HOUR_MS);

    // Now it comes, and the entries that came before it are found by their labels. Our own proof went with the document:
    // until it is made again the agreement is not open, and the records wait.
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.entries, report.held, report.not_held), (0, 0, 400));
    let (row, no) = (peer.row(node).await, federation.known(1).no);
    let states = peer.node().store.state_counts(row.no, no).await.unwrap();
    assert_eq!(states, [(PayloadState::Pending, 400)]);
    let size = peer.size().await;
    hefu_node::propose::sign(peer.node(), federation.known(1).document.id).await.unwrap();
    assert_eq!(peer.size().await, size, "the log has the signature and the opening already");
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.entries, report.held, report.not_held), (0, 400, 0));
    federation.check().await;
    super::tally::all_fit(&federation, None).await;
}

/// Writes another body into a stored payload, behind the node's back; what stood there.
async fn overwrite(dir: &std::path::Path, index: u64, body: &[u8]) -> Vec<u8> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("hefu.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let index = i64::try_from(index).unwrap();
    let select = sqlx::query_scalar("SELECT body FROM payload WHERE origin = 1 AND idx = $1").bind(index);
    let before: Vec<u8> = select.fetch_one(&mut database).await.unwrap();
    let update = sqlx::query("UPDATE payload SET body = $1 WHERE origin = 1 AND idx = $2").bind(body).bind(index);
    assert_eq!(update.execute(&mut database).await.unwrap().rows_affected(), 1);
    database.close().await.unwrap();
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_comes_before_what_it_withdraws_counts_when_that_comes() {
    let federation = two().await;
    let (node, peer, drafts) = (federation.node(0), federation.node(1), federation.drafts(0));
    // It relies on a record that nobody published: a finding, unless it is withdrawn.
    let mut first = drafts.enter(&drafts.subject(1), day(-30));
    first["record"]["basis"] = json!([{"issuer": peer.node().did.as_str(), "id": record_id().to_string()}]);
    let second = drafts.amend(&first, |_| ());
    let mut withdrawal = drafts.enter(&drafts.subject(1), day(-10));
    withdrawal["record"]["type"] = json!(["VerifiableCredential", "Withdrawal"]);
    withdrawal["record"]["credentialSubject"] =
        json!({"record": id_of(&second).to_string(), "reason": "not-ours", "from": day(-10).to_string()});
    let mut receipts = Vec::new();
    for draft in [first, second, withdrawal] {
        receipts.extend(node.publish(&[draft]).await.unwrap());
    }

    // The first one cannot be read and is left out of the page; its amendment must wait for it, the withdrawal of that need not.
    let body = overwrite(node.dir(), receipts[0].index, b"damaged").await;
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.held, report.not_held), (1, 2));
    let (origin, no) = (peer.row(node).await.no, federation.known(1).no);
    let rows = peer.node().store.rows(origin, no, 0, u64::MAX, 10).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [PayloadState::Withheld, PayloadState::Pending, PayloadState::Held]);
    overwrite(node.dir(), receipts[0].index, &body).await;
    let report = peer.pull(node).await.unwrap();
    assert_eq!((report.held, report.not_held), (2, 0));
    let statements = all_fit(&federation, Some(day(60))).await;
    assert_eq!(statements[0].findings.values().sum::<u64>(), 0, "it is withdrawn");
    all_fit(&federation, None).await;
    federation.check().await;
}
