//! `hefu fsck --url`, by the real binary, of a log that is told honestly and of the same log told with lies.

use super::liar::Answer;
use super::log::{Forged, entries};
use super::world::World;
use super::{flip, keys_of};
use hefu_federation::commitment::Commitment;
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_tests::process::{Said, run};
use serde_json::json;

/// Records that Chengdu publishes: with them its log has a full bundle and a part of another.
const RECORDS: u64 = 300;

async fn fsck(world: &World, fingerprint: &str) -> Said {
    let ca = world.folder().with_extension("pem");
    std::fs::write(&ca, &super::world::certificate().0).unwrap();
    let ca = ca.display().to_string();
    let args = ["--json", "fsck", "--url", &world.chengdu.url, "--fingerprint", fingerprint, "--ca", &ca];
    run(&world.folder(), &args).await
}

fn complaint(said: &Said) -> String {
    said.json()[0]["complaints"].as_array().unwrap().iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_read_from_outside_is_clean_or_says_why_not() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let fingerprint = world.chengdu.fingerprint.to_string();
    let size = world.cd.node.store.head(hefu_node::store::OWN).await.unwrap().size;
    let said = fsck(&world, &fingerprint).await.ended(0);
    let report = said.json()[0].clone();
    assert_eq!(
        (&report["entries"], &report["records"], &report["complaintCount"]),
        (&json!(size), &json!(300), &json!(0))
    );
    let wide = world.liar.asked();
    for path in ["/checkpoint", "/tile/0/000", "/tile/entries/000"] {
        assert!(wide.iter().any(|asked| asked == path), "{path}: {wide:?}");
    }
    let other = fsck(&world, &world.kunming.fingerprint.to_string()).await.ended(1);
    assert!(complaint(&other).contains("fingerprint"), "{other:?}");

    let lies: [(&str, &str); 5] = [
        ("/tile/0/000", "tile/0/000 is missing, or not what the entries give"),
        ("/tile/1/000", "tile/1/000.p/1 is missing"),
        ("/tile/entries/001", "do not give the root"),
        ("/tile/entries/000", ""),
        ("/checkpoint", "checkpoint"),
    ];
    for (path, expected) in lies {
        world.liar.lie(move |asked, mut answer: Answer| {
            if asked.starts_with(path) {
                let at = answer.body.len() - 10;
                flip(&mut answer.body, at);
            }
            answer
        });
        let said = fsck(&world, &fingerprint).await.ended(1);
        assert!(complaint(&said).contains(expected), "{path}: {said:?}");
    }
    forged(&world, &fingerprint).await;
    world.liar.lie(|path, answer| if path.starts_with("/tile/entries/001") { Answer::new(404, "") } else { answer });
    assert!(complaint(&fsck(&world, &fingerprint).await.ended(1)).contains("is missing"));
    world.liar.lie(|_, _| Answer::new(503, ""));
    assert_eq!(fsck(&world, &fingerprint).await.ended(4).json()["code"], "peer-unavailable");
    world.liar.be_honest();
    fsck(&world, &fingerprint).await.ended(0);
}

/// Logs that are signed by the right key and whole in themselves, and hold what no log may hold.
async fn forged(world: &World, fingerprint: &str) {
    let truth = entries(&world.cd).await;
    let last = Entry::parse(truth.last().unwrap()).unwrap().t;
    let c: Commitment = [7; 32];
    let record = |t| Entry { t, body: Body::Record { c, a: Audience::Holder } }.write().unwrap();
    let amend = |of| Entry { t: last, body: Body::Amend { c, a: Audience::Holder, of } }.write().unwrap();
    let cases = [
        (record(last - 1), "is older than the one before"),
        (amend(1 << 40), "may not stand there"),
        (truth[0].clone(), "may not stand there"),
        (b"{}".to_vec(), "is malformed"),
    ];
    for (entry, expected) in cases {
        let data = [truth.clone(), vec![entry]].concat();
        let log = Forged::new(&world.chengdu, &keys_of(&world.chengdu), data);
        world.liar.lie(move |path, answer| log.answer(path, answer));
        let said = fsck(world, fingerprint).await.ended(1);
        assert!(complaint(&said).contains(expected), "{expected}: {said:?}");
    }
}
