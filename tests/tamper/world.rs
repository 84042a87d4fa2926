//! Three cities in this process: Kunming, whose honesty is under test, Chengdu, which stands behind a gateway that can lie
//! about it, and Chongqing, which stays honest.

use super::liar::Liar;
use hefu_federation::pull::PayloadState;
use hefu_node::config::{Config, Tls};
use hefu_node::problem::Code;
use hefu_node::publish::{CHUNK, Options, Staging};
use hefu_node::registry::Known;
use hefu_node::store::{DraftRow, OWN, OriginNo, OriginRow, PayloadRow};
use hefu_node::synthetic::{Cited, City, Part, Population, agreement_terms};
use hefu_node::{Node, fsck, http, node, propose, pull};
use hefu_schemas::id::{Digest, Origin};
use hefu_schemas::identifier::Identifier;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

/// Time zone of the agreement.
const TIME_ZONE: &str = "Asia/Shanghai";
/// Seed of the made-up population.
const SEED: u64 = 7;
/// Rounds of pulling in which an agreement comes into force.
const ROUNDS: usize = 6;

/// A certificate for `localhost` that is its own root, shared by all servers of the tests.
pub(crate) fn certificate() -> &'static (String, String) {
    static MADE: OnceLock<(String, String)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    })
}

/// A node's folder and what others must know of it. The listeners stay open here, so that no port is lost between two runs.
pub(crate) struct Town {
    pub(crate) city: City,
    pub(crate) dir: PathBuf,
    pub(crate) url: String,
    pub(crate) fingerprint: Digest,
    pub(crate) listener: TcpListener,
}

impl Town {
    /// Makes a node for a listener; with a gateway in front the node itself listens in plain HTTP on another one.
    pub(crate) async fn make(base: &Path, code: &str, gateway: Option<&TcpListener>) -> Self {
        std::fs::create_dir_all(base).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = gateway.unwrap_or(&listener).local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let city = City::known(code, Origin::from_url(&url).unwrap()).unwrap().unwrap();
        let (chain, key) = (base.join(format!("{code}-tls.pem")), base.join(format!("{code}-tls-key.pem")));
        std::fs::write(&chain, &certificate().0).unwrap();
        std::fs::write(&key, &certificate().1).unwrap();
        let tls = match gateway {
            Some(_) => Tls { certificate: None, key: None, behind_gateway: true },
            None => Tls { certificate: Some(chain), key: Some(key), behind_gateway: false },
        };
        let config = Config {
            local: None,
            url: url.clone(),
            listen: listener.local_addr().unwrap(),
            city: code.to_owned(),
            name: BTreeMap::from([("zh".to_owned(), city.name.zh.clone())]),
            time_zone: TIME_ZONE.to_owned(),
            database: hefu_node::config::DatabaseSetting::default(),
            // Nothing is pulled behind the test's back.
            pull_interval_s: 86_400,
            allow_private_addresses: true,
            tls,
        };
        let dir = base.join(code);
        let recovery = base.join(format!("{code}-recovery.pem"));
        let fingerprint = node::init(&dir, &node::Init { config, recovery_out: &recovery }).await.unwrap();
        Self { city, dir, url, fingerprint: Digest(fingerprint.0), listener }
    }

    /// Opens and serves the node.
    pub(crate) async fn run(&self) -> Running {
        serve(open(&self.dir).await, &self.listener)
    }

    /// Copies the folder while the node runs: the database as of one moment, keys, settings, guard.
    pub(crate) async fn copy(&self, to: &Path) {
        copy_folder(&self.dir, to).await;
    }
}

/// Copies a node's folder, which may be in use.
pub(crate) async fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("keys")).unwrap();
    for path in [from.to_owned(), from.join("keys")] {
        for file in std::fs::read_dir(path).unwrap() {
            let file = file.unwrap().path();
            let relative = file.strip_prefix(from).unwrap();
            let name = relative.to_string_lossy();
            if file.is_file() && !name.starts_with("hefu.db") && name != "lock" {
                std::fs::copy(&file, to.join(relative)).unwrap();
            }
        }
    }
    let copy = to.join("hefu.db");
    let mut source = sqlite(&from.join("hefu.db")).await;
    sqlx::query("VACUUM INTO $1").bind(copy.to_string_lossy().into_owned()).execute(&mut source).await.unwrap();
    let mut copied = sqlite(&copy).await;
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut copied).await.unwrap();
    for conn in [source, copied] {
        sqlx::Connection::close(conn).await.unwrap();
    }
}

/// A connection of our own to a node's database.
pub(crate) async fn sqlite(path: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    options.connect().await.unwrap()
}

/// Opens a node; one that has just stopped may hold the lock for a moment longer.
pub(crate) async fn open(dir: &Path) -> Arc<Node> {
    let mut last = None;
    for _ in 0..500 {
        match Node::open(dir, false).await {
            Ok(node) => return node,
            Err(problem) if problem.code == Code::Locked => last = Some(problem),
            Err(problem) => panic!("{problem}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{last:?}")
}

/// A node that is served.
pub(crate) struct Running {
    pub(crate) node: Arc<Node>,
    pub(crate) port: u16,
    handle: actix_web::dev::ServerHandle,
}

/// Serves a node's public door on a listener.
pub(crate) fn serve(node: Arc<Node>, listener: &TcpListener) -> Running {
    let port = listener.local_addr().unwrap().port();
    let listener = listener.try_clone().unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = http::public(&node, listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    Running { node, port, handle }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.handle.stop(false).await;
    }

    /// Adds another town as a peer.
    pub(crate) async fn follow(&self, town: &Town) -> OriginRow {
        propose::add_peer(&self.node, &town.url, &town.fingerprint, Some(&certificate().0)).await.unwrap()
    }
}

/// The row of a peer.
pub(crate) async fn peer(node: &Node, town: &Town) -> OriginRow {
    let rows = node.peers().await.unwrap();
    rows.into_iter().find(|row| row.origin == town.city.origin).unwrap()
}

/// Pulls a peer; what goes wrong is said in one sentence.
pub(crate) async fn pull_from(node: &Arc<Node>, town: &Town) -> hefu_node::problem::Outcome<pull::Report> {
    let pulled = pull::pull(node, &peer(node, town).await).await;
    pulled.inspect_err(super::assert_one_sentence)
}

/// The one agreement of a node.
pub(crate) fn agreement(node: &Node) -> Arc<Known> {
    node.registry.snapshot().first().unwrap().clone()
}

/// Nothing that is stored is damaged or unproved.
pub(crate) async fn assert_clean(node: &Arc<Node>, name: &str) {
    for report in fsck::run(node).await.unwrap() {
        assert_eq!(report.complaint_count, 0, "{name}: {}: {:?}", report.origin, report.complaints);
    }
}

/// The rows of the agreement from an origin.
pub(crate) async fn rows(node: &Node, origin: OriginNo) -> Vec<PayloadRow> {
    let size = node.store.head(origin).await.unwrap().size;
    node.store.rows(origin, agreement(node).no, 0, size, 100_000).await.unwrap()
}

/// Number of rows by state, leaving out what there is none of.
pub(crate) async fn states(node: &Node, origin: OriginNo) -> BTreeMap<PayloadState, u64> {
    node.store.state_counts(origin, agreement(node).no).await.unwrap().into_iter().collect()
}

/// Publishes drafts in order.
pub(crate) async fn publish(node: &Arc<Node>, drafts: &[String]) -> hefu_node::problem::Outcome<Vec<DraftRow>> {
    let mut staging = Staging::begin(node, Options::default())?;
    for chunk in drafts.chunks(CHUNK) {
        staging.push(chunk.iter().map(|line| line.clone().into_bytes()).collect()).await?;
    }
    let submission = staging.finish().await?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let appending = tokio::spawn(submission.append(sender));
    let mut receipts = Vec::new();
    while let Some(rows) = receiver.recv().await {
        receipts.extend(rows);
    }
    appending.await.unwrap()?;
    Ok(receipts)
}

/// The drafts of a city, its references made by a node that has the agreement's linkage.
pub(crate) fn drafts(node: &Node, population: &Population, city: usize) -> Vec<String> {
    let known = agreement(node);
    let linkage = known.linkage.as_ref().unwrap();
    let reference = |line: String| {
        let person: Value = serde_json::from_str(&line).unwrap();
        let identifier =
            Identifier::normalise(person["scheme"].as_str().unwrap(), person["id"].as_str().unwrap()).unwrap();
        linkage.subject_reference(&identifier)
    };
    let references = population.identifiers(city, Part::Main).map(reference);
    let cited = Cited { id: known.document.id, version: 1 };
    population.drafts(city, Part::Main, cited, references).map(|line| line.unwrap()).collect()
}

/// The three cities.
pub(crate) struct World {
    /// Removed at the end.
    base: TempDir,
    pub(crate) kunming: Town,
    pub(crate) chengdu: Town,
    pub(crate) chongqing: Town,
    /// Unless it was closed, to run elsewhere.
    pub(crate) km: Option<Running>,
    pub(crate) cd: Running,
    pub(crate) cq: Running,
    pub(crate) liar: Liar,
    copies: std::sync::atomic::AtomicUsize,
}

impl World {
    /// Three nodes that follow each other and have agreed on nothing yet.
    pub(crate) async fn strangers() -> Self {
        let base = tempfile::Builder::new().prefix("hefu-tests-").tempdir().unwrap();
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let kunming = Town::make(base.path(), "530100", None).await;
        let chengdu = Town::make(base.path(), "510100", Some(&gateway)).await;
        let chongqing = Town::make(base.path(), "500000", None).await;
        let (km, cd, cq) = (kunming.run().await, chengdu.run().await, chongqing.run().await);
        let liar = Liar::start(gateway, cd.port);
        for (running, others) in
            [(&km, [&chengdu, &chongqing]), (&cd, [&kunming, &chongqing]), (&cq, [&kunming, &chengdu])]
        {
            for town in others {
                running.follow(town).await;
            }
        }
        Self { base, kunming, chengdu, chongqing, km: Some(km), cd, cq, liar, copies: 0.into() }
    }

    /// Three nodes under one agreement, proposed by Chengdu, with nothing published yet.
    pub(crate) async fn agreed() -> Self {
        let world = Self::strangers().await;
        world.propose().await;
        world.settle().await;
        world
    }

    /// Chengdu proposes and signs.
    pub(crate) async fn propose(&self) -> Arc<Known> {
        let today = self.cd.node.clock.today(TIME_ZONE);
        let draft = agreement_terms(&self.cities(), today);
        propose::propose(&self.cd.node, draft).await.unwrap()
    }

    /// The others sign, and all pull until the agreement is in force everywhere.
    pub(crate) async fn settle(&self) {
        let id = agreement(&self.cd.node).document.id;
        for running in [self.km.as_ref().unwrap(), &self.cq] {
            self.pull_all(running).await;
            propose::sign(&running.node, id).await.unwrap();
        }
        let today = self.cd.node.clock.today(TIME_ZONE);
        let all = [&self.cd, self.km.as_ref().unwrap(), &self.cq];
        for _ in 0..ROUNDS {
            for running in all {
                self.pull_all(running).await;
            }
            let in_force = |running: &&Running| agreement(&running.node).state(today).code() == "in-force";
            if all.iter().all(in_force) {
                return;
            }
        }
        panic!("the agreement did not come into force");
    }

    /// Pulls all peers of one.
    pub(crate) async fn pull_all(&self, running: &Running) {
        for row in running.node.peers().await.unwrap() {
            pull::pull(&running.node, &row).await.unwrap();
        }
    }

    pub(crate) fn cities(&self) -> Vec<City> {
        [&self.kunming, &self.chengdu, &self.chongqing].map(|town| town.city.clone()).to_vec()
    }

    /// A population of so many records a city.
    pub(crate) fn population(&self, records: u64) -> Population {
        let today = self.cd.node.clock.today(TIME_ZONE);
        Population::new(SEED, today, self.cities(), records).unwrap()
    }

    /// Chengdu publishes so many drafts, and Chongqing the same number.
    pub(crate) async fn publish(&self, records: u64) -> (Vec<DraftRow>, Vec<DraftRow>) {
        let population = self.population(records);
        let count = usize::try_from(records).unwrap();
        let mut receipts = Vec::new();
        for (running, city) in [(&self.cd, 1), (&self.cq, 2)] {
            let drafts = drafts(&running.node, &population, city);
            receipts.push(publish(&running.node, &drafts[..count.min(drafts.len())]).await.unwrap());
        }
        let chongqing = receipts.pop().unwrap();
        (receipts.pop().unwrap(), chongqing)
    }

    /// Ends Kunming in this process, so that its folder and its listener are free for another one.
    pub(crate) async fn close_kunming(&mut self) {
        self.km.take().unwrap().stop().await;
        let folder = hefu_node::folder::Folder::new(&self.kunming.dir);
        hefu_tests::until("the lock of the closed node is free", async || folder.lock().is_ok()).await;
    }

    /// A new folder below the test's own.
    pub(crate) fn folder(&self) -> PathBuf {
        let number = self.copies.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.base.path().join(format!("copy-{number}"))
    }

    /// A copy of Kunming as it stands now, opened. Each case lies to a copy of its own.
    pub(crate) async fn copy_of_kunming(&self) -> Arc<Node> {
        let dir = self.folder();
        self.kunming.copy(&dir).await;
        open(&dir).await
    }

    /// What must hold after every lie: all that is stored is proved, the node signs and serves, and it pulls all from an honest peer.
    pub(crate) async fn assert_unharmed(&self, node: &Arc<Node>, name: &str) {
        assert_clean(node, name).await;
        assert_eq!(node.sequencer.signing(), Ok(()), "{name}");
        let row = peer(node, &self.chongqing).await;
        pull::pull(node, &row).await.unwrap_or_else(|problem| panic!("{name}: the honest peer: {problem}"));
        let published = self.cq.node.store.head(OWN).await.unwrap().size;
        assert_eq!(node.store.head(row.no).await.unwrap().size, published, "{name}");
        if node.registry.snapshot().first().is_some_and(|known| known.linkage.is_some()) {
            assert!(states(node, row.no).await.keys().all(|state| *state == PayloadState::Held), "{name}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let serving = serve(node.clone(), &listener);
        let (status, note) = read(serving.port, "checkpoint").await;
        assert_eq!((status, Some(note)), (200, node.store.head(OWN).await.unwrap().note), "{name}");
        assert_eq!(read(serving.port, "health/ready").await.0, 200, "{name}");
        serving.stop().await;
    }
}

/// Reads a public resource of a server of ours: status and body.
pub(crate) async fn read(port: u16, path: &str) -> (u16, Vec<u8>) {
    let answer = client().get(format!("https://localhost:{port}/{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

/// A client that trusts the certificate of the tests.
pub(crate) fn client() -> reqwest::Client {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(certificate().0.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(60)).build().unwrap()
}
