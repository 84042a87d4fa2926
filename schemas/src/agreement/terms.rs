//! The terms of an agreement, as rules and checks read them.
use super::Calendar;
use crate::credit::CreditRow;
use crate::enrollment_connection::{ConnectionKind, Role, Step};
use crate::id::{Did, Digest};
use crate::record::Kind;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Population that a kind flows under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// Only subjects of a connection.
    Case,
    /// Everybody, with few members.
    Roll,
}

/// What becomes of open cases when the agreement ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingCases {
    /// They are finished under it.
    Finish,
    /// They stay as they are.
    Freeze,
}

/// The terms.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What flows, row by row.
    pub scope: Vec<ScopeRow>,
    /// Kinds in scope (by [`Kind::code`]) with their population.
    pub population: BTreeMap<&'static str, Population>,
    /// Members of the body that must and may be present, by [`Kind::code`].
    pub fields: BTreeMap<&'static str, Fields>,
    /// Schema id → SHA-256 of the file.
    pub schemas: BTreeMap<String, Digest>,
    /// Whether a basis for crossing borders is given.
    pub has_cross_border_basis: bool,
    /// Limits of the steps of connections.
    pub deadlines: Vec<Deadline>,
    /// Calendars by party DID; every party has one.
    pub calendars: BTreeMap<String, Calendar>,
    /// Stages in which nobody is enrolled twice.
    pub exclusive_stages: BTreeSet<String>,
    /// Days of overlap that are no finding.
    pub overlap_days: u32,
    /// Statuses out of which no transfer is allowed.
    pub blocked_from: BTreeSet<String>,
    /// Periods in which a transfer may be released; empty: at any time.
    pub windows: Vec<Window>,
    /// Rows by which credits are converted.
    pub credit_table: Vec<CreditRow>,
    /// Stages of compulsory education.
    pub compulsory_stages: BTreeSet<String>,
    /// Calendar days of grace by rule id (S4, C1, G1, G6).
    pub grace_days: BTreeMap<String, u32>,
    /// Age of a checkpoint beyond which a peer is stale, in hours.
    pub stale_hours: u32,
    /// Share of a party's records that it may erase in a day without the others asking.
    pub erase_daily_share: Share,
    /// Days within which a person decides about a restricted payload.
    pub restricted_days: u32,
    /// What becomes of open cases when the agreement ends.
    pub existing_cases: ExistingCases,
    /// Days for which a payload is kept, by [`Kind::code`].
    pub retention_days: BTreeMap<&'static str, u32>,
    /// IANA time zone.
    pub time_zone: String,
    /// Epoch of the linkage, from 1.
    pub linkage_epoch: u32,
    /// SHA-256 commitment of secret and label key.
    pub linkage_commitment: Digest,
}

/// One row of the scope.
#[derive(Debug, Clone)]
pub struct ScopeRow {
    /// Its key, which a refusal cites.
    pub row: String,
    /// Kind of record.
    pub kind: Kind,
    /// Stages.
    pub stages: BTreeSet<String>,
    /// Scheme and code of the institutions; `None`: all.
    pub institutions: Option<BTreeSet<(String, String)>>,
    /// Whose records flow.
    pub from: BTreeSet<Did>,
    /// To whom.
    pub to: BTreeSet<Did>,
}

/// Members of a body. What the schema itself requires is always allowed.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Must be present.
    pub required: BTreeSet<String>,
    /// May be present.
    pub allowed: BTreeSet<String>,
    /// All of these, and what the schema requires: whatever else is present is too much.
    pub(super) possible: BTreeSet<String>,
}

/// The half of `role` must reach `step` within so many working days of its own calendar after the half of `after_role`
/// reached `after_step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Kind of connection.
    pub kind: ConnectionKind,
    /// The half that must act: its party is late when it does not.
    pub role: Role,
    /// The step to be reached, or any after it.
    pub step: Step,
    /// The half that starts the clock.
    pub after_role: Role,
    /// The step that starts it.
    pub after_step: Step,
    /// The limit.
    pub working_days: u32,
}

/// A period in which a transfer may be released.
#[derive(Debug, Clone)]
pub struct Window {
    /// Stages; empty: any.
    pub stages: BTreeSet<String>,
    /// First day.
    pub from: Date,
    /// First day that no longer belongs to it.
    pub to: Date,
}

/// An exact share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "numerator and denominator, as in the schema")]
pub struct Share {
    pub num: u32,
    pub den: u32,
}

impl Share {
    /// The whole part of the share of a number.
    pub fn of(self, count: u64) -> u64 {
        let product = u128::from(count) * u128::from(self.num);
        u64::try_from(product / u128::from(self.den.max(1))).unwrap_or(u64::MAX)
    }
}

impl Terms {
    /// The row of the credit table with a key.
    pub fn credit_row(&self, row: &str) -> Option<&CreditRow> {
        self.credit_table.iter().find(|own| own.row == row)
    }
    /// Whether a transfer of a stage may be released on a day.
    pub fn may_release_on(&self, stage: &str, day: Date) -> bool {
        let covers = |window: &Window| {
            (window.stages.is_empty() || window.stages.contains(stage)) && window.from <= day && day < window.to
        };
        self.windows.is_empty() || self.windows.iter().any(covers)
    }
}
