//! Correcting and withdrawing by the commands: it reaches the peer, findings close, tallies fit; what is illegal changes nothing.

use super::nodes::{enter, federation};
use hefu_tests::Serving;
use hefu_tests::draft::day;
use hefu_tests::process::{Said, command, run_with};
use serde_json::{Value, json};

async fn publish(node: &Serving, lines: &str) -> Vec<Value> {
    let said = run_with(command(&node.dir, &["publish", "-"]), lines.as_bytes()).await.ended(0);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Both nodes pull and reconcile; the rules of the findings that both see.
async fn findings(nodes: [&Serving; 2]) -> Vec<String> {
    let mut seen = Vec::new();
    for node in nodes {
        node.run(&["pull"]).await.ended(0);
    }
    for node in nodes {
        node.run(&["reconcile"]).await.ended(0);
        let found = node.run(&["--json", "finding", "list"]).await.ended(0).json();
        let rules =
            found["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap().to_owned());
        seen.push(rules.collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    seen.remove(0)
}

async fn sound(nodes: [&Serving; 2], agreement: &str) {
    for node in nodes {
        let tally = node.run(&["--json", "tally", "show", "--agreement", agreement]).await.ended(0).json();
        assert_eq!(tally["fits"], json!(true));
        let report = node.run(&["--json", "fsck"]).await.ended(0).json();
        assert!(report.as_array().unwrap().iter().all(|log| log["complaintCount"] == json!(0)), "{report}");
    }
}

async fn size(node: &Serving) -> Value {
    node.run(&["--json", "fsck"]).await.ended(0).json()[0]["entries"].clone()
}

fn code(said: &Said) -> String {
    said.json()["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_and_a_withdrawal_reach_the_peer_and_close_findings() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs, id) = federation(base.path()).await;
    publish(&ours, &enter(&ours, &id, "530102", 1, -30).await).await;
    publish(&theirs, &enter(&theirs, &id, "510107", 1, -29).await).await;
    let nodes = [&ours, &theirs];
    assert_eq!(findings(nodes).await, ["S1"], "one pupil in two cities");

    // The other city had the wrong stage: no rule forbids that correction, and the finding stays.
    let set = format!("effectiveOn={}", day(-28));
    let given = ["--json", "amend", "3", "--correction", "wrong-date", "--set", &set];
    let trial = theirs.run(&[&given[..], &["--dry-run"]].concat()).await.ended(0).json();
    assert_eq!((&trial["published"], trial["changes"].as_array().unwrap().len()), (&json!(false), 2), "{trial}");
    assert_eq!(code(&theirs.run(&given).await.ended(3)), "not-confirmed");
    assert_eq!(size(&theirs).await, json!(4), "nothing was published");
    let made = theirs.run(&[&given[..], &["--yes"]].concat()).await.ended(0).json();
    assert_eq!((&made["receipt"]["index"], &made["corrects"]), (&json!(4), &json!(3)));
    assert_eq!(findings(nodes).await, ["S1"]);
    let origin = theirs.url.trim_start_matches("https://");
    let held = ours.run(&["--json", "record", "show", "4", "--origin", origin]).await.ended(0).json();
    assert_eq!(held["record"]["credentialSubject"]["effectiveOn"], json!(day(-28).to_string()));
    assert_eq!((&held["entry"]["of"], &held["entry"]["k"]), (&json!(3), &json!("amend")));
    let wrong = ours.run(&["--json", "record", "show", "3", "--origin", origin]).await.ended(0).json();
    assert_eq!(wrong["standing"], json!({"state": "corrected", "by": 4}));
    sound(nodes, &id).await;

    // The pupil never came: the other city withdraws what it stated, and the finding closes.
    let made = theirs.run(&["--json", "withdraw", "4", "--reason", "not-ours", "--yes"]).await.ended(0).json();
    assert_eq!(made["receipt"]["index"], json!(5));
    assert_eq!(findings(nodes).await, Vec::<String>::new());
    for (node, more) in [(&ours, &["--origin", origin][..]), (&theirs, &[])] {
        let chain = node.run(&[&["--json", "record", "history", "3"][..], more].concat()).await.ended(0).json();
        let steps = chain["steps"].as_array().unwrap();
        let seen: Vec<_> = steps.iter().map(|step| (&step["index"], &step["standing"]["state"])).collect();
        assert_eq!(
            seen,
            [(&json!(3), &json!("corrected")), (&json!(4), &json!("withdrawn")), (&json!(5), &json!("withdrawal"))]
        );
    }
    sound(nodes, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_corrected_is_refused_and_changes_nothing() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs, id) = federation(base.path()).await;
    let published = publish(&ours, &enter(&ours, &id, "530102", 1, -30).await).await;
    theirs.run(&["pull"]).await.ended(0);
    let urn = published[0]["id"].as_str().unwrap();
    ours.run(&["withdraw", "3", "--reason", "fraud", "--yes"]).await.ended(0);
    let unknown = "urn:uuid:0198f3c2-eb5f-7ff0-b233-b7fef7242aea";
    let amend = |record| ["--json", "amend", record, "--correction", "fraud", "--set", "stage=junior", "--yes"];
    let withdraw = |record| ["--json", "withdraw", record, "--reason", "fraud", "--yes"];
    for (node, record, expected) in [
        (&ours, "3", "not-correctable"),
        (&ours, urn, "not-correctable"),
        // A withdrawal is final.
        (&ours, "4", "not-correctable"),
        (&ours, "0", "unknown-record"),
        (&ours, "99", "unknown-record"),
        (&ours, unknown, "unknown-record"),
        (&ours, "the last one", "unknown-record"),
        // A record of another city.
        (&theirs, urn, "not-correctable"),
    ] {
        let before = size(node).await;
        assert_eq!(code(&node.run(&amend(record)).await.ended(3)), expected, "amend {record}");
        assert_eq!(code(&node.run(&withdraw(record)).await.ended(3)), expected, "withdraw {record}");
        assert_eq!(size(node).await, before);
    }
    // Whoever publishes the draft itself is refused too.
    let shown = ours.run(&["record", "show", "3", "--draft"]).await.ended(0).json();
    let mut draft = shown.clone();
    let record = draft["record"].as_object_mut().unwrap();
    record.remove("id");
    record.insert("supersedes".to_owned(), json!(urn));
    record.insert("correction".to_owned(), json!("fraud"));
    let before = size(&ours).await;
    let said = run_with(command(&ours.dir, &["--json", "publish", "-"]), draft.to_string().as_bytes()).await.ended(3);
    assert_eq!(
        (code(&said).as_str(), &said.json()["violations"][0]["rule"]),
        ("findings", &json!("supersedes/corrected"))
    );
    assert_eq!(size(&ours).await, before);
    for bad in [
        &["amend", "3", "--correction", "whim", "--set", "a=b"][..],
        &["amend", "3", "--correction", "fraud"],
        &["withdraw", "3", "--reason", "whim"],
    ] {
        ours.run(bad).await.ended(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_draft_takes_the_place_of_its_record() {
    let base = tempfile::tempdir().unwrap();
    let (mut ours, _theirs, id) = federation(base.path()).await;
    publish(&ours, &[enter(&ours, &id, "530102", 1, -30).await, enter(&ours, &id, "530102", 2, -30).await].concat())
        .await;
    // Without a server the commands open the folder themselves.
    ours.stop().await;
    let mut draft = ours.run(&["record", "show", "3", "--draft"]).await.ended(0).json();
    let file = base.path().join("draft.json");
    let path = file.display().to_string();
    let given = ["--json", "amend", "3", "--correction", "entry-error", "--file", &path, "--yes"];
    std::fs::write(&file, draft.to_string()).unwrap();
    assert_eq!(code(&ours.run(&given).await.ended(3)), "input", "nothing differs");
    draft["record"]["credentialSubject"]["stage"] = json!("kindergarden");
    std::fs::write(&file, draft.to_string()).unwrap();
    assert_eq!(code(&ours.run(&given).await.ended(3)), "invalid-records");
    draft["record"]["credentialSubject"]["stage"] = json!("junior");
    std::fs::write(&file, draft.to_string()).unwrap();
    let other = ["--json", "amend", "4", "--correction", "entry-error", "--file", &path, "--yes"];
    assert_eq!(code(&ours.run(&other).await.ended(3)), "input", "the draft is of another record");
    let made = ours.run(&given).await.ended(0).json();
    assert_eq!(
        made["changes"],
        json!([{"pointer": "/credentialSubject/stage", "before": "primary", "after": "junior"}])
    );
    let listed = ours.run(&["--json", "record", "list", "--kind", "student-status"]).await.ended(0).json();
    let states: Vec<_> =
        listed["records"].as_array().unwrap().iter().map(|row| (&row["index"], &row["standing"]["state"])).collect();
    assert_eq!(
        states,
        [(&json!(5), &json!("stands")), (&json!(4), &json!("stands")), (&json!(3), &json!("corrected"))]
    );
    let subject = &listed["records"][0]["says"];
    assert!(subject.get("id").is_none(), "a list shows no reference: {subject}");
    let shown = ours.run(&["--json", "record", "show", "5"]).await.ended(0).json();
    let of_person = shown["record"]["credentialSubject"]["id"].as_str().unwrap();
    let listed = ours.run(&["--json", "record", "list", "--subject", of_person]).await.ended(0).json();
    let indexes: Vec<_> = listed["records"].as_array().unwrap().iter().map(|row| &row["index"]).collect();
    assert_eq!(indexes, [&json!(5), &json!(3)]);
    for (filter, count) in [
        (&["--limit", "1"][..], 1),
        (&["--offset", "2"], 1),
        (&["--kind", "withdrawal"], 0),
        (&["--state", "withheld"], 0),
        (&["--agreement", &id], 3),
        (&["--since", "2020-01-01"], 3),
        (&["--since", "2999-01-01"], 0),
    ] {
        let listed = ours.run(&[&["--json", "record", "list"][..], filter].concat()).await.ended(0).json();
        assert_eq!(listed["records"].as_array().unwrap().len(), count, "{filter:?}");
    }
    for wrong in [["--kind", "gossip"], ["--state", "lost"], ["--since", "yesterday"], ["--origin", "x.example"]] {
        ours.run(&[&["record", "list"][..], &wrong].concat()).await.ended(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_suspended_resumed_and_ended() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs, id) = federation(base.path()).await;
    let nodes = [&ours, &theirs];
    let lines = enter(&ours, &id, "530102", 1, -30).await;
    let later = enter(&ours, &id, "530102", 2, -30).await;
    publish(&ours, &lines).await;
    let state = async |node: &Serving| {
        node.run(&["pull"]).await.ended(0);
        node.run(&["--json", "agreement", "list"]).await.ended(0).json()[0]["state"].clone()
    };
    assert_eq!(code(&ours.run(&["--json", "agreement", "suspend", &id]).await.ended(3)), "not-confirmed");
    let resume = ["--json", "agreement", "resume", &id];
    assert_eq!(code(&ours.run(&resume).await.ended(3)), "conflict", "it is not suspended");
    let past = day(-1).to_string();
    let dated = ["--json", "agreement", "suspend", &id, "--yes", "--on", &past];
    assert_eq!(code(&ours.run(&dated).await.ended(3)), "bad-request", "the day has passed");
    assert_eq!(size(&ours).await, json!(4), "nothing was entered");

    let suspended = ours.run(&["--json", "agreement", "suspend", &id, "--yes"]).await.ended(0).json();
    assert_eq!(suspended["state"], json!("suspended"));
    assert_eq!(state(&theirs).await, json!("suspended"));
    let refused = run_with(command(&ours.dir, &["--json", "publish", "-"]), later.as_bytes()).await.ended(3);
    assert_eq!(refused.json()["violations"][0]["rule"], json!("agreement/suspended"));
    assert_eq!(code(&ours.run(&["--json", "agreement", "suspend", &id, "--yes"]).await.ended(3)), "conflict");

    assert_eq!(ours.run(&resume).await.ended(0).json()["state"], json!("in-force"));
    assert_eq!(state(&theirs).await, json!("in-force"));
    publish(&ours, &later).await;
    assert_eq!(findings(nodes).await, Vec::<String>::new(), "what was published while it was open is good");
    sound(nodes, &id).await;

    // The other side ends it: it publishes nothing from now on, and we are bound three days later.
    theirs.run(&["agreement", "end", &id, "--yes"]).await.ended(0);
    assert_eq!(state(&ours).await, json!("ended"));
    let again = ["--json", "agreement", "resume", &id];
    assert_eq!(code(&theirs.run(&again).await.ended(3)), "conflict", "an end is final");
    let trial = enter(&theirs, &id, "510107", 3, -30).await;
    let refused = run_with(command(&theirs.dir, &["--json", "publish", "-"]), trial.as_bytes()).await.ended(3);
    assert_eq!(refused.json()["violations"][0]["rule"], json!("agreement/suspended"));
    let trial = enter(&ours, &id, "530102", 3, -30).await;
    run_with(command(&ours.dir, &["publish", "--dry-run", "-"]), trial.as_bytes()).await.ended(0);
    sound(nodes, &id).await;
}
