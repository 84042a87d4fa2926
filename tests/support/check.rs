//! The check that every test makes after every step.

use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::key::Role;
use hefu_node::Node;
use hefu_node::store::OWN;
use std::sync::Arc;

/// Reads everything back: entries against tiles, tiles against notes, payloads against commitments and proofs, and the
/// published note of the own log against head and guard.
///
/// # Panics
/// With the first thing that is not sound.
pub async fn check_log(node: &Arc<Node>) {
    check_stored(node).await;
    assert_eq!(node.sequencer.signing(), Ok(()), "{}", node.origin);
    let head = node.store.head(OWN).await.expect("the own head");
    let note = head.note.expect("a published note");
    let key = node.ring.keys().find(|(role, ..)| *role == Role::Log).map(|(_, key, _)| key).expect("a log key");
    let checkpoint = Checkpoint::open(&note, &node.origin, key).expect("a note of this log");
    assert_eq!(checkpoint.size, head.size, "{}: every entry is covered by the published note", node.origin);
    let guard = std::fs::read(node.folder.guard()).expect("a guard file");
    assert_eq!(guard, note, "{}: the guard is the last signed note", node.origin);
}

/// As [`check_log`], also for a node that refuses to sign: what is stored is sound all the same.
///
/// # Panics
/// With the first thing that is not sound.
pub async fn check_stored(node: &Arc<Node>) {
    for report in hefu_node::fsck::run(node).await.expect("fsck") {
        let complaints: Vec<_> = report.complaints.iter().filter(|what| !what.starts_with("not signing: ")).collect();
        assert!(complaints.is_empty(), "{} as held by {}: {complaints:?}", report.origin, node.origin);
    }
}
