//! The source files.

use super::files;

/// Most lines of a source file before its tests.
const MAX_LINES: usize = 500;

#[test]
fn files_are_short_enough_to_read() {
    for (name, text) in files("rs") {
        let lines = text.lines().take_while(|line| !line.ends_with("mod tests {")).count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines before its tests; split it");
    }
}

#[test]
fn nothing_is_left_for_later_without_being_said_openly() {
    // Written apart, so that this file does not find itself.
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat(), ["HA", "CK"].concat()];
    for ending in ["rs", "md", "toml", "sql"] {
        for (name, text) in files(ending) {
            for (number, line) in (1..).zip(text.lines()) {
                let words = || line.split(|c: char| !c.is_ascii_alphanumeric());
                assert!(!words().any(|word| marks.iter().any(|mark| mark == word)), "{name}:{number}: {line}");
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in files("rs") {
        assert!(text.starts_with("//! "), "{name} begins without a `//!` line");
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let (allow, expect) = (["#[", "allow("].concat(), ["#[", "expect("].concat());
    for (name, text) in files("rs") {
        assert!(!text.contains(&allow) && !text.contains(&allow.replace("#[", "#![")), "{name}");
        for part in text.split(&expect).skip(1) {
            let attribute = part.split(")]").next().unwrap_or_default();
            assert!(attribute.contains("reason = \""), "{name}: {attribute}");
        }
    }
}

#[test]
fn lines_end_as_lines_do() {
    for ending in ["rs", "md", "toml", "sql", "json"] {
        for (name, text) in files(ending) {
            assert!(!text.contains('\r') && text.ends_with('\n') && !text.ends_with("\n\n"), "{name}: its last line");
            let trailing = (1..).zip(text.lines()).find(|(_, line)| line.ends_with([' ', '\t']));
            assert!(trailing.is_none(), "{name}: {trailing:?}");
        }
    }
}

#[test]
fn the_figures_of_the_benchmarks_have_their_marks() {
    let text = std::fs::read_to_string(super::root().join("docs/PERFORMANCE.md")).unwrap();
    let marks = ["<!-- figures: written by hefu-bench --write -->\n", "<!-- end of figures -->\n"];
    let at = marks.map(|mark| text.match_indices(mark).map(|(at, _)| at).collect::<Vec<_>>());
    assert!(at[0].len() == 1 && at[1].len() == 1 && at[0] < at[1], "{at:?}");
}
