//! Agreements, proofs, linkages.

use super::fixture::{agreement, agreement_id, did, digest, origin};
use hefu_node::store::{AgreementNo, Store, StoreError};

pub(super) async fn a_document_is_stored_once(store: &dyn Store) {
    let no = store.add_document(agreement_id(7), 1, &digest(1), b"one", 5).await.unwrap();
    let again = store.add_document(agreement_id(7), 1, &digest(1), b"one", 6).await;
    assert_eq!(again.unwrap(), no);
    let rows = store.documents().await.unwrap();
    assert_eq!((rows.len(), rows[0].no, rows[0].id), (1, no, agreement_id(7)));
    assert_eq!((rows[0].version, rows[0].digest, rows[0].received_ms), (1, digest(1), 5));
    assert_eq!(rows[0].bytes, b"one");
}

pub(super) async fn another_document_under_the_same_version_is_refused(store: &dyn Store) {
    store.add_document(agreement_id(7), 1, &digest(1), b"one", 5).await.unwrap();
    let other = store.add_document(agreement_id(7), 1, &digest(2), b"two", 5).await;
    assert!(matches!(other, Err(StoreError::Differs { .. })));
    assert_eq!(store.documents().await.unwrap().len(), 1);
}

pub(super) async fn versions_share_the_number_of_their_agreement(store: &dyn Store) {
    let other = store.add_document(agreement_id(8), 1, &digest(3), b"three", 5).await.unwrap();
    let second = store.add_document(agreement_id(7), 2, &digest(2), b"two", 5).await.unwrap();
    let first = store.add_document(agreement_id(7), 1, &digest(1), b"one", 5).await.unwrap();
    assert!(first == second && first != other);
    let rows = store.documents().await.unwrap();
    let listed: Vec<_> = rows.iter().map(|row| (row.no, row.version)).collect();
    assert_eq!(listed, [(other, 1), (first, 1), (first, 2)]);
}

pub(super) async fn the_built_in_agreements_have_their_numbers(store: &dyn Store) {
    use hefu_schemas::id::AgreementId;
    let first = agreement(store, 7).await;
    assert!(first != AgreementNo::PUBLIC && first != AgreementNo::HOLDER);
    let public = store.add_document(AgreementId::PUBLIC, 1, &digest(1), b"public", 5).await;
    let holder = store.add_document(AgreementId::HOLDER, 1, &digest(2), b"holder", 5).await;
    assert_eq!((public.unwrap(), holder.unwrap()), (AgreementNo::PUBLIC, AgreementNo::HOLDER));
}

pub(super) async fn proofs_come_by_party_and_the_first_stays(store: &dyn Store) {
    store.add_document(agreement_id(7), 1, &digest(1), b"one", 5).await.unwrap();
    store.add_proof(&digest(1), &origin("kunming"), b"proof k").await.unwrap();
    store.add_proof(&digest(1), &origin("chengdu"), b"proof c").await.unwrap();
    store.add_proof(&digest(1), &origin("kunming"), b"another").await.unwrap();
    let proofs = store.proofs(&digest(1)).await.unwrap();
    assert_eq!(proofs, [(origin("chengdu"), b"proof c".to_vec()), (origin("kunming"), b"proof k".to_vec())]);
    assert!(store.proofs(&digest(2)).await.unwrap().is_empty());
}

pub(super) async fn a_linkage_is_stored_once(store: &dyn Store) {
    let no = agreement(store, 7).await;
    store.add_linkage(no, 2, &[2; 64]).await.unwrap();
    store.add_linkage(no, 1, &[1; 64]).await.unwrap();
    store.add_linkage(no, 1, &[1; 64]).await.unwrap();
    assert!(matches!(store.add_linkage(no, 1, &[9; 64]).await, Err(StoreError::Differs { .. })));
    let linkages = store.linkages(no).await.unwrap();
    let read: Vec<(u32, u8)> = linkages.iter().map(|(epoch, secret)| (*epoch, secret[63])).collect();
    assert_eq!(read, [(1, 1), (2, 2)]);
    assert!(store.linkages(AgreementNo::PUBLIC).await.unwrap().is_empty());
}

pub(super) async fn of_sealed_linkages_the_first_stays(store: &dyn Store) {
    let no = agreement(store, 7).await;
    store.add_sealed(no, 1, &did("chengdu"), b"first").await.unwrap();
    store.add_sealed(no, 1, &did("chengdu"), b"second").await.unwrap();
    assert_eq!(store.sealed(no, 1, &did("chengdu")).await.unwrap().unwrap(), b"first");
    assert_eq!(store.sealed(no, 2, &did("chengdu")).await.unwrap(), None);
    assert_eq!(store.sealed(no, 1, &did("kunming")).await.unwrap(), None);
}
