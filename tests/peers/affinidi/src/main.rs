//! The crate `affinidi-data-integrity` verifies records on one thread, and refuses forgeries.
//!
//! `verify-affinidi TIMES RECORDS FORGERIES DID`: NDJSON, NDJSON, the issuer's DID document. Prints counts and the seconds of the
//! median run as JSON.

use affinidi_data_integrity::did_vm::resolve_did_key;
use affinidi_data_integrity::{DataIntegrityProof, VerifyOptions};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: verify-affinidi TIMES RECORDS FORGERIES DID";
const HOW: &str = "parses and verifies the proof";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [times, records, forgeries, did] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (records, forgeries) = (std::fs::read_to_string(records)?, std::fs::read_to_string(forgeries)?);
    let (records, forgeries): (Vec<&str>, Vec<&str>) = (records.lines().collect(), forgeries.lines().collect());
    let keys = keys(&serde_json::from_str(&std::fs::read_to_string(did)?)?)?;
    let refused = forgeries.iter().filter(|forgery| !verify(&keys, forgery)).count();
    let mut runs = Vec::new();
    let mut verified = usize::MAX;
    for _ in 0..times.parse::<usize>()?.max(1) {
        let before = spent()?;
        verified = verified.min(records.iter().filter(|record| verify(&keys, black_box(record))).count());
        let after = spent()?;
        runs.push((after.0 - before.0, after.1 - before.1));
    }
    runs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (cpu, wall) = runs.get(runs.len() / 2).ok_or("nothing was run")?;
    println!("{}", json!({"verified": verified, "refused": refused, "cpu": cpu, "wall": wall, "how": HOW}));
    Ok(())
}

/// Decoded keys by method: found once, as a verifier would.
fn keys(document: &Value) -> Result<HashMap<String, Vec<u8>>, Failure> {
    let mut keys = HashMap::new();
    for method in document.get("verificationMethod").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| method.get(name).and_then(Value::as_str).ok_or("a method without members");
        let key = resolve_did_key(&format!("did:key:{}", member("publicKeyMultibase")?))?;
        keys.insert(member("id")?.to_owned(), key.public_key_bytes);
    }
    Ok(keys)
}

fn verify(keys: &HashMap<String, Vec<u8>>, record: &str) -> bool {
    let Ok(Value::Object(mut document)) = serde_json::from_str(record) else { return false };
    let Some(proof) = document.remove("proof") else { return false };
    let Ok(proof) = serde_json::from_value::<DataIntegrityProof>(proof) else { return false };
    let Some(key) = keys.get(&proof.verification_method) else { return false };
    let options = VerifyOptions::new();
    // The crate leaves the purpose to its caller.
    proof.proof_purpose == "assertionMethod" && proof.verify_with_public_key(&document, key, options).is_ok()
}

/// Seconds of processor time of this thread, and of wall time.
#[expect(clippy::disallowed_methods, reason = "what a run takes is what this program is for")]
fn spent() -> Result<(f64, f64), Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().ok_or("no schedstat")?.parse()?;
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok((Duration::from_nanos(nanoseconds).as_secs_f64(), wall.as_secs_f64()))
}
