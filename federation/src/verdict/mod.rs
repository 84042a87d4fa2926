//! The verdict on a record that somebody hands over: a list of statements, each established, refuted or unknown, as of when.
//!
//! ```text
//! file ──Submitted::read──▶ Submitted ┐
//! log  ──Search::observe──▶ Place     ├──judge──▶ Verdict ──against──▶ valid?
//! terms, payload state    ──▶ Cover   ┘                      Policy
//! ```
//!
//! Nothing here reads files or asks anybody. What is not known is said to be unknown, with the reason, and never counts as
//! established (protocol §8).
mod judge;
mod policy;
mod reason;
mod search;
mod submitted;

pub use judge::{Cover, Known, LogView, NoLog, Question, judge};
pub use policy::{City, MAX_POLICY_LEN, Policy, PolicyError, Witness, template};
pub use reason::Reason;
pub use search::{Change, Place, Search};
pub use submitted::{MAX_SUBMITTED_LEN, Submitted, SubmittedError};

use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::Kind;
use hefu_schemas::text::Text;
use hefu_schemas::violation::Violation;
use serde_json::{Value, json};

/// What a verdict states, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`title` says it")]
pub enum Statement {
    Integrity,
    Issuer,
    KeyValid,
    Schema,
    Semantics,
    InPeriod,
    InLog,
    Witnessed,
    Standing,
    Agreement,
    Office,
    Subject,
}

impl Statement {
    /// All, in order.
    pub const ALL: [Self; 12] = [
        Self::Integrity,
        Self::Issuer,
        Self::KeyValid,
        Self::Schema,
        Self::Semantics,
        Self::InPeriod,
        Self::InLog,
        Self::Witnessed,
        Self::Standing,
        Self::Agreement,
        Self::Office,
        Self::Subject,
    ];
    /// What every policy requires: without these nothing is known of the record at all.
    pub const ALWAYS: [Self; 3] = [Self::Integrity, Self::Issuer, Self::KeyValid];
    /// What is required where no policy says otherwise.
    pub const DEFAULT: [Self; 8] = [
        Self::Integrity,
        Self::Issuer,
        Self::KeyValid,
        Self::Schema,
        Self::Semantics,
        Self::InPeriod,
        Self::InLog,
        Self::Standing,
    ];

    /// Its name in policies and verdicts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Issuer => "issuer",
            Self::KeyValid => "key-valid",
            Self::Schema => "schema",
            Self::Semantics => "semantics",
            Self::InPeriod => "in-period",
            Self::InLog => "in-log",
            Self::Witnessed => "witnessed",
            Self::Standing => "standing",
            Self::Agreement => "agreement",
            Self::Office => "office",
            Self::Subject => "subject",
        }
    }
    /// From its name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statement| statement.code() == code)
    }
    /// Two or three words for people.
    pub fn title(self) -> Text {
        let (zh, en) = match self {
            Self::Integrity => ("内容完整", "intact"),
            Self::Issuer => ("签发方", "issuer"),
            Self::KeyValid => ("密钥有效", "key valid"),
            Self::Schema => ("符合规范", "schema"),
            Self::Semantics => ("内容规则", "rules of content"),
            Self::InPeriod => ("有效期", "period"),
            Self::InLog => ("已入日志", "in the log"),
            Self::Witnessed => ("第三方见证", "witnessed"),
            Self::Standing => ("仍然有效", "standing"),
            Self::Agreement => ("协议依据", "agreement"),
            Self::Office => ("主管机关", "competent office"),
            Self::Subject => ("本人", "subject"),
        };
        Text::new(zh, en)
    }
}

/// What is known of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It holds.
    Established,
    /// It does not hold.
    Refuted,
    /// Nobody can tell from what there is.
    Unknown,
}

impl Outcome {
    /// Its word in verdicts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Refuted => "refuted",
            Self::Unknown => "unknown",
        }
    }
    /// For people.
    pub fn title(self) -> Text {
        match self {
            Self::Established => Text::new("成立", "established"),
            Self::Refuted => Text::new("不成立", "refuted"),
            Self::Unknown => Text::new("未知", "unknown"),
        }
    }
}

/// The verdict on one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its id, where it has one that can be read.
    pub id: Option<RecordId>,
    /// Its kind, where this program knows it.
    pub kind: Option<Kind>,
    /// Its issuer, as it says.
    pub issuer: Option<String>,
    /// SHA-256 of its canonical bytes.
    pub digest: Digest,
    /// Whether the file was canonical as it was given.
    pub canonical: bool,
    /// The moment that the verdict is of, UTC seconds.
    pub made_at: i64,
    /// Where the issuer's log was read, and how far.
    pub log: Option<LogRead>,
    /// One for each statement, in order.
    pub findings: Vec<(Statement, Reason)>,
    /// The statements that are required.
    pub required: Vec<Statement>,
    /// What schema or rules of content find wrong; no value of the record is in it.
    pub violations: Vec<Violation>,
}

/// How far a log was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    /// Whose.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// `t` of the last one, UTC seconds.
    pub t: i64,
    /// Where from.
    pub source: Source,
}

/// Where the issuer's log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// In the verified copy that this node keeps.
    Replica,
    /// From the issuer, now.
    Fetched,
    /// In a copy of its files.
    Mirror,
}

impl Source {
    /// Its word in verdicts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Fetched => "fetched",
            Self::Mirror => "mirror",
        }
    }
}

impl Verdict {
    /// What is known of a statement.
    pub fn outcome(&self, statement: Statement) -> Outcome {
        let found = self.findings.iter().find(|(of, _)| *of == statement);
        found.map_or(Outcome::Unknown, |(_, reason)| reason.outcome())
    }
    /// Every required statement is established, and none at all is refuted.
    pub fn is_valid(&self) -> bool {
        self.required.iter().all(|statement| self.outcome(*statement) == Outcome::Established)
            && self.findings.iter().all(|(_, reason)| reason.outcome() != Outcome::Refuted)
    }
    /// As `schemas/verdict/v1.schema.json` has it.
    pub fn to_json(&self) -> Value {
        let statement = |(statement, reason): &(Statement, Reason)| {
            json!({
                "statement": statement.code(),
                "outcome": reason.outcome().code(),
                "required": self.required.contains(statement),
                "reason": reason.code(),
                "text": reason.text(),
            })
        };
        let mut verdict = json!({
            "verdict": 1,
            "valid": self.is_valid(),
            "madeAt": utc(self.made_at),
            "digest": self.digest.to_string(),
            "canonical": self.canonical,
            "statements": self.findings.iter().map(statement).collect::<Vec<_>>(),
        });
        let log = self.log.as_ref().map(|log| {
            json!({"origin": log.origin, "size": log.size, "lastEntryAt": utc(log.t), "source": log.source.code()})
        });
        let optional = [
            ("id", self.id.map(|id| json!(id.to_string()))),
            ("kind", self.kind.map(|kind| json!(kind.code()))),
            ("issuer", self.issuer.as_ref().map(|issuer| json!(issuer))),
            ("log", log),
            ("violations", (!self.violations.is_empty()).then(|| json!(self.violations))),
        ];
        if let Some(members) = verdict.as_object_mut() {
            members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        verdict
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`; a time out of range is the beginning of 1970.
pub fn utc(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
