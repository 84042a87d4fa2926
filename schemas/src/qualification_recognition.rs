//! Qualification recognition (学历、学分与职业资格认定): what was awarded, and what was decided about it (records §5).
mod rules;

pub use rules::check;

use crate::code::codes;

codes! {
    /// Who states it: the awarding side or the recognising one.
    pub enum Role {
        Awarding => "awarding",
        Recognising => "recognising",
    }
}

codes! {
    /// Types of qualification, in the order of the schema.
    pub enum SourceType {
        Degree => "degree",
        Diploma => "diploma",
        StudyPeriod => "study-period",
        CourseCredit => "course-credit",
        VocationalCertificate => "vocational-certificate",
        SkillLevel => "skill-level",
        PriorLearning => "prior-learning",
    }
}

codes! {
    /// Steps of both roles, in the order of the schema.
    pub enum Step {
        Issued => "issued",
        Revoked => "revoked",
        Denied => "denied",
        Applied => "applied",
        UnderAssessment => "under-assessment",
        Decided => "decided",
        ConditionsMet => "conditions-met",
        Lapsed => "lapsed",
    }
}

codes! {
    /// What the recognition is for.
    pub enum Purpose {
        FurtherStudy => "further-study",
        Employment => "employment",
        RegulatedProfession => "regulated-profession",
        CreditTransfer => "credit-transfer",
    }
}

codes! {
    /// Outcomes of a decision, and of one row of its mapping.
    pub enum Outcome {
        Full => "full",
        Partial => "partial",
        Conditional => "conditional",
        Alternative => "alternative",
        Deferred => "deferred",
        Refused => "refused",
    }
}

codes! {
    /// Types of condition.
    pub enum ConditionType {
        BridgingCourse => "bridging-course",
        Exam => "exam",
        SupervisedPractice => "supervised-practice",
        Document => "document",
    }
}

codes! {
    /// Why something is not recognised in full.
    pub enum Reason {
        Level => "level",
        Workload => "workload",
        Quality => "quality",
        Profile => "profile",
        LearningOutcomes => "learning-outcomes",
        IssuerNotRecognised => "issuer-not-recognised",
        NotAuthentic => "not-authentic",
        InsufficientEvidence => "insufficient-evidence",
        Residency => "residency",
        DeliveryMode => "delivery-mode",
        Identity => "identity",
    }
}

codes! {
    /// Result of a component.
    pub enum ComponentResult {
        Passed => "passed",
        Failed => "failed",
        Incomplete => "incomplete",
    }
}

codes! {
    /// Result of an appeal.
    pub enum AppealResult {
        Confirmed => "confirmed",
        Changed => "changed",
        OutOfTime => "out-of-time",
    }
}

codes! {
    /// From when a revocation counts.
    pub enum RevocationEffect {
        ExTunc => "ex-tunc",
        ExNunc => "ex-nunc",
    }
}

codes! {
    /// Why it was revoked.
    pub enum RevocationReason {
        Fraud => "fraud",
        AcademicMisconduct => "academic-misconduct",
        SourceRevoked => "source-revoked",
        ConditionsBroken => "conditions-broken",
        AuthorityDecision => "authority-decision",
        Other => "other",
    }
}

/// The steps of one role.
#[derive(Debug)]
pub struct Lifecycle {
    /// The role.
    pub role: Role,
    /// With which steps it may begin.
    pub first: &'static [Step],
    /// From a step to those that may follow it.
    pub next: &'static [(Step, &'static [Step])],
}

/// The steps of both roles (records §5), in the order of the schema.
///
/// A decision may come without an application: by a row of the recognition table, or of a programme in general. It is
/// stated again after an appeal, and a deferred one goes back to its assessment.
pub const LIFECYCLES: &[Lifecycle] = {
    use Step::{Applied, ConditionsMet, Decided, Denied, Issued, Lapsed, Revoked, UnderAssessment};
    &[
        Lifecycle { role: Role::Awarding, first: &[Issued, Denied], next: &[(Issued, &[Issued, Revoked])] },
        Lifecycle {
            role: Role::Recognising,
            first: &[Applied, Decided],
            next: &[
                (Applied, &[Applied, UnderAssessment, Decided, Lapsed]),
                (UnderAssessment, &[UnderAssessment, Decided, Lapsed]),
                (Decided, &[UnderAssessment, Decided, ConditionsMet, Lapsed, Revoked]),
                (ConditionsMet, &[Decided, ConditionsMet, Lapsed, Revoked]),
            ],
        },
    ]
};

impl Lifecycle {
    /// The one of a role.
    pub fn of(role: Role) -> &'static Self {
        LIFECYCLES
            .iter()
            .find(|lifecycle| lifecycle.role == role)
            .expect("the table has a row for each role, as its test shows")
    }

    /// Whether the role can ever be at a step.
    pub fn has(&self, step: Step) -> bool {
        self.first.contains(&step) || self.next.iter().any(|(_, to)| to.contains(&step))
    }
}

/// Whether a record of a role may go from one step (or none) to another.
pub fn may_follow(role: Role, from: Option<Step>, to: Step) -> bool {
    let lifecycle = Lifecycle::of(role);
    match from {
        None => lifecycle.first.contains(&to),
        Some(from) => lifecycle.next.iter().any(|(step, next)| *step == from && next.contains(&to)),
    }
}

impl Step {
    /// revoked, denied: the qualification does not hold, or never did; nobody may rely on it.
    pub fn is_void(self) -> bool {
        matches!(self, Self::Revoked | Self::Denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::released_schema;
    use crate::validate::SchemaName;
    use serde_json::{Value, json};

    fn definitions() -> Value {
        let schema: Value = serde_json::from_str(released_schema(SchemaName::QualificationRecognition).text).unwrap();
        schema["$defs"].clone()
    }

    #[test]
    fn codes_are_those_of_the_schema_in_order() {
        let schema = definitions();
        macro_rules! same {
            ($($enum:ident at $name:literal),+) => {$(
                let codes: Vec<_> = $enum::ALL.iter().map(|one| one.code()).collect();
                assert_eq!(schema[$name]["enum"], json!(codes), "{}", $name);
                assert!($enum::ALL.iter().all(|one| $enum::from_code(one.code()) == Some(*one)), "{}", $name);
                assert_eq!($enum::from_code(""), None);
            )+};
        }
        same!(
            Role at "role", SourceType at "sourceType", Step at "step", Purpose at "purpose", Outcome at "outcome",
            ConditionType at "conditionType", Reason at "reason", ComponentResult at "componentResult",
            AppealResult at "appealResult", RevocationEffect at "revocationEffect",
            RevocationReason at "revocationReason"
        );
    }

    /// The recognition table of an agreement names types, outcomes and conditions in its own schema.
    #[test]
    fn codes_are_those_of_the_recognition_table() {
        let agreement: Value = serde_json::from_str(released_schema(SchemaName::Agreement).text).unwrap();
        let (schema, row) = (definitions(), &agreement["$defs"]["recognitionRow"]["properties"]);
        assert_eq!(row["source"]["properties"]["types"]["items"]["enum"], schema["sourceType"]["enum"]);
        assert_eq!(row["outcome"]["enum"], schema["outcome"]["enum"]);
        assert_eq!(row["conditions"]["items"]["enum"], schema["conditionType"]["enum"]);
    }

    #[test]
    fn the_lifecycle_is_that_of_the_schema_in_order() {
        let schema = definitions();
        let codes = |steps: &[Step]| json!(steps.iter().map(|step| step.code()).collect::<Vec<_>>());
        let row = |lifecycle: &Lifecycle| {
            let next: Vec<_> =
                lifecycle.next.iter().map(|(from, to)| json!({ "from": from.code(), "to": codes(to) })).collect();
            json!({ "role": lifecycle.role.code(), "first": codes(lifecycle.first), "next": next })
        };
        assert_eq!(schema["lifecycle"]["const"], json!(LIFECYCLES.iter().map(row).collect::<Vec<_>>()));
        let first: Vec<_> = LIFECYCLES.iter().flat_map(|lifecycle| lifecycle.first).copied().collect();
        assert_eq!(schema["firstStep"]["enum"], codes(&first));
        let roles = &schema["body"]["allOf"][0];
        for (role, branch) in [(Role::Awarding, "then"), (Role::Recognising, "else")] {
            let has: Vec<_> = Step::ALL.iter().copied().filter(|step| Lifecycle::of(role).has(*step)).collect();
            let mut of_schema: Vec<_> = roles[branch]["properties"]["step"]["enum"].as_array().unwrap().clone();
            of_schema.sort_by_key(|code| Step::from_code(code.as_str().unwrap()));
            assert_eq!(json!(of_schema), codes(&has), "{role:?}");
        }
    }

    #[test]
    fn steps_follow_as_they_may() {
        use Role::{Awarding, Recognising};
        use Step as S;
        for (role, from, to, may) in [
            (Awarding, None, S::Issued, true),
            (Awarding, None, S::Denied, true),
            (Awarding, None, S::Revoked, false),
            (Awarding, None, S::Decided, false),
            (Awarding, Some(S::Issued), S::Revoked, true),
            (Awarding, Some(S::Issued), S::Denied, false),
            (Awarding, Some(S::Revoked), S::Issued, false),
            (Awarding, Some(S::Denied), S::Issued, false),
            (Recognising, None, S::Applied, true),
            (Recognising, None, S::Decided, true),
            (Recognising, None, S::Lapsed, false),
            (Recognising, Some(S::Applied), S::Decided, true),
            (Recognising, Some(S::Applied), S::ConditionsMet, false),
            (Recognising, Some(S::Decided), S::ConditionsMet, true),
            (Recognising, Some(S::Decided), S::Decided, true),
            (Recognising, Some(S::Decided), S::Applied, false),
            (Recognising, Some(S::ConditionsMet), S::Revoked, true),
            (Recognising, Some(S::Revoked), S::Decided, false),
            (Recognising, Some(S::Lapsed), S::Decided, false),
        ] {
            assert_eq!(may_follow(role, from, to), may, "{role:?} {from:?} {to:?}");
        }
        assert!(S::Denied.is_void() && S::Revoked.is_void() && !S::Lapsed.is_void());
    }
}
