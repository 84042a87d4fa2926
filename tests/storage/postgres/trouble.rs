//! A server that crashes, refuses, or is not what it should be.

use super::Server;
use crate::storage::fixture::{Damage, Fixture, agreement, append_own, held, own_record, plan, subject, two_origins};
use hefu_federation::pull::PayloadState;
use hefu_node::problem::{Code, Problem};
use hefu_node::store::postgres::cluster::{Cluster, programs};
use hefu_node::store::postgres::{Address, create_database};
use hefu_node::store::{Database, LogStore, OWN, Payload, PayloadStore, StoreError};
use hefu_tests::postgres;
use hefu_tests::wait::PATIENCE;
use sqlx::AssertSqlSafe;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// A server of the test's own, which it may harm.
async fn own_server(settings: &[&str]) -> Option<(Cluster, String)> {
    postgres::cluster()?;
    let cluster = Cluster::start(settings, &[]).unwrap();
    let maintenance = Address::parse(&cluster.url("postgres")).unwrap();
    create_database(&maintenance, "node").await.unwrap();
    let url = cluster.url("node");
    Some((cluster, url))
}

async fn found(url: &str) -> Database {
    Database::found(&Address::parse(url).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_crash_and_what_was_not_is_gone_whole() {
    let Some((cluster, url)) = own_server(&[]).await else { return };
    let store = found(&url).await;
    let (_, peer) = two_origins(&store).await;
    let no = agreement(&store, 7).await;
    let appended = append_own(&store, 300, &[own_record(299, no, 1)]).await;
    // Others are under way when it crashes.
    let has_crashed = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, has_crashed) = (store.clone(), has_crashed.clone());
        tokio::spawn(async move {
            let mut done = 0;
            for page in 0.. {
                let rows: Vec<_> =
                    (0..50).map(|n| (held(page * 50 + n, no, page * 50 + n), vec![subject(n)])).collect();
                // A server that is back at once is seen by nobody: what is tried again succeeds.
                if store.absorb(peer, &rows, &[]).await.is_err() {
                    break;
                }
                done = page + 1;
                if has_crashed.load(Ordering::Acquire) {
                    break;
                }
            }
            done
        })
    };
    hefu_tests::until("some pages are there", async || store.row(peer, 120).await.is_ok_and(|row| row.is_some())).await;
    tokio::task::block_in_place(|| cluster.crash()).unwrap();
    has_crashed.store(true, Ordering::Release);
    let done = writing.await.unwrap();
    let after = postgres::open(&url).await.unwrap();
    assert_eq!(after.edge(OWN).await.unwrap(), appended.head);
    assert_eq!(after.row(OWN, 299).await.unwrap(), Some(held(299, no, 1)));
    let counts = after.state_counts(peer, no).await.unwrap();
    let held_rows = counts.iter().find(|(state, _)| *state == PayloadState::Held).map_or(0, |(_, count)| *count);
    // The page that was under way is there whole or not at all.
    assert!(held_rows == done * 50 || held_rows == (done + 1) * 50, "{held_rows} of {done} pages");
    // The connections of before are replaced: the store works on.
    hefu_tests::until("the pool has recovered", async || store.head(OWN).await.is_ok()).await;
    append_own(&store, 1, &[]).await;
}

/// Whether any file below a folder has these bytes.
fn found_in_files(folder: &Path, needle: &str) -> bool {
    // The server's files are another user's; as root or as that user they can be read.
    let status = Command::new("grep").args(["-rqaF", needle]).arg(folder).status().unwrap();
    assert!(status.code().is_some_and(|code| code < 2), "{status}");
    status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_bytes_are_in_no_data_file_once_tidied() {
    let Some((cluster, url)) = own_server(&[]).await else { return };
    let store = found(&url).await;
    let (_, peer) = two_origins(&store).await;
    let no = agreement(&store, 7).await;
    // One in its row, one so long that it is kept apart.
    for (index, len) in [(1, 100), (2, 50_000)] {
        let body = format!("erase-me-{index}-{}", "x".repeat(len)).into_bytes();
        let mut row = held(index, no, index);
        row.payload = Some(Payload { salt: [7; 32], codec: 1, body });
        store.absorb(peer, &[(row, vec![subject(1)])], &[]).await.unwrap();
    }
    let mut conn = postgres::connection(&url).await;
    let base = cluster.folder().join("data/base");
    sqlx::query("CHECKPOINT").execute(&mut conn).await.unwrap();
    assert!(found_in_files(&base, "erase-me-1-") && found_in_files(&base, "erase-me-2-"));
    let erase = "UPDATE payload SET state = 5, salt = NULL, codec = NULL, body = NULL WHERE origin = 2";
    assert_eq!(sqlx::query(erase).execute(&mut conn).await.unwrap().rows_affected(), 2);
    assert!(store.truncate().await.unwrap());
    sqlx::query("CHECKPOINT").execute(&mut conn).await.unwrap();
    assert!(!found_in_files(&base, "erase-me-"));
    assert_eq!(store.row(peer, 1).await.unwrap().unwrap().state, PayloadState::Erased);
}

#[tokio::test]
async fn a_server_that_does_not_write_to_disk_is_refused() {
    let Some((_cluster, url)) = own_server(&["-c", "fsync=off"]).await else { return };
    let refused = Database::found(&Address::parse(&url).unwrap()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::NotDurable { setting } if setting == "fsync"), "{refused}");
    assert_eq!(Problem::from(refused).code, Code::DatabaseNotDurable);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_noticed_before_the_first_one() {
    let Some(at) = Server::create().await else { return };
    at.store.expect_writable().await.unwrap();
    let mut conn = postgres::connection(&at.url).await;
    let name = at.url.rsplit('/').next().unwrap();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    let refused = postgres::open(&at.url).await.unwrap().expect_writable().await.unwrap_err();
    assert_eq!(Problem::from(refused).code, Code::DatabaseReadOnly);
}

#[tokio::test]
async fn the_databases_of_a_test_are_dropped_when_its_thread_ends() {
    let Some(url) = postgres::empty_database().await else { return };
    let make = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let of_another = std::thread::spawn(move || make().block_on(postgres::empty_database()).unwrap()).join().unwrap();
    let mut conn = postgres::connection(&url).await;
    let name = of_another.rsplit('/').next().unwrap().to_owned();
    // Behind those of all other tests that have ended.
    hefu_tests::wait::until_within(10 * PATIENCE, "the other's is dropped", async || {
        let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&name);
        found.fetch_optional(&mut conn).await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_commit_is_on_disk_whatever_the_default_of_the_server() {
    let Some((_cluster, url)) = own_server(&["-c", "synchronous_commit=off"]).await else { return };
    let store = found(&url).await;
    two_origins(&store).await;
    let mut conn = postgres::connection(&url).await;
    sqlx::query("CREATE TABLE seen (setting text)").execute(&mut conn).await.unwrap();
    let note = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$";
    sqlx::query(note).execute(&mut conn).await.unwrap();
    sqlx::query("CREATE TRIGGER note AFTER UPDATE ON head EXECUTE FUNCTION note()").execute(&mut conn).await.unwrap();
    append_own(&store, 1, &[]).await;
    let seen: String = sqlx::query_scalar("SELECT setting FROM seen").fetch_one(&mut conn).await.unwrap();
    assert_eq!(seen, "on");
}

#[tokio::test]
async fn each_refusal_is_told_as_what_it_is() {
    let Some(at) = Server::create().await else { return };
    let code = async |url: &str| {
        let error = postgres::open(url).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret"), "{text}");
        Problem::from(error).code
    };
    let (user, rest) = at.url.split_once('@').unwrap();
    assert_eq!(user, "postgres://hefu");
    let (server, _) = rest.split_once('/').unwrap();
    assert_eq!(code(&format!("postgres://hefu:s3cret@{server}/nowhere")).await, Code::DatabaseDenied);
    assert_eq!(code(&format!("postgres://nobody:s3cret@{server}/postgres")).await, Code::DatabaseDenied);
    assert_eq!(code("postgres://hefu:s3cret@127.0.0.1:1/node").await, Code::DatabaseAway);
    assert_eq!(code(&postgres::empty_database().await.unwrap()).await, Code::NotInitialised);
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused() {
    let Some(at) = Server::create().await else { return };
    at.damage("INSERT INTO migration (version, name, digest) VALUES (9999, 'later', '')").await;
    assert!(matches!(postgres::open(&at.url).await, Err(StoreError::Migrate(_))));
    at.damage("DELETE FROM migration WHERE version = 9999").await;
    at.damage("UPDATE migration SET digest = '' WHERE version = 1").await;
    assert!(matches!(postgres::open(&at.url).await, Err(StoreError::Migrate(_))));
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let Some(url) = postgres::empty_database().await else { return };
    let mut conn = postgres::connection(&url).await;
    sqlx::query("CREATE TABLE x (y int)").execute(&mut conn).await.unwrap();
    let address = Address::parse(&url).unwrap();
    assert!(matches!(Database::found(&address).await, Err(StoreError::Occupied)));
    assert!(matches!(Database::connect(&address).await, Err(StoreError::Empty)));
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(tables, 1, "nothing was made");
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_leaves_nothing_half_done() {
    let Some(at) = Server::create().await else { return };
    let (_, peer) = two_origins(&at.store).await;
    let plan = plan(&hefu_federation::append::Head::default(), 1_000);
    for micros in [1, 300, 1_000, 3_000] {
        let write = at.store.append_replica(peer, &plan, &[]);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(micros), write).await;
        let size = at.store.head(peer).await.unwrap().size;
        assert!(size == 0 || size == 1_000);
        at.store.edge(peer).await.unwrap();
    }
    let _ = at.store.append_replica(peer, &plan, &[]).await;
    assert_eq!(at.store.edge(peer).await.unwrap(), plan.head);
}

/// A client may go at any moment: no connection may go back to the pool with a transaction open, or what is written on it next is
/// acknowledged and does not last.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_does_not_stay_open() {
    let Some(at) = Server::create().await else { return };
    let (_, peer) = two_origins(&at.store).await;
    let plan = plan(&hefu_federation::append::Head::default(), 10);
    let mut conn = postgres::connection(&at.url).await;
    let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND state <> 'idle'";
    for polls in 1..25 {
        let _ = polled(at.store.append_replica(peer, &plan, &[]), polls).await;
        let _ = polled(at.store.edge(peer), polls).await;
        hefu_tests::until("no session is in a transaction", async || {
            sqlx::query_scalar::<_, i64>(open).fetch_one(&mut conn).await.unwrap() == 0
        })
        .await;
    }
    assert_eq!(at.store.edge(peer).await.unwrap(), plan.head);
}

/// Polls a future so often at most, and drops it.
async fn polled<T>(future: impl Future<Output = T>, mut polls: u32) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        polls -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn the_server_programs_are_found() {
    if let Some(dir) = programs() {
        assert!(dir.join("initdb").is_file());
    }
}
