//! Who sends a request that changes something.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engine_roles_domain::binding::Cause;
use engine_roles_domain::caller::Caller;
use engine_roles_provisioner::Permit;

use crate::problem::Problem;
use crate::request_context::RequestId;

/// The sender of a request, whose key was checked.
pub(crate) struct Sender {
    pub(crate) caller: Caller,
    /// How long the key is valid.
    pub(crate) permit: Permit,
    request_id: String,
}

impl Sender {
    /// Returns the cause of what the request changes.
    pub(crate) fn cause(&self) -> Cause {
        Cause {
            actor: self.caller.actor.clone(),
            request_id: Some(self.request_id.clone()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let extensions = &parts.extensions;
        let caller = extensions.get::<Caller>().cloned();
        let permit = extensions.get::<Permit>().cloned();
        let id = extensions.get::<RequestId>().cloned();
        // The layers around every route under `/v1` have added all three.
        let (Some(caller), Some(permit), Some(RequestId(request_id))) = (caller, permit, id) else {
            return Err(Problem::internal());
        };
        Ok(Self {
            caller,
            permit,
            request_id,
        })
    }
}
