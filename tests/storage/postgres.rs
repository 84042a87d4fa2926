//! The suite on PostgreSQL, and what is its own.

mod shared;
mod tls;
mod trouble;

use super::fixture::{Damage, Fixture, Reopen};
use hefu_node::store::{Database, Store};
use hefu_tests::postgres;
use sqlx::{AssertSqlSafe, Connection};

struct Server {
    url: String,
    store: Database,
}

impl Fixture for Server {
    async fn create() -> Option<Self> {
        let url = postgres::database().await?;
        let store = postgres::open(&url).await.unwrap();
        Some(Self { url, store })
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }
}

impl Reopen for Server {
    async fn reopen(&mut self) {
        // The old connections stay open beside the new ones: nothing is tidied up on the way out.
        self.store = postgres::open(&self.url).await.unwrap();
    }
}

impl Damage for Server {
    async fn damage(&self, sql: &'static str) {
        let sql = sql
            .replace("x'00'", "'\\x00'::bytea")
            .replace("zeroblob(16)", "decode(repeat('00', 16), 'hex')")
            .replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")
            .replace(
                "CAST(replace(CAST(body AS TEXT), '299', '298') AS BLOB)",
                "decode(replace(encode(body, 'hex'), '323939', '323938'), 'hex')",
            );
        let mut conn = postgres::connection(&self.url).await;
        sqlx::raw_sql(UNCHECKED).execute(&mut conn).await.unwrap();
        assert!(sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap().rows_affected() > 0);
        conn.close().await.unwrap();
    }
}

/// Takes all checks of values away.
const UNCHECKED: &str = "DO $$ DECLARE c record; BEGIN \
     FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND connamespace = 'public'::regnamespace \
     LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.t, c.conname); END LOOP; END $$";

super::suite::cases!(super::Server);
super::suite::restarts!(super::Server);
super::suite::damages!(super::Server);
