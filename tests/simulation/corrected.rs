//! Under which keys a correction is filed when it comes in the page of what it corrects.

use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_node::pull::with_keys_of_corrected;
use hefu_node::store::{AgreementNo, OriginNo, PayloadRow};
use hefu_schemas::id::Origin;
use hefu_tests::memory::Memory;

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
