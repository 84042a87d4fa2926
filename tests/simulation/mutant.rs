//! Planted faults: what the simulation must catch.
//!
//! Most are choices of the simulated shell or of its store. Where the check is inside `hefu-federation` and no seam reaches it, a
//! hook of that crate is switched on.

use crate::memory::Lax;
use hefu_federation::mutant as hook;

macro_rules! mutants {
    ($($name:ident = $code:literal, $breaks:literal;)*) => {
        /// A planted fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant { $(#[doc = $breaks] $name,)* }

        impl Mutant {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Its name on the command line.
            pub fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }
            /// What it breaks.
            pub fn breaks(self) -> &'static str { match self { $(Self::$name => $breaks,)* } }
            /// From its name.
            pub fn from_code(code: &str) -> Option<Self> { match code { $($code => Some(Self::$name),)* _ => None } }
        }
    };
}

mutants! {
    FenceIgnored = "fence-ignored", "an own append does not look at the lease's fence";
    SizeIgnored = "size-ignored", "an append does not compare the head's size";
    LeaseIgnored = "lease-ignored", "the lease is given to whoever asks";
    ReadBackSkipped = "read-back-skipped", "what was appended is not read back before it is signed";
    NoteBeforeGuard = "note-before-guard", "the note is published before the guard file is written";
    GuardUnsynced = "guard-unsynced", "the guard file is written without fsync";
    GuardUnread = "guard-unread", "a start does not compare the guard file with the log";
    PeersUnasked = "peers-unasked", "a start does not compare what peers have seen with the log";
    LabelSkipped = "label-skipped", "a start at which no peer answers is not labelled unguarded";
    StoreUnsynced = "store-unsynced", "a transaction is not on the disk when it is reported as committed";
    ReceiptBeforeNote = "receipt-before-note", "receipts are given before the note is published";
    UnpublishedForgotten = "unpublished-forgotten", "an append whose outcome is unknown is not published before its drafts get receipts";
    DraftsForgotten = "drafts-forgotten", "a draft that comes again is appended again under another id";
    SplitIgnored = "split-ignored", "a checkpoint that contradicts the entries held counts as an old one";
    SeenUnchecked = "seen-unchecked", "a checkpoint is not compared with a note that was seen behind the entries held";
    StaleAccepted = "stale-accepted", "a smaller checkpoint takes the place of the largest seen";
    WithheldDropped = "withheld-dropped", "what was withheld is not asked for again";
    LabelsSkipped = "labels-skipped", "the search for labels moves on over entries that it has not searched";
    FreshForgotten = "fresh-forgotten", "what new entries want and did not come is not kept as wanted when a round breaks off";
    FreshBegunLate = "fresh-begun-late", "what a round finds in new entries counts as all that was found, also where older ones were not searched";
    UnlinkedSearched = "unlinked-searched", "a log is searched for labels before the linkage is there that they are made with";
    QueueDropped = "queue-dropped", "keys of records that came are not queued";
    EarlyUnfiled = "early-unfiled", "a correction that came before what it corrects stays filed under its own keys alone";
    BucketsNotStale = "buckets-not-stale", "an evaluation leaves the cached digest of its bucket";
    OldSizeTallied = "old-size-tallied", "a tally is computed over fewer entries than it says";
    DisputeSkipped = "dispute-skipped", "a revocation does not bring the records that it disputes up again";
    NonceReused = "nonce-reused", "a request that comes again is answered again";
    IdTwice = "id-twice", "a record id may stand twice in a log";
    CommitmentUnchecked = "commitment-unchecked", "a record is not compared with the commitment in the log";
    SupersedesUnchecked = "supersedes-unchecked", "a correction may name another record than the one at `of`";
    ProofUnchecked = "proof-unchecked", "the signature under a record is not verified";
    KeyEndLate = "key-end-late", "a retired key is good for one record more";
    KeyBeginLate = "key-begin-late", "a new key is not good for its first record";
    NoteUnchecked = "note-unchecked", "the signature under a checkpoint is not verified";
    BundleUnchecked = "bundle-unchecked", "entries are not compared with the hashes of the log";
    TimeUnchecked = "time-unchecked", "entries may be older than the ones before";
    PageUnchecked = "page-unchecked", "the signature under a page of records is not verified";
}

impl Mutant {
    /// What the store leaves out.
    pub(super) fn lax(self) -> Lax {
        Lax {
            fence: self == Self::FenceIgnored,
            size: self == Self::SizeIgnored,
            lease: self == Self::LeaseIgnored,
            queue: self == Self::QueueDropped,
            nonce: self == Self::NonceReused,
            ids: self == Self::IdTwice,
            seen: self == Self::StaleAccepted,
            stale: self == Self::BucketsNotStale,
            held: false,
        }
    }

    /// The hook in `hefu-federation`.
    pub(super) fn hook(self) -> Option<hook::Mutant> {
        use hook::Mutant as Hook;
        match self {
            Self::CommitmentUnchecked => Some(Hook::Commitment),
            Self::SupersedesUnchecked => Some(Hook::Supersedes),
            Self::ProofUnchecked => Some(Hook::Proof),
            Self::KeyEndLate => Some(Hook::KeyEnd),
            Self::KeyBeginLate => Some(Hook::KeyBegin),
            Self::NoteUnchecked => Some(Hook::Note),
            Self::BundleUnchecked => Some(Hook::Bundle),
            Self::TimeUnchecked => Some(Hook::Time),
            Self::PageUnchecked => Some(Hook::Page),
            _ => None,
        }
    }
}
