//! Checkpoints, tiles and entry bundles: bits flipped on the way, old and foreign notes, and a log that tells two stories.

use super::liar::Answer;
use super::world::{Running, Town, World, assert_clean, peer, pull_from, states};
use super::{flip, keys_of};
use hefu_federation::append::{Head, MAX_BATCH, plan_data};
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::note;
use hefu_federation::pull::PayloadState::Held;
use hefu_federation::reconcile::finding::{Finding, Rule, Severity};
use hefu_federation::tile::{TilePath, bundle_prefix, encode_hashes, split_bundle};
use hefu_node::keys::Keys;
use hefu_node::problem::Code;
use hefu_node::store::OWN;
use hefu_schemas::id::Digest;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Records that Chengdu publishes: with them its log has a full bundle and a part of another.
const RECORDS: u64 = 300;

/// Alters the answer to a path.
type Lie = fn(&str, Answer) -> Answer;

/// A log made of entries, with all that is served of it.
#[derive(Clone)]
pub(super) struct Forged {
    pub(super) note: Vec<u8>,
    pub(super) size: u64,
    tiles: HashMap<(u8, u64), Vec<u8>>,
    bundles: HashMap<u64, Vec<u8>>,
}

impl Forged {
    pub(super) fn new(town: &Town, keys: &Keys, data: Vec<Vec<u8>>) -> Self {
        let (mut head, mut tiles, mut bundles) = (Head::default(), HashMap::new(), HashMap::new());
        for batch in data.chunks(MAX_BATCH) {
            let plan = plan_data(&head, batch.to_vec(), 0).unwrap();
            // What grows is replaced by the wider one.
            tiles.extend(plan.tiles.iter().map(|tile| ((tile.level, tile.index), encode_hashes(&tile.hashes))));
            bundles.extend(plan.bundles.into_iter().map(|bundle| (bundle.index, bundle.bytes)));
            head = plan.head;
        }
        let (size, root) = (head.size(), head.root());
        let note = Checkpoint { origin: town.city.origin.to_string(), size, root }.sign(&keys.log).unwrap();
        Self { note: note.into_bytes(), size, tiles, bundles }
    }

    /// The answer of this log to a path, if it is one of a log's.
    pub(super) fn answer(&self, path: &str, answer: Answer) -> Answer {
        let path = path.trim_start_matches('/');
        let body = match TilePath::parse(path) {
            _ if path == "checkpoint" => Some(self.note.clone()),
            Ok(TilePath::Hashes { level, index, width }) => {
                self.tiles.get(&(level, index)).and_then(|tile| tile.get(..usize::from(width) * 32)).map(<[u8]>::to_vec)
            }
            Ok(TilePath::Entries { index, width }) => {
                self.bundles.get(&index).and_then(|bundle| bundle_prefix(bundle, width).ok()).map(<[u8]>::to_vec)
            }
            Err(_) => return answer,
        };
        body.map_or_else(|| Answer::new(404, ""), |body| Answer::new(200, body))
    }
}

/// The entries of a running node's own log.
pub(super) async fn entries(running: &Running) -> Vec<Vec<u8>> {
    let size = running.node.store.head(OWN).await.unwrap().size;
    let mut data = Vec::new();
    for index in 0..size.div_ceil(256) {
        let (width, bytes) = running.node.store.bundle(OWN, index).await.unwrap().unwrap();
        data.extend(split_bundle(&bytes, width).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    data
}

/// Another entry in the place of a record's.
fn altered(data: &[u8]) -> Vec<u8> {
    let mut entry = Entry::parse(data).unwrap();
    let Body::Record { c, .. } = &mut entry.body else { panic!("not a record") };
    flip(c, 0);
    entry.write().unwrap()
}

async fn note(running: &Running) -> Vec<u8> {
    running.node.store.head(OWN).await.unwrap().note.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bits_flipped_in_tiles_and_bundles() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let cases: [(&str, Lie, &str); 7] = [
        (
            "a bit of the first bundle",
            |path, answer| alter(path, answer, "/tile/entries/000", |body| flip(body, 100)),
            "bundle 0 differs",
        ),
        (
            "a bit of the last bundle",
            |path, answer| alter(path, answer, "/tile/entries/001", |body| flip(body, 100)),
            "bundle 1 differs",
        ),
        (
            "a bundle that is cut off",
            |path, answer| alter(path, answer, "/tile/entries/000", |body| body.truncate(1000)),
            "bundle 0 differs",
        ),
        (
            "a bundle with more behind it",
            |path, answer| alter(path, answer, "/tile/entries/000", |body| body.push(0)),
            "bundle 0 differs",
        ),
        (
            "a bit of the leaf hashes",
            |path, answer| alter(path, answer, "/tile/0/001", |body| flip(body, 40)),
            "the tiles do not give",
        ),
        (
            "a bit of the bundles' hashes",
            |path, answer| alter(path, answer, "/tile/1/000", |body| flip(body, 10)),
            "the tiles do not give",
        ),
        (
            "a tile of another width",
            |path, answer| alter(path, answer, "/tile/1/000", |body| body.extend([0; 32])),
            "a tile is missing or has another width",
        ),
    ];
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    for (name, lie, why) in cases {
        world.liar.lie(lie);
        let problem = pull_from(&node, &world.chengdu).await.expect_err(name);
        assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
        assert!(problem.detail.contains(why), "{name}: {problem}");
        assert_eq!(node.store.head(row.no).await.unwrap(), before, "{name}");
    }
    world.assert_unharmed(&node, "flipped bits").await;
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(states(&node, row.no).await.into_iter().collect::<Vec<_>>(), [(Held, RECORDS)]);
    assert_clean(&node, "flipped bits").await;
}

fn alter(path: &str, mut answer: Answer, prefix: &str, alter: fn(&mut Vec<u8>)) -> Answer {
    if path.starts_with(prefix) {
        assert_eq!(answer.status, 200, "{path}");
        alter(&mut answer.body);
    }
    answer
}

/// What the worklist says of logs (rule G2).
async fn observed(node: &hefu_node::Node) -> Vec<Finding> {
    let found = node.store.findings(None, Some(Rule::G2.code()), 9, 0).await.unwrap();
    found.into_iter().map(|(_, _, finding)| finding).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_not_shown_are_a_gap_until_they_are() {
    let world = World::agreed().await;
    world.publish(20).await;
    let node = world.copy_of_kunming().await;
    world.liar.lie(|path, answer| if path.starts_with("/tile/entries") { Answer::new(404, "gone") } else { answer });
    for _ in 0..2 {
        pull_from(&node, &world.chengdu).await.expect_err("entries");
        let found = observed(&node).await;
        assert_eq!(found.iter().map(|finding| finding.about.as_str()).collect::<Vec<_>>(), ["gap"]);
        assert_eq!((found[0].severity, found[0].evidence[0].record), (Severity::Critical, None));
    }
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert!(observed(&node).await.is_empty(), "it is settled");
    world.assert_unharmed(&node, "a gap").await;
}

/// A split view is a grave word: neither a damaged tile nor one that was damaged once is evidence of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_tiles_accuse_nobody() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    assert!(before.size % 256 > 0, "a part of a bundle is held, so its leaves are asked for");
    for prefix in ["/tile/0/000", "/tile/0/001", "/tile/1/000"] {
        for times in [1, usize::MAX] {
            let name = format!("{prefix}, {times} times");
            let left = AtomicUsize::new(times);
            world.liar.lie(move |path, mut answer| {
                let now = path.starts_with(prefix) && left.load(Relaxed) > 0;
                if now {
                    left.fetch_sub(1, Relaxed);
                    flip(&mut answer.body, 10);
                }
                answer
            });
            let problem = pull_from(&node, &world.chengdu).await.expect_err(&name);
            assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
            assert_eq!(peer(&node, &world.chengdu).await.stopped, None, "{name}");
            assert_eq!(node.store.head(row.no).await.unwrap(), before, "{name}");
            assert!(observed(&node).await.is_empty(), "{name}");
        }
    }
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(states(&node, row.no).await.into_iter().collect::<Vec<_>>(), [(Held, RECORDS)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_that_are_none() {
    let world = World::agreed().await;
    world.publish(20).await;
    let keys = keys_of(&world.chengdu);
    let origin = world.chengdu.city.origin.as_str();
    let true_note = String::from_utf8(note(&world.cd).await).unwrap();
    let (body, signatures) = true_note.split_once("\n\n").unwrap();
    let foreign = String::from_utf8(note(&world.cq).await).unwrap();
    let (foreign_body, _) = foreign.split_once("\n\n").unwrap();
    let lines: Vec<&str> = body.lines().collect();
    let sign = |text: &str| note::sign(text, origin, &keys.log).unwrap();
    let cases = [
        ("of another city", foreign.clone()),
        ("of another origin, signed by the log key", sign(&format!("{foreign_body}\n"))),
        ("signed by another key", note::sign(&format!("{body}\n"), origin, &keys.record).unwrap()),
        ("unsigned", format!("{body}\n")),
        ("with an empty signature block", format!("{body}\n\n")),
        (
            "altered under its signature",
            format!("{}\n\n{signatures}", body.replacen(&format!("\n{}\n", lines[1]), "\n9999\n", 1)),
        ),
        ("with a leading zero", sign(&format!("{}\n0{}\n{}\n", lines[0], lines[1], lines[2]))),
        ("beyond exact integers", sign(&format!("{}\n9007199254740993\n{}\n", lines[0], lines[2]))),
        ("with a short root", sign(&format!("{}\n{}\nAAAA\n", lines[0], lines[1]))),
        ("longer than a note may be", format!("{true_note}{}", "— x AAAA\n".repeat(40_000))),
        ("empty", String::new()),
        ("a page for people", "<html>Hello</html>\n".to_owned()),
    ];
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    for (name, note) in cases {
        world.liar.lie(move |path, answer| if path == "/checkpoint" { answer.with_body(note.clone()) } else { answer });
        let problem = pull_from(&node, &world.chengdu).await.expect_err(name);
        assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
        assert_eq!(node.store.head(row.no).await.unwrap(), before, "{name}");
        assert_eq!(peer(&node, &world.chengdu).await.stopped, None, "{name}");
    }
    world.assert_unharmed(&node, "notes").await;
    // Lines of other signers are ignored: a witness may add its own.
    let cosigned = format!("{true_note}— w.example AAAAAHdpdG5lc3Mgc2lnbmF0dXJlIG9mIHNvbWUga2luZA==\n");
    world.liar.lie(move |path, answer| if path == "/checkpoint" { answer.with_body(cosigned.clone()) } else { answer });
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(states(&node, row.no).await.into_iter().collect::<Vec<_>>(), [(Held, 20)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_checkpoint_is_only_stale() {
    let world = World::agreed().await;
    let old = note(&world.cd).await;
    world.publish(20).await;
    let node = world.copy_of_kunming().await;
    pull_from(&node, &world.chengdu).await.unwrap();
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    world.liar.lie(move |path, answer| if path == "/checkpoint" { answer.with_body(old.clone()) } else { answer });
    let report = pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!((report.entries, report.held, report.size), (0, 0, before.size));
    assert_eq!(node.store.head(row.no).await.unwrap(), before, "neither the log nor its note goes back");
    assert_eq!(peer(&node, &world.chengdu).await.stopped, None);
    world.assert_unharmed(&node, "stale").await;
}

/// Which other story is told to a node that holds all of Chengdu's log.
#[derive(Clone, Copy)]
struct Story {
    name: &'static str,
    /// Size of the log that is shown, counted from the true one.
    by: i64,
}

const STORIES: [Story; 4] = [
    Story { name: "the same size", by: 0 },
    Story { name: "a smaller size", by: -20 },
    Story { name: "a larger size", by: 20 },
    Story { name: "a larger size, a bundle further", by: 300 },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_tells_two_stories() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let keys = keys_of(&world.chengdu);
    let truth = entries(&world.cd).await;
    let size = i64::try_from(truth.len()).unwrap();
    for story in STORIES {
        let name = story.name;
        let node = world.copy_of_kunming().await;
        pull_from(&node, &world.chengdu).await.unwrap();
        let row = peer(&node, &world.chengdu).await;
        let before = node.store.head(row.no).await.unwrap();

        let mut data = truth.clone();
        data[200] = altered(&data[200]);
        let last = data[truth.len() - 1].clone();
        data.resize(usize::try_from(size + story.by).unwrap(), altered(&last));
        let forged = Forged::new(&world.chengdu, &keys, data);
        let shown = forged.note.clone();
        let told = forged.clone();
        world.liar.lie(move |path, answer| told.answer(path, answer));

        let problem = pull_from(&node, &world.chengdu).await.expect_err(name);
        assert_eq!(problem.code, Code::SplitView, "{name}: {problem}");
        let evidence = |what: &str| {
            let origin = Digest::of(world.chengdu.city.origin.as_str().as_bytes());
            node.folder.evidence().join(format!("split-view-{origin}-{}.{what}", forged.size))
        };
        assert_eq!(std::fs::read(evidence("shown")).unwrap(), shown, "{name}");
        assert_eq!(Some(std::fs::read(evidence("held")).unwrap()), before.note, "{name}");
        assert_eq!(node.store.head(row.no).await.unwrap(), before, "{name}");

        let found = observed(&node).await;
        assert_eq!(found.iter().map(|finding| finding.about.as_str()).collect::<Vec<_>>(), ["split-view"], "{name}");
        assert_eq!(found[0].owner.party, world.chengdu.city.origin, "{name}");

        // It stays stopped, and asks nothing more, until people have decided.
        world.liar.be_honest();
        assert!(peer(&node, &world.chengdu).await.stopped.is_some(), "{name}");
        let problem = pull_from(&node, &world.chengdu).await.expect_err(name);
        assert_eq!((problem.code, world.liar.asked()), (Code::SplitView, Vec::new()), "{name}");
        assert_eq!(states(&node, row.no).await.into_iter().collect::<Vec<_>>(), [(Held, RECORDS)], "{name}");
        world.assert_unharmed(&node, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_larger_checkpoint_without_its_log_leaves_no_trace() {
    let world = World::agreed().await;
    let (_, _) = world.publish(20).await;
    let keys = keys_of(&world.chengdu);
    let mut data = entries(&world.cd).await;
    let last = data[data.len() - 1].clone();
    data.resize(data.len() + 30, altered(&last));
    let forged = Forged::new(&world.chengdu, &keys, data);
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    let shown = forged.note.clone();
    world.liar.lie(move |path, answer| if path == "/checkpoint" { answer.with_body(shown.clone()) } else { answer });
    let problem = pull_from(&node, &world.chengdu).await.expect_err("a note alone");
    assert_eq!(problem.code, Code::PeerMisbehaved, "{problem}");
    assert_eq!(node.store.head(row.no).await.unwrap(), before);

    // The true log is smaller than the note that was shown: it is pulled, and its own note is kept beside it.
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(node.store.head(row.no).await.unwrap().note, Some(note(&world.cd).await));
    assert_eq!(states(&node, row.no).await.into_iter().collect::<Vec<_>>(), [(Held, 20)]);
    world.assert_unharmed(&node, "a larger note").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_show_that_it_goes_on_from_a_note_that_was_seen() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let before = node.store.head(row.no).await.unwrap();
    let origin = Digest::of(world.chengdu.city.origin.as_str().as_bytes()).to_string();
    // The note comes, and nothing of the log behind it.
    world.liar.lie(|path, answer| if path.starts_with("/tile") { Answer::new(404, "gone") } else { answer });
    pull_from(&node, &world.chengdu).await.expect_err("a note alone");
    let seen = note(&world.cd).await;
    assert_eq!(node.store.seen_note(&origin).await.unwrap().as_ref(), Some(&seen));
    let mut data = entries(&world.cd).await;
    let last = data[data.len() - 1].clone();
    data.resize(data.len() + 30, altered(&last));
    let longer = Forged::new(&world.chengdu, &keys_of(&world.chengdu), data);
    type Spoil = fn(Answer) -> Answer;
    let cases: [(&str, Spoil); 3] = [
        ("damaged", |mut answer| {
            flip(&mut answer.body, 10);
            answer
        }),
        ("cut off", |mut answer| {
            answer.body.pop();
            answer
        }),
        ("missing", |_| Answer::new(404, "gone")),
    ];
    for (name, spoil) in cases {
        let told = longer.clone();
        world.liar.lie(move |path, answer| {
            let answer = told.answer(path, answer);
            if path.starts_with("/tile/0") || path.starts_with("/tile/1") { spoil(answer) } else { answer }
        });
        let problem = pull_from(&node, &world.chengdu).await.expect_err(name);
        assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
        assert_eq!(node.store.seen_note(&origin).await.unwrap().as_ref(), Some(&seen), "{name}: no newer note is seen");
        assert_eq!(node.store.head(row.no).await.unwrap(), before, "{name}");
        assert_eq!(peer(&node, &world.chengdu).await.stopped, None, "{name}: nobody is accused");
    }
    let told = longer.clone();
    world.liar.lie(move |path, answer| told.answer(path, answer));
    let problem = pull_from(&node, &world.chengdu).await;
    assert_eq!(problem.map(|report| report.size).ok(), Some(longer.size), "a log that shows it is pulled");
    assert_eq!(node.store.seen_note(&origin).await.unwrap(), Some(longer.note));
}
