//! `doctor`: what may be wrong with a node, one check after the other: what was seen, what was expected, what to do. It changes
//! nothing, and says no secret and nothing of a person.

mod certificate;
mod files;
mod log;
mod network;

pub use certificate::expires_at;

use crate::clock::Clock;
use crate::config::Config;
use crate::folder::Folder;
use crate::node::{Node, open_database};
use crate::problem::{Code, Outcome, Problem};
use crate::ring::ring_of;
use crate::store::{OWN, Store};
use hefu_federation::trust::KeyRing;
use hefu_schemas::text::Text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As expected.
    Ok,
    /// The node works; somebody should look at it.
    Warning,
    /// Something does not work, or is not safe.
    Failed,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name, e.g. `keys`.
    pub check: &'static str,
    /// What it is about where there are several: a file, a peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How it came out.
    pub level: Level,
    /// What was seen.
    pub seen: Text,
    /// What was expected.
    pub expected: Text,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Text>,
}

impl Check {
    fn new(check: &'static str, seen: Text, expected: (&str, &str)) -> Self {
        Self { check, about: None, level: Level::Ok, seen, expected: Text::new(expected.0, expected.1), remedy: None }
    }
    fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }
    fn failed(self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { level: Level::Failed, remedy: Some(Text::new(zh, en)), ..self }
    }
    fn warning(self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { level: Level::Warning, remedy: Some(Text::new(zh, en)), ..self }
    }
    /// What a problem says: seen is its title, the remedy its hint.
    fn of_problem(check: &'static str, problem: &Problem, expected: (&str, &str)) -> Self {
        let (title, hint) = (problem.code.title(), problem.code.hint());
        let seen = match problem.detail.as_str() {
            "" => title,
            detail => Text::new(format!("{}：{detail}", title.zh), format!("{}: {detail}", title.en)),
        };
        Self::new(check, seen, expected).failed(hint.zh, hint.en)
    }
}

/// What is examined of a node: with or without a process that serves.
struct Patient<'a> {
    folder: &'a Folder,
    config: &'a Config,
    store: &'a dyn Store,
    ring: &'a KeyRing,
    clock: &'a Clock,
    /// Of a serving node: whether it signs, and whether a peer could confirm its log when it started.
    serving: Option<(Result<(), String>, bool)>,
}

/// The checks of files, which need nothing to be open.
pub fn files(dir: &Path, now_s: i64) -> Vec<Check> {
    files::examine(&Folder::new(dir), now_s)
}

/// The other checks, of a node that serves.
///
/// # Errors
/// The store fails.
pub async fn serving(node: &Arc<Node>, ca_pem: Option<&str>) -> Outcome<Vec<Check>> {
    let patient = Patient {
        folder: &node.folder,
        config: &node.config,
        store: node.store.as_ref(),
        ring: &node.ring,
        clock: &node.clock,
        serving: Some((node.sequencer.signing(), node.unguarded)),
    };
    examine(&patient, ca_pem).await
}

/// The other checks, of a folder that nothing serves. It is locked meanwhile; nothing is signed.
///
/// # Errors
/// The folder cannot be opened.
pub async fn resting(dir: &Path, ca_pem: Option<&str>) -> Outcome<Vec<Check>> {
    let (folder, config) = (Folder::new(dir), Config::load(dir)?);
    let _lock = folder.lock()?;
    let store = open_database(&config, &folder).await?;
    let own = crate::store::LogStore::origins(&store).await?.into_iter().find(|row| row.no == OWN);
    let own = own.ok_or_else(|| Problem::new(Code::Damaged, "the database has no own origin"))?;
    if own.origin != config.origin()? {
        return Err(Problem::new(
            Code::Configuration,
            format!("url: this folder's log has the origin {}, which never changes", own.origin),
        ));
    }
    let ring = ring_of(&store, &own).await?;
    let clock = Clock::default();
    let patient =
        Patient { folder: &folder, config: &config, store: &store, ring: &ring, clock: &clock, serving: None };
    examine(&patient, ca_pem).await
}

async fn examine(patient: &Patient<'_>, ca_pem: Option<&str>) -> Outcome<Vec<Check>> {
    let mut checks = log::examine(patient).await?;
    checks.extend(network::examine(patient, ca_pem).await?);
    Ok(checks)
}

/// A check that tells of a node that could not be examined further.
pub fn not_opened(problem: &Problem) -> Check {
    Check::of_problem(
        "node",
        problem,
        ("数据库可打开，目录未被其他进程占用", "the database opens, and nothing else holds the folder"),
    )
}

/// As JSON, for the control socket and `--json`.
pub fn to_json(checks: &[Check]) -> Value {
    json!(checks)
}
