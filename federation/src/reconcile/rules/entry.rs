//! Rules over entries whose record is not held, or held under a key since revoked: A1, A3, G3, G5.
//!
//! What they read is what the judge noted of the entry ([`crate::pull`]): the record itself may not even be kept.
use super::{Found, Report};
use crate::pull::{Check, PayloadState};
use crate::reconcile::finding::{Evidence, Owner, Rule, Severity};
use crate::reconcile::{Flaw, say};
use hefu_schemas::text::Text;

/// The finding of a flawed entry. Bytes that are not what the log commits to, or no record at all, break no rule of these: the
/// states of the payloads tell of them.
pub(super) fn flawed(flaw: &Flaw, report: &mut Report<'_>) {
    let (check, part) = flaw.check();
    let found = match (flaw.state, check) {
        (PayloadState::Invalid, Some(Check::Scope)) => over_shared(part),
        (PayloadState::Invalid, Some(Check::KeyAtIndex)) => (Rule::G3, "key-at-index", invalid_key()),
        (PayloadState::Invalid, Some(Check::Open)) => (Rule::A1, "open", not_open()),
        (PayloadState::Held, Some(Check::KeyAtIndex)) => (Rule::G3, "key-revoked", revoked_key()),
        (PayloadState::Quarantined, _) => (Rule::G5, "schema", not_understood()),
        _ => return,
    };
    let (rule, about, what) = found;
    let severity = match rule {
        Rule::A3 | Rule::G3 => Severity::Critical,
        Rule::G5 => Severity::Warning,
        _ => Severity::Error,
    };
    let (party, index) = (say::party(report.context, &flaw.origin), flaw.index);
    let member = part.and_then(|part| part.strip_prefix("fields/")).and_then(|part| part.split_once('/'));
    report.push_found(Found {
        rule,
        severity,
        about,
        evidence: vec![Evidence { origin: flaw.origin.clone(), index, record: flaw.id }],
        members: member.map(|(_, member)| member.to_owned()).into_iter().collect(),
        owner: Owner { party: flaw.origin.clone(), office: None },
        text: Text::new(
            format!("{}日志第{index}条的记录{}。", party.zh, what.zh),
            format!("The record in entry {index} of {} {}.", party.en, what.en),
        ),
    });
}

fn over_shared(part: Option<&str>) -> (Rule, &str, Text) {
    let part = part.unwrap_or("scope");
    let text = Text::new(
        format!("超出协议约定的共享范围（{part}），未予保存"),
        format!("goes beyond what the agreement lets flow ({part}); it is not kept"),
    );
    (Rule::A3, part, text)
}

fn invalid_key() -> Text {
    Text::new("所用签名密钥在该位置无效", "is signed by a key that was not valid there")
}

fn not_open() -> Text {
    Text::new("在协议中止或终止期间登记", "was entered while the agreement was suspended or after its end")
}

fn revoked_key() -> Text {
    Text::new(
        "所用签名密钥已因泄露作废，须重新出具",
        "is signed by a key since revoked as compromised, and must be issued anew",
    )
}

fn not_understood() -> Text {
    Text::new(
        "使用了本版本不能识别的模式或代码，已隔离",
        "uses a schema or code that this version does not understand; it is set aside",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fixture::*;
    use hefu_schemas::id::RecordId;

    fn flaw(state: PayloadState, reason: Option<&str>) -> Flaw {
        let id = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        Flaw { origin: origin(KUNMING), index: 17, id: Some(id), state, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn each_flaw_has_its_rule() {
        let world = World::new();
        let of = |state, reason| said(&world.reconcile_entry(&flaw(state, Some(reason)), day(3, 1)));
        use PayloadState as S;
        assert_eq!(of(S::Invalid, "scope: fields/allowed/residence"), ["A3 critical fields/allowed/residence"]);
        assert_eq!(of(S::Invalid, "scope: scope/stage"), ["A3 critical scope/stage"]);
        assert_eq!(of(S::Invalid, "scope: crossBorderBasis"), ["A3 critical crossBorderBasis"]);
        assert_eq!(of(S::Invalid, "key-at-index"), ["G3 critical key-at-index"]);
        assert_eq!(of(S::Held, "key-at-index"), ["G3 critical key-revoked"]);
        assert_eq!(of(S::Invalid, "open"), ["A1 error open"]);
        assert_eq!(of(S::Quarantined, "schema"), ["G5 warning schema"]);
    }

    #[test]
    fn other_checks_and_states_break_no_rule_of_these() {
        let world = World::new();
        for check in Check::ALL {
            let finds = matches!(check, Check::Scope | Check::KeyAtIndex | Check::Open);
            let found = world.reconcile_entry(&flaw(PayloadState::Invalid, Some(check.code())), day(3, 1));
            assert_eq!(
                (found.findings.len(), found.matched, found.next),
                (usize::from(finds), false, None),
                "{check:?}"
            );
        }
        for state in PayloadState::ALL {
            let expected = usize::from(*state == PayloadState::Quarantined);
            assert_eq!(world.reconcile_entry(&flaw(*state, None), day(3, 1)).findings.len(), expected, "{state:?}");
        }
    }

    #[test]
    fn the_member_is_named_and_the_issuer_owns_it() {
        let world = World::new();
        let flaw = flaw(PayloadState::Invalid, Some("scope: fields/allowed/residence"));
        let finding = world.reconcile_entry(&flaw, day(3, 1)).findings.remove(0);
        assert_eq!(finding.members, ["residence"]);
        assert_eq!(finding.owner, Owner { party: origin(KUNMING), office: None });
        assert_eq!((finding.evidence[0].index, finding.evidence[0].record), (17, flaw.id));
        assert!(finding.text.zh.contains("昆明市教育局日志第17条"), "{}", finding.text.zh);
        let unknown = Flaw { id: None, ..flaw };
        let other = world.reconcile_entry(&unknown, day(3, 1)).findings.remove(0);
        assert_eq!((other.id, other.evidence[0].record), (finding.id, None), "the id names entries only");
    }
}
