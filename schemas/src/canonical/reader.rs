//! The reader of any layout (RFC 8259), narrowed by the gate.
//!
//! Written by hand, because `serde_json` blurs what a refusal must tell: it reports a position after it has skipped on,
//! names a lone surrogate only in prose, and hands `-0.0`, `-0` and integers beyond 64 bits over as the same floats.
//! The tests hold it against `serde_json` on everything that both accept or refuse.

use super::string::{plain_end, unescape_short};
use crate::gate::{GateError, GateErrorKind, MAX_DEPTH, MAX_INTEGER};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Reads one document and nothing after it.
pub(super) fn read(text: &str) -> Result<Value, GateError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.refuse(GateErrorKind::TrailingBytes));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), GateError> {
        if self.take(byte) { Ok(()) } else { Err(self.refuse(GateErrorKind::Syntax)) }
    }

    fn refuse(&self, kind: GateErrorKind) -> GateError {
        GateError::new(kind, self.at)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, GateError> {
        match self.peek() {
            Some(b'{') => self.object(self.deeper(depth)?).map(Value::Object),
            Some(b'[') => self.array(self.deeper(depth)?).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.integer().map(Value::from),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.refuse(GateErrorKind::Syntax)),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, GateError> {
        if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(self.refuse(GateErrorKind::TooDeep)) }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, GateError> {
        word.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, GateError> {
        let mut items = Vec::new();
        self.expect(b'[')?;
        self.skip_space();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b']')?;
        Ok(items)
    }

    fn object(&mut self, depth: usize) -> Result<Map<String, Value>, GateError> {
        let mut members = Map::new();
        self.expect(b'{')?;
        self.skip_space();
        if self.take(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_space();
            let name_at = self.at;
            let Entry::Vacant(member) = members.entry(self.string()?) else {
                return Err(GateError::new(GateErrorKind::DuplicateMember, name_at));
            };
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            member.insert(self.value(depth)?);
            self.skip_space();
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b'}')?;
        Ok(members)
    }

    fn string(&mut self) -> Result<String, GateError> {
        let mut out = String::new();
        self.expect(b'"')?;
        loop {
            let end = plain_end(self.bytes, self.at);
            // Both ends are next to ASCII, so they are borders of characters.
            out.push_str(self.text.get(self.at..end).unwrap_or_default());
            self.at = end;
            if self.take(b'"') {
                return Ok(out);
            }
            if self.peek() != Some(b'\\') {
                // A bare control character (RFC 8259 §7), or the end of the bytes.
                return Err(self.refuse(GateErrorKind::Syntax));
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, GateError> {
        let escape_at = self.at;
        self.expect(b'\\')?;
        if !self.take(b'u') {
            let short = self.peek().and_then(|byte| unescape_short(char::from(byte)));
            let short = short.ok_or(self.refuse(GateErrorKind::Syntax))?;
            self.at += 1;
            return Ok(short);
        }
        let lone = GateError::new(GateErrorKind::LoneSurrogate, escape_at);
        let first = self.code_unit()?;
        let pair =
            matches!(first, 0xd800..=0xdbff) && self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
        let second = if pair {
            self.at += 2;
            Some(self.code_unit()?)
        } else {
            None
        };
        let mut decoded = char::decode_utf16(std::iter::once(first).chain(second));
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(lone),
        }
    }

    /// Four hex digits of a `\u` escape.
    fn code_unit(&mut self) -> Result<u16, GateError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.and_then(|digit| u16::try_from(digit).ok()).ok_or(self.refuse(GateErrorKind::Syntax))?;
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// A number of RFC 8259 §6 that the gate lets through. Every refusal of a well-formed number points at its start.
    fn integer(&mut self) -> Result<i64, GateError> {
        let start = self.at;
        let negative = self.take(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits.len() > 1 {
            self.at = self.at + 1 - digits.len();
            return Err(self.refuse(GateErrorKind::Syntax));
        }
        let magnitude = digits.parse::<i64>().ok().filter(|&magnitude| magnitude <= MAX_INTEGER);
        let whole = !self.fraction_or_exponent()?;
        match magnitude {
            _ if !whole => Err(GateError::new(GateErrorKind::NotAnInteger, start)),
            Some(0) if negative => Err(GateError::new(GateErrorKind::NegativeZero, start)),
            Some(magnitude) => Ok(if negative { -magnitude } else { magnitude }),
            None => Err(GateError::new(GateErrorKind::IntegerTooLarge, start)),
        }
    }

    fn fraction_or_exponent(&mut self) -> Result<bool, GateError> {
        let fraction = self.take(b'.');
        if fraction {
            self.digits()?;
        }
        let exponent = self.take(b'e') || self.take(b'E');
        if exponent {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(fraction || exponent)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<&'a str, GateError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.text.get(start..self.at) {
            Some(digits) if !digits.is_empty() => Ok(digits),
            _ => Err(self.refuse(GateErrorKind::Syntax)),
        }
    }
}
