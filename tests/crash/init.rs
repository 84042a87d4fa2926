//! `init` that is killed: whatever it leaves, in the folder and in the database, the next one makes a whole node, or there is one
//! already.

use super::process::Moments;
use hefu_node::clock::Stopwatch;
use hefu_node::config::{Config, DatabaseSetting};
use hefu_node::node::{Init, init_with};
use hefu_node::problem::{Code, Problem};
use hefu_tests::postgres::{self, On};
use hefu_tests::process::{Said, command, run};
use hefu_tests::{TestNode, until};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const SEED: u64 = 20_260_903;
/// Kills, each of an `init` of its own.
const KILLS: usize = 24;
/// The same on PostgreSQL.
const KILLS_ON_A_SERVER: usize = 10;

fn init(dir: &Path, recovery: &Path, url: Option<&str>) -> Command {
    let recovery = recovery.display().to_string();
    let named = ["--json", "init", "--url", "https://localhost:8441", "--city", "530100", "--name", "昆明"];
    let mut init = command(dir, &[&named[..], &["--recovery-out", &recovery]].concat());
    init.envs(url.map(|url| ("HEFU_DATABASE", url)));
    init
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

async fn kill_inits(on: On, kills: usize) {
    let base = tempfile::tempdir().unwrap();
    let mut moments = Moments::new(SEED);
    let mut undisturbed = Duration::ZERO;
    let (mut began, mut ended) = (0, 0);
    for number in 0..=kills {
        let url = match on {
            On::File => None,
            On::Server => match postgres::empty_database().await {
                None => return,
                url => url,
            },
        };
        let init = |dir: &Path, recovery: &Path| init(dir, recovery, url.as_deref());
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
    println!("{on:?}: killed {kills} times: {began} had begun, {ended} had ended");
    assert!(began > 0, "some were killed in the middle");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_was_killed_can_be_given_again() {
    kill_inits(On::File, KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_was_killed_can_be_given_again_on_postgres() {
    kill_inits(On::Server, KILLS_ON_A_SERVER).await;
}

/// It ends when its log stands in the server's database and its settings are not written: as a killed one, and as one that is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_has_founded_its_log_on_a_server_can_be_given_again() {
    let Some(url) = postgres::empty_database().await else { return };
    let base = tempfile::tempdir().unwrap();
    let (dir, recovery) = (base.path().join("node"), base.path().join("recovery.pem"));
    // Settings of another node, which is not touched.
    let other = TestNode::init("530100").await;
    let mut config = Config::load(other.dir()).unwrap();
    config.database = DatabaseSetting::new(&url);
    let parts = Init { config, recovery_out: &recovery };
    let stopped = || Err(Problem::new(Code::Internal, "stopped here"));
    let mut founding = Box::pin(init_with(&dir, &parts, stopped));
    // A process that is killed is one whose future is never asked again.
    let mut conn = postgres::connection(&url).await;
    let founded = async |conn: &mut sqlx::PgConnection| {
        let size = sqlx::query_scalar::<_, i64>("SELECT size FROM head").fetch_optional(conn).await;
        size.ok().flatten() == Some(1)
    };
    until("the log is founded", async || {
        let asked = tokio::time::timeout(std::time::Duration::ZERO, &mut founding).await;
        assert!(asked.is_err(), "it has come to its end before");
        founded(&mut conn).await
    })
    .await;
    drop(founding);
    assert!(dir.join("init.unfinished").exists() && !dir.join("hefu.toml").exists());

    // The next one is refused behind the same point: it leaves nothing.
    let refused = init_with(&dir, &parts, stopped).await.unwrap_err();
    assert_eq!(refused.detail, "stopped here");
    assert!(!founded(&mut conn).await && !recovery.exists());

    init_with(&dir, &parts, || Ok(())).await.unwrap();
    assert!(founded(&mut conn).await);
    assert_whole_log(&dir).await;
    // Somebody else's database is never taken for one's own.
    let (dir, recovery) = (base.path().join("second"), base.path().join("second.pem"));
    let parts = Init { config: parts.config, recovery_out: &recovery };
    let refused = init_with(&dir, &parts, || Ok(())).await.unwrap_err();
    assert_eq!(refused.code, Code::AlreadyInitialised, "{refused}");
    assert!(founded(&mut conn).await);
}

async fn assert_whole_log(dir: &Path) {
    let clean = run(dir, &["--json", "fsck"]).await.ended(0).json();
    assert_eq!((&clean[0]["entries"], &clean[0]["complaintCount"]), (&1.into(), &0.into()), "{clean}");
}
