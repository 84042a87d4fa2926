//! Words for findings: parties by the names of the agreement, codes by the names of the code lists.
use super::Context;
use hefu_schemas::code;
use hefu_schemas::id::Origin;
use hefu_schemas::text::{Lang, Text};
use std::collections::BTreeMap;

/// A party by its name in the agreement; by its origin where it has none.
pub(super) fn party(context: &Context<'_>, origin: &Origin) -> Text {
    let name = |lang| {
        let party = context.standing.agreement.party(origin)?;
        in_lang(&party.name, lang).map(str::to_owned)
    };
    let fallback = || origin.as_str().to_owned();
    Text::new(name(Lang::Zh).unwrap_or_else(fallback), name(Lang::En).unwrap_or_else(fallback))
}

/// A code by its name in a list; the code itself where it is not listed.
pub(super) fn named(list: &str, code: &str) -> Text {
    code::name(list, code).unwrap_or_else(|| Text::new(code, code))
}

/// The text of a language map (BCP 47 keys): the language itself, a variety of it, else the first there is.
fn in_lang(map: &BTreeMap<String, String>, lang: Lang) -> Option<&str> {
    let tag = match lang {
        Lang::Zh => "zh",
        Lang::En => "en",
    };
    let variety = |key: &str| key.strip_prefix(tag).is_some_and(|rest| rest.starts_with('-'));
    let same = map.get(tag).or_else(|| map.iter().find(|(key, _)| variety(key)).map(|(_, text)| text));
    same.or_else(|| map.values().next()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_maps() {
        let map = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), (*key).to_owned())).collect();
        assert_eq!(in_lang(&map(&["en", "zh", "zh-Hant"]), Lang::Zh), Some("zh"));
        assert_eq!(in_lang(&map(&["en-GB", "zh-Hans"]), Lang::Zh), Some("zh-Hans"));
        assert_eq!(in_lang(&map(&["en-GB", "zh-Hans"]), Lang::En), Some("en-GB"));
        assert_eq!(in_lang(&map(&["es"]), Lang::En), Some("es"));
        assert_eq!(in_lang(&map(&[]), Lang::En), None);
    }
}
