//! Reading the values of a scanned document.

use super::Scanned;
use super::walk::{Kind, Node, tag};
use crate::canonical::string::unescape;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// One value of a scanned document. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    doc: &'a Scanned<'a>,
    /// Always a position on the document's tape.
    node: u32,
}

impl<'a> Item<'a> {
    pub(super) fn new(doc: &'a Scanned<'a>, node: u32) -> Self {
        Self { doc, node }
    }

    fn node(&self) -> &'a Node {
        self.doc.tape.get(widen(self.node)).expect("an item is made with a position on its tape")
    }

    pub(crate) fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Items of an array, members of an object; 0 for anything else.
    pub(crate) fn child_count(&self) -> usize {
        widen(self.node().len)
    }

    /// Tells the items of all living documents apart.
    pub(crate) fn identity(&self) -> (usize, u32) {
        (std::ptr::from_ref(self.doc).addr(), self.node)
    }

    /// Where the value stands in the bytes.
    pub fn span(&self) -> Range<usize> {
        let node = self.node();
        widen(node.start)..widen(node.end)
    }

    fn text(&self) -> &'a str {
        self.doc.text.get(self.span()).unwrap_or_default()
    }

    /// The value's canonical bytes.
    pub fn raw(&self) -> &'a [u8] {
        self.text().as_bytes()
    }

    /// The string, unescaped; `None` if it is not a string.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if !matches!(node.kind, Kind::Plain | Kind::Escaped) {
            return None;
        }
        let inner = self.doc.text.get(widen(node.start) + 1..widen(node.end) - 1).unwrap_or_default();
        Some(if node.kind == Kind::Plain { Cow::Borrowed(inner) } else { Cow::Owned(unescape(inner)) })
    }

    /// The integer.
    pub fn as_integer(&self) -> Option<i64> {
        if self.kind() == Kind::Integer { self.text().parse().ok() } else { None }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.kind() == Kind::Array
    }

    /// A member of an object by its (unescaped) name.
    #[inline]
    pub fn member(&self, name: &str) -> Option<Item<'a>> {
        self.tagged_member(name, tag(name))
    }

    /// The same, with the [`tag`] of the name: those with another one are passed over.
    pub(crate) fn tagged_member(&self, name: &str, tag: u32) -> Option<Item<'a>> {
        let object = self.node();
        if object.kind != Kind::Object {
            return None;
        }
        let (tape, mut at) = (self.doc.tape.as_slice(), self.node + 1);
        while at < object.next {
            let found = tape.get(widen(at))?;
            if found.len == tag && Item::new(self.doc, at).is_string(name) {
                return Some(Item::new(self.doc, at + 1));
            }
            at = found.next;
        }
        None
    }

    /// Compares without unescaping where nothing is escaped.
    pub(crate) fn is_string(&self, expected: &str) -> bool {
        match self.kind() {
            Kind::Plain => {
                // Compared as bytes: the borders of characters need no look.
                let span = self.span();
                span.len() == expected.len() + 2
                    && self.doc.bytes().get(span.start + 1..span.end - 1) == Some(expected.as_bytes())
            }
            Kind::Escaped => self.as_str().is_some_and(|text| text == expected),
            _ => false,
        }
    }

    /// The members of an object in canonical order; empty for anything else.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Item<'a>)> + 'a {
        self.named_members()
    }

    pub(crate) fn named_members(&self) -> Members<'a> {
        Members(self.member_nodes())
    }

    /// The items of an array; empty for anything else.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        self.children(Kind::Array)
    }

    /// Names and values as they stand in the bytes.
    pub(crate) fn member_nodes(&self) -> MemberNodes<'a> {
        MemberNodes(self.children(Kind::Object))
    }

    /// The values directly below, if this is of that kind.
    pub(crate) fn children(&self, kind: Kind) -> Children<'a> {
        let node = self.node();
        let end = if node.kind == kind { node.next } else { self.node + 1 };
        Children { doc: self.doc, at: self.node + 1, end }
    }

    /// The value at a JSON Pointer (RFC 6901) below this one.
    pub fn pointer(&self, pointer: &str) -> Option<Item<'a>> {
        if pointer.is_empty() {
            return Some(*self);
        }
        let tokens = pointer.strip_prefix('/')?;
        tokens.split('/').try_fold(*self, |item, token| item.step(token))
    }

    /// One reference token of a JSON Pointer, still escaped.
    pub(crate) fn step(&self, token: &str) -> Option<Item<'a>> {
        if self.is_array() {
            let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
            return if plain { self.items().nth(token.parse().ok()?) } else { None };
        }
        if !token.contains('~') {
            return self.member(token);
        }
        // RFC 6901 §4: first ~1, then ~0.
        self.member(&token.replace("~1", "/").replace("~0", "~"))
    }

    /// The canonical bytes of this object without one member, in two parts to be concatenated; `None` if it has none.
    pub fn without_member(&self, name: &str) -> Option<(&'a [u8], &'a [u8])> {
        let (found, value) = self.member_nodes().find(|(found, _)| found.is_string(name))?;
        let span = self.span();
        let (member_start, member_end) = (found.span().start, value.span().end);
        // One comma goes too: the one before, or for the first member the one after, if any.
        let first = member_start == span.start + 1;
        let last = member_end + 1 == span.end;
        let head_end = if first { member_start } else { member_start - 1 };
        let tail_start = if first && !last { member_end + 1 } else { member_end };
        let bytes = self.doc.bytes();
        Some((bytes.get(span.start..head_end)?, bytes.get(tail_start..span.end)?))
    }

    /// The value as a tree, for the cold paths.
    pub fn to_value(&self) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::False => Value::Bool(false),
            Kind::True => Value::Bool(true),
            Kind::Integer => Value::from(self.as_integer()),
            Kind::Plain | Kind::Escaped => Value::from(self.as_str()),
            Kind::Array => self.items().map(|item| item.to_value()).collect(),
            Kind::Object => self.members().map(|(name, value)| (name, value.to_value())).collect(),
        }
    }
}

/// Shows kind and place only: the content may identify a person.
impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("kind", &self.kind()).field("span", &self.span()).finish()
    }
}

/// The nodes directly below one: items, or names of members.
#[derive(Clone)]
pub(crate) struct Children<'a> {
    doc: &'a Scanned<'a>,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.at >= self.end {
            return None;
        }
        let item = Item::new(self.doc, self.at);
        self.at = item.node().next;
        Some(item)
    }
}

/// Names and values of an object's members.
pub(crate) struct MemberNodes<'a>(Children<'a>);

impl<'a> Iterator for MemberNodes<'a> {
    type Item = (Item<'a>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.0.next()?;
        Some((name, Item::new(name.doc, name.node + 1)))
    }
}

/// The members of an object with their names.
pub(crate) struct Members<'a>(MemberNodes<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((name.as_str()?, value))
    }
}

/// Positions on the tape are below 2^28.
fn widen(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
