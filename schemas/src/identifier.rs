//! Identifiers of persons: schemes and normalisation (records §2, bytes: Normalisation). They are inputs of an HMAC on
//! the publishing city's own machine and are never stored, sent or quoted in an error.
use crate::id::InvalidId;
use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

/// Longest identifier before normalisation, in bytes: no scheme comes near it.
pub const MAX_IDENTIFIER_LEN: usize = 256;

/// A normalised identifier with its scheme, ready for the HMAC. `Debug` does not show the identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    scheme: String,
    id: String,
}

impl Identifier {
    /// Normalises: NFKC, ASCII upper case, white space dropped; a G student number becomes its `cn-resident-id`
    /// (with its check character verified), J and L stay `cn-student-number`.
    ///
    /// # Errors
    /// An unknown scheme or an identifier out of its form. The error does not quote it.
    pub fn normalise(scheme: &str, id: &str) -> Result<Self, InvalidId> {
        if id.len() > MAX_IDENTIFIER_LEN {
            return Err(InvalidId("identifier (too long)"));
        }
        let id = fold(id);
        match scheme {
            "cn-resident-id" => resident_id(&id),
            "cn-student-number" => student_number(&id),
            "cn-hmt-permit" => hmt_permit(&id),
            "cn-permanent-resident" => permanent_resident(&id),
            _ => match scheme.split_once(':') {
                Some(("passport", country)) => passport(country, &id),
                Some(("local", city)) => local(city, &id),
                _ => Err(InvalidId("identifier scheme")),
            },
        }
    }

    /// The scheme after normalisation.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The normalised identifier.
    pub fn expose(&self) -> &str {
        &self.id
    }

    fn new(scheme: &str, id: &str) -> Self {
        Self { scheme: scheme.to_owned(), id: id.to_owned() }
    }
}

impl std::fmt::Debug for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identifier({})", self.scheme)
    }
}

/// Normalises a name: as an identifier, and `·`, `•`, `・`, `-`, `'` dropped.
pub fn normalise_name(name: &str) -> String {
    fold(name).chars().filter(|c| !matches!(c, '·' | '•' | '・' | '-' | '\'')).collect()
}

/// NFKC, ASCII upper case, White_Space dropped (bytes: Normalisation).
fn fold(text: &str) -> String {
    text.nfkc().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}

/// The number of a resident identity card (GB 11643), also of the residence permits for Hong Kong, Macao and Taiwan.
fn resident_id(id: &str) -> Result<Identifier, InvalidId> {
    if is_gb11643(id) {
        Ok(Identifier::new("cn-resident-id", id))
    } else {
        Err(InvalidId("cn-resident-id (18 characters with their check character)"))
    }
}

/// A G number is a resident number behind its letter, and is reduced to it: one person has one reference under both.
fn student_number(id: &str) -> Result<Identifier, InvalidId> {
    let invalid = InvalidId("cn-student-number (G, J or L and 18 characters)");
    if let Some(resident) = id.strip_prefix('G') {
        return resident_id(resident).map_err(|_| invalid);
    }
    let rest = id.strip_prefix(['J', 'L']).ok_or_else(|| invalid.clone())?;
    if rest.len() == 18 && is_alphanumeric(rest) { Ok(Identifier::new("cn-student-number", id)) } else { Err(invalid) }
}

/// Travel permits: of Hong Kong (H) and Macao (M) residents with eight digits that stay for life, to which older cards
/// add two of the card's issue; of Taiwan residents with eight digits.
fn hmt_permit(id: &str) -> Result<Identifier, InvalidId> {
    let digits = id.strip_prefix(['H', 'M']);
    let fits = match digits {
        Some(digits) => matches!(digits.len(), 8 | 10) && is_numeric(digits),
        None => id.len() == 8 && is_numeric(id),
    };
    let kept = if digits.is_some() { id.get(..9) } else { Some(id) };
    match kept {
        Some(kept) if fits => Ok(Identifier::new("cn-hmt-permit", kept)),
        _ => Err(InvalidId("cn-hmt-permit (H or M and eight digits, or eight digits)")),
    }
}

/// Foreign permanent residents: since 2023 eighteen characters that begin with 9, before three letters and twelve digits.
fn permanent_resident(id: &str) -> Result<Identifier, InvalidId> {
    let current = id.starts_with('9') && is_gb11643(id);
    let former = match (id.get(..3), id.get(3..)) {
        (Some(country), Some(rest)) => {
            country.bytes().all(|b| b.is_ascii_uppercase()) && rest.len() == 12 && is_numeric(rest)
        }
        _ => false,
    };
    if current || former {
        Ok(Identifier::new("cn-permanent-resident", id))
    } else {
        Err(InvalidId("cn-permanent-resident"))
    }
}

/// A passport of a country (ISO 3166-1 alpha-3).
fn passport(country: &str, id: &str) -> Result<Identifier, InvalidId> {
    let country_ok = country.len() == 3 && country.bytes().all(|b| b.is_ascii_uppercase());
    if country_ok && (5..=20).contains(&id.len()) && is_alphanumeric(id) {
        Ok(Identifier::new(&format!("passport:{country}"), id))
    } else {
        Err(InvalidId("passport (5 to 20 letters and digits)"))
    }
}

/// A city's own number for persons who have nothing else.
fn local(city: &str, id: &str) -> Result<Identifier, InvalidId> {
    let city_ok = (2..=16).contains(&city.len())
        && city.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
    let id_ok = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b));
    if city_ok && id_ok {
        Ok(Identifier::new(&format!("local:{city}"), id))
    } else {
        Err(InvalidId("local identifier"))
    }
}

fn is_numeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Seventeen digits with a birth date that exists, and the check character of ISO 7064 MOD 11-2 (GB 11643).
fn is_gb11643(id: &str) -> bool {
    const CHECK: &[u8; 11] = b"10X98765432";
    let (Some(body), Some(birth)) = (id.get(..17), id.get(6..14)) else { return false };
    if id.len() != 18 || !is_numeric(body) || id.starts_with('0') || Date::strptime("%Y%m%d", birth).is_err() {
        return false;
    }
    // Weights 2^17 … 2^1 modulo 11, by Horner's rule.
    let sum = body.bytes().fold(0, |sum, digit| (sum + usize::from(digit - b'0')) * 2 % 11);
    CHECK.get(sum).copied() == id.bytes().last()
}

/// Whether a unified social credit code has its length and its check character (GB 32100).
pub fn is_uscc(code: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Option<Vec<usize>> = code.chars().map(|c| ALPHABET.find(c)).collect();
    let Some((check, body)) = values.as_deref().and_then(<[usize]>::split_last) else { return false };
    // Weights 3^0 … 3^16 modulo 31, by Horner's rule from the end.
    let sum = body.iter().rev().fold(0, |sum, value| (sum * 3 + value) % 31);
    body.len() == 17 && (sum + check) % 31 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made-up numbers with right check characters, of areas that GB/T 2260 does not give.
    const RESIDENT: &str = "990010201203040014";
    const RESIDENT_X: &str = "99001020120304025X";

    #[test]
    fn normal_forms_by_scheme() {
        for (scheme, given, expected) in [
            ("cn-resident-id", RESIDENT, ("cn-resident-id", RESIDENT)),
            ("cn-resident-id", " 99001020120304025x\u{3000}", ("cn-resident-id", RESIDENT_X)),
            ("cn-resident-id", "９９００１０２０１２０３０４００１４", ("cn-resident-id", RESIDENT)),
            ("cn-student-number", "G990010201203040014", ("cn-resident-id", RESIDENT)),
            ("cn-student-number", "g 990010 20120304 025x", ("cn-resident-id", RESIDENT_X)),
            ("cn-student-number", "l990010201203040017", ("cn-student-number", "L990010201203040017")),
            ("cn-student-number", "J99001020120304001A", ("cn-student-number", "J99001020120304001A")),
            ("cn-hmt-permit", "h12345678", ("cn-hmt-permit", "H12345678")),
            ("cn-hmt-permit", "M1234567801", ("cn-hmt-permit", "M12345678")),
            ("cn-hmt-permit", "01234567", ("cn-hmt-permit", "01234567")),
            ("cn-permanent-resident", "fra110000000001", ("cn-permanent-resident", "FRA110000000001")),
            ("passport:FRA", "12 ab 34567", ("passport:FRA", "12AB34567")),
            ("local:530100", "x-2026/17", ("local:530100", "X-2026/17")),
        ] {
            let identifier = Identifier::normalise(scheme, given).unwrap_or_else(|_| panic!("{scheme} {given}"));
            assert_eq!((identifier.scheme(), identifier.expose()), expected);
        }
    }

    #[test]
    fn what_is_out_of_form_is_refused_and_not_quoted() {
        for (scheme, given) in [
            ("cn-resident-id", "990010201203040017"),
            ("cn-resident-id", "990010201302300010"),
            ("cn-resident-id", "99001020120304001"),
            ("cn-resident-id", "990102801010001"),
            ("cn-resident-id", "９９００１０２０１２０３０４００１七"),
            ("cn-student-number", "990010201203040014"),
            ("cn-student-number", "G990010201203040017"),
            ("cn-student-number", "L9900102012030400"),
            ("cn-hmt-permit", "H1234567"),
            ("cn-hmt-permit", "M123456789"),
            ("cn-hmt-permit", "一234567"),
            ("cn-permanent-resident", "FR110000000001"),
            ("passport:FRA", "1234"),
            ("passport:FR", "12AB34567"),
            ("passport:fra", "12AB34567"),
            ("local:530100", ""),
            ("local:", "1"),
            ("local:530100", "王小明"),
            ("phone", "13800000000"),
            ("", ""),
        ] {
            let error = Identifier::normalise(scheme, given).unwrap_err();
            assert!(given.is_empty() || !error.to_string().contains(given), "{scheme}");
        }
        assert!(Identifier::normalise("local:530100", &"1".repeat(MAX_IDENTIFIER_LEN + 1)).is_err());
    }

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../federation/vectors/identifiers.json")).unwrap()
    }

    fn given(row: &serde_json::Value) -> (&str, &str) {
        (row["scheme"].as_str().unwrap(), row["id"].as_str().unwrap())
    }

    #[test]
    fn each_scheme_accepts_and_refuses_as_in_our_vectors() {
        let vectors = &vectors()["normalisation"];
        let (mut accepted, mut refused) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let family = |scheme: &str| scheme.split(':').next().unwrap_or_default().to_owned();
        for row in vectors["accept"].as_array().unwrap() {
            let (scheme, id) = given(row);
            let identifier = Identifier::normalise(scheme, id).unwrap_or_else(|_| panic!("{row}"));
            assert_eq!(identifier.scheme(), row["normalisedScheme"], "{row}");
            assert_eq!(identifier.expose(), row["normalisedId"], "{row}");
            let again = Identifier::normalise(identifier.scheme(), identifier.expose());
            assert_eq!(again, Ok(identifier), "normalising again changes nothing: {row}");
            accepted.insert(family(scheme));
        }
        for row in vectors["mustReject"].as_array().unwrap() {
            let (scheme, id) = given(row);
            assert!(Identifier::normalise(scheme, id).is_err(), "{row}");
            refused.insert(family(scheme));
        }
        assert_eq!(accepted.len(), 6, "{accepted:?}");
        assert!(refused.is_superset(&accepted), "{refused:?}");
    }

    #[test]
    fn one_person_is_one_and_two_are_two_as_in_our_vectors() {
        let vectors = &vectors()["normalisation"];
        let normal = |group: &serde_json::Value| {
            let one = |row| {
                let (scheme, id) = given(row);
                let identifier = Identifier::normalise(scheme, id).unwrap_or_else(|_| panic!("{row}"));
                (identifier.scheme().to_owned(), identifier.expose().to_owned())
            };
            group.as_array().unwrap().iter().map(one).collect::<Vec<_>>()
        };
        for group in vectors["same"].as_array().unwrap() {
            let normal = normal(group);
            assert!(normal.len() > 1 && normal.iter().all(|one| *one == normal[0]), "{group}");
        }
        for group in vectors["different"].as_array().unwrap() {
            let normal = normal(group);
            let distinct: std::collections::BTreeSet<_> = normal.iter().collect();
            assert!(normal.len() > 1 && distinct.len() == normal.len(), "{group}");
        }
        for row in vectors["names"].as_array().unwrap() {
            assert_eq!(normalise_name(row["name"].as_str().unwrap()), row["normalisedName"], "{row}");
        }
    }

    #[test]
    fn unified_social_credit_codes_as_in_our_vectors() {
        let vectors = &vectors()["unifiedSocialCreditCodes"];
        for code in vectors["accept"].as_array().unwrap() {
            assert!(is_uscc(code.as_str().unwrap()), "{code}");
        }
        for row in vectors["mustReject"].as_array().unwrap() {
            assert!(!is_uscc(row["code"].as_str().unwrap()), "{row}");
        }
    }

    #[test]
    fn debug_hides_the_identifier() {
        let identifier = Identifier::normalise("cn-resident-id", RESIDENT).unwrap();
        assert_eq!(format!("{identifier:?}"), "Identifier(cn-resident-id)");
    }

    #[test]
    fn names_lose_their_separators() {
        for (name, normal) in [
            ("王 小明", "王小明"),
            ("阿依古丽·买买提", "阿依古丽买买提"),
            ("阿依古丽•买买提", "阿依古丽买买提"),
            ("アン・リー", "アンリー"),
            ("Anne-Marie O'Neill", "ANNEMARIEONEILL"),
            ("Ｌｉ　Ｍｉｎｇ", "LIMING"),
            ("e\u{301}ve", "\u{e9}VE"),
        ] {
            assert_eq!(normalise_name(name), normal);
        }
    }

    #[test]
    fn unified_social_credit_codes() {
        // The worked example of GB 32100-2015, annex A.
        assert!(is_uscc("91350100M000100Y43"));
        for bad in ["91350100M000100Y44", "91350100M000100Y4", "91350100M000100Y433", "91350100I000100Y43", "", "码"] {
            assert!(!is_uscc(bad), "{bad}");
        }
    }
}
