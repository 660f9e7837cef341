//! The errors of writing a role's policy.

use engine_roles_policy::render::RenderError;
use engine_roles_policy::{Excess, PolicyError};

/// Why an engine's policy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RolePolicyError {
    /// The document has more characters than IAM takes.
    #[error(
        "the policy has {size} characters without white space, and IAM takes {limit}: name fewer secrets, or \"all\""
    )]
    TooLarge {
        /// The document's size as IAM counts it.
        size: usize,
        /// IAM's limit.
        limit: usize,
    },
    /// The document reaches beyond what the binding may have. Nothing is written.
    #[error("the policy could not be proved to stay within its cluster")]
    Unproved(#[source] Excess),
    /// The key could be used for more than reading the cluster's secrets. Nothing is written.
    #[error("statement {statement:?} could use the KMS key for more than the cluster's secrets")]
    KeyNotConfined {
        /// Its Sid.
        statement: String,
    },
    /// The key's statement can't be filled.
    #[error("the KMS key's statement could not be filled")]
    Template(#[source] RenderError),
    /// The document is none.
    #[error("the policy is not valid")]
    Invalid(#[source] PolicyError),
}
