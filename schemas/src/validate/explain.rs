//! From the errors of the validator to violations in plain words.
//!
//! Values of the document are never quoted, and of its names only those that look like an identifier: both may
//! identify a person. What the schema says (allowed values, limits, names of members) may be quoted freely.

use super::MAX_VIOLATIONS;
use crate::scan::Item;
use crate::text::Text;
use crate::violation::Violation;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest name of the document that is quoted, in bytes.
const MAX_SHOWN_NAME: usize = 64;
/// Most allowed values that are listed.
const MAX_SHOWN_OPTIONS: usize = 20;
/// Longest pattern or value of the schema that is quoted, in characters.
const MAX_SHOWN_TEXT: usize = 80;

/// Turns errors into violations, the first [`MAX_VIOLATIONS`] different ones.
pub(super) fn violations<'i>(
    root: Item<'_>,
    errors: impl Iterator<Item = ValidationError<'i>>,
    declared: &BTreeSet<String>,
) -> Vec<Violation> {
    let errors: Vec<_> = errors.collect();
    let causes = Causes::of(&errors);
    let mut report = Report { root, violations: Vec::new() };
    for error in &errors {
        match error.kind() {
            Kind::UnevaluatedProperties { unexpected } => {
                let has_cause = causes.reach(error);
                let unknown = unexpected.iter().filter(|&name| !has_cause || !declared.contains(name));
                unknown.for_each(|name| report.add_unknown_member(error, name));
            }
            _ => report.add(error),
        }
    }
    report.violations
}

/// What may be the only reason why members are called unevaluated: a failed subschema annotates nothing (JSON Schema
/// core §7.7.1.2), so a member that breaks its own rule makes its neighbours unevaluated, and itself. They are
/// declared; to call them unknown would send the clerk the wrong way.
struct Causes<'a> {
    /// There is an error of another keyword.
    of_content: bool,
    /// Everything above an error.
    above: BTreeSet<&'a str>,
}

impl<'a> Causes<'a> {
    fn of(errors: &'a [ValidationError<'_>]) -> Self {
        let of_content = errors.iter().any(|error| !matches!(error.kind(), Kind::UnevaluatedProperties { .. }));
        let paths = errors.iter().map(|error| error.instance_path().as_str());
        let above = paths.flat_map(|path| path.match_indices('/').filter_map(|(slash, _)| path.get(..slash)));
        Self { of_content, above: above.collect() }
    }

    /// Errors of this keyword alone, with none below, name unknown members: so not all errors fall away.
    fn reach(&self, error: &ValidationError<'_>) -> bool {
        self.of_content || self.above.contains(error.instance_path().as_str())
    }
}

struct Report<'a> {
    root: Item<'a>,
    violations: Vec<Violation>,
}

impl Report<'_> {
    fn add(&mut self, error: &ValidationError<'_>) {
        if self.is_full() {
            return;
        }
        let path = error.instance_path().as_str();
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.iter().for_each(|name| self.add_unknown_member(error, name));
            }
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                self.push(path, Some(name), error, required(name));
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.push(path, None, error, no_form_fits());
                self.add_meant_form(context);
            }
            kind => self.push(path, None, error, message(kind)),
        }
    }

    fn add_unknown_member(&mut self, error: &ValidationError<'_>, name: &str) {
        if self.is_full() {
            return;
        }
        let shown = is_shown(name).then_some(name);
        self.push(error.instance_path().as_str(), shown, error, unknown_member(shown));
    }

    /// Where fixed values (a type code, a scheme) leave one form only, its own violations are what helps.
    fn add_meant_form(&mut self, forms: &[Vec<ValidationError<'static>>]) {
        let is_other = |error: &ValidationError<'_>| {
            matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. } | Kind::Type { .. } | Kind::FalseSchema)
        };
        let mut meant = forms.iter().filter(|errors| !errors.iter().any(is_other));
        if let (Some(errors), None) = (meant.next(), meant.next()) {
            errors.iter().for_each(|error| self.add(error));
        }
    }

    /// `name` is a member below `path` that is at fault, and may be shown.
    fn push(&mut self, path: &str, name: Option<&str>, error: &ValidationError<'_>, message: Text) {
        let (mut pointer, whole) = shown_pointer(self.root, path);
        if let (true, Some(name)) = (whole, name) {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        let violation = Violation { pointer, rule: error.kind().keyword().to_owned(), message };
        if !self.is_full() && !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= MAX_VIOLATIONS
    }
}

/// The path up to the first name that must not be shown, and whether that is all of it.
fn shown_pointer(root: Item<'_>, path: &str) -> (String, bool) {
    let mut shown = String::new();
    let mut item = Some(root);
    for token in path.split('/').skip(1) {
        // An index is a position, but a name of digits may be an identity number.
        if !item.is_some_and(|item| item.is_array()) && !is_shown(token) {
            return (shown, false);
        }
        item = item.and_then(|item| item.step(token));
        shown.push('/');
        shown.push_str(token);
    }
    (shown, true)
}

/// Whether a name that stands in the document may be quoted: `[A-Za-z@][A-Za-z0-9_@-]*`, not long.
fn is_shown(name: &str) -> bool {
    name.len() <= MAX_SHOWN_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '@')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@-".contains(&byte))
}

fn required(name: &str) -> Text {
    Text::new(format!("缺少必填项“{name}”"), format!("the required member \"{name}\" is missing"))
}

fn unknown_member(name: Option<&str>) -> Text {
    match name {
        Some(name) => {
            Text::new(format!("此处不允许出现“{name}”项"), format!("the member \"{name}\" is not allowed here"))
        }
        None => {
            Text::new("此处出现了不允许的项（名称不予显示）", "a member is not allowed here (its name is not shown)")
        }
    }
}

fn no_form_fits() -> Text {
    Text::new("内容不符合任何一种允许的形式", "fits none of the allowed forms")
}

fn message(kind: &Kind) -> Text {
    content_message(kind).or_else(|| size_message(kind)).unwrap_or_else(|| structure_message(kind))
}

/// What a single value must be.
fn content_message(kind: &Kind) -> Option<Text> {
    Some(match kind {
        Kind::Type { kind } => type_message(kind),
        Kind::Constant { expected_value } => match shown_value(expected_value) {
            Some(value) => Text::new(format!("应为固定值 {value}"), format!("must be {value}")),
            None => Text::new("应为规定的固定内容", "must be exactly the prescribed content"),
        },
        Kind::Enum { options } => enum_message(options),
        Kind::Pattern { pattern } if pattern.chars().count() <= MAX_SHOWN_TEXT => {
            Text::new(format!("格式不符合规定（{pattern}）"), format!("does not have the prescribed form ({pattern})"))
        }
        Kind::Pattern { .. } => Text::new("格式不符合规定", "does not have the prescribed form"),
        Kind::Format { format } => Text::new(format!("不符合“{format}”格式"), format!("is not a valid \"{format}\"")),
        Kind::ContentEncoding { .. } | Kind::ContentMediaType { .. } | Kind::FromUtf8 { .. } => {
            Text::new("内容的编码不符合规定", "is not encoded as prescribed")
        }
        _ => return None,
    })
}

fn type_message(kind: &TypeKind) -> Text {
    let types: Vec<JsonType> = match kind {
        TypeKind::Single(single) => vec![*single],
        TypeKind::Multiple(set) => set.iter().collect(),
    };
    let (zh, en): (Vec<_>, Vec<_>) = types.into_iter().map(type_names).unzip();
    Text::new(format!("类型不对，应为{}", zh.join("或")), format!("must be {}", en.join(" or ")))
}

fn type_names(json_type: JsonType) -> (&'static str, &'static str) {
    match json_type {
        JsonType::Null => ("空值", "null"),
        JsonType::Boolean => ("是或否（true、false）", "true or false"),
        JsonType::Integer => ("整数", "a whole number"),
        JsonType::Number => ("数字", "a number"),
        JsonType::String => ("文本", "a text"),
        JsonType::Array => ("列表", "a list"),
        JsonType::Object => ("一组数据项（对象）", "a group of members (an object)"),
    }
}

fn enum_message(options: &Value) -> Text {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Option<Vec<String>> = options.iter().map(shown_value).collect();
    match shown {
        Some(shown) if (1..=MAX_SHOWN_OPTIONS).contains(&shown.len()) => Text::new(
            format!("不是允许的取值，允许：{}", shown.join("、")),
            format!("is not one of the allowed values: {}", shown.join(", ")),
        ),
        _ => Text::new("不是允许的取值", "is not one of the allowed values"),
    }
}

/// A short value of the schema.
fn shown_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.chars().count() <= MAX_SHOWN_TEXT => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Null => Some(value.to_string()),
        Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// How long, many or large something may be.
fn size_message(kind: &Kind) -> Option<Text> {
    Some(match kind {
        Kind::MinLength { limit } => {
            Text::new(format!("文本过短，至少 {limit} 个字符"), format!("is too short: at least {limit} characters"))
        }
        Kind::MaxLength { limit } => {
            Text::new(format!("文本过长，至多 {limit} 个字符"), format!("is too long: at most {limit} characters"))
        }
        Kind::MinItems { limit } => {
            Text::new(format!("列表项过少，至少 {limit} 项"), format!("has too few items: at least {limit}"))
        }
        Kind::MaxItems { limit } => {
            Text::new(format!("列表项过多，至多 {limit} 项"), format!("has too many items: at most {limit}"))
        }
        Kind::MinProperties { limit } => {
            Text::new(format!("数据项过少，至少 {limit} 项"), format!("has too few members: at least {limit}"))
        }
        Kind::MaxProperties { limit } => {
            Text::new(format!("数据项过多，至多 {limit} 项"), format!("has too many members: at most {limit}"))
        }
        Kind::Minimum { limit } => Text::new(format!("数值不得小于 {limit}"), format!("must not be less than {limit}")),
        Kind::Maximum { limit } => Text::new(format!("数值不得大于 {limit}"), format!("must not be more than {limit}")),
        Kind::ExclusiveMinimum { limit } => {
            Text::new(format!("数值须大于 {limit}"), format!("must be more than {limit}"))
        }
        Kind::ExclusiveMaximum { limit } => {
            Text::new(format!("数值须小于 {limit}"), format!("must be less than {limit}"))
        }
        Kind::MultipleOf { multiple_of } => {
            Text::new(format!("数值须为 {multiple_of} 的倍数"), format!("must be a multiple of {multiple_of}"))
        }
        _ => return None,
    })
}

/// What may stand together.
fn structure_message(kind: &Kind) -> Text {
    match kind {
        Kind::UniqueItems => Text::new("列表中有重复的项", "has the same item twice"),
        Kind::Contains => Text::new("列表中缺少必须包含的项", "lacks an item that must be in the list"),
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            Text::new("列表中有不允许的项", "has an item that is not allowed in the list")
        }
        Kind::OneOfMultipleValid { .. } => Text::new(
            "内容同时符合多种形式，只能符合一种",
            "fits more than one of the forms, of which only one may fit",
        ),
        Kind::Not { .. } => Text::new("内容属于不允许的情形", "is a case that is not allowed here"),
        Kind::FalseSchema => Text::new("此处不允许出现该项", "must not be given here"),
        Kind::PropertyNames { .. } => Text::new("有数据项的名称不符合规定", "has a member whose name is not allowed"),
        _ => Text::new("内容不符合规定", "does not follow the schema"),
    }
}
