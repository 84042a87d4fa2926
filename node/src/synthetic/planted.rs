//! The planted cases: three for each rule, of different shapes, spread over the cities.
use super::calendar::{overdue_from, plus, school_year, validity};
use super::case::{Part, PlantedCase};
use super::draft::{Group, Matter};
use super::history::years_and_age;
use super::person::{PLANTED_FROM, Person};
use super::seed::{Mint, Seed};
use super::side::Side;
use super::terms::{C1_GRACE_DAYS, LIMIT_DAYS};
use super::transfer::{Mover, STEPS, Taken, groups, mover, recent};
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
    planter.histories();
    planter.nowhere();
    planter.late();
    planter.disagreement();
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

/// A late connection: its name, the steps taken, the record that shows it, the text.
type LateShape = (&'static str, Vec<Taken>, (Role, Step), (&'static str, &'static str));

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

    /// S1: enrolled in two cities.
    fn double_enrollment(&mut self) {
        let enrolled = |event, on| (event, Status::Enrolled, on, None);
        let shapes = [
            (
                "enrolled-twice",
                (0, Stage::Primary, vec![enrolled(Event::Enter, self.ago(300))]),
                vec![enrolled(Event::Enter, self.ago(290))],
                ("同一名小学生在两个城市同时在读", "a primary pupil is enrolled in two cities at once"),
            ),
            (
                "joined-without-transfer",
                (1, Stage::Junior, vec![enrolled(Event::Enter, self.ago(330))]),
                vec![enrolled(Event::TransferIn, self.ago(60))],
                ("初中生未办转学手续即在另一城市转入", "a junior student was taken in elsewhere without a transfer"),
            ),
            (
                "overlap-in-the-past",
                (
                    2,
                    Stage::Senior,
                    vec![enrolled(Event::Enter, self.ago(700)), (Event::Quit, Status::Quit, self.ago(400), None)],
                ),
                vec![enrolled(Event::Enter, self.ago(600))],
                (
                    "高中生退学前已在另一城市在读二百日",
                    "a senior student was enrolled elsewhere 200 days before leaving",
                ),
            ),
        ];
        for (case, (first, stage, here), there, text) in shapes {
            let (first, second) = (first % self.cities, (first + 1) % self.cities);
            let (person, mut mint) = self.person(stage);
            let one = self.history(first, Part::Main, stage, &person, &mut mint, &here);
            let two = self.history(second, Part::Main, stage, &person, &mut mint, &there);
            let records = one.first().into_iter().chain(two.first()).copied().collect();
            self.case(("S1", case), vec![first, second], records, text);
        }
    }

    /// S3: histories that no lifecycle allows. Publishing refuses them by default.
    fn histories(&mut self) {
        let enter = |on| (Event::Enter, Status::Enrolled, on, None);
        let shapes = [
            (
                "illegal-event",
                Stage::Bachelor,
                vec![enter(self.ago(300)), (Event::Restore, Status::Enrolled, self.ago(100), None)],
                ("在读学生被恢复学籍", "the registration of an enrolled student was restored"),
            ),
            (
                "dates-backwards",
                Stage::Junior,
                vec![enter(self.ago(200)), (Event::Suspend, Status::Suspended, self.ago(230), Some(self.ago(-100)))],
                ("休学日期早于入学日期", "suspended before the day of entry"),
            ),
            (
                "after-the-end",
                Stage::Senior,
                vec![
                    enter(self.ago(500)),
                    (Event::Graduate, Status::Graduated, self.ago(150), None),
                    (Event::Suspend, Status::Suspended, self.ago(50), Some(self.ago(-200))),
                ],
                ("毕业后又休学", "suspended after graduation"),
            ),
        ];
        for (city, (case, stage, points, text)) in shapes.into_iter().enumerate() {
            self.lone(("S3", case), city, stage, &points, text);
        }
    }

    /// A case in the history of one person in one city, which shows in its last record. What a rule of the city's own
    /// records refuses goes to the second part.
    fn lone(&mut self, (rule, case): (&str, &str), city: usize, stage: Stage, points: &[Point], text: (&str, &str)) {
        let (city, part) = (city % self.cities, if rule == "S4" { Part::Main } else { Part::Planted });
        let (person, mut mint) = self.person(stage);
        let ids = self.history(city, part, stage, &person, &mut mint, points);
        self.case((rule, case), vec![city], ids.last().copied().into_iter().collect(), text);
    }

    /// S4: the child is nowhere (转出未入学).
    fn nowhere(&mut self) {
        let (mover, mut mint) = self.mover(Stage::Primary, 0);
        let (from, to) = (mover.from, mover.to);
        let requested_on = self.ago(120);
        let matter = Matter { connection: mint.id(), sending: from, receiving: to, requested_on, planned: None };
        let mut sending = Side::new(from.office, mover.stage);
        let mut receiving = Side::new(to.office, mover.stage);
        sending.status(&mut mint, Event::Enter, Status::Enrolled, mover.enrolled_on, None);
        for (role, step, days) in STEPS.iter().take(6) {
            let side = if *role == Role::Sending { &mut sending } else { &mut receiving };
            side.step(&mut mint, matter, *role, *step, plus(requested_on, *days));
        }
        let left = Some(matter.connection);
        let out = sending.status(&mut mint, Event::TransferOut, Status::TransferredOut, self.ago(106), left);
        receiving.step(&mut mint, matter, Role::Receiving, Step::FailedToJoin, self.ago(95));
        self.publish(from.city, Part::Main, sending.group(&mover.person));
        self.publish(to.city, Part::Main, receiving.group(&mover.person));
        let text =
            ("小学生转出后未到转入学校报到", "a primary pupil was transferred out and never joined the new school");
        self.case(("S4", "transferred-out"), vec![from.city, to.city], vec![out], text);

        let enter = (Event::Enter, Status::Enrolled, self.ago(320), None);
        let quit = [enter, (Event::Quit, Status::Quit, self.ago(90), None)];
        let text = ("初中生退学后没有任何城市登记其在读", "a junior student quit and is enrolled nowhere");
        self.lone(("S4", "quit"), 1, Stage::Junior, &quit, text);
        let cancelled = [enter, (Event::Cancel, Status::Cancelled, self.ago(130), None)];
        let text = (
            "小学生学籍被注销后没有任何城市登记其在读",
            "a primary pupil's registration was cancelled and is nowhere else",
        );
        self.lone(("S4", "cancelled"), 2, Stage::Primary, &cancelled, text);
    }

    /// C1: connections past the limit of a step, each with one late party.
    fn late(&mut self) {
        // Just past the grace it is a warning, past twice the limit an error.
        let late = |limit| overdue_from(self.calendar, self.as_of, limit, C1_GRACE_DAYS);
        let (warning, error) = (late(LIMIT_DAYS), late(2 * LIMIT_DAYS));
        let yesterday = self.ago(1);
        let (sending, receiving) = (Role::Sending, Role::Receiving);
        let shapes: [LateShape; 3] = [
            (
                "receiving-bureau-late",
                vec![
                    (receiving, Step::Requested, plus(warning, -2)),
                    (sending, Step::Notified, plus(warning, -1)),
                    (receiving, Step::SchoolAccepted, warning),
                ],
                (receiving, Step::SchoolAccepted),
                ("转入地主管部门逾期未核办", "the receiving bureau is late to accept"),
            ),
            (
                "sending-school-late",
                vec![
                    (receiving, Step::Requested, plus(error, -8)),
                    (sending, Step::Notified, plus(error, -7)),
                    (receiving, Step::SchoolAccepted, plus(error, -4)),
                    (receiving, Step::BureauAccepted, error),
                ],
                (receiving, Step::BureauAccepted),
                ("转出学校长期逾期未办理转出", "the sending school is long overdue to release"),
            ),
            (
                "one-half-only",
                vec![
                    (receiving, Step::Requested, warning),
                    (receiving, Step::SchoolAccepted, plus(yesterday, -1)),
                    (receiving, Step::BureauAccepted, yesterday),
                ],
                (receiving, Step::Requested),
                ("转出地始终没有发布本方记录", "the sending city has never published its half"),
            ),
        ];
        for (from, (case, taken, shows, text)) in shapes.into_iter().enumerate() {
            let (mover, mut mint) = self.mover(Stage::Primary, from);
            let (one, two) = groups(&mut mint, &mover, &taken, None);
            let shown = if shows.0 == sending { one.step(shows.1) } else { two.step(shows.1) };
            self.publish(mover.from.city, Part::Main, one);
            self.publish(mover.to.city, Part::Main, two);
            self.case(("C1", case), vec![mover.from.city, mover.to.city], shown.into_iter().collect(), text);
        }
    }

    /// C2: halves that disagree.
    fn disagreement(&mut self) {
        let taken = recent(self.as_of, 2);
        for (from, case) in ["school", "subject", "period"].into_iter().enumerate() {
            let (mover, mut mint) = self.mover(Stage::Junior, from);
            let mut other = mover.clone();
            let period = |months: i32| (plus(self.as_of, months * 30), plus(self.as_of, months * 30 + 300));
            let mut planned = (None, None);
            let text = match case {
                "school" => {
                    other.from.number = mover.from.number % 40 + 1;
                    ("双方所记转出学校不一致", "the halves name different sending schools")
                }
                "subject" => {
                    other.person = self.person(Stage::Junior).0;
                    ("双方所记学生不是同一人", "the halves name different students")
                }
                _ => {
                    planned = (Some(period(1)), Some(period(2)));
                    ("双方所记拟转入时间不一致", "the halves name different periods")
                }
            };
            let connection = mint.id();
            let mut state = |mover: &Mover, planned| {
                let (sending, receiving) = groups(&mut mint, mover, &taken, planned);
                (sending.with_connection(connection), receiving.with_connection(connection))
            };
            let one = state(&mover, planned.0).0;
            let two = state(&other, planned.1).1;
            let records = one.step(Step::Notified).into_iter().chain(two.step(Step::Requested)).collect();
            self.publish(mover.from.city, Part::Main, one);
            self.publish(mover.to.city, Part::Main, two);
            self.case(("C2", case), vec![mover.from.city, mover.to.city], records, text);
        }
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
