//! Who may state what (rule A4).
use super::{MayState, Party};
use crate::record::Kind;

impl Party {
    /// Whether an office may state a record of a kind and, where it has one, of a stage.
    pub fn may_state(&self, kind: Kind, stage: Option<&str>, office: &str) -> bool {
        let of_stage = |row: &MayState| stage.is_none_or(|stage| row.stages.is_empty() || row.stages.contains(stage));
        self.may_state.iter().any(|row| row.kind == kind && of_stage(row) && row.offices.contains(office))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::Agreement;
    use crate::canonical::canonicalize;
    use crate::gate::MAX_AGREEMENT_LEN;

    #[test]
    fn kind_stage_and_office_must_stand_in_one_row() {
        let text = include_str!("../../json/agreement/valid/three-cities.json");
        let bytes = canonicalize(text.as_bytes(), MAX_AGREEMENT_LEN).unwrap();
        let mut party = Agreement::read(&bytes).unwrap().parties.remove(0);
        let row = |kind, stages: &[&str], offices: &[&str]| MayState {
            kind,
            stages: stages.iter().map(|text| (*text).to_owned()).collect(),
            offices: offices.iter().map(|text| (*text).to_owned()).collect(),
        };
        party.may_state = vec![
            row(Kind::StudentStatus, &["primary"], &["530102"]),
            row(Kind::StudentStatus, &["bachelor"], &["530100"]),
            row(Kind::EnrollmentConnection, &[], &["530100"]),
        ];
        let status = |stage, office| party.may_state(Kind::StudentStatus, Some(stage), office);
        assert!(status("primary", "530102") && status("bachelor", "530100"));
        assert!(!status("bachelor", "530102") && !status("primary", "530100") && !status("junior", "530102"));
        let half = |stage, office| party.may_state(Kind::EnrollmentConnection, stage, office);
        assert!(half(None, "530100") && half(Some("senior"), "530100") && !half(None, "530102"));
        party.may_state.clear();
        assert!(!party.may_state(Kind::EnrollmentConnection, None, "530100"), "nobody");
    }
}
