//! The pages: index, one for each schema, code lists.

use super::catalogue::{Entry, entries};
use super::html::{Element, ZH, both, code, el, link, table};
use super::json::Json;
use super::members::{Scope, form, is_group, members};
use super::{lifecycle, words};
use hefu_schemas::code::{CodeList, Copied, lists};
use hefu_schemas::enrollment_connection::ConnectionKind;
use hefu_schemas::released::examples;
use hefu_schemas::text::Text;

/// The one stylesheet, in each page.
pub(crate) const STYLE: &str = include_str!("style.css");

fn text(zh: &str, en: &str) -> Text {
    Text::new(zh, en)
}

fn p(zh: &str, en: &str) -> Element {
    both("p", &text(zh, en))
}

/// A page around its content. `up` leads to `/schemas/`.
fn page(up: &str, here: &str, title: &Text, content: Vec<Element>) -> String {
    let item = |name: &str, label: &Text| {
        let to = if name.is_empty() { format!("{up}./") } else { format!("{up}{name}/") };
        let anchor = both("a", label).attr("href", to);
        el("li").child(if name == here { anchor.attr("aria-current", "page") } else { anchor })
    };
    let mut items = vec![item("", &text("数据模式", "Schemas"))];
    items.extend(entries().iter().map(|entry| item(entry.name, &entry.title)));
    items.push(item("codes", &text("代码表", "Code lists")));
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(el("title").text(format!("{} · {} · Hefu 合符", title.zh, title.en)))
        .child(el("style").style(STYLE));
    let nav = el("nav").attr("aria-label", "数据模式 Schemas").child(el("ul").children(items));
    let foot = p(
        "本页由已发布的文件生成，以文件为准。不声称符合 JY/T 1001 或教育部学籍管理规定。",
        "This page is made of the released files, which decide. No conformity with JY/T 1001 or with the ministry's rules on student status is claimed.",
    );
    let body = el("body")
        .child(el("header").child(nav))
        .child(el("main").child(both("h1", title)).children(content))
        .child(el("footer").child(foot));
    format!("<!doctype html>\n{}", el("html").attr("lang", ZH).child(head).child(body).render())
}

/// `/schemas/`.
pub(crate) fn index() -> String {
    let columns = [text("类别", "Kind"), text("用途", "What it is"), text("文件", "File"), text("示例", "Examples")];
    let rows = entries().iter().map(|entry| {
        let digest = entry.file.digest().to_string();
        vec![
            el("td").child(both("a", &entry.title).attr("href", format!("{}/", entry.name))),
            both("td", &entry.purpose),
            el("td")
                .child(el("p").child(link(format!("{}/v1.schema.json", entry.name)).text("v1.schema.json")))
                .child(el("p").text("SHA-256 ").child(code(digest).class("pattern"))),
            el("td").children(entry.schema.map(|schema| {
                let count = examples(schema).len();
                let label = Text::new(format!("{count} 个示例"), format!("{count} examples"));
                both("a", &label).attr("href", format!("{}/#examples", entry.name))
            })),
        ]
    });
    let lead = p(
        "合符各类文件的数据模式（JSON Schema 2020-12）。已发布的文件不再改变，修改即为新的版本文件；协议以 SHA-256 锁定所用的文件。",
        "The schemas (JSON Schema 2020-12) of the documents of Hefu. A released file never changes, a change is a file of a new version; agreements pin the SHA-256 of each file that they allow.",
    )
    .class("lead");
    let check = el("p")
        .child(el("span").attr("lang", ZH).text("在命令行校验文件："))
        .child(el("span").class("en").attr("lang", "en").text("Check a file on the command line: "))
        .child(code("hefu schema validate FILE"));
    let codes = el("p").child(both("a", &text("全部代码表", "All code lists")).attr("href", "codes/"));
    let context = el("p")
        .child(el("span").attr("lang", ZH).text("JSON-LD 上下文 "))
        .child(link("../contexts/v1.jsonld").text("contexts/v1.jsonld"));
    let caption = text("数据模式", "Schemas");
    page("", "", &text("数据模式", "Schemas"), vec![lead, table(&caption, &columns, rows), codes, context, check])
}

/// `/schemas/<name>/`.
pub(crate) fn schema(entry: &'static Entry) -> String {
    let scope = Scope { entry, page: entry.name };
    let fact = |label: &Text, value: Element| [both("dt", label), el("dd").child(value)];
    let facts = el("dl")
        .children(fact(&text("标识", "$id"), code(entry.file.id)))
        .children(fact(&text("文件", "File"), link("v1.schema.json").text("v1.schema.json")))
        .children(fact(&text("摘要", "SHA-256"), code(entry.file.digest().to_string()).class("pattern")));
    let mut content = vec![both("p", &entry.purpose).class("lead"), facts];
    content.extend(pictures(entry));
    content.extend(tables(scope));
    content.extend(rules(entry));
    let own = lists().iter().filter(|list| entry.lists.contains(&list.name.as_str()));
    let own: Vec<_> = own.map(|list| code_list(list, "h3")).collect();
    if !own.is_empty() {
        content.push(both("h2", &text("代码表", "Code lists")).attr("id", "codes"));
        content.extend(own);
    }
    content.extend(shown_examples(entry));
    page("../", entry.name, &entry.title, content)
}

/// The pictures, each in a box that can be scrolled by keyboard.
fn pictures(entry: &Entry) -> Vec<Element> {
    let graphs = lifecycle::graphs(entry);
    if graphs.is_empty() {
        return Vec::new();
    }
    let mut content = vec![both("h2", &text("办理流程", "Lifecycle")).attr("id", "lifecycle-pictures")];
    let shape = |graph: &super::diagram::Graph| {
        let label = format!("{} {}", graph.title.zh, graph.title.en);
        let class = if entry.name == "student-status" { "picture" } else { "picture short" };
        let region = el("div").class(class).attr("role", "region").attr("tabindex", 0).attr("aria-label", label);
        region.child(graph.svg())
    };
    if entry.name == "enrollment-connection" {
        content.push(p(
            "每类衔接的双方各走各的环节，共同状态由双方记录推出。环节持续期间可以重复申明（例如说明等待补正材料）。绿色圆角框为办结，红色直角框为中止。",
            "Each side goes its own steps; the joint state is derived from both. A step may be stated again while it lasts (to say which documents are missing, for instance). Green boxes with round corners are complete, red ones with sharp corners have stopped.",
        ));
    } else if let Some(graph) = graphs.first() {
        content.push(both("p", &graph.description));
    }
    let kind = |at: usize| ConnectionKind::ALL.get(at / 2).filter(|_| at.is_multiple_of(2));
    for (at, graph) in graphs.iter().enumerate() {
        if let (Some(kind), "enrollment-connection") = (kind(at), entry.name) {
            let name = hefu_schemas::code::name("connection-kind", kind.code());
            content.push(both("h3", &name.unwrap_or_else(|| text(kind.code(), kind.code()))));
            let done = lifecycle::complete(*kind);
            let done = Text::new(format!("办结条件：{}", done.zh), format!("Complete when: {}", done.en));
            content.push(both("p", &done));
        }
        if graphs.len() > 1 {
            content.push(both("p", &graph.title));
        }
        content.push(shape(graph));
    }
    content
}

/// The body first, for it is what people look for; then the definitions; the envelope last.
fn tables(scope: Scope) -> Vec<Element> {
    let mut content = Vec::new();
    let top = scope.entry.json.get("properties").map(|_| {
        let caption = text("文件的成员", "Members of the document");
        members(scope, &scope.entry.json, &caption).class("members")
    });
    let definitions = scope.entry.json.get("$defs").map_or(&[][..], Json::members);
    let groups = definitions.iter().filter(|(_, schema)| is_group(schema) && schema.get("type").is_some());
    let values = definitions.iter().filter(|(_, schema)| !(is_group(schema) && schema.get("type").is_some()));
    content.push(both("h2", &text("成员", "Members")).attr("id", "members"));
    let mut sections: Vec<_> = groups.map(|(name, schema)| group(scope, name, schema)).collect();
    let top = top.map(|top| vec![both("h3", &text("整份文件", "The whole document")), top]).unwrap_or_default();
    // A record's body is what it says; an agreement has no body, its document comes first.
    if definitions.iter().any(|(name, _)| name == "body") {
        sections.push(top);
    } else {
        sections.insert(0, top);
    }
    content.extend(sections.into_iter().flatten());
    let rows: Vec<_> =
        values.filter(|(name, _)| name != "lifecycle").map(|(name, schema)| value(scope, name, schema)).collect();
    if !rows.is_empty() {
        let columns =
            [text("定义", "Definition"), text("名称", "Title"), text("形式", "Form"), text("说明", "Meaning")];
        content.push(both("h3", &text("取值的定义", "Definitions of values")));
        content.push(table(&text("取值的定义", "Definitions of values"), &columns, rows));
    }
    content
}

fn title_of(name: &str, schema: &Json) -> Text {
    let title = schema.text_of("title").map(words::title);
    title.or_else(|| words::member(name)).unwrap_or_else(|| text(name, name))
}

fn group(scope: Scope, name: &str, schema: &'static Json) -> Vec<Element> {
    let title = title_of(name, schema);
    let described = schema.text_of("description").map(|described| both("p", &words::description(described)));
    let list =
        (schema.text_of("type") == Some("array")).then(|| p("列表，每项如下。", "A list; each item is as follows."));
    let mut section = vec![both("h3", &title).attr("id", format!("def-{name}"))];
    section.extend(described);
    section.extend(list);
    section.push(members(scope, schema, &title).class("members"));
    section
}

fn value(scope: Scope, name: &str, schema: &'static Json) -> Vec<Element> {
    let described = schema.text_of("description").map(words::description);
    vec![
        el("td").attr("id", format!("def-{name}")).child(code(name)),
        both("td", &title_of(name, schema)),
        form(scope, schema),
        el("td").children(described.map(|described| both("p", &described))),
    ]
}

/// The rules that no schema can say.
fn rules(entry: &Entry) -> Vec<Element> {
    let family =
        |rule: &&words::Rule| rule.rule.split_once('/').is_some_and(|(family, _)| entry.rules.contains(&family));
    let rows: Vec<_> = words::rules()
        .iter()
        .filter(family)
        .map(|rule| vec![el("td").child(code(&*rule.rule)), both("td", &rule.text()), both("td", &rule.remedy())])
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let caption = text("数据模式之外的规则", "Rules beyond the schema");
    let columns = [text("规则", "Rule"), text("要求", "What it asks for"), text("如何改正", "Where it is broken")];
    vec![both("h2", &caption).attr("id", "rules"), table(&caption, &columns, rows)]
}

fn shown_examples(entry: &Entry) -> Vec<Element> {
    let Some(schema) = entry.schema else { return Vec::new() };
    let one = |example: &hefu_schemas::released::Example| {
        el("details")
            .child(el("summary").child(code(format!("{}.json", example.name))))
            .child(el("pre").attr("tabindex", 0).child(code(example.text)))
    };
    let mut content = vec![
        both("h2", &text("示例", "Examples")).attr("id", "examples"),
        p(
            "符合数据模式与规则的示例。人员、学校与号码均为虚构，签名不能通过验证。",
            "Documents that schema and rules accept. Persons, schools and numbers are made up, and no signature in them verifies.",
        ),
    ];
    content.extend(examples(schema).iter().map(one));
    content
}

/// `/schemas/codes/`.
pub(crate) fn codes() -> String {
    let item = |list: &CodeList| {
        let name = words::list(&list.name);
        let count = list.rows.len();
        el("li").child(both("a", &name).attr("href", format!("#codes-{}", list.name))).text(format!(" ({count})"))
    };
    let contents =
        el("nav").attr("aria-label", "代码表目录 Contents").child(el("ul").children(lists().iter().map(item)));
    let lead = p(
        "各数据模式所用的代码，以及由其他机构维护的代码表。未列入后者的代码不算错误，但没有名称，并会给出提示（规则 G5）。",
        "The codes of the schemas, and lists that others keep. A code that is not in one of the latter is no violation: it has no name, and gives a warning (rule G5).",
    )
    .class("lead");
    let mut content = vec![lead, contents];
    content.extend(lists().iter().map(|list| code_list(list, "h2")));
    page("../", "codes", &text("代码表", "Code lists"), content)
}

fn code_list(list: &CodeList, heading: &'static str) -> Element {
    let title = words::list(&list.name);
    let section = el("section").child(both(heading, &title).attr("id", format!("codes-{}", list.name)));
    let section = section.child(el("p").child(code(&*list.name)));
    let source = |source: &hefu_schemas::code::Source| {
        let (zh, en) = match source.copy {
            Copied::Own => ("", ""),
            Copied::Secondary => ("。转录，不声称与原文一致", ". A copy: no conformity with the original is claimed"),
        };
        el("p")
            .child(el("span").attr("lang", ZH).text(format!("来源（{} 年）", source.year)))
            .text(" ")
            .child(el("span").class("source").attr("lang", "en").text(&*source.title))
            .child(both("span", &Text::new(zh, en)))
    };
    let section = section.children(list.sources.iter().map(source));
    section.child(if list.name == "gb-t-2260" { areas(list, &title) } else { plain_codes(list, &title) })
}

fn plain_codes(list: &CodeList, title: &Text) -> Element {
    let columns = [text("代码", "Code"), text("中文", "Chinese"), text("英文", "English")];
    let rows = list.rows.iter().map(|(one, name)| {
        vec![
            el("td").child(code(one.as_str())),
            el("td").attr("lang", ZH).text(&*name.zh),
            el("td").attr("lang", "en").text(&*name.en),
        ]
    });
    table(title, &columns, rows).class("codes")
}

/// Areas by province, with the prefectures of each in columns.
fn areas(list: &CodeList, title: &Text) -> Element {
    let columns = [text("省级", "Province"), text("地级", "Prefectures")];
    let named = |name: &'static str, one: &str, name_of: &Text| {
        el(name)
            .child(code(one))
            .text(" ")
            .child(el("span").attr("lang", ZH).text(&*name_of.zh))
            .text(" ")
            .child(el("span").attr("lang", "en").class("en").text(&*name_of.en))
    };
    let provinces = list.rows.iter().filter(|(one, _)| one.ends_with("0000"));
    let rows = provinces.map(|(one, name)| {
        let prefix = one.get(..2).unwrap_or_default();
        let within = list.rows.iter().filter(|(other, _)| other.starts_with(prefix) && other != one);
        let prefectures: Vec<_> = within.map(|(other, name)| named("li", other, name)).collect();
        let cell = el("td");
        let cell =
            if prefectures.is_empty() { cell } else { cell.child(el("ul").class("areas").children(prefectures)) };
        vec![named("td", one, name), cell]
    });
    table(title, &columns, rows)
}
