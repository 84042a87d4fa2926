//! First contact: a peer whose log does not begin with the entry that people compared.

use super::liar::Answer;
use super::log::{Forged, entries};
use super::world::{Running, Town, World, certificate, pull_from};
use super::{flip, keys_of, replaced};
use hefu_federation::entry::Entry;
use hefu_federation::tree::Hash;
use hefu_node::problem::Code::{self, FingerprintDiffers, PeerMisbehaved, PeerUnavailable};
use hefu_node::propose::add_peer;
use std::sync::Arc;

type Lie = Arc<dyn Fn(&str, Answer) -> Answer + Send + Sync>;

/// The answer to one path is altered.
fn at(path: &'static str, alter: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Lie {
    Arc::new(move |asked, answer| if asked.starts_with(path) { alter(answer) } else { answer })
}

/// The same keys, a second earlier: another genesis, and a log that is whole in itself.
async fn begun_otherwise(world: &World) -> Forged {
    let truth = entries(&world.cd).await;
    let mut genesis = Entry::parse(&truth[0]).unwrap();
    genesis.t -= 1;
    let data = [vec![genesis.write().unwrap()], truth[1..].to_vec()].concat();
    Forged::new(&world.chengdu, &keys_of(&world.chengdu), data)
}

async fn lies(world: &World) -> Vec<(&'static str, Lie, Code)> {
    let known = "/.well-known/hefu";
    let forged = begun_otherwise(world).await;
    let honest = world.chengdu.fingerprint.to_string();
    let stranger = world.chongqing.fingerprint.to_string();
    let says = move |answer: Answer, honest: &str, stranger: &str| {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        answer.with_body(replaced(&text, honest, stranger))
    };
    vec![
        (
            "it states another fingerprint",
            at(known, move |answer| says(answer, &honest, &stranger)),
            FingerprintDiffers,
        ),
        ("it states none", at(known, |answer| answer.with_body("{}")), FingerprintDiffers),
        ("it is no node", at(known, |_| Answer::new(404, "")), PeerMisbehaved),
        ("it states what is not JSON", at(known, |answer| answer.with_body("<html>")), PeerMisbehaved),
        ("it states too much", at(known, |answer| answer.with_body(vec![b' '; 17 * 1024])), PeerMisbehaved),
        (
            "it leads elsewhere",
            at(known, |_| Answer { headers: vec![("location".to_owned(), "/".to_owned())], ..Answer::new(307, "") }),
            PeerUnavailable,
        ),
        ("its log begins otherwise", Arc::new(move |path, answer| forged.answer(path, answer)), FingerprintDiffers),
        (
            "a bit of its first entry",
            at("/tile/entries/", |mut answer| {
                flip(&mut answer.body, 30);
                answer
            }),
            FingerprintDiffers,
        ),
        ("its first entry is no bundle", at("/tile/entries/", |answer| answer.with_body("x")), PeerMisbehaved),
        ("it has no first entry", at("/tile/entries/", |_| Answer::new(404, "")), PeerMisbehaved),
    ]
}

async fn stranger(world: &World) -> (Town, Running) {
    let town = Town::make(&world.folder(), "530100", None).await;
    let running = town.run().await;
    (town, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_beginning_is_not_added() {
    let world = World::strangers().await;
    let (_town, new) = stranger(&world).await;
    let ca = Some(certificate().0.as_str());
    for (name, lie, code) in lies(&world).await {
        world.liar.set(Some(lie));
        let problem = add_peer(&new.node, &world.chengdu.url, &world.chengdu.fingerprint, ca).await.expect_err(name);
        assert_eq!(problem.code, code, "{name}: {problem}");
        assert_eq!(new.node.peers().await.unwrap(), [], "{name}");
    }
    // A certificate that nobody vouches for is no peer either.
    world.liar.be_honest();
    let problem = add_peer(&new.node, &world.chengdu.url, &world.chengdu.fingerprint, None).await.expect_err("no root");
    assert_eq!((problem.code, new.node.peers().await.unwrap().len()), (PeerUnavailable, 0));
    // A person who mistyped the fingerprint is told so by an honest peer.
    let problem = add_peer(&new.node, &world.chengdu.url, &world.chongqing.fingerprint, ca)
        .await
        .expect_err("another fingerprint");
    assert_eq!((problem.code, new.node.peers().await.unwrap().len()), (FingerprintDiffers, 0));
    new.follow(&world.chengdu).await;
    new.follow(&world.chongqing).await;
    world.assert_unharmed(&new.node, "first contact").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_first_pull_breaks_off_stays_and_is_pulled_again() {
    let world = World::strangers().await;
    let (_town, new) = stranger(&world).await;
    let ca = Some(certificate().0.as_str());
    world.liar.set(Some(at("/checkpoint", |_| Answer::new(503, ""))));
    let added = add_peer(&new.node, &world.chengdu.url, &world.chengdu.fingerprint, ca).await;
    let problem = added.expect_err("the first pull breaks off");
    assert_eq!((problem.code, problem.extra.get("added")), (PeerUnavailable, Some(&serde_json::json!(true))));
    let peers = new.node.peers().await.unwrap();
    assert_eq!((peers.len(), new.node.store.head(peers[0].no).await.unwrap().size), (1, 0));
    world.liar.be_honest();
    pull_from(&new.node, &world.chengdu).await.unwrap();
    // Adding it once more is harmless.
    add_peer(&new.node, &world.chengdu.url, &world.chengdu.fingerprint, ca).await.unwrap();
    assert_eq!(new.node.peers().await.unwrap().len(), 1);
    new.follow(&world.chongqing).await;
    world.assert_unharmed(&new.node, "a broken first pull").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_pull_founds_the_log_on_the_fingerprint_alone() {
    let world = World::strangers().await;
    let (_town, new) = stranger(&world).await;
    let city = &world.chengdu.city;
    let fingerprint = Hash(world.chengdu.fingerprint.0);
    // As a node is left that was stopped after it noted the peer and before it pulled.
    let no = new.node.store.add_origin(&city.origin, &city.did, &fingerprint, Some(&certificate().0)).await.unwrap();
    for (name, lie, code) in
        lies(&world).await.into_iter().filter(|(name, ..)| name.contains("log") || name.contains("entry"))
    {
        world.liar.set(Some(lie));
        let problem = pull_from(&new.node, &world.chengdu).await.expect_err(name);
        assert_eq!(problem.code, code, "{name}: {problem}");
        let head = new.node.store.head(no).await.unwrap();
        assert_eq!((head.size, head.note), (0, None), "{name}");
    }
    world.liar.be_honest();
    pull_from(&new.node, &world.chengdu).await.unwrap();
    assert_eq!(
        new.node.store.bundle(no, 0).await.unwrap(),
        world.cd.node.store.bundle(hefu_node::store::OWN, 0).await.unwrap()
    );
    new.follow(&world.chongqing).await;
    world.assert_unharmed(&new.node, "first pull").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_begins_otherwise_than_the_entry_it_shows_alone_is_not_stored() {
    let world = World::agreed().await;
    let (_town, new) = stranger(&world).await;
    let (city, ca) = (&world.chengdu.city, &certificate().0);
    let fingerprint = Hash(world.chengdu.fingerprint.0);
    let no = new.node.store.add_origin(&city.origin, &city.did, &fingerprint, Some(ca)).await.unwrap();
    let forged = begun_otherwise(&world).await;
    let alone = |path: &str| path.ends_with("/tile/entries/000.p/1");
    world.liar.lie(move |path, answer| if alone(path) { answer } else { forged.answer(path, answer) });
    let problem = pull_from(&new.node, &world.chengdu).await.expect_err("another beginning");
    assert_eq!(problem.code, FingerprintDiffers, "{problem}");
    let head = new.node.store.head(no).await.unwrap();
    assert_eq!((head.size, head.note), (0, None));
    // Its note was signed by the right key, and is remembered: the honest log contradicts it.
    world.liar.be_honest();
    let problem = pull_from(&new.node, &world.chengdu).await.expect_err("two logs");
    assert_eq!(problem.code, Code::SplitView, "{problem}");
}
