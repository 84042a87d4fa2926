//! The formats of the log: notes, checkpoints, tile paths, bundles, entries, keys.

use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::key::{KeyId, PublicKey, SealPublicKey, SecretKey};
use hefu_federation::note::{self, Verifier};
use hefu_federation::tile::{TilePath, bundle_prefix, push_entry, split_bundle};
use hefu_schemas::id::Origin;

/// The key of every note here: a published seed, for tests only.
fn secret() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

/// A note, and the text form of a verifier. What opens is a prefix of the note.
pub fn note(data: &[u8]) {
    let verifier = Verifier::new("node.example", secret().public()).expect("a name");
    if let Ok(text) = note::open(data, &verifier) {
        assert!(data.starts_with(text.as_bytes()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(verifier) = Verifier::parse(text) {
        assert_eq!(verifier.vkey(), text, "two spellings of one verifier key");
    }
    // A text that can be signed opens again.
    if let Ok(signed) = note::sign(text, "node.example", &secret()) {
        assert_eq!(note::open(signed.as_bytes(), &verifier), Ok(text));
    }
}

/// A checkpoint's body has one spelling.
pub fn checkpoint(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(body) {
        let written = checkpoint.body();
        assert!(body.starts_with(&written), "two spellings of one checkpoint");
        // What was parsed can be signed, and opens again, where its origin is one of ours.
        if let (Ok(origin), Ok(signed)) = (Origin::parse(&checkpoint.origin), checkpoint.sign(&secret())) {
            let opened = Checkpoint::open(signed.as_bytes(), &origin, &secret().public()).expect("it opens");
            assert_eq!(opened.body(), written);
        }
    }
    let origin = Origin::parse("node.example").expect("an origin");
    let _ = Checkpoint::open(data, &origin, &secret().public());
}

/// A path has one spelling.
pub fn tile_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text, "two spellings of one path");
    }
}

/// The first two bytes are the width. What splits is put together again from its parts.
pub fn entry_bundle(data: &[u8]) {
    let Some((width, bytes)) = data.split_first_chunk::<2>() else { return };
    let width = u16::from_le_bytes(*width) % 257;
    let _ = bundle_prefix(bytes, width);
    if let Ok(entries) = split_bundle(bytes, width) {
        let mut again = Vec::new();
        for entry in &entries {
            push_entry(&mut again, entry);
        }
        assert_eq!(again, bytes);
    }
}

/// An entry that is understood has one spelling.
pub fn entry(data: &[u8]) {
    if let Ok(entry) = Entry::parse(data) {
        if entry.body != Body::Unknown {
            assert_eq!(entry.write().expect("what was parsed can be written"), data);
        }
    }
}

/// Keys as text, and in PEM files.
pub fn key_text(text: &str) {
    if let Ok(key) = PublicKey::from_multikey(text) {
        assert_eq!(key.multikey(), text, "two spellings of one key");
    }
    if let Ok(key) = SealPublicKey::from_multikey(text) {
        assert_eq!(key.multikey(), text, "two spellings of one key");
    }
    if let Ok(id) = KeyId::parse(text) {
        assert_eq!(id.to_string(), text, "two spellings of one key id");
    }
    let _ = SecretKey::from_pem(text);
}

/// See [`key_text`].
pub fn key(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        key_text(text);
    }
}
