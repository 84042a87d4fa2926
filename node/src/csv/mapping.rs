//! The mapping: which column of a table becomes which member of a record. Strict TOML; every refusal names its line.
//!
//! This file and `section.rs` depend on `hefu-schemas` alone, so that they can be fuzzed by themselves.

use hefu_schemas::record::Kind;
use hefu_schemas::released::released_schema;
use hefu_schemas::student_status::{Event, Status, next};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

#[path = "section.rs"]
mod section;

pub use section::{MappingError, Wrong};
use section::{Section, line_of};

/// Longest mapping, in bytes: the names of some thousand schools fit.
pub const MAX_MAPPING_LEN: usize = 1024 * 1024;
/// Most mapped members.
pub const MAX_MEMBERS: usize = 64;
/// Most members of members.
const MAX_DEPTH: usize = 4;

/// How the table is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the file")]
pub enum Encoding {
    Auto,
    Utf8,
    Gb18030,
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Text, taken as it is or through a value map.
    Text,
    /// A whole number.
    Integer,
    /// A day: 2026-09-01, 2026/9/1, 20260901, 2026年9月1日.
    Date,
    /// A month: 2026-09, 2026/9, 202609, 2026年9月, or a day of it.
    Month,
    /// The code of an institution of `[institutions]`.
    Institution,
    /// The code of a place of `[places]`.
    Place,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The same in every row.
    Fixed(Value),
    /// A column.
    Column(Column),
}

/// A mapped column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// What its cells hold.
    pub cell: Cell,
    /// What stands in a cell, and what it means; when empty, the cell is taken as it is.
    pub values: BTreeMap<String, Value>,
    /// Whether a cell may be empty: the member is then absent.
    pub optional: bool,
    /// What an empty cell means.
    pub default: Option<Value>,
    /// The column with the Chinese name of an institution or place that the mapping does not name.
    pub name_column: Option<String>,
}

/// A member of `credentialSubject`.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Names from the outside in.
    pub path: Vec<String>,
    /// Its value.
    pub source: Source,
}

impl Member {
    /// The name of the outermost member.
    pub fn top(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// Whom a row is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Scheme of the identifier.
    pub scheme: Source,
    /// Column of the identifier.
    pub id: String,
    /// Columns for an identity check.
    pub identity: Option<Identity>,
}

/// Columns for an identity check.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct Identity {
    pub name: String,
    pub sex: Source,
    pub birth_date: String,
}

/// Names of institutions or places by their codes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Directory {
    /// Scheme of the codes.
    pub scheme: String,
    /// Language maps by code.
    pub names: BTreeMap<String, Map<String, Value>>,
}

/// Which event stands behind a status, where the table has no event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// For a pupil of whom nothing is published.
    pub new: Vec<(Status, Event)>,
    /// For a change of status.
    pub changed: Vec<(Status, Status, Event)>,
}

/// A mapping that was read.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "named as in the file")]
pub struct Mapping {
    pub kind: Kind,
    pub encoding: Encoding,
    pub delimiter: u8,
    pub subject: Option<Subject>,
    pub stated_by: Source,
    pub members: Vec<Member>,
    pub institutions: Directory,
    pub places: Directory,
    pub events: Events,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, MappingError> {
        let at_start = |what| MappingError { line: 1, what };
        if bytes.len() > MAX_MAPPING_LEN {
            return Err(at_start(Wrong::TooLong));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| MappingError {
            line: 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count(),
            what: Wrong::NotUtf8,
        })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let document = DeTable::parse(text).map_err(|error| MappingError {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            what: Wrong::Syntax { message: error.message().lines().next().unwrap_or_default().to_owned() },
        })?;
        let mut top = Section::new(text, String::new(), 1, document.get_ref());
        let mapping = Self::from_section(&mut top)?;
        top.end()?;
        Ok(mapping)
    }

    fn from_section(top: &mut Section<'_, '_>) -> Result<Self, MappingError> {
        let kind = match top.text("kind")? {
            Some(code) => Kind::from_code(&code).filter(|kind| *kind != Kind::Withdrawal),
            None => return Err(top.missing("kind")),
        };
        let kind = kind.ok_or_else(|| {
            let codes = "student-status, enrollment-connection, qualification-recognition";
            top.expected("kind", "上述三类记录之一（如 student-status）", codes)
        })?;
        let encoding = match top.text("encoding")?.as_deref() {
            None | Some("auto") => Encoding::Auto,
            Some("utf-8") => Encoding::Utf8,
            Some("gb18030") => Encoding::Gb18030,
            Some(_) => return Err(top.expected("encoding", " auto、utf-8 或 gb18030", "auto, utf-8 or gb18030")),
        };
        let delimiter = match top.text("delimiter")?.as_deref() {
            None | Some(",") => b',',
            Some(";") => b';',
            Some("\t") => b'\t',
            Some(_) => return Err(top.expected("delimiter", "逗号、分号或制表符", "a comma, a semicolon or a tab")),
        };
        let subject = match top.section("subject")? {
            Some(section) => Some(subject(section)?),
            None if kind == Kind::EnrollmentConnection => None,
            None => return Err(top.missing("subject")),
        };
        let stated_by = top.section("statedBy")?.ok_or_else(|| top.missing("statedBy"))?;
        let stated_by = source(stated_by)?;
        let mut found = Members { kind, known: members_of(kind), members: Vec::new() };
        let section = top.section("members")?.ok_or_else(|| top.missing("members"))?;
        found.read(section, &[])?;
        let members = found.members;
        for needed in needed(kind) {
            if !members.iter().any(|member| member.path == [*needed]) {
                return Err(top.missing(&format!("members.{needed}")));
            }
        }
        let events = match top.section("events")? {
            Some(section) if kind == Kind::StudentStatus => events(section)?,
            Some(section) => return Err(section.wrong(Wrong::Unknown { key: section.path.clone() })),
            None => Events::default(),
        };
        let institutions = directory(top, "institutions")?;
        let places = directory(top, "places")?;
        let mapping = Self { kind, encoding, delimiter, subject, stated_by, members, institutions, places, events };
        for (cell, directory, name) in
            [(Cell::Institution, &mapping.institutions, "institutions"), (Cell::Place, &mapping.places, "places")]
        {
            if directory.scheme.is_empty() && mapping.columns().any(|column| column.cell == cell) {
                return Err(top.missing(name));
            }
        }
        Ok(mapping)
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let subject = self.subject.iter().flat_map(|subject| {
            std::iter::once(&subject.scheme).chain(subject.identity.iter().map(|identity| &identity.sex))
        });
        subject.chain(std::iter::once(&self.stated_by)).chain(self.members.iter().map(|member| &member.source))
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.sources().filter_map(|source| match source {
            Source::Column(column) => Some(column),
            Source::Fixed(_) => None,
        })
    }

    /// The names of all columns that the mapping reads, once each, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names = BTreeSet::new();
        if let Some(subject) = &self.subject {
            names.insert(subject.id.as_str());
            if let Some(identity) = &subject.identity {
                names.extend([identity.name.as_str(), identity.birth_date.as_str()]);
            }
        }
        for column in self.columns() {
            names.insert(column.name.as_str());
            names.extend(column.name_column.as_deref());
        }
        names.into_iter().collect()
    }

    /// The member that says from when the record holds.
    pub fn date_member(&self) -> &'static str {
        if self.kind == Kind::StudentStatus { "effectiveOn" } else { "stepOn" }
    }
}

/// Members without which no record of a kind can be made, or found again.
fn needed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::StudentStatus => &["stage", "status", "effectiveOn"],
        Kind::EnrollmentConnection => &["connection", "connectionKind", "role", "step", "stepOn"],
        Kind::QualificationRecognition | Kind::Withdrawal => &["role", "step", "stepOn"],
    }
}

/// The members that the schema of a kind has.
fn members_of(kind: Kind) -> BTreeSet<String> {
    let schema: Option<Value> = serde_json::from_str(released_schema(kind.schema_name()).text).ok();
    let members = schema.as_ref().and_then(|schema| schema.pointer("/$defs/body/properties")?.as_object());
    members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

fn source(mut section: Section<'_, '_>) -> Result<Source, MappingError> {
    let (line, name) = (section.line, section.text("column")?);
    if let Some(value) = section.value("value")? {
        if name.is_some() {
            return Err(section.wrong(Wrong::Unknown { key: section.key("column") }));
        }
        section.end()?;
        return Ok(Source::Fixed(value));
    }
    let Some(name) = name else {
        section.line = line;
        return Err(section.missing("column"));
    };
    let cell = match section.text("type")?.as_deref() {
        None | Some("text") => Cell::Text,
        Some("integer") => Cell::Integer,
        Some("date") => Cell::Date,
        Some("month") => Cell::Month,
        Some("institution") => Cell::Institution,
        Some("place") => Cell::Place,
        Some(_) => {
            let en = "text, integer, date, month, institution or place";
            return Err(section.expected("type", " text、integer、date、month、institution 或 place", en));
        }
    };
    let mut values = BTreeMap::new();
    if let Some(mut map) = section.section("values")? {
        if cell != Cell::Text {
            return Err(map.wrong(Wrong::Unknown { key: map.path.clone() }));
        }
        for given in map.names() {
            let value = map.value(given)?.unwrap_or_default();
            values.insert(given.trim().to_owned(), value);
        }
    }
    let (optional, default) = (section.flag("optional")?, section.value("default")?);
    let name_column = section.text("nameColumn")?;
    if name_column.is_some() && !matches!(cell, Cell::Institution | Cell::Place) {
        return Err(section.wrong(Wrong::Unknown { key: section.key("nameColumn") }));
    }
    section.end()?;
    Ok(Source::Column(Column { name, cell, values, optional, default, name_column }))
}

/// A source that may also be given as a text: a constant.
fn short(section: &mut Section<'_, '_>, name: &str) -> Result<Option<Source>, MappingError> {
    match section.rest.get(name) {
        None => Ok(None),
        Some((_, DeValue::String(_))) => Ok(section.text(name)?.map(|text| Source::Fixed(text.into()))),
        Some(_) => section.section(name)?.map(source).transpose(),
    }
}

fn subject(mut section: Section<'_, '_>) -> Result<Subject, MappingError> {
    let line = section.line;
    let missing = |section: &Section<'_, '_>, name: &str| MappingError { line, ..section.missing(name) };
    let scheme = short(&mut section, "scheme")?.ok_or_else(|| missing(&section, "scheme"))?;
    let id = section.text("id")?.ok_or_else(|| missing(&section, "id"))?;
    let name = section.text("name")?;
    let sex = section.section("sex")?.map(source).transpose()?;
    let birth_date = section.text("birthDate")?;
    let identity = match (name, sex, birth_date) {
        (None, None, None) => None,
        (Some(name), Some(sex), Some(birth_date)) => Some(Identity { name, sex, birth_date }),
        // All three, or there is no check.
        (None, ..) => return Err(missing(&section, "name")),
        (_, None, _) => return Err(missing(&section, "sex")),
        (_, _, None) => return Err(missing(&section, "birthDate")),
    };
    section.end()?;
    Ok(Subject { scheme, id, identity })
}

struct Members {
    kind: Kind,
    known: BTreeSet<String>,
    members: Vec<Member>,
}

impl Members {
    fn read(&mut self, mut section: Section<'_, '_>, above: &[String]) -> Result<(), MappingError> {
        for name in section.names() {
            let inner = section.section(name)?;
            let path: Vec<String> = above.iter().cloned().chain(name.split('.').map(str::to_owned)).collect();
            let key = section.key(name);
            self.check(&path).map_err(|wrong| section.wrong(wrong(key)))?;
            let Some(inner) = inner else { continue };
            if !inner.rest.contains_key("column") && !inner.rest.contains_key("value") {
                self.read(inner, &path)?;
                continue;
            }
            let (line, key) = (inner.line, inner.path.clone());
            let source = source(inner)?;
            let clash = |other: &Member| other.path.iter().zip(&path).all(|(a, b)| a == b);
            if self.members.iter().any(clash) || self.members.len() == MAX_MEMBERS {
                return Err(MappingError { line, what: Wrong::Twice { key } });
            }
            let is_date = matches!(&source, Source::Column(Column { cell: Cell::Date, .. }) | Source::Fixed(_));
            if path.len() == 1 && matches!(name, "effectiveOn" | "stepOn") && !is_date {
                return Err(MappingError {
                    line,
                    what: Wrong::Expected { key, zh: " type = \"date\"", en: "type = \"date\"" },
                });
            }
            self.members.push(Member { path, source });
        }
        Ok(())
    }

    fn check(&self, path: &[String]) -> Result<(), fn(String) -> Wrong> {
        let named = |part: &String| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let known = path.first().is_some_and(|top| self.known.contains(top));
        if path.len() > MAX_DEPTH || !path.iter().all(named) || !known {
            return Err(|key| Wrong::NoMember { key });
        }
        let of_subject = matches!(path, [top, ..] if top == "id" || top == "identityCheck");
        // A roll says what is, not which earlier reference is the same person.
        let beyond = self.kind == Kind::StudentStatus && matches!(path, [top, ..] if top == "sameAs");
        if of_subject || beyond { Err(|key| Wrong::OfNode { key }) } else { Ok(()) }
    }
}

fn directory(top: &mut Section<'_, '_>, name: &str) -> Result<Directory, MappingError> {
    let Some(mut section) = top.section(name)? else { return Ok(Directory::default()) };
    let line = section.line;
    let scheme = section.text("scheme")?;
    let scheme = scheme.ok_or_else(|| MappingError { line, ..section.missing("scheme") })?;
    let mut names = BTreeMap::new();
    if let Some(mut map) = section.section("names")? {
        for code in map.names() {
            let value = map.value(code)?;
            let Some(Value::Object(languages)) = value else {
                return Err(map.expected(
                    code,
                    "各语言名称，如 { zh = \"…\", en = \"…\" }",
                    "{ zh = \"…\", en = \"…\" }",
                ));
            };
            names.insert(code.to_owned(), languages);
        }
    }
    section.end()?;
    Ok(Directory { scheme, names })
}

fn events(mut section: Section<'_, '_>) -> Result<Events, MappingError> {
    let mut events = Events::default();
    if let Some(mut map) = section.section("new")? {
        for name in map.names() {
            let event = map.text(name)?.and_then(|code| Event::from_code(&code));
            match (Status::from_code(name), event) {
                (Some(status), Some(event)) if next(None, event) == Some(status) => events.new.push((status, event)),
                _ => return Err(map.wrong(Wrong::Illegal { key: map.key(name) })),
            }
        }
    }
    if let Some(mut map) = section.section("changed")? {
        for name in map.names() {
            let event = map.text(name)?.and_then(|code| Event::from_code(&code));
            let pair = name.split_once('>').map(|(from, to)| (from.trim(), to.trim()));
            let pair = pair.and_then(|(from, to)| Some((Status::from_code(from)?, Status::from_code(to)?)));
            match (pair, event) {
                (Some((from, to)), Some(event)) if next(Some(from), event) == Some(to) => {
                    events.changed.push((from, to, event));
                }
                _ => return Err(map.wrong(Wrong::Illegal { key: map.key(name) })),
            }
        }
    }
    section.end()?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/csv/map.toml"));
    const LEAST: &str = r#"
kind = "student-status"
statedBy = { value = { scheme = "gb-t-2260", code = "530102", name = { zh = "五华区" } } }
[subject]
scheme = "cn-resident-id"
id = "证件号码"
[members]
stage = { value = "primary" }
status = { column = "状态", values = { "在读" = "enrolled" } }
effectiveOn = { column = "日期", type = "date" }
"#;

    fn refused(text: &str) -> (usize, Wrong) {
        let error = Mapping::read(text.as_bytes()).unwrap_err();
        for said in [error.what.text().zh, error.what.text().en] {
            assert!(!said.is_empty());
        }
        (error.line, error.what)
    }

    #[test]
    fn the_example_reads_back() {
        let mapping = Mapping::read(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((mapping.kind, mapping.encoding, mapping.delimiter), (Kind::StudentStatus, Encoding::Auto, b','));
        assert_eq!(mapping.names().len(), 13);
        assert_eq!(mapping.institutions.names.len(), 3);
        assert_eq!(mapping.events.new.len() + mapping.events.changed.len(), 3);
        assert!(mapping.subject.unwrap().identity.is_some());
        // As Notepad and Excel save it.
        let windows = format!("\u{FEFF}{}", EXAMPLE.replace('\n', "\r\n"));
        assert_eq!(Mapping::read(windows.as_bytes()).unwrap().members, mapping.members);
    }

    #[test]
    fn members_of_members_in_every_notation() {
        let text = LEAST
            .replace("student-status", "enrollment-connection")
            .replace("effectiveOn", "stepOn")
            .replace("stage =", "connectionKind =")
            .replace("status =", "step =");
        let more = r#"
role = { value = "receiving" }
connection = { column = "事项" }
"sending.grade" = { column = "年级", type = "integer" }
receiving.institution = { column = "学校", type = "institution", nameColumn = "校名" }
[members.receiving.city]
value = { scheme = "gb-t-2260", code = "530100" }
[institutions]
scheme = "cn-school-id"
"#;
        let mapping = Mapping::read(format!("{text}{more}").as_bytes()).unwrap();
        let mut paths: Vec<String> = mapping.members.iter().map(|member| member.path.join("/")).collect();
        paths.sort();
        assert_eq!(
            paths,
            [
                "connection",
                "connectionKind",
                "receiving/city",
                "receiving/institution",
                "role",
                "sending/grade",
                "step",
                "stepOn"
            ]
        );
        assert_eq!(mapping.names(), ["事项", "学校", "年级", "日期", "校名", "状态", "证件号码"]);
    }

    #[test]
    fn refusals_name_their_line() {
        let key = |line: usize, key: &str| (line, key.to_owned());
        let unknown = |text: &str| match refused(text) {
            (line, Wrong::Unknown { key }) => (line, key),
            other => panic!("{other:?}"),
        };
        let missing = |text: &str| match refused(text) {
            (line, Wrong::Missing { key }) => (line, key),
            other => panic!("{other:?}"),
        };
        Mapping::read(LEAST.as_bytes()).unwrap();
        assert_eq!(unknown(&format!("{LEAST}[colours]\n")), key(11, "colours"));
        assert_eq!(unknown(&LEAST.replace("[members]", "birthday = \"生日\"\n[members]")), key(7, "subject.birthday"));
        assert_eq!(
            unknown(&LEAST.replace("type = \"date\"", "type = \"date\", kind = 1")),
            key(10, "members.effectiveOn.kind")
        );
        assert_eq!(unknown(&LEAST.replace("type = \"date\"", "value = 1")), key(10, "members.effectiveOn.column"));
        assert_eq!(unknown(&LEAST.replace("id = \"证件号码\"", "id = \"证件号码\"\nid2 = 1")), key(7, "subject.id2"));
        assert_eq!(missing(&LEAST.replace("kind =", "# kind =")), key(1, "kind"));
        assert_eq!(missing(&LEAST.replace("id = \"证件号码\"", "")), key(4, "subject.id"));
        assert_eq!(missing(&LEAST.replace("id = ", "name = \"姓名\"\nid = ")), key(4, "subject.sex"));
        assert_eq!(missing(&LEAST.replace("stage =", "reason =")).1, "members.stage");
        assert_eq!(
            missing(&LEAST.replace(
                "type = \"date\" }",
                "type = \"date\" }\ninstitution = { column = \"a\", type = \"institution\" }"
            ))
            .1,
            "institutions"
        );
        for (from, to, line) in [
            ("student-status", "withdrawal", 2),
            ("\"student-status\"", "1", 2),
            ("\"证件号码\"", "\" \"", 6),
            ("type = \"date\"", "type = \"day\"", 10),
            ("type = \"date\"", "type = \"month\"", 10),
            ("value = \"primary\"", "value = 1.5", 8),
            ("value = \"primary\"", "value = 2026-09-01", 8),
        ] {
            let (at, wrong) = refused(&LEAST.replace(from, to));
            assert!(at == line && matches!(wrong, Wrong::Expected { .. }), "{to}: {at} {wrong:?}");
        }
        for (name, line) in [("colour", 11), ("id.x", 11), ("\"stage.x\"", 11), ("\"a b\"", 11), ("a.b.c.d.e", 11)] {
            let (at, wrong) = refused(&format!("{LEAST}{name} = {{ value = 1 }}\n"));
            assert!(at == line && !matches!(wrong, Wrong::Syntax { .. }), "{name}: {at} {wrong:?}");
        }
        assert!(matches!(refused(&format!("{LEAST}id = {{ column = \"a\" }}\n")), (11, Wrong::OfNode { .. })));
        assert!(matches!(refused(&format!("{LEAST}stage = {{ value = 1 }}\n")), (11, Wrong::Syntax { .. })));
        assert!(matches!(refused("kind = \"student-status\"\nkind ="), (2, Wrong::Syntax { .. })));
        assert_eq!(Mapping::read(b"kind = 1\n\xFF").unwrap_err(), MappingError { line: 2, what: Wrong::NotUtf8 });
        assert_eq!(Mapping::read(&vec![b'#'; MAX_MAPPING_LEN + 1]).unwrap_err().what, Wrong::TooLong);
    }

    #[test]
    fn events_are_steps_of_the_lifecycle() {
        let with = |events: &str| Mapping::read(format!("{LEAST}[events]\n{events}\n").as_bytes());
        let good =
            with("new = { enrolled = \"transfer-in\" }\nchanged = { \"enrolled>registration-kept\" = \"go-abroad\" }")
                .unwrap();
        assert_eq!(good.events.new, [(Status::Enrolled, Event::TransferIn)]);
        assert_eq!(good.events.changed, [(Status::Enrolled, Status::RegistrationKept, Event::GoAbroad)]);
        for bad in [
            "new = { enrolled = \"suspend\" }",
            "new = { \"在读\" = \"enter\" }",
            "changed = { enrolled = \"suspend\" }",
            "changed = { \"enrolled > suspended\" = \"quit\" }",
            "changed = { \"graduated > enrolled\" = \"resume\" }",
        ] {
            let error = with(bad).unwrap_err();
            assert!(error.line == 12 && matches!(error.what, Wrong::Illegal { .. }), "{bad}: {error}");
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 1_000_003).unwrap() % below
        };
        let seeds = [EXAMPLE.as_bytes().to_vec(), LEAST.as_bytes().to_vec()];
        for _ in 0..3_000 {
            let mut bytes = seeds[random(2)].clone();
            for _ in 0..=random(6) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"{}[]=\"'.,\n#\0>"[random(13)]),
                    _ => {
                        let (from, len) = (random(bytes.len()), random(40));
                        let part: Vec<u8> = bytes.iter().skip(from).take(len).copied().collect();
                        bytes.splice(at..at, part);
                    }
                }
            }
            if let Err(error) = Mapping::read(&bytes) {
                let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
                assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }
}
