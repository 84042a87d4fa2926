//! Asking before something is published that cannot be taken back, and publishing one draft.

use super::control::Control;
use super::{Globals, output};
use crate::problem::{Code, Outcome, Problem};
use reqwest::Method;
use serde_json::Value;
use std::io::{BufRead, IsTerminal, Write};

/// Asks on the terminal, unless `yes` was given. Where nobody can be asked, the answer is no.
pub(super) fn confirm(globals: &Globals, yes: bool, zh: &str, en: &str) -> Outcome<()> {
    if yes {
        return Ok(());
    }
    if globals.json || !std::io::stdin().is_terminal() {
        return Err(Problem::new(Code::NotConfirmed, "there is no terminal to ask on"));
    }
    let question = output::text(globals, format!("{zh}[y/N] "), format!("{en} [y/N] "));
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Problem::new(Code::Input, error))?;
    match answer.trim() {
        "y" | "Y" | "yes" | "是" => Ok(()),
        _ => Err(Problem::new(Code::NotConfirmed, "the answer was no")),
    }
}

/// Publishes one draft as any other; its receipt.
pub(super) async fn publish(control: &Control, draft: &Value, dry_run: bool) -> Outcome<Value> {
    let path = format!("/v1/records?dry-run={dry_run}");
    let bytes = control.bytes(control.request(Method::POST, &path).body(draft.to_string())).await?;
    let answer: Value = serde_json::from_slice(&bytes).map_err(|error| Problem::new(Code::Internal, error))?;
    match answer.get("problem") {
        Some(problem) => {
            Err(Problem::from_json(problem).unwrap_or_else(|| Problem::new(Code::Internal, "publishing broke off")))
        }
        None => Ok(answer),
    }
}
