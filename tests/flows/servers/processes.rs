//! The same with real processes, which are killed and paused.

use super::on_server;
use hefu_node::clock::Stopwatch;
use hefu_tests::draft::day;
use hefu_tests::node::join_folder;
use hefu_tests::process::Said;
use hefu_tests::{Serving, TestFederation, TestNode, until};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// After a holder's death another server must have taken over.
const TAKE_OVER_S: f64 = 5.0;
/// What a command needs on a loaded machine, besides.
const SLACK_S: f64 = 3.0;

/// Drafts to be published: two batches.
const DRAFTS: u32 = 700;

/// Two processes of one city, on two folders and one database, with drafts to be published.
struct Two {
    servers: [Serving; 2],
    drafts: Vec<String>,
    /// They know what was signed before.
    _federation: TestFederation,
    base: tempfile::TempDir,
}

impl Two {
    async fn start() -> Option<Self> {
        let mut kunming = on_server("530100").await?;
        kunming.open().await;
        let mut federation = TestFederation::of(vec![kunming, TestNode::new("510100").await]).await;
        federation.agree().await;
        let drafts = federation.drafts(0);
        let drafts = (0..DRAFTS).map(|n| drafts.enter(&drafts.subject(n), day(-3)).to_string()).collect();
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
        Some(Self { servers, drafts, _federation: federation, base })
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
    two.servers[0].kill().await;
    let since = Stopwatch::start();
    let more = two.publish(1, &two.file(10, 20)).await.ended(0);
    let took = since.seconds();
    assert!(took < TAKE_OVER_S + SLACK_S, "{took} s");
    eprintln!("after the holder's death another server published within {took:.1} s");
    assert_eq!(two.role(1).await.0, "holder");
    // The drafts that the dead one has published have their receipts, from whoever is asked.
    assert_eq!(two.publish(1, &two.file(0, 10)).await.ended(0).stdout, receipts.stdout);
    // It comes back as a standby.
    two.servers[0].serve(&[]).await;
    two.check(&[0, 1], &more.stdout).await;
    assert!(two.servers[0].log().contains("servers on this database"), "{}", two.servers[0].log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_paused_contradicts_nobody() {
    let Some(two) = Two::start().await else { return };
    two.publish(0, &two.file(0, 10)).await.ended(0);
    // It is paused while it publishes, wherever that is.
    let many = two.file(10, 700);
    let (publishing, others) = tokio::join!(two.publish(0, &many), async {
        until("it has begun to append", async || {
            let status = two.servers[1].run(&["--json", "status"]).await.ended(0).json();
            status["size"].as_u64().unwrap() > 20
        })
        .await;
        two.servers[0].signal("STOP").await;
        let since = Stopwatch::start();
        let others = two.publish(1, &two.file(0, 12)).await;
        let took = since.seconds();
        two.servers[0].signal("CONT").await;
        assert!(took < TAKE_OVER_S + SLACK_S, "{took} s");
        eprintln!("beside a paused holder another server published within {took:.1} s");
        others
    });
    others.ended(0);
    // It went on in its turn, or says that it may be tried again; then the same drafts go on.
    assert!(matches!(publishing.code, Some(0 | 4)), "{publishing:?}");
    let receipts = two.publish(0, &many).await.ended(0);
    assert_eq!(receipts.stdout.lines().count(), 690);
    two.check(&[0, 1], &receipts.stdout).await;
    let status = two.servers[0].run(&["--json", "status"]).await.ended(0).json();
    // Genesis, sign, open, and each draft once.
    assert_eq!(status["size"].as_u64().unwrap(), 703, "{status}");
}
