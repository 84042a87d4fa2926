//! Students who transfer from one city to another: both halves of each connection, and the status on both sides.
use super::calendar::{days_between, plus, school_year, working_day};
use super::draft::{Group, Matter, School};
use super::history::{entry, years_and_age};
use super::person::{Person, RESIDENTS};
use super::seed::{Mint, Seed, weighted};
use super::side::Side;
use hefu_schemas::agreement::Calendar;
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;
use rand::RngExt;
use rand::rngs::StdRng;

/// The steps of a transfer in the order in which they are taken, with days since the request.
pub(super) const STEPS: [(Role, Step, i32); 9] = [
    (Role::Receiving, Step::Requested, 0),
    (Role::Sending, Step::Notified, 1),
    (Role::Receiving, Step::SchoolAccepted, 3),
    (Role::Receiving, Step::BureauAccepted, 6),
    (Role::Sending, Step::SchoolReleased, 8),
    (Role::Sending, Step::BureauReleased, 11),
    (Role::Receiving, Step::Joined, 14),
    (Role::Sending, Step::FileSent, 18),
    (Role::Receiving, Step::FileReceived, 24),
];

/// How a request ends that the receiving school has no place for.
const REJECTED: [(Role, Step, i32); 4] = [
    (Role::Receiving, Step::Requested, 0),
    (Role::Sending, Step::Notified, 1),
    (Role::Receiving, Step::Rejected, 4),
    (Role::Sending, Step::CalledOff, 5),
];

/// Longest time that a finished transfer takes, long holidays included.
const LONGEST_DAYS: i32 = 45;

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Complete,
    /// In the last days: every limit still runs.
    Open,
    Rejected,
}

/// A student on the move.
#[derive(Debug, Clone)]
pub(super) struct Mover {
    pub(super) person: Person,
    pub(super) stage: Stage,
    pub(super) from: School,
    pub(super) to: School,
    /// When the sending city's spell begins.
    pub(super) enrolled_on: Date,
}

/// A taken step with its date.
pub(super) type Taken = (Role, Step, Date);

/// Draws a student who moves between two cities, who entered the stage at least a year ago.
pub(super) fn mover(random: &mut StdRng, as_of: Date, stage: Stage, cities: (usize, usize), number: u64) -> Mover {
    let (years, age) = years_and_age(stage);
    let grade = random.random_range(2..=years.max(2));
    let entry_year = school_year(as_of).saturating_sub(grade - 1);
    let grade = u8::try_from(grade + age - 6).unwrap_or(1);
    let mut school =
        |city| School { city, office: random.random_range(1..=5), stage, number: random.random_range(1..=40), grade };
    let (from, to) = (school(cities.0), school(cities.1));
    let person = Person::new(random, number, entry_year, age);
    Mover { person, stage, from, to, enrolled_on: entry(entry_year, as_of) }
}

/// The transfer of a number: what the sending and the receiving city state, with their indexes.
pub(super) fn draw(seed: Seed, as_of: Date, calendar: &Calendar, cities: usize, number: u64) -> [(usize, Group); 2] {
    let mut random = seed.generator("transfer", 0, number);
    let from = random.random_range(0..cities);
    let to = (from + random.random_range(1..cities)) % cities;
    let stage = [(6, Stage::Primary), (3, Stage::Junior), (1, Stage::Senior)];
    let stage = weighted(&mut random, &stage).unwrap_or(Stage::Primary);
    let mover = mover(&mut random, as_of, stage, (from, to), RESIDENTS + number);
    let progress = [(14, Progress::Complete), (5, Progress::Open), (1, Progress::Rejected)];
    let taken = match weighted(&mut random, &progress) {
        Some(Progress::Open) => recent(as_of, random.random_range(1..STEPS.len())),
        progress => {
            let steps = if progress == Some(Progress::Rejected) { &REJECTED[..] } else { &STEPS[..] };
            let room = days_between(mover.enrolled_on, as_of) - LONGEST_DAYS;
            let requested = plus(mover.enrolled_on, random.random_range(1..=room.max(1)));
            dated(calendar, requested, steps)
        }
    };
    let mut mint = Mint::new(random, as_of, number);
    let (sending, receiving) = groups(&mut mint, &mover, &taken, None);
    [(from, sending), (to, receiving)]
}

/// The steps on working days after a request.
pub(super) fn dated(calendar: &Calendar, requested: Date, steps: &[(Role, Step, i32)]) -> Vec<Taken> {
    steps.iter().map(|(role, step, days)| (*role, *step, working_day(calendar, plus(requested, *days)))).collect()
}

/// The first steps, one a day up to `as_of`, all within the last week: no limit has run out.
pub(super) fn recent(as_of: Date, count: usize) -> Vec<Taken> {
    let taken = STEPS.iter().take(count);
    let age = |place: usize| i32::try_from(count - 1 - place).unwrap_or(0).min(5);
    taken.enumerate().map(|(place, (role, step, _))| (*role, *step, plus(as_of, -age(place)))).collect()
}

/// Both cities' statements about a mover who took these steps; the statuses follow when the student has joined.
pub(super) fn groups(mint: &mut Mint, mover: &Mover, taken: &[Taken], planned: Option<(Date, Date)>) -> (Group, Group) {
    let requested_on = taken.first().map_or(mover.enrolled_on, |(_, _, on)| *on);
    let matter = Matter { connection: mint.id(), sending: mover.from, receiving: mover.to, requested_on, planned };
    let mut sending = Side::new(mover.from.office, mover.stage);
    let mut receiving = Side::new(mover.to.office, mover.stage);
    sending.status(mint, Event::Enter, Status::Enrolled, mover.enrolled_on, None);
    for (role, step, on) in taken {
        let side = if *role == Role::Sending { &mut sending } else { &mut receiving };
        side.step(mint, matter, *role, *step, *on);
        if *step == Step::Joined {
            let connection = Some(matter.connection);
            receiving.status(mint, Event::TransferIn, Status::Enrolled, *on, connection);
            sending.status(mint, Event::TransferOut, Status::TransferredOut, *on, connection);
        }
    }
    (sending.group(&mover.person), receiving.group(&mover.person))
}
