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

pub(super) async fn a_lease_that_is_wanted_goes_to_who_wants_it(store: &dyn Store) {
    let lease = |holder, now| store.lease("x", holder, now, 100);
    store.want("x", "two", 0, 100).await.unwrap();
    assert_eq!(store.leases("x").await.unwrap(), [], "nobody ever took it");
    let first = lease("one", 7).await.unwrap().unwrap();
    store.want("x", "one", 7, 100).await.unwrap();
    store.want("x", "two", 10, 50).await.unwrap();
    store.want("x", "three", 20, 500).await.unwrap();
    let rows = store.leases("x").await.unwrap();
    let row = &rows[0];
    assert_eq!((row.name.as_str(), row.holder.as_deref(), row.fence, row.since_ms), ("x", Some("one"), first, 7));
    assert_eq!((row.wanted_by.as_deref(), row.wanted_until_ms), (Some("two"), 60), "the first wish stands");
    assert_eq!(lease("one", 30).await.unwrap(), Some(first), "its holder renews it all the same");
    store.release("x", "one").await.unwrap();
    assert_eq!(lease("three", 40).await.unwrap(), None);
    assert_eq!(lease("one", 40).await.unwrap(), None, "nor does who gave it back");
    let second = lease("two", 40).await.unwrap().unwrap();
    assert!(second > first);
    let row = store.leases("x").await.unwrap().remove(0);
    assert_eq!((row.wanted_by, row.since_ms), (None, 40));
    store.lease("y", "one", 0, 100).await.unwrap();
    assert_eq!(store.leases("").await.unwrap().len(), 2);
}

pub(super) async fn a_wish_ends_when_it_is_met_or_runs_out(store: &dyn Store) {
    let lease = |holder, now| store.lease("x", holder, now, 100);
    lease("one", 0).await.unwrap();
    store.want("x", "two", 0, 50).await.unwrap();
    store.want("x", "two", 40, 50).await.unwrap();
    store.release("x", "one").await.unwrap();
    assert_eq!(lease("three", 89).await.unwrap(), None, "the wish was repeated at 40");
    assert!(lease("three", 90).await.unwrap().is_some());
    // A lease that has run out is kept for whoever wants it, too.
    store.want("x", "two", 180, 50).await.unwrap();
    assert_eq!(lease("one", 200).await.unwrap(), None);
    assert!(lease("two", 200).await.unwrap().is_some());
    store.want("x", "one", 210, 50).await.unwrap();
    store.want("x", "three", 260, 50).await.unwrap();
    assert_eq!(store.leases("x").await.unwrap()[0].wanted_by.as_deref(), Some("three"), "after one's has run out");
}

pub(super) async fn of_many_who_take_a_lease_at_once_one_gets_it(store: &dyn Store) {
    let names: Vec<String> = (0..8).map(|n| format!("server {n}")).collect();
    for round in 0..5 {
        let now = round * 1_000;
        let takes = names.iter().map(|name| store.lease("x", name, now, 100));
        let taken = futures_util::future::join_all(takes).await;
        assert_eq!(taken.into_iter().filter(|fence| fence.as_ref().unwrap().is_some()).count(), 1);
    }
}

pub(super) async fn the_registry_has_another_version_after_each_change(store: &dyn Store) {
    let before = store.registry_version().await.unwrap();
    super::fixture::two_origins(store).await;
    let after = store.registry_version().await.unwrap();
    assert!(after > before);
    assert_eq!(store.registry_version().await.unwrap(), after);
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
