//! A city whose data is on a PostgreSQL server, among others.

use hefu_node::config::DatabaseSetting;
use hefu_node::problem::Code;
use hefu_tests::draft::day;
use hefu_tests::{TestFederation, TestNode, postgres};

/// A node on a new database, open and serving.
async fn on_server(code: &str) -> Option<TestNode> {
    let url = postgres::empty_database().await?;
    let mut node = TestNode::init_with(code, |config| config.database = DatabaseSetting::new(url)).await;
    node.open().await;
    Some(node)
}

#[tokio::test(flavor = "multi_thread")]
async fn cities_on_either_database_agree() {
    let Some(kunming) = on_server("530100").await else { return };
    let nodes = vec![kunming, TestNode::new("510100").await, on_server("500000").await.unwrap()];
    let mut federation = TestFederation::of(nodes).await;
    federation.agree().await;
    federation.publish_population(5, 300).await;
    federation.pull_all().await;
    assert!(super::tally::all_fit(&federation, None).await[0].matched > 0);
    federation.check().await;
    // After a restart it goes on where it stopped.
    federation.node_mut(0).restart().await;
    let drafts = federation.drafts(0);
    federation.node(0).publish(&[drafts.enter(&drafts.subject(9_999), day(-3))]).await.unwrap();
    federation.pull_all().await;
    federation.check().await;
}

#[tokio::test]
async fn a_database_with_a_node_takes_no_second_one() {
    let Some(url) = postgres::empty_database().await else { return };
    let first = TestNode::init_with("530100", |config| config.database = DatabaseSetting::new(&url)).await;
    let base = tempfile::TempDir::new().unwrap();
    let config = hefu_node::config::Config::load(first.dir()).unwrap();
    let init = hefu_node::node::Init { config, recovery_out: &base.path().join("recovery.pem") };
    let refused = hefu_node::node::init(&base.path().join("second"), &init).await.unwrap_err();
    assert_eq!(refused.code, Code::AlreadyInitialised, "{refused}");
}
