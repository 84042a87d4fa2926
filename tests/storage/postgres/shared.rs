//! Several servers on one database.

use super::Server;
use crate::storage::fixture::{
    AS_OF, Fixture, agreement, append_own, evaluate_all, evaluated, fence, held, own_record, plan, subject, two_origins,
};
use hefu_node::store::postgres::Address;
use hefu_node::store::{
    AgreementStore, Database, GuardStore, LogStore, OWN, PayloadStore, ReconcileStore, SEQUENCER, StoreError,
};
use hefu_tests::postgres;
use std::sync::Arc;

async fn two_servers() -> Option<(Database, Database)> {
    let at = Server::create().await?;
    let other = postgres::open(&at.url).await.unwrap();
    Some((at.store, other))
}

#[tokio::test]
async fn both_see_what_either_commits() {
    let Some((one, two)) = two_servers().await else { return };
    two_origins(&one).await;
    let first = append_own(&two, 3, &[]).await;
    let second = append_own(&one, 4, &[]).await;
    assert_eq!(second.entries[0].index, 3);
    assert_eq!(two.edge(OWN).await.unwrap(), second.head);
    let stale = plan(&first.head, 1);
    let fence = fence(&two).await;
    assert!(matches!(two.append_own(fence, &stale, &[], &[]).await, Err(StoreError::Conflict { expected: 3 })));
}

#[tokio::test]
async fn a_paused_holder_that_wakes_cannot_append() {
    let Some((paused, other)) = two_servers().await else { return };
    two_origins(&paused).await;
    let old = paused.lease(SEQUENCER, "paused", 0, 100).await.unwrap().unwrap();
    let planned = plan(&paused.edge(OWN).await.unwrap(), 2);
    // The process sleeps beyond its lease; another takes over and appends, or has not appended yet.
    let new = other.lease(SEQUENCER, "other", 200, 100).await.unwrap().unwrap();
    assert!(new > old);
    assert!(matches!(paused.append_own(old, &planned, &[], &[]).await, Err(StoreError::Conflict { .. })));
    other.append_own(new, &planned, &[], &[]).await.unwrap();
    assert!(matches!(paused.append_own(old, &planned, &[], &[]).await, Err(StoreError::Conflict { .. })));
    assert_eq!(other.head(OWN).await.unwrap().size, 2);
}

#[tokio::test]
async fn a_take_over_waits_for_an_append_under_way() {
    let Some(at) = Server::create().await else { return };
    two_origins(&at.store).await;
    let fence = at.store.lease(SEQUENCER, "one", 0, 100).await.unwrap().unwrap();
    // An append that has checked its fence and not committed yet.
    let mut conn = postgres::connection(&at.url).await;
    for sql in ["BEGIN", "SELECT fence FROM lease WHERE name = 'sequencer' AND holder IS NOT NULL FOR SHARE"] {
        sqlx::query(sql).execute(&mut conn).await.unwrap();
    }
    let other = at.store.clone();
    let taking = tokio::spawn(async move { other.lease(SEQUENCER, "two", 200, 100).await.unwrap() });
    hefu_tests::until("the take-over waits", async || {
        let waiting =
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut conn = postgres::connection(&at.url).await;
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut conn).await.unwrap() > 0
    })
    .await;
    assert!(!taking.is_finished());
    sqlx::query("COMMIT").execute(&mut conn).await.unwrap();
    assert!(taking.await.unwrap().unwrap() > fence);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_absorb_at_once_and_nothing_is_lost() {
    const PAGES: u64 = 12;
    const ROWS: u64 = 40;
    let Some((one, two)) = two_servers().await else { return };
    let (own, peer) = two_origins(&one).await;
    let no = agreement(&one, 7).await;
    append_own(&one, PAGES * ROWS, &[]).await;
    let (one, two) = (Arc::new(one), Arc::new(two));
    let mut tasks = Vec::new();
    for page in 0..PAGES {
        // The same pages by both, of two logs, with keys in common.
        for (store, origin) in [(&one, own), (&two, own), (&one, peer), (&two, peer)] {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let index = |n: u64| page * ROWS + n;
                let rows: Vec<_> =
                    (0..ROWS).map(|n| (held(index(n), no, index(n)), vec![subject(n), subject(index(n))])).collect();
                store.absorb(origin, &rows, &[]).await.unwrap()
            }));
        }
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Vec::<u64>::new());
    }
    for origin in [own, peer] {
        let counts = one.state_counts(origin, no).await.unwrap();
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), PAGES * ROWS);
    }
    // Each key of each row once: the second who absorbs a page finds it held.
    let dirty = two.dirty(no, usize::MAX).await.unwrap();
    assert_eq!(u64::try_from(dirty.len()).unwrap(), 2 * 2 * PAGES * ROWS);
    assert!(dirty.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq), "numbers without a gap");
    evaluate_all(two.as_ref(), no, &[]).await;
    assert_eq!(one.dirty_count().await.unwrap(), 0);
}

#[tokio::test]
async fn of_two_reconcilers_one_stores_its_result() {
    let Some((one, two)) = two_servers().await else { return };
    let (_, peer) = two_origins(&one).await;
    let no = agreement(&one, 7).await;
    one.absorb(peer, &[(held(1, no, 1), vec![subject(1)])], &[]).await.unwrap();
    let dirty = one.dirty(no, 9).await.unwrap();
    let result = [evaluated(subject(1), Vec::new(), None)];
    let (a, b) = tokio::join!(
        one.commit_evaluations(no, AS_OF, &dirty, &result, 1),
        two.commit_evaluations(no, AS_OF, &dirty, &result, 1)
    );
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    assert!(matches!(a.and(b), Err(StoreError::Differs { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_given_out_once() {
    let Some((one, two)) = two_servers().await else { return };
    let both = [Arc::new(one), Arc::new(two)];
    let mut tasks = Vec::new();
    for n in 0..20_u128 {
        let store = both[usize::try_from(n % 2).unwrap()].clone();
        tasks.push(tokio::spawn(async move {
            let name = crate::storage::fixture::origin(&format!("city{n}"));
            let did = crate::storage::fixture::did(&format!("city{n}"));
            let fingerprint = crate::storage::fixture::hash(9);
            (agreement(store.as_ref(), 100 + n).await, store.add_origin(&name, &did, &fingerprint, None).await.unwrap())
        }));
    }
    let (mut agreements, mut origins) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for task in tasks {
        let (agreement, origin) = task.await.unwrap();
        assert!(agreements.insert(agreement) && origins.insert(origin));
    }
    assert_eq!(origins.last().unwrap().0, 20);
    assert_eq!(both[0].documents().await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_nonce_is_used_once_by_whichever_server() {
    let Some((one, two)) = two_servers().await else { return };
    for round in 0..10_u8 {
        let nonce = [round; 16];
        let (a, b) = tokio::join!(one.use_nonce("k", &nonce, 50, 40), two.use_nonce("k", &nonce, 50, 40));
        assert!(a.unwrap() != b.unwrap());
    }
    assert!(one.use_nonce("k", &[0; 16], 100, 60).await.unwrap(), "those that have expired are forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_make_the_tables_once() {
    let Some(url) = postgres::empty_database().await else { return };
    let address = Address::parse(&url).unwrap();
    let starting: Vec<_> = (0..6)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { Database::found(&address).await.map(|_| ()) })
        })
        .collect();
    for start in starting {
        start.await.unwrap().unwrap();
    }
    let store = postgres::open(&url).await.unwrap();
    two_origins(&store).await;
    assert!(matches!(Database::found(&address).await, Err(StoreError::Occupied)));
    let no = agreement(&store, 1).await;
    append_own(&store, 2, &[own_record(1, no, 1)]).await;
}
