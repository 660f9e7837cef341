//! Who looks at a page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use engine_roles_domain::caller::{Caller, ClusterPrefix, KeyScope};

use crate::problem::Problem;
use crate::request_context::HX_REQUEST;

/// Who looks at a page, with the rights of the session.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) caller: Caller,
    /// When the session ends; none where the service needs no key.
    pub(super) ends_at: Option<DateTime<Utc>>,
    /// Whether the script of a page that is open asks for the part that it refreshes.
    pub(super) is_refresh: bool,
}

impl Viewer {
    pub(super) fn may(&self, scope: KeyScope) -> bool {
        self.caller.may(scope)
    }

    /// Returns the first characters of the clusters that the session shows; none for all clusters.
    pub(super) fn prefix(&self) -> Option<&str> {
        self.caller.prefix.as_ref().map(ClusterPrefix::as_str)
    }
}

/// Returns whether the script of a page that is open sends this request.
pub(super) fn is_refresh(parts: &Parts) -> bool {
    parts.headers.contains_key(HX_REQUEST)
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // The layer that requires a session has added it.
        let viewer = parts.extensions.get::<Self>().cloned();
        viewer.ok_or_else(Problem::internal)
    }
}
