//! Tables: bytes in parts of any size to rows of the columns that are mapped. Strict where a spreadsheet would guess: what is
//! broken is a fault by row, never half a row.
//!
//! Delimiter, quote and line ends are found in the bytes, before anything is decoded: in GB 18030 no byte of a character
//! of several bytes is one of them (second bytes begin at 0x40 and are never 0x7F; of four bytes the second and fourth are
//! digits). So a fault of decoding is that of one cell.

use super::fault::{Fault, Kind};
use super::mapping::{Encoding, Mapping};
use std::borrow::Cow;

/// Largest table, bytes.
pub const MAX_FILE_LEN: u64 = 64 * 1024 * 1024;
/// Most rows below the header.
pub const MAX_ROWS: usize = 100_000;
/// Most columns.
pub const MAX_COLUMNS: usize = 256;
/// Longest cell, bytes.
pub const MAX_FIELD_LEN: usize = 1024;

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// Beginnings of what people hand over instead of a CSV file.
const OTHER_FILES: [(&[u8], Kind); 4] = [
    (&[0xFF, 0xFE], Kind::Utf16),
    (&[0xFE, 0xFF], Kind::Utf16),
    (b"PK\x03\x04", Kind::Spreadsheet),
    (&[0xD0, 0xCF, 0x11, 0xE0], Kind::Spreadsheet),
];
/// As many bytes as the longest of them.
const HEAD_LEN: usize = 4;

/// A row below the header: the cells of the mapped columns, in the order of [`Mapping::names`], trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet counts it: the header is 1.
    pub number: usize,
    /// The cells.
    pub cells: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside quotes: it was doubled, or it closed.
    Closing,
    /// Behind a CR: a LF must come.
    Return,
}

/// Splits bytes into rows of cells (RFC 4180).
#[derive(Debug)]
struct Splitter {
    delimiter: u8,
    state: State,
    row: usize,
    cells: Vec<Vec<u8>>,
    cell: Vec<u8>,
}

impl Splitter {
    /// Takes a byte; whether a row is complete.
    fn take(&mut self, byte: u8) -> Result<bool, Kind> {
        if byte == 0 {
            return Err(Kind::Nul);
        }
        match (self.state, byte) {
            (State::Return, b'\n') => return Ok(self.end_row()),
            (State::Return, _) => return Err(Kind::CarriageReturn),
            (State::Start, b'"') => self.state = State::Quoted,
            (State::Quoted, b'"') => self.state = State::Closing,
            (State::Closing, b'"') => {
                self.state = State::Quoted;
                self.cell.push(byte);
            }
            (State::Plain, b'"') => return Err(Kind::Quote),
            (State::Quoted, _) => self.cell.push(byte),
            (_, b'\n') => {
                self.end_cell()?;
                return Ok(self.end_row());
            }
            (_, b'\r') => {
                self.end_cell()?;
                self.state = State::Return;
            }
            (_, byte) if byte == self.delimiter => {
                self.end_cell()?;
                self.state = State::Start;
            }
            (State::Closing, _) => return Err(Kind::Quote),
            (State::Start | State::Plain, _) => {
                self.state = State::Plain;
                self.cell.push(byte);
            }
        }
        if self.cell.len() > MAX_FIELD_LEN { Err(Kind::TooLong) } else { Ok(false) }
    }

    fn end_cell(&mut self) -> Result<(), Kind> {
        if self.cells.len() == MAX_COLUMNS {
            return Err(Kind::TooManyColumns);
        }
        self.cells.push(std::mem::take(&mut self.cell));
        Ok(())
    }

    fn end_row(&mut self) -> bool {
        self.state = State::Start;
        true
    }

    /// The end of the file; whether a row is complete.
    fn end(&mut self) -> Result<bool, Kind> {
        match self.state {
            State::Quoted => Err(Kind::Quote),
            State::Return => Err(Kind::CarriageReturn),
            State::Start if self.cells.is_empty() => Ok(false),
            State::Start | State::Plain | State::Closing => {
                self.end_cell()?;
                Ok(self.end_row())
            }
        }
    }
}

/// A table as it is read.
#[derive(Debug)]
pub struct Table {
    encoding: Encoding,
    /// Names of the mapped columns.
    names: Vec<String>,
    /// Position of each in the header, once that was read.
    positions: Option<Vec<usize>>,
    width: usize,
    splitter: Splitter,
    head: Vec<u8>,
    len: u64,
    rows: usize,
    stopped: bool,
}

impl Table {
    /// A table that is to be read by a mapping.
    pub fn new(mapping: &Mapping) -> Self {
        let splitter =
            Splitter { delimiter: mapping.delimiter, state: State::Start, row: 1, cells: Vec::new(), cell: Vec::new() };
        let names = mapping.names().into_iter().map(str::to_owned).collect();
        let encoding = mapping.encoding;
        Self { encoding, names, positions: None, width: 0, splitter, head: Vec::new(), len: 0, rows: 0, stopped: false }
    }

    /// Position of a mapped column in the table, counted from 0, once the header was read.
    pub fn position(&self, name: &str) -> Option<usize> {
        let at = self.names.iter().position(|known| known == name)?;
        self.positions.as_ref()?.get(at).copied()
    }

    /// Takes bytes. After a fault behind which nothing can be read, the rest is passed over.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Result<Row, Fault>>) {
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.len > MAX_FILE_LEN {
            self.stop(Kind::TooLarge, out);
        }
        if self.head.len() < HEAD_LEN {
            let (head, rest) = bytes.split_at(bytes.len().min(HEAD_LEN - self.head.len()));
            self.head.extend_from_slice(head);
            if self.head.len() == HEAD_LEN {
                self.begin(out);
                self.split(rest, out);
            }
        } else {
            self.split(bytes, out);
        }
    }

    /// Ends the table.
    pub fn finish(&mut self, out: &mut Vec<Result<Row, Fault>>) {
        if self.head.len() < HEAD_LEN {
            self.begin(out);
        }
        if !self.stopped {
            match self.splitter.end() {
                Ok(true) => self.row(out),
                Ok(false) => {}
                Err(kind) => self.stop(kind, out),
            }
        }
        if !self.stopped && self.positions.is_none() {
            self.stop(Kind::Empty, out);
        }
        if !self.stopped && self.rows == 0 {
            self.stop(Kind::NoRows, out);
        }
    }

    /// Looks at the first bytes.
    fn begin(&mut self, out: &mut Vec<Result<Row, Fault>>) {
        let head = std::mem::take(&mut self.head);
        if let Some((_, kind)) = OTHER_FILES.iter().find(|(magic, _)| head.starts_with(magic)) {
            self.stop(*kind, out);
        }
        let rest = match head.strip_prefix(&BOM) {
            Some(rest) => {
                // The mark says it, whatever the mapping says.
                self.encoding = Encoding::Utf8;
                rest
            }
            None => head.as_slice(),
        };
        self.split(rest, out);
        self.head = vec![0; HEAD_LEN];
    }

    fn split(&mut self, bytes: &[u8], out: &mut Vec<Result<Row, Fault>>) {
        for byte in bytes {
            if self.stopped {
                return;
            }
            match self.splitter.take(*byte) {
                Ok(false) => {}
                Ok(true) => self.row(out),
                Err(kind) => self.stop(kind, out),
            }
        }
    }

    fn stop(&mut self, kind: Kind, out: &mut Vec<Result<Row, Fault>>) {
        if !self.stopped {
            self.stopped = true;
            out.push(Err(Fault::new(self.splitter.row, kind)));
        }
    }

    /// A complete row. Blank ones count, as a spreadsheet counts them, and say nothing.
    fn row(&mut self, out: &mut Vec<Result<Row, Fault>>) {
        let cells = std::mem::take(&mut self.splitter.cells);
        let number = self.splitter.row;
        if cells.iter().any(|cell| !cell.trim_ascii().is_empty()) {
            if self.positions.is_none() {
                self.header(&cells, out);
            } else if self.rows == MAX_ROWS {
                self.stop(Kind::TooManyRows, out);
            } else {
                self.rows += 1;
                out.push(self.cells(number, &cells).map_err(|fault| *fault));
            }
        }
        self.splitter.row += 1;
    }

    /// Finds the mapped columns. Where the encoding is to be found out, that one is right in which they are there.
    fn header(&mut self, cells: &[Vec<u8>], out: &mut Vec<Result<Row, Fault>>) {
        let tried = match self.encoding {
            Encoding::Auto => vec![Encoding::Utf8, Encoding::Gb18030],
            known => vec![known],
        };
        self.width = cells.len();
        let mut faults = Vec::new();
        for encoding in tried {
            match self.find(encoding, cells) {
                Ok(positions) => {
                    // A header of ASCII alone does not tell: the first row that has more will.
                    if self.encoding == Encoding::Auto && !cells.iter().all(|cell| cell.is_ascii()) {
                        self.encoding = encoding;
                    }
                    self.positions = Some(positions);
                    return;
                }
                Err(found) if faults.is_empty() || found.len() < faults.len() => faults = found,
                Err(_) => {}
            }
        }
        self.stopped = true;
        out.extend(faults.into_iter().map(Err));
    }

    fn find(&self, encoding: Encoding, cells: &[Vec<u8>]) -> Result<Vec<usize>, Vec<Fault>> {
        let row = self.splitter.row;
        let (mut header, mut positions, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (position, cell) in cells.iter().enumerate() {
            match decode(encoding, cell) {
                Ok(text) => header.push(tidy(&text).to_owned()),
                Err(kind) => {
                    faults.push(Fault::new(row, kind).at(position));
                    header.push(String::new());
                }
            }
        }
        for name in &self.names {
            let mut found = (0..).zip(&header).filter(|(_, cell)| *cell == name).map(|(position, _)| position);
            match (found.next(), found.next()) {
                (Some(position), None) => positions.push(position),
                (Some(_), Some(second)) => {
                    faults.push(Fault::new(row, Kind::HeaderTwice).in_column(name, Some(second)));
                }
                (None, _) => faults.push(Fault::new(row, Kind::HeaderLacks).in_column(name, None)),
            }
        }
        if faults.is_empty() { Ok(positions) } else { Err(faults) }
    }

    fn cells(&mut self, number: usize, cells: &[Vec<u8>]) -> Result<Row, Box<Fault>> {
        if cells.len() != self.width {
            return Err(Box::new(Fault::new(number, Kind::Width)));
        }
        if self.encoding == Encoding::Auto && !cells.iter().all(|cell| cell.is_ascii()) {
            let is_utf8 = cells.iter().all(|cell| std::str::from_utf8(cell).is_ok());
            self.encoding = if is_utf8 { Encoding::Utf8 } else { Encoding::Gb18030 };
        }
        let mut decoded = Vec::with_capacity(cells.len());
        for (position, cell) in cells.iter().enumerate() {
            let text = decode(self.encoding, cell);
            decoded.push(text.map_err(|kind| Box::new(self.named(Fault::new(number, kind), position)))?);
        }
        let mut row = Row { number, cells: Vec::with_capacity(self.names.len()) };
        for position in self.positions.iter().flatten() {
            let text = decoded.get(*position).map(|text| tidy(text)).unwrap_or_default();
            let kind = if text.chars().any(char::is_control) {
                Some(Kind::Control)
            } else if text.starts_with(['=', '+', '@', '＝', '＋', '＠']) {
                Some(Kind::Formula)
            } else {
                None
            };
            if let Some(kind) = kind {
                return Err(Box::new(self.named(Fault::new(number, kind), *position)));
            }
            row.cells.push(text.to_owned());
        }
        Ok(row)
    }

    /// A mapped column is named, any other one only lettered: nobody said that its name may be shown.
    fn named(&self, fault: Fault, position: usize) -> Fault {
        let at = self.positions.iter().flatten().position(|known| *known == position);
        match at.and_then(|at| self.names.get(at)) {
            Some(name) => fault.in_column(name, Some(position)),
            None => fault.at(position),
        }
    }
}

/// Without the space around it, also the full-width one, and the mark that systems put before numbers to keep them text.
fn tidy(text: &str) -> &str {
    text.trim().trim_start_matches('\'').trim()
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Cow<'_, str>, Kind> {
    let text = match encoding {
        Encoding::Auto | Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Gb18030 => encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes),
    };
    let text = text.ok_or(Kind::Undecodable)?;
    if text.contains('\u{FFFD}') { Err(Kind::Replaced) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn mapping(encoding: &str) -> Mapping {
        let text = format!(
            r#"
kind = "student-status"
encoding = "{encoding}"
statedBy = {{ value = 1 }}
[subject]
scheme = "cn-resident-id"
id = "证件"
[members]
stage = {{ value = "primary" }}
status = {{ column = "状态" }}
effectiveOn = {{ column = "日期", type = "date" }}
"#
        );
        Mapping::read(text.as_bytes()).unwrap()
    }

    fn read_in(encoding: &str, bytes: &[u8], part: usize) -> Vec<Result<Row, Fault>> {
        let (mut table, mut out) = (Table::new(&mapping(encoding)), Vec::new());
        bytes.chunks(part.max(1)).for_each(|part| table.push(part, &mut out));
        table.finish(&mut out);
        out
    }

    /// What comes of a table; the same in parts of one byte.
    fn read(bytes: &[u8]) -> Vec<Result<Row, Fault>> {
        let whole = read_in("auto", bytes, bytes.len());
        assert_eq!(whole, read_in("auto", bytes, 1));
        whole
    }

    fn rows(bytes: &[u8]) -> Vec<(usize, Vec<String>)> {
        read(bytes).into_iter().map(|row| row.map(|row| (row.number, row.cells)).unwrap()).collect()
    }

    fn fault(bytes: &[u8]) -> (String, usize, Option<String>) {
        let mut faults = read(bytes).into_iter().filter_map(Result::err);
        let fault = faults.next().unwrap();
        (fault.code, fault.row, fault.column.map(|(name, _)| name))
    }

    fn gb(text: &str) -> Vec<u8> {
        encoding_rs::GB18030.encode(text).0.into_owned()
    }

    const TABLE: &str = "班级,状态,证件,日期\r\n一班,在读,A1,2026-09-01\r\n\r\n二班,\"休\"\"学\",\u{3000}A2 ,2026/9/1\r\n,,,\r\n\"三,班\",𠮷,'A3,20260901";

    #[test]
    fn rows_of_both_encodings_with_and_without_a_mark() {
        let expected: Vec<(usize, Vec<String>)> =
            [(2, ["在读", "2026-09-01", "A1"]), (4, ["休\"学", "2026/9/1", "A2"]), (6, ["𠮷", "20260901", "A3"])]
                .map(|(row, [status, on, id])| {
                    // In the order of the names: 日期, 状态, 证件.
                    (row, [on, status, id].map(str::to_owned).to_vec())
                })
                .to_vec();
        assert_eq!(rows(TABLE.as_bytes()), expected);
        assert_eq!(rows(format!("\u{FEFF}{TABLE}").as_bytes()), expected);
        assert_eq!(rows(&gb(TABLE)), expected);
        assert_eq!(rows(TABLE.replace("\r\n", "\n").as_bytes()), expected);
        assert!(read_in("gb18030", &gb(TABLE), 7).iter().all(Result::is_ok));
        assert!(read_in("utf-8", TABLE.as_bytes(), 7).iter().all(Result::is_ok));
        // The wrong one is an error, never text that looks right.
        assert!(read_in("utf-8", &gb(TABLE), 7).iter().all(Result::is_err));
        assert!(read_in("gb18030", TABLE.as_bytes(), 7).iter().all(Result::is_err));
    }

    #[test]
    fn every_character_of_gb18030_leaves_the_structure_alone() {
        // Two and four bytes, those with 0x30 to 0x7E behind the lead among them.
        for first in (0x4E00..0x9FA6).chain(0x20000..0x20200).step_by(97) {
            let Some(character) = char::from_u32(first) else { continue };
            let table = format!("状态,证件,日期\n{character},1,2\n");
            assert_eq!(rows(&gb(&table)), [(2, vec!["2".to_owned(), character.to_string(), "1".to_owned()])]);
        }
    }

    #[test]
    fn what_is_broken_is_named_by_row_and_column() {
        let head = "班级,状态,证件,日期\n";
        let cut = |row: &[u8]| fault(&[head.as_bytes(), row].concat());
        let named =
            |code: &str, row: usize, name: &str| (code.to_owned(), row, (!name.is_empty()).then(|| name.to_owned()));
        assert_eq!(fault(b""), named("csv/empty", 1, ""));
        assert_eq!(fault(b"\n\r\n\n"), named("csv/empty", 4, ""));
        assert_eq!(fault(head.as_bytes()), named("csv/no-rows", 2, ""));
        assert_eq!(fault(b"PK\x03\x04..."), named("csv/spreadsheet", 1, ""));
        assert_eq!(fault(b"\xFF\xFE1\0"), named("csv/utf-16", 1, ""));
        assert_eq!(fault("班级,状态,证件\n".as_bytes()), named("csv/header-lacks", 1, "日期"));
        assert_eq!(fault("日期,状态,证件,日期\n".as_bytes()), named("csv/header-twice", 1, "日期"));
        assert_eq!(cut("一,在读,1\n".as_bytes()), named("csv/width", 2, ""));
        assert_eq!(cut("一,在读,1,2,3\n".as_bytes()), named("csv/width", 2, ""));
        assert_eq!(cut("一,在\"读,1,2\n".as_bytes()), named("csv/quote", 2, ""));
        assert_eq!(cut("一,\"在\"读,1,2\n".as_bytes()), named("csv/quote", 2, ""));
        assert_eq!(cut("一,在读,1,2\n二,\"在读,1,2\n".as_bytes()), named("csv/quote", 3, ""));
        assert_eq!(cut("一,\0,1,2\n".as_bytes()), named("csv/nul", 2, ""));
        assert_eq!(fault("班级,状态,证件,日期\r一,在读,1,2\r".as_bytes()), named("csv/cr", 1, ""));
        assert_eq!(cut("一,在读,1,2\r".as_bytes()), named("csv/cr", 2, ""));
        assert_eq!(cut(format!("一,{},1,2\n", "在".repeat(400)).as_bytes()), named("csv/too-long", 2, ""));
        assert_eq!(cut("一,\"在\n读\",1,2\n".as_bytes()), named("csv/control", 2, "状态"));
        assert_eq!(cut("一,在读,=\"1\",2\n".as_bytes()), named("csv/quote", 2, ""));
        assert_eq!(cut("一,在读,=A1+1,2\n".as_bytes()), named("csv/formula", 2, "证件"));
        assert_eq!(cut("一,在读,\"=\"\"1\"\"\",2\n".as_bytes()), named("csv/formula", 2, "证件"));
        assert_eq!(cut("一,\u{FFFD},1,2\n".as_bytes()), named("csv/replaced", 2, "状态"));
        assert_eq!(cut(b"1,\xFF,1,2\n"), named("csv/undecodable", 2, "状态"));
        // A column that nobody mapped is not named.
        assert_eq!(cut(b"\xFF,1,1,2\n"), named("csv/undecodable", 2, "A"));
        let wide = vec!["a"; MAX_COLUMNS + 1].join(",");
        assert_eq!(fault(format!("{wide}\n").as_bytes()), named("csv/too-many-columns", 1, ""));
    }

    #[test]
    fn after_a_bad_row_the_next_one_is_read() {
        let bytes = [&gb("状态,证件,日期\n在读,1,2\n")[..], b"\xFF,1,2\n", &gb("休学,2,2\n")].concat();
        let seen: Vec<bool> = read(&bytes).iter().map(Result::is_ok).collect();
        assert_eq!(seen, [true, false, true]);
    }

    #[test]
    fn a_header_of_ascii_leaves_the_encoding_to_the_rows() {
        let text = r#"
kind = "student-status"
statedBy = { value = 1 }
subject = { scheme = "cn-resident-id", id = "id" }
[members]
stage = { value = "primary" }
status = { column = "status" }
effectiveOn = { column = "on", type = "date" }
"#;
        let (mut table, mut out) = (Table::new(&Mapping::read(text.as_bytes()).unwrap()), Vec::new());
        table.push(&gb("id,status,on\n1,x,2\n2,在读,2\n"), &mut out);
        table.push("3,在读,2\n".as_bytes(), &mut out);
        table.finish(&mut out);
        assert_eq!(out[1].as_ref().unwrap().cells[2], "在读");
        assert!(out[2].is_err() || out[2].as_ref().unwrap().cells[2] != "在读", "one encoding in one file");
    }

    #[test]
    fn a_row_and_a_byte_too_many() {
        let mut bytes = "状态,证件,日期\n".as_bytes().to_vec();
        for row in 0..=MAX_ROWS {
            bytes.extend_from_slice(format!("a,{row},1\n").as_bytes());
        }
        let out = read_in("auto", &bytes, 64 * 1024);
        assert_eq!(out.iter().filter(|row| row.is_ok()).count(), MAX_ROWS);
        let fault = out.last().unwrap().as_ref().unwrap_err();
        assert_eq!((fault.code.as_str(), fault.row), ("csv/too-many-rows", MAX_ROWS + 2));
        let mut table = Table::new(&mapping("auto"));
        let (blank, mut out) = (vec![b'\n'; 1024 * 1024], Vec::new());
        for _ in 0..=MAX_FILE_LEN / 1024 / 1024 {
            table.push(&blank, &mut out);
        }
        table.finish(&mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].as_ref().unwrap_err().code, "csv/too-large");
    }

    #[test]
    fn no_bytes_make_the_table_panic_and_parts_do_not_matter() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 1_000_003).unwrap() % below
        };
        let seeds = [TABLE.as_bytes().to_vec(), gb(TABLE)];
        let mut codes = BTreeSet::new();
        for _ in 0..2_000 {
            let mut bytes = seeds[random(2)].clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"\",\r\n\0=;\xFF\xEF"[random(9)]),
                }
            }
            let out = read(&bytes);
            assert_eq!(out, read_in("auto", &bytes, 1 + random(20)));
            codes.extend(out.into_iter().filter_map(Result::err).map(|fault| fault.code));
        }
        assert!(codes.len() >= 8, "{codes:?}");
    }
}
