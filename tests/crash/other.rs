//! Another server of a city on the same PostgreSQL database, as far as the first one sees it: it is there, and now and then it has
//! the right to append.

use hefu_node::clock::Clock;
use hefu_node::config::Config;
use hefu_node::store::{Database, GuardStore, LeaseStore, SEQUENCER};
use hefu_tests::{postgres, until};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Its name in leases.
const NAME: &str = "other/1/0";
/// The lease that says that it is there: beyond the end of every test.
const PRESENCE: (&str, i64) = ("server:other", 3_600_000);
/// How long it keeps the right to append, unless it gives it back.
const TTL_MS: i64 = 60_000;
/// Between two looks whether somebody wants it.
const LOOK: Duration = Duration::from_millis(5);

/// The other server.
#[derive(Clone)]
pub(super) struct OtherServer {
    url: String,
    clock: Arc<Clock>,
}

impl OtherServer {
    /// Of a closed node; from now on it is there.
    pub(super) async fn make(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join("hefu.toml")).unwrap();
        let url =
            text.lines().find_map(|line| line.strip_prefix("database = \"")?.strip_suffix('"')).unwrap().to_owned();
        assert!(!Config::load(dir).unwrap().database.is_embedded());
        let clock = Arc::new(Clock::default());
        let store = postgres::open(&url).await.unwrap();
        store.lease(PRESENCE.0, NAME, clock.now_ms(), PRESENCE.1).await.unwrap();
        store.close().await.unwrap();
        postgres::keep(&url).await;
        Self { url, clock }
    }

    /// The database is again as it was at the beginning.
    pub(super) async fn reset(&self) {
        postgres::restore(&self.url).await;
    }

    async fn store(&self) -> Database {
        postgres::open(&self.url).await.unwrap()
    }

    /// Asks for the right to append until it is given.
    pub(super) async fn take(&self) {
        let (store, now) = (self.store().await, || self.clock.now_ms());
        until("the right to append is handed over", async || {
            store.want(SEQUENCER, NAME, now(), TTL_MS).await.unwrap();
            store.lease(SEQUENCER, NAME, now(), TTL_MS).await.unwrap().is_some()
        })
        .await;
    }

    /// Gives it back as soon as somebody wants it.
    pub(super) async fn hand_over(&self) {
        let store = self.store().await;
        loop {
            let rows = store.leases(SEQUENCER).await.unwrap();
            if rows.iter().any(|row| row.wanted_by(self.clock.now_ms()).is_some()) {
                return store.release(SEQUENCER, NAME).await.unwrap();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives it back.
    pub(super) async fn give_back(&self) {
        self.store().await.release(SEQUENCER, NAME).await.unwrap();
    }
}
