//! `hefu subject`.

use super::Globals;
use super::control::{encoded, with};
use super::output;
use crate::problem::{Code, Outcome, Problem};
use reqwest::Method;
use std::io::BufRead;

/// Lines sent at a time: memory does not grow with the input.
const LINES_PER_REQUEST: usize = 20_000;
/// Longest line of input, bytes.
const MAX_LINE_LEN: usize = 4096;

const EXAMPLE: &str = "\
Example:
  hefu --dir km subject --agreement urn:uuid:0198… < persons.ndjson > references.ndjson

Standard input: one person a line, {\"scheme\": \"cn-resident-id\", \"id\": \"…\"} and optionally name, sex (M, F, X) and
birthDate, all three for an identity check. Standard output: {\"subject\": \"urn:hefu:subject:1:…\"} in the same order.
Identifiers are used on this machine only; they are not stored, sent or logged.";

/// Turn identifiers of persons into subject references of an agreement.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Subject {
    /// The agreement: references are different in each
    #[arg(long, value_name = "AGREEMENT")]
    agreement: String,
}

impl Subject {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let path = format!("/v1/agreements/{}/subjects", encoded(&self.agreement));
        let bar = output::progress(globals, None, "计算引用", "references");
        with(globals, async |control| {
            let mut input = std::io::stdin().lock();
            loop {
                let (part, lines) = part(&mut input)?;
                if lines == 0 {
                    break;
                }
                let answer = control.bytes(control.request(Method::POST, &path).body(part)).await?;
                output::data(String::from_utf8_lossy(&answer).trim_end());
                bar.inc(u64::try_from(lines).unwrap_or(0));
            }
            Ok(())
        })
        .await?;
        bar.finish_and_clear();
        Ok(0)
    }
}

fn part(input: &mut impl BufRead) -> Outcome<(Vec<u8>, usize)> {
    let refused = |error: &dyn std::fmt::Display| Problem::new(Code::Input, format!("standard input: {error}"));
    let (mut part, mut lines) = (Vec::new(), 0);
    while lines < LINES_PER_REQUEST {
        let before = part.len();
        let read = input.read_until(b'\n', &mut part).map_err(|error| refused(&error))?;
        if read == 0 {
            break;
        }
        if part.len() - before > MAX_LINE_LEN {
            return Err(refused(&format!("a line is longer than {MAX_LINE_LEN} bytes")));
        }
        lines += 1;
    }
    Ok((part, lines))
}
