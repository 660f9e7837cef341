//! What causes a change.

use std::net::IpAddr;

use crate::audit::actor::Actor;
use crate::audit::trace::TraceId;
use crate::caller::KeyId;

/// The cause of a change, as the audit log records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The API key or the task that causes the change.
    pub actor: Actor,
    /// The id of the API key; none for the key in the configuration, and where there is no key.
    pub key: Option<KeyId>,
    /// The address from which the request came: behind a trusted proxy, the one that the proxy names.
    pub source: Option<IpAddr>,
    /// The id of the HTTP request; none where a task causes the change.
    pub request_id: Option<String>,
    /// The trace that the request belongs to; none where the caller names none.
    pub trace: Option<TraceId>,
}

impl Cause {
    /// Returns a cause that is no request: a task of the service, or a command.
    pub fn without_request(actor: Actor) -> Self {
        Self {
            actor,
            key: None,
            source: None,
            request_id: None,
            trace: None,
        }
    }

    /// Returns the cause of changes that the service makes without a request.
    pub fn reconciler() -> Self {
        Self::without_request(Actor::reconciler())
    }
}
