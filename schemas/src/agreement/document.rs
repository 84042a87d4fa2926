//! The members of the document as they stand in it. The schema has accepted them; the types of the view are made of
//! them in `read`.
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) supersedes: Option<String>,
    pub(super) title: BTreeMap<String, String>,
    pub(super) r#type: String,
    pub(super) parties: Vec<Party>,
    pub(super) terms: Terms,
    pub(super) valid_from: String,
    pub(super) valid_to: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Party {
    pub(super) did: String,
    pub(super) origin: String,
    pub(super) fingerprint: String,
    pub(super) city: Option<Code>,
    pub(super) province: Option<Code>,
    pub(super) name: BTreeMap<String, String>,
    pub(super) may_state: Vec<MayState>,
}

#[derive(Deserialize)]
pub(super) struct Code {
    pub(super) scheme: String,
    pub(super) code: String,
}

#[derive(Deserialize)]
pub(super) struct MayState {
    pub(super) kind: String,
    pub(super) stages: Vec<String>,
    pub(super) offices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreditRow {
    pub(super) row: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) num: u32,
    pub(super) den: u32,
    pub(super) rounding: String,
    pub(super) cap_per_year: Option<u64>,
    pub(super) valid_years: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terms {
    pub(super) scope: Vec<ScopeRow>,
    pub(super) population: BTreeMap<String, Population>,
    pub(super) fields: BTreeMap<String, Fields>,
    pub(super) schemas: BTreeMap<String, String>,
    pub(super) cross_border_basis: Option<Vec<serde::de::IgnoredAny>>,
    pub(super) deadlines: Vec<Deadline>,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) exclusive_stages: Vec<String>,
    pub(super) overlap_days: u32,
    pub(super) blocked_from: Vec<String>,
    #[serde(default)]
    pub(super) windows: Vec<Window>,
    #[serde(default)]
    pub(super) credit_table: Vec<CreditRow>,
    pub(super) compulsory_stages: Vec<String>,
    pub(super) grace_days: BTreeMap<String, u32>,
    pub(super) stale_hours: u32,
    pub(super) erase_daily_share: Share,
    pub(super) restricted_days: u32,
    pub(super) existing_cases: String,
    pub(super) retention: BTreeMap<String, u32>,
    pub(super) linkage: Linkage,
    pub(super) time_zone: String,
}

#[derive(Deserialize)]
pub(super) struct ScopeRow {
    pub(super) row: String,
    pub(super) kind: String,
    pub(super) stages: Vec<String>,
    pub(super) institutions: Option<Vec<Code>>,
    pub(super) direction: Direction,
}

#[derive(Deserialize)]
pub(super) struct Direction {
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Population {
    pub(super) covers: String,
}

#[derive(Deserialize)]
pub(super) struct Fields {
    pub(super) required: Vec<String>,
    pub(super) allowed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deadline {
    pub(super) kind: String,
    pub(super) role: String,
    pub(super) step: String,
    pub(super) after: After,
    pub(super) working_days: u32,
}

#[derive(Deserialize)]
pub(super) struct After {
    pub(super) role: String,
    pub(super) step: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Calendar {
    pub(super) weekly_rest: Vec<i8>,
    pub(super) holidays: Vec<String>,
    pub(super) make_up_days: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Window {
    pub(super) stages: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Deserialize)]
pub(super) struct Share {
    pub(super) num: u32,
    pub(super) den: u32,
}

#[derive(Deserialize)]
pub(super) struct Linkage {
    pub(super) epoch: u32,
    pub(super) commitment: String,
}
