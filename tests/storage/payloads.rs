//! Payloads: wanted rows, absorbing, reading, states.

use super::fixture::{
    agreement, append_own, evaluate_all, held, invalid, payload, plan, record_id, subject, two_origins, unheld,
};
use hefu_federation::append::Head;
use hefu_federation::pull::PayloadState as S;
use hefu_federation::reconcile::key::Key;
use hefu_federation::reconcile::tally::StateHasher;
use hefu_node::store::records::Correction;
use hefu_node::store::{AgreementNo, Early, OriginNo, PayloadRow, Store, StoreError};
use hefu_schemas::record::Kind;

async fn absorb(store: &dyn Store, origin: OriginNo, rows: Vec<PayloadRow>) -> Vec<u64> {
    let rows: Vec<_> = rows.into_iter().map(|row| (row.clone(), vec![subject(row.index)])).collect();
    store.absorb(origin, &rows, &[]).await.unwrap()
}

async fn wanted(store: &dyn Store, origin: OriginNo, no: AgreementNo, retry: bool) -> Vec<u64> {
    store.wanted(origin, no, 0, u64::MAX, retry, 100).await.unwrap()
}

pub(super) async fn wanted_rows_come_once_and_the_cursor_moves_with_them(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    assert_eq!(store.labelled_until(peer, no).await.unwrap(), 0);
    store.add_wanted(peer, no, &[(3, 50, None), (5, 51, Some(3))], 6).await.unwrap();
    assert_eq!(store.labelled_until(peer, no).await.unwrap(), 6);
    absorb(store, peer, vec![held(3, no, 3)]).await;
    store.add_wanted(peer, no, &[(3, 99, None), (9, 52, None)], 10).await.unwrap();
    assert_eq!(store.labelled_until(peer, no).await.unwrap(), 10);
    assert_eq!(wanted(store, peer, no, true).await, [5, 9]);
    let row = store.row(peer, 5).await.unwrap().unwrap();
    assert_eq!(row, PayloadRow { t: 51, of: Some(3), ..unheld(5, no, S::Wanted) });
    assert_eq!(store.row(peer, 3).await.unwrap().unwrap().state, S::Held);
}

pub(super) async fn a_search_without_a_hit_moves_the_cursor_too(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    store.add_wanted(peer, no, &[], 500).await.unwrap();
    assert_eq!(store.labelled_until(peer, no).await.unwrap(), 500);
    assert_eq!(store.labelled_until(peer, AgreementNo::PUBLIC).await.unwrap(), 0);
}

pub(super) async fn what_is_wanted_is_found_by_range_limit_and_state(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    let rows: Vec<_> = (0..10).map(|index| (index, 50, None)).collect();
    store.add_wanted(peer, no, &rows, 10).await.unwrap();
    store.add_wanted(own, no, &[(3, 50, None)], 10).await.unwrap();
    store.add_wanted(peer, other, &[(20, 50, None)], 21).await.unwrap();
    let states = [(1, S::Withheld), (2, S::Pending), (3, S::Refused), (4, S::Erased), (6, S::Quarantined)];
    let judged = states.map(|(index, state)| unheld(index, no, state));
    absorb(store, peer, [judged.as_slice(), &[held(5, no, 5), invalid(7, no, 7)]].concat()).await;
    assert_eq!(wanted(store, peer, no, false).await, [0, 8, 9]);
    assert_eq!(wanted(store, peer, no, true).await, [0, 1, 2, 8, 9]);
    assert_eq!(store.wanted(peer, no, 1, 9, true, 2).await.unwrap(), [1, 2]);
    assert_eq!(store.wanted(peer, no, 1, 9, false, 9).await.unwrap(), [8]);
    assert_eq!(wanted(store, peer, other, false).await, [20]);
}

pub(super) async fn a_judged_page_fills_wanted_rows(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    store.add_wanted(peer, no, &[(4, 77, Some(2))], 5).await.unwrap();
    let row = PayloadRow { t: 77, of: Some(2), kind: Some(Kind::Withdrawal), ..held(4, no, 1) };
    assert!(absorb(store, peer, vec![row.clone()]).await.is_empty());
    assert_eq!(store.row(peer, 4).await.unwrap(), Some(row));
    assert_eq!(store.index_of(peer, record_id(1)).await.unwrap(), Some(4));
    assert_eq!(store.dirty(no, 9).await.unwrap()[0].key, subject(4));
}

pub(super) async fn a_held_row_is_never_replaced(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    absorb(store, peer, vec![held(4, no, 1)]).await;
    for row in [unheld(4, no, S::Withheld), invalid(4, no, 1), held(4, no, 2)] {
        assert!(absorb(store, peer, vec![row]).await.is_empty());
        assert_eq!(store.row(peer, 4).await.unwrap(), Some(held(4, no, 1)));
    }
    assert_eq!(store.index_of(peer, record_id(2)).await.unwrap(), None);
    assert_eq!(store.dirty_count().await.unwrap(), 1);
}

pub(super) async fn absorbing_a_page_again_changes_nothing(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let page = vec![held(4, no, 1), invalid(5, no, 2), unheld(6, no, S::Withheld), held(7, no, 1)];
    assert_eq!(absorb(store, peer, page.clone()).await, [7]);
    let before = store.rows(peer, no, 0, 10, 10).await.unwrap();
    assert_eq!(absorb(store, peer, page).await, [7]);
    assert_eq!(store.rows(peer, no, 0, 10, 10).await.unwrap(), before);
    assert_eq!(store.dirty_count().await.unwrap(), 1);
}

pub(super) async fn what_was_not_held_can_become_so(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let pending = PayloadRow { state: S::Pending, reason: Some("open".to_owned()), ..held(4, no, 1) };
    absorb(store, peer, vec![pending]).await;
    assert_eq!(store.dirty_count().await.unwrap(), 0, "only what is held is a fact");
    assert!(absorb(store, peer, vec![held(4, no, 1)]).await.is_empty());
    assert_eq!(store.row(peer, 4).await.unwrap(), Some(held(4, no, 1)));
    assert_eq!(store.dirty_count().await.unwrap(), 1);
}

pub(super) async fn a_known_id_at_another_index_is_turned_down(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    absorb(store, peer, vec![held(4, no, 1)]).await;
    assert_eq!(absorb(store, peer, vec![held(8, no, 2), held(9, no, 1)]).await, [9]);
    let row = store.row(peer, 9).await.unwrap().unwrap();
    assert_eq!((row.state, row.reason.as_deref()), (S::Invalid, Some("id-new")));
    assert_eq!((row.id, row.payload), (Some(record_id(1)), Some(payload(1))), "the evidence is kept");
    assert_eq!(store.index_of(peer, record_id(1)).await.unwrap(), Some(4));
    let queued: Vec<u64> = store.dirty(no, 9).await.unwrap().iter().filter_map(|row| row.index).collect();
    assert_eq!(queued, [4, 8]);
    // Another log may have it: ids are unique within a log.
    assert!(absorb(store, own, vec![held(9, no, 1)]).await.is_empty());
}

pub(super) async fn corrections_are_found_by_the_range_of_what_they_correct(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    let correction = |index, of, kind| PayloadRow { of: Some(of), kind, ..held(index, no, index) };
    let pending = PayloadRow { state: S::Pending, ..correction(14, 3, Some(Kind::StudentStatus)) };
    let rows = vec![
        held(3, no, 3),
        held(4, no, 4),
        correction(10, 4, Some(Kind::StudentStatus)),
        correction(11, 3, Some(Kind::Withdrawal)),
        PayloadRow { agreement: other, ..correction(12, 3, None) },
        correction(13, 5, Some(Kind::StudentStatus)),
        pending,
    ];
    absorb(store, peer, rows).await;
    absorb(store, own, vec![correction(20, 3, None)]).await;
    let of = async |origin, range| store.corrections_of(origin, range).await.unwrap();
    let found = |of, index, agreement, kind| Correction { of, index, agreement, kind };
    let (eleven, twelve) = (found(3, 11, no, Some(Kind::Withdrawal)), found(3, 12, other, None));
    let ten = found(4, 10, no, Some(Kind::StudentStatus));
    assert_eq!(of(peer, 3..5).await, [eleven, twelve, ten]);
    assert_eq!(of(peer, 4..5).await, [ten]);
    assert_eq!(of(peer, 0..u64::MAX).await.len(), 4);
    assert!(of(peer, 4..4).await.is_empty() && of(peer, 6..100).await.is_empty());
    assert_eq!(of(own, 0..100).await, [found(3, 20, no, None)]);
}

/// What waits, by the key and the index to be filed under it.
async fn queued(store: &dyn Store, no: AgreementNo) -> Vec<(Key, Option<u64>)> {
    store.dirty(no, 100).await.unwrap().into_iter().map(|row| (row.key, row.index)).collect()
}

fn early(of: u64, index: u64, agreement: AgreementNo) -> Early {
    let correction = Correction { of, index, agreement, kind: Some(Kind::Withdrawal) };
    Early { correction, keys: vec![subject(of), subject(of + 100)] }
}

pub(super) async fn what_came_early_is_filed_with_what_it_corrects(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    let withdrawal = PayloadRow { of: Some(3), ..held(5, no, 5) };
    let elsewhere = PayloadRow { of: Some(3), ..held(6, other, 6) };
    absorb(store, peer, vec![withdrawal, elsewhere]).await;
    evaluate_all(store, no, &[]).await;
    evaluate_all(store, other, &[]).await;
    let rows = [(held(3, no, 3), vec![subject(3)])];
    store.absorb(peer, &rows, &[early(3, 5, no), early(3, 6, other)]).await.unwrap();
    let expected = [(subject(3), Some(3)), (subject(3), Some(5)), (subject(103), Some(5))];
    assert_eq!(queued(store, no).await, expected);
    assert_eq!(queued(store, other).await, [(subject(3), Some(6)), (subject(103), Some(6))]);
    evaluate_all(store, no, &[]).await;
    let found = store.facts(no, &[subject(3), subject(103)], &[], None).await.unwrap();
    let found: Vec<(usize, u64)> = found.into_iter().map(|(position, _, row)| (position, row.index)).collect();
    assert_eq!(found, [(0, 3), (0, 5), (1, 5)]);
}

pub(super) async fn what_came_early_is_not_filed_under_what_is_turned_down(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    absorb(store, peer, vec![held(1, no, 9), PayloadRow { of: Some(3), ..held(5, no, 5) }]).await;
    evaluate_all(store, no, &[]).await;
    let rows = [(held(3, no, 9), vec![subject(3)]), (held(4, no, 4), vec![subject(4)])];
    assert_eq!(store.absorb(peer, &rows, &[early(3, 5, no)]).await.unwrap(), [3]);
    assert_eq!(queued(store, no).await, [(subject(4), Some(4))]);
}

pub(super) async fn of_one_id_twice_in_a_page_the_earlier_entry_keeps_it(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    assert_eq!(absorb(store, peer, vec![held(9, no, 1), held(4, no, 1), held(6, no, 1)]).await, [6, 9]);
    assert_eq!(store.index_of(peer, record_id(1)).await.unwrap(), Some(4));
}

pub(super) async fn an_invalid_record_does_not_take_its_id(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    absorb(store, peer, vec![invalid(4, no, 1)]).await;
    assert_eq!(store.index_of(peer, record_id(1)).await.unwrap(), None);
    assert!(absorb(store, peer, vec![held(5, no, 1)]).await.is_empty());
    // And it keeps its own reason when it comes after the good one.
    assert!(absorb(store, peer, vec![invalid(6, no, 1)]).await.is_empty());
    assert_eq!(store.row(peer, 6).await.unwrap(), Some(invalid(6, no, 1)));
}

pub(super) async fn a_row_does_not_change_its_agreement(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    store.add_wanted(peer, no, &[(4, 50, None)], 5).await.unwrap();
    let rows = [(held(3, no, 3), vec![]), (held(4, other, 4), vec![])];
    assert!(matches!(store.absorb(peer, &rows, &[]).await, Err(StoreError::Differs { .. })));
    assert_eq!(store.row(peer, 3).await.unwrap(), None, "nothing of the page is kept");
}

pub(super) async fn a_page_of_any_length_is_absorbed_whole(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    assert!(absorb(store, peer, vec![]).await.is_empty());
    let page: Vec<_> = (0..1_237).map(|index| held(index, no, index)).collect();
    assert!(absorb(store, peer, page.clone()).await.is_empty());
    assert_eq!(store.rows(peer, no, 0, u64::MAX, 2_000).await.unwrap(), page);
    assert_eq!(store.dirty_count().await.unwrap(), 1_237);
}

pub(super) async fn rows_come_by_agreement_range_and_limit(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    let page = (0..9).map(|index| held(index, if index % 2 == 0 { no } else { other }, index)).collect();
    absorb(store, peer, page).await;
    let indexes = async |from, until, limit| -> Vec<u64> {
        store.rows(peer, no, from, until, limit).await.unwrap().iter().map(|row| row.index).collect()
    };
    assert_eq!(indexes(0, 100, 100).await, [0, 2, 4, 6, 8]);
    assert_eq!(indexes(1, 6, 100).await, [2, 4]);
    assert_eq!(indexes(1, 100, 3).await, [2, 4, 6]);
    assert!(store.rows(OriginNo(1), no, 0, 9, 9).await.unwrap().is_empty());
}

pub(super) async fn bodies_of_any_length_come_back(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let mut page = Vec::new();
    for (index, len) in (0_u64..).zip([0, 1, 4_000, 16_384, 300_000]) {
        let mut row = held(index, no, index);
        row.payload.as_mut().unwrap().body = vec![7; len];
        page.push(row);
    }
    absorb(store, peer, page.clone()).await;
    assert_eq!(store.rows(peer, no, 0, 9, 9).await.unwrap(), page);
}

pub(super) async fn indexes_come_in_the_order_asked(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    absorb(store, peer, (0..700).map(|index| held(index, no, index)).collect()).await;
    let asked: Vec<_> = [699, 5_000, 0, 0, 350].into_iter().map(record_id).collect();
    let found = store.indexes_of(peer, &asked).await.unwrap();
    assert_eq!(found, [Some(699), None, Some(0), Some(0), Some(350)]);
    assert_eq!(store.indexes_of(own, &asked).await.unwrap(), [None; 5]);
    assert!(store.indexes_of(peer, &[]).await.unwrap().is_empty());
}

pub(super) async fn states_are_counted(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    assert!(store.state_counts(peer, no).await.unwrap().is_empty());
    store.add_wanted(peer, no, &[(0, 1, None), (1, 1, None), (2, 1, None)], 3).await.unwrap();
    absorb(store, peer, vec![held(1, no, 1), invalid(2, no, 2)]).await;
    assert_eq!(store.state_counts(peer, no).await.unwrap(), [(S::Wanted, 1), (S::Held, 1), (S::Invalid, 1)]);
}

/// The digest by its definition, from all rows.
async fn by_definition(store: &dyn Store, origin: OriginNo, no: AgreementNo, size: u64) -> hefu_schemas::id::Digest {
    let mut hasher = StateHasher::new();
    for row in store.rows(origin, no, 0, size, usize::MAX).await.unwrap() {
        hasher.push(row.index, row.state.code());
    }
    hasher.finish(size)
}

pub(super) async fn the_digest_of_states_is_that_of_the_definition(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let mut head = Head::default();
    for _ in 0..13 {
        let plan = plan(&head, 1_024);
        store.append_replica(peer, &plan, &[]).await.unwrap();
        head = plan.head;
    }
    // Blocks 0, 1 and 3 have rows, 2 has none.
    let rows: Vec<_> = (0..13_000).filter(|n| n % 3 == 0 && n / 4_096 != 2).map(|n| (n, 1, None)).collect();
    store.add_wanted(peer, no, &rows, 13_312).await.unwrap();
    let check = async |what: &str| {
        for size in [0, 1, 4_095, 4_096, 4_097, 12_288, 13_312] {
            let expected = by_definition(store, peer, no, size).await;
            for time in ["computed", "cached"] {
                let digest = store.states_digest(peer, no, size).await.unwrap();
                assert_eq!(digest, expected, "{what}, size {size}, {time}");
            }
        }
    };
    check("wanted").await;
    absorb(store, peer, vec![held(3, no, 3), unheld(4_098, no, S::Withheld)]).await;
    check("absorbed").await;
    store.add_wanted(peer, no, &[(9_000, 1, None)], 13_312).await.unwrap();
    check("an old entry is found").await;
    absorb(store, peer, vec![held(4_098, no, 4)]).await;
    check("a state changes").await;
}

pub(super) async fn own_records_change_the_digest_of_states(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 3, &[super::fixture::own_record(1, no, 1)]).await;
    let before = store.states_digest(own, no, 3).await.unwrap();
    assert_eq!(before, by_definition(store, own, no, 3).await);
    append_own(store, 1, &[super::fixture::own_record(3, no, 2)]).await;
    let after = store.states_digest(own, no, 4).await.unwrap();
    assert!(after == by_definition(store, own, no, 4).await && after != before);
    assert_eq!(store.states_digest(own, no, 3).await.unwrap(), before);
}

pub(super) async fn writers_wait_for_each_other(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let page = |from: u64| -> Vec<(PayloadRow, Vec<Key>)> {
        (from..from + 200).map(|index| (held(index, no, index), vec![subject(index)])).collect()
    };
    let (one, two) = (page(0), page(1_000));
    let (a, b, c) =
        tokio::join!(store.absorb(own, &one, &[]), store.absorb(peer, &one, &[]), store.absorb(peer, &two, &[]));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(store.dirty_count().await.unwrap(), 600);
}
