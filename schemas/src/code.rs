//! Code lists: the macro that defines codes once, and how a code reads in Chinese and English.
//!
//! Lists that others keep (areas, fields of education, skill levels) are not enums of the schemas, which state the form of
//! such a code alone: a list gets a new edition without a new schema, and a node with an older edition must not refuse
//! what its issuer may say. A code that is not listed has no name here, and [`unlisted()`] finds it for a warning (G5).
mod lists;
mod unlisted;

pub use lists::{CodeList, Copied, Source, lists};
pub use unlisted::{Unlisted, unlisted};

use crate::text::Text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Defines an enum, the codes of the schema and the way between them in one table.
macro_rules! codes {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident => $code:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`")] $variant),+
        }

        impl $name {
            /// All, in the order of the schema.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code in the schema.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code),+
                }
            }

            /// The one of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use codes;

/// One code with its names, as in `json/codes/*.json`.
#[derive(Debug, Deserialize)]
struct Row {
    code: String,
    zh: String,
    en: String,
}

/// One file of code lists.
#[derive(Debug, Deserialize)]
struct File {
    /// For people.
    #[cfg(test)]
    source: Vec<Source>,
    lists: BTreeMap<String, Vec<Row>>,
}

const FILES: [&str; 8] = [
    include_str!("../json/codes/student-status.json"),
    include_str!("../json/codes/enrollment-connection.json"),
    include_str!("../json/codes/qualification-recognition.json"),
    include_str!("../json/codes/common.json"),
    include_str!("../json/codes/isced-2011.json"),
    include_str!("../json/codes/isced-f-2013.json"),
    include_str!("../json/codes/gb-t-2260.json"),
    include_str!("../json/codes/levels-and-credits.json"),
];

static NAMES: LazyLock<BTreeMap<String, Vec<Row>>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str::<File>(text).expect("the code lists are built in and tested");
    FILES.into_iter().flat_map(|text| read(text).lists).collect()
});

/// The names of a code of the schemas for people (`status/enrolled`, `step/bureau-accepted`, `stage/primary`,
/// `event/…`, `kind/student-status`, …) and of the lists that others keep (`isced`, `isced-f`, `isced-f-narrow`, `isced-f-broad`,
/// `gb-t-2260`, `vocational-level`, `credit-scheme`); `None` for a code that is not listed.
pub fn name(list: &str, code: &str) -> Option<Text> {
    let row = NAMES.get(list)?.iter().find(|row| row.code == code)?;
    Some(Text::new(row.zh.as_str(), row.en.as_str()))
}

/// The codes of a list, in the order of the schema; empty for a list that is not there.
pub fn codes_of(list: &str) -> impl Iterator<Item = &'static str> {
    NAMES.get(list).into_iter().flatten().map(|row| row.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::released;
    use serde_json::Value;

    /// The enum at a pointer of a schema file.
    fn of_schema(kind: &str, pointer: &str) -> Vec<String> {
        let file = released().iter().find(|file| file.path == format!("/schemas/{kind}/v1.schema.json")).unwrap();
        let schema: Value = serde_json::from_str(file.text).unwrap();
        let codes = schema.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("{kind} {pointer}"));
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_enum_of_the_schemas_has_names_in_order() {
        const STATUS: &str = "student-status";
        const CONNECTION: &str = "enrollment-connection";
        const RECOGNITION: &str = "qualification-recognition";
        const BODY: &str = "/$defs/body/properties";
        for (list, kind, pointer) in [
            ("status", STATUS, "/$defs/status/enum".to_owned()),
            ("event", STATUS, "/$defs/event/enum".to_owned()),
            ("stage", "envelope", "/$defs/stage/enum".to_owned()),
            ("number-kind", STATUS, format!("{BODY}/numberKind/enum")),
            ("residence", STATUS, format!("{BODY}/residence/enum")),
            ("status-reason", STATUS, format!("{BODY}/reason/enum")),
            ("connection-kind", CONNECTION, "/$defs/connectionKind/enum".to_owned()),
            ("role", CONNECTION, "/$defs/role/enum".to_owned()),
            ("step", CONNECTION, "/$defs/step/enum".to_owned()),
            ("connection-reason", CONNECTION, "/$defs/reason/enum".to_owned()),
            ("waiting-for", CONNECTION, "/$defs/waitingFor/items/enum".to_owned()),
            ("eligibility", CONNECTION, "/$defs/eligibility/items/enum".to_owned()),
            ("former-registration", CONNECTION, format!("{BODY}/formerRegistration/enum")),
            ("track", CONNECTION, "/$defs/quota/properties/track/enum".to_owned()),
            ("activity-purpose", CONNECTION, "/$defs/activity/properties/purpose/enum".to_owned()),
            ("activity-form", CONNECTION, "/$defs/activity/properties/form/enum".to_owned()),
            ("recognition-role", RECOGNITION, "/$defs/role/enum".to_owned()),
            ("source-type", RECOGNITION, "/$defs/sourceType/enum".to_owned()),
            ("recognition-step", RECOGNITION, "/$defs/step/enum".to_owned()),
            ("recognition-purpose", RECOGNITION, "/$defs/purpose/enum".to_owned()),
            ("outcome", RECOGNITION, "/$defs/outcome/enum".to_owned()),
            ("condition", RECOGNITION, "/$defs/conditionType/enum".to_owned()),
            ("recognition-reason", RECOGNITION, "/$defs/reason/enum".to_owned()),
            ("component-result", RECOGNITION, "/$defs/componentResult/enum".to_owned()),
            ("appeal-result", RECOGNITION, "/$defs/appealResult/enum".to_owned()),
            ("revocation-effect", RECOGNITION, "/$defs/revocationEffect/enum".to_owned()),
            ("revocation-reason", RECOGNITION, "/$defs/revocationReason/enum".to_owned()),
            ("correction", "envelope", "/$defs/correction/enum".to_owned()),
            ("withdrawal-reason", "withdrawal", "/properties/credentialSubject/properties/reason/enum".to_owned()),
            ("agreement-type", "agreement", "/properties/type/enum".to_owned()),
            ("population", "agreement", "/$defs/population/properties/covers/enum".to_owned()),
            ("existing-cases", "agreement", "/$defs/terms/properties/existingCases/enum".to_owned()),
            ("purpose", "agreement", "/$defs/terms/properties/purposes/items/enum".to_owned()),
            ("programme-type", "agreement", "/$defs/programme/properties/type/enum".to_owned()),
        ] {
            assert_eq!(codes_of(list).collect::<Vec<_>>(), of_schema(kind, &pointer), "{list}");
        }
        // A withdrawal is no kind that an agreement puts in its scope, but it has a name.
        let mut kinds = of_schema("agreement", "/$defs/recordKind/enum");
        kinds.push("withdrawal".to_owned());
        assert_eq!(codes_of("kind").collect::<Vec<_>>(), kinds);
        let mut reasons: Vec<_> = codes_of("correction").collect();
        reasons.push("not-ours");
        assert_eq!(codes_of("withdrawal-reason").collect::<Vec<_>>(), reasons);
    }

    #[test]
    fn every_list_has_its_source_with_a_year() {
        let mut lists = std::collections::BTreeSet::new();
        for text in FILES {
            let file: File = serde_json::from_str(text).unwrap();
            let dated = |source: &Source| !source.title.is_empty() && (1990..2100).contains(&source.year);
            assert!(!file.source.is_empty() && file.source.iter().all(dated));
            assert!(file.source.iter().all(|source| matches!(source.copy, Copied::Own | Copied::Secondary)));
            for (name, rows) in file.lists {
                let codes: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.code).collect();
                assert!(!rows.is_empty() && codes.len() == rows.len(), "{name} has a code twice");
                assert!(lists.insert(name.clone()), "{name} stands twice");
            }
        }
    }

    #[test]
    fn levels_and_fields_of_isced() {
        assert_eq!(codes_of("isced").collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        let (broad, narrow, detailed) = ("isced-f-broad", "isced-f-narrow", "isced-f");
        for (list, length, above) in [(broad, 2, None), (narrow, 3, Some(broad)), (detailed, 4, Some(narrow))] {
            let codes: Vec<_> = codes_of(list).collect();
            assert!(codes.is_sorted() && codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_digit())), "{list}");
            for code in codes {
                assert_eq!(code.len(), length, "{list} {code}");
                let parent = above.is_none_or(|above| name(above, &code[..length - 1]).is_some());
                assert!(parent, "{list} {code} has none above it");
            }
        }
        for code in codes_of(narrow) {
            assert!(codes_of(detailed).any(|field| field.starts_with(code)), "{code} has no field");
        }
        assert_eq!(name("isced-f", "0611"), Some(Text::new("计算机使用", "Computer use")));
        assert_eq!((codes_of(broad).count(), codes_of(narrow).count()), (12, 58));
    }

    #[test]
    fn areas_of_the_provincial_and_prefectural_level() {
        let codes: Vec<_> = codes_of("gb-t-2260").collect();
        assert!(codes.is_sorted());
        let provinces: Vec<_> = codes.iter().filter(|code| code.ends_with("0000")).collect();
        assert_eq!((provinces.len(), codes.len()), (34, 34 + 333));
        for code in &codes {
            assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) && code.ends_with("00"), "{code}");
            assert!(codes.contains(&format!("{}0000", &code[..2]).as_str()), "{code} lies in no province");
        }
        assert_eq!(name("gb-t-2260", "530100"), Some(Text::new("昆明市", "Kunming")));
        assert_eq!(name("gb-t-2260", "341500"), Some(Text::new("六安市", "Lu'an")));
    }

    #[test]
    fn skill_levels_are_codes_of_a_framework() {
        let levels: Vec<_> = codes_of("vocational-level").collect();
        assert_eq!(levels.len(), 8);
        assert_eq!(name("vocational-level", levels[7]), Some(Text::new("首席技师", "chief technician")));
        let fits = |code: &str| code.len() <= 16 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        assert!(levels.into_iter().all(fits), "as the schema's `localCode`");
        assert!(codes_of("credit-scheme").any(|scheme| scheme == "ects"));
    }

    #[test]
    fn names_are_in_both_languages() {
        assert_eq!(name("status", "enrolled"), Some(Text::new("在读", "enrolled")));
        assert_eq!(name("severity", "critical"), Some(Text::new("严重", "critical")));
        assert_eq!((name("status", "on-holiday"), name("weather", "rain")), (None, None));
        for row in NAMES.values().flatten() {
            let chinese = row.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(chinese && row.en.is_ascii() && !row.en.is_empty(), "{}", row.code);
        }
    }
}
