//! Terms at a university of another city (学期交流): what that city awards, and what the home city recognises of it.
use super::calendar::{days_between, plus, school_year};
use super::city::City;
use super::draft::{Body, Group, place};
use super::history::{entry, years_and_age};
use super::person::{MAX_MOVERS, Person, RESIDENTS};
use super::seed::{Mint, Seed};
use super::side::Side;
use hefu_schemas::credit::{CreditRow, Factor, Rounding};
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition::{ComponentResult, Outcome, Purpose, Reason, Role, SourceType, Step};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;
use rand::RngExt;
use serde_json::{Value, json};

/// Numbers of these students: above those who transfer, below the planted ones.
const FROM_NUMBER: u64 = RESIDENTS + MAX_MOVERS;
/// Days in which one may appeal against a decision.
const APPEAL_DAYS: i32 = 60;

/// The one row of the demonstration's credit table: 16 class hours for a credit into 18, at most 40 credits a year.
pub(super) fn credit_row() -> CreditRow {
    CreditRow {
        row: "cn-16-to-18".to_owned(),
        from: "cn-hours-16".to_owned(),
        to: "cn-hours-18".to_owned(),
        factor: Factor { num: 8, den: 9 },
        rounding: Rounding::HalfUp,
        cap_per_year: Some(4000),
        valid_years: Some(6),
    }
}

/// A course: key, Chinese and English title, hundredths of a credit.
type Course = (&'static str, &'static str, &'static str, u64);

const COURSES: [Course; 6] = [
    ("calculus", "高等数学", "Calculus", 500),
    ("physics", "大学物理", "Physics", 400),
    ("programming", "程序设计", "Programming", 350),
    ("english", "大学英语", "English", 300),
    ("logic", "逻辑学", "Logic", 200),
    ("chemistry", "普通化学", "Chemistry", 250),
];

/// A numbered university of one of the cities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct University {
    pub(super) city: usize,
    pub(super) number: u16,
}

/// A course that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    course: Course,
    pub(super) passed: bool,
}

/// A transcript of records.
#[derive(Debug, Clone)]
pub(super) struct Transcript {
    pub(super) awarded_by: University,
    pub(super) awarded_on: Date,
    pub(super) courses: Vec<Taken>,
}

/// What one side states of a transcript.
#[derive(Debug, Clone)]
pub(super) struct Qualification {
    pub(super) transcript: Transcript,
    pub(super) half: Half,
    pub(super) step: Step,
}

/// One side of a recognition.
#[derive(Debug, Clone)]
pub(super) enum Half {
    /// The university that awarded it.
    Awarding,
    /// The university that recognises it.
    Recognising {
        /// Which one.
        by: University,
        /// The award: index of its city, and its id.
        award: Option<(usize, RecordId)>,
        /// Hundredths that are stated for a course instead of those of the row.
        misstated: Option<u64>,
    },
}

impl Transcript {
    /// The first courses, all passed.
    pub(super) fn new(awarded_by: University, awarded_on: Date, count: usize) -> Self {
        let courses = COURSES.iter().take(count).map(|course| Taken { course: *course, passed: true }).collect();
        Self { awarded_by, awarded_on, courses }
    }

    /// The same with the last course failed.
    pub(super) fn with_a_failure(mut self) -> Self {
        if let Some(last) = self.courses.last_mut() {
            last.passed = false;
        }
        self
    }

    /// The same, every course with so many hundredths.
    pub(super) fn with_credits(mut self, hundredths: u64) -> Self {
        for taken in &mut self.courses {
            taken.course.3 = hundredths;
        }
        self
    }

    fn source(&self, cities: &[City]) -> Value {
        let city = cities.get(self.awarded_by.city).map(|city| place(&city.code, &city.name));
        json!({
            "type": SourceType::StudyPeriod.code(),
            "title": {"zh": "一学期学习成绩", "en": "Results of one term"},
            "awardingBody": self.awarded_by.institution(cities),
            "city": city,
            "awardedOn": self.awarded_on.to_string(),
            "levels": {"isced": 6},
        })
    }

    fn components(&self) -> Value {
        let from = credit_row().from;
        let component = |taken: &Taken| {
            let (key, zh, en, hundredths) = taken.course;
            let result = if taken.passed { ComponentResult::Passed } else { ComponentResult::Failed };
            json!({
                "key": key,
                "title": {"zh": zh, "en": en},
                "credits": {"scheme": from, "hundredths": hundredths},
                "result": result.code(),
            })
        };
        self.courses.iter().map(component).collect()
    }

    fn is_passed(&self) -> bool {
        self.courses.iter().all(|taken| taken.passed)
    }

    /// Every course that was passed, converted by the row.
    fn mapping(&self, misstated: Option<u64>) -> Value {
        let row = credit_row();
        let convert = |taken: &Taken| {
            let hundredths = misstated.or_else(|| row.convert(taken.course.3)).unwrap_or(0);
            json!({
                "from": [taken.course.0],
                "to": [],
                "outcome": Outcome::Full.code(),
                "converted": {"scheme": row.to, "hundredths": hundredths, "row": row.row},
            })
        };
        self.courses.iter().filter(|taken| taken.passed).map(convert).collect()
    }
}

impl University {
    /// A university with a number for a name, under a code of the city's own list.
    fn institution(self, cities: &[City]) -> Value {
        let (number, city) = (self.number, cities.get(self.city));
        let (code, zh, en) =
            city.map_or(("", "", ""), |city| (city.code.as_str(), city.name.zh.as_str(), city.name.en.as_str()));
        json!({
            "scheme": "local",
            "code": format!("{code}-u{number:03}"),
            "name": {"zh": format!("{zh}演示大学（{number}）"), "en": format!("Demonstration University No. {number}, {en}")},
        })
    }
}

impl Qualification {
    /// The body of the record.
    pub(super) fn body(&self, cities: &[City], subject: &str, on: Date) -> Value {
        let (role, authority) = match &self.half {
            Half::Awarding => (Role::Awarding, self.transcript.awarded_by),
            Half::Recognising { by, .. } => (Role::Recognising, *by),
        };
        let mut body = json!({
            "role": role.code(),
            "id": subject,
            "source": self.transcript.source(cities),
            "step": self.step.code(),
            "stepOn": on.to_string(),
            "authority": authority.institution(cities),
        });
        let mut put = |member: &str, value: Value| {
            if let Value::Object(members) = &mut body {
                members.insert(member.to_owned(), value);
            }
        };
        if self.step != Step::Applied {
            put("components", self.transcript.components());
        }
        if self.step == Step::Revoked {
            put("revocation", json!({"from": on.to_string(), "effect": "ex-nunc", "reason": "academic-misconduct"}));
        }
        if let Half::Recognising { award, misstated, .. } = &self.half {
            put("purpose", json!(Purpose::CreditTransfer.code()));
            if self.step == Step::Decided {
                put("target", json!({"level": Stage::Bachelor.code()}));
                put("mapping", self.transcript.mapping(*misstated));
                if self.transcript.is_passed() {
                    put("outcome", json!(Outcome::Full.code()));
                } else {
                    put("outcome", json!(Outcome::Partial.code()));
                    put("reasons", json!([Reason::LearningOutcomes.code()]));
                    put("appealUntil", json!(plus(on, APPEAL_DAYS).to_string()));
                }
            }
            let cited = award.and_then(|(city, id)| Some((cities.get(city)?, id)));
            if let (Some((city, id)), Some(source)) = (cited, body.get_mut("source").and_then(Value::as_object_mut)) {
                source.insert("record".to_owned(), json!({"issuer": city.did.as_str(), "id": id.to_string()}));
            }
        }
        body
    }
}

impl Side {
    /// States what this side says of a transcript, following what it said of it before.
    pub(super) fn qualification(
        &mut self,
        mint: &mut Mint,
        (transcript, half, step): (&Transcript, Half, Step),
        on: Date,
        basis: &[(usize, RecordId)],
    ) -> RecordId {
        let follows = if matches!(step, Step::Issued | Step::Applied) { None } else { self.last_qualification };
        let body = Body::Qualification(Box::new(Qualification { transcript: transcript.clone(), half, step }));
        let id = self.state(mint, follows, on, body, basis);
        self.last_qualification = Some(id);
        id
    }
}

/// The home city's records of one student's term away: applied for, then decided on the strength of the award.
pub(super) fn recognised(
    side: &mut Side,
    mint: &mut Mint,
    (transcript, by): (&Transcript, University),
    award: Option<(usize, RecordId)>,
    (applied, decided): (Date, Date),
) -> [RecordId; 2] {
    let half = || Half::Recognising { by, award, misstated: None };
    let basis: Vec<(usize, RecordId)> = award.into_iter().collect();
    let first = side.qualification(mint, (transcript, half(), Step::Applied), applied, &[]);
    let second = side.qualification(mint, (transcript, half(), Step::Decided), decided, &basis);
    [first, second]
}

/// The student of a number who spent a term in another city: what the awarding and the home city state, with their indexes.
pub(super) fn draw(seed: Seed, as_of: Date, cities: usize, number: u64) -> [(usize, Group); 2] {
    let mut random = seed.generator("recognition", 0, number);
    let home = random.random_range(0..cities);
    let away = (home + random.random_range(1..cities)) % cities;
    let stage = Stage::Bachelor;
    let (years, age) = years_and_age(stage);
    let entry_year = school_year(as_of).saturating_sub(random.random_range(1..years));
    let enrolled_on = entry(entry_year, as_of);
    // A term at least after the entry, and time enough to decide.
    let room = days_between(enrolled_on, as_of) - 230;
    let awarded_on = plus(enrolled_on, 150 + random.random_range(0..=room.max(0)));
    let mut university = |city| University { city, number: random.random_range(1..=9) };
    let (awarding, by) = (university(away), university(home));
    let transcript = Transcript::new(awarding, awarded_on, random.random_range(2..=COURSES.len()));
    let transcript = if random.random_bool(0.2) { transcript.with_a_failure() } else { transcript };
    let person = Person::new(&mut random, FROM_NUMBER + number, entry_year, age);
    let mut mint = Mint::new(random, as_of, number);
    let (mut there, mut here) = (Side::new(0, stage), Side::new(0, stage));
    let award = there.qualification(&mut mint, (&transcript, Half::Awarding, Step::Issued), awarded_on, &[]);
    here.status(&mut mint, Event::Enter, Status::Enrolled, enrolled_on, None);
    let dates = (plus(awarded_on, 12), plus(awarded_on, 40));
    recognised(&mut here, &mut mint, (&transcript, by), Some((away, award)), dates);
    [(away, there.group(&person)), (home, here.group(&person))]
}
