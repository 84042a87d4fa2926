//! What holds after a restart, and what is said of a damaged database.

use super::fixture::{
    Fixture, agreement, append_own, evaluate_all, finding, held, own_record, payload, record_id, subject, two_origins,
};
use hefu_federation::reconcile::finding::{Rule, Severity};
use hefu_node::store::{AgreementNo, OWN, OriginNo, Store, StoreError, StoreResult};

/// A store with a little of everything.
async fn filled(store: &dyn Store) -> (OriginNo, AgreementNo) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 300, &[own_record(299, no, 1)]).await;
    store.absorb(peer, &[(held(4, no, 4), vec![subject(1)])]).await.unwrap();
    evaluate_all(store, no, &[finding(1, Rule::S1, Severity::Error)]).await;
    store.absorb(peer, &[(held(5, no, 5), vec![subject(2)])]).await.unwrap();
    store.add_linkage(no, 1, &[7; 64]).await.unwrap();
    (peer, no)
}

pub(super) async fn everything_is_there_after_a_restart(at: &mut impl Fixture) {
    let (peer, no) = filled(at.store()).await;
    let head = at.store().edge(OWN).await.unwrap();
    at.reopen().await;
    assert_eq!(at.store().edge(OWN).await.unwrap(), head);
    assert_eq!(at.store().row(OWN, 299).await.unwrap(), Some(held(299, no, 1)));
    assert_eq!(at.store().row(peer, 4).await.unwrap().unwrap().payload, Some(payload(4)));
    assert_eq!(at.store().index_of(peer, record_id(5)).await.unwrap(), Some(5));
    assert_eq!(at.store().drafts(&["draft-1"]).await.unwrap()[0].as_ref().unwrap().index, 299);
    assert_eq!(at.store().dirty_count().await.unwrap(), 1);
    assert_eq!(at.store().facts(no, &[subject(1)], &[]).await.unwrap().len(), 2);
    assert_eq!(at.store().findings(Some(no), None, 9, 0).await.unwrap().len(), 1);
    assert_eq!(at.store().check().await.unwrap(), Vec::<String>::new());
}

pub(super) async fn a_restart_gives_no_number_twice(at: &mut impl Fixture) {
    let (peer, no) = filled(at.store()).await;
    let before = at.store().dirty(no, 9).await.unwrap()[0].seq;
    let fence = at.store().lease("x", "one", 0, 100).await.unwrap().unwrap();
    at.store().release("x", "one").await.unwrap();
    evaluate_all(at.store(), no, &[]).await;
    at.reopen().await;
    at.store().absorb(peer, &[(held(6, no, 6), vec![subject(3)])]).await.unwrap();
    assert!(at.store().dirty(no, 9).await.unwrap()[0].seq > before);
    assert!(at.store().lease("x", "one", 0, 100).await.unwrap().unwrap() > fence);
    assert!(agreement(at.store(), 8).await > no);
}

fn damaged<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

pub(super) async fn a_damaged_log_is_said_to_be_so(at: &mut impl Fixture) {
    filled(at.store()).await;
    at.damage("UPDATE tile SET hashes = substr(hashes, 1, 64) WHERE idx = 1").await;
    damaged(at.store().edge(OWN).await);
    at.damage("DELETE FROM tile").await;
    damaged(at.store().edge(OWN).await);
    at.damage("UPDATE entry_bundle SET width = 70000").await;
    damaged(at.store().bundle(OWN, 0).await);
    at.damage("UPDATE head SET size = -1").await;
    damaged(at.store().head(OWN).await);
    at.damage("UPDATE origin SET did = 'nobody'").await;
    damaged(at.store().origins().await);
}

pub(super) async fn an_altered_entry_at_the_edge_is_noticed(at: &mut impl Fixture) {
    filled(at.store()).await;
    at.damage("UPDATE entry_bundle SET body = CAST(replace(CAST(body AS TEXT), '299', '298') AS BLOB) WHERE idx = 1")
        .await;
    damaged(at.store().edge(OWN).await);
}

pub(super) async fn a_head_without_its_entries_takes_no_append(at: &mut impl Fixture) {
    let (peer, _) = filled(at.store()).await;
    let plan = super::fixture::plan(&at.store().edge(OWN).await.unwrap(), 5);
    // A bundle wider than the head says: the plan would shorten it.
    at.damage("INSERT INTO entry_bundle (origin, idx, width, body) SELECT 2, idx, width, body FROM entry_bundle").await;
    let plan_of_peer = super::fixture::plan(&hefu_federation::append::Head::default(), 3);
    damaged(at.store().append_replica(peer, &plan_of_peer, &[]).await);
    assert_eq!(at.store().head(peer).await.unwrap().size, 0);
    at.store().append_replica(OWN, &plan, &[]).await.unwrap();
}

pub(super) async fn damaged_payloads_are_said_to_be_so(at: &mut impl Fixture) {
    let (peer, no) = filled(at.store()).await;
    for sql in [
        "UPDATE payload SET record_id = x'00' WHERE origin = 2",
        "UPDATE payload SET record_id = zeroblob(16) WHERE origin = 2",
        "UPDATE payload SET record_id = NULL, kind = 9 WHERE origin = 2",
        "UPDATE payload SET kind = NULL, salt = x'00' WHERE origin = 2",
        "UPDATE payload SET salt = zeroblob(32), codec = 300 WHERE origin = 2",
        "UPDATE payload SET codec = 1, of_idx = -1 WHERE origin = 2",
        "UPDATE payload SET of_idx = NULL, state = 99 WHERE origin = 2",
    ] {
        at.damage(sql).await;
        damaged(at.store().row(peer, 4).await);
        damaged(at.store().rows(peer, no, 0, 9, 9).await);
    }
    damaged(at.store().states_digest(peer, no, 9).await);
    at.damage("UPDATE payload SET state = 1, salt = NULL WHERE origin = 2").await;
    damaged(at.store().facts(no, &[subject(1)], &[]).await);
    at.damage("UPDATE draft SET content = x'00'").await;
    damaged(at.store().drafts(&["draft-1"]).await);
}

pub(super) async fn damaged_findings_are_said_to_be_so(at: &mut impl Fixture) {
    let (_, no) = filled(at.store()).await;
    at.damage("UPDATE finding SET json = '{}'").await;
    damaged(at.store().findings(None, None, 9, 0).await);
    damaged(at.store().bucket_findings(no, subject(1).bucket()).await);
    at.damage("UPDATE fact_recent SET key = x'00'").await;
    damaged(at.store().bucket_keys(no, subject(1).bucket()).await);
    at.damage("UPDATE dirty SET key = x'00'").await;
    damaged(at.store().dirty(no, 9).await);
    at.damage("UPDATE linkage SET secret = x'00'").await;
    damaged(at.store().linkages(no).await);
}
