//! A database that reports a failure although it wrote: no receipt may be given before a note covers the entry.

use hefu_federation::append::{Head, plan};
use hefu_federation::entry::Audience;
use hefu_federation::tile::split_bundle;
use hefu_federation::tree::leaf_hash;
use hefu_federation::trust::KeyRing;
use hefu_node::clock::Clock;
use hefu_node::folder::Folder;
use hefu_node::guard;
use hefu_node::keys::{Keys, Recovery};
use hefu_node::problem::Code;
use hefu_node::sequencer::{InOrder, MAX_SUBMISSION, Parts, Sealed, publish_note, start};
use hefu_node::store::{AgreementNo, GuardStore, LogStore, OWN, Payload, SEQUENCER, StoreError, StoreResult};
use hefu_schemas::id::{Did, Digest, Origin, RecordId};
use hefu_schemas::record::Kind;
use hefu_simulation::memory::{Faults, Memory, Model};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The next append is written, and reported as failed.
#[derive(Default)]
struct FailedButWritten(AtomicBool);

/// The same, and a bit of a full bundle is another one on the disk.
struct Flipped(FailedButWritten);

impl Faults for Flipped {
    fn before(&self, _: &'static str, _: bool, _: &mut Model) -> StoreResult<()> {
        Ok(())
    }
    fn after(&self, call: &'static str, model: &mut Model) -> StoreResult<()> {
        let lost = self.0.after(call, model);
        if lost.is_err() {
            let (_, bytes) = model.logs.get_mut(&OWN).unwrap().bundles.get_mut(&1).unwrap();
            Arc::make_mut(bytes)[100] ^= 1;
        }
        lost
    }
}

impl Faults for FailedButWritten {
    fn before(&self, _: &'static str, _: bool, _: &mut Model) -> StoreResult<()> {
        Ok(())
    }
    fn after(&self, call: &'static str, _: &mut Model) -> StoreResult<()> {
        let fails = call == "append_own" && self.0.swap(false, Ordering::SeqCst);
        if fails { Err(StoreError::Database(sqlx::Error::PoolTimedOut)) } else { Ok(()) }
    }
}

/// A log with its genesis, and what its writer works with.
async fn founded(dir: &TempDir, memory: &Memory, holder: &str) -> Parts {
    let folder = Folder::new(&dir.path().join("node"));
    std::fs::create_dir_all(folder.path().join("keys")).unwrap();
    let (origin, did) = (Origin::parse("kunming.example").unwrap(), Did::parse("did:web:kunming.example").unwrap());
    let keys = Arc::new(Keys::create(&folder).unwrap());
    let genesis = keys.genesis(&origin, &did, Recovery::new().unwrap().public());
    let plan =
        plan(&Head::default(), vec![hefu_federation::entry::Body::Genesis(Box::new(genesis))], 1_780_000_000).unwrap();
    memory.add_origin(&origin, &did, &plan.entries[0].leaf_hash, None).await.unwrap();
    let fence = memory.lease(SEQUENCER, "init", 0, 15_000).await.unwrap().unwrap();
    memory.append_own(fence, &plan, &[], &[]).await.unwrap();
    memory.release(SEQUENCER, "init").await.unwrap();
    let store = Arc::new(memory.clone());
    let parts = Parts { store, keys, origin, folder, clock: Arc::new(Clock::default()), holder: holder.to_owned() };
    publish_note(&parts, &plan.head).await.unwrap();
    parts
}

fn sealed() -> Sealed {
    numbered(1)
}

fn numbered(number: usize) -> Sealed {
    Sealed {
        draft_id: format!("draft-{number}"),
        content: Digest::of(b"content"),
        id: RecordId::parse(&format!("urn:uuid:01990a5d-ac96-774b-bcce-{number:012x}")).unwrap(),
        kind: Kind::StudentStatus,
        agreement: AgreementNo(3),
        audience: Audience::Holder,
        commitment: [7; 32],
        payload: Payload { salt: [7; 32], codec: 1, body: Vec::new() },
        corrects: None,
        keys: Vec::new(),
    }
}

/// The writer looks at the lease when it starts, and then not again for seconds: what a test sees in between is its own doing.
async fn has_lease(memory: &Memory) {
    while memory.content().fence(SEQUENCER).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn published(memory: &Memory) -> u64 {
    memory.head(OWN).await.unwrap().published()
}

#[tokio::test]
async fn drafts_of_an_append_of_unknown_outcome_get_receipts_only_under_a_note() {
    let (dir, faults) = (TempDir::new().unwrap(), Arc::new(FailedButWritten::default()));
    let memory = Memory::with_faults(faults.clone());
    let sequencer = start(founded(&dir, &memory, "one").await, Arc::default(), Ok(()));
    has_lease(&memory).await;
    faults.0.store(true, Ordering::SeqCst);
    assert!(sequencer.append(vec![sealed()]).await.is_err());
    assert_eq!((memory.head(OWN).await.unwrap().size, published(&memory).await), (2, 1), "written, not published");
    let receipts = sequencer.append(vec![sealed()]).await.unwrap();
    assert_eq!((receipts[0].index, receipts[0].size), (1, 2));
    assert_eq!(published(&memory).await, 2);
    sequencer.stop().await;
}

#[tokio::test]
async fn whoever_takes_the_lease_publishes_what_the_holder_before_left() {
    let (dir, faults) = (TempDir::new().unwrap(), Arc::new(FailedButWritten::default()));
    let memory = Memory::with_faults(faults.clone());
    let parts = founded(&dir, &memory, "one").await;
    let second = Parts { holder: "two".to_owned(), ..copy(&parts) };
    let one = start(parts, Arc::default(), Ok(()));
    has_lease(&memory).await;
    faults.0.store(true, Ordering::SeqCst);
    assert!(one.append(vec![sealed()]).await.is_err());
    one.stop().await;
    assert_eq!(published(&memory).await, 1, "the first one stopped before its note");
    let two = start(second, Arc::default(), Ok(()));
    assert_eq!(two.append(vec![sealed()]).await.unwrap()[0].size, 2);
    assert_eq!(published(&memory).await, 2);
    two.stop().await;
}

#[tokio::test]
async fn behind_a_part_that_failed_no_part_of_a_submission_is_appended() {
    let (dir, faults) = (TempDir::new().unwrap(), Arc::new(FailedButWritten::default()));
    let memory = Memory::with_faults(faults.clone());
    let sequencer = start(founded(&dir, &memory, "one").await, Arc::default(), Ok(()));
    has_lease(&memory).await;
    faults.0.store(true, Ordering::SeqCst);
    // Two parts make one group; the third one waits behind it.
    let part = |first: usize, len: usize| (first..first + len).map(numbered).collect::<Vec<_>>();
    let parts = [part(0, MAX_SUBMISSION), part(MAX_SUBMISSION, MAX_SUBMISSION), part(2 * MAX_SUBMISSION, 1)];
    let (in_order, mut answers) = (InOrder::default(), Vec::new());
    for part in parts {
        answers.push(sequencer.append_part(part, &in_order).await.unwrap());
    }
    for answer in answers {
        assert!(answer.wait().await.is_err());
    }
    let group = u64::try_from(2 * MAX_SUBMISSION).unwrap();
    assert_eq!(memory.head(OWN).await.unwrap().size, 1 + group, "genesis and the group whose answer was lost");
    // Another submission is not concerned.
    assert_eq!(sequencer.append(vec![numbered(9_999)]).await.unwrap()[0].index, 1 + group);
    sequencer.stop().await;
}

#[tokio::test]
async fn what_the_disk_does_not_give_back_is_not_signed_after_an_append_of_unknown_outcome_either() {
    let (dir, faults) = (TempDir::new().unwrap(), Arc::new(Flipped(FailedButWritten::default())));
    let memory = Memory::with_faults(faults.clone());
    let parts = founded(&dir, &memory, "one").await;
    let again = copy(&parts);
    let sequencer = start(parts, Arc::default(), Ok(()));
    has_lease(&memory).await;
    faults.0.0.store(true, Ordering::SeqCst);
    assert!(sequencer.append((0..MAX_SUBMISSION).map(numbered).collect()).await.is_err());
    let refused = sequencer.append(vec![numbered(9_999)]).await.unwrap_err();
    assert_eq!(refused.code, Code::NotSigning, "{refused}");
    assert!(sequencer.signing().unwrap_err().contains("entry_bundle 1 after writing"));
    sequencer.stop().await;
    // Nor by the next process.
    let data = memory.bundle(OWN, 0).await.unwrap().unwrap().1;
    let first = split_bundle(&data, 256).unwrap()[0].to_vec();
    let ring = KeyRing::found(&first, &again.origin, &leaf_hash(&first)).unwrap();
    let verdict = guard::check(&again, &ring, &[], false, false).await.unwrap();
    assert!(verdict.signing.unwrap_err().contains("entry_bundle 1 after writing"));
    assert_eq!(published(&memory).await, 1);
}

#[tokio::test]
async fn whoever_stops_it_beside_a_submission_finds_it_stopped_and_the_submission_answered() {
    let dir = TempDir::new().unwrap();
    let memory = Memory::new();
    let sequencer = start(founded(&dir, &memory, "one").await, Arc::default(), Ok(()));
    has_lease(&memory).await;
    let part = sequencer.append_part(vec![sealed()], &InOrder::default()).await.unwrap();
    sequencer.stop().await;
    assert_eq!(part.wait().await.unwrap()[0].index, 1);
    assert_eq!(published(&memory).await, 2);
    assert_eq!(memory.content().fence(SEQUENCER), None, "the lease is given back");
    let late = sequencer.append(vec![numbered(2)]).await.unwrap_err();
    assert_eq!(late.code, Code::Unavailable, "{late}");
}

fn copy(parts: &Parts) -> Parts {
    Parts {
        store: parts.store.clone(),
        keys: parts.keys.clone(),
        origin: parts.origin.clone(),
        folder: parts.folder.clone(),
        clock: parts.clock.clone(),
        holder: parts.holder.clone(),
    }
}
