//! The code lists as a whole, with where they come from: for pages and commands that print them.
use super::{FILES, Row};
use crate::text::Text;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A code list.
#[derive(Debug)]
pub struct CodeList {
    /// Its name, e.g. `status`.
    pub name: String,
    /// Where the lists of its file come from.
    pub sources: Vec<Source>,
    /// Codes with their names, in order.
    pub rows: Vec<(String, Text)>,
}

/// Where a list comes from.
#[derive(Debug, Clone, Deserialize)]
pub struct Source {
    /// The publication.
    pub title: String,
    /// Its year.
    pub year: u16,
    /// How it was copied.
    pub copy: Copied,
}

/// How a list was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Copied {
    /// This project's own words.
    Own,
    /// From a copy that is not the publisher's: no conformity is claimed.
    Secondary,
}

#[derive(Deserialize)]
struct File {
    source: Vec<Source>,
    lists: BTreeMap<String, Vec<Row>>,
}

static LISTS: LazyLock<Vec<CodeList>> = LazyLock::new(|| {
    let read = |text| serde_json::from_str::<File>(text).expect("the code lists are built in and tested");
    let mut lists = Vec::new();
    for file in FILES.into_iter().map(read) {
        for (name, rows) in file.lists {
            let rows = rows.into_iter().map(|row| (row.code, Text::new(row.zh, row.en))).collect();
            lists.push(CodeList { name, sources: file.source.clone(), rows });
        }
    }
    lists
});

/// All code lists: those of the schemas first, then those that others keep.
pub fn lists() -> &'static [CodeList] {
    &LISTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{codes_of, name};

    #[test]
    fn the_lists_are_those_that_name_codes() {
        assert!(lists().len() > 40);
        for list in lists() {
            assert!(!list.sources.is_empty(), "{}", list.name);
            assert!(list.rows.iter().map(|(code, _)| code.as_str()).eq(codes_of(&list.name)), "{}", list.name);
            for (code, text) in &list.rows {
                assert_eq!(name(&list.name, code).as_ref(), Some(text));
            }
        }
    }
}
