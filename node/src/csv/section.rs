//! Reading TOML strictly: keys are taken one by one, what is left is unknown, and every refusal names its line.

use super::MAX_MAPPING_LEN;
use hefu_schemas::text::Text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// Why a mapping is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {}", what.text().en)]
pub struct MappingError {
    /// 1-based line.
    pub line: usize,
    /// What is wrong there.
    pub what: Wrong,
}

/// What is wrong with a mapping. `key` is the place in the file, e.g. `members.stage.column`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the message says it")]
pub enum Wrong {
    TooLong,
    NotUtf8,
    Syntax { message: String },
    Unknown { key: String },
    Missing { key: String },
    Expected { key: String, zh: &'static str, en: &'static str },
    NoMember { key: String },
    OfNode { key: String },
    Twice { key: String },
    Illegal { key: String },
}

impl Wrong {
    /// For people.
    pub fn text(&self) -> Text {
        match self {
            Self::TooLong => Text::new("映射文件过长（上限 1 MiB）", format!("longer than {MAX_MAPPING_LEN} bytes")),
            Self::NotUtf8 => Text::new("映射文件须为 UTF-8", "the mapping is not UTF-8"),
            Self::Syntax { message } => Text::new(format!("不是 TOML：{message}"), format!("not TOML: {message}")),
            Self::Unknown { key } => Text::new(format!("未知项 {key}"), format!("unknown key {key}")),
            Self::Missing { key } => Text::new(format!("缺少 {key}"), format!("{key} is missing")),
            Self::Expected { key, zh, en } => Text::new(format!("{key} 应为{zh}"), format!("{key}: expected {en}")),
            Self::NoMember { key } => {
                Text::new(format!("{key} 不是该类记录的成员"), format!("{key} is no member of this kind of record"))
            }
            Self::OfNode { key } => Text::new(
                format!("{key} 由 [subject] 得出，不得另行映射"),
                format!("{key} comes from [subject] and is not mapped"),
            ),
            Self::Twice { key } => Text::new(format!("{key} 重复映射"), format!("{key} is mapped twice")),
            Self::Illegal { key } => Text::new(
                format!("{key}：学籍状态转换中没有这一步"),
                format!("{key}: the lifecycle of student status has no such step"),
            ),
        }
    }
}

pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// A table whose keys are taken one by one; what is left is unknown.
pub(super) struct Section<'a, 'i> {
    text: &'a str,
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) rest: BTreeMap<&'a str, (usize, &'a DeValue<'i>)>,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn new(text: &'a str, path: String, line: usize, table: &'a DeTable<'i>) -> Self {
        let entry = |(key, value): (&'a toml::Spanned<toml::de::DeString<'i>>, &'a toml::Spanned<DeValue<'i>>)| {
            (key.get_ref().as_ref(), (key.span().start, value.get_ref()))
        };
        Self { text, path, line, rest: table.iter().map(entry).collect() }
    }

    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn wrong(&self, what: Wrong) -> MappingError {
        MappingError { line: self.line, what }
    }

    pub(super) fn missing(&self, name: &str) -> MappingError {
        self.wrong(Wrong::Missing { key: self.key(name) })
    }

    pub(super) fn expected(&self, name: &str, zh: &'static str, en: &'static str) -> MappingError {
        self.wrong(Wrong::Expected { key: self.key(name), zh, en })
    }

    /// Takes a key; the line of this section becomes that of the key, for what is said of it next.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a DeValue<'i>> {
        let (at, value) = self.rest.remove(name)?;
        self.line = line_of(self.text, at);
        Some(value)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, MappingError> {
        match self.take(name) {
            None => Ok(None),
            Some(DeValue::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim_matches(' ').to_owned())),
            Some(_) => Err(self.expected(name, "非空文本", "a text that is not empty")),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, MappingError> {
        match self.take(name) {
            None => Ok(false),
            Some(DeValue::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.expected(name, " true 或 false", "true or false")),
        }
    }

    pub(super) fn section(&mut self, name: &str) -> Result<Option<Section<'a, 'i>>, MappingError> {
        match self.take(name) {
            None => Ok(None),
            Some(DeValue::Table(table)) => Ok(Some(Section::new(self.text, self.key(name), self.line, table))),
            Some(_) => Err(self.expected(name, "一个表", "a table")),
        }
    }

    pub(super) fn value(&mut self, name: &str) -> Result<Option<Value>, MappingError> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => json(value).map(Some).ok_or_else(|| {
                self.expected(
                    name,
                    "文本、整数、true、false 或由它们组成的表",
                    "texts, integers, true or false, or tables of them",
                )
            }),
        }
    }

    pub(super) fn names(&self) -> Vec<&'a str> {
        self.rest.keys().copied().collect()
    }

    pub(super) fn end(mut self) -> Result<(), MappingError> {
        match self.names().first() {
            None => Ok(()),
            Some(name) => {
                self.take(name);
                Err(self.wrong(Wrong::Unknown { key: self.key(name) }))
            }
        }
    }
}

/// A value of TOML as JSON; floats and dates have no place in a record.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(integer) => Value::from(i64::from_str_radix(integer.as_str(), integer.radix()).ok()?),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(table) => Value::Object(object(table)?),
        DeValue::Float(_) | DeValue::Datetime(_) => return None,
    })
}

fn object(table: &DeTable<'_>) -> Option<Map<String, Value>> {
    table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?))).collect()
}
