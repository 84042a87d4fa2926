//! Result digests, buckets and the tally statement (bytes: Tally).
//!
//! ```text
//! findings of a key ─▶ key result ─┐ in key order
//!                                  ├─▶ bucket digest ─┐ 0 … 4,095
//! findings of a key ─▶ key result ─┘                  ├─▶ tally digest ─▶ Statement ─sign─▶
//! ```
mod statement;
pub use statement::{Comparison, MAX_STATEMENT_LEN, Statement, StatementError, compare};

use super::finding::{Finding, canonical_bytes};
use super::key::Key;
use hefu_schemas::id::Digest;
use serde_json::{Value, json};
use sha2::Digest as _;

/// Number of buckets.
pub const BUCKETS: u16 = 4096;
/// Indexes of a payload-state block.
pub const STATE_BLOCK: u64 = 4096;
/// Domain of the tally digest and of the signature under a statement.
const DOMAIN: &[u8] = b"hefu/tally/v1\0";

/// Result of a key: SHA-256(JCS([key, sorted [finding id, severity, members, owner, dueOn]])). The key is a string with
/// U+001F between type and value; the findings are sorted by id.
pub fn key_result(key: &Key, findings: &[Finding]) -> Digest {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.id);
    let parts: Vec<Value> = sorted.into_iter().map(Finding::digest_part).collect();
    Digest::of(&canonical_bytes(&json!([key.text(), parts])))
}
/// Builds the digest of one bucket from its keys' results, pushed in key order.
#[derive(Debug, Clone, Default)]
pub struct BucketHasher(sha2::Sha256);
impl BucketHasher {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }
    /// The next key's result.
    pub fn push(&mut self, result: &Digest) {
        self.0.update(result.0);
    }
    /// The digest of the bucket.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}
/// SHA-256(`hefu/tally/v1` 00 ‖ 4,096 bucket digests); `None` unless there are that many.
pub fn tally_digest(buckets: &[Digest]) -> Option<Digest> {
    if buckets.len() != usize::from(BUCKETS) {
        return None;
    }
    let mut hasher = sha2::Sha256::new_with_prefix(DOMAIN);
    buckets.iter().for_each(|bucket| hasher.update(bucket.0));
    Some(Digest(hasher.finalize().into()))
}
/// Digest of the payload states of one origin: SHA-256 over the digests of its ⌈size / 4,096⌉ blocks of 4,096 indexes,
/// each the SHA-256 of the lines `index:state\n` (index in decimal) of those of its indexes that have a payload state,
/// in index order. A block without a line counts as SHA-256 of nothing. So a store can keep the digests of full blocks
/// and hash only what has changed.
///
/// Push in index order, nothing from `size` on.
#[derive(Debug, Clone, Default)]
pub struct StateHasher {
    /// Number of the block that is being filled.
    block: u64,
    inner: sha2::Sha256,
    outer: sha2::Sha256,
}
impl StateHasher {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }
    /// The next index with its state's code.
    pub fn push(&mut self, index: u64, state: &str) {
        let block = index / STATE_BLOCK;
        self.close_to(block);
        self.inner.update(format!("{index}:{state}\n"));
    }
    /// The digest up to `size` entries.
    pub fn finish(mut self, size: u64) -> Digest {
        self.close_to(size.div_ceil(STATE_BLOCK));
        Digest(self.outer.finalize().into())
    }
    /// Closes all blocks before the given one.
    fn close_to(&mut self, block: u64) {
        while self.block < block {
            self.outer.update(self.inner.finalize_reset());
            self.block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::finding::{Evidence, Owner, Rule, Severity, finding_id};
    use crate::reconcile::key::KeyType;
    use hefu_schemas::id::{AgreementId, Origin, RecordId};
    use hefu_schemas::text::Text;

    fn finding(index: u64) -> Finding {
        let evidence = vec![Evidence {
            origin: Origin::parse("kunming.example").unwrap(),
            index,
            record: RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").ok(),
        }];
        Finding {
            id: finding_id(Rule::S4, AgreementId::PUBLIC, "quit", &evidence),
            rule: Rule::S4,
            severity: Severity::Critical,
            about: "quit".to_owned(),
            evidence,
            members: Vec::new(),
            owner: Owner { party: Origin::parse("kunming.example").unwrap(), office: None },
            due_on: None,
            text: Text::new("查明去向", "find the child"),
        }
    }

    fn key() -> Key {
        Key::new(KeyType::Subject, "urn:hefu:subject:1:abc")
    }

    #[test]
    fn the_result_of_a_key_is_the_hash_of_the_defined_bytes() {
        let id = finding(7).id;
        let bytes = format!(
            "[\"subject\\u001furn:hefu:subject:1:abc\",[[\"{id}\",\"critical\",[],{{\"party\":\"kunming.example\"}},null]]]"
        );
        assert_eq!(key_result(&key(), &[finding(7)]), Digest::of(bytes.as_bytes()));
        let none = "[\"subject\\u001furn:hefu:subject:1:abc\",[]]";
        assert_eq!(key_result(&key(), &[]), Digest::of(none.as_bytes()));
    }

    #[test]
    fn the_order_of_findings_does_not_matter() {
        assert_eq!(key_result(&key(), &[finding(7), finding(8)]), key_result(&key(), &[finding(8), finding(7)]));
        assert_ne!(key_result(&key(), &[finding(7), finding(8)]), key_result(&key(), &[finding(7)]));
    }

    #[test]
    fn what_is_shown_only_does_not_enter_the_result() {
        let other = Finding { text: Text::new("甲", "other words"), ..finding(7) };
        assert_eq!(key_result(&key(), &[other]), key_result(&key(), &[finding(7)]));
        let graver = Finding { severity: Severity::Notice, ..finding(7) };
        assert_ne!(key_result(&key(), &[graver]), key_result(&key(), &[finding(7)]));
    }

    #[test]
    fn an_empty_bucket_is_the_hash_of_nothing() {
        assert_eq!(BucketHasher::new().finish(), Digest::of(b""));
        let mut bucket = BucketHasher::new();
        bucket.push(&Digest([1; 32]));
        bucket.push(&Digest([2; 32]));
        assert_eq!(bucket.finish(), Digest::of(&[[1; 32], [2; 32]].concat()));
    }

    #[test]
    fn a_tally_has_4096_buckets() {
        let buckets = vec![Digest::of(b""); 4096];
        let bytes = [DOMAIN, &buckets.iter().flat_map(|b| b.0).collect::<Vec<u8>>()].concat();
        assert_eq!(tally_digest(&buckets), Some(Digest::of(&bytes)));
        assert_eq!(tally_digest(&buckets[1..]), None);
        assert_eq!(tally_digest(&[]), None);
    }

    fn states(lines: &[(u64, &str)], size: u64) -> Digest {
        let mut hasher = StateHasher::new();
        lines.iter().for_each(|(index, state)| hasher.push(*index, state));
        hasher.finish(size)
    }

    #[test]
    fn payload_states_are_hashed_by_block() {
        let blocks = |all: &[&[u8]]| Digest::of(&all.iter().flat_map(|b| Digest::of(b).0).collect::<Vec<u8>>());
        assert_eq!(states(&[], 0), Digest::of(b""));
        assert_eq!(states(&[], 1), blocks(&[b""]));
        assert_eq!(states(&[], 4097), blocks(&[b"", b""]));
        let lines = [(1, "held"), (4095, "erased"), (8192, "held")];
        assert_eq!(states(&lines, 8193), blocks(&[b"1:held\n4095:erased\n", b"", b"8192:held\n"]));
        assert_eq!(states(&lines[..2], 4096), blocks(&[b"1:held\n4095:erased\n"]));
        assert_ne!(states(&lines, 8193), states(&lines, 3 * 4096 + 1));
    }

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../vectors/tally.json")).unwrap()
    }

    fn digest(value: &Value) -> Digest {
        Digest::parse(value.as_str().unwrap()).unwrap()
    }

    #[test]
    fn hashes_as_in_our_vectors() {
        let vectors = vectors();
        let agreement = AgreementId::parse(vectors["agreement"].as_str().unwrap()).unwrap();
        let mut results: Vec<(u16, Key, Digest)> = Vec::new();
        for row in vectors["keys"].as_array().unwrap() {
            let key_type = KeyType::from_code(row["type"].as_str().unwrap()).unwrap();
            let key = Key::new(key_type, row["value"].as_str().unwrap());
            assert_eq!(u64::from(key.bucket()), row["bucket"].as_u64().unwrap());
            let findings: Vec<Finding> =
                row["findings"].as_array().unwrap().iter().map(|f| Finding::from_json(f).unwrap()).collect();
            for finding in &findings {
                assert_eq!(finding.id, finding_id(finding.rule, agreement, &finding.about, &finding.evidence));
            }
            assert_eq!(key_result(&key, &findings), digest(&row["result"]));
            results.push((key.bucket(), key, digest(&row["result"])));
        }
        results.sort();
        let mut buckets = vec![BucketHasher::new(); usize::from(BUCKETS)];
        results.iter().for_each(|(bucket, _, result)| buckets[usize::from(*bucket)].push(result));
        let buckets: Vec<Digest> = buckets.into_iter().map(BucketHasher::finish).collect();
        for (bucket, expected) in vectors["buckets"].as_object().unwrap() {
            assert_eq!(buckets[bucket.parse::<usize>().unwrap()], digest(expected));
        }
        assert_eq!(tally_digest(&buckets), Some(digest(&vectors["tally"])));
    }

    #[test]
    fn hashes_payload_states_as_in_our_vectors() {
        for case in vectors()["payloadStates"].as_array().unwrap() {
            let lines: Vec<(u64, &str)> = case["states"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| (line[0].as_u64().unwrap(), line[1].as_str().unwrap()))
                .collect();
            assert_eq!(states(&lines, case["size"].as_u64().unwrap()), digest(&case["digest"]));
        }
    }
}
