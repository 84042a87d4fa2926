//! A database that an earlier version has written is brought up to date when a node is opened on it, and nothing of it is lost.

use crate::tamper::world::sqlite;
use hefu_node::config::DatabaseSetting;
use hefu_tests::draft::day;
use hefu_tests::http::get;
use hefu_tests::postgres::{self, On};
use hefu_tests::{TestFederation, TestNode};
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// The first full tile of level 0, and the bundle beside it.
const TILE: &str = "/tile/0/000";
const BUNDLE: &str = "/tile/entries/000";

/// What `0006_smaller_rows` (on a server `0003_smaller_rows`) has taken out, put in again: record id and leaf hash of each draft, and
/// full tiles of level 0.
fn larger_rows(on: On, tile: &str) -> String {
    let (bytes, tile, forget) = match on {
        On::File => ("BLOB", format!("x'{tile}'"), "DELETE FROM _sqlx_migrations WHERE version = 6"),
        On::Server => ("bytea", format!(r"'\x{tile}'::bytea"), "DELETE FROM migration WHERE version = 3"),
    };
    format!(
        "ALTER TABLE draft ADD COLUMN record_id {bytes};
         ALTER TABLE draft ADD COLUMN leaf_hash {bytes};
         UPDATE draft SET leaf_hash = content, record_id = (SELECT p.record_id FROM payload p WHERE p.origin = 1 AND p.idx = draft.idx);
         INSERT INTO tile (origin, level, idx, hashes) VALUES (1, 0, 0, {tile});
         {forget}"
    )
}

/// Executes statements on the database of a closed node.
async fn execute(node: &TestNode, url: Option<&str>, statements: String) {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements));
    match url {
        None => statements.execute(&mut sqlite(&node.dir().join("hefu.db")).await).await.map(drop),
        Some(url) => statements.execute(&mut postgres::connection(url).await).await.map(drop),
    }
    .unwrap();
}

async fn a_database_of_before(on: On) {
    let url = match on {
        On::File => None,
        On::Server => Some(postgres::empty_database().await),
    };
    let setting = match &url {
        None => DatabaseSetting::default(),
        Some(None) => return,
        Some(Some(url)) => DatabaseSetting::new(url),
    };
    let mut kunming = TestNode::init_with("530100", |config| config.database = setting).await;
    kunming.open().await;
    let mut federation = TestFederation::of(vec![kunming, TestNode::new("510100").await]).await;
    federation.agree().await;
    let drafts = federation.drafts(0);
    let lines: Vec<Value> = (0..300).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    let receipts = federation.node(0).publish(&lines).await.unwrap();
    let (tile, bundle) = (get(federation.node(0), TILE).await.body, get(federation.node(0), BUNDLE).await.body);
    assert_eq!(tile.len(), 8192);

    let node = federation.node_mut(0);
    node.close().await;
    let hex = tile.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    execute(node, url.flatten().as_deref(), larger_rows(on, &hex)).await;
    node.open().await;
    assert_eq!(get(node, TILE).await.body, tile);
    assert_eq!(get(node, BUNDLE).await.body, bundle);
    assert_eq!(node.publish(&lines).await.unwrap(), receipts, "drafts of before are known");
    node.publish(&[drafts.enter(&drafts.subject(300), day(-30))]).await.unwrap();
    federation.pull_all().await;
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_an_earlier_version_is_brought_up_to_date() {
    a_database_of_before(On::File).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_s_database_of_an_earlier_version_is_brought_up_to_date() {
    a_database_of_before(On::Server).await;
}
