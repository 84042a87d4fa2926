//! What README.md tells people to type exists and works.

use super::help::commands;
use hefu_tests::hefu;
use hefu_tests::node::reserve;
use std::path::Path;
use tokio::process::Command;

const BEGIN: &str = "<!-- first federation: begin -->";
const END: &str = "<!-- first federation: end -->";

fn readme() -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        eprintln!("skipped: there is no README.md");
    }
    text
}

/// The shell blocks of a text.
fn blocks(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_options_of_the_readme_exist() {
    let Some(readme) = readme() else { return };
    let commands = commands().await;
    let mut seen = 0;
    for line in blocks(&readme).join("\n").replace("\\\n", " ").lines() {
        for call in line.split("hefu --dir ").skip(1) {
            let call = call.split(['|', '>', ';', '&', ')', '#']).next().unwrap_or_default();
            let words: Vec<&str> = call.split_whitespace().skip(1).collect();
            let named = |(command, _): &&(Vec<String>, String)| {
                command.len() <= words.len() && command.iter().zip(&words).all(|(a, b)| a == b)
            };
            let (_, help) = commands.iter().find(named).unwrap_or_else(|| panic!("no such command: {call}"));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{option} is no option of: {call}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "the walk-through is there: {seen} commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_federation_by_hand_works_as_written() {
    let Some(readme) = readme() else { return };
    let Some((_, rest)) = readme.split_once(BEGIN) else { return eprintln!("skipped: README.md has no walk-through") };
    let (walk, _) = rest.split_once(END).unwrap();
    // The block that builds is left out: the program is built. Ports are free ones, as other tests use the machine too.
    let ((_first, km), (_second, cd), (_third, local)) = (reserve(), reserve(), reserve());
    let script: Vec<&str> = blocks(walk).into_iter().filter(|block| !block.contains("cargo build")).collect();
    let mut script = script.join("\n");
    for (written, free) in [("8441", km), ("8442", cd), ("8443", local)] {
        script = script.replace(written, &free.port().to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", hefu().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    // Whatever happens, the two servers end with the shell that started them.
    bash.arg("-euo")
        .arg("pipefail")
        .arg("-c")
        .arg(format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"));
    bash.current_dir(folder.path())
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("HEFU_DIR")
        .kill_on_drop(true);
    let output = bash.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}
