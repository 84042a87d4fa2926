//! `hefu withdraw`.

use super::control::with;
use super::record::{correctable, draft_of, render};
use super::{Globals, ask, output};
use crate::problem::{Code, Outcome, Problem};
use hefu_schemas::code;
use serde_json::{Value, json};

const EXAMPLE: &str = "\
Example:
  hefu --dir km withdraw 17 --reason entry-error
  hefu --dir km withdraw urn:uuid:0198… --reason authority-decision --from 2026-10-01 --yes

Withdraws the newest record of a chain: the chain ends, and nothing revives. Without --from the record counts for nothing from
its own effective date on; with it, it held until that day. What was published stays in the log, and a withdrawal cannot be
taken back; to state another fact instead, use `hefu amend`.

Reasons: entry-error, wrong-person, wrong-date, authority-decision, fraud, not-ours.";

/// Withdraw a record of this node.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Withdraw {
    /// Its index or its urn:uuid:
    #[arg(value_name = "RECORD")]
    record: String,
    /// Why: a code, see below
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: String,
    /// From which day on it no longer holds; by default from its effective date
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only check and show
    #[arg(long)]
    dry_run: bool,
}

/// A code of a list, or the list of them.
pub(super) fn one_of(list: &str, given: &str) -> Result<String, String> {
    if code::codes_of(list).any(|code| code == given) {
        return Ok(given.to_owned());
    }
    Err(format!("expected one of {}", code::codes_of(list).collect::<Vec<_>>().join(", ")))
}

fn reason(given: &str) -> Result<String, String> {
    one_of("withdrawal-reason", given)
}

impl Withdraw {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let answer = with(globals, async |control| {
            let shown = correctable(control, &self.record, true).await?;
            let draft = self.draft(&shown)?;
            output::aside(globals, self.dry_run, render::list(globals, std::slice::from_ref(&shown)));
            let from = draft.pointer("/record/credentialSubject/from").and_then(Value::as_str).unwrap_or_default();
            let why = code::name("withdrawal-reason", &self.reason).map(|name| output::of(globals, &name));
            let why = why.unwrap_or_else(|| self.reason.clone());
            output::words(
                globals,
                format!("撤回自 {from} 起生效，原因：{why}。撤回后不能恢复。"),
                format!("It is withdrawn from {from} on, because: {why}. This cannot be taken back."),
            );
            // What would be refused is refused before anybody is asked.
            ask::publish(control, &draft, true).await?;
            if self.dry_run {
                return Ok(json!({"published": false, "withdraws": shown.get("index")}));
            }
            ask::confirm(globals, self.yes, "确定撤回吗？", "Withdraw it?")?;
            let receipt = ask::publish(control, &draft, false).await?;
            Ok(json!({"published": true, "withdraws": shown.get("index"), "receipt": receipt}))
        })
        .await?;
        finish(globals, &answer, ("已撤回", "Withdrawn"));
        Ok(0)
    }

    /// The withdrawal as a draft: by the same office, under the same agreement.
    fn draft(&self, shown: &Value) -> Outcome<Value> {
        let mut record = draft_of(shown)?;
        let damaged = || Problem::new(Code::Damaged, "the record has no date");
        let valid_from = record.get("validFrom").and_then(Value::as_str).ok_or_else(damaged)?;
        let (day, midnight) = valid_from.split_at_checked(10).ok_or_else(damaged)?;
        let from = self.from.clone().unwrap_or_else(|| day.to_owned());
        Ok(json!({"record": {
            "type": ["VerifiableCredential", "Withdrawal"],
            "validFrom": format!("{from}{midnight}"),
            "termsOfUse": record.get("termsOfUse"),
            "statedBy": record.remove("statedBy"),
            "credentialSubject": {"record": shown.get("id"), "reason": self.reason, "from": from},
        }}))
    }
}

/// What was published, or that nothing was.
pub(super) fn finish(globals: &Globals, answer: &Value, (zh, en): (&str, &str)) {
    if globals.json {
        output::json(answer);
        return;
    }
    match answer.get("receipt") {
        Some(receipt) => {
            let index = receipt.get("index").and_then(Value::as_u64).unwrap_or(0);
            output::words(
                globals,
                format!("{zh}：日志第 {index} 条。对方拉取后即可看到。"),
                format!("{en}: entry {index}. Peers see it when they pull."),
            );
            output::json(receipt);
        }
        None => output::words(globals, "可以发布（未发布）。", "It is good (nothing was published)."),
    }
}
