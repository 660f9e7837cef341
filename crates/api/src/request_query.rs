//! Strict parsing of query strings.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use engine_roles_contract::Code;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A query string. A parameter that is unknown or has the wrong type is rejected by its name.
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            Problem::field(Code::InvalidRequest, "query", rejection.body_text())
        })
    }
}
