//! What holds after a restart.

use super::fixture::{
    Reopen, agreement, append_own, evaluate_all, finding, held, own_record, payload, record_id, subject, two_origins,
};
use hefu_federation::reconcile::finding::{Rule, Severity};
use hefu_node::store::{AgreementNo, OWN, OriginNo, Store};

/// A store with a little of everything.
pub(super) async fn filled(store: &dyn Store) -> (OriginNo, AgreementNo) {
    let (_, peer) = two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 300, &[own_record(299, no, 1)]).await;
    store.absorb(peer, &[(held(4, no, 4), vec![subject(1)])], &[]).await.unwrap();
    evaluate_all(store, no, &[finding(1, Rule::S1, Severity::Error)]).await;
    store.absorb(peer, &[(held(5, no, 5), vec![subject(2)])], &[]).await.unwrap();
    store.add_linkage(no, 1, &[7; 64]).await.unwrap();
    (peer, no)
}

pub(super) async fn everything_is_there_after_a_restart(at: &mut impl Reopen) {
    let (peer, no) = filled(at.store()).await;
    let head = at.store().edge(OWN).await.unwrap();
    at.reopen().await;
    assert_eq!(at.store().edge(OWN).await.unwrap(), head);
    assert_eq!(at.store().row(OWN, 299).await.unwrap(), Some(held(299, no, 1)));
    assert_eq!(at.store().row(peer, 4).await.unwrap().unwrap().payload, Some(payload(4)));
    assert_eq!(at.store().index_of(peer, record_id(5)).await.unwrap(), Some(5));
    assert_eq!(at.store().drafts(&["draft-1"]).await.unwrap()[0].as_ref().unwrap().index, 299);
    assert_eq!(at.store().dirty_count().await.unwrap(), 1);
    assert_eq!(at.store().facts(no, &[subject(1)], &[], None).await.unwrap().len(), 2);
    assert_eq!(at.store().findings(Some(no), None, 9, 0).await.unwrap().len(), 1);
    assert_eq!(at.store().check().await.unwrap(), Vec::<String>::new());
}

pub(super) async fn a_restart_gives_no_number_twice(at: &mut impl Reopen) {
    let (peer, no) = filled(at.store()).await;
    let before = at.store().dirty(no, 9).await.unwrap()[0].seq;
    let fence = at.store().lease("x", "one", 0, 100).await.unwrap().unwrap();
    at.store().release("x", "one").await.unwrap();
    evaluate_all(at.store(), no, &[]).await;
    at.reopen().await;
    at.store().absorb(peer, &[(held(6, no, 6), vec![subject(3)])], &[]).await.unwrap();
    assert!(at.store().dirty(no, 9).await.unwrap()[0].seq > before);
    assert!(at.store().lease("x", "one", 0, 100).await.unwrap().unwrap() > fence);
    assert!(agreement(at.store(), 8).await > no);
}
