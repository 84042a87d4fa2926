//! What the vectors share: cities, their test keys, and how bytes are written.

use hefu_federation::key::{KeyId, SealSecretKey, SecretKey};
use hefu_schemas::id::{Did, Digest};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) const KUNMING: &str = "kunming.example";
pub(crate) const CHENGDU: &str = "chengdu.example";
/// 2026-09-30T01:02:03Z.
pub(crate) const CREATED: i64 = 1_790_730_123;

/// A published file.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// A published file's content, for those that hold their inputs.
pub(crate) fn published(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The seed of a test key: H(`hefu test key`, space, host, space, role).
pub(crate) fn seed(host: &str, role: &str) -> [u8; 32] {
    Digest::of(format!("hefu test key {host} {role}").as_bytes()).0
}

pub(crate) fn key(host: &str, role: &str) -> SecretKey {
    SecretKey::from_seed(&seed(host, role))
}

pub(crate) fn seal_key(host: &str) -> SealSecretKey {
    SealSecretKey::from_seed(&seed(host, "seal"))
}

pub(crate) fn did(host: &str) -> Did {
    Did::from_authority(host).unwrap()
}

pub(crate) fn key_id(host: &str, role: &str) -> KeyId {
    KeyId { did: did(host), multikey: key(host, role).public().multikey() }
}

/// {secretKey, keyId} of a test key.
pub(crate) fn key_json(host: &str, role: &str) -> Value {
    json!({"secretKey": hex(&seed(host, role)), "keyId": key_id(host, role).to_string()})
}

/// The 32 bytes that stand for something random in a vector.
pub(crate) fn random(what: &str) -> [u8; 32] {
    Digest::of(format!("hefu test bytes {what}").as_bytes()).0
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub(crate) fn utf8(bytes: impl Into<Vec<u8>>) -> String {
    String::from_utf8(bytes.into()).unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// H of bytes, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
