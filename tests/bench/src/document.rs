//! docs/PERFORMANCE.md: its figures stand between two marks, what people wrote around them stays.

use crate::Failure;
use crate::report::Report;
use std::path::Path;

const BEGIN: &str = "<!-- figures: written by hefu-bench --write -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Puts the figures between the marks.
pub(crate) fn write(report: &Report) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PERFORMANCE.md");
    let text = replaced(&std::fs::read_to_string(&path)?, &report.markdown())
        .ok_or("docs/PERFORMANCE.md has lost its marks")?;
    Ok(std::fs::write(path, text)?)
}

fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}
