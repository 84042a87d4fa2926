//! A made-up population of several cities, and the cases planted in it.
//!
//! `hefu demo` starts a federation of three cities and publishes this population through the product's own commands.
//! Nobody in it exists: the identifiers lie in area codes that GB/T 2260 does not use, the schools are numbered, the
//! names are drawn from short lists. All of it is a pure function of seed, date and cities: no clock, no ambient
//! randomness. Every person is drawn from a generator of his own, so the population is streamed at any size.
//!
//! ```text
//! City ──▶ agreement_terms ──▶ `hefu agreement propose`
//!   └────▶ Population ── identifiers ──▶ `hefu subject` ── references ──▶ drafts ──▶ `hefu publish`
//!              └── planted ──▶ compare ◀── findings of the reconciler
//! ```
//!
//! Outside the planted cases no rule of the reconciler finds anything.

mod calendar;
mod case;
mod city;
mod compare;
mod draft;
mod history;
mod person;
mod planted;
mod population;
mod recognition;
mod seed;
mod side;
mod terms;
mod transfer;

#[cfg(test)]
mod dictionary;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use calendar::{calendar, validity};
pub use case::{Part, PlantedCase};
pub use city::{City, Office};
pub use compare::{Comparison, FoundFinding, compare};
pub use draft::{Cited, Synthetic};
pub use person::Person;
pub use population::{Load, Population, PopulationError, ReferencesExhausted};
pub use terms::agreement_terms;
