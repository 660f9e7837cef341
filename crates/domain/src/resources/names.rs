//! The names of the resources that this service creates at AWS.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::account::Scope;
use crate::binding::id::BindingId;
use crate::cluster::name::ClusterName;
use crate::invalid::text_type;
use crate::invalid::{Invalid, InvalidKind, UnknownWord};
use crate::resources::arn::{IamArn, IamResource};

/// The kinds of AWS resources that this service creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// An IAM role.
    Role,
    /// An instance profile.
    InstanceProfile,
}

impl ResourceKind {
    /// Returns the word in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::InstanceProfile => "instance_profile",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ResourceKind {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Role, Self::InstanceProfile]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// IAM's limit on the length of a role's name, in characters.
/// Source: IAM user guide, "IAM and AWS STS quotas".
pub const MAX_ROLE_NAME: usize = 64;

/// The length of a hyphen and sixteen characters of base32, which encode 80 bits.
const HASH_TAIL: usize = 17;

fn is_iam_name(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(is_iam_name_byte)
}

fn is_iam_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)
}

text_type! {
    /// The name of a role: 1 to 64 characters of `[A-Za-z0-9_+=,.@-]`.
    RoleName
}

impl RoleName {
    /// Reads a role's name.
    ///
    /// # Errors
    /// When the name breaks IAM's rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !is_iam_name(text, MAX_ROLE_NAME) {
            return Err(Invalid::new(
                InvalidKind::Role,
                "must be 1 to 64 characters of A-Z a-z 0-9 _ + = , . @ - or such a role's ARN",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type! {
    /// The name of an instance profile: 1 to 128 characters of `[A-Za-z0-9_+=,.@-]`.
    ProfileName
}

impl ProfileName {
    /// Reads an instance profile's name, or takes it from the profile's ARN.
    ///
    /// # Errors
    /// When the name breaks IAM's rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.starts_with("arn:") {
            return IamArn::parse(IamResource::InstanceProfile, text)
                .and_then(|arn| Self::parse(&arn.name));
        }
        if !is_iam_name(text, 128) {
            return Err(Invalid::new(
                InvalidKind::InstanceProfile,
                "must be 1 to 128 characters of A-Z a-z 0-9 _ + = , . @ - or such a profile's ARN",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type! {
    /// The prefix of the name of a created role; may be empty.
    RolePrefix
}

impl RolePrefix {
    /// The longest prefix, in characters. A role's name still has room for the hash and seventeen
    /// characters of the cluster's name.
    pub const MAX: usize = 30;

    /// Reads a prefix: at most 30 of IAM's name characters.
    ///
    /// # Errors
    /// When the text is longer or has other characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX || !text.bytes().all(is_iam_name_byte) {
            return Err(Invalid::new(
                InvalidKind::RolePrefix,
                "must be at most 30 characters of A-Z a-z 0-9 _ + = , . @ -",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type! {
    /// The name of an installation of this service, `[a-z0-9-]{1,32}`.
    ///
    /// The namespace is part of the path and the tags of all created resources, so that two
    /// installations in one account never touch each other's roles.
    Namespace
}

impl Namespace {
    /// Reads a namespace.
    ///
    /// # Errors
    /// When the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            return Err(Invalid::new(
                InvalidKind::Namespace,
                "must be 1 to 32 characters of a-z 0-9 and -",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the IAM path of all resources that this installation creates.
    pub fn path(&self) -> ResourcePath {
        ResourcePath(format!("/ai-unlimited/engine/{self}/"))
    }
}

/// The IAM path of all resources that one installation creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath(String);

impl ResourcePath {
    /// Returns the path, with a slash at both ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the ARN pattern of all resources of a kind under the path.
    pub fn arn_pattern(&self, resource: IamResource, scope: &Scope) -> String {
        let Scope { account, partition } = scope;
        let (resource, path) = (resource.as_str(), self.as_str());
        format!("arn:{partition}:iam::{account}:{resource}{path}*")
    }
}

/// Returns the name that the role and the instance profile of a binding share.
///
/// The name ends in a hash of namespace and binding id. Without the hash, names could collide: of
/// two incarnations of a cluster's role, of two clusters whose names are cut to the same text, and
/// of two clusters whose names differ in case only.
pub fn resource_name(
    prefix: &RolePrefix,
    cluster: &ClusterName,
    namespace: &Namespace,
    binding: BindingId,
) -> RoleName {
    let digest = Sha256::digest(format!("{namespace}/{binding}"));
    let hash = BASE32_NOPAD.encode(&digest[..10]).to_ascii_lowercase();
    let room = MAX_ROLE_NAME - HASH_TAIL - prefix.as_str().len();
    // A cluster's name is ASCII, so cutting it can't split a character.
    let cut = &cluster.as_str()[..cluster.as_str().len().min(room)];
    RoleName(format!("{prefix}{cut}-{hash}"))
}

impl From<RoleName> for ProfileName {
    /// Each role name is a valid profile name: the characters are the same, and the limit of role
    /// names is lower.
    fn from(name: RoleName) -> Self {
        Self(name.0)
    }
}
