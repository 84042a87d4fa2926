//! `init` that is killed: whatever it leaves, the next one makes a whole node, or there is one already.

use super::process::Moments;
use hefu_node::clock::Stopwatch;
use hefu_tests::process::{Said, command, run};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const SEED: u64 = 20_260_903;
/// Kills, each of an `init` of its own.
const KILLS: usize = 24;

fn init(dir: &Path, recovery: &Path) -> Command {
    let recovery = recovery.display().to_string();
    let named = ["--json", "init", "--url", "https://localhost:8441", "--city", "530100", "--name", "昆明"];
    command(dir, &[&named[..], &["--recovery-out", &recovery]].concat())
}

fn code(said: &Said) -> String {
    said.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// The folder holds a node that works: its log is sound and it signs.
async fn assert_whole(dir: &Path, name: &str) {
    let clean = run(dir, &["--json", "fsck"]).await;
    assert_eq!(clean.code, Some(0), "{name}: {clean:?}");
    assert_eq!((&clean.json()[0]["entries"], &clean.json()[0]["complaintCount"]), (&1.into(), &0.into()), "{name}");
    for file in ["tls.pem", "tls-key.pem", "guard"] {
        assert!(dir.join(file).exists(), "{name}: {file}");
    }
    assert!(!dir.join("init.unfinished").exists(), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_was_killed_can_be_given_again() {
    let base = tempfile::tempdir().unwrap();
    let mut moments = Moments::new(SEED);
    let mut undisturbed = Duration::ZERO;
    let (mut began, mut ended) = (0, 0);
    for number in 0..=KILLS {
        let name = format!("init {number}");
        let (dir, recovery) = (base.path().join(number.to_string()), base.path().join(format!("{number}.pem")));
        let clock = Stopwatch::start();
        let mut making = init(&dir, &recovery).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if number == 0 {
            assert!(making.wait().await.unwrap().success());
            undisturbed = Duration::from_secs_f64(clock.seconds());
            continue;
        }
        tokio::time::sleep(undisturbed * moments.next() / 1_000).await;
        making.kill().await.unwrap();
        let whole = dir.join("hefu.toml").exists();
        let left = std::fs::read_dir(&dir).map_or(0, Iterator::count);
        let again = hefu_tests::process::run_with(init(&dir, &recovery), b"").await;
        if whole {
            ended += 1;
            assert_eq!(code(&again.ended(3)), "already-initialised", "{name}");
        } else {
            began += usize::from(left > 0);
            assert_eq!(again.code, Some(0), "{name}: {again:?}");
            assert!(recovery.exists(), "{name}");
        }
        assert_whole(&dir, &name).await;
    }
    eprintln!("killed {KILLS} times: {began} had begun, {ended} had ended");
    assert!(began > 0, "some were killed in the middle");
}
