//! The house rules that no compiler checks.

mod dependencies;
mod errors;
mod protocol;
mod sources;

use std::path::{Path, PathBuf};

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the project").to_owned()
}

/// The project's own files with an ending, as (path from the root, text). What is built or fetched is left out.
fn files(ending: &str) -> Vec<(String, String)> {
    const FOLDERS: [&str; 6] = ["schemas", "federation", "node", "tests", "examples", "docs"];
    let mut waiting: Vec<PathBuf> = FOLDERS.iter().map(|name| root().join(name)).filter(|path| path.exists()).collect();
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == ending) {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "files that end in {ending}");
    found.sort();
    found
}
