//! Kunming, whose store fails when a test says so, on either database, and Chengdu, whose store does not: from the first contact to
//! the tally, in steps that people and programs repeat when they were refused.

use super::other::OtherServer;
use super::people;
use super::stolen::{revoke, show_another_log};
use hefu_federation::agreement::State;
use hefu_federation::reconcile::finding::Rule;
use hefu_federation::reconcile::tally::Comparison;
use hefu_federation::tile::{TILE_WIDTH, split_bundle};
use hefu_federation::tree::leaf_hash;
use hefu_node::Node;
use hefu_node::clock::Stopwatch;
use hefu_node::config::database::Place;
use hefu_node::guard::stored_root;
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::publish::{Options, Staging};
use hefu_node::registry::Known;
use hefu_node::store::{DraftRow, OWN, OriginNo, OriginRow};
use hefu_node::synthetic::agreement_terms;
use hefu_node::{group, propose, pull, reconcile, tally};
use hefu_schemas::id::AgreementId;
use hefu_schemas::student_status::{Event, Status};
use hefu_tests::check::check_stored;
use hefu_tests::draft::{day, id_of};
use hefu_tests::faulty::{After, Failpoint, Faults};
use hefu_tests::node::copy_folder;
use hefu_tests::postgres::On;
use hefu_tests::wait::{LOOK, PATIENCE};
use hefu_tests::{Drafts, TestNode, certificate::certificates, check_log};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// What is said of a connection whose thread has ended.
const ENDED: &str = "it is being shutdown";
/// How many there may be.
const CONNECTIONS: usize = 12;

/// What a node does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Follow,
    Propose,
    Exchange,
    Publish,
    Correct,
    Despite,
    Pull,
    Serve,
    Tally,
    Tokens,
    Inspect,
    /// Another server of the city has the right to append, and hands it over; only where there may be one.
    Group,
    Open,
    /// A peer revokes a key.
    Keys,
    /// A peer shows another log.
    Split,
}

impl Step {
    const ALL: [Self; 15] = [
        Self::Follow,
        Self::Propose,
        Self::Exchange,
        Self::Publish,
        Self::Correct,
        Self::Despite,
        Self::Pull,
        Self::Serve,
        Self::Tally,
        Self::Tokens,
        Self::Inspect,
        Self::Group,
        Self::Open,
        Self::Keys,
        Self::Split,
    ];

    /// Those of a city on such a database.
    pub(super) fn of(on: On) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |step| on == On::Server || *step != Self::Group)
    }

    /// Nothing that comes later needs it, but for what [`Self::is_needed_by`] says.
    pub(super) fn can_be_left_out(self) -> bool {
        !matches!(self, Self::Follow | Self::Propose | Self::Exchange | Self::Publish)
    }

    /// A tally compares what both have pulled.
    pub(super) fn is_needed_by(self, later: Self) -> bool {
        later == Self::Tally && matches!(self, Self::Pull | Self::Serve)
    }

    /// It comes after the check of the whole: from then on the peer is no honest one.
    pub(super) fn is_of_a_liar(self) -> bool {
        matches!(self, Self::Keys | Self::Split)
    }
}

/// What is published, made once: publishing again publishes the same.
struct Script {
    enter: Value,
    published: Vec<Value>,
    corrections: Vec<Value>,
    despite: Value,
    in_turn: Value,
    last: Value,
}

/// The two cities.
pub(super) struct Scene {
    pub(super) km: TestNode,
    pub(super) cd: TestNode,
    pub(super) faults: Faults,
    /// Both folders as they were at the beginning.
    start: TempDir,
    other: Option<OtherServer>,
    agreement: Option<AgreementId>,
    script: Option<Script>,
    /// All receipts that were given.
    pub(super) receipts: Vec<DraftRow>,
}

impl Scene {
    /// Both nodes made; Chengdu follows Kunming already. `None` when this machine has no such database.
    pub(super) async fn make(on: On) -> Option<Self> {
        let database = on.setting().await?;
        let mut km = TestNode::init_with("530100", |config| config.database = database.clone()).await;
        km.open().await;
        let mut cd = TestNode::new("510100").await;
        cd.follow(&km).await.unwrap();
        let start = tempfile::tempdir().unwrap();
        for (node, name) in [(&mut km, "km"), (&mut cd, "cd")] {
            node.keep_on_failure();
            node.close().await;
            copy_folder(node.dir(), &start.path().join(name));
        }
        let other = match database.place().unwrap() {
            Place::Embedded => None,
            Place::Server(_) => Some(OtherServer::make(km.dir()).await),
        };
        let faults = Faults::of(km.dir());
        Some(Self { km, cd, faults, start, other, agreement: None, script: None, receipts: Vec::new() })
    }

    /// Which database Kunming has.
    pub(super) fn on(&self) -> On {
        if self.other.is_some() { On::Server } else { On::File }
    }

    /// Back to the beginning.
    pub(super) async fn reset(&mut self) {
        self.km.abandon().await;
        self.cd.abandon().await;
        for (node, name) in [(&self.km, "km"), (&self.cd, "cd")] {
            copy_folder(&self.start.path().join(name), node.dir());
        }
        if let Some(other) = &self.other {
            other.reset().await;
        }
        (self.agreement, self.script, self.receipts) = (None, None, Vec::new());
        self.faults = Faults::of(self.km.dir());
        self.cd.open().await;
        self.open().await.unwrap();
    }

    /// Kunming's process starts.
    async fn open(&mut self) -> Outcome<()> {
        let faults = self.faults.clone();
        self.km.try_open_with(false, move |store| faults.around(store)).await
    }

    /// Kunming's process ends, however it stands, and another one starts on what it left.
    async fn reopen(&mut self) {
        self.km.abandon().await;
        self.faults.revive();
        self.open().await.unwrap();
    }

    /// Does a step while a call of its store fails, and once more when it was refused: in the same process, unless that one
    /// ended. The calls by method, and whether the failing one was among them.
    pub(super) async fn run(
        &mut self,
        step: Step,
        failpoint: Option<Failpoint>,
    ) -> (BTreeMap<&'static str, u64>, bool) {
        self.prepare(step).await;
        self.faults.begin(failpoint);
        let result = self.act(step).await;
        let (counts, struck) = self.faults.end();
        self.assert_receipts_are_signed().await;
        if struck && failpoint.is_some_and(|failpoint| failpoint.after == After::Dies) {
            self.reopen().await;
        }
        if let Err(problem) = result {
            assert!(struck, "{step:?}, undisturbed: {problem}");
            assert_ne!(problem.code, Code::Internal, "{step:?}: {problem}");
            self.act(step).await.unwrap_or_else(|problem| panic!("{step:?} once more: {problem}"));
            self.assert_receipts_are_signed().await;
        }
        (counts, struck)
    }

    /// A connection to a server ends with the thread that opened it, maybe that of a door which has just closed: then people ask again.
    async fn act(&mut self, step: Step) -> Outcome<()> {
        let mut closed = 0;
        loop {
            match self.act_once(step).await {
                Err(problem) if problem.detail.contains(ENDED) && closed < CONNECTIONS => closed += 1,
                other => return other,
            }
        }
    }

    async fn act_once(&mut self, step: Step) -> Outcome<()> {
        match step {
            Step::Follow => self.follow().await,
            Step::Propose => self.propose().await,
            Step::Exchange => self.exchange().await,
            Step::Publish | Step::Correct | Step::Despite => self.publish_part(step).await,
            Step::Pull => self.pull().await,
            Step::Serve => self.serve().await,
            Step::Tally => self.tally().await,
            Step::Tokens => people::tokens(&self.km, self.agreement.unwrap()).await,
            Step::Inspect => {
                let record = self.script.as_ref().unwrap().enter["record"]["id"].as_str().unwrap().to_owned();
                people::inspect(&self.km, &self.cd, &record).await
            }
            Step::Group => self.take_turns().await,
            Step::Open => {
                self.km.abandon().await;
                self.open().await
            }
            Step::Keys => {
                pull_from(self.km.node(), &self.cd).await?;
                reconcile::report(self.km.node()).await.map(drop)
            }
            Step::Split => match pull_from(self.km.node(), &self.cd).await {
                Err(problem) if problem.code == Code::SplitView => Ok(()),
                other => other,
            },
        }
    }

    /// What others do before a step.
    async fn prepare(&mut self, step: Step) {
        match step {
            Step::Publish => self.write_script().await,
            Step::Keys => revoke(self.cd.node()).await,
            Step::Split => show_another_log(self.cd.node()).await,
            _ => {}
        }
    }

    async fn follow(&self) -> Outcome<()> {
        let ca = Some(certificates().ca.as_str());
        propose::add_peer(self.km.node(), &self.cd.url, &self.cd.fingerprint, ca).await.map(drop)
    }

    async fn propose(&self) -> Outcome<()> {
        let node = self.km.node();
        if node.registry.snapshot().iter().any(|known| known.standing().has_signed(&node.origin)) {
            return Ok(());
        }
        let cities = [self.km.city.clone(), self.cd.city.clone()];
        propose::propose(node, agreement_terms(&cities, day(0))).await.map(drop)
    }

    async fn exchange(&mut self) -> Outcome<()> {
        let (km, cd) = (self.km.node(), self.cd.node());
        let clock = Stopwatch::start();
        while clock.seconds() < PATIENCE.as_secs_f64() {
            pull_from(cd, &self.km).await?;
            for known in cd.registry.snapshot().iter().filter(|known| known.linkage.is_some()) {
                propose::sign(cd, known.document.id).await?;
            }
            pull_from(km, &self.cd).await?;
            let in_force = |node: &Node, known: &Known| {
                node.registry.by_id(known.document.id).is_some_and(|known| known.state(day(0)) == State::InForce)
            };
            let snapshot = km.registry.snapshot();
            if let Some(known) = snapshot.iter().find(|known| in_force(km, known) && in_force(cd, known)) {
                self.agreement = Some(known.document.id);
                return Ok(());
            }
            // An act whose append was not confirmed is seen with the next note, which comes by the clock.
            tokio::time::sleep(LOOK).await;
        }
        Err(Problem::new(Code::AgreementNotOpen, "the agreement does not come into force"))
    }

    fn known(&self, node: &TestNode) -> Arc<Known> {
        node.node().registry.by_id(self.agreement.unwrap()).unwrap()
    }

    /// Drafts of both cities; Chengdu publishes its own.
    async fn write_script(&mut self) {
        let ours = Drafts::new(self.km.city.clone(), self.known(&self.km));
        let theirs = Drafts::new(self.cd.city.clone(), self.known(&self.cd));
        let source = theirs.enter(&theirs.subject(1), day(-60));
        let also = theirs.enter(&theirs.subject(2), day(-50));
        let later = theirs.amend(&also, |record| record["credentialSubject"]["stage"] = json!("junior"));
        for drafts in [vec![source.clone(), also], vec![later]] {
            self.cd.publish(&drafts).await.unwrap();
        }
        let enter = ours.enter(&ours.subject(2), day(-300));
        let mut relying = ours.enter(&ours.subject(3), day(-30));
        let did = self.cd.node().did.clone();
        relying["record"]["basis"] = json!([{"issuer": did.as_str(), "id": id_of(&source).to_string()}]);
        let third = ours.enter(&ours.subject(4), day(-30));
        let corrected = ours.amend(&third, |record| record["credentialSubject"]["stage"] = json!("junior"));
        let mut withdrawal = ours.enter(&ours.subject(1), day(-10));
        withdrawal["record"]["type"] = json!(["VerifiableCredential", "Withdrawal"]);
        withdrawal["record"]["credentialSubject"] = json!({"record": id_of(&relying).to_string(), "reason": "authority-decision", "from": day(-10).to_string()});
        let despite = ours.status(&ours.subject(2), (Event::Resume, Status::Enrolled), day(-200), Some(id_of(&enter)));
        let (in_turn, last) = (ours.enter(&ours.subject(8), day(-6)), ours.enter(&ours.subject(9), day(-5)));
        let published = vec![enter.clone(), relying, third];
        let corrections = vec![corrected, withdrawal];
        self.script = Some(Script { enter, published, corrections, despite, in_turn, last });
    }

    /// Looks what other servers do, and publishes when one of them has handed over the right to append.
    async fn take_turns(&mut self) -> Outcome<()> {
        group::round(self.km.node(), &mut group::Seen::default()).await?;
        let (other, draft) = (self.other.clone().unwrap(), self.script.as_ref().unwrap().in_turn.clone());
        // A process that ended in the middle of it has left it alone.
        if !self.faults.dead() {
            other.take().await;
        }
        let drafts = [draft];
        let publishing = self.publish(&drafts, Options::default());
        let handing_over = other.hand_over();
        tokio::pin!(publishing, handing_over);
        let result = tokio::select! {
            result = &mut publishing => result,
            () = &mut handing_over => publishing.await,
        };
        other.give_back().await;
        result
    }

    async fn publish_part(&mut self, step: Step) -> Outcome<()> {
        let script = self.script.as_ref().unwrap();
        let (drafts, despite_findings) = match step {
            Step::Correct => (script.corrections.clone(), None),
            Step::Despite => (vec![script.despite.clone()], Some("a test".to_owned())),
            _ => (script.published.clone(), None),
        };
        self.publish(&drafts, Options { despite_findings, ..Options::default() }).await
    }

    /// Publishes; receipts count that come before a failure.
    async fn publish(&mut self, drafts: &[Value], options: Options) -> Outcome<()> {
        let mut staging = Staging::begin(self.km.node(), options)?;
        staging.push(drafts.iter().map(|draft| draft.to_string().into_bytes()).collect()).await?;
        let (sender, mut batches) = tokio::sync::mpsc::channel(drafts.len() + 1);
        let result = staging.finish().await?.append(sender).await;
        while let Some(batch) = batches.recv().await {
            self.receipts.extend(batch);
        }
        result
    }

    async fn pull(&self) -> Outcome<()> {
        pull_from(self.km.node(), &self.cd).await?;
        reconcile::report(self.km.node()).await.map(drop)
    }

    async fn serve(&self) -> Outcome<()> {
        pull_from(self.cd.node(), &self.km).await?;
        reconcile::report(self.cd.node()).await.map(drop)
    }

    /// Both ask each other; Kunming also states what it would have stated one entry earlier, and on another day.
    async fn tally(&self) -> Outcome<()> {
        let (ours, theirs) = (self.known(&self.km), self.known(&self.cd));
        let km = self.km.node();
        let mut statements = Vec::new();
        for (node, known) in [(km, &ours), (self.cd.node(), &theirs)] {
            let (statement, answers) = tally::ask(node, known, None).await?;
            for answer in answers {
                let (_, comparison, _) = answer.result?;
                assert_eq!(
                    comparison,
                    Comparison::Fits,
                    "{} of Kunming {} asked {}",
                    node.origin,
                    km.origin,
                    answer.origin
                );
            }
            statements.push(statement);
        }
        if statements[0].heads == statements[1].heads {
            assert_eq!(statements[0], statements[1], "both state the same of the same");
        }
        let mut question = tally::question(km, &ours, None).await?;
        let size = question.heads[&km.origin].0 - 1;
        question.heads.insert(km.origin.clone(), (size, stored_root(km.store.as_ref(), OWN, size).await?));
        tally::state(km, &ours, &question).await?;
        question.as_of = day(-1);
        tally::state(km, &ours, &question).await.map(drop)
    }

    /// No receipt is given before a note that covers it is signed and published.
    async fn assert_receipts_are_signed(&self) {
        let Some(needed) = self.receipts.iter().map(|receipt| receipt.size.max(receipt.index + 1)).max() else {
            return;
        };
        let guard = std::fs::read_to_string(self.km.dir().join("guard")).unwrap();
        let signed: u64 = guard.lines().nth(1).unwrap().parse().unwrap();
        assert!(signed >= needed, "receipts up to size {needed}, the last signed note has {signed}");
        if !self.faults.dead() && self.km.is_open() {
            let published = self.km.node().store.head(OWN).await.unwrap().published();
            assert!(published >= needed, "receipts up to size {needed}, the published note has {published}");
        }
    }

    /// Everything goes on to its end without a fault, and then all that was promised holds.
    pub(super) async fn settle(&mut self) {
        self.reopen().await;
        let last = self.script.as_ref().unwrap().last.clone();
        self.publish(&[last], Options::default()).await.unwrap();
        self.assert_receipts_are_signed().await;
        self.pull().await.unwrap();
        self.serve().await.unwrap();
        self.tally().await.unwrap();
        let heads = async |node: &TestNode| tally::question(node.node(), &self.known(node), None).await.unwrap().heads;
        assert_eq!(heads(&self.km).await, heads(&self.cd).await, "so the two tallies were of the same");
        for node in [&self.km, &self.cd] {
            check_log(node.node()).await;
            let found = node.node().store.findings(None, Some(Rule::G2.code()), 10, 0).await.unwrap();
            assert!(found.is_empty(), "nobody is accused: {found:?}");
        }
        let row = self.cd.row(&self.km).await;
        for (node, origin) in [(&self.km, OWN), (&self.cd, row.no)] {
            self.assert_receipts_hold(node.node(), origin).await;
        }
        let ids: Vec<&str> = self.receipts.iter().map(|receipt| receipt.draft_id.as_str()).collect();
        let drafts = self.km.node().store.drafts(&ids).await.unwrap();
        for (receipt, draft) in self.receipts.iter().zip(drafts) {
            assert_eq!(draft.map(|draft| (draft.index, draft.leaf_hash)), Some((receipt.index, receipt.leaf_hash)));
        }
        self.assert_notes_agree().await;
    }

    /// What holds beside a peer that shows two logs.
    pub(super) async fn settle_beside_a_liar(&mut self, split: bool) {
        self.reopen().await;
        check_stored(self.km.node()).await;
        self.assert_notes_agree().await;
        if split {
            let stopped = self.km.row(&self.cd).await.stopped;
            assert!(stopped.is_some(), "pulling has stopped");
            let found = self.km.node().store.findings(None, Some(Rule::G2.code()), 10, 0).await.unwrap();
            assert_eq!(found.len(), 1, "and people are told");
        }
    }

    async fn assert_receipts_hold(&self, node: &Node, origin: OriginNo) {
        for receipt in &self.receipts {
            let (width, bundle) = node.store.bundle(origin, receipt.index / TILE_WIDTH).await.unwrap().unwrap();
            let entries = split_bundle(&bundle, width).unwrap();
            let entry = entries[usize::try_from(receipt.index % TILE_WIDTH).unwrap()];
            assert_eq!(leaf_hash(entry), receipt.leaf_hash, "as held by {}: {receipt:?}", node.origin);
        }
    }

    /// All notes that Kunming ever signed are of prefixes of its one log.
    async fn assert_notes_agree(&self) {
        let node = self.km.node();
        for note in self.faults.notes() {
            let note = node.ring.open_checkpoint(&note).unwrap();
            let root = stored_root(node.store.as_ref(), OWN, note.size).await.unwrap();
            assert_eq!(root, note.root, "the note of size {}", note.size);
        }
    }
}

/// One node pulls another.
async fn pull_from(node: &Arc<Node>, peer: &TestNode) -> Outcome<()> {
    let rows: Vec<OriginRow> = node.peers().await?;
    let row = rows.iter().find(|row| row.origin == peer.city.origin).unwrap();
    pull::pull(node, row).await.map(drop)
}
