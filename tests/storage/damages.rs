//! What is said of a damaged database.

use super::fixture::{Damage, subject};
use super::restarts::filled;
use hefu_node::store::{OWN, StoreError, StoreResult};

fn damaged<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

pub(super) async fn a_damaged_log_is_said_to_be_so(at: &mut impl Damage) {
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

pub(super) async fn an_altered_entry_at_the_edge_is_noticed(at: &mut impl Damage) {
    filled(at.store()).await;
    at.damage("UPDATE entry_bundle SET body = CAST(replace(CAST(body AS TEXT), '299', '298') AS BLOB) WHERE idx = 1")
        .await;
    damaged(at.store().edge(OWN).await);
}

pub(super) async fn a_head_without_its_entries_takes_no_append(at: &mut impl Damage) {
    let (peer, _) = filled(at.store()).await;
    let plan = super::fixture::plan(&at.store().edge(OWN).await.unwrap(), 5);
    // A bundle wider than the head says: the plan would shorten it.
    at.damage("INSERT INTO entry_bundle (origin, idx, width, body) SELECT 2, idx, width, body FROM entry_bundle").await;
    let plan_of_peer = super::fixture::plan(&hefu_federation::append::Head::default(), 3);
    damaged(at.store().append_replica(peer, &plan_of_peer, &[]).await);
    assert_eq!(at.store().head(peer).await.unwrap().size, 0);
    at.store().append_replica(OWN, &plan, &[]).await.unwrap();
}

pub(super) async fn damaged_payloads_are_said_to_be_so(at: &mut impl Damage) {
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
    damaged(at.store().facts(no, &[subject(1)], &[], None).await);
    at.damage("UPDATE draft SET content = x'00'").await;
    damaged(at.store().drafts(&["draft-1"]).await);
}

pub(super) async fn damaged_findings_are_said_to_be_so(at: &mut impl Damage) {
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
