//! The administrator's list of pass-through roles.

use crate::cluster::spec::RoleReference;
use crate::resources::names::ProfileName;

/// A role that the administrator prepared, as the configuration lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassThroughRole {
    /// The role, by name or by ARN.
    pub role: RoleReference,
    /// The administrator's instance profile for the role; none where this service creates one for
    /// each cluster.
    pub instance_profile: Option<ProfileName>,
}

impl PassThroughRole {
    /// Returns whether the administrator declared the role: the entry has the role's ARN and the
    /// instance profile, so the role can be used without reading IAM.
    pub fn is_declared(&self) -> bool {
        self.role.arn().is_some() && self.instance_profile.is_some()
    }
}
