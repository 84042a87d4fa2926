//! Codes of a record that the lists of this program do not have.
use super::name;
use crate::scan::{Item, Scanned};

/// The framework of Chinese vocational skill levels.
const SKILL_FRAMEWORK: &str = "cn-skill";

/// A code that is not listed: where it stands, and in which list it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// JSON Pointer below the record.
    pub pointer: String,
    /// Name of the list.
    pub list: &'static str,
}

/// The codes of a record, which the schema accepts, that have no name in the lists that others keep. Such a code is never
/// shown under a name, its own or the record's.
pub fn unlisted(document: &Scanned<'_>) -> Vec<Unlisted> {
    let mut found = Vec::new();
    walk(document.root(), "", &mut found);
    found
}

fn walk(item: Item<'_>, pointer: &str, found: &mut Vec<Unlisted>) {
    for (at, item) in item.items().enumerate() {
        walk(item, &format!("{pointer}/{at}"), found);
    }
    let unknown = |member: &str, list, is_listed: fn(&str) -> bool| {
        let code = item.member(member)?.as_str()?;
        (!is_listed(&code)).then(|| Unlisted { pointer: format!("{pointer}/{member}"), list })
    };
    if says(item, "scheme", "gb-t-2260") {
        found.extend(unknown("code", "gb-t-2260", |code| area(code).is_some()));
    }
    if says(item, "framework", SKILL_FRAMEWORK) {
        found.extend(unknown("level", "vocational-level", |code| name("vocational-level", code).is_some()));
    }
    found.extend(unknown("field", "isced-f", |code| name("isced-f", code).is_some()));
    for (member, value) in item.members() {
        walk(value, &format!("{pointer}/{member}"), found);
    }
}

fn says(item: Item<'_>, member: &str, value: &str) -> bool {
    item.member(member).is_some_and(|found| found.is_string(value))
}

/// The listed area in which a code lies: a district lies in its prefecture, or where that is none (the districts of a
/// municipality, counties directly under a province) in its province.
fn area(code: &str) -> Option<&'static str> {
    let within = |digits: usize| {
        let above = code.get(..digits)?;
        let list = || super::codes_of("gb-t-2260");
        list().find(|listed| {
            listed.starts_with(above) && listed.get(digits..).is_some_and(|rest| rest.bytes().all(|b| b == b'0'))
        })
    };
    let municipality = matches!(code.get(..2), Some("11" | "12" | "31" | "50" | "71" | "81" | "82"));
    let directly = matches!(code.get(2..4), Some("90"));
    if municipality || directly { within(2) } else { within(4) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonicalize;
    use crate::gate::MAX_RECORD_LEN;
    use crate::scan::scan;

    #[test]
    fn districts_lie_in_listed_areas() {
        for (code, listed) in [
            ("530102", Some("530100")),
            ("530100", Some("530100")),
            ("110105", Some("110000")),
            ("429004", Some("420000")),
            ("810000", Some("810000")),
            ("539900", None),
            ("999999", None),
            ("5301", Some("530100")),
            ("", None),
            ("省", None),
        ] {
            assert_eq!(area(code), listed, "{code}");
        }
    }

    #[test]
    fn codes_without_a_name_are_found_where_they_stand() {
        const AWARD: &str = include_str!("../../json/qualification-recognition/valid/awarding-skill-level.json");
        let found = |text: &str| {
            let bytes = canonicalize(text.as_bytes(), MAX_RECORD_LEN).unwrap();
            unlisted(&scan(bytes, MAX_RECORD_LEN).unwrap())
        };
        assert_eq!(found(AWARD), []);
        for (from, to, pointer, list) in [
            ("\"0713\"", "\"0799x\"", "/credentialSubject/source/field", "isced-f"),
            ("\"level-3\"", "\"level-9\"", "/credentialSubject/source/levels/nqf/level", "vocational-level"),
            ("\"510100\"", "\"519900\"", "/credentialSubject/authority/code", "gb-t-2260"),
        ] {
            assert!(AWARD.contains(from));
            let found = found(&AWARD.replace(from, to));
            assert!(found.contains(&Unlisted { pointer: pointer.to_owned(), list }), "{found:?}");
        }
    }
}
