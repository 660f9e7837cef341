//! The parameters and bodies of requests, as far as the routes do not describe them.

use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{OneOf, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Required, Schema};

use super::examples;

/// Completes the parameters and the body of an operation.
pub(super) fn complete(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            not_null(parameter);
        }
    }
    let id = operation.operation_id.as_deref().unwrap_or_default();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        // An absent body is read as an empty object, which is a request for a role.
        let has_required_members = matches!(id, "loginWithAws" | "setLogLevel");
        body.required = Some(if has_required_members {
            Required::True
        } else {
            Required::False
        });
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.examples = examples::of_request(id);
            }
        }
    }
}

/// Removes null from what a parameter may be: a header or a query has only text. An optional one is
/// absent.
fn not_null(parameter: &mut Parameter) {
    match &mut parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => {
            if let SchemaType::Array(types) = &object.schema_type {
                let kept = types.iter().find(|kind| **kind != Type::Null);
                object.schema_type = SchemaType::Type(kept.cloned().unwrap_or(Type::String));
            }
        }
        Some(RefOr::T(Schema::OneOf(any))) => {
            if let Some(text) = reference(any) {
                parameter.schema = Some(RefOr::Ref(text));
            }
        }
        _ => {}
    }
}

fn reference(any: &OneOf) -> Option<Ref> {
    let references = any.items.iter();
    let mut references = references.filter_map(|item| match item {
        RefOr::Ref(reference) => Some(reference.clone()),
        RefOr::T(_) => None,
    });
    references.next()
}
