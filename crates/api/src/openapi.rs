//! The parts of the OpenAPI document that don't belong to a route.

mod codes;
mod examples;
mod headers;
mod problems;
mod requests;

#[cfg(test)]
pub(crate) use codes::of as codes_of;
use engine_roles_contract::text::{EntityTags, PolicyName, StateList, TilePath};
use engine_roles_contract::{AuditAction, Code, Problem};
use engine_roles_domain::caller::KeyScope;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, RefOr, Schema};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Engine Roles",
        description = "Provides an AWS IAM role for each AI Unlimited engine cluster and removes it on request. The service creates the role, with access to the secrets of this cluster only, or passes a role that an administrator prepared. The service records a change before making the change, and completes the change even when the caller disconnects. Clients must treat an unknown `code` of a problem by the class of its HTTP status.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "Engine Roles"),
    ),
    servers((url = "/", description = "The service that serves this document")),
    tags(
        (name = "roles", description = "Roles of clusters: provisioning, reading, teardown, and what they can reach"),
        (name = "policies", description = "Policy documents, prepared roles, and what the service's own identity may do"),
        (name = "audit", description = "The audit log"),
        (name = "service", description = "The running service itself"),
        (name = "login", description = "Logins with an AWS identity, which need no key"),
        (name = "health", description = "Health checks and metrics, which need no key"),
    ),
    components(schemas(AuditAction, EntityTags, PolicyName, Problem, StateList, TilePath)),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
pub(crate) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key of the service, or the token of a login: 64 characters of A-Z a-z 0-9. A key has one or several of the \
                 scopes `provision`, `read` and `audit`; the description of each operation names the one that \
                 it needs. A key may be limited to clusters whose names begin with a prefix: other clusters \
                 get 403, and lists and the audit log leave them out.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The schemas some of whose members may be absent: requests, and what says so in its members.
const WITH_ABSENT_MEMBERS: [&str; 5] = [
    "AwsLogin",
    "LogLevelRequest",
    "RoleRequest",
    "Problem",
    "Spec",
];

/// Completes the document that the routes make: with the problems and the headers of each operation,
/// with the members that answers always have, and with parameters of paths as OpenAPI names them.
pub(crate) fn complete(mut document: Document) -> Document {
    let mut codes = Vec::new();
    for item in document.paths.paths.values_mut() {
        let methods = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
        ];
        for operation in methods.into_iter().flatten() {
            requests::complete(operation);
            name_scope(operation);
            codes.extend(complete_answers(operation));
        }
    }
    if let Some(components) = &mut document.components {
        components.examples.extend(problems::examples(&codes));
        list_required_members(components);
    }
    // OpenAPI has no parameter that takes several segments, which axum writes with an asterisk.
    let paths = std::mem::take(&mut document.paths.paths).into_iter();
    let paths = paths.map(|(path, item)| (path.replace("{*", "{"), item));
    document.paths.paths = paths.collect();
    document
}

/// Says which scope an API key needs for an operation; nothing for an operation without a key.
fn name_scope(operation: &mut Operation) {
    let scope = match operation.operation_id.as_deref().unwrap_or_default() {
        _ if operation.security.is_some() => return,
        "listAuditEvents"
        | "getAuditCheckpoint"
        | "proveAuditEvent"
        | "proveAuditConsistency"
        | "getAuditTile" => KeyScope::Audit,
        "provisionRole" | "tearDownRole" => KeyScope::Provision,
        _ => KeyScope::Read,
    };
    let needed = format!("Needs an API key with the scope `{}`.", scope.as_str());
    operation.description = Some(match operation.description.take() {
        Some(description) => format!("{description}\n\n{needed}"),
        None => needed,
    });
}

/// Adds the problems of an operation to its answers, and the headers of each answer. Returns the codes of
/// the problems.
fn complete_answers(operation: &mut Operation) -> Vec<Code> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let answers = &mut operation.responses.responses;
    for (status, answer) in answers.iter_mut() {
        if let RefOr::T(answer) = answer {
            answer.headers = headers::of_success(id, status);
            for (kind, content) in &mut answer.content {
                if let RefOr::T(content) = content {
                    content.example = if kind == "application/x-ndjson" {
                        Some(examples::event_line())
                    } else {
                        examples::of_answer(id, status)
                    };
                }
            }
        }
    }
    let codes = codes::of(id).unwrap_or_default();
    for (status, answer) in problems::answers(&codes) {
        answers.entry(status).or_insert(answer);
    }
    codes
}

/// Lists the members of an answer as required: they are always present, null where nothing is known.
fn list_required_members(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        if WITH_ABSENT_MEMBERS.contains(&name.as_str()) {
            continue;
        }
        if let RefOr::T(Schema::Object(object)) = schema {
            object.required = object.properties.keys().cloned().collect();
        }
    }
}

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;
