//! The spec of a cluster's role, with all defaults filled in.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::{Region, Scope};
use crate::cluster::secret::Secrets;
use crate::grant::boundary::BoundaryArn;
use crate::grant::kms_key::KmsKeyArn;
use crate::invalid::{Invalid, UnknownWord};
use crate::resources::arn::{IamArn, IamResource};
use crate::resources::names::{ProfileName, RoleName, RolePrefix};
use crate::resources::tags::Tags;

/// The spec of a binding, with all defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// Whether this service creates the role or the administrator prepared it.
    #[serde(flatten)]
    pub mode: ModeSpec,
    /// The secrets that the engine may read.
    pub secrets: Secrets,
    /// Whether the role also lets Session Manager reach the engine's nodes.
    pub session_manager: bool,
    /// The region of the cluster's secrets.
    pub region: Region,
    /// The customer's KMS key that encrypts the secrets, in the region of the secrets; in mode
    /// create only. A binding keeps the key that was configured when the binding was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KmsKeyArn>,
    /// The prefix of the names of created resources.
    pub role_prefix: RolePrefix,
    /// All tags of the created resources but the ownership tags: the administrator's that were
    /// configured when the binding was requested, and the caller's.
    pub tags: Tags,
    /// The keys of those `tags` that are the administrator's. An older release recorded none: all
    /// tags of its bindings count as the caller's. The tags themselves are not recorded a second
    /// time, so that an older release, which does not know this field, keeps them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub administrator_tag_keys: BTreeSet<String>,
}

impl RoleSpec {
    /// Returns the administrator's tags, which a request can't change.
    pub fn administrator_tags(&self) -> Tags {
        let keys = &self.administrator_tag_keys;
        self.tags.filtered(|key, _| keys.contains(key))
    }

    /// Returns the caller's own tags.
    pub fn caller_tags(&self) -> Tags {
        let keys = &self.administrator_tag_keys;
        self.tags.filtered(|key, _| !keys.contains(key))
    }

    /// Returns the spec with the caller's own tags only, so that the caller can request it again.
    #[must_use]
    pub fn as_requested(&self) -> Self {
        Self {
            tags: self.caller_tags(),
            administrator_tag_keys: BTreeSet::new(),
            ..self.clone()
        }
    }
}

/// Who creates the role of a binding, with the details of the mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum ModeSpec {
    /// This service creates a role, an inline policy and an instance profile.
    Create(CreateSpec),
    /// The administrator prepared a role.
    PassThrough(PassThroughSpec),
}

impl ModeSpec {
    /// Returns the mode without its details.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Create(_) => Mode::Create,
            Self::PassThrough(_) => Mode::PassThrough,
        }
    }
}

/// Who creates the role of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This service creates the role.
    Create,
    /// The administrator prepared the role.
    PassThrough,
}

impl Mode {
    /// Returns the word in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::PassThrough => "pass_through",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Create, Self::PassThrough]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// The part of a spec that only a created role has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSpec {
    /// The permissions boundary; none where neither the request nor the administrator named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<BoundaryArn>,
}

/// The part of a spec that only a pass-through role has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassThroughSpec {
    /// The role, as the administrator's list names it.
    pub iam_role: RoleReference,
    /// The administrator's own instance profile for the role; none where this service creates an
    /// instance profile for each cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<ProfileName>,
}

impl PassThroughSpec {
    /// Returns whether the administrator declared the role, as
    /// [`crate::prepared::PassThroughRole::is_declared`] defines it.
    pub fn is_declared(&self) -> bool {
        self.iam_role.arn().is_some() && self.instance_profile.is_some()
    }
}

/// A role by name or by ARN, as the administrator wrote it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RoleReference {
    /// By name. The role's path and ARN are not known.
    Name(RoleName),
    /// By ARN: the role's name and the whole ARN.
    Arn(Box<(RoleName, String)>),
}

impl RoleReference {
    /// Reads a role's name or ARN.
    ///
    /// # Errors
    /// When the text is neither a role's name nor a role's ARN.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.starts_with("arn:") {
            let arn = IamArn::parse(IamResource::Role, text)?;
            let name = RoleName::parse(&arn.name)?;
            return Ok(Self::Arn(Box::new((name, arn.to_string()))));
        }
        RoleName::parse(text).map(Self::Name)
    }

    /// Returns the role's name, without the path.
    pub fn name(&self) -> &RoleName {
        match self {
            Self::Name(name) => name,
            Self::Arn(named) => &named.0,
        }
    }

    /// Returns the role's ARN; none where the role was given by name.
    pub fn arn(&self) -> Option<IamArn> {
        match self {
            Self::Name(_) => None,
            Self::Arn(named) => IamArn::parse(IamResource::Role, &named.1).ok(),
        }
    }

    /// Returns the role's ARN in this account. A role that was given by name is assumed to have no
    /// path.
    pub fn arn_in(&self, scope: &Scope) -> IamArn {
        self.arn().unwrap_or_else(|| IamArn {
            partition: scope.partition,
            account: Some(scope.account.clone()),
            resource: IamResource::Role,
            path: "/".to_owned(),
            name: self.name().as_str().to_owned(),
        })
    }

    /// Returns whether both are the same role. If one was given by name, only the names are
    /// compared.
    pub fn same_role(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Arn(one), Self::Arn(two)) => one.1 == two.1,
            _ => self.name() == other.name(),
        }
    }
}

impl fmt::Display for RoleReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Arn(named) => f.write_str(&named.1),
        }
    }
}

impl fmt::Debug for RoleReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<RoleReference> for String {
    fn from(reference: RoleReference) -> String {
        reference.to_string()
    }
}

impl TryFrom<String> for RoleReference {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}
