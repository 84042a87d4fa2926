//! A node of the real program on a given folder and listener, and the moments at which it is killed.

use hefu_tests::process::{Said, command, run};
use hefu_tests::until;
use serde_json::Value;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Child;

/// A serving child process; dropping it kills it.
pub(super) struct Served {
    pub(super) dir: PathBuf,
    child: Child,
}

impl Served {
    /// Starts it, and waits until it answers.
    pub(super) async fn start(dir: &Path, listener: &TcpListener) -> Self {
        let mut serve = command(dir, &["serve", "--listener", "stdin"]);
        serve.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap()))).stdout(Stdio::null());
        serve.stderr(Stdio::from(std::fs::File::create(dir.join("serve.log")).unwrap()));
        let mut child = serve.spawn().unwrap();
        let socket = dir.join("control.sock");
        until("the node answers on its control socket", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("serve ended with {status}: {}", std::fs::read_to_string(dir.join("serve.log")).unwrap());
            }
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
        Self { dir: dir.to_owned(), child }
    }

    /// As a power cut: SIGKILL.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(super) async fn json(&self, args: &[&str]) -> Value {
        run(&self.dir, &[&["--json"], args].concat()).await.ended(0).json()
    }

    /// Everything that is stored is whole; number of entries of the own log.
    pub(super) async fn check(&self, name: &str) -> u64 {
        let said: Said = run(&self.dir, &["--json", "fsck"]).await;
        let reports = said.json();
        for report in reports.as_array().unwrap() {
            assert_eq!(report["complaintCount"], 0, "{name}: {report:#}");
        }
        assert_eq!(said.code, Some(0), "{name}");
        reports[0]["entries"].as_u64().unwrap()
    }
}

/// Moments of killing, as parts of 1,000 of what an undisturbed run takes: always the same ones.
pub(super) struct Moments(u64);

impl Moments {
    pub(super) fn new(seed: u64) -> Self {
        eprintln!("seed of the moments of killing: {seed}");
        Self(seed)
    }

    /// xorshift64*: enough to be spread out.
    pub(super) fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        u32::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % 1_000).unwrap()
    }
}
