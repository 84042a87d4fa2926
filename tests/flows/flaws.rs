//! A party that publishes what it may not: past the checks of its own node, with its own keys. The others find it, each by
//! itself, and their tallies fit.

use super::tally::all_fit;
use hefu_federation::append;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Audience, Body, KeyAct, Says, Signed};
use hefu_federation::key::{KeyId, Role, SecretKey};
use hefu_federation::proof;
use hefu_federation::reconcile::finding::{Finding, Rule, Severity};
use hefu_federation::reconcile::tally::Comparison;
use hefu_federation::reconcile::view::View;
use hefu_node::codec::compress;
use hefu_node::problem::Code;
use hefu_node::sequencer::{Parts, Sealed, publish_note};
use hefu_node::store::{OWN, Payload, SEQUENCER};
use hefu_node::tally;
use hefu_schemas::record::{Completion, Draft};
use hefu_tests::TestFederation;
use hefu_tests::draft::{day, id_of, record_id};
use serde_json::{Value, json};

async fn three() -> TestFederation {
    TestFederation::new(&["530100", "510100", "500000"]).await
}

/// Appends a draft to a city's log without asking its agreement; signed by its record key or another one.
async fn smuggle(federation: &TestFederation, n: usize, draft: &Value, key: Option<&SecretKey>) {
    let (node, known) = (federation.node(n).node(), federation.known(n));
    let key = key.unwrap_or(&node.keys.record);
    let method = KeyId { did: node.did.clone(), multikey: key.public().multikey() }.to_string();
    let line = draft.to_string();
    let draft = Draft::read(line.as_bytes()).unwrap();
    let (draft_id, content) = (draft.draft_id.clone(), draft.content);
    let (id, created) = (record_id(), node.clock.now_s());
    let completion = Completion { issuer: &node.did, id, verification_method: &method, created };
    let record = draft.complete(&completion).unwrap();
    let view = View::read(record.document()).unwrap();
    let signed = proof::sign(record, key);
    let salt = [7; 32];
    let commitment = commit(&salt, signed.bytes());
    let label = blind_label(known.linkage.as_ref().unwrap().label_key(), &commitment);
    let (codec, body) = compress(signed.bytes());
    let sealed = Sealed {
        draft_id,
        content,
        id: signed.id(),
        kind: signed.kind(),
        agreement: known.no,
        audience: Audience::Agreement(label),
        commitment,
        payload: Payload { salt, codec, body },
        corrects: None,
        keys: hefu_federation::reconcile::key::keys_of(&view),
    };
    node.sequencer.append(vec![sealed]).await.unwrap();
}

/// The findings of a rule on a node's worklist.
pub(super) async fn worklist(federation: &TestFederation, n: usize, rule: Rule) -> Vec<Finding> {
    let node = federation.node(n).node();
    hefu_node::reconcile::run(node).await.unwrap();
    let found = node.store.findings(None, Some(rule.code()), 100, 0).await.unwrap();
    found.into_iter().map(|(_, _, finding)| finding).collect()
}

/// The two others pull, find the same, and state the same.
async fn both_find(federation: &TestFederation, rule: Rule, severity: Severity) -> Finding {
    for honest in [1, 2] {
        for peer in [0, 1, 2].into_iter().filter(|peer| *peer != honest) {
            federation.node(honest).pull(federation.node(peer)).await.unwrap();
        }
    }
    let (one, other) = (worklist(federation, 1, rule).await, worklist(federation, 2, rule).await);
    assert_eq!((one.len(), &one), (1, &other), "{rule:?}");
    assert_eq!((one[0].severity, &one[0].owner.party), (severity, &federation.node(0).city.origin));
    let (ours, answers) = tally::ask(federation.node(1).node(), &federation.known(1), None).await.unwrap();
    let other = answers.iter().find(|answer| answer.origin == federation.node(2).city.origin).unwrap();
    let (theirs, comparison, _) = other.result.as_ref().unwrap();
    assert_eq!((comparison, ours.digest), (&Comparison::Fits, theirs.digest), "{rule:?}");
    assert!(ours.findings[&severity] > 0, "it enters the tally");
    one.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_beyond_the_scope_is_found_by_both_others() {
    let federation = three().await;
    let drafts = federation.drafts(0);
    let mut draft = drafts.enter(&drafts.subject(1), day(-30));
    draft["record"]["credentialSubject"]["residence"] = json!("local");
    let refused = federation.node(0).publish(std::slice::from_ref(&draft)).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidRecords, "an honest node does not publish it");
    smuggle(&federation, 0, &draft, None).await;
    let finding = both_find(&federation, Rule::A3, Severity::Critical).await;
    assert_eq!(
        (finding.about.as_str(), finding.members.as_slice()),
        ("fields/allowed/residence", &["residence".into()][..])
    );
    let store = &federation.node(1).node().store;
    let liar = store.origins().await.unwrap().into_iter().find(|row| row.origin == finding.owner.party).unwrap();
    let row = store.row(liar.no, finding.evidence[0].index).await.unwrap().unwrap();
    assert!(row.payload.is_none(), "what is over-scope is not kept");
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_under_a_key_that_was_not_valid_is_found_by_both_others() {
    let federation = three().await;
    let drafts = federation.drafts(0);
    let draft = drafts.enter(&drafts.subject(1), day(-30));
    smuggle(&federation, 0, &draft, Some(&SecretKey::from_seed(&[9; 32]))).await;
    let finding = both_find(&federation, Rule::G3, Severity::Critical).await;
    assert_eq!(finding.about, "key-at-index");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_an_office_that_may_not_state_it_is_found_by_all() {
    let federation = three().await;
    let drafts = federation.drafts(0);
    let mut draft = drafts.enter(&drafts.subject(1), day(-30));
    draft["record"]["statedBy"]["code"] = json!("530199");
    let refused = federation.node(0).publish(std::slice::from_ref(&draft)).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidRecords, "an honest node does not publish it");
    smuggle(&federation, 0, &draft, None).await;
    both_find(&federation, Rule::A4, Severity::Error).await;
    // It is held like any other: the city's own tally has the finding too.
    federation.pull_all().await;
    assert_eq!(all_fit(&federation, None).await[0].findings[&Severity::Error], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_relied_on_is_followed_wherever_it_stands() {
    let federation = three().await;
    let (ours, theirs) = (federation.drafts(0), federation.drafts(1));
    let source = theirs.enter(&theirs.subject(1), day(-60));
    let mut relying = ours.enter(&ours.subject(2), day(-30));
    relying["record"]["basis"] =
        json!([{"issuer": federation.node(1).node().did.as_str(), "id": id_of(&source).to_string()}]);
    // Who relies publishes first: the reference leads nowhere yet, within the days of grace.
    federation.node(0).publish(std::slice::from_ref(&relying)).await.unwrap();
    federation.pull_all().await;
    let later = all_fit(&federation, Some(day(60))).await;
    assert_eq!(later[0].findings[&Severity::Error], 1, "G1, long after the grace");
    assert_eq!(all_fit(&federation, None).await[0].findings.values().sum::<u64>(), 0);
    federation.node(1).publish(std::slice::from_ref(&source)).await.unwrap();
    federation.pull_all().await;
    let later = all_fit(&federation, Some(day(60))).await;
    assert_eq!(later[0].findings.values().sum::<u64>(), 0, "it has come");
    let mut corrected = theirs.enter(&theirs.subject(1), day(-59));
    corrected["record"]["supersedes"] = json!(id_of(&source).to_string());
    corrected["record"]["correction"] = json!("wrong-date");
    federation.node(1).publish(std::slice::from_ref(&corrected)).await.unwrap();
    federation.pull_all().await;
    for n in 0..3 {
        let found = worklist(&federation, n, Rule::G7).await;
        assert_eq!(found.len(), 1, "{n}");
        assert_eq!(found[0].owner.party, federation.node(0).city.origin, "who relies must act");
    }
    let critical = all_fit(&federation, None).await[0].findings[&Severity::Critical];
    assert_eq!(critical, 1);
    // The own correction, which no longer relies on it, closes it.
    let mut settled = ours.enter(&ours.subject(2), day(-30));
    settled["record"]["supersedes"] = json!(id_of(&relying).to_string());
    settled["record"]["correction"] = json!("authority-decision");
    federation.node(0).publish(std::slice::from_ref(&settled)).await.unwrap();
    federation.pull_all().await;
    assert_eq!(all_fit(&federation, None).await[0].findings.values().sum::<u64>(), 0);
    federation.check().await;
}

/// Appends an entry that the recovery key signs to a city's log.
async fn append_signed(federation: &TestFederation, n: usize, says: Says) {
    let node = federation.node(n).node();
    let pem = std::fs::read_to_string(node.folder.path().parent().unwrap().join("recovery.pem")).unwrap();
    let signed = Signed::new(says, &node.origin, &SecretKey::from_pem(&pem).unwrap());
    let head = node.store.edge(OWN).await.unwrap();
    let plan = append::plan(&head, vec![Body::Signed(Box::new(signed))], node.clock.now_s()).unwrap();
    let holder = "embedded".to_owned();
    let fence = node.store.lease(SEQUENCER, &holder, node.clock.now_ms(), 15_000).await.unwrap().unwrap();
    node.store.append_own(fence, &plan, &[], &[]).await.unwrap();
    let (store, keys) = (node.store.clone(), node.keys.clone());
    let (origin, folder, clock) = (node.origin.clone(), node.folder.clone(), node.clock.clone());
    publish_note(&Parts { store, keys, origin, folder, clock, holder }, &plan.head).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_under_a_key_since_revoked_are_disputed_whenever_they_were_pulled() {
    let federation = three().await;
    let drafts = federation.drafts(0);
    let good = drafts.enter(&drafts.subject(1), day(-30));
    let stolen = drafts.enter(&drafts.subject(2), day(-30));
    federation.node(0).publish(std::slice::from_ref(&good)).await.unwrap();
    let receipt = federation.node(0).publish(std::slice::from_ref(&stolen)).await.unwrap().remove(0);
    // One of the others pulls before the revocation, the other one after it.
    federation.node(1).pull(federation.node(0)).await.unwrap();
    assert!(worklist(&federation, 1, Rule::G3).await.is_empty());
    let key = federation.node(0).node().keys.record.public().multikey();
    let recovery = hefu_schemas::id::Digest::of(b"the next recovery key");
    let from = Some(receipt.index);
    append_signed(&federation, 0, Says::Key { act: KeyAct::Revoke, role: Role::Record, key, from, recovery }).await;
    let finding = both_find(&federation, Rule::G3, Severity::Critical).await;
    assert_eq!((finding.about.as_str(), finding.evidence[0].index), ("key-revoked", receipt.index));
    assert_eq!(finding.evidence[0].record, Some(receipt.id), "it is shown, not dropped");
    // On another date every key is evaluated anew, with the same result.
    let ask = async |n: usize| {
        let node = federation.node(n).node();
        tally::ask(node, &federation.known(n), Some(day(-1))).await.unwrap().0
    };
    assert_eq!(ask(1).await, ask(2).await);
    assert!(ask(1).await.findings[&Severity::Critical] > 0);
}
