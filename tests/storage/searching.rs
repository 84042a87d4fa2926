//! Searching the rows of all logs.

use super::fixture::{
    agreement, append_own, evaluate_all, held, invalid, own_record, plan, subject, two_origins, unheld,
};
use hefu_federation::append::Head;
use hefu_federation::pull::PayloadState as S;
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{AgreementNo, OriginNo, PayloadRow, Place, Search, Store};
use hefu_schemas::record::Kind;

/// A name, a search, and the places that it finds.
type Case<'a> = (&'a str, Search<'a>, &'a [(i64, u64)]);

/// Everything of some agreements.
fn all(agreements: &[AgreementNo]) -> Search<'_> {
    Search { agreements, origin: None, kind: None, state: None, key: None, since: 0, from: Place::START }
}

/// The places of all pages of some length, and how many pages there were.
async fn places(store: &dyn Store, search: Search<'_>, limit: usize) -> (Vec<(i64, u64)>, usize) {
    let (mut search, mut places, mut pages) = (search, Vec::new(), 0);
    loop {
        let page = store.search(search, limit).await.unwrap();
        assert!(page.rows.len() <= limit);
        places.extend(page.rows.iter().map(|(origin, row)| (origin.0, row.index)));
        pages += 1;
        match page.next {
            Some(next) => search.from = next,
            None => return (places, pages),
        }
    }
}

/// A replica of some entries with these rows, each filed under the key of its index.
async fn replica(store: &dyn Store, origin: OriginNo, entries: u64, rows: Vec<PayloadRow>) {
    let mut head = Head::default();
    while head.size() < entries {
        let next = plan(&head, (entries - head.size()).min(1_024));
        store.append_replica(origin, &next, &[]).await.unwrap();
        head = next.head;
    }
    let rows: Vec<(PayloadRow, Vec<Key>)> =
        rows.into_iter().map(|row| (row.clone(), vec![subject(row.index)])).collect();
    store.absorb(origin, &rows, &[]).await.unwrap();
}

/// Own records at 1, 2, 3 (of another agreement) and, of the peer, held, invalid, wanted, a withdrawal.
async fn scene(store: &dyn Store) -> (OriginNo, OriginNo, AgreementNo, AgreementNo) {
    let (own, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    append_own(store, 4, &[own_record(1, no, 1), own_record(2, no, 2), own_record(3, other, 3)]).await;
    let withdrawal = PayloadRow { kind: Some(Kind::Withdrawal), of: Some(1), ..held(7, no, 13) };
    let rows = vec![held(1, no, 11), invalid(4, no, 12), unheld(5, no, S::Withheld), withdrawal, held(8, other, 14)];
    replica(store, peer, 9, rows).await;
    (own, peer, no, other)
}

pub(super) async fn rows_of_all_logs_come_by_log_and_index(store: &dyn Store) {
    let (_, _, no, other) = scene(store).await;
    let expected = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 4), (2, 5), (2, 7), (2, 8)];
    for limit in [1, 2, 3, 7, 8, 9, 100] {
        assert_eq!(places(store, all(&[no, other]), limit).await.0, expected, "pages of {limit}");
    }
    assert_eq!(places(store, all(&[no, other]), 8).await.1, 1, "no empty page behind a full last one");
    assert_eq!(places(store, all(&[other]), 2).await.0, [(1, 3), (2, 8)]);
    assert!(places(store, all(&[]), 2).await.0.is_empty());
    let page = store.search(all(&[no]), 1).await.unwrap();
    assert_eq!((page.rows[0].1.clone(), page.next), (held(1, no, 1), Some(Place(OriginNo(1), 2))), "with its payload");
}

pub(super) async fn a_search_is_narrowed_by_each_member(store: &dyn Store) {
    let (own, peer, no, other) = scene(store).await;
    let agreements = [no, other];
    let search = all(&agreements);
    let cases: [Case<'_>; 9] = [
        ("own log", Search { origin: Some(own), ..search }, &[(1, 1), (1, 2), (1, 3)]),
        ("peer", Search { origin: Some(peer), since: 5, ..search }, &[(2, 5), (2, 7), (2, 8)]),
        ("no such log", Search { origin: Some(OriginNo(9)), ..search }, &[]),
        ("held", Search { state: Some(S::Held), since: 3, ..search }, &[(1, 3), (2, 7), (2, 8)]),
        ("invalid", Search { state: Some(S::Invalid), ..search }, &[(2, 4)]),
        ("kind", Search { kind: Some(Kind::Withdrawal), ..search }, &[(2, 7)]),
        ("kind and state", Search { kind: Some(Kind::Withdrawal), state: Some(S::Invalid), ..search }, &[]),
        ("since", Search { since: 4, ..search }, &[(2, 4), (2, 5), (2, 7), (2, 8)]),
        ("beyond", Search { since: u64::MAX, ..search }, &[]),
    ];
    for (name, search, expected) in cases {
        for limit in [1, 100] {
            assert_eq!(places(store, search, limit).await.0, expected, "{name}, pages of {limit}");
        }
    }
}

pub(super) async fn a_search_by_key_finds_what_is_filed_and_what_waits(store: &dyn Store) {
    let (own, peer, no, other) = scene(store).await;
    let (key, agreements) = (subject(1), [no, other]);
    let search = Search { key: Some(&key), ..all(&agreements) };
    for what in ["queued", "filed"] {
        for limit in [1, 100] {
            assert_eq!(places(store, search, limit).await.0, [(1, 1), (2, 1)], "{what}");
        }
        evaluate_all(store, no, &[]).await;
    }
    assert_eq!(places(store, Search { origin: Some(peer), ..search }, 1).await.0, [(2, 1)]);
    assert_eq!(places(store, Search { origin: Some(own), since: 2, ..search }, 1).await.0, []);
    assert_eq!(places(store, Search { kind: Some(Kind::Withdrawal), ..search }, 1).await.0, []);
    assert_eq!(places(store, Search { agreements: &[other], ..search }, 1).await.0, [], "of another agreement");
    assert_eq!(places(store, Search { from: Place(peer, 2), ..search }, 1).await.0, []);
}

pub(super) async fn a_rare_row_of_a_long_log_is_found_over_pages(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    replica(store, peer, 70_000, vec![held(69_999, no, 1)]).await;
    let (found, pages) = places(store, all(&[no]), 10).await;
    assert_eq!((found, pages), (vec![(2, 69_999)], 3));
}
