//! Records for people: codes by their names in the language of the command.

use super::super::{Globals, output};
use hefu_schemas::code;
use hefu_schemas::text::{Lang, Text};
use serde_json::Value;

/// Code lists of the members that hold codes.
const LISTS: [(&str, &[&str]); 20] = [
    ("status", &["status"]),
    ("event", &["event"]),
    ("stage", &["stage"]),
    ("numberKind", &["number-kind"]),
    ("residence", &["residence"]),
    ("connectionKind", &["connection-kind"]),
    ("role", &["role", "recognition-role"]),
    ("step", &["step", "recognition-step"]),
    ("reason", &["status-reason", "connection-reason", "withdrawal-reason", "recognition-reason"]),
    ("withdrawalReason", &["withdrawal-reason"]),
    ("waitingFor", &["waiting-for"]),
    ("eligibility", &["eligibility"]),
    ("formerRegistration", &["former-registration"]),
    ("correction", &["correction"]),
    ("outcome", &["outcome"]),
    ("purpose", &["recognition-purpose"]),
    ("kind", &["kind"]),
    ("type", &["source-type", "condition"]),
    ("result", &["component-result", "appeal-result"]),
    ("effect", &["revocation-effect"]),
];

/// Chinese names of members; in English the name of the schema is shown.
const LABELS: [(&str, &str); 34] = [
    ("id", "对象引用"),
    ("sameAs", "同一人引用"),
    ("numberKind", "学籍号类别"),
    ("institution", "学校"),
    ("attendsAt", "就读学校"),
    ("city", "城市"),
    ("office", "主管部门"),
    ("stage", "学段"),
    ("isced", "ISCED 等级"),
    ("entryYear", "入学年月"),
    ("schoolSystem", "学制"),
    ("status", "学籍状态"),
    ("event", "学籍异动"),
    ("reason", "原因"),
    ("effectiveOn", "生效日期"),
    ("until", "截止日期"),
    ("residence", "户籍类别"),
    ("fullTime", "全日制"),
    ("field", "学科"),
    ("connection", "衔接事项"),
    ("connectionKind", "衔接类别"),
    ("role", "本方角色"),
    ("sending", "送出方"),
    ("receiving", "接收方"),
    ("requestedOn", "申请日期"),
    ("step", "步骤"),
    ("stepOn", "步骤日期"),
    ("grade", "年级"),
    ("programme", "项目"),
    ("record", "所撤回的记录"),
    ("from", "起始日期"),
    ("to", "结束日期"),
    ("outcome", "认定结果"),
    ("identityCheck", "身份核验值"),
];

/// States of a payload that is not held.
const STATES: [(&str, &str, &str); 8] = [
    ("wanted", "待拉取", "not fetched yet"),
    ("pending", "协议待启用", "pending: the agreement is not open yet"),
    ("refused", "对方拒绝共享", "refused by the peer"),
    ("withheld", "对方未提供", "withheld by the peer"),
    ("erased", "已删除", "erased"),
    ("restricted", "限制处理", "restricted"),
    ("invalid", "无效", "invalid"),
    ("quarantined", "已隔离", "quarantined"),
];

fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The day of a time.
fn day(text: &str) -> String {
    text.get(..10).unwrap_or(text).to_owned()
}

/// The reasons of a withdrawal have a list of their own.
fn listed<'a>(record: &Value, name: &'a str) -> &'a str {
    if name == "reason" && member(record, "kind") == "withdrawal" { "withdrawalReason" } else { name }
}

/// The name of a code with the code itself, where they differ.
fn coded(globals: &Globals, name: &str, code: &str) -> Option<String> {
    let (_, lists) = LISTS.iter().find(|(member, _)| *member == name)?;
    let text: Text = lists.iter().find_map(|list| code::name(list, code))?;
    let named = output::of(globals, &text);
    Some(if named == code { named } else { format!("{named} ({code})") })
}

/// Only the name of a code.
fn named(globals: &Globals, name: &str, code: &str) -> String {
    let lists = LISTS.iter().find(|(member, _)| *member == name).map_or(&[][..], |(_, lists)| lists);
    let text = lists.iter().find_map(|list| code::name(list, code));
    text.map_or_else(|| code.to_owned(), |text| output::of(globals, &text))
}

fn label(globals: &Globals, path: &str) -> String {
    if globals.lang() == Lang::En {
        return path.to_owned();
    }
    let of = |name: &str| {
        LABELS.iter().find(|(member, _)| *member == name).map_or(name.to_owned(), |(_, zh)| (*zh).to_owned())
    };
    path.split('.').map(of).collect::<Vec<_>>().join("·")
}

/// A value on one line; `None` for an object that is shown member by member.
fn scalar(globals: &Globals, name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(coded(globals, name, text).unwrap_or_else(|| text.clone())),
        Value::Array(items) => {
            let each = |item: &Value| scalar(globals, name, item).unwrap_or_else(|| item.to_string());
            Some(items.iter().map(each).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            if members.keys().all(|key| key == "zh" || key == "en") {
                return Some(output::from_map(globals, value));
            }
            let (called, code) = (members.get("name")?, members.get("code")?.as_str()?);
            Some(format!("{} ({code})", output::from_map(globals, called)))
        }
        other => Some(other.to_string()),
    }
}

/// The members of a body, one a row; objects within it by dotted names.
fn members(globals: &Globals, record: &Value, path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match scalar(globals, listed(record, name), value) {
            Some(text) => rows.push(vec![format!("  {}", label(globals, &path)), text]),
            None => members(globals, record, &path, value, rows),
        }
    }
}

/// What became of a record.
fn standing(globals: &Globals, record: &Value) -> String {
    let by = record.pointer("/standing/by").and_then(Value::as_u64).unwrap_or(0);
    match record.pointer("/standing/state").and_then(Value::as_str).unwrap_or_default() {
        "stands" => output::text(globals, "有效", "stands"),
        "corrected" => output::text(globals, format!("被 #{by} 更正"), format!("corrected by #{by}")),
        "withdrawn" => output::text(globals, format!("被 #{by} 撤回"), format!("withdrawn by #{by}")),
        "withdrawal" => output::text(globals, "撤回", "withdrawal"),
        _ => {
            let state = member(record, "state");
            let row = STATES.iter().find(|(code, ..)| *code == state);
            row.map_or_else(|| state.to_owned(), |(_, zh, en)| output::text(globals, *zh, *en))
        }
    }
}

fn says(globals: &Globals, record: &Value) -> String {
    let says = record.get("says").and_then(Value::as_object);
    let each = |(name, code): (&String, &Value)| code.as_str().map(|code| named(globals, listed(record, name), code));
    // Alphabetical order would tear the words apart: what it is, then what happened, then what holds now.
    let order = ["connectionKind", "role", "step", "event", "status", "outcome", "reason"];
    let texts = order.iter().filter_map(|name| says?.get_key_value(*name)).filter_map(each);
    texts.collect::<Vec<_>>().join(" · ")
}

fn kind(globals: &Globals, record: &Value) -> String {
    record.get("kind").and_then(Value::as_str).map_or_else(|| "–".to_owned(), |code| named(globals, "kind", code))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}

fn row(globals: &Globals, record: &Value) -> Vec<String> {
    vec![
        record.get("index").map(Value::to_string).unwrap_or_default(),
        day(member(record, "recordedAt")),
        or_dash(member(record, "effectiveOn")),
        kind(globals, record),
        or_dash(&says(globals, record)),
        standing(globals, record),
        or_dash(member(record, "id")),
    ]
}

fn head(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

/// A list.
pub(in super::super) fn list(globals: &Globals, records: &[Value]) -> String {
    let titles = output::text(
        globals,
        "序号|记录日|生效日|类别|内容|状态|记录号",
        "INDEX|RECORDED|EFFECTIVE|KIND|SAYS|STATE|RECORD",
    );
    let rows = std::iter::once(head(&titles)).chain(records.iter().map(|record| row(globals, record)));
    output::table(&rows.collect::<Vec<_>>())
}

/// A chain: the record that was asked for is marked.
pub(super) fn history(globals: &Globals, answer: &Value) -> String {
    let titles = output::text(
        globals,
        "|序号|记录日|生效日|类别|内容|状态|记录号|关系",
        "|INDEX|RECORDED|EFFECTIVE|KIND|SAYS|STATE|RECORD|RELATION",
    );
    let mut rows = vec![head(&titles)];
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let asked = step.get("asked") == Some(&Value::Bool(true));
        let mut cells = vec![if asked { "▶".to_owned() } else { String::new() }];
        cells.extend(row(globals, step));
        cells.push(relation(globals, step));
        rows.push(cells);
    }
    output::table(&rows)
}

/// What a record does to an earlier one.
fn relation(globals: &Globals, record: &Value) -> String {
    let index = |name: &str| record.pointer(&format!("/links/{name}")).and_then(Value::as_u64);
    let mut texts = Vec::new();
    if let Some(of) = index("corrects") {
        let withdrawal = member(record, "kind") == "withdrawal";
        texts.push(match withdrawal {
            true => output::text(globals, format!("撤回 #{of}"), format!("withdraws #{of}")),
            false => output::text(globals, format!("更正 #{of}"), format!("corrects #{of}")),
        });
    }
    if let Some(of) = index("follows") {
        texts.push(output::text(globals, format!("承接 #{of}"), format!("follows #{of}")));
    }
    if texts.is_empty() {
        output::text(globals, "起始", "begins")
    } else {
        texts.join(output::text(globals, "，", ", ").as_str())
    }
}

/// One record with all its members.
pub(super) fn record(globals: &Globals, shown: &Value) -> String {
    let document = shown.get("record").cloned().unwrap_or(Value::Null);
    let text = |zh: &str, en: &str| output::text(globals, zh, en);
    let mut rows = vec![
        vec![text("记录号", "record"), or_dash(member(shown, "id"))],
        vec![text("类别", "kind"), kind(globals, shown)],
        vec![
            text("日志", "log"),
            format!("{}#{}", member(shown, "origin"), shown.get("index").unwrap_or(&Value::Null)),
        ],
        vec![text("叶哈希", "leaf hash"), member(shown, "leafHash").to_owned()],
        vec![text("协议", "agreement"), or_dash(member(shown, "agreement"))],
        vec![text("记录时间", "recorded"), member(shown, "recordedAt").to_owned()],
        vec![text("生效日期", "effective"), or_dash(member(shown, "effectiveOn"))],
    ];
    if let Some(stated) = document.get("statedBy").and_then(|by| scalar(globals, "statedBy", by)) {
        rows.push(vec![text("说明单位", "stated by"), stated]);
    }
    if let Some(code) = document.get("correction").and_then(Value::as_str) {
        rows.push(vec![text("更正原因", "correction"), coded(globals, "correction", code).unwrap_or_default()]);
    }
    rows.push(vec![text("状态", "state"), standing(globals, shown)]);
    rows.push(vec![text("在链中", "in its chain"), place(globals, shown)]);
    if let Some(body) = document.get("credentialSubject") {
        rows.push(vec![text("内容", "says")]);
        members(globals, shown, "", body, &mut rows);
    }
    output::table(&rows)
}

fn place(globals: &Globals, shown: &Value) -> String {
    let number = |name: &str| shown.pointer(&format!("/links/{name}")).and_then(Value::as_u64).unwrap_or(1);
    let (position, length) = (number("position"), number("length"));
    let followed = shown.pointer("/links/followedBy").and_then(Value::as_array).into_iter().flatten();
    let followed: Vec<String> = followed.map(|index| format!("#{index}")).collect();
    let mut place =
        output::text(globals, format!("第 {position} 条，共 {length} 条"), format!("{position} of {length}"));
    for part in [relation(globals, shown)].into_iter().chain((!followed.is_empty()).then(|| {
        let list = followed.join(", ");
        output::text(globals, format!("其后为 {list}"), format!("followed by {list}"))
    })) {
        place.push_str(&output::text(globals, "，", ", "));
        place.push_str(&part);
    }
    place
}
