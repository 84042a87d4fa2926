//! Planted cases of the rules over connections: C1 to C4.
use super::super::calendar::{overdue_from, plus};
use super::super::case::Part;
use super::super::draft::{Body, Group, Matter};
use super::super::side::Side;
use super::super::terms::{C1_GRACE_DAYS, LIMIT_DAYS, is_vocational_window};
use super::super::transfer::{Mover, STEPS, Taken, groups, recent};
use super::Planter;
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;

/// A late connection: its name, the steps taken, the record that shows it, the text.
type LateShape = (&'static str, Vec<Taken>, (Role, Step), (&'static str, &'static str));

/// All steps of a transfer, that of a request some days later than usual.
fn steps_from(requested: Date, moved: (Step, i32)) -> Vec<Taken> {
    let days = |step: Step, days: i32| if step == moved.0 { days + moved.1 } else { days };
    STEPS.iter().map(|(role, step, after)| (*role, *step, plus(requested, days(*step, *after)))).collect()
}

/// What a city states, without what it states of a status by an event.
fn without(mut group: Group, event: Event) -> Group {
    group.statements.retain(|statement| !matches!(statement.body, Body::Status { event: own, .. } if own == event));
    group
}

impl Planter<'_> {
    /// C1: connections past the limit of a step, each with one late party.
    pub(super) fn late(&mut self) {
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
    pub(super) fn disagreement(&mut self) {
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

    /// C3: complete, and the status does not follow; or joined before the release.
    pub(super) fn unfollowed(&mut self) {
        // Complete ten days ago: past the grace of C3, not past that of S4.
        let lately: Vec<Taken> = steps_from(self.ago(24), (Step::Requested, 0)).into_iter().take(7).collect();
        let shapes = [
            (
                "never-transferred-out",
                steps_from(self.ago(90), (Step::Requested, 0)),
                Some(Event::TransferOut),
                (
                    "转学已办结，转出地始终未记转出",
                    "a transfer is complete and the sending city keeps the registration",
                ),
            ),
            (
                "never-transferred-in",
                lately,
                Some(Event::TransferIn),
                ("转学已办结，转入地未建立学籍", "a transfer is complete and the receiving city has nobody enrolled"),
            ),
            (
                "joined-before-release",
                steps_from(self.ago(100), (Step::BureauReleased, 5)),
                None,
                ("学生在转出办结之前已入学", "a student joined before the sending bureau released"),
            ),
        ];
        for (from, (case, taken, left_out, text)) in shapes.into_iter().enumerate() {
            let (mover, mut mint) = self.mover(Stage::Junior, from);
            let (mut one, mut two) = groups(&mut mint, &mover, &taken, None);
            if let Some(event) = left_out {
                (one, two) = (without(one, event), without(two, event));
            }
            let records = one.step(Step::BureauReleased).into_iter().chain(two.step(Step::Joined)).collect();
            self.publish(mover.from.city, Part::Main, one);
            self.publish(mover.to.city, Part::Main, two);
            self.case(("C3", case), vec![mover.from.city, mover.to.city], records, text);
        }
    }

    /// C4: released out of a blocked status, or outside the windows of the stage.
    pub(super) fn barred(&mut self) {
        let text = ("学生休学期间被办理转出", "a student was released while suspended");
        self.blocked((0, "released-while-suspended"), (Event::Suspend, Status::Suspended), text);
        let text = ("学生流失期间被办理转出", "a student was released after dropping out");
        self.blocked((1, "released-after-dropping-out"), (Event::DropOut, Status::DroppedOut), text);

        let (mover, mut mint) = self.mover(Stage::SecondaryVocational, 2);
        let taken = |requested| steps_from(requested, (Step::Requested, 0));
        let is_outside = |taken: &Vec<Taken>| {
            taken.iter().any(|(_, step, on)| *step == Step::BureauReleased && !is_vocational_window(*on))
        };
        let outside = (60..200).map(|days| taken(self.ago(days))).find(is_outside).unwrap_or_default();
        let (one, two) = groups(&mut mint, &mover, &outside, None);
        let records = one.step(Step::BureauReleased).into_iter().collect();
        self.publish(mover.from.city, Part::Main, one);
        self.publish(mover.to.city, Part::Main, two);
        let text = ("中职学生在办理期间之外被转出", "a vocational student was released outside the period for it");
        self.case(("C4", "outside-the-window"), vec![mover.from.city, mover.to.city], records, text);
    }

    /// Released out of a status that the student had since a month before the request and until the day after.
    fn blocked(&mut self, (from, case): (usize, &str), (event, status): (Event, Status), text: (&str, &str)) {
        let (mover, mut mint) = self.mover(Stage::Primary, from);
        let (from, to, requested_on) = (mover.from, mover.to, self.ago(120));
        let matter = Matter { connection: mint.id(), sending: from, receiving: to, requested_on, planned: None };
        let (mut sending, mut receiving) = (Side::new(from.office, mover.stage), Side::new(to.office, mover.stage));
        sending.status(&mut mint, Event::Enter, Status::Enrolled, mover.enrolled_on, None);
        let until = (event == Event::Suspend).then(|| plus(requested_on, 60));
        let away = sending.status_until(&mut mint, (event, status), plus(requested_on, -30), until, None);
        let left = Some(matter.connection);
        for (role, step, on) in steps_from(requested_on, (Step::Requested, 0)) {
            let side = if role == Role::Sending { &mut sending } else { &mut receiving };
            let record = side.step(&mut mint, matter, role, step, on);
            match step {
                Step::BureauReleased => {
                    sending.status(&mut mint, Event::Resume, Status::Enrolled, plus(on, 1), None);
                    let cities = vec![from.city, to.city];
                    self.case(("C4", case), cities, vec![away, record], text);
                }
                Step::Joined => {
                    receiving.status(&mut mint, Event::TransferIn, Status::Enrolled, on, left);
                    sending.status(&mut mint, Event::TransferOut, Status::TransferredOut, on, left);
                }
                _ => {}
            }
        }
        self.publish(from.city, Part::Main, sending.group(&mover.person));
        self.publish(to.city, Part::Main, receiving.group(&mover.person));
    }
}
