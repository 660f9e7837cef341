//! Which AWS identities may log in, and what they may do then.

use std::time::Duration;

use engine_roles_domain::account::{Partition, Region};
use engine_roles_domain::caller::{AwsIdentity, ClusterPrefix, KeyScopes, Principal, ServerName};

/// What an AWS principal may do after its login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRule {
    /// The role or the user.
    pub principal: Principal,
    /// The kinds of requests that the principal may make.
    pub scopes: KeyScopes,
    /// The clusters that the principal may see and change; none for all.
    pub prefix: Option<ClusterPrefix>,
}

/// How AWS identities log in.
#[derive(Clone, Debug)]
pub struct AwsLoginSettings {
    /// The name for which callers sign their requests, so that no request for another service is accepted.
    pub server: ServerName,
    /// What each principal may do. Others can't log in.
    pub rules: Vec<AwsRule>,
    /// The regions for whose STS callers may sign; where none is listed, only the region to whose STS the
    /// service sends its own calls. With any region, strangers could keep the service waiting for one that
    /// it can't reach.
    pub regions: Vec<Region>,
    /// How long a token is valid.
    pub lifetime: Duration,
}

impl AwsLoginSettings {
    /// Returns what an identity may do; none for one that may not log in.
    pub(crate) fn rule(&self, identity: &AwsIdentity) -> Option<&AwsRule> {
        let mut rules = self.rules.iter();
        rules.find(|rule| rule.principal == *identity.principal())
    }

    /// Returns the regions for whose STS callers may sign. `own` is that of the service's own calls.
    pub(crate) fn regions<'a>(&'a self, own: &'a str) -> Vec<&'a str> {
        if self.regions.is_empty() {
            vec![own]
        } else {
            self.regions.iter().map(Region::as_str).collect()
        }
    }

    /// Returns whether an identity of this partition may log in.
    pub(crate) fn has_partition(&self, partition: Option<Partition>) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| Some(rule.principal.scope().partition) == partition)
    }
}
