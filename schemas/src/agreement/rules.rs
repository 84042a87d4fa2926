//! The rules of an agreement that its schema cannot state.
use super::{Agreement, Deadline, Population, lookup_time_zone};
use crate::enrollment_connection::Half;
use crate::id::Did;
use crate::record::{Kind, violation};
use crate::violation::Violation;
use jiff::ToSpan;
use std::collections::BTreeSet;

/// Longest duration, in years (records §6).
pub(super) const MAX_YEARS: i32 = 5;

/// Members of the body that a record of the whole roll may carry (records §6, `population`).
pub(super) const ROLL_MEMBERS: [&str; 6] = ["id", "stage", "status", "event", "effectiveOn", "until"];

/// All rules.
pub(super) fn check(agreement: &Agreement, multilateral: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    check_duration(agreement, &mut found);
    check_parties(agreement, multilateral, &mut found);
    check_calendars(agreement, &mut found);
    check_scope(agreement, &mut found);
    for (at, deadline) in agreement.terms.deadlines.iter().enumerate() {
        check_deadline(at, deadline, &mut found);
    }
    for (at, window) in agreement.terms.windows.iter().enumerate() {
        if window.to <= window.from {
            let pointer = format!("/terms/windows/{at}/to");
            let en = "the end must be later than the beginning";
            found.push(violation(&pointer, "agreement/window", "结束日期必须晚于开始日期", en));
        }
    }
    if lookup_time_zone(&agreement.terms.time_zone).is_none() {
        let en = "not a time zone of the IANA database";
        found.push(violation("/terms/timeZone", "agreement/time-zone", "不是 IANA 时区库中的时区", en));
    }
    found
}

fn check_duration(agreement: &Agreement, found: &mut Vec<Violation>) {
    // Beyond the last year of the calendar no end is too late.
    let latest = agreement.valid_from.saturating_add(MAX_YEARS.years());
    if agreement.valid_to < agreement.valid_from {
        found.push(violation(
            "/validTo",
            "agreement/ends-before-start",
            "终止日期早于生效日期",
            "ends before it begins",
        ));
    } else if agreement.valid_to > latest {
        found.push(violation("/validTo", "agreement/too-long", "协议期限超过五年", "longer than five years"));
    }
}

fn check_parties(agreement: &Agreement, multilateral: bool, found: &mut Vec<Violation>) {
    if !multilateral && agreement.parties.len() != 2 {
        found.push(violation("/parties", "agreement/bilateral", "双边协议须恰有两方", "bilateral means two parties"));
    }
    let (mut dids, mut origins) = (BTreeSet::new(), BTreeSet::new());
    for (at, party) in agreement.parties.iter().enumerate() {
        let mut refuse = |member, rule, zh, en| {
            found.push(violation(&format!("/parties/{at}/{member}"), rule, zh, en));
        };
        if !dids.insert(&party.did) {
            refuse("did", "agreement/party-twice", "同一节点身份出现两次", "two parties have one DID");
        }
        if !origins.insert(&party.origin) {
            refuse("origin", "agreement/party-twice", "同一日志来源出现两次", "two parties have one origin");
        }
        if Did::from_authority(party.origin.authority()).as_ref() != Ok(&party.did) {
            let en = "DID and origin name different hosts";
            refuse("origin", "agreement/origin-of-did", "节点身份与日志来源的主机不一致", en);
        }
    }
}

fn check_calendars(agreement: &Agreement, found: &mut Vec<Violation>) {
    let pointer = "/terms/calendars";
    for did in agreement.terms.calendars.keys() {
        if agreement.party_of(did).is_none() {
            let en = "a calendar of somebody who is not a party";
            found.push(violation(pointer, "agreement/calendar-of-no-party", "日历所属节点不是缔约方", en));
        }
    }
    if agreement.parties.iter().any(|party| !agreement.terms.calendars.contains_key(party.did.as_str())) {
        found.push(violation(pointer, "agreement/calendar-missing", "有缔约方缺少工作日历", "a party has no calendar"));
    }
}

fn check_scope(agreement: &Agreement, found: &mut Vec<Violation>) {
    let terms = &agreement.terms;
    let mut rows = BTreeSet::new();
    for (at, row) in terms.scope.iter().enumerate() {
        let pointer = format!("/terms/scope/{at}");
        if !rows.insert(&row.row) {
            found.push(violation(&pointer, "agreement/row-twice", "条目键重复", "two rows have one key"));
        }
        if row.from.iter().chain(&row.to).any(|did| agreement.party_of(did.as_str()).is_none()) {
            let en = "a direction from or to somebody who is not a party";
            found.push(violation(&pointer, "agreement/direction", "方向中含有非缔约方", en));
        }
    }
    let kinds: BTreeSet<_> = terms.scope.iter().map(|row| row.kind.code()).collect();
    let refused = [
        ("/terms/population", terms.population.keys().copied().collect::<BTreeSet<_>>()),
        ("/terms/fields", terms.fields.keys().copied().collect()),
        ("/terms/retention", terms.retention_days.keys().copied().collect()),
    ];
    for (pointer, of) in refused {
        if of != kinds {
            let en = "does not name exactly the kinds in scope";
            found.push(violation(pointer, "agreement/kinds-in-scope", "与共享范围中的记录类别不一致", en));
        }
    }
    check_roll(agreement, found);
}

/// The whole roll flows for student status only, and with few members.
fn check_roll(agreement: &Agreement, found: &mut Vec<Violation>) {
    let rolls = agreement.terms.population.iter().filter(|(_, population)| **population == Population::Roll);
    for (kind, _) in rolls {
        let fields = agreement.terms.fields.get(kind);
        let mut members = fields.into_iter().flat_map(|fields| fields.required.iter().chain(&fields.allowed));
        if *kind != Kind::StudentStatus.code() || members.any(|member| !ROLL_MEMBERS.contains(&member.as_str())) {
            let pointer = format!("/terms/fields/{kind}");
            let en = "the whole roll may not flow with these members";
            found.push(violation(&pointer, "agreement/roll-members", "全量共享不得包含这些成员", en));
        }
    }
}

fn check_deadline(at: usize, deadline: &Deadline, found: &mut Vec<Violation>) {
    let Deadline { kind, role, step, after_role, after_step, .. } = *deadline;
    let (to, from) = (Half::of(kind, role).position(step), Half::of(kind, after_role).position(after_step));
    // A clock that one half starts for itself runs forward.
    let backwards = role == after_role && to <= from;
    if to.is_none() || from.is_none() || backwards {
        let pointer = format!("/terms/deadlines/{at}");
        let en = "not a step that this half takes after the other one";
        found.push(violation(&pointer, "agreement/deadline-step", "时限所列环节不符合该类别的办理顺序", en));
    }
}
