//! Parsing of names in the path of a request.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use engine_roles_contract::Code;
use engine_roles_domain::caller::{Caller, ClusterPrefix};
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
        let cluster = ClusterName::parse(&text);
        let cluster = cluster.map_err(|error| problem::invalid("cluster", &error))?;
        // The layer that requires a key has added the caller to every request with a cluster.
        match parts.extensions.get::<Caller>() {
            Some(caller) => must_see(caller, &cluster).map(|()| Self(cluster)),
            None => Err(Problem::internal()),
        }
    }
}

/// Checks that a caller may see a cluster.
pub(crate) fn must_see(caller: &Caller, cluster: &ClusterName) -> Result<(), Problem> {
    if caller.may_see(cluster) {
        return Ok(());
    }
    let prefix = caller.prefix.as_ref().map_or("", ClusterPrefix::as_str);
    let detail = format!("the API key is limited to clusters whose names begin with {prefix}");
    Err(Problem::new(Code::Forbidden, detail))
}
