//! The administrator's list of pass-through roles.

use crate::cluster::spec::RoleReference;
use crate::prepared::held::HeldRole;
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
    /// Returns what IAM returned about this entry: the role that the entry's instance profile contains,
    /// or else the listed role. None where IAM showed another role than the listed one under its name,
    /// outside of the profile.
    pub fn shown(&self, held: HeldRole) -> Option<HeldRole> {
        let shown = held.role.arn.as_deref();
        let shown = shown.and_then(|arn| RoleReference::parse(arn).ok());
        let is_listed = self.role.arn().is_none()
            || shown
                .as_ref()
                .is_some_and(|role| role.same_role(&self.role));
        let is_in_profile = shown.is_some_and(|role| {
            let mut profile = held.profile.iter();
            profile.any(|profile| profile.contains(&role))
        });
        (is_listed || is_in_profile).then_some(held)
    }

    /// Returns whether the administrator declared the role: the entry has the role's ARN and the
    /// instance profile, so the role can be used without reading IAM.
    pub fn is_declared(&self) -> bool {
        self.role.arn().is_some() && self.instance_profile.is_some()
    }
}
