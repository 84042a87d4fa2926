//! What nodes say to each other: pages of records, signed requests, proofs, sealed linkages, statements.

use hefu_federation::base64url;
use hefu_federation::key::{KeyId, SealSecretKey, SecretKey};
use hefu_federation::linkage::{Linkage, SealedLinkage};
use hefu_federation::page::{self, Asked};
use hefu_federation::proof;
use hefu_federation::reconcile::tally::Statement;
use hefu_federation::request::{self, Parts};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{AgreementId, Did, Digest};
use hefu_schemas::scan::scan;
use std::collections::BTreeSet;

const AGREEMENT: &str = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
const CONTROLLER: &str = "did:web:a.example";
const DID: &str = "did:web:b.example";
/// End of the range that a page is asked for.
const UNTIL: u64 = 1_000_000;

fn secret() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn key_id() -> KeyId {
    KeyId::parse(&format!("did:web:a.example#{}", secret().public().multikey())).expect("a key id")
}

fn read(bytes: &[u8]) -> Result<usize, page::PageError> {
    let (agreement, to) = (AgreementId::parse(AGREEMENT).expect("an id"), Did::parse(DID).expect("a DID"));
    let asked = Asked { agreement, to: &to, from: 0, until: UNTIL };
    page::read(bytes, &asked, |id| (*id == key_id()).then(|| secret().public())).map(|page| page.lines().len())
}

/// Bytes that claim to be a page.
pub fn page(data: &[u8]) {
    let _ = read(data);
}

/// Lines under a trailer that fits them and is well signed: the reader of lines stands alone.
pub fn page_line(data: &[u8]) {
    let mut body = data.to_vec();
    if !body.is_empty() && !body.ends_with(b"\n") {
        body.push(b'\n');
    }
    let lines = body.iter().filter(|byte| **byte == b'\n').count();
    let rows: BTreeSet<String> = body.split(|byte| *byte == b'\n').filter_map(refused_row).collect();
    let unsigned = |sig: &str| {
        let rows: Vec<String> = rows.iter().map(|row| format!("\"{row}\"")).collect();
        format!(
            r#"{{"agreement":"{AGREEMENT}","digest":"{}","from":0,"keyid":"{}","lines":{lines},"next":null,"refused":[{}]{sig},"to":"{DID}","until":{UNTIL}}}"#,
            Digest::of(&body),
            key_id(),
            rows.join(","),
        )
    };
    let signature = secret().sign(&[b"hefu/page/v1\0".as_slice(), unsigned("").as_bytes()].concat());
    let trailer = unsigned(&format!(r#","sig":"{}""#, base64url::encode(&signature)));
    body.extend_from_slice(trailer.as_bytes());
    body.push(b'\n');
    if let Ok(read) = self::read(&body) {
        assert_eq!(read, lines);
    }
}

fn refused_row(line: &[u8]) -> Option<String> {
    let (_, row) = std::str::from_utf8(line).ok()?.split_once(r#","refused":""#)?;
    row.strip_suffix(r#""}"#).filter(|row| !row.contains(['"', '\\'])).map(str::to_owned)
}

/// The three headers, one a line, then the body.
pub fn signature_input(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n').map(std::str::from_utf8);
    let mut next = || parts.next().and_then(Result::ok).filter(|text| !text.is_empty());
    let (digest, input, signature) = (next(), next(), next());
    let body = next().unwrap_or_default();
    let parts = Parts { method: "POST", target_uri: "https://b.example/v1/hints", body: body.as_bytes() };
    if let Ok(parsed) = request::parse(parts, digest, input, signature, 1_700_000_000) {
        let _ = parsed.verify(&secret().public());
    }
}

/// A record's proof; nothing here is signed by the key that is asked.
pub fn proof(data: &[u8]) {
    if let Ok(document) = scan(data, MAX_RECORD_LEN) {
        let _ = proof::verify(
            &document,
            proof::Contexts::Exactly(&hefu_schemas::record::CONTEXTS),
            CONTROLLER,
            &secret().public(),
        );
    }
    let _ = proof::verify_detached(b"{}", data, CONTROLLER, |_| Some(secret().public()));
}

/// A sealed linkage from a peer.
pub fn linkage(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<SealedLinkage>(data) else { return };
    let agreement = AgreementId::parse(AGREEMENT).expect("an id");
    let to = Did::parse(DID).expect("a DID");
    let _ = Linkage::open(&value, agreement, 1, &to, &SealSecretKey::from_seed(&[7; 32]), &Digest::of(b""));
}

/// A tally statement from a peer.
pub fn statement(data: &[u8]) {
    let _ = Statement::open(data, |_| Some(secret().public()));
}
