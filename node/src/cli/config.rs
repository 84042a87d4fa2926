//! `hefu config`.

use super::{Globals, output};
use crate::config::setting::{SETTINGS, complaints, default_file, effective, line_of};
use crate::config::{Config as Settings, FILE_NAME};
use crate::problem::{Code, Outcome, Problem};
use serde_json::{Value, json};

const SHOW: &str = "\
Example:
  hefu --dir km config show

SOURCE is the line of hefu.toml that a setting stands in, or `default`.";

const CHECK: &str = "\
Example:
  hefu --dir km config check

Reads hefu.toml alone and names each setting that is wrong, with its line and what to do. Exit code 1 when there is one.
A running node reads its settings when it starts.";

const DEFAULT: &str = "\
Example:
  hefu config default > hefu.toml

A file with all settings and what they mean. `hefu init` writes one for a new node.";

/// The settings.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Config {
    /// The settings in force, with their units and where they come from
    #[command(after_help = SHOW)]
    Show,
    /// Name each wrong setting, with its line and the remedy
    #[command(after_help = CHECK)]
    Check,
    /// Print a commented file of all settings at their defaults
    #[command(after_help = DEFAULT)]
    Default,
}

impl Config {
    pub(super) fn run(&self, globals: &Globals) -> Outcome<u8> {
        match self {
            Self::Show => show(globals),
            Self::Check => check(globals),
            Self::Default => {
                let text = default_file(globals.lang());
                if globals.json {
                    output::json(&json!({"file": FILE_NAME, "text": text}));
                } else {
                    output::data(text.trim_end());
                }
                Ok(0)
            }
        }
    }
}

fn read(globals: &Globals) -> Outcome<String> {
    let path = globals.dir.join(FILE_NAME);
    std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::new(Code::NotInitialised, format!("{} is missing", path.display())),
        std::io::ErrorKind::NotADirectory => {
            Problem::new(Code::NotInitialised, format!("{} is not a folder", globals.dir.display()))
        }
        _ => Problem::new(Code::Configuration, format!("{}: {error}", path.display())),
    })
}

fn show(globals: &Globals) -> Outcome<u8> {
    let text = read(globals)?;
    let config = Settings::load(&globals.dir)?;
    let head = output::text(globals, "设置|取值|单位或形式|来源", "SETTING|VALUE|UNIT OR FORM|SOURCE");
    let mut rows = vec![head.split('|').map(str::to_owned).collect::<Vec<_>>()];
    let mut all = Vec::new();
    for setting in SETTINGS {
        let value = effective(&config, setting.name);
        let line = line_of(&text, setting.name).filter(|_| value.is_some());
        let [zh, en] = setting.unit;
        let source = match line {
            Some(line) => format!("{FILE_NAME}:{line}"),
            None => output::text(globals, "默认", "default"),
        };
        all.push(json!({"setting": setting.name, "value": value, "unit": en, "line": line}));
        rows.push(vec![
            setting.name.to_owned(),
            value.unwrap_or_else(|| "–".to_owned()),
            output::text(globals, zh, en),
            source,
        ]);
    }
    if globals.json {
        output::json(&Value::Array(all));
    } else {
        output::data(output::table(&rows));
    }
    Ok(0)
}

fn check(globals: &Globals) -> Outcome<u8> {
    let text = read(globals)?;
    let found = complaints(&text, &globals.dir);
    let path = globals.dir.join(FILE_NAME);
    if globals.json {
        output::json(&json!({"file": path.display().to_string(), "complaints": found}));
        return Ok(u8::from(!found.is_empty()));
    }
    for complaint in &found {
        let line = complaint.line.map_or(String::new(), |line| format!(":{line}"));
        let (problem, remedy) = (output::of(globals, &complaint.problem), output::of(globals, &complaint.remedy));
        let colon = output::text(globals, "：", ": ");
        output::data(format!("{}{line}{colon}{}{colon}{problem}", path.display(), complaint.setting));
        output::data(output::text(globals, format!("    处理：{remedy}"), format!("    remedy: {remedy}")));
    }
    if found.is_empty() {
        output::words(globals, format!("{} 完好。", path.display()), format!("{} is good.", path.display()));
    }
    Ok(u8::from(!found.is_empty()))
}
