//! Who causes a change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who caused a change: the name of an API key, or a task of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// Returns the actor of changes that the reconciler makes without a request.
    pub fn reconciler() -> Self {
        Self("reconciler".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
