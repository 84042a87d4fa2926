//! Publishing: all or nothing, once, and as the chain of earlier records allows.

use super::{two, with_faults};
use hefu_federation::entry::{Act, Body, Entry};
use hefu_node::problem::Code;
use hefu_node::publish::{Options, Submission};
use hefu_node::pull::entries_between;
use hefu_node::standing;
use hefu_node::store::OWN;
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::student_status::{Event, Status};
use hefu_tests::draft::{Transfer, day, id_of, record_id, set};
use hefu_tests::faulty::{Faults, METHODS};
use hefu_tests::node::{append, stage};
use hefu_tests::{TestFederation, TestNode, check_log};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a submission waits for another one that is held: longer than it takes where it need not.
const PATIENCE_OF_THE_FIRST: Duration = Duration::from_secs(2);

fn despite(reason: &str) -> Options {
    Options { despite_findings: Some(reason.to_owned()), ..Options::default() }
}

async fn entry(node: &TestNode, index: u64) -> Entry {
    entries_between(node.node(), OWN, index, index + 1).await.unwrap().remove(0).1
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_draft_gives_its_first_receipt_again() {
    let mut federation = two().await;
    let drafts = federation.drafts(0);
    let lines: Vec<Value> = (0..3).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    let node = federation.node_mut(0);
    let size = node.size().await;
    let first = node.publish(&lines).await.unwrap();
    check_log(node.node()).await;
    assert_eq!(first.len(), 3);
    for (offset, (receipt, line)) in (0..).zip(first.iter().zip(&lines)) {
        assert_eq!(Some(receipt.draft_id.as_str()), line["draftId"].as_str());
        assert_eq!((receipt.id, receipt.index), (id_of(line), size + offset));
        assert_eq!(receipt.size, size + 3, "the size of the note that covers it");
    }
    assert_eq!(node.publish(&lines).await.unwrap(), first);
    assert_eq!(node.size().await, size + 3);

    // In another order, among new ones, after a restart, with members in another order: the receipts follow the input.
    node.restart().await;
    let new = drafts.enter(&drafts.subject(9), day(-30));
    let receipts = node.publish(&[lines[2].clone(), new.clone(), lines[0].clone()]).await.unwrap();
    assert_eq!((&receipts[0], &receipts[2]), (&first[2], &first[0]));
    assert_eq!((receipts[1].id, receipts[1].index), (id_of(&new), size + 3));
    let spelt = format!("{{ \"record\" : {} , \"draftId\" : {} }}", lines[1]["record"], lines[1]["draftId"]);
    assert_eq!(node.publish_lines(vec![spelt.into_bytes()], Options::default()).await.unwrap(), [first[1].clone()]);
    assert_eq!(node.size().await, size + 4);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_id_with_other_content_publishes_nothing() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let line = drafts.enter(&drafts.subject(1), day(-30));
    let first = node.publish(std::slice::from_ref(&line)).await.unwrap();
    let size = node.size().await;
    let fresh = || drafts.enter(&drafts.subject(2), day(-30));
    let mut other = line.clone();
    set(&mut other, "/record/credentialSubject/stage", json!("junior"));
    let mut without_id = line.clone();
    without_id["record"].as_object_mut().unwrap().remove("id");
    let twice = fresh();
    for (name, lines) in [
        ("other content", vec![fresh(), other.clone(), fresh()]),
        ("the same but for the record id", vec![without_id]),
        ("twice in one submission", vec![twice.clone(), twice]),
    ] {
        let refused = node.publish(&lines).await.unwrap_err();
        assert_eq!(refused.code, Code::DraftConflict, "{name}: {refused}");
        assert_eq!(node.size().await, size, "{name}");
    }
    assert_eq!(node.publish(&[line]).await.unwrap(), first);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_line_in_the_middle_publishes_nothing() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let size = node.size().await;
    let mut lines: Vec<Value> = (0..5).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    set(&mut lines[2], "/record/credentialSubject/nickname", json!("made up"));
    set(&mut lines[3], "/record/credentialSubject/effectiveOn", json!("2026-02-30"));
    let refused = node.publish(&lines).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidRecords);
    let violations = refused.extra["violations"].as_array().unwrap();
    assert_eq!(refused.extra["count"], json!(violations.len()));
    let (third, fourth): (Vec<_>, Vec<_>) = violations.iter().partition(|violation| violation["line"] == 3);
    assert!(!third.is_empty() && fourth.iter().all(|violation| violation["line"] == 4) && !fourth.is_empty());
    for violation in violations {
        let text = |pointer: &str| violation.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(text("/pointer").starts_with("/credentialSubject"), "{violation}");
        assert!(!text("/rule").is_empty() && !text("/message/en").is_empty(), "{violation}");
        assert!(text("/message/zh").chars().any(|c| c > '\u{2E80}'), "{violation}");
        assert!(!violation.to_string().contains("made up"), "no value is quoted: {violation}");
    }
    assert_eq!(third[0]["draftId"], lines[2]["draftId"]);
    assert_eq!(node.size().await, size);
    lines.drain(2..4);
    assert_eq!(node.publish(&lines).await.unwrap().len(), 3, "the good ones were not used up");
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_refused_unless_by_decision_which_is_audited() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let pupil = drafts.subject(1);
    let enter = drafts.enter(&pupil, day(-300));
    node.publish(std::slice::from_ref(&enter)).await.unwrap();
    let size = node.size().await;
    let follows = Some(id_of(&enter));
    let cases = [
        ("status/illegal-event", drafts.status(&pupil, (Event::Resume, Status::Enrolled), day(-200), follows)),
        ("follows/backwards", drafts.status(&pupil, (Event::Quit, Status::Quit), day(-301), follows)),
        ("follows/unknown", drafts.status(&pupil, (Event::Quit, Status::Quit), day(-200), Some(record_id()))),
        ("follows/other-matter", drafts.status(&drafts.subject(2), (Event::Quit, Status::Quit), day(-200), follows)),
        ("agreement/date", drafts.enter(&drafts.subject(3), day(2 * 366))),
    ];
    for (rule, draft) in &cases {
        let refused = node.publish(std::slice::from_ref(draft)).await.unwrap_err();
        assert_eq!(refused.code, Code::Findings, "{rule}: {refused}");
        assert_eq!(refused.extra["violations"][0]["rule"], json!(rule));
        assert_eq!(refused.extra["violations"][0]["line"], json!(1));
        assert_eq!(node.size().await, size, "{rule}");
    }
    assert!(node.node().store.audits(10).await.unwrap().is_empty(), "a refusal is no decision");
    let dry_run = Options { despite_findings: Some("trial".to_owned()), dry_run: true, ..Options::default() };
    node.publish_with(&[cases[0].1.clone()], dry_run).await.unwrap();
    assert!(node.node().store.audits(10).await.unwrap().is_empty(), "a dry run decides nothing");
    assert_eq!(node.size().await, size);

    node.publish_with(&[cases[0].1.clone()], despite("migration of 2019")).await.unwrap();
    assert_eq!(node.size().await, size + 1);
    let audits = node.node().store.audits(10).await.unwrap();
    let (_, action, reason, detail) = &audits[0];
    assert_eq!((audits.len(), action.as_str(), reason.as_str()), (1, "publish-despite-findings", "migration of 2019"));
    assert_eq!(detail["first"][0]["rule"], json!("status/illegal-event"));
    // What is invalid is not published by any decision.
    let mut invalid = drafts.enter(&drafts.subject(4), day(-30));
    set(&mut invalid, "/record/credentialSubject/nickname", json!("x"));
    assert_eq!(node.publish_with(&[invalid], despite("x")).await.unwrap_err().code, Code::InvalidRecords);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_an_amendment_and_closes_the_finding_on_both_sides() {
    let federation = two().await;
    let (node, peer, drafts) = (federation.node(0), federation.node(1), federation.drafts(0));
    let pupil = drafts.subject(1);
    let enter = drafts.enter(&pupil, day(-300));
    let wrong = drafts.status(&pupil, (Event::Resume, Status::Enrolled), day(-200), Some(id_of(&enter)));
    let receipts = node.publish_with(&[enter, wrong.clone()], despite("migration")).await.unwrap();
    peer.pull(node).await.unwrap();
    for node in &federation.nodes {
        let findings = node.findings().await;
        assert!(findings.iter().any(|(rule, _)| rule == "S3"), "{}: {findings:?}", node.url);
    }

    let right = drafts.amend(&wrong, |record| {
        set(record, "/credentialSubject/event", json!("interrupt"));
        set(record, "/credentialSubject/status", json!("interrupted"));
    });
    let amended = node.publish(std::slice::from_ref(&right)).await.unwrap();
    match entry(node, amended[0].index).await.body {
        Body::Amend { of, .. } => assert_eq!(of, receipts[1].index),
        other => panic!("{other:?}"),
    }
    peer.pull(node).await.unwrap();
    let row = peer.node().store.row(peer.row(node).await.no, amended[0].index).await.unwrap().unwrap();
    assert_eq!(row.of, Some(receipts[1].index));
    for node in &federation.nodes {
        assert_eq!(node.findings().await, [], "{}", node.url);
    }
    super::tally::all_fit(&federation, None).await;

    // A correction corrects what is published, and its own id is new.
    let unknown = drafts.amend(&drafts.enter(&pupil, day(-1)), |_| ());
    let mut known_id = drafts.enter(&drafts.subject(5), day(-1));
    set(&mut known_id, "/record/id", json!(id_of(&wrong).to_string()));
    for (rule, draft) in [("supersedes/unknown", unknown), ("record/id-new", known_id)] {
        let refused = node.publish(&[draft]).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidRecords, "{rule}: {refused}");
        assert_eq!(refused.extra["violations"][0]["rule"], json!(rule));
    }
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_stays_in_its_agreement() {
    let mut federation = TestFederation::new(&["530100", "510100"]).await;
    let drafts = federation.drafts(0);
    let wrong = drafts.enter(&drafts.subject(1), day(-30));
    federation.node(0).publish(std::slice::from_ref(&wrong)).await.unwrap();
    // Another agreement between the same cities: its records are other matters.
    federation.agree().await;
    let (node, other) = (federation.node(0), federation.drafts(0));
    let size = node.size().await;
    let moved = drafts.amend(&wrong, |record| {
        set(record, "/termsOfUse/0/id", json!(other.cited.id.to_string()));
        set(record, "/credentialSubject/id", json!(other.subject(1)));
    });
    let problem = node.publish(&[moved]).await.unwrap_err();
    assert_eq!(problem.code, Code::InvalidRecords);
    assert_eq!(problem.extra["violations"][0]["rule"], json!("supersedes/unknown"));
    assert_eq!(node.size().await, size);
    node.publish(&[drafts.amend(&wrong, |record| set(record, "/credentialSubject/stage", json!("junior")))])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_by_both_halves_fits() {
    let federation = two().await;
    let (from, to) = (federation.drafts(0), federation.drafts(1));
    let transfer = Transfer {
        connection: record_id(),
        subject: from.subject(1),
        sending: from.city.clone(),
        receiving: to.city.clone(),
        requested_on: day(-40),
    };
    assert_eq!(from.subject(1), to.subject(1), "both compute the same reference");
    let chain = |drafts: &hefu_tests::Drafts, role, steps: &[(Step, i64)]| {
        let mut follows = None;
        let step = |(step, days): &(Step, i64)| {
            let draft = drafts.half(&transfer, (role, *step), day(*days), follows);
            follows = Some(id_of(&draft));
            draft
        };
        steps.iter().map(step).collect::<Vec<_>>()
    };
    let mut sent = vec![from.enter(&transfer.subject, day(-400))];
    let enrolled = id_of(&sent[0]);
    let sending =
        [(Step::Notified, -39), (Step::SchoolReleased, -36), (Step::BureauReleased, -35), (Step::FileSent, -30)];
    sent.extend(chain(&from, Role::Sending, &sending));
    let mut left =
        from.status(&transfer.subject, (Event::TransferOut, Status::TransferredOut), day(-33), Some(enrolled));
    set(&mut left, "/record/credentialSubject/connection", json!(transfer.connection.to_string()));
    sent.push(left);
    let receiving = [
        (Step::Requested, -40),
        (Step::SchoolAccepted, -38),
        (Step::BureauAccepted, -37),
        (Step::Joined, -33),
        (Step::FileReceived, -28),
    ];
    let mut received = chain(&to, Role::Receiving, &receiving);
    let mut joined = to.status(&transfer.subject, (Event::TransferIn, Status::Enrolled), day(-33), None);
    set(&mut joined, "/record/credentialSubject/connection", json!(transfer.connection.to_string()));
    received.push(joined);
    federation.node(0).publish(&sent).await.unwrap();
    federation.node(1).publish(&received).await.unwrap();
    federation.pull_all().await;
    for node in &federation.nodes {
        assert_eq!(node.findings().await, [], "{}", node.url);
    }
    let statements = super::tally::all_fit(&federation, None).await;
    assert_eq!(statements[0].matched, 2, "the pupil and the connection");
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publishers_at_once_get_their_own_receipts() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let size = node.size().await;
    let submission = |n: u32| (0..20).map(|m| drafts.enter(&drafts.subject(n * 100 + m), day(-30))).collect::<Vec<_>>();
    let submissions: Vec<Vec<Value>> = (0..6).map(submission).collect();
    let publishing = submissions.iter().map(|lines| node.publish(lines));
    let mut all = Vec::new();
    for (lines, receipts) in submissions.iter().zip(join_all(publishing).await) {
        let receipts = receipts.unwrap();
        assert_eq!(receipts.iter().map(|row| row.id).collect::<Vec<_>>(), lines.iter().map(id_of).collect::<Vec<_>>());
        assert!(receipts.windows(2).all(|pair| pair[0].index < pair[1].index));
        all.extend(receipts.into_iter().map(|row| row.index));
    }
    all.sort_unstable();
    assert_eq!(all, (size..size + 120).collect::<Vec<_>>(), "every index once");
    check_log(node.node()).await;
}

/// The reading calls of the store while drafts are published and nobody else does anything.
async fn reads_of_publishing(node: &TestNode, faults: &Faults, lines: &[Value]) -> Vec<(&'static str, u64)> {
    faults.begin(None);
    node.publish(lines).await.unwrap();
    let (counts, _) = faults.end();
    let reads = METHODS.iter().filter(|method| !method.writes);
    reads.filter_map(|method| Some((method.name, *counts.get(method.name)?))).collect()
}

/// A publisher whose connection broke off gives the same drafts again while the first submission is still being appended: it is
/// overtaken at each call that reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_drafts_given_again_while_they_are_appended_have_their_receipts() {
    let mut federation = two().await;
    let faults = with_faults(&mut federation, 0).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let lines = |round: u32| (0..3).map(|n| drafts.enter(&drafts.subject(round * 3 + n), day(-30))).collect::<Vec<_>>();
    let reads = reads_of_publishing(node, &faults, &lines(0)).await;
    let calls = reads.into_iter().flat_map(|(method, count)| (1..=count).map(move |nth| (method, nth)));
    let mut overtaken = BTreeSet::new();
    for (round, (method, nth)) in (1..).zip(calls) {
        let lines = lines(round);
        let mut held = faults.hold(method, nth);
        let later = node.publish(&lines);
        tokio::pin!(later);
        // The one writer waits for nobody: where it is the one that is held, the first submission is not before the second.
        let is_reached = tokio::select! {
            _ = &mut later => false,
            is_reached = held.reached() => is_reached,
        };
        let first = tokio::time::timeout(PATIENCE_OF_THE_FIRST, node.publish(&lines)).await;
        held.go();
        let receipts = if is_reached { later.await } else { node.publish(&lines).await };
        let receipts = receipts.unwrap_or_else(|problem| panic!("{method} {nth}: {problem}"));
        if let Ok(first) = first {
            assert_eq!(first.unwrap(), receipts, "{method} {nth}");
            overtaken.extend(is_reached.then_some(method));
        }
        assert_eq!(node.publish(&lines).await.unwrap(), receipts, "{method} {nth}");
    }
    assert_eq!(overtaken, BTreeSet::from(["drafts", "head", "indexes_of"]), "each look-up was overtaken");
    check_log(node.node()).await;
}

/// Runs futures at once, without a crate for it.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in waiting.iter_mut().zip(&mut done) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn staged(node: &TestNode, drafts: &[Value]) -> Submission {
    let lines = drafts.iter().map(|draft| draft.to_string().into_bytes()).collect();
    stage(node.node(), lines, Options::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_submissions_with_one_record_id_one_is_appended_and_others_are_not_held_up() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let one = drafts.enter(&drafts.subject(1), day(-30));
    let same_id = |number| {
        let mut draft = drafts.enter(&drafts.subject(number), day(-30));
        set(&mut draft, "/record/id", json!(id_of(&one).to_string()));
        draft
    };
    let fresh = |number| drafts.enter(&drafts.subject(number), day(-30));
    let first = staged(node, &[one.clone(), fresh(2)]).await;
    let (second, third) = (staged(node, &[fresh(3), same_id(4)]).await, staged(node, &[fresh(5)]).await);
    let late = staged(node, &[same_id(6)]).await;
    let size = node.size().await;
    let together = join_all([first, second, third].into_iter().map(append)).await;
    let [first, second, third] = <[_; 3]>::try_from(together).unwrap();
    // Whichever of the two came first.
    assert!(first.is_ok() != second.is_ok() && third.is_ok(), "{first:?} {second:?} {third:?}");
    let refused = first.err().or(second.err()).unwrap();
    assert_eq!(refused.code, Code::InvalidRecords, "{refused}");
    let problem = append(late).await.unwrap_err();
    assert_eq!(problem.code, Code::InvalidRecords, "{problem}");
    assert!(problem.detail.contains("record id is used already"), "{problem}");
    assert_eq!(node.size().await, size + 3);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_the_agreement_was_suspended_is_not_appended_behind_it() {
    let federation = two().await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let fresh = |number| drafts.enter(&drafts.subject(number), day(-30));
    let before = staged(node, &[fresh(1), fresh(2)]).await;
    let agreement = drafts.cited.id;
    standing::act(node.node(), agreement, Act::Suspend, None).await.unwrap();
    let size = node.size().await;
    let problem = append(before).await.unwrap_err();
    assert_eq!(problem.code, Code::AgreementNotOpen, "{problem}");
    assert!(problem.detail.contains(&agreement.to_string()), "{problem}");
    assert_eq!(node.size().await, size);
    let again = node.publish(&[fresh(1)]).await.unwrap_err();
    assert_eq!(again.extra["violations"][0]["rule"], json!("agreement/suspended"));

    standing::act(node.node(), agreement, Act::Resume, None).await.unwrap();
    assert_eq!(node.publish(&[fresh(1)]).await.unwrap()[0].index, size + 1);
    federation.node(1).pull(node).await.unwrap();
    federation.check().await;
}
