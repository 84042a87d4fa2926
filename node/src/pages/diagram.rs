//! Pictures of lifecycles: a small layered layout, from a table of transitions to an SVG.
//!
//! Columns go by distance from the start, what ends stands in the last one. The events of an edge stand beside the box
//! that it leaves, one a row, so that no text lies on a line or on another; edges between two boxes are one. Edges back
//! run below everything. Wires have no text.

mod draw;
mod layout;

use super::html::Element;
use hefu_schemas::text::Text;

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Before the first status.
    Start,
    /// A status that goes on.
    Open,
    /// A status that ends well, or as planned.
    Done,
    /// A status that ends otherwise.
    Stopped,
    /// All statuses that go on, together.
    Any,
}

impl Shape {
    fn ends(self) -> bool {
        matches!(self, Self::Done | Self::Stopped)
    }
}

/// A box: one status, or several that are reached and left alike.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    /// Codes with their names.
    pub(crate) names: Vec<(String, Text)>,
    /// What it stands for.
    pub(crate) shape: Shape,
}

/// An edge with all its events.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Position of the box that is left.
    pub(crate) from: usize,
    /// Position of the box that is reached.
    pub(crate) to: usize,
    /// Codes of the events with their names; none where the step itself says it.
    pub(crate) events: Vec<(String, Text)>,
}

/// A lifecycle.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// Name of the picture, unique on its page.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) title: Text,
    /// For whoever cannot see it.
    pub(crate) description: Text,
    /// Boxes; the first is the start.
    pub(crate) statuses: Vec<Status>,
    /// Edges, each pair of boxes once.
    pub(crate) edges: Vec<Edge>,
}

impl Graph {
    /// An empty one, with the start alone.
    pub(crate) fn new(id: impl Into<String>, title: Text, description: Text) -> Self {
        let start = Status { names: vec![("start".to_owned(), Text::new("开始", "start"))], shape: Shape::Start };
        Self { id: id.into(), title, description, statuses: vec![start], edges: Vec::new() }
    }

    /// Adds a box.
    pub(crate) fn status(&mut self, code: &str, name: Text, shape: Shape) {
        self.statuses.push(Status { names: vec![(code.to_owned(), name)], shape });
    }

    /// Adds a transition; one between the same two boxes joins the edge that is there.
    pub(crate) fn transition(&mut self, from: &str, to: &str, event: Option<(String, Text)>) {
        let position = |code: &str| self.statuses.iter().position(|status| status.names.iter().any(|(c, _)| c == code));
        let (Some(from), Some(to)) = (position(from), position(to)) else { return };
        match self.edges.iter_mut().find(|edge| (edge.from, edge.to) == (from, to)) {
            Some(edge) => edge.events.extend(event),
            None => self.edges.push(Edge { from, to, events: event.into_iter().collect() }),
        }
    }

    /// Puts ends that are reached and left alike, without an event, into one box.
    pub(crate) fn gathered(mut self) -> Self {
        let neighbours = |graph: &Self, at: usize| {
            let with = |edge: &&Edge| edge.from == at || edge.to == at;
            let edges: Vec<&Edge> = graph.edges.iter().filter(with).collect();
            let plain = edges.iter().all(|edge| edge.events.is_empty());
            let ends: Vec<_> = edges
                .iter()
                .map(|edge| {
                    (
                        if edge.from == at { None } else { Some(edge.from) },
                        if edge.to == at { None } else { Some(edge.to) },
                    )
                })
                .collect();
            plain.then_some(ends)
        };
        let mut at = 1;
        while at < self.statuses.len() {
            let shape = self.statuses.get(at).map(|status| status.shape);
            let alike = |other: &usize| {
                shape == Some(Shape::Stopped)
                    && self.statuses.get(*other).map(|status| status.shape) == shape
                    && neighbours(&self, at).is_some_and(|own| Some(own) == neighbours(&self, *other))
            };
            let Some(other) = (at + 1..self.statuses.len()).find(alike) else {
                at += 1;
                continue;
            };
            let gone = self.statuses.remove(other);
            if let Some(status) = self.statuses.get_mut(at) {
                status.names.extend(gone.names);
            }
            self.edges.retain(|edge| edge.from != other && edge.to != other);
            for edge in &mut self.edges {
                edge.from -= usize::from(edge.from > other);
                edge.to -= usize::from(edge.to > other);
            }
        }
        self
    }

    /// As an SVG.
    pub(crate) fn svg(&self) -> Element {
        draw::draw(self, &layout::layout(self))
    }
}
