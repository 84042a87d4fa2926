//! The log: origins, heads, tiles, bundles, notes, acts.

use super::fixture::{agreement, append_own, did, digest, fence, hash, origin, own_record, plan, subject, two_origins};
use hefu_federation::append::Head;
use hefu_federation::entry::Act;
use hefu_federation::tile::{encode_hashes, split_bundle};
use hefu_node::store::{ActRow, AgreementNo, DraftRow, OWN, OriginNo, SEQUENCER, Store, StoreError};
use jiff::civil::date;

pub(super) async fn the_first_origin_is_the_own(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    assert_eq!((own, peer), (OWN, OriginNo(2)));
    let rows = store.origins().await.unwrap();
    assert_eq!(rows.iter().map(|row| row.no).collect::<Vec<_>>(), [OWN, OriginNo(2)]);
    assert_eq!((rows[1].origin.clone(), rows[1].did.clone()), (origin("chengdu"), did("chengdu")));
    assert_eq!((rows[1].fingerprint, rows[1].ca_pem.clone(), rows[1].reached_ms), (hash(2), None, None));
}

pub(super) async fn adding_an_origin_again_is_no_change(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let add = store.add_origin(&origin("chengdu"), &did("chengdu"), &hash(2), Some("PEM")).await;
    assert_eq!(add.unwrap(), peer);
    let add = store.add_origin(&origin("chengdu"), &did("chengdu"), &hash(2), None).await;
    assert_eq!(add.unwrap(), peer);
    let rows = store.origins().await.unwrap();
    assert_eq!((rows.len(), rows[1].ca_pem.as_deref()), (2, Some("PEM")));
}

pub(super) async fn an_origin_with_another_fingerprint_is_refused(store: &dyn Store) {
    two_origins(store).await;
    let add = store.add_origin(&origin("chengdu"), &did("chengdu"), &hash(9), None).await;
    assert!(matches!(add, Err(StoreError::Differs { .. })));
    let add = store.add_origin(&origin("chengdu"), &did("guiyang"), &hash(2), None).await;
    assert!(matches!(add, Err(StoreError::Differs { .. })));
    assert_eq!(store.origins().await.unwrap()[1].fingerprint, hash(2));
}

pub(super) async fn stopping_is_noted_and_lifted(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    store.set_stopped(peer, Some("split view at 7")).await.unwrap();
    assert_eq!(store.origins().await.unwrap()[1].stopped.as_deref(), Some("split view at 7"));
    store.set_stopped(peer, None).await.unwrap();
    assert_eq!(store.origins().await.unwrap()[1].stopped, None);
    assert!(store.set_stopped(OriginNo(9), None).await.is_err());
}

pub(super) async fn the_last_contact_never_goes_back(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    store.set_reached(peer, 20).await.unwrap();
    store.set_reached(peer, 10).await.unwrap();
    assert_eq!(store.origins().await.unwrap()[1].reached_ms, Some(20));
}

pub(super) async fn a_fresh_log_is_empty(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let head = store.head(own).await.unwrap();
    assert_eq!((head.size, head.t, head.note), (0, 0, None));
    assert_eq!(store.edge(own).await.unwrap(), Head::default());
    assert_eq!(store.tile(own, 0, 0).await.unwrap(), None);
    assert_eq!(store.bundle(own, 0).await.unwrap(), None);
}

pub(super) async fn an_unknown_log_is_an_error(store: &dyn Store) {
    assert!(matches!(store.head(OriginNo(7)).await, Err(StoreError::Damaged { .. })));
    assert!(matches!(store.edge(OriginNo(7)).await, Err(StoreError::Damaged { .. })));
}

pub(super) async fn appended_entries_can_be_read_back(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let plan = plan(&Head::default(), 300);
    store.append_replica(peer, &plan, &[]).await.unwrap();
    for tile in &plan.tiles {
        let stored = store.tile(peer, tile.level, tile.index).await.unwrap().unwrap();
        assert_eq!(stored, encode_hashes(&tile.hashes));
    }
    let (width, bytes) = store.bundle(peer, 1).await.unwrap().unwrap();
    let entries = split_bundle(&bytes, width).unwrap();
    assert_eq!((width, entries[43]), (44, plan.entries[299].data.as_slice()));
    assert_eq!(store.head(peer).await.unwrap().t, plan.head.t);
}

pub(super) async fn the_edge_is_that_of_the_plan_at_every_size(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let mut head = Head::default();
    for entries in [1, 254, 1, 1, 255, 512, 1_000, 24, 3, 1_024, 1_024] {
        let plan = plan(&head, entries);
        store.append_replica(peer, &plan, &[]).await.unwrap();
        head = plan.head;
        assert_eq!(store.edge(peer).await.unwrap(), head);
    }
}

pub(super) async fn a_plan_on_an_old_head_conflicts_and_writes_nothing(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let first = plan(&Head::default(), 10);
    store.append_replica(peer, &first, &[]).await.unwrap();
    let again = store.append_replica(peer, &first, &[]).await;
    assert!(matches!(again, Err(StoreError::Conflict { expected: 0 })));
    let ahead = plan(&plan(&first.head, 5).head, 5);
    let ahead = store.append_replica(peer, &ahead, &[]).await;
    assert!(matches!(ahead, Err(StoreError::Conflict { expected: 15 })));
    assert_eq!(store.edge(peer).await.unwrap(), first.head);
}

pub(super) async fn logs_do_not_touch_each_other(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let theirs = plan(&Head::default(), 300);
    store.append_replica(peer, &theirs, &[]).await.unwrap();
    let ours = append_own(store, 2, &[]).await;
    assert_eq!(store.edge(own).await.unwrap(), ours.head);
    assert_eq!(store.edge(peer).await.unwrap(), theirs.head);
}

pub(super) async fn an_own_append_needs_the_fence(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let plan = plan(&Head::default(), 1);
    let nobody = store.append_own(1, &plan, &[], &[]).await;
    assert!(matches!(nobody, Err(StoreError::Conflict { .. })));
    let fence = fence(store).await;
    let wrong = store.append_own(fence + 1, &plan, &[], &[]).await;
    assert!(matches!(wrong, Err(StoreError::Conflict { .. })));
    store.append_own(fence, &plan, &[], &[]).await.unwrap();
    assert_eq!(store.head(own).await.unwrap().size, 1);
}

pub(super) async fn an_own_append_after_a_take_over_conflicts(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let old = fence(store).await;
    let new = store.lease(SEQUENCER, "two", 1_000, 1_000).await.unwrap().unwrap();
    let plan = plan(&Head::default(), 1);
    assert!(matches!(store.append_own(old, &plan, &[], &[]).await, Err(StoreError::Conflict { expected: 0 })));
    assert_eq!(store.head(own).await.unwrap().size, 0);
    store.append_own(new, &plan, &[], &[]).await.unwrap();
    store.release(SEQUENCER, "two").await.unwrap();
    let late = super::fixture::plan(&plan.head, 1);
    assert!(matches!(store.append_own(new, &late, &[], &[]).await, Err(StoreError::Conflict { .. })));
}

pub(super) async fn own_records_come_with_ids_drafts_and_keys(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let records = [own_record(1, no, 11), own_record(2, no, 12)];
    let plan = append_own(store, 3, &records).await;
    assert_eq!(store.row(own, 2).await.unwrap().unwrap(), records[1].row);
    assert_eq!(store.index_of(own, records[0].row.id.unwrap()).await.unwrap(), Some(1));
    let drafts = store.drafts(&["draft-12", "draft-99", "draft-11"]).await.unwrap();
    let receipt = DraftRow {
        draft_id: "draft-12".to_owned(),
        content: digest(12),
        id: records[1].row.id.unwrap(),
        index: 2,
        leaf_hash: plan.entries[2].leaf_hash,
        size: 3,
    };
    assert_eq!(drafts[0], Some(receipt));
    assert_eq!((drafts[1].clone(), drafts[2].as_ref().unwrap().index), (None, 1));
    let queued = store.dirty(no, 10).await.unwrap();
    assert_eq!(
        queued.iter().map(|row| (row.key.clone(), row.index)).collect::<Vec<_>>(),
        [(subject(11), Some(1)), (subject(12), Some(2))]
    );
}

/// Expects an own append to fail and to leave nothing.
async fn refused(store: &dyn Store, no: AgreementNo, records: &[hefu_node::store::OwnRecord]) {
    let before = store.edge(OWN).await.unwrap();
    let queued = store.dirty_count().await.unwrap();
    let act = ActRow { origin: OWN, index: before.size(), digest: digest(1), act: Act::Sign, on: None, t: 1 };
    let plan = plan(&before, 4);
    assert!(store.append_own(fence(store).await, &plan, records, &[act]).await.is_err());
    assert_eq!(store.edge(OWN).await.unwrap(), before);
    assert_eq!(store.dirty_count().await.unwrap(), queued);
    assert!(store.acts(&digest(1), OWN, 10).await.unwrap().is_empty());
    assert!(store.rows(OWN, no, before.size(), u64::MAX, 10).await.unwrap().is_empty());
    assert_eq!(store.drafts(&["draft-20", "draft-21"]).await.unwrap(), [None, None]);
}

pub(super) async fn a_refused_own_append_leaves_nothing(store: &dyn Store) {
    two_origins(store).await;
    let no = agreement(store, 7).await;
    append_own(store, 2, &[own_record(1, no, 11)]).await;
    // An id or a draft that is in the log, twice the same in one batch, an index without an entry.
    refused(store, no, &[own_record(2, no, 20), own_record(3, no, 11)]).await;
    let mut draft = own_record(3, no, 21);
    draft.draft_id = "draft-11".to_owned();
    refused(store, no, &[own_record(2, no, 20), draft.clone()]).await;
    draft.draft_id = "draft-20".to_owned();
    refused(store, no, &[own_record(2, no, 20), draft]).await;
    let mut id = own_record(3, no, 21);
    id.row.id = own_record(2, no, 20).row.id;
    refused(store, no, &[own_record(2, no, 20), id]).await;
    refused(store, no, &[own_record(2, no, 20), own_record(77, no, 21)]).await;
}

pub(super) async fn a_draft_is_found_again_however_old_it_is(store: &dyn Store) {
    let (own, _) = two_origins(store).await;
    let no = agreement(store, 7).await;
    let fence = fence(store).await;
    let mut head = store.edge(own).await.unwrap();
    for batch in 0..17 {
        let records: Vec<_> = (batch * 1_024..(batch + 1) * 1_024).map(|n| own_record(n, no, n)).collect();
        let plan = plan(&head, 1_024);
        store.append_own(fence, &plan, &records, &[]).await.unwrap();
        head = plan.head;
    }
    let drafts = store.drafts(&["draft-0", "draft-16383", "draft-16384", "draft-17407", "draft-17408"]).await.unwrap();
    let indexes: Vec<_> = drafts.iter().map(|draft| draft.as_ref().map(|draft| draft.index)).collect();
    assert_eq!(indexes, [Some(0), Some(16_383), Some(16_384), Some(17_407), None]);
    let mut again = own_record(17_408, no, 50_000);
    again.draft_id = "draft-5".to_owned();
    assert!(store.append_own(fence, &plan(&head, 1), &[again], &[]).await.is_err());
}

pub(super) async fn a_note_is_never_replaced_by_a_smaller_one(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    store.set_note(peer, 7, b"seven").await.unwrap();
    store.set_note(peer, 5, b"five").await.unwrap();
    assert_eq!(store.head(peer).await.unwrap().note.unwrap(), b"seven");
    store.set_note(peer, 7, b"seven, with a cosignature").await.unwrap();
    assert_eq!(store.head(peer).await.unwrap().note.unwrap(), b"seven, with a cosignature");
    store.set_note(peer, 8, b"eight").await.unwrap();
    assert_eq!(store.head(peer).await.unwrap().note.unwrap(), b"eight");
    assert_eq!(store.head(own).await.unwrap().note, None);
}

pub(super) async fn signed_entries_count_once_the_log_holds_them(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let two = plan(&store.edge(peer).await.unwrap(), 2);
    let noted = |at: u64, data: &[u8]| vec![(at, data.to_vec())];
    let first = noted(0, &two.entries[0].data);
    store.note_signed(peer, &first).await.unwrap();
    // As a round leaves it that broke off, of a peer whose log then went on otherwise.
    store.note_signed(peer, &noted(2, b"another history")).await.unwrap();
    assert!(store.signed(peer).await.unwrap().is_empty(), "the entries are not stored yet");
    store.append_replica(peer, &two, &[]).await.unwrap();
    assert_eq!(store.signed(peer).await.unwrap(), first);
    let third = plan(&store.edge(peer).await.unwrap(), 1);
    store.append_replica(peer, &third, &[]).await.unwrap();
    assert_eq!(store.signed(peer).await.unwrap(), first, "what is not in the log does not count");
    let last = noted(2, &third.entries[0].data);
    store.note_signed(peer, &last).await.unwrap();
    assert_eq!(store.signed(peer).await.unwrap(), [first, last].concat());
    assert!(store.signed(OWN).await.unwrap().is_empty());
}

pub(super) async fn acts_of_a_log_on_a_document_come_in_order(store: &dyn Store) {
    let (own, peer) = two_origins(store).await;
    let act = |origin, index, act, on| ActRow { origin, index, digest: digest(7), act, on, t: 5 };
    let of_another = ActRow { digest: digest(8), ..act(peer, 2, Act::Sign, None) };
    let theirs = [act(peer, 1, Act::Sign, None), act(peer, 3, Act::End, Some(date(2026, 8, 31)))];
    let all = [theirs[0].clone(), of_another.clone(), theirs[1].clone()];
    store.append_replica(peer, &plan(&Head::default(), 4), &all).await.unwrap();
    let ours = [act(own, 0, Act::Linkage, None)];
    store.append_own(fence(store).await, &plan(&Head::default(), 1), &[], &ours).await.unwrap();
    assert_eq!(store.acts(&digest(7), peer, 10).await.unwrap(), theirs);
    assert_eq!(store.acts(&digest(7), peer, 1).await.unwrap(), theirs[..1]);
    assert_eq!(store.acts(&digest(8), peer, 10).await.unwrap(), [of_another]);
    assert_eq!(store.acts(&digest(7), own, 10).await.unwrap(), ours);
    assert_eq!(store.acts(&digest(8), own, 10).await.unwrap(), []);
}

pub(super) async fn of_two_writers_on_one_head_one_wins(store: &dyn Store) {
    let (_, peer) = two_origins(store).await;
    let plan = plan(&Head::default(), 100);
    let (one, two) = tokio::join!(store.append_replica(peer, &plan, &[]), store.append_replica(peer, &plan, &[]));
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(), 1);
    assert_eq!(store.edge(peer).await.unwrap(), plan.head);
}
