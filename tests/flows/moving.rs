//! A city that moves between a file of its own and a PostgreSQL server: everything comes along, and at any moment there is
//! exactly one database that a node runs on.

use super::{tally, two};
use hefu_federation::append;
use hefu_federation::entry::{Act, Body};
use hefu_node::clock::Clock;
use hefu_node::config::{Config, DatabaseSetting, FILE_NAME};
use hefu_node::folder::Folder;
use hefu_node::moving::{Step, Summary, run};
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{GuardStore, LogStore, OWN, StoreError, TokenRow};
use hefu_node::token::Action;
use hefu_schemas::id::Digest;
use hefu_tests::draft::day;
use hefu_tests::{TestNode, check_log, postgres};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The node's own file.
const FILE: &str = "sqlite";

/// Moves a closed node; `stop` is asked at every step.
async fn go(node: &TestNode, to: &str, stop: &(dyn Fn(Step<'_>) -> bool + Send + Sync)) -> Outcome<Summary> {
    let stopped = |step: Step<'_>| if stop(step) { Err(Problem::new(Code::Internal, "stopped")) } else { Ok(()) };
    let to = DatabaseSetting::new(to);
    loop {
        match run(node.dir(), &to, false, &Clock::default(), &stopped).await {
            // Programs that other tests start hold a copy of the lock between fork and exec.
            Err(problem) if problem.code == Code::Locked => tokio::time::sleep(Duration::from_millis(20)).await,
            done => return done,
        }
    }
}

async fn moved(node: &TestNode, to: &str) -> Summary {
    go(node, to, &|_| false).await.unwrap_or_else(|problem| panic!("{problem}"))
}

fn settings(node: &TestNode) -> String {
    std::fs::read_to_string(node.dir().join(FILE_NAME)).unwrap()
}

fn is_in(node: &TestNode, database: &str) -> bool {
    Config::load(node.dir()).unwrap().database == DatabaseSetting::new(database)
}

/// A closed node whose log has more than one bundle, without records.
async fn long_log(change: impl FnOnce(&mut Config)) -> TestNode {
    let mut node = TestNode::init_with("530100", change).await;
    let (store, clock) = (Sqlite::open(&node.dir().join("hefu.db")).await.unwrap(), Clock::default());
    let fence = store.lease("sequencer", "test", clock.now_ms(), 1000).await.unwrap().unwrap();
    let head = store.edge(OWN).await.unwrap();
    let act = |_| Body::Agreement { digest: Digest([7; 32]), act: Act::Sign, on: None };
    let plan = append::plan(&head, (0..300).map(act).collect(), clock.now_s()).unwrap();
    store.append_own(fence, &plan, &[], &[]).await.unwrap();
    store.release("sequencer", "test").await.unwrap();
    store.close().await.unwrap();
    node.open().await;
    check_log(node.node()).await;
    node.close().await;
    node
}

fn token(name: &str) -> TokenRow {
    TokenRow {
        no: 0,
        name: name.to_owned(),
        actions: vec![Action::Publish],
        agreements: None,
        created_ms: 1,
        expires_ms: 2,
        revoked_ms: None,
        used_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_moves_to_a_server_and_back_with_all_it_has() {
    let (Some(first), Some(second)) = (postgres::empty_database().await, postgres::empty_database().await) else {
        return;
    };
    let mut federation = two().await;
    federation.publish_population(7, 120).await;
    federation.pull_all().await;
    let drafts = federation.drafts(0);
    let draft = drafts.enter(&drafts.subject(9_001), day(-3));
    let receipts = federation.node(0).publish(std::slice::from_ref(&draft)).await.unwrap();
    federation.pull_all().await;
    let findings = federation.node(0).findings().await;
    let fits = tally::all_fit(&federation, None).await;
    let store = federation.node(0).node().store.clone();
    let number = store.add_token(&[7; 32], &token("school")).await.unwrap();
    store.audit(1, "test", "kept", &json!({"n": 1})).await.unwrap();
    let audits = store.audits(100).await.unwrap();
    drop(store);
    let written = settings(federation.node(0));

    // There and back at once: every table is the same.
    federation.node_mut(0).close().await;
    let there = moved(federation.node(0), &first).await;
    assert!(is_in(federation.node(0), &first) && there.records > 200 && there.logs.len() == 2, "{there:?}");
    let back = moved(federation.node(0), FILE).await;
    assert_eq!((&there.tables, &there.logs, there.records), (&back.tables, &back.logs, back.records));
    assert!(there.tables.iter().all(|table| table.digest.is_some()));
    assert_eq!(settings(federation.node(0)), written, "the settings are as they were");
    // Neither of the two that were left is opened again.
    let kept = there.kept.unwrap();
    assert!(matches!(Sqlite::open(kept.as_ref()).await, Err(StoreError::MovedAway { .. })));
    assert!(matches!(postgres::open(&first).await, Err(StoreError::MovedAway { .. })));
    assert_eq!(go(federation.node(0), &first, &|_| false).await.unwrap_err().code, Code::TargetNotEmpty);

    for database in [second.as_str(), FILE] {
        moved(federation.node(0), database).await;
        let node = federation.node_mut(0);
        node.open().await;
        assert_eq!(node.publish(std::slice::from_ref(&draft)).await.unwrap(), receipts, "the receipts are the same");
        assert!(node.node().store.token(&[7; 32]).await.unwrap().is_some());
        assert_eq!(node.node().store.audits(100).await.unwrap(), audits);
        assert_eq!(federation.node(0).findings().await, findings);
        assert_eq!(tally::all_fit(&federation, None).await, fits);
        federation.check().await;
        federation.node_mut(0).close().await;
    }
    // It goes on where it was: numbers, publishing, pulling in both directions.
    federation.node_mut(0).open().await;
    let more = federation.node(0).node().store.add_token(&[8; 32], &token("office")).await.unwrap();
    assert!(more > number, "{more}");
    for n in [0, 1] {
        let drafts = federation.drafts(n);
        let lines = [drafts.enter(&drafts.subject(9_100), day(-2)), drafts.enter(&drafts.subject(9_101), day(-2))];
        federation.node(n).publish(&lines).await.unwrap();
    }
    federation.pull_all().await;
    federation.check().await;
    assert_ne!(tally::all_fit(&federation, None).await, fits);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_goes_on_publishing_on_the_server() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut federation = two().await;
    let publish = async |federation: &hefu_tests::TestFederation, person: u32| {
        let drafts = federation.drafts(0);
        let draft = drafts.enter(&drafts.subject(person), day(-3));
        federation.node(0).publish(&[draft]).await.unwrap();
        federation.pull_all().await;
        federation.check().await;
    };
    publish(&federation, 1).await;
    federation.node(0).node().store.add_token(&[1; 32], &token("one")).await.unwrap();
    federation.node_mut(0).close().await;
    moved(federation.node(0), &url).await;
    federation.node_mut(0).open().await;
    publish(&federation, 2).await;
    let store = federation.node(0).node().store.clone();
    assert_eq!(store.add_token(&[2; 32], &token("two")).await.unwrap(), 2);
    store.audit(1, "test", "after", &json!({})).await.unwrap();
    drop(store);
    federation.node_mut(0).restart().await;
    publish(&federation, 3).await;
}

/// Flips a bit in the middle of the first entries of a database; twice, and it is as it was.
async fn flip(node: &TestNode, database: &str) {
    const READ: &str = "SELECT body FROM entry_bundle WHERE idx = 0";
    const WRITE: &str = "UPDATE entry_bundle SET body = $1 WHERE idx = 0";
    let flipped = |mut body: Vec<u8>| {
        let middle = body.len() / 2;
        body[middle] ^= 1;
        body
    };
    if database == FILE {
        // While a node moves into it, it has another name.
        let folder = Folder::new(node.dir());
        let file = Some(folder.arriving_database()).filter(|path| path.exists()).unwrap_or_else(|| folder.database());
        let mut conn = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let body = flipped(sqlx::query_scalar(READ).fetch_one(&mut conn).await.unwrap());
        sqlx::query(WRITE).bind(body).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    } else {
        let mut conn = postgres::connection(database).await;
        let body = flipped(sqlx::query_scalar(READ).fetch_one(&mut conn).await.unwrap());
        sqlx::query(WRITE).bind(body).execute(&mut conn).await.unwrap();
    }
}

/// What was copied is read again and its root computed: another root than the signed one is refused, in either direction.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_another_root_does_not_become_the_nodes_database() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut node = long_log(|_| ()).await;
    for (from, to) in [(FILE, url.as_str()), (url.as_str(), FILE)] {
        let spoil = |step: Step<'_>| {
            if step == Step::Compared {
                let runtime = tokio::runtime::Handle::current();
                tokio::task::block_in_place(|| runtime.block_on(flip(&node, to)));
            }
            false
        };
        let refused = go(&node, to, &spoil).await.unwrap_err();
        assert!(refused.code == Code::Damaged && refused.detail.contains("the node stays in"), "{refused}");
        assert!(is_in(&node, from), "{from} to {to}");
        moved(&node, to).await;
        assert!(is_in(&node, to), "{from} to {to}");
    }
    node.open().await;
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_source_does_not_become_a_new_database() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut node = long_log(|_| ()).await;
    flip(&node, FILE).await;
    let refused = go(&node, &url, &|_| false).await.unwrap_err();
    assert!(refused.code == Code::Damaged && refused.detail.contains("the node stays in sqlite"), "{refused}");
    // The node stays where it is, and the half-made copy is no node's.
    assert!(is_in(&node, FILE));
    assert!(matches!(postgres::open(&url).await, Err(StoreError::Arriving { .. })));
    node.open().await;
    assert_eq!(node.size().await, 301);
    assert_eq!(node.node().sequencer.signing(), Ok(()));
    node.close().await;
    // Put right, it moves into the same database.
    flip(&node, FILE).await;
    moved(&node, &url).await;
    node.open().await;
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_something_is_no_target() {
    let (Some(taken), Some(foreign)) = (postgres::empty_database().await, postgres::empty_database().await) else {
        return;
    };
    let other = TestNode::init_with("510100", |config| config.database = DatabaseSetting::new(&taken)).await;
    let mut conn = postgres::connection(&foreign).await;
    sqlx::raw_sql("CREATE TABLE pupils (name text)").execute(&mut conn).await.unwrap();
    let mut node = long_log(|_| ()).await;
    let before = settings(&node);
    for url in [&taken, &foreign] {
        let refused = go(&node, url, &|_| false).await.unwrap_err();
        assert_eq!(refused.code, Code::TargetNotEmpty, "{refused}");
    }
    // A file that the node does not know, beside a node on a server.
    std::fs::write(other.dir().join("hefu.db"), b"something").unwrap();
    assert_eq!(go(&other, FILE, &|_| false).await.unwrap_err().code, Code::TargetNotEmpty);
    assert_eq!(std::fs::read(other.dir().join("hefu.db")).unwrap(), b"something");
    // Where it is already, and where nobody answers.
    assert_eq!(go(&node, FILE, &|_| false).await.unwrap_err().code, Code::AlreadyThere);
    assert_eq!(go(&node, "oracle", &|_| false).await.unwrap_err().code, Code::BadRequest);
    let away = go(&node, "postgres://km:s3cret@127.0.0.1:1/hefu", &|_| false).await.unwrap_err();
    assert!(away.code == Code::DatabaseAway && !away.detail.contains("s3cret"), "{away}");
    assert_eq!(settings(&node), before);
    node.open().await;
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_while_a_server_works_on_the_database() {
    let Some(url) = postgres::empty_database().await else { return };
    let node = TestNode::init_with("530100", |config| config.database = DatabaseSetting::new(&url)).await;
    // Another machine of the city has the lease.
    let (store, clock) = (postgres::open(&url).await.unwrap(), Clock::default());
    store.lease("sequencer", "elsewhere", clock.now_ms(), 15_000).await.unwrap().unwrap();
    let refused = go(&node, FILE, &|_| false).await.unwrap_err();
    assert_eq!(refused.code, Code::DatabaseInUse, "{refused}");
    store.release("sequencer", "elsewhere").await.unwrap();
    moved(&node, FILE).await;
    // Whoever was connected all the time gets no lease any more.
    for name in ["sequencer", "elsewhere"] {
        let lease = store.lease("sequencer", name, clock.now_ms() + 1_000_000, 15_000).await.unwrap();
        assert_eq!(lease, None, "{name}");
    }
}

/// Stops a move at chosen steps: some tables, the comparison, the verification and the turning point.
async fn interrupted(node: &mut TestNode, from: &str, to: &str) {
    let last = ["Compared", "Verified", "Left"];
    for at in [0, 4, 11, 29].into_iter().map(Err).chain(last.map(Ok)) {
        let (seen, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let stop = |step: Step<'_>| {
            let name = format!("{step:?}");
            left.fetch_add(usize::from(step == Step::Left), Ordering::Relaxed);
            match at {
                Ok(last) => name == last,
                Err(number) => name.starts_with("Copied") && seen.fetch_add(1, Ordering::Relaxed) == number,
            }
        };
        let stopped = go(node, to, &stop).await.unwrap_err();
        assert_eq!(stopped.detail, "stopped", "{at:?}");
        let left = left.load(Ordering::Relaxed) > 0;
        // What is not the node's own now is opened by nobody.
        let server = if from == FILE { to } else { from };
        let (file, server) = (Sqlite::open(&node.dir().join("hefu.db")).await, postgres::open(server).await);
        assert!(file.is_err() || server.is_err(), "{at:?}");
        if !left {
            let own = if from == FILE { file.is_ok() } else { server.is_ok() };
            assert!(own, "{at:?}: the old database is the node's");
        }
        for open in [file, server].into_iter().flatten() {
            open.close().await.unwrap();
        }
        if left || at == Err(4) {
            node.open().await;
            check_log(node.node()).await;
            assert_eq!(node.size().await, 301);
            node.close().await;
        }
        assert!(is_in(node, if left { to } else { from }), "{at:?}");
        assert!(!left || !node.dir().join("move.json").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_move_is_begun_anew_or_brought_to_its_end() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut node = long_log(|_| ()).await;
    interrupted(&mut node, FILE, &url).await;
    interrupted(&mut node, &url, FILE).await;
    // Behind the turning point, stopped at each step: the same command finishes it.
    for at in ["Left", "Arrived", "Switched"] {
        let url = postgres::empty_database().await.unwrap();
        for (from, to) in [(FILE, url.as_str()), (url.as_str(), FILE)] {
            let stopped = go(&node, to, &|step| format!("{step:?}") == at).await.unwrap_err();
            assert_eq!(stopped.detail, "stopped", "{at}");
            let finished = moved(&node, to).await;
            assert!(finished.finished && is_in(&node, to), "{at}: {from} to {to}");
        }
    }
    let files: Vec<String> = std::fs::read_dir(node.dir())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("hefu.db") && !name.starts_with("hefu.db.moved-"))
        .collect();
    assert_eq!(files, ["hefu.db"]);
    node.open().await;
    check_log(node.node()).await;
}
