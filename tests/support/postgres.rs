//! A throw-away PostgreSQL server, one for each process of tests, and databases of its own for each test, which are dropped when
//! the test's thread ends.

use crate::wait::until;
use hefu_node::config::DatabaseSetting;
use hefu_node::store::postgres::cluster::{Cluster, programs};
use hefu_node::store::postgres::{Address, drop_database};
use hefu_node::store::{Database, StoreResult, TABLES};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::cell::RefCell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Says that PostgreSQL must be there: its absence then fails the tests instead of skipping them.
pub const REQUIRE: &str = "HEFU_REQUIRE_POSTGRES";
/// Database from which the others are copied: the tables, and nothing in them.
const TEMPLATE: &str = "template_hefu";
/// The server's own database, to give commands in.
const MAINTENANCE: &str = "postgres";

/// The server of this process. It ends with it, however that ends.
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    if programs().is_none() {
        assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set, and PostgreSQL's server programs are missing");
        return None;
    }
    Some(Cluster::start(&[], &[]).expect("the throw-away server starts"))
});
/// Whether the template has been made.
static READY: OnceCell<()> = OnceCell::const_new();
/// Number of the next database.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Databases that tests have made.
struct Made(Vec<String>);

impl Drop for Made {
    fn drop(&mut self) {
        for name in self.0.drain(..) {
            // Whoever drops them ends with the process, and the server, too.
            let _ = DROPPER.send(name);
        }
    }
}

thread_local! {
    /// Those of the test that runs on this thread.
    static MADE: RefCell<Made> = const { RefCell::new(Made(Vec::new())) };
}

/// Databases dropped at once: the server writes its files once for all of them.
const AT_ONCE: usize = 16;

/// Drops databases beside the tests: no test has to wait for it.
static DROPPER: LazyLock<UnboundedSender<String>> = LazyLock::new(|| {
    let (sender, mut names) = unbounded_channel::<String>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut some = Vec::new();
            while names.recv_many(&mut some, AT_ONCE).await > 0 {
                let Some(cluster) = CLUSTER.as_ref() else { return };
                let address = maintenance(cluster);
                let dropping = some.drain(..).map(async |name: String| {
                    if let Err(error) = drop_database(&address, &name).await {
                        eprintln!("{name} is not dropped: {error}");
                    }
                });
                futures_util::future::join_all(dropping).await;
            }
        });
    });
    sender
});

/// Which database a node of a test has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The file in its folder.
    File,
    /// A new one on the server of this process.
    Server,
}

impl On {
    /// The setting for a new node; `None` when this machine has no PostgreSQL.
    pub async fn setting(self) -> Option<DatabaseSetting> {
        match self {
            Self::File => Some(DatabaseSetting::default()),
            Self::Server => empty_database().await.map(DatabaseSetting::new),
        }
    }
}

/// The server of this process; `None`, with a word to standard error, when this machine has no PostgreSQL.
pub fn cluster() -> Option<&'static Cluster> {
    let cluster = CLUSTER.as_ref();
    if cluster.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("skipped: {test} needs postgresql");
    }
    cluster
}

/// URL of a new database with the store's tables.
pub async fn database() -> Option<String> {
    let cluster = cluster()?;
    READY.get_or_init(|| template(cluster)).await;
    Some(copy(cluster, TEMPLATE).await)
}

/// URL of a new database with nothing in it.
pub async fn empty_database() -> Option<String> {
    Some(copy(cluster()?, "template1").await)
}

/// Opens a store.
///
/// # Errors
/// As [`Database::connect`].
pub async fn open(url: &str) -> StoreResult<Database> {
    Database::connect(&Address::parse(url).expect("a test gives a good URL")).await
}

/// A connection behind the store's back.
///
/// # Panics
/// The server does not answer.
pub async fn connection(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the server answers")
}

/// Copies a database as soon as nobody is connected to it; the copy's URL.
///
/// # Panics
/// Somebody stays connected.
pub async fn save(url: &str) -> String {
    let cluster = CLUSTER.as_ref().expect("the database is on our server");
    let mut conn = connection(&cluster.url(MAINTENANCE)).await;
    let copy = new_name();
    let sql = format!("CREATE DATABASE {copy} TEMPLATE {}", name_of(url));
    until("nobody is connected", async || sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut conn).await.is_ok())
        .await;
    conn.close().await.expect("the server takes leave");
    cluster.url(&copy)
}

/// Keeps what is in a database, beside its tables, for [`restore`].
///
/// # Panics
/// The server refuses.
pub async fn keep(url: &str) {
    let mut conn = connection(url).await;
    let copies = tables().map(|table| format!("CREATE TABLE kept.{table} AS TABLE {table};"));
    let sql = format!("BEGIN; CREATE SCHEMA kept; {} COMMIT", copies.collect::<String>());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("it is kept");
    conn.close().await.expect("the server takes leave");
}

/// Makes a database hold what it held when it was kept, and ends the sessions of everybody who is connected to it. (To make the whole
/// database anew costs a second: a file for each table and index.)
///
/// # Panics
/// The server refuses.
pub async fn restore(url: &str) {
    let mut conn = connection(url).await;
    let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(others).execute(&mut conn).await.expect("their sessions end");
    let again = |table| format!("DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table};");
    // Tables refer to each other: nothing is checked, since all of it was there before.
    let sql = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; {} COMMIT",
        tables().map(again).collect::<String>()
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("it is restored");
    conn.close().await.expect("the server takes leave");
}

fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

fn maintenance(cluster: &Cluster) -> Address {
    Address::parse(&cluster.url(MAINTENANCE)).expect("our own URL")
}

/// A name for a database that is dropped with this thread.
fn new_name() -> String {
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    MADE.with_borrow_mut(|made| made.0.push(name.clone()));
    name
}

async fn copy(cluster: &Cluster, template: &str) -> String {
    let name = new_name();
    run(cluster, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    cluster.url(&name)
}

async fn template(cluster: &Cluster) {
    run(cluster, format!("CREATE DATABASE {TEMPLATE}")).await;
    let address = Address::parse(&cluster.url(TEMPLATE)).expect("our own URL");
    let store = Database::found(&address).await.expect("the tables are made");
    store.close().await.expect("the template is left alone");
}

async fn run(cluster: &Cluster, sql: String) {
    let mut conn = connection(&cluster.url(MAINTENANCE)).await;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.expect("the server does as it is told");
    conn.close().await.expect("the server takes leave");
}
