//! Base58btc of short byte strings: keys and signatures. A general converter works digit by digit; with an upper bound on the
//! length ten digits go at a time, each step in one 64-bit word.

/// The digits (Bitcoin's alphabet): no `0`, `O`, `I`, `l`.
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Value of each byte as a digit; 58 where it is none.
const VALUES: [u8; 256] = values();
/// Digits that go at a time: 58^5 is the largest power of 58 below 2^32, so that limb × power + carry fits 64 bits.
const STEP: usize = 5;
/// 58^[`STEP`].
const STEP_BASE: u64 = 58_u64.pow(5);
/// Longest string in bytes: a signature.
pub(crate) const MAX_LEN: usize = 64;
/// Limbs of 32 bits of the longest string.
const LIMBS: usize = MAX_LEN / 4;
/// Longest text in digits: 64 bytes have 88.
const MAX_DIGITS: usize = 88;
/// Groups of [`STEP`] digits of the longest text.
const GROUPS: usize = MAX_DIGITS.div_ceil(STEP);

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler: an index out of range does not compile")]
#[expect(clippy::as_conversions, reason = "positions below 58, in a constant")]
const fn values() -> [u8; 256] {
    let mut values = [58; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// The text of at most [`MAX_LEN`] bytes; longer ones have none.
pub(crate) fn encode(bytes: &[u8]) -> Option<String> {
    if bytes.len() > MAX_LEN {
        return None;
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Base 58^5, least significant first.
    let mut groups = [0_u64; GROUPS];
    let mut used = 0;
    let (head, words) = bytes.split_at(bytes.len() % 4);
    let words = words.chunks_exact(4).map(|word| (word, 1 << 32));
    for (part, base) in std::iter::once((head, 1 << (8 * head.len()))).chain(words) {
        let mut carry = part.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        for group in groups.iter_mut().take(used) {
            let value = *group * base + carry;
            (*group, carry) = (value % STEP_BASE, value / STEP_BASE);
        }
        for group in groups.iter_mut().skip(used) {
            if carry == 0 {
                break;
            }
            (*group, carry) = (carry % STEP_BASE, carry / STEP_BASE);
            used += 1;
        }
    }
    let mut digits = [0_u8; GROUPS * STEP];
    for (five, group) in digits.rchunks_exact_mut(STEP).zip(groups) {
        let mut group = group;
        for digit in five.iter_mut().rev() {
            *digit = u8::try_from(group % 58).unwrap_or_default();
            group /= 58;
        }
    }
    let digits = digits.iter().skip_while(|digit| **digit == 0);
    let digit = |value: u8| ALPHABET.get(usize::from(value)).copied().map(char::from);
    let mut text = String::with_capacity(MAX_DIGITS);
    text.extend(std::iter::repeat_n('1', zeros).chain(digits.filter_map(|value| digit(*value))));
    Some(text)
}

/// The `N` bytes of a text; `None` if it is none, or of another number of bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if N > MAX_LEN || text.len() > MAX_DIGITS {
        return None;
    }
    // Base 2^32, least significant first.
    let mut limbs = [0_u64; LIMBS];
    let mut used = 0;
    let (head, rest) = text.as_bytes().split_at(text.len() % STEP);
    for part in std::iter::once(head).chain(rest.chunks_exact(STEP)) {
        let (mut carry, mut base) = (0_u64, 1_u64);
        for byte in part {
            let value = VALUES.get(usize::from(*byte)).copied().filter(|value| *value < 58)?;
            (carry, base) = (carry * 58 + u64::from(value), base * 58);
        }
        for limb in limbs.iter_mut().take(used) {
            let value = *limb * base + carry;
            (*limb, carry) = (value & u64::from(u32::MAX), value >> 32);
        }
        if carry > 0 {
            // More than 64 bytes.
            *limbs.get_mut(used)? = carry;
            used += 1;
        }
    }
    let mut all = [0_u8; MAX_LEN];
    for (four, limb) in all.rchunks_exact_mut(4).zip(limbs) {
        four.copy_from_slice(&u32::try_from(limb).ok()?.to_be_bytes());
    }
    // A text has one leading `1` for each leading zero byte: with the number of bytes given, the two must agree.
    let (before, bytes) = all.split_last_chunk::<N>()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let ones = text.bytes().take_while(|byte| *byte == b'1').count();
    (before.iter().all(|byte| *byte == 0) && zeros == ones).then_some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_texts() {
        // draft-msporny-base58-03, section 5, and the edges.
        for (bytes, text) in [
            (&b"Hello World!"[..], "2NEpo7TZRRrLZSi2U"),
            (
                b"The quick brown fox jumps over the lazy dog.",
                "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
            ),
            (b"\x00\x00\x28\x7f\xb4\xcd", "11233QC4"),
            (b"", ""),
            (b"\0", "1"),
        ] {
            assert_eq!(encode(bytes).as_deref(), Some(text));
        }
        assert_eq!(decode(&"1".repeat(64)), Some([0; 64]));
        assert_eq!(decode::<64>(&encode(&[0xff; 64]).unwrap()), Some([0xff; 64]));
        assert_eq!(encode(&[0xff; 64]).unwrap().len(), MAX_DIGITS);
        assert_eq!(encode(&[0; 65]), None);
    }

    #[test]
    fn what_is_no_text_of_so_many_bytes() {
        let text = encode(&[7; 34]).unwrap();
        assert_eq!(decode::<34>(&text), Some([7; 34]));
        for bad in ["0", "O", "I", "l", " ", "é", "\0"] {
            assert_eq!(decode::<34>(&text.replace(&text[3..4], bad)), None, "{bad}");
        }
        assert_eq!(decode::<33>(&text), None);
        assert_eq!(decode::<35>(&text), None);
        assert_eq!(decode::<34>(&format!("1{text}")), None);
        // 58^88 is above 2^512.
        assert_eq!(decode::<64>(&"z".repeat(MAX_DIGITS)), None);
        assert_eq!(decode::<64>(&"z".repeat(MAX_DIGITS + 1)), None);
        assert_eq!(decode::<64>(""), None);
    }

    proptest! {
        #[test]
        fn equals_the_general_converter(bytes in proptest::collection::vec(any::<u8>(), 0..=MAX_LEN), zeros in 0..9_usize) {
            let bytes: Vec<u8> = std::iter::repeat_n(0, zeros).chain(bytes).take(MAX_LEN).collect();
            prop_assert_eq!(encode(&bytes), Some(bs58::encode(&bytes).into_string()));
        }

        #[test]
        fn both_accept_the_same_texts(text in "[1-9A-HJ-NP-Za-km-z0OIl]{0,90}", ones in 0..9_usize) {
            let text = "1".repeat(ones) + &text;
            let oracle = |len: usize| bs58::decode(&text).into_vec().ok().filter(|bytes| bytes.len() == len);
            prop_assert_eq!(decode::<64>(&text).map(|bytes| bytes.to_vec()), oracle(64));
            prop_assert_eq!(decode::<34>(&text).map(|bytes| bytes.to_vec()), oracle(34));
        }

        #[test]
        fn what_is_written_is_read(bytes in any::<[u8; 32]>(), more in any::<[u8; 32]>()) {
            let both: [u8; 64] = std::array::from_fn(|at| if at < 32 { bytes[at] } else { more[at - 32] });
            prop_assert_eq!(decode(&encode(&both).unwrap()), Some(both));
            prop_assert_eq!(decode(&encode(&bytes).unwrap()), Some(bytes));
        }
    }
}
