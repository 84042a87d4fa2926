//! `hefu demo`: three cities as three processes on this machine, from `init` to compared tallies, through the product's own
//! commands. The list of planted cases lies outside the nodes' folders and is compared only at the end.

mod city;
mod database;
mod report;

use super::{Globals, output};
use crate::clock::{Clock, Stopwatch};
use crate::config::DatabaseSetting;
use crate::problem::{Code, Outcome, Problem};
use crate::synthetic::{Cited, City, Part, Population, agreement_terms};
use city::Running;
use database::Databases;
use futures_util::future::try_join_all;
use hefu_schemas::id::AgreementId;
use report::{CityReport, Report};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time zone of the three cities.
const TIME_ZONE: &str = "Asia/Shanghai";
/// How long an agreement may take to come into force: signatures, then opens, then both seen by all. Each of these goes with some
/// pull, of this command or of the nodes' own clocks.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const EXCHANGE_PAUSE: Duration = Duration::from_millis(100);
/// Most records per city.
const MAX_RECORDS: u64 = 2_000_000;

const EXAMPLE: &str = "\
Example:
  hefu demo
  hefu demo --records 300000
  hefu demo --keep
  hefu demo --database postgres

Kunming (530100), Chengdu (510100) and Chongqing (500000) start as three processes on free loopback ports, compare
fingerprints, sign one agreement, publish a made-up population with transfers and recognised credits between them, pull,
verify and reconcile. Three cases are planted for each of the rules S1 to S6, C1 to C4, Q1, Q2, A1 and G7; the demo ends
with 0 only if all of them were found, nothing else was, and the three tallies are the same.";

/// A federation of three cities on this machine, from nothing to compared tallies.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Demo {
    /// Records per city
    #[arg(long, value_name = "N", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(100..=MAX_RECORDS))]
    records: u64,
    /// Leave the nodes running and print their URLs and commands to try
    #[arg(long)]
    keep: bool,
    /// Where the cities keep their data: `sqlite`, `postgres` (a throw-away server, started from Debian's programs and ended with the
    /// demo), or postgres://user@host/database (a server in which each city is given a database; they are dropped at the end)
    #[arg(long, value_name = "DATABASE", value_parser = database::setting, default_value = "sqlite", hide_default_value = true)]
    database: DatabaseSetting,
    /// Folder for the nodes, new or empty [default: a temporary one, removed at the end unless --keep]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Seed of the made-up population
    #[arg(long, value_name = "N", default_value_t = 20_260_901)]
    seed: u64,
}

impl Demo {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let clock = Stopwatch::start();
        let folder = self.folder()?;
        let base = folder.path().to_owned();
        let databases = Databases::prepare(&self.database, self.keep).await?;
        let mut cities = match self.start(globals, &base, &databases).await {
            Ok(cities) => cities,
            Err(problem) => {
                databases.drop_all().await;
                return Err(problem);
            }
        };
        let result = self.federate(globals, &base, &cities).await;
        let mut report = match result {
            Ok(report) => report,
            Err(problem) => {
                city::stop(&mut cities).await;
                databases.drop_all().await;
                folder.keep_on_failure(globals);
                return Err(problem);
            }
        };
        report.seconds = clock.seconds();
        report.print(globals);
        if self.keep {
            report.print_kept(globals, &cities);
            city::leave(cities);
            folder.keep();
        } else {
            city::stop(&mut cities).await;
            databases.drop_all().await;
        }
        if report.is_good() { Ok(0) } else { Err(Problem::new(Code::DemoFailed, report.verdict())) }
    }

    fn folder(&self) -> Outcome<Base> {
        let refused = |error: std::io::Error| Problem::new(Code::Configuration, format!("demo folder: {error}"));
        let Some(path) = &self.folder else {
            return Ok(Base::Temporary(tempfile::Builder::new().prefix("hefu-demo-").tempdir().map_err(refused)?));
        };
        std::fs::create_dir_all(path).map_err(refused)?;
        if std::fs::read_dir(path).map_err(refused)?.next().is_some() {
            return Err(Problem::new(Code::AlreadyInitialised, format!("{} is not empty", path.display())));
        }
        Ok(Base::Named(std::path::absolute(path).map_err(refused)?))
    }

    /// Opens the listeners first, so that no port is fixed; then makes the nodes and starts them.
    async fn start(&self, globals: &Globals, base: &Path, databases: &Databases) -> Outcome<Vec<Running>> {
        output::words(
            globals,
            "一、建立三个城市的节点（独立进程，回环地址，TLS 1.3）",
            "1. Three cities, three processes, loopback, TLS 1.3",
        );
        let authority = city::Authority::new(base)?;
        let mut cities = Vec::new();
        for code in City::CODES {
            let running = Running::start(base, code, &authority, databases.of(code), self.keep).await?;
            let (name, url, fingerprint) = (&running.city.name, &running.url, &running.fingerprint);
            output::words(
                globals,
                format!("   {}  {url}\n       指纹 {fingerprint}", name.zh),
                format!("   {}  {url}\n       fingerprint {fingerprint}", name.en),
            );
            cities.push(running);
        }
        Ok(cities)
    }

    async fn federate(&self, globals: &Globals, base: &Path, cities: &[Running]) -> Outcome<Report> {
        let as_of = Clock::default().today(TIME_ZONE);
        compare_fingerprints(globals, cities).await?;
        let agreement = sign_agreement(globals, base, cities, as_of).await?;
        let plans: Vec<City> = cities.iter().map(|running| running.city.clone()).collect();
        let population = Population::new(self.seed, as_of, plans, self.records)
            .map_err(|error| Problem::new(Code::BadRequest, error))?;
        write_planted(base, &population)?;
        let mut reports = self.publish(globals, base, cities, &population, agreement).await?;
        pull(globals, cities, &mut reports).await?;
        let (tallies, fits) = reconcile(globals, cities, agreement).await?;
        report::collect(cities, &population, reports, tallies, fits, agreement).await
    }

    async fn publish(
        &self,
        globals: &Globals,
        base: &Path,
        cities: &[Running],
        population: &Population,
        agreement: AgreementId,
    ) -> Outcome<Vec<CityReport>> {
        output::words(
            globals,
            format!("四、各市发布虚构的学籍与转学记录（每市约 {} 条）", self.records),
            format!("4. Each city publishes a made-up population (about {} records each)", self.records),
        );
        let publishing = cities
            .iter()
            .enumerate()
            .map(|(number, running)| publish_city(base, number, running, population, agreement));
        let reports = try_join_all(publishing).await?;
        for (running, report) in cities.iter().zip(&reports) {
            let (published, seconds) = (report.published, report.publish_seconds);
            output::words(
                globals,
                format!(
                    "   {}  {published} 条，{seconds:.1} 秒，每秒 {:.0} 条",
                    running.city.name.zh,
                    report.publish_rate()
                ),
                format!(
                    "   {}  {published} records, {seconds:.1} s, {:.0} a second",
                    running.city.name.en,
                    report.publish_rate()
                ),
            );
        }
        Ok(reports)
    }
}

/// The demo's folder.
enum Base {
    Temporary(tempfile::TempDir),
    Named(PathBuf),
}

impl Base {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Named(path) => path,
        }
    }

    fn keep(self) {
        if let Self::Temporary(folder) = self {
            let _ = folder.keep();
        }
    }

    fn keep_on_failure(self, globals: &Globals) {
        let path = self.path().display().to_string();
        output::words(
            globals,
            format!("各节点的目录与日志留在 {path}"),
            format!("The nodes' folders and logs are left in {path}"),
        );
        self.keep();
    }
}

async fn compare_fingerprints(globals: &Globals, cities: &[Running]) -> Outcome<()> {
    output::words(globals, "二、两两核对指纹并互相关注", "2. They compare fingerprints and follow each other");
    for running in cities {
        for other in cities.iter().filter(|other| other.url != running.url) {
            let ca = other.ca.display().to_string();
            running.json(&["peer", "add", &other.url, "--fingerprint", &other.fingerprint, "--ca", &ca]).await?;
        }
    }
    Ok(())
}

async fn sign_agreement(
    globals: &Globals,
    base: &Path,
    cities: &[Running],
    as_of: jiff::civil::Date,
) -> Outcome<AgreementId> {
    output::words(globals, "三、签署一份三方协议", "3. They sign one agreement");
    let plans: Vec<City> = cities.iter().map(|running| running.city.clone()).collect();
    let path = base.join("agreement.json");
    write_file(&path, agreement_terms(&plans, as_of).to_string().as_bytes())?;
    let (Some(first), others) = (cities.first(), cities.get(1..).unwrap_or_default()) else {
        return Err(Problem::new(Code::Internal, "no cities"));
    };
    let proposed = first.json(&["agreement", "propose", &path.display().to_string()]).await?;
    let id = proposed.get("id").and_then(Value::as_str).and_then(|id| AgreementId::parse(id).ok());
    let id = id.ok_or_else(|| Problem::new(Code::Internal, "the proposal has no id"))?;
    for running in others {
        running.json(&["pull"]).await?;
        running.json(&["agreement", "sign", &id.to_string()]).await?;
    }
    let clock = Stopwatch::start();
    while clock.seconds() < EXCHANGE_PATIENCE.as_secs_f64() {
        let mut in_force = 0;
        for running in cities {
            running.json(&["pull"]).await?;
            let all = running.json(&["agreement", "list"]).await?;
            in_force += usize::from(all.pointer("/0/state") == Some(&json!("in-force")));
        }
        if in_force == cities.len() {
            output::words(
                globals,
                format!("   {id} 已生效，三方各自启用"),
                format!("   {id} is in force, opened by all three"),
            );
            return Ok(id);
        }
        tokio::time::sleep(EXCHANGE_PAUSE).await;
    }
    Err(Problem::new(Code::Internal, "the agreement did not come into force"))
}

/// Identifiers to references, references into drafts, drafts to the log: for both files of a city.
async fn publish_city(
    base: &Path,
    number: usize,
    running: &Running,
    population: &Population,
    agreement: AgreementId,
) -> Outcome<CityReport> {
    let mut report = CityReport { name: running.city.name.clone(), ..CityReport::default() };
    for part in Part::ALL {
        let file = |what: &str| base.join(format!("{}-{}-{what}.ndjson", running.city.code, part.code()));
        let (identifiers, references, drafts, receipts) =
            (file("identifiers"), file("references"), file("drafts"), file("receipts"));
        write_lines(&identifiers, population.identifiers(number, part))?;
        running.piped(&["subject", "--agreement", &agreement.to_string()], Some(&identifiers), &references).await?;
        // Identifiers are not needed any more, made up or not.
        std::fs::remove_file(&identifiers).map_err(failed)?;
        let lines = subjects(&references)?;
        let cited = Cited { id: agreement, version: 1 };
        write_lines(&drafts, population.drafts(number, part, cited, lines).map_while(Result::ok))?;
        let path = drafts.display().to_string();
        let mut args = vec!["publish", &path];
        if part == Part::Planted {
            args.extend(["--despite-findings", "演示：迁移的旧数据 / demonstration: migrated data"]);
        }
        let clock = Stopwatch::start();
        running.piped(&args, None, &receipts).await?;
        report.publish_seconds += clock.seconds();
        report.published += count_lines(&receipts)?;
    }
    Ok(report)
}

async fn pull(globals: &Globals, cities: &[Running], reports: &mut [CityReport]) -> Outcome<()> {
    output::words(
        globals,
        "五、互相拉取：逐条验证签名、模式与承诺",
        "5. They pull each other: every signature, schema and commitment is verified",
    );
    let answers = try_join_all(cities.iter().map(|running| running.json(&["pull"]))).await?;
    for ((running, report), answer) in cities.iter().zip(reports).zip(answers) {
        // A node that is hinted pulls by itself while its peers still publish: the figures are since its start.
        let since_start =
            |name: &str| answer.pointer(&format!("/sinceStart/{name}")).and_then(Value::as_u64).unwrap_or(0);
        report.pulled = since_start("records");
        report.pull_seconds = report::float(since_start("busyMs")) / 1000.0;
        let seconds = report.pull_seconds;
        output::words(
            globals,
            format!(
                "   {}  {} 条，{seconds:.1} 秒，每秒 {:.0} 条",
                running.city.name.zh,
                report.pulled,
                report.pull_rate()
            ),
            format!(
                "   {}  {} records, {seconds:.1} s, {:.0} a second",
                running.city.name.en,
                report.pulled,
                report.pull_rate()
            ),
        );
    }
    Ok(())
}

async fn reconcile(globals: &Globals, cities: &[Running], agreement: AgreementId) -> Outcome<(Vec<Value>, bool)> {
    output::words(globals, "六、核对并合符", "6. They reconcile and put the halves together");
    let reconciling = cities.iter().map(|running| running.json(&["reconcile"]));
    try_join_all(reconciling).await?;
    let mut tallies = Vec::new();
    for running in cities {
        tallies.push(running.json(&["tally", "show", "--agreement", &agreement.to_string()]).await?);
    }
    let fits = tallies.iter().all(|tally| tally.get("fits") == Some(&Value::Bool(true)));
    Ok((tallies, fits))
}

fn write_planted(base: &Path, population: &Population) -> Outcome<()> {
    let row = |case: &crate::synthetic::PlantedCase| {
        let records: Vec<String> = case.records.iter().map(ToString::to_string).collect();
        json!({"rule": case.rule, "case": case.case, "cities": case.cities, "records": records, "text": case.text})
    };
    let rows: Vec<Value> = population.planted().iter().map(row).collect();
    write_file(&base.join("planted.json"), json!(rows).to_string().as_bytes())
}

fn failed(error: std::io::Error) -> Problem {
    Problem::new(Code::Internal, format!("demo file: {error}"))
}

fn write_file(path: &Path, bytes: &[u8]) -> Outcome<()> {
    std::fs::write(path, bytes).map_err(failed)
}

fn write_lines(path: &Path, lines: impl Iterator<Item = String>) -> Outcome<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    for line in lines {
        file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

fn subjects(path: &Path) -> Outcome<impl Iterator<Item = String>> {
    use std::io::BufRead;
    let file = std::io::BufReader::new(std::fs::File::open(path).map_err(failed)?);
    Ok(file.lines().map_while(Result::ok).filter_map(|line| {
        let row: Value = serde_json::from_str(&line).ok()?;
        row.get("subject").and_then(Value::as_str).map(str::to_owned)
    }))
}

fn count_lines(path: &Path) -> Outcome<u64> {
    use std::io::BufRead;
    let file = std::io::BufReader::new(std::fs::File::open(path).map_err(failed)?);
    u64::try_from(file.lines().count()).map_err(|error| Problem::new(Code::Internal, error))
}
