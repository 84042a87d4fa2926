//! Planted cases of the rules over recognitions: Q1, Q2; and of reliance on what no longer stands: G7.
use super::super::calendar::plus;
use super::super::case::Part;
use super::super::recognition::{Half, Transcript, University, recognised};
use super::super::side::Side;
use super::Planter;
use hefu_schemas::id::RecordId;
use hefu_schemas::qualification_recognition::Step;
use hefu_schemas::student_status::{Event, Stage, Status};

impl Planter<'_> {
    /// A student of one city and the university of the next where the term was spent: (awarding, recognising).
    fn universities(&self, home: usize) -> (University, University) {
        let home = home % self.cities;
        let of = |city| University { city, number: 1 };
        (of((home + 1) % self.cities), of(home))
    }

    /// Q1 and G7: the award is withdrawn or revoked after the recognition; Q1: there is none.
    pub(super) fn unfounded(&mut self) {
        let shapes = [
            (
                "withdrawn-award",
                ("学分认定之后，授予地撤回了成绩记录", "the award was withdrawn after its credits were recognised"),
            ),
            (
                "revoked-award",
                ("学分认定之后，授予地撤销了成绩", "the award was revoked after its credits were recognised"),
            ),
        ];
        for (home, (case, text)) in shapes.into_iter().enumerate() {
            let (person, mut mint) = self.person(Stage::Bachelor);
            let (awarding, by) = self.universities(home);
            let transcript = Transcript::new(awarding, self.ago(90), 3);
            let mut there = Side::new(0, Stage::Bachelor);
            let issued = (&transcript, Half::Awarding, Step::Issued);
            let award = there.qualification(&mut mint, issued, transcript.awarded_on, &[]);
            let mut here = Side::new(0, Stage::Bachelor);
            let dates = (self.ago(70), self.ago(50));
            let [first, decided] =
                recognised(&mut here, &mut mint, (&transcript, by), Some((awarding.city, award)), dates);
            let mut after = Side::new(0, Stage::Bachelor);
            let undone = if case == "withdrawn-award" {
                let undone = after.withdraw(&mut mint, award, self.ago(20));
                self.publish(awarding.city, Part::Planted, after.group(&person));
                undone
            } else {
                there.qualification(&mut mint, (&transcript, Half::Awarding, Step::Revoked), self.ago(20), &[])
            };
            self.publish(awarding.city, Part::Main, there.group(&person));
            self.publish(by.city, Part::Main, here.group(&person));
            let cities = vec![awarding.city, by.city];
            self.case(("Q1", case), cities.clone(), vec![first, undone], text);
            self.case(("G7", case), cities, vec![decided, award], text);
        }
        let (person, mut mint) = self.person(Stage::Bachelor);
        let (awarding, by) = self.universities(2);
        let transcript = Transcript::new(awarding, self.ago(90), 2);
        let mut here = Side::new(0, Stage::Bachelor);
        let [first, _] = recognised(&mut here, &mut mint, (&transcript, by), None, (self.ago(70), self.ago(50)));
        self.publish(by.city, Part::Main, here.group(&person));
        let text = ("认定了学分，而没有可对应的授予记录", "credits were recognised and no award stands behind them");
        self.case(("Q1", "no-award"), vec![by.city], vec![first], text);
    }

    /// G7: a student was taken in on the strength of a graduation whose record has been corrected since.
    pub(super) fn reliance(&mut self) {
        let (person, mut mint) = self.person(Stage::Bachelor);
        let (first, second) = (2 % self.cities, 3 % self.cities);
        let mut there = Side::new(0, Stage::Bachelor);
        there.status(&mut mint, Event::Enter, Status::Enrolled, self.ago(700), None);
        let graduated = there.status(&mut mint, Event::Graduate, Status::Graduated, self.ago(100), None);
        let mut after = Side::new(0, Stage::Bachelor);
        if let Some(wrong) = there.statement(graduated) {
            after.correct_date(&mut mint, wrong, self.ago(98));
        }
        let mut here = Side::new(0, Stage::Master);
        let entered = here.status(&mut mint, Event::Enter, Status::Enrolled, self.ago(60), None);
        here.relies_on(first, graduated);
        self.publish(first, Part::Main, there.group(&person));
        self.publish(first, Part::Planted, after.group(&person));
        self.publish(second, Part::Main, here.group(&person));
        let text = (
            "硕士入学所依据的本科毕业记录已被更正",
            "a master student was entered on a graduation record that was corrected since",
        );
        self.case(("G7", "corrected-graduation"), vec![first, second], vec![entered, graduated], text);
    }

    /// Q2: credits converted otherwise than by the row of the agreement.
    pub(super) fn conversions(&mut self) {
        let text = ("换算的学分与协议条目不符", "a course was converted to more credits than its row gives");
        let awarded = |planter: &Self, home| Transcript::new(planter.universities(home).0, planter.ago(90), 1);
        let transcript = awarded(self, 0);
        let (cities, records) = self.converted(0, &[(&transcript, &transcript)], Some(500));
        self.case(("Q2", "wrong-amount"), cities, records, text);

        let text = ("换算了未通过课程的学分", "a course that the student failed was converted");
        let stated = awarded(self, 1);
        let transcript = stated.clone().with_a_failure();
        let (cities, records) = self.converted(1, &[(&transcript, &stated)], None);
        self.case(("Q2", "not-passed"), cities, records, text);

        let text = ("一年内换算的学分超过上限", "more credits were converted in a year than the row allows");
        let transcript = awarded(self, 2).with_credits(3000);
        let (cities, records) = self.converted(2, &[(&transcript, &transcript), (&transcript, &transcript)], None);
        // The excess shows in the recognitions, not in the awards.
        let recognitions = records.into_iter().skip(1).step_by(2).collect();
        self.case(("Q2", "beyond-the-cap"), cities, recognitions, text);
    }

    /// Transcripts of one student, each with what the home city took it for, recognised on one day; returns the cities, and
    /// award and recognition by turns.
    fn converted(
        &mut self,
        home: usize,
        transcripts: &[(&Transcript, &Transcript)],
        misstated: Option<u64>,
    ) -> (Vec<usize>, Vec<RecordId>) {
        let (person, mut mint) = self.person(Stage::Bachelor);
        let (awarding, by) = self.universities(home);
        let (mut there, mut here) = (Side::new(0, Stage::Bachelor), Side::new(0, Stage::Bachelor));
        let mut records = Vec::new();
        for (awarded, taken_for) in transcripts {
            let award =
                there.qualification(&mut mint, (awarded, Half::Awarding, Step::Issued), awarded.awarded_on, &[]);
            here.last_qualification = None;
            let half = Half::Recognising { by, award: Some((awarding.city, award)), misstated };
            let on = plus(awarded.awarded_on, 30);
            let decided = (*taken_for, half, Step::Decided);
            records.extend([award, here.qualification(&mut mint, decided, on, &[(awarding.city, award)])]);
        }
        self.publish(awarding.city, Part::Main, there.group(&person));
        self.publish(by.city, Part::Main, here.group(&person));
        (vec![awarding.city, by.city], records)
    }
}
