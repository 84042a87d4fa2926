//! `hefu move`: what it says, and what is left of it when it is killed.

use hefu_tests::draft::day;
use hefu_tests::process::{command, run};
use hefu_tests::{Serving, Snapshots, postgres};
use std::process::Stdio;
use std::time::Duration;

/// Milliseconds after which a move is killed: before it has begun, at work, when it may be over.
const KILLED_AFTER_MS: [u64; 6] = [10, 60, 120, 200, 320, 500];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_move_says() {
    let (Some(first), Some(second)) = (postgres::empty_database().await, postgres::empty_database().await) else {
        return;
    };
    let (base, mut taken) = (tempfile::tempdir().unwrap(), Snapshots::default());
    let mut node = Serving::init(base.path(), "530100").await;
    taken.node(&node, "km", 8441);
    taken.name(base.path().display().to_string(), "<folder>");
    taken.name(first.as_str(), "postgres://km@db.example/hefu");
    taken.name(second.as_str(), "postgres://km@db.example/next");
    taken.name(format!("moved-{}", day(0)), "moved-YYYY-MM-DD");
    taken.all("move-dry-run", &node, &["move", "--to", &first, "--dry-run"]).await;
    taken.all("move-same", &node, &["move", "--to", "sqlite"]).await;
    node.serve(&[]).await;
    taken.all("move-locked", &node, &["move", "--to", &first]).await;
    assert_eq!(node.stop().await, Some(0));
    for (label, option, to) in [
        ("en", &["--lang", "en"][..], first.as_str()),
        ("zh", &["--lang", "zh"], "sqlite"),
        ("json", &["--json"], &second),
    ] {
        let args = ["move", "--to", to];
        let said = run(&node.dir, &[&args[..], option].concat()).await.ended(0);
        taken.one("move", label, &args, &said);
    }
    node.serve(&[]).await;
    assert_eq!(node.run(&["fsck"]).await.ended(0).stdout.matches("clean").count(), 1);
    assert_eq!(node.stop().await, Some(0));
    taken.all("move-not-empty", &node, &["move", "--to", &first]).await;
    // Somebody puts the old file back.
    let settings = node.dir.join("hefu.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace(&second, "sqlite")).unwrap();
    let kept = node.dir.join(format!("hefu.db.moved-{}", day(0)));
    std::fs::rename(kept, node.dir.join("hefu.db")).unwrap();
    taken.all("move-moved-away", &node, &["serve"]).await;
    taken.compare();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_move_leaves_one_database_that_serves() {
    let Some(mut url) = postgres::empty_database().await else { return };
    let base = tempfile::tempdir().unwrap();
    let mut node = Serving::init(base.path(), "530100").await;
    let embedded = |node: &Serving| {
        let text = std::fs::read_to_string(node.dir.join("hefu.toml")).unwrap();
        text.contains("database = \"sqlite\"")
    };
    for after in KILLED_AFTER_MS {
        let from_file = embedded(&node);
        let to = if from_file { url.clone() } else { "sqlite".to_owned() };
        let mut moving = command(&node.dir, &["move", "--to", &to]);
        let mut child = moving.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(after)).await;
        child.kill().await.unwrap();
        // Whichever it is, the node's database is good; the other one is the mark's.
        let report = node.run(&["--json", "fsck"]).await.ended(0).json();
        assert_eq!(report[0]["complaintCount"], 0, "{report}");
        assert!(!node.dir.join("move.json").exists());
        if !from_file && embedded(&node) {
            // The one on the server was left for good.
            url = postgres::empty_database().await.unwrap();
        }
    }
    let to = if embedded(&node) { url } else { "sqlite".to_owned() };
    node.run(&["move", "--to", &to]).await.ended(0);
    node.serve(&[]).await;
    assert_eq!(node.run(&["--json", "status"]).await.ended(0).json()["signing"], true);
    assert_eq!(node.stop().await, Some(0));
}
