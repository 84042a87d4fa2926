//! The rules that need one record alone and that its schema cannot state: dates against each other, keys that must name
//! something.
use super::{AppealResult, ComponentResult, Outcome, RevocationEffect, Step};
use crate::record::{Checker, View};
use crate::scan::Item;
use crate::violation::Violation;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Checks a body that the schema accepts. (Which members a role, a step and an outcome need is stated by the schema;
/// amounts of credits are compared with the agreement's rows by rule Q2.)
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut body = Checker::new(view.subject, "/credentialSubject");
    body.date_of_record("/stepOn", view, "recognition/step-date");
    body.same_as();
    body.uscc("/source/awardingBody");
    body.uscc("/authority");
    if body.text("/source/record/id").as_deref() == Some(view.id.to_string().as_str()) {
        let en = "the record refers to itself";
        body.refuse("/source/record/id", "record/refers-to-itself", "记录引用了自身", en);
    }
    let before = body.found_so_far();
    check_calendar(&mut body, view.subject);
    if body.found_so_far() == before {
        check_dates(&mut body, view.subject);
    }
    check_components(&mut body, view.subject);
    body.found()
}

/// Every date must be in the calendar before dates are compared.
fn check_calendar(body: &mut Checker<'_>, subject: Item<'_>) {
    for pointer in ["/source/awardedOn", "/appealUntil", "/appeal/filedOn", "/appeal/dueOn", "/revocation/from"] {
        body.date(pointer);
    }
    for at in 0..count(subject, "conditions") {
        body.date(&format!("/conditions/{at}/dueOn"));
        body.date(&format!("/conditions/{at}/metOn"));
    }
}

/// Dates of one form compare as their texts do.
fn check_dates(body: &mut Checker<'_>, subject: Item<'_>) {
    let Some(step_on) = body.text("/stepOn") else { return };
    if later(body.text("/source/awardedOn"), &step_on) {
        body.refuse(
            "/source/awardedOn",
            "recognition/awarded-after-step",
            "授予日期晚于环节日期",
            "the award is later than the step",
        );
    }
    for at in 0..count(subject, "conditions") {
        let pointer = format!("/conditions/{at}/metOn");
        let due = body.text(&format!("/conditions/{at}/dueOn"));
        if due.is_some_and(|due| later(body.text(&pointer), &due)) {
            let en = "the condition was met later than it was due";
            body.refuse(&pointer, "recognition/condition-met-late", "条件满足日期晚于期限", en);
        }
        if later(body.text(&pointer), &step_on) {
            let en = "the condition is met later than the step";
            body.refuse(&pointer, "recognition/condition-met-after-step", "条件满足日期晚于环节日期", en);
        }
    }
    check_appeal(body, &step_on);
    let from = body.text("/revocation/from");
    let effect = body.text("/revocation/effect").and_then(|code| RevocationEffect::from_code(&code));
    let contradicts = match (from, effect) {
        (Some(from), Some(RevocationEffect::ExTunc)) => from > step_on,
        (Some(from), Some(RevocationEffect::ExNunc)) => from < step_on,
        _ => false,
    };
    if contradicts {
        body.refuse(
            "/revocation/from",
            "recognition/revocation-date",
            "撤销起始日期与撤销效力不符",
            "the date from which it is revoked contradicts the effect",
        );
    }
}

fn check_appeal(body: &mut Checker<'_>, step_on: &str) {
    let (until, filed) = (body.text("/appealUntil"), body.text("/appeal/filedOn"));
    let Some(until) = until else { return };
    let Some(filed) = filed else {
        // A decision that is stated again after an appeal repeats the old limit.
        let outcome = body.text("/outcome").and_then(|code| Outcome::from_code(&code));
        let decides = body.text("/step").as_deref() == Some(Step::Decided.code());
        if decides && matches!(outcome, Some(Outcome::Refused | Outcome::Partial)) && *until <= *step_on {
            body.refuse(
                "/appealUntil",
                "recognition/appeal-until",
                "复核期限未晚于结论日期",
                "the time for an appeal ends before it begins",
            );
        }
        return;
    };
    if body.text("/appeal/dueOn").is_some_and(|due| due < filed) {
        let en = "the decision on the appeal is due before it was filed";
        body.refuse("/appeal/dueOn", "recognition/appeal-due", "复核期限早于提出日期", en);
    }
    if *filed > *step_on {
        let en = "the appeal is later than the step";
        body.refuse("/appeal/filedOn", "recognition/appeal-after-step", "复核提出日期晚于环节日期", en);
    }
    let result = body.text("/appeal/result").and_then(|code| AppealResult::from_code(&code));
    if result.is_some_and(|result| (result == AppealResult::OutOfTime) != (filed > until)) {
        body.refuse(
            "/appeal/result",
            "recognition/appeal-in-time",
            "复核结果与复核期限不符",
            "the result contradicts the time for an appeal",
        );
    }
}

/// A component that credits are converted from.
struct Component {
    passed: bool,
    has_credits: bool,
}

fn check_components(body: &mut Checker<'_>, subject: Item<'_>) {
    let mut own = BTreeMap::new();
    for (at, item) in items(subject.member("components")) {
        let passed = item.member("result").is_some_and(|result| result.is_string(ComponentResult::Passed.code()));
        let component = Component { passed, has_credits: item.member("credits").is_some() };
        if key(item).is_some_and(|key| own.insert(key, component).is_some()) {
            refuse_twice(body, &format!("/components/{at}/key"));
        }
    }
    let mut target = BTreeSet::new();
    for (at, item) in items(subject.pointer("/target/components")) {
        if key(item).is_some_and(|key| !target.insert(key)) {
            refuse_twice(body, &format!("/target/components/{at}/key"));
        }
    }
    let mut mapped = BTreeSet::new();
    for (at, row) in items(subject.member("mapping")) {
        let converts = row.member("converted").is_some();
        for key in keys(row, "from") {
            let pointer = format!("/mapping/{at}/from");
            match own.get(&key) {
                None => refuse_unknown(body, &pointer),
                Some(component) if converts => check_converted(body, &pointer, component),
                Some(_) => {}
            }
            if !mapped.insert(key) {
                let en = "a component stands in two rows of the mapping";
                body.refuse(&pointer, "recognition/mapped-twice", "同一组成部分出现在两条对应关系中", en);
            }
        }
        if keys(row, "to").any(|key| !target.contains(&key)) {
            refuse_unknown(body, &format!("/mapping/{at}/to"));
        }
    }
}

/// Only what was passed converts, and only what has credits (records §5).
fn check_converted(body: &mut Checker<'_>, pointer: &str, component: &Component) {
    if !component.passed {
        let en = "a component that was not passed is converted";
        body.refuse(pointer, "recognition/not-passed", "未合格的组成部分不得换算学分", en);
    }
    if !component.has_credits {
        let en = "a component without credits is converted";
        body.refuse(pointer, "recognition/no-credits", "没有学分的组成部分不得换算学分", en);
    }
}

fn refuse_twice(body: &mut Checker<'_>, pointer: &str) {
    let en = "two components have one key";
    body.refuse(pointer, "recognition/component-key-twice", "组成部分的键重复", en);
}

fn refuse_unknown(body: &mut Checker<'_>, pointer: &str) {
    let en = "the mapping names a component that is not in this record";
    body.refuse(pointer, "recognition/unknown-component", "对应关系中的组成部分不在本记录中", en);
}

fn later(date: Option<Cow<'_, str>>, than: &str) -> bool {
    date.is_some_and(|date| *date > *than)
}

fn items(list: Option<Item<'_>>) -> impl Iterator<Item = (usize, Item<'_>)> {
    list.into_iter().flat_map(|list| list.items()).enumerate()
}

fn count(part: Item<'_>, list: &str) -> usize {
    items(part.member(list)).count()
}

fn key(item: Item<'_>) -> Option<String> {
    text(item.member("key")?)
}

fn keys<'a>(row: Item<'a>, list: &str) -> impl Iterator<Item = String> + use<'a> {
    items(row.member(list)).filter_map(|(_, item)| text(item))
}

fn text(item: Item<'_>) -> Option<String> {
    item.as_str().map(Cow::into_owned)
}
