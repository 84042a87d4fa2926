//! Two cities under an agreement as real processes, with what they are to publish, and the check of everything that they promised.

use super::city::City;
use hefu_node::config::DatabaseSetting;
use hefu_node::synthetic::{Part, Population};
use hefu_tests::draft::day;
use hefu_tests::{TestFederation, TestNode};
use serde_json::Value;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Drafts of one submission.
const PART: usize = 20;

/// The two cities.
pub(super) struct Pair {
    pub(super) cities: [Arc<City>; 2],
    /// Its nodes keep ports and folders until the end.
    _federation: TestFederation,
}

impl Pair {
    /// Makes them on these databases, each with so many submissions; nothing has their folders open.
    pub(super) async fn prepare(databases: [DatabaseSetting; 2], parts: u64) -> Self {
        let mut nodes = Vec::new();
        for (code, database) in ["530100", "510100"].into_iter().zip(databases) {
            let mut node = TestNode::init_with(code, |config| config.database = database).await;
            node.open().await;
            nodes.push(node);
        }
        let mut federation = TestFederation::of(nodes).await;
        federation.agree().await;
        let records = parts * u64::try_from(PART).unwrap();
        let population = Population::new(7, day(0), federation.cities(), records).unwrap();
        let id = federation.agreement.unwrap().to_string();
        let mut cities = Vec::new();
        for n in 0..2 {
            let lines = federation.population_lines(&population, n, Part::Main);
            let node = federation.node_mut(n);
            node.keep_on_failure();
            node.close().await;
            let settings = node.dir().join("hefu.toml");
            let text = std::fs::read_to_string(&settings).unwrap();
            assert!(text.contains("pull_interval_s = 60"));
            std::fs::write(&settings, text.replace("pull_interval_s = 60", "pull_interval_s = 1")).unwrap();
            cities.push(Arc::new(City::new(node, &id, &lines, PART)));
        }
        let cities = <[Arc<City>; 2]>::try_from(cities).unwrap_or_else(|_| panic!("two cities"));
        Self { cities, _federation: federation }
    }

    /// Starts the servers that do not run.
    pub(super) async fn serve(&self) {
        for city in &self.cities {
            city.serve().await;
        }
    }

    /// Everything that goes on at once in both.
    pub(super) fn load(&self) -> Vec<JoinHandle<()>> {
        self.cities.iter().flat_map(City::load).collect()
    }

    /// Ends the load after what is under way.
    pub(super) async fn rest(&self, load: Vec<JoinHandle<()>>) {
        for city in &self.cities {
            city.rest();
        }
        for task in load {
            task.await.unwrap();
        }
    }

    /// Everything that was promised to anybody holds.
    pub(super) async fn check(&self) {
        for city in &self.cities {
            city.fsck().await;
        }
        for _ in 0..2 {
            for city in &self.cities {
                city.json(&["pull"]).await;
            }
        }
        let mut digests = Vec::new();
        for city in &self.cities {
            let tally = city.tally().await;
            assert_eq!(tally["fits"], Value::Bool(true), "{tally:#}");
            digests.push(tally["digest"].clone());
        }
        assert_eq!(digests[0], digests[1]);
        for city in &self.cities {
            city.assert_promises_hold().await;
        }
    }

    /// Says what was promised, and ends both.
    pub(super) async fn end(&self) {
        for city in &self.cities {
            println!("{}", city.figures());
            city.kill().await;
        }
    }
}
