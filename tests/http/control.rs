//! The control socket: the operator's door.

use hefu_tests::draft::day;
use hefu_tests::http::control;
use hefu_tests::{TestFederation, TestNode, check_log};
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

async fn get(node: &TestNode, path: &str) -> Value {
    let answer = control(node, Method::GET, path, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"), "{path}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_the_operators_alone() {
    let node = TestNode::new("530100").await;
    let socket = node.node().folder.control_socket();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut private = vec![node.dir().join("hefu.db"), node.dir().join("guard"), node.dir().join("hefu.toml")];
    private.extend(std::fs::read_dir(node.dir().join("keys")).unwrap().map(|file| file.unwrap().path()));
    for path in private {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_asks_is_answered() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, peer, id) = (federation.node(0), federation.node(1), federation.known(0).document.id);
    let status = get(node, "/v1/status").await;
    assert_eq!((&status["size"], &status["signing"]), (&json!(3), &json!(true)));
    assert_eq!(status["fingerprint"], json!(node.fingerprint.to_string()));
    let peers = get(node, "/v1/peers").await;
    assert_eq!((&peers[0]["origin"], &peers[0]["size"]), (&json!(peer.city.origin.as_str()), &json!(3)));
    assert_eq!(get(node, "/v1/agreements").await[0]["state"], json!("in-force"));
    for path in [format!("/v1/agreements/{}", id.uuid()), format!("/v1/agreements/{id}")] {
        let shown = get(node, &path).await;
        assert_eq!(shown["document"]["id"], json!(id.to_string()));
    }
    let template = get(node, &format!("/v1/agreement-template?cities=510100={}", peer.city.origin)).await;
    assert_eq!(template["parties"].as_array().unwrap().len(), 2);

    let people = [
        json!({"scheme": "passport:UTO", "id": "L898902C3"}),
        json!({"scheme": "local:530100", "id": "a 1", "name": "王·明", "sex": "M", "birthDate": "2015-01-02"}),
    ];
    let lines: String = people.iter().map(|line| format!("{line}\n")).collect();
    let path = format!("/v1/agreements/{}/subjects", id.uuid());
    let ours = control(node, Method::POST, &path, lines.clone()).await;
    assert_eq!((ours.status.as_u16(), ours.header("content-type")), (200, "application/x-ndjson"));
    assert_eq!(ours.body, control(peer, Method::POST, &path, lines).await.body, "both cities compute the same");
    let rows: Vec<Value> = ours
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(
        (rows.len(), rows[0].get("identityCheck").is_some(), rows[1].get("identityCheck").is_some()),
        (2, false, true)
    );
    for bad in [
        "{}",
        "x",
        r#"{"scheme":"cn-resident-id","id":"99000020150101001Y"}"#,
        r#"{"scheme":"passport:UTO","id":"L898902C3","x":1}"#,
    ] {
        let answer = control(node, Method::POST, &path, bad).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "input"), "{bad}");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !said.contains("99000020150101001Y") && !said.contains("L898902C3"),
            "identifiers are not quoted: {said}"
        );
    }
    let report = control(node, Method::POST, "/v1/fsck", "").await.json();
    assert_eq!((report.as_array().unwrap().len(), &report[0]["complaintCount"]), (2, &json!(0)));
    let pulled = control(node, Method::POST, "/v1/pull", "").await.json();
    assert_eq!((pulled["reports"].as_array().unwrap().len(), &pulled["problems"]), (1, &json!([])));
    assert_eq!(control(node, Method::POST, "/v1/reconcile", "").await.json()["findings"], json!(0));
    let tally = control(node, Method::POST, &format!("/v1/agreements/{}/tally", id.uuid()), "").await.json();
    assert_eq!(tally["fits"], json!(true), "{tally}");
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_mistypes_is_a_problem() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let node = federation.node(0);
    let id = federation.known(0).document.id.uuid();
    let cases = [
        (Method::GET, "/v1/x".to_owned(), "", 404, "not-found"),
        (Method::GET, "/v1/agreements/x".to_owned(), "", 404, "unknown-agreement"),
        (Method::POST, "/v1/agreements/x/sign".to_owned(), "", 404, "unknown-agreement"),
        (Method::POST, "/v1/agreements".to_owned(), "{", 422, "invalid-agreement"),
        (Method::POST, "/v1/peers".to_owned(), "{}", 400, "bad-request"),
        (Method::POST, "/v1/peers".to_owned(), r#"{"url":"http://x","fingerprint":"00"}"#, 400, "bad-request"),
        (Method::POST, "/v1/pull?origin=nobody.example".to_owned(), "", 404, "unknown-peer"),
        (Method::POST, "/v1/pull?x=1".to_owned(), "", 400, "bad-request"),
        (Method::GET, "/v1/findings?limit=x".to_owned(), "", 400, "bad-request"),
        (Method::GET, "/v1/findings?agreement=x".to_owned(), "", 404, "unknown-agreement"),
        (Method::POST, format!("/v1/agreements/{id}/tally?as-of=2026-02-30"), "", 400, "bad-request"),
        (Method::POST, format!("/v1/agreements/{id}/tally?asof=2026-02-03"), "", 400, "bad-request"),
        (Method::POST, "/v1/records?despite-findings=%20".to_owned(), "", 400, "bad-request"),
        (Method::POST, "/v1/records?dry-run=maybe".to_owned(), "", 400, "bad-request"),
        (Method::DELETE, "/v1/peers".to_owned(), "", 405, "method-not-allowed"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = control(node, method.clone(), &path, body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, code), "{method} {path}");
    }
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_come_as_lines_and_findings_with_their_records() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let pupil = drafts.subject(1);
    let lines = [drafts.enter(&pupil, day(-300)), drafts.enter(&drafts.subject(2), day(-300))];
    // Blank lines and Windows line ends do not matter, nor does a last line without an end.
    let body = format!("\r\n{}\r\n\n{}", lines[0], lines[1]);
    let trial = control(node, Method::POST, "/v1/records?dry-run=true", body.clone()).await;
    assert_eq!(trial.json(), json!({"drafts": 2, "published": 0}));
    assert_eq!(node.size().await, 3);
    let answer = control(node, Method::POST, "/v1/records", body).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let receipts: Vec<Value> = answer
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(receipts.len(), 2);
    for (offset, (receipt, line)) in (0..).zip(receipts.iter().zip(&lines)) {
        assert_eq!((&receipt["draftId"], &receipt["id"]), (&line["draftId"], &line["record"]["id"]));
        assert_eq!((&receipt["index"], &receipt["size"]), (&json!(3 + offset), &json!(5)));
        assert_eq!(receipt["leafHash"].as_str().unwrap().len(), 64);
    }
    let peers = federation.drafts(1);
    federation.node(1).publish(&[peers.enter(&pupil, day(-290))]).await.unwrap();
    node.pull(federation.node(1)).await.unwrap();
    control(node, Method::POST, "/v1/reconcile", "").await;
    let found = get(node, "/v1/findings?records=true&rule=S1").await;
    assert_eq!(found["counts"], json!([{"rule": "S1", "severity": "error", "count": 1}]));
    let finding = &found["findings"][0];
    assert_eq!((&finding["rule"], &finding["key"]), (&json!("S1"), &json!(pupil)));
    assert_eq!(finding["records"].as_array().unwrap().len(), 2, "both sides' records: {finding}");
    assert!(finding["records"][0]["record"]["credentialSubject"]["id"].is_string());
    assert_eq!(get(node, "/v1/findings?rule=S4").await["findings"], json!([]));
    assert_eq!(get(node, "/v1/findings?offset=1").await["findings"], json!([]));
    check_log(node.node()).await;
}
