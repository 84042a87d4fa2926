//! What a city does that is no honest one any more, or whose key was stolen.

use hefu_federation::append;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Body, KeyAct, Says, Signed};
use hefu_federation::key::{Role, SecretKey};
use hefu_federation::tree::Hash;
use hefu_node::Node;
use hefu_node::sequencer::{Parts, publish_note};
use hefu_node::store::{OWN, SEQUENCER};
use hefu_schemas::id::Digest;
use std::sync::Arc;

/// A city says that its record key was in other hands from its first record on.
pub(super) async fn revoke(node: &Arc<Node>) {
    let pem = std::fs::read_to_string(node.folder.path().parent().unwrap().join("recovery.pem")).unwrap();
    let key = node.keys.record.public().multikey();
    let recovery = Digest::of(b"the next recovery key");
    let says = Says::Key { act: KeyAct::Revoke, role: Role::Record, key, from: Some(3), recovery };
    let signed = Signed::new(says, &node.origin, &SecretKey::from_pem(&pem).unwrap());
    let head = node.store.edge(OWN).await.unwrap();
    let plan = append::plan(&head, vec![Body::Signed(Box::new(signed))], node.clock.now_s()).unwrap();
    let holder = "embedded".to_owned();
    let fence = node.store.lease(SEQUENCER, &holder, node.clock.now_ms(), 15_000).await.unwrap().unwrap();
    node.store.append_own(fence, &plan, &[], &[]).await.unwrap();
    let (store, keys) = (node.store.clone(), node.keys.clone());
    let (origin, folder, clock) = (node.origin.clone(), node.folder.clone(), node.clock.clone());
    publish_note(&Parts { store, keys, origin, folder, clock, holder }, &plan.head).await.unwrap();
}

/// A city signs another root for the size that it has.
pub(super) async fn show_another_log(node: &Arc<Node>) {
    let size = node.store.head(OWN).await.unwrap().size;
    let checkpoint = Checkpoint { origin: node.origin.to_string(), size, root: Hash([7; 32]) };
    let note = checkpoint.sign(&node.keys.log).unwrap();
    node.store.set_note(OWN, size, note.as_bytes()).await.unwrap();
}
