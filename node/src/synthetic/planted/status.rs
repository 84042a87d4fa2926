//! Planted cases of the rules over student status: S1 to S6.
use super::super::calendar::plus;
use super::super::case::Part;
use super::super::draft::Matter;
use super::super::side::Side;
use super::super::transfer::STEPS;
use super::{Planter, Point};
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::student_status::{Event, Stage, Status};

impl Planter<'_> {
    /// S1: enrolled in two cities.
    pub(super) fn double_enrollment(&mut self) {
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

    /// S2: one city tells two stories of one student.
    pub(super) fn branches(&mut self) {
        let (person, mut mint) = self.person(Stage::Senior);
        let mut side = Side::new(1, Stage::Senior);
        let enter = side.status(&mut mint, Event::Enter, Status::Enrolled, self.ago(300), None);
        let until = Some(self.ago(-100));
        let first = side.status_until(&mut mint, (Event::Suspend, Status::Suspended), self.ago(100), until, None);
        side.back_to(enter);
        let second = side.status(&mut mint, Event::Repeat, Status::Enrolled, self.ago(90), None);
        self.publish(0, Part::Main, side.group(&person));
        let text = ("高中生同时被记为休学和留级", "a senior student is stated as suspended and as repeating at once");
        self.case(("S2", "followed-twice"), vec![0], vec![first, second], text);

        let shapes = [
            (
                "entered-twice",
                (Stage::Primary, self.ago(300)),
                (Stage::Primary, self.ago(200)),
                ("同一市两次为同一名小学生建立学籍", "a city entered a primary pupil twice"),
            ),
            (
                "not-ended-before-the-next-stage",
                (Stage::Primary, self.ago(700)),
                (Stage::Junior, self.ago(60)),
                ("小学学籍未结束即建立初中学籍", "a pupil entered junior school and never left primary school"),
            ),
        ];
        for (city, (case, one, other, text)) in (1..).zip(shapes) {
            let city = city % self.cities;
            let (person, mut mint) = self.person(one.0);
            let mut side = Side::new(1, one.0);
            let first = side.status(&mut mint, Event::Enter, Status::Enrolled, one.1, None);
            side.enter_stage(other.0);
            let second = side.status(&mut mint, Event::Enter, Status::Enrolled, other.1, None);
            self.publish(city, Part::Main, side.group(&person));
            self.case(("S2", case), vec![city], vec![first, second], text);
        }
    }

    /// S3: histories that no lifecycle allows. Publishing refuses them by default.
    pub(super) fn histories(&mut self) {
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

    /// S4: the child is nowhere (转出未入学).
    pub(super) fn nowhere(&mut self) {
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
        let ids = self.lone(("S4", "quit"), 1, Stage::Junior, &quit, text);
        let text = ("初中生退学", "a junior student quit");
        self.case(("S6", "quit"), vec![1 % self.cities], ids, text);
        let cancelled = [enter, (Event::Cancel, Status::Cancelled, self.ago(130), None)];
        let text = (
            "小学生学籍被注销后没有任何城市登记其在读",
            "a primary pupil's registration was cancelled and is nowhere else",
        );
        self.lone(("S4", "cancelled"), 2, Stage::Primary, &cancelled, text);
    }

    /// S5: suspended past the end.
    pub(super) fn overdue_suspensions(&mut self) {
        let enter = (Event::Enter, Status::Enrolled, self.ago(400), None);
        let suspended = |on, until| (Event::Suspend, Status::Suspended, on, Some(until));
        let extended = |on, until| (Event::Extend, Status::Suspended, on, Some(until));
        let shapes = [
            (
                "since-yesterday",
                Stage::Primary,
                vec![enter, suspended(self.ago(180), self.ago(1))],
                ("小学生休学昨日期满，未复学", "a primary pupil was to come back yesterday"),
            ),
            (
                "long-overdue",
                Stage::Senior,
                vec![enter, suspended(self.ago(380), self.ago(200))],
                ("高中生休学期满已逾半年", "a senior student was to come back more than half a year ago"),
            ),
            (
                "after-the-extension",
                Stage::Bachelor,
                vec![enter, suspended(self.ago(300), self.ago(100)), extended(self.ago(100), self.ago(20))],
                ("本科生延期休学期满，未复学", "a bachelor student did not come back after the extension"),
            ),
        ];
        for (city, (case, stage, points, text)) in shapes.into_iter().enumerate() {
            self.lone(("S5", case), city, stage, &points, text);
        }
    }

    /// S6: out of compulsory education by quitting or expulsion.
    pub(super) fn exclusions(&mut self) {
        let enter = (Event::Enter, Status::Enrolled, self.ago(320), None);
        let expelled = [enter, (Event::Expel, Status::Expelled, self.ago(45), None)];
        let text = ("初中生被开除", "a junior student was expelled");
        self.lone(("S6", "expelled"), 2, Stage::Junior, &expelled, text);

        let (person, mut mint) = self.person(Stage::Primary);
        let quit: [Point; 2] = [enter, (Event::Quit, Status::Quit, self.ago(70), None)];
        let elsewhere: [Point; 1] = [(Event::Enter, Status::Enrolled, self.ago(70), None)];
        let here = self.history(0, Part::Main, Stage::Primary, &person, &mut mint, &quit);
        self.history(1, Part::Main, Stage::Primary, &person, &mut mint, &elsewhere);
        let text = ("小学生在一市退学、在另一市入学", "a primary pupil quit in one city and entered in another");
        self.case(("S6", "quit-to-enter-elsewhere"), vec![0, 1], here.last().copied().into_iter().collect(), text);
    }
}
