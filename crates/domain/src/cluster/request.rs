//! A caller's request for a role, and the administrator's settings that complete it.

use std::fmt;

use serde::Deserialize;

use crate::account::Region;
use crate::cluster::limits::Limits;
use crate::cluster::secret::Secrets;
use crate::cluster::spec::{Mode, RoleReference};
use crate::grant::boundary::BoundaryArn;
use crate::grant::kms_key::KmsKeyArn;
use crate::prepared::role::PassThroughRole;
use crate::resources::names::RolePrefix;
use crate::resources::tags::Tags;

/// The parsed fields of a request. An absent field means the value of [`Defaults`] for a new
/// binding, and "unchanged" for a live one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RoleRequest {
    /// Whether this service creates the role or passes a prepared one.
    pub mode: Option<Mode>,
    /// The administrator's role, in mode pass-through only.
    pub iam_role: Option<RoleReference>,
    /// The secrets that the engine may read.
    pub secrets: Option<Secrets>,
    /// Whether Session Manager may reach the engine's nodes.
    pub session_manager: Option<bool>,
    /// The region of the cluster's secrets.
    pub region: Option<Region>,
    /// The prefix of the names of created resources.
    pub role_prefix: Option<RolePrefix>,
    /// The permissions boundary of a created role.
    pub permissions_boundary: Option<BoundaryArn>,
    /// The caller's tags for the created resources.
    pub tags: Option<Tags>,
}

/// The fields that a rejection may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestField {
    /// `mode`, which a live binding keeps.
    Mode,
    /// `iam_role`, which is allowed in mode `pass_through` only.
    IamRole,
    /// `region`, which needs a default where a request does not name one.
    Region,
    /// `role_prefix`, which a live binding keeps.
    RolePrefix,
    /// `permissions_boundary`, which is allowed in mode `create` only.
    PermissionsBoundary,
}

impl RequestField {
    /// Returns the field's name in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::IamRole => "iam_role",
            Self::Region => "region",
            Self::RolePrefix => "role_prefix",
            Self::PermissionsBoundary => "permissions_boundary",
        }
    }
}

impl fmt::Display for RequestField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RoleRequest {
    /// Returns the mode of a new binding of this request. Where the request names neither a mode nor
    /// a role, a prepared role is passed if the administrator has configured a default role, or
    /// permits no other mode.
    pub(crate) fn mode_of_new(&self, defaults: &Defaults) -> Mode {
        let names_role = self.iam_role.is_some() || defaults.iam_role.is_some();
        match self.mode {
            Some(mode) => mode,
            None if names_role || !defaults.limits.modes.permits(&Mode::Create) => {
                Mode::PassThrough
            }
            None => Mode::Create,
        }
    }

    /// Returns whether a new binding of this request may pass a prepared role.
    pub fn may_pass(&self, defaults: &Defaults) -> bool {
        self.mode_of_new(defaults) == Mode::PassThrough
    }
}

/// The administrator's settings for new bindings.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The region where the request names none.
    pub region: Option<Region>,
    /// The pass-through role where the request names neither a role nor mode create.
    pub iam_role: Option<RoleReference>,
    /// The prefix of the names of created resources.
    pub role_prefix: RolePrefix,
    /// The permissions boundary of created roles where the request names none.
    pub permissions_boundary: Option<BoundaryArn>,
    /// The customer's KMS key that encrypts the engines' secrets; none where AWS's own key does.
    pub kms_key: Option<KmsKeyArn>,
    /// The administrator's tags, which all created resources get in addition to the caller's.
    pub tags: Tags,
    /// The roles that may be passed. The default role may be passed even if it is not listed here.
    pub pass_through_roles: Vec<PassThroughRole>,
    /// The boundaries that a request may name, in addition to the default one.
    pub allowed_boundaries: Vec<BoundaryArn>,
    /// What requests may ask for.
    pub limits: Limits,
}

impl Defaults {
    /// Returns the administrator's entry for a role; none where the role may not be passed.
    pub fn pass_through_role(&self, wanted: &RoleReference) -> Option<PassThroughRole> {
        let listed = self
            .pass_through_roles
            .iter()
            .find(|entry| entry.role.same_role(wanted));
        let default = self.iam_role.iter().find(|role| role.same_role(wanted));
        listed.cloned().or_else(|| {
            default.map(|role| PassThroughRole {
                role: role.clone(),
                instance_profile: None,
            })
        })
    }

    /// Returns all roles that may be passed, with the default one, each once.
    pub fn listed_roles(&self) -> Vec<PassThroughRole> {
        let mut listed = self.pass_through_roles.clone();
        let default = self.iam_role.iter();
        let unlisted =
            default.filter(|role| !listed.iter().any(|entry| entry.role.same_role(role)));
        let unlisted: Vec<PassThroughRole> = unlisted
            .map(|role| PassThroughRole {
                role: role.clone(),
                instance_profile: None,
            })
            .collect();
        listed.extend(unlisted);
        listed
    }

    /// Returns whether a request may name this boundary.
    pub fn allows_boundary(&self, wanted: &BoundaryArn) -> bool {
        self.permissions_boundary
            .iter()
            .chain(&self.allowed_boundaries)
            .any(|arn| arn == wanted)
    }
}
