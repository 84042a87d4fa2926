//! What one city states of one person, each statement following the one before.
use super::draft::{Body, Group, Matter, Statement};
use super::person::Person;
use super::seed::Mint;
use hefu_schemas::enrollment_connection::{Role, Step};
use hefu_schemas::id::RecordId;
use hefu_schemas::student_status::{Event, Stage, Status};
use jiff::civil::Date;

/// The statements of one city so far.
#[derive(Debug)]
pub(super) struct Side {
    office: usize,
    stage: Stage,
    statements: Vec<Statement>,
    last_status: Option<RecordId>,
    last_step: Option<RecordId>,
}

impl Side {
    pub(super) fn new(office: usize, stage: Stage) -> Self {
        Self { office, stage, statements: Vec::new(), last_status: None, last_step: None }
    }

    /// States a status that follows the last one, unless its event opens a spell.
    pub(super) fn status(
        &mut self,
        mint: &mut Mint,
        event: Event,
        status: Status,
        on: Date,
        connection: Option<RecordId>,
    ) -> RecordId {
        self.status_until(mint, (event, status), on, None, connection)
    }

    /// As [`Self::status`], with the end of a suspension.
    pub(super) fn status_until(
        &mut self,
        mint: &mut Mint,
        (event, status): (Event, Status),
        on: Date,
        until: Option<Date>,
        connection: Option<RecordId>,
    ) -> RecordId {
        let id = mint.id();
        let follows = if event.is_entry() { None } else { self.last_status };
        let body = Body::Status { stage: self.stage, status, event, until, connection };
        self.statements.push(Statement { id, follows, office: self.office, on, body });
        self.last_status = Some(id);
        id
    }

    /// What comes next follows this record, whatever has followed it already.
    pub(super) fn back_to(&mut self, status: RecordId) {
        self.last_status = Some(status);
    }

    /// States a step that follows the last one of this half.
    pub(super) fn step(&mut self, mint: &mut Mint, matter: Matter, role: Role, step: Step, on: Date) -> RecordId {
        let id = mint.id();
        let reason = match step {
            Step::Rejected => Some("no-place"),
            Step::CalledOff => Some("withdrawn-by-applicant"),
            Step::FailedToJoin => Some("did-not-arrive"),
            _ => None,
        };
        let body = Body::Half { matter, role, step, reason };
        self.statements.push(Statement { id, follows: self.last_step, office: self.office, on, body });
        self.last_step = Some(id);
        id
    }

    /// Changes the stage of what follows.
    pub(super) fn enter_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    pub(super) fn group(self, person: &Person) -> Group {
        Group { person: person.clone(), statements: self.statements }
    }
}
