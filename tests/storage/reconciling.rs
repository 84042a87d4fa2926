//! The queue of keys, facts, findings, due dates, buckets, tallies.

use super::fixture::{
    AS_OF, agreement, digest, evaluate_all, evaluated, finding, held, invalid, origin, subject, two_origins,
};
use hefu_federation::reconcile::finding::{Rule, Severity};
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{AgreementNo, Bounds, BucketRow, MAX_READ_PER_ORIGIN, OWN, OriginNo, Store, StoreError};
use jiff::civil::date;

/// Holds one record at each index, filed under the given keys.
async fn hold(store: &dyn Store, origin: OriginNo, no: AgreementNo, keys: &[(u64, &[u64])]) {
    let rows: Vec<_> = keys
        .iter()
        .map(|(index, keys)| (held(*index, no, *index), keys.iter().map(|n| subject(*n)).collect()))
        .collect();
    assert!(store.absorb(origin, &rows, &[]).await.unwrap().is_empty());
}

/// Keys of `facts` by position, origin and index.
async fn facts(store: &dyn Store, no: AgreementNo, keys: &[u64]) -> Vec<(usize, OriginNo, u64)> {
    let keys: Vec<Key> = keys.iter().map(|n| subject(*n)).collect();
    let queued = store.dirty(no, usize::MAX).await.unwrap();
    let found = store.facts(no, &keys, &queued, None).await.unwrap();
    found.iter().map(|(position, origin, row)| (*position, *origin, row.index)).collect()
}

pub(super) async fn the_queue_is_read_oldest_first_by_agreement(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    hold(store, peer, no, &[(9, &[3, 1]), (10, &[2])]).await;
    hold(store, peer, other, &[(11, &[1])]).await;
    hold(store, OWN, no, &[(2, &[1])]).await;
    let queued = store.dirty(no, 3).await.unwrap();
    let read: Vec<_> = queued.iter().map(|row| (row.key.clone(), row.origin, row.index.unwrap())).collect();
    assert_eq!(read, [(subject(3), peer, 9), (subject(1), peer, 9), (subject(2), peer, 10)]);
    assert!(queued.is_sorted_by_key(|row| row.seq));
    assert_eq!(store.dirty(no, 100).await.unwrap().len(), 4);
    assert_eq!(store.dirty(other, 100).await.unwrap().len(), 1);
    assert_eq!(store.dirty_count().await.unwrap(), 5);
}

pub(super) async fn an_evaluation_moves_queued_rows_to_the_facts(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    hold(store, peer, no, &[(9, &[1]), (10, &[2])]).await;
    hold(store, OWN, no, &[(2, &[1])]).await;
    hold(store, OWN, other, &[(3, &[1])]).await;
    let expected = [(0, OWN, 2), (0, peer, 9), (1, peer, 10)];
    assert_eq!(facts(store, no, &[1, 2]).await, expected, "queued");
    evaluate_all(store, no, &[]).await;
    assert!(store.dirty(no, 100).await.unwrap().is_empty());
    assert_eq!(store.dirty_count().await.unwrap(), 1);
    assert_eq!(facts(store, no, &[1, 2]).await, expected, "filed");
    assert_eq!(facts(store, no, &[2, 99, 1]).await, [(0, peer, 10), (2, OWN, 2), (2, peer, 9)]);
    assert_eq!(facts(store, other, &[1]).await, [(0, OWN, 3)]);
}

pub(super) async fn facts_come_with_their_payloads_each_once(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, peer, no, &[(9, &[1, 2])]).await;
    evaluate_all(store, no, &[]).await;
    let queued = [hefu_node::store::DirtyRow { seq: 0, agreement: no, key: subject(1), origin: peer, index: Some(9) }];
    let found = store.facts(no, &[subject(1), subject(2)], &queued, None).await.unwrap();
    assert_eq!(found, [(0, peer, held(9, no, 9)), (1, peer, held(9, no, 9))]);
}

pub(super) async fn facts_keep_every_byte(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let mut rows = Vec::new();
    for (index, len) in (0..150_u64).zip([0_usize, 1, 255, 256, 5_000, 40_000].into_iter().cycle()) {
        let mut row = held(index, no, index);
        row.of = (index % 2 == 0).then_some(index / 2);
        row.reason = (index % 3 == 0).then(|| "原因 reason".to_owned());
        row.kind = row.kind.filter(|_| index % 5 > 0);
        row.id = row.id.filter(|_| index % 7 > 0);
        row.payload.as_mut().unwrap().body = (0..=u8::MAX).cycle().take(len).collect();
        rows.push((row, vec![subject(index)]));
    }
    store.absorb(peer, &rows, &[]).await.unwrap();
    evaluate_all(store, no, &[]).await;
    let keys: Vec<Key> = (0..150).map(subject).collect();
    let found = store.facts(no, &keys, &[], None).await.unwrap();
    assert!(found.iter().map(|(_, _, row)| row).eq(rows.iter().map(|(row, _)| row)));
}

pub(super) async fn only_held_records_are_facts(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    store.absorb(peer, &[(invalid(4, no, 4), vec![subject(1)])], &[]).await.unwrap();
    store.add_wanted(peer, no, &[(5, 1, None)], 6).await.unwrap();
    let queued: Vec<_> = [4, 5, 6]
        .map(|index| hefu_node::store::DirtyRow {
            seq: 0,
            agreement: no,
            key: subject(1),
            origin: peer,
            index: Some(index),
        })
        .to_vec();
    assert!(store.facts(no, &[subject(1)], &queued, None).await.unwrap().is_empty());
}

pub(super) async fn of_a_flood_under_one_key_the_latest_facts_are_read(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let most = u64::try_from(MAX_READ_PER_ORIGIN).unwrap();
    let last = most + 29;
    let rows: Vec<_> = (0..=last).map(|index| (held(index, no, index), vec![subject(1)])).collect();
    for part in rows.chunks(1000) {
        store.absorb(peer, part, &[]).await.unwrap();
    }
    hold(store, OWN, no, &[(2, &[1])]).await;
    for name in ["queued", "filed"] {
        let queued = store.dirty(no, usize::MAX).await.unwrap();
        let read = async |bounds: Option<Bounds>| {
            let found = store.facts(no, &[subject(1)], &queued, bounds.as_ref()).await.unwrap();
            found.iter().map(|(_, origin, row)| (*origin, row.index)).collect::<Vec<_>>()
        };
        let of_peer = |range: std::ops::RangeInclusive<u64>| range.map(|index| (peer, index)).collect::<Vec<_>>();
        assert_eq!(read(None).await, [vec![(OWN, 2)], of_peer(30..=last)].concat(), "{name}");
        // Whoever holds more reads of a question about less what that had then.
        assert_eq!(read(Some(Bounds::from([(peer, last)]))).await, of_peer(29..=last - 1), "{name}");
        assert_eq!(read(Some(Bounds::from([(peer, 3), (OWN, 3)]))).await, [vec![(OWN, 2)], of_peer(0..=2)].concat());
        evaluate_all(store, no, &[]).await;
    }
}

pub(super) async fn facts_are_found_again_however_many_there_are(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, OWN, no, &[(1, &[5, 70_001])]).await;
    evaluate_all(store, no, &[]).await;
    let keys: Vec<Key> = (0..70_000).map(subject).collect();
    store.absorb(peer, &[(held(9, no, 9), keys.clone())], &[]).await.unwrap();
    let queued = store.dirty(no, usize::MAX).await.unwrap();
    assert_eq!(queued.len(), 70_000);
    store.commit_evaluations(no, AS_OF, &queued, &[], 1).await.unwrap();
    hold(store, OWN, no, &[(2, &[5])]).await;
    evaluate_all(store, no, &[]).await;
    let expected = [(0, OWN, 1), (0, OWN, 2), (0, peer, 9), (1, OWN, 1), (2, peer, 9)];
    assert_eq!(facts(store, no, &[5, 70_001, 69_999]).await, expected);
    let found = store.facts(no, &keys[..10_000], &[], None).await.unwrap();
    assert_eq!(found.len(), 10_002);
    let bucket = store.bucket_keys(no, subject(5).bucket()).await.unwrap();
    assert!(bucket.is_sorted_by(|a, b| a.key < b.key));
    assert_eq!(bucket.iter().find(|row| row.key == subject(5)).unwrap().origins, 2);
}

pub(super) async fn an_evaluation_of_rows_already_taken_is_refused_whole(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, peer, no, &[(9, &[1])]).await;
    let queued = store.dirty(no, 9).await.unwrap();
    evaluate_all(store, no, &[]).await;
    let late = [evaluated(subject(1), vec![finding(9, Rule::S1, Severity::Error)], Some(date(2026, 1, 1)))];
    let refused = store.commit_evaluations(no, AS_OF, &queued, &late, 2).await;
    assert!(matches!(refused, Err(StoreError::Differs { .. })));
    assert!(store.finding_counts().await.unwrap().is_empty());
    assert!(store.due(no, date(2030, 1, 1), 9).await.unwrap().is_empty());
}

pub(super) async fn a_part_of_the_queue_can_be_evaluated(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    hold(store, peer, no, &[(9, &[1, 2, 3, 4])]).await;
    hold(store, peer, other, &[(10, &[1, 2, 3, 4])]).await;
    let queued = store.dirty(no, 9).await.unwrap();
    let part = [queued[0].clone(), queued[2].clone()];
    store.commit_evaluations(no, AS_OF, &part, &[], 1).await.unwrap();
    assert_eq!(store.dirty(no, 9).await.unwrap(), [queued[1].clone(), queued[3].clone()]);
    let foreign = store.dirty(other, 1).await.unwrap();
    assert!(store.commit_evaluations(no, AS_OF, &foreign, &[], 1).await.is_err());
    assert_eq!(store.dirty(other, 9).await.unwrap().len(), 4);
}

pub(super) async fn the_findings_of_a_key_are_replaced_together(store: &dyn Store) {
    two_origins(store).await;
    let no = agreement(store, 7).await;
    let (a, b, c) = (
        finding(1, Rule::S1, Severity::Error),
        finding(2, Rule::S4, Severity::Critical),
        finding(3, Rule::C1, Severity::Warning),
    );
    let commit = async |evaluated: &[hefu_node::store::EvaluatedKey]| {
        store.commit_evaluations(no, AS_OF, &[], evaluated, 1).await.unwrap();
    };
    let of = async |n: u64| {
        let all = store.bucket_findings(no, subject(n).bucket()).await.unwrap();
        all.into_iter().filter(|(key, _)| *key == subject(n)).map(|(_, finding)| finding).collect::<Vec<_>>()
    };
    commit(&[
        evaluated(subject(1), vec![a.clone(), b.clone()], None),
        evaluated(subject(2), vec![a.clone(), c.clone()], None),
    ])
    .await;
    let graver = hefu_federation::reconcile::finding::Finding { severity: Severity::Critical, ..a.clone() };
    commit(&[evaluated(subject(1), vec![graver.clone(), c.clone()], None)]).await;
    let mut expected = vec![graver, c.clone()];
    expected.sort_by_key(|finding| finding.id);
    assert_eq!(of(1).await, expected);
    let mut untouched = vec![a, c];
    untouched.sort_by_key(|finding| finding.id);
    assert_eq!(of(2).await, untouched, "a key that was not evaluated keeps its own");
    commit(&[evaluated(subject(1), vec![], None), evaluated(subject(2), vec![], None)]).await;
    assert!(store.finding_counts().await.unwrap().is_empty());
}

pub(super) async fn findings_come_gravest_first_and_can_be_filtered(store: &dyn Store) {
    two_origins(store).await;
    let (no, other) = (agreement(store, 7).await, agreement(store, 8).await);
    let all = [
        finding(1, Rule::C1, Severity::Warning),
        finding(2, Rule::S4, Severity::Critical),
        finding(3, Rule::S1, Severity::Error),
        finding(4, Rule::C1, Severity::Error),
    ];
    let commit = |no, n, findings| {
        let evaluated = [evaluated(subject(n), findings, None)];
        async move { store.commit_evaluations(no, AS_OF, &[], &evaluated, 1).await.unwrap() }
    };
    commit(no, 1, all.to_vec()).await;
    commit(other, 2, vec![finding(5, Rule::C2, Severity::Notice)]).await;
    let read = async |no, rule, limit, offset| -> Vec<Severity> {
        let found = store.findings(no, rule, limit, offset).await.unwrap();
        found.iter().map(|(_, _, finding)| finding.severity).collect()
    };
    use Severity::{Critical, Error, Notice, Warning};
    assert_eq!(read(None, None, 99, 0).await, [Critical, Error, Error, Warning, Notice]);
    assert_eq!(read(None, None, 2, 1).await, [Error, Error]);
    assert_eq!(read(Some(other), None, 99, 0).await, [Notice]);
    assert_eq!(read(None, Some("C1"), 99, 0).await, [Error, Warning]);
    assert!(read(Some(no), Some("C2"), 99, 0).await.is_empty());
    let (found_no, key, found) = store.findings(None, Some("S4"), 1, 0).await.unwrap().remove(0);
    assert_eq!((found_no, key, found), (no, subject(1), all[1].clone()));
}

pub(super) async fn findings_are_counted_by_agreement_rule_and_severity(store: &dyn Store) {
    two_origins(store).await;
    let no = agreement(store, 7).await;
    let of = |n| vec![finding(n, Rule::S4, Severity::Critical), finding(n, Rule::C1, Severity::Warning)];
    let evaluated: Vec<_> = (0..3).map(|n| evaluated(subject(n), of(n), None)).collect();
    store.commit_evaluations(no, AS_OF, &[], &evaluated, 1).await.unwrap();
    let expected = [(no, "S4".to_owned(), "critical".to_owned(), 3), (no, "C1".to_owned(), "warning".to_owned(), 3)];
    assert_eq!(store.finding_counts().await.unwrap(), expected);
}

pub(super) async fn what_is_observed_stands_first_and_is_of_no_agreement(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let known = vec![finding(1, Rule::S4, Severity::Critical), finding(2, Rule::C1, Severity::Warning)];
    store.commit_evaluations(no, AS_OF, &[], &[evaluated(subject(1), known, None)], 1).await.unwrap();
    let seen = finding(7, Rule::G2, Severity::Critical);
    store.observe(peer, &seen, 1).await.unwrap();
    store.observe(peer, &seen, 2).await.unwrap();
    let read = async |no, rule, limit, offset| -> Vec<Rule> {
        let found = store.findings(no, rule, limit, offset).await.unwrap();
        found.iter().map(|(_, _, finding)| finding.rule).collect()
    };
    assert_eq!(read(None, None, 9, 0).await, [Rule::G2, Rule::S4, Rule::C1]);
    assert_eq!(read(None, None, 1, 0).await, [Rule::G2]);
    assert_eq!(read(None, None, 2, 1).await, [Rule::S4, Rule::C1]);
    assert_eq!(read(None, Some("G2"), 9, 0).await, [Rule::G2]);
    assert_eq!(read(Some(no), None, 9, 0).await, [Rule::S4, Rule::C1]);
    let (of, key, found) = store.findings(None, Some("G2"), 1, 0).await.unwrap().remove(0);
    assert_eq!((of, key, found), (AgreementNo::NONE, Key::entry(&origin("kunming"), 7), seen));
    let counts = store.finding_counts().await.unwrap();
    assert!(counts.contains(&(AgreementNo::NONE, "G2".to_owned(), "critical".to_owned(), 1)));
    assert!(store.stale_buckets(AgreementNo::NONE).await.unwrap().is_empty(), "it is in no tally");
    store.settle(OWN).await.unwrap();
    assert_eq!(read(None, Some("G2"), 9, 0).await.len(), 1, "of another origin");
    store.settle(peer).await.unwrap();
    assert!(read(None, Some("G2"), 9, 0).await.is_empty());
}

pub(super) async fn due_dates_are_replaced_and_found_by_date(store: &dyn Store) {
    two_origins(store).await;
    let no = agreement(store, 7).await;
    let commit = |keys: &[(u64, Option<jiff::civil::Date>)]| {
        let evaluated: Vec<_> = keys.iter().map(|(n, next)| evaluated(subject(*n), vec![], *next)).collect();
        async move { store.commit_evaluations(no, AS_OF, &[], &evaluated, 1).await.unwrap() }
    };
    let (autumn, winter) = (date(2025, 10, 1), date(2026, 1, 15));
    commit(&[(1, Some(winter)), (2, Some(autumn)), (3, None)]).await;
    assert!(store.due(no, date(2025, 9, 30), 9).await.unwrap().is_empty());
    assert_eq!(store.due(no, autumn, 9).await.unwrap(), [subject(2)]);
    assert_eq!(store.due(no, winter, 9).await.unwrap(), [subject(2), subject(1)]);
    assert_eq!(store.due(no, winter, 1).await.unwrap(), [subject(2)]);
    commit(&[(1, None), (2, Some(winter)), (3, Some(autumn))]).await;
    assert_eq!(store.due(no, autumn, 9).await.unwrap(), [subject(3)]);
    assert_eq!(store.due(no, winter, 9).await.unwrap(), [subject(3), subject(2)]);
    assert!(store.due(AgreementNo::PUBLIC, winter, 9).await.unwrap().is_empty());
}

pub(super) async fn a_bucket_is_stale_from_a_change_until_it_is_computed(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    assert!(store.stale_buckets(no).await.unwrap().is_empty());
    hold(store, peer, no, &[(9, &[1]), (10, &[2])]).await;
    evaluate_all(store, no, &[]).await;
    let mut buckets = vec![subject(1).bucket(), subject(2).bucket()];
    buckets.sort_unstable();
    assert_eq!(store.stale_buckets(no).await.unwrap(), buckets);
    assert!(store.buckets(no).await.unwrap().is_empty());
    let row = |bucket, n| BucketRow { bucket, digest: digest(n), matched: n, findings: [1, 2, 3, n] };
    let rows: Vec<_> = buckets.iter().map(|bucket| row(*bucket, 4)).collect();
    store.store_buckets(no, &rows).await.unwrap();
    assert!(store.stale_buckets(no).await.unwrap().is_empty());
    assert_eq!(store.buckets(no).await.unwrap(), rows);
    // An evaluation without new rows, because a date has come.
    store.commit_evaluations(no, AS_OF, &[], &[evaluated(subject(1), vec![], None)], 1).await.unwrap();
    assert_eq!(store.stale_buckets(no).await.unwrap(), [subject(1).bucket()]);
    store.store_buckets(no, &[row(subject(1).bucket(), 5)]).await.unwrap();
    assert!(store.stale_buckets(no).await.unwrap().is_empty());
    assert!(store.buckets(no).await.unwrap().contains(&row(subject(1).bucket(), 5)));
}

pub(super) async fn the_keys_of_a_bucket_count_their_origins(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    hold(store, peer, no, &[(9, &[1]), (10, &[1]), (11, &[2])]).await;
    hold(store, OWN, no, &[(2, &[1])]).await;
    evaluate_all(store, no, &[]).await;
    let origins = async |n: u64| {
        let keys = store.bucket_keys(no, subject(n).bucket()).await.unwrap();
        keys.into_iter().find(|row| row.key == subject(n)).map(|row| row.origins)
    };
    assert_eq!((origins(1).await, origins(2).await, origins(3).await), (Some(2), Some(1), None));
}

pub(super) async fn a_tally_statement_replaces_that_of_its_date_and_party(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let (autumn, winter) = (date(2025, 10, 1), date(2026, 1, 15));
    for (as_of, party, statement) in
        [(autumn, own, b"one"), (winter, peer, b"two"), (winter, own, b"tri"), (winter, peer, b"new")]
    {
        store.add_tally(no, as_of, party, statement, 1).await.unwrap();
    }
    let expected = [(winter, own, b"tri".to_vec()), (winter, peer, b"new".to_vec()), (autumn, own, b"one".to_vec())];
    assert_eq!(store.tallies(no, 9).await.unwrap(), expected);
    assert_eq!(store.tallies(no, 1).await.unwrap(), expected[..1]);
}
