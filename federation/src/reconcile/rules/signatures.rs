//! The rule over an agreement itself: A2.
use super::{Found, Report};
use crate::entry::Act;
use crate::reconcile::finding::{Evidence, Owner, Rule, Severity};
use crate::reconcile::say;
use hefu_schemas::text::Text;

/// A2: a party has opened the agreement, so that records flow, and another one has not signed this text: there is no entry that
/// signs its digest, or no verified proof. A party that signed another text has not signed this one.
pub(super) fn incomplete(report: &mut Report<'_>) {
    let standing = report.context.standing;
    let opened = standing.acts.iter().filter_map(|(origin, acts)| {
        let open = acts.iter().find(|seen| seen.act == Act::Open)?;
        Some(Evidence { origin: origin.clone(), index: open.index, record: None })
    });
    let opened: Vec<Evidence> = opened.filter(|open| standing.agreement.party(&open.origin).is_some()).collect();
    if opened.is_empty() {
        return;
    }
    for party in standing.agreement.parties.iter().filter(|party| !standing.has_signed(&party.origin)) {
        let name = say::party(report.context, &party.origin);
        report.push_found(Found {
            rule: Rule::A2,
            severity: Severity::Error,
            about: &format!("sign/{}", party.origin),
            evidence: opened.clone(),
            members: Vec::new(),
            owner: Owner { party: party.origin.clone(), office: None },
            text: Text::new(
                format!("协议已启用并开始共享记录，而{}尚未签署这一文本。", name.zh),
                format!("The agreement is open and records flow, but {} has not signed this text.", name.en),
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a2_fires() {
        type Change = fn(&mut World);
        let cases: [(&str, Change); 2] = [
            ("no proof", |w| w.proofs.retain(|other| *other != origin(DALI))),
            ("no entry signs this digest", |w| {
                w.acts.insert(origin(DALI), vec![act(Act::Open, 2, None)]);
            }),
        ];
        for (name, change) in cases {
            let mut world = World::new();
            change(&mut world);
            let found = world.reconcile_agreement(day(3, 1));
            assert_eq!(said(&found), [format!("A2 error sign/{DALI}")], "{name}");
            assert_eq!(found.findings[0].owner.party, origin(DALI));
            assert!(found.findings[0].evidence.iter().all(|evidence| evidence.record.is_none()));
        }
        let mut world = World::new();
        world.proofs.clear();
        assert_eq!(said(&world.reconcile_agreement(day(3, 1))).len(), 3, "each party of its own");
    }

    #[test]
    fn a2_near_misses() {
        let mut world = World::new();
        assert_eq!(said(&world.reconcile_agreement(day(3, 1))), NOTHING, "signed by all");
        assert_eq!(world.reconcile_agreement(day(3, 1)).next, None);
        // Nobody has opened it yet: it waits for the signatures, and nothing flows.
        world.proofs.clear();
        world.acts.values_mut().for_each(|acts| acts.retain(|seen| seen.act != Act::Open));
        assert_eq!(said(&world.reconcile_agreement(day(3, 1))), NOTHING);
        // Who is no party opens nothing.
        world.acts.insert(origin("lhasa.example"), vec![act(Act::Open, 2, None)]);
        assert_eq!(said(&world.reconcile_agreement(day(3, 1))), NOTHING);
    }
}
