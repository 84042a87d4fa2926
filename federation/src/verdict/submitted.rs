//! A file that somebody hands over: one record in any layout of JSON, or a line of a record page with salt and index.
use crate::base64url;
use hefu_schemas::canonical;
use hefu_schemas::gate::{GateError, MAX_RECORD_LEN};
use hefu_schemas::scan::{Item, Scanned, scan};
use thiserror::Error;

/// Longest file: a record, laid out generously.
pub const MAX_SUBMITTED_LEN: usize = 4 * MAX_RECORD_LEN;

/// Why a file is not readable as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SubmittedError {
    /// The gate refuses it, or the record in it is too long.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// It is JSON, but no credential.
    #[error("JSON, but no record: `type` does not say VerifiableCredential")]
    NoRecord,
    /// Salt or index beside the record are malformed.
    #[error("salt: expected 43 characters of base64url; index: a whole number from 0")]
    Beside,
}

/// A record to be judged: canonical bytes, whatever the file's layout was.
#[derive(Debug)]
pub struct Submitted {
    /// The canonical document.
    pub document: Scanned<'static>,
    /// Whether the file had it in canonical form (a newline at the end does not count).
    pub canonical: bool,
    /// The salt, if it was given.
    pub salt: Option<[u8; 32]>,
    /// Where the record is said to stand in its log, if that was given.
    pub index: Option<u64>,
}

impl Submitted {
    /// Reads a file: the gate first, then the canonical form, whatever the layout was.
    ///
    /// # Errors
    /// It is not readable as a record.
    pub fn read(bytes: &[u8]) -> Result<Self, SubmittedError> {
        let whole = scan(canonical::canonicalize(bytes, MAX_SUBMITTED_LEN)?, MAX_SUBMITTED_LEN)?;
        let given = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let canonical = given == whole.bytes();
        let (salt, index) = (whole.root().member("salt"), whole.root().member("index"));
        let (record, salt, index) = match whole.root().member("record").filter(|_| !is_credential(whole.root())) {
            Some(record) => (record, salt.map(read_salt).transpose()?, index.map(read_index).transpose()?),
            None => (whole.root(), None, None),
        };
        if !is_credential(record) {
            return Err(SubmittedError::NoRecord);
        }
        // A part of a canonical document is canonical; the limit is that of a record.
        let document = scan(record.raw().to_vec(), MAX_RECORD_LEN)?;
        Ok(Self { document, canonical, salt, index })
    }
}

fn is_credential(item: Item<'_>) -> bool {
    let types = item.member("type");
    types
        .is_some_and(|types| types.items().any(|name| name.as_str().is_some_and(|name| name == "VerifiableCredential")))
}

fn read_salt(item: Item<'_>) -> Result<[u8; 32], SubmittedError> {
    item.as_str().and_then(|text| base64url::decode_array(&text)).ok_or(SubmittedError::Beside)
}

fn read_index(item: Item<'_>) -> Result<u64, SubmittedError> {
    item.as_integer().and_then(|index| u64::try_from(index).ok()).ok_or(SubmittedError::Beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::gate::GateErrorKind;

    const RECORD: &str = r#"{"id":"x","type":["VerifiableCredential","StudentStatus"]}"#;

    #[test]
    fn any_layout_is_read_and_named() {
        for (text, canonical) in [
            (RECORD.to_owned(), true),
            (format!("{RECORD}\n"), true),
            (format!("{RECORD}\r\n"), true),
            (format!(" {RECORD}"), false),
            (r#"{"type": ["VerifiableCredential","StudentStatus"], "id": "\u0078"}"#.to_owned(), false),
        ] {
            let submitted = Submitted::read(text.as_bytes()).unwrap();
            assert_eq!((submitted.document.bytes(), submitted.canonical), (RECORD.as_bytes(), canonical), "{text}");
            assert_eq!((submitted.salt, submitted.index), (None, None));
        }
    }

    #[test]
    fn a_line_of_a_page_brings_salt_and_index() {
        let salt = base64url::encode(&[5; 32]);
        let line = format!(r#"{{"index":7,"record":{RECORD},"salt":"{salt}"}}"#);
        let submitted = Submitted::read(line.as_bytes()).unwrap();
        assert_eq!((submitted.document.bytes(), submitted.canonical), (RECORD.as_bytes(), true));
        assert_eq!((submitted.salt, submitted.index), (Some([5; 32]), Some(7)));
        for wrong in [line.replace(r#""index":7"#, r#""index":-7"#), line.replace(&salt, "short")] {
            assert_eq!(Submitted::read(wrong.as_bytes()).unwrap_err(), SubmittedError::Beside);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in ["{}", "[]", "7", r#"{"record":{}}"#, r#"{"type":"VerifiableCredential"}"#] {
            assert_eq!(Submitted::read(text.as_bytes()).unwrap_err(), SubmittedError::NoRecord, "{text}");
        }
        for text in [&b"\xEF\xBB\xBF{}"[..], b"", br#"{"a":1,"a":2}"#, b"{} {}", b"\xFF", br#"{"n":0.5}"#] {
            assert!(matches!(Submitted::read(text), Err(SubmittedError::Gate(_))), "{text:?}");
        }
        let long = format!(r#"{{"type":["VerifiableCredential"],"x":"{}"}}"#, "x".repeat(MAX_RECORD_LEN));
        let refused = Submitted::read(long.as_bytes()).unwrap_err();
        assert!(matches!(refused, SubmittedError::Gate(GateError { kind: GateErrorKind::TooLarge, .. })), "{refused}");
    }
}
