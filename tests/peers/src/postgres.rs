//! PostgreSQL logical replication between two throw-away clusters with default settings: initial sync and catch-up.

use crate::Failure;
use crate::corpus::Corpus;
use crate::process::{Server, command, command_as, said, wait};
use crate::report::{Measured, float, median};
use hefu_peers::clock::Stopwatch;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian's packages keep the programs of a version.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Whom a cluster belongs to when root starts it: the server refuses to be root.
const NOBODY: (&str, &str) = ("nobody", "nogroup");
/// Rows written in one transaction, about as many as the node appends in one.
const BATCH_LEN: usize = 1_000;
/// Types of the column that holds the record.
pub(crate) const TYPES: [&str; 2] = ["text", "jsonb"];

/// A cluster that runs; it is stopped when this goes out of scope.
pub(crate) struct Cluster {
    port: u16,
    _server: Server,
}

impl Cluster {
    /// Makes a cluster below `base` and starts it.
    pub(crate) fn start(base: &Path, name: &str) -> Result<Self, Failure> {
        let home = base.join(format!("postgres-{name}"));
        std::fs::create_dir_all(&home)?;
        let is_root = said({
            let mut id = command("id");
            id.arg("-u");
            id
        })?;
        let is_root = is_root.trim() == "0";
        if is_root {
            std::os::unix::fs::chown(&home, Some(id_of("-u", NOBODY.0)?), Some(id_of("-g", NOBODY.0)?))?;
        }
        let program = |program: &str| -> Command {
            let path = Path::new(PROGRAMS).join(program);
            let mut command = if is_root { command_as(NOBODY.0, NOBODY.1, &path) } else { command(path) };
            command.current_dir(&home);
            command
        };
        let data = home.join("data");
        let mut init = program("initdb");
        init.args(["--username=hefu", "--auth=trust", "--no-locale", "--encoding=UTF8", "--pgdata"]).arg(&data);
        said(init)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut serve = program("postgres");
        serve.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        // Logical replication needs the first; the last, without which the server waits up to 5 s before it starts a worker
        // again, is in its favour. All else is as initdb leaves it: fsync and synchronous_commit are on.
        for setting in [
            "wal_level=logical",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "wal_retrieve_retry_interval=100ms",
        ] {
            serve.args(["-c", setting]);
        }
        serve.stdout(Stdio::null()).stderr(File::create(base.join(format!("postgres-{name}.log")))?);
        let mut cluster = Self { port, _server: Server::start(serve, "INT")? };
        let answers = |cluster: &mut Self| cluster.ask(&["SELECT 1"]).is_ok() || !cluster._server.runs();
        wait("a cluster starts", || answers(&mut cluster))?;
        cluster.ask(&["SELECT 1"])?;
        Ok(cluster)
    }

    /// The server, as clients name it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://hefu@127.0.0.1:{}", self.port)
    }

    /// Runs statements, each in a transaction of its own; what the last one gave.
    fn ask(&self, statements: &[&str]) -> Result<String, Failure> {
        let mut psql = self.psql();
        for statement in statements {
            psql.args(["-c", statement]);
        }
        Ok(said(psql)?.lines().last().unwrap_or_default().to_owned())
    }

    fn run(&self, script: &Path) -> Result<(), Failure> {
        let mut psql = self.psql();
        psql.arg("-f").arg(script);
        said(psql).map(|_| ())
    }

    fn psql(&self) -> Command {
        psql(&format!("{}/postgres", self.url()))
    }

    /// Waits until a question is answered by `t`, as close as a server can tell.
    fn until(&self, question: &str) -> Result<(), Failure> {
        let look = format!("DO $$ BEGIN LOOP EXIT WHEN ({question}); PERFORM pg_sleep(0.005); END LOOP; END $$");
        self.ask(&["SET statement_timeout = '15min'", &look]).map(|_| ())
    }
}

/// The client, on a database.
pub(crate) fn psql(url: &str) -> Command {
    let mut psql = command("psql");
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url]);
    psql
}

fn id_of(which: &str, user: &str) -> Result<u32, Failure> {
    let mut id = command("id");
    id.args([which, user]);
    Ok(said(id)?.trim().parse()?)
}

/// Initial sync and catch-up of each type: (what, figure).
pub(crate) fn measure(corpus: &Corpus, base: &Path, times: usize) -> Result<Vec<(String, Measured)>, Failure> {
    let pair = Pair::start(corpus, base)?;
    let mut figures = Vec::new();
    for kind in TYPES {
        pair.tables(kind)?;
        let sync = median(times, || pair.initial_sync())?;
        figures.push((format!("initial sync, {kind}"), pair.measured(sync, "rows copied")));
        let catch_up = median(times, || pair.catch_up())?;
        let how = format!("rows written {BATCH_LEN} a transaction while the subscription was disabled");
        figures.push((format!("catch-up, {kind}"), pair.measured(catch_up, &how)));
    }
    Ok(figures)
}

/// A publisher and a subscriber, and the rows.
struct Pair {
    publisher: Cluster,
    subscriber: Cluster,
    rows: PathBuf,
    count: u64,
}

impl Pair {
    fn start(corpus: &Corpus, base: &Path) -> Result<Self, Failure> {
        let rows = base.join("rows.sql");
        write_rows(corpus, &rows)?;
        let publisher = Cluster::start(base, "publisher")?;
        let subscriber = Cluster::start(base, "subscriber")?;
        publisher.ask(&["CREATE TABLE record ()", "CREATE PUBLICATION records FOR TABLE record"])?;
        subscriber.ask(&["CREATE TABLE record ()"])?;
        Ok(Self { publisher, subscriber, rows, count: u64::try_from(corpus.records.len())? })
    }

    /// Empty tables on both sides.
    fn tables(&self, kind: &str) -> Result<(), Failure> {
        let create = format!("CREATE TABLE record (id bigint PRIMARY KEY, body {kind} NOT NULL)");
        self.subscriber.ask(&["DROP TABLE record", &create])?;
        self.publisher.ask(&["DROP TABLE record", &create, "ALTER PUBLICATION records ADD TABLE record"])?;
        Ok(())
    }

    fn subscribe(&self) -> String {
        let port = self.publisher.port;
        format!(
            "CREATE SUBSCRIPTION records CONNECTION 'host=127.0.0.1 port={port} user=hefu dbname=postgres' \
             PUBLICATION records"
        )
    }

    /// The rows are there; the subscriber is made.
    fn initial_sync(&self) -> Result<f64, Failure> {
        self.publisher.ask(&["TRUNCATE record"])?;
        self.publisher.run(&self.rows)?;
        self.settle()?;
        let clock = Stopwatch::start();
        self.subscriber.ask(&[&self.subscribe()])?;
        self.finish(&clock)
    }

    /// The subscriber was made, then disabled while the rows were written; it is enabled.
    fn catch_up(&self) -> Result<f64, Failure> {
        self.publisher.ask(&["TRUNCATE record"])?;
        self.subscriber.ask(&[&self.subscribe()])?;
        self.subscriber.until("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")?;
        self.subscriber.ask(&["ALTER SUBSCRIPTION records DISABLE"])?;
        self.subscriber.until("SELECT NOT EXISTS (SELECT FROM pg_stat_subscription WHERE pid IS NOT NULL)")?;
        self.publisher.run(&self.rows)?;
        self.settle()?;
        let clock = Stopwatch::start();
        self.subscriber.ask(&["ALTER SUBSCRIPTION records ENABLE"])?;
        self.finish(&clock)
    }

    /// What was written before shall not be written back during the measurement.
    fn settle(&self) -> Result<(), Failure> {
        for cluster in [&self.publisher, &self.subscriber] {
            cluster.ask(&["CHECKPOINT"])?;
        }
        said(command("sync")).map(|_| ())
    }

    /// Seconds until the last row, and with it all, can be read at the subscriber; then everything is undone.
    fn finish(&self, clock: &Stopwatch) -> Result<f64, Failure> {
        self.subscriber.until(&format!("EXISTS (SELECT FROM record WHERE id = {})", self.count))?;
        let seconds = clock.seconds();
        let held = self.subscriber.ask(&["SELECT count(*) FROM record"])?;
        if held != self.count.to_string() {
            return Err(format!("{held} of {} rows have come", self.count).into());
        }
        self.subscriber.ask(&["DROP SUBSCRIPTION records", "TRUNCATE record"])?;
        Ok(seconds)
    }

    fn measured(&self, seconds: f64, how: &str) -> Measured {
        Measured { rate: float(self.count) / seconds, note: format!("verifies nothing; {how}") }
    }
}

/// A script for psql: the rows, in transactions of [`BATCH_LEN`].
fn write_rows(corpus: &Corpus, path: &Path) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut id = 0_u64;
    for batch in corpus.records.chunks(BATCH_LEN) {
        writeln!(file, "COPY record (id, body) FROM STDIN;")?;
        for signed in batch {
            id += 1;
            // Canonical JSON holds no raw tab or newline; a backslash is doubled in this format.
            writeln!(file, "{id}\t{}", std::str::from_utf8(&signed.record)?.replace('\\', "\\\\"))?;
        }
        writeln!(file, "\\.")?;
    }
    Ok(file.flush()?)
}
