//! Fuzz targets: one for each parser of bytes from wire, disk or person. `HEFU_FUZZ` names the target.
//!
//! A target does more than not to panic: what a parser accepts must be written back byte for byte, and two readers of
//! the same bytes must agree. A difference is a crash.
#![no_main]

/// The reader of mappings, by itself: the node around it is not built here.
#[path = "../../../node/src/csv/mapping.rs"]
mod mapping;

mod documents;
mod formats;
mod wire;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// The targets by name.
const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("gate", documents::gate),
    ("tape", documents::tape),
    ("writer", documents::writer),
    ("draft", documents::draft),
    ("agreement", documents::agreement),
    ("identifier", documents::identifier),
    ("note", formats::note),
    ("checkpoint", formats::checkpoint),
    ("tile-path", formats::tile_path),
    ("entry-bundle", formats::entry_bundle),
    ("entry", formats::entry),
    ("key", formats::key),
    ("page", wire::page),
    ("page-line", wire::page_line),
    ("signature-input", wire::signature_input),
    ("proof", wire::proof),
    ("linkage", wire::linkage),
    ("statement", wire::statement),
    ("csv-mapping", csv_mapping),
];

/// A mapping of a table. A refusal names a line that is there; what is read has columns, each once.
fn csv_mapping(data: &[u8]) {
    match mapping::Mapping::read(data) {
        Ok(mapping) => {
            let names = mapping.names();
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "a column stands twice");
            assert!(mapping.members.iter().all(|member| !member.top().is_empty() && !member.path.is_empty()));
            let _ = mapping.date_member();
        }
        Err(error) => {
            let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "a line that is not there");
        }
    }
}

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("HEFU_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    found.unwrap_or_else(|| panic!("HEFU_FUZZ names one of {}", names.join(" "))).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
