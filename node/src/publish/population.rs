//! The population of the agreement (rule A3): where it covers only people of whom there is a connection, a status of anybody
//! else is not published. The connection may be in any party's log, or on an earlier line.

use super::seal::{Staged, violation};
use crate::Node;
use crate::problem::Outcome;
use crate::store::AgreementNo;
use hefu_federation::reconcile::key::{Key, KeyType};
use hefu_federation::reconcile::view::Body;
use hefu_schemas::agreement::Population as Covers;
use hefu_schemas::record::Kind;
use hefu_schemas::violation::Violation;
use std::collections::{BTreeMap, HashSet};

/// Queue rows that are looked through for connections that are not filed yet.
const QUEUED_ROWS: usize = 50_000;

/// Subjects of whom there is a connection.
#[derive(Default)]
pub(super) struct Population {
    cases: HashSet<Key>,
}

impl Population {
    /// Looks up the subjects of some lines.
    pub(super) async fn prepare<'a>(&mut self, node: &Node, staged: impl Iterator<Item = &'a Staged>) -> Outcome<()> {
        let mut asked: BTreeMap<AgreementNo, Vec<Key>> = BTreeMap::new();
        for staged in staged.filter(|staged| covers_cases(node, staged)) {
            let unknown = subjects(staged).filter(|key| !self.cases.contains(key)).cloned();
            asked.entry(staged.sealed.agreement).or_default().extend(unknown);
        }
        for (agreement, mut keys) in asked {
            keys.sort();
            keys.dedup();
            let queued = node.store.dirty(agreement, QUEUED_ROWS).await?;
            for (position, _, row) in node.store.facts(agreement, &keys, &queued, None).await? {
                if row.kind == Some(Kind::EnrollmentConnection) {
                    self.cases.extend(keys.get(position).cloned());
                }
            }
        }
        Ok(())
    }

    /// What is refused of a line; a connection on it counts for later ones.
    pub(super) fn check(&mut self, node: &Node, staged: &Staged) -> Vec<Violation> {
        if matches!(staged.view.body, Body::EnrollmentConnection { .. }) {
            self.cases.extend(subjects(staged).cloned());
        }
        let refused = covers_cases(node, staged) && !subjects(staged).any(|key| self.cases.contains(key));
        let zh = "协议只覆盖办理衔接事项的学生，该生没有衔接事项（请先发布衔接记录）";
        let en = "the agreement covers only people of whom there is a connection: publish the connection first";
        if refused { vec![violation("/credentialSubject/id", "agreement/population", zh, en)] } else { Vec::new() }
    }
}

fn subjects(staged: &Staged) -> impl Iterator<Item = &Key> {
    staged.sealed.keys.iter().filter(|key| key.key_type() == KeyType::Subject)
}

/// Whether a line is a status under an agreement that covers cases only.
fn covers_cases(node: &Node, staged: &Staged) -> bool {
    let covers = || {
        let known = node.registry.by_no(staged.sealed.agreement)?;
        known.document.terms.population.get(Kind::StudentStatus.code()).copied()
    };
    matches!(staged.view.body, Body::StudentStatus { .. }) && covers() == Some(Covers::Case)
}
