//! What the JSON gate refuses, before anything is hashed or signed (protocol §1).

use thiserror::Error;

/// Largest integer magnitude, 2^53 − 1: the largest that every JSON reader keeps exactly (RFC 8785 §3.2.2.3).
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;
/// Deepest nesting of arrays and objects: `[]` has depth 1, a number has depth 0.
pub const MAX_DEPTH: usize = 32;
/// Largest record, in bytes.
pub const MAX_RECORD_LEN: usize = 256 * 1024;
/// Largest agreement, in bytes.
pub const MAX_AGREEMENT_LEN: usize = 1024 * 1024;

/// Why bytes were refused. Holds no part of the bytes: they may identify a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} at byte {offset}")]
pub struct GateError {
    /// What was found.
    pub kind: GateErrorKind,
    /// 0-based position of the first byte that cannot stand.
    pub offset: usize,
}

impl GateError {
    /// A refusal at a byte.
    pub(crate) fn new(kind: GateErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// Checks what can be checked before parsing: length, then UTF-8, then the byte order mark.
pub(crate) fn text(bytes: &[u8], max_len: usize) -> Result<&str, GateError> {
    if bytes.len() > max_len {
        return Err(GateError::new(GateErrorKind::TooLarge, max_len));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| GateError::new(GateErrorKind::NotUtf8, error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(GateError::new(GateErrorKind::ByteOrderMark, 0));
    }
    Ok(text)
}

/// The kinds of [`GateError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GateErrorKind {
    /// Longer than the limit of its kind.
    #[error("longer than the limit")]
    TooLarge,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Starts with a byte order mark.
    #[error("byte order mark")]
    ByteOrderMark,
    /// Not JSON (RFC 8259).
    #[error("not JSON")]
    Syntax,
    /// An object names one member twice.
    #[error("duplicate member")]
    DuplicateMember,
    /// A `\u` escape of half a surrogate pair.
    #[error("lone surrogate")]
    LoneSurrogate,
    /// Something follows the document.
    #[error("bytes after the end")]
    TrailingBytes,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
    /// A number with a fraction or an exponent.
    #[error("number with fraction or exponent")]
    NotAnInteger,
    /// Minus zero.
    #[error("minus zero")]
    NegativeZero,
    /// Beyond ±[`MAX_INTEGER`].
    #[error("integer beyond 2^53 - 1")]
    IntegerTooLarge,
    /// JSON, but not in its canonical form (RFC 8785): white space, order of members or escapes.
    #[error("not in canonical form")]
    NotCanonical,
}
