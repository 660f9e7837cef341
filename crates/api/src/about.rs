//! What the service says about itself: `/` and `/version`.

use axum::Json;
use engine_roles_contract::{About, Links, Version};

const NAME: &str = "engine-roles";
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Return the name and version of the service, with links.
///
/// A load balancer may ask this path: it answers 200 while the process runs.
#[utoipa::path(get, path = "/", operation_id = "getAbout", tag = "health", security(()), responses(
        (status = 200, body = About, description = "Name, version and links"),
    ))]
pub(crate) async fn show() -> Json<About> {
    Json(About {
        name: NAME.to_owned(),
        version: RELEASE.to_owned(),
        links: Links {
            clusters: "/v1/clusters".to_owned(),
            audit: "/v1/audit".to_owned(),
            openapi: "/openapi.json".to_owned(),
            docs: "/docs".to_owned(),
            console: "/console".to_owned(),
            version: "/version".to_owned(),
            readiness: "/readyz".to_owned(),
            metrics: "/metrics".to_owned(),
        },
    })
}

/// Return the versions of the service and of its interface.
///
/// The version of the interface is the one in its paths; it changes only when clients have to change.
#[utoipa::path(get, path = "/version", operation_id = "getVersion", tag = "health", security(()), responses(
        (status = 200, body = Version, description = "The versions"),
    ))]
pub(crate) async fn version() -> Json<Version> {
    Json(Version {
        name: NAME.to_owned(),
        version: RELEASE.to_owned(),
        api: "v1".to_owned(),
    })
}
