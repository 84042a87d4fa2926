//! Two cities as processes of the real program: one publishes, the other pulls.

use crate::process::{Server, command, cpu_of_commands, said, wait};
use crate::{Failure, Options};
use hefu_federation::base64url;
use hefu_peers::clock::{Clock, Stopwatch};
use hefu_peers::synthetic::{Cited, City, Load, Population, agreement_terms};
use hefu_schemas::id::{AgreementId, Digest, Origin};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Seed of the population: that of the demonstration.
const SEED: u64 = 20_260_901;
/// Time zone of the cities.
const TIME_ZONE: &str = "Asia/Shanghai";
/// How long an agreement may take to come into force: some rounds of pulling, more of them where a signature comes late.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(60);

/// One city.
pub(crate) struct Node {
    program: PathBuf,
    pub(crate) city: City,
    pub(crate) dir: PathBuf,
    pub(crate) url: String,
    fingerprint: String,
    listener: TcpListener,
    serving: Option<Server>,
}

impl Node {
    fn init(options: &Options, base: &Path, code: &str, database: Option<&str>) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let city = City::known(code, Origin::from_url(&url)?)?.ok_or("an unknown city")?;
        let program = std::path::absolute(&options.hefu)?;
        let dir = base.join(code);
        let mut node =
            Self { program, city, dir, url: url.clone(), fingerprint: String::new(), listener, serving: None };
        let recovery = base.join(format!("{code}-recovery.pem")).display().to_string();
        let mut args = vec!["init", "--url", &url, "--city", code, "--name", "测试", "--recovery-out", &recovery];
        if let Some(database) = database {
            args.extend(["--database", database]);
        }
        let made = node.ask(&args)?;
        node.fingerprint =
            made.get("fingerprint").and_then(Value::as_str).ok_or("init gave no fingerprint")?.to_owned();
        Ok(node)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.program);
        command.arg("--dir").arg(&self.dir).args(["--json", "--lang", "en"]).args(args);
        command
    }

    /// Runs a command to its end and reads its JSON.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<Value, Failure> {
        Ok(serde_json::from_str(said(self.command(args))?.trim())?)
    }

    /// Starts serving and waits until it answers.
    pub(crate) fn serve(&mut self) -> Result<(), Failure> {
        let log = File::options().create(true).append(true).open(self.dir.with_extension("log"))?;
        let mut command = self.command(&["serve", "--listener", "stdin"]);
        command.stdin(Stdio::from(OwnedFd::from(self.listener.try_clone()?))).stdout(Stdio::null()).stderr(log);
        self.serving = Some(Server::start(command, "TERM")?);
        let socket = self.dir.join("control.sock");
        wait("a node starts", || UnixStream::connect(&socket).is_ok())
    }

    /// Stops serving.
    pub(crate) fn stop(&mut self) {
        self.serving = None;
    }

    /// The certificate that others trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("tls.pem")
    }
}

/// Two cities that follow each other under an agreement; the first has published.
pub(crate) struct Federation {
    pub(crate) publisher: Node,
    pub(crate) puller: Node,
    pub(crate) agreement: AgreementId,
    pub(crate) count: u64,
}

impl Federation {
    /// Makes the cities and publishes; nobody serves afterwards, and the publisher has nothing left to do.
    pub(crate) fn new(options: &Options, base: &Path, databases: Option<[String; 2]>) -> Result<Self, Failure> {
        std::fs::create_dir_all(base)?;
        let [first, second, _] = City::CODES;
        let [one, other] = databases.map_or([None, None], |databases| databases.map(Some));
        let mut publisher = Node::init(options, base, first, one.as_deref())?;
        let mut puller = Node::init(options, base, second, other.as_deref())?;
        publisher.serve()?;
        puller.serve()?;
        for (one, other) in [(&publisher, &puller), (&puller, &publisher)] {
            let ca = other.certificate().display().to_string();
            one.ask(&["peer", "add", &other.url, "--fingerprint", &other.fingerprint, "--ca", &ca])?;
        }
        let agreement = agree(base, &publisher, &puller)?;
        publisher.stop();
        puller.stop();
        let drafts = base.join("drafts.ndjson");
        let count = write_drafts(&drafts, [&publisher, &puller], agreement, options.load, options.records)?;
        said(publisher.command(&["publish", &drafts.display().to_string()]))?;
        publisher.ask(&["reconcile"])?;
        Ok(Self { publisher, puller, agreement, count })
    }

    /// One `hefu pull` of everything, while the publisher serves, then `hefu reconcile`.
    pub(crate) fn pull(&self) -> Result<Pulled, Failure> {
        let server = self.publisher.serving.as_ref().ok_or("the publisher does not serve")?;
        let (served, before, clock) = (server.cpu()?, cpu_of_commands()?, Stopwatch::start());
        let pulled = self.puller.ask(&["pull"])?;
        let seconds = clock.seconds();
        let (pulling, serving) = (cpu_of_commands()? - before, server.cpu()? - served);
        let held = pulled.pointer("/reports/0/held").and_then(Value::as_u64);
        if held != Some(self.count) {
            return Err(format!("{held:?} of {} records are held: {pulled}", self.count).into());
        }
        let clock = Stopwatch::start();
        self.puller.ask(&["reconcile"])?;
        Ok(Pulled { seconds, with_reconcile: seconds + clock.seconds(), pulling, serving })
    }
}

/// What a pull took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulled {
    /// Wall time until all was held.
    pub(crate) seconds: f64,
    /// Wall time of both commands.
    pub(crate) with_reconcile: f64,
    /// Seconds of processor time of the command.
    pub(crate) pulling: f64,
    /// Seconds of processor time of the publisher meanwhile.
    pub(crate) serving: f64,
}

fn agree(base: &Path, first: &Node, second: &Node) -> Result<AgreementId, Failure> {
    let terms = base.join("agreement.json");
    let as_of = Clock::default().today(TIME_ZONE);
    std::fs::write(&terms, agreement_terms(&[first.city.clone(), second.city.clone()], as_of).to_string())?;
    let proposed = first.ask(&["agreement", "propose", &terms.display().to_string()])?;
    let id = AgreementId::parse(proposed.get("id").and_then(Value::as_str).ok_or("the proposal has no id")?)?;
    second.ask(&["pull"])?;
    second.ask(&["agreement", "sign", &id.to_string()])?;
    let clock = Stopwatch::start();
    while clock.seconds() < EXCHANGE_PATIENCE.as_secs_f64() {
        let mut in_force = true;
        for node in [first, second] {
            node.ask(&["pull"])?;
            in_force &= node.ask(&["agreement", "list"])?.pointer("/0/state") == Some(&json!("in-force"));
        }
        if in_force {
            return Ok(id);
        }
    }
    Err("the agreement did not come into force".into())
}

/// Writes drafts of the first city; how many there are.
fn write_drafts(
    path: &Path,
    nodes: [&Node; 2],
    agreement: AgreementId,
    load: Load,
    records: u64,
) -> Result<u64, Failure> {
    let as_of = Clock::default().today(TIME_ZONE);
    let cities = nodes.map(|node| node.city.clone()).to_vec();
    let population = Population::new(SEED, as_of, cities, records)?;
    let mut file = BufWriter::new(File::create(path)?);
    let mut count = 0;
    let cited = Cited { id: agreement, version: 1 };
    for line in population.load(0, load, cited, reference).take(usize::try_from(records)?) {
        writeln!(file, "{line}")?;
        count += 1;
    }
    file.flush()?;
    Ok(count)
}

/// A reference of the form that `hefu subject` gives: nodes cannot tell it from one.
fn reference(line: &str) -> String {
    format!("urn:hefu:subject:1:{}", base64url::encode(&Digest::of(line.as_bytes()).0))
}
