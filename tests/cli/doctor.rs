//! `hefu doctor`: a sound node, and one defect after the other.

use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{LogStore, OriginNo};
use hefu_tests::process::{Said, command, run, run_with};
use hefu_tests::{Serving, Snapshots};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

async fn doctor(node: &Serving) -> Said {
    let ca = node.ca.display().to_string();
    node.run(&["--json", "doctor", "--ca", &ca]).await
}

/// Level and text of what was seen of a check.
fn check(said: &Said, name: &str, about: &str) -> (String, String) {
    let report = said.json();
    let is = |check: &&Value| check["check"] == name && check["about"].as_str().unwrap_or_default().contains(about);
    let row =
        report["checks"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{name} {about}: {said:#?}"));
    (row["level"].as_str().unwrap().to_owned(), row["seen"]["en"].as_str().unwrap().to_owned())
}

#[track_caller]
fn assert_check(said: &Said, (name, about): (&str, &str), level: &str, seen: &str) {
    let found = check(said, name, about);
    assert!(found.0 == level && found.1.contains(seen), "{name} {about}: {found:?}\n{said:#?}");
}

/// Everything but the named checks is well; nothing secret is said, and each defect has a remedy in both languages.
fn assert_only(said: &Said, but: &[&str]) {
    let report = said.json();
    for row in report["checks"].as_array().unwrap() {
        let name = row["check"].as_str().unwrap();
        assert!(row["level"] == "ok" || but.contains(&name), "{row}");
        let remedy = |lang: &str| row["remedy"][lang].as_str().is_some_and(|text| !text.is_empty());
        assert!(row["level"] == "ok" || (remedy("zh") && remedy("en")), "{row}");
    }
    assert!(!said.stdout.contains("PRIVATE KEY"));
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_defect_is_found_by_name() {
    let base = tempfile::tempdir().unwrap();
    let (mut ours, mut theirs) = Serving::start_two(base.path(), ["530100", "510100"]).await;
    let ca = theirs.ca.display().to_string();
    ours.run(&["peer", "add", &theirs.url, "--fingerprint", &theirs.fingerprint, "--ca", &ca]).await.ended(0);
    theirs.run(&["peer", "add", &ours.url, "--fingerprint", &ours.fingerprint, "--ca", &ca]).await.ended(0);
    let sound = doctor(&ours).await.ended(0);
    // No peer followed this node when it started: its log was confirmed by its guard alone.
    assert_only(&sound, &["signing"]);
    assert_check(&sound, ("url", ""), "ok", "reached, with our fingerprint");
    assert_check(&sound, ("peer", ""), "ok", "reached");
    assert_check(&sound, ("clock", "peers"), "ok", "s apart");
    files(&ours).await;
    peers(&mut ours, &mut theirs).await;
    resting(&mut ours).await;
}

async fn files(ours: &Serving) {
    let key = ours.dir.join("keys/log.pem");
    mode(&key, 0o644);
    assert_check(&doctor(ours).await.ended(1), ("keys", "log.pem"), "failed", "mode 0644");
    mode(&key, 0o600);
    mode(&ours.dir, 0o755);
    assert_check(&doctor(ours).await.ended(1), ("folder", ""), "failed", "mode 0755");
    mode(&ours.dir, 0o700);
    let guard = ours.dir.join("guard");
    let note = std::fs::read(&guard).unwrap();
    std::fs::remove_file(&guard).unwrap();
    assert_check(&doctor(ours).await.ended(1), ("guard", ""), "failed", "missing");
    std::fs::write(&guard, b"rubbish").unwrap();
    assert_check(&doctor(ours).await.ended(1), ("guard", ""), "failed", "does not read");
    std::fs::write(&guard, note).unwrap();
    let settings = ours.dir.join("hefu.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("colour = 1\n{text}")).unwrap();
    assert_check(&doctor(ours).await.ended(1), ("settings", ""), "failed", "unknown field");
    std::fs::write(&settings, text).unwrap();
    // Without the authority its own certificate is not trusted here.
    let said = ours.run(&["--json", "doctor"]).await.ended(1);
    assert_check(&said, ("url", ""), "failed", "cannot be reached");
}

async fn peers(ours: &mut Serving, theirs: &mut Serving) {
    theirs.kill().await;
    theirs.close();
    assert_check(&doctor(ours).await.ended(0), ("peer", ""), "warning", "cannot be reached");
    let store = Sqlite::open(&ours.dir.join("hefu.db")).await.unwrap();
    store.set_stopped(OriginNo(2), Some("another root at size 3")).await.unwrap();
    assert_check(&doctor(ours).await.ended(1), ("peer", ""), "failed", "pulling has stopped");
    store.set_stopped(OriginNo(2), None).await.unwrap();
    store.set_reached(OriginNo(2), 0).await.unwrap();
}

async fn resting(ours: &mut Serving) {
    ours.stop().await;
    let said = doctor(ours).await.ended(0);
    assert_check(&said, ("signing", ""), "warning", "nothing serves");
    assert_check(&said, ("url", ""), "warning", "cannot be reached");
    assert_check(&said, ("log", ""), "ok", "signed");
    let guard = ours.dir.join("guard");
    let before = std::fs::read(&guard).unwrap();
    std::fs::remove_file(&guard).unwrap();
    assert_check(&doctor(ours).await.ended(1), ("guard", ""), "failed", "missing");
    assert!(!guard.exists(), "it changes nothing");
    std::fs::write(&guard, before).unwrap();
    let database = ours.dir.join("hefu.db");
    let bytes = std::fs::read(&database).unwrap();
    std::fs::write(&database, b"rubbish").unwrap();
    assert_check(&doctor(ours).await.ended(1), ("node", ""), "failed", "");
    std::fs::write(&database, bytes).unwrap();
    let nowhere = run(&ours.dir.with_extension("nowhere"), &["--json", "doctor"]).await.ended(1);
    assert_check(&nowhere, ("settings", ""), "failed", "not initialised");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_leads_to_another_node() {
    let base = tempfile::tempdir().unwrap();
    let theirs = Serving::start(base.path(), "510100").await;
    let (dir, recovery) = (base.path().join("ours"), base.path().join("ours-recovery.pem"));
    let (recovery, ca) = (recovery.display().to_string(), theirs.ca.display().to_string());
    let given = ["init", "--url", &theirs.url, "--city", "530100", "--name", "昆明", "--behind-gateway"];
    run(&dir, &[&given[..], &["--recovery-out", &recovery]].concat()).await.ended(0);
    let said = run(&dir, &["--json", "doctor", "--ca", &ca]).await.ended(1);
    assert_check(&said, ("url", ""), "failed", "not this node");
    assert_check(&said, ("certificate", ""), "ok", "days left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says() {
    let base = tempfile::tempdir().unwrap();
    let ours = Serving::start(base.path(), "530100").await;
    let mut taken = Snapshots::default();
    taken.node(&ours, "km", 8441);
    taken.name(base.path().display().to_string(), "<folder>");
    mode(&ours.dir.join("keys/seal.pem"), 0o640);
    let ca = ours.ca.display().to_string();
    for (label, option) in [("en", &["--lang", "en"][..]), ("zh", &["--lang", "zh"]), ("json", &["--json"])] {
        let args = ["doctor", "--ca", &ca];
        let mut said = run_with(command(&ours.dir, &[&args[..], option].concat()), b"").await;
        said.stdout = steady(&said.stdout);
        taken.one("doctor", label, &args, &said);
    }
    taken.compare();
}

/// Figures that differ by run: free space, days, seconds.
fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    for unit in [" MiB", " s old", " days left", " s apart", " 秒", " 天"] {
        let parts: Vec<&str> = text.split(unit).collect();
        let last = parts.len() - 1;
        let cut = |(n, part): (usize, &&str)| match n == last {
            true => (*part).to_owned(),
            false => format!("{}N", part.trim_end_matches(|c: char| c.is_ascii_digit())),
        };
        text = parts.iter().enumerate().map(cut).collect::<Vec<_>>().join(unit);
    }
    text
}
