//! How keys stand in the queue. Nearly every key is that of a subject reference, whose text is twice as long as what it says:
//!
//! ```text
//! subject 1F urn:hefu:subject:<epoch>:<43 letters>  ─▶  01 · epoch · 32 bytes
//! any other key                                     ─▶  as it is
//! ```
//!
//! Only the queue: facts and findings are kept in the order of their keys.

use hefu_federation::base64url;
use hefu_federation::reconcile::key::{Key, KeyType};

/// Begins a packed key. No type of key begins so: those are words.
const MARK: u8 = 1;
/// What stands before the epoch of a subject reference.
const REFERENCE: &str = "urn:hefu:subject:";

/// The bytes of a key in the queue.
pub(super) fn pack(key: &Key) -> Vec<u8> {
    packed(key).unwrap_or_else(|| key.bytes().to_vec())
}

fn packed(key: &Key) -> Option<Vec<u8>> {
    let value = (key.key_type() == KeyType::Subject).then(|| key.value())?;
    let (epoch, reference) = value.strip_prefix(REFERENCE)?.split_once(':')?;
    let (number, bytes): (u8, [u8; 32]) = (epoch.parse().ok()?, base64url::decode_array(reference)?);
    // What is not written as `unpack` writes it stays as it is.
    (number.to_string() == epoch).then(|| [&[MARK, number][..], &bytes].concat())
}

/// The key of such bytes, or of its own bytes, as they stood there before.
pub(super) fn unpack(bytes: Vec<u8>) -> Option<Key> {
    match bytes.as_slice() {
        [MARK, epoch, reference @ ..] if reference.len() == 32 => {
            Some(Key::new(KeyType::Subject, &format!("{REFERENCE}{epoch}:{}", base64url::encode(reference))))
        }
        _ => Key::from_bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_references_are_short() {
        let letters = base64url::encode(&[0xfb; 32]);
        let key = |value: &str| Key::new(KeyType::Subject, value);
        for (key, len) in [
            (key(&format!("urn:hefu:subject:1:{letters}")), 34),
            (key(&format!("urn:hefu:subject:255:{letters}")), 34),
            (key(&format!("urn:hefu:subject:256:{letters}")), 72),
            (key(&format!("urn:hefu:subject:01:{letters}")), 71),
            (key(&format!("urn:hefu:subject:+1:{letters}")), 71),
            (key(&format!("urn:hefu:subject:1:{letters}A")), 71),
            (key("x"), 9),
            (Key::new(KeyType::Connection, &format!("urn:hefu:subject:1:{letters}")), 73),
        ] {
            let bytes = pack(&key);
            assert_eq!((bytes.len(), unpack(bytes), unpack(key.bytes().to_vec())), (len, Some(key.clone()), Some(key)));
        }
        for bad in [&[][..], &[MARK], &[MARK; 33], &[MARK; 35], b"nothing\x1fx"] {
            assert_eq!(unpack(bad.to_vec()), None);
        }
    }
}
