//! The headers that answers have, beside those of every HTTP answer.

use std::collections::BTreeMap;

use engine_roles_contract::Code;
use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Header, HeaderBuilder, Object, ObjectBuilder, RefOr};

use crate::problem;

type Headers = BTreeMap<String, RefOr<Header>>;

/// Whether an answer always has a header.
#[derive(Clone, Copy)]
enum Presence {
    Always,
    Sometimes,
}

/// Returns the headers of an answer that is not a problem.
pub(super) fn of_success(operation: &str, status: &str) -> Headers {
    let mut headers = of_every_answer();
    let is_change = matches!(operation, "provisionRole" | "tearDownRole");
    let is_of_binding = is_change || operation == "getRole";
    if is_of_binding {
        headers.extend([etag()]);
    }
    if is_of_binding || operation == "listAuditEvents" {
        headers.extend([preference_applied()]);
    }
    if is_change && status == "202" {
        headers.extend([location()]);
        let when = "After how many seconds to read the binding again";
        headers.extend([retry_after(when, Presence::Always)]);
    }
    if operation == "getRole" {
        let when = "After how many seconds to read the binding again; only while work on the binding \
                    is in progress";
        headers.extend([retry_after(when, Presence::Sometimes)]);
    }
    headers
}

/// Returns the headers of a problem with one of these codes, which have one status.
pub(super) fn of_problem(codes: &[Code]) -> Headers {
    let mut headers = of_every_answer();
    let has_retry_after = |code: &Code| problem::retry_after(*code).is_some();
    if codes.iter().any(has_retry_after) {
        let when = "After how many seconds to send the request again; the problem has it as \
                    `retry_after`, too";
        let presence = if codes.iter().all(has_retry_after) {
            Presence::Always
        } else {
            Presence::Sometimes
        };
        headers.extend([retry_after(when, presence)]);
    }
    if codes.contains(&Code::Unauthenticated) {
        headers.extend([header(
            "www-authenticate",
            "How to authenticate",
            Presence::Always,
            text("^Bearer$"),
            json!("Bearer"),
        )]);
    }
    headers
}

fn of_every_answer() -> Headers {
    let id = header(
        "x-request-id",
        "The id of the request, which the service's log and audit log contain: the `X-Request-Id` that \
         the client sent, if it has 1 to 128 of the characters A-Z a-z 0-9 . _ : -, or else a new one",
        Presence::Always,
        text("^[A-Za-z0-9._:-]{1,128}$"),
        json!("0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e"),
    );
    BTreeMap::from([id])
}

fn etag() -> (String, RefOr<Header>) {
    header(
        "etag",
        "The entity tag of the binding, for `If-Match` and `If-None-Match`: its generation and a \
         revision. It changes with every change of the binding.",
        Presence::Always,
        text("^\"[0-9]+-[0-9]+\"$"),
        json!("\"3-17\""),
    )
}

fn location() -> (String, RefOr<Header>) {
    header(
        "location",
        "The path of the binding",
        Presence::Always,
        text("^/v1/clusters/[A-Za-z0-9][A-Za-z0-9_-]{0,62}/role$"),
        json!("/v1/clusters/chct3mqng4af2ckkv3jg/role"),
    )
}

fn preference_applied() -> (String, RefOr<Header>) {
    header(
        "preference-applied",
        "The preferences of `Prefer` that the service used; absent where it used none",
        Presence::Sometimes,
        text("^(respond-async|(respond-async, )?wait=[0-9]+)$"),
        json!("wait=10"),
    )
}

fn retry_after(when: &str, presence: Presence) -> (String, RefOr<Header>) {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    header("retry-after", when, presence, seconds.build(), json!(2))
}

fn text(pattern: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.pattern(Some(pattern)).build()
}

fn header(
    name: &str,
    description: &str,
    presence: Presence,
    schema: Object,
    example: Value,
) -> (String, RefOr<Header>) {
    // utoipa's header has no member for this.
    let required = matches!(presence, Presence::Always);
    let required = required.then(|| Extensions::from_iter([("required", true)]));
    let header = HeaderBuilder::new()
        .extensions(required)
        .schema(Some(schema))
        .description(Some(description))
        .example(Some(example));
    (name.to_owned(), RefOr::T(header.build()))
}
