//! Records of a simulation: few, small, real. They pass the same validation as any draft, and are really signed.

use super::cities::{AGREEMENT, City, linkage, office};
use super::rng::Rng;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::Audience;
use hefu_federation::key::SecretKey;
use hefu_federation::proof;
use hefu_federation::reconcile::key::{Key, keys_of};
use hefu_federation::reconcile::view::View;
use hefu_node::codec::{compress, decompress};
use hefu_node::sequencer::Sealed;
use hefu_node::store::{AgreementNo, Payload, PayloadRow};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{Did, RecordId};
use hefu_schemas::record::{Completion, Draft};
use hefu_schemas::scan::scan;
use jiff::civil::Date;
use serde_json::{Value, json};

/// What a new record says.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A pupil enters a school.
    Enter,
    /// The pupil's record is corrected.
    Amend(RecordId),
    /// It is withdrawn.
    Withdraw(RecordId),
    /// A pupil enters, and the decision relied on a record of some city.
    Citing(Did, RecordId),
}

/// A record to be made.
pub(super) struct New<'a> {
    pub(super) number: usize,
    pub(super) city: &'a City,
    pub(super) key: &'a SecretKey,
    pub(super) id: RecordId,
    pub(super) pupil: u8,
    pub(super) what: What,
    pub(super) on: Date,
    pub(super) created_s: i64,
    /// Whose name the record bears: a forger takes another one.
    pub(super) issuer: &'a Did,
}

/// A new record id.
pub(super) fn record_id(rng: &mut Rng, now_ms: i64) -> RecordId {
    let ms = u64::try_from(now_ms).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(ms, &rng.bytes()).into_uuid();
    RecordId::from_uuid(uuid).expect("made as version 7")
}

/// The reference of a made-up pupil, of whom there are few: so cities meet.
pub(super) fn subject(pupil: u8) -> String {
    format!("urn:hefu:subject:1:{}", hefu_federation::base64url::encode(&[pupil; 32]))
}

fn draft(new: &New<'_>) -> Value {
    let mut record = json!({
        "id": new.id.to_string(),
        "type": ["VerifiableCredential", "StudentStatus"],
        "validFrom": format!("{}T00:00:00+08:00", new.on),
        "termsOfUse": [{ "type": "Agreement", "id": AGREEMENT, "version": 1 }],
        "statedBy": office(new.number),
        "credentialSubject": {
            "id": subject(new.pupil), "stage": "primary", "status": "enrolled", "event": "enter",
            "effectiveOn": new.on.to_string()
        }
    });
    let mut set = |name: &str, value: Value| {
        record.as_object_mut().expect("written as an object").insert(name.to_owned(), value);
    };
    match &new.what {
        What::Enter => {}
        What::Amend(id) => {
            set("supersedes", json!(id.to_string()));
            set("correction", json!("entry-error"));
        }
        What::Withdraw(id) => {
            set("type", json!(["VerifiableCredential", "Withdrawal"]));
            let body = json!({ "record": id.to_string(), "reason": "not-ours", "from": new.on.to_string() });
            set("credentialSubject", body);
        }
        What::Citing(issuer, id) => {
            set("basis", json!([{ "issuer": issuer.as_str(), "id": id.to_string() }]));
        }
    }
    json!({ "draftId": format!("d:{}", new.id.uuid()), "record": record })
}

/// Makes, signs, salts and commits a record; `None` when it is not valid, which only a forger's is not.
pub(super) fn seal(new: &New<'_>, salt: [u8; 32], corrected: &[Key]) -> Option<Sealed> {
    let line = serde_json::to_vec(&draft(new)).ok()?;
    let draft = Draft::read(&line).ok()?;
    let (draft_id, content) = (draft.draft_id.clone(), draft.content);
    let method = format!("{}#{}", new.city.did, new.key.public().multikey());
    let completion =
        Completion { issuer: new.issuer, id: new.id, verification_method: &method, created: new.created_s };
    let record = draft.complete(&completion).ok()?;
    let mut keys = keys_of(&View::read(record.document())?);
    keys.extend_from_slice(corrected);
    keys.sort();
    keys.dedup();
    let signed = proof::sign(record, new.key);
    let commitment = commit(&salt, signed.bytes());
    let (codec, body) = compress(signed.bytes());
    Some(Sealed {
        draft_id,
        content,
        id: signed.id(),
        kind: signed.kind(),
        agreement: AgreementNo(3),
        audience: Audience::Agreement(blind_label(linkage().label_key(), &commitment)),
        commitment,
        payload: Payload { salt, codec, body },
        corrects: match new.what {
            What::Amend(id) | What::Withdraw(id) => Some(id),
            What::Enter | What::Citing(..) => None,
        },
        keys,
    })
}

/// The keys of a held row.
pub(super) fn keys_of_row(row: &PayloadRow) -> Vec<Key> {
    let read = || {
        let payload = row.payload.as_ref()?;
        let bytes = decompress(payload.codec, &payload.body)?;
        Some(keys_of(&View::read(&scan(bytes, MAX_RECORD_LEN).ok()?)?))
    };
    read().unwrap_or_default()
}
