//! Why a statement is established, refuted or unknown: a stable code and one plain sentence in both languages. No reason holds
//! a value of the record.
use super::{Outcome, utc};
use crate::proof::ProofError;
use crate::pull::Check;
use hefu_schemas::text::Text;

/// The reasons. Each belongs to one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`text` says it")]
pub enum Reason {
    ProofHolds,
    ProofFails(ProofError),
    UnknownSuite,

    IssuerKnown,
    MethodOfAnother,
    OtherFingerprint,
    LogContradicts,
    IssuerNotInPolicy,
    IssuerNotFollowed,
    LogUnavailable,

    KeyValid { index: u64 },
    KeyValidThroughout { size: u64 },
    KeyNotOfLog,
    KeyNotValidAt { index: u64 },
    IndexUnknown,
    NotUnderstood { index: u64 },
    NoLog,

    SchemaHolds,
    SchemaViolated { count: usize },
    KindUnknown,
    SchemaUnknown,

    RulesHold,
    RulesViolated { count: usize },
    NotReached,

    InPeriod,
    NotYet,
    Over,
    NoPeriod,

    InLog { index: u64, size: u64, t: i64 },
    OtherContent { index: u64 },
    NotInLog { size: u64, t: i64 },
    NoSalt,
    NotHeld,

    WitnessesNotChecked,

    Stands { size: u64, t: i64 },
    Corrected { by: u64 },
    Withdrawn { by: u64 },
    PlaceUnknown,

    Covered,
    NotCovered { check: Check },
    AgreementUnknown,
    NotSettled,

    OfficeMayState,
    OfficeMayNotState,

    SubjectFits,
    SubjectDiffers,
    SubjectNotAsked,
    SubjectNotLinked,
}

impl Reason {
    /// Its outcome.
    pub fn outcome(&self) -> Outcome {
        use Reason as R;
        match self {
            R::ProofHolds
            | R::IssuerKnown
            | R::KeyValid { .. }
            | R::KeyValidThroughout { .. }
            | R::SchemaHolds
            | R::RulesHold
            | R::InPeriod
            | R::InLog { .. }
            | R::Stands { .. }
            | R::Covered
            | R::OfficeMayState
            | R::SubjectFits => Outcome::Established,
            R::ProofFails(_)
            | R::MethodOfAnother
            | R::OtherFingerprint
            | R::LogContradicts
            | R::KeyNotOfLog
            | R::KeyNotValidAt { .. }
            | R::SchemaViolated { .. }
            | R::RulesViolated { .. }
            | R::NotYet
            | R::Over
            | R::OtherContent { .. }
            | R::NotInLog { .. }
            | R::Corrected { .. }
            | R::Withdrawn { .. }
            | R::NotCovered { .. }
            | R::OfficeMayNotState
            | R::SubjectDiffers => Outcome::Refuted,
            R::UnknownSuite
            | R::IssuerNotInPolicy
            | R::IssuerNotFollowed
            | R::LogUnavailable
            | R::IndexUnknown
            | R::NotUnderstood { .. }
            | R::NoLog
            | R::KindUnknown
            | R::SchemaUnknown
            | R::NotReached
            | R::NoPeriod
            | R::NoSalt
            | R::NotHeld
            | R::WitnessesNotChecked
            | R::PlaceUnknown
            | R::AgreementUnknown
            | R::NotSettled
            | R::SubjectNotAsked
            | R::SubjectNotLinked => Outcome::Unknown,
        }
    }
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.table().0
    }
    /// One sentence for people.
    pub fn text(&self) -> Text {
        match self.with_figures() {
            Some((zh, en)) => Text::new(zh, en),
            None => {
                let (_, zh, en) = self.table();
                Text::new(zh, en)
            }
        }
    }

    /// Code, and the sentences where they have no figures.
    fn table(&self) -> (&'static str, &'static str, &'static str) {
        self.of_bytes().or_else(|| self.of_log()).or_else(|| self.of_terms()).unwrap_or(("unknown", "未知", "unknown"))
    }
    fn of_bytes(&self) -> Option<(&'static str, &'static str, &'static str)> {
        use Reason as R;
        Some(match self {
            R::ProofHolds => (
                "proof-holds",
                "签名成立：自签发以来内容未被改动。",
                "The proof holds: nothing was changed since it was signed.",
            ),
            R::ProofFails(_) => ("proof-fails", "", ""),
            R::UnknownSuite => (
                "unknown-suite",
                "所用签名方式不是 eddsa-jcs-2022，本程序无法核验。",
                "The proof is not of the suite eddsa-jcs-2022; this program cannot judge it.",
            ),
            R::SchemaHolds => ("schema-holds", "符合已发布的规范。", "It is valid by its published schema."),
            R::SchemaViolated { .. } => ("schema-violated", "", ""),
            R::KindUnknown => (
                "kind-unknown",
                "本程序不认识这类记录，可能出自更新的版本。",
                "This program does not know this kind of record; it may be of a later version.",
            ),
            R::SchemaUnknown => (
                "schema-unknown",
                "本程序没有该记录所引用的规范，可能出自更新的版本。",
                "This program does not have the schema that the record names; it may be of a later version.",
            ),
            R::RulesHold => {
                ("rules-hold", "日期、状态与步骤彼此相符。", "Dates, statuses and steps agree with each other.")
            }
            R::RulesViolated { .. } => ("rules-violated", "", ""),
            R::NotReached => (
                "not-reached",
                "未通过规范检查，无法核对内容规则。",
                "The rules were not asked, because the schema is not established.",
            ),
            R::InPeriod => ("in-period", "正处于有效期内。", "It is within its period of validity."),
            R::NotYet => ("not-yet", "尚未生效。", "Its period of validity has not begun."),
            R::Over => ("over", "有效期已过。", "Its period of validity is over."),
            R::NoPeriod => ("no-period", "未载明可读的生效日期。", "It has no readable date from which it holds."),
            _ => return None,
        })
    }
    fn of_log(&self) -> Option<(&'static str, &'static str, &'static str)> {
        use Reason as R;
        Some(match self {
            R::IssuerKnown => {
                ("issuer-known", "签发方是指纹经过核对的城市。", "The issuer is a city whose fingerprint was compared.")
            }
            R::MethodOfAnother => {
                ("method-of-another", "签名密钥不属于所载签发方。", "The key that the proof names is not the issuer's.")
            }
            R::OtherFingerprint => (
                "other-fingerprint",
                "该城市日志的指纹与核对过的不一致。",
                "The city's log has another fingerprint than the one that was compared.",
            ),
            R::LogContradicts => (
                "log-contradicts",
                "该城市日志自相矛盾或未经其密钥签名。",
                "The city's log contradicts itself or its signature.",
            ),
            R::IssuerNotInPolicy => {
                ("issuer-not-in-policy", "核验策略中没有该签发方。", "The policy does not name the issuer.")
            }
            R::IssuerNotFollowed => (
                "issuer-not-followed",
                "没有可核对该签发方的依据：未给出核验策略，本节点也未关注该城市。",
                "Nothing says who the issuer is: no policy was given, and this node does not follow that city.",
            ),
            R::LogUnavailable => ("log-unavailable", "未能读取该城市的日志。", "The city's log could not be read."),
            R::KeyValid { .. } => ("key-valid", "", ""),
            R::KeyValidThroughout { .. } => ("key-valid-throughout", "", ""),
            R::KeyNotOfLog => {
                ("key-not-of-log", "签名密钥从未是该城市的记录密钥。", "The key was never a record key of this city.")
            }
            R::KeyNotValidAt { .. } => ("key-not-valid-at", "", ""),
            R::IndexUnknown => (
                "index-unknown",
                "该密钥只在一段日志内有效，而记录在日志中的位置未知。",
                "The key was valid for a part of the log only, and where the record stands in it is not known.",
            ),
            R::NotUnderstood { .. } => ("not-understood", "", ""),
            R::NoLog => ("no-log", "没有该城市的日志可供核对。", "There is no log of this city to compare with."),
            R::InLog { .. } => ("in-log", "", ""),
            R::OtherContent { .. } => ("other-content", "", ""),
            R::NotInLog { .. } => ("not-in-log", "", ""),
            R::NoSalt => (
                "no-salt",
                "文件未附盐值，无法与日志中的承诺值核对。",
                "The file came without its salt, so that it cannot be compared with the log's commitments.",
            ),
            R::NotHeld => (
                "not-held",
                "本节点的副本中没有这条记录，文件也未附盐值。",
                "This node does not hold the record, and the file came without its salt.",
            ),
            R::WitnessesNotChecked => (
                "witnesses-not-checked",
                "本版本尚不核验第三方见证签名。",
                "This version does not check cosignatures of witnesses.",
            ),
            R::Stands { .. } => ("stands", "", ""),
            R::Corrected { .. } => ("corrected", "", ""),
            R::Withdrawn { .. } => ("withdrawn", "", ""),
            R::PlaceUnknown => (
                "place-unknown",
                "不知道记录在日志中的位置，无法得知此后是否被更正或撤回。",
                "Where it stands in the log is not known, and so neither whether it was corrected or withdrawn since.",
            ),
            _ => return None,
        })
    }
    fn of_terms(&self) -> Option<(&'static str, &'static str, &'static str)> {
        use Reason as R;
        Some(match self {
            R::Covered => {
                ("covered", "所引协议有效，且涵盖该记录。", "The agreement that it cites was open and covers it.")
            }
            R::NotCovered { .. } => ("not-covered", "", ""),
            R::AgreementUnknown => {
                ("agreement-unknown", "这里没有所引协议的文本。", "The agreement that it cites is not known here.")
            }
            R::NotSettled => (
                "not-settled",
                "本节点未持有经核验的该记录，无法判断协议是否涵盖。",
                "This node does not hold the record as verified; whether the agreement covers it is not settled.",
            ),
            R::OfficeMayState => {
                ("office-may-state", "协议授权该机关陈述此类事项。", "The agreement lets this office state this.")
            }
            R::OfficeMayNotState => (
                "office-may-not-state",
                "协议未授权该机关陈述此类事项。",
                "The agreement does not let this office state this.",
            ),
            R::SubjectFits => (
                "subject-fits",
                "所给证件与记录中的人员代号相符。",
                "The identifier that was given belongs to the record's subject.",
            ),
            R::SubjectDiffers => (
                "subject-differs",
                "所给证件与记录中的人员代号不符。",
                "The identifier that was given is not the record's subject's.",
            ),
            R::SubjectNotAsked => (
                "subject-not-asked",
                "未给出证件，未核对本人。",
                "No identifier was given, so that nobody was compared with the subject.",
            ),
            R::SubjectNotLinked => (
                "subject-not-linked",
                "没有该协议的关联密钥，无法核对本人。",
                "The agreement's secret is not here, so that no identifier can be compared.",
            ),
            _ => return None,
        })
    }
    /// The sentences that say figures.
    fn with_figures(&self) -> Option<(String, String)> {
        use Reason as R;
        Some(match self {
            R::ProofFails(error) => {
                (format!("签名不成立：{}。", proof_zh(*error)), format!("The proof is not valid: {error}."))
            }
            R::KeyValid { index } => (
                format!("签名密钥在日志第 {index} 条时有效。"),
                format!("The key was valid at entry {index} of the log."),
            ),
            R::KeyValidThroughout { size } => (
                format!("签名密钥在日志全部 {size} 条中始终有效。"),
                format!("The key was valid at all {size} entries of the log."),
            ),
            R::KeyNotValidAt { index } => (
                format!("签名密钥在日志第 {index} 条时无效。"),
                format!("The key was not valid at entry {index} of the log."),
            ),
            R::NotUnderstood { index } => (
                format!("日志第 {index} 条出自更新的版本，其后的记录本程序无法判断。"),
                format!("Entry {index} of the log is of a later version; this program cannot judge what follows."),
            ),
            R::SchemaViolated { count } => (
                format!("不符合规范（{count} 处）。"),
                format!("It is not valid by its schema ({}).", violations(*count)),
            ),
            R::RulesViolated { count } => (
                format!("内容规则有 {count} 处不符。"),
                format!("It breaks rules of content ({}).", violations(*count)),
            ),
            _ => return self.of_place(),
        })
    }
    fn of_place(&self) -> Option<(String, String)> {
        use Reason as R;
        Some(match self {
            R::InLog { index, size, t } => (
                format!("日志第 {index} 条承诺的正是这份记录（日志共 {size} 条，末条 {}）。", utc(*t)),
                format!(
                    "Entry {index} commits to exactly this record (log of {size} entries, the last of {}).",
                    utc(*t)
                ),
            ),
            R::OtherContent { index } => (
                format!("日志第 {index} 条是另一份内容。"),
                format!("Entry {index} of the log commits to other content."),
            ),
            R::NotInLog { size, t } => (
                format!("日志共 {size} 条（末条 {}），没有一条承诺这份记录。", utc(*t)),
                format!("None of the {size} entries of the log (the last of {}) commits to it.", utc(*t)),
            ),
            R::Stands { size, t } => (
                format!("截至日志第 {size} 条（{}）未被更正或撤回；此后的情形及后续变更不在此列。", utc(*t)),
                format!(
                    "Neither corrected nor withdrawn up to {size} entries ({}); later changes are not covered.",
                    utc(*t)
                ),
            ),
            R::Corrected { by } => (format!("已被日志第 {by} 条更正。"), format!("Entry {by} of the log corrects it.")),
            R::Withdrawn { by } => {
                (format!("已被日志第 {by} 条撤回。"), format!("Entry {by} of the log withdraws it."))
            }
            R::NotCovered { check } => (
                format!("所引协议不涵盖该记录（{}）。", check.code()),
                format!("The agreement that it cites does not cover it ({}).", check.code()),
            ),
            _ => return None,
        })
    }
}

fn violations(count: usize) -> String {
    format!("{count} violation{}", if count == 1 { "" } else { "s" })
}

fn proof_zh(error: ProofError) -> &'static str {
    match error {
        ProofError::Missing => "没有签名，或不是唯一的一个",
        ProofError::Members => "签名的成员缺失或有未知成员",
        ProofError::Suite => "签名方式不是 eddsa-jcs-2022",
        ProofError::Purpose => "签名用途不是 assertionMethod",
        ProofError::Contexts => "上下文与规定的不一致",
        ProofError::Controller => "签名密钥无法读取，或不属于签发方",
        ProofError::Value => "签名值格式有误",
        ProofError::Created => "签名时间格式有误",
        ProofError::Signature => "内容与签名不符",
    }
}
