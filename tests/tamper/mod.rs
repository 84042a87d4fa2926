//! A peer that lies, answer by answer: what the honest node says to it, that it stores nothing false, and that it goes on with
//! everybody else. The liar holds the keys of the city that it speaks for.

mod answers;
mod city;
mod clocks;
mod damage;
mod first;
pub(crate) mod liar;
mod log;
mod names;
mod offers;
mod outside;
mod pages;
mod slow;
mod steps;
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

/// What went wrong is said in one sentence, and without values of records.
pub(crate) fn assert_one_sentence(problem: &hefu_node::problem::Problem) {
    let detail = &problem.detail;
    assert!(!detail.is_empty() || !problem.code.title().en.is_empty(), "{problem}");
    assert!(!detail.contains('\n') && detail.len() <= 600, "one sentence: {problem}");
    for value in ["urn:hefu:subject", "credentialSubject", "proofValue", "PRIVATE KEY", "\"salt\""] {
        assert!(!detail.contains(value), "{value} in: {problem}");
    }
}
