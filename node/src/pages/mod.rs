//! Pages for people about the released schemas and code lists, and what the commands about them say.
//!
//! All of it is a pure function of the released files and of the words beside this module: made once, kept, and the same
//! on every node of a version. No page has a script, or anything from elsewhere.

pub(crate) mod catalogue;
mod conditions;
mod diagram;
mod html;
mod json;
mod lifecycle;
mod members;
mod render;
pub(crate) mod words;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static PAGES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let schemas = catalogue::entries().iter().map(|entry| (format!("/schemas/{}/", entry.name), render::schema(entry)));
    let others = [("/schemas/".to_owned(), render::index()), ("/schemas/codes/".to_owned(), render::codes())];
    schemas.chain(others).collect()
});

/// Only the page's own stylesheet, named by its digest; no script, no frame, nothing from elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(render::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The page of a path, e.g. `/schemas/student-status/`.
pub(crate) fn page(path: &str) -> Option<&'static str> {
    PAGES.get(path).map(String::as_str)
}

/// The `Content-Security-Policy` of every page.
pub(crate) fn policy() -> &'static str {
    &POLICY
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Values of an attribute in a page.
    fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
        let start = format!(" {attribute}=\"");
        page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn pages_load_nothing_and_say_their_languages() {
        assert_eq!(PAGES.len(), catalogue::entries().len() + 2);
        for (path, page) in PAGES.iter() {
            assert!(page.starts_with("<!doctype html>") && page.contains("<html lang=\"zh-Hans\">"), "{path}");
            for never in
                ["<script", "<img", "<link", "@import", "url(", " style=", " onload=", "http-equiv", "javascript:"]
            {
                assert!(!page.contains(never), "{path}: {never}");
            }
            assert_eq!(page.matches("<style>").count(), 1, "{path}");
            assert!(page.contains(&format!("<style>{}</style>", render::STYLE)), "{path}: as the policy's digest");
            assert!(page.matches("<table").count() == page.matches("<caption>").count(), "{path}");
            assert!(page.contains("lang=\"en\"") && page.contains("scope=\"col\""), "{path}");
        }
    }

    #[test]
    fn links_lead_somewhere_and_no_id_stands_twice() {
        let ids = |page: &str| values(page, "id").into_iter().map(str::to_owned).collect::<Vec<_>>();
        for (path, page) in PAGES.iter() {
            let own: BTreeSet<_> = ids(page).into_iter().collect();
            assert_eq!(own.len(), ids(page).len(), "{path}: an id stands twice");
            for link in values(page, "href") {
                assert!(!link.contains(':') && !link.starts_with('/'), "{path}: {link} leaves the node");
                let (to, anchor) = link.split_once('#').unwrap_or((link, ""));
                let mut target = path.clone();
                for part in to.split_inclusive('/').filter(|part| *part != "./") {
                    match part {
                        "../" => {
                            let trimmed = target.trim_end_matches('/');
                            target = trimmed.rsplit_once('/').map_or("/", |(up, _)| up).to_owned() + "/";
                        }
                        part => target += part,
                    }
                }
                let file =
                    hefu_schemas::released::released().iter().chain(hefu_schemas::released::released_for_verifying());
                let is_file = file.into_iter().any(|file| file.path == target);
                let there = super::page(&target)
                    .is_some_and(|page| anchor.is_empty() || ids(page).iter().any(|id| id == anchor));
                assert!(is_file || there, "{path}: {link} leads nowhere");
            }
        }
    }

    #[test]
    fn a_city_list_stays_readable() {
        let page = super::page("/schemas/codes/").unwrap();
        let (_, list) = page.split_once("id=\"codes-gb-t-2260\"").unwrap();
        let list = list.split("</section>").next().unwrap();
        assert_eq!(list.matches("<tr role=\"row\"").count(), 1 + 34, "one row for each province");
        assert_eq!(list.matches("<li>").count(), 333);
    }
}
