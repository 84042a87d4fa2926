//! The members of an object schema as rows: name, titles, form, whether it is required, what it means.

use super::catalogue::Entry;
use super::conditions::{Effect, What, effects, resolve};
use super::html::{Element, both, code, el, table};
use super::json::Json;
use super::words;
use hefu_schemas::code::lists;
use hefu_schemas::text::Text;

/// Codes that are listed where they are used; more stand in their code list.
const MAX_CODES: usize = 6;

/// An object schema, and the schema file in which it stands.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    /// The file.
    pub(crate) entry: &'static Entry,
    /// The page on which it is shown.
    pub(crate) page: &'static str,
}

fn text(zh: &str, en: &str) -> Text {
    Text::new(zh, en)
}

/// A schema and what it refers to, one behind the other.
fn chain(entry: &'static Entry, schema: &'static Json) -> Vec<(&'static Entry, &'static Json)> {
    let mut chain = vec![(entry, schema)];
    while let Some((entry, last)) = chain.last().copied() {
        let Some((entry, _, next)) = last.text_of("$ref").and_then(|reference| resolve(entry, reference)) else {
            break;
        };
        chain.push((entry, next));
    }
    chain
}

/// Whether a definition has a table of its own.
pub(crate) fn is_group(schema: &Json) -> bool {
    let items = schema.get("items").filter(|_| schema.get("type").and_then(Json::text) == Some("array"));
    let object = |schema: &Json| schema.get("properties").is_some();
    object(schema) || items.is_some_and(object)
}

/// The table of an object schema, or of the objects of a list.
pub(crate) fn members(scope: Scope, schema: &'static Json, caption: &Text) -> Element {
    let columns = [
        text("成员", "Member"),
        text("名称", "Title"),
        text("形式", "Form"),
        text("是否必填", "Required"),
        text("说明", "Meaning"),
    ];
    let mut rows = Vec::new();
    let object = if schema.get("properties").is_none() { schema.get("items").unwrap_or(schema) } else { schema };
    collect(scope, object, "", &mut rows);
    table(caption, &columns, rows)
}

fn collect(scope: Scope, schema: &'static Json, at: &str, rows: &mut Vec<Vec<Element>>) {
    let effects = effects(scope.entry, schema);
    collect_with(scope, schema, at, &effects, "", rows);
}

/// `below`: the path from the object to which the effects belong.
fn collect_with(
    scope: Scope,
    schema: &'static Json,
    at: &str,
    effects: &[Effect],
    below: &str,
    rows: &mut Vec<Vec<Element>>,
) {
    let required = schema.get("required").map(Json::texts).unwrap_or_default();
    for (name, member) in schema.get("properties").map_or(&[][..], Json::members) {
        let join = |path: &str| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let (path, own) = (join(at), join(below));
        let of_member: Vec<&Effect> = effects.iter().filter(|effect| effect.path == own).collect();
        rows.push(row(scope, name, member, &path, required.contains(&name.as_str()), &of_member));
        if member.get("properties").is_some() {
            collect_with(scope, member, &path, effects, &own, rows);
        } else if let Some(items) = member.get("items").filter(|items| items.get("properties").is_some()) {
            collect(scope, items, &format!("{path}[]"), rows);
        }
        inner(scope, effects, &own, &path, member, rows);
    }
}

/// Rows for what a condition says of members inside a referred definition, which has no rows here.
fn inner(scope: Scope, effects: &[Effect], own: &str, path: &str, member: &Json, rows: &mut Vec<Vec<Element>>) {
    if member.get("$ref").is_none() {
        return;
    }
    let below = |effect: &&Effect| effect.path.strip_prefix(own).is_some_and(|rest| rest.starts_with(['.', '[']));
    let mut paths: Vec<&str> = effects.iter().filter(below).map(|effect| effect.path.as_str()).collect();
    paths.dedup();
    for one in paths {
        let name = one.rsplit('.').next().unwrap_or_default();
        let shown = format!("{path}{}", one.strip_prefix(own).unwrap_or_default());
        let of_member: Vec<&Effect> = effects.iter().filter(|effect| effect.path == one).collect();
        let title = words::member(name).unwrap_or_else(|| text(name, name));
        let (presence, limits) = said(false, &of_member);
        let more = text("另见该项自己的表", "see also its own table");
        rows.push(vec![
            el("td").child(code(shown)),
            both("td", &title),
            both("td", &more),
            presence,
            limits.into_iter().fold(el("td"), |cell, limit| cell.child(both("p", &limit))),
        ]);
    }
    let _ = scope;
}

/// The cell about presence, and what conditions say of values.
fn said(required: bool, effects: &[&Effect]) -> (Element, Vec<Text>) {
    let mut cell = el("td");
    let (limits, presence): (Vec<&Effect>, Vec<&Effect>) =
        effects.iter().partition(|effect| matches!(effect.what, What::Limited(_)));
    if required {
        cell = cell.child(both("p", &text("必填", "required")).class("required"));
    } else if presence.is_empty() {
        cell = cell.child(both("p", &text("选填", "optional")));
    }
    cell = cell.children(presence.iter().map(|effect| both("p", &effect.text())));
    (cell, limits.iter().map(|effect| effect.text()).collect())
}

fn row(
    scope: Scope,
    name: &str,
    member: &'static Json,
    path: &str,
    required: bool,
    effects: &[&Effect],
) -> Vec<Element> {
    let own_title = member.text_of("title").map(words::title);
    let title = own_title.or_else(|| words::member(name)).unwrap_or_else(|| text(name, name));
    let (presence, limits) = said(required, effects);
    let described = chain(scope.entry, member).into_iter().find_map(|(_, schema)| schema.text_of("description"));
    let described = described.map(words::description).into_iter().chain(limits);
    vec![
        el("td").child(code(path)),
        both("td", &title),
        form(scope, member),
        presence,
        described.fold(el("td"), |cell, one| cell.child(both("p", &one))),
    ]
}

/// What a value looks like.
pub(crate) fn form(scope: Scope, schema: &'static Json) -> Element {
    el("td").child(described(scope, scope.entry, schema, 0))
}

fn described(scope: Scope, entry: &'static Entry, schema: &'static Json, depth: usize) -> Element {
    if let Some((of, name, target)) = schema.text_of("$ref").and_then(|reference| resolve(entry, reference)) {
        let title = target.text_of("title").map(words::title).unwrap_or_else(|| text(&name, &name));
        let page = if of.name == scope.page { String::new() } else { format!("../{}/", of.name) };
        let to = both("a", &title).attr("href", format!("{page}#def-{name}"));
        // The value itself, where it is short; a group has a table where the link leads.
        if is_group(target) || target.get("properties").is_some() || depth > 2 {
            return el("p").child(to);
        }
        return el("div").child(el("p").child(to)).child(described(scope, of, target, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        let value = value.text().map_or_else(|| value.to_string(), str::to_owned);
        return el("p").child(both("span", &text("固定为", "exactly"))).text(" ").child(code(value));
    }
    if let Some(values) = schema.get("enum") {
        return codes(scope, values);
    }
    match schema.text_of("type") {
        Some("array") => {
            let whole = both("p", &bounds(schema, &text("列表", "list"), "minItems", "maxItems", ("项", "items")));
            let items = schema.get("items").filter(|items| items.get("properties").is_none());
            el("div").child(whole).children(items.map(|items| described(scope, entry, items, depth + 1)))
        }
        Some("string") => string(schema),
        Some("integer") => both("p", &bounds(schema, &text("整数", "whole number"), "minimum", "maximum", ("", ""))),
        Some("boolean") => el("p").child(code("true")).text(" ").child(code("false")),
        _ if schema.get("patternProperties").is_some() => {
            both("p", &text("对象：键须符合规定的形式", "object with keys of a prescribed form"))
        }
        _ => both("p", &text("对象", "object")),
    }
}

fn string(schema: &Json) -> Element {
    let whole = both("p", &bounds(schema, &text("文本", "text"), "minLength", "maxLength", ("字符", "characters")));
    let pattern = schema.text_of("pattern").map(|pattern| el("p").child(code(pattern).class("pattern")));
    el("div").child(whole).children(pattern)
}

fn bounds(schema: &Json, what: &Text, least: &str, most: &str, unit: (&str, &str)) -> Text {
    let number = |name: &str| schema.get(name).map(Json::to_string);
    let (zh, en) = match (number(least), number(most)) {
        (None, None) => (String::new(), String::new()),
        (Some(least), None) => (format!("，至少 {least} {}", unit.0), format!(", at least {least} {}", unit.1)),
        (None, Some(most)) => (format!("，至多 {most} {}", unit.0), format!(", at most {most} {}", unit.1)),
        (Some(least), Some(most)) => {
            (format!("，{least} 至 {most} {}", unit.0), format!(", {least} to {most} {}", unit.1))
        }
    };
    Text::new(format!("{}{}", what.zh, zh.trim_end()), format!("{}{}", what.en, en.trim_end()))
}

/// The codes, or a link to the list of exactly these.
fn codes(scope: Scope, values: &Json) -> Element {
    let texts = values.texts();
    let mut known =
        lists().iter().filter(|list| list.rows.iter().map(|(code, _)| code.as_str()).eq(texts.iter().copied()));
    let list = known.next().map(|list| {
        let page = if scope.entry.lists.contains(&list.name.as_str()) && scope.entry.name == scope.page {
            ""
        } else {
            "../codes/"
        };
        let label = words::list(&list.name);
        let label = Text::new(format!("代码表：{}", label.zh), format!("code list: {}", label.en));
        el("p").child(both("a", &label).attr("href", format!("{page}#codes-{}", list.name)))
    });
    let shown = (texts.len() <= MAX_CODES || list.is_none()).then(|| {
        texts.iter().enumerate().fold(el("p"), |cell, (at, value)| {
            let cell = if at > 0 { cell.text(" ") } else { cell };
            cell.child(code(*value))
        })
    });
    el("div").children(list).children(shown)
}
