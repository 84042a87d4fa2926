//! The pass itself: accepts exactly the canonical documents and writes the tape.
//!
//! It does not say why it stops, only where: [`super::explain`] finds the reason.

use crate::canonical::string::{canonical_escape_len, plain_end, unescape, utf16_order};
use crate::gate::{MAX_DEPTH, MAX_INTEGER};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Integer,
    /// A string that stands in the bytes as it is.
    Plain,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// One value on the tape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    /// First byte.
    pub(super) start: u32,
    /// Byte after the last.
    pub(super) end: u32,
    /// Tape position after this value and all below it; after a whole member, if this is its name.
    pub(super) next: u32,
    /// Items of an array, members of an object; the [`tag`] of a member's name.
    pub(super) len: u32,
    pub(super) kind: Kind,
}

impl Node {
    /// A string that is a whole document of `end` bytes.
    pub(super) fn string(end: usize, escaped: bool) -> Self {
        let kind = if escaped { Kind::Escaped } else { Kind::Plain };
        Self { start: 0, end: narrow(end), next: 1, len: 0, kind }
    }
}

/// Bytes per value in a record, roughly: the tape is allocated once.
const BYTES_PER_NODE: usize = 10;

/// Walks a whole document. `Err` is the offset of the first byte that a canonical document would not have.
pub(super) fn walk(text: &str) -> Result<Vec<Node>, usize> {
    let tape = Vec::with_capacity(text.len() / BYTES_PER_NODE + 1);
    let mut walker = Walker { text, bytes: text.as_bytes(), at: 0, tape };
    walker.value(0)?;
    if walker.at == text.len() { Ok(walker.tape) } else { Err(walker.at) }
}

struct Walker<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Node>,
}

/// A member's name as it stands between its quotes.
struct Name<'a> {
    raw: &'a str,
    escaped: bool,
}

impl Name<'_> {
    fn unescaped(&self) -> Cow<'_, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// RFC 8785 §3.2.3. Equal names are not ascending, so this also excludes duplicates.
    fn is_before(&self, later: &Self) -> bool {
        let order = if self.escaped || later.escaped {
            utf16_order(&self.unescaped(), &later.unescaped())
        } else {
            utf16_order(self.raw, later.raw)
        };
        order == Ordering::Less
    }
}

impl<'a> Walker<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), usize> {
        if self.take(byte) { Ok(()) } else { Err(self.at) }
    }

    fn value(&mut self, depth: usize) -> Result<(), usize> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b't') => self.literal("true", Kind::True),
            Some(b'f') => self.literal("false", Kind::False),
            Some(b'n') => self.literal("null", Kind::Null),
            _ => Err(self.at),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), usize> {
        let node = self.open(Kind::Object, depth)?;
        let len = if self.peek() == Some(b'}') { 0 } else { self.members(depth + 1)? };
        self.expect(b'}')?;
        self.close(node, len);
        Ok(())
    }

    fn members(&mut self, depth: usize) -> Result<u32, usize> {
        let mut previous: Option<Name<'_>> = None;
        let mut len = 0;
        loop {
            let (name_at, node) = (self.at, self.tape.len());
            let name = self.string()?;
            if previous.is_some_and(|previous| !previous.is_before(&name)) {
                return Err(name_at);
            }
            let tag = tag(&name.unescaped());
            previous = Some(name);
            self.expect(b':')?;
            self.value(depth)?;
            let next = narrow(self.tape.len());
            if let Some(node) = self.tape.get_mut(node) {
                (node.next, node.len) = (next, tag);
            }
            len += 1;
            if !self.take(b',') {
                return Ok(len);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), usize> {
        let node = self.open(Kind::Array, depth)?;
        let len = if self.peek() == Some(b']') { 0 } else { self.items(depth + 1)? };
        self.expect(b']')?;
        self.close(node, len);
        Ok(())
    }

    fn items(&mut self, depth: usize) -> Result<u32, usize> {
        let mut len = 0;
        loop {
            self.value(depth)?;
            len += 1;
            if !self.take(b',') {
                return Ok(len);
            }
        }
    }

    /// Consumes the opening bracket; the node is finished by [`Self::close`].
    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, usize> {
        if depth >= MAX_DEPTH {
            return Err(self.at);
        }
        let node = self.tape.len();
        self.at += 1;
        self.push(kind, self.at - 1);
        Ok(node)
    }

    fn close(&mut self, node: usize, len: u32) {
        let (end, next) = (narrow(self.at), narrow(self.tape.len()));
        if let Some(node) = self.tape.get_mut(node) {
            (node.end, node.next, node.len) = (end, next, len);
        }
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let next = narrow(self.tape.len() + 1);
        self.tape.push(Node { start: narrow(start), end: narrow(self.at), next, len: 0, kind });
    }

    fn string(&mut self) -> Result<Name<'a>, usize> {
        let start = self.at;
        let mut escaped = false;
        self.expect(b'"')?;
        loop {
            self.at = plain_end(self.bytes, self.at);
            if self.take(b'"') {
                break;
            }
            let escape = self.bytes.get(self.at..).and_then(canonical_escape_len);
            self.at += escape.ok_or(self.at)?;
            escaped = true;
        }
        self.push(if escaped { Kind::Escaped } else { Kind::Plain }, start);
        let raw = self.text.get(start + 1..self.at - 1).unwrap_or_default();
        Ok(Name { raw, escaped })
    }

    /// Within the gate an integer has one spelling, so canonical and accepted are the same here.
    fn integer(&mut self) -> Result<(), usize> {
        let start = self.at;
        let negative = self.take(b'-');
        let first = self.peek();
        let digits_at = self.at;
        let mut magnitude = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let len = self.at - digits_at;
        let needless_zero = first == Some(b'0') && (negative || len > 1);
        if len == 0 || needless_zero || magnitude > MAX_INTEGER.unsigned_abs() {
            return Err(start);
        }
        self.push(Kind::Integer, start);
        Ok(())
    }

    fn literal(&mut self, word: &str, kind: Kind) -> Result<(), usize> {
        let start = self.at;
        if !self.bytes.get(start..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(start);
        }
        self.at += word.len();
        self.push(kind, start);
        Ok(())
    }
}

/// Tells most names apart at one glance: length, first, middle and last byte.
#[inline]
pub(crate) fn tag(name: &str) -> u32 {
    let (bytes, [len, ..]) = (name.as_bytes(), name.len().to_le_bytes());
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    u32::from_le_bytes([len, byte(0), byte(bytes.len() / 2), byte(bytes.len().wrapping_sub(1))])
}

/// Positions fit, since documents are no longer than [`super::MAX_LEN`].
pub(super) fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
