//! The planted cases: three for each rule, of different shapes, spread over the cities.
mod connection;
mod status;

use super::calendar::{plus, school_year, validity};
use super::case::{Part, PlantedCase};
use super::draft::Group;
use super::history::years_and_age;
use super::person::{PLANTED_FROM, Person};
use super::seed::{Mint, Seed};
use super::side::Side;
use super::transfer::{Mover, Taken, groups, mover};
use hefu_schemas::agreement::Calendar;
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::id::RecordId;
use hefu_schemas::student_status::{Event, Stage, Status};
use hefu_schemas::text::Text;
use jiff::civil::Date;

/// A planted group and where it is published.
#[derive(Debug, Clone)]
pub(super) struct PlantedGroup {
    pub(super) city: usize,
    pub(super) part: Part,
    pub(super) group: Group,
}

/// All that was planted.
#[derive(Debug, Clone, Default)]
pub(super) struct Planted {
    pub(super) cases: Vec<PlantedCase>,
    pub(super) groups: Vec<PlantedGroup>,
}

/// Plants all cases.
pub(super) fn plant(seed: Seed, as_of: Date, calendar: &Calendar, cities: usize) -> Planted {
    let mut planter = Planter { seed, as_of, calendar, cities, next: 0, planted: Planted::default() };
    planter.double_enrollment();
    planter.branches();
    planter.histories();
    planter.nowhere();
    planter.overdue_suspensions();
    planter.exclusions();
    planter.late();
    planter.disagreement();
    planter.unfollowed();
    planter.barred();
    planter.outside_agreement();
    planter.planted
}

struct Planter<'a> {
    seed: Seed,
    as_of: Date,
    calendar: &'a Calendar,
    cities: usize,
    next: u64,
    planted: Planted,
}

/// A point of a planted history: event, status, date, end of a suspension.
type Point = (Event, Status, Date, Option<Date>);

impl Planter<'_> {
    /// A person of their own, with a mint for their records.
    fn person(&mut self, stage: Stage) -> (Person, Mint) {
        let number = self.next;
        self.next += 1;
        let mut random = self.seed.generator("planted", 0, number);
        let age = years_and_age(stage).1;
        let person = Person::new(&mut random, PLANTED_FROM + number, school_year(self.as_of).saturating_sub(1), age);
        (person, Mint::new(random, self.as_of, number))
    }

    /// A student who moves from one city to the next.
    fn mover(&mut self, stage: Stage, from: usize) -> (Mover, Mint) {
        let number = self.next;
        self.next += 1;
        let mut random = self.seed.generator("planted", 1, number);
        let cities = (from % self.cities, (from + 1) % self.cities);
        let mover = mover(&mut random, self.as_of, stage, cities, PLANTED_FROM + number);
        (mover, Mint::new(random, self.as_of, number))
    }

    fn ago(&self, days: i32) -> Date {
        plus(self.as_of, -days)
    }

    fn publish(&mut self, city: usize, part: Part, group: Group) {
        self.planted.groups.push(PlantedGroup { city, part, group });
    }

    fn case(&mut self, (rule, case): (&str, &str), cities: Vec<usize>, records: Vec<RecordId>, (zh, en): (&str, &str)) {
        let (rule, case, text) = (rule.to_owned(), case.to_owned(), Text::new(zh, en));
        self.planted.cases.push(PlantedCase { rule, case, cities, records, text });
    }

    /// States a history in one city; returns the ids of its records.
    fn history(
        &mut self,
        city: usize,
        part: Part,
        stage: Stage,
        person: &Person,
        mint: &mut Mint,
        points: &[Point],
    ) -> Vec<RecordId> {
        let mut side = Side::new(usize::from(matches!(stage, Stage::Primary | Stage::Junior | Stage::Senior)), stage);
        let state = |(event, status, on, until): &Point| side.status_until(mint, (*event, *status), *on, *until, None);
        let ids = points.iter().map(state).collect();
        self.publish(city, part, side.group(person));
        ids
    }

    /// A case in the history of one person in one city, which shows in its last record. What a rule of the city's own
    /// records refuses goes to the second part.
    fn lone(
        &mut self,
        (rule, case): (&str, &str),
        city: usize,
        stage: Stage,
        points: &[Point],
        text: (&str, &str),
    ) -> Vec<RecordId> {
        let part = if matches!(rule, "S3" | "A1") { Part::Planted } else { Part::Main };
        let city = city % self.cities;
        let (person, mut mint) = self.person(stage);
        let ids = self.history(city, part, stage, &person, &mut mint, points);
        let shows: Vec<RecordId> = ids.last().copied().into_iter().collect();
        self.case((rule, case), vec![city], shows.clone(), text);
        shows
    }

    /// A1: dates outside the agreement. Publishing refuses them by default.
    fn outside_agreement(&mut self) {
        let (first, last) = validity(self.as_of);
        let steps = |from: usize, taken: &[Taken], planter: &mut Self| {
            let (mover, mut mint) = planter.mover(Stage::Senior, from);
            let (_, receiving) = groups(&mut mint, &mover, taken, None);
            let records = receiving.step(Step::Requested).into_iter().collect();
            planter.publish(mover.to.city, Part::Planted, receiving);
            (mover.to.city, records)
        };
        let requested = (Role::Receiving, Step::Requested, plus(first, -10));
        let rejected = (Role::Receiving, Step::Rejected, plus(first, 5));
        let (city, records) = steps(2, &[requested, rejected], self);
        let text = ("转学申请日期早于协议生效日", "a transfer was requested before the agreement's first day");
        self.case(("A1", "request-before-the-agreement"), vec![city], records, text);

        let enter = (Event::Enter, Status::Enrolled, self.ago(200), None);
        let late = [enter, (Event::Graduate, Status::Graduated, plus(last, 30), None)];
        let text = ("毕业日期晚于协议终止日", "graduates after the agreement's last day");
        self.lone(("A1", "after-the-agreement"), 1, Stage::SecondaryVocational, &late, text);

        let (city, records) = steps(1, &[(Role::Receiving, Step::Requested, plus(last, 10))], self);
        let text = ("转学申请日期晚于协议终止日", "a transfer is requested after the agreement's last day");
        self.case(("A1", "request-after-the-agreement"), vec![city], records, text);
    }
}
