//! The administrator's list of pass-through roles.

use crate::cluster::spec::RoleReference;
use crate::resources::names::ProfileName;

/// A role that the administrator prepared, as the configuration lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassThroughRole {
    /// The role.
    pub role: RoleReference,
    /// The administrator's instance profile around it; none where one is made per cluster.
    pub instance_profile: Option<ProfileName>,
}

impl PassThroughRole {
    /// Whether the entry says all that is needed to use the role without asking IAM: the role by
    /// its ARN, and the profile. The administrator then answers for it.
    pub fn is_declared(&self) -> bool {
        self.role.arn().is_some() && self.instance_profile.is_some()
    }
}
