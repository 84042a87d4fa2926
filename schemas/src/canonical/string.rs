//! Strings of RFC 8785: escapes (§3.2.2.2) and the order of member names (§3.2.3).

use std::cmp::Ordering;

/// Appends a string with its quotes and the escapes that RFC 8785 §3.2.2.2 wants, no others.
pub(crate) fn write(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    out.push(b'"');
    loop {
        let end = plain_end(bytes, at);
        out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        let Some(&byte) = bytes.get(end) else { break };
        write_escape(out, byte);
        at = end + 1;
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Where the run of bytes that need no escape ends: at the first quote, backslash or control from `at` on, or at
/// the end.
///
/// Eight bytes a step, since most of a record is such bytes: a subtraction borrows into the top bit of exactly the
/// lowest byte that is below the limit (bytes above it may be marked falsely, the lowest mark never is).
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x8080_8080_8080_8080;
    const QUOTE: u64 = LOW * 0x22;
    const BACKSLASH: u64 = LOW * 0x5c;
    const FIRST_PLAIN: u64 = LOW * 0x20;

    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, backslash) = (word ^ QUOTE, word ^ BACKSLASH);
        let found = (word.wrapping_sub(FIRST_PLAIN) & !word)
            | (quote.wrapping_sub(LOW) & !quote)
            | (backslash.wrapping_sub(LOW) & !backslash);
        let marks = found & TOP;
        if marks != 0 {
            return at + usize::try_from(marks.trailing_zeros() / 8).unwrap_or_default();
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// Length of the canonical escape that begins at a backslash; `None` if RFC 8785 would write it otherwise.
pub(crate) fn canonical_escape_len(escape: &[u8]) -> Option<usize> {
    match escape {
        [b'\\', b'b' | b't' | b'n' | b'f' | b'r' | b'"' | b'\\', ..] => Some(2),
        // 08, 09, 0a, 0c and 0d have short forms.
        [b'\\', b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
        | [b'\\', b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        _ => None,
    }
}

/// The text of a canonical string, given without its quotes.
pub(crate) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        out.push(match chars.next() {
            Some('u') => {
                let code = u32::from_str_radix(escape.get(1..5).unwrap_or_default(), 16).ok().and_then(char::from_u32);
                chars = escape.get(5..).unwrap_or_default().chars();
                code.unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(short) => unescape_short(short).unwrap_or(char::REPLACEMENT_CHARACTER),
            None => char::REPLACEMENT_CHARACTER,
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character of a two-character escape (RFC 8259 §7).
pub(crate) fn unescape_short(escape: char) -> Option<char> {
    Some(match escape {
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'f' => '\u{c}',
        'r' => '\r',
        '"' | '\\' | '/' => escape,
        _ => return None,
    })
}

/// Order by UTF-16 code units (RFC 8785 §3.2.3), without converting.
///
/// UTF-8 bytes order by code point. UTF-16 differs in one place: what is above U+FFFF is written with surrogates
/// (D800 to DFFF) and so comes before U+E000 to U+FFFF, whose first UTF-8 byte is EE or EF.
pub(crate) fn utf16_order(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.iter().zip(b).find(|(a, b)| a != b).map_or_else(|| a.len().cmp(&b.len()), |(a, b)| rank(*a).cmp(&rank(*b)))
}

fn rank(byte: u8) -> u8 {
    // First bytes end at F4, so FE and FF are free.
    if matches!(byte, 0xee | 0xef) { byte | 0x10 } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_above_ffff_come_before_e000() {
        let sorted = ["", "a", "aa", "é", "\u{d7ff}", "\u{10000}", "\u{10ffff}", "\u{e000}", "\u{fb33}", "\u{ffff}"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(utf16_order(a, b), i.cmp(&j), "{a:?} {b:?}");
                let (a, b) = (format!("x{a}y"), format!("x{b}y"));
                assert_eq!(utf16_order(&a, &b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn every_ascii_character_is_escaped_as_rfc_8785_wants() {
        for byte in 0..0x80_u8 {
            let text = char::from(byte).to_string();
            let mut out = Vec::new();
            write(&mut out, &text);
            let oracle = serde_json_canonicalizer::to_vec(&text).unwrap();
            assert_eq!(out, oracle, "{byte:#x}");
            let inner = std::str::from_utf8(&out[1..out.len() - 1]).unwrap();
            assert_eq!(unescape(inner), text);
            let escaped = inner.starts_with('\\');
            assert_eq!(canonical_escape_len(inner.as_bytes()), escaped.then_some(inner.len()), "{byte:#x}");
        }
        for spelling in [
            "\\/", "\\u0008", "\\u0009", "\\u000a", "\\u000c", "\\u000d", "\\u001F", "\\u0020", "\\u007f", "\\u00e9",
            "\\u", "\\",
        ] {
            assert_eq!(canonical_escape_len(spelling.as_bytes()), None, "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn order_equals_that_of_utf_16(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(utf16_order(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
        }

        #[test]
        fn the_plain_run_ends_at_the_first_special_byte(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            at in 0..8_usize,
        ) {
            let expected = (at..bytes.len()).find(|&i| bytes[i] < 0x20 || bytes[i] == b'"' || bytes[i] == b'\\');
            prop_assert_eq!(plain_end(&bytes, at.min(bytes.len())), expected.unwrap_or(bytes.len()));
        }
    }
}
