//! A real node in this process: folder, keys, database, sequencer, both doors.

use crate::certificate::certificates;
use crate::wait::until;
use actix_web::dev::ServerHandle;
use hefu_node::Node;
use hefu_node::clock::Clock;
use hefu_node::config::{Config, Tls};
use hefu_node::node::{Init, init};
use hefu_node::problem::{Code, Outcome, Problem};
use hefu_node::publish::{CHUNK, Options, Staging, Submission};
use hefu_node::pull::Report;
use hefu_node::sequencer::MAX_SUBMISSION;
use hefu_node::store::postgres::cluster::keep_port;
use hefu_node::store::{DraftRow, OWN, OriginRow, Store};
use hefu_node::synthetic::City;
use hefu_schemas::id::{Digest, Origin};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How often something is tried again of which a starting program may still hold a copy: the lock of a folder, a listener.
const LOCK_TRIES: u32 = 50;
/// Time between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// A node of one of the known cities in a temporary folder, with both doors open.
#[derive(Debug)]
pub struct TestNode {
    /// Its city, with origin and offices.
    pub city: City,
    /// Its public URL.
    pub url: String,
    /// What people compare.
    pub fingerprint: Digest,
    dir: PathBuf,
    /// Keeps the port for this node while it does not listen: bound, never listening.
    _port: TcpSocket,
    address: SocketAddr,
    running: Option<Running>,
    base: TempDir,
    kept_on_failure: bool,
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if self.kept_on_failure && std::thread::panicking() {
            self.base.disable_cleanup(true);
            eprintln!("kept: {}", self.dir.display());
        }
    }
}

struct Running {
    node: Arc<Node>,
    doors: Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({})", self.node.origin)
    }
}

/// A port of loopback that nobody else is given, with the socket that keeps it.
///
/// # Panics
/// When there is no free port.
pub fn reserve() -> (TcpSocket, SocketAddr) {
    keep_port().expect("a free port of loopback")
}

/// Listens at a kept address. Other tests of this process start programs: between fork and exec such a child holds a copy of a listener
/// that was closed here, briefly.
///
/// # Errors
/// Somebody else listens there.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    for _ in 0..LOCK_TRIES {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => std::thread::sleep(LOCK_PAUSE),
            bound => return bound,
        }
    }
    TcpListener::bind(address)
}

impl TestNode {
    /// Makes, opens and serves a node of a known city, e.g. `530100`.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn new(code: &str) -> Self {
        let mut node = Self::init(code).await;
        node.open().await;
        node
    }

    /// Makes a node that is not opened yet.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn init(code: &str) -> Self {
        Self::init_with(code, |_| ()).await
    }

    /// Makes a node with changed settings.
    ///
    /// # Panics
    /// When anything fails.
    pub async fn init_with(code: &str, change: impl FnOnce(&mut Config)) -> Self {
        let base = tempfile::Builder::new().prefix("hefu-test-").tempdir().expect("a temporary folder");
        let (port, address) = reserve();
        let dir = base.path().join("node");
        let (chain, key) = (base.path().join("tls.pem"), base.path().join("tls-key.pem"));
        let made = certificates();
        std::fs::write(&chain, &made.chain).expect("a certificate file");
        hefu_node::folder::write_new(&key, made.key.as_bytes()).expect("a key file");
        let mut config = Config {
            url: format!("https://localhost:{}", address.port()),
            listen: address,
            local: None,
            city: code.to_owned(),
            name: BTreeMap::from([("zh".to_owned(), "测试".to_owned()), ("en".to_owned(), "Test".to_owned())]),
            time_zone: "Asia/Shanghai".to_owned(),
            database: hefu_node::config::DatabaseSetting::default(),
            pull_interval_s: 60,
            allow_private_addresses: true,
            tls: Tls { certificate: Some(chain), key: Some(key), behind_gateway: false },
        };
        change(&mut config);
        let url = config.url.clone();
        let origin = Origin::from_url(&url).expect("an origin");
        let city = City::known(code, origin).expect("an authority").expect("a known city");
        let recovery = base.path().join("recovery.pem");
        let fingerprint = init(&dir, &Init { config, recovery_out: &recovery }).await.expect("init");
        let fingerprint = Digest(fingerprint.0);
        Self { city, url, fingerprint, dir, _port: port, address, running: None, base, kept_on_failure: false }
    }

    /// The running node.
    ///
    /// # Panics
    /// When it is closed.
    pub fn node(&self) -> &Arc<Node> {
        &self.running.as_ref().expect("the node is open").node
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.running.is_some()
    }

    /// Keeps the folder when the test fails, for people to look at.
    pub fn keep_on_failure(&mut self) {
        self.kept_on_failure = true;
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its address on loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its clock, which can be moved.
    ///
    /// # Panics
    /// When it is closed.
    pub fn clock(&self) -> &Clock {
        &self.node().clock
    }

    /// Opens the node and both doors.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(&mut self) {
        self.try_open(false).await.expect("the node opens");
    }

    /// Opens the node and both doors; `confirm_guard` as of `hefu serve --confirm-guard`.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub async fn try_open(&mut self, confirm_guard: bool) -> Outcome<()> {
        self.try_open_with(confirm_guard, |store| store).await
    }

    /// The same with something around the store.
    ///
    /// # Errors
    /// As [`Node::open_with`].
    pub async fn try_open_with(
        &mut self,
        confirm_guard: bool,
        around: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Outcome<()> {
        // Other tests of this process start programs: between fork and exec such a child holds a copy of our lock, briefly.
        let mut tries = 0;
        let node = loop {
            match Node::open_with(&self.dir, confirm_guard, &around).await {
                Err(problem) if problem.code == Code::Locked && tries < LOCK_TRIES => tries += 1,
                opened => break opened?,
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        };
        self.running = Some(Running { node, doors: Vec::new() });
        self.serve()
    }

    /// Opens both doors of an open node.
    ///
    /// # Errors
    /// A door cannot be opened.
    pub fn serve(&mut self) -> Outcome<()> {
        let listener = listen(self.address).map_err(|error| Problem::new(Code::Configuration, error))?;
        self.serve_on(listener)
    }

    /// Opens both doors, the public one on another listener: whoever stands at the node's address decides what gets through.
    ///
    /// # Errors
    /// A door cannot be opened.
    pub fn serve_on(&mut self, listener: TcpListener) -> Outcome<()> {
        let Some(running) = &mut self.running else { return Err(Problem::new(Code::Internal, "not open")) };
        listener.set_nonblocking(true).map_err(|error| Problem::new(Code::Configuration, error))?;
        for door in [hefu_node::http::public(&running.node, listener)?, hefu_node::http::control(&running.node)?] {
            running.doors.push((door.handle(), tokio::spawn(door)));
        }
        Ok(())
    }

    /// Closes both doors at once: for its peers the node is gone; in this process it stays open.
    ///
    /// # Panics
    /// When a door failed.
    pub async fn stop_serving(&mut self) {
        let doors = self.running.as_mut().map(|running| std::mem::take(&mut running.doors)).unwrap_or_default();
        for (handle, task) in doors {
            handle.stop(false).await;
            task.await.expect("the door's task").expect("the door");
        }
    }

    /// Ends the node as a process would end; waits until lock and lease are given back.
    ///
    /// # Panics
    /// When somebody else holds the node.
    pub async fn close(&mut self) {
        self.stop_serving().await;
        let Some(Running { node, .. }) = self.running.take() else { return };
        let (store, clock, gone) = (node.store.clone(), node.clock.clone(), Arc::downgrade(&node));
        drop(node);
        until("the node is dropped", async || gone.strong_count() == 0).await;
        until("its lease is given back", async || {
            matches!(store.lease("sequencer", "test", clock.now_ms(), 1000).await, Ok(Some(_)))
        })
        .await;
        // A connection to a server that one of the doors' threads opened ends with that thread, maybe just now.
        until("the lease is given back", async || store.release("sequencer", "test").await.is_ok()).await;
        drop(store);
        self.let_go().await;
    }

    /// Ends the node as a killed process would: whether its lease is given back does not matter.
    ///
    /// # Panics
    /// When somebody else holds the node.
    pub async fn abandon(&mut self) {
        self.stop_serving().await;
        let Some(Running { node, .. }) = self.running.take() else { return };
        let gone = Arc::downgrade(&node);
        drop(node);
        until("the node is dropped", async || gone.strong_count() == 0).await;
        self.let_go().await;
    }

    async fn let_go(&self) {
        // Connections close behind the pool's back: only when the last one has does the folder stand still.
        until("the folder is let go", async || !self.is_held()).await;
    }

    /// Whether this process has a file of the folder open.
    fn is_held(&self) -> bool {
        let held = std::fs::read_dir("/proc/self/fd").expect("the open files of this process");
        held.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path.starts_with(&self.dir))
    }

    /// Closes and opens.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn restart(&mut self) {
        self.close().await;
        self.open().await;
    }

    /// Number of entries of the own log.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn size(&self) -> u64 {
        self.node().store.head(OWN).await.expect("a head").size
    }

    /// Number of entries held of a peer's log.
    ///
    /// # Panics
    /// When the peer is not followed.
    pub async fn size_of(&self, peer: &Self) -> u64 {
        let row = self.row(peer).await;
        self.node().store.head(row.no).await.expect("a head").size
    }

    /// The row of a peer.
    ///
    /// # Panics
    /// When it is not followed.
    pub async fn row(&self, peer: &Self) -> OriginRow {
        let rows = self.node().peers().await.expect("peers");
        rows.into_iter().find(|row| row.origin == peer.city.origin).expect("a followed peer")
    }

    /// Follows a peer, as `hefu peer add` does.
    ///
    /// # Errors
    /// As [`hefu_node::propose::add_peer`].
    pub async fn follow(&self, peer: &Self) -> Outcome<OriginRow> {
        hefu_node::propose::add_peer(self.node(), &peer.url, &peer.fingerprint, Some(&certificates().ca)).await
    }

    /// Pulls one peer.
    ///
    /// # Errors
    /// As [`hefu_node::pull::pull`].
    pub async fn pull(&self, peer: &Self) -> Outcome<Report> {
        hefu_node::pull::pull(self.node(), &self.row(peer).await).await
    }

    /// Publishes drafts by default options.
    ///
    /// # Errors
    /// As of publishing.
    pub async fn publish(&self, drafts: &[Value]) -> Outcome<Vec<DraftRow>> {
        self.publish_with(drafts, Options::default()).await
    }

    /// Publishes drafts.
    ///
    /// # Errors
    /// As of publishing.
    pub async fn publish_with(&self, drafts: &[Value], options: Options) -> Outcome<Vec<DraftRow>> {
        let lines = drafts.iter().map(|draft| draft.to_string().into_bytes()).collect();
        self.publish_lines(lines, options).await
    }

    /// Publishes lines as they are.
    ///
    /// # Errors
    /// As of publishing.
    pub async fn publish_lines(&self, lines: Vec<Vec<u8>>, options: Options) -> Outcome<Vec<DraftRow>> {
        publish_lines(self.node(), lines, options).await
    }

    /// Evaluates all rules on what has come, and lists the open findings as (rule, record ids).
    ///
    /// # Panics
    /// When the store fails.
    pub async fn findings(&self) -> Vec<(String, Vec<String>)> {
        hefu_node::reconcile::run(self.node()).await.expect("reconciled");
        let found = self.node().store.findings(None, None, 10_000, 0).await.expect("findings");
        let records = |finding: &hefu_federation::reconcile::finding::Finding| {
            finding.evidence.iter().filter_map(|evidence| Some(evidence.record?.to_string())).collect()
        };
        found.iter().map(|(_, _, finding)| (finding.rule.code().to_owned(), records(finding))).collect()
    }
}

/// Publishes lines on an open node.
///
/// # Errors
/// As of publishing.
pub async fn publish_lines(node: &Arc<Node>, lines: Vec<Vec<u8>>, options: Options) -> Outcome<Vec<DraftRow>> {
    append(stage(node, lines, options).await?).await
}

/// A submission that is wholly valid and waits to be appended.
///
/// # Errors
/// As of publishing.
pub async fn stage(node: &Arc<Node>, lines: Vec<Vec<u8>>, options: Options) -> Outcome<Submission> {
    let mut staging = Staging::begin(node, options)?;
    for chunk in lines.chunks(CHUNK) {
        staging.push(chunk.to_vec()).await?;
    }
    staging.finish().await
}

/// Appends it.
///
/// # Errors
/// As of publishing.
pub async fn append(submission: Submission) -> Outcome<Vec<DraftRow>> {
    let (sender, mut batches) = tokio::sync::mpsc::channel(submission.drafts / MAX_SUBMISSION + 2);
    let drafts = submission.drafts;
    submission.append(sender).await?;
    let mut receipts = Vec::with_capacity(drafts);
    while let Some(batch) = batches.recv().await {
        receipts.extend(batch);
    }
    Ok(receipts)
}

/// Makes the folder of a further server of a node's city: its settings and keys, and nothing else.
///
/// # Panics
/// When a file cannot be copied.
pub fn join_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    std::fs::copy(from.join("hefu.toml"), to.join("hefu.toml")).expect("its settings");
    copy_folder(&from.join("keys"), &to.join("keys"));
}

/// Copies a closed node's folder, or makes one as it was.
///
/// # Panics
/// When a file cannot be copied.
pub fn copy_folder(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).expect("the old folder is removed");
    }
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("its type");
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}
