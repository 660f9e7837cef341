//! The errors of building a role's policy.

use engine_roles_policy::render::RenderError;
use engine_roles_policy::{Excess, PolicyError};

/// Why a role's policy could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RolePolicyError {
    /// The document has more characters than IAM allows.
    #[error(
        "the policy has {size} characters without white space, but IAM allows {limit}; name fewer secrets, or \"all\""
    )]
    TooLarge {
        /// The document's size in characters without white space, as IAM counts it.
        size: usize,
        /// IAM's limit in characters.
        limit: usize,
    },
    /// The document grants more than the binding may have. Nothing is written.
    #[error("could not prove that the policy stays within its cluster's secrets")]
    Unproved(#[source] Excess),
    /// A statement allows the KMS key for more than reading the cluster's secrets. Nothing is
    /// written.
    #[error("statement {statement:?} allows the KMS key for more than the cluster's secrets")]
    KeyNotConfined {
        /// The statement's Sid; empty where it has none.
        statement: String,
    },
    /// The key's statement can't be filled in.
    #[error("the KMS key's statement could not be filled in")]
    Template(#[source] RenderError),
    /// The document is not a valid policy.
    #[error("the policy is not valid")]
    Invalid(#[source] PolicyError),
}
