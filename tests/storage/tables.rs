//! The list of tables that `hefu move` goes by is that of the migrations, in both databases.

use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{Keep, TABLES};
use hefu_tests::postgres;
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeMap;

type Columns = BTreeMap<String, Vec<(String, String)>>;

/// What the list says, tables by name.
fn listed() -> Columns {
    let columns = |columns: Vec<(&str, &str)>| {
        columns.into_iter().map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect::<Vec<_>>()
    };
    let all: Columns = TABLES.iter().map(|table| (table.name.to_owned(), columns(table.columns()))).collect();
    assert_eq!(all.len(), TABLES.len(), "a table stands once");
    all
}

fn by_table(rows: Vec<(String, String, String)>) -> Columns {
    let mut found = Columns::new();
    for (table, column, kind) in rows {
        found.entry(table).or_default().push((column, kind));
    }
    found
}

#[tokio::test]
async fn every_table_of_the_embedded_database_is_in_the_list() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("hefu.db");
    Sqlite::create(&path).await.unwrap().close().await.unwrap();
    let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT m.name, p.name, p.type, p.pk FROM sqlite_schema m JOIN pragma_table_info(m.name) p \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' ORDER BY m.name, p.cid",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    for table in TABLES {
        let mut key: Vec<_> = rows.iter().filter(|(name, .., pk)| name == table.name && *pk > 0).collect();
        key.sort_by_key(|(.., pk)| *pk);
        let key: Vec<&str> = key.iter().map(|(_, column, ..)| column.as_str()).collect();
        assert_eq!(key, table.key(), "{}", table.name);
    }
    let kind = |kind: &str| match kind {
        "INTEGER" => "bigint",
        "TEXT" => "text",
        "BLOB" => "bytea",
        other => panic!("{other}"),
    };
    let rows = rows.into_iter().map(|(table, column, of, _)| (table, column, kind(&of).to_owned())).collect();
    assert_eq!(by_table(rows), listed(), "add what a migration adds to node/src/store/db/tables.rs");
}

#[tokio::test]
async fn every_table_on_a_server_is_in_the_list() {
    let Some(url) = postgres::database().await else { return };
    let mut conn = postgres::connection(&url).await;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> 'migration' ORDER BY table_name, ordinal_position",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(by_table(rows), listed(), "add what a migration adds to node/src/store/db/tables.rs");
    let numbered: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND is_identity = 'YES' ORDER BY 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut listed: Vec<&str> =
        TABLES.iter().filter(|table| table.keep == Keep::Numbered).map(|table| table.name).collect();
    listed.sort_unstable();
    assert_eq!(numbered, listed, "tables that give out their own numbers");
}
