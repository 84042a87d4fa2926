//! records.json: a record, its correction and the withdrawal of that, from the draft to the log entry.

use crate::common::{CREATED, KUNMING, hex, key, key_id, key_json, random, utf8};
use crate::proof::{hash_data, sign_record, signature};
use hefu_federation::base64url::encode;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Audience, Body, Entry};
use hefu_federation::tree::leaf_hash;
use hefu_schemas::canonical;
use serde_json::{Value, json};

const IDS: [&str; 3] = [
    "urn:uuid:01890a5d-ac96-774b-bcce-000000000011",
    "urn:uuid:01890a5d-ac96-774b-bcce-000000000012",
    "urn:uuid:01890a5d-ac96-774b-bcce-000000000013",
];

fn draft(kind: &str, date: &str, subject: &Value) -> Value {
    json!({
        "type": ["VerifiableCredential", kind],
        "validFrom": format!("{date}T00:00:00+08:00"),
        "termsOfUse": [{"type": "Agreement", "id": "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", "version": 1}],
        "statedBy": {"scheme": "gb-t-2260", "code": "530102", "name": {"zh": "五华区教育体育局", "en": "Wuhua District Education Bureau"}},
        "credentialSubject": subject,
    })
}

fn status(date: &str) -> Value {
    let id = "urn:hefu:subject:1:bxw1V5u_NgfubwVNF5t6YvFepoShDYXUi8OIf5W1-q8";
    draft(
        "StudentStatus",
        date,
        &json!({"id": id, "stage": "primary", "status": "enrolled", "event": "enter", "effectiveOn": date}),
    )
}

pub(crate) fn make() -> Value {
    let mut correction = status("2026-09-02");
    correction["supersedes"] = json!(IDS[0]);
    correction["correction"] = json!("wrong-date");
    let withdrawal = json!({"record": IDS[1], "reason": "wrong-person", "from": "2026-09-20"});
    let drafts = [status("2026-09-01"), correction, draft("Withdrawal", "2026-09-20", &withdrawal)];
    let label_key = random("label key");
    let chain: Vec<Value> =
        (20_u64..).zip(drafts.iter().zip(IDS)).map(|(index, (draft, id))| step(index, draft, id, &label_key)).collect();
    json!({
        "about": "From draft to log entry (P-3.5 to P-3.8, P-4.7): a record, its correction (amend) and the withdrawal of the correction, at indexes 20 to 22 of one log. Hashes, salts and signatures in hex; binary in entries base64url. A node takes a random salt for each record. Keys, salts and persons are made up.",
        "key": key_json(KUNMING, "record"),
        "labelKey": hex(&label_key),
        "chain": chain,
    })
}

fn step(index: u64, draft: &Value, id: &str, label_key: &[u8; 32]) -> Value {
    let (document, signed) =
        sign_record(draft.clone(), id, CREATED, &key_id(KUNMING, "record"), &key(KUNMING, "record"));
    let (config_hash, document_hash) = hash_data(&document, &signed["proof"]);
    let bytes = canonical::write(&signed).unwrap();
    let salt = random(&format!("salt {index}"));
    let c = commit(&salt, &bytes);
    let label = blind_label(label_key, &c);
    let a = Audience::Agreement(label);
    let body = match index {
        20 => Body::Record { c, a },
        21 => Body::Amend { c, a, of: 20 },
        // What a withdrawal names is the head of the chain.
        _ => Body::Withdraw { c, a, of: 21 },
    };
    let entry = Entry { t: CREATED, body }.write().unwrap();
    json!({
        "index": index,
        "draft": draft,
        "document": utf8(canonical::write(&document).unwrap()),
        "proofConfigHash": config_hash,
        "documentHash": document_hash,
        "signature": signature(&signed["proof"]),
        "signed": utf8(bytes),
        "salt": hex(&salt),
        "commitment": hex(&c),
        "label": encode(&label),
        "leafHash": hex(&leaf_hash(&entry).0),
        "entry": utf8(entry),
    })
}
