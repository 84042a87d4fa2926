//! One city of the demo: its folder, its process, and its commands.

use crate::problem::{Code, Outcome, Problem};
use crate::synthetic::City;
use hefu_schemas::id::Origin;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a node may take to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a node may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::Internal, format!("demo: {error}"))
}

/// The certificate authority of the demo: all three cities trust it for each other.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    pub(super) fn new(base: &Path) -> Outcome<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "Hefu demo CA");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let path = base.join("ca.pem");
        std::fs::write(&path, issuer.pem()).map_err(failed)?;
        Ok(Self { issuer, path })
    }

    /// A certificate for `localhost`: paths of chain and key.
    fn certificate(&self, base: &Path, code: &str) -> Outcome<(PathBuf, PathBuf)> {
        let key = KeyPair::generate().map_err(failed)?;
        let params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let (chain_path, key_path) = (base.join(format!("{code}-tls.pem")), base.join(format!("{code}-tls-key.pem")));
        std::fs::write(&chain_path, certificate.pem()).map_err(failed)?;
        crate::folder::write_new(&key_path, key.serialize_pem().as_bytes()).map_err(failed)?;
        Ok((chain_path, key_path))
    }
}

/// A running node.
pub(super) struct Running {
    pub(super) city: City,
    pub(super) dir: PathBuf,
    pub(super) url: String,
    pub(super) fingerprint: String,
    pub(super) ca: PathBuf,
    child: Child,
}

impl Running {
    /// Opens a listener, makes the node for its port, hands the listener over.
    pub(super) async fn start(
        base: &Path,
        code: &str,
        authority: &Authority,
        database: Option<String>,
        keep: bool,
    ) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let url = format!("https://localhost:{port}");
        let origin = Origin::from_url(&url).map_err(failed)?;
        let city = City::known(code, origin).map_err(failed)?.ok_or_else(|| failed("unknown city"))?;
        let dir = base.join(code);
        let (chain, key) = authority.certificate(base, code)?;
        let recovery = base.join(format!("{code}-recovery.pem"));
        let mut init = command(&dir);
        init.args(["init", "--url", &url, "--city", code, "--name", &city.name.zh, "--name-en", &city.name.en]);
        init.arg("--recovery-out").arg(&recovery).arg("--tls-certificate").arg(&chain).arg("--tls-key").arg(&key);
        // Not an argument: everybody may list those.
        init.envs(database.map(|url| ("HEFU_DATABASE", url)));
        let made = json(init).await?;
        let fingerprint = made.get("fingerprint").and_then(Value::as_str).unwrap_or_default().to_owned();
        let log = std::fs::File::create(base.join(format!("{code}.log"))).map_err(failed)?;
        let mut serve = command(&dir);
        serve.args(["serve", "--listener", "stdin"]).stdin(Stdio::from(OwnedFd::from(listener)));
        serve.stdout(Stdio::null()).stderr(Stdio::from(log)).kill_on_drop(!keep);
        if keep {
            // Ctrl-C ends the demo, not the nodes that are to stay.
            serve.process_group(0);
        }
        let child = serve.spawn().map_err(failed)?;
        let running = Self { city, dir, url, fingerprint, ca: authority.path.clone(), child };
        running.wait_until_ready().await?;
        Ok(running)
    }

    async fn wait_until_ready(&self) -> Outcome<()> {
        let socket = self.dir.join("control.sock");
        let ready = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready)
            .await
            .map_err(|_| failed(format!("{} does not start; see its log", self.city.name.en)))
    }

    /// Runs a command of the product on this node and reads its JSON.
    pub(super) async fn json(&self, args: &[&str]) -> Outcome<Value> {
        let mut command = command(&self.dir);
        command.args(args);
        json(command).await
    }

    /// Runs a command with files as standard input and output.
    pub(super) async fn piped(&self, args: &[&str], input: Option<&Path>, out: &Path) -> Outcome<()> {
        let mut command = command(&self.dir);
        command.args(args).stdout(Stdio::from(std::fs::File::create(out).map_err(failed)?)).stderr(Stdio::inherit());
        if let Some(input) = input {
            command.stdin(Stdio::from(std::fs::File::open(input).map_err(failed)?));
        }
        let status = command.status().await.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(out).unwrap_or_default();
        Err(problem_in(&said)
            .unwrap_or_else(|| failed(format!("hefu {} ended with {status}", args.first().unwrap_or(&"")))))
    }

    /// Process id of the node.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Peak resident memory of the node's process, bytes.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    }
}

/// Stops all nodes, by the process ids that we started.
pub(super) async fn stop(cities: &mut [Running]) {
    for running in &*cities {
        if let Some(pid) = running.pid() {
            // SIGTERM lets the node finish what is under way.
            let _ = Command::new("kill").arg(pid.to_string()).status().await;
        }
    }
    for running in cities {
        if tokio::time::timeout(STOP_TIMEOUT, running.child.wait()).await.is_err() {
            let _ = running.child.kill().await;
        }
    }
}

/// Leaves the nodes running.
pub(super) fn leave(cities: Vec<Running>) {
    cities.into_iter().for_each(|running| std::mem::forget(running.child));
}

/// This program, on a folder, speaking JSON.
fn command(dir: &Path) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hefu"));
    let mut command = Command::new(program);
    command.arg("--dir").arg(dir).arg("--json").env_remove("HEFU_DIR").env_remove("HEFU_DATABASE").stdin(Stdio::null());
    command
}

async fn json(mut command: Command) -> Outcome<Value> {
    let answer = command.stderr(Stdio::inherit()).output().await.map_err(failed)?;
    let said = String::from_utf8_lossy(&answer.stdout);
    let value: Option<Value> = serde_json::from_str(said.trim()).ok();
    match (answer.status.code(), value) {
        // 1: the command's own check does not hold; its answer says what.
        (Some(0 | 1), Some(value)) if Problem::from_json(&value).is_none() => Ok(value),
        _ => Err(problem_in(&said).unwrap_or_else(|| failed(format!("a command ended with {}", answer.status)))),
    }
}

fn problem_in(said: &str) -> Option<Problem> {
    let last = said.trim().lines().last()?;
    Problem::from_json(&serde_json::from_str(last).ok()?)
}
