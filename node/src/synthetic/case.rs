//! What was planted in the population, so that what the reconciler finds can be compared with it.
use hefu_schemas::id::RecordId;
use hefu_schemas::text::Text;

/// The two files that each city publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Published as it is; holds the planted cases that publishing accepts: one city alone sees nothing wrong, or nothing that it may not state.
    Main,
    /// Holds the planted cases that publishing refuses by default (S3, A1): published despite findings.
    Planted,
}

impl Part {
    /// Both, in the order in which they are published.
    pub const ALL: [Self; 2] = [Self::Main, Self::Planted];

    /// The word in draft ids and file names.
    pub fn code(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Planted => "planted",
        }
    }
}

/// One case that the reconciler must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedCase {
    /// Code of the rule, such as `S1`.
    pub rule: String,
    /// What makes the case, as a word.
    pub case: String,
    /// Indexes of the cities that publish its records.
    pub cities: Vec<usize>,
    /// The records that the finding must rest on; it may rest on more.
    pub records: Vec<RecordId>,
    /// What is wrong, for people.
    pub text: Text,
}
