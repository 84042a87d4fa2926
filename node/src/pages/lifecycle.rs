//! The lifecycles of the schemas as graphs: the tables that the files have as data, and nothing else.

use super::catalogue::Entry;
use super::diagram::{Graph, Shape};
use super::json::Json;
use hefu_schemas::code;
use hefu_schemas::enrollment_connection::{ConnectionKind, HALVES, Half, Step, may_follow};
use hefu_schemas::text::Text;

/// Code of the box that stands for all statuses that have not ended.
const ANY: &str = "any-other";

/// The pictures of a schema; none where it has no lifecycle.
pub(crate) fn graphs(entry: &Entry) -> Vec<Graph> {
    let table = entry.json.get("$defs").and_then(|defs| defs.get("lifecycle")).and_then(|table| table.get("const"));
    match (entry.name, table) {
        ("student-status", Some(table)) => vec![student_status(table)],
        ("qualification-recognition", Some(table)) => table.items().iter().map(recognition).collect(),
        ("enrollment-connection", Some(_)) => HALVES.iter().map(half).collect(),
        _ => Vec::new(),
    }
}

fn name(list: &str, code: &str) -> Text {
    code::name(list, code).unwrap_or_else(|| Text::new(code, code))
}

fn student_status(table: &Json) -> Graph {
    let mut graph = Graph::new(
        "lifecycle",
        Text::new("学籍状态转换图", "Lifecycle of a registration"),
        Text::new(
            "方框为状态，线旁文字为异动；最右一列为终结的状态；从下方绕回的线返回左方的状态。“其他未终结状态”指除目标状态本身以外、尚未终结的任何状态。",
            "Boxes are statuses, texts beside lines are events; the last column has the statuses that end a spell; lines that run below all boxes lead back. “Any other open status” is every status that has not ended, but the one that is reached.",
        ),
    );
    let ended = table.get("ended").map(Json::texts).unwrap_or_default();
    for status in code::codes_of("status") {
        let shape = match status {
            "graduated" | "finished-without-graduation" => Shape::Done,
            status if ended.contains(&status) => Shape::Stopped,
            _ => Shape::Open,
        };
        graph.status(status, name("status", status), shape);
    }
    graph.statuses.push(super::diagram::Status {
        names: vec![(ANY.to_owned(), Text::new("其他未终结状态", "any other open status"))],
        shape: Shape::Any,
    });
    let rows = |member: &str| table.get(member).map_or(&[][..], Json::items);
    for row in rows("transitions").iter().chain(rows("fromAllOthers")) {
        let from = row.text_of("from").unwrap_or(if row.get("from").is_some() { "start" } else { ANY });
        let (Some(event), Some(to)) = (row.text_of("event"), row.text_of("to")) else { continue };
        graph.transition(from, to, Some((event.to_owned(), name("event", event))));
    }
    graph
}

fn recognition(row: &Json) -> Graph {
    let role = row.text_of("role").unwrap_or_default();
    let of_role = name("recognition-role", role);
    let mut graph = Graph::new(
        format!("lifecycle-{role}"),
        Text::new(format!("{}的环节", of_role.zh), format!("Steps of the {}", of_role.en)),
        Text::new(
            "方框为环节；回到自身的箭头表示可以重复申明；从下方绕回的线返回左方的环节。",
            "Boxes are steps; an arrow to the box itself means that the step may be stated again; lines that run below all boxes lead back.",
        ),
    );
    let next = row.get("next").map_or(&[][..], Json::items);
    let first = row.get("first").map(Json::texts).unwrap_or_default();
    let reached = |step: &str| {
        let listed = |row: &Json| row.get("to").is_some_and(|to| to.texts().contains(&step));
        first.contains(&step) || next.iter().any(listed)
    };
    for step in code::codes_of("recognition-step").filter(|step| reached(step)) {
        let leaves = next.iter().any(|row| row.text_of("from") == Some(step));
        graph.status(step, name("recognition-step", step), if leaves { Shape::Open } else { Shape::Stopped });
    }
    first.iter().for_each(|step| graph.transition("start", step, None));
    for row in next {
        for to in row.get("to").map(Json::texts).unwrap_or_default() {
            graph.transition(row.text_of("from").unwrap_or_default(), to, None);
        }
    }
    graph
}

fn half(half: &Half) -> Graph {
    let (kind, role) = (half.kind.code(), half.role.code());
    let (of_kind, of_role) = (name("connection-kind", kind), name("role", role));
    let mut graph = Graph::new(
        format!("lifecycle-{kind}-{role}"),
        Text::new(
            format!("{}：{}的环节", of_kind.zh, of_role.zh),
            format!("{}: steps of the {}", of_kind.en, of_role.en),
        ),
        Text::new("方框为环节，最右一列为终结。", "Boxes are steps; the last column has those that end the half."),
    );
    for step in Step::ALL.iter().filter(|step| half.has(**step)) {
        let leaves = Step::ALL.iter().any(|to| to != step && goes(half, Some(*step), *to));
        let shape = match (step.is_stopped(), leaves) {
            (true, _) => Shape::Stopped,
            (false, true) => Shape::Open,
            (false, false) => Shape::Done,
        };
        graph.status(step.code(), name("step", step.code()), shape);
    }
    for to in Step::ALL.iter().filter(|to| goes(half, None, **to)) {
        graph.transition("start", to.code(), None);
    }
    for from in Step::ALL.iter().filter(|step| half.has(**step)) {
        for to in Step::ALL.iter().filter(|to| *to != from && goes(half, Some(*from), **to)) {
            graph.transition(from.code(), to.code(), None);
        }
    }
    graph.gathered()
}

/// A step may be stated again while it lasts: this holds of all of them, and is said beside the pictures.
fn goes(half: &Half, from: Option<Step>, to: Step) -> bool {
    may_follow(half.kind, half.role, from, to)
}

/// When both halves together are complete (records §4).
pub(crate) fn complete(kind: ConnectionKind) -> Text {
    match kind {
        ConnectionKind::Transfer => Text::new(
            "转入地、转出地教育行政部门均核准，且学生已报到",
            "accepted and released by the bureaus, and joined",
        ),
        ConnectionKind::Progression => Text::new("已放行且已报到", "released, and joined"),
        ConnectionKind::Exchange | ConnectionKind::Visiting => {
            Text::new("已出具成绩且已认定", "results issued, and recognised")
        }
        ConnectionKind::MigrantAdmission => Text::new(
            "已注册学籍；原学籍在他处的，所引用的转学亦已完成",
            "registered; where an earlier registration is elsewhere, the cited transfer is complete too",
        ),
        ConnectionKind::JointProgramme => Text::new("双方均已授予或退出", "awarded or left on both sides"),
        ConnectionKind::QuotaProgramme => Text::new("双方均已上报结果", "reported on both sides"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::catalogue::find;
    use std::collections::BTreeSet;

    /// From, to, event of each transition that an SVG shows, as it is written.
    fn shown(graph: &Graph) -> BTreeSet<(String, String, String)> {
        let svg = graph.svg().render();
        let attribute = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let mut found = BTreeSet::new();
        for group in svg.split("<g class=\"edge").skip(1) {
            let group = group.split("</g>").next().unwrap();
            let (from, to) = (attribute(group, "data-from"), attribute(group, "data-to"));
            let mut events: Vec<String> = group
                .split("<text")
                .skip(1)
                .filter(|t| t.contains("data-event"))
                .map(|t| attribute(t, "data-event"))
                .collect();
            assert!(group.contains("class=\"wire\"") && group.contains("class=\"head\""));
            if events.is_empty() {
                events.push(String::new());
            }
            for from in from.split(' ') {
                for to in to.split(' ') {
                    found.extend(events.iter().map(|event| (from.to_owned(), to.to_owned(), event.clone())));
                }
            }
        }
        found
    }

    fn row(from: &str, to: &str, event: &str) -> (String, String, String) {
        (from.to_owned(), to.to_owned(), event.to_owned())
    }

    #[test]
    fn the_picture_of_student_status_shows_its_table_and_nothing_else() {
        use hefu_schemas::student_status::{ENTRIES, FROM_ALL_OTHERS, TRANSITIONS};
        let mut expected = BTreeSet::new();
        expected.extend(ENTRIES.iter().map(|(event, to)| row("start", to.code(), event.code())));
        expected.extend(FROM_ALL_OTHERS.iter().map(|(event, to)| row(ANY, to.code(), event.code())));
        for (from, leaves) in TRANSITIONS {
            expected.extend(leaves.iter().map(|(event, to)| row(from.code(), to.code(), event.code())));
        }
        let graphs = graphs(find("student-status").unwrap());
        assert_eq!(graphs.len(), 1);
        assert_eq!(shown(&graphs[0]), expected);
    }

    #[test]
    fn the_pictures_of_connections_show_what_may_follow_and_nothing_else() {
        let graphs = graphs(find("enrollment-connection").unwrap());
        assert_eq!(graphs.len(), HALVES.len());
        for (graph, half) in graphs.iter().zip(HALVES) {
            let mut expected = BTreeSet::new();
            for to in Step::ALL {
                if may_follow(half.kind, half.role, None, *to) {
                    expected.insert(row("start", to.code(), ""));
                }
                for from in Step::ALL.iter().filter(|from| *from != to && half.has(**from)) {
                    if may_follow(half.kind, half.role, Some(*from), *to) {
                        expected.insert(row(from.code(), to.code(), ""));
                    }
                }
            }
            assert_eq!(shown(graph), expected, "{}", graph.id);
        }
    }

    #[test]
    fn the_pictures_of_recognitions_show_their_table_and_nothing_else() {
        use hefu_schemas::qualification_recognition::LIFECYCLES;
        let graphs = graphs(find("qualification-recognition").unwrap());
        for (graph, lifecycle) in graphs.iter().zip(LIFECYCLES) {
            let mut expected: BTreeSet<_> = lifecycle.first.iter().map(|to| row("start", to.code(), "")).collect();
            for (from, next) in lifecycle.next {
                expected.extend(next.iter().map(|to| row(from.code(), to.code(), "")));
            }
            assert_eq!(shown(graph), expected, "{}", graph.id);
        }
        assert_eq!(graphs.len(), 2);
    }
}
