//! Planted cases against findings.
use super::case::PlantedCase;
use hefu_schemas::id::RecordId;

/// What the comparison needs of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFinding {
    /// Code of its rule.
    pub rule: String,
    /// Record ids of its evidence.
    pub records: Vec<RecordId>,
}

/// How planted cases and findings compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Cases that a finding matches.
    pub found: Vec<PlantedCase>,
    /// Cases that no finding matches.
    pub missed: Vec<PlantedCase>,
    /// Findings that match no case.
    pub not_planted: Vec<FoundFinding>,
}

impl Comparison {
    /// Whether all that was planted was found, and nothing else.
    pub fn is_exact(&self) -> bool {
        self.missed.is_empty() && self.not_planted.is_empty()
    }
}

/// Compares. A finding matches a case if the rules are equal and its evidence holds all records of the case.
pub fn compare(planted: &[PlantedCase], found: &[FoundFinding]) -> Comparison {
    let matches = |case: &PlantedCase, finding: &FoundFinding| {
        case.rule == finding.rule && case.records.iter().all(|record| finding.records.contains(record))
    };
    let (met, missed) = planted.iter().cloned().partition(|case| found.iter().any(|finding| matches(case, finding)));
    let strange = found.iter().filter(|finding| !planted.iter().any(|case| matches(case, finding)));
    Comparison { found: met, missed, not_planted: strange.cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_schemas::text::Text;

    fn id(last: char) -> RecordId {
        RecordId::parse(&format!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a805{last}")).unwrap()
    }

    fn case(rule: &str, records: &[char]) -> PlantedCase {
        PlantedCase {
            rule: rule.to_owned(),
            case: "x".to_owned(),
            cities: vec![0],
            records: records.iter().copied().map(id).collect(),
            text: Text::new("", ""),
        }
    }

    fn finding(rule: &str, records: &[char]) -> FoundFinding {
        FoundFinding { rule: rule.to_owned(), records: records.iter().copied().map(id).collect() }
    }

    #[test]
    fn rule_and_all_records_must_be_there() {
        let planted = [case("S1", &['1', '2']), case("S4", &['3'])];
        let found = [finding("S1", &['2', '1', '9']), finding("S1", &['1']), finding("C1", &['3'])];
        let comparison = compare(&planted, &found);
        assert_eq!(comparison.found, [case("S1", &['1', '2'])]);
        assert_eq!(comparison.missed, [case("S4", &['3'])]);
        assert_eq!(comparison.not_planted, [finding("S1", &['1']), finding("C1", &['3'])]);
        assert!(!comparison.is_exact());
        assert!(compare(&planted[1..], &[finding("S4", &['3'])]).is_exact());
    }
}
