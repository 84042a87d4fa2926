//! Cities as processes of the real program: made, served, asked, stopped, and what they cost.

use crate::proxy::Proxy;
use crate::server::{self, Server};
use crate::{Failure, Options, cpu, touched};
use hefu_node::clock::{Clock, Stopwatch};
use hefu_node::synthetic::{City, agreement_terms};
use hefu_schemas::id::{AgreementId, Origin};
use serde_json::{Value, json};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Longest start or stop of a node, in looks.
const MAX_LOOKS: usize = 3_000;
/// How long an agreement may take to come into force: some rounds of pulling, more of them where a signature comes late.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(60);

/// The folder of a run.
pub(crate) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let beside = own.parent().ok_or("no folder")?.join(format!("bench-{}", std::process::id()));
        let path = options.folder.clone().unwrap_or(beside);
        std::fs::create_dir_all(&path)?;
        Ok(Self { path: std::path::absolute(path)?, keep: options.folder.is_some() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The program to measure: the one of this program's own profile, built first so that it is not an older one.
pub(crate) fn program(options: &Options) -> Result<PathBuf, Failure> {
    if let Some(path) = &options.hefu {
        return Ok(std::path::absolute(path)?);
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or("no folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--quiet", "-p", "hefu-node", "--bin", "hefu", "--profile", profile])
        .status()?;
    if built.success() { Ok(folder.join("hefu")) } else { Err("hefu does not build".into()) }
}

/// What a command cost and said.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Its processor time, from the kernel's account of children that have ended.
    pub(crate) spent: cpu::Spent,
    pub(crate) seconds: f64,
    /// Processor time of the database server meanwhile, seconds; 0 where the database is a part of the process.
    pub(crate) database: f64,
    /// Peak resident memory, MB.
    pub(crate) peak_mb: f64,
    pub(crate) said: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.said.trim()).unwrap_or_default()
    }

    pub(crate) fn cores_busy(&self) -> f64 {
        (self.spent.total() + self.database) / self.seconds
    }
}

/// One city.
pub(crate) struct Node {
    program: PathBuf,
    pub(crate) city: City,
    pub(crate) dir: PathBuf,
    pub(crate) wire: Proxy,
    url: String,
    fingerprint: String,
    listener: TcpListener,
    serving: Option<Child>,
    /// Its database, where that is not a file in its folder.
    server: Option<(Server, String)>,
}

impl Node {
    /// Makes a node below `base`.
    pub(crate) fn init(options: &Options, program: &Path, base: &Path, code: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let wire = Proxy::open(listener.local_addr()?.port())?;
        let url = format!("https://localhost:{}", wire.port);
        let city = City::known(code, Origin::from_url(&url)?)?.ok_or("an unknown city")?;
        let (dir, recovery) = (base.join(code), base.join(format!("{code}-recovery.pem")));
        let mut node = Self {
            program: program.to_owned(),
            city,
            dir,
            wire,
            url: url.clone(),
            fingerprint: String::new(),
            listener,
            serving: None,
            server: None,
        };
        let recovery = recovery.display().to_string();
        let mut args = vec!["init", "--url", &url, "--city", code, "--name", "测试", "--recovery-out", &recovery];
        let database;
        if options.database != "sqlite" {
            let mut server = Server::connect(&options.database)?;
            let scenario = base.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = format!("hefu_bench_{}_{scenario}_{code}", std::process::id());
            database = server.make(&name)?;
            args.extend(["--database", &database]);
            node.server = Some((server, name));
        }
        let made = node.run(&args)?.json();
        node.fingerprint =
            made.get("fingerprint").and_then(Value::as_str).ok_or("init gave no fingerprint")?.to_owned();
        Ok(node)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for name in ["HEFU_DIR", "HEFU_LOG", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.arg("--dir").arg(&self.dir).args(["--json", "--lang", "en"]).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Ran, Failure> {
        let out = self.dir.with_extension("out");
        let ran = run(self.command(args), &out)?;
        Ok(ran)
    }

    /// Starts serving and waits until it answers.
    pub(crate) fn serve(&mut self) -> Result<u32, Failure> {
        let log = File::options().create(true).append(true).open(self.dir.with_extension("log"))?;
        let mut command = self.command(&["serve", "--listener", "stdin"]);
        command.stdin(Stdio::from(OwnedFd::from(self.listener.try_clone()?))).stdout(Stdio::null()).stderr(log);
        let child = command.spawn()?;
        let pid = child.id();
        self.serving = Some(child);
        let socket = self.dir.join("control.sock");
        wait("a node does not start", || UnixStream::connect(&socket).is_ok())?;
        self.wire.lead(true);
        Ok(pid)
    }

    /// Stops serving.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.serving.take() else { return Ok(()) };
        self.wire.lead(false);
        Command::new("kill").arg(child.id().to_string()).status()?;
        wait("a node does not stop", || matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Bytes of its database, written to the end: nothing serves.
    pub(crate) fn database_len(&mut self) -> u64 {
        if let Some((server, name)) = &mut self.server {
            return server.len(name).unwrap_or_default();
        }
        touched::database_len(&self.dir).unwrap_or_default()
    }
}

impl Drop for Node {
    /// The process before its database.
    fn drop(&mut self) {
        if let Some(mut child) = self.serving.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a command to its end, with its output in a file, and watches what it takes.
pub(crate) fn run(mut command: Command, out: &Path) -> Result<Ran, Failure> {
    let (before, database) = (cpu::of_children()?, server::spent());
    let clock = Stopwatch::start();
    let mut child = command.stdout(File::create(out)?).stderr(Stdio::piped()).spawn()?;
    let mut peak_mb = 0.0;
    let status = loop {
        // The last look before the end is up to 20 ms old: peaks last longer.
        peak_mb = cpu::memory(child.id()).map_or(peak_mb, |(_, peak)| peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let seconds = clock.seconds();
    let spent = cpu::of_children()?.since(before);
    let database = server::spent() - database;
    let said = std::fs::read_to_string(out)?;
    // 1: the command's own check does not hold; its answer says what.
    if !matches!(status.code(), Some(0 | 1)) {
        let tail: String = said.lines().rev().take(2).collect();
        return Err(format!("{:?} ended with {status}: {tail}", command.get_args().collect::<Vec<_>>()).into());
    }
    Ok(Ran { spent, seconds, database, peak_mb, said })
}

fn wait(what: &str, mut done: impl FnMut() -> bool) -> Result<(), Failure> {
    for _ in 0..MAX_LOOKS {
        if done() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(what.into())
}

/// Two cities that follow each other, with an agreement in force; nobody serves.
pub(crate) fn federation(options: &Options, program: &Path, base: &Path) -> Result<(Node, Node, AgreementId), Failure> {
    std::fs::create_dir_all(base)?;
    let [first, second, _] = City::CODES;
    let mut a = Node::init(options, program, base, first)?;
    let mut b = Node::init(options, program, base, second)?;
    a.serve()?;
    b.serve()?;
    for (one, other) in [(&a, &b), (&b, &a)] {
        let ca = other.dir.join("tls.pem").display().to_string();
        one.run(&["peer", "add", &other.url, "--fingerprint", &other.fingerprint, "--ca", &ca])?;
    }
    let as_of = Clock::default().today("Asia/Shanghai");
    let terms = base.join("agreement.json");
    std::fs::write(&terms, agreement_terms(&[a.city.clone(), b.city.clone()], as_of).to_string())?;
    let proposed = a.run(&["agreement", "propose", &terms.display().to_string()])?.json();
    let id = AgreementId::parse(proposed.get("id").and_then(Value::as_str).ok_or("the proposal has no id")?)?;
    b.run(&["pull"])?;
    b.run(&["agreement", "sign", &id.to_string()])?;
    let clock = Stopwatch::start();
    while clock.seconds() < EXCHANGE_PATIENCE.as_secs_f64() {
        let mut in_force = true;
        for node in [&a, &b] {
            node.run(&["pull"])?;
            in_force &= node.run(&["agreement", "list"])?.json().pointer("/0/state") == Some(&json!("in-force"));
        }
        if in_force {
            a.stop()?;
            b.stop()?;
            return Ok((a, b, id));
        }
    }
    Err("the agreement did not come into force".into())
}
