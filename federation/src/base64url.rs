//! base64url without padding (RFC 4648 §5): how binary values stand in JSON. Decoding accepts only the one canonical text.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
/// Bytes that are decoded without an allocation: keys, salts, commitments and labels have 32 or fewer, signatures 64.
const SHORT_LEN: usize = 96;
/// Encodes.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
/// Decodes; `None` for anything that [`encode`] would not write.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    // This engine refuses padding, foreign characters and trailing bits that are not zero (RFC 4648 §3.5): two texts
    // never mean the same bytes.
    URL_SAFE_NO_PAD.decode(text).ok()
}
/// Decodes to a fixed length.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut buffer = [0; SHORT_LEN];
    if N > SHORT_LEN {
        return decode(text)?.try_into().ok();
    }
    // Longer texts do not fit the buffer, and are none of `N` bytes.
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..len)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_text_decodes() {
        // RFC 4648 §10, without padding, and a value that needs both letters of the URL alphabet.
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (&[0xfb, 0xff], "-_8")] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        for (name, bad) in [
            ("padding", "Zg=="),
            ("trailing bits", "Zh"),
            ("one character left", "Zm9vZ"),
            ("standard alphabet", "+/8"),
            ("white space", "Zm 8"),
            ("line end", "Zm8\n"),
        ] {
            assert_eq!(decode(bad), None, "{name}");
        }
        assert_eq!(decode_array::<2>("Zm8"), Some(*b"fo"));
        assert_eq!(decode_array::<3>("Zm8"), None);
        for len in [0, 1, 92, 93, 94, 95, 96, 97, 98, 200] {
            let text = encode(&vec![7; len]);
            assert_eq!(decode_array::<64>(&text), None, "{len}");
            assert_eq!(decode_array::<96>(&text).is_some(), len == 96, "{len}");
            assert_eq!(decode_array::<97>(&text).is_some(), len == 97, "{len}");
        }
    }

    proptest! {
        #[test]
        fn what_decodes_is_written_the_same(text in "[A-Za-z0-9_=+/-]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
