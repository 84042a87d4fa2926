//! Programs that use Hefu as a library, without a node.

use hefu_federation::entry::Body;
use hefu_federation::tree::Hash;
use hefu_federation::walk::Walk;
use hefu_schemas::id::{Digest, Origin};
use std::error::Error;
use std::path::Path;

/// What a verified mirror of a log holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whose log it is.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Entries that stand for a record, a correction or a withdrawal.
    pub records: u64,
    /// Root of the tree, hex.
    pub root: String,
}

/// Verifies a copy of a node's log as static files (`checkpoint` and `tile/entries/…` below `dir`, as any web server or
/// `curl` would fetch them) against a fingerprint that was compared out of band.
///
/// # Errors
/// A file is missing, or anything does not verify.
pub fn verify_mirror(dir: &Path, origin: &str, fingerprint: &str) -> Result<Summary, Box<dyn Error>> {
    let fingerprint = Hash(Digest::parse(fingerprint)?.0);
    let mut walk = Walk::begin(&std::fs::read(dir.join("checkpoint"))?, &Origin::parse(origin)?, &fingerprint)?;
    let mut records = 0;
    while let Some(path) = walk.next() {
        let step = walk.take(&std::fs::read(dir.join(path.to_string()))?)?;
        if let Some(complaint) = step.complaints.first() {
            return Err((*complaint).into());
        }
        let is_record = |body: &Body| matches!(body, Body::Record { .. } | Body::Amend { .. } | Body::Withdraw { .. });
        records += u64::try_from(step.entries.iter().filter(|(_, entry)| is_record(&entry.body)).count())?;
    }
    let signed = walk.finish()?.checkpoint;
    Ok(Summary { origin: origin.to_owned(), size: signed.size, records, root: Digest(signed.root.0).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_federation::append::{Head, plan};
    use hefu_federation::checkpoint::Checkpoint;
    use hefu_federation::entry::{Audience, Genesis};
    use hefu_federation::key::{SealSecretKey, SecretKey};
    use hefu_federation::tile::TilePath;
    use hefu_schemas::id::Did;

    fn mirror(dir: &Path) -> String {
        let key = |n: u8| SecretKey::from_seed(&[n; 32]);
        let origin = Origin::parse("km.example").unwrap();
        let genesis = Genesis {
            origin: origin.clone(),
            did: Did::from_authority("km.example").unwrap(),
            record: key(1).public(),
            log: key(2).public(),
            witness: key(3).public(),
            request: key(4).public(),
            seal: SealSecretKey::from_seed(&[5; 32]).public(),
            recovery: Digest::of(b"recovery"),
        };
        let mut batch = vec![Body::Genesis(Box::new(genesis))];
        batch.extend((0..299_u16).map(|n| Body::Record { c: Digest::of(&n.to_be_bytes()).0, a: Audience::Holder }));
        let plan = plan(&Head::default(), batch, 1_790_000_000).unwrap();
        for bundle in &plan.bundles {
            let path = dir.join(TilePath::Entries { index: bundle.index, width: bundle.width }.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &bundle.bytes).unwrap();
        }
        let checkpoint = Checkpoint { origin: origin.to_string(), size: 300, root: plan.head.range.root() };
        std::fs::write(dir.join("checkpoint"), checkpoint.sign(&key(2)).unwrap()).unwrap();
        Digest(plan.entries[0].leaf_hash.0).to_string()
    }

    #[test]
    fn a_mirror_verifies_and_a_changed_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let fingerprint = mirror(dir.path());
        let summary = verify_mirror(dir.path(), "km.example", &fingerprint).unwrap();
        assert_eq!((summary.size, summary.records), (300, 299));
        assert!(verify_mirror(dir.path(), "km.example", &Digest::of(b"other").to_string()).is_err());
        let path = dir.path().join("tile/entries/001.p/44");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
        assert!(verify_mirror(dir.path(), "km.example", &fingerprint).is_err());
    }
}
