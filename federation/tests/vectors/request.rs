//! request.json: signed requests with their signature base, and requests that must be refused.

use crate::common::{published, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hefu_federation::base64url::decode_array;
use hefu_federation::key::{KeyId, SecretKey};
use hefu_federation::request::{Headers, Parts, parse, sign};
use serde_json::{Value, json};

pub(crate) fn make() -> Value {
    let mut vectors = published("request.json");
    let key = SecretKey::from_seed(&decode_array(text(&vectors["secretKey"])).unwrap());
    let key_id = KeyId { did: KeyId::parse(text(&vectors["keyId"])).unwrap().did, multikey: key.public().multikey() };
    vectors["keyId"] = json!(key_id.to_string());
    for case in vectors["cases"].as_array_mut().unwrap() {
        let (method, target, body) = (text(&case["method"]), text(&case["targetUri"]), text(&case["body"]));
        let parts = Parts { method, target_uri: target, body: body.as_bytes() };
        let created = case["created"].as_i64().unwrap();
        let made = sign(parts, &key_id, &key, created, &decode_array(text(&case["nonce"])).unwrap());
        case["signatureBase"] = json!(signature_base(parts, &made));
        case["contentDigest"] = json!(made.content_digest);
        case["signatureInput"] = json!(made.signature_input);
        case["signature"] = json!(made.signature);
    }
    vectors["about"] = json!(
        "Signed requests (P-7.2 to P-7.5; RFC 9421, RFC 9530). secretKey: the Ed25519 seed, base64url without padding; contentDigest, signatureInput and signature: the values of the three headers. mustReject: what a receiver refuses at the time `now`; each but the first four is signed by that key over what it says. The key is for tests."
    );
    let refused = MustReject { key_id, key, case: vectors["cases"][1].clone() };
    vectors["mustReject"] = refused.make();
    vectors
}

/// RFC 9421 §2.5, made from the headers.
fn signature_base(parts: Parts<'_>, headers: &Headers) -> String {
    let params = headers.signature_input.strip_prefix("hefu=").unwrap();
    let digest = headers.content_digest.as_ref().map(|value| format!("\"content-digest\": {value}\n"));
    format!(
        "\"@method\": {}\n\"@target-uri\": {}\n{}\"@signature-params\": {params}",
        parts.method,
        parts.target_uri,
        digest.unwrap_or_default()
    )
}

struct MustReject {
    key_id: KeyId,
    key: SecretKey,
    case: Value,
}

impl MustReject {
    fn make(&self) -> Value {
        let case = &self.case;
        let created = case["created"].as_i64().unwrap();
        let member = |name: &str| text(&case[name]).to_owned();
        let good =
            (member("method"), member("targetUri"), member("body"), member("signatureInput"), member("signature"));
        let (method, target, body, input, signature) = good;
        let mut found = Vec::new();
        let mut refuse =
            |name: &str, method: &str, target: &str, body: &str, input: &str, signature: &str, now: i64| {
                let parts = Parts { method, target_uri: target, body: body.as_bytes() };
                let digest = text(&case["contentDigest"]);
                let parsed = parse(parts, Some(digest), Some(input), Some(signature), now);
                let why = parsed.and_then(|parsed| parsed.verify(&self.key.public())).expect_err(name).to_string();
                found.push(json!({
                    "name": name, "method": method, "targetUri": target, "body": body, "contentDigest": digest,
                    "signatureInput": input, "signature": signature, "now": now, "why": why,
                }));
            };
        refuse("another method", "PUT", &target, &body, &input, &signature, created);
        refuse("another host", &method, &target.replace("luang", "chengdu"), &body, &input, &signature, created);
        refuse("another body", &method, &target, "{}", &input, &signature, created);
        refuse(
            "a changed nonce",
            &method,
            &target,
            &body,
            &input.replace("nonce=\"p", "nonce=\"q"),
            &signature,
            created,
        );
        refuse("expired", &method, &target, &body, &input, &signature, created + 300);
        refuse("made more than 60 s ahead", &method, &target, &body, &input, &signature, created - 61);
        for (name, find, replace) in CHANGES {
            let changed = input.replacen(find, replace, 1);
            assert_ne!(changed, input, "{name}");
            let signature = self.sign(&changed);
            refuse(name, &method, &target, &body, &changed, &signature, created);
        }
        let twice = format!("{input}, other={}", input.strip_prefix("hefu=").unwrap());
        refuse("two signatures with the tag", &method, &target, &body, &twice, &signature, created);
        json!(found)
    }

    /// A signature that holds over the components and parameters as they are stated.
    fn sign(&self, input: &str) -> String {
        let params = input.split_once('=').unwrap().1;
        let names = params.split_once(')').unwrap().0.trim_start_matches('(');
        let value = |name: &str| match name {
            "@method" => text(&self.case["method"]),
            "@target-uri" => text(&self.case["targetUri"]),
            "content-digest" => text(&self.case["contentDigest"]),
            "@path" => "/v1/hints",
            _ => "",
        };
        let lines: String = names
            .split(' ')
            .map(|name| name.trim_matches('"'))
            .map(|name| format!("\"{name}\": {}\n", value(name)))
            .collect();
        let base = format!("{lines}\"@signature-params\": {params}");
        assert_eq!(self.key_id.multikey, self.key.public().multikey());
        format!("hefu=:{}:", STANDARD.encode(self.key.sign(base.as_bytes())))
    }
}

/// Parameters and components that this profile does not have, as (name, text, what stands in its place).
const CHANGES: [(&str, &str, &str); 10] = [
    ("the digest is not covered", " \"content-digest\")", ")"),
    ("the target is not covered", "\"@target-uri\" ", ""),
    ("components in another order", "\"@method\" \"@target-uri\"", "\"@target-uri\" \"@method\""),
    ("a component more", "\"@target-uri\"", "\"@target-uri\" \"@path\""),
    ("another tag", "tag=\"hefu\"", "tag=\"other\""),
    ("no nonce", ";nonce=\"pqLkVJgMBqdDLVlpucgFxQ\"", ""),
    ("a nonce of 15 bytes", "pqLkVJgMBqdDLVlpucgFxQ", "pqLkVJgMBqdDLVlpucgF"),
    ("valid for more than 300 s", "expires=1772582700", "expires=1772582701"),
    ("another algorithm", ";tag=", ";alg=\"rsa-v1_5-sha256\";tag="),
    ("an unknown parameter", ";tag=", ";more=1;tag="),
];
