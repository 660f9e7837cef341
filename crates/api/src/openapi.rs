//! The parts of the OpenAPI document that don't belong to a route.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Engine Roles",
        description = "Provides an AWS IAM role for each AI Unlimited engine cluster and removes it on request. The service creates the role, with access to the secrets of this cluster only, or passes a role that an administrator prepared. The service records a change before making the change, and completes the change even when the caller disconnects. Clients must treat an unknown `code` of a problem by the class of its HTTP status.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
pub(crate) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An API key of the service: 64 characters of A-Z a-z 0-9",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}
