//! The population as streams: identifiers first, drafts with their references then.
use super::calendar::{calendar, validity};
use super::case::{Part, PlantedCase};
use super::city::City;
use super::draft::{Body, Cited, Group, Statement, Synthetic, draft_id};
use super::person::{MAX_MOVERS, Person, RESIDENTS};
use super::planted::{Planted, plant};
use super::seed::{Mint, Seed};
use super::side::Side;
use super::{history, recognition, transfer};
use hefu_schemas::agreement::Calendar;
use jiff::civil::{Date, date};
use thiserror::Error;

/// Records, over all cities, for each transfer between two of them: with some twelve records for a finished one and
/// a little more than one for a resident, about one student in a hundred transfers.
const RECORDS_PER_TRANSFER: u64 = 110;
/// Records, over all cities, for each student whose term in another city is recognised: four records, at one in a hundred.
const RECORDS_PER_RECOGNITION: u64 = 400;
/// The school years that the generator knows lie between these days.
const DATES: (Date, Date) = (date(2020, 1, 1), date(2199, 12, 31));

/// Why there is no such population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PopulationError {
    /// Transfers need two cities.
    #[error("a population needs two cities or more")]
    TooFewCities,
    /// There are not so many made-up identifiers.
    #[error("at most {0} records over all cities")]
    TooManyRecords(u64),
    /// A day of another age.
    #[error("the day must lie between {} and {}", DATES.0, DATES.1)]
    Date,
}

/// Fewer references were given than the part of the city has persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("fewer subject references than persons")]
pub struct ReferencesExhausted;

/// What is published where only the number of records matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The city's part `Main`, nearly all of it the roll: 1.3 kB a record, signed.
    Population,
    /// Steps of transfers alone, the longest records of which there are many: 2.3 kB.
    Transfers,
}

/// A made-up population. It holds the planted cases and no person else: persons are drawn as they are asked for.
#[derive(Debug, Clone)]
pub struct Population {
    seed: Seed,
    as_of: Date,
    calendar: Calendar,
    cities: Vec<City>,
    transfers: u64,
    recognitions: u64,
    /// Records of residents by city.
    resident_records: Vec<u64>,
    planted: Planted,
}

impl Population {
    /// The population of a seed as it stands on a day, with this many records in each city's part `Main` (more only if
    /// the planted cases alone are more).
    ///
    /// # Errors
    /// Fewer than two cities, more records than there are identifiers, a day out of range.
    pub fn new(seed: u64, as_of: Date, cities: Vec<City>, records_per_city: u64) -> Result<Self, PopulationError> {
        let count = u64::try_from(cities.len()).unwrap_or(u64::MAX);
        let records = records_per_city.checked_mul(count).filter(|records| *records <= RESIDENTS);
        let records = records.ok_or(PopulationError::TooManyRecords(RESIDENTS))?;
        if cities.len() < 2 {
            return Err(PopulationError::TooFewCities);
        }
        if as_of < DATES.0 || as_of > DATES.1 {
            return Err(PopulationError::Date);
        }
        let (seed, calendar) = (Seed(seed), calendar(as_of));
        let planted = plant(seed, as_of, &calendar, cities.len());
        let (transfers, recognitions) = (records / RECORDS_PER_TRANSFER, records / RECORDS_PER_RECOGNITION);
        let mut resident_records = vec![records_per_city; cities.len()];
        let moved = (0..transfers).flat_map(|number| transfer::draw(seed, as_of, &calendar, cities.len(), number));
        let away = (0..recognitions).flat_map(|number| recognition::draw(seed, as_of, cities.len(), number));
        let fixed = planted.groups.iter().filter(|group| group.part == Part::Main);
        let taken = moved.chain(away).map(|(city, group)| (city, group.statements.len()));
        for (city, statements) in taken.chain(fixed.map(|planted| (planted.city, planted.group.statements.len()))) {
            if let Some(left) = resident_records.get_mut(city) {
                *left = left.saturating_sub(u64::try_from(statements).unwrap_or(u64::MAX));
            }
        }
        Ok(Self { seed, as_of, calendar, cities, transfers, recognitions, resident_records, planted })
    }

    /// The cities, in the order of their indexes.
    pub fn cities(&self) -> &[City] {
        &self.cities
    }

    /// The cases that the reconciler must find.
    pub fn planted(&self) -> &[PlantedCase] {
        &self.planted.cases
    }

    /// First and last day of the agreement under which the population is published.
    pub fn validity(&self) -> (Date, Date) {
        validity(self.as_of)
    }

    /// Everything that a city publishes, part after part, in publishing order.
    pub fn city(&self, city: usize) -> impl Iterator<Item = Synthetic> + '_ {
        Part::ALL.into_iter().flat_map(move |part| {
            let statements = self.groups(city, part).flat_map(|group| {
                let person = group.person;
                group.statements.into_iter().map(move |statement| (person.clone(), statement))
            });
            (1_u64..).zip(statements).filter_map(move |(number, (person, statement))| {
                let draft_id = draft_id(self.cities.get(city)?, part, number);
                Some(Synthetic { city, part, draft_id, person, statement })
            })
        })
    }

    /// Lines for `hefu subject`, one for each person of the part, as often as the person occurs in it.
    pub fn identifiers(&self, city: usize, part: Part) -> impl Iterator<Item = String> + '_ {
        self.groups(city, part).map(|group| group.person.line())
    }

    /// Lines for `hefu publish`. `references` are those of [`Self::identifiers`], in its order.
    pub fn drafts<'a>(
        &'a self,
        city: usize,
        part: Part,
        agreement: Cited,
        references: impl Iterator<Item = String> + 'a,
    ) -> impl Iterator<Item = Result<String, ReferencesExhausted>> + 'a {
        let mut references = references;
        let mut number = 0_u64;
        self.groups(city, part).flat_map(move |group| {
            let Some(subject) = references.next() else {
                return vec![Err(ReferencesExhausted)];
            };
            self.lines(city, part, agreement, &subject, &group, &mut number).into_iter().map(Ok).collect()
        })
    }

    /// Lines for `hefu publish`, as [`Self::drafts`] gives them, with references that are made from the identifiers here;
    /// those of [`Load::Transfers`] go on for far longer than the population.
    pub fn load(
        &self,
        city: usize,
        load: Load,
        agreement: Cited,
        reference: fn(&str) -> String,
    ) -> impl Iterator<Item = String> + '_ {
        let (roll, transfers) = match load {
            Load::Population => (Some(self.groups(city, Part::Main)), None),
            Load::Transfers => (None, Some(self.steps_of_transfers(city))),
        };
        let groups = roll.into_iter().flatten().chain(transfers.into_iter().flatten());
        let mut number = 0_u64;
        groups.flat_map(move |group| {
            let subject = reference(&group.person.line());
            self.lines(city, Part::Main, agreement, &subject, &group, &mut number)
        })
    }

    /// The lines of a group; `number` counts those of the file.
    fn lines(
        &self,
        city: usize,
        part: Part,
        agreement: Cited,
        subject: &str,
        group: &Group,
        number: &mut u64,
    ) -> Vec<String> {
        let Some(of) = self.cities.get(city) else { return Vec::new() };
        let line = |statement: &Statement| {
            *number += 1;
            statement.draft(&self.cities, city, agreement, subject, &draft_id(of, part, *number)).to_string()
        };
        group.statements.iter().map(line).collect()
    }

    fn groups(&self, city: usize, part: Part) -> impl Iterator<Item = Group> + '_ {
        let planted = self.planted.groups.iter().filter(move |planted| planted.city == city && planted.part == part);
        let main = (part == Part::Main).then(|| self.residents(city).chain(self.movers(city)).chain(self.away(city)));
        main.into_iter().flatten().chain(planted.map(|planted| planted.group.clone()))
    }

    fn movers(&self, city: usize) -> impl Iterator<Item = Group> + '_ {
        self.transfers(city, self.transfers)
    }

    fn transfers(&self, city: usize, count: u64) -> impl Iterator<Item = Group> + '_ {
        (0..count)
            .flat_map(|number| transfer::draw(self.seed, self.as_of, &self.calendar, self.cities.len(), number))
            .filter_map(move |(of, group)| (of == city).then_some(group))
    }

    fn steps_of_transfers(&self, city: usize) -> impl Iterator<Item = Group> + '_ {
        self.transfers(city, MAX_MOVERS).map(|mut group| {
            group.statements.retain(|statement| matches!(statement.body, Body::Half { .. }));
            group
        })
    }

    fn away(&self, city: usize) -> impl Iterator<Item = Group> + '_ {
        (0..self.recognitions)
            .flat_map(|number| recognition::draw(self.seed, self.as_of, self.cities.len(), number))
            .filter_map(move |(of, group)| (of == city).then_some(group))
    }

    /// Residents until their records are used up. A history for which there is no room left begins and goes no further,
    /// as if the roll had been read early: cut anywhere else it might lack a return that was due.
    fn residents(&self, city: usize) -> impl Iterator<Item = Group> + '_ {
        let records = self.resident_records.get(city).copied().unwrap_or(0);
        (0_u64..).scan(records, move |left, number| {
            let limit = usize::try_from(*left).unwrap_or(usize::MAX);
            let mut group = (limit > 0).then(|| self.resident(city, number))?;
            if group.statements.len() > limit {
                group.statements.truncate(1);
            }
            *left = left.saturating_sub(u64::try_from(group.statements.len()).unwrap_or(u64::MAX));
            Some(group)
        })
    }

    fn resident(&self, city: usize, number: u64) -> Group {
        use rand::RngExt;
        let mut random = self.seed.generator("resident", city, number);
        let history = history::draw(&mut random, self.as_of);
        // Interleaved by city, so that nobody lives in two.
        let count = u64::try_from(self.cities.len()).unwrap_or(u64::MAX);
        let own = number.saturating_mul(count).saturating_add(u64::try_from(city).unwrap_or(u64::MAX));
        let age = history::years_and_age(history.stage).1;
        let person = Person::new(&mut random, own, history.entry_year, age);
        // Districts answer for schools, the city for what comes after.
        let office = if history::is_district(history.stage) { random.random_range(1..=5) } else { 0 };
        let mut mint = Mint::new(random, self.as_of, number);
        let mut side = Side::new(office, history.stage);
        for point in &history.points {
            side.enter_stage(point.stage);
            side.status_until(&mut mint, (point.event, point.status), point.on, point.until, None);
        }
        side.group(&person)
    }
}
