//! Chinese beside the English of the schemas, whose files say `Title (标题)` at best; and names of members, lists and rules.
//!
//! Released files never change, so what they do not say stands here. A test holds that nothing is missing, and nothing left over.

use hefu_schemas::text::Text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Name of something, in both languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    zh: String,
    en: String,
}

/// A rule of schema or program: what it asks for, and what to do where it is broken.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its code in violations: with a slash a rule beyond the schemas, without one a keyword of JSON Schema.
    pub(crate) rule: String,
    zh: String,
    en: String,
    remedy_zh: String,
    remedy_en: String,
}

impl Rule {
    /// What it asks for.
    pub(crate) fn text(&self) -> Text {
        Text::new(&*self.zh, &*self.en)
    }

    /// What to do where it is broken.
    pub(crate) fn remedy(&self) -> Text {
        Text::new(&*self.remedy_zh, &*self.remedy_en)
    }
}

/// Reads a file of words.
fn read<T: for<'a> Deserialize<'a>>(text: &str) -> T {
    serde_json::from_str(text).expect("the words are built in and tested")
}

static TITLES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| read(include_str!("words/titles.json")));
static DESCRIPTIONS: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| read(include_str!("words/descriptions.json")));
static MEMBERS: LazyLock<Vec<Named>> = LazyLock::new(|| read(include_str!("words/members.json")));
static LISTS: LazyLock<Vec<Named>> = LazyLock::new(|| read(include_str!("words/lists.json")));
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| read(include_str!("words/rules.json")));

fn named(names: &[Named], name: &str) -> Option<Text> {
    names.iter().find(|row| row.name == name).map(|row| Text::new(&*row.zh, &*row.en))
}

/// A title of a schema: `Title (标题)`, or one whose Chinese stands here.
pub(crate) fn title(title: &str) -> Text {
    let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let both = title.strip_suffix(')').and_then(|title| title.rsplit_once(" ("));
    match both {
        Some((en, zh)) if chinese(zh) => Text::new(zh, en),
        _ => Text::new(TITLES.get(title).map_or(title, String::as_str), title),
    }
}

/// A description of a schema.
pub(crate) fn description(en: &str) -> Text {
    Text::new(DESCRIPTIONS.get(en).map_or(en, String::as_str), en)
}

/// What a member is called.
pub(crate) fn member(name: &str) -> Option<Text> {
    named(&MEMBERS, name)
}

/// What a code list is called.
pub(crate) fn list(name: &str) -> Text {
    named(&LISTS, name).unwrap_or_else(|| Text::new(name, name))
}

/// The rules, in the order in which pages show them.
pub(crate) fn rules() -> &'static [Rule] {
    &RULES
}

/// The rule of a violation.
pub(crate) fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.rule == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::json::Json;
    use hefu_schemas::code::lists;
    use hefu_schemas::released::{released, released_for_verifying};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[derive(Default)]
    struct Used {
        titles: BTreeSet<String>,
        descriptions: BTreeSet<String>,
        members: BTreeSet<String>,
    }

    fn collect(schema: &Json, used: &mut Used) {
        used.titles.extend(schema.text_of("title").map(str::to_owned));
        used.descriptions.extend(schema.text_of("description").map(str::to_owned));
        for (name, member) in schema.get("properties").map_or(&[][..], Json::members) {
            if member.get("title").is_none() {
                used.members.insert(name.clone());
            }
        }
        for (keyword, value) in schema.members() {
            if !["const", "if", "then", "else", "allOf"].contains(&keyword.as_str()) {
                collect(value, used);
                value.items().iter().for_each(|item| collect(item, used));
            }
        }
    }

    #[test]
    fn everything_that_the_schemas_say_has_its_words_and_nothing_is_left_over() {
        let mut used = Used::default();
        let files = released().iter().chain(released_for_verifying());
        files
            .filter(|file| file.path.ends_with(".json"))
            .for_each(|file| collect(&Json::released(file.text), &mut used));
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(used.titles.iter().all(|one| chinese(&title(one).zh)), "{:?}", used.titles);
        assert!(TITLES.keys().all(|one| used.titles.contains(one)));
        assert!(used.descriptions.iter().eq(DESCRIPTIONS.keys()));
        let members: BTreeSet<_> = MEMBERS.iter().map(|row| row.name.clone()).collect();
        let missing: Vec<_> = used.members.difference(&members).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let of_lists: BTreeSet<_> = LISTS.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(of_lists, lists().iter().map(|list| list.name.as_str()).collect());
    }

    /// Each rule that an invalid example breaks has its words; each that has words can be broken.
    #[test]
    fn every_rule_has_its_words() {
        const OTHER: [&str; 3] = ["record/envelope", "record/type", "agreement/document"];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
        let mut broken = BTreeSet::new();
        for kind in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("invalid")) {
            for file in std::fs::read_dir(kind).into_iter().flatten() {
                let example: serde_json::Value =
                    serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
                broken.insert(example["why"]["rule"].as_str().unwrap().to_owned());
            }
        }
        assert!(broken.len() > 40);
        let without: Vec<_> = broken.iter().filter(|code| rule(code).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        let shown = |code: &str| {
            let elsewhere = code.starts_with("draft/") || code.starts_with("policy/") || OTHER.contains(&code);
            broken.contains(code) || elsewhere || !code.contains('/')
        };
        assert!(rules().iter().all(|rule| shown(&rule.rule)));
    }
}
