//! What a service says about itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The name and version of the service, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The name of the service: `engine-roles`.
    pub name: String,
    /// The release of the service, a semantic version.
    pub version: String,
    /// The paths of the interface.
    pub links: Links,
}

/// Paths of the interface, relative to the service's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// The bindings.
    pub clusters: String,
    /// The audit log.
    pub audit: String,
    /// The OpenAPI document.
    pub openapi: String,
    /// The OpenAPI document as a page.
    pub docs: String,
    /// The console, for people.
    pub console: String,
    /// The versions of the service and its interface.
    pub version: String,
    /// Whether the service can answer requests.
    pub readiness: String,
    /// The metrics.
    pub metrics: String,
}

/// The versions of the service and of its interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The name of the service: `engine-roles`.
    pub name: String,
    /// The release of the service, a semantic version.
    pub version: String,
    /// The version of the HTTP interface, as in its paths.
    pub api: String,
}
