//! A made-up agreement of three cities, and facts to reconcile under it.
mod recognition;

pub(super) use recognition::{award, recognition};

use super::key::{Key, KeyType, filed_under};
use super::view::{Body, Period, Side, View};
use super::{Context, Evaluation, Fact, Flaw, reconcile, reconcile_agreement, reconcile_entry};
use crate::agreement::{SeenAct, Standing};
use crate::entry::Act;
use hefu_schemas::agreement::{Agreement, Deadline};
use hefu_schemas::canonical;
use hefu_schemas::enrollment_connection::{ConnectionKind, Role, Step};
use hefu_schemas::id::{Digest, Origin, RecordId};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) const KUNMING: &str = "kunming.example";
pub(super) const CHENGDU: &str = "chengdu.example";
pub(super) const DALI: &str = "dali.example";
const CITIES: [(&str, &str, &str, &str); 3] = [
    (KUNMING, "530100", "昆明市", "Kunming"),
    (CHENGDU, "510100", "成都市", "Chengdu"),
    (DALI, "532900", "大理州", "Dali"),
];

pub(super) const PUPIL: &str = "urn:hefu:subject:1:pupil";
pub(super) const TRANSFER: &str = "urn:uuid:01890a5d-0000-7000-8000-0000000000aa";

/// Name, what is entered, month and day of the evaluation, what is found.
pub(super) type Sample = (&'static str, fn(&mut World), (i16, i8), &'static [&'static str]);
pub(super) const NOTHING: &[&str] = &[];

/// Evaluates the pupil's key in each sample.
pub(super) fn check_pupil(samples: &[Sample]) {
    check(samples, World::pupil);
}

/// Evaluates the transfer's key in each sample.
pub(super) fn check_transfer(samples: &[Sample]) {
    check(samples, World::transfer);
}

fn check(samples: &[Sample], found: fn(&World, Date) -> Vec<String>) {
    for (name, enter, (month, date), expected) in samples {
        let mut world = World::new();
        enter(&mut world);
        assert_eq!(found(&world, day(*month, *date)), *expected, "{name}");
    }
}

/// Where the log of each city has its acts; records come behind.
const SIGNED_AT: u64 = 1;
pub(super) const OPENED_AT: u64 = 2;
const FIRST_RECORD: u64 = 10;

pub(super) fn origin(city: &str) -> Origin {
    Origin::parse(city).unwrap()
}

pub(super) fn did(city: &str) -> String {
    format!("did:web:{city}")
}

/// A day of 2026; months beyond 12 are of the next years.
pub(super) fn day(month: i16, day: i8) -> Date {
    let (years, month) = ((month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    jiff::civil::date(2026 + years, i8::try_from(month).unwrap(), day)
}

/// Every stage, as codes.
const STAGES: [&str; 10] = [
    "preschool",
    "primary",
    "junior",
    "senior",
    "special",
    "secondary-vocational",
    "higher-vocational",
    "bachelor",
    "master",
    "doctor",
];

/// The agreement: weekends and 1 to 7 October off, 15 days of overlap, 30 days of grace for S4, none for C1, ten years for G1, 10 working
/// days for the bureau of the receiving city.
pub(super) fn agreement() -> Agreement {
    let stages = ["primary", "junior", "senior"];
    let party = |(origin, code, zh, en): &(&str, &str, &str, &str)| {
        json!({
            "did": format!("did:web:{origin}"),
            "origin": origin,
            "fingerprint": Digest::of(origin.as_bytes()).to_string(),
            "city": { "scheme": "gb-t-2260", "code": code, "name": { "zh": zh, "en": en } },
            "name": { "zh": format!("{zh}教育局"), "en": format!("{en} Education Bureau") },
            "mayState": [
                { "kind": "student-status", "stages": STAGES, "offices": ["530102"] },
                { "kind": "enrollment-connection", "stages": STAGES, "offices": ["530102"] },
                { "kind": "qualification-recognition", "stages": STAGES, "offices": ["530102"] },
            ],
        })
    };
    let dids: Vec<String> = CITIES.iter().map(|(origin, ..)| format!("did:web:{origin}")).collect();
    let holidays: Vec<String> = (1..=7).map(|holiday| day(10, holiday).to_string()).collect();
    let calendar = json!({ "weeklyRest": [6, 7], "holidays": holidays, "makeUpDays": ["2026-10-10"] });
    let calendars: Map<String, Value> = dids.iter().map(|did| (did.clone(), calendar.clone())).collect();
    let row =
        |kind: &str| json!({ "row": kind, "kind": kind, "stages": stages, "direction": { "from": dids, "to": dids } });
    let by_kind = |value: Value| json!({ "student-status": value, "enrollment-connection": value });
    let document = json!({
        "id": "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "version": 1,
        "title": { "zh": "学籍协同协议（测试）", "en": "Agreement on student status (test)" },
        "type": "multilateral",
        "parties": CITIES.iter().map(party).collect::<Vec<_>>(),
        "terms": {
            "scope": [row("student-status"), row("enrollment-connection")],
            "population": {
                "student-status": { "covers": "roll", "impactAssessment": Digest::of(b"assessment").to_string() },
                "enrollment-connection": { "covers": "case" },
            },
            "fields": by_kind(json!({ "required": [], "allowed": [] })),
            "schemas": {
                "https://w3id.org/hefu/schemas/student-status/v1.schema.json": Digest::of(b"schema").to_string(),
            },
            "purposes": ["student-status", "transfer"],
            "legalBasis": [{ "title": { "en": "a law" } }],
            "deadlines": [{
                "kind": "transfer",
                "role": "receiving",
                "step": "bureau-accepted",
                "after": { "role": "receiving", "step": "school-accepted" },
                "workingDays": 10,
            }],
            "calendars": calendars,
            "exclusiveStages": stages,
            "overlapDays": 15,
            "blockedFrom": [],
            "compulsoryStages": ["primary", "junior"],
            "graceDays": { "S4": 30, "C1": 0, "G1": 3650, "G6": 0 },
            "staleHours": 24,
            "eraseDailyShare": { "num": 1, "den": 1000 },
            "restrictedDays": 30,
            "existingCases": "finish",
            "suite": "ed25519-sha256",
            "retention": by_kind(json!(3650)),
            "linkage": { "epoch": 1, "commitment": Digest::of(b"linkage").to_string() },
            "timeZone": "Asia/Shanghai",
        },
        "validFrom": "2026-01-01",
        "validTo": "2027-12-31",
        "contacts": [],
    });
    Agreement::read(&canonical::write(&document).unwrap()).unwrap()
}

/// A limit of the agreement.
pub(super) fn deadline(
    (role, step): (Role, Step),
    (after_role, after_step): (Role, Step),
    working_days: u32,
) -> Deadline {
    Deadline { kind: ConnectionKind::Transfer, role, step, after_role, after_step, working_days }
}

/// Agreement, acts and facts of a test.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) agreement: Agreement,
    pub(super) proofs: Vec<Origin>,
    pub(super) acts: BTreeMap<Origin, Vec<SeenAct>>,
    pub(super) facts: Vec<Fact>,
}

/// The id of the record that is entered as the n-th one.
pub(super) fn made_id(number: usize) -> RecordId {
    RecordId::parse(&format!("urn:uuid:01890a5d-ac96-774b-bcce-{number:012x}")).unwrap()
}

pub(super) fn act(act: Act, index: u64, on: Option<Date>) -> SeenAct {
    SeenAct { act, index, on, t: 1_767_200_000 }
}

impl World {
    pub(super) fn new() -> Self {
        let acts = |(origin, ..): &(&str, &str, &str, &str)| {
            (self::origin(origin), vec![act(Act::Sign, SIGNED_AT, None), act(Act::Open, OPENED_AT, None)])
        };
        Self {
            agreement: agreement(),
            proofs: CITIES.iter().map(|(origin, ..)| self::origin(origin)).collect(),
            acts: CITIES.iter().map(acts).collect(),
            facts: Vec::new(),
        }
    }

    /// Enters a record; returns its id.
    pub(super) fn add(&mut self, city: &str, entry: impl Into<Entry>) -> RecordId {
        let entry = entry.into();
        let number = self.facts.len();
        let id = made_id(number);
        let own = self.facts.iter().filter(|fact| fact.origin == origin(city)).count();
        let of = entry.of.map(|of| self.fact(of).index);
        let cited = (self.agreement.id, self.agreement.version);
        let view = View {
            id,
            issuer: did(city),
            valid_from: entry.on,
            agreement: cited,
            follows: entry.follows,
            supersedes: entry.of.filter(|_| !matches!(entry.body, Body::Withdrawal { .. })),
            basis: entry.basis,
            stated_by: "530102".to_owned(),
            body: entry.body,
        };
        let index = FIRST_RECORD + u64::try_from(own).unwrap();
        let t = 1_770_000_000 + i64::try_from(number).unwrap();
        self.facts.push(Fact { origin: origin(city), index, t, of, id, view });
        id
    }

    pub(super) fn fact(&self, id: RecordId) -> &Fact {
        self.facts.iter().find(|fact| fact.id == id).unwrap()
    }

    pub(super) fn fact_mut(&mut self, id: RecordId) -> &mut Fact {
        self.facts.iter_mut().find(|fact| fact.id == id).unwrap()
    }

    /// The facts filed under a key: those of its records and of what corrects them.
    pub(super) fn under(&self, key: &Key) -> Vec<Fact> {
        let mut keys: BTreeMap<(&Origin, u64), Vec<Key>> = BTreeMap::new();
        for fact in &self.facts {
            let corrected = fact.of.and_then(|of| keys.get(&(&fact.origin, of)).cloned()).unwrap_or_default();
            keys.insert((&fact.origin, fact.index), filed_under(&fact.view, &corrected));
        }
        let cited = self.cited(key);
        let filed = |fact: &&Fact| {
            keys.get(&(&fact.origin, fact.index)).is_some_and(|keys| keys.contains(key)) || cited.contains(&fact.id)
        };
        self.facts.iter().filter(filed).cloned().collect()
    }

    /// The record that a `record` key names, with its corrections, withdrawal and what the city says of a correction.
    fn cited(&self, key: &Key) -> Vec<RecordId> {
        let Some((issuer, id)) = key.cited() else { return Vec::new() };
        let mut ids = vec![id];
        let own = |fact: &&Fact| fact.view.issuer == issuer;
        for fact in self.facts.iter().filter(own) {
            let corrects =
                |id: &RecordId| self.facts.iter().any(|f| own(&f) && f.id == *id && fact.of == Some(f.index));
            let cites = |id: &RecordId| fact.view.citations().any(|c| c.issuer == issuer && c.id == *id);
            if ids.iter().any(corrects) || ids.iter().skip(1).any(cites) {
                ids.push(fact.id);
            }
        }
        ids.retain(|id| self.facts.iter().any(|fact| own(&fact) && fact.id == *id));
        ids
    }

    pub(super) fn reconcile(&self, key: &Key, as_of: Date) -> Evaluation {
        self.reconcile_facts(key, as_of, &self.under(key))
    }

    pub(super) fn reconcile_facts(&self, key: &Key, as_of: Date, facts: &[Fact]) -> Evaluation {
        self.in_context(as_of, |context| reconcile(context, key, facts))
    }

    pub(super) fn reconcile_entry(&self, flaw: &Flaw, as_of: Date) -> Evaluation {
        self.in_context(as_of, |context| reconcile_entry(context, flaw))
    }

    pub(super) fn reconcile_agreement(&self, as_of: Date) -> Evaluation {
        self.in_context(as_of, reconcile_agreement)
    }

    fn in_context(&self, as_of: Date, evaluate: impl FnOnce(&Context<'_>) -> Evaluation) -> Evaluation {
        let standing = Standing { agreement: &self.agreement, proofs: self.proofs.clone(), acts: self.acts.clone() };
        evaluate(&Context { standing: &standing, as_of })
    }

    /// Rules, severities and subjects of what is found for the pupil on a day.
    pub(super) fn pupil(&self, as_of: Date) -> Vec<String> {
        said(&self.reconcile(&pupil(), as_of))
    }

    /// The same for the transfer.
    pub(super) fn transfer(&self, as_of: Date) -> Vec<String> {
        said(&self.reconcile(&transfer(), as_of))
    }
}

pub(super) fn pupil() -> Key {
    Key::new(KeyType::Subject, PUPIL)
}

pub(super) fn transfer() -> Key {
    Key::new(KeyType::Connection, TRANSFER)
}

/// `S1 error enrolled`, sorted.
pub(super) fn said(evaluation: &Evaluation) -> Vec<String> {
    let say = |f: &super::Finding| format!("{} {} {}", f.rule.code(), f.severity.code(), f.about);
    let mut all: Vec<String> = evaluation.findings.iter().map(say).collect();
    all.sort();
    all
}

/// What is entered: a body with the envelope's members that rules read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) body: Body,
    on: Date,
    follows: Option<RecordId>,
    of: Option<RecordId>,
    basis: Vec<(String, RecordId)>,
}

impl Entry {
    /// Relies on a record of a city.
    pub(super) fn relies_on(mut self, city: &str, id: RecordId) -> Self {
        self.basis.push((did(city), id));
        self
    }
    pub(super) fn follows(self, id: RecordId) -> Self {
        Self { follows: Some(id), ..self }
    }
    /// Corrects a record.
    pub(super) fn corrects(self, id: RecordId) -> Self {
        Self { of: Some(id), ..self }
    }
}

/// A student status of the pupil, in primary school.
pub(super) fn status(on: Date, event: Event, status: Status) -> Entry {
    let body = Body::StudentStatus {
        subject: PUPIL.to_owned(),
        same_as: Vec::new(),
        stage: Stage::Primary,
        status,
        event,
        effective_on: on,
        until: None,
        connection: None,
        leaves_federation: status == Status::TransferredOut,
        full_time: None,
    };
    Entry { body, on, follows: None, of: None, basis: Vec::new() }
}

pub(super) fn enters(on: Date) -> Entry {
    status(on, Event::Enter, Status::Enrolled)
}

/// A withdrawal of a record.
pub(super) fn withdraws(record: RecordId, from: Date) -> Entry {
    Entry { body: Body::Withdrawal { record, from }, on: from, follows: None, of: Some(record), basis: Vec::new() }
}

impl Entry {
    /// A body as it stands, to be changed.
    pub(super) fn from_body(body: Body) -> Self {
        Self { body, on: day(1, 1), follows: None, of: None, basis: Vec::new() }
    }
    /// A suspension up to a day.
    pub(super) fn until(mut self, day: Date) -> Self {
        if let Body::StudentStatus { until, .. } = &mut self.body {
            *until = Some(day);
        }
        self
    }
    /// In another stage.
    pub(super) fn at(mut self, new: Stage) -> Self {
        if let Body::StudentStatus { stage, .. } = &mut self.body {
            *stage = new;
        }
        self
    }
    pub(super) fn part_time(mut self) -> Self {
        if let Body::StudentStatus { full_time, .. } = &mut self.body {
            *full_time = Some(false);
        }
        self
    }
    /// Under the transfer.
    pub(super) fn by_transfer(mut self) -> Self {
        if let Body::StudentStatus { connection, leaves_federation, .. } = &mut self.body {
            *connection = Some(TRANSFER.to_owned());
            *leaves_federation = false;
        }
        self
    }
    /// About another person, or the same one by another reference.
    pub(super) fn of_person(mut self, new: &str) -> Self {
        match &mut self.body {
            Body::StudentStatus { subject, .. } => *subject = new.to_owned(),
            Body::EnrollmentConnection { subject, .. } => *subject = Some(new.to_owned()),
            Body::QualificationRecognition(body) => body.subject = Some(new.to_owned()),
            Body::Withdrawal { .. } => {}
        }
        self
    }
    pub(super) fn same_as(mut self, other: &str) -> Self {
        match &mut self.body {
            Body::StudentStatus { same_as, .. } | Body::EnrollmentConnection { same_as, .. } => {
                same_as.push(other.to_owned());
            }
            Body::QualificationRecognition(body) => body.same_as.push(other.to_owned()),
            Body::Withdrawal { .. } => {}
        }
        self
    }
    /// Changes the sides: sending, receiving.
    pub(super) fn sides(mut self, change: impl FnOnce(&mut Side, &mut Side)) -> Self {
        if let Body::EnrollmentConnection { sending, receiving, .. } = &mut self.body {
            change(sending, receiving);
        }
        self
    }
    pub(super) fn waits(mut self) -> Self {
        if let Body::EnrollmentConnection { waiting_for, .. } = &mut self.body {
            *waiting_for = true;
        }
        self
    }
    pub(super) fn planned(mut self, from: Date, to: Date) -> Self {
        if let Body::EnrollmentConnection { planned, .. } = &mut self.body {
            *planned = Some(Period { from, to: Some(to) });
        }
        self
    }
    pub(super) fn programme(mut self, key: &str) -> Self {
        if let Body::EnrollmentConnection { programme, .. } = &mut self.body {
            *programme = Some(key.to_owned());
        }
        self
    }
    pub(super) fn of_kind(mut self, new: ConnectionKind) -> Self {
        if let Body::EnrollmentConnection { kind, .. } = &mut self.body {
            *kind = new;
        }
        self
    }
    pub(super) fn requested(mut self, on: Date) -> Self {
        if let Body::EnrollmentConnection { requested_on, .. } = &mut self.body {
            *requested_on = on;
        }
        self
    }
}

/// A step of the pupil's transfer from Kunming to Chengdu, requested on 1 March.
pub(super) fn step(role: Role, step: Step, on: Date) -> Entry {
    let side = |city: &str, office: &str, school: &str| Side {
        city: city.to_owned(),
        office: Some(office.to_owned()),
        institution: Some(school.to_owned()),
        programme: None,
        grade: None,
    };
    let body = Body::EnrollmentConnection {
        subject: Some(PUPIL.to_owned()),
        same_as: Vec::new(),
        connection: TRANSFER.to_owned(),
        kind: ConnectionKind::Transfer,
        role,
        step,
        step_on: on,
        waiting_for: false,
        sending: side("530100", "530102", "cn-school-id:2153000001"),
        receiving: side("510100", "510107", "cn-school-id:2151000001"),
        requested_on: day(3, 1),
        programme: None,
        planned: None,
        actual: None,
    };
    Entry { body, on, follows: None, of: None, basis: Vec::new() }
}

/// Takes steps one after the other; returns the id of the last.
pub(super) fn take(world: &mut World, city: &str, role: Role, steps: &[(Step, Date)]) -> RecordId {
    let mut last = None;
    for (taken, on) in steps {
        let entry = step(role, *taken, *on);
        last = Some(world.add(city, last.map_or(entry.clone(), |last| entry.follows(last))));
    }
    last.unwrap()
}
