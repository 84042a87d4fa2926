//! The node: its wired parts. Opening it takes the folder's lock, so there is one process for one folder.

use crate::client::{Client, Identity, Patience};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::database::Place;
use crate::folder::{Folder, replace};
use crate::group::{self, Member};
use crate::guard;
use crate::keys::{Keys, Recovery};
use crate::problem::{Code, Outcome, Problem};
use crate::registry::Registry;
use crate::ring::{Rings, ring_of};
use crate::sequencer::{self, Parts, Sequencer};
use crate::store::{Database, OWN, OriginNo, OriginRow, SEQUENCER, Store};
use crate::unfinished;
use hefu_federation::append::{self, Head};
use hefu_federation::entry::Body;
use hefu_federation::tree::Hash;
use hefu_federation::trust::KeyRing;
use hefu_schemas::id::{Did, Origin};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// A running node.
pub struct Node {
    /// Settings.
    pub config: Config,
    /// Folder.
    pub folder: Folder,
    /// Own origin.
    pub origin: Origin,
    /// Own DID.
    pub did: Did,
    /// Own keys.
    pub keys: Arc<Keys>,
    /// Own public keys by index.
    pub ring: KeyRing,
    /// Database.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<Clock>,
    /// Agreements.
    pub registry: Arc<Registry>,
    /// Which of the servers on its database it is.
    pub member: Member,
    /// Writer of the own log.
    pub sequencer: Sequencer,
    /// No peer could say what it has seen of our log when this process started.
    pub unguarded: bool,
    /// Rung when keys wait to be evaluated.
    pub reconcile_bell: Notify,
    /// Rung when a pull should not wait for its interval.
    pub pull_bell: Notify,
    /// Rung when peers are to be told of something new.
    pub hint_bell: Notify,
    /// Keys of origins, as they follow from their stored logs.
    pub rings: Rings,
    /// What was pulled since the start, for figures.
    pub pulled: PullTotals,
    /// How long peers are waited for (tests shorten it).
    pub patience: Mutex<Patience>,
    /// One reconciliation at a time.
    pub reconciling: Arc<tokio::sync::Mutex<()>>,
    /// One own act on agreements at a time: whoever appends one has read before that none stands. Pulls, the clock and people come to
    /// it at once.
    pub acting: tokio::sync::Mutex<()>,
    /// One pull of a peer at a time.
    pub pulling: Mutex<HashMap<OriginNo, Arc<tokio::sync::Mutex<()>>>>,
    identity: Arc<Identity>,
    /// Held as long as the node lives.
    _lock: File,
}

/// Records that were pulled and the time that the rounds which brought them took.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named by their units")]
pub struct PullTotals {
    pub records: AtomicU64,
    pub busy_ms: AtomicU64,
}

/// What `init` needs.
#[derive(Debug)]
pub struct Init<'a> {
    /// The settings to write.
    pub config: Config,
    /// Where the recovery key goes: outside the folder.
    pub recovery_out: &'a Path,
}

/// Makes folder, keys, database and the first entry; returns the fingerprint. Refuses to overwrite, but for what an earlier one
/// left unfinished.
///
/// # Errors
/// `already-initialised`; a file cannot be written.
pub async fn init(dir: &Path, init: &Init<'_>) -> Outcome<Hash> {
    init_with(dir, init, || Ok(())).await
}

/// The same, with what else the settings need: it is made before they are written.
///
/// # Errors
/// As [`init`].
pub async fn init_with(dir: &Path, init: &Init<'_>, make: impl FnOnce() -> Outcome<()>) -> Outcome<Hash> {
    let folder = Folder::new(dir);
    init.config.check()?;
    if unfinished::founded(&folder).is_some() {
        let _lock = folder.lock()?;
        clear_database(&folder, &init.config).await?;
    }
    prepare_folder(&folder, init.recovery_out)?;
    let _lock = folder.lock()?;
    let recovery = Recovery::new()?;
    unfinished::begin(&folder, &recovery)?;
    // A crash from here on leaves the marker, and the next `init` begins anew.
    let made = match found(&folder, init, &recovery).await {
        Ok(fingerprint) => make().and_then(|()| write_settings(&folder, &init.config)).map(|()| fingerprint),
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => unfinished::end(&folder),
        // A server that cannot be asked now is asked by the next `init`, which finds the marker.
        Err(_) if clear_database(&folder, &init.config).await.is_err() => {}
        Err(_) => unfinished::sweep(&folder, init.recovery_out)?,
    }
    made
}

/// Takes out of a server's database what an `init` on this folder that did not come to its end has put there. (An embedded one is a
/// file, swept away with the others.) The caller holds the lock.
async fn clear_database(folder: &Folder, config: &Config) -> Outcome<()> {
    if let Some(fingerprint) = unfinished::founded(folder)
        && let Place::Server(address) = place(config)?
    {
        Database::unfound(&address, &fingerprint).await?;
    }
    Ok(())
}

/// Keys, database, and the first entry of the log with its note.
async fn found(folder: &Folder, init: &Init<'_>, recovery: &Recovery) -> Outcome<Hash> {
    let (origin, did) = (init.config.origin()?, init.config.did()?);
    recovery.write(init.recovery_out)?;
    let keys = Arc::new(Keys::create(folder)?);
    let store: Arc<dyn Store> = Arc::new(create_database(&init.config, folder).await?);
    let clock = Arc::new(Clock::default());
    let genesis = Body::Genesis(Box::new(keys.genesis(&origin, &did, recovery.public())));
    let plan = append::plan(&Head::default(), vec![genesis], clock.now_s())
        .map_err(|error| Problem::new(Code::Configuration, format!("genesis: {error}")))?;
    let fingerprint =
        plan.entries.first().map(|entry| entry.leaf_hash).ok_or_else(|| Problem::new(Code::Internal, "empty plan"))?;
    unfinished::found(folder, recovery, &fingerprint)?;
    store.add_origin(&origin, &did, &fingerprint, None).await?;
    let holder = Member::new(&init.config, folder).holder;
    let fence = store
        .lease(SEQUENCER, &holder, clock.now_ms(), sequencer::LEASE_TTL_MS)
        .await?
        .ok_or_else(|| Problem::new(Code::NotSigning, "the lease is held"))?;
    store.append_own(fence, &plan, &[], &[]).await?;
    let parts = Parts { store: store.clone(), keys, origin, folder: folder.clone(), clock, holder: holder.clone() };
    sequencer::publish_note(&parts, &plan.head).await?;
    store.release(SEQUENCER, &holder).await?;
    Ok(fingerprint)
}

/// The settings come last, whole: a folder without them is not initialised.
fn write_settings(folder: &Folder, config: &Config) -> Outcome<()> {
    let text = toml::to_string_pretty(config).map_err(|error| Problem::new(Code::Internal, error))?;
    replace(&folder.path().join(crate::config::FILE_NAME), text.as_bytes())
        .map_err(|error| Problem::new(Code::Configuration, error))
}

fn prepare_folder(folder: &Folder, recovery_out: &Path) -> Outcome<()> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = folder.path();
    let refuse = |error: std::io::Error| Problem::new(Code::Configuration, format!("{}: {error}", dir.display()));
    unfinished::clear(folder, recovery_out)?;
    // An empty `keys` is what a refused `init` may leave: nothing is lost by going on from there.
    let has_keys = std::fs::read_dir(dir.join("keys")).is_ok_and(|mut files| files.next().is_some());
    if dir.join(crate::config::FILE_NAME).exists() || has_keys {
        return Err(Problem::new(Code::AlreadyInitialised, format!("{} holds a node", dir.display())));
    }
    if recovery_out.exists() {
        return Err(Problem::new(
            Code::AlreadyInitialised,
            format!("the file {} exists already; give another --recovery-out", recovery_out.display()),
        ));
    }
    if real(recovery_out).map_err(refuse)?.starts_with(real(dir).map_err(refuse)?) {
        return Err(Problem::new(
            Code::Configuration,
            "--recovery-out: the recovery key belongs outside the node's folder",
        ));
    }
    for path in [dir.to_owned(), dir.join("keys")] {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refuse)?;
    }
    Ok(())
}

/// Where a path that may not exist yet really leads: links and `..` are followed as far as there is something to follow.
fn real(path: &Path) -> std::io::Result<std::path::PathBuf> {
    let absolute = std::path::absolute(path)?;
    let existing = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    Ok(match existing {
        Some((above, real)) => real.join(absolute.strip_prefix(above).unwrap_or(&absolute)),
        None => absolute,
    })
}

pub(crate) fn place(config: &Config) -> Outcome<Place> {
    config.database.place().map_err(|why| Problem::new(Code::Configuration, format!("database: {why}")))
}

async fn create_database(config: &Config, folder: &Folder) -> Outcome<Database> {
    Ok(match place(config)? {
        Place::Embedded => Database::create(&folder.database()).await?,
        Place::Server(address) => Database::found(&address).await?,
    })
}

/// Opens the database of a node.
///
/// # Errors
/// It is not there, not a node's, or cannot be reached.
pub async fn open_database(config: &Config, folder: &Folder) -> Outcome<Database> {
    Ok(match place(config)? {
        Place::Embedded => Database::open(&folder.database()).await?,
        Place::Server(address) => Database::connect(&address).await?,
    })
}

/// Clients for the peers; one whose certificate no longer reads is left out.
async fn reachable(store: &dyn Store, identity: &Arc<Identity>, config: &Config) -> Outcome<Vec<Client>> {
    let client = |row: &OriginRow| {
        Client::new(identity.clone(), &row.origin, row.ca_pem.as_deref(), config.allow_private_addresses).ok()
    };
    Ok(followed(store).await?.iter().filter_map(client).collect())
}

async fn followed(store: &dyn Store) -> Outcome<Vec<OriginRow>> {
    let mut rows = store.origins().await?;
    rows.retain(|row| row.no != OWN);
    Ok(rows)
}

impl Node {
    /// Opens a node: lock, settings, keys, database, guard, sequencer. `confirm_guard` lets it sign although its guard file is
    /// missing and no peer answers.
    ///
    /// # Errors
    /// Not initialised, locked, or something does not read.
    pub async fn open(dir: &Path, confirm_guard: bool) -> Outcome<Arc<Self>> {
        Self::open_with(dir, confirm_guard, |store| store).await
    }

    /// The same with something around the store: tests put one there that fails when they want it to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        dir: &Path,
        confirm_guard: bool,
        around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Outcome<Arc<Self>> {
        let folder = Folder::new(dir);
        let config = Config::load(dir)?;
        let lock = folder.lock()?;
        unfinished::end(&folder);
        // A move that was interrupted behind its turning point is brought to its end.
        let config = crate::moving::settle(&folder, config, &|_| Ok(())).await?.config;
        let keys = Arc::new(Keys::load(&folder)?);
        let database = open_database(&config, &folder).await?;
        database.expect_writable().await?;
        let store = around(Arc::new(database));
        let clock = Arc::new(Clock::default());
        let (origin, did) = (config.origin()?, config.did()?);
        let ring = own_ring(store.as_ref(), &origin, &keys).await?;
        let identity = Arc::new(Identity { did: did.clone(), keys: keys.clone(), clock: clock.clone() });
        let member = Member::new(&config, &folder);
        group::succeed(store.as_ref(), &member, &lock).await?;
        let parts = Parts {
            store: store.clone(),
            keys: keys.clone(),
            origin: origin.clone(),
            folder: folder.clone(),
            clock: clock.clone(),
            holder: member.holder.clone(),
        };
        let peers = reachable(store.as_ref(), &identity, &config).await?;
        let verdict = guard::check(&parts, &ring, &peers, confirm_guard, member.shared).await?;
        let registry = Arc::new(Registry::default());
        registry.reload(store.as_ref()).await?;
        Ok(Arc::new(Self {
            sequencer: if member.shared {
                sequencer::start_beside_others(parts, registry.clone(), ring.clone(), verdict.signing)
            } else {
                sequencer::start(parts, registry.clone(), verdict.signing)
            },
            member,
            config,
            folder,
            origin,
            did,
            keys,
            ring,
            store,
            clock,
            registry,
            unguarded: verdict.unguarded,
            reconcile_bell: Notify::new(),
            pull_bell: Notify::new(),
            hint_bell: Notify::new(),
            rings: Rings::default(),
            pulled: PullTotals::default(),
            patience: Mutex::default(),
            reconciling: Arc::default(),
            acting: tokio::sync::Mutex::new(()),
            pulling: Mutex::new(HashMap::new()),
            identity,
            _lock: lock,
        }))
    }

    /// Ends the writer: what waits is appended, the lease is given back.
    pub async fn stop(&self) {
        group::leave(self).await;
        self.sequencer.stop().await;
    }

    /// A client for an origin.
    ///
    /// # Errors
    /// Its certificates do not read.
    pub fn client(&self, origin: &Origin, ca_pem: Option<&str>) -> Outcome<Client> {
        let patience = *self.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Client::with_patience(self.identity.clone(), origin, ca_pem, self.config.allow_private_addresses, patience)
    }

    /// A client for what a peer has to compute before it answers.
    ///
    /// # Errors
    /// Its certificates do not read.
    pub fn patient_client(&self, row: &OriginRow) -> Outcome<Client> {
        let allow_private = self.config.allow_private_addresses;
        Client::patient(self.identity.clone(), &row.origin, row.ca_pem.as_deref(), allow_private)
    }

    /// The peers that we follow.
    ///
    /// # Errors
    /// The store fails.
    pub async fn peers(&self) -> Outcome<Vec<OriginRow>> {
        followed(self.store.as_ref()).await
    }

    /// The lock under which a peer is pulled.
    pub fn pull_lock(&self, peer: OriginNo) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.pulling.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        locks.entry(peer).or_default().clone()
    }
}

async fn own_ring(store: &dyn Store, origin: &Origin, keys: &Keys) -> Outcome<KeyRing> {
    let own = store.origins().await?.into_iter().find(|row| row.no == OWN);
    let own = own.ok_or_else(|| Problem::new(Code::Damaged, "the database has no own origin"))?;
    if own.origin != *origin {
        return Err(Problem::new(
            Code::Configuration,
            format!("url: this folder's log has the origin {}, which never changes", own.origin),
        ));
    }
    let ring = ring_of(store, &own).await?;
    let mine = keys.log.public().multikey();
    if ring.valid_at(hefu_federation::key::Role::Log, &mine, 0).is_none() {
        return Err(Problem::new(Code::Configuration, "keys/log.pem: not a key of this log"));
    }
    Ok(ring)
}
