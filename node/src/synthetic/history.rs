//! Residents: one person in one city, and the school history that its bureau states.
use super::calendar::{days_between, plus, school_year, validity};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::{Date, date};
use rand::RngExt;
use rand::rngs::StdRng;

/// Students by stage in the proportions of the Chengdu yearbook 2021 (year 2020), in thousands: primary 1,062, general
/// secondary 664, secondary vocational 179, higher education 927. The yearbook's sums are split here by guess: general
/// secondary two to one, higher education 7 to 10 to 2 to a quarter.
pub(super) const STAGES: [(u32, Stage); 8] = [
    (10_622, Stage::Primary),
    (4_426, Stage::Junior),
    (2_213, Stage::Senior),
    (1_790, Stage::SecondaryVocational),
    (3_380, Stage::HigherVocational),
    (4_805, Stage::Bachelor),
    (965, Stage::Master),
    (121, Stage::Doctor),
];

/// What else happened to a resident than entering the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Nothing.
    Plain,
    /// The stage before it ended here too.
    Promoted,
    /// Suspended, and back where the time is up (休学, 复学).
    Suspended,
    /// Stays enrolled by an event (市内转学, 留级, 跳级, 转专业).
    Stays(Event),
    /// Away under a status, perhaps back by an event.
    Away(Event, Status, Event),
    /// Left the stage for good.
    Left(Event, Status),
    /// Graduated last summer.
    Graduated,
    /// Place reserved, then taken up a year later (保留入学资格).
    Reserved,
}

/// Courses of compulsory education.
const COMPULSORY: [(u32, Course); 6] = [
    (880, Course::Plain),
    (50, Course::Promoted),
    (15, Course::Suspended),
    (40, Course::Stays(Event::MoveSchool)),
    (10, Course::Stays(Event::Repeat)),
    (5, Course::Stays(Event::Skip)),
];

/// Courses of what follows compulsory education.
const LATER: [(u32, Course); 12] = [
    (850, Course::Plain),
    (60, Course::Promoted),
    (15, Course::Suspended),
    (20, Course::Stays(Event::ChangeProgramme)),
    (8, Course::Away(Event::KeepRegistration, Status::RegistrationKept, Event::Restore)),
    (4, Course::Away(Event::SponsorAbroad, Status::SponsoredAbroad, Event::Return)),
    (4, Course::Away(Event::Interrupt, Status::Interrupted, Event::Resume)),
    (4, Course::Away(Event::DropOut, Status::DroppedOut, Event::Resume)),
    (8, Course::Left(Event::Quit, Status::Quit)),
    (4, Course::Left(Event::Finish, Status::FinishedWithoutGraduation)),
    (20, Course::Graduated),
    (3, Course::Reserved),
];

/// One point of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) stage: Stage,
    pub(super) event: Event,
    pub(super) status: Status,
    pub(super) on: Date,
    pub(super) until: Option<Date>,
}

/// A history, with what the person's identifier needs.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) points: Vec<Point>,
    pub(super) stage: Stage,
    /// Year in which the person entered the stage.
    pub(super) entry_year: i16,
}

/// Years that a stage takes, and the age at which one enters it.
pub(super) fn years_and_age(stage: Stage) -> (i16, i16) {
    match stage {
        Stage::Preschool => (3, 3),
        Stage::Primary => (6, 6),
        Stage::Junior => (3, 12),
        Stage::Special => (9, 6),
        Stage::Senior | Stage::SecondaryVocational => (3, 15),
        Stage::HigherVocational => (3, 18),
        Stage::Bachelor => (4, 18),
        Stage::Master => (3, 22),
        Stage::Doctor => (4, 25),
    }
}

/// Whether the district's bureau answers for a stage; for what comes after the schools it is the city's.
pub(super) fn is_district(stage: Stage) -> bool {
    use Stage::{Junior, Preschool, Primary, SecondaryVocational, Senior, Special};
    matches!(stage, Preschool | Primary | Junior | Senior | Special | SecondaryVocational)
}

/// The stage that comes before, where this city has it on its roll.
fn before(stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Preschool | Stage::Primary | Stage::Special => None,
        Stage::Junior => Some(Stage::Primary),
        Stage::Senior | Stage::SecondaryVocational => Some(Stage::Junior),
        Stage::HigherVocational | Stage::Bachelor => Some(Stage::Senior),
        Stage::Master => Some(Stage::Bachelor),
        Stage::Doctor => Some(Stage::Master),
    }
}

/// The first of September of a year, or the first day of the agreement if that is later: the roll of an agreement
/// begins with it.
pub(super) fn entry(year: i16, as_of: Date) -> Date {
    date(year, 9, 1).max(validity(as_of).0)
}

/// Draws the history of a resident as it stands on a day.
pub(super) fn draw(random: &mut StdRng, as_of: Date) -> History {
    let stage = super::seed::weighted(random, &STAGES).unwrap_or(Stage::Primary);
    let years = years_and_age(stage).0;
    let entry_year = school_year(as_of).saturating_sub(random.random_range(0..years));
    let compulsory = matches!(stage, Stage::Primary | Stage::Junior);
    let course = super::seed::weighted(random, if compulsory { &COMPULSORY[..] } else { &LATER[..] });
    let points = points(random, as_of, stage, entry_year, course.unwrap_or(Course::Plain));
    History { points, stage, entry_year }
}

fn points(random: &mut StdRng, as_of: Date, stage: Stage, entry_year: i16, course: Course) -> Vec<Point> {
    let at = |event, status, on| Point { stage, event, status, on, until: None };
    let start = entry(entry_year, as_of);
    let enter = at(Event::Enter, Status::Enrolled, start);
    // A day strictly between entry and today, if there is one to spare.
    let spare = days_between(start, as_of) - 1;
    let later = (spare > 0).then(|| plus(start, random.random_range(1..=spare.max(1))));
    match (course, later) {
        (Course::Promoted, _) => promoted(stage, entry_year, as_of).into_iter().chain([enter]).collect(),
        (Course::Graduated, _) => graduated(stage, as_of),
        (Course::Plain, _) | (_, None) => vec![enter],
        (Course::Suspended, Some(on)) => {
            let until = plus(on, random.random_range(120..=365));
            let suspend = Point { until: Some(until), ..at(Event::Suspend, Status::Suspended, on) };
            let resume = (until <= as_of).then(|| at(Event::Resume, Status::Enrolled, until));
            [enter, suspend].into_iter().chain(resume).collect()
        }
        (Course::Stays(event), Some(on)) => vec![enter, at(event, Status::Enrolled, on)],
        (Course::Away(event, status, back), Some(on)) => {
            let returned = plus(on, random.random_range(30..=700));
            let back = (returned <= as_of).then(|| at(back, Status::Enrolled, returned));
            [enter, at(event, status, on)].into_iter().chain(back).collect()
        }
        (Course::Left(event, status), Some(on)) => vec![enter, at(event, status, on)],
        (Course::Reserved, Some(_)) => {
            let reserve = at(Event::ReservePlace, Status::PlaceReserved, start);
            let taken = date(entry_year.saturating_add(1), 9, 1);
            let resume = (taken <= as_of).then(|| at(Event::ResumePlace, Status::Enrolled, taken));
            std::iter::once(reserve).chain(resume).collect()
        }
    }
}

/// The spell in the stage before, which ended on 30 June; nothing where the agreement is too young for it.
fn promoted(stage: Stage, entry_year: i16, as_of: Date) -> Vec<Point> {
    let graduated_on = date(entry_year, 6, 30);
    let Some(stage) = before(stage) else { return Vec::new() };
    spell_until(stage, graduated_on, as_of)
}

/// A spell that ended with the last summer; at least the entry.
fn graduated(stage: Stage, as_of: Date) -> Vec<Point> {
    let this_year = date(as_of.year(), 6, 30);
    let on = if this_year <= as_of { this_year } else { date(as_of.year().saturating_sub(1), 6, 30) };
    spell_until(stage, on, as_of)
}

fn spell_until(stage: Stage, graduated_on: Date, as_of: Date) -> Vec<Point> {
    let start = entry(graduated_on.year().saturating_sub(years_and_age(stage).0), as_of);
    if start >= graduated_on {
        return Vec::new();
    }
    let point = |event, status, on| Point { stage, event, status, on, until: None };
    vec![point(Event::Enter, Status::Enrolled, start), point(Event::Graduate, Status::Graduated, graduated_on)]
}
