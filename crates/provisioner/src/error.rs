//! Why a request to provision changes nothing.

use engine_roles_domain::PutRefusal;
use engine_roles_iam::CallerError;
use engine_roles_store::StoreError;

/// Why a request to provision or to plan changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The request may not be carried out.
    #[error(transparent)]
    Refused(#[from] PutRefusal),
    /// It is not known in which account we are.
    #[error("it is not known in which AWS account this service works")]
    Scope(#[source] CallerError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
