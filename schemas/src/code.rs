//! Code lists: the macro that defines codes once, and how a code reads in Chinese and English.
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
    lists: BTreeMap<String, Vec<Row>>,
}

const FILES: [&str; 4] = [
    include_str!("../json/codes/student-status.json"),
    include_str!("../json/codes/enrollment-connection.json"),
    include_str!("../json/codes/qualification-recognition.json"),
    include_str!("../json/codes/common.json"),
];

static NAMES: LazyLock<BTreeMap<String, Vec<Row>>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str::<File>(text).expect("the code lists are built in and tested");
    FILES.into_iter().flat_map(|text| read(text).lists).collect()
});

/// The names of a code of the schemas for people (`status/enrolled`, `step/bureau-accepted`, `stage/primary`,
/// `event/…`, `kind/student-status`, …); `None` for a code that is not listed.
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
