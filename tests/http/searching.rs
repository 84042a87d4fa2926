//! Searching and reading own and held records at the control socket.

use hefu_tests::draft::{day, id_of};
use hefu_tests::http::control;
use hefu_tests::{TestFederation, TestNode, check_log};
use reqwest::Method;
use serde_json::{Value, json};

async fn get(node: &TestNode, path: &str) -> Value {
    let answer = control(node, Method::GET, path, "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, "no-store"),
        "{path}: {}",
        answer.json()
    );
    answer.json()
}

async fn post(node: &TestNode, path: &str, body: &Value) -> Value {
    let answer = control(node, Method::POST, path, body.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"), "{}", answer.json());
    answer.json()
}

async fn refused(node: &TestNode, path: &str) -> (u16, String) {
    let answer = control(node, Method::GET, path, "").await;
    (answer.status.as_u16(), answer.problem())
}

#[tokio::test(flavor = "multi_thread")]
async fn own_and_held_records_are_found_and_paged() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, peer) = (federation.node(0), federation.node(1));
    let (drafts, theirs) = (federation.drafts(0), federation.drafts(1));
    let lines: Vec<Value> = (0..5).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    node.publish(&lines).await.unwrap();
    peer.publish(&[theirs.enter(&theirs.subject(3), day(-20))]).await.unwrap();
    node.pull(peer).await.unwrap();

    let all = get(node, "/v1/records").await;
    assert_eq!((all["records"].as_array().unwrap().len(), &all["next"]), (6, &Value::Null));
    let first = &all["records"][0];
    assert_eq!(
        (&first["origin"], &first["index"], &first["kind"]),
        (&json!(node.city.origin.as_str()), &json!(3), &json!("student-status"))
    );
    assert_eq!((&first["state"], &first["agreement"]), (&json!("held"), &json!(drafts.cited.id.to_string())));
    assert_eq!((&first["id"], &first["record"]["id"]), (&lines[0]["record"]["id"], &lines[0]["record"]["id"]));
    assert!(first["record"]["proof"]["proofValue"].is_string(), "the record as it was signed");

    let (mut path, mut walked) = ("/v1/records?limit=4&state=any".to_owned(), Vec::new());
    loop {
        let page = get(node, &path).await;
        walked.extend(page["records"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        assert!(next.contains("limit=4"), "{next}");
        path = next.to_owned();
    }
    assert_eq!(json!(walked), all["records"]);

    // Records of one person: of both cities, also before they are reconciled.
    let subject = drafts.subject(3);
    for _ in 0..2 {
        let found = post(node, "/v1/records/search", &json!({"subject": subject})).await;
        let origins: Vec<&Value> = found["records"].as_array().unwrap().iter().map(|row| &row["origin"]).collect();
        assert_eq!(origins, [&json!(node.city.origin.as_str()), &json!(peer.city.origin.as_str())]);
        node.findings().await;
    }
    let count =
        async |query: &str| get(node, &format!("/v1/records?{query}")).await["records"].as_array().unwrap().len();
    assert_eq!(count(&format!("origin={}", peer.city.origin)).await, 1);
    assert_eq!(count("kind=student-status&since=5").await, 3);
    assert_eq!(count("kind=withdrawal").await, 0);
    assert_eq!(count("state=pending").await, 0);
    assert_eq!(count(&format!("agreement={}", drafts.cited.id.uuid())).await, 6);
    assert_eq!(count(&format!("connection={}", id_of(&lines[0]))).await, 0);

    let id = id_of(&lines[2]);
    for path in [format!("/v1/records/{id}"), format!("/v1/records/{}", id.uuid()), "/v1/records/5".to_owned()] {
        assert_eq!(get(node, &path).await, all["records"][2], "{path}");
    }
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_make_no_sense_are_refused_by_name() {
    let node = TestNode::new("530100").await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "kind=diploma",
        "state=lost",
        "from=1",
        "from=x.1",
        "since=-1",
        "since=99999999999999999999",
        "subject=urn:hefu:subject:1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "since=1&since=2",
        "unknown=1",
    ] {
        assert_eq!(refused(&node, &format!("/v1/records?{query}")).await, (400, "bad-request".to_owned()), "{query}");
    }
    let cases = [("agreement=x", "unknown-agreement"), ("origin=nobody.example", "unknown-peer")];
    for (query, code) in cases {
        assert_eq!(refused(&node, &format!("/v1/records?{query}")).await, (404, code.to_owned()), "{query}");
    }
    for id in
        ["0", "1", "99999999999999999999", "x", "urn:uuid:x", "01890a5d-ac96-774b-bcce-b302099a8057", "%00", "%ff"]
    {
        assert_eq!(refused(&node, &format!("/v1/records/{id}")).await, (404, "not-found".to_owned()), "{id}");
    }
    assert_eq!(get(&node, "/v1/records?from=9223372036854775807.18446744073709551615").await, json!({"records": []}));
}
