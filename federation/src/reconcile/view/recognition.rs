//! The members of a qualification recognition that rules read.
use super::{as_date, as_text, day, institution, optional, text, texts};
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition::{
    AppealResult, ComponentResult, ConditionType, Outcome, Purpose, RevocationEffect, Role, SourceType, Step,
};
use hefu_schemas::scan::Item;
use jiff::civil::Date;

/// An award, or what was decided about one.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Recognition {
    pub role: Role,
    /// Absent for the recognition of a programme in general.
    pub subject: Option<String>,
    pub same_as: Vec<String>,
    pub source: Source,
    pub step: Step,
    pub step_on: Date,
    /// `scheme:code`.
    pub authority: String,
    pub components: Vec<Component>,
    /// `target.level`.
    pub target_level: Option<String>,
    /// `target.programme`: key of a programme of the agreement.
    pub target_programme: Option<String>,
    pub purpose: Option<Purpose>,
    pub outcome: Option<Outcome>,
    pub conditions: Vec<Condition>,
    /// Codes.
    pub reasons: Vec<String>,
    pub mapping: Vec<Mapping>,
    /// Row of the recognition table.
    pub row: Option<String>,
    pub appeal_until: Option<Date>,
    pub appeal: Option<Appeal>,
    pub revocation: Option<Revocation>,
}

/// The qualification in question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Source {
    /// `source.type`.
    pub kind: SourceType,
    /// `scheme:code`.
    pub awarding_body: Option<String>,
    /// Its code.
    pub city: String,
    pub awarded_on: Option<Date>,
    pub isced: Option<i64>,
    pub eqf: Option<i64>,
    /// Framework and level.
    pub nqf: Option<(String, String)>,
    pub field: Option<String>,
    /// Hex, in lower case.
    pub document_digest: Option<String>,
    /// The record by which it was awarded: DID of the issuer, id.
    pub record: Option<(String, RecordId)>,
}

/// An amount in hundredths of a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Credits {
    pub scheme: String,
    pub hundredths: i64,
}

/// A part of the qualification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Component {
    pub key: String,
    pub credits: Option<Credits>,
    pub result: ComponentResult,
}

/// One row of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Mapping {
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub outcome: Outcome,
    pub converted: Option<Converted>,
}

/// Credits that were converted, and the row of the credit table by which.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Converted {
    pub credits: Credits,
    pub row: String,
}

/// A condition of a conditional recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Condition {
    /// `type`.
    pub kind: ConditionType,
    pub due_on: Date,
    pub met_on: Option<Date>,
}

/// An appeal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Appeal {
    pub filed_on: Date,
    pub due_on: Date,
    pub result: Option<AppealResult>,
}

/// A revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the schema")]
pub struct Revocation {
    pub from: Date,
    pub effect: RevocationEffect,
}

/// Reads a body that passed the checks; `None` if a needed member is missing.
pub(super) fn recognition(item: Item<'_>) -> Option<Recognition> {
    let target = |name| optional_at(item, "target", name, as_text);
    Some(Recognition {
        role: Role::from_code(&text(item, "role")?)?,
        subject: optional(item, "id", as_text)?,
        same_as: texts(item, "sameAs")?,
        source: source(item.member("source")?)?,
        step: Step::from_code(&text(item, "step")?)?,
        step_on: day(item, "stepOn")?,
        authority: institution(item.member("authority")?)?,
        components: list(item, "components", component)?,
        target_level: target("level")?,
        target_programme: target("programme")?,
        purpose: optional(item, "purpose", |code| Purpose::from_code(&code.as_str()?))?,
        outcome: optional(item, "outcome", |code| Outcome::from_code(&code.as_str()?))?,
        conditions: list(item, "conditions", condition)?,
        reasons: texts(item, "reasons")?,
        mapping: list(item, "mapping", mapping)?,
        row: optional(item, "row", as_text)?,
        appeal_until: optional(item, "appealUntil", as_date)?,
        appeal: optional(item, "appeal", appeal)?,
        revocation: optional(item, "revocation", revocation)?,
    })
}

fn source(item: Item<'_>) -> Option<Source> {
    let level = |name| optional_at(item, "levels", name, |level| level.as_integer());
    Some(Source {
        kind: SourceType::from_code(&text(item, "type")?)?,
        awarding_body: optional(item, "awardingBody", institution)?,
        city: text(item.member("city")?, "code")?,
        awarded_on: optional(item, "awardedOn", as_date)?,
        isced: level("isced")?,
        eqf: level("eqf")?,
        nqf: optional_at(item, "levels", "nqf", |nqf| Some((text(nqf, "framework")?, text(nqf, "level")?)))?,
        field: optional(item, "field", as_text)?,
        document_digest: optional(item, "documentDigest", as_text)?,
        record: optional(item, "record", |record| {
            Some((text(record, "issuer")?, RecordId::parse(&text(record, "id")?).ok()?))
        })?,
    })
}

fn component(item: Item<'_>) -> Option<Component> {
    Some(Component {
        key: text(item, "key")?,
        credits: optional(item, "credits", credits)?,
        result: ComponentResult::from_code(&text(item, "result")?)?,
    })
}

fn credits(item: Item<'_>) -> Option<Credits> {
    Some(Credits { scheme: text(item, "scheme")?, hundredths: item.member("hundredths")?.as_integer()? })
}

fn mapping(item: Item<'_>) -> Option<Mapping> {
    let converted = |item| Some(Converted { credits: credits(item)?, row: text(item, "row")? });
    Some(Mapping {
        from: texts(item, "from")?,
        to: texts(item, "to")?,
        outcome: Outcome::from_code(&text(item, "outcome")?)?,
        converted: optional(item, "converted", converted)?,
    })
}

fn condition(item: Item<'_>) -> Option<Condition> {
    Some(Condition {
        kind: ConditionType::from_code(&text(item, "type")?)?,
        due_on: day(item, "dueOn")?,
        met_on: optional(item, "metOn", as_date)?,
    })
}

fn appeal(item: Item<'_>) -> Option<Appeal> {
    Some(Appeal {
        filed_on: day(item, "filedOn")?,
        due_on: day(item, "dueOn")?,
        result: optional(item, "result", |code| AppealResult::from_code(&code.as_str()?))?,
    })
}

fn revocation(item: Item<'_>) -> Option<Revocation> {
    Some(Revocation { from: day(item, "from")?, effect: RevocationEffect::from_code(&text(item, "effect")?)? })
}

fn list<'a, T>(item: Item<'a>, name: &str, read: impl Fn(Item<'a>) -> Option<T>) -> Option<Vec<T>> {
    item.member(name).map_or(Some(Vec::new()), |list| list.items().map(read).collect())
}

/// A member of a part; `Some(None)` where either is absent.
fn optional_at<'a, T>(
    item: Item<'a>,
    part: &str,
    name: &str,
    read: impl FnOnce(Item<'a>) -> Option<T>,
) -> Option<Option<T>> {
    item.member(part).map_or(Some(None), |part| optional(part, name, read))
}
