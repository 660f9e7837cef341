//! What a service says about itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The name and version of the service, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The name of the service: `engine-roles`.
    #[schema(example = "engine-roles")]
    pub name: String,
    /// The release of the service, a semantic version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// The paths of the interface.
    pub links: Links,
}

/// Paths of the interface, relative to the service's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// The bindings.
    #[schema(example = "/v1/clusters")]
    pub clusters: String,
    /// The audit log.
    #[schema(example = "/v1/audit")]
    pub audit: String,
    /// The OpenAPI document.
    #[schema(example = "/openapi.json")]
    pub openapi: String,
    /// The versions of the service and its interface.
    #[schema(example = "/version")]
    pub version: String,
    /// Whether the service can answer requests.
    #[schema(example = "/readyz")]
    pub readiness: String,
    /// The metrics.
    #[schema(example = "/metrics")]
    pub metrics: String,
}

/// The versions of the service and of its interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The name of the service: `engine-roles`.
    #[schema(example = "engine-roles")]
    pub name: String,
    /// The release of the service, a semantic version.
    #[schema(example = "1.2.0")]
    pub version: String,
    /// The version of the HTTP interface, as in its paths.
    #[schema(example = "v1")]
    pub api: String,
}
