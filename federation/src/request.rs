//! Requests between nodes: RFC 9421 signatures and RFC 9530 digests over plain parts (protocol §6, bytes: Requests).
use crate::base64url;
use crate::key::{KeyId, PublicKey, SecretKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::visitor::{DictionaryVisitor, EntryVisitor};
use sfv::{BareItem, Dictionary, InnerList, KeyRef, ListEntry, ListSerializer, Parser};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
/// Longest validity, seconds.
pub const MAX_VALIDITY_S: i64 = 300;
/// How far `created` may lie in the future, seconds: clocks differ.
pub const MAX_SKEW_S: i64 = 60;
/// Largest body, bytes.
pub const MAX_BODY_LEN: usize = 1024 * 1024;
/// Longest value of a signature header, bytes: ours has under 400; the rest is room for signatures of gateways.
pub const MAX_HEADER_LEN: usize = 8 * 1024;
/// Tells our signatures from those of others (RFC 9421 §2.3, §7.2.7).
const TAG: &str = "hefu";
/// The label under which we sign.
const LABEL: &str = "hefu";
/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Full URL, built from the configured public URL.
    pub target_uri: &'a str,
    /// The body; empty when there is none.
    pub body: &'a [u8],
}
/// The three headers of a signed request. `content_digest` is `None` without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like the headers")]
pub struct Headers {
    pub content_digest: Option<String>,
    pub signature_input: String,
    pub signature: String,
}
/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum RequestError {
    #[error("no signature with the tag hefu, or more than one")]
    Unsigned,
    #[error("malformed signature headers")]
    Malformed,
    #[error("the signature does not cover what it must, or covers more")]
    Components,
    #[error("the signature's parameters are missing or out of range")]
    Parameters,
    #[error("the request has expired")]
    Expired,
    #[error("the request was made in the future: compare the clocks")]
    Future,
    #[error("unknown key")]
    UnknownKey,
    #[error("content digest differs from the body")]
    Digest,
    #[error("the signature does not hold")]
    Signature,
}
/// Signs: label `hefu`, components `@method`, `@target-uri`, `content-digest` (with a body), parameters created, expires,
/// nonce, keyid, tag. Valid for [`MAX_VALIDITY_S`].
pub fn sign(parts: Parts<'_>, key_id: &KeyId, key: &SecretKey, created: i64, nonce: &[u8; 16]) -> Headers {
    let digest = content_digest(parts.body);
    let components = components(parts, digest.as_deref());
    let names: Vec<_> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let params = format!(
        "({});created={created};expires={};nonce=\"{}\";keyid=\"{key_id}\";tag=\"{TAG}\"",
        names.join(" "),
        created.saturating_add(MAX_VALIDITY_S),
        base64url::encode(nonce),
    );
    let signature = key.sign(signature_base(&components, &params).as_bytes());
    Headers {
        content_digest: digest,
        signature_input: format!("{LABEL}={params}"),
        signature: format!("{LABEL}=:{}:", STANDARD.encode(signature)),
    }
}
/// A signature whose form, parameters, times and body digest are good; its key is still to be looked up.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// Who claims to have signed.
    pub key_id: KeyId,
    /// For the replay table.
    pub nonce: [u8; 16],
    /// End of validity, UTC seconds: from this second on the request is refused, and its nonce may be forgotten.
    pub expires: i64,
    base: Vec<u8>,
    signature: [u8; 64],
}
/// Reads and checks everything but the signature itself. Header values as received (joined by `, ` when repeated).
///
/// # Errors
/// The first check that fails.
pub fn parse(
    parts: Parts<'_>,
    content_digest: Option<&str>,
    signature_input: Option<&str>,
    signature: Option<&str>,
    now: i64,
) -> Result<Parsed, RequestError> {
    let (Some(signature_input), Some(signature)) = (signature_input, signature) else {
        return Err(RequestError::Unsigned);
    };
    if !is_one_line(parts.method) || !is_one_line(parts.target_uri) {
        return Err(RequestError::Malformed);
    }
    let (label, input) = tagged(signature_input)?;
    let signature = signature_of(signature, &label)?;
    let digest = self::content_digest(parts.body);
    let components = components(parts, digest.as_deref());
    check_components(&input, &components)?;
    let params = Params::read(&input)?;
    params.check_times(now)?;
    // One spelling only, so the header as received is the text that the signature covers.
    if digest.is_some() && content_digest.map(|text| text.trim_matches([' ', '\t'])) != digest.as_deref() {
        return Err(RequestError::Digest);
    }
    let base = signature_base(&components, &params_text(input)?).into_bytes();
    Ok(Parsed { key_id: params.key_id, nonce: params.nonce, expires: params.expires, base, signature })
}
impl Parsed {
    /// Verifies with the key found for `key_id`.
    ///
    /// # Errors
    /// It does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(), RequestError> {
        if key.multikey() != self.key_id.multikey {
            return Err(RequestError::UnknownKey);
        }
        if key.verify(&self.base, &self.signature) { Ok(()) } else { Err(RequestError::Signature) }
    }
}

/// The value of `Content-Digest` for a body (RFC 9530 §2): `sha-256` alone; `None` without a body.
pub fn content_digest(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body))))
}

/// What a signature of this profile covers, in order: name and value of each component.
fn components<'a>(parts: Parts<'a>, digest: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let mut components = vec![("@method", parts.method), ("@target-uri", parts.target_uri)];
    components.extend(digest.map(|digest| ("content-digest", digest)));
    components
}

/// The signature base (RFC 9421 §2.5). `params` is the value of `@signature-params` (§2.3).
pub(crate) fn signature_base(components: &[(&str, &str)], params: &str) -> String {
    let lines: String = components.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
    format!("{lines}\"@signature-params\": {params}")
}

/// Whether a component's value can stand in a signature base: no line end could fake a further line (RFC 9421 §2.5).
fn is_one_line(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The signature parameters with the tag, and their label. Signatures of others are left alone (RFC 9421 §7.2.6); which
/// label ours has does not matter: the signature does not cover it, and a gateway may rename it (§4.3, §7.2.5).
fn tagged(signature_input: &str) -> Result<(String, InnerList), RequestError> {
    let mut tagged = dictionary(signature_input)?.into_iter().filter_map(|(label, entry)| match entry {
        ListEntry::InnerList(list) if text_of(list.params.get("tag")) == Some(TAG) => Some((label.to_string(), list)),
        ListEntry::InnerList(_) | ListEntry::Item(_) => None,
    });
    match (tagged.next(), tagged.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(RequestError::Unsigned),
    }
}

/// The signature under a label: a byte sequence of 64 bytes (RFC 9421 §4.2, §3.3.6).
fn signature_of(signature: &str, label: &str) -> Result<[u8; 64], RequestError> {
    match dictionary(signature)?.get(label) {
        Some(ListEntry::Item(item)) if item.params.is_empty() => match &item.bare_item {
            BareItem::ByteSequence(bytes) => bytes.as_slice().try_into().map_err(|_| RequestError::Malformed),
            _ => Err(RequestError::Malformed),
        },
        _ => Err(RequestError::Malformed),
    }
}

/// Exactly the components of the profile, in order and without parameters.
fn check_components(input: &InnerList, expected: &[(&str, &str)]) -> Result<(), RequestError> {
    let same = input.items.len() == expected.len()
        && input
            .items
            .iter()
            .zip(expected)
            .all(|(item, (name, _))| item.params.is_empty() && text_of(Some(&item.bare_item)) == Some(*name));
    if same { Ok(()) } else { Err(RequestError::Components) }
}

/// The value of `@signature-params`: the parameters as received, in the strict serialisation (RFC 9421 §2.3).
fn params_text(input: InnerList) -> Result<String, RequestError> {
    let mut list = ListSerializer::new();
    list.members(&[ListEntry::InnerList(input)]);
    list.finish().ok_or(RequestError::Malformed)
}

/// The parameters of the profile.
struct Params {
    created: i64,
    expires: i64,
    nonce: [u8; 16],
    key_id: KeyId,
}
impl Params {
    fn read(input: &InnerList) -> Result<Self, RequestError> {
        let params = &input.params;
        let known = |key: &str| matches!(key, "created" | "expires" | "nonce" | "keyid" | "alg" | "tag");
        if !params.keys().all(|key| known(key.as_str())) {
            return Err(RequestError::Parameters);
        }
        if params.get("alg").is_some_and(|alg| text_of(Some(alg)) != Some("ed25519")) {
            return Err(RequestError::Parameters);
        }
        let integer = |name| match params.get(name) {
            Some(BareItem::Integer(value)) => Ok(i64::from(*value)),
            _ => Err(RequestError::Parameters),
        };
        let text = |name| text_of(params.get(name)).ok_or(RequestError::Parameters);
        Ok(Self {
            created: integer("created")?,
            expires: integer("expires")?,
            nonce: base64url::decode_array(text("nonce")?).ok_or(RequestError::Parameters)?,
            key_id: KeyId::parse(text("keyid")?).map_err(|_| RequestError::Parameters)?,
        })
    }

    fn check_times(&self, now: i64) -> Result<(), RequestError> {
        // Both have at most 15 digits (RFC 9651 §3.3.1), so the difference cannot overflow.
        if !(1..=MAX_VALIDITY_S).contains(&(self.expires - self.created)) {
            return Err(RequestError::Parameters);
        }
        if self.created > now.saturating_add(MAX_SKEW_S) {
            return Err(RequestError::Future);
        }
        if self.expires <= now { Err(RequestError::Expired) } else { Ok(()) }
    }
}

/// The text of a string item; `None` for tokens and all else.
fn text_of(item: Option<&BareItem>) -> Option<&str> {
    match item {
        Some(BareItem::String(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// Parses a dictionary (RFC 9651 §4.2.2) and refuses a key that stands twice: the standard keeps the last of them, and a
/// gateway that keeps the first would see another signature than we.
fn dictionary(text: &str) -> Result<Dictionary, RequestError> {
    if text.len() > MAX_HEADER_LEN {
        return Err(RequestError::Malformed);
    }
    Parser::new(text).parse_dictionary_with_visitor(UniqueKeys(Dictionary::new())).map_err(|_| RequestError::Malformed)
}

#[derive(Debug, Error)]
#[error("duplicate key")]
struct DuplicateKey;

struct UniqueKeys(Dictionary);
impl<'de> DictionaryVisitor<'de> for UniqueKeys {
    type Out = Dictionary;
    type Error = DuplicateKey;
    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, DuplicateKey> {
        if self.0.contains_key(key) {
            return Err(DuplicateKey);
        }
        DictionaryVisitor::entry(&mut self.0, key).map_err(|never| match never {})
    }
    fn finish(self) -> Result<Dictionary, DuplicateKey> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::published_vector;
    use proptest::prelude::*;
    use serde_json::Value;

    const NOW: i64 = 1_772_582_400;
    const GET: Parts<'_> = Parts { method: "GET", target_uri: "https://luang.example/v1/x?from=0", body: b"" };
    const POST: Parts<'_> = Parts { method: "POST", target_uri: "https://luang.example/v1/hints", body: b"{}" };

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }
    fn key_id() -> KeyId {
        KeyId::parse(&format!("did:web:kunming.example#{}", key().public().multikey())).unwrap()
    }
    fn signed(parts: Parts<'_>) -> Headers {
        sign(parts, &key_id(), &key(), NOW, &[9; 16])
    }
    fn judge(parts: Parts<'_>, headers: &Headers, now: i64) -> Result<Parsed, RequestError> {
        let digest = headers.content_digest.as_deref();
        let parsed = parse(parts, digest, Some(&headers.signature_input), Some(&headers.signature), now)?;
        parsed.verify(&key().public())?;
        Ok(parsed)
    }
    /// A request whose signature holds over whatever components and parameters it has.
    fn signed_with(parts: Parts<'_>, components: &[(&str, &str)], params: &str) -> Headers {
        let names: Vec<_> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let params = format!("({}){params}", names.join(" "));
        let signature = key().sign(signature_base(components, &params).as_bytes());
        Headers {
            content_digest: content_digest(parts.body),
            signature_input: format!("hefu={params}"),
            signature: format!("hefu=:{}:", STANDARD.encode(signature)),
        }
    }
    fn params(created: i64, expires: i64, more: &str) -> String {
        format!(";created={created};expires={expires};nonce=\"CQkJCQkJCQkJCQkJCQkJCQ\";keyid=\"{}\"{more}", key_id())
    }
    const TAGGED: &str = ";tag=\"hefu\"";

    #[test]
    fn what_we_sign_we_accept() {
        for parts in [GET, POST] {
            let parsed = judge(parts, &signed(parts), NOW).unwrap();
            assert_eq!((parsed.key_id, parsed.nonce, parsed.expires), (key_id(), [9; 16], NOW + 300));
        }
        assert_eq!(signed(GET).content_digest, None);
    }

    #[test]
    fn signs_as_in_our_vectors() {
        let vectors: Value = serde_json::from_str(include_str!("../vectors/request.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = SecretKey::from_seed(&base64url::decode_array(&text(&vectors["secretKey"])).unwrap());
        let key_id = KeyId::parse(&text(&vectors["keyId"])).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let [method, target_uri, body] = ["method", "targetUri", "body"].map(|name| text(&case[name]));
            let parts = Parts { method: &method, target_uri: &target_uri, body: body.as_bytes() };
            let created = case["created"].as_i64().unwrap();
            let nonce = base64url::decode_array(&text(&case["nonce"])).unwrap();
            let headers = sign(parts, &key_id, &key, created, &nonce);
            assert_eq!(headers.content_digest.as_deref(), case["contentDigest"].as_str());
            assert_eq!(headers.signature_input, text(&case["signatureInput"]));
            assert_eq!(headers.signature, text(&case["signature"]));
            let digest = headers.content_digest.as_deref();
            let parsed =
                parse(parts, digest, Some(&headers.signature_input), Some(&headers.signature), created).unwrap();
            assert_eq!(parsed.base, text(&case["signatureBase"]).as_bytes());
            assert_eq!(parsed.verify(&key.public()), Ok(()));
        }
    }

    /// RFC 9421 §B.2.6: its base, its signature, and that its profile is not ours.
    #[test]
    fn the_ed25519_example_of_the_rfc() {
        let Some(text) = published_vector("RFC 9421 example", "rfc9421/ed25519.json") else { return };
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let (example, request) = (&vectors["B.2.6"], &vectors["test_request"]);
        let input = example["signature_input"].as_str().unwrap();
        let headers = request["headers"].as_array().unwrap();
        let value = |name: &str| match name {
            "@method" => request["method"].as_str().unwrap(),
            "@path" => request["target"].as_str().unwrap().split('?').next().unwrap(),
            "@authority" => value_of(headers, "host"),
            _ => value_of(headers, name),
        };
        let Some(ListEntry::InnerList(list)) = dictionary(input).unwrap().get("sig-b26").cloned() else { panic!() };
        let names: Vec<_> = list.items.iter().map(|item| text_of(Some(&item.bare_item)).unwrap().to_owned()).collect();
        let components: Vec<_> = names.iter().map(|name| (name.as_str(), value(name))).collect();
        let base = signature_base(&components, &params_text(list).unwrap());
        assert_eq!(base, example["signature_base"].as_str().unwrap());

        let signature = signature_of(example["signature"].as_str().unwrap(), "sig-b26").unwrap();
        let decoded = |name: &str| STANDARD.decode(vectors["test_key_ed25519"][name].as_str().unwrap()).unwrap();
        let public = PublicKey::from_bytes(&decoded("public_b64").try_into().unwrap()).unwrap();
        assert!(public.verify(base.as_bytes(), &signature));
        let secret = SecretKey::from_seed(&decoded("private_seed_b64").try_into().unwrap());
        assert_eq!(secret.sign(base.as_bytes()), signature);

        let parts = Parts { method: "POST", target_uri: "https://example.com/foo?param=Value&Pet=dog", body: b"" };
        let refused = parse(parts, None, Some(input), example["signature"].as_str(), 1_618_884_473);
        assert_eq!(refused.err(), Some(RequestError::Unsigned));
    }
    fn value_of<'a>(headers: &'a [Value], name: &str) -> &'a str {
        headers.iter().find(|h| h[0].as_str().unwrap().eq_ignore_ascii_case(name)).unwrap()[1].as_str().unwrap()
    }

    /// RFC 9421 §B.4: one signature over messages that intermediaries changed; which still verify the appendix says.
    #[test]
    fn the_transformed_messages_of_the_rfc() {
        let Some(text) = published_vector("RFC 9421 transformations", "rfc9421/ed25519.json") else { return };
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let public = STANDARD.decode(vectors["test_key_ed25519"]["public_b64"].as_str().unwrap()).unwrap();
        let public = PublicKey::from_bytes(&public.try_into().unwrap()).unwrap();
        let messages = vectors["B.4_transformations"]["messages"].as_array().unwrap();
        let holds: Vec<_> = messages
            .iter()
            .map(|message| message.as_str().unwrap())
            .filter(|message| message.contains("HTTP/1.1"))
            .map(|message| {
                let mut lines = message.lines();
                let mut target = lines.next().unwrap().split(' ');
                let (method, path) = (target.next().unwrap(), target.next().unwrap().split('?').next().unwrap());
                let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
                let joined = |name: &str| {
                    let values = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
                    values.collect::<Vec<_>>().join(", ")
                };
                let (host, accept) = (joined("host"), joined("accept"));
                let components = [("@method", method), ("@path", path), ("@authority", &host), ("accept", &accept)];
                let input = dictionary(&joined("signature-input")).unwrap();
                let Some(ListEntry::InnerList(list)) = input.get("transform").cloned() else { panic!() };
                let base = signature_base(&components, &params_text(list).unwrap());
                public.verify(base.as_bytes(), &signature_of(&joined("signature"), "transform").unwrap())
            })
            .collect();
        assert_eq!(holds, [true, true, true, true, false, false]);
    }

    #[test]
    fn digests_as_published_with_sha_256_alone() {
        let Some(text) = published_vector("RFC 9530 digests", "rfc9421/content_digest.json") else { return };
        let vectors: Value = serde_json::from_str(&text).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let (body, digest) = (case["body_utf8"].as_str().unwrap(), case["content_digest"].as_str().unwrap());
            let expected = (!body.is_empty() && digest.starts_with("sha-256=")).then_some(digest);
            assert_eq!(content_digest(body.as_bytes()).as_deref().filter(|own| *own == digest), expected);
        }
    }

    #[test]
    fn times() {
        let headers = signed(GET);
        for (name, now, error) in [
            ("last second", NOW + 299, None),
            ("at the end", NOW + 300, Some(RequestError::Expired)),
            ("clock ahead by the allowance", NOW - 60, None),
            ("clock further ahead", NOW - 61, Some(RequestError::Future)),
            ("far past", i64::MIN, Some(RequestError::Future)),
            ("far future", i64::MAX, Some(RequestError::Expired)),
        ] {
            assert_eq!(judge(GET, &headers, now).err(), error, "{name}");
        }
        for (validity, good) in [(300, true), (1, true), (301, false), (0, false), (-1, false)] {
            let headers = signed_with(GET, &components(GET, None), &params(NOW, NOW + validity, TAGGED));
            assert_eq!(judge(GET, &headers, NOW).is_ok(), good, "{validity} s");
        }
    }

    #[test]
    fn another_request_is_not_the_signed_one() {
        let get = signed(GET);
        for (name, parts) in [
            ("method", Parts { method: "DELETE", ..GET }),
            ("method in lower case", Parts { method: "get", ..GET }),
            ("host", Parts { target_uri: "https://other.example/v1/x?from=0", ..GET }),
            ("scheme", Parts { target_uri: "http://luang.example/v1/x?from=0", ..GET }),
            ("query", Parts { target_uri: "https://luang.example/v1/x?from=1", ..GET }),
        ] {
            assert_eq!(judge(parts, &get, NOW).err(), Some(RequestError::Signature), "{name}");
        }
        assert_eq!(judge(Parts { body: b"{}", ..GET }, &get, NOW).err(), Some(RequestError::Components), "added body");
        let post = signed(POST);
        assert_eq!(judge(Parts { body: b"", ..POST }, &post, NOW).err(), Some(RequestError::Components), "no body");
        assert_eq!(judge(Parts { body: b"[]", ..POST }, &post, NOW).err(), Some(RequestError::Digest), "other body");
        for (name, digest) in [
            ("no digest", None),
            ("sha-512", Some("sha-512=:AAAA:".to_owned())),
            ("two digests", post.content_digest.clone().map(|own| format!("{own}, sha-512=:AAAA:"))),
            ("the digest of another body", content_digest(b"[]")),
        ] {
            let headers = Headers { content_digest: digest, ..post.clone() };
            assert_eq!(judge(POST, &headers, NOW).err(), Some(RequestError::Digest), "{name}");
        }
        let padded = Headers { content_digest: post.content_digest.clone().map(|own| format!(" {own}\t")), ..post };
        assert!(judge(POST, &padded, NOW).is_ok(), "white space around a value is not part of it (RFC 9421 §2.1)");
        let other = SecretKey::from_seed(&[8; 32]);
        let parsed = judge(GET, &get, NOW).unwrap();
        assert_eq!(parsed.verify(&other.public()), Err(RequestError::UnknownKey));
        let forged = sign(GET, &key_id(), &other, NOW, &[9; 16]);
        assert_eq!(judge(GET, &forged, NOW).err(), Some(RequestError::Signature));
    }

    #[test]
    fn a_target_that_could_fake_a_line_is_refused() {
        for (name, parts) in [
            ("line end", Parts { target_uri: "https://luang.example/\n\"@method\": GET", ..GET }),
            ("space", Parts { target_uri: "https://luang.example/ ", ..GET }),
            ("not ASCII", Parts { target_uri: "https://luang.example/学", ..GET }),
            ("empty method", Parts { method: "", ..GET }),
        ] {
            assert_eq!(judge(parts, &signed(parts), NOW).err(), Some(RequestError::Malformed), "{name}");
        }
    }

    #[test]
    fn components_are_exactly_those_of_the_profile() {
        let (method, uri) = (("@method", "POST"), ("@target-uri", POST.target_uri));
        let own = content_digest(POST.body).unwrap();
        let digest = ("content-digest", own.as_str());
        let good = params(NOW, NOW + 300, TAGGED);
        assert!(judge(POST, &signed_with(POST, &[method, uri, digest], &good), NOW).is_ok());
        for (name, components) in [
            ("none", vec![]),
            ("no digest", vec![method, uri]),
            ("no method", vec![uri, digest]),
            ("no target", vec![method, digest]),
            ("another order", vec![uri, method, digest]),
            ("one more", vec![method, uri, digest, ("date", "Tue, 20 Apr 2021 02:07:55 GMT")]),
            ("twice", vec![method, method, uri, digest]),
            ("path instead of target", vec![method, ("@path", "/v1/hints"), digest]),
        ] {
            let headers = signed_with(POST, &components, &good);
            assert_eq!(judge(POST, &headers, NOW).err(), Some(RequestError::Components), "{name}");
        }
        let headers = signed(POST);
        for (name, from, to) in [
            ("parameter on a component", "\"@target-uri\"", "\"@target-uri\";req"),
            ("token for a string", "\"content-digest\"", "content-digest"),
        ] {
            let input = headers.signature_input.replace(from, to);
            let headers = Headers { signature_input: input, ..headers.clone() };
            assert_eq!(judge(POST, &headers, NOW).err(), Some(RequestError::Components), "{name}");
        }
    }

    #[test]
    fn parameters_are_exactly_those_of_the_profile() {
        let components = components(GET, None);
        let good = params(NOW, NOW + 300, TAGGED);
        for (name, params, accepted) in [
            ("plain", good.clone(), true),
            ("with the algorithm", format!("{good};alg=\"ed25519\""), true),
            ("in another order", format!(";tag=\"hefu\"{}", params(NOW, NOW + 300, "")), true),
            ("another algorithm", format!("{good};alg=\"hmac-sha256\""), false),
            ("algorithm as a token", format!("{good};alg=ed25519"), false),
            ("unknown parameter", format!("{good};x=1"), false),
            ("created as a string", good.replace(&format!("created={NOW}"), &format!("created=\"{NOW}\"")), false),
            ("created as a date", good.replace("created=", "created=@"), false),
            ("created with a fraction", good.replace(";expires", ".5;expires"), false),
            ("no created", good.replace(&format!(";created={NOW}"), ""), false),
            ("no expires", good.replace(&format!(";expires={}", NOW + 300), ""), false),
            ("no nonce", good.replace(";nonce=\"CQkJCQkJCQkJCQkJCQkJCQ\"", ""), false),
            ("short nonce", good.replace("CQkJCQkJCQkJCQkJCQkJCQ", "CQkJCQkJCQkJCQkJCQkJ"), false),
            ("nonce with padding", good.replace("CQkJCQkJCQkJCQkJCQkJCQ", "CQkJCQkJCQkJCQkJCQkJCQ=="), false),
            ("nonce as bytes", good.replace("\"CQkJCQkJCQkJCQkJCQkJCQ\"", ":CQkJCQkJCQkJCQkJCQkJCQ==:"), false),
            ("no key id", good.replace(&format!(";keyid=\"{}\"", key_id()), ""), false),
            ("key id of no node", good.replace("did:web:", "did:key:"), false),
            ("key id without a key", good.replace("#z6Mk", "#z6LS"), false),
        ] {
            let result = judge(GET, &signed_with(GET, &components, &params), NOW);
            let expected = if accepted { None } else { Some(RequestError::Parameters) };
            assert_eq!(result.err(), expected, "{name}");
        }
    }

    #[test]
    fn exactly_one_signature_with_the_tag() {
        let own = signed(GET);
        let gateway = "gw=(\"@authority\");created=1;keyid=\"g\"";
        let with = |input: String, signature: String| {
            judge(GET, &Headers { content_digest: None, signature_input: input, signature }, NOW).err()
        };
        let (input, signature) = (&own.signature_input, &own.signature);
        for (name, input, signature, error) in [
            ("a gateway's besides", format!("{gateway}, {input}"), format!("{signature},gw=:AAAA:"), None),
            ("spaces at the ends", format!("  {input} "), format!(" {signature} "), None),
            ("another label", input.replacen("hefu=", "a=", 1), signature.replacen("hefu=", "a=", 1), None),
            (
                "another tag",
                input.replace("tag=\"hefu\"", "tag=\"x\""),
                signature.clone(),
                Some(RequestError::Unsigned),
            ),
            (
                "tag as a token",
                input.replace("tag=\"hefu\"", "tag=hefu"),
                signature.clone(),
                Some(RequestError::Unsigned),
            ),
            ("the gateway's alone", gateway.to_owned(), "gw=:AAAA:".to_owned(), Some(RequestError::Unsigned)),
            ("empty", String::new(), String::new(), Some(RequestError::Unsigned)),
            (
                "two with the tag",
                format!("{input}, b{}", &input[1..]),
                format!("{signature}, b{}", &signature[1..]),
                Some(RequestError::Unsigned),
            ),
            ("label twice", format!("{input}, {input}"), signature.clone(), Some(RequestError::Malformed)),
            ("signature twice", input.clone(), format!("{signature}, {signature}"), Some(RequestError::Malformed)),
            ("no signature of that label", input.clone(), "gw=:AAAA:".to_owned(), Some(RequestError::Malformed)),
            ("short signature", input.clone(), "hefu=:AAAA:".to_owned(), Some(RequestError::Malformed)),
            ("signature as a string", input.clone(), "hefu=\"AAAA\"".to_owned(), Some(RequestError::Malformed)),
            ("signature with a parameter", input.clone(), format!("{signature};x"), Some(RequestError::Malformed)),
            ("signature in a list", input.clone(), "hefu=(:AAAA:)".to_owned(), Some(RequestError::Malformed)),
            ("no dictionary", "(\"@method\")".to_owned(), signature.clone(), Some(RequestError::Malformed)),
            (
                "too long",
                format!("{input}{}", " ".repeat(MAX_HEADER_LEN)),
                signature.clone(),
                Some(RequestError::Malformed),
            ),
            ("not ASCII", format!("{input};x=\"学\""), signature.clone(), Some(RequestError::Malformed)),
        ] {
            assert_eq!(with(input, signature), error, "{name}");
        }
        assert_eq!(parse(GET, None, None, Some(signature), NOW).err(), Some(RequestError::Unsigned));
        assert_eq!(parse(GET, None, Some(input), None, NOW).err(), Some(RequestError::Unsigned));
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(input in ".{0,80}", signature in ".{0,80}", digest in ".{0,40}", now in any::<i64>()) {
            prop_assert!(parse(POST, Some(&digest), Some(&input), Some(&signature), now).is_err());
        }

        #[test]
        fn a_changed_header_is_refused(at in 0_usize..2000, to in 0x20_u8..0x7f) {
            let good = signed(POST);
            let change = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                let at = at % bytes.len();
                bytes[at] = to;
                String::from_utf8(bytes).unwrap()
            };
            let input = change(&good.signature_input);
            let changed = Headers { signature_input: input.clone(), ..good.clone() };
            // Renaming the label alone leaves no signature under it; the same character or an equal spelling is no change.
            let same = dictionary(&input).ok() == dictionary(&good.signature_input).ok();
            prop_assert_eq!(judge(POST, &changed, NOW).is_ok(), same);
            let digest = good.content_digest.as_deref().map(change);
            let same = digest == good.content_digest;
            prop_assert_eq!(judge(POST, &Headers { content_digest: digest, ..good.clone() }, NOW).is_ok(), same);
            let _ = judge(POST, &Headers { signature: change(&good.signature), ..good.clone() }, NOW);
        }

        #[test]
        fn what_is_signed_is_accepted(body in any::<Vec<u8>>(), path in "[a-z0-9/_.~%?=&-]{0,40}", created in 0_i64..1 << 40, nonce in any::<[u8; 16]>()) {
            let uri = format!("https://luang.example/{path}");
            let parts = Parts { method: "POST", target_uri: &uri, body: &body };
            let headers = sign(parts, &key_id(), &key(), created, &nonce);
            prop_assert_eq!(judge(parts, &headers, created).map(|parsed| parsed.nonce), Ok(nonce));
        }
    }
}
