//! The reconciler: facts of one key in, findings out; buckets and the tally. Pure, whatever the order of arrival.
//!
//! ```text
//! facts ─prepare─▶ Case (corrections applied, chains) ─rules─▶ Report ─▶ Evaluation {findings, matched, next}
//! ```
//!
//! A record is filed under its subject reference and each `sameAs`, never under the closure of them. So a rule that
//! fires because something is *absent* (S4) is asked only under the reference that the record itself states: under an
//! older one, what came later may be out of sight. A city that still names a person by another reference than its
//! partner, and has no `sameAs` for it, is not seen to have enrolled that person.
mod case;
mod days;
pub mod finding;
mod halves;
pub mod key;
mod rules;
mod say;
pub mod tally;
pub mod view;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod properties;

use crate::agreement::Standing;
use crate::pull::{Check, PayloadState};
use case::Case;
pub use case::MAX_FACTS_PER_ORIGIN;
use finding::Finding;
use hefu_schemas::agreement::{Calendar, Party};
use hefu_schemas::id::{Origin, RecordId};
use jiff::civil::Date;
use key::Key;
use std::collections::{BTreeMap, BTreeSet};
use view::View;

/// Number of the rule set: both sides of a tally must use the same.
pub const RULE_SET: u32 = 2;

/// What is known of one entry that belongs to a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Whose log.
    pub origin: Origin,
    /// Where in it.
    pub index: u64,
    /// `t` of the entry, UTC seconds.
    pub t: i64,
    /// Index of the record that this entry corrects or withdraws.
    pub of: Option<u64>,
    /// Its id.
    pub id: RecordId,
    /// The members that rules read.
    pub view: View,
}

/// What is known of one entry whose record is not held as good: what the judge noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Whose log.
    pub origin: Origin,
    /// Where in it.
    pub index: u64,
    /// The record's id, where it could be read.
    pub id: Option<RecordId>,
    /// `Invalid` or `Quarantined`; `Held` for a record under a key since revoked.
    pub state: PayloadState,
    /// Name of the check that failed, `: ` and a part of the terms behind it where there is one.
    pub reason: Option<String>,
}

impl Flaw {
    /// The check that failed, and the part of the terms that it names.
    fn check(&self) -> (Option<Check>, Option<&str>) {
        let reason = self.reason.as_deref().unwrap_or_default();
        match reason.split_once(": ") {
            Some((check, part)) => (Check::from_code(check), Some(part)),
            None => (Check::from_code(reason), None),
        }
    }
}

/// Everything about one agreement that rules read.
#[derive(Debug)]
pub struct Context<'a> {
    /// Document, acts, proofs.
    pub standing: &'a Standing<'a>,
    /// The date of the evaluation, in the agreement's time zone.
    pub as_of: Date,
}

impl Context<'_> {
    /// The party that is a city.
    fn party_of_city(&self, city: &str) -> Option<&Party> {
        self.standing.agreement.parties.iter().find(|party| party.city_code == city)
    }
    /// The city of a party.
    fn city(&self, origin: &Origin) -> Option<&str> {
        self.standing.agreement.party(origin).map(|party| party.city_code.as_str())
    }
    /// The calendar of a party.
    fn calendar(&self, origin: &Origin) -> Option<&Calendar> {
        let party = self.standing.agreement.party(origin)?;
        self.standing.agreement.terms.calendars.get(party.did.as_str())
    }
    /// Calendar days of grace of a rule: none unless the terms grant some.
    fn grace_days(&self, rule: finding::Rule) -> u32 {
        self.standing.agreement.terms.grace_days.get(rule.code()).copied().unwrap_or(0)
    }
}

/// What the evaluation of one key gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Sorted by id.
    pub findings: Vec<Finding>,
    /// Facts of two origins or more under a key that joins halves, and no finding.
    pub matched: bool,
    /// The earliest later date on which the same facts may give another result; `None` when time alone changes nothing.
    pub next: Option<Date>,
}

/// Evaluates one key. The order of `facts` does not matter. Facts are those filed under the key
/// ([`key::filed_under`]): an amendment or withdrawal counts for what it corrects even where it names another person. Under a
/// `record` key they are besides the record that the key names, its corrections, its withdrawal and what revokes it.
pub fn reconcile(context: &Context<'_>, key: &Key, facts: &[Fact]) -> Evaluation {
    let case = Case::prepare(key, facts);
    let (findings, next) = rules::evaluate(context, &case);
    let origins: BTreeSet<&Origin> = facts.iter().map(|fact| &fact.origin).collect();
    let matched = key.key_type().joins_halves() && origins.len() >= 2 && findings.is_empty();
    Evaluation { matched, findings, next }
}

/// Evaluates the key of a flawed entry ([`key::Key::entry`]).
pub fn reconcile_entry(context: &Context<'_>, flaw: &Flaw) -> Evaluation {
    let (findings, next) = rules::evaluate_entry(context, flaw);
    Evaluation { findings, matched: false, next }
}

/// Evaluates the key of the agreement itself ([`key::Key::agreement`]): its parties' acts and proofs are the facts.
pub fn reconcile_agreement(context: &Context<'_>) -> Evaluation {
    let (findings, next) = rules::evaluate_agreement(context);
    Evaluation { findings, matched: false, next }
}

/// Sizes of the logs that an evaluation is bound to (exclusive upper index by origin).
pub type Heads = BTreeMap<Origin, u64>;
