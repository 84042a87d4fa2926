//! The tally: both sides compute the same, at the heads and on the date that were asked for.

use super::two;
use actix_web::{App, HttpResponse, HttpServer, web};
use hefu_federation::reconcile::tally::{Comparison, Statement};
use hefu_node::problem::Code;
use hefu_node::store::OWN;
use hefu_node::tally::{self, Question};
use hefu_schemas::id::AgreementId;
use hefu_schemas::student_status::{Event, Status};
use hefu_tests::certificate::certificates;
use hefu_tests::draft::{day, id_of};
use hefu_tests::node::listen;
use hefu_tests::{TestFederation, TestNode};
use jiff::civil::Date;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Every node asks every other for the tally of a date; all answers fit, all digests are the same. Returns the statements.
pub(crate) async fn all_fit(federation: &TestFederation, as_of: Option<Date>) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (n, node) in federation.nodes.iter().enumerate() {
        let (ours, answers) = tally::ask(node.node(), &federation.known(n), as_of).await.unwrap();
        assert_eq!(answers.len(), federation.nodes.len() - 1);
        for answer in &answers {
            let (theirs, comparison, _) = answer.result.as_ref().unwrap();
            assert_eq!(*comparison, Comparison::Fits, "{} asked {}", node.url, answer.origin);
            assert_eq!((theirs.digest, theirs.matched, &theirs.states), (ours.digest, ours.matched, &ours.states));
        }
        let stored = node.node().store.tallies(federation.known(n).no, 100).await.unwrap();
        let of_this_date = stored.iter().filter(|(date, ..)| *date == ours.as_of).count();
        assert_eq!(of_this_date, federation.nodes.len(), "all signed statements are kept");
        statements.push(ours);
    }
    assert!(statements.windows(2).all(|pair| pair[0] == pair[1]), "{statements:?}");
    statements
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_date_both_sides_still_compute_the_same() {
    let federation = two().await;
    federation.publish_population(11, 120).await;
    federation.pull_all().await;
    let today = all_fit(&federation, None).await;
    assert_eq!(today[0].as_of, day(0));
    for days in [-400, -60, -1, 90] {
        let other = all_fit(&federation, Some(day(days))).await;
        assert_eq!(other[0].as_of, day(days));
    }
    let past = all_fit(&federation, Some(day(-1400))).await;
    assert_ne!(past[0].findings, today[0].findings, "what is late today was not late then");
    // The date of today goes through the cached buckets, every other one is evaluated anew: both paths agree.
    assert_eq!(all_fit(&federation, Some(day(0))).await, today);
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_above_the_heads_do_not_count() {
    let federation = two().await;
    let (ours, theirs) = (federation.node(0), federation.node(1));
    let (our_drafts, their_drafts) = (federation.drafts(0), federation.drafts(1));
    let pupil = our_drafts.subject(1);
    let (enter, also) = (our_drafts.enter(&pupil, day(-300)), their_drafts.enter(&pupil, day(-200)));
    ours.publish(std::slice::from_ref(&enter)).await.unwrap();
    theirs.publish(std::slice::from_ref(&also)).await.unwrap();
    federation.pull_all().await;
    let before = all_fit(&federation, None).await;
    assert_eq!(before[0].findings.values().sum::<u64>(), 1, "enrolled in two cities: S1");

    // The other city publishes what settles it, and a new pupil; we have not pulled it yet.
    let left = their_drafts.status(&pupil, (Event::Quit, Status::Quit), day(-199), Some(id_of(&also)));
    let unrelated = their_drafts.enter(&their_drafts.subject(2), day(-10));
    theirs.publish(&[left, unrelated]).await.unwrap();
    let asked = tally::question(ours.node(), &federation.known(0), None).await.unwrap();
    assert!(asked.heads[&theirs.city.origin].0 < theirs.size().await);
    let (statement, answers) = tally::ask(ours.node(), &federation.known(0), None).await.unwrap();
    let (_, comparison, _) = answers[0].result.as_ref().unwrap();
    assert_eq!(*comparison, Comparison::Fits, "they count only what we hold");
    assert_eq!(statement, before[0]);

    // They ask with their own, newer head: we pull before we answer.
    let (statement, answers) = tally::ask(theirs.node(), &federation.known(1), None).await.unwrap();
    let (_, comparison, _) = answers[0].result.as_ref().unwrap();
    assert_eq!(*comparison, Comparison::Fits, "we pulled as far as they asked");
    assert_ne!(statement.digest, before[0].digest);
    assert_eq!(ours.size_of(theirs).await, theirs.size().await);
    all_fit(&federation, None).await;
    federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_held_or_differs_is_not_stated() {
    let federation = two().await;
    let (node, known) = (federation.node(0), federation.known(0));
    let good = tally::question(node.node(), &known, None).await.unwrap();
    let other = federation.node(1).city.origin.clone();
    let bent = |bend: &dyn Fn(&mut Question)| {
        let mut question = good.clone();
        bend(&mut question);
        question
    };
    let cases = [
        ("beyond what is held", bent(&|question| question.heads.get_mut(&other).unwrap().0 += 1), Code::Behind),
        ("another root", bent(&|question| question.heads.get_mut(&other).unwrap().1.0 = [7; 32]), Code::SplitView),
        ("without a party", bent(&|question| question.heads.retain(|origin, _| *origin != other)), Code::BadRequest),
    ];
    for (name, question, code) in cases {
        let refused = tally::state(node.node(), &known, &question).await.unwrap_err();
        assert_eq!(refused.code, code, "{name}: {refused}");
    }
    tally::state(node.node(), &known, &good).await.unwrap();
}

/// Stands at a peer's address and answers every request with the same bytes.
fn answering(peer: &TestNode, answer: Vec<u8>) -> actix_web::dev::ServerHandle {
    let made = certificates();
    let chain = CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let tls = tls.unwrap().with_no_client_auth().with_single_cert(vec![chain], key).unwrap();
    let listener = listen(peer.address()).unwrap();
    let app = move || {
        let answer = answer.clone();
        App::new().default_service(web::to(move || std::future::ready(HttpResponse::Ok().body(answer.clone()))))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen_rustls_0_23(listener, tls).unwrap().run();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_answer_another_question_or_are_anothers_are_refused() {
    let mut federation = two().await;
    federation.node_mut(1).stop_serving().await;
    let (node, peer, known) = (federation.node(0), federation.node(1), federation.known(0));
    let question = tally::question(node.node(), &known, None).await.unwrap();
    let honest = tally::state(peer.node(), &federation.known(1), &question).await.unwrap();
    let keys = &peer.node().keys;
    let signed = |statement: &Statement| statement.sign(&keys.request_id(&peer.city.did), &keys.request);
    let bent = |bend: &dyn Fn(&mut Statement)| {
        let mut statement = honest.clone();
        bend(&mut statement);
        signed(&statement)
    };
    let ours = &node.node().keys;
    let changed = String::from_utf8(signed(&honest)).unwrap().replace("\"matched\":0", "\"matched\":1").into_bytes();
    let cases = [
        ("another date", bent(&|statement| statement.as_of = day(-1))),
        ("another agreement", bent(&|statement| statement.agreement = AgreementId::PUBLIC)),
        ("other heads", bent(&|statement| statement.heads.values_mut().for_each(|(size, _)| *size -= 1))),
        ("a head less", bent(&|statement| drop(statement.heads.pop_first()))),
        ("changed behind the signature", changed),
        ("by our own key", honest.sign(&ours.request_id(&node.city.did), &ours.request)),
        ("by its record key", honest.sign(&keys.record_id(&peer.city.did), &keys.record)),
        ("unsigned", honest.to_json().to_string().into_bytes()),
        ("nothing", Vec::new()),
        ("too long", vec![b' '; tally::MAX_TALLY_LEN + 1]),
    ];
    for (name, answer) in cases {
        let liar = answering(peer, answer);
        let (_, answers) = tally::ask(node.node(), &known, None).await.unwrap();
        liar.stop(false).await;
        let refused = answers[0].result.as_ref().map(|_| name).unwrap_err();
        assert_eq!(refused.code, Code::PeerMisbehaved, "{name}: {refused}");
        let kept = node.node().store.tallies(known.no, 10).await.unwrap();
        assert!(kept.iter().all(|(_, party, _)| *party == OWN), "{name}: nothing of it is kept");
    }
    let liar = answering(peer, signed(&honest));
    let (_, answers) = tally::ask(node.node(), &known, None).await.unwrap();
    liar.stop(false).await;
    assert_eq!(answers[0].result.as_ref().unwrap().1, Comparison::Fits, "the honest one is accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_is_away_is_named_and_ours_is_kept() {
    let mut federation = two().await;
    let away = federation.node(1).city.origin.clone();
    federation.node_mut(1).stop_serving().await;
    let (node, known) = (federation.node(0), federation.known(0));
    let (ours, answers) = tally::ask(node.node(), &known, None).await.unwrap();
    assert_eq!(answers[0].origin, away);
    assert_eq!(answers[0].result.as_ref().unwrap_err().code, Code::PeerUnavailable);
    let kept = node.node().store.tallies(known.no, 10).await.unwrap();
    assert_eq!(kept.iter().map(|(date, party, _)| (*date, *party)).collect::<Vec<_>>(), [(ours.as_of, OWN)]);
}
