//! Values that stand in record after record: a city names the same places, offices, institutions and agreement again and again. One
//! that was found valid is not walked through a second time while its bytes are remembered.
//!
//! Canonical bytes are the value, and whether it is valid depends on nothing else: so nobody can tell a remembered answer from a new
//! one. Only what is valid is remembered, and bytes are compared whole.

use super::{Patterns, Source, Tape};
use crate::scan::Item;
use jsonschema::{Keyword, ValidationError, Validator};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

/// The schema that has the definitions.
const ENVELOPE: &str = "https://w3id.org/hefu/schemas/envelope/v1.schema.json";
/// The definitions whose values repeat.
const DEFINITIONS: [&str; 4] = ["institution", "place", "statedBy", "termsOfUse"];
/// The keyword that takes the place of such a definition; the published schemas do not have it.
pub(super) const KEYWORD: &str = "hefu-repeated";
/// Most values that a thread remembers: a large city has some thousand schools. A value that falls onto the place of another one
/// replaces it.
const SLOTS: u64 = 4096;
/// Longest value that is remembered, in bytes. Most have 120 to 200, so a thread holds less than 1 MB, and 2 MB at most.
const MAX_LEN: usize = 512;
/// Bytes by which a place is chosen: in canonical order the code is first.
const HASHED: usize = 64;

thread_local! {
    static VALID: RefCell<Remembered> = RefCell::default();
}

/// Each definition by itself, for what is not remembered.
static VALIDATORS: LazyLock<[Validator<Tape>; DEFINITIONS.len()]> = LazyLock::new(|| {
    DEFINITIONS.map(|name| {
        let schema = json!({"$ref": format!("{ENVELOPE}#/$defs/{name}")});
        let source = Source { schema, resources: Source::released_resources() };
        source.compile(Patterns::Automata).expect("the definitions of the released schemas compile")
    })
});

/// Lets the resources of a schema ask [`Repeated`] for the definitions whose values repeat.
pub(super) fn remember(resources: &mut [(&'static str, Value)]) {
    let envelope = resources.iter_mut().find(|(id, _)| *id == ENVELOPE);
    let definitions = envelope.and_then(|(_, schema)| schema.get_mut("$defs")?.as_object_mut());
    for (name, definition) in definitions.into_iter().flatten() {
        if DEFINITIONS.contains(&name.as_str()) {
            *definition = json!({ KEYWORD: name });
        }
    }
}

/// Makes the keyword.
pub(super) fn keyword<'a>(
    _: &'a Map<String, Value>,
    name: &'a Value,
) -> Result<Box<dyn for<'i> Keyword<'i, Tape>>, ValidationError<'a>> {
    let definition = DEFINITIONS.iter().position(|known| name == known);
    match definition.and_then(|definition| Some(Repeated { definition, validator: VALIDATORS.get(definition)? })) {
        Some(repeated) => Ok(Box::new(repeated)),
        None => Err(ValidationError::custom("no definition whose values repeat")),
    }
}

/// A definition whose valid values are remembered.
struct Repeated {
    definition: usize,
    validator: &'static Validator<Tape>,
}

impl<'i> Keyword<'i, Tape> for Repeated {
    /// Never asked: whoever wants to know why asks the validator that has the definition itself.
    fn validate(&self, item: Item<'i>) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, item) { Ok(()) } else { Err(ValidationError::custom(KEYWORD)) }
    }

    fn is_valid(&self, item: Item<'i>) -> bool {
        let bytes = item.raw();
        if bytes.len() > MAX_LEN {
            return self.validator.is_valid(item);
        }
        let place = place(self.definition, bytes);
        if VALID.with_borrow(|valid| valid.holds(place, self.definition, bytes)) {
            return true;
        }
        let is_valid = self.validator.is_valid(item);
        if is_valid {
            VALID.with_borrow_mut(|valid| valid.put(place, self.definition, bytes));
        }
        is_valid
    }
}

fn place(definition: usize, bytes: &[u8]) -> usize {
    let mut hasher = DefaultHasher::new();
    (definition, bytes.get(..HASHED).unwrap_or(bytes)).hash(&mut hasher);
    usize::try_from(hasher.finish() % SLOTS).unwrap_or_default()
}

/// Valid values of definitions, each at its place.
#[derive(Default)]
struct Remembered(Vec<Option<(usize, Box<[u8]>)>>);

impl Remembered {
    fn holds(&self, place: usize, definition: usize, bytes: &[u8]) -> bool {
        let held = self.0.get(place).and_then(Option::as_ref);
        held.is_some_and(|(of, value)| *of == definition && **value == *bytes)
    }

    fn put(&mut self, place: usize, definition: usize, bytes: &[u8]) {
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some((definition, bytes.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schema, SchemaName};
    use super::*;
    use crate::canonical::canonicalize;
    use crate::gate::MAX_RECORD_LEN;
    use crate::scan::{Scanned, scan};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use std::path::Path;

    static KINDS: LazyLock<Vec<(Schema, Vec<String>)>> = LazyLock::new(|| {
        let kinds = [
            ("student-status", SchemaName::StudentStatus),
            ("enrollment-connection", SchemaName::EnrollmentConnection),
            ("qualification-recognition", SchemaName::QualificationRecognition),
            ("withdrawal", SchemaName::Withdrawal),
        ];
        kinds.map(|(folder, name)| (Schema::released(name), examples(folder))).into_iter().collect()
    });

    /// The examples of a kind in canonical form, valid and invalid.
    fn examples(kind: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json").join(kind);
        let files = ["valid", "invalid"].into_iter().flat_map(|part| std::fs::read_dir(folder.join(part)).unwrap());
        let read = |path: &Path| canonicalize(&std::fs::read(path).unwrap(), MAX_RECORD_LEN).ok();
        files.filter_map(|file| String::from_utf8(read(&file.unwrap().path())?).ok()).collect()
    }

    fn scanned(text: &str) -> Option<Scanned<'_>> {
        scan(text.as_bytes(), MAX_RECORD_LEN).ok()
    }

    fn both(schema: &Schema, document: &Scanned<'_>) -> (bool, bool) {
        (schema.fast.is_valid(document.root()), schema.exact.is_valid(document.root()))
    }

    #[test]
    fn a_remembered_answer_is_the_same_answer() {
        let mut valid = 0;
        for _ in 0..3 {
            for (schema, documents) in KINDS.iter() {
                for text in documents {
                    let (fast, exact) = both(schema, &scanned(text).unwrap());
                    assert_eq!(fast, exact, "{text}");
                    valid += usize::from(fast);
                }
            }
        }
        assert!(valid > 3 * 50, "{valid}");
        let remembered = VALID.with_borrow(|valid| valid.0.iter().flatten().map(|(of, _)| *of).collect::<Vec<_>>());
        assert!((0..DEFINITIONS.len()).all(|definition| remembered.contains(&definition)), "{remembered:?}");
    }

    #[test]
    fn each_definition_is_one_of_the_envelope_and_no_schema_has_the_keyword() {
        let mut resources = Source::released_resources();
        assert!(!resources.iter().any(|(_, schema)| schema.to_string().contains(KEYWORD)));
        remember(&mut resources);
        let all = Value::from_iter(resources).to_string();
        assert_eq!(all.matches(KEYWORD).count(), DEFINITIONS.len());
        let (none, place) = (json!("no-such"), json!("place"));
        assert!(keyword(&Map::new(), &none).is_err() && keyword(&Map::new(), &place).is_ok());
    }

    #[test]
    fn memory_has_a_bound() {
        let repeated = |name| Repeated {
            definition: DEFINITIONS.iter().position(|known| *known == name).unwrap(),
            validator: &VALIDATORS[DEFINITIONS.iter().position(|known| *known == name).unwrap()],
        };
        let place = |n: usize, name: &str| {
            format!(r#"{{"code":"{}","name":{{"zh":"{name}"}},"scheme":"gb-t-2260"}}"#, 100_000 + n)
        };
        let is_valid = |text: &str| Keyword::is_valid(&repeated("place"), scanned(text).unwrap().root());
        assert!((0..10_000).all(|n| is_valid(&place(n, "市"))));
        let held = |test: &dyn Fn(&[u8]) -> bool| {
            VALID.with_borrow(|valid| valid.0.iter().flatten().filter(|(_, value)| test(value)).count())
        };
        let (all, slots) = (held(&|_| true), usize::try_from(SLOTS).unwrap());
        assert!(all > slots / 2 && all <= slots, "{all}");
        assert!(is_valid(&place(1, &"长".repeat(199))));
        assert_eq!(held(&|value| value.len() > MAX_LEN), 0);
        assert!(!is_valid(&place(1, &"长".repeat(201))) && !is_valid(&place(900_000, "市")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        /// One place of a document that was found valid is changed: no part of it is believed because of what it was.
        #[test]
        fn what_differs_in_one_byte_is_looked_at(
            (kind, at, byte, with) in (any::<Index>(), any::<Index>(), any::<Index>(), "[0-9a-zA-Z-]")
        ) {
            let (schema, documents) = kind.get(&KINDS);
            let text = at.get(documents);
            let _ = both(schema, &scanned(text).unwrap());
            let places: Vec<usize> = text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
            let byte = *byte.get(&places);
            let mut changed = text.clone();
            changed.replace_range(byte..=byte, &with);
            if let Some(document) = scanned(&changed) {
                let (fast, exact) = both(schema, &document);
                prop_assert_eq!(fast, exact, "{}", changed);
            }
        }
    }
}
