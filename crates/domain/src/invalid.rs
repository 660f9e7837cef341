//! The error for a value that must not get into a name, an ARN or a policy.

use std::fmt;

/// The kind of a value that broke a rule. The HTTP interface has a code for each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKind {
    /// A cluster's name.
    ClusterName,
    /// A secret's name.
    SecretName,
    /// An AWS region.
    Region,
    /// The prefix of a created role's name.
    RolePrefix,
    /// A resource tag's key or value, or the list of tags.
    Tag,
    /// The name of this installation.
    Namespace,
    /// The twelve-digit id of an AWS account.
    AccountId,
    /// A role's name or ARN.
    Role,
    /// An instance profile's name or ARN.
    InstanceProfile,
    /// A permissions boundary's ARN.
    Boundary,
    /// A KMS key's ARN.
    KmsKey,
    /// An API key's name.
    KeyName,
    /// An API key's scopes.
    KeyScopes,
    /// The prefix of the clusters that an API key is limited to.
    ClusterPrefix,
    /// The ARN of a role or user that may log in.
    Principal,
    /// The name of this service, which callers sign.
    ServerName,
}

impl fmt::Display for InvalidKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterName => "the cluster name",
            Self::SecretName => "the secret name",
            Self::Region => "the region",
            Self::RolePrefix => "the role prefix",
            Self::Tag => "the tag",
            Self::Namespace => "the namespace",
            Self::AccountId => "the account id",
            Self::Role => "the role",
            Self::InstanceProfile => "the instance profile",
            Self::Boundary => "the permissions boundary",
            Self::KmsKey => "the KMS key",
            Self::KeyName => "the name of the key",
            Self::KeyScopes => "the list of scopes",
            Self::ClusterPrefix => "the cluster prefix",
            Self::Principal => "the AWS principal",
            Self::ServerName => "the name of the server",
        })
    }
}

/// A value breaks a rule. The error does not repeat the value, which may be hostile or long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {rule}")]
pub struct Invalid {
    /// The kind of the value.
    pub kind: InvalidKind,
    /// The rule that the value breaks, to be read after the kind.
    pub rule: String,
}

impl Invalid {
    pub(crate) fn new(kind: InvalidKind, rule: impl Into<String>) -> Self {
        Self {
            kind,
            rule: rule.into(),
        }
    }
}

/// A word is not one that this release knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// Defines a text newtype with `as_str`, `Display` and `Debug`. `FromStr` and serde use the type's
/// own `parse`.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::invalid::Invalid;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::invalid::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}
pub(crate) use text_type;
