//! Why a request to provision changes nothing.

use engine_roles_domain::{PutRefusal, Scope};
use engine_roles_iam::{CallerError, Room};
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
    /// Live bindings of this namespace were made in another account.
    #[error(
        "live roles of this namespace were made in another account than {now}; nothing is begun until an operator decides"
    )]
    OtherAccount {
        /// Where this service works now.
        now: Scope,
    },
    /// The account has no room.
    #[error("the account holds {} of {} roles and {} of {} instance profiles", .0.roles, .0.roles_quota, .0.profiles, .0.profiles_quota)]
    Full(Room),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
