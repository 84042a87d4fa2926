//! Leases, nonces, seen notes, the audit.

use hefu_node::store::Store;
use serde_json::json;

pub(super) async fn a_lease_has_one_holder_who_renews_it(store: &dyn Store) {
    let lease = |holder, now| store.lease("x", holder, now, 100);
    let fence = lease("one", 0).await.unwrap().unwrap();
    assert_eq!(lease("two", 50).await.unwrap(), None);
    assert_eq!(lease("one", 60).await.unwrap(), Some(fence));
    assert_eq!(lease("two", 159).await.unwrap(), None, "it was renewed at 60");
    // Renewed late, but by nobody else in between.
    assert_eq!(lease("one", 500).await.unwrap(), Some(fence));
    assert!(store.lease("y", "two", 0, 100).await.unwrap().is_some(), "another name is another lease");
}

pub(super) async fn a_lease_is_taken_over_only_when_it_has_run_out(store: &dyn Store) {
    let lease = |holder, now| store.lease("x", holder, now, 100);
    let first = lease("one", 0).await.unwrap().unwrap();
    assert_eq!(lease("two", 99).await.unwrap(), None);
    let second = lease("two", 100).await.unwrap().unwrap();
    assert!(second > first, "the fence grows with each new holder");
    assert_eq!(lease("one", 150).await.unwrap(), None);
    assert!(lease("one", 200).await.unwrap().unwrap() > second);
}

pub(super) async fn a_lease_given_back_is_free_and_its_fence_grows(store: &dyn Store) {
    let lease = |holder, now| store.lease("x", holder, now, 100);
    let first = lease("one", 0).await.unwrap().unwrap();
    store.release("x", "two").await.unwrap();
    assert_eq!(lease("two", 1).await.unwrap(), None, "only the holder gives it back");
    store.release("x", "one").await.unwrap();
    let second = lease("two", 1).await.unwrap().unwrap();
    assert!(second > first);
    store.release("x", "two").await.unwrap();
    assert!(lease("two", 2).await.unwrap().unwrap() > second, "to the same holder too");
}

pub(super) async fn a_nonce_is_used_once(store: &dyn Store) {
    let take = |key, nonce: u8, now| {
        let nonce = [nonce; 16];
        async move { store.use_nonce(key, &nonce, now + 300, now).await.unwrap() }
    };
    assert!(take("a", 1, 1_000).await);
    assert!(!take("a", 1, 1_000).await);
    assert!(take("a", 2, 1_000).await && take("b", 1, 1_000).await);
    assert!(!take("a", 1, 1_300).await, "it has not expired yet");
    assert!(take("a", 1, 1_601).await, "the request that it belonged to has");
}

pub(super) async fn of_two_requests_with_one_nonce_one_is_let_in(store: &dyn Store) {
    let (a, b) =
        tokio::join!(store.use_nonce("key", &[7; 16], 1_300, 1_000), store.use_nonce("key", &[7; 16], 1_300, 1_000));
    assert!(a.unwrap() != b.unwrap());
}

pub(super) async fn a_seen_note_only_grows(store: &dyn Store) {
    assert_eq!(store.seen_note("aa").await.unwrap(), None);
    store.add_seen_note("aa", 7, b"seven").await.unwrap();
    store.add_seen_note("aa", 6, b"six").await.unwrap();
    store.add_seen_note("aa", 7, b"another seven").await.unwrap();
    assert_eq!(store.seen_note("aa").await.unwrap().unwrap(), b"seven");
    store.add_seen_note("aa", 8, b"eight").await.unwrap();
    store.add_seen_note("bb", 1, b"one").await.unwrap();
    assert_eq!(store.seen_note("aa").await.unwrap().unwrap(), b"eight");
}

pub(super) async fn the_audit_comes_newest_first(store: &dyn Store) {
    for n in 1..=3 {
        store.audit(n, "publish-despite-findings", "checked by phone", &json!({ "index": n })).await.unwrap();
    }
    let audits = store.audits(2).await.unwrap();
    assert_eq!(audits.iter().map(|(at_ms, ..)| *at_ms).collect::<Vec<_>>(), [3, 2]);
    let (_, action, reason, detail) = &audits[0];
    assert_eq!((action.as_str(), reason.as_str()), ("publish-despite-findings", "checked by phone"));
    assert_eq!(detail, &json!({ "index": 3 }));
}

pub(super) async fn a_sound_database_has_no_complaints(store: &dyn Store) {
    super::fixture::two_origins(store).await;
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}
