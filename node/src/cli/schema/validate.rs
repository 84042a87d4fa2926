//! `hefu schema validate`: one document in any layout, or one a line, each checked by itself.

use super::check::{Form, NAMES};
use crate::cli::{Globals, output};
use crate::pages::words;
use crate::problem::{Code, Outcome, Problem};
use clap::builder::PossibleValuesParser;
use hefu_schemas::canonical;
use hefu_schemas::gate::MAX_AGREEMENT_LEN;
use hefu_schemas::text::Text;
use hefu_schemas::violation::Violation;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// Documents that are listed with what is wrong; all are counted.
const MAX_LISTED: usize = 200;

const EXAMPLE: &str = "\
Example:
  hefu schema validate record.json                  what it is, is recognised
  hefu schema validate drafts.ndjson                one document a line; lines are numbered from 1
  hefu schema validate --as draft --json - < x      from standard input; the result as JSON

FILE is a record, a line of a record page {index, salt, record}, a draft {draftId?, record}, an agreement, a withdrawal, a
policy or a verdict: one of any layout, or one a line. Each violation has a JSON Pointer, a rule, what is wrong and what to do.
Values are not quoted. What needs a node (the agreement's terms, earlier records, signatures, the log) is not checked here:
see `publish --dry-run` and `verify`.

Exit code 0: all valid. 1: not valid. 3: not readable, or it cannot be told what it is.";

/// Check a file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Validate {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is, where that is not to be recognised
    #[arg(long = "as", value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    form: Option<String>,
}

/// What was found, as far as it is listed.
#[derive(Debug, Default)]
struct Report {
    valid: usize,
    invalid: usize,
    unreadable: usize,
    documents: Vec<Value>,
}

/// What is known of one document.
#[derive(Debug)]
enum Found {
    Checked(Form, Vec<Violation>),
    Unreadable(Problem),
}

impl Validate {
    pub(super) fn run(self, globals: &Globals) -> Outcome<u8> {
        let form = self.form.as_deref().and_then(Form::from_name);
        let mut input = open(&self.file)?;
        let head = read_head(&self.file, &mut input)?;
        let mut report = Report::default();
        match lines_or_document(&head)? {
            Some(document) => match check(&document, form) {
                Found::Unreadable(problem) => return Err(problem),
                found => report.add(globals, None, found),
            },
            None => {
                let mut lines = BufReader::new(Cursor::new(head).chain(input));
                let mut number = 0_u64;
                while let Some(line) = read_line(&self.file, &mut lines)? {
                    number += 1;
                    if line.iter().all(u8::is_ascii_whitespace) {
                        continue;
                    }
                    let read = canonical::read(&line, MAX_AGREEMENT_LEN);
                    let found = match read {
                        Ok(document) => check(&document, form),
                        Err(error) => Found::Unreadable(Problem::new(Code::Input, error)),
                    };
                    report.add(globals, Some(number), found);
                }
            }
        }
        report.end(globals);
        Ok(match (report.unreadable, report.invalid) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 3,
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Input, format!("{}: {error}", path.display()))
}

fn open(path: &Path) -> Outcome<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    Ok(Box::new(file))
}

/// As much as one document may have, and a byte more.
fn read_head(path: &Path, input: &mut dyn Read) -> Outcome<Vec<u8>> {
    let mut head = Vec::new();
    let limit = u64::try_from(MAX_AGREEMENT_LEN).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut head).map_err(|error| unreadable(path, &error))?;
    Ok(head)
}

/// The one document that the file is; `None` where its first line is one and more follow.
fn lines_or_document(head: &[u8]) -> Outcome<Option<Value>> {
    let error = match canonical::read(head, MAX_AGREEMENT_LEN) {
        Ok(document) => return Ok(Some(document)),
        Err(error) => error,
    };
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    let first = lines.next().is_some_and(|line| canonical::read(line, MAX_AGREEMENT_LEN).is_ok());
    if first && lines.next().is_some() { Ok(None) } else { Err(Problem::new(Code::Input, error)) }
}

/// The next line without its end; one over the limit is cut one byte behind it, so that the gate refuses it.
fn read_line(path: &Path, lines: &mut impl BufRead) -> Outcome<Option<Vec<u8>>> {
    let limit = u64::try_from(MAX_AGREEMENT_LEN).unwrap_or(u64::MAX).saturating_add(1);
    let mut read = |line: &mut Vec<u8>| {
        lines.by_ref().take(limit).read_until(b'\n', line).map_err(|error| unreadable(path, &error))
    };
    let mut line = Vec::new();
    if read(&mut line)? == 0 {
        return Ok(None);
    }
    let mut rest = line.clone();
    while !rest.ends_with(b"\n") {
        rest.clear();
        if read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(Some(line))
}

fn check(document: &Value, form: Option<Form>) -> Found {
    let Some(form) = form.or_else(|| Form::of(document)) else {
        return Found::Unreadable(Problem::new(Code::UnknownDocument, ""));
    };
    match form.violations(document) {
        Ok(violations) => Found::Checked(form, violations),
        Err(error) => Found::Unreadable(Problem::new(Code::Input, error)),
    }
}

/// What to do about a violation.
fn remedy(violation: &Violation) -> Text {
    let otherwise = || Text::new("对照该类别的数据模式改正", "Compare with the schema of the kind");
    let unreadable = || Code::from_text(&violation.rule).map(Code::hint);
    words::rule(&violation.rule).map(words::Rule::remedy).or_else(unreadable).unwrap_or_else(otherwise)
}

impl Report {
    fn add(&mut self, globals: &Globals, line: Option<u64>, found: Found) {
        let (form, violations) = match found {
            Found::Checked(form, violations) => (Some(form), violations),
            Found::Unreadable(problem) => {
                let title = problem.code.title();
                let message = if problem.detail.is_empty() {
                    title
                } else {
                    Text::new(format!("{}：{}", title.zh, problem.detail), format!("{}: {}", title.en, problem.detail))
                };
                (None, vec![Violation { pointer: String::new(), rule: problem.code.as_str().to_owned(), message }])
            }
        };
        match form {
            None => self.unreadable += 1,
            Some(_) if violations.is_empty() => self.valid += 1,
            Some(_) => self.invalid += 1,
        }
        let listed = line.is_none() || !violations.is_empty();
        if !listed || self.documents.len() >= MAX_LISTED {
            return;
        }
        if !globals.json {
            print(globals, line, form, &violations);
        }
        let row = |violation: &Violation| {
            json!({
                "pointer": violation.pointer,
                "rule": violation.rule,
                "message": violation.message,
                "remedy": remedy(violation),
            })
        };
        let mut document = json!({
            "as": form.map(Form::name),
            "valid": form.is_some() && violations.is_empty(),
            "violations": violations.iter().map(row).collect::<Vec<_>>(),
        });
        if let (Some(line), Some(members)) = (line, document.as_object_mut()) {
            members.insert("line".to_owned(), line.into());
        }
        self.documents.push(document);
    }

    fn end(&self, globals: &Globals) {
        if globals.json {
            output::json(&json!({
                "valid": self.invalid == 0 && self.unreadable == 0,
                "count": {"valid": self.valid, "invalid": self.invalid, "unreadable": self.unreadable},
                "documents": self.documents,
            }));
            return;
        }
        let Self { valid, invalid, unreadable, .. } = self;
        output::words(
            globals,
            format!("有效 {valid} 份，无效 {invalid} 份，无法读取 {unreadable} 份"),
            format!("{valid} valid, {invalid} not valid, {unreadable} not readable"),
        );
        if invalid + unreadable > self.documents.len() {
            output::words(globals, format!("只列出前 {MAX_LISTED} 份"), format!("the first {MAX_LISTED} are listed"));
        }
    }
}

fn print(globals: &Globals, line: Option<u64>, form: Option<Form>, violations: &[Violation]) {
    let place =
        line.map_or_else(String::new, |line| output::text(globals, format!("第 {line} 行 "), format!("line {line} ")));
    let what = form.map_or_else(|| Text::new("文件", "document"), Form::title);
    let verdict = match form {
        None => Text::new("无法读取", "not readable"),
        Some(_) if violations.is_empty() => Text::new("有效", "valid"),
        Some(_) => Text::new("无效", "not valid"),
    };
    output::data(output::text(
        globals,
        format!("{place}{}：{}", what.zh, verdict.zh),
        format!("{place}{}: {}", what.en, verdict.en),
    ));
    for violation in violations {
        let pointer = if violation.pointer.is_empty() { "/" } else { &violation.pointer };
        output::data(format!("  {pointer}  ({})", violation.rule));
        output::data(format!("    {}", output::of(globals, &violation.message)));
        output::data(format!("    → {}", output::of(globals, &remedy(violation))));
    }
}
