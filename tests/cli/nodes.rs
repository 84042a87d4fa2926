//! Nodes as processes: with and without a server, from standard input, with peers that are away.

use hefu_tests::Serving;
use hefu_tests::draft::day;
use hefu_tests::process::{Said, command, run, run_with};
use serde_json::{Value, json};
use std::path::Path;

fn code(said: &Said) -> String {
    said.json()["code"].as_str().unwrap_or_default().to_owned()
}

async fn follow(ours: &Serving, theirs: &Serving) -> Said {
    let ca = theirs.ca.display().to_string();
    ours.run(&["--json", "peer", "add", &theirs.url, "--fingerprint", &theirs.fingerprint, "--ca", &ca]).await
}

/// Two serving nodes with an agreement in force: by the commands alone.
pub(super) async fn federation(base: &Path) -> (Serving, Serving, String) {
    federation_with(base, |_| ()).await
}

/// As [`federation`], with changed terms.
pub(super) async fn federation_with(base: &Path, change: impl FnOnce(&mut Value)) -> (Serving, Serving, String) {
    let (ours, theirs) = Serving::start_two(base, ["530100", "510100"]).await;
    follow(&ours, &theirs).await.ended(0);
    follow(&theirs, &ours).await.ended(0);
    let city = format!("510100={}", theirs.url.trim_start_matches("https://"));
    let terms = ours.run(&["agreement", "propose", "--template", "--city", &city]).await.ended(0).stdout;
    let mut terms: Value = serde_json::from_str(&terms).unwrap();
    change(&mut terms);
    let terms = terms.to_string();
    let proposed =
        run_with(command(&ours.dir, &["--json", "agreement", "propose", "-"]), terms.as_bytes()).await.ended(0);
    let id = proposed.json()["id"].as_str().unwrap().to_owned();
    theirs.run(&["pull"]).await.ended(0);
    theirs.run(&["agreement", "sign", &id]).await.ended(0);
    for node in [&ours, &theirs, &ours, &theirs] {
        node.run(&["pull"]).await.ended(0);
    }
    for node in [&ours, &theirs] {
        let listed = node.run(&["--json", "agreement", "list"]).await.ended(0).json();
        assert_eq!(listed[0]["state"], json!("in-force"), "{listed}");
        assert!(node.run(&["agreement", "list"]).await.ended(0).stdout.contains("in-force"));
    }
    (ours, theirs, id)
}

/// A line of a pupil who entered primary school, by an office of the city.
pub(super) async fn enter(node: &Serving, agreement: &str, office: &str, number: u32, days: i64) -> String {
    let person = json!({"scheme": "passport:UTO", "id": format!("T{number:08}")}).to_string();
    let asked = run_with(command(&node.dir, &["subject", "--agreement", agreement]), person.as_bytes()).await.ended(0);
    let subject: Value = serde_json::from_str(asked.stdout.trim()).unwrap();
    let on = day(days);
    let record = json!({
        "type": ["VerifiableCredential", "StudentStatus"],
        "validFrom": format!("{on}T00:00:00+08:00"),
        "termsOfUse": [{"type": "Agreement", "id": agreement, "version": 1}],
        "statedBy": {"scheme": "gb-t-2260", "code": office, "name": {"zh": "测试", "en": "Test"}},
        "credentialSubject": {"id": subject["subject"], "stage": "primary", "status": "enrolled", "event": "enter", "effectiveOn": on.to_string()},
    });
    format!("{}\n", json!({"draftId": format!("cli-{office}-{number}"), "record": record}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_by_the_commands_alone() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs, id) = federation(base.path()).await;
    let lines = [enter(&ours, &id, "530102", 1, -30).await, enter(&ours, &id, "530102", 2, -30).await].concat();
    // A bad line: nothing is published, and both outputs name it.
    let bad = format!("{lines}{{}}\n");
    let refused = run_with(command(&ours.dir, &["--json", "publish", "-"]), bad.as_bytes()).await.ended(3);
    assert_eq!((code(&refused).as_str(), &refused.json()["violations"][0]["line"]), ("invalid-records", &json!(3)));
    let refused = run_with(command(&ours.dir, &["publish", "-"]), bad.as_bytes()).await.ended(3);
    assert!(refused.stderr.contains("line 3 ") && refused.stdout.is_empty(), "{refused:?}");
    let trial = run_with(command(&ours.dir, &["publish", "--dry-run", "-"]), lines.as_bytes()).await.ended(0);
    assert!(trial.stdout.is_empty() && trial.stderr.contains('2'), "{trial:?}");

    let published = run_with(command(&ours.dir, &["publish", "-"]), lines.as_bytes()).await.ended(0);
    let receipts: Vec<Value> = published.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((receipts.len(), &receipts[0]["index"], &receipts[1]["index"]), (2, &json!(3), &json!(4)));
    let file = base.path().join("drafts.ndjson");
    std::fs::write(&file, &lines).unwrap();
    let again = ours.run(&["publish", &file.display().to_string()]).await.ended(0);
    assert_eq!(again.stdout, published.stdout, "the first receipts again");

    // The same pupil is enrolled in the other city too.
    let also = enter(&theirs, &id, "510107", 1, -29).await;
    run_with(command(&theirs.dir, &["publish", "-"]), also.as_bytes()).await.ended(0);
    for node in [&ours, &theirs] {
        node.run(&["pull"]).await.ended(0);
        node.run(&["reconcile"]).await.ended(0);
        let found = node.run(&["--json", "finding", "list", "--records"]).await.ended(0).json();
        assert_eq!((found["findings"].as_array().unwrap().len(), &found["findings"][0]["rule"]), (1, &json!("S1")));
        for (lang, word) in [("en", "registered in two cities"), ("zh", "同一学生")] {
            let listed = node.run(&["--lang", lang, "finding", "list", "--records"]).await.ended(0).stdout;
            assert!(listed.starts_with("S1 [") && listed.contains(word) && listed.contains('≠'), "{listed}");
        }
        let tally = node.run(&["--json", "tally", "show", "--agreement", &id]).await.ended(0).json();
        assert_eq!(tally["fits"], json!(true));
        node.run(&["tally", "show", "--agreement", &id, "--as-of", &day(-10).to_string()]).await.ended(0);
        let report = node.run(&["--json", "fsck"]).await.ended(0).json();
        assert_eq!(report[0]["complaintCount"], json!(0));
        let peers = node.run(&["--json", "peer", "list"]).await.ended(0).json();
        assert!(peers[0]["records"]["held"].as_u64().unwrap() >= 1, "{peers}");
    }
    assert_eq!(ours.run(&["finding", "list", "--rule", "C1"]).await.ended(0).stdout, "");
    let unknown = ours.run(&["finding", "list", "--rule", "X9"]).await.ended(2);
    assert!(unknown.stderr.contains("S1, S2,") && unknown.stderr.contains("G7"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_beside_a_server_and_without_one() {
    let base = tempfile::tempdir().unwrap();
    let mut node = Serving::start(base.path(), "530100").await;
    let beside = node.run(&["--json", "fsck"]).await.ended(0).json();
    let second = node.run(&["--json", "serve"]).await.ended(3);
    assert_eq!(code(&second), "locked");
    assert_eq!(node.stop().await, Some(0), "{}", node.log());
    assert!(!node.dir.join("control.sock").exists(), "a node that stopped leaves no socket");
    let without = node.run(&["--json", "fsck"]).await.ended(0).json();
    assert_eq!(beside, without);
    assert!(!node.dir.join("control.sock").exists());
    // Two at once: each has its answer, by the other's socket or behind it, or says that the folder is held.
    for _ in 0..5 {
        let list = || node.run(&["--json", "peer", "list"]);
        let (one, other) = tokio::join!(list(), list());
        for said in [&one, &other] {
            assert!(said.code == Some(0) || code(said) == "locked", "{said:?}");
        }
        assert!([one, other].iter().any(|said| said.code == Some(0)));
    }
    // A killed process leaves its socket and its lease: the next one goes on at once.
    node.serve(&[]).await;
    node.kill().await;
    assert!(node.dir.join("control.sock").exists());
    assert_eq!(node.run(&["--json", "fsck"]).await.ended(0).json(), beside);
    node.serve(&[]).await;
    assert_eq!(node.run(&["--json", "fsck"]).await.ended(0).json(), beside);
    assert_eq!(node.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_away_ends_with_4_and_a_wrong_fingerprint_with_3() {
    let base = tempfile::tempdir().unwrap();
    let (ours, mut theirs) = (Serving::start(base.path(), "530100").await, Serving::start(base.path(), "510100").await);
    let ca = theirs.ca.display().to_string();
    let wrong = "0".repeat(64);
    let refused =
        ours.run(&["--json", "peer", "add", &theirs.url, "--fingerprint", &wrong, "--ca", &ca]).await.ended(3);
    assert_eq!(code(&refused), "fingerprint-differs");
    let refused = ours.run(&["--json", "peer", "add", &theirs.url, "--fingerprint", "12", "--ca", &ca]).await.ended(3);
    assert_eq!(code(&refused), "bad-request");
    // Without its authority the certificate is not trusted: the peer cannot be reached.
    let refused =
        ours.run(&["--json", "peer", "add", &theirs.url, "--fingerprint", &theirs.fingerprint]).await.ended(4);
    assert_eq!(code(&refused), "peer-unavailable");
    assert_eq!(ours.run(&["--json", "peer", "list"]).await.ended(0).json(), json!([]));
    // Case, spaces and colons of a fingerprint do not matter.
    let (left, right) = theirs.fingerprint.split_at(32);
    let spelt = format!("{}: {}", left.to_uppercase(), right);
    ours.run(&["peer", "add", &theirs.url, "--fingerprint", &spelt, "--ca", &ca]).await.ended(0);

    theirs.kill().await;
    theirs.close();
    let away = ours.run(&["--json", "pull"]).await.ended(4);
    assert_eq!(away.json()["problems"][0]["problem"]["code"], json!("peer-unavailable"));
    let away = ours.run(&["pull"]).await.ended(4);
    assert!(away.stderr.starts_with("error[peer-unavailable]: ") && away.stderr.contains("\nhint: "), "{away:?}");
    let unknown = ours.run(&["--json", "pull", "nobody.example"]).await;
    assert!(matches!(unknown.code, Some(2 | 3)), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_looked_at_without_storing_anything() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs) = Serving::start_two(base.path(), ["530100", "510100"]).await;
    follow(&ours, &theirs).await.ended(0);
    let holds = |said: &Said| {
        let checks = said.json()[0]["checks"].clone();
        let rows = checks.as_array().unwrap().iter();
        rows.map(|row| (row["check"].as_str().unwrap().to_owned(), row["holds"].as_bool())).collect::<Vec<_>>()
    };
    // They do not follow us yet: all holds but the access.
    let one_sided = ours.run(&["--json", "peer", "check"]).await.ended(1);
    let failed: Vec<_> = holds(&one_sided).into_iter().filter(|(_, holds)| *holds != Some(true)).collect();
    assert_eq!(failed, [("access".to_owned(), Some(false))], "{one_sided:?}");
    follow(&theirs, &ours).await.ended(0);
    let good = ours.run(&["--json", "peer", "check"]).await.ended(0);
    assert!(holds(&good).iter().all(|(_, holds)| *holds == Some(true)), "{good:?}");
    // Their log has grown: it continues what is stored, and nothing of it is stored by looking.
    let city = format!("530100={}", ours.url.trim_start_matches("https://"));
    let terms = theirs.run(&["agreement", "propose", "--template", "--city", &city]).await.ended(0).stdout;
    run_with(command(&theirs.dir, &["agreement", "propose", "-"]), terms.as_bytes()).await.ended(0);
    let origin = theirs.url.trim_start_matches("https://");
    let grown = ours.run(&["--json", "peer", "check", origin]).await.ended(0).json();
    let row = grown[0]["checks"].as_array().unwrap().iter().find(|row| row["check"] == json!("consistency")).unwrap();
    assert_eq!(row["seen"]["en"], json!("1 more than the 1 stored"));
    assert_eq!(ours.run(&["--json", "peer", "list"]).await.ended(0).json()[0]["size"], json!(1));
    let status = ours.run(&["--json", "status"]).await.ended(0).json();
    assert_eq!((&status["peers"][0]["stale"], &status["signing"]), (&json!(false), &json!(true)));
    assert_eq!(code(&ours.run(&["--json", "peer", "check", "nobody.example"]).await.ended(3)), "unknown-peer");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(Path::new("unused"), &["completions", shell]).await.ended(0).stdout;
        assert!(script.contains("withdraw") && script.contains("correction"), "{shell}");
    }
    run(Path::new("unused"), &["completions", "cobol"]).await.ended(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tallies_that_do_not_fit_end_with_1() {
    let base = tempfile::tempdir().unwrap();
    let (ours, mut theirs, id) = federation(base.path()).await;
    ours.run(&["tally", "show", "--agreement", &id]).await.ended(0);
    theirs.kill().await;
    theirs.close();
    let said = ours.run(&["--json", "tally", "show", "--agreement", &id]).await.ended(1);
    assert_eq!(said.json()["fits"], json!(false));
    assert_eq!(said.json()["answers"][0]["problem"]["code"], json!("peer-unavailable"));
    let none = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(code(&ours.run(&["--json", "tally", "show", "--agreement", none]).await.ended(3)), "unknown-agreement");
    let odd = ours.run(&["--json", "tally", "show", "--agreement", &id, "--as-of", "yesterday"]).await;
    assert!(matches!(odd.code, Some(2 | 3)), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_and_ends_with_1() {
    let base = tempfile::tempdir().unwrap();
    let node = Serving::init(base.path(), "530100").await;
    node.run(&["fsck"]).await.ended(0);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(node.dir.join("hefu.db"));
    let mut database = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE tile SET hashes = zeroblob(32)").execute(&mut database).await.unwrap();
    sqlx::Connection::close(database).await.unwrap();
    let said = run(&node.dir, &["--json", "fsck"]).await;
    assert!(matches!(said.code, Some(1 | 5)), "{said:?}");
}
