//! When a certificate ends: the one date of RFC 5280 that an operator must know.

/// Tags of DER (X.690 §8).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a DER certificate as UTC seconds; `None` when it does not read.
///
/// `Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version?, serial, algorithm, issuer, validity SEQUENCE {`
/// `notBefore, notAfter }, …` (RFC 5280 §4.1).
pub fn expires_at(certificate: &[u8]) -> Option<i64> {
    let (SEQUENCE, body, _) = element(certificate)? else { return None };
    let (SEQUENCE, tbs, _) = element(body)? else { return None };
    let (first, _, behind) = element(tbs)?;
    let mut rest = if first == VERSION { behind } else { tbs };
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    seconds(tag, std::str::from_utf8(time).ok()?)
}

/// Tag, content and what stands behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F).min(5))?;
        let len =
            digits.iter().try_fold(0_usize, |len, digit| len.checked_mul(256)?.checked_add(usize::from(*digit)))?;
        (len, rest)
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5: years of two digits from 50 on are of the last century).
fn seconds(tag: u8, time: &str) -> Option<i64> {
    let long = match tag {
        UTC_TIME if time.get(..2)? < "50" => format!("20{time}"),
        UTC_TIME => format!("19{time}"),
        GENERALIZED_TIME => time.to_owned(),
        _ => return None,
    };
    let digits = long.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let at = |from: usize, to: usize| digits.get(from..to);
    let text = format!("{}-{}-{}T{}:{}:{}Z", at(0, 4)?, at(4, 6)?, at(6, 8)?, at(8, 10)?, at(10, 12)?, at(12, 14)?);
    Some(text.parse::<jiff::Timestamp>().ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_made_certificate() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        // rcgen's default: the year 4096.
        assert_eq!(expires_at(made.cert.der()), Some(67_090_118_400));
        for cut in [0, 1, 2, 10, 40, made.cert.der().len() - 1] {
            assert_eq!(expires_at(&made.cert.der()[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn both_forms_of_time() {
        assert_eq!(seconds(UTC_TIME, "260901000000Z"), Some(1_788_220_800));
        assert_eq!(seconds(GENERALIZED_TIME, "20260901000000Z"), Some(1_788_220_800));
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        for wrong in ["", "2609010000Z", "26090100000Z0", "261301000000Z", "269901000000+0800"] {
            assert_eq!(seconds(UTC_TIME, wrong), None, "{wrong}");
        }
        assert_eq!(seconds(0x02, "260901000000Z"), None);
    }
}
