//! The same with real processes, which are killed and paused.

use hefu_node::clock::{Clock, Stopwatch};
use hefu_node::config::DatabaseSetting;
use hefu_node::sequencer::MAX_SUBMISSION;
use hefu_node::store::{Database, LeaseStore, LogStore, OWN, RECONCILER, ReconcileStore, SEQUENCER};
use hefu_tests::draft::day;
use hefu_tests::node::join_folder;
use hefu_tests::process::Said;
use hefu_tests::{Serving, TestFederation, TestNode, postgres, until};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// After a holder's death, or its pause, another server must have taken over.
const TAKE_OVER_S: f64 = 5.0;
/// Sessions of the database that wait for a lock.
const WAITING: &str =
    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Drafts to be published: more than one group commit takes.
const DRAFTS: usize = 2 * MAX_SUBMISSION + 300;

/// Two processes of one city, on two folders and one database, with drafts to be published.
struct Two {
    servers: [Serving; 2],
    drafts: Vec<String>,
    /// Of Kunming, closed, and of its peers, which are open: they know what was signed before.
    federation: TestFederation,
    url: String,
    store: Database,
    base: tempfile::TempDir,
}

impl Two {
    /// With Chengdu as their peer.
    async fn start() -> Option<Self> {
        Self::start_with(&["510100"]).await
    }

    async fn start_with(peers: &[&str]) -> Option<Self> {
        let url = postgres::empty_database().await?;
        let mut kunming = TestNode::init_with("530100", |config| config.database = DatabaseSetting::new(&url)).await;
        kunming.open().await;
        let mut nodes = vec![kunming];
        for code in peers {
            nodes.push(TestNode::new(code).await);
        }
        let mut federation = TestFederation::of(nodes).await;
        federation.agree().await;
        let drafts = federation.drafts(0);
        let lines = (0_u32..).take(DRAFTS).map(|n| drafts.enter(&drafts.subject(n), day(-3)).to_string());
        let drafts = lines.collect();
        federation.node_mut(0).close().await;
        let base = tempfile::tempdir().unwrap();
        let dirs = ["first", "second"].map(|name| base.path().join(name));
        for dir in &dirs {
            join_folder(federation.node(0).dir(), dir);
        }
        // The first one goes on from the guard, the second one is new.
        std::fs::copy(federation.node(0).dir().join("guard"), dirs[0].join("guard")).unwrap();
        let mut servers = dirs.map(Serving::on);
        for server in &mut servers {
            server.serve(&[]).await;
        }
        let store = postgres::open(&url).await.unwrap();
        Some(Self { servers, drafts, federation, url, store, base })
    }

    /// Who holds a lease.
    async fn holder(&self, name: &str) -> Option<String> {
        let now = Clock::default().now_ms();
        self.store.leases(name).await.unwrap().iter().find_map(|row| row.held_by(now)).map(str::to_owned)
    }

    /// Whether any session of the database waits for a lock.
    async fn is_any_waiting(&self) -> bool {
        let mut conn = postgres::connection(&self.url).await;
        let count: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut conn).await.unwrap();
        count > 0
    }

    /// Waits until somebody else holds a lease, which must be soon.
    async fn taken_over(&self, name: &str, from: &str) {
        let since = Stopwatch::start();
        until("another server has taken over", async || self.holder(name).await.is_some_and(|holder| holder != from))
            .await;
        let took = since.seconds();
        println!("{name}: taken over within {took:.1} s");
        assert!(took < TAKE_OVER_S, "{name}: {took} s");
    }

    /// A file with some of the drafts.
    fn file(&self, from: usize, until: usize) -> PathBuf {
        let path = self.base.path().join(format!("{from}.ndjson"));
        std::fs::write(&path, self.drafts[from..until].join("\n")).unwrap();
        path
    }

    async fn publish(&self, server: usize, file: &Path) -> Said {
        self.servers[server].run(&["publish", file.to_str().unwrap()]).await
    }

    /// Whether a server holds the right to append, and how many servers it sees.
    async fn role(&self, server: usize) -> (String, usize) {
        let status = self.servers[server].run(&["--json", "status"]).await.ended(0).json();
        let group = &status["group"];
        (group["role"].as_str().unwrap().to_owned(), group["servers"].as_array().unwrap().len())
    }

    /// Both see the same sound log, with these receipts in it.
    async fn check(&self, servers: &[usize], receipts: &str) {
        for server in servers {
            let status = self.servers[*server].run(&["--json", "status"]).await.ended(0).json();
            assert_eq!(status["signing"], Value::Bool(true), "{status}");
            assert_eq!(status["published"], status["size"], "{status}");
            self.servers[*server].run(&["fsck"]).await.ended(0);
        }
        let ids: Vec<Value> = receipts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = ids.last().unwrap()["id"].as_str().unwrap();
        self.servers[servers[0]].run(&["record", "show", last]).await.ended(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_holder_is_killed_another_server_appends() {
    let Some(mut two) = Two::start().await else { return };
    let receipts = two.publish(0, &two.file(0, 10)).await.ended(0);
    assert_eq!(two.role(0).await.0, "holder");
    until("both are there", async || two.role(1).await == ("standby".to_owned(), 2)).await;
    let dead = two.holder(SEQUENCER).await.unwrap();
    two.servers[0].kill().await;
    let file = two.file(10, 20);
    let (more, _) = tokio::join!(two.publish(1, &file), two.taken_over(SEQUENCER, &dead));
    let more = more.ended(0);
    assert_eq!(two.role(1).await.0, "holder");
    // The drafts that the dead one has published have their receipts, from whoever is asked.
    assert_eq!(two.publish(1, &two.file(0, 10)).await.ended(0).stdout, receipts.stdout);
    // It comes back as a standby.
    two.servers[0].serve(&[]).await;
    two.check(&[0, 1], &more.stdout).await;
    assert!(two.servers[0].log().contains("servers on this database"), "{}", two.servers[0].log());
    // Also when nobody has anything to append.
    let dead = two.holder(SEQUENCER).await.unwrap();
    two.servers[1].kill().await;
    two.taken_over(SEQUENCER, &dead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_goes_on_at_once_when_it_is_started_again() {
    let Some(mut two) = Two::start().await else { return };
    let file = two.file(0, 10);
    let receipts = two.publish(0, &file).await.ended(0).stdout;
    let dead = two.holder(SEQUENCER).await.unwrap();
    two.servers[0].kill().await;
    two.servers[0].serve(&[]).await;
    // The folder's lock says that the process before has ended: its leases need not run out.
    until("the lease is given back", async || two.holder(SEQUENCER).await.as_ref() != Some(&dead)).await;
    assert!(two.servers[0].log().contains("given back for the process before this one"), "{}", two.servers[0].log());
    assert_eq!(two.publish(0, &file).await.ended(0).stdout, receipts);
    two.check(&[0, 1], &receipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_server_is_killed_while_it_pulls_or_reconciles_another_one_finishes() {
    let Some(mut two) = Two::start().await else { return };
    let drafts = two.federation.drafts(1);
    let lines: Vec<Value> = (0..300).map(|n| drafts.enter(&drafts.subject(n), day(-2))).collect();
    two.federation.node(1).publish(&lines).await.unwrap();
    let chengdu = two.store.origins().await.unwrap().into_iter().find(|row| row.no != OWN).unwrap();
    // Held by this test, these locks stop whoever pulls where he stores records, and whoever reconciles where he writes findings.
    let (mut records, mut findings) = (postgres::connection(&two.url).await, postgres::connection(&two.url).await);
    sqlx::raw_sql("BEGIN; LOCK TABLE record_id IN SHARE MODE").execute(&mut records).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE bucket IN SHARE MODE").execute(&mut findings).await.unwrap();

    let lease = format!("pull:{}", chengdu.origin);
    let pulling = two.servers[0].run(&["pull"]);
    let killing = async {
        until("it is in the middle of a pull", async || {
            two.holder(&lease).await.is_some() && two.is_any_waiting().await
        })
        .await;
        two.holder(&lease).await.unwrap()
    };
    let dead = {
        tokio::pin!(pulling);
        tokio::select! {
            said = &mut pulling => panic!("it has come to its end before: {said:?}"),
            dead = killing => dead,
        }
    };
    two.servers[0].kill().await;
    assert!(two.store.head(chengdu.no).await.unwrap().size > 300, "the log is there");
    sqlx::raw_sql("ROLLBACK").execute(&mut records).await.unwrap();
    let (said, _) = tokio::join!(two.servers[1].run(&["--json", "pull"]), two.taken_over(&lease, &dead));
    assert_eq!(said.ended(0).json()["reports"][0]["held"], 300);

    // What came is reconciled by the one that pulled it, until it stands at the other lock.
    two.servers[0].serve(&[]).await;
    until("it is in the middle of reconciling", async || {
        two.holder(RECONCILER).await.is_some() && two.is_any_waiting().await
    })
    .await;
    let dead = two.holder(RECONCILER).await.unwrap();
    two.servers[1].kill().await;
    assert!(two.store.dirty_count().await.unwrap() > 0);
    sqlx::raw_sql("ROLLBACK").execute(&mut findings).await.unwrap();
    let (said, _) = tokio::join!(two.servers[0].run(&["--json", "reconcile"]), two.taken_over(RECONCILER, &dead));
    said.ended(0);
    assert_eq!(two.store.dirty_count().await.unwrap(), 0);
    two.servers[1].serve(&[]).await;
    for server in &two.servers {
        server.run(&["fsck"]).await.ended(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_pull_different_peers_at_once() {
    let Some(two) = Two::start_with(&["510100", "500000"]).await else { return };
    let origins = [1, 2].map(|n| two.federation.node(n).city.origin.clone());
    for n in [1, 2] {
        let drafts = two.federation.drafts(n);
        let lines: Vec<Value> = (0..50).map(|i| drafts.enter(&drafts.subject(i), day(-2))).collect();
        two.federation.node(n).publish(&lines).await.unwrap();
    }
    // Held by this test, this lock stops whoever pulls where he stores records.
    let mut records = postgres::connection(&two.url).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE record_id IN SHARE MODE").execute(&mut records).await.unwrap();
    let pull = async |server: usize| two.servers[server].run(&["--json", "pull", origins[server].as_str()]).await;
    let (first, second, ()) = tokio::join!(pull(0), pull(1), async {
        let leases = origins.each_ref().map(|origin| format!("pull:{origin}"));
        let holders = async || (two.holder(&leases[0]).await, two.holder(&leases[1]).await);
        until("each of them pulls one", async || {
            let (one, other) = holders().await;
            one.is_some() && other.is_some() && two.is_any_waiting().await
        })
        .await;
        let (one, other) = holders().await;
        assert_ne!(one, other);
        sqlx::raw_sql("ROLLBACK").execute(&mut records).await.unwrap();
    });
    for said in [first, second] {
        assert_eq!(said.ended(0).json()["reports"][0]["held"], 50);
    }
    for server in &two.servers {
        server.run(&["fsck"]).await.ended(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_paused_contradicts_nobody() {
    let Some(mut two) = Two::start().await else { return };
    two.publish(0, &two.file(0, 10)).await.ended(0);
    // It is paused while it publishes, wherever that is.
    let many = two.file(10, DRAFTS);
    let (publishing, others) = tokio::join!(two.publish(0, &many), async {
        until("it has begun to append", async || {
            let status = two.servers[1].run(&["--json", "status"]).await.ended(0).json();
            status["size"].as_u64().unwrap() > 20
        })
        .await;
        let holder = two.holder(SEQUENCER).await.unwrap();
        two.servers[0].signal("STOP").await;
        let file = two.file(0, 12);
        let (others, _) = tokio::join!(two.publish(1, &file), two.taken_over(SEQUENCER, &holder));
        two.servers[0].signal("CONT").await;
        others
    });
    others.ended(0);
    // It went on in its turn, or says that it may be tried again; then the same drafts go on.
    assert!(matches!(publishing.code, Some(0 | 4)), "{publishing:?}");
    let receipts = two.publish(0, &many).await.ended(0);
    assert_eq!(receipts.stdout.lines().count(), DRAFTS - 10);
    two.check(&[0, 1], &receipts.stdout).await;
    let status = two.servers[0].run(&["--json", "status"]).await.ended(0).json();
    // Genesis, sign, open, and each draft once.
    let drafts = u64::try_from(DRAFTS).unwrap();
    assert_eq!(status["size"].as_u64().unwrap(), 3 + drafts, "{status}");
    // Chengdu, which has seen the log before, finds that it goes on from there: a third server answers at the city's address.
    two.federation.node_mut(0).open().await;
    let (kunming, chengdu) = (two.federation.node(0), two.federation.node(1));
    let report = chengdu.pull(kunming).await.unwrap();
    assert_eq!((report.size, report.held), (3 + drafts, drafts));
}
