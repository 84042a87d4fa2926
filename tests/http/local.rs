//! The door of local systems: tokens, scopes, drafts in, records and findings out.

use hefu_federation::entry::Act;
use hefu_node::sequencer::{NewAct, QUEUE_LEN};
use hefu_node::token::{Action, Token};
use hefu_schemas::id::{AgreementId, Digest};
use hefu_tests::draft::day;
use hefu_tests::http::{Answer, control};
use hefu_tests::local::{LocalDoor, token};
use hefu_tests::wait::until;
use hefu_tests::{TestFederation, TestNode, check_log};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

const LINES: &str = "application/x-ndjson";
const JSON: &str = "application/json";

fn assert_problem(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, code), "{name}: {}", answer.json());
    assert_eq!(answer.header("cache-control"), "no-store", "{name}");
}

fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn elsewhere() -> AgreementId {
    AgreementId::from_uuid(uuid::Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057))
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_come_in_and_receipts_go_out() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let door = LocalDoor::open(node);
    let token = token(node, &[Action::Publish, Action::ReadRecords], Some(&[drafts.cited.id])).await;
    let draft = drafts.enter(&drafts.subject(1), day(-30));
    let dry = door.post(&token, "/v1/records?dry-run=true", JSON, draft.to_string()).await;
    assert_eq!((dry.status.as_u16(), dry.json()), (200, json!({"drafts": 1, "published": 0})));
    let pretty = serde_json::to_string_pretty(&draft).unwrap();
    let first = door.post(&token, "/v1/records", "application/json; charset=utf-8", pretty).await;
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, JSON));
    let receipt = first.json();
    assert_eq!((&receipt["draftId"], &receipt["index"], &receipt["size"]), (&draft["draftId"], &json!(3), &json!(4)));
    let again = door.post(&token, "/v1/records", JSON, draft.to_string()).await;
    assert_eq!(again.json(), receipt, "the same draft gives its first receipt again");

    let others: Vec<Value> = (2..5).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    let body: String = others.iter().map(|draft| format!("{draft}\n")).collect();
    let many = door.post(&token, "/v1/records", LINES, body).await;
    assert_eq!((many.status.as_u16(), many.header("content-type")), (200, LINES));
    let ids: Vec<Value> = lines(&many).iter().map(|receipt| receipt["draftId"].clone()).collect();
    assert_eq!(ids, others.iter().map(|draft| draft["draftId"].clone()).collect::<Vec<_>>());

    let found = door.get(&token, "/v1/records?limit=2").await.json();
    assert_eq!(found["records"][0]["id"], receipt["id"]);
    let next = door.get(&token, found["next"].as_str().unwrap()).await.json();
    assert_eq!((next["records"].as_array().unwrap().len(), &next["next"]), (2, &Value::Null));
    let one = door.get(&token, &format!("/v1/records/{}", receipt["id"].as_str().unwrap())).await;
    assert_eq!(one.json(), found["records"][0]);

    let mut other = draft.clone();
    other["record"]["credentialSubject"]["stage"] = json!("junior");
    let cases = [
        ("other content", JSON, other.to_string(), 409, "draft-conflict"),
        ("no draft", JSON, "[]".to_owned(), 422, "invalid-records"),
        ("no body", JSON, String::new(), 422, "invalid-records"),
        ("two drafts as one", JSON, format!("{draft}{draft}"), 422, "invalid-records"),
        ("a form", "application/x-www-form-urlencoded", "a=b".to_owned(), 415, "media-type"),
        ("text", "text/plain", draft.to_string(), 415, "media-type"),
        ("too long", JSON, format!("{draft}{}", " ".repeat(300_000)), 413, "too-large"),
        ("a line too long", LINES, " ".repeat(300_000), 413, "too-large"),
    ];
    for (name, kind, body, status, code) in cases {
        assert_problem(name, &door.post(&token, "/v1/records", kind, body).await, status, code);
    }
    let override_ = door.post(&token, "/v1/records?despite-findings=x", JSON, draft.to_string()).await;
    assert_problem("no token publishes against a finding", &override_, 400, "bad-request");
    let bare = Answer::read(door.request(&token, Method::POST, "/v1/records").send().await.unwrap()).await;
    assert_problem("no content type", &bare, 415, "media-type");
    assert_eq!(node.size().await, 7, "nothing of all that was published");
    check_log(node.node()).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_must_be_known_valid_and_whole() {
    let node = TestNode::new("530100").await;
    let door = LocalDoor::open(&node);
    let good = token(&node, &[Action::ReadStatus], None).await;
    assert_eq!(door.get(&good, "/v1/status").await.json()["size"], json!(1));
    let rows = async || node.node().store.tokens().await.unwrap();
    let used = rows().await[0].used_ms;
    assert!(used.is_some(), "the last use is kept");
    door.get(&good, "/v1/status").await;
    assert_eq!(rows().await[0].used_ms, used, "and written at most once a minute");

    let refused = async |name: &str, header: Option<&str>| {
        for (method, path) in
            [(Method::GET, "/v1/status"), (Method::GET, "/v1/records?limit=x"), (Method::POST, "/v1/records")]
        {
            let mut request = door.bare(method.clone(), path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let answer = Answer::read(request.send().await.unwrap()).await;
            assert_problem(&format!("{name}: {method} {path}"), &answer, 401, "token-refused");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{name}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(&good), "{name}");
        }
    };
    refused("none", None).await;
    refused("no scheme", Some(&good)).await;
    refused("another scheme", Some(&format!("Basic {good}"))).await;
    refused("no token", Some("Bearer ")).await;
    refused("cut short", Some(&format!("Bearer {}", &good[..good.len() - 1]))).await;
    refused("one digit off", Some(&format!("Bearer {}", flipped(&good)))).await;
    refused("well-formed and unknown", Some(&format!("Bearer {}", Token::of(&[7; 32]).expose()))).await;
    let twice = door.request(&good, Method::GET, "/v1/status").header("authorization", format!("Bearer {good}"));
    assert_problem("two headers", &Answer::read(twice.send().await.unwrap()).await, 401, "token-refused");

    node.clock().shift(3_599_000);
    assert_eq!(door.get(&good, "/v1/status").await.status.as_u16(), 200, "up to its last second");
    node.clock().shift(1_000);
    refused("expired", Some(&format!("Bearer {good}"))).await;
    let other = token(&node, &[Action::ReadStatus], None).await;
    assert!(node.node().store.revoke_token(2, node.clock().now_ms()).await.unwrap());
    refused("revoked", Some(&format!("Bearer {other}"))).await;
    door.close().await;
}

/// One digit of the secret changed.
fn flipped(token: &str) -> String {
    let digit = if token.as_bytes()[10] == b'0' { "1" } else { "0" };
    format!("{}{digit}{}", &token[..10], &token[11..])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_does_not_cover_is_not_there() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let (door, id) = (LocalDoor::open(node), drafts.cited.id);
    let receipt = node.publish(&[drafts.enter(&drafts.subject(1), day(-30))]).await.unwrap().remove(0);
    let peers = federation.drafts(1);
    federation.node(1).publish(&[peers.enter(&peers.subject(1), day(-20))]).await.unwrap();
    node.pull(federation.node(1)).await.unwrap();
    assert_eq!(node.findings().await.len(), 1, "the pupil is registered twice");
    let finding = node.node().store.findings(None, None, 1, 0).await.unwrap().remove(0).2.id.to_string();

    let requests: Vec<(Action, Method, String)> = vec![
        (Action::Publish, Method::POST, "/v1/records".to_owned()),
        (Action::ReadRecords, Method::GET, "/v1/records".to_owned()),
        (Action::ReadRecords, Method::GET, format!("/v1/records/{}", receipt.id)),
        (Action::ReadFindings, Method::GET, "/v1/findings".to_owned()),
        (Action::ReadFindings, Method::GET, format!("/v1/findings/{finding}")),
        (Action::MakeReferences, Method::POST, format!("/v1/agreements/{id}/subjects")),
        (Action::ReadTallies, Method::GET, format!("/v1/agreements/{id}/tally")),
        (Action::AskTallies, Method::POST, format!("/v1/agreements/{id}/tally")),
        (Action::ReadStatus, Method::GET, "/v1/status".to_owned()),
    ];
    let (all, own) = (Action::ALL, &[id][..]);
    let full = token(node, all, Some(own)).await;
    let foreign = token(node, all, Some(&[elsewhere()])).await;
    let body =
        |path: &str| if path.ends_with("subjects") { r#"{"scheme":"passport:UTO","id":"L898902C3"}"# } else { "" };
    for (action, method, path) in &requests {
        let others: Vec<Action> = all.iter().copied().filter(|other| other != action).collect();
        let without = token(node, &others, None).await;
        let send = async |token: &str| {
            let request = door.request(token, method.clone(), path).header("content-type", LINES).body(body(path));
            Answer::read(request.send().await.unwrap()).await
        };
        assert_problem(&format!("without {}: {path}", action.code()), &send(&without).await, 403, "out-of-scope");
        assert_eq!(send(&full).await.status.as_u16(), 200, "{method} {path}");
        if path.contains(&id.to_string()) {
            assert_problem(path, &send(&foreign).await, 404, "unknown-agreement");
        } else if path.contains(&receipt.id.to_string()) || path.contains(&finding) {
            assert_problem(path, &send(&foreign).await, 404, "not-found");
        }
    }
    assert_eq!(door.get(&foreign, "/v1/records?state=any").await.json(), json!({"records": []}));
    assert_eq!(door.get(&foreign, "/v1/findings").await.json(), json!({"findings": [], "counts": []}));
    for path in ["/v1/records", "/v1/findings"] {
        let asked = door.get(&foreign, &format!("{path}?agreement={id}")).await;
        assert_problem(path, &asked, 404, "unknown-agreement");
    }
    let draft = drafts.enter(&drafts.subject(2), day(-30));
    let refused = door.post(&foreign, "/v1/records", JSON, draft.to_string()).await;
    assert_problem("publishing elsewhere", &refused, 422, "invalid-records");
    assert_eq!(refused.json()["violations"][0]["rule"], json!("agreement/unknown"));

    // The records of a finding are records.
    let findings = door.get(&full, &format!("/v1/findings/{finding}?records=true")).await.json();
    assert_eq!((&findings["id"], findings["records"].as_array().unwrap().len()), (&json!(finding), 2));
    let reader = token(node, &[Action::ReadFindings], None).await;
    for path in ["/v1/findings?records=true".to_owned(), format!("/v1/findings/{finding}?records=true")] {
        assert_problem(&path, &door.get(&reader, &path).await, 403, "out-of-scope");
    }
    let statements = door.get(&full, &format!("/v1/agreements/{}/tally?limit=2", id.uuid())).await.json();
    assert_eq!(statements.as_array().unwrap().len(), 2, "own and the other party's: {statements}");
    assert_eq!(statements[0]["statement"]["agreement"], json!(id.to_string()));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_again() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let door = LocalDoor::open(node);
    let token = token(node, &[Action::Publish, Action::ReadRecords], None).await;
    assert_eq!(door.get(&token, "/v1/records").await.status.as_u16(), 200);
    // Somebody else writes to the database: the sequencer waits, and what comes meanwhile queues up behind it.
    let options = SqliteConnectOptions::new().filename(node.dir().join("hefu.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let digest = Digest::of(b"an agreement that nobody knows");
    let mut acts = Vec::new();
    until("the queue is full", async || {
        // The first ones are taken as a group, which then waits for the database.
        for _ in 0..QUEUE_LEN {
            let sequencer = node.node().sequencer.clone();
            acts.push(tokio::spawn(
                async move { sequencer.append_act(NewAct { digest, act: Act::Sign, on: None }).await },
            ));
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        !node.node().sequencer.has_room()
    })
    .await;
    let draft = drafts.enter(&drafts.subject(1), day(-30)).to_string();
    for kind in [JSON, LINES] {
        let answer = door.post(&token, "/v1/records", kind, draft.clone()).await;
        assert_problem(kind, &answer, 429, "busy");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(door.get(&token, "/v1/records").await.status.as_u16(), 200, "reading goes on");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    for act in acts {
        act.await.unwrap().unwrap();
    }
    assert_eq!(door.post(&token, "/v1/records", JSON, draft).await.status.as_u16(), 200);
    check_log(node.node()).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_like_gets_and_other_methods_are_named() {
    let node = TestNode::new("530100").await;
    let door = LocalDoor::open(&node);
    let token = token(&node, Action::ALL, None).await;
    for path in ["/v1/records", "/v1/findings", "/v1/status", "/openapi.json", "/v1/records/9"] {
        let get = door.get(&token, path).await;
        let head = Answer::read(door.request(&token, Method::HEAD, path).send().await.unwrap()).await;
        assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/records", "GET, HEAD, POST"),
        (Method::PUT, "/v1/status", "GET, HEAD"),
        (Method::GET, "/v1/agreements/x/subjects", "POST"),
    ] {
        let answer = Answer::read(door.request(&token, method, path).send().await.unwrap()).await;
        assert_problem(path, &answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
    for path in ["/", "/v1/tokens", "/v1/peers", "/checkpoint", "/v1/agreements"] {
        assert_problem(path, &door.get(&token, path).await, 404, "not-found");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_lists_and_revokes_tokens() {
    let node = TestNode::new("530100").await;
    let door = LocalDoor::open(&node);
    let post = async |path: &str, body: Value| control(&node, Method::POST, path, body.to_string()).await;
    let new = json!({"name": "school system", "actions": ["read-status", "publish", "publish"], "days": 30});
    let made = post("/v1/tokens", new).await.json();
    let text = made["token"].as_str().unwrap().to_owned();
    assert!(text.starts_with("hefu_") && text.len() == 77, "{text}");
    assert_eq!((&made["actions"], &made["agreements"]), (&json!(["publish", "read-status"]), &Value::Null));
    assert_eq!(door.get(&text, "/v1/status").await.status.as_u16(), 200);
    let listed = control(&node, Method::GET, "/v1/tokens", "").await;
    assert_eq!((&listed.json()[0]["state"], &listed.json()[0]["name"]), (&json!("valid"), &json!("school system")));
    assert!(listed.json()[0]["usedAt"].is_string());

    let bad = [
        json!({}),
        json!({"name": "", "actions": ["publish"], "days": 1}),
        json!({"name": "x".repeat(65), "actions": ["publish"], "days": 1}),
        json!({"name": "a\nb", "actions": ["publish"], "days": 1}),
        json!({"name": "x", "actions": [], "days": 1}),
        json!({"name": "x", "actions": ["publish", "everything"], "days": 1}),
        json!({"name": "x", "actions": ["publish"], "days": 0}),
        json!({"name": "x", "actions": ["publish"], "days": 367}),
        json!({"name": "x", "actions": ["publish"]}),
        json!({"name": "x", "actions": ["publish"], "agreements": [], "days": 1}),
    ];
    for body in bad {
        assert_problem(&body.to_string(), &post("/v1/tokens", body.clone()).await, 400, "bad-request");
    }
    let unknown = json!({"name": "x", "actions": ["publish"], "agreements": [elsewhere().to_string()], "days": 1});
    assert_problem("unknown agreement", &post("/v1/tokens", unknown).await, 404, "unknown-agreement");

    assert_eq!(post("/v1/tokens/1/revoke", json!(null)).await.json()["state"], json!("revoked"));
    assert_problem("revoked", &door.get(&text, "/v1/status").await, 401, "token-refused");
    for id in ["2", "0", "-1", "x", "99999999999999999999"] {
        assert_problem(id, &post(&format!("/v1/tokens/{id}/revoke"), json!(null)).await, 404, "not-found");
    }
    let audit = node.node().store.audits(9).await.unwrap();
    let actions: Vec<&str> = audit.iter().map(|(_, action, ..)| action.as_str()).collect();
    assert_eq!(actions, ["token-revoke", "token-new"]);

    // The token is nowhere in the folder, neither are its digits.
    let digits = text.trim_start_matches("hefu_").as_bytes();
    for name in ["hefu.db", "hefu.db-wal"] {
        let bytes = std::fs::read(node.dir().join(name)).unwrap();
        assert!(!bytes.windows(digits.len()).any(|part| part == digits), "{name}");
    }
    door.close().await;
}
