//! Records that others cite: which keys come up again, and what they have in sight.

use super::fixture::{
    agreement, append_own, did, evaluate_all, finding, held, invalid, origin, own_record, record_id, subject,
    two_origins,
};
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::finding::{Rule, Severity};
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{AgreementNo, OWN, OriginNo, PayloadRow, Store};

/// The key of a record of the peer.
fn cited(n: u64) -> Key {
    Key::record(did("chengdu").as_str(), record_id(n))
}

async fn hold(store: &dyn Store, origin: OriginNo, row: PayloadRow, keys: &[Key]) {
    assert!(store.absorb(origin, &[(row, keys.to_vec())], &[]).await.unwrap().is_empty());
}

fn correcting(index: u64, no: AgreementNo, id: u64, of: u64) -> PayloadRow {
    PayloadRow { of: Some(of), ..held(index, no, id) }
}

/// The keys that wait, with the index to be filed.
async fn queued(store: &dyn Store, no: AgreementNo) -> Vec<(Key, Option<u64>)> {
    let rows = store.dirty(no, usize::MAX).await.unwrap();
    rows.into_iter().map(|row| (row.key, row.index)).collect()
}

async fn in_sight(store: &dyn Store, no: AgreementNo, keys: &[Key]) -> Vec<(usize, OriginNo, u64)> {
    let rows = store.cited(no, keys).await.unwrap();
    rows.into_iter().map(|(position, origin, row)| (position, origin, row.index)).collect()
}

async fn filed(store: &dyn Store, no: AgreementNo, key: Key) -> Vec<(OriginNo, u64)> {
    let rows = store.facts(no, &[key], &[], None).await.unwrap();
    rows.into_iter().map(|(_, origin, row)| (origin, row.index)).collect()
}

pub(super) async fn what_is_cited_comes_up_again_when_it_arrives(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9)], ..own_record(2, no, 1) }]).await;
    assert_eq!(queued(store, no).await, [(cited(9), Some(2))]);
    evaluate_all(store, no, &[]).await;
    assert!(in_sight(store, no, &[cited(9)]).await.is_empty());
    hold(store, peer, held(20, no, 9), &[subject(1)]).await;
    assert_eq!(queued(store, no).await, [(subject(1), Some(20)), (cited(9), None)]);
    evaluate_all(store, no, &[]).await;
    assert_eq!(in_sight(store, no, &[subject(1), cited(9)]).await, [(1, peer, 20)]);
    assert_eq!(filed(store, no, cited(9)).await, [(OWN, 2)], "what is cited is not filed");
}

pub(super) async fn what_is_cited_may_be_there_first(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, peer, held(20, no, 9), &[subject(1)]).await;
    hold(store, peer, correcting(21, no, 10, 20), &[subject(1)]).await;
    assert_eq!(queued(store, no).await.len(), 2, "nobody cites it");
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9)], ..own_record(2, no, 1) }]).await;
    assert_eq!(queued(store, no).await.last(), Some(&(cited(9), Some(2))));
    assert_eq!(in_sight(store, no, &[cited(9)]).await, [(0, peer, 20), (0, peer, 21)]);
}

pub(super) async fn both_may_come_in_one_page(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let rows = [(held(20, no, 9), vec![subject(1)]), (held(21, no, 10), vec![cited(9)])];
    store.absorb(peer, &rows, &[]).await.unwrap();
    assert!(queued(store, no).await.contains(&(cited(9), Some(21))));
    assert_eq!(in_sight(store, no, &[cited(9)]).await, [(0, peer, 20)]);
}

pub(super) async fn corrections_of_what_is_cited_are_in_sight(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9)], ..own_record(2, no, 1) }]).await;
    hold(store, peer, held(20, no, 9), &[]).await;
    evaluate_all(store, no, &[]).await;
    for (index, id, of) in [(21, 10, 20), (22, 11, 21), (23, 12, 22)] {
        hold(store, peer, correcting(index, no, id, of), &[]).await;
        assert_eq!(queued(store, no).await, [(cited(9), None)], "{index}");
        evaluate_all(store, no, &[]).await;
    }
    hold(store, peer, held(24, no, 13), &[]).await;
    assert!(queued(store, no).await.is_empty(), "of no concern");
    assert_eq!(in_sight(store, no, &[cited(9)]).await, [20, 21, 22, 23].map(|index| (0, peer, index)));
    assert_eq!(in_sight(store, no, &[cited(11)]).await, [(0, peer, 22), (0, peer, 23)]);
}

pub(super) async fn a_revocation_of_a_correction_is_in_sight(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9)], ..own_record(2, no, 1) }]).await;
    evaluate_all(store, no, &[]).await;
    // The revocation cites what has not come yet.
    hold(store, peer, held(30, no, 20), &[cited(10)]).await;
    evaluate_all(store, no, &[]).await;
    hold(store, peer, held(20, no, 9), &[]).await;
    hold(store, peer, correcting(21, no, 10, 20), &[]).await;
    let keys: Vec<Key> = queued(store, no).await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.contains(&cited(9)) && keys.contains(&cited(10)));
    evaluate_all(store, no, &[]).await;
    let expected = [20, 21, 30].map(|index| (0, peer, index));
    assert_eq!(in_sight(store, no, &[cited(9)]).await, expected);
    hold(store, peer, held(31, no, 21), &[cited(10)]).await;
    let again = queued(store, no).await;
    assert!(again.contains(&(cited(10), Some(31))) && again.contains(&(cited(9), None)), "{again:?}");
}

pub(super) async fn only_held_records_of_the_agreement_are_in_sight(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9), cited(10)], ..own_record(2, no, 1) }])
        .await;
    evaluate_all(store, no, &[]).await;
    hold(store, peer, held(20, other, 9), &[]).await;
    hold(store, peer, invalid(21, no, 10), &[]).await;
    // The own city has a record with the same id: it is another one.
    append_own(store, 1, &[own_record(3, no, 11)]).await;
    assert!(in_sight(store, no, &[cited(9), cited(10), cited(11)]).await.is_empty());
    assert_eq!(queued(store, no).await, [(subject(11), Some(3))]);
}

pub(super) async fn what_is_looked_at_again_is_not_filed(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, peer, held(30, no, 20), &[cited(9)]).await;
    evaluate_all(store, no, &[finding(30, Rule::A1, Severity::Error)]).await;
    hold(store, peer, held(20, no, 9), &[]).await;
    evaluate_all(store, no, &[]).await;
    assert!(store.finding_counts().await.unwrap().is_empty(), "evaluated anew");
    let keys = store.bucket_keys(no, cited(9).bucket()).await.unwrap();
    assert_eq!(keys.iter().map(|row| (row.key.clone(), row.origins)).collect::<Vec<_>>(), [(cited(9), 1)]);
    assert_eq!(filed(store, no, cited(9)).await, [(peer, 30)]);
}

pub(super) async fn rows_tell_which_cited_records_they_concern(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let rows = [(held(20, no, 9), vec![]), (correcting(21, no, 10, 20), vec![]), (held(22, no, 11), vec![])];
    store.absorb(peer, &rows, &[]).await.unwrap();
    assert!(store.concerned(no, peer, &rows).await.unwrap().is_empty());
    append_own(store, 3, &[hefu_node::store::OwnRecord { keys: vec![cited(9)], ..own_record(2, no, 1) }]).await;
    assert_eq!(store.concerned(no, peer, &rows[1..2]).await.unwrap(), [cited(9)]);
    assert_eq!(store.concerned(no, peer, &rows[..1]).await.unwrap(), [cited(9)]);
    assert!(store.concerned(no, peer, &rows[2..]).await.unwrap().is_empty());
    assert!(store.concerned(no, OWN, &rows).await.unwrap().is_empty());
}

pub(super) async fn a_flawed_entry_is_a_fact_of_its_own_key(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let entry = |index| Key::entry(&origin("chengdu"), index);
    let unread = PayloadRow { payload: None, id: None, kind: None, ..invalid(22, no, 0) };
    let set_aside = PayloadRow { state: PayloadState::Quarantined, ..invalid(21, no, 10) };
    let rows = [(invalid(20, no, 9), 20), (set_aside, 21), (unread, 22)];
    let rows: Vec<_> = rows.into_iter().map(|(row, index)| (row, vec![entry(index), subject(1)])).collect();
    store.absorb(peer, &rows, &[]).await.unwrap();
    assert_eq!(queued(store, no).await, [20, 21, 22].map(|index| (entry(index), Some(index))));
    evaluate_all(store, no, &[]).await;
    let found = store.facts(no, &[entry(20), entry(21), entry(22), subject(1)], &[], None).await.unwrap();
    assert_eq!(found.len(), rows.len());
    assert!(found.iter().zip(&rows).all(|((_, _, found), (row, _))| found == row), "payload or not, as they are");
    let keys = store.bucket_keys(no, entry(22).bucket()).await.unwrap();
    assert!(keys.iter().any(|row| (row.key.clone(), row.origins) == (entry(22), 1)));
    assert!(in_sight(store, no, &[cited(9)]).await.is_empty());
}
