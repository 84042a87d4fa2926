//! `docs/ERRORS.md` is the table of problems.

use super::root;
use hefu_node::problem::Code;

#[test]
fn every_problem_is_documented_as_the_table_says() {
    let path = root().join("docs/ERRORS.md");
    if std::env::var_os("HEFU_UPDATE").is_some() {
        std::fs::write(&path, Code::document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == Code::document(), "docs/ERRORS.md is old: HEFU_UPDATE=1 tests/run writes it anew");
}
