//! Where boxes and wires lie. All sizes are in units of the picture, about one pixel.

use super::{Edge, Graph, Shape};

/// Height of the row of an event: Chinese above English.
pub(super) const ROW: i32 = 29;
/// Height of the row of an edge without events.
const PLAIN_ROW: i32 = 12;
/// Height of a name in a box.
pub(super) const NAME: i32 = 34;
/// Between two boxes of a column.
const GAP: i32 = 16;
/// Width of the space in which wires cross, before the lanes of edges back.
const CHANNEL: i32 = 44;
/// Between two lanes of edges back.
const LANE: i32 = 8;
/// Room before an event's text: the wire's beginning, or the loop of an edge to itself.
pub(super) const LEAD: i32 = 10;
/// Room for the loop.
pub(super) const LOOP: i32 = 22;
/// Around the picture.
const MARGIN: i32 = 12;
/// How often the order within columns is improved.
const SWEEPS: usize = 6;

/// A box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Rect {
    pub(super) fn right(self) -> i32 {
        self.x + self.width
    }

    pub(super) fn middle(self) -> i32 {
        self.y + self.height / 2
    }
}

/// How an edge runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// To the right, through these heights at these columns' spans (left, right, height).
    Forward(Vec<(i32, i32, i32)>),
    /// To the box itself.
    Itself,
    /// To another box of the column, on its right side.
    Beside,
    /// Back: down in its own channel at x, along at y, up at x.
    Back { down: i32, along: i32, up: i32 },
}

/// An edge, laid out.
#[derive(Debug)]
pub(super) struct Wire {
    /// Position of the edge in the graph.
    pub(super) edge: usize,
    /// Middle of its first row.
    pub(super) first_row: i32,
    /// Middle of all its rows: where the wire begins.
    pub(super) middle: i32,
    /// Where the texts of its column end.
    pub(super) texts_end: i32,
    /// How it runs.
    pub(super) route: Route,
}

/// The picture.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) boxes: Vec<Rect>,
    pub(super) wires: Vec<Wire>,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// What stands in a column: a box, or the place where an edge passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Status(usize),
    Passing(usize),
}

/// Width of a text: Chinese characters are as wide as high.
pub(super) fn width(text: &str, size: i32) -> i32 {
    let wide = |c: char| !c.is_ascii();
    text.chars().map(|c| if wide(c) { size * 10 } else { size * 56 / 10 }).sum::<i32>() / 10 + 1
}

fn at<T: Copy + Default>(list: &[T], index: usize) -> T {
    list.get(index).copied().unwrap_or_default()
}

/// The column of each box.
fn columns(graph: &Graph) -> Vec<usize> {
    let mut column = vec![0; graph.statuses.len()];
    let mut seen = vec![false; graph.statuses.len()];
    visit(graph, 0, &mut Vec::new(), &mut seen, &mut column);
    // What is reached from all statuses alike stands beside the first of them.
    let first = graph.edges.iter().find(|edge| edge.from == 0).map_or(1, |edge| at(&column, edge.to));
    for root in 0..graph.statuses.len() {
        if !at(&seen, root) && !graph.edges.iter().any(|edge| edge.to == root && edge.from != root) {
            set(&mut column, root, first);
            set(&mut seen, root, true);
            for edge in graph.edges.iter().filter(|edge| edge.from == root) {
                if !at(&seen, edge.to) {
                    set(&mut column, edge.to, first + 1);
                    set(&mut seen, edge.to, true);
                }
            }
        }
    }
    let ends = |index: usize| graph.statuses.get(index).is_some_and(|status| status.shape.ends());
    let last = (0..column.len()).filter(|index| !ends(*index)).map(|index| at(&column, index)).max().unwrap_or(0) + 1;
    (0..column.len()).map(|index| if ends(index) { last } else { at(&column, index) }).collect()
}

fn set<T>(list: &mut [T], index: usize, value: T) {
    if let Some(place) = list.get_mut(index) {
        *place = value;
    }
}

/// Longest way from the start, edges back to what is on the way left out.
fn visit(graph: &Graph, from: usize, way: &mut Vec<usize>, seen: &mut [bool], column: &mut [usize]) {
    set(seen, from, true);
    way.push(from);
    let next = at(column, from) + 1;
    for edge in graph.edges.iter().filter(|edge| edge.from == from) {
        let ahead = !way.contains(&edge.to);
        if ahead && (!at(seen, edge.to) || at(column, edge.to) < next) {
            set(column, edge.to, next);
            visit(graph, edge.to, way, seen, column);
        }
    }
    way.pop();
}

/// Height of the rows of an edge.
fn rows(edge: &Edge) -> i32 {
    let rows = i32::try_from(edge.events.len()).unwrap_or(i32::MAX / ROW);
    if rows == 0 { PLAIN_ROW } else { rows * ROW }
}

/// Width of the texts of an edge with the room before them.
fn texts(edge: &Edge) -> i32 {
    let room = if edge.from == edge.to { LOOP } else { LEAD };
    edge.events
        .iter()
        .map(|(_, name)| width(&name.zh, 13).max(width(&name.en, 11)))
        .max()
        .map_or(room, |w| w + room + 4)
}

fn size(graph: &Graph, index: usize) -> (i32, i32) {
    let Some(status) = graph.statuses.get(index) else { return (0, 0) };
    let leaving: i32 = graph.edges.iter().filter(|edge| edge.from == index).map(rows).sum();
    if status.shape == Shape::Start {
        return (16, leaving.max(16));
    }
    let names = i32::try_from(status.names.len()).unwrap_or(1) * NAME + 10;
    let wide = status.names.iter().map(|(_, name)| width(&name.zh, 14).max(width(&name.en, 11))).max().unwrap_or(0);
    (wide + 18, names.max(leaving + 8))
}

/// Items of each column from top to bottom.
fn order(graph: &Graph, column: &[usize]) -> Vec<Vec<Item>> {
    let count = column.iter().max().map_or(0, |last| last + 1);
    let mut items: Vec<Vec<Item>> = vec![Vec::new(); count];
    for index in 0..graph.statuses.len() {
        items.get_mut(at(column, index)).into_iter().for_each(|list| list.push(Item::Status(index)));
    }
    for (number, edge) in graph.edges.iter().enumerate() {
        for between in at(column, edge.from) + 1..at(column, edge.to) {
            items.get_mut(between).into_iter().for_each(|list| list.push(Item::Passing(number)));
        }
    }
    for sweep in 0..SWEEPS {
        let places = |list: Option<&Vec<Item>>| list.cloned().unwrap_or_default();
        let forward = sweep % 2 == 0;
        for step in 1..count {
            let here = if forward { step } else { count - 1 - step };
            let beside = if forward { items.get(here - 1) } else { items.get(here + 1) };
            let beside = places(beside);
            if let Some(list) = items.get_mut(here) {
                let mean = |item: &Item| mean(graph, *item, &beside, forward);
                list.sort_by_key(mean);
            }
        }
    }
    items
}

/// Where the neighbours of an item lie in the column beside it, in thousandths.
fn mean(graph: &Graph, item: Item, beside: &[Item], forward: bool) -> usize {
    let near = |number: usize, edge: &Edge| match item {
        Item::Passing(own) => own == number,
        Item::Status(own) => (if forward { edge.to } else { edge.from }) == own,
    };
    let edges = graph.edges.iter().enumerate().filter(|(number, edge)| near(*number, edge));
    let places: Vec<usize> = edges
        .filter_map(|(number, edge)| {
            let other = if forward { edge.from } else { edge.to };
            beside.iter().position(|item| *item == Item::Passing(number) || *item == Item::Status(other))
        })
        .collect();
    if places.is_empty() { usize::MAX } else { places.iter().sum::<usize>() * 1000 / places.len() }
}

/// Lays a graph out.
pub(super) fn layout(graph: &Graph) -> Layout {
    let column = columns(graph);
    let items = order(graph, &column);
    let mut boxes = vec![Rect { x: 0, y: 0, width: 0, height: 0 }; graph.statuses.len()];
    let mut passing = Vec::new();
    let (mut x, mut bottom, mut ends) = (MARGIN, 0, Vec::new());
    let back: Vec<usize> = back_targets(graph, &column);
    for list in &items {
        let statuses = list.iter().filter_map(|item| match item {
            Item::Status(index) => Some(*index),
            Item::Passing(_) => None,
        });
        let statuses: Vec<usize> = statuses.collect();
        let wide = statuses.iter().map(|index| size(graph, *index).0).max().unwrap_or(0);
        let leaving = graph.edges.iter().filter(|edge| statuses.contains(&edge.from));
        let labels = leaving.map(texts).max().unwrap_or(0);
        let mut y = MARGIN;
        for item in list {
            match item {
                Item::Status(index) => {
                    let height = size(graph, *index).1;
                    set(&mut boxes, *index, Rect { x, y, width: wide, height });
                    y += height + GAP;
                }
                Item::Passing(edge) => {
                    passing.push((*edge, x, x + wide + labels, y));
                    y += GAP;
                }
            }
        }
        bottom = bottom.max(y);
        ends.push(x + wide + labels);
        let lanes = i32::try_from(back.len()).unwrap_or(0) * LANE;
        x += wide + labels + CHANNEL + 2 * lanes;
    }
    let frame = Frame { graph, column: &column, boxes: &boxes, passing: &passing, ends: &ends, back: &back, bottom };
    let wires = frame.wires();
    let beside = wires.iter().any(|wire| wire.route == Route::Beside);
    let right = ends.last().copied().unwrap_or(0) + if beside { CHANNEL } else { 0 };
    let leaves_last = wires.iter().any(|wire| matches!(wire.route, Route::Back { down, .. } if down > right));
    let lanes = i32::try_from(back.len()).unwrap_or(0) * LANE;
    let width = right + MARGIN + if leaves_last { lanes + LANE } else { 0 };
    Layout { boxes, wires, width, height: bottom + lanes }
}

/// The boxes to which edges go back: each has a lane.
fn back_targets(graph: &Graph, column: &[usize]) -> Vec<usize> {
    let mut targets = Vec::new();
    for edge in graph.edges.iter().filter(|edge| at(column, edge.to) < at(column, edge.from)) {
        if !targets.contains(&edge.to) {
            targets.push(edge.to);
        }
    }
    targets
}

/// What is known when the boxes stand.
struct Frame<'a> {
    graph: &'a Graph,
    column: &'a [usize],
    boxes: &'a [Rect],
    passing: &'a [(usize, i32, i32, i32)],
    ends: &'a [i32],
    back: &'a [usize],
    bottom: i32,
}

impl Frame<'_> {
    fn rect(&self, index: usize) -> Rect {
        self.boxes.get(index).copied().unwrap_or(Rect { x: 0, y: 0, width: 0, height: 0 })
    }

    /// All edges: those of a box in the order in which their ends lie, so that they cross little.
    fn wires(&self) -> Vec<Wire> {
        let mut wires = Vec::new();
        for index in 0..self.graph.statuses.len() {
            let edges = self.graph.edges.iter().enumerate().filter(|(_, edge)| edge.from == index);
            let mut edges: Vec<(usize, &Edge)> = edges.collect();
            edges.sort_by_key(|(number, edge)| self.height(*number, edge));
            let rect = self.rect(index);
            let all: i32 = edges.iter().map(|(_, edge)| rows(edge)).sum();
            let mut y = rect.y + (rect.height - all) / 2;
            for (number, edge) in edges {
                let first_row = y + if edge.events.is_empty() { PLAIN_ROW } else { ROW } / 2;
                let middle = y + rows(edge) / 2;
                let texts_end = at(self.ends, at(self.column, index));
                wires.push(Wire { edge: number, first_row, middle, texts_end, route: self.route(number, edge) });
                y += rows(edge);
            }
        }
        wires
    }

    /// How high an edge goes next: what goes back leaves below the others, what stays last of all.
    fn height(&self, number: usize, edge: &Edge) -> (u8, i32) {
        let (from, to) = (at(self.column, edge.from), at(self.column, edge.to));
        let passes = self.passing.iter().find(|(edge, ..)| *edge == number);
        let next = passes.map_or_else(|| self.rect(edge.to).middle(), |(_, _, _, y)| *y);
        match to.cmp(&from) {
            _ if edge.from == edge.to => (1, 0),
            std::cmp::Ordering::Less => (2, next),
            _ => (0, next),
        }
    }

    fn route(&self, number: usize, edge: &Edge) -> Route {
        let (from, to) = (at(self.column, edge.from), at(self.column, edge.to));
        if edge.from == edge.to {
            return Route::Itself;
        }
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => {
                let passes = self.passing.iter().filter(|(edge, ..)| *edge == number);
                Route::Forward(passes.map(|(_, left, right, y)| (*left, *right, *y)).collect())
            }
            std::cmp::Ordering::Equal => Route::Beside,
            std::cmp::Ordering::Less => {
                let lane = self.back.iter().position(|target| *target == edge.to).unwrap_or(0);
                let lane = i32::try_from(lane).unwrap_or(0) * LANE;
                Route::Back {
                    down: at(self.ends, from) + LANE + lane,
                    along: self.bottom + lane,
                    up: self.rect(edge.to).x - 16 - lane,
                }
            }
        }
    }
}
