//! Findings: one discrepancy each, with both sides' evidence.
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest, Origin, RecordId};
use hefu_schemas::text::Text;
use jiff::civil::Date;
use serde_json::{Value, json};

/// Domain of finding ids (bytes: Finding id).
const DOMAIN: &[u8] = b"hefu/finding/v1\0";

/// The rules that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "records §7 names the rules")]
pub enum Rule {
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    C1,
    C2,
    C3,
    C4,
    Q1,
    Q2,
    A1,
    A2,
    A3,
    A4,
    G1,
    G2,
    G3,
    G5,
    G7,
}
impl Rule {
    /// All that exist.
    pub const ALL: &'static [Self] = &[
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::Q1,
        Self::Q2,
        Self::A1,
        Self::A2,
        Self::A3,
        Self::A4,
        Self::G1,
        Self::G2,
        Self::G3,
        Self::G5,
        Self::G7,
    ];
    /// `S1`, ….
    pub fn code(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S4 => "S4",
            Self::S5 => "S5",
            Self::S6 => "S6",
            Self::C1 => "C1",
            Self::C2 => "C2",
            Self::C3 => "C3",
            Self::C4 => "C4",
            Self::Q1 => "Q1",
            Self::Q2 => "Q2",
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::A3 => "A3",
            Self::A4 => "A4",
            Self::G1 => "G1",
            Self::G2 => "G2",
            Self::G3 => "G3",
            Self::G5 => "G5",
            Self::G7 => "G7",
        }
    }
    /// From its code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.code() == code)
    }
    /// What it checks, for people.
    pub fn title(self) -> Text {
        match self {
            Self::S1 => Text::new("同一学生在两市同时有学籍", "One student registered in two cities at once"),
            Self::S2 => Text::new("同一市的学籍记录分叉", "One city tells two stories of one student"),
            Self::S3 => Text::new("学籍状态变动不合规则", "Change of status that the lifecycle does not allow"),
            Self::S4 => Text::new("转出未入学", "Left one city, enrolled in none: the child is nowhere"),
            Self::S5 => Text::new("休学期满未复学", "Suspended past the end of the suspension"),
            Self::S6 => Text::new("义务教育阶段退学、开除", "Out of compulsory education by quitting or expulsion"),
            Self::C1 => Text::new("衔接事项逾期未办", "Step of a connection past its deadline"),
            Self::C2 => Text::new("双方记载不一致", "The two halves of a connection disagree"),
            Self::C3 => Text::new("衔接已办结而学籍未随转", "Connection complete, and the status does not follow"),
            Self::C4 => Text::new("不得转出的状态或期间", "Transfer from a blocked status or outside its period"),
            Self::Q1 => Text::new(
                "认定所依据的来源不成立或未证实",
                "Recognition of a source that does not hold, or is unconfirmed",
            ),
            Self::Q2 => Text::new("学分换算不符", "Credits converted otherwise than the agreement says"),
            Self::A1 => Text::new("所依据的协议不适用", "The cited agreement does not cover the record"),
            Self::A2 => {
                Text::new("协议签署不全或所签文本不一致", "The agreement is not signed by all, or not as the same text")
            }
            Self::A3 => Text::new("超出协议约定的共享范围", "More is shared than the agreement allows"),
            Self::A4 => Text::new("出具机关不在协议授权之列", "Stated by an office that the agreement does not name"),
            Self::G1 => Text::new("所引用的内容未出现", "A reference leads nowhere"),
            Self::G2 => Text::new("日志缺失、回退或分叉", "A log with a gap, rolled back or split"),
            Self::G3 => Text::new(
                "签名密钥当时无效或已因泄露作废",
                "Signed by a key that was not valid, or is revoked as compromised",
            ),
            Self::G5 => Text::new("暂不能识别的代码、模式或条目", "A code, schema or entry that is not understood yet"),
            Self::G7 => Text::new("所依据的记录已不成立", "Relies on a record that no longer stands"),
        }
    }
}
/// How grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "records §7 names the severities")]
pub enum Severity {
    Notice,
    Warning,
    Error,
    Critical,
}
impl Severity {
    /// All, gravest first.
    pub const ALL: &'static [Self] = &[Self::Critical, Self::Error, Self::Warning, Self::Notice];
    /// `critical`, ….
    pub fn code(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
    /// From its code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|severity| severity.code() == code)
    }
}
/// One entry that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "records §7: origin, index, record id")]
pub struct Evidence {
    pub origin: Origin,
    pub index: u64,
    /// `None` for an entry that is no record, or whose record cannot be read.
    pub record: Option<RecordId>,
}
/// Who must act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The party's origin.
    pub party: Origin,
    /// Code of the office or school, when known.
    pub office: Option<String>,
}
impl Owner {
    /// `{party, office?}`.
    fn to_json(&self) -> Value {
        let mut value = json!({ "party": self.party.as_str() });
        if let (Some(object), Some(office)) = (value.as_object_mut(), &self.office) {
            object.insert("office".to_owned(), json!(office));
        }
        value
    }
    fn from_json(value: &Value) -> Option<Self> {
        let office = match value.get("office") {
            None => None,
            Some(office) => Some(office.as_str()?.to_owned()),
        };
        Some(Self { party: origin(value.get("party")?)?, office })
    }
}
/// One discrepancy.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// SHA-256 (bytes: Finding id).
    pub id: Digest,
    /// Its rule.
    pub rule: Rule,
    /// Its severity.
    pub severity: Severity,
    /// Step, member or component that it is about.
    pub about: String,
    /// Evidence, sorted.
    pub evidence: Vec<Evidence>,
    /// Members that differ (names only), sorted.
    pub members: Vec<String>,
    /// Who must act.
    pub owner: Owner,
    /// By when.
    pub due_on: Option<Date>,
    /// What is wrong in this case, for people, without personal data: built from codes and dates.
    pub text: Text,
}
/// The id of a finding: SHA-256(`hefu/finding/v1` 00 JCS({rule, agreement, about, entries: sorted [origin, index]})).
/// It names what the finding rests on and never the key, so that it is the same under every key of a subject.
pub fn finding_id(rule: Rule, agreement: AgreementId, about: &str, evidence: &[Evidence]) -> Digest {
    let mut entries: Vec<(&str, u64)> = evidence.iter().map(|e| (e.origin.as_str(), e.index)).collect();
    entries.sort_unstable();
    entries.dedup();
    let value = json!({
        "rule": rule.code(),
        "agreement": agreement.to_string(),
        "about": about,
        "entries": entries,
    });
    let mut bytes = DOMAIN.to_vec();
    bytes.extend(canonical_bytes(&value));
    Digest::of(&bytes)
}
/// The canonical bytes of a value of our own making.
pub(super) fn canonical_bytes(value: &Value) -> Vec<u8> {
    canonical::write(value).expect("holds no number but log indexes, sizes and counts, all below 2^53")
}
impl Finding {
    /// `[finding id, severity, members, owner, dueOn]`: what enters the result digest of its key. Owner is
    /// `{party, office?}`, dueOn a date or null.
    pub fn digest_part(&self) -> Value {
        json!([self.id.to_string(), self.severity.code(), self.members, self.owner.to_json(), due(self.due_on)])
    }
    /// The whole as JSON, for the store, HTTP and `--json`.
    pub fn to_json(&self) -> Value {
        let evidence: Vec<Value> = self.evidence.iter().map(evidence_to_json).collect();
        json!({
            "id": self.id.to_string(),
            "rule": self.rule.code(),
            "severity": self.severity.code(),
            "about": self.about,
            "evidence": evidence,
            "members": self.members,
            "owner": self.owner.to_json(),
            "dueOn": due(self.due_on),
            "text": { "zh": self.text.zh, "en": self.text.en },
        })
    }
    /// From [`Self::to_json`].
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let evidence = value.get("evidence")?.as_array()?.iter().map(evidence_from_json);
        let members = value.get("members")?.as_array()?.iter().map(|m| m.as_str().map(str::to_owned));
        let words = value.get("text")?;
        let due_on = match value.get("dueOn")? {
            Value::Null => None,
            day => Some(date(day.as_str()?)?),
        };
        Some(Self {
            id: Digest::parse(text("id")?).ok()?,
            rule: Rule::from_code(text("rule")?)?,
            severity: Severity::from_code(text("severity")?)?,
            about: text("about")?.to_owned(),
            evidence: evidence.collect::<Option<_>>()?,
            members: members.collect::<Option<_>>()?,
            owner: Owner::from_json(value.get("owner")?)?,
            due_on,
            text: Text::new(words.get("zh")?.as_str()?, words.get("en")?.as_str()?),
        })
    }
}
/// `{origin, index, record?}`.
fn evidence_to_json(evidence: &Evidence) -> Value {
    let mut value = json!({ "origin": evidence.origin.as_str(), "index": evidence.index });
    if let (Some(object), Some(record)) = (value.as_object_mut(), evidence.record) {
        object.insert("record".to_owned(), json!(record.to_string()));
    }
    value
}
fn evidence_from_json(value: &Value) -> Option<Evidence> {
    let record = match value.get("record") {
        None => None,
        Some(record) => Some(RecordId::parse(record.as_str()?).ok()?),
    };
    Some(Evidence { origin: origin(value.get("origin")?)?, index: value.get("index")?.as_u64()?, record })
}
fn origin(value: &Value) -> Option<Origin> {
    Origin::parse(value.as_str()?).ok()
}
fn due(day: Option<Date>) -> Value {
    day.map_or(Value::Null, |day| Value::String(day.to_string()))
}
/// A date in the one spelling `YYYY-MM-DD`; the general parser would take others and times besides.
pub(super) fn date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(origin: &str, index: u64) -> Evidence {
        Evidence {
            origin: Origin::parse(origin).unwrap(),
            index,
            record: RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").ok().filter(|_| index < 10),
        }
    }

    fn finding() -> Finding {
        let evidence = vec![evidence("a.example", 3), evidence("b.example", 1)];
        Finding {
            id: finding_id(Rule::C2, AgreementId::PUBLIC, "halves", &evidence),
            rule: Rule::C2,
            severity: Severity::Error,
            about: "halves".to_owned(),
            evidence,
            members: vec!["receiving.institution".to_owned()],
            owner: Owner { party: Origin::parse("b.example").unwrap(), office: Some("530102".to_owned()) },
            due_on: Some(jiff::civil::date(2026, 9, 1)),
            text: Text::new("不一致", "disagree"),
        }
    }

    #[test]
    fn codes_and_back() {
        assert!(Rule::ALL.iter().all(|rule| Rule::from_code(rule.code()) == Some(*rule)));
        assert!(Severity::ALL.iter().all(|severity| Severity::from_code(severity.code()) == Some(*severity)));
        assert_eq!(Rule::from_code("S9"), None);
        assert_eq!(Severity::from_code("fatal"), None);
    }

    #[test]
    fn the_id_is_the_hash_of_the_defined_bytes_whatever_the_order_of_the_evidence() {
        let one = [evidence("b.example", 10), evidence("a.example", 9), evidence("b.example", 9)];
        let two = [evidence("b.example", 9), evidence("b.example", 10), evidence("a.example", 9)];
        let bytes =
            b"hefu/finding/v1\0{\"about\":\"x\",\"agreement\":\"urn:uuid:00000000-0000-0000-0000-000000000000\",\
            \"entries\":[[\"a.example\",9],[\"b.example\",9],[\"b.example\",10]],\"rule\":\"S1\"}";
        assert_eq!(finding_id(Rule::S1, AgreementId::PUBLIC, "x", &one), Digest::of(bytes));
        assert_eq!(finding_id(Rule::S1, AgreementId::PUBLIC, "x", &two), Digest::of(bytes));
    }

    #[test]
    fn json_and_back() {
        for office in [Some("530102".to_owned()), None] {
            for due_on in [Some(jiff::civil::date(2026, 9, 1)), None] {
                let finding =
                    Finding { due_on, owner: Owner { office: office.clone(), ..finding().owner }, ..finding() };
                assert_eq!(Finding::from_json(&finding.to_json()), Some(finding));
            }
        }
    }

    #[test]
    fn json_of_something_else_is_refused() {
        let good = finding().to_json();
        for member in good.as_object().unwrap().keys() {
            let mut bad = good.clone();
            bad[member] = json!(7);
            assert_eq!(Finding::from_json(&bad), None, "{member}");
            bad.as_object_mut().unwrap().remove(member);
            assert_eq!(Finding::from_json(&bad), None, "{member}");
        }
        assert_eq!(date("20260901"), None);
        assert_eq!(date("2026-09-01T00:00:00"), None);
    }
}
