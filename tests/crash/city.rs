//! A city as real processes: its server, the commands of its clerks, and what all of them have promised to anybody.

use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::key::PublicKey;
use hefu_federation::tile::{TILE_WIDTH, TilePath, split_bundle};
use hefu_federation::tree::{CompactRange, Hash, leaf_hash};
use hefu_node::clock::Stopwatch;
use hefu_node::folder::Folder;
use hefu_node::keys::Keys;
use hefu_schemas::id::{Digest, Origin};
use hefu_tests::http::client;
use hefu_tests::process::{Said, command, run};
use hefu_tests::{TestNode, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

/// Between two looks at the checkpoint.
const LOOK: Duration = Duration::from_millis(4);
/// Between two commands of one clerk.
const BREATH: Duration = Duration::from_millis(2);
/// Until the clerks let a server begin that finds the folder held, by one command after the other.
const IN_VAIN: Duration = Duration::from_secs(5);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One city.
pub(super) struct City {
    dir: PathBuf,
    url: String,
    address: SocketAddr,
    origin: Origin,
    key: PublicKey,
    agreement: String,
    /// Submissions, in publishing order, with their drafts' ids.
    parts: Vec<(PathBuf, Vec<String>)>,
    /// The next submission.
    next: AtomicUsize,
    /// Submissions that did not come to their end.
    broken: AtomicUsize,
    server: tokio::sync::Mutex<Option<Child>>,
    /// Process id of the command that publishes.
    publisher: Mutex<Option<u32>>,
    resting: AtomicBool,
    /// The clerks wait for the server.
    stepping_back: AtomicBool,
    /// Receipts that were printed, by draft.
    receipts: Mutex<BTreeMap<String, Value>>,
    /// Signed notes that anybody could see.
    notes: Mutex<BTreeSet<Vec<u8>>>,
}

impl City {
    /// Of a closed node and the drafts that it is to publish.
    pub(super) fn new(node: &TestNode, agreement: &str, lines: &[Vec<u8>], part: usize) -> Self {
        let dir = node.dir().to_owned();
        let folder = dir.with_file_name("drafts");
        std::fs::create_dir(&folder).unwrap();
        let file = |(number, lines): (usize, &[Vec<u8>])| {
            let path = folder.join(format!("{number:05}.ndjson"));
            std::fs::write(&path, lines.join(&b'\n')).unwrap();
            let id =
                |line: &Vec<u8>| serde_json::from_slice::<Value>(line).unwrap()["draftId"].as_str().unwrap().to_owned();
            (path, lines.iter().map(id).collect())
        };
        Self {
            url: node.url.clone(),
            address: node.address(),
            origin: node.city.origin.clone(),
            key: Keys::load(&Folder::new(&dir)).unwrap().log.public(),
            agreement: agreement.to_owned(),
            parts: lines.chunks(part).enumerate().map(file).collect(),
            next: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            server: tokio::sync::Mutex::default(),
            publisher: Mutex::default(),
            resting: AtomicBool::new(false),
            stepping_back: AtomicBool::new(false),
            receipts: Mutex::default(),
            notes: Mutex::default(),
            dir,
        }
    }

    /// Starts the server unless it runs, and waits until it answers. A command that found no server may hold the folder for a
    /// moment: as a supervisor does, it is started again then.
    pub(super) async fn serve(&self) {
        let mut server = self.server.lock().await;
        if server.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none()) {
            return;
        }
        let log = self.dir.with_extension("log");
        let clock = Stopwatch::start();
        until("the server answers", async || {
            if let Some(child) = server.as_mut()
                && let Some(status) = child.try_wait().unwrap()
            {
                let said = std::fs::read_to_string(&log).unwrap();
                assert!(said.contains("error[locked]"), "serve ended with {status}: {said}");
                *server = None;
            }
            self.stepping_back.store(clock.seconds() > IN_VAIN.as_secs_f64(), Ordering::Relaxed);
            if server.is_none() {
                let mut serve = command(&self.dir, &["serve"]);
                serve.stdout(Stdio::null()).stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
                *server = Some(serve.spawn().unwrap());
            }
            tokio::net::TcpStream::connect(self.address).await.is_ok()
        })
        .await;
        self.stepping_back.store(false, Ordering::Relaxed);
    }

    /// Kills the server, if it runs.
    pub(super) async fn kill(&self) {
        if let Some(mut child) = self.server.lock().await.take() {
            child.kill().await.unwrap();
            let said = std::fs::read_to_string(self.dir.with_extension("log")).unwrap();
            assert!(!said.contains("panicked"), "{said}");
        }
    }

    /// Kills the command that publishes; whether there was one.
    pub(super) async fn kill_publisher(&self) -> bool {
        let Some(pid) = locked(&self.publisher).take() else { return false };
        // It may have ended and not been waited for yet: then the signal changes nothing.
        let kill = tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        kill.await.unwrap().success()
    }

    /// Ends the load after what is under way.
    pub(super) fn rest(&self) {
        self.resting.store(true, Ordering::Relaxed);
    }

    /// Process id of the server, which has not ended.
    pub(super) async fn process(&self) -> u32 {
        let mut server = self.server.lock().await;
        let child = server.as_mut().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "the server has ended");
        child.id().unwrap()
    }

    /// Submissions whose receipts have all come.
    pub(super) fn submitted(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// The URL of something that it serves.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    /// Runs a command on its folder.
    pub(super) async fn command(&self, args: &[&str]) -> Said {
        run(&self.dir, args).await
    }

    /// Publishes once more what was published first.
    pub(super) async fn publish_again(&self) -> Said {
        self.command(&["--json", "publish", &self.parts[0].0.display().to_string()]).await
    }

    /// Everything that goes on at once in a city: publishing, pulling and stating, and somebody who watches its checkpoint.
    pub(super) fn load(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        self.resting.store(false, Ordering::Relaxed);
        let (publishing, working, watching) = (self.clone(), self.clone(), self.clone());
        vec![
            tokio::spawn(async move {
                while !publishing.resting.load(Ordering::Relaxed) {
                    publishing.publish().await;
                    publishing.breathe().await;
                }
            }),
            tokio::spawn(async move {
                for args in
                    [&["pull"][..], &["reconcile"], &["tally", "show", "--agreement", &working.agreement.clone()]]
                        .iter()
                        .cycle()
                {
                    if working.resting.load(Ordering::Relaxed) {
                        return;
                    }
                    let said = run(&working.dir, args).await;
                    assert_refused_or_done(&said, args);
                    working.breathe().await;
                }
            }),
            tokio::spawn(async move {
                let client = client();
                while !watching.resting.load(Ordering::Relaxed) {
                    watching.look(&client).await;
                    tokio::time::sleep(LOOK).await;
                }
            }),
        ]
    }

    async fn breathe(&self) {
        tokio::time::sleep(BREATH).await;
        while self.stepping_back.load(Ordering::Relaxed) {
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Keeps the note that the city shows, and the one that it signed last.
    async fn look(&self, client: &reqwest::Client) {
        let mut seen = Vec::from_iter(std::fs::read(self.dir.join("guard")).ok());
        if let Ok(answer) = client.get(self.at("checkpoint")).send().await
            && answer.status().is_success()
            && let Ok(note) = answer.bytes().await
        {
            seen.push(note.to_vec());
        }
        locked(&self.notes).extend(seen);
    }

    /// Gives the next submission once; it stays the next one until all its receipts have come. When all are published, the
    /// first ones are published again.
    async fn publish(&self) {
        let (path, drafts) = &self.parts[self.next.load(Ordering::Relaxed) % self.parts.len()];
        let mut publishing = command(&self.dir, &["publish", &path.display().to_string()]);
        let mut publishing = publishing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        *locked(&self.publisher) = publishing.id();
        let mut lines = BufReader::new(publishing.stdout.take().unwrap()).lines();
        let mut given = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            given.extend(self.keep(&line));
        }
        let mut stderr = String::new();
        publishing.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        let code = publishing.wait().await.unwrap().code();
        locked(&self.publisher).take();
        assert_refused_or_done(&Said { code, stdout: String::new(), stderr }, &["publish"]);
        assert_eq!(given[..], drafts[..given.len()], "receipts come in the order of the drafts");
        if code == Some(0) {
            assert_eq!(given.len(), drafts.len(), "all have receipts");
            self.next.fetch_add(1, Ordering::Relaxed);
        } else {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps a receipt; a draft has one for ever. Its draft's id. A line that a kill cut off is none.
    fn keep(&self, line: &str) -> Option<String> {
        let receipt: Value = serde_json::from_str(line).ok()?;
        let draft = receipt["draftId"].as_str().unwrap().to_owned();
        let before = locked(&self.receipts).insert(draft.clone(), receipt.clone());
        assert!(before.is_none_or(|before| before == receipt), "{draft}: another receipt than before");
        Some(draft)
    }

    /// What was promised, and how often a publishing command was stopped.
    pub(super) fn figures(&self) -> String {
        let (receipts, notes) = (locked(&self.receipts).len(), locked(&self.notes).len());
        let broken = self.broken.load(Ordering::Relaxed);
        format!("{}: {receipts} receipts, {notes} signed notes seen, {broken} submissions broken off", self.origin)
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(super) async fn json(&self, args: &[&str]) -> Value {
        run(&self.dir, &[&["--json"], args].concat()).await.ended(0).json()
    }

    /// Its tally and how the other one's compares with it.
    pub(super) async fn tally(&self) -> Value {
        self.json(&["tally", "show", "--agreement", &self.agreement]).await
    }

    /// Everything that is stored is whole.
    pub(super) async fn fsck(&self) {
        for report in self.json(&["fsck"]).await.as_array().unwrap() {
            assert_eq!(report["complaintCount"], 0, "{}: {report:#}", self.dir.display());
        }
    }

    /// Reads the log as anybody could: every receipt that was given stands in it, and every note that was ever seen is of a
    /// prefix of it.
    pub(super) async fn assert_promises_hold(&self) {
        let client = client();
        self.look(&client).await;
        let note = self.fetch(&client, "checkpoint").await;
        let checkpoint = self.open(&note);
        let mut expected: BTreeMap<u64, BTreeSet<Hash>> = BTreeMap::new();
        for note in locked(&self.notes).iter() {
            let seen = self.open(note);
            expected.entry(seen.size).or_default().insert(seen.root);
        }
        expected.entry(checkpoint.size).or_default().insert(checkpoint.root);
        let (mut range, mut leaves) = (CompactRange::new(), Vec::new());
        for index in 0..checkpoint.size.div_ceil(TILE_WIDTH) {
            let width = u16::try_from(TILE_WIDTH.min(checkpoint.size - index * TILE_WIDTH)).unwrap();
            let bundle = self.fetch(&client, &TilePath::Entries { index, width }.to_string()).await;
            for data in split_bundle(&bundle, width).unwrap() {
                let leaf = leaf_hash(data);
                range.append(leaf);
                leaves.push(Digest(leaf.0).to_string());
                if let Some(roots) = expected.remove(&range.size()) {
                    assert_eq!(roots, BTreeSet::from([range.root()]), "signed notes of size {}", range.size());
                }
            }
        }
        assert!(expected.is_empty(), "notes larger than the log: {:?}", expected.keys());
        for (draft, receipt) in locked(&self.receipts).iter() {
            let (index, size) = (receipt["index"].as_u64().unwrap(), receipt["size"].as_u64().unwrap());
            assert!(index < size && size <= checkpoint.size, "{receipt}");
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert_eq!(receipt["leafHash"].as_str(), Some(leaf.as_str()), "{draft}");
        }
    }

    async fn fetch(&self, client: &reqwest::Client, path: &str) -> Vec<u8> {
        let answer = client.get(self.at(path)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().await.unwrap().to_vec()
    }

    fn open(&self, note: &[u8]) -> Checkpoint {
        Checkpoint::open(note, &self.origin, &self.key).unwrap()
    }
}

/// A command that ran while servers were killed: it did its work, was killed, or said that somebody is away.
fn assert_refused_or_done(said: &Said, args: &[&str]) {
    assert!(!said.stderr.contains("panicked"), "{args:?}: {said:#?}");
    let locked = said.code == Some(3) && said.stderr.contains("error[locked]");
    // A tally that does not fit (1) is one that could not be compared, in the middle of all this.
    assert!(matches!(said.code, None | Some(0 | 1 | 4)) || locked, "{args:?}: {said:#?}");
}
