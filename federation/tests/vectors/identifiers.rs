//! identifiers.json holds its inputs; every output is made again from them.

use crate::common::{published, text, utf8};
use hefu_federation::base64url::{decode_array, encode};
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::key::SealSecretKey;
use hefu_federation::linkage::Linkage;
use hefu_schemas::id::{AgreementId, Did};
use hefu_schemas::identifier::{Identifier, normalise_name};
use serde_json::{Value, json};

fn bytes(value: &Value) -> [u8; 32] {
    decode_array(text(value)).unwrap()
}

fn each(vectors: &mut Value, member: &str, fill: impl Fn(&mut Value)) {
    vectors[member].as_array_mut().unwrap().iter_mut().for_each(fill);
}

pub(crate) fn make() -> Value {
    let mut vectors = published("identifiers.json");
    let given = vectors["linkage"].clone();
    let epoch = given["epoch"].as_u64().unwrap().try_into().unwrap();
    let linkage = Linkage::new(epoch, bytes(&given["secret"]), bytes(&given["labelKey"]));
    vectors["linkage"]["commitmentHex"] = json!(linkage.commitment().to_string());
    each(&mut vectors, "subjects", |case| {
        let identifier = Identifier::normalise(text(&case["scheme"]), text(&case["id"])).unwrap();
        case["normalisedScheme"] = json!(identifier.scheme());
        case["normalisedId"] = json!(identifier.expose());
        case["reference"] = json!(linkage.subject_reference(&identifier));
    });
    each(&mut vectors["normalisation"], "accept", |case| {
        let identifier = Identifier::normalise(text(&case["scheme"]), text(&case["id"])).unwrap();
        case["normalisedScheme"] = json!(identifier.scheme());
        case["normalisedId"] = json!(identifier.expose());
    });
    each(&mut vectors["normalisation"], "names", |case| {
        case["normalisedName"] = json!(normalise_name(text(&case["name"])));
    });
    each(&mut vectors, "identityChecks", |case| {
        let (sex, date) = (text(&case["sex"]).parse().unwrap(), text(&case["birthDate"]).parse().unwrap());
        case["identityCheck"] = json!(linkage.identity_check(text(&case["name"]), sex, date));
        case["normalisedName"] = json!(normalise_name(text(&case["name"])));
    });
    each(&mut vectors, "commitments", |case| {
        let commitment = commit(&bytes(&case["salt"]), utf8(text(&case["record"])).as_bytes());
        case["commitment"] = json!(encode(&commitment));
        case["label"] = json!(encode(&blind_label(linkage.label_key(), &commitment)));
    });
    let sealed = &mut vectors["sealed"];
    let key = SealSecretKey::from_seed(&bytes(&sealed["sealSecretKey"]));
    sealed["sealPublicKey"] = json!(key.public().multikey());
    let agreement = AgreementId::parse(text(&sealed["linkage"]["agreement"])).unwrap();
    let to = Did::parse(text(&sealed["linkage"]["to"])).unwrap();
    let made = linkage.seal(agreement, &to, &key.public(), bytes(&sealed["ephemeralSeed"])).unwrap();
    sealed["linkage"] = serde_json::to_value(made).unwrap();
    vectors
}
