//! Salted commitments and blind labels (bytes: Commitment, HMAC inputs).
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
/// What a log entry says of a record.
pub type Commitment = [u8; 32];
/// What only the parties of an agreement recognise.
pub type Label = [u8; 16];
/// Sets commitments apart from every other hash; the zero byte ends it.
const COMMIT_DOMAIN: &[u8] = b"hefu/record/v1\0";
/// Sets labels apart from every other HMAC; the zero byte ends it.
const LABEL_DOMAIN: &[u8] = b"hefu/label/v1\0";
/// c = SHA-256(`hefu/record/v1` 00 ‖ salt ‖ canonical bytes of the signed record).
///
/// The salt hides the record: a log leaf tells nothing of a record whose salt is destroyed.
pub fn commit(salt: &[u8; 32], record: &[u8]) -> Commitment {
    Sha256::new().chain_update(COMMIT_DOMAIN).chain_update(salt).chain_update(record).finalize().into()
}
/// First 16 bytes of HMAC(label key, `hefu/label/v1` 00 c).
pub fn blind_label(label_key: &[u8; 32], commitment: &Commitment) -> Label {
    let mut label = Label::default();
    // `zip` stops with the shorter side: the first 16 of 32 bytes.
    for (to, from) in label.iter_mut().zip(hmac(label_key, &[LABEL_DOMAIN, commitment])) {
        *to = from;
    }
    label
}
/// HMAC-SHA-256 (RFC 2104) over the parts, one behind the other.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §2)");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;

    #[derive(serde::Deserialize)]
    struct Case {
        salt: String,
        record: String,
        commitment: String,
        label: String,
    }

    #[test]
    fn commitments_and_labels_as_in_our_vectors() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/identifiers.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_value(vectors["commitments"].clone()).unwrap();
        let label_key = base64url::decode_array(vectors["linkage"]["labelKey"].as_str().unwrap()).unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            let commitment = commit(&base64url::decode_array(&case.salt).unwrap(), case.record.as_bytes());
            assert_eq!(base64url::encode(&commitment), case.commitment);
            assert_eq!(base64url::encode(&blind_label(&label_key, &commitment)), case.label);
        }
    }

    #[test]
    fn every_input_matters() {
        let c = commit(&[1; 32], b"record");
        assert_ne!(c, commit(&[2; 32], b"record"));
        assert_ne!(c, commit(&[1; 32], b"recore"));
        let label = blind_label(&[3; 32], &c);
        assert_ne!(label, blind_label(&[4; 32], &c));
        assert_ne!(label, blind_label(&[3; 32], &commit(&[2; 32], b"record")));
    }
}
