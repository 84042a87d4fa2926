//! The suite on SQLite, and what is its own.

use super::fixture::{Damage, Fixture, Reopen, agreement, append_own, held, two_origins};
use hefu_federation::pull::PayloadState;
use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{LogStore, OWN, Payload, PayloadRow, PayloadStore, Store, StoreError};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::path::PathBuf;
use tempfile::TempDir;

struct File {
    dir: TempDir,
    store: Sqlite,
}

impl File {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Sqlite::create(&dir.path().join("hefu.db")).await.unwrap();
        Self { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("hefu.db")
    }

    /// Whether some bytes are in the database or a file beside it.
    fn is_in_files(&self, needle: &str) -> bool {
        let files =
            std::fs::read_dir(self.dir.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }
}

impl Fixture for File {
    async fn create() -> Option<Self> {
        Some(Self::new().await)
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}

impl Reopen for File {
    async fn reopen(&mut self) {
        // The old connections stay open beside the new ones: nothing is tidied up on the way out.
        self.store = Sqlite::open(&self.path()).await.unwrap();
    }
}

impl Damage for File {
    async fn damage(&self, sql: &'static str) {
        let mut conn = self.connection().await;
        sqlx::query("PRAGMA ignore_check_constraints = ON").execute(&mut conn).await.unwrap();
        assert!(sqlx::query(sql).execute(&mut conn).await.unwrap().rows_affected() > 0, "{sql}");
        conn.close().await.unwrap();
    }
}

super::suite::cases!(super::File);
super::suite::restarts!(super::File);
super::suite::damages!(super::File);

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let at = File::new().await;
    two_origins(&at.store).await;
    let mut files = 0;
    for entry in std::fs::read_dir(at.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 3, "the database and its two side files");
}

#[tokio::test]
async fn create_refuses_what_is_there() {
    let at = File::new().await;
    two_origins(&at.store).await;
    assert!(Sqlite::create(&at.path()).await.is_err());
    assert_eq!(at.store.origins().await.unwrap().len(), 2);
}

#[tokio::test]
async fn open_makes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("missing.db");
    assert!(Sqlite::open(&path).await.is_err());
    assert!(!path.exists());
}

#[tokio::test]
async fn open_refuses_a_file_of_another_program() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE x (y)").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StoreError::Damaged { .. })));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(StoreError::Damaged { .. })));
    std::fs::write(&path, [7; 20_000]).unwrap();
    assert!(Sqlite::open(&path).await.is_err());
}

#[tokio::test]
async fn open_refuses_a_file_of_a_newer_program() {
    let at = File::new().await;
    at.damage("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
        .await;
    assert!(matches!(Sqlite::open(&at.path()).await, Err(StoreError::Migrate(_))));
}

#[tokio::test]
async fn the_file_is_laid_out_for_records() {
    let at = File::new().await;
    let mut conn = at.connection().await;
    let page_size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut conn).await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut conn).await.unwrap();
    assert_eq!((page_size, mode.as_str()), (16_384, "wal"));
}

#[tokio::test]
async fn erased_bytes_are_in_no_file_once_tidied() {
    let at = File::new().await;
    let (_, peer) = two_origins(&at.store).await;
    let no = agreement(&at.store, 7).await;
    // One in its row, one so long that it goes over several pages.
    let rows = [(1, 100), (2, 50_000)].map(|(index, len)| {
        let body = format!("erase-me-{index}-{}", "x".repeat(len)).into_bytes();
        let mut row = held(index, no, index);
        (row.state, row.payload) = (PayloadState::Quarantined, Some(Payload { salt: [7; 32], codec: 1, body }));
        row
    });
    let absorb = async |rows: [PayloadRow; 2]| {
        at.store.absorb(peer, &rows.map(|row| (row, Vec::new())), &[]).await.unwrap();
        assert!(at.store.truncate().await.unwrap());
    };
    absorb(rows.clone()).await;
    assert!(at.is_in_files("erase-me-1-") && at.is_in_files("erase-me-2-"));
    absorb(rows.map(|row| PayloadRow { state: PayloadState::Erased, payload: None, ..row })).await;
    assert!(!at.is_in_files("erase-me-"));
    assert_eq!(at.store.row(peer, 1).await.unwrap().unwrap().state, PayloadState::Erased);
}

#[tokio::test]
async fn two_processes_share_the_file() {
    let at = File::new().await;
    two_origins(&at.store).await;
    let other = Sqlite::open(&at.path()).await.unwrap();
    let first = append_own(&other, 3, &[]).await;
    let second = append_own(&at.store, 4, &[]).await;
    assert_eq!(second.entries[0].index, 3);
    assert_eq!(other.edge(OWN).await.unwrap(), second.head);
    let stale = super::fixture::plan(&first.head, 1);
    let fence = super::fixture::fence(&other).await;
    assert!(matches!(other.append_own(fence, &stale, &[], &[]).await, Err(StoreError::Conflict { expected: 3 })));
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let at = File::new().await;
    two_origins(&at.store).await;
    at.store.close().await.unwrap();
    assert_eq!(std::fs::read_dir(at.dir.path()).unwrap().count(), 1);
    assert_eq!(Sqlite::open(&at.path()).await.unwrap().origins().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_leaves_nothing_half_done() {
    let at = File::new().await;
    let (_, peer) = two_origins(&at.store).await;
    let plan = super::fixture::plan(&hefu_federation::append::Head::default(), 1_000);
    for polls in 0..6 {
        // The future is dropped after so many turns, wherever it is then.
        let mut write = Box::pin(at.store.append_replica(peer, &plan, &[]));
        for _ in 0..polls {
            let turn = tokio::time::timeout(std::time::Duration::from_micros(200), &mut write);
            if turn.await.is_ok() {
                break;
            }
        }
        drop(write);
        let size = at.store.head(peer).await.unwrap().size;
        assert!(size == 0 || size == 1_000);
        at.store.edge(peer).await.unwrap();
    }
    let _ = at.store.append_replica(peer, &plan, &[]).await;
    assert_eq!(at.store.edge(peer).await.unwrap(), plan.head);
}
