//! Tokens of local systems.

use super::fixture::{agreement_id, digest};
use hefu_node::store::{Store, TokenRow};
use hefu_node::token::Action;

fn row(no: i64) -> TokenRow {
    TokenRow {
        no,
        name: format!("system {no}"),
        actions: vec![Action::Publish, Action::ReadRecords],
        agreements: Some(vec![agreement_id(7), agreement_id(8)]),
        created_ms: 1,
        expires_ms: 9,
        revoked_ms: None,
        used_ms: None,
    }
}

pub(super) async fn a_token_is_found_by_its_hash_alone(store: &dyn Store) {
    let (one, other) = (digest(1).0, digest(2).0);
    let everywhere = TokenRow { agreements: None, ..row(2) };
    let nowhere = TokenRow { agreements: Some(Vec::new()), ..row(3) };
    assert_eq!(store.add_token(&one, &row(1)).await.unwrap(), 1);
    assert_eq!(store.add_token(&other, &everywhere).await.unwrap(), 2);
    assert_eq!(store.add_token(&digest(3).0, &nowhere).await.unwrap(), 3);
    assert_eq!(store.token(&one).await.unwrap(), Some((one, row(1))));
    assert_eq!(store.token(&other).await.unwrap(), Some((other, everywhere.clone())));
    assert_eq!(store.token(&digest(9).0).await.unwrap(), None);
    assert_eq!(store.tokens().await.unwrap(), [row(1), everywhere, nowhere]);
    assert!(store.add_token(&one, &row(4)).await.is_err(), "no two tokens are the same");
}

pub(super) async fn a_token_is_revoked_once_and_stays(store: &dyn Store) {
    store.add_token(&digest(1).0, &row(1)).await.unwrap();
    store.use_token(1, 5).await.unwrap();
    assert!(store.revoke_token(1, 6).await.unwrap());
    assert!(store.revoke_token(1, 7).await.unwrap());
    assert!(!store.revoke_token(2, 7).await.unwrap());
    let expected = TokenRow { revoked_ms: Some(6), used_ms: Some(5), ..row(1) };
    assert_eq!(store.tokens().await.unwrap(), [expected]);
}
