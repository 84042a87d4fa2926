//! What the tables of operations are put together from: operations, parameters, bodies, answers, schemas.

use super::Door;
use crate::http::{local, search};
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, ObjectBuilder, OneOfBuilder, Paths, Ref, RefOr, Required, Response,
    ResponseBuilder, Schema, SecurityRequirement, Type,
};

/// Content type of problems.
const PROBLEM: &str = "application/problem+json";

/// An operation in the making.
pub(super) struct Op {
    method: HttpMethod,
    path: &'static str,
    builder: OperationBuilder,
}

impl Op {
    /// An operation with its id and one line on what it does. Every error is a problem.
    pub(super) fn new(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Self {
        let builder = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        Self { method, path, builder: builder.response("default", problem("Any other problem")) }
    }

    /// `GET`.
    pub(super) fn get(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Get, path, id, summary)
    }

    /// `POST`.
    pub(super) fn post(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Post, path, id, summary)
    }

    /// More on what it does.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.builder = self.builder.description(Some(text));
        self
    }

    /// Needs a token with an action.
    pub(super) fn token(mut self, action: crate::token::Action) -> Self {
        self.builder = self.builder.security(SecurityRequirement::new("token", [action.code()]));
        self.fails(401, "No token, or not a good one").fails(403, "The token does not allow this")
    }

    /// Needs the signature of a peer.
    pub(super) fn signed(mut self) -> Self {
        self.builder = self.builder.security(SecurityRequirement::new("signature", Vec::<String>::new()));
        self.fails(401, "The signature was not accepted")
    }

    /// Parameters of a query.
    pub(super) fn query(mut self, parameters: Vec<Parameter>) -> Self {
        self.builder = self.builder.parameters(Some(parameters));
        self
    }

    /// A parameter of the path.
    pub(super) fn path(mut self, name: &str, about: &str, example: &str) -> Self {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        let parameter = parameter.description(Some(about)).schema(Some(of(Type::String))).example(Some(json!(example)));
        self.builder = self.builder.parameter(parameter.build());
        self
    }

    /// A body, in some content types.
    pub(super) fn body(mut self, contents: &[(&str, &str, Value)]) -> Self {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for (content_type, schema, example) in contents {
            let content = ContentBuilder::new().schema(Some(named_or_text(schema))).example(Some(example.clone()));
            body = body.content(*content_type, content.build());
        }
        self.builder = self.builder.request_body(Some(RequestBody::from(body)));
        self
    }

    /// The good answer: content types with their schemas.
    pub(super) fn answers(self, about: &str, contents: &[(&str, &str)]) -> Self {
        self.answers_with(200, about, contents)
    }

    /// A good answer of another status.
    pub(super) fn answers_with(mut self, status: u16, about: &str, contents: &[(&str, &str)]) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        for (content_type, schema) in contents {
            let content = ContentBuilder::new().schema(Some(named_or_text(schema)));
            response = response.content(*content_type, content.build());
        }
        self.builder = self.builder.response(status.to_string(), response.build());
        self
    }

    /// A problem that is to be expected.
    pub(super) fn fails(mut self, status: u16, about: &str) -> Self {
        self.builder = self.builder.response(status.to_string(), problem(about));
        self
    }

    /// Adds it to the paths.
    pub(super) fn add(self, paths: &mut Paths) {
        let operation: Operation = self.builder.build();
        paths.add_path_operation(self.path, vec![self.method], operation);
    }
}

fn problem(about: &str) -> Response {
    let schema: RefOr<Schema> = Ref::from_schema_name("Problem").into();
    let content = ContentBuilder::new().schema(Some(schema));
    ResponseBuilder::new().description(about).content(PROBLEM, content.build()).build()
}

/// A schema of the components by its name, or one of a type: `text`, `object` or `array`.
fn named_or_text(name: &str) -> RefOr<Schema> {
    match name {
        "text" => of(Type::String),
        "object" => of(Type::Object),
        "array" => of(Type::Array),
        name => Ref::from_schema_name(name).into(),
    }
}

fn of(schema_type: Type) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(schema_type).build().into()
}

/// An object with required and optional members, each with its type and what it is.
fn object(about: &str, members: &[(&str, Type, &str, bool)], example: Value) -> Schema {
    let mut object = ObjectBuilder::new().schema_type(Type::Object).description(Some(about)).examples([example]);
    for (name, member, about, required) in members {
        let schema = ObjectBuilder::new().schema_type(member.clone()).description(Some(*about));
        object = object.property(*name, schema.build());
        if *required {
            object = object.required(*name);
        }
    }
    Schema::Object(object.build())
}

/// The schemas of a door.
pub(super) fn schemas(components: ComponentsBuilder, door: Door) -> ComponentsBuilder {
    let components = components.schema("Problem", problem_schema());
    match door {
        Door::Public => components,
        Door::Local => components
            .schema_from::<search::Query>()
            .schema_from::<search::Page>()
            .schema_from::<search::Row>()
            .schema_from::<local::Statement>()
            .schema("Draft", draft_schema())
            .schema("Receipt", receipt_schema())
            .schema("Checked", checked_schema())
            .schema("Published", published_schema())
            .schema("Person", person_schema())
            .schema("Reference", reference_schema())
            .schema("Finding", finding_schema())
            .schema("Findings", findings_schema()),
    }
}

fn problem_schema() -> Schema {
    let text = |name, about| (name, Type::String, about, true);
    object(
        "A problem (RFC 9457). docs/ERRORS.md lists the codes; some have further members, e.g. `violations`.",
        &[
            text("type", "URL of the code"),
            text("code", "The stable code"),
            ("status", Type::Integer, "The HTTP status", true),
            text("title", "What it means, in English"),
            text("titleZh", "What it means, in Chinese"),
            text("detail", "What exactly was seen; never a value of a record"),
            text("hint", "What to do about it, in English"),
            text("hintZh", "What to do about it, in Chinese"),
        ],
        json!({
            "type": "https://w3id.org/hefu/problems/token-refused",
            "code": "token-refused",
            "status": 401,
            "title": "a token is missing, or it is unknown, expired or revoked",
            "titleZh": "令牌缺失、无效、已过期或已撤销",
            "detail": "",
            "hint": "send `Authorization: Bearer hefu_…`",
            "hintZh": "在 Authorization 头中使用 Bearer 令牌",
        }),
    )
}

/// A draft as people begin with.
pub(super) fn draft_example() -> Value {
    json!({"draftId": "sis-2026-000123", "record": {
        "type": ["VerifiableCredential", "StudentStatus"],
        "validFrom": "2026-09-01T00:00:00+08:00",
        "termsOfUse": [{"type": "Agreement", "id": "urn:uuid:0198f3c2-eb5f-7ff0-b233-b7fef7242aea", "version": 1}],
        "statedBy": {"scheme": "gb-t-2260", "code": "530102", "name": {"zh": "五华区教育体育局"}},
        "credentialSubject": {
            "id": "urn:hefu:subject:1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "stage": "primary", "status": "enrolled", "event": "enter", "effectiveOn": "2026-09-01",
        },
    }})
}

fn draft_schema() -> Schema {
    object(
        "A draft: the node adds contexts, issuer, schema, proof, and the id if none is given. What a record may say is in \
         /schemas/ of the public door.",
        &[
            ("draftId", Type::String, "[A-Za-z0-9._:-]{1,128}: the same draft again gives its first receipt", false),
            ("record", Type::Object, "The record without what the node adds", true),
        ],
        draft_example(),
    )
}

fn receipt_schema() -> Schema {
    object(
        "A receipt: the record is in the log, under the published checkpoint of `size`.",
        &[
            ("draftId", Type::String, "Of the draft", true),
            ("id", Type::String, "URN of the record", true),
            ("index", Type::Integer, "Where it stands in the log", true),
            ("leafHash", Type::String, "Hash of its entry, hexadecimal", true),
            ("size", Type::Integer, "Size of the checkpoint that covers it", true),
        ],
        json!({"draftId": "sis-2026-000123", "id": "urn:uuid:0198f3c2-eb5f-7ff0-b233-b7fef7242aea", "index": 7,
            "leafHash": "00".repeat(32), "size": 8}),
    )
}

fn checked_schema() -> Schema {
    object(
        "All drafts are good; a dry run publishes none.",
        &[("drafts", Type::Integer, "How many", true), ("published", Type::Integer, "0", true)],
        json!({"drafts": 1, "published": 0}),
    )
}

fn published_schema() -> Schema {
    let one = OneOfBuilder::new().item(Ref::from_schema_name("Receipt")).item(Ref::from_schema_name("Checked"));
    Schema::OneOf(one.build())
}

/// A person as it is asked about: the specimen of ICAO's passport standard.
pub(super) fn person_example() -> Value {
    json!({"scheme": "passport:UTO", "id": "L898902C3"})
}

fn person_schema() -> Schema {
    object(
        "An identifier of a person. It is used on this node alone, and neither stored nor logged.",
        &[
            ("scheme", Type::String, "e.g. cn-resident-id", true),
            ("id", Type::String, "The identifier", true),
            ("name", Type::String, "With sex and birthDate: for an identity check", false),
            ("sex", Type::String, "M, F or X", false),
            ("birthDate", Type::String, "YYYY-MM-DD", false),
        ],
        person_example(),
    )
}

fn reference_schema() -> Schema {
    object(
        "A subject reference.",
        &[
            ("subject", Type::String, "urn:hefu:subject:<epoch>:<43 characters>", true),
            ("identityCheck", Type::String, "When name, sex and birth date were given", false),
        ],
        json!({"subject": "urn:hefu:subject:1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
    )
}

fn finding_schema() -> Schema {
    let text = |name, about| (name, Type::String, about, true);
    object(
        "An open finding.",
        &[
            text("id", "64 hexadecimal digits"),
            text("rule", "Code of the rule, e.g. S4"),
            text("severity", "critical, error, warning or notice"),
            text("about", "The step, member or component"),
            ("evidence", Type::Array, "{origin, index, record} of the records that it rests on", true),
            ("members", Type::Array, "Members of the records that differ", true),
            ("owner", Type::Object, "{party, office?}: who is to act", true),
            ("text", Type::Object, "For people, by language", true),
            ("title", Type::Object, "Of the rule, by language", true),
            text("key", "The subject or connection that it concerns"),
            ("records", Type::Array, "With records=true: the records of both sides", false),
        ],
        json!({"id": "00".repeat(32), "rule": "S4"}),
    )
}

fn findings_schema() -> Schema {
    object(
        "Open findings, gravest first, and how many there are by rule.",
        &[
            ("findings", Type::Array, "The findings of this page", true),
            ("counts", Type::Array, "{rule, severity, count}", true),
        ],
        json!({"findings": [], "counts": [{"rule": "S4", "severity": "error", "count": 2}]}),
    )
}
