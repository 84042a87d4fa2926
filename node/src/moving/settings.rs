//! `hefu.toml` with another database: everything else stays as the operator wrote it.

use crate::config::{Config, DatabaseSetting};
use crate::problem::{Code, Outcome, Problem};
use serde::Deserialize;
use toml::Spanned;

/// The one setting that is looked for.
#[derive(Deserialize)]
struct Written {
    database: Option<Spanned<DatabaseSetting>>,
}

/// The text of the settings with `database` replaced, or put in front where it was left at its default.
pub(super) fn with_database(text: &str, to: &DatabaseSetting) -> Outcome<String> {
    let wrong = |why: &dyn std::fmt::Display| Problem::new(Code::Configuration, format!("database: {why}"));
    let written: Written = toml::from_str(text).map_err(|error| wrong(&error.message()))?;
    let value = toml::Value::try_from(to).map_err(|error| wrong(&error))?.to_string();
    let new = match written.database.map(|database| database.span()) {
        Some(span) => {
            let (before, rest) = text.split_at_checked(span.start).ok_or_else(|| wrong(&"no such place"))?;
            let behind = rest.get(span.len()..).ok_or_else(|| wrong(&"no such place"))?;
            format!("{before}{value}{behind}")
        }
        None => format!("database = {value}\n{text}"),
    };
    let config: Config = toml::from_str(&new).map_err(|error| wrong(&error.message()))?;
    if config.database == *to { Ok(new) } else { Err(wrong(&"the new value does not read back")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ours\nurl = \"https://km.example\" # never changes\nlisten = \"127.0.0.1:8441\"\ncity = \"530100\"\n\
        database = 'sqlite'   # embedded\n\n[name]\nzh = \"昆明\"\n\n[tls]\nbehind_gateway = true\n";

    #[test]
    fn all_else_stays_as_it_was_written() {
        let to = DatabaseSetting::new("postgres://km:s\"3c@db.example/hefu");
        let new = with_database(TEXT, &to).unwrap();
        let changed: Vec<_> = TEXT.lines().zip(new.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].1.starts_with("database = ") && changed[0].1.ends_with("   # embedded"), "{changed:?}");
        let back = with_database(&new, &DatabaseSetting::default()).unwrap();
        assert_eq!(back, TEXT.replace("'sqlite'", "\"sqlite\""));
    }

    #[test]
    fn what_was_left_at_its_default_is_put_in_front() {
        let text = TEXT.replace("database = 'sqlite'   # embedded\n", "");
        let new = with_database(&text, &DatabaseSetting::new("postgres://km@db/hefu")).unwrap();
        assert_eq!(new, format!("database = \"postgres://km@db/hefu\"\n{text}"));
        assert!(with_database("database = 3", &DatabaseSetting::default()).is_err());
    }
}
