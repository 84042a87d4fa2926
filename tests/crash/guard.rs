//! The guard: a node signs only what goes on from what it signed before, whatever became of its files.

use crate::tamper::liar::Answer;
use crate::tamper::world::{World, assert_clean, copy_folder, drafts, open, publish, pull_from, read, serve, sqlite};
use hefu_node::Node;
use hefu_node::problem::Code;
use hefu_node::store::OWN;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Kunming as it was when it had published nothing, and as it is now, with some drafts that are not published yet.
struct Past {
    world: World,
    /// A folder, its guard, and the published note, which is the same.
    old: PathBuf,
    old_note: Vec<u8>,
    note: Vec<u8>,
    size: u64,
    published: Vec<String>,
    new: Vec<String>,
}

impl Past {
    async fn make() -> Self {
        let world = World::agreed().await;
        let km = world.km.as_ref().unwrap();
        let old = world.folder();
        world.kunming.copy(&old).await;
        let lines = drafts(&km.node, &world.population(20), 0)[..20].to_vec();
        let (published, new) = (lines[..10].to_vec(), lines[10..].to_vec());
        publish(&km.node, &published).await.unwrap();
        let head = km.node.store.head(OWN).await.unwrap();
        let (old_note, note) = (std::fs::read(old.join("guard")).unwrap(), head.note.unwrap());
        assert_eq!(std::fs::read(km.node.folder.guard()).unwrap(), note);
        Self { old, old_note, note, size: head.size, published, new, world }
    }

    /// A copy of Kunming as it is now, with another guard (or none).
    async fn copy(&self, guard: Option<&[u8]>) -> PathBuf {
        self.copy_of(&self.world.kunming.dir, guard).await
    }

    async fn copy_of(&self, from: &Path, guard: Option<&[u8]>) -> PathBuf {
        let dir = self.world.folder();
        copy_folder(from, &dir).await;
        match guard {
            Some(guard) => std::fs::write(dir.join("guard"), guard).unwrap(),
            None => std::fs::remove_file(dir.join("guard")).unwrap(),
        }
        dir
    }

    /// The node signs, guard and note are those of its log, and it publishes what is new after what was published.
    async fn assert_signs(&self, node: &Arc<Node>, name: &str) {
        assert_eq!(node.sequencer.signing(), Ok(()), "{name}");
        assert_eq!(node.store.head(OWN).await.unwrap().note, Some(self.note.clone()), "{name}");
        assert_eq!(std::fs::read(node.folder.guard()).unwrap(), self.note, "{name}: the guard is moved forward");
        let receipts = publish(node, &[self.published.clone(), self.new.clone()].concat()).await.unwrap();
        let indexes: Vec<u64> = receipts.iter().map(|receipt| receipt.index).collect();
        assert_eq!(indexes, (3..23).collect::<Vec<_>>(), "{name}");
        assert_clean(node, name).await;
    }

    /// The file is put right: by the note that it should hold, or by a person who says that the folder is the newest.
    async fn assert_mends(&self, node: Arc<Node>, dir: &Path, name: &str) {
        drop(node);
        hefu_tests::until("the lock is free", async || hefu_node::folder::Folder::new(dir).lock().is_ok()).await;
        let by_hand = name.len().is_multiple_of(2);
        if by_hand {
            let _ = std::fs::remove_file(dir.join("guard"));
        } else {
            std::fs::write(dir.join("guard"), &self.note).unwrap();
        }
        let node = Node::open(dir, by_hand).await.unwrap();
        self.assert_signs(&node, name).await;
    }

    /// The node refuses to sign, says why, and serves what it has.
    async fn assert_refuses(&self, node: &Arc<Node>, why: &str) {
        let said = node.sequencer.signing().expect_err(why);
        assert!(said.contains(why), "{why}: {said}");
        let before = node.store.head(OWN).await.unwrap();
        let drafts = if before.size == self.size { &self.new } else { &self.published };
        let problem = publish(node, drafts).await.expect_err(why);
        assert_eq!(problem.code, Code::NotSigning, "{why}: {problem}");
        assert_eq!(node.store.head(OWN).await.unwrap(), before, "{why}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let serving = serve(node.clone(), &listener);
        assert_eq!(read(serving.port, "checkpoint").await, (200, before.note.unwrap()), "{why}");
        let (status, body) = read(serving.port, "health/ready").await;
        let body = String::from_utf8(body).unwrap();
        assert!(status == 503 && body.contains("not-signing") && body.contains(why), "{why}: {status} {body}");
        serving.stop().await;
        // It still follows the others.
        pull_from(node, &self.world.chongqing).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_does_not_read_is_no_permission() {
    let past = Past::make().await;
    let foreign = past.world.cd.node.store.head(OWN).await.unwrap().note.unwrap();
    let (old, new) = (&past.old_note, &past.note);
    let half = &new[..new.len() / 2];
    let mut flipped = new.clone();
    flipped[70] ^= 1;
    let at = old.len() / 2;
    let cases = [
        ("torn", half.to_vec()),
        ("empty", Vec::new()),
        ("of another log", foreign),
        ("altered", flipped),
        ("zeros, as a power cut leaves blocks", vec![0; new.len()]),
        ("no text", vec![0xff; new.len()]),
        ("too long", [new.as_slice(), old].concat()),
        ("half old, half new", [&old[..at], &new[at..]].concat()),
        ("half new, half old", [&new[..at], &old[at..]].concat()),
    ];
    for (name, guard) in cases {
        let dir = past.copy(Some(&guard)).await;
        let node = open(&dir).await;
        past.assert_refuses(&node, "the guard file does not read").await;
        assert_eq!(std::fs::read(dir.join("guard")).unwrap(), guard, "{name}: left for people to look at");
        past.assert_mends(node, &dir, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_cannot_be_opened_is_no_permission() {
    let past = Past::make().await;
    let dir = past.copy(None).await;
    std::fs::create_dir(dir.join("guard")).unwrap();
    let node = open(&dir).await;
    past.assert_refuses(&node, "guard file: ").await;
    std::fs::remove_dir(dir.join("guard")).unwrap();
    past.assert_mends(node, &dir, "a folder in its place").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_guard_is_moved_forward() {
    let past = Past::make().await;
    let node = open(&past.copy(Some(&past.old_note)).await).await;
    past.assert_signs(&node, "older guard").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_power_cut_left_between_two_writes_is_finished() {
    let past = Past::make().await;
    // After the entries were written and before they were signed; after the guard and before the note.
    for (name, guard) in [("unsigned head", &past.old_note), ("unpublished note", &past.note)] {
        let dir = past.copy(Some(guard)).await;
        let mut database = sqlite(&dir.join("hefu.db")).await;
        let query =
            sqlx::query("UPDATE head SET note = $1, note_size = 3 WHERE origin = 1").bind(past.old_note.as_slice());
        assert_eq!(query.execute(&mut database).await.unwrap().rows_affected(), 1);
        drop(database);
        let node = open(&dir).await;
        past.assert_signs(&node, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_does_not_sign() {
    let past = Past::make().await;
    // Only the database is old.
    let node = open(&past.copy_of(&past.old, Some(&past.note)).await).await;
    past.assert_refuses(&node, &format!("the guard file has {} entries, the log has 3", past.size)).await;
    // Everything is old, and nobody has seen more: nothing that anybody relies on is forked.
    let all_old = past.copy_of(&past.old, Some(&past.old_note)).await;
    assert_eq!(open(&all_old).await.sequencer.signing(), Ok(()));
    // Everything is old, and a peer has seen more.
    pull_from(&past.world.cd.node, &past.world.kunming).await.unwrap();
    let node = open(&past.copy_of(&past.old, Some(&past.old_note)).await).await;
    past.assert_refuses(&node, &format!("a note that a peer has seen has {} entries, the log has 3", past.size)).await;
    // The newest data are brought back.
    let node = open(&past.copy(Some(&past.note)).await).await;
    past.assert_signs(&node, "brought back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_forked_does_not_sign() {
    let past = Past::make().await;
    // A backup was restored, went on with other drafts, and its guard comes back to the first folder.
    let forked = open(&past.copy_of(&past.old, Some(&past.old_note)).await).await;
    publish(&forked, &past.published).await.unwrap();
    let guard = std::fs::read(forked.folder.guard()).unwrap();
    let node = open(&past.copy(Some(&guard)).await).await;
    past.assert_refuses(&node, &format!("the guard file has another root at size {}", past.size)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_peer_can_stop_a_node_from_signing() {
    let past = Past::make().await;
    let foreign = past.world.cd.node.store.head(OWN).await.unwrap().note.unwrap();
    let larger = String::from_utf8(past.note.clone()).unwrap().replacen(&format!("\n{}\n", past.size), "\n9999\n", 1);
    let answers = [
        ("garbage", Answer::new(200, "garbage")),
        ("nothing", Answer::new(200, "")),
        ("its own note", Answer::new(200, foreign)),
        ("a note that we never signed", Answer::new(200, larger)),
        ("an error", Answer::new(500, "")),
        ("zeros without end", Answer { endless: true, ..Answer::new(200, "") }),
    ];
    for (name, answer) in answers {
        past.world.liar.lie(move |path, truth| if path.starts_with("/v1/seen/") { answer.clone() } else { truth });
        let node = open(&past.copy(Some(&past.note)).await).await;
        past.assert_signs(&node, name).await;
        assert!(past.world.liar.asked().iter().any(|path| path.starts_with("/v1/seen/")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guard_a_peer_or_a_person_decides() {
    let past = Past::make().await;
    let dir = past.copy(None).await;
    // Both peers have seen notes of this log.
    pull_from(&past.world.cd.node, &past.world.kunming).await.unwrap();
    let node = open(&dir).await;
    past.assert_signs(&node, "a peer answers").await;

    let alone = past.copy(None).await;
    let Past { world, .. } = &past;
    world.liar.lie(|_, _| Answer::new(500, ""));
    let chongqing =
        sqlx::query("UPDATE origin SET ca_pem = NULL WHERE origin = $1").bind(world.chongqing.city.origin.as_str());
    let mut database = sqlite(&alone.join("hefu.db")).await;
    assert_eq!(chongqing.execute(&mut database).await.unwrap().rows_affected(), 1);
    drop(database);
    let node = open(&alone).await;
    let why = node.sequencer.signing().expect_err("nobody answers");
    assert!(why.contains("the guard file is missing and no peer answers"), "{why}");
    assert!(!alone.join("guard").exists());
    drop(node);
    hefu_tests::until("the lock is free", async || hefu_node::folder::Folder::new(&alone).lock().is_ok()).await;
    let node = Node::open(&alone, true).await.unwrap();
    past.assert_signs(&node, "a person confirms").await;
}

/// The entries are durable, and no room or right is left for the guard: nobody gets a receipt before the note is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_cannot_be_written_is_written_by_the_next_command() {
    let past = Past::make().await;
    let dir = past.copy(Some(&past.note)).await;
    let node = open(&dir).await;
    // Where the new guard is written first.
    std::fs::create_dir(dir.join("guard.new")).unwrap();
    for _ in 0..2 {
        let problem = publish(&node, &past.new).await.expect_err("no guard, no receipt");
        assert_eq!(problem.code, Code::NotSigning, "{problem}");
        let head = node.store.head(OWN).await.unwrap();
        assert_eq!((head.size, head.published(), head.note), (23, past.size, Some(past.note.clone())));
        assert_eq!(std::fs::read(dir.join("guard")).unwrap(), past.note, "the old guard is whole");
    }
    std::fs::remove_dir(dir.join("guard.new")).unwrap();
    let receipts = publish(&node, &past.new).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(), (13..23).collect::<Vec<_>>());
    let head = node.store.head(OWN).await.unwrap();
    assert_eq!((head.size, head.published()), (23, 23));
    assert_eq!(Some(std::fs::read(dir.join("guard")).unwrap()), head.note);
    assert_clean(&node, "written later").await;
}
