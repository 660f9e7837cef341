//! Parsing of names in the path of a request.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use engine_roles_contract::Code;
use engine_roles_domain::caller::Caller;
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
        let caller = parts.extensions.get::<Caller>();
        if caller.is_some_and(|caller| caller.may_see(&cluster)) {
            return Ok(Self(cluster));
        }
        let detail = "the API key is limited to clusters whose names begin otherwise";
        Err(Problem::new(Code::Forbidden, detail))
    }
}
