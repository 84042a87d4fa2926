//! Student status (学籍): lifecycle (records §3) and the rules that need one record alone.
use crate::code::codes;
use crate::record::{Checker, View};
use crate::violation::Violation;

codes! {
    /// Statuses (当前状态), in the order of the schema.
    pub enum Status {
        PlaceReserved => "place-reserved",
        Enrolled => "enrolled",
        Suspended => "suspended",
        Interrupted => "interrupted",
        RegistrationKept => "registration-kept",
        SponsoredAbroad => "sponsored-abroad",
        DroppedOut => "dropped-out",
        Missing => "missing",
        TransferredOut => "transferred-out",
        Graduated => "graduated",
        FinishedWithoutGraduation => "finished-without-graduation",
        LeftIncomplete => "left-incomplete",
        Quit => "quit",
        Expelled => "expelled",
        Deceased => "deceased",
        Cancelled => "cancelled",
    }
}

codes! {
    /// Events (学籍异动), in the order of the schema.
    pub enum Event {
        Enter => "enter",
        TransferIn => "transfer-in",
        ReEnter => "re-enter",
        ReservePlace => "reserve-place",
        ResumePlace => "resume-place",
        CancelPlace => "cancel-place",
        Suspend => "suspend",
        Interrupt => "interrupt",
        KeepRegistration => "keep-registration",
        GoAbroad => "go-abroad",
        SponsorAbroad => "sponsor-abroad",
        TransferOut => "transfer-out",
        Quit => "quit",
        Expel => "expel",
        Finish => "finish",
        LeaveIncomplete => "leave-incomplete",
        Graduate => "graduate",
        Cancel => "cancel",
        Visit => "visit",
        MoveSchool => "move-school",
        ChangeProgramme => "change-programme",
        Repeat => "repeat",
        Skip => "skip",
        Resume => "resume",
        Extend => "extend",
        Restore => "restore",
        Return => "return",
        Found => "found",
        TransferFailed => "transfer-failed",
        Upgrade => "upgrade",
        DropOut => "drop-out",
        GoMissing => "go-missing",
        Decease => "decease",
    }
}

codes! {
    /// Stages of education (学段), in the order of the schema.
    pub enum Stage {
        Preschool => "preschool",
        Primary => "primary",
        Junior => "junior",
        Senior => "senior",
        Special => "special",
        SecondaryVocational => "secondary-vocational",
        HigherVocational => "higher-vocational",
        Bachelor => "bachelor",
        Master => "master",
        Doctor => "doctor",
    }
}

/// The events that open a spell, and the status with which it begins.
pub const ENTRIES: &[(Event, Status)] = &[
    (Event::Enter, Status::Enrolled),
    (Event::TransferIn, Status::Enrolled),
    (Event::ReEnter, Status::Enrolled),
    (Event::ReservePlace, Status::PlaceReserved),
];

/// The lifecycle (records §3): by which events each status is left, and for which next status.
pub const TRANSITIONS: &[(Status, &[(Event, Status)])] = &[
    (Status::PlaceReserved, &[(Event::ResumePlace, Status::Enrolled), (Event::CancelPlace, Status::Cancelled)]),
    (
        Status::Enrolled,
        &[
            (Event::Suspend, Status::Suspended),
            (Event::Interrupt, Status::Interrupted),
            (Event::KeepRegistration, Status::RegistrationKept),
            (Event::GoAbroad, Status::RegistrationKept),
            (Event::SponsorAbroad, Status::SponsoredAbroad),
            (Event::TransferOut, Status::TransferredOut),
            (Event::Quit, Status::Quit),
            (Event::Expel, Status::Expelled),
            (Event::Finish, Status::FinishedWithoutGraduation),
            (Event::LeaveIncomplete, Status::LeftIncomplete),
            (Event::Graduate, Status::Graduated),
            (Event::Cancel, Status::Cancelled),
            (Event::Visit, Status::Enrolled),
            (Event::MoveSchool, Status::Enrolled),
            (Event::ChangeProgramme, Status::Enrolled),
            (Event::Repeat, Status::Enrolled),
            (Event::Skip, Status::Enrolled),
        ],
    ),
    (
        Status::Suspended,
        &[(Event::Resume, Status::Enrolled), (Event::Extend, Status::Suspended), (Event::Quit, Status::Quit)],
    ),
    (Status::Interrupted, &[(Event::Resume, Status::Enrolled), (Event::Quit, Status::Quit)]),
    (Status::RegistrationKept, &[(Event::Restore, Status::Enrolled), (Event::Quit, Status::Quit)]),
    (Status::SponsoredAbroad, &[(Event::Return, Status::Enrolled), (Event::Quit, Status::Quit)]),
    (Status::DroppedOut, &[(Event::Resume, Status::Enrolled), (Event::Quit, Status::Quit)]),
    (Status::Missing, &[(Event::Found, Status::Enrolled)]),
    (Status::TransferredOut, &[(Event::TransferFailed, Status::Enrolled)]),
    (Status::Graduated, &[]),
    (Status::FinishedWithoutGraduation, &[(Event::Upgrade, Status::Graduated)]),
    (Status::LeftIncomplete, &[]),
    (Status::Quit, &[(Event::Restore, Status::Enrolled)]),
    (Status::Expelled, &[]),
    (Status::Deceased, &[]),
    (Status::Cancelled, &[]),
];

/// The events that lead out of every status that does not end the spell, and is not the event's own.
pub const FROM_ALL_OTHERS: &[(Event, Status)] =
    &[(Event::DropOut, Status::DroppedOut), (Event::GoMissing, Status::Missing), (Event::Decease, Status::Deceased)];

impl Status {
    /// Whether it ends the spell (graduated, finished-without-graduation, left-incomplete, quit, expelled, deceased,
    /// cancelled).
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Graduated
                | Self::FinishedWithoutGraduation
                | Self::LeftIncomplete
                | Self::Quit
                | Self::Expelled
                | Self::Deceased
                | Self::Cancelled
        )
    }
}

impl Event {
    /// Whether it opens a spell: enter, transfer-in, re-enter, reserve-place.
    pub fn is_entry(self) -> bool {
        ENTRIES.iter().any(|(event, _)| *event == self)
    }

    /// The status that the event leads to: the same from whatever status it starts.
    pub fn status(self) -> Option<Status> {
        let rows = TRANSITIONS.iter().flat_map(|(_, row)| row.iter());
        ENTRIES.iter().chain(FROM_ALL_OTHERS).chain(rows).find(|(event, _)| *event == self).map(|(_, to)| *to)
    }
}

/// The status after an event, from a status or from none (an entry event); `None` where the lifecycle has no such step.
pub fn next(from: Option<Status>, event: Event) -> Option<Status> {
    let target = |row: &[(Event, Status)]| row.iter().find(|(e, _)| *e == event).map(|(_, to)| *to);
    let Some(from) = from else {
        return target(ENTRIES);
    };
    let own = TRANSITIONS.iter().find(|(status, _)| *status == from).and_then(|(_, row)| target(row));
    own.or_else(|| target(FROM_ALL_OTHERS).filter(|to| !from.is_ended() && *to != from))
}

/// The statuses in which a person counts as enrolled with the school for rules S1 and S4
/// (enrolled, suspended, interrupted, registration-kept, sponsored-abroad).
pub fn holds_registration(status: Status) -> bool {
    matches!(
        status,
        Status::Enrolled | Status::Suspended | Status::Interrupted | Status::RegistrationKept | Status::SponsoredAbroad
    )
}

/// The rules that need this record alone: event and status fit, `effectiveOn` is the date of `validFrom`, a suspension
/// ends after it begins. (`follows`, `until` and `destination` are required or refused by the schema.)
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut body = Checker::new(view.subject, "/credentialSubject");
    let status = body.text("/status").and_then(|code| Status::from_code(&code));
    let event = body.text("/event").and_then(|code| Event::from_code(&code));
    if status.is_none() || event.and_then(Event::status) != status {
        body.refuse(
            "/event",
            "status/event-does-not-lead-to-status",
            "该异动不会形成所填的当前状态",
            "this event does not lead to the stated status",
        );
    }
    body.date_of_record("/effectiveOn", view, "status/effective-date");
    body.date("/until");
    body.order("/effectiveOn", "/until", "status/until-before-start");
    body.uscc("/institution");
    body.uscc("/attendsAt");
    body.same_as();
    body.found()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::{released, released_schema};
    use crate::validate::SchemaName;
    use serde_json::{Value, json};

    fn schema() -> Value {
        serde_json::from_str(released_schema(SchemaName::StudentStatus).text).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_schema_in_order() {
        let envelope = released().iter().find(|file| file.path.contains("/envelope/")).unwrap();
        let envelope: Value = serde_json::from_str(envelope.text).unwrap();
        let codes = |codes: Vec<&str>| json!(codes);
        assert_eq!(schema()["$defs"]["status"]["enum"], codes(Status::ALL.iter().map(|s| s.code()).collect()));
        assert_eq!(schema()["$defs"]["event"]["enum"], codes(Event::ALL.iter().map(|e| e.code()).collect()));
        assert_eq!(envelope["$defs"]["stage"]["enum"], codes(Stage::ALL.iter().map(|s| s.code()).collect()));
        assert!(Status::ALL.iter().all(|status| Status::from_code(status.code()) == Some(*status)));
        assert!(Event::ALL.iter().all(|event| Event::from_code(event.code()) == Some(*event)));
        assert!(Stage::ALL.iter().all(|stage| Stage::from_code(stage.code()) == Some(*stage)));
        assert_eq!((Status::from_code("Enrolled"), Event::from_code(""), Stage::from_code("x")), (None, None, None));
    }

    #[test]
    fn the_lifecycle_is_that_of_the_schema_in_order() {
        let row = |from: Option<Status>, (event, to): &(Event, Status)| json!({ "from": from.map(Status::code), "event": event.code(), "to": to.code() });
        let entries = ENTRIES.iter().map(|entry| row(None, entry));
        let others = TRANSITIONS.iter().flat_map(|(from, to)| to.iter().map(|to| row(Some(*from), to)));
        let lifecycle = &schema()["$defs"]["lifecycle"]["const"];
        assert_eq!(lifecycle["transitions"], json!(entries.chain(others).collect::<Vec<_>>()));
        let all: Vec<_> = FROM_ALL_OTHERS.iter().map(|(e, to)| json!({ "event": e.code(), "to": to.code() })).collect();
        assert_eq!(lifecycle["fromAllOthers"], json!(all));
        let ended: Vec<_> = Status::ALL.iter().filter(|status| status.is_ended()).map(|s| s.code()).collect();
        assert_eq!(lifecycle["ended"], json!(ended));
        let entry: Vec<_> = Event::ALL.iter().filter(|event| event.is_entry()).map(|e| e.code()).collect();
        assert_eq!(schema()["$defs"]["entryEvent"]["enum"], json!(entry));
        let rows: Vec<_> = TRANSITIONS.iter().map(|(status, _)| *status).collect();
        assert_eq!(rows, Status::ALL);
    }

    #[test]
    fn every_event_leads_to_one_status() {
        for event in Event::ALL {
            let mut targets: Vec<_> = Status::ALL.iter().filter_map(|from| next(Some(*from), *event)).collect();
            targets.extend(next(None, *event));
            assert!(!targets.is_empty(), "{event:?}");
            assert!(targets.iter().all(|to| Some(*to) == event.status()), "{event:?}: {targets:?}");
        }
    }

    #[test]
    fn steps_of_the_lifecycle() {
        use Event as E;
        use Status as S;
        for (from, event, to) in [
            (None, E::Enter, Some(S::Enrolled)),
            (None, E::ReservePlace, Some(S::PlaceReserved)),
            (None, E::Suspend, None),
            (None, E::Decease, None),
            (Some(S::Enrolled), E::Enter, None),
            (Some(S::Enrolled), E::GoAbroad, Some(S::RegistrationKept)),
            (Some(S::Suspended), E::Extend, Some(S::Suspended)),
            (Some(S::Suspended), E::TransferOut, None),
            (Some(S::Suspended), E::GoMissing, Some(S::Missing)),
            (Some(S::Missing), E::GoMissing, None),
            (Some(S::Missing), E::DropOut, Some(S::DroppedOut)),
            (Some(S::TransferredOut), E::TransferFailed, Some(S::Enrolled)),
            (Some(S::FinishedWithoutGraduation), E::Upgrade, Some(S::Graduated)),
            (Some(S::Graduated), E::Decease, None),
            (Some(S::Quit), E::Restore, Some(S::Enrolled)),
            (Some(S::Quit), E::DropOut, None),
            (Some(S::Deceased), E::Resume, None),
        ] {
            assert_eq!(next(from, event), to, "{from:?} {event:?}");
        }
    }

    #[test]
    fn registration_is_never_held_after_the_end() {
        assert!(Status::ALL.iter().all(|status| !(holds_registration(*status) && status.is_ended())));
        assert!(!holds_registration(Status::TransferredOut) && !holds_registration(Status::DroppedOut));
    }
}
