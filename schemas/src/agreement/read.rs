//! From the members of the document to the types of the view. What the schema's patterns let through and the types do
//! not (a date that no calendar has, a host with two dots) is a violation with its pointer.
use super::document::{self, Document};
use super::scope::required_by_schema;
use super::{Agreement, Calendar, MayState, Party};
use super::{Deadline, ExistingCases, Fields, Population, ScopeRow, Share, Terms, Window};
use crate::credit::{CreditRow, Factor, Rounding};
use crate::enrollment_connection::{ConnectionKind, Role, Step};
use crate::id::{AgreementId, Did, Digest, InvalidId, Origin};
use crate::record::{Kind, violation};
use crate::violation::Violation;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// A value, or the first one that could not be made.
type Read<T> = Result<T, Violation>;

/// Reads the view; the flag says whether the document calls itself multilateral.
pub(super) fn read(bytes: &[u8], document: Document) -> Result<(Agreement, bool), Vec<Violation>> {
    let multilateral = document.r#type == "multilateral";
    let agreement = read_agreement(bytes, document).map_err(|violation| vec![violation])?;
    Ok((agreement, multilateral))
}

fn read_agreement(bytes: &[u8], document: Document) -> Read<Agreement> {
    let parties = document.parties.into_iter().enumerate().map(|(at, party)| read_party(at, party));
    Ok(Agreement {
        bytes: bytes.to_vec(),
        digest: Digest::of(bytes),
        id: id("/id", AgreementId::parse(&document.id))?,
        version: document.version,
        supersedes: document.supersedes.map(|text| id("/supersedes", Digest::parse(&text))).transpose()?,
        title: document.title,
        parties: parties.collect::<Read<_>>()?,
        terms: read_terms(document.terms)?,
        valid_from: date("/validFrom", &document.valid_from)?,
        valid_to: date("/validTo", &document.valid_to)?,
    })
}

fn read_party(at: usize, party: document::Party) -> Read<Party> {
    let pointer = |member| format!("/parties/{at}/{member}");
    let place = party.city.or(party.province).ok_or_else(|| malformed(&pointer("city")))?;
    Ok(Party {
        did: id(&pointer("did"), Did::parse(&party.did))?,
        origin: id(&pointer("origin"), Origin::parse(&party.origin))?,
        fingerprint: id(&pointer("fingerprint"), Digest::parse(&party.fingerprint))?,
        jurisdiction: jurisdiction(&place.scheme, &place.code).to_owned(),
        city_code: place.code,
        name: party.name,
        may_state: party.may_state.into_iter().filter_map(read_may_state).collect(),
    })
}

/// `None` for a kind of record that this program does not know: it cannot be published or judged here either.
fn read_may_state(row: document::MayState) -> Option<MayState> {
    Some(MayState {
        kind: Kind::from_code(&row.kind)?,
        stages: row.stages.into_iter().collect(),
        offices: row.offices.into_iter().collect(),
    })
}

/// The law under which a city's records are: Hong Kong, Macao and Taiwan are jurisdictions of their own.
fn jurisdiction<'a>(scheme: &str, code: &'a str) -> &'a str {
    let region = if scheme == "gb-t-2260" { code.get(..2) } else { code.strip_prefix("CN-") };
    match region {
        Some("71" | "TW") => "TW",
        Some("81" | "HK") => "HK",
        Some("82" | "MO") => "MO",
        Some(_) => "CN",
        None => code.get(..2).unwrap_or(code),
    }
}

fn read_terms(terms: document::Terms) -> Read<Terms> {
    let calendars = terms.calendars.into_iter().map(|(did, calendar)| Ok((did, read_calendar(calendar)?)));
    let deadlines = terms.deadlines.into_iter().enumerate().map(|(at, row)| {
        let pointer = format!("/terms/deadlines/{at}");
        read_deadline(&row).ok_or_else(|| malformed(&pointer))
    });
    let scope = terms.scope.into_iter().enumerate().filter_map(|(at, row)| read_scope_row(at, row).transpose());
    let schemas = terms.schemas.into_iter().map(|(url, text)| Ok((url, id("/terms/schemas", Digest::parse(&text))?)));
    let credit_table = terms.credit_table.into_iter().enumerate().map(read_credit_row);
    Ok(Terms {
        scope: scope.collect::<Read<_>>()?,
        population: by_kind(terms.population, |_, row| match row.covers.as_str() {
            "roll" => Population::Roll,
            _ => Population::Case,
        }),
        fields: by_kind(terms.fields, |kind, row| {
            let of_schema = required_by_schema(kind).iter().copied().map(str::to_owned);
            Fields {
                possible: row.required.iter().chain(&row.allowed).cloned().chain(of_schema).collect(),
                required: row.required.into_iter().collect(),
                allowed: row.allowed.into_iter().collect(),
            }
        }),
        schemas: schemas.collect::<Read<_>>()?,
        has_cross_border_basis: terms.cross_border_basis.is_some_and(|basis| !basis.is_empty()),
        deadlines: deadlines.collect::<Read<_>>()?,
        calendars: calendars.collect::<Read<_>>()?,
        exclusive_stages: terms.exclusive_stages.into_iter().collect(),
        overlap_days: terms.overlap_days,
        blocked_from: terms.blocked_from.into_iter().collect(),
        windows: terms.windows.into_iter().enumerate().map(read_window).collect::<Read<_>>()?,
        credit_table: credit_table.collect::<Read<_>>()?,
        compulsory_stages: terms.compulsory_stages.into_iter().collect(),
        grace_days: terms.grace_days,
        stale_hours: terms.stale_hours,
        erase_daily_share: Share { num: terms.erase_daily_share.num, den: terms.erase_daily_share.den },
        restricted_days: terms.restricted_days,
        existing_cases: match terms.existing_cases.as_str() {
            "freeze" => ExistingCases::Freeze,
            _ => ExistingCases::Finish,
        },
        retention_days: by_kind(terms.retention, |_, days| days),
        time_zone: terms.time_zone,
        linkage_epoch: terms.linkage.epoch,
        linkage_commitment: id("/terms/linkage/commitment", Digest::parse(&terms.linkage.commitment))?,
    })
}

/// The rows of the kinds that this program knows.
fn by_kind<T, U>(rows: BTreeMap<String, T>, view: impl Fn(Kind, T) -> U) -> BTreeMap<&'static str, U> {
    let known = rows.into_iter().filter_map(|(kind, row)| Some((Kind::from_code(&kind)?, row)));
    known.map(|(kind, row)| (kind.code(), view(kind, row))).collect()
}

/// `Ok(None)` for a kind of record that this program does not know.
fn read_scope_row(at: usize, row: document::ScopeRow) -> Read<Option<ScopeRow>> {
    let Some(kind) = Kind::from_code(&row.kind) else { return Ok(None) };
    let dids = |member: &str, dids: Vec<String>| {
        let pointer = format!("/terms/scope/{at}/direction/{member}");
        dids.iter().map(|text| id(&pointer, Did::parse(text))).collect::<Read<BTreeSet<Did>>>()
    };
    Ok(Some(ScopeRow {
        row: row.row,
        kind,
        stages: row.stages.into_iter().collect(),
        institutions: row.institutions.map(|all| all.into_iter().map(|one| (one.scheme, one.code)).collect()),
        from: dids("from", row.direction.from)?,
        to: dids("to", row.direction.to)?,
    }))
}

fn read_deadline(row: &document::Deadline) -> Option<Deadline> {
    Some(Deadline {
        kind: ConnectionKind::from_code(&row.kind)?,
        role: Role::from_code(&row.role)?,
        step: Step::from_code(&row.step)?,
        after_role: Role::from_code(&row.after.role)?,
        after_step: Step::from_code(&row.after.step)?,
        working_days: row.working_days,
    })
}

fn read_calendar(calendar: document::Calendar) -> Read<Calendar> {
    Ok(Calendar {
        weekly_rest: calendar.weekly_rest.into_iter().collect(),
        holidays: read_days(&calendar.holidays)?,
        make_up: read_days(&calendar.make_up_days)?,
    })
}

fn read_days(texts: &[String]) -> Read<BTreeSet<Date>> {
    texts.iter().map(|text| date("/terms/calendars", text)).collect()
}

fn read_window((at, window): (usize, document::Window)) -> Read<Window> {
    let pointer = |member| format!("/terms/windows/{at}/{member}");
    Ok(Window {
        from: date(&pointer("from"), &window.from)?,
        to: date(&pointer("to"), &window.to)?,
        stages: window.stages.into_iter().collect(),
    })
}

fn read_credit_row((at, row): (usize, document::CreditRow)) -> Read<CreditRow> {
    let rounding = Rounding::from_code(&row.rounding);
    Ok(CreditRow {
        rounding: rounding.ok_or_else(|| malformed(&format!("/terms/creditTable/{at}/rounding")))?,
        row: row.row,
        from: row.from,
        to: row.to,
        factor: Factor { num: row.num, den: row.den },
        cap_per_year: row.cap_per_year,
        valid_years: row.valid_years,
    })
}

fn id<T>(pointer: &str, parsed: Result<T, InvalidId>) -> Read<T> {
    parsed.map_err(|_| malformed(pointer))
}

fn malformed(pointer: &str) -> Violation {
    violation(pointer, "agreement/malformed", "取值形式不正确", "not a value of this form")
}

fn date(pointer: &str, text: &str) -> Read<Date> {
    text.parse().map_err(|_| violation(pointer, "record/no-such-date", "日期不存在", "no such date in the calendar"))
}
