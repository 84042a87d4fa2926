//! The operations of the public door: what anybody may read, and what peers sign for.

use super::parts::Op;
use serde_json::json;
use utoipa::openapi::Paths;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const AGREEMENT: &str = "UUID of an agreement";
const AGREEMENT_EXAMPLE: &str = "0198f3c2-eb5f-7ff0-b233-b7fef7242aea";

/// All of them.
pub(super) fn paths() -> Paths {
    let mut paths = Paths::new();
    identity(&mut paths);
    log(&mut paths);
    agreements(&mut paths);
    tallies(&mut paths);
    paths
}

fn identity(paths: &mut Paths) {
    Op::get("/.well-known/hefu", "wellKnown", "Who the node is (at the root of the host)")
        .answers("{protocol, origin, did, url, fingerprint, logKey, witnessKey}", &[(JSON, "object")])
        .add(paths);
    Op::get("/.well-known/did.json", "didDocument", "The DID document (at the root of the host)")
        .answers("A DID document", &[("application/did+json", "object")])
        .add(paths);
    Op::get("/health/live", "live", "The process answers").answers("{status}", &[(JSON, "object")]).add(paths);
    Op::get("/health/ready", "ready", "The database answers and the node signs")
        .answers("{status, size}", &[(JSON, "object")])
        .fails(503, "The node does not sign now")
        .add(paths);
    Op::get("/schemas/{path}", "schema", "A released schema: what a record may say")
        .path("path", "Kind and version", "student-status/v1.schema.json")
        .answers("The file as released", &[("application/schema+json", "object")])
        .fails(404, "No such file")
        .add(paths);
    Op::get("/contexts/{path}", "context", "A released context")
        .path("path", "Version", "v1.jsonld")
        .answers("The file as released", &[("application/ld+json", "object")])
        .fails(404, "No such file")
        .add(paths);
    Op::get("/openapi.json", "publicDocument", "This document")
        .answers("An OpenAPI 3.1 document", &[(JSON, "object")])
        .add(paths);
}

fn log(paths: &mut Paths) {
    Op::get("/checkpoint", "checkpoint", "The last published checkpoint (C2SP tlog-checkpoint)")
        .answers("A signed note", &[(TEXT, "text")])
        .fails(503, "Nothing is signed yet")
        .add(paths);
    Op::get("/tile/{level}/{index}", "tile", "Hashes of a tile (C2SP tlog-tiles), immutable")
        .about("`index` may have slashes, and `.p/<width>` behind it for a partial tile.")
        .path("level", "0 to 5, or `entries`", "0")
        .path("index", "As of C2SP tlog-tiles", "000")
        .answers("32 bytes a hash", &[(BYTES, "text")])
        .fails(404, "No such tile, or another spelling of its path")
        .add(paths);
    Op::get("/tile/entries/{index}", "entryBundle", "A bundle of entries (C2SP tlog-tiles), immutable")
        .path("index", "As of C2SP tlog-tiles", "000")
        .answers("A big-endian 16-bit length and the bytes of each entry", &[(BYTES, "text")])
        .fails(404, "No such bundle, or another spelling of its path")
        .add(paths);
    Op::get("/v1/seen/{origin}", "seen", "The largest valid note seen of an origin")
        .path("origin", "SHA-256 of the origin, 64 hexadecimal digits", &"00".repeat(32))
        .answers("A signed note", &[(TEXT, "text")])
        .fails(404, "No note seen of that origin")
        .add(paths);
}

fn index(name: &str, about: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).required(Required::True);
    parameter.description(Some(about)).schema(Some(schema)).example(Some(json!(0))).build()
}

fn agreements(paths: &mut Paths) {
    Op::get("/v1/agreements", "offers", "The agreements that name the sender")
        .signed()
        .answers("[{document, proofs, linkage?}]", &[(JSON, "array")])
        .add(paths);
    Op::get("/v1/agreements/{id}/records", "page", "A page of the node's records of an agreement, for a party")
        .signed()
        .query(vec![index("from", "First index"), index("until", "Behind the last index, at most the published size")])
        .path("id", AGREEMENT, AGREEMENT_EXAMPLE)
        .answers("NDJSON, compressed with zstd, its last line signed", &[("application/x-ndjson", "text")])
        .fails(403, "The sender is no party")
        .fails(404, "The agreement is unknown")
        .fails(409, "The agreement is not open")
        .add(paths);
    Op::post("/v1/hints", "hint", "There is something new: the next pull comes at once")
        .signed()
        .answers_with(204, "Understood", &[])
        .add(paths);
}

fn tallies(paths: &mut Paths) {
    let question = || json!({"asOf": "2026-09-01", "heads": {"kunming.example": {"size": 8, "root": "A".repeat(43)}}});
    let ask = |path, id, summary| {
        Op::post(path, id, summary)
            .signed()
            .body(&[(JSON, "object", question())])
            .path("id", AGREEMENT, AGREEMENT_EXAMPLE)
            .fails(403, "The sender is no party")
            .fails(404, "The agreement is unknown")
            .fails(409, "Less is held than was asked for")
    };
    ask("/v1/agreements/{id}/tally", "tally", "The node's signed tally statement for a question")
        .answers("A signed statement", &[(JSON, "object")])
        .add(paths);
    ask("/v1/agreements/{id}/tally/buckets", "buckets", "Digests of all buckets, and payloads that are not held")
        .answers("{buckets, states}", &[(JSON, "object")])
        .add(paths);
    ask("/v1/agreements/{id}/tally/buckets/{bucket}", "bucket", "Results of the keys of one bucket")
        .path("bucket", "0 to 4095", "0")
        .answers("{keys}", &[(JSON, "object")])
        .add(paths);
}
