//! The statement that each party signs, and how two of them compare.
use super::DOMAIN;
use crate::base64url;
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::reconcile::finding::{Severity, canonical_bytes, date};
use crate::tree::Hash;
use hefu_schemas::canonical;
use hefu_schemas::id::{AgreementId, Digest, Origin};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use thiserror::Error;

/// Longest statement, in bytes: an agreement has at most 64 parties, each with an origin of at most 128 bytes twice,
/// a root and a digest: 28 kB, and the rest is short.
pub const MAX_STATEMENT_LEN: usize = 64 * 1024;

/// The statement that a party signs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "protocol §9 lists the members")]
pub struct Statement {
    pub agreement: AgreementId,
    pub agreement_digest: Digest,
    pub as_of: Date,
    pub heads: BTreeMap<Origin, (u64, Hash)>,
    pub rule_set: u32,
    pub states: BTreeMap<Origin, Digest>,
    pub matched: u64,
    pub findings: BTreeMap<Severity, u64>,
    pub digest: Digest,
}
/// Why a signed statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum StatementError {
    #[error("malformed tally statement")]
    Malformed,
    #[error("signed by an unknown key")]
    UnknownKey,
    #[error("signature does not hold")]
    Signature,
}
impl Statement {
    /// `{…, keyid, sig}` as canonical bytes; sig over `hefu/tally/v1` 00 ‖ JCS without sig.
    pub fn sign(&self, key_id: &KeyId, key: &SecretKey) -> Vec<u8> {
        let mut members = self.members();
        members.insert("keyid".to_owned(), json!(key_id.to_string()));
        let signature = key.sign(&message(&members));
        members.insert("sig".to_owned(), json!(base64url::encode(&signature)));
        canonical_bytes(&Value::Object(members))
    }
    /// Reads and verifies a signed statement. Takes canonical bytes with exactly the known members.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(bytes: &[u8], key: impl FnOnce(&KeyId) -> Option<PublicKey>) -> Result<(Self, KeyId), StatementError> {
        let value = canonical::read(bytes, MAX_STATEMENT_LEN).map_err(|_| StatementError::Malformed)?;
        let (statement, key_id, signature) = read(&value).ok_or(StatementError::Malformed)?;
        // Writing again what was read refuses unknown members and every other spelling of the known ones.
        let mut members = statement.members();
        members.insert("keyid".to_owned(), json!(key_id.to_string()));
        let message = message(&members);
        members.insert("sig".to_owned(), json!(base64url::encode(&signature)));
        if canonical_bytes(&Value::Object(members)) != bytes {
            return Err(StatementError::Malformed);
        }
        let key = key(&key_id).ok_or(StatementError::UnknownKey)?;
        if !key.verify(&message, &signature) {
            return Err(StatementError::Signature);
        }
        Ok((statement, key_id))
    }

    /// The members without signature, to be shown.
    pub fn to_json(&self) -> Value {
        Value::Object(self.members())
    }

    fn members(&self) -> Map<String, Value> {
        let by_origin = |(origin, digest): (&Origin, &Digest)| (origin.as_str().to_owned(), json!(digest.to_string()));
        let heads = self.heads.iter().map(|(origin, (size, root))| {
            (origin.as_str().to_owned(), json!({ "size": size, "root": base64url::encode(&root.0) }))
        });
        let findings = self.findings.iter().map(|(severity, count)| (severity.code().to_owned(), json!(count)));
        [
            ("agreement", json!(self.agreement.to_string())),
            ("agreementDigest", json!(self.agreement_digest.to_string())),
            ("asOf", json!(self.as_of.to_string())),
            ("heads", Value::Object(heads.collect())),
            ("ruleSet", json!(self.rule_set)),
            ("states", Value::Object(self.states.iter().map(by_origin).collect())),
            ("matched", json!(self.matched)),
            ("findings", Value::Object(findings.collect())),
            ("digest", json!(self.digest.to_string())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

fn message(members_without_sig: &Map<String, Value>) -> Vec<u8> {
    [DOMAIN, &canonical_bytes(&Value::Object(members_without_sig.clone()))].concat()
}

fn read(value: &Value) -> Option<(Statement, KeyId, [u8; 64])> {
    let text = |name: &str| value.get(name)?.as_str();
    let digest = |text: &str| Digest::parse(text).ok();
    let objects = |name: &str| value.get(name)?.as_object();
    let heads = objects("heads")?.iter().map(|(origin, head)| {
        let root = base64url::decode_array(head.get("root")?.as_str()?)?;
        Some((Origin::parse(origin).ok()?, (head.get("size")?.as_u64()?, Hash(root))))
    });
    let states =
        objects("states")?.iter().map(|(origin, state)| Some((Origin::parse(origin).ok()?, digest(state.as_str()?)?)));
    let findings =
        objects("findings")?.iter().map(|(severity, count)| Some((Severity::from_code(severity)?, count.as_u64()?)));
    let statement = Statement {
        agreement: AgreementId::parse(text("agreement")?).ok()?,
        agreement_digest: digest(text("agreementDigest")?)?,
        as_of: date(text("asOf")?)?,
        heads: heads.collect::<Option<_>>()?,
        rule_set: u32::try_from(value.get("ruleSet")?.as_u64()?).ok()?,
        states: states.collect::<Option<_>>()?,
        matched: value.get("matched")?.as_u64()?,
        findings: findings.collect::<Option<_>>()?,
        digest: digest(text("digest")?)?,
    };
    Some((statement, KeyId::parse(text("keyid")?).ok()?, base64url::decode_array(text("sig")?)?))
}

/// How two statements over the same question compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// All inputs and the digests are equal: the halves fit (合).
    Fits,
    /// The inputs differ in the named members: not comparable.
    NotComparable(Vec<&'static str>),
    /// Same inputs, other digest: the buckets must be compared.
    Differs,
}
/// Compares. Equal inputs must give equal digests and counts; a severity that is not named counts as none.
pub fn compare(ours: &Statement, theirs: &Statement) -> Comparison {
    let inputs = [
        ("agreement", ours.agreement == theirs.agreement),
        ("agreementDigest", ours.agreement_digest == theirs.agreement_digest),
        ("asOf", ours.as_of == theirs.as_of),
        ("heads", ours.heads == theirs.heads),
        ("ruleSet", ours.rule_set == theirs.rule_set),
        ("states", ours.states == theirs.states),
    ];
    let differing: Vec<&'static str> = inputs.iter().filter(|(_, equal)| !equal).map(|(name, _)| *name).collect();
    let counts =
        |s: &Statement| Severity::ALL.iter().map(|v| s.findings.get(v).copied().unwrap_or(0)).collect::<Vec<_>>();
    if !differing.is_empty() {
        Comparison::NotComparable(differing)
    } else if (ours.digest, ours.matched, counts(ours)) == (theirs.digest, theirs.matched, counts(theirs)) {
        Comparison::Fits
    } else {
        Comparison::Differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::id::Did;

    fn statement() -> Statement {
        let (one, two) = (Origin::parse("chengdu.example").unwrap(), Origin::parse("kunming.example").unwrap());
        Statement {
            agreement: AgreementId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap(),
            agreement_digest: Digest::of(b"agreement"),
            as_of: jiff::civil::date(2026, 9, 1),
            heads: [(one.clone(), (12, Hash([1; 32]))), (two.clone(), (34, Hash([2; 32])))].into(),
            rule_set: 1,
            states: [(one, Digest::of(b"one")), (two, Digest::of(b"two"))].into(),
            matched: 9,
            findings: [(Severity::Critical, 1), (Severity::Error, 2)].into(),
            digest: Digest::of(b"buckets"),
        }
    }

    fn signer() -> (KeyId, SecretKey) {
        let key = SecretKey::from_seed(&[7; 32]);
        let did = Did::from_authority("chengdu.example").unwrap();
        (KeyId { did, multikey: key.public().multikey() }, key)
    }

    #[test]
    fn signs_and_opens() {
        let (key_id, key) = signer();
        let bytes = statement().sign(&key_id, &key);
        let opened = Statement::open(&bytes, |asked| (*asked == key_id).then(|| key.public()));
        assert_eq!(opened, Ok((statement(), key_id)));
    }

    #[test]
    fn refuses_unknown_keys_and_altered_statements() {
        let (key_id, key) = signer();
        let bytes = statement().sign(&key_id, &key);
        assert_eq!(Statement::open(&bytes, |_| None), Err(StatementError::UnknownKey));
        let other = SecretKey::from_seed(&[8; 32]).public();
        assert_eq!(Statement::open(&bytes, |_| Some(other)), Err(StatementError::Signature));
        let altered = String::from_utf8(bytes).unwrap().replace("\"matched\":9", "\"matched\":8");
        assert_eq!(Statement::open(altered.as_bytes(), |_| Some(key.public())), Err(StatementError::Signature));
    }

    #[test]
    fn refuses_what_is_not_exactly_a_statement() {
        let (key_id, key) = signer();
        let bytes = statement().sign(&key_id, &key);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let mut bad: Vec<Vec<u8>> = vec![Vec::new(), b"[]".to_vec(), text.replace(':', ": ").into_bytes()];
        bad.push(text.replace("{\"agreement\"", "{\"a\":1,\"agreement\"").into_bytes());
        bad.push(vec![b' '; MAX_STATEMENT_LEN + 1]);
        for member in value.as_object().unwrap().keys() {
            let mut other = value.clone();
            other[member] = json!(true);
            bad.push(canonical::write(&other).unwrap());
            other.as_object_mut().unwrap().remove(member);
            bad.push(canonical::write(&other).unwrap());
        }
        for bytes in bad {
            assert_eq!(Statement::open(&bytes, |_| Some(key.public())), Err(StatementError::Malformed));
        }
    }

    #[test]
    fn comparing() {
        let ours = statement();
        assert_eq!(compare(&ours, &ours), Comparison::Fits);
        let zero = Statement {
            findings: [(Severity::Notice, 0)].into_iter().chain(ours.findings.clone()).collect(),
            ..ours.clone()
        };
        assert_eq!(compare(&ours, &zero), Comparison::Fits);
        for other in [
            Statement { digest: Digest::of(b"other"), ..ours.clone() },
            Statement { matched: 10, ..ours.clone() },
            Statement { findings: BTreeMap::new(), ..ours.clone() },
        ] {
            assert_eq!(compare(&ours, &other), Comparison::Differs);
        }
        let not = |other: Statement| compare(&ours, &other);
        assert_eq!(not(Statement { rule_set: 2, ..ours.clone() }), Comparison::NotComparable(vec!["ruleSet"]));
        let later = Statement { as_of: ours.as_of.tomorrow().unwrap(), states: BTreeMap::new(), ..ours.clone() };
        assert_eq!(not(later), Comparison::NotComparable(vec!["asOf", "states"]));
        let heads = ours.heads.iter().map(|(origin, (size, root))| (origin.clone(), (size + 1, *root))).collect();
        let further = Statement { heads, agreement_digest: Digest::of(b"v2"), ..ours.clone() };
        assert_eq!(not(further), Comparison::NotComparable(vec!["agreementDigest", "heads"]));
        let elsewhere = Statement { agreement: AgreementId::PUBLIC, ..ours.clone() };
        assert_eq!(not(elsewhere), Comparison::NotComparable(vec!["agreement"]));
    }

    #[test]
    fn signs_as_in_our_vectors() {
        let vectors: Value = serde_json::from_str(include_str!("../../../vectors/tally.json")).unwrap();
        let text = |name: &str| vectors[name].as_str().unwrap();
        let key = SecretKey::from_seed(&base64url::decode_array(text("secretKey")).unwrap());
        let key_id = KeyId::parse(text("keyId")).unwrap();
        assert_eq!(key_id.multikey, key.public().multikey());
        let (statement, by) = Statement::open(text("signed").as_bytes(), |_| Some(key.public())).unwrap();
        assert_eq!(Value::Object(statement.members()), vectors["statement"]);
        assert_eq!(by, key_id);
        assert_eq!(statement.sign(&key_id, &key), text("signed").as_bytes());
    }
}
