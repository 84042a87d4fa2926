//! Dictionaries with which stored records are compressed (zstd, RFC 8878).
//!
//! A dictionary is trained on synthetic records only: one that is trained on real ones would keep personal data after
//! their erasure. A released dictionary never changes, for what is stored was compressed with it: a better one is a new
//! file with a new number.

/// The number of [`RECORDS_V1`] where a payload is stored: its codec. 0 is plain zstd.
pub const RECORDS_V1_CODEC: u8 = 1;

/// The dictionary for records of schema version 1, in the form of a zstd dictionary (RFC 8878 §5).
pub const RECORDS_V1: &[u8] = include_bytes!("../dictionaries/records-v1.dict");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_small_zstd_dictionary_without_identifiers_of_any_one() {
        assert!(RECORDS_V1.starts_with(&[0x37, 0xA4, 0x30, 0xEC]));
        assert!(RECORDS_V1.len() <= 16 * 1024);
        // No host, key or agreement of any one node.
        for term in ["did:web:localhost", ".edu.cn", "urn:hefu:subject:1:AAAA"] {
            assert!(!RECORDS_V1.windows(term.len()).any(|window| window == term.as_bytes()), "{term}");
        }
    }
}
