//! The operations of the door of local systems.

use super::parts::{Op, draft_example, person_example};
use crate::http::{control, local, search};
use crate::token::Action;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::Paths;
use utoipa::openapi::path::{Parameter, ParameterIn};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const AGREEMENT: &str = "UUID or URN of an agreement";
const AGREEMENT_EXAMPLE: &str = "0198f3c2-eb5f-7ff0-b233-b7fef7242aea";

fn query<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// All of them.
pub(super) fn paths() -> Paths {
    let mut paths = Paths::new();
    records(&mut paths);
    findings(&mut paths);
    agreements(&mut paths);
    Op::get("/v1/status", "status", "How the node is: size of its log, whether it signs, keys waiting")
        .token(Action::ReadStatus)
        .answers("The status", &[(JSON, "object")])
        .add(&mut paths);
    Op::get("/openapi.json", "localDocument", "This document")
        .answers("An OpenAPI 3.1 document", &[(JSON, "object")])
        .add(&mut paths);
    paths
}

fn records(paths: &mut Paths) {
    Op::get("/v1/records", "findRecords", "Search own and held records")
        .about(
            "Rows by log and index. `next` is the rest of the search, relative to the host; a page may be short, even empty, \
             before the end. At most 1,000 rows or about 8 MiB a page.",
        )
        .token(Action::ReadRecords)
        .query(query::<search::Query>())
        .answers("A page", &[(JSON, "RecordPage")])
        .fails(400, "A parameter is not in its form")
        .fails(404, "The agreement or the origin is unknown")
        .add(paths);
    Op::post("/v1/records/search", "searchRecords", "Search own and held records, also those of a person")
        .about(
            "The members are the parameters of the search by URL, and `subject`, a subject reference: it belongs into no URL, since \
             gateways log those. The next page begins at `from`, which goes into the same question.",
        )
        .token(Action::ReadRecords)
        .body(&[(JSON, "RecordSearch", json!({"kind": "student-status", "limit": 10}))])
        .answers("A page", &[(JSON, "RecordPage")])
        .fails(400, "A member is not in its form")
        .fails(404, "The agreement or the origin is unknown")
        .fails(413, "The body is over the limit")
        .fails(415, "Not JSON")
        .add(paths);
    let line = format!("{}\n", draft_example());
    Op::post("/v1/records", "publish", "Publish one draft, or many")
        .about(
            "All drafts are validated and signed before the first is appended: one bad draft, and nothing is published. A draft id \
             that was published with the same content gives its first receipt again. A line is at most 256 KiB and 1,024 bytes.",
        )
        .token(Action::Publish)
        .query(query::<local::PublishQuery>())
        .body(&[(JSON, "Draft", draft_example()), (LINES, "text", json!(line))])
        .answers(
            "The receipt, or one a line in the order of the drafts; of a dry run how many drafts were good",
            &[(JSON, "Published"), (LINES, "text")],
        )
        .fails(409, "The draft id was used for other content")
        .fails(413, "A line is too long, or there are too many")
        .fails(415, "Neither JSON nor NDJSON")
        .fails(422, "A draft is not valid, or contradicts earlier records: `violations` lists what and where")
        .fails(429, "The queue is full: Retry-After says when to come again")
        .fails(503, "The node does not sign now")
        .add(paths);
    Op::get("/v1/records/{id}", "record", "One record")
        .token(Action::ReadRecords)
        .path("id", "URN, UUID, or index in the own log", "3")
        .answers("The record and where it stands", &[(JSON, "RecordRow")])
        .fails(404, "No such record within the token's scope")
        .add(paths);
}

fn findings(paths: &mut Paths) {
    Op::get("/v1/findings", "findings", "Open findings, gravest first")
        .token(Action::ReadFindings)
        .query(query::<control::FindingQuery>())
        .answers("The findings", &[(JSON, "Findings")])
        .fails(400, "A parameter is not in its form")
        .fails(404, "The agreement is unknown")
        .add(paths);
    Op::get("/v1/findings/{id}", "finding", "One open finding")
        .token(Action::ReadFindings)
        .query(query::<local::OneFindingQuery>())
        .path("id", "64 hexadecimal digits", &"00".repeat(32))
        .answers("The finding", &[(JSON, "Finding")])
        .fails(404, "No open finding has this id within the token's scope")
        .add(paths);
}

fn agreements(paths: &mut Paths) {
    Op::post("/v1/agreements/{id}/subjects", "subjects", "Turn identifiers into subject references")
        .about("One person a line; the references come in the same order. At most 1 MiB.")
        .token(Action::MakeReferences)
        .path("id", AGREEMENT, AGREEMENT_EXAMPLE)
        .body(&[(JSON, "Person", person_example()), (LINES, "text", json!(format!("{}\n", person_example())))])
        .answers("References", &[(LINES, "text")])
        .fails(400, "A line is not a person; nothing of it is quoted")
        .fails(404, "The agreement is unknown")
        .fails(409, "Its secret has not arrived yet")
        .fails(413, "The body is too long")
        .fails(415, "Neither JSON nor NDJSON")
        .add(paths);
    Op::get("/v1/agreements/{id}/tally", "tallies", "Tally statements that are kept, newest date first")
        .token(Action::ReadTallies)
        .query(query::<local::TalliesQuery>())
        .path("id", AGREEMENT, AGREEMENT_EXAMPLE)
        .answers("Signed statements", &[(JSON, "array")])
        .fails(404, "The agreement is unknown")
        .add(paths);
    Op::post("/v1/agreements/{id}/tally", "askTally", "Compute the tally, ask the other parties for theirs, compare")
        .token(Action::AskTallies)
        .query(query::<control::TallyQuery>())
        .path("id", AGREEMENT, AGREEMENT_EXAMPLE)
        .answers("Own statement and the comparison", &[(JSON, "object")])
        .fails(404, "The agreement is unknown, or one of its parties is not followed")
        .add(paths);
}
