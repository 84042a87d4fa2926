//! Small changes of a document that leave it JSON: some keep it valid, most break one thing.

use crate::random::Random;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Values by the member that they stood under, in documents of one schema, and the choices that the schema lists.
#[derive(Default)]
pub(crate) struct Pool {
    members: BTreeMap<String, BTreeSet<String>>,
    choices: BTreeSet<String>,
}

impl Pool {
    /// Takes in every member of a document.
    pub(crate) fn learn(&mut self, document: &Value) {
        match document {
            Value::Object(members) => {
                for (name, value) in members {
                    self.members.entry(name.clone()).or_default().insert(value.to_string());
                    self.learn(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    /// Takes in the values of all `enum` and `const` of a schema.
    pub(crate) fn learn_choices(&mut self, schema: &Value) {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    match (keyword.as_str(), value) {
                        ("enum", Value::Array(values)) => self.choices.extend(values.iter().map(Value::to_string)),
                        ("const", value) => self.choices.extend([value.to_string()]),
                        _ => self.learn_choices(value),
                    }
                }
            }
            Value::Array(schemas) => schemas.iter().for_each(|schema| self.learn_choices(schema)),
            _ => {}
        }
    }

    fn choice(&self, random: &mut Random) -> Value {
        one_of(random, &self.choices)
    }

    /// A value that some document has under this name.
    fn like(&self, random: &mut Random, name: &str) -> Value {
        self.members.get(name).map_or(Value::Null, |values| one_of(random, values))
    }

    fn name(&self, random: &mut Random) -> String {
        self.members.keys().nth(random.below(self.members.len())).cloned().unwrap_or_default()
    }
}

fn one_of(random: &mut Random, values: &BTreeSet<String>) -> Value {
    let text = values.iter().nth(random.below(values.len())).map(String::as_str);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Changes one thing somewhere in the document.
pub(crate) fn mutate(random: &mut Random, pool: &Pool, document: &mut Value) {
    let mut places = Vec::new();
    collect(document, String::new(), &mut places);
    let place = random.choose(&places).clone();
    let name = place.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(target) = document.pointer_mut(&place) else { return };
    match target {
        Value::Object(members) if !members.is_empty() && random.below(5) < 4 => object(random, pool, members),
        Value::Array(items) if random.below(5) < 4 => array(random, items),
        other => *other = instead(random, pool, &name, other),
    }
}

/// Pointers to all values. Names of members here hold no `/` and no `~`.
fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(value, format!("{at}/{name}"), places));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| collect(value, format!("{at}/{index}"), places));
        }
        _ => {}
    }
    places.push(at);
}

fn object(random: &mut Random, pool: &Pool, members: &mut Map<String, Value>) {
    let chosen = members.keys().nth(random.below(members.len())).cloned().unwrap_or_default();
    match random.below(8) {
        0 => {
            members.remove(&chosen);
        }
        1 => {
            members.insert("unknownMember".to_owned(), json!(1));
        }
        // A member that belongs elsewhere, or here: with a value that fits its name.
        2 | 3 => {
            let name = pool.name(random);
            let value = pool.like(random, &name);
            members.insert(name, value);
        }
        4..=6 => {
            let value = pool.like(random, &chosen);
            members.insert(chosen, value);
        }
        _ => {
            let value = members.remove(&chosen).unwrap_or_default();
            members.insert(pool.name(random), value);
        }
    }
}

fn array(random: &mut Random, items: &mut Vec<Value>) {
    let position = random.below(items.len());
    match random.below(4) {
        0 if !items.is_empty() => {
            items.remove(position);
        }
        1 => items.clear(),
        2 => items.reverse(),
        _ => {
            let again = items.get(position).cloned().unwrap_or_default();
            items.push(again);
        }
    }
}

fn instead(random: &mut Random, pool: &Pool, name: &str, value: &Value) -> Value {
    match (random.below(10), value) {
        (0..=3, _) => pool.like(random, name),
        (4, _) => pool.choice(random),
        (5, _) => random
            .choose(&[Value::Null, json!(true), json!(0), json!(1), json!(-1), json!(""), json!([]), json!({})])
            .clone(),
        (_, Value::Number(number)) => {
            let integer = number.as_i64().unwrap_or(0);
            let near = [integer + 1, integer - 1, -integer, integer * 1000, 9_007_199_254_740_991, -1, 0];
            json!(*random.choose(&near))
        }
        (_, Value::String(text)) => json!(respelt(random, text)),
        (_, Value::Bool(flag)) => json!(!flag),
        (_, other) => other.clone(),
    }
}

/// The text with one character changed, dropped, doubled or added, or much longer.
fn respelt(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let position = random.below(characters.len());
    let other = *random.choose(&['0', '1', '9', 'a', 'Z', '-', ':', '.', ' ', '_', '/', 'é', '学', '٣', '😀']);
    match random.below(7) {
        0 if !characters.is_empty() => {
            characters.remove(position);
        }
        1 => characters.insert(position, other),
        2 => characters.push(other),
        3 => characters.insert(0, other),
        4 => characters = text.to_uppercase().chars().collect(),
        5 => characters = text.chars().cycle().take(text.chars().count() * 40 + 1).collect(),
        _ => {
            if let Some(character) = characters.get_mut(position) {
                *character = other;
            }
        }
    }
    characters.into_iter().collect()
}
