//! The real binary: commands, and nodes that run as child processes.

use crate::certificate::certificates;
use crate::wait::until;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// The program, which stands beside the folder of the test's executable.
///
/// # Panics
/// When it was not built: `cargo build -p hefu-node` does.
pub fn hefu() -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    let program = own.parent().and_then(Path::parent).map(|profile| profile.join("hefu")).expect("a target folder");
    assert!(program.exists(), "{} is missing: cargo build -p hefu-node makes it", program.display());
    program
}

/// What a command said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself, after checking the exit code.
    ///
    /// # Panics
    /// With another exit code.
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A command of the program on a folder, in English, with nothing of the surroundings.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(hefu());
    for name in ["HEFU_DIR", "HEFU_LOG", "LC_ALL", "LC_MESSAGES", "LANG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.arg("--dir").arg(dir).args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be run.
pub async fn run(dir: &Path, args: &[&str]) -> Said {
    run_with(command(dir, args), b"").await
}

/// Runs a command to its end, with standard input.
///
/// # Panics
/// When it cannot be run.
pub async fn run_with(mut command: Command, input: &[u8]) -> Said {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().expect("a process");
    let stdin = child.stdin.take();
    let feeding = async {
        if let Some(mut stdin) = stdin {
            // A command that refuses early does not read to the end.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), output) = tokio::join!(feeding, child.wait_with_output());
    let output = output.expect("its output");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn free_port() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// A node that runs as a child process; dropping it kills it.
#[derive(Debug)]
pub struct Serving {
    /// Its folder.
    pub dir: PathBuf,
    /// Its public URL.
    pub url: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// File with the authority that peers must trust.
    pub ca: PathBuf,
    listener: Option<TcpListener>,
    child: Option<Child>,
}

impl Serving {
    /// Makes a node below `base` and starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(base: &Path, code: &str) -> Self {
        let mut serving = Self::init(base, code).await;
        serving.serve(&[]).await;
        serving
    }

    /// Makes a node below `base` on a port of its own.
    ///
    /// # Panics
    /// When `init` fails.
    pub async fn init(base: &Path, code: &str) -> Self {
        Self::init_at(base, code, free_port()).await
    }

    /// Makes and starts two nodes; the origin of the first one sorts first.
    ///
    /// # Panics
    /// When they do not start.
    pub async fn start_two(base: &Path, codes: [&str; 2]) -> (Self, Self) {
        let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
        let (mut first, mut second) = (free_port(), free_port());
        if port(&first) > port(&second) {
            std::mem::swap(&mut first, &mut second);
        }
        let [one, other] = codes;
        let (mut first, mut second) = (Self::init_at(base, one, first).await, Self::init_at(base, other, second).await);
        first.serve(&[]).await;
        second.serve(&[]).await;
        (first, second)
    }

    /// A node whose folder is there already, on a port of its own; not started yet.
    pub fn on(dir: PathBuf) -> Self {
        let listener = Some(free_port());
        Self { dir, url: String::new(), fingerprint: String::new(), ca: PathBuf::new(), listener, child: None }
    }

    async fn init_at(base: &Path, code: &str, listener: TcpListener) -> Self {
        let url = format!("https://localhost:{}", listener.local_addr().expect("its address").port());
        let file = |what: &str| base.join(format!("{code}-{what}.pem"));
        let (ca, chain, key, recovery) = (file("ca"), file("tls"), file("tls-key"), file("recovery"));
        let made = certificates();
        for (path, text) in [(&ca, &made.ca), (&chain, &made.chain), (&key, &made.key)] {
            std::fs::write(path, text).expect("a certificate file");
        }
        let dir = base.join(code);
        let path = |path: &Path| path.display().to_string();
        let (chain, key, recovery) = (path(&chain), path(&key), path(&recovery));
        let named = ["--json", "init", "--url", &url, "--city", code, "--name", "测试", "--name-en", "Test"];
        let files = ["--recovery-out", &recovery, "--tls-certificate", &chain, "--tls-key", &key];
        let made = run(&dir, &[&named[..], &files[..]].concat()).await.ended(0).json();
        let fingerprint = made.get("fingerprint").and_then(Value::as_str).expect("a fingerprint").to_owned();
        Self { dir, url, fingerprint, ca, listener: Some(listener), child: None }
    }

    /// Starts the process, with further arguments and environment of `serve`, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn serve(&mut self, environment: &[(&str, &str)]) {
        let listener = self.listener.as_ref().expect("an open port").try_clone().expect("the listener");
        let mut serve = command(&self.dir, &["serve", "--listener", "stdin"]);
        let log = std::fs::File::create(self.dir.with_extension("log")).expect("a log file");
        serve.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).stderr(Stdio::from(log));
        serve.envs(environment.iter().copied());
        self.child = Some(serve.spawn().expect("a process"));
        let socket = self.dir.join("control.sock");
        until("the node answers on its control socket", async || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                panic!("serve ended with {status}: {}", self.log());
            }
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
    }

    /// What the process has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.with_extension("log")).unwrap_or_default()
    }

    /// Runs a command on its folder.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn run(&self, args: &[&str]) -> Said {
        run(&self.dir, args).await
    }

    /// Kills the process as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("a killed process");
        }
    }

    /// Gives up the port: from now on connections are refused, and the node cannot be started again.
    pub fn close(&mut self) {
        self.listener = None;
    }

    /// Sends a signal to the process, e.g. `STOP`.
    ///
    /// # Panics
    /// When it was not started.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.as_ref().and_then(Child::id).expect("a started process");
        let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().await.expect("kill");
        assert!(sent.success());
    }

    /// Waits until the process ends by itself; its exit code.
    ///
    /// # Panics
    /// When it was not started.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("a started process");
        child.wait().await.expect("its end").code()
    }

    /// Stops the process as a supervisor would (SIGTERM); its exit code.
    ///
    /// # Panics
    /// When it was not started.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal("TERM").await;
        self.ended().await
    }
}
