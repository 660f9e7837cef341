//! Parsing of names in the path of a request.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use engine_roles_domain::cluster::ClusterName;

use crate::problem::{self, Problem};

/// The `{cluster}` of a path.
pub(crate) struct Cluster(pub(crate) ClusterName);

impl<S: Send + Sync> FromRequestParts<S> for Cluster {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let text = name.map(|Path(text)| text).unwrap_or_default();
        ClusterName::parse(&text)
            .map(Self)
            .map_err(|error| problem::invalid("cluster", &error))
    }
}
