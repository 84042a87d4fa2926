//! linkage.json: a linkage sealed by HPKE, and sealed ones that must not open.

use crate::common::{CHENGDU, did, hex, random, seal_key};
use hefu_federation::base64url::encode;
use hefu_federation::linkage::{Linkage, SealedLinkage};
use hefu_schemas::id::{AgreementId, Digest};
use serde_json::{Value, json};

const AGREEMENT: &str = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
const EPOCH: u32 = 2;

pub(crate) fn make() -> Value {
    let linkage = Linkage::new(EPOCH, random("secret"), random("label key"));
    let (agreement, to, key) = (AgreementId::parse(AGREEMENT).unwrap(), did(CHENGDU), seal_key(CHENGDU));
    let seed = random("ephemeral");
    let sealed = linkage.seal(agreement, &to, &key.public(), seed).unwrap();
    let open = |sealed: &SealedLinkage, commitment: &Digest| {
        Linkage::open(sealed, agreement, EPOCH, &to, &key, commitment).map(|opened| opened.expose().to_vec())
    };
    assert_eq!(open(&sealed, &linkage.commitment()).unwrap(), linkage.expose().as_slice());
    let other = SealedLinkage { ciphertext: encode(&[7; 80]), ..sealed.clone() };
    let strange = Linkage::new(EPOCH, random("another secret"), random("label key"));
    let strange = strange.seal(agreement, &to, &key.public(), seed).unwrap();
    let sealed_as = |epoch: u32, id: &str| {
        let other = Linkage::new(epoch, random("secret"), random("label key"));
        let sealed = other.seal(AgreementId::parse(id).unwrap(), &to, &key.public(), seed).unwrap();
        SealedLinkage { agreement: AGREEMENT.to_owned(), epoch: EPOCH, ..sealed }
    };
    let must_reject: Vec<Value> = [
        ("ciphertext that was changed", other),
        ("another linkage than the terms commit to", strange),
        ("sealed for another epoch and relabelled", sealed_as(3, AGREEMENT)),
        (
            "sealed for another agreement and relabelled",
            sealed_as(EPOCH, "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8058"),
        ),
        ("names another epoch", SealedLinkage { epoch: 1, ..sealed.clone() }),
        ("names another recipient", SealedLinkage { to: "did:web:kunming.example".to_owned(), ..sealed.clone() }),
        ("enc of small order", SealedLinkage { enc: encode(&[0; 32]), ..sealed.clone() }),
        ("padding", SealedLinkage { ciphertext: format!("{}=", sealed.ciphertext), ..sealed.clone() }),
    ]
    .into_iter()
    .map(|(name, wire)| {
        let why = open(&wire, &linkage.commitment()).unwrap_err();
        json!({"name": name, "sealed": wire, "why": why.to_string()})
    })
    .collect();
    json!({
        "about": "Linkage (P-8.7, P-8.8): HPKE base mode, X25519, HKDF-SHA-256, ChaCha20-Poly1305. ephemeralSeed: the input keying material of DeriveKeyPair (RFC 9180 §7.1.3) for the ephemeral key; a sender takes random bytes. Binary in hex, but base64url in wire objects. All keys are for tests.",
        "agreement": AGREEMENT,
        "epoch": EPOCH,
        "recipient": {"did": to.as_str(), "sealSecretKey": hex(key.expose()), "sealPublicKey": key.public().multikey()},
        "secret": hex(&random("secret")),
        "labelKey": hex(&random("label key")),
        "commitment": linkage.commitment().to_string(),
        "info": hex(&[b"hefu/linkage/v1\0", AGREEMENT.as_bytes(), b"\x1f", EPOCH.to_string().as_bytes()].concat()),
        "aad": hex(to.as_str().as_bytes()),
        "plaintext": hex(linkage.expose().as_slice()),
        "ephemeralSeed": hex(&seed),
        "sealed": sealed,
        "mustReject": must_reject,
    })
}
