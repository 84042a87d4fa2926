//! A store that fails when a test says so: at a call that is given by method and number it does nothing and reports a failure,
//! or does what was asked and reports a failure all the same. From then on the store goes on, or fails at every call as it
//! does for a process that ended there.

use async_trait::async_trait;
use hefu_federation::append::{Head, Plan};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::Finding;
use hefu_federation::reconcile::key::Key;
use hefu_federation::tree::Hash;
use hefu_node::store::records::{Correction, Listing, RecordStore};
use hefu_node::store::{
    ActRow, AgreementNo, AgreementStore, Bounds, BucketKey, BucketRow, DirtyRow, DocumentRow, DraftRow, Early,
    EvaluatedKey, Found, GuardStore, LeaseRow, LeaseStore, LogStore, OriginNo, OriginRow, OwnRecord, PayloadRow,
    PayloadStore, ReconcileStore, Search, Store, StoreError, StoreResult, StoredHead, TokenRow, TokenStore,
};
use hefu_schemas::id::{AgreementId, Did, Digest, Origin, RecordId};
use jiff::civil::Date;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a failing call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nothing; it reports a failure.
    Failed,
    /// What was asked; it reports a failure.
    Persisted,
}

/// What comes after the failing call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum After {
    /// The store works again.
    GoesOn,
    /// Every later call fails, until [`Faults::revive`].
    Dies,
}

/// A call that is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failpoint {
    /// Name of the method.
    pub method: &'static str,
    /// Which of its calls since [`Faults::begin`], from 1.
    pub nth: u64,
    /// What it does.
    pub fault: Fault,
    /// What comes then.
    pub after: After,
}

/// A call that is to wait.
#[derive(Debug)]
struct Waiting {
    method: &'static str,
    nth: u64,
    reached: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

/// A call that waits, as seen by whoever holds it.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call has come; `false` when it will not.
    pub async fn reached(&mut self) -> bool {
        (&mut self.reached).await.is_ok()
    }

    /// Lets it go on.
    pub fn go(self) {
        let _ = self.go.send(());
    }
}

#[derive(Debug, Default)]
struct State {
    counting: bool,
    counts: BTreeMap<&'static str, u64>,
    armed: Option<Failpoint>,
    held: Option<Waiting>,
    struck: bool,
    dead: bool,
    /// Where the last signed note of the own log stands.
    guard: PathBuf,
    notes: BTreeSet<Vec<u8>>,
}

/// Decides which calls fail; shared by a test and the stores that it wraps.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// For a node's folder: its guard file is read at every call, so that no signed note is missed.
    pub fn of(dir: &Path) -> Self {
        Self(Arc::new(Mutex::new(State { guard: dir.join("guard"), ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts itself around a store.
    pub fn around(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(FaultyStore { inner, faults: self.clone() })
    }

    /// Counts calls from now on, and lets one fail.
    pub fn begin(&self, failpoint: Option<Failpoint>) {
        let mut state = self.state();
        state.counting = true;
        state.struck = false;
        state.counts.clear();
        state.armed = failpoint;
    }

    /// Counts calls from now on, and holds one of them, by method and number (from 1), before it does anything.
    pub fn hold(&self, method: &'static str, nth: u64) -> Held {
        self.begin(None);
        let ((reached, is_reached), (go, may_go)) = (oneshot::channel(), oneshot::channel());
        self.state().held = Some(Waiting { method, nth, reached, go: may_go });
        Held { reached: is_reached, go }
    }

    /// What a call waits for, if it is the one that is held.
    fn waiting(&self, method: &'static str) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        let count = state.counts.get(method).copied().unwrap_or(0);
        let waiting = state.held.take_if(|held| held.method == method && held.nth == count)?;
        waiting.reached.send(()).is_ok().then_some(waiting.go)
    }

    /// Ends counting; the calls since the beginning by method, and whether the failing one was among them.
    pub fn end(&self) -> (BTreeMap<&'static str, u64>, bool) {
        let mut state = self.state();
        state.look();
        state.counting = false;
        (state.armed, state.held) = (None, None);
        (std::mem::take(&mut state.counts), state.struck)
    }

    /// After a failpoint that [`After::Dies`]: the next process has a store that works.
    pub fn revive(&self) {
        self.state().dead = false;
    }

    /// Whether the store has died.
    pub fn dead(&self) -> bool {
        self.state().dead
    }

    /// All notes of the own log that were signed so far.
    pub fn notes(&self) -> BTreeSet<Vec<u8>> {
        let mut state = self.state();
        state.look();
        state.notes.clone()
    }

    fn strike(&self, method: &'static str) -> Option<Fault> {
        let mut state = self.state();
        state.look();
        if state.dead {
            return Some(Fault::Failed);
        }
        if !state.counting {
            return None;
        }
        let count = state.counts.entry(method).or_default();
        *count += 1;
        let nth = *count;
        let armed = state.armed.filter(|armed| armed.method == method && armed.nth == nth)?;
        state.struck = true;
        state.dead = armed.after == After::Dies;
        Some(armed.fault)
    }
}

impl State {
    fn look(&mut self) {
        if let Ok(note) = std::fs::read(&self.guard)
            && !note.is_empty()
        {
            self.notes.insert(note);
        }
    }
}

/// Text of the failures.
pub const FAILURE: &str = "made to fail";

/// A store around another one.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Faults,
}

impl FaultyStore {
    async fn call<T>(&self, method: &'static str, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let struck = self.faults.strike(method);
        if let Some(go) = self.faults.waiting(method) {
            let _ = go.await;
        }
        match struck {
            None => return call.await,
            Some(Fault::Failed) => {}
            Some(Fault::Persisted) => drop(call.await?),
        }
        Err(StoreError::Database(sqlx::Error::Io(std::io::Error::other(FAILURE))))
    }
}

/// One method of a store's traits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name: no two traits have the same.
    pub name: &'static str,
    /// Whether it changes what is stored.
    pub writes: bool,
}

macro_rules! writes {
    (read) => {
        false
    };
    (write) => {
        true
    };
}

macro_rules! delegate {
    ($(impl $trait:ident { $($mode:ident $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* })*) => {
        $(
            #[async_trait]
            impl $trait for FaultyStore {
                $(async fn $name(&self, $($arg: $type),*) -> StoreResult<$out> {
                    self.call(stringify!($name), self.inner.$name($($arg),*)).await
                })*
            }
        )*

        /// All methods.
        pub const METHODS: &[Method] =
            &[$($(Method { name: stringify!($name), writes: writes!($mode) },)*)*];
    };
}

delegate! {
    impl LogStore {
        write add_origin(origin: &Origin, did: &Did, fingerprint: &Hash, ca_pem: Option<&str>) -> OriginNo;
        read origins() -> Vec<OriginRow>;
        write set_stopped(origin: OriginNo, why: Option<&str>) -> ();
        write set_reached(origin: OriginNo, at_ms: i64) -> ();
        read head(origin: OriginNo) -> StoredHead;
        read edge(origin: OriginNo) -> Head;
        write append_own(fence: i64, plan: &Plan, records: &[OwnRecord], acts: &[ActRow]) -> ();
        write append_replica(origin: OriginNo, plan: &Plan, acts: &[ActRow]) -> ();
        write set_note(origin: OriginNo, size: u64, note: &[u8]) -> ();
        read tile(origin: OriginNo, level: u8, index: u64) -> Option<Vec<u8>>;
        read bundle(origin: OriginNo, index: u64) -> Option<(u16, Vec<u8>)>;
        write note_signed(origin: OriginNo, entries: &[(u64, Vec<u8>)]) -> ();
        read signed(origin: OriginNo) -> Vec<(u64, Vec<u8>)>;
        read acts(digest: &Digest, origin: OriginNo, most: usize) -> Vec<ActRow>;
    }
    impl PayloadStore {
        read labelled_until(origin: OriginNo, agreement: AgreementNo) -> u64;
        write add_wanted(origin: OriginNo, agreement: AgreementNo, rows: &[(u64, i64, Option<u64>)], until: u64) -> ();
        read wanted(origin: OriginNo, agreement: AgreementNo, from: u64, until: u64, retry: bool, limit: usize) -> Vec<u64>;
        write absorb(origin: OriginNo, rows: &[(PayloadRow, Vec<Key>)], early: &[Early]) -> Vec<u64>;
        read rows(origin: OriginNo, agreement: AgreementNo, from: u64, until: u64, limit: usize) -> Vec<PayloadRow>;
        read row(origin: OriginNo, index: u64) -> Option<PayloadRow>;
        read search(search: Search<'_>, limit: usize) -> Found;
        read index_of(origin: OriginNo, id: RecordId) -> Option<u64>;
        read indexes_of(origin: OriginNo, ids: &[RecordId]) -> Vec<Option<u64>>;
        read drafts(draft_ids: &[&str]) -> Vec<Option<DraftRow>>;
        read state_counts(origin: OriginNo, agreement: AgreementNo) -> Vec<(PayloadState, u64)>;
        write states_digest(origin: OriginNo, agreement: AgreementNo, size: u64) -> Digest;
    }
    impl AgreementStore {
        write add_document(id: AgreementId, version: u32, digest: &Digest, bytes: &[u8], now_ms: i64) -> AgreementNo;
        read documents() -> Vec<DocumentRow>;
        write add_proof(digest: &Digest, party: &Origin, proof: &[u8]) -> ();
        read proofs(digest: &Digest) -> Vec<(Origin, Vec<u8>)>;
        write add_linkage(agreement: AgreementNo, epoch: u32, secret: &[u8; 64]) -> ();
        read linkages(agreement: AgreementNo) -> Vec<(u32, zeroize::Zeroizing<[u8; 64]>)>;
        write add_sealed(agreement: AgreementNo, epoch: u32, to: &Did, sealed: &[u8]) -> ();
        read sealed(agreement: AgreementNo, epoch: u32, to: &Did) -> Option<Vec<u8>>;
    }
    impl ReconcileStore {
        read dirty(agreement: AgreementNo, limit: usize) -> Vec<DirtyRow>;
        read dirty_count() -> u64;
        read facts(agreement: AgreementNo, keys: &[Key], dirty: &[DirtyRow], bounds: Option<&Bounds>) -> Vec<(usize, OriginNo, PayloadRow)>;
        read cited(agreement: AgreementNo, keys: &[Key]) -> Vec<(usize, OriginNo, PayloadRow)>;
        read concerned(agreement: AgreementNo, origin: OriginNo, rows: &[(PayloadRow, Vec<Key>)]) -> Vec<Key>;
        write commit_evaluations(agreement: AgreementNo, as_of: Date, dirty: &[DirtyRow], evaluated: &[EvaluatedKey], now_ms: i64) -> ();
        read due(agreement: AgreementNo, by: Date, limit: usize) -> Vec<Key>;
        read bucket_keys(agreement: AgreementNo, bucket: u16) -> Vec<BucketKey>;
        read bucket_findings(agreement: AgreementNo, bucket: u16) -> Vec<(Key, Finding)>;
        read stale_buckets(agreement: AgreementNo) -> Vec<u16>;
        write store_buckets(agreement: AgreementNo, rows: &[BucketRow]) -> ();
        read buckets(agreement: AgreementNo) -> Vec<BucketRow>;
        write queue(agreement: AgreementNo, origin: OriginNo, keys: &[(u64, Key)]) -> ();
        write observe(origin: OriginNo, finding: &Finding, now_ms: i64) -> ();
        write settle(origin: OriginNo) -> ();
        read findings(agreement: Option<AgreementNo>, rule: Option<&str>, limit: usize, offset: usize) -> Vec<(AgreementNo, Key, Finding)>;
        read findings_with_id(id: &Digest) -> Vec<(AgreementNo, Key, Finding)>;
        read finding_counts() -> Vec<(AgreementNo, String, String, u64)>;
        write add_tally(agreement: AgreementNo, as_of: Date, party: OriginNo, statement: &[u8], now_ms: i64) -> ();
        read tallies(agreement: AgreementNo, limit: usize) -> Vec<(Date, OriginNo, Vec<u8>)>;
    }
    impl GuardStore {
        write lease(name: &str, holder: &str, now_ms: i64, ttl_ms: i64) -> Option<i64>;
        write release(name: &str, holder: &str) -> ();
        write use_nonce(key_id: &str, nonce: &[u8; 16], expires_s: i64, now_s: i64) -> bool;
        read seen_note(origin_hash: &str) -> Option<Vec<u8>>;
        write add_seen_note(origin_hash: &str, size: u64, note: &[u8]) -> ();
        write audit(at_ms: i64, action: &str, reason: &str, detail: &Value) -> ();
        read audits(limit: usize) -> Vec<(i64, String, String, Value)>;
        read check() -> Vec<String>;
        read quick_check() -> Vec<String>;
    }
    impl LeaseStore {
        read leases(beginning: &str) -> Vec<LeaseRow>;
        write want(name: &str, who: &str, now_ms: i64, ttl_ms: i64) -> ();
        read registry_version() -> u64;
    }
    impl TokenStore {
        write add_token(hash: &[u8; 32], row: &TokenRow) -> i64;
        read token(hash: &[u8; 32]) -> Option<([u8; 32], TokenRow)>;
        read tokens() -> Vec<TokenRow>;
        write revoke_token(no: i64, at_ms: i64) -> bool;
        write use_token(no: i64, at_ms: i64) -> ();
    }
    impl RecordStore {
        read listing(which: &Listing, limit: usize, offset: usize) -> Vec<PayloadRow>;
        read corrections_of(origin: OriginNo, of: Range<u64>) -> Vec<Correction>;
    }
}
