//! Elements of a page. Text and attribute values are escaped when they are written, and there is no way around it.

use hefu_schemas::text::Text;
use std::fmt::Write;

/// Language tag of the Chinese texts.
pub(crate) const ZH: &str = "zh-Hans";

/// An element with its attributes and what is in it. Names are constants of the program.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Content>,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Element(Element),
    /// The stylesheet, which is a constant of the program; `</` does not occur in it.
    Style(&'static str),
}

/// Elements without content.
const VOID: [&str; 3] = ["meta", "br", "link"];
/// Elements after which a line ends, for whoever reads the source.
const LINES: [&str; 19] = [
    "meta", "title", "style", "head", "header", "nav", "main", "section", "h1", "h2", "h3", "p", "ul", "li", "table",
    "tr", "svg", "g", "div",
];

/// A new element.
pub(crate) fn el(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), content: Vec::new() }
}

impl Element {
    /// Adds an attribute.
    pub(crate) fn attr(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Adds a class attribute.
    pub(crate) fn class(self, value: &str) -> Self {
        self.attr("class", value)
    }

    /// Adds text.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.content.push(Content::Text(text.into()));
        self
    }

    /// Adds an element.
    pub(crate) fn child(mut self, element: Element) -> Self {
        self.content.push(Content::Element(element));
        self
    }

    /// Adds elements.
    pub(crate) fn children(mut self, elements: impl IntoIterator<Item = Element>) -> Self {
        self.content.extend(elements.into_iter().map(Content::Element));
        self
    }

    /// Adds text in which words between backticks are code.
    pub(crate) fn rich(mut self, text: &str) -> Self {
        for (at, part) in text.split('`').enumerate().filter(|(_, part)| !part.is_empty()) {
            self = if at % 2 == 1 { self.child(code(part)) } else { self.text(part) };
        }
        self
    }

    /// Adds the stylesheet.
    pub(crate) fn style(mut self, sheet: &'static str) -> Self {
        self.content.push(Content::Style(sheet));
        self
    }

    /// As HTML.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escape(value));
        }
        out.push('>');
        for content in &self.content {
            match content {
                Content::Text(text) => out.push_str(&escape(text)),
                Content::Element(element) => element.write(out),
                Content::Style(sheet) => out.push_str(sheet),
            }
        }
        if !VOID.contains(&self.name) {
            let _ = write!(out, "</{}>", self.name);
        }
        if LINES.contains(&self.name) {
            out.push('\n');
        }
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Code.
pub(crate) fn code(text: impl Into<String>) -> Element {
    el("code").text(text)
}

/// A link.
pub(crate) fn link(to: impl ToString) -> Element {
    el("a").attr("href", to)
}

/// Both languages in one element: Chinese, then English.
pub(crate) fn both(name: &'static str, text: &Text) -> Element {
    let zh = el("span").attr("lang", ZH).rich(&text.zh);
    if text.zh == text.en {
        return el(name).child(zh);
    }
    el(name).child(zh).text(" ").child(el("span").class("en").attr("lang", "en").rich(&text.en))
}

/// A table that keeps its meaning where a narrow page lays its rows out as blocks.
pub(crate) fn table(caption: &Text, columns: &[Text], rows: impl IntoIterator<Item = Vec<Element>>) -> Element {
    let head = columns.iter().map(|column| both("th", column).attr("scope", "col").attr("role", "columnheader"));
    let row = |cells: Vec<Element>| {
        let labelled = cells.into_iter().zip(columns).enumerate().map(|(at, (mut cell, column))| {
            cell.name = if at == 0 { "th" } else { "td" };
            let cell =
                if at == 0 { cell.attr("scope", "row").attr("role", "rowheader") } else { cell.attr("role", "cell") };
            cell.attr("data-label", format!("{} {}", column.zh, column.en))
        });
        el("tr").attr("role", "row").children(labelled)
    };
    el("table")
        .attr("role", "table")
        .child(both("caption", caption))
        .child(el("thead").attr("role", "rowgroup").child(el("tr").attr("role", "row").children(head)))
        .child(el("tbody").attr("role", "rowgroup").children(rows.into_iter().map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped() {
        let hostile = "<script>alert('x')</script>&\"";
        let page = el("p").attr("title", hostile).text(hostile).rich(&format!("a `{hostile}` b")).render();
        assert!(!page.contains("<script") && !page.contains("alert('"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 3);
        assert!(page.contains("<code>&lt;script") && page.ends_with("</p>\n"));
    }

    #[test]
    fn tables_have_captions_and_scopes() {
        let text = |t: &str| Text::new(t, t);
        let made = table(&text("c"), &[text("A"), text("B")], [vec![el("td").text("1"), el("td").text("2")]]).render();
        for part in ["<caption>", "scope=\"col\"", "scope=\"row\"", "data-label=\"A A\"", "<td role=\"cell\""] {
            assert!(made.contains(part), "{part}: {made}");
        }
    }
}
