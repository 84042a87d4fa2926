//! The agreement (协议, records §6): reading the document and the terms that rules and checks use.
//!
//! One document, which each party signs byte for byte: what is read here is the canonical text, never a copy of it.
mod calendar;
mod document;
mod office;
mod read;
mod rules;
mod scope;
mod terms;

pub use calendar::Calendar;
pub use terms::{Deadline, ExistingCases, Fields, Population, ScopeRow, Share, Terms, Window};

use crate::gate::{GateError, MAX_AGREEMENT_LEN};
use crate::id::{AgreementId, Did, Digest, Origin};
use crate::record::{Kind, violation};
use crate::scan::scan;
use crate::validate::{SchemaName, validate};
use crate::violation::Violation;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A validated agreement document: canonical bytes, digest and the view of its members.
#[derive(Debug, Clone)]
pub struct Agreement {
    bytes: Vec<u8>,
    /// SHA-256 of the canonical bytes.
    pub digest: Digest,
    /// Its id.
    pub id: AgreementId,
    /// Its version, from 1.
    pub version: u32,
    /// Digest of the version that this one replaces; from version 2.
    pub supersedes: Option<Digest>,
    /// Title by BCP 47 key.
    pub title: BTreeMap<String, String>,
    /// The parties, in the order of the document.
    pub parties: Vec<Party>,
    /// The terms that rules and checks read.
    pub terms: Terms,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_to: Date,
}

/// One party.
#[derive(Debug, Clone)]
pub struct Party {
    /// Identity of its node.
    pub did: Did,
    /// Origin of its log.
    pub origin: Origin,
    /// Leaf hash of its genesis entry.
    pub fingerprint: Digest,
    /// Code of its city, or province.
    pub city_code: String,
    /// Country or region of its law: `CN`, `HK`, `MO`, `TW`, or the ISO 3166-1 alpha-2 code of its city.
    pub jurisdiction: String,
    /// Name by BCP 47 key.
    pub name: BTreeMap<String, String>,
    /// Offices that may state, by kind; empty when the party's member is empty (nobody).
    pub may_state: Vec<MayState>,
}

/// One row of `mayState`.
#[derive(Debug, Clone)]
pub struct MayState {
    /// Kind of record.
    pub kind: Kind,
    /// Stages; empty: any.
    pub stages: BTreeSet<String>,
    /// Codes that may stand in `statedBy`.
    pub offices: BTreeSet<String>,
}

/// Why a document is no agreement.
#[derive(Debug, Error)]
pub enum AgreementError {
    /// Refused by the gate, or not canonical.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Not valid.
    #[error("{} violations", .0.len())]
    Invalid(Vec<Violation>),
}

impl Agreement {
    /// Reads canonical bytes, validates against the schema and the rules of its own, and reads the view.
    ///
    /// # Errors
    /// What the gate refuses; all violations.
    pub fn read(bytes: &[u8]) -> Result<Self, AgreementError> {
        let scanned = scan(bytes, MAX_AGREEMENT_LEN)?;
        let violations = validate(SchemaName::Agreement, &scanned);
        if !violations.is_empty() {
            return Err(AgreementError::Invalid(violations));
        }
        let document = serde_json::from_slice(bytes).map_err(|_| {
            let zh = "协议成员无法读取";
            AgreementError::Invalid(vec![violation("", "agreement/document", zh, "a member cannot be read")])
        })?;
        let (agreement, multilateral) = read::read(bytes, document).map_err(AgreementError::Invalid)?;
        let violations = rules::check(&agreement, multilateral);
        if violations.is_empty() { Ok(agreement) } else { Err(AgreementError::Invalid(violations)) }
    }

    /// The canonical bytes that are signed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The party of an origin.
    pub fn party(&self, origin: &Origin) -> Option<&Party> {
        self.parties.iter().find(|party| party.origin == *origin)
    }

    /// The party of a DID.
    pub fn party_of(&self, did: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.did.as_str() == did)
    }

    /// Whether records about a person may flow: all parties under one law, or a basis for crossing borders (PIPL 36).
    pub fn subjects_may_flow(&self) -> bool {
        let laws: BTreeSet<_> = self.parties.iter().map(|party| party.jurisdiction.as_str()).collect();
        laws.len() == 1 || self.terms.has_cross_border_basis
    }
}

/// The beginning of a day as `validFrom` has it: the date, `T00:00:00` and the numeric offset of a time zone
/// (bytes: Dates). `None` for a time zone that is not in the IANA database.
pub fn midnight(date: Date, time_zone: &str) -> Option<String> {
    let zoned = date.to_zoned(lookup_time_zone(time_zone)?).ok()?;
    Some(format!("{date}T00:00:00{}", zoned.strftime("%:z")))
}

/// The zone of a name, from the database built into the program: every node has the same.
fn lookup_time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrollment_connection::{ConnectionKind, Role, Step};
    use crate::released::released;
    use crate::{canonical, gate};
    use jiff::civil::date;
    use serde_json::{Value, json};

    const THREE: &str = include_str!("../json/agreement/valid/three-cities.json");
    const ABROAD: &str = include_str!("../json/agreement/valid/sister-cities-abroad.json");
    const ENTER: &str = include_str!("../json/student-status/valid/enter.json");
    const REQUESTED: &str = include_str!("../json/enrollment-connection/valid/transfer-requested.json");
    const WITHDRAWAL: &str = include_str!("../json/withdrawal/valid/fraud.json");

    fn agreement(text: &str, edit: impl FnOnce(&mut Value)) -> Agreement {
        let mut document = serde_json::from_str(text).unwrap();
        edit(&mut document);
        Agreement::read(&canonical::write(&document).unwrap()).unwrap()
    }

    #[test]
    fn rows_of_the_credit_table_are_found_by_their_key() {
        let text = include_str!("../json/agreement/valid/programmes-and-credits.json");
        let terms = agreement(text, |_| {}).terms;
        let row = terms.credit_row("cn-16-to-18").unwrap();
        assert_eq!((row.from.as_str(), row.to.as_str()), ("cn-hours-16", "cn-hours-18"));
        assert_eq!((row.convert(300), row.cap_per_year, row.valid_years), (Some(267), Some(6000), Some(6)));
        assert_eq!(terms.credit_row("cn-18-to-16"), None);
        assert!(agreement(THREE, |_| {}).terms.credit_table.is_empty());
    }

    #[test]
    fn the_view_has_what_the_document_says() {
        let bytes = canonical::canonicalize(THREE.as_bytes(), gate::MAX_AGREEMENT_LEN).unwrap();
        let three = Agreement::read(&bytes).unwrap();
        assert_eq!((three.bytes(), three.digest), (bytes.as_slice(), Digest::of(&bytes)));
        assert_eq!((three.version, three.supersedes, three.parties.len()), (1, None, 3));
        assert_eq!((three.valid_from, three.valid_to), (date(2026, 9, 1), date(2031, 8, 31)));
        let chengdu = three.party(&Origin::parse("cd.example").unwrap()).unwrap();
        assert_eq!((chengdu.city_code.as_str(), chengdu.jurisdiction.as_str()), ("510100", "CN"));
        assert_eq!(chengdu.name["zh"], "成都市教育局");
        assert!(chengdu.may_state[1].offices.contains("510107"));
        let terms = &three.terms;
        let first = Deadline {
            kind: ConnectionKind::Transfer,
            role: Role::Receiving,
            step: Step::SchoolAccepted,
            after_role: Role::Receiving,
            after_step: Step::Requested,
            working_days: 10,
        };
        assert_eq!((terms.deadlines.len(), terms.deadlines[0]), (8, first));
        assert_eq!(terms.population["student-status"], Population::Case);
        assert_eq!((terms.overlap_days, terms.grace_days["S4"], terms.linkage_epoch), (15, 30, 1));
        assert!(!terms.calendars["did:web:cq.example"].is_working_day(date(2026, 10, 1)));
        assert_eq!((terms.existing_cases, terms.erase_daily_share.of(250)), (ExistingCases::Finish, 2));
        assert_eq!((terms.stale_hours, terms.restricted_days, terms.retention_days.len()), (48, 30, 2));
        assert!(terms.may_release_on("primary", date(2026, 9, 30)));
        assert!(
            !terms.may_release_on("primary", date(2026, 10, 1)) && !terms.may_release_on("bachelor", date(2026, 8, 1))
        );
    }

    #[test]
    fn the_example_pins_the_released_schemas() {
        let pinned: BTreeMap<_, _> = released()
            .iter()
            .filter(|file| file.path.starts_with("/schemas/"))
            .map(|file| (file.id.to_owned(), file.digest()))
            .collect();
        assert_eq!(agreement(THREE, |_| {}).terms.schemas, pinned);
    }

    #[test]
    fn only_canonical_bytes_are_an_agreement() {
        assert!(matches!(Agreement::read(THREE.as_bytes()), Err(AgreementError::Gate(_))));
        assert!(matches!(Agreement::read(b"{}"), Err(AgreementError::Invalid(_))));
        assert!(matches!(Agreement::read(b""), Err(AgreementError::Gate(_))));
    }

    #[test]
    fn five_years_are_not_too_long() {
        for (from, to, fits) in [
            ("2026-09-01", "2031-09-01", true),
            ("2026-09-01", "2026-09-01", true),
            ("2024-02-29", "2029-02-28", true),
            ("9999-01-01", "9999-12-31", true),
            ("2026-09-01", "2031-09-02", false),
        ] {
            let mut document: Value = serde_json::from_str(THREE).unwrap();
            document["validFrom"] = from.into();
            document["validTo"] = to.into();
            assert_eq!(Agreement::read(&canonical::write(&document).unwrap()).is_ok(), fits, "{from} to {to}");
        }
    }

    #[test]
    fn a_day_begins_at_the_offset_of_its_place() {
        for (day, zone, text) in [
            (date(2026, 9, 1), "Asia/Shanghai", Some("2026-09-01T00:00:00+08:00")),
            (date(2026, 9, 1), "Europe/Paris", Some("2026-09-01T00:00:00+02:00")),
            (date(2026, 12, 1), "America/St_Johns", Some("2026-12-01T00:00:00-03:30")),
            (date(2026, 12, 1), "UTC", Some("2026-12-01T00:00:00+00:00")),
            (date(2026, 12, 1), "Asia/Kunming", None),
        ] {
            assert_eq!(midnight(day, zone).as_deref(), text, "{zone}");
        }
    }

    /// The verdict on a record that was edited, under an agreement that was edited.
    fn in_scope(record: &str, edit: impl FnOnce(&mut Value), terms: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut record = serde_json::from_str(record).unwrap();
        edit(&mut record);
        let document = scan(canonical::write(&record).unwrap(), gate::MAX_RECORD_LEN).unwrap();
        agreement(THREE, |agreement| terms(&mut agreement["terms"])).in_scope(Kind::of(&document).unwrap(), &document)
    }

    /// The example without the members that the agreement does not allow.
    fn within_scope(record: &mut Value) {
        let body = record["credentialSubject"].as_object_mut().unwrap();
        body.remove("localCode");
        body.remove("evidence");
    }

    #[test]
    fn records_within_the_scope_flow() {
        assert_eq!(in_scope(ENTER, within_scope, |_| {}), Ok(()));
        assert_eq!(in_scope(REQUESTED, |_| {}, |_| {}), Ok(()));
        assert_eq!(in_scope(WITHDRAWAL, |_| {}, |_| {}), Ok(()));
    }

    #[test]
    fn what_shares_too_much_is_refused_by_name() {
        let set = |pointer: &'static str, value: Value| {
            move |document: &mut Value| *document.pointer_mut(pointer).unwrap() = value
        };
        let only = |institutions: Value| move |terms: &mut Value| terms["scope"][0]["institutions"] = institutions;
        let school = json!([{ "scheme": "cn-school-id", "code": "2153000011", "name": { "zh": "示例第一小学" } }]);
        let other = json!([{ "scheme": "cn-school-id", "code": "2153000099", "name": { "zh": "示例第九小学" } }]);
        assert_eq!(in_scope(ENTER, |_| {}, |_| {}), Err("fields/allowed/evidence".to_owned()));
        let required = set("/fields/student-status/required", json!(["field"]));
        assert_eq!(in_scope(ENTER, within_scope, required), Err("fields/required/field".to_owned()));
        let junior = set("/scope/0/stages", json!(["junior"]));
        assert_eq!(in_scope(ENTER, within_scope, junior), Err("scope/stage".to_owned()));
        let from = set("/scope/0/direction/from", json!(["did:web:cq.example"]));
        assert_eq!(in_scope(ENTER, within_scope, from), Err("scope/direction".to_owned()));
        assert_eq!(in_scope(ENTER, within_scope, only(school)), Ok(()));
        assert_eq!(in_scope(ENTER, within_scope, only(other.clone())), Err("scope/institution".to_owned()));
        let nameless = |record: &mut Value| {
            within_scope(record);
            record["credentialSubject"].as_object_mut().unwrap().remove("institution");
        };
        assert_eq!(in_scope(ENTER, nameless, only(other)), Err("scope/institution".to_owned()));
        let no_connections = |terms: &mut Value| {
            terms["scope"].as_array_mut().unwrap().pop();
            for member in ["population", "fields", "retention"] {
                terms[member].as_object_mut().unwrap().remove("enrollment-connection");
            }
        };
        assert_eq!(in_scope(REQUESTED, |_| {}, no_connections), Err("scope/kind".to_owned()));
    }

    #[test]
    fn a_recognition_is_of_its_awarding_body_and_its_target() {
        const CREDITS: &str = include_str!("../json/agreement/valid/programmes-and-credits.json");
        const DECIDED: &str = include_str!("../json/qualification-recognition/valid/recognising-credits.json");
        let in_scope = |terms: fn(&mut Value)| {
            let document =
                scan(canonical::canonicalize(DECIDED.as_bytes(), gate::MAX_RECORD_LEN).unwrap(), gate::MAX_RECORD_LEN);
            agreement(CREDITS, |agreement| terms(&mut agreement["terms"]))
                .in_scope(Kind::QualificationRecognition, &document.unwrap())
        };
        assert_eq!(in_scope(|_| {}), Ok(()));
        let other = |terms: &mut Value| {
            terms["scope"][2]["institutions"] = json!([{ "scheme": "cn-hei", "code": "10999", "name": { "en": "X" } }]);
        };
        let institutions = |terms: &mut Value| {
            terms["scope"][2]["institutions"] = terms["programmes"][0]["institutions"].clone();
        };
        assert_eq!(in_scope(institutions), Ok(()));
        assert_eq!(in_scope(other), Err("scope/institution".to_owned()));
        assert_eq!(in_scope(|terms| terms["scope"][2]["stages"] = json!(["master"])), Err("scope/stage".to_owned()));
        let mapping = |terms: &mut Value| {
            terms["fields"]["qualification-recognition"]["allowed"] = json!(["components", "target"]);
        };
        assert_eq!(in_scope(mapping), Err("fields/allowed/mapping".to_owned()));
    }

    #[test]
    fn a_record_goes_to_the_parties_that_a_covering_row_names() {
        let receives = |record: &str, edit: fn(&mut Value), to: &str, directed: Value| {
            let mut record = serde_json::from_str(record).unwrap();
            edit(&mut record);
            let document = scan(canonical::write(&record).unwrap(), gate::MAX_RECORD_LEN).unwrap();
            let agreement = agreement(THREE, |agreement| agreement["terms"]["scope"][0]["direction"]["to"] = directed);
            agreement.may_receive(Kind::of(&document).unwrap(), &document, &Did::parse(to).unwrap())
        };
        let row = agreement(THREE, |_| {}).terms.scope[0].row.clone();
        let (only, all) = (json!(["did:web:cd.example"]), json!(["did:web:cd.example", "did:web:cq.example"]));
        assert_eq!(receives(ENTER, within_scope, "did:web:cd.example", only.clone()), Ok(()));
        assert_eq!(receives(ENTER, within_scope, "did:web:cq.example", all), Ok(()));
        assert_eq!(receives(ENTER, within_scope, "did:web:cq.example", only.clone()), Err(row), "named, to be told");
        assert_eq!(receives(WITHDRAWAL, |_| {}, "did:web:cq.example", only), Ok(()), "it names nobody");
    }

    #[test]
    fn persons_cross_a_border_only_on_a_basis() {
        let mut record: Value = serde_json::from_str(ENTER).unwrap();
        within_scope(&mut record);
        let document = scan(canonical::write(&record).unwrap(), gate::MAX_RECORD_LEN).unwrap();
        let with = agreement(ABROAD, |_| {});
        let without = agreement(ABROAD, |document| {
            document["terms"].as_object_mut().unwrap().remove("crossBorderBasis");
        });
        assert_eq!((with.parties[1].jurisdiction.as_str(), with.subjects_may_flow()), ("FR", true));
        assert_eq!(with.in_scope(Kind::StudentStatus, &document), Ok(()));
        assert_eq!(without.in_scope(Kind::StudentStatus, &document), Err("crossBorderBasis".to_owned()));
    }

    #[test]
    fn hong_kong_macao_and_taiwan_are_jurisdictions_of_their_own() {
        for (scheme, code, law) in [
            ("gb-t-2260", "530100", "CN"),
            ("gb-t-2260", "810000", "HK"),
            ("iso-3166-2", "CN-53", "CN"),
            ("iso-3166-2", "CN-MO", "MO"),
            ("un-locode", "CNKMG", "CN"),
            ("un-locode", "HKHKG", "HK"),
        ] {
            let agreement = agreement(THREE, |document| {
                document["parties"][0]["city"]["scheme"] = scheme.into();
                document["parties"][0]["city"]["code"] = code.into();
            });
            assert_eq!(agreement.parties[0].jurisdiction, law, "{scheme} {code}");
            assert_eq!(agreement.subjects_may_flow(), law == "CN");
        }
    }
}
