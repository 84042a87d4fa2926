//! Under which keys a correction is filed when it comes in the page of what it corrects.

use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::tree::Hash;
use hefu_node::pull::with_keys_of_corrected;
use hefu_node::store::{AgreementNo, LogStore, OriginNo, PayloadRow, PayloadStore};
use hefu_schemas::id::{Did, Origin, RecordId};
use hefu_simulation::memory::Memory;

fn row(index: u64, of: Option<u64>) -> PayloadRow {
    PayloadRow {
        index,
        agreement: AgreementNo(3),
        state: PayloadState::Held,
        reason: None,
        t: 1_780_000_000,
        of,
        id: None,
        kind: None,
        payload: None,
    }
}

#[tokio::test]
async fn a_correction_of_a_disputed_record_is_not_filed_under_the_disputed_entry() {
    let subject = Key::new(KeyType::Subject, "urn:hefu:subject:1:x");
    let entry = Key::entry(&Origin::parse("chengdu.example").unwrap(), 20);
    let page = vec![(row(20, None), vec![subject.clone(), entry.clone()]), (row(21, Some(20)), Vec::new())];
    let rows = with_keys_of_corrected(&Memory::new(), OriginNo(2), page).await.unwrap();
    assert_eq!(rows[0].1, [subject.clone(), entry]);
    assert_eq!(rows[1].1, [subject]);
}

/// An id of a record.
fn id(number: u8) -> Option<RecordId> {
    RecordId::parse(&format!("urn:uuid:01990a5d-ac96-774b-bcce-b302099a90{number:02x}")).ok()
}

/// A store that holds a record with an id of a peer.
async fn holding(id: Option<RecordId>) -> Memory {
    let memory = Memory::new();
    for city in ["kunming.example", "chengdu.example"] {
        let (origin, did) = (Origin::parse(city).unwrap(), Did::from_authority(city).unwrap());
        memory.add_origin(&origin, &did, &Hash([0; 32]), None).await.unwrap();
    }
    memory.absorb(OriginNo(2), &[(PayloadRow { id, ..row(5, None) }, Vec::new())], &[]).await.unwrap();
    memory
}

#[tokio::test]
async fn a_correction_of_a_record_whose_id_is_taken_is_filed_under_its_own_keys_alone() {
    let key = |name: &str| Key::new(KeyType::Subject, &format!("urn:hefu:subject:1:{name}"));
    let memory = holding(id(1)).await;
    // The id of 20 stands at 5, that of 23 at 22; 26 is a record as it should be.
    let page = [(20, None, 1), (21, Some(20), 2), (22, None, 3), (23, None, 3), (24, Some(23), 4), (25, Some(22), 5)];
    let page = page.into_iter().chain([(26, None, 6), (27, Some(26), 7)]);
    let rows: Vec<_> = page
        .map(|(index, of, number)| (PayloadRow { id: id(number), ..row(index, of) }, vec![key(&index.to_string())]))
        .collect();
    let filed = with_keys_of_corrected(&memory, OriginNo(2), rows.clone()).await.unwrap();
    let turned_down = memory.absorb(OriginNo(2), &filed, &[]).await.unwrap();
    assert_eq!(turned_down, [20, 23]);
    let keys = |index: u64| filed.iter().find(|(row, _)| row.index == index).unwrap().1.clone();
    assert_eq!((keys(21), keys(24)), (vec![key("21")], vec![key("24")]));
    assert_eq!((keys(25), keys(27)), (vec![key("22"), key("25")], vec![key("26"), key("27")]));
    // Page by page it is the same.
    let memory = holding(id(1)).await;
    for (row, keys) in rows {
        let filed_alone = with_keys_of_corrected(&memory, OriginNo(2), vec![(row, keys)]).await.unwrap();
        memory.absorb(OriginNo(2), &filed_alone, &[]).await.unwrap();
        let index = filed_alone[0].0.index;
        let expected = filed.iter().find(|(row, _)| row.index == index).unwrap();
        // Only a record that stands in the store can be read for its keys: these have no payload.
        if !matches!(index, 25 | 27) {
            assert_eq!(filed_alone[0].1, expected.1, "{index}");
        }
    }
}
