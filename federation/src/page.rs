//! Pages of records (protocol §4.3): NDJSON lines in index order, the last one signed by the request key.
//!
//! ```text
//! {"index":7,"record":{…},"salt":"<43 characters>"}
//! {"erased":true,"index":8}
//! {"index":9,"refused":"<scope row>"}
//! {"agreement":…,"digest":…,"from":…,"keyid":…,"lines":…,"next":…,"refused":[…],"sig":…,"to":…,"until":…}
//! ```
//!
//! Every line is canonical JSON, so it has one spelling: a line is read by its fixed parts, and the bytes of a record
//! between them are left to the checks of the record, which scan them once.
use crate::base64url;
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::mutant::{self, Mutant};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{AgreementId, Did, Digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::BufRead as _;
use thiserror::Error;
/// Most lines of a page, trailer not counted.
pub const MAX_LINES: usize = 1000;
/// Longest page, inflated, bytes.
pub const MAX_PAGE_LEN: usize = 16 * 1024 * 1024;
/// Longest line: a record with its index and salt, or a trailer that cites every line's row.
pub const MAX_LINE_LEN: usize = MAX_RECORD_LEN + 1024;
/// Longest scope row, bytes.
pub const MAX_ROW_LEN: usize = 128;
/// Kept free for the trailer besides the rows that it cites: two DIDs of an origin's length, a Multikey, digest,
/// signature, agreement and four numbers come to about 750 bytes.
const TRAILER_RESERVE: usize = 1024;
/// Digits of 2^53 − 1, the largest index.
const MAX_INDEX_DIGITS: usize = 16;
/// Cited in place of a row that cannot stand in a page.
const PLAIN_ROW: &str = "scope";
/// What stands between the index and the record.
const BEFORE_RECORD: &[u8] = br#","record":"#;
/// What stands between the record and the salt.
const BEFORE_SALT: &[u8] = br#","salt":""#;
/// Bytes behind the record: the salt is 32 bytes, 43 characters of base64url.
const SALT_PART_LEN: usize = BEFORE_SALT.len() + 43 + 2;

/// One line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// `{index, salt, record}`: `record` are the canonical bytes as published.
    Record {
        /// 0-based.
        index: u64,
        /// 32 bytes.
        salt: [u8; 32],
        /// Canonical bytes.
        record: &'a [u8],
    },
    /// `{index, erased: true}`.
    Erased {
        /// 0-based.
        index: u64,
    },
    /// `{index, refused: "<scope row>"}`.
    Refused {
        /// 0-based.
        index: u64,
        /// The row of the scope: at most [`MAX_ROW_LEN`] printable ASCII characters without `"`, `\` and spaces.
        row: String,
    },
}
impl Line<'_> {
    /// 0-based index of the entry that the line is about.
    pub fn index(&self) -> u64 {
        match self {
            Self::Record { index, .. } | Self::Erased { index } | Self::Refused { index, .. } => *index,
        }
    }
}
/// The last line, checked and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// The agreement.
    pub agreement: AgreementId,
    /// For whom the page was made.
    pub to: Did,
    /// First index asked for.
    pub from: u64,
    /// Index behind the last one that the page speaks for.
    pub until: u64,
    /// Where to go on; `None` when the page speaks for all that was asked.
    pub next: Option<u64>,
    /// Number of lines before the trailer.
    pub lines: u64,
}
/// Why a page is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum PageError {
    #[error("page is longer than the limit")]
    TooLarge,
    #[error("page has no signed trailer: it was cut off")]
    NoTrailer,
    #[error("line {line} is malformed")]
    Line { line: usize },
    #[error("line {line} is out of index order or range")]
    Order { line: usize },
    #[error("the trailer does not fit the page or the request")]
    Trailer,
    #[error("the trailer is signed by an unknown key")]
    UnknownKey,
    #[error("the trailer's signature does not hold")]
    Signature,
}
/// Writes a page.
#[derive(Debug, Default)]
pub struct PageWriter {
    bytes: Vec<u8>,
    lines: u64,
    refused: BTreeSet<String>,
}
impl PageWriter {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }
    /// An empty page, with room for lines of records of so many bytes in all.
    pub fn with_room(lines: usize, records_len: usize) -> Self {
        const AROUND: usize = r#"{"index":"#.len() + MAX_INDEX_DIGITS + BEFORE_RECORD.len() + SALT_PART_LEN + 1;
        let len = records_len.saturating_add(lines.saturating_mul(AROUND)).saturating_add(TRAILER_RESERVE);
        Self { bytes: Vec::with_capacity(len.min(MAX_PAGE_LEN)), ..Self::default() }
    }
    /// Appends a line; `false` (nothing appended) when the page is full. Lines come in index order.
    pub fn push(&mut self, line: &Line<'_>) -> bool {
        let end = self.bytes.len();
        let row = match line {
            Line::Refused { row, .. } => Some(if is_row(row) { row.as_str() } else { PLAIN_ROW }),
            Line::Record { .. } | Line::Erased { .. } => None,
        };
        write_line(&mut self.bytes, line, row);
        let rows = self.refused.iter().map(String::as_str).chain(row);
        let reserve = TRAILER_RESERVE + rows.map(|row| row.len() + r#""","#.len()).sum::<usize>();
        if self.bytes.len() + reserve > MAX_PAGE_LEN || self.lines >= size(MAX_LINES) {
            self.bytes.truncate(end);
            return false;
        }
        self.lines += 1;
        self.refused.extend(row.map(str::to_owned));
        true
    }
    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
    /// Whether no line was written.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }
    /// Signs the trailer and ends the page, which speaks for the indexes from `asked.from` to `until` (not included):
    /// `asked.until`, unless the page was full before.
    pub fn finish(mut self, asked: &Asked<'_>, until: u64, key_id: &KeyId, key: &SecretKey) -> Vec<u8> {
        let mut trailer = TrailerText {
            agreement: asked.agreement.to_string(),
            digest: Digest::of(&self.bytes).to_string(),
            from: asked.from,
            keyid: key_id.to_string(),
            lines: self.lines,
            next: (until < asked.until).then_some(until),
            refused: std::mem::take(&mut self.refused),
            sig: None,
            to: asked.to.to_string(),
            until,
        };
        trailer.sig = Some(base64url::encode(&key.sign(&trailer.signed_bytes())));
        self.bytes.extend_from_slice(&trailer.text());
        self.bytes.push(b'\n');
        self.bytes
    }
}
/// A page whose trailer was verified. Its lines are still to be judged one by one.
#[derive(Debug)]
pub struct Page<'a> {
    lines: Vec<Line<'a>>,
    trailer: Trailer,
}
/// What was asked for.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "as in the request")]
pub struct Asked<'a> {
    pub agreement: AgreementId,
    pub to: &'a Did,
    pub from: u64,
    pub until: u64,
}
impl<'a> Page<'a> {
    /// Lines in index order.
    pub fn lines(&self) -> &[Line<'a>] {
        &self.lines
    }
    /// The trailer.
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }
}
/// Reads a page and verifies its trailer.
///
/// # Errors
/// The first thing wrong with it.
pub fn read<'a>(
    bytes: &'a [u8],
    asked: &Asked<'_>,
    key: impl FnOnce(&KeyId) -> Option<PublicKey>,
) -> Result<Page<'a>, PageError> {
    if bytes.len() > MAX_PAGE_LEN {
        return Err(PageError::TooLarge);
    }
    let (body, last) = split_trailer(bytes)?;
    let text = TrailerText::parse(last).ok_or(PageError::Trailer)?;
    let trailer = text.check(body, asked).ok_or(PageError::Trailer)?;
    let key_id = KeyId::parse(&text.keyid).map_err(|_| PageError::UnknownKey)?;
    let key = key(&key_id).ok_or(PageError::UnknownKey)?;
    if !mutant::on(Mutant::Page) {
        text.verify(&key)?;
    }
    // From here on whatever is wrong was signed by the peer.
    let lines = read_lines(body, &trailer)?;
    if size(lines.len()) != trailer.lines || cited(&lines) != text.refused {
        return Err(PageError::Trailer);
    }
    Ok(Page { lines, trailer })
}

/// The trailer as it stands on the wire. The members are in canonical order and hold nothing that is escaped, so that what
/// serde writes is the canonical text; comparing it with what was read closes the list of members.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailerText {
    agreement: String,
    digest: String,
    from: u64,
    keyid: String,
    lines: u64,
    next: Option<u64>,
    refused: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
    to: String,
    until: u64,
}
impl TrailerText {
    fn parse(line: &[u8]) -> Option<Self> {
        let trailer: Self = serde_json::from_slice(line).ok()?;
        (trailer.text() == line).then_some(trailer)
    }
    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and integers can be written")
    }
    /// `hefu/page/v1` 00 JCS(trailer without sig) (bytes: Page trailer).
    fn signed_bytes(&self) -> Vec<u8> {
        let unsigned = Self { sig: None, ..self.clone() };
        [b"hefu/page/v1\0".as_slice(), &unsigned.text()].concat()
    }
    /// The trailer, if it speaks of these bytes and of what was asked.
    fn check(&self, body: &[u8], asked: &Asked<'_>) -> Option<Trailer> {
        let answers = self.agreement == asked.agreement.to_string()
            && self.to == asked.to.as_str()
            && self.from == asked.from
            && (asked.from..=asked.until).contains(&self.until);
        // A page that leaves something open must at least bring us forward.
        let goes_on = match self.next {
            None => self.until == asked.until,
            Some(next) => next == self.until && next > asked.from && next < asked.until,
        };
        (answers && goes_on && self.digest == Digest::of(body).to_string()).then(|| Trailer {
            agreement: asked.agreement,
            to: asked.to.clone(),
            from: self.from,
            until: self.until,
            next: self.next,
            lines: self.lines,
        })
    }
    fn verify(&self, key: &PublicKey) -> Result<(), PageError> {
        let signature = self.sig.as_deref().and_then(base64url::decode_array).ok_or(PageError::Signature)?;
        if key.verify(&self.signed_bytes(), &signature) { Ok(()) } else { Err(PageError::Signature) }
    }
}

/// Everything before the last line, and the last line without its newline.
fn split_trailer(bytes: &[u8]) -> Result<(&[u8], &[u8]), PageError> {
    let text = bytes.strip_suffix(b"\n").ok_or(PageError::NoTrailer)?;
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (body, last) = text.split_at_checked(start).ok_or(PageError::NoTrailer)?;
    if last.len() > MAX_LINE_LEN {
        return Err(PageError::TooLarge);
    }
    // A page that was cut off at the end of a line ends with a line that is none.
    if last.starts_with(br#"{"agreement":"#) { Ok((body, last)) } else { Err(PageError::NoTrailer) }
}
/// All lines of a body that ends with a newline (or is empty), with indexes that ascend within the trailer's range.
fn read_lines<'a>(body: &'a [u8], trailer: &Trailer) -> Result<Vec<Line<'a>>, PageError> {
    let mut lines = Vec::new();
    let mut rest = body;
    let mut least = trailer.from;
    while !rest.is_empty() {
        let number = lines.len() + 1;
        if number > MAX_LINES {
            return Err(PageError::TooLarge);
        }
        let (text, behind) = split_line(rest);
        let line = parse_line(text).ok_or(PageError::Line { line: number })?;
        if line.index() < least || line.index() >= trailer.until {
            return Err(PageError::Order { line: number });
        }
        least = line.index() + 1;
        lines.push(line);
        rest = behind;
    }
    Ok(lines)
}
/// The first line without its newline, and what is behind it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    // On a slice this does no I/O and cannot fail; it is the standard library's fast search for one byte.
    let len = rest.skip_until(b'\n').unwrap_or(bytes.len());
    let line = bytes.get(..len).unwrap_or(bytes);
    (line.strip_suffix(b"\n").unwrap_or(line), rest)
}
fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    if line.len() > MAX_LINE_LEN {
        return None;
    }
    if let Some(rest) = line.strip_prefix(br#"{"erased":true,"index":"#) {
        return parse_index(rest.strip_suffix(b"}")?).map(|index| Line::Erased { index });
    }
    let rest = line.strip_prefix(br#"{"index":"#)?;
    let (digits, rest) =
        rest.split_at_checked(rest.iter().take(MAX_INDEX_DIGITS + 1).position(|byte| *byte == b',')?)?;
    let index = parse_index(digits)?;
    if let Some(rest) = rest.strip_prefix(BEFORE_RECORD) {
        let (record, salt) = rest.split_last_chunk::<SALT_PART_LEN>()?;
        let salt = salt.strip_prefix(BEFORE_SALT)?.strip_suffix(br#""}"#)?;
        let salt = base64url::decode_array(std::str::from_utf8(salt).ok()?)?;
        let is_object = record.starts_with(b"{") && record.ends_with(b"}");
        return is_object.then_some(Line::Record { index, salt, record });
    }
    let row = rest.strip_prefix(br#","refused":""#)?.strip_suffix(br#""}"#)?;
    let row = std::str::from_utf8(row).ok().filter(|row| is_row(row))?.to_owned();
    Some(Line::Refused { index, row })
}
/// A canonical integer from 0 to 2^53 − 1.
fn parse_index(digits: &[u8]) -> Option<u64> {
    let canonical = digits.len() <= MAX_INDEX_DIGITS
        && digits.iter().all(u8::is_ascii_digit)
        && (digits == b"0" || !digits.starts_with(b"0"));
    let index = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (canonical && index <= crate::checkpoint::MAX_SIZE).then_some(index)
}
fn write_line(bytes: &mut Vec<u8>, line: &Line<'_>, row: Option<&str>) {
    match line {
        Line::Record { index, salt, record } => {
            bytes.extend_from_slice(format!(r#"{{"index":{index}"#).as_bytes());
            bytes.extend_from_slice(BEFORE_RECORD);
            bytes.extend_from_slice(record);
            bytes.extend_from_slice(BEFORE_SALT);
            bytes.extend_from_slice(base64url::encode(salt).as_bytes());
            bytes.extend_from_slice(br#""}"#);
        }
        Line::Erased { index } => bytes.extend_from_slice(format!(r#"{{"erased":true,"index":{index}}}"#).as_bytes()),
        Line::Refused { index, .. } => {
            let row = row.unwrap_or(PLAIN_ROW);
            bytes.extend_from_slice(format!(r#"{{"index":{index},"refused":"{row}"}}"#).as_bytes());
        }
    }
    bytes.push(b'\n');
}
/// The rows that refused lines cite.
fn cited(lines: &[Line<'_>]) -> BTreeSet<String> {
    let row = |line: &Line<'_>| match line {
        Line::Refused { row, .. } => Some(row.clone()),
        Line::Record { .. } | Line::Erased { .. } => None,
    };
    lines.iter().filter_map(row).collect()
}
/// Rows are stored and shown as reasons: a code, not a text that could carry anything.
fn is_row(row: &str) -> bool {
    (1..=MAX_ROW_LEN).contains(&row.len()) && row.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}
fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGREEMENT: &str = "urn:uuid:01990a5d-ac96-774b-bcce-b302099a8001";
    const RECORD: &[u8] = br#"{"a":{"b":[1,2]}}"#;

    fn to() -> Did {
        Did::parse("did:web:cd.example").unwrap()
    }
    fn asked(to: &Did) -> Asked<'_> {
        Asked { agreement: AgreementId::parse(AGREEMENT).unwrap(), to, from: 5, until: 20 }
    }
    fn key() -> SecretKey {
        SecretKey::from_seed(&[4; 32])
    }
    fn key_id() -> KeyId {
        KeyId { did: Did::parse("did:web:km.example").unwrap(), multikey: key().public().multikey() }
    }
    fn read_asked<'a>(bytes: &'a [u8], asked: &Asked<'_>) -> Result<Page<'a>, PageError> {
        read(bytes, asked, |id| (*id == key_id()).then(|| key().public()))
    }
    fn lines() -> Vec<Line<'static>> {
        vec![
            Line::Record { index: 5, salt: [7; 32], record: RECORD },
            Line::Erased { index: 8 },
            Line::Refused { index: 11, row: "fields/allowed/residence".to_owned() },
            Line::Refused { index: 12, row: "direction".to_owned() },
            Line::Refused { index: 13, row: "direction".to_owned() },
        ]
    }
    fn page_of(lines: &[Line<'_>], until: u64) -> Vec<u8> {
        let mut writer = PageWriter::new();
        lines.iter().for_each(|line| assert!(writer.push(line)));
        writer.finish(&asked(&to()), until, &key_id(), &key())
    }
    /// A page with a validly signed trailer over any lines and any members.
    fn forged(body: &str, change: impl FnOnce(&mut TrailerText)) -> Vec<u8> {
        let mut trailer = TrailerText {
            agreement: AGREEMENT.to_owned(),
            digest: Digest::of(body.as_bytes()).to_string(),
            from: 5,
            keyid: key_id().to_string(),
            lines: body.lines().count().try_into().unwrap(),
            next: None,
            refused: BTreeSet::new(),
            sig: None,
            to: to().to_string(),
            until: 20,
        };
        change(&mut trailer);
        trailer.sig = Some(base64url::encode(&key().sign(&trailer.signed_bytes())));
        [body.as_bytes(), &trailer.text(), b"\n"].concat()
    }
    #[track_caller]
    fn assert_refused(bytes: &[u8], error: &PageError) {
        assert_eq!(read_asked(bytes, &asked(&to())).unwrap_err(), *error);
    }

    #[test]
    fn a_page_reads_as_it_was_written() {
        let bytes = page_of(&lines(), 20);
        let to = to();
        let page = read_asked(&bytes, &asked(&to)).unwrap();
        assert_eq!(page.lines(), lines());
        let Asked { agreement, from, until, .. } = asked(&to);
        let trailer = Trailer { agreement, to: to.clone(), from, until, next: None, lines: 5 };
        assert_eq!(page.trailer(), &trailer);
    }

    #[test]
    fn every_line_is_canonical_json_with_the_published_members() {
        let bytes = page_of(&lines(), 15);
        let text = String::from_utf8(bytes).unwrap();
        let (body, trailer) = text.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(
            body.lines().next(),
            Some(
                format!(r#"{{"index":5,"record":{{"a":{{"b":[1,2]}}}},"salt":"{}"}}"#, base64url::encode(&[7; 32]))
                    .as_str()
            )
        );
        let rest: Vec<_> = body.lines().skip(1).collect();
        assert_eq!(rest[..2], [r#"{"erased":true,"index":8}"#, r#"{"index":11,"refused":"fields/allowed/residence"}"#]);
        for line in text.lines() {
            assert!(hefu_schemas::scan::scan(line.as_bytes(), MAX_LINE_LEN).is_ok(), "{line}");
        }
        let trailer: serde_json::Value = serde_json::from_str(trailer).unwrap();
        let names: Vec<_> = trailer.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["agreement", "digest", "from", "keyid", "lines", "next", "refused", "sig", "to", "until"]);
        assert_eq!(trailer["digest"], Digest::of(format!("{body}\n").as_bytes()).to_string());
        assert_eq!(trailer["refused"], serde_json::json!(["direction", "fields/allowed/residence"]));
        assert_eq!((trailer["next"].as_u64(), trailer["until"].as_u64()), (Some(15), Some(15)));
    }

    #[test]
    fn an_empty_page_speaks_for_its_range() {
        let bytes = page_of(&[], 20);
        let to = to();
        let page = read_asked(&bytes, &asked(&to)).unwrap();
        assert_eq!((page.lines().len(), page.trailer().next), (0, None));
    }

    #[test]
    fn a_page_that_was_cut_off_has_no_trailer() {
        let bytes = page_of(&lines(), 20);
        let ends: Vec<_> = (0..bytes.len()).filter(|end| bytes[*end] == b'\n').collect();
        for end in [0, 1, bytes.len() - 1].into_iter().chain(ends[..ends.len() - 1].iter().map(|end| end + 1)) {
            assert_refused(&bytes[..end], &PageError::NoTrailer);
        }
        assert_refused(&[bytes.as_slice(), b"\n"].concat(), &PageError::NoTrailer);
    }

    #[test]
    fn changed_bytes_are_refused() {
        let bytes = page_of(&lines(), 20);
        let text = String::from_utf8(bytes).unwrap();
        let (body, trailer) = text.trim_end().rsplit_once('\n').unwrap();
        let without_a_line = format!("{}\n{trailer}\n", body.rsplit_once('\n').unwrap().0);
        assert_refused(without_a_line.as_bytes(), &PageError::Trailer);
        assert_refused(text.replace("[1,2]", "[1,3]").as_bytes(), &PageError::Trailer);
        let sig = trailer.split_once(r#""sig":""#).unwrap().1.split_once('"').unwrap().0;
        for forged in [base64url::encode(&[9; 64]), base64url::encode(&[9; 63]), String::new()] {
            assert_refused(text.replace(sig, &forged).as_bytes(), &PageError::Signature);
        }
    }

    #[test]
    fn the_trailer_answers_what_was_asked() {
        let bytes = page_of(&lines(), 20);
        let (to, other) = (to(), Did::parse("did:web:cq.example").unwrap());
        let good = asked(&to);
        let agreement = AgreementId::PUBLIC;
        for (name, asked) in [
            ("agreement", Asked { agreement, ..good }),
            ("to", Asked { to: &other, ..good }),
            ("from", Asked { from: 4, ..good }),
            ("less than the page speaks for", Asked { until: 19, ..good }),
            ("more than the page speaks for, without next", Asked { until: 21, ..good }),
        ] {
            assert_eq!(read_asked(&bytes, &asked).unwrap_err(), PageError::Trailer, "{name}");
        }
    }

    #[test]
    fn next_goes_on_where_the_page_ends() {
        let to = to();
        for (until, next, good) in [
            (20, None, true),
            (15, Some(15), true),
            (20, Some(20), false),
            (15, Some(16), false),
            (15, None, false),
            (5, Some(5), false),
            (4, Some(4), false),
            (21, None, false),
        ] {
            let bytes = forged("", |trailer| (trailer.until, trailer.next) = (until, next));
            assert_eq!(read_asked(&bytes, &asked(&to)).is_ok(), good, "{until} {next:?}");
        }
    }

    #[test]
    fn the_trailer_has_one_spelling() {
        let text = String::from_utf8(forged("", |_| {})).unwrap();
        for (name, changed) in [
            ("unknown member", text.replace(r#""next":null"#, r#""newer":1,"next":null"#)),
            ("missing member", text.replace(r#""next":null,"#, "")),
            ("twice the same", text.replace(r#""next":null"#, r#""next":null,"next":null"#)),
            ("white space", text.replace(r#""next":null"#, r#""next": null"#)),
            ("exponent", text.replace(r#""until":20"#, r#""until":2e1"#)),
            ("no signature", {
                let at = text.find(r#""sig""#).unwrap();
                format!("{}{}", &text[..at], &text[text.find(r#""to""#).unwrap()..])
            }),
            ("not JSON", format!("{}\n", r#"{"agreement":"#)),
        ] {
            assert!(
                matches!(
                    read_asked(changed.as_bytes(), &asked(&to())).unwrap_err(),
                    PageError::Trailer | PageError::Signature
                ),
                "{name}"
            );
        }
    }

    #[test]
    fn the_trailer_is_signed_by_a_known_key() {
        let unknown = KeyId { multikey: SecretKey::from_seed(&[9; 32]).public().multikey(), ..key_id() };
        let bytes = PageWriter::new().finish(&asked(&to()), 20, &unknown, &key());
        assert_refused(&bytes, &PageError::UnknownKey);
        let bytes = PageWriter::new().finish(&asked(&to()), 20, &key_id(), &SecretKey::from_seed(&[9; 32]));
        assert_refused(&bytes, &PageError::Signature);
        assert_refused(&forged("", |trailer| trailer.keyid = "km.example".to_owned()), &PageError::UnknownKey);
    }

    #[test]
    fn the_trailer_counts_lines_and_cites_rows() {
        let body = "{\"index\":9,\"refused\":\"direction\"}\n";
        let rows = || BTreeSet::from(["direction".to_owned()]);
        assert!(read_asked(&forged(body, |trailer| trailer.refused = rows()), &asked(&to())).is_ok());
        assert_refused(&forged(body, |_| {}), &PageError::Trailer);
        assert_refused(&forged("", |trailer| trailer.refused = rows()), &PageError::Trailer);
        let two = forged(body, |trailer| (trailer.refused, trailer.lines) = (rows(), 2));
        assert_refused(&two, &PageError::Trailer);
    }

    #[test]
    fn malformed_lines_are_named() {
        let salt = base64url::encode(&[7; 32]);
        let good = r#"{"erased":true,"index":6}"#;
        for bad in [
            String::new(),
            "{}".to_owned(),
            r#"{"erased":false,"index":7}"#.to_owned(),
            r#"{"index":7,"erased":true}"#.to_owned(),
            r#"{"erased":true,"index":07}"#.to_owned(),
            r#"{"erased":true,"index":-7}"#.to_owned(),
            r#"{"erased":true,"index":}"#.to_owned(),
            r#"{"erased":true,"index":9007199254740992}"#.to_owned(),
            r#"{"erased":true, "index":7}"#.to_owned(),
            r#"{"index":7,"refused":""}"#.to_owned(),
            r#"{"index":7,"refused":"张三"}"#.to_owned(),
            r#"{"index":7,"refused":"a b"}"#.to_owned(),
            r#"{"index":7,"refused":"a\"}"#.to_owned(),
            format!(r#"{{"index":7,"refused":"{}"}}"#, "x".repeat(MAX_ROW_LEN + 1)),
            format!(r#"{{"index":7,"record":"{{}}","salt":"{salt}"}}"#),
            format!(r#"{{"index":7,"record":{{}},"salt":"{}"}}"#, &salt[1..]),
            format!(r#"{{"index":7,"record":{{}},"salt":"{}="}}"#, &salt[1..]),
            format!(r#"{{"index":7,"record":,"salt":"{salt}"}}"#),
            format!(r#"{{"index":7,"salt":"{salt}"}}"#),
            r#"{"index":7}"#.to_owned(),
        ] {
            let bytes = forged(&format!("{good}\n{bad}\n"), |_| {});
            assert_eq!(read_asked(&bytes, &asked(&to())).unwrap_err(), PageError::Line { line: 2 }, "{bad}");
        }
    }

    #[test]
    fn indexes_ascend_within_the_range() {
        for indexes in [[6, 6], [7, 6], [6, 20], [6, 21]] {
            let body = indexes.map(|index| format!("{{\"erased\":true,\"index\":{index}}}\n")).concat();
            assert_refused(&forged(&body, |_| {}), &PageError::Order { line: 2 });
        }
        assert_refused(&forged("{\"erased\":true,\"index\":4}\n", |_| {}), &PageError::Order { line: 1 });
    }

    #[test]
    fn a_record_that_is_no_json_does_not_refuse_the_page() {
        let bytes = page_of(&[Line::Record { index: 5, salt: [7; 32], record: b"{\xff}" }], 20);
        assert_eq!(read_asked(&bytes, &asked(&to())).unwrap().lines().len(), 1);
    }

    #[test]
    fn limits_of_a_page() {
        let mut writer = PageWriter::new();
        let to = to();
        let asked = Asked { from: 0, until: 5000, ..asked(&to) };
        let full = (0..5000).find(|index| !writer.push(&Line::Erased { index: *index })).unwrap();
        assert_eq!(full, 1000);
        let bytes = writer.finish(&asked, full, &key_id(), &key());
        assert_eq!(read_asked(&bytes, &asked).unwrap().trailer().next, Some(1000));

        let record = format!(r#"{{"x":"{}"}}"#, "x".repeat(MAX_RECORD_LEN - 8));
        let mut writer = PageWriter::new();
        let line = |index| Line::Record { index, salt: [7; 32], record: record.as_bytes() };
        let full = (0..5000).find(|index| !writer.push(&line(*index))).unwrap();
        assert_eq!(full, 63);
        let bytes = writer.finish(&asked, full, &key_id(), &key());
        assert!(bytes.len() <= MAX_PAGE_LEN);
        assert_eq!(read_asked(&bytes, &asked).unwrap().lines().len(), 63);

        assert_refused(&vec![b'\n'; MAX_PAGE_LEN + 1], &PageError::TooLarge);
        let many: String = (0..=1000).map(|index| format!("{{\"erased\":true,\"index\":{index}}}\n")).collect();
        let bytes = forged(&many, |trailer| (trailer.from, trailer.until) = (0, 5000));
        assert_eq!(read_asked(&bytes, &asked).unwrap_err(), PageError::TooLarge);
        let long = format!(
            "{{\"index\":7,\"record\":{{{}}},\"salt\":\"{}\"}}\n",
            "x".repeat(MAX_LINE_LEN),
            base64url::encode(&[7; 32])
        );
        assert_refused(&forged(&long, |_| {}), &PageError::Line { line: 1 });
    }

    #[test]
    fn a_row_that_cannot_stand_in_a_page_is_not_quoted() {
        let row = "\"张三".to_owned();
        let bytes = page_of(&[Line::Refused { index: 5, row }], 20);
        let plain = Line::Refused { index: 5, row: PLAIN_ROW.to_owned() };
        assert_eq!(read_asked(&bytes, &asked(&to())).unwrap().lines(), [plain]);
    }
}
