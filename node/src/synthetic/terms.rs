//! The agreement that the cities of the demonstration sign.
use super::calendar::{calendar, plus, validity};
use super::city::City;
use super::draft::place;
use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
use hefu_schemas::id::Digest;
use hefu_schemas::student_status::{Stage, Status};
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};

/// Working days for each step of a transfer.
pub(super) const LIMIT_DAYS: u32 = 10;
/// Calendar days past the limit in which a late step is no finding yet.
pub(super) const C1_GRACE_DAYS: i32 = 5;
/// Calendar days in which a student who left must be enrolled again.
const S4_GRACE_DAYS: i32 = 30;

/// Months between the terms of secondary vocational schools: the first one, and the one behind the last.
const VOCATIONAL_MONTHS: [(i8, i8); 2] = [(2, 3), (7, 9)];

/// Stages of which the population has students.
const SCHOOL_STAGES: [Stage; 4] = [Stage::Primary, Stage::Junior, Stage::Senior, Stage::SecondaryVocational];
const HIGHER_STAGES: [Stage; 4] = [Stage::HigherVocational, Stage::Bachelor, Stage::Master, Stage::Doctor];

/// Who must take a step within [`LIMIT_DAYS`] after which step of whom.
const LIMITS: [((Role, Step), (Role, Step)); 8] = [
    ((Role::Sending, Step::Notified), (Role::Receiving, Step::Requested)),
    ((Role::Receiving, Step::SchoolAccepted), (Role::Receiving, Step::Requested)),
    ((Role::Receiving, Step::BureauAccepted), (Role::Receiving, Step::SchoolAccepted)),
    ((Role::Sending, Step::SchoolReleased), (Role::Receiving, Step::BureauAccepted)),
    ((Role::Sending, Step::BureauReleased), (Role::Sending, Step::SchoolReleased)),
    ((Role::Receiving, Step::Joined), (Role::Sending, Step::BureauReleased)),
    ((Role::Sending, Step::FileSent), (Role::Receiving, Step::Joined)),
    ((Role::Receiving, Step::FileReceived), (Role::Sending, Step::FileSent)),
];

/// The proposal of a multilateral agreement between the cities, made on a day, without what `hefu agreement propose`
/// knows better: id, version, keys and checkpoints of the parties, digests of the schemas, linkage.
pub fn agreement_terms(cities: &[City], as_of: Date) -> Value {
    let (valid_from, valid_to) = validity(as_of);
    let names = |pick: fn(&City) -> &str, between: &str| cities.iter().map(pick).collect::<Vec<_>>().join(between);
    json!({
        "title": {
            "zh": format!("{}学籍与转学信息协同协议（演示）", names(|city| &city.name.zh, "、")),
            "en": format!("Agreement on student status and transfers between {} (demonstration)", names(|city| &city.name.en, ", ")),
        },
        "type": if cities.len() == 2 { "bilateral" } else { "multilateral" },
        "parties": cities.iter().map(party).collect::<Vec<_>>(),
        "terms": terms(cities, as_of),
        "validFrom": valid_from.to_string(),
        "validTo": valid_to.to_string(),
        "contacts": cities.iter().map(contact).collect::<Vec<_>>(),
    })
}

fn party(city: &City) -> Value {
    let codes = city.offices.iter().map(|office| office.code.as_str()).collect::<Vec<_>>();
    let may = |kind: &str, stages: &[Stage], offices: &[&str]| json!({"kind": kind, "stages": stage_codes(stages), "offices": offices});
    json!({
        "origin": city.origin.as_str(),
        "city": place(&city.code, &city.name),
        "name": city.office(0).map(|office| &office.name),
        "mayState": [
            may("student-status", &SCHOOL_STAGES, &codes),
            may("student-status", &HIGHER_STAGES, &[city.code.as_str()]),
            may("enrollment-connection", &SCHOOL_STAGES, &codes),
        ],
    })
}

fn contact(city: &City) -> Value {
    json!({
        "party": city.did.as_str(),
        "name": city.office(0).map(|office| &office.name),
        // RFC 2606: nobody's address.
        "email": format!("xueji@{}.example", city.code),
    })
}

fn terms(cities: &[City], as_of: Date) -> Value {
    let dids = cities.iter().map(|city| city.did.as_str()).collect::<Vec<_>>();
    let calendars = cities.iter().map(|city| (city.did.as_str().to_owned(), calendar_value(as_of)));
    let all = [SCHOOL_STAGES, HIGHER_STAGES].concat();
    let row = |row: &str, kind: &str, stages: &[Stage]| json!({"row": row, "kind": kind, "stages": stage_codes(stages), "direction": {"from": dids, "to": dids}});
    // A made-up text: the demonstration assesses nothing.
    let assessment = Digest::of("合符演示：影响评估".as_bytes());
    json!({
        "scope": [row("roll", "student-status", &all), row("transfer", "enrollment-connection", &SCHOOL_STAGES)],
        "population": {
            "student-status": {"covers": "roll", "impactAssessment": assessment.to_string()},
            "enrollment-connection": {"covers": "case"},
        },
        "fields": fields(),
        "purposes": ["student-status", "transfer"],
        "legalBasis": [
            {"title": {"zh": "中华人民共和国义务教育法", "en": "Compulsory Education Law of the People's Republic of China"}},
            {"title": {"zh": "中华人民共和国个人信息保护法", "en": "Personal Information Protection Law of the People's Republic of China"}, "article": "13, 34"},
        ],
        "deadlines": deadlines(),
        "calendars": calendars.collect::<Map<_, _>>(),
        "exclusiveStages": stage_codes(&[Stage::Primary, Stage::Junior, Stage::Senior]),
        "overlapDays": 15,
        "blockedFrom": [Status::Suspended.code(), Status::DroppedOut.code()],
        "windows": windows(as_of),
        "compulsoryStages": stage_codes(&[Stage::Primary, Stage::Junior]),
        "graceDays": {"S4": S4_GRACE_DAYS, "C1": C1_GRACE_DAYS, "G1": 7, "G6": 7},
        "staleHours": 24,
        "eraseDailyShare": {"num": 1, "den": 1000},
        "restrictedDays": 30,
        "existingCases": "finish",
        "suite": "ed25519-sha256",
        "retention": {"student-status": 3650, "enrollment-connection": 1825},
        "timeZone": "Asia/Shanghai",
    })
}

/// Schools are open to transfers all the time, secondary vocational schools between two terms only.
fn windows(as_of: Date) -> Value {
    let (first, last) = validity(as_of);
    let window = |stages: &[Stage], from: Date, to: Date| json!({"stages": stage_codes(stages), "from": from.to_string(), "to": to.to_string()});
    let always = window(&[Stage::Primary, Stage::Junior, Stage::Senior], first, plus(last, 1));
    let vocational = (first.year()..=last.year()).flat_map(|year| {
        VOCATIONAL_MONTHS
            .map(|(from, to)| window(&[Stage::SecondaryVocational], date(year, from, 1), date(year, to, 1)))
    });
    std::iter::once(always).chain(vocational).collect()
}

/// Whether a student of a secondary vocational school may be released on a day.
pub(super) fn is_vocational_window(day: Date) -> bool {
    VOCATIONAL_MONTHS.iter().any(|(from, to)| (*from..*to).contains(&day.month()))
}

/// The members that flow: for the roll what records §6 lists (the connection of a transfer to a party is the schema's
/// own demand, §3), for connections what a transfer needs.
fn fields() -> Value {
    let status = ["id", "stage", "status", "event", "effectiveOn"];
    let half = ["connection", "connectionKind", "role", "id", "sending", "receiving", "requestedOn", "step", "stepOn"];
    let with = |required: &[&str], more: &[&str]| {
        let allowed = [required, more].concat();
        json!({"required": required, "allowed": allowed})
    };
    json!({
        "student-status": with(&status, &["until"]),
        "enrollment-connection": with(&half, &["plannedPeriod", "waitingFor", "reason"]),
    })
}

fn deadlines() -> Value {
    let limit = |((role, step), (after, done)): &((Role, Step), (Role, Step))| {
        json!({
            "kind": ConnectionKind::Transfer.code(),
            "role": role.code(),
            "step": step.code(),
            "after": {"role": after.code(), "step": done.code()},
            "workingDays": LIMIT_DAYS,
        })
    };
    LIMITS.iter().map(limit).collect()
}

fn calendar_value(as_of: Date) -> Value {
    let calendar = calendar(as_of);
    let texts = |days: &std::collections::BTreeSet<Date>| days.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "weeklyRest": calendar.weekly_rest,
        "holidays": texts(&calendar.holidays),
        "makeUpDays": texts(&calendar.make_up),
    })
}

fn stage_codes(stages: &[Stage]) -> Vec<&'static str> {
    stages.iter().map(|stage| stage.code()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::transfer::STEPS;
    use super::*;

    #[test]
    fn every_step_but_the_first_has_a_limit_after_an_earlier_one() {
        let place = |(role, step): (Role, Step)| STEPS.iter().position(|(r, s, _)| (*r, *s) == (role, step)).unwrap();
        let mut limited = LIMITS.iter().map(|(step, _)| place(*step)).collect::<Vec<_>>();
        limited.sort_unstable();
        assert_eq!(limited, (1..STEPS.len()).collect::<Vec<_>>());
        for (step, after) in LIMITS {
            assert!(place(after) < place(step), "{step:?}");
        }
    }
}
