//! Tokens of local systems, for the operator: on the control socket alone.

use super::json;
use crate::Node;
use crate::problem::{Code, Outcome, Problem};
use crate::store::TokenRow;
use crate::token::{Action, DAY_MS, DAYS, MAX_AGREEMENTS, MAX_NAME_CHARS, Token};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json as object};

/// Routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/tokens").route(web::get().to(list)).route(web::post().to(create)))
        .service(web::resource("/v1/tokens/{id}/revoke").route(web::post().to(revoke)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    actions: Vec<String>,
    /// Absent: all agreements.
    agreements: Option<Vec<String>>,
    days: u32,
}

/// Makes a token; the answer is the only place where it stands.
async fn create(node: web::Data<Node>, bytes: web::Bytes) -> Outcome<HttpResponse> {
    let row = read(&node, &bytes)?;
    let token = Token::of(&crate::clock::random());
    let no = node.store.add_token(&token.hash(), &row).await?;
    let row = TokenRow { no, ..row };
    audit(&node, "token-new", &row).await?;
    let mut answer = token_json(&node, &row);
    if let Some(members) = answer.as_object_mut() {
        members.insert("token".to_owned(), token.expose().into());
    }
    json(&answer)
}

fn read(node: &Node, bytes: &[u8]) -> Outcome<TokenRow> {
    let wrong = |what: &str| Problem::new(Code::BadRequest, what);
    let new: New =
        serde_json::from_slice(bytes).map_err(|_| wrong("body: expected {name, actions, agreements?, days}"))?;
    let name_len = new.name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&name_len) || new.name.chars().any(char::is_control) {
        return Err(wrong(&format!("name: expected 1 to {MAX_NAME_CHARS} printable characters")));
    }
    if !DAYS.contains(&new.days) {
        return Err(wrong(&format!("days: expected {} to {}", DAYS.start(), DAYS.end())));
    }
    let action = |code: &String| Action::from_code(code);
    let mut actions: Vec<Action> = new.actions.iter().map(action).collect::<Option<_>>().unwrap_or_default();
    if actions.is_empty() {
        return Err(wrong(&format!("actions: expected some of {}", Action::CODES.join(", "))));
    }
    actions.sort();
    actions.dedup();
    if new.agreements.as_ref().is_some_and(|ids| ids.is_empty() || ids.len() > MAX_AGREEMENTS) {
        return Err(wrong(&format!("agreements: expected 1 to {MAX_AGREEMENTS}, or none for all")));
    }
    let agreement = |id: &String| Ok(super::agreement(node, id)?.document.id);
    let agreements = new.agreements.map(|ids| ids.iter().map(agreement).collect::<Outcome<_>>()).transpose()?;
    let now = node.clock.now_ms();
    Ok(TokenRow {
        no: 0,
        name: new.name,
        actions,
        agreements,
        created_ms: now,
        expires_ms: now.saturating_add(i64::from(new.days) * DAY_MS),
        revoked_ms: None,
        used_ms: None,
    })
}

async fn list(node: web::Data<Node>) -> Outcome<HttpResponse> {
    let rows: Vec<Value> = node.store.tokens().await?.iter().map(|row| token_json(&node, row)).collect();
    json(&rows)
}

/// From this answer on the token is refused; revoking it again changes nothing.
async fn revoke(node: web::Data<Node>, id: web::Path<String>) -> Outcome<HttpResponse> {
    let missing = || Problem::new(Code::NotFound, "no such token: `hefu token list` shows the numbers");
    let no: i64 = id.parse().map_err(|_| missing())?;
    if !node.store.revoke_token(no, node.clock.now_ms()).await? {
        return Err(missing());
    }
    let row = node.store.tokens().await?.into_iter().find(|row| row.no == no).ok_or_else(missing)?;
    audit(&node, "token-revoke", &row).await?;
    json(&token_json(&node, &row))
}

async fn audit(node: &Node, action: &str, row: &TokenRow) -> Outcome<()> {
    Ok(node.store.audit(node.clock.now_ms(), action, &row.name, &token_json(node, row)).await?)
}

fn token_json(node: &Node, row: &TokenRow) -> Value {
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).ok().map(|at| at.to_string());
    let state = match row {
        TokenRow { revoked_ms: Some(_), .. } => "revoked",
        TokenRow { expires_ms, .. } if *expires_ms <= node.clock.now_ms() => "expired",
        _ => "valid",
    };
    let agreements = row.agreements.as_ref().map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    object!({
        "id": row.no,
        "name": row.name,
        "actions": row.actions.iter().map(|action| action.code()).collect::<Vec<_>>(),
        "agreements": agreements,
        "state": state,
        "createdAt": time(row.created_ms),
        "expiresAt": time(row.expires_ms),
        "revokedAt": row.revoked_ms.and_then(time),
        "usedAt": row.used_ms.and_then(time),
    })
}
