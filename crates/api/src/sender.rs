//! Who sends a request that changes something.

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use engine_roles_domain::audit::{Cause, TraceId};
use engine_roles_domain::caller::Caller;
use engine_roles_provisioner::Permit;

use crate::problem::Problem;
use crate::request_context::{RequestId, Source};

/// The sender of a request, whose key was checked.
pub(crate) struct Sender {
    pub(crate) caller: Caller,
    /// How long the key is valid.
    pub(crate) permit: Permit,
    cause: Cause,
}

impl Sender {
    /// Returns the cause of what the request changes.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.clone()
    }
}

/// Returns a request as the cause of events, from what the layers around the route have added to it.
pub(crate) fn cause(caller: &Caller, extensions: &Extensions) -> Cause {
    let id = extensions.get::<RequestId>();
    Cause {
        actor: caller.actor.clone(),
        key: caller.key,
        source: extensions.get::<Source>().map(|source| source.0),
        request_id: id.map(|RequestId(id)| id.clone()),
        trace: extensions.get::<TraceId>().cloned(),
    }
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let extensions = &parts.extensions;
        let caller = extensions.get::<Caller>().cloned();
        let permit = extensions.get::<Permit>().cloned();
        // The layer that requires a key has added both to every request under `/v1`.
        let (Some(caller), Some(permit)) = (caller, permit) else {
            return Err(Problem::internal());
        };
        Ok(Self {
            cause: cause(&caller, extensions),
            caller,
            permit,
        })
    }
}
