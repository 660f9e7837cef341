//! A value that may not enter a name, an ARN or a policy.

use std::fmt;

/// The kind of value that broke a rule; the HTTP interface has a code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKind {
    /// A cluster's name.
    ClusterName,
    /// A secret's name.
    SecretName,
    /// An AWS region.
    Region,
    /// The text before a created role's name.
    RolePrefix,
    /// A resource tag.
    Tag,
    /// The name of this installation.
    Namespace,
    /// A twelve-digit AWS account.
    AccountId,
    /// A role's name or ARN.
    Role,
    /// An instance profile's name or ARN.
    InstanceProfile,
    /// A permissions boundary's ARN.
    Boundary,
    /// A KMS key's ARN.
    KmsKey,
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
        })
    }
}

/// The rule that a value breaks. The value itself is not repeated: it may be hostile or long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {rule}")]
pub struct Invalid {
    /// The kind of value.
    pub kind: InvalidKind,
    /// The rule that it breaks, to be read after the kind.
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

/// A stored word that is not one of the known ones.
#[derive(Debug, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// Gives a text newtype its `parse`, `as_str`, `Display`, and serde by way of `parse`.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
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
