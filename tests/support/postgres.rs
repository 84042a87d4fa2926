//! A throw-away PostgreSQL server, one for each process of tests, and a database of its own for each test.

use hefu_node::store::postgres::Address;
use hefu_node::store::postgres::cluster::{Cluster, programs};
use hefu_node::store::{Database, StoreResult};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

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

async fn copy(cluster: &Cluster, template: &str) -> String {
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
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
