//! From a layout to an SVG. Colours and fonts are the stylesheet's.

use super::layout::{LEAD, LOOP, Layout, NAME, ROW, Rect, Route, Wire, width};
use super::{Edge, Graph, Shape, Status};
use crate::pages::html::{Element, ZH, el};
use hefu_schemas::text::Text;

/// Radius of the corners of edges back.
const CORNER: i32 = 7;
/// Length of an arrow's head.
const HEAD: i32 = 7;

/// Draws all.
pub(super) fn draw(graph: &Graph, layout: &Layout) -> Element {
    let (title, description) = (format!("{}-title", graph.id), format!("{}-description", graph.id));
    let one = |text: &Text| format!("{} / {}", text.zh, text.en);
    let wires = layout.wires.iter().filter_map(|wire| Some((wire, graph.edges.get(wire.edge)?)));
    let boxes = graph.statuses.iter().zip(&layout.boxes);
    el("svg")
        .attr("role", "img")
        .attr("aria-labelledby", format!("{title} {description}"))
        .attr("viewBox", format!("0 0 {} {}", layout.width, layout.height + 4))
        .attr("width", layout.width)
        .attr("height", layout.height + 4)
        .child(el("title").attr("id", &title).text(one(&graph.title)))
        .child(el("desc").attr("id", &description).text(one(&graph.description)))
        .children(wires.map(|(wire, edge)| edge_group(graph, layout, wire, edge)))
        .children(boxes.map(|(status, rect)| status_group(status, *rect)))
}

fn codes(status: Option<&Status>) -> String {
    let codes: Vec<_> = status.into_iter().flat_map(|status| &status.names).map(|(code, _)| code.as_str()).collect();
    codes.join(" ")
}

fn text(x: i32, y: i32, class: &str, lang: &str, content: &str) -> Element {
    el("text").attr("x", x).attr("y", y).class(class).attr("lang", lang).text(content)
}

fn status_group(status: &Status, rect: Rect) -> Element {
    let class = match status.shape {
        Shape::Start => "status start",
        Shape::Open => "status",
        Shape::Done => "status done",
        Shape::Stopped => "status stopped",
        Shape::Any => "status any",
    };
    let group = el("g").class(class).attr("data-status", codes(Some(status)));
    if status.shape == Shape::Start {
        return group.child(el("circle").attr("cx", rect.x + 8).attr("cy", rect.middle()).attr("r", 7));
    }
    let outline = el("rect").attr("x", rect.x).attr("y", rect.y).attr("width", rect.width).attr("height", rect.height);
    let centre = rect.x + rect.width / 2;
    let names = i32::try_from(status.names.len()).unwrap_or(1);
    let mut y = rect.middle() - names * NAME / 2;
    let corners = match status.shape {
        Shape::Done => 16,
        Shape::Stopped => 0,
        Shape::Start | Shape::Open | Shape::Any => 6,
    };
    let mut group = group.child(outline.attr("rx", corners));
    for (_, name) in &status.names {
        group =
            group.child(text(centre, y + 15, "name", ZH, &name.zh)).child(text(centre, y + 29, "sub", "en", &name.en));
        y += NAME;
    }
    group
}

fn edge_group(graph: &Graph, layout: &Layout, wire: &Wire, edge: &Edge) -> Element {
    let rect = |index: usize| layout.boxes.get(index).copied().unwrap_or(Rect { x: 0, y: 0, width: 0, height: 0 });
    let (from, to) = (rect(edge.from), rect(edge.to));
    let class = match wire.route {
        Route::Back { .. } => "edge back",
        Route::Itself => "edge itself",
        Route::Forward(_) | Route::Beside => "edge",
    };
    let mut group = el("g")
        .class(class)
        .attr("data-from", codes(graph.statuses.get(edge.from)))
        .attr("data-to", codes(graph.statuses.get(edge.to)));
    let left =
        if graph.statuses.get(edge.from).is_some_and(|s| s.shape == Shape::Start) { from.x + 15 } else { from.right() };
    let lead = if wire.route == Route::Itself { LOOP } else { LEAD };
    let mut lines = String::new();
    for (row, (code, name)) in edge.events.iter().enumerate() {
        let y = wire.first_row + i32::try_from(row).unwrap_or(0) * ROW;
        let x = from.right() + lead;
        let end = x + width(&name.zh, 13).max(width(&name.en, 11)) + 4;
        let zh = text(x, y - 1, "event", ZH, &name.zh).attr("data-event", code);
        group = group.child(zh).child(text(x, y + 11, "sub", "en", &name.en));
        lines += &format!("M{left} {y}H{}", x - 3);
        if wire.route != Route::Itself {
            lines += &format!("M{end} {y}H{}", wire.texts_end);
        }
    }
    if edge.events.len() > 1 && wire.route != Route::Itself {
        let last = wire.first_row + i32::try_from(edge.events.len() - 1).unwrap_or(0) * ROW;
        lines += &format!("M{} {}V{last}", wire.texts_end, wire.first_row);
    }
    let start = if edge.events.is_empty() { left } else { wire.texts_end };
    let (path, head) = run(wire, edge, start, from, to);
    group.child(el("path").class("wire").attr("d", lines + &path)).child(el("path").class("head").attr("d", head))
}

/// The way of a wire from where its texts end, and its head.
fn run(wire: &Wire, edge: &Edge, start: i32, from: Rect, to: Rect) -> (String, String) {
    let y = wire.middle;
    let to_right = |x: i32, y: i32| format!("M{x} {y}l-{HEAD} -4v8z");
    match &wire.route {
        Route::Forward(passes) => {
            let (mut path, mut x, mut y) = (format!("M{start} {y}H{}", wire.texts_end), wire.texts_end, y);
            for (left, right, height) in passes.iter().copied().chain([(to.x - HEAD, to.x - HEAD, to.middle())]) {
                let middle = (x + left) / 2;
                path += &format!("C{middle} {y} {middle} {height} {left} {height}H{right}");
                (x, y) = (right, height);
            }
            (path, to_right(to.x, to.middle()))
        }
        Route::Itself => {
            let rows = if edge.events.is_empty() { vec![y] } else { Vec::new() };
            let events = (0..edge.events.len()).map(|row| wire.first_row + i32::try_from(row).unwrap_or(0) * ROW);
            let (mut path, mut heads, x) = (String::new(), String::new(), from.right());
            for y in rows.into_iter().chain(events) {
                path += &format!("M{x} {}c20 -4 20 12 {HEAD} 9", y - 4);
                heads += &format!("M{x} {}l{HEAD} -4v8z", y + 5);
            }
            (path, heads)
        }
        Route::Beside => {
            let (end, height) = (to.right(), to.middle());
            let out = wire.texts_end + 34;
            (
                format!(
                    "M{start} {y}H{}C{out} {y} {out} {height} {} {height}H{}",
                    wire.texts_end,
                    wire.texts_end,
                    end + HEAD
                ),
                format!("M{end} {height}l{HEAD} -4v8z"),
            )
        }
        Route::Back { down, along, up } => {
            let into = to.middle() + (to.height / 4).min(14);
            let r = CORNER;
            let path = format!(
                "M{start} {y}H{}q{r} 0 {r} {r}V{}q0 {r} -{r} {r}H{}q-{r} 0 -{r} -{r}V{}q0 -{r} {r} -{r}H{}",
                down - r,
                along - r,
                up + r,
                into + r,
                to.x - HEAD
            );
            (path, to_right(to.x, into))
        }
    }
}
