//! Publish, pull, reconcile, tally: the halves fit.

use super::{two, with_faults};
use crate::flows::tally::all_fit;
use hefu_federation::agreement::State;
use hefu_federation::entry::Act;
use hefu_node::problem::Code;
use hefu_node::propose::sign;
use hefu_node::synthetic::{FoundFinding, agreement_terms, compare};
use hefu_schemas::id::{AgreementId, Digest, RecordId};
use hefu_tests::draft::{day, set};
use hefu_tests::{TestFederation, TestNode, check_log};
use serde_json::json;
use std::time::Duration;

/// Publishes a population, pulls and reconciles it; every node finds what was planted and nothing else; the tallies fit.
async fn population_fits(federation: &TestFederation, records: u64) {
    let population = federation.publish_population(7, records).await;
    federation.check().await;
    federation.pull_all().await;
    federation.check().await;
    for node in &federation.nodes {
        let found: Vec<FoundFinding> = node.findings().await.into_iter().map(found).collect();
        let comparison = compare(population.planted(), &found);
        assert!(comparison.is_exact(), "{}: {comparison:?}", node.url);
    }
    all_fit(federation, None).await;
    federation.check().await;
}

fn found((rule, records): (String, Vec<String>)) -> FoundFinding {
    FoundFinding { rule, records: records.iter().map(|id| RecordId::parse(id).unwrap()).collect() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cities_fit() {
    population_fits(&two().await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_cities_fit() {
    population_fits(&TestFederation::new(&["530100", "510100", "500000"]).await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_followed_only_by_the_fingerprint_that_people_compared() {
    let (ours, mut theirs) = (TestNode::new("530100").await, TestNode::new("510100").await);
    let real = std::mem::replace(&mut theirs.fingerprint, Digest([7; 32]));
    let refused = ours.follow(&theirs).await.unwrap_err();
    assert_eq!(refused.code, Code::FingerprintDiffers, "{refused}");
    assert!(refused.detail.contains(&real.to_string()), "{refused}");
    assert!(ours.node().peers().await.unwrap().is_empty(), "nothing is stored");
    theirs.fingerprint = real;
    ours.follow(&theirs).await.unwrap();
    assert_eq!(ours.size_of(&theirs).await, theirs.size().await);
    // Following it again is no change; following oneself makes no sense.
    let (first, again) = (ours.row(&theirs).await, ours.follow(&theirs).await.unwrap());
    assert_eq!((first.no, first.fingerprint), (again.no, again.fingerprint));
    assert_eq!(ours.follow(&ours).await.unwrap_err().code, Code::BadRequest);
    check_log(ours.node()).await;
    check_log(theirs.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_opens_only_when_all_have_signed() {
    let mut federation = TestFederation::following(&["530100", "510100", "500000"]).await;
    let id = federation.propose(agreement_terms(&federation.cities(), day(0))).await;
    federation.agreement = Some(id);
    assert_eq!(federation.known(0).state(day(0)), State::PartiallySigned);
    for n in [1, 2] {
        federation.node(n).pull(federation.node(0)).await.unwrap();
        assert!(federation.known(n).linkage.is_some(), "the linkage comes sealed with the proposal");
    }
    sign(federation.node(1).node(), id).await.unwrap();
    federation.pull_all().await;
    federation.pull_all().await;
    for n in 0..3 {
        assert_eq!(federation.known(n).state(day(0)), State::PartiallySigned, "node {n}");
    }
    sign(federation.node(2).node(), id).await.unwrap();
    // Signing again adds nothing.
    let size = federation.node(2).size().await;
    sign(federation.node(2).node(), id).await.unwrap();
    assert_eq!(federation.node(2).size().await, size);
    for _ in 0..3 {
        federation.pull_all().await;
    }
    for n in 0..3 {
        assert_eq!(federation.known(n).state(day(0)), State::InForce, "node {n}");
    }
    let sizes = [federation.node(0).size().await, federation.node(1).size().await, federation.node(2).size().await];
    assert_eq!(sizes, [3, 3, 3], "genesis, sign, open; pulling again adds nothing");
    federation.check().await;
}

/// A person, a pull and the clock may come to it at once; each has looked before whether it is done.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_to_it_at_once_an_agreement_is_signed_and_opened_once() {
    let mut federation = TestFederation::following(&["530100", "510100"]).await;
    let id = federation.propose(agreement_terms(&federation.cities(), day(0))).await;
    federation.agreement = Some(id);
    federation.node(1).pull(federation.node(0)).await.unwrap();
    let signing = (0..8).map(|_| sign(federation.node(1).node(), id));
    futures_util::future::try_join_all(signing).await.unwrap();
    assert_eq!(federation.node(1).size().await, 3, "genesis, sign, open");
    let acts = [Act::Suspend; 4].map(|act| hefu_node::standing::act(federation.node(1).node(), id, act, None));
    let suspended = futures_util::future::join_all(acts).await;
    assert_eq!(suspended.iter().filter(|act| act.is_ok()).count(), 1);
    assert_eq!(federation.node(1).size().await, 4);
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_that_cannot_stand_are_refused_and_nothing_is_signed() {
    let federation = TestFederation::following(&["530100", "510100"]).await;
    let proposer = federation.node(0);
    let good = || agreement_terms(&federation.cities(), day(0));
    let mut stranger = good();
    set(&mut stranger, "/parties/1/origin", json!("stranger.example"));
    let mut without_us = good();
    without_us.pointer_mut("/parties").unwrap().as_array_mut().unwrap().remove(0);
    let mut too_long = good();
    set(&mut too_long, "/validTo", json!("2099-01-01"));
    let mut unknown_member = good();
    set(&mut unknown_member, "/remark", json!("x"));
    let cases = [
        ("a party that is not followed", stranger, Code::UnknownPeer),
        ("without this node", without_us, Code::InvalidAgreement),
        ("longer than five years", too_long, Code::InvalidAgreement),
        ("an unknown member", unknown_member, Code::InvalidAgreement),
        ("no object", json!([]), Code::InvalidAgreement),
        ("nothing", json!({}), Code::InvalidAgreement),
    ];
    for (name, terms, code) in cases {
        let refused = hefu_node::propose::propose(proposer.node(), terms).await.unwrap_err();
        assert_eq!(refused.code, code, "{name}: {refused}");
        assert_eq!(proposer.size().await, 1, "{name}");
        assert!(proposer.node().registry.snapshot().is_empty(), "{name}");
    }
    let nobodys = AgreementId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
    assert_eq!(sign(proposer.node(), nobodys).await.unwrap_err().code, Code::UnknownAgreement);
    federation.check().await;
}

/// Whoever has begun to read agreements before an act does not put what it read in the place of what was read after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_comes_while_agreements_are_read_is_not_forgotten() {
    let mut federation = two().await;
    let faults = with_faults(&mut federation, 0).await;
    let (node, id) = (federation.node(0).node(), federation.agreement.unwrap());
    let mut held = faults.hold("documents", 1);
    let reading = node.registry.reload(node.store.as_ref());
    tokio::pin!(reading);
    tokio::select! {
        _ = &mut reading => panic!("it is held"),
        is_reached = held.reached() => assert!(is_reached),
    }
    let suspending = hefu_node::standing::act(node, id, Act::Suspend, None);
    tokio::pin!(suspending);
    // It may wait for the reading that is held.
    let first = tokio::time::timeout(Duration::from_millis(500), &mut suspending).await;
    held.go();
    reading.await.unwrap();
    match first {
        Ok(suspended) => drop(suspended.unwrap()),
        Err(_) => drop(suspending.await.unwrap()),
    }
    let known = node.registry.by_id(id).unwrap();
    assert!(!known.standing().is_open_at(&node.origin, u64::MAX), "it is suspended");
}

/// A reading answers the doubts that had come before it, and no others; what is in no doubt is not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_that_comes_while_agreements_are_read_is_settled_by_the_next_reading() {
    let mut federation = two().await;
    let faults = with_faults(&mut federation, 0).await;
    let node = federation.node(0).node();
    let settle = || node.registry.settle(node.store.as_ref());
    settle().await.unwrap();
    node.registry.doubt();
    let mut held = faults.hold("documents", 1);
    let reading = settle();
    tokio::pin!(reading);
    tokio::select! {
        _ = &mut reading => panic!("it is held"),
        is_reached = held.reached() => assert!(is_reached),
    }
    node.registry.doubt();
    held.go();
    reading.await.unwrap();
    for (name, readings) in [("the second doubt", 1), ("nothing new", 0)] {
        faults.begin(None);
        settle().await.unwrap();
        assert_eq!(faults.end().0.get("documents").copied().unwrap_or(0), readings, "{name}");
    }
}
