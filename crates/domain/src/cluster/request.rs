//! What a caller asks for, and the administrator's settings that fill in the rest.

use std::fmt;

use serde::Deserialize;

use crate::account::Region;
use crate::cluster::secret::Secrets;
use crate::cluster::spec::{Mode, RoleReference};
use crate::grant::boundary::BoundaryArn;
use crate::grant::kms_key::KmsKeyArn;
use crate::prepared::role::PassThroughRole;
use crate::resources::names::RolePrefix;
use crate::resources::tags::Tags;

/// The fields of a request, parsed. For a new binding what is absent comes from the
/// [`Defaults`]; for a live one, absent means unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RoleRequest {
    /// Where the role shall come from.
    pub mode: Option<Mode>,
    /// The administrator's role, in pass-through only.
    pub iam_role: Option<RoleReference>,
    /// The secrets that the engine may read.
    pub secrets: Option<Secrets>,
    /// Whether Session Manager may reach the nodes.
    pub session_manager: Option<bool>,
    /// Where the secrets are.
    pub region: Option<Region>,
    /// Put before the name of what is made.
    pub role_prefix: Option<RolePrefix>,
    /// The most that a created role may ever have.
    pub permissions_boundary: Option<BoundaryArn>,
    /// The user's tags.
    pub tags: Option<Tags>,
}

/// The fields of a request that a decision may object to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestField {
    /// `mode`, which a live binding keeps.
    Mode,
    /// `iam_role`, which goes with mode `pass_through`.
    IamRole,
    /// `region`, which needs a default where a request leaves it open.
    Region,
    /// `role_prefix`, which a live binding keeps.
    RolePrefix,
    /// `permissions_boundary`, which goes with mode `create`.
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
    /// Whether a new binding by this request may pass a prepared role.
    pub fn may_pass(&self, defaults: &Defaults) -> bool {
        match self.mode {
            Some(mode) => mode == Mode::PassThrough,
            None => self.iam_role.is_some() || defaults.iam_role.is_some(),
        }
    }
}

/// The administrator's settings.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Where engines run.
    pub region: Option<Region>,
    /// The role that is passed where the request names none.
    pub iam_role: Option<RoleReference>,
    /// Put before the name of what is made.
    pub role_prefix: RolePrefix,
    /// Set on created roles.
    pub permissions_boundary: Option<BoundaryArn>,
    /// The key under which the engines' secrets are encrypted, where it is the customer's own.
    pub kms_key: Option<KmsKeyArn>,
    /// Put on everything created.
    pub tags: Tags,
    /// The roles that may be passed; the default role is always one of them.
    pub pass_through_roles: Vec<PassThroughRole>,
    /// Boundaries that a request may name beside the default one.
    pub allowed_boundaries: Vec<BoundaryArn>,
}

impl Defaults {
    /// The administrator's entry for a role, if it may be passed.
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

    /// All roles that may be passed, the default one among them, each once.
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

    /// Whether a request may name this boundary.
    pub fn allows_boundary(&self, wanted: &BoundaryArn) -> bool {
        self.permissions_boundary
            .iter()
            .chain(&self.allowed_boundaries)
            .any(|arn| arn == wanted)
    }
}
