//! The demonstration as anybody runs it.

use hefu_tests::postgres;
use hefu_tests::process::run;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_good() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&folder.path().join("unused"), &["--json", "demo", "--records", "300"]).await.ended(0);
    let report = said.json();
    assert_eq!((&report["good"], &report["fits"]), (&json!(true), &json!(true)), "{report}");
    assert!(report["planted"].as_u64().unwrap() > 0);
    let cities = report["cities"].as_array().unwrap();
    let digests: Vec<&Value> = cities.iter().map(|city| &city["tallyDigest"]).collect();
    assert_eq!(digests.len(), 3);
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    let rules = report["findingsByRule"].as_object().unwrap();
    for rule in ["S1", "S2", "S3", "S4", "S5", "S6", "C1", "C2", "C3", "C4", "Q1", "Q2", "A1", "G7"] {
        assert!(rules.contains_key(rule), "{rule} is planted and found: {rules:?}");
    }
    assert!(!folder.path().join("unused").exists(), "the demo leaves --dir alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_uses_a_server_that_is_given_and_leaves_nothing_on_it() {
    let Some(url) = postgres::empty_database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let args = ["--json", "demo", "--records", "100", "--database", &url];
    let report = run(&folder.path().join("unused"), &args).await.ended(0).json();
    assert_eq!((&report["good"], &report["fits"]), (&json!(true), &json!(true)), "{report}");
    let mut conn = postgres::connection(&url).await;
    let left = "SELECT datname::text FROM pg_database WHERE datname LIKE 'hefu_demo%'";
    let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&mut conn).await.unwrap();
    assert_eq!(left, [""; 0], "what it has made is dropped");
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(tables, 0, "the database that was given is left as it was");
}
