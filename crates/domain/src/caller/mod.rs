mod key;
mod principal;
mod scopes;

pub use key::{ClusterPrefix, KeyId, KeyName};
pub use principal::{AwsIdentity, Principal, ServerName};
pub use scopes::{KeyScope, KeyScopes};

use crate::audit::Actor;
use crate::cluster::ClusterName;

/// Who sends a request, and what the sender may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name in the audit log.
    pub actor: Actor,
    /// The API key or the token; none for the key in the configuration, and where no key is needed.
    pub key: Option<KeyId>,
    /// The AWS principal to which a token belongs; none for an API key.
    pub principal: Option<Principal>,
    /// The kinds of requests that the sender may make.
    pub scopes: KeyScopes,
    /// The clusters that the sender may see and change; none for all.
    pub prefix: Option<ClusterPrefix>,
}

impl Caller {
    /// Returns a caller with all rights.
    pub fn unlimited(actor: Actor) -> Self {
        Self {
            actor,
            key: None,
            principal: None,
            scopes: KeyScopes::all(),
            prefix: None,
        }
    }

    /// Returns whether the caller may make requests of this kind.
    pub fn may(&self, scope: KeyScope) -> bool {
        self.scopes.contains(scope)
    }

    /// Returns whether the caller may see and change this cluster's role.
    pub fn may_see(&self, cluster: &ClusterName) -> bool {
        let prefix = self.prefix.as_ref();
        prefix.is_none_or(|prefix| cluster.as_str().starts_with(prefix.as_str()))
    }

    /// Returns what identifies the sender: its AWS principal, whose tokens follow one another, or the id
    /// of its key, or else the actor's name.
    pub fn identity(&self) -> String {
        match (&self.principal, self.key) {
            (Some(principal), _) => principal.to_string(),
            (None, Some(key)) => key.to_string(),
            (None, None) => self.actor.to_string(),
        }
    }
}
