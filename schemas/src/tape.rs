//! The node trait of `jsonschema` over the tape, so that a scanned document is validated without building a tree.

use crate::scan::{Children, Item, Kind, Members, Scanned, tag};
use jsonschema_value::types::JsonType;
use jsonschema_value::{Array, Json, LazyInstance, Node, NodeIdentity, Object};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The representation: values of a [`Scanned`].
pub(crate) struct Tape;

/// Holds one member name as a document of its own.
#[derive(Default)]
pub(crate) struct NameBuffer(Option<Scanned<'static>>);

/// A name that a schema asks for, with its tag.
pub(crate) struct Key {
    name: Box<str>,
    tag: u32,
}

impl Json for Tape {
    type Node<'a> = Item<'a>;
    type PreparedKey = Key;
    type StringBuffer = NameBuffer;

    /// A lookup passes over the members itself, so one pass for several lookups pays soon.
    const KEYS_PER_LOOKUP: usize = 4;

    fn prepare_key(key: &str) -> Key {
        Key { name: key.into(), tag: tag(key) }
    }

    fn with_string_node<T>(buffer: &mut NameBuffer, string: &str, f: impl FnOnce(Item<'_>) -> T) -> T {
        let reuse = buffer.0.take();
        f(buffer.0.insert(Scanned::of_string(string, reuse)).root())
    }
}

impl<'a> Node<'a, Tape> for Item<'a> {
    type Object = Self;
    type Array = Self;
    type Number = Number;

    fn as_object(&self) -> Option<Self> {
        self.is_object().then_some(*self)
    }

    fn as_array(&self) -> Option<Self> {
        self.is_array().then_some(*self)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.as_str()
    }

    fn as_number(&self) -> Option<Number> {
        self.as_integer().map(Number::from)
    }

    fn as_boolean(&self) -> Option<bool> {
        self.as_bool()
    }

    fn is_null(&self) -> bool {
        Item::is_null(self)
    }

    fn is_number(&self) -> bool {
        self.kind() == Kind::Integer
    }

    fn json_type(&self) -> JsonType {
        match self.kind() {
            Kind::Null => JsonType::Null,
            Kind::False | Kind::True => JsonType::Boolean,
            // The trait asks for `Number` also where the number is whole.
            Kind::Integer => JsonType::Number,
            Kind::Plain | Kind::Escaped => JsonType::String,
            Kind::Array => JsonType::Array,
            Kind::Object => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match expected {
            Value::Null => Item::is_null(self),
            Value::Bool(expected) => self.as_bool() == Some(*expected),
            Value::Number(expected) => {
                self.as_number().is_some_and(|number| jsonschema_value::cmp::equal_numbers(&number, expected))
            }
            Value::String(expected) => self.is_string(expected),
            Value::Array(expected) => {
                self.is_array()
                    && self.child_count() == expected.len()
                    && self.items().zip(expected).all(|(item, expected)| item.equals_value(expected))
            }
            Value::Object(expected) => {
                self.is_object()
                    && self.child_count() == expected.len()
                    && self.named_members().all(|(name, value)| {
                        expected.get(name.as_ref()).is_some_and(|expected| value.equals_value(expected))
                    })
            }
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(Item::to_value(self))
    }

    fn lazy_value(&self) -> LazyInstance<'a> {
        // Our messages never show the value, so it is hardly ever built.
        let make = |bytes: &[u8], _: u32| serde_json::from_slice(bytes).unwrap_or_default();
        LazyInstance::Deferred { bytes: self.raw(), tag: 0, make, cell: OnceLock::new() }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        let (address, tag) = Item::identity(self);
        Some(NodeIdentity::tagged(address, tag))
    }
}

impl<'a> Object<'a, Tape> for Item<'a> {
    type Node = Self;
    type MemberName = Cow<'a, str>;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.child_count()
    }

    fn get(&self, key: &Key) -> Option<Self> {
        self.tagged_member(&key.name, key.tag)
    }

    fn members(&self) -> Members<'a> {
        self.named_members()
    }
}

impl<'a> Array<'a, Tape> for Item<'a> {
    type Node = Self;
    type ElementsIter = Children<'a>;

    fn len(&self) -> usize {
        self.child_count()
    }

    fn elements(&self) -> Children<'a> {
        self.children(Kind::Array)
    }

    /// Equal values have equal canonical bytes.
    fn is_unique(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.items().all(|item| seen.insert(item.raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical;
    use crate::canonical::testing::any_value;
    use crate::scan::scan;
    use jsonschema::{ValidationError, Validator, options_for};
    use jsonschema_value::{JsonNumber, SerdeJson};
    use proptest::prelude::*;
    use serde_json::json;

    fn scanned(value: &Value) -> Scanned<'static> {
        scan(canonical::write(value).unwrap(), usize::MAX).unwrap()
    }

    /// The contract of `jsonschema-value`, as its own suite checks it; that suite's document has a fraction, which no
    /// scanned document has.
    #[test]
    fn nodes_keep_the_contract_of_the_validator() {
        let document = scanned(&json!({
            "array": [10, 20, 30], "boolean": true, "duplicates": [1, {"a": 1}, {"a": 1}],
            "escaped": "a\n", "integer": 42, "null": null, "object": {"nested": "value"}, "string": "héllo",
        }));
        let root = document.root();
        let member = |name: &str| Object::get(&root, &Tape::prepare_key(name)).unwrap();
        assert_eq!(Object::len(&root), 8);
        assert!(Object::get(&root, &Tape::prepare_key("missing")).is_none());
        let types = [
            ("array", JsonType::Array),
            ("boolean", JsonType::Boolean),
            ("escaped", JsonType::String),
            ("integer", JsonType::Number),
            ("null", JsonType::Null),
            ("object", JsonType::Object),
            ("string", JsonType::String),
        ];
        for (name, expected) in types {
            let node = member(name);
            assert_eq!(node.json_type(), expected, "{name}");
            assert_eq!(Node::is_number(&node), expected == JsonType::Number, "{name}");
            assert_eq!(node.as_number().is_some(), expected == JsonType::Number, "{name}");
            assert_eq!(Node::is_string(&node), expected == JsonType::String, "{name}");
            assert_eq!(Node::is_null(&node), expected == JsonType::Null, "{name}");
            assert_eq!(node.as_object().is_some(), expected == JsonType::Object, "{name}");
            assert_eq!(node.as_array().is_some(), expected == JsonType::Array, "{name}");
            assert_eq!(
                node.container_identity().is_some(),
                matches!(expected, JsonType::Object | JsonType::Array),
                "{name}"
            );
        }
        assert_eq!(member("string").string_length(), Some(5), "code points, not bytes");
        assert_eq!(member("escaped").string_length(), Some(2), "unescaped");
        assert_eq!(member("integer").string_length(), None);
        let number = member("integer").as_number().unwrap();
        assert_eq!((number.as_u64(), JsonNumber::as_i64(&number), number.is_integer()), (Some(42), Some(42), true));
        assert!(member("array").is_unique() && !member("duplicates").is_unique());
        assert!(member("integer").equals_value(&json!(42.0)), "numbers compare mathematically");
        assert!(!member("boolean").equals_value(&json!(1)));
        assert_ne!(Node::identity(&root), Node::identity(&member("object")));
        assert_eq!(Node::identity(&member("object")), Node::identity(&member("object")));
        assert_eq!(member("object").lazy_value().get().as_ref(), &json!({"nested": "value"}));
        assert_ne!(Node::identity(&root), Node::identity(&scanned(&json!({})).root()));
    }

    #[test]
    fn one_buffer_serves_many_names() {
        let mut buffer = NameBuffer::default();
        for expected in ["héllo", "", "a\"b\n\u{1}", "second"] {
            Tape::with_string_node(&mut buffer, expected, |node| {
                assert_eq!(node.json_type(), JsonType::String);
                assert_eq!(node.as_string().unwrap(), expected);
                assert!(node.is_string(expected));
            });
        }
    }

    /// Schemas that touch every method; `any_value` makes documents that some accept and some refuse.
    fn schemas() -> Vec<Value> {
        vec![
            json!({"type": "object", "maxProperties": 2}),
            json!({"type": ["string", "integer"], "maxLength": 3, "minimum": 0, "multipleOf": 2}),
            json!({"uniqueItems": true, "minItems": 1, "items": {"type": ["null", "boolean", "integer"]}}),
            json!({"propertyNames": {"pattern": "^[a-e]+$", "maxLength": 4}}),
            json!({"additionalProperties": {"type": "integer"}, "properties": {"a": true}}),
            json!({"unevaluatedProperties": false, "patternProperties": {"^[a-c]": {"type": "array"}}}),
            json!({"enum": [null, true, 0, "a", [], {}, {"a": 1}, [1]]}),
            json!({"required": ["a", "b"], "properties": {"a": {"const": 1}}}),
            json!({"contains": {"type": "string"}, "prefixItems": [{"type": "null"}]}),
            json!({"additionalProperties": {"$ref": "#"}, "items": {"$ref": "#"}, "not": {"const": "a"}}),
        ]
    }

    /// Where in document and schema, sorted: the tape has the order of UTF-16, the tree that of code points.
    fn places<'i>(errors: impl Iterator<Item = ValidationError<'i>>) -> Vec<(String, String)> {
        let place = |error: ValidationError<'_>| (error.instance_path().to_string(), error.schema_path().to_string());
        let mut places: Vec<_> = errors.map(place).collect();
        places.sort();
        places
    }

    proptest! {
        #[test]
        fn the_tape_and_a_tree_give_the_same_verdict(value in any_value(), other in any_value()) {
            let document = scanned(&value);
            for schema in schemas() {
                let over_tape: Validator<Tape> = options_for::<Tape>().build(&schema).unwrap();
                let over_tree: Validator<SerdeJson> = options_for::<SerdeJson>().build(&schema).unwrap();
                prop_assert_eq!(over_tape.is_valid(document.root()), over_tree.is_valid(&value), "{}", schema);
                let tape_errors = places(over_tape.iter_errors(document.root()));
                let tree_errors = places(over_tree.iter_errors(&value));
                prop_assert_eq!(tape_errors, tree_errors, "{}", schema);
            }
            prop_assert!(document.root().equals_value(&value));
            prop_assert_eq!(document.root().equals_value(&other), value == other);
            let pair = json!([value, other]);
            prop_assert_eq!(scanned(&pair).root().is_unique(), value != other);
        }
    }
}
