//! What the commands say of themselves.

use hefu_tests::process::{Said, command, run_with};
use std::path::Path;

async fn hefu(args: &[&str]) -> Said {
    run_with(command(Path::new("unused"), args), b"").await
}

/// The words under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.split_once("\nCommands:\n").map(|(_, rest)| rest).unwrap_or_default();
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command that does something, as its words, with its help.
pub(crate) async fn commands() -> Vec<(Vec<String>, String)> {
    let (mut found, mut waiting) = (Vec::new(), vec![Vec::<String>::new()]);
    while let Some(words) = waiting.pop() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = hefu(&args).await.ended(0).stdout;
        let below = subcommands(&help);
        if below.is_empty() {
            found.push((words, help));
        } else {
            waiting.extend(below.into_iter().map(|name| [words.clone(), vec![name]].concat()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_an_example_that_names_it() {
    let commands = commands().await;
    assert!(commands.len() >= 15, "{commands:?}");
    for (words, help) in commands {
        let name = words.join(" ");
        let (_, after) = help.split_once("Example:\n").unwrap_or_else(|| panic!("hefu {name} --help has no example"));
        let examples: Vec<&str> = after.lines().take_while(|line| line.starts_with("  ")).collect();
        let named = |line: &&&str| line.trim_start().starts_with("hefu ") && line.contains(&name);
        assert!(examples.iter().any(|line| named(&line)), "{name}: {examples:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_are_documented_where_one_looks_first() {
    let help = hefu(&["--help"]).await.ended(0).stdout;
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    for (code, line) in codes.lines().take(6).enumerate() {
        assert!(line.trim_start().starts_with(&code.to_string()), "{line}");
    }
    assert!(help.contains("HEFU_DIR") && help.contains("HEFU_LOG"));
    assert!(hefu(&["-h"]).await.ended(0).stdout.contains("Commands:"));
    assert!(hefu(&["--version"]).await.ended(0).stdout.starts_with("hefu "));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_ends_with_2() {
    for args in [
        &["frobnicate"][..],
        &[],
        &["fsck", "--frobnicate"],
        &["fsck", "--lang", "fr"],
        &["publish"],
        &["peer"],
        &["peer", "add", "https://x.example"],
        &["tally", "show"],
        &["init", "--url", "https://x.example"],
        &["demo", "--records", "many"],
        &["demo", "--records", "3"],
        &["serve", "--listener", "somewhere"],
    ] {
        let said = hefu(args).await.ended(2);
        assert!(said.stdout.is_empty() && !said.stderr.is_empty(), "{args:?}: {said:?}");
    }
    assert!(!Path::new("unused").exists());
}
