//! What a cluster's role should be, resolved: nothing is left to a default.

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

/// The resolved specification of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// Where the role comes from.
    #[serde(flatten)]
    pub mode: ModeSpec,
    /// The secrets that the engine may read.
    pub secrets: Secrets,
    /// Whether the role also lets Session Manager reach the engine's nodes.
    pub session_manager: bool,
    /// Where the secrets are.
    pub region: Region,
    /// The customer's key under which the secrets are encrypted, in the region of the secrets;
    /// in mode create only. It is the administrator's when the role is made, and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KmsKeyArn>,
    /// Put before the name of what is made.
    pub role_prefix: RolePrefix,
    /// The user's tags on what is made.
    pub tags: Tags,
}

/// Where the role of a binding comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum ModeSpec {
    /// The service makes a role, an inline policy and an instance profile.
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

/// Where the role of a binding comes from, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Made by this service.
    Create,
    /// Prepared by the administrator.
    PassThrough,
}

impl Mode {
    /// The word that stands in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::PassThrough => "pass_through",
        }
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

/// What is special to a created role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSpec {
    /// The most that the role may ever have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<BoundaryArn>,
}

/// What is special to a role that the administrator prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassThroughSpec {
    /// The role.
    pub iam_role: RoleReference,
    /// The administrator's own instance profile around the role; none where one is made per
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<ProfileName>,
}

impl PassThroughSpec {
    /// As [`crate::prepared::PassThroughRole::is_declared`].
    pub fn is_declared(&self) -> bool {
        self.iam_role.arn().is_some() && self.instance_profile.is_some()
    }
}

/// A role by name or by ARN, as the administrator wrote it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RoleReference {
    /// By name; its path and so its ARN are not known.
    Name(RoleName),
    /// By ARN.
    Arn(Box<(RoleName, String)>),
}

impl RoleReference {
    /// Reads a role's name or ARN.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.starts_with("arn:") {
            let arn = IamArn::parse(IamResource::Role, text)?;
            let name = RoleName::parse(&arn.name)?;
            return Ok(Self::Arn(Box::new((name, arn.to_string()))));
        }
        RoleName::parse(text).map(Self::Name)
    }

    /// The role's name.
    pub fn name(&self) -> &RoleName {
        match self {
            Self::Name(name) => name,
            Self::Arn(named) => &named.0,
        }
    }

    /// The role's ARN, where it was given.
    pub fn arn(&self) -> Option<IamArn> {
        match self {
            Self::Name(_) => None,
            Self::Arn(named) => IamArn::parse(IamResource::Role, &named.1).ok(),
        }
    }

    /// The role's ARN in this account; a role that is known by its name alone is taken to have no
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

    /// Whether both mean the same role, as far as what is known of them tells.
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
