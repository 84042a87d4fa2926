//! Several nodes that follow each other under one agreement.

use crate::check::check_log;
use crate::draft::{Drafts, day};
use crate::node::TestNode;
use crate::wait::PATIENCE;
use hefu_federation::agreement::State;
use hefu_node::clock::Stopwatch;
use hefu_node::propose::{propose, sign};
use hefu_node::publish::Options;
use hefu_node::registry::Known;
use hefu_node::synthetic::{Cited, City, Part, Population, agreement_terms};
use hefu_schemas::id::AgreementId;
use hefu_schemas::identifier::Identifier;
use serde_json::Value;
use std::sync::Arc;

/// Nodes of known cities that follow each other.
#[derive(Debug)]
pub struct TestFederation {
    /// The nodes, in the order of the codes given.
    pub nodes: Vec<TestNode>,
    /// The agreement in force between them, once there is one.
    pub agreement: Option<AgreementId>,
}

impl TestFederation {
    /// Nodes with an agreement in force.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn new(codes: &[&str]) -> Self {
        let mut federation = Self::following(codes).await;
        federation.agree().await;
        federation
    }

    /// Nodes that follow each other and have agreed on nothing.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn following(codes: &[&str]) -> Self {
        let mut nodes = Vec::new();
        for code in codes {
            nodes.push(TestNode::new(code).await);
        }
        Self::of(nodes).await
    }

    /// These nodes, after they have begun to follow each other.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn of(nodes: Vec<TestNode>) -> Self {
        let federation = Self { nodes, agreement: None };
        for node in &federation.nodes {
            for peer in federation.others(node) {
                node.follow(peer).await.expect("a peer to follow");
            }
        }
        federation
    }

    /// A node.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn node(&self, n: usize) -> &TestNode {
        self.nodes.get(n).expect("as many nodes as codes")
    }

    /// A node, to be closed or opened.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn node_mut(&mut self, n: usize) -> &mut TestNode {
        self.nodes.get_mut(n).expect("as many nodes as codes")
    }

    /// All cities.
    pub fn cities(&self) -> Vec<City> {
        self.nodes.iter().map(|node| node.city.clone()).collect()
    }

    fn others<'a>(&'a self, node: &'a TestNode) -> impl Iterator<Item = &'a TestNode> {
        self.nodes.iter().filter(|other| other.city.origin != node.city.origin)
    }

    /// The first proposes, all sign, all open.
    ///
    /// # Panics
    /// When the agreement does not come into force.
    pub async fn agree(&mut self) {
        let id = self.propose(agreement_terms(&self.cities(), day(0))).await;
        self.agreement = Some(id);
        for node in self.nodes.iter().skip(1) {
            node.pull(self.node(0)).await.expect("the proposal");
            sign(node.node(), id).await.expect("a signature");
        }
        let clock = Stopwatch::start();
        while clock.seconds() < PATIENCE.as_secs_f64() {
            self.pull_all().await;
            if self.nodes.iter().enumerate().all(|(n, _)| self.known(n).state(day(0)) == State::InForce) {
                self.check().await;
                return;
            }
        }
        panic!("the agreement did not come into force");
    }

    /// The first node proposes and signs an agreement.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn propose(&self, terms: Value) -> AgreementId {
        propose(self.node(0).node(), terms).await.expect("a proposal").document.id
    }

    /// The agreement as a node knows it.
    ///
    /// # Panics
    /// When it does not.
    pub fn known(&self, n: usize) -> Arc<Known> {
        let id = self.agreement.expect("an agreement");
        self.node(n).node().registry.by_id(id).expect("a known agreement")
    }

    /// Drafts for a city under the agreement.
    ///
    /// # Panics
    /// When there is none.
    pub fn drafts(&self, n: usize) -> Drafts {
        Drafts::new(self.node(n).city.clone(), self.known(n))
    }

    /// Every node pulls every other once.
    ///
    /// # Panics
    /// When a pull fails.
    pub async fn pull_all(&self) {
        for node in &self.nodes {
            for peer in self.others(node) {
                node.pull(peer).await.unwrap_or_else(|problem| panic!("{} pulls {}: {problem}", node.url, peer.url));
            }
        }
    }

    /// Checks the logs of all nodes.
    ///
    /// # Panics
    /// With the first thing that is not sound.
    pub async fn check(&self) {
        for node in &self.nodes {
            check_log(node.node()).await;
        }
    }

    /// Every city publishes its part of a made-up population, planted cases included.
    ///
    /// # Panics
    /// When publishing fails.
    pub async fn publish_population(&self, seed: u64, records_per_city: u64) -> Population {
        let population = Population::new(seed, day(0), self.cities(), records_per_city).expect("a population");
        for (n, node) in self.nodes.iter().enumerate() {
            for part in Part::ALL {
                let lines = self.population_lines(&population, n, part);
                let despite_findings = (part == Part::Planted).then(|| "planted".to_owned());
                let options = Options { despite_findings, ..Options::default() };
                node.publish_lines(lines, options).await.expect("a published population");
            }
        }
        population
    }

    /// The drafts of a city in a population, one a line.
    ///
    /// # Panics
    /// When the population has other cities.
    pub fn population_lines(&self, population: &Population, n: usize, part: Part) -> Vec<Vec<u8>> {
        let known = self.known(n);
        let linkage = known.linkage.as_ref().expect("a linkage");
        let references = population.identifiers(n, part).map(|line| {
            let row: Value = serde_json::from_str(&line).expect("a line of JSON");
            let member = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let identifier = Identifier::normalise(&member("scheme"), &member("id")).expect("an identifier");
            linkage.subject_reference(&identifier)
        });
        let cited = Cited { id: known.document.id, version: known.document.version };
        let lines = population.drafts(n, part, cited, references);
        lines.map(|line| line.expect("enough references").into_bytes()).collect()
    }
}
