pub(crate) mod boundary;
pub(crate) mod catalogue;
pub(crate) mod error;
pub(crate) mod key_access;
pub(crate) mod kms_key;
pub(crate) mod reach;
pub(crate) mod role_policy;
pub(crate) mod secrets;

pub use boundary::BoundaryArn;
pub use catalogue::{CATALOGUE, CatalogueError, Placeholders, PolicyTemplate};
pub use error::RolePolicyError;
pub use kms_key::KmsKeyArn;
pub use reach::{Access, AreaAccess, Reach, SecretAccess, WideGrant, reach};
pub use role_policy::{
    INLINE_POLICY_LIMIT, INLINE_POLICY_NAME, SecretWarning, as_written, role_policy,
    secret_warnings, trust_policy,
};
