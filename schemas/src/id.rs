//! Identifiers, each with its own type. Parsing is strict; `Display` gives the form of the wire.
use std::fmt;
use thiserror::Error;
use uuid::Uuid;

/// A text is not an identifier of the expected kind. Does not quote the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

/// `did:web:<host>[%3A<port>]`, host level only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did(String);

/// Origin of a log: authority and path prefix of its public URL, at most 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

/// `urn:uuid:` version 7, minted by the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(Uuid);

/// `urn:uuid:` of an agreement; the nil and the all-ones UUID are the built-in `public` and `holder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgreementId(Uuid);

/// SHA-256; 64 lower-case hex characters on the wire, any case, spaces and colons accepted from people.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Did {
    /// Parses a host-level `did:web`.
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let rest = text.strip_prefix("did:web:").ok_or(InvalidId("did:web"))?;
        let authority = rest.replace("%3A", ":");
        if rest.contains(':') || !is_authority(&authority) {
            return Err(InvalidId("did:web"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The DID of an authority (`host` or `host:port`).
    ///
    /// # Errors
    /// Not a lower-case authority.
    pub fn from_authority(authority: &str) -> Result<Self, InvalidId> {
        if !is_authority(authority) {
            return Err(InvalidId("authority"));
        }
        Ok(Self(format!("did:web:{}", authority.replace(':', "%3A"))))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `host[:port]` with a lower-case host of letters, digits, dots and hyphens; no IP address (did:web §3.1).
fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let host_ok = !host.is_empty()
        && !host.starts_with(['.', '-'])
        && !host.ends_with(['.', '-'])
        && !host.contains("..")
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        && host.parse::<std::net::Ipv4Addr>().is_err();
    let port_ok = port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok());
    host_ok && port_ok
}

impl Origin {
    /// Longest origin, in bytes (bytes.md, names).
    pub const MAX_LEN: usize = 128;

    /// Parses `<authority>[/path…]`.
    ///
    /// # Errors
    /// Not of that form, or too long.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (authority, path) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let path_ok = path.is_none_or(|path| {
            path.split('/').all(|segment| {
                !segment.is_empty()
                    && segment != "."
                    && segment != ".."
                    && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            })
        });
        if text.len() > Self::MAX_LEN || !is_authority(authority) || !path_ok {
            return Err(InvalidId("origin"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The origin of a public URL: `https://` is dropped, and port 443.
    ///
    /// # Errors
    /// Not an `https` URL of an authority and plain path segments.
    pub fn from_url(url: &str) -> Result<Self, InvalidId> {
        let rest = url.strip_prefix("https://").ok_or(InvalidId("https URL"))?.trim_end_matches('/');
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
        let authority = authority.strip_suffix(":443").unwrap_or(authority);
        let text = if path.is_empty() { authority.to_owned() } else { format!("{authority}/{path}") };
        Self::parse(&text).map_err(|_| InvalidId("https URL"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(authority, _)| authority)
    }

    /// The URL below which the node answers: `https://<origin>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.0)
    }
}

impl RecordId {
    /// From a UUID, which must be of version 7.
    ///
    /// # Errors
    /// Another version.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, InvalidId> {
        if uuid.get_version_num() != 7 {
            return Err(InvalidId("record id (urn:uuid, version 7)"));
        }
        Ok(Self(uuid))
    }

    /// Parses `urn:uuid:…` in lower case.
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        parse_uuid_urn(text)
            .and_then(|uuid| Self::from_uuid(uuid).ok())
            .ok_or(InvalidId("record id (urn:uuid, version 7)"))
    }

    /// The UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl AgreementId {
    /// The built-in agreement `public`: the nil UUID.
    pub const PUBLIC: Self = Self(Uuid::nil());
    /// The built-in agreement `holder`: all ones.
    pub const HOLDER: Self = Self(Uuid::max());

    /// From a UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Parses `urn:uuid:…` in lower case.
    ///
    /// # Errors
    /// Not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        parse_uuid_urn(text).map(Self).ok_or(InvalidId("agreement id (urn:uuid)"))
    }

    /// The UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// Whether it is one of the two that every node has.
    pub fn is_built_in(self) -> bool {
        self == Self::PUBLIC || self == Self::HOLDER
    }
}

/// Accepts exactly what `Display` writes.
fn parse_uuid_urn(text: &str) -> Option<Uuid> {
    let rest = text.strip_prefix("urn:uuid:")?;
    let uuid = Uuid::try_parse(rest).ok()?;
    let mut written = [0; uuid::fmt::Hyphenated::LENGTH];
    (*uuid.hyphenated().encode_lower(&mut written) == *rest).then_some(uuid)
}

impl Digest {
    /// SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Parses 64 hex characters; ignores case, spaces and colons, as people type a fingerprint.
    ///
    /// # Errors
    /// Not 64 hex characters.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId("SHA-256 digest (64 hex characters)");
        let mut out = [0_u8; 32];
        let mut digits = text.chars().filter(|c| !c.is_whitespace() && *c != ':').map(|c| c.to_digit(16));
        for byte in &mut out {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(invalid);
            };
            *byte = u8::try_from(high * 16 + low).map_err(|_| invalid.clone())?;
        }
        if digits.next().is_some() { Err(invalid) } else { Ok(Self(out)) }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:uuid:{}", self.0.hyphenated())
    }
}

impl fmt::Display for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urn:uuid:{}", self.0.hyphenated())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        let mut text = [0; 64];
        for (two, byte) in text.chunks_exact_mut(2).zip(self.0) {
            two.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_dids() {
        assert_eq!(Origin::from_url("https://Kunming.example/").ok(), None);
        assert_eq!(Origin::from_url("https://km.example:443/hefu/").unwrap().as_str(), "km.example/hefu");
        assert_eq!(Did::from_authority("localhost:8443").unwrap().as_str(), "did:web:localhost%3A8443");
        for bad in ["did:web:a:b", "did:key:z6Mk", "did:web:", "did:web:a%3A0", "did:web:A.example"] {
            assert!(Did::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "a//b", "a/..", "a b", "a:99999", "a:+80", "a:", "a/?x", "10.0.0.1", "127.0.0.1:8443"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn record_ids_are_uuids_of_version_seven_in_one_spelling() {
        let id = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(RecordId::parse(id).unwrap().to_string(), id);
        for bad in [&id.to_uppercase(), "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", &id[9..]] {
            assert!(RecordId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fingerprints_as_people_type_them() {
        let digest = Digest::of(b"");
        let spaced = digest
            .to_string()
            .to_uppercase()
            .as_bytes()
            .chunks(4)
            .map(|c| std::str::from_utf8(c).unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" :");
        assert_eq!(Digest::parse(&spaced).unwrap(), digest);
        assert!(Digest::parse(&format!("{digest}0")).is_err());
        assert!(Digest::parse(&digest.to_string()[1..]).is_err());
    }
}
