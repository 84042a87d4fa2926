//! What every command says, in both languages and as JSON, word for word. A new command adds one line.

use super::help::commands;
use super::nodes::{enter, federation};
use hefu_tests::process::{run, run_with};
use hefu_tests::snapshot::mask;
use hefu_tests::{Serving, Snapshots};
use std::path::Path;

/// What stands for the id of the agreement.
pub(super) const AGREEMENT: &str = "urn:uuid:aaaaaaaa-aaaa-7aaa-aaaa-aaaaaaaaaaaa";

/// A folder for nodes, and snapshots that know it.
fn begin() -> (tempfile::TempDir, Snapshots) {
    let (base, mut taken) = (tempfile::tempdir().unwrap(), Snapshots::default());
    taken.name(base.path().display().to_string(), "<folder>");
    (base, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn help_of_every_command() {
    let mut taken = Snapshots::default();
    let top = ["--help"];
    taken.one("help", "en", &top, &run(Path::new("unused"), &top).await);
    for (mut words, _) in commands().await {
        let name = format!("help-{}", words.join("-"));
        words.push("--help".to_owned());
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        taken.one(&name, "en", &args, &run(Path::new("unused"), &args).await);
    }
    taken.compare();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node() {
    let (base, mut taken) = begin();
    for (label, option) in [("en", &["--lang", "en"][..]), ("zh", &["--lang", "zh"]), ("json", &["--json"])] {
        let (dir, recovery) = (base.path().join(label), base.path().join(format!("{label}-recovery.pem")));
        taken.name(dir.display().to_string(), "<folder of km>");
        let recovery = recovery.display().to_string();
        taken.name(recovery.as_str(), "<recovery key>");
        let given = ["init", "--url", "https://km.example", "--city", "530100", "--name", "昆明", "--behind-gateway"];
        let args = [&given[..], &["--recovery-out", &recovery]].concat();
        let made = run(&dir, &[&args, option].concat()).await.ended(0);
        taken.one("init", label, &args, &made);
        let again = run(&dir, &[&args, option].concat()).await.ended(3);
        taken.one("init-again", label, &args, &again);
    }
    taken.compare();
}

/// Everything that a federation of two cities says, with a pupil who is enrolled in both.
#[tokio::test(flavor = "multi_thread")]
async fn two_cities() {
    let (base, mut taken) = begin();
    let (ours, theirs, id) = federation(base.path()).await;
    taken.node(&ours, "km", 8441);
    taken.node(&theirs, "cd", 8442);
    taken.name(id.as_str(), AGREEMENT);
    following(&mut taken, &ours, &theirs, &id).await;
    publishing(&mut taken, &ours, &theirs, &id).await;
    comparing(&mut taken, &ours, &id).await;
    correcting(&mut taken, &ours, &theirs).await;
    looking_after(&mut taken, &ours, theirs, &id).await;
    taken.compare();
}

async fn following(taken: &mut Snapshots, ours: &Serving, theirs: &Serving, id: &str) {
    let ca = theirs.ca.display().to_string();
    let add = ["peer", "add", &theirs.url, "--fingerprint", &theirs.fingerprint, "--ca", &ca];
    taken.all("peer-add", ours, &add).await;
    let wrong = ["peer", "add", &theirs.url, "--fingerprint", &ours.fingerprint, "--ca", &ca];
    taken.all("peer-add-wrong-fingerprint", ours, &wrong).await;
    let city = format!("510100={}", theirs.url.trim_start_matches("https://"));
    taken.all("agreement-template", ours, &["agreement", "propose", "--template", "--city", &city]).await;
    taken.all("agreement-list", ours, &["agreement", "list"]).await;
    taken.all("agreement-show", ours, &["agreement", "show", id]).await;
    taken.all("agreement-sign", theirs, &["agreement", "sign", id]).await;
    let person = br#"{"scheme":"passport:UTO","id":"T00000001","name":"Example","sex":"F","birthDate":"2016-03-01"}"#;
    taken.all_with("subject", ours, &["subject", "--agreement", id], person).await;
}

async fn publishing(taken: &mut Snapshots, ours: &Serving, theirs: &Serving, id: &str) {
    let lines = [enter(ours, id, "530102", 1, -30).await, enter(ours, id, "530102", 2, -30).await].concat();
    taken.all_with("publish-dry-run", ours, &["publish", "--dry-run", "-"], lines.as_bytes()).await;
    run_with(hefu_tests::process::command(&ours.dir, &["publish", "-"]), lines.as_bytes()).await.ended(0);
    taken.all_with("publish", ours, &["publish", "-"], lines.as_bytes()).await;
    taken.all_with("publish-bad-line", ours, &["publish", "-"], format!("{lines}{{}}\n").as_bytes()).await;
    let also = enter(theirs, id, "510107", 1, -29).await;
    taken.all_with("publish-elsewhere", theirs, &["publish", "-"], also.as_bytes()).await;
    for node in [ours, theirs] {
        node.run(&["pull"]).await.ended(0);
        node.run(&["reconcile"]).await.ended(0);
    }
}

async fn comparing(taken: &mut Snapshots, node: &Serving, id: &str) {
    taken.all("pull", node, &["pull"]).await;
    taken.all("pull-unknown-peer", node, &["pull", "nobody.example"]).await;
    taken.all("peer-list", node, &["peer", "list"]).await;
    taken.all("reconcile", node, &["reconcile"]).await;
    taken.all("finding-list", node, &["finding", "list"]).await;
    taken.all("finding-list-records", node, &["finding", "list", "--records"]).await;
    taken.all("finding-list-none", node, &["finding", "list", "--rule", "C1"]).await;
    taken.all("tally-show", node, &["tally", "show", "--agreement", id]).await;
    taken.all("fsck", node, &["fsck"]).await;
}

async fn correcting(taken: &mut Snapshots, ours: &Serving, theirs: &Serving) {
    let cd = theirs.url.trim_start_matches("https://");
    taken.all("record-list", ours, &["record", "list"]).await;
    taken.all("record-list-of-peer", ours, &["record", "list", "--origin", cd]).await;
    taken.all("record-list-none", ours, &["record", "list", "--kind", "withdrawal"]).await;
    taken.all("record-show", ours, &["record", "show", "3"]).await;
    taken.all("record-show-draft", ours, &["record", "show", "3", "--draft"]).await;
    taken.all("record-show-unknown", ours, &["record", "show", "0"]).await;
    let amend = ["amend", "3", "--correction", "entry-error", "--set", "stage=junior"];
    taken.all("amend-dry-run", ours, &[&amend[..], &["--dry-run"]].concat()).await;
    taken.all("amend-not-confirmed", ours, &amend).await;
    taken.all("amend-invalid", ours, &["amend", "3", "--correction", "entry-error", "--set", "stage=x"]).await;
    let withdraw = ["withdraw", "4", "--reason", "not-ours"];
    taken.all("withdraw-dry-run", ours, &[&withdraw[..], &["--dry-run"]].concat()).await;
    taken.all("withdraw-of-peer", theirs, &["withdraw", "99", "--reason", "fraud"]).await;
    let said = ours.run(&[&amend[..], &["--yes"]].concat()).await.ended(0);
    taken.one("amend", "en", &amend, &said);
    let said = ours.run(&["withdraw", "5", "--reason", "wrong-person", "--lang", "zh", "--yes"]).await.ended(0);
    taken.one("withdraw", "zh", &["withdraw", "5", "--reason", "wrong-person", "--yes"], &said);
    taken.all("withdraw-again", ours, &["withdraw", "5", "--reason", "fraud"]).await;
    taken.all("record-history", ours, &["record", "history", "3"]).await;
    taken.all("record-show-corrected", ours, &["record", "show", "3"]).await;
}

async fn looking_after(taken: &mut Snapshots, ours: &Serving, mut theirs: Serving, id: &str) {
    // The node evaluates by itself when it has time: what is waiting would differ by run.
    ours.run(&["reconcile"]).await.ended(0);
    taken.all("status", ours, &["status"]).await;
    taken.all("config-show", ours, &["config", "show"]).await;
    taken.all("config-check", ours, &["config", "check"]).await;
    taken.all("config-default", ours, &["config", "default"]).await;
    taken.all("peer-check", ours, &["peer", "check"]).await;
    theirs.kill().await;
    theirs.close();
    taken.all("peer-check-away", ours, &["peer", "check"]).await;
    taken.all("pull-away", ours, &["pull"]).await;
    taken.all("tally-show-away", ours, &["tally", "show", "--agreement", id]).await;
    let settings = ours.dir.join("hefu.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(
        &settings,
        text.replace("pull_interval_s = 60", "pull_intervall_s = 0").replace("city = \"530100\"", "city = \"53\""),
    )
    .unwrap();
    taken.all("config-check-wrong", ours, &["config", "check"]).await;
    taken.all("config-show-wrong", ours, &["config", "show"]).await;
}

#[test]
fn what_differs_by_run_is_named_by_what_it_is() {
    let names = vec![("localhost:40001".to_owned(), "<km>".to_owned())];
    for (text, masked) in [
        ("localhost:40001#7 held", "<km>#7 held"),
        ("urn:uuid:0198f3c2-eb5f-7ff0-b233-b7fef7242aea", "urn:uuid:xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx"),
        ("at 2026-11-22T03:54:03.12Z, due 2026-11-30", "at YYYY-MM-DDThh:mm:ssZ, due YYYY-MM-DD"),
        ("2026-11-22T00:00:00+08:00\"", "YYYY-MM-DDThh:mm:ssZ\""),
        ("urn:hefu:subject:1:vEyHVOEsKfnWaBOoh…", "urn:hefu:subject:1:<subject>…"),
        ("QualificationRecognition", "QualificationRecognition"),
        (&"0f".repeat(32), "<hash>"),
        ("\"t\":1795319643}", "\"t\":<seconds>}"),
        ("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "<key>"),
        ("没有，enrollment-connection 530102", "没有，enrollment-connection 530102"),
        ("5 of 1234", "5 of 1234"),
    ] {
        assert_eq!(mask(text, &names), masked);
    }
}
