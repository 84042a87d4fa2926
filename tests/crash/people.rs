//! What people and programs of a city ask its node, while its store may fail.

use hefu_node::problem::{Code, Outcome, Problem};
use hefu_schemas::id::{AgreementId, Digest};
use hefu_tests::TestNode;
use hefu_tests::http::{Answer, control, get};
use hefu_tests::local::LocalDoor;
use reqwest::Method;
use serde_json::{Value, json};

/// A token is made, used and revoked.
pub(super) async fn tokens(node: &TestNode, agreement: AgreementId) -> Outcome<()> {
    let wanted = json!({"name": "test", "actions": ["read-records", "read-findings", "read-tallies"], "days": 1});
    let made = good(control(node, Method::POST, "/v1/tokens", wanted.to_string()).await)?;
    let id = made["id"].as_i64().unwrap();
    let door = LocalDoor::open(node);
    let result = use_token(&door, agreement, made["token"].as_str().unwrap()).await;
    door.close().await;
    result?;
    good(control(node, Method::GET, "/v1/tokens", "").await)?;
    good(control(node, Method::POST, &format!("/v1/tokens/{id}/revoke"), "").await).map(drop)
}

async fn use_token(door: &LocalDoor, agreement: AgreementId, token: &str) -> Outcome<()> {
    good(door.get(token, &format!("/v1/agreements/{}/tally", agreement.uuid())).await)?;
    let found = good(door.get(token, "/v1/findings").await)?;
    if let Some(id) = found.pointer("/findings/0/id").and_then(Value::as_str) {
        good(door.get(token, &format!("/v1/findings/{id}")).await)?;
    }
    good(door.get(token, "/v1/records").await).map(drop)
}

/// What people look at.
pub(super) async fn inspect(node: &TestNode, peer: &TestNode, record: &str) -> Outcome<()> {
    let paths = [
        "/v1/status".to_owned(),
        "/v1/peers".to_owned(),
        "/v1/records".to_owned(),
        "/v1/findings?records=true".to_owned(),
        format!("/v1/inspect/records/{record}"),
        format!("/v1/inspect/records/{record}/history"),
    ];
    for path in paths {
        good(control(node, Method::GET, &path, "").await)?;
    }
    for path in ["/v1/inspect/records", "/v1/fsck", "/v1/doctor"] {
        good(control(node, Method::POST, path, "{}").await)?;
    }
    let seen = format!("/v1/seen/{}", Digest::of(peer.city.origin.as_str().as_bytes()));
    for path in ["/checkpoint", "/tile/entries/000.p/1", &seen] {
        good(get(node, path).await)?;
    }
    Ok(())
}

/// An answer as a program takes it: its body, or the problem.
fn good(answer: Answer) -> Outcome<Value> {
    if answer.status.is_success() {
        return Ok(serde_json::from_slice(&answer.body).unwrap_or_default());
    }
    let code = Code::from_text(&answer.problem()).unwrap();
    Err(Problem::new(code, answer.json()["detail"].as_str().unwrap_or_default()))
}
