//! Answers that are no answers, to every kind of question: errors, redirects, wrong content, too much, without end.

use super::liar::Answer;
use super::world::{World, peer, pull_from, states};
use hefu_federation::pull::PayloadState::{Held, Wanted};
use hefu_node::problem::Code::{self, PeerMisbehaved, PeerUnavailable};
use serde_json::json;
use std::collections::BTreeMap;

/// More than any answer may be.
const TOO_MUCH: usize = 17 * 1024 * 1024;

/// What is asked in a round, in this order; the part of the path by which it is known.
const ASKED: [&str; 5] = ["/checkpoint", "/tile/0/", "/tile/entries/", "/v1/agreements", "/records?"];

type Lie = fn(Answer) -> Answer;
const LIES: [(&str, Lie, Code); 10] = [
    ("an internal error", |_| Answer::new(500, "<html>Internal Server Error</html>"), PeerUnavailable),
    ("an error of a gateway, without end", |_| Answer { endless: true, ..Answer::new(502, "") }, PeerUnavailable),
    ("an error that says much", |_| Answer::new(500, shouted()), PeerUnavailable),
    (
        "a redirect",
        |_| Answer { headers: vec![("location".to_owned(), "/elsewhere".to_owned())], ..Answer::new(302, "") },
        PeerUnavailable,
    ),
    ("a page for people", |answer| Answer::new(200, "<html>Welcome</html>").with_headers(&answer), PeerMisbehaved),
    ("nothing there", |_| Answer::new(404, ""), PeerMisbehaved),
    ("too much", |answer| answer.with_body(vec![b'{'; TOO_MUCH]), PeerMisbehaved),
    ("nested a hundred thousand deep", |answer| answer.with_body("[".repeat(100_000)), PeerMisbehaved),
    ("an error nested deep", |_| Answer::new(503, "{\"code\":".repeat(1_000)), PeerUnavailable),
    ("no end", |answer| Answer { endless: true, ..answer }, PeerMisbehaved),
];

/// A problem whose detail is long and has lines of its own.
fn shouted() -> String {
    json!({"code": "internal", "title": "x", "status": 500, "detail": "a line\n".repeat(1_000)}).to_string()
}

impl Answer {
    fn with_headers(self, like: &Answer) -> Self {
        Self { headers: like.headers.clone(), ..self }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_none() {
    let world = World::agreed().await;
    world.publish(20).await;
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap().size;
    let published = world.cd.node.store.head(hefu_node::store::OWN).await.unwrap().size;
    for (number, asked) in ASKED.iter().enumerate() {
        for (name, lie, code) in LIES {
            let name = format!("{asked}: {name}");
            world.liar.lie(move |path, answer| {
                let is_asked = if asked.ends_with("agreements") { path == *asked } else { path.contains(asked) };
                if is_asked { lie(answer) } else { answer }
            });
            let problem = pull_from(&node, &world.chengdu).await.expect_err(&name);
            assert_eq!(problem.code, code, "{name}: {problem}");
            assert!(problem.detail.len() < 1_000 && !problem.detail.contains('\n'), "{name}: {problem}");
            assert!(world.liar.asked().iter().all(|path| path != "/elsewhere"), "{name}: followed a redirect");
            // The log comes before agreements and records: it is there once they are asked for.
            let size = node.store.head(row.no).await.unwrap().size;
            assert_eq!(size, if number < 3 { before } else { published }, "{name}");
            assert_eq!(states(&node, row.no).await.get(&Held), None, "{name}");
            assert_eq!(peer(&node, &world.chengdu).await.stopped, None, "{name}");
        }
    }
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Wanted, 20)]));
    world.assert_unharmed(&node, "answers").await;
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 20)]));
}

/// What an answer is, its bytes say: nothing is read into the headers that a gateway puts beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_types_and_encodings_change_nothing() {
    let world = World::agreed().await;
    world.publish(20).await;
    for (name, value) in [
        ("content-type", "text/html; charset=gb18030"),
        ("content-type", "no type"),
        ("content-encoding", "gzip"),
        ("content-disposition", "attachment; filename=\"../../guard\""),
        ("set-cookie", "session=1"),
        ("refresh", "0; url=https://elsewhere.example"),
    ] {
        let node = world.copy_of_kunming().await;
        let row = peer(&node, &world.chengdu).await;
        world.liar.lie(move |_, mut answer| {
            answer.headers.retain(|(present, _)| present != name);
            answer.headers.push((name.to_owned(), value.to_owned()));
            answer
        });
        pull_from(&node, &world.chengdu).await.unwrap_or_else(|problem| panic!("{name}: {value}: {problem}"));
        assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 20)]), "{name}: {value}");
    }
}
