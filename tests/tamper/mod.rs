//! A peer that lies, answer by answer: what the honest node says to it, that it stores nothing false, and that it goes on with
//! everybody else. The liar holds the keys of the city that it speaks for.

mod answers;
mod damage;
mod first;
pub(crate) mod liar;
mod log;
mod offers;
mod outside;
mod pages;
pub(crate) mod world;

use hefu_node::keys::Keys;

/// Flips the lowest bit of a byte.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// Replaces the first occurrence of a text, which must be there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1)
}

/// The keys of a town, read from its folder.
pub(crate) fn keys_of(town: &world::Town) -> Keys {
    Keys::load(&hefu_node::folder::Folder::new(&town.dir)).unwrap()
}
