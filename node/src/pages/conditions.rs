//! What a schema requires under a condition, in words: `if`, `then`, `else`, `dependentRequired`, `dependentSchemas`.

use super::catalogue::{Entry, find};
use super::json::Json;
use hefu_schemas::text::Text;

/// What holds of a member where a condition is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// It must be there.
    Required,
    /// It must not be there.
    Forbidden,
    /// Its value is limited.
    Limited(String),
    /// Exactly one of these members must be there.
    OneOf(String),
}

/// One condition's effect on a member.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    /// The member, as a dotted path below the object.
    pub(crate) path: String,
    /// What holds of it.
    pub(crate) what: What,
    when: Vec<Part>,
}

/// All clauses hold, or (negated) not all of them.
#[derive(Debug, Clone)]
struct Part {
    negated: bool,
    clauses: Vec<Clause>,
}

/// A member has one of these values, or is there.
#[derive(Debug, Clone)]
struct Clause {
    path: String,
    values: Vec<String>,
}

impl Effect {
    /// What is required when, in both languages.
    pub(crate) fn text(&self) -> Text {
        let (zh, en): (Vec<_>, Vec<_>) = self.when.iter().map(Part::text).map(|text| (text.zh, text.en)).unzip();
        let (zh, en) = (zh.join("，且"), en.join(", and "));
        let (zh, en) = if zh.is_empty() { (zh, en) } else { (format!("{zh}时，"), format!(" when {en}")) };
        match &self.what {
            What::Required => Text::new(format!("{zh}必填"), format!("required{en}")),
            What::Forbidden => Text::new(format!("{zh}不得填写"), format!("not allowed{en}")),
            What::Limited(form) => Text::new(format!("{zh}须为 {form}"), format!("must be {form}{en}")),
            What::OneOf(names) => Text::new(format!("{names} 恰填一项"), format!("exactly one of {names}")),
        }
    }
}

impl Part {
    fn text(&self) -> Text {
        let (zh, en): (Vec<_>, Vec<_>) =
            self.clauses.iter().map(|clause| clause.text(self.negated && self.clauses.len() == 1)).unzip();
        let (zh, en) = (zh.join("且"), en.join(" and "));
        if self.negated && self.clauses.len() > 1 {
            Text::new(format!("并非 {zh}"), format!("it is not so that {en}"))
        } else {
            Text::new(zh, en)
        }
    }
}

impl Clause {
    fn text(&self, negated: bool) -> (String, String) {
        let values: Vec<_> = self.values.iter().map(|value| format!("`{value}`")).collect();
        let path = &self.path;
        match (values.as_slice(), negated) {
            ([], false) => (format!("填写了 `{path}` "), format!("`{path}` is given")),
            ([], true) => (format!("未填写 `{path}` "), format!("`{path}` is not given")),
            (values, false) => {
                (format!("`{path}` 为 {} ", values.join("、")), format!("`{path}` is {}", values.join(" or ")))
            }
            (values, true) => {
                (format!("`{path}` 不为 {} ", values.join("、")), format!("`{path}` is not {}", values.join(" or ")))
            }
        }
    }
}

/// The definition that a `$ref` names, and the schema in which it stands.
pub(crate) fn resolve(entry: &'static Entry, reference: &str) -> Option<(&'static Entry, String, &'static Json)> {
    let (file, definition) = reference.split_once("#/$defs/")?;
    let entry = match file.strip_prefix("../") {
        Some(file) => find(file.strip_suffix("/v1.schema.json")?)?,
        None => entry,
    };
    Some((entry, definition.to_owned(), entry.json.get("$defs")?.get(definition)?))
}

/// Everything that an object schema requires under a condition.
pub(crate) fn effects(entry: &'static Entry, schema: &'static Json) -> Vec<Effect> {
    let mut found = Vec::new();
    collect(entry, schema, "", &[], &mut found);
    found
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn collect(entry: &'static Entry, schema: &'static Json, at: &str, when: &[Part], found: &mut Vec<Effect>) {
    let mut add = |path: String, what: What, when: &[Part]| found.push(Effect { path, what, when: when.to_vec() });
    if !when.is_empty() {
        for name in schema.get("required").map(Json::texts).unwrap_or_default() {
            add(join(at, name), What::Required, when);
        }
        if let Some(form) = limit(entry, schema) {
            add(at.to_owned(), What::Limited(form), when);
        }
    }
    let one_of: Vec<&str> = schema
        .get("oneOf")
        .map_or(&[][..], Json::items)
        .iter()
        .filter_map(|one| one.get("required")?.texts().first().copied())
        .collect();
    if !one_of.is_empty() {
        let names: Vec<_> = one_of.iter().map(|name| format!("`{name}`")).collect();
        one_of.iter().for_each(|name| add(join(at, name), What::OneOf(names.join("、")), when));
    }
    for (name, member) in schema.get("properties").map_or(&[][..], Json::members) {
        if *member == Json::Bool(false) && !when.is_empty() {
            found.push(Effect { path: join(at, name), what: What::Forbidden, when: when.to_vec() });
        } else if !when.is_empty() {
            collect(entry, member, &join(at, name), when, found);
        }
    }
    if let Some(items) = schema.get("items").filter(|_| !when.is_empty()) {
        collect(entry, items, &format!("{at}[]"), when, found);
    }
    schema.get("allOf").map_or(&[][..], Json::items).iter().for_each(|one| collect(entry, one, at, when, found));
    if let Some(condition) = schema.get("if") {
        let mut clauses = Vec::new();
        clauses_of(entry, condition, at, &mut clauses);
        for (branch, negated) in [("then", false), ("else", true)] {
            let Some(branch) = schema.get(branch) else { continue };
            let part = Part { negated, clauses: clauses.clone() };
            collect(entry, branch, at, &[when, &[part]].concat(), found);
        }
    }
    dependents(entry, schema, at, when, found);
}

fn dependents(entry: &'static Entry, schema: &'static Json, at: &str, when: &[Part], found: &mut Vec<Effect>) {
    let given =
        |name: &str| Part { negated: false, clauses: vec![Clause { path: join(at, name), values: Vec::new() }] };
    for (name, others) in schema.get("dependentRequired").map_or(&[][..], Json::members) {
        let when = [when, &[given(name)]].concat();
        for other in others.texts() {
            found.push(Effect { path: join(at, other), what: What::Required, when: when.clone() });
        }
    }
    for (name, dependent) in schema.get("dependentSchemas").map_or(&[][..], Json::members) {
        let referred = dependent.text_of("$ref").and_then(|reference| resolve(entry, reference));
        let (entry, dependent) = referred.map_or((entry, dependent), |(entry, _, schema)| (entry, schema));
        collect(entry, dependent, at, &[when, &[given(name)]].concat(), found);
    }
}

/// What a conditional schema says of a value, short.
fn limit(entry: &'static Entry, schema: &'static Json) -> Option<String> {
    if let Some(reference) = schema.text_of("$ref") {
        let (_, name, _) = resolve(entry, reference)?;
        return Some(format!("`{name}`"));
    }
    let values = values(entry, schema);
    if !values.is_empty() {
        return Some(values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join("、"));
    }
    schema.text_of("pattern").map(|pattern| format!("`{pattern}`"))
}

/// The values that a schema allows, when it lists them.
fn values(entry: &'static Entry, schema: &'static Json) -> Vec<String> {
    let plain = |value: &Json| value.text().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(value) = schema.get("const") {
        return vec![plain(value)];
    }
    if let Some(list) = schema.get("enum") {
        return list.items().iter().map(plain).collect();
    }
    let referred = schema.text_of("$ref").and_then(|reference| resolve(entry, reference));
    referred.map(|(entry, _, schema)| values(entry, schema)).unwrap_or_default()
}

fn clauses_of(entry: &'static Entry, schema: &'static Json, at: &str, found: &mut Vec<Clause>) {
    for (name, member) in schema.get("properties").map_or(&[][..], Json::members) {
        let values = values(entry, member);
        if values.is_empty() {
            clauses_of(entry, member, &join(at, name), found);
        } else {
            found.push(Clause { path: join(at, name), values });
        }
    }
    for name in schema.get("required").map(Json::texts).unwrap_or_default() {
        let path = join(at, name);
        if !found.iter().any(|clause| clause.path == path) {
            found.push(Clause { path, values: Vec::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, path: &str) -> Vec<String> {
        let entry = find(name).unwrap();
        let body = entry.json.get("$defs").and_then(|defs| defs.get("body")).unwrap();
        let all = effects(entry, &entry.json).into_iter().chain(effects(entry, body));
        all.filter(|effect| effect.path == path).map(|effect| effect.text().en).collect()
    }

    #[test]
    fn conditions_read_as_sentences() {
        assert_eq!(
            said("student-status", "until"),
            ["required when `status` is `suspended`", "not allowed when `status` is not `suspended`"]
        );
        assert_eq!(
            said("student-status", "destination"),
            [
                "not allowed when `status` is `transferred-out`, and `connection` is given",
                "not allowed when `status` is not `transferred-out`"
            ]
        );
        assert_eq!(said("student-status", "correction"), ["required when `supersedes` is given"]);
        let quota = said("enrollment-connection", "quota.offered");
        assert_eq!(quota, ["required when `connectionKind` is `quota-programme`, and `step` is `reported`"]);
        assert_eq!(
            said("enrollment-connection", "eligibility"),
            ["not allowed when it is not so that `connectionKind` is `migrant-admission` and `role` is `receiving`"]
        );
    }
}
