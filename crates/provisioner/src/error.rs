//! Why a request changes nothing, or is told nothing.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{PutRefusal, State};
use engine_roles_domain::resources::RoleName;
use engine_roles_iam::{CallerError, IamError, Room};
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

/// Why it can't be told what is asked about this account.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// It is not known in which account we are.
    #[error("it is not known in which AWS account this service works")]
    Scope(#[from] CallerError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why it can't be told what a cluster's role reaches.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The cluster has no role now.
    #[error("the cluster has no role: its state is {0}")]
    NoRole(State),
    /// IAM does not show the role.
    #[error("IAM does not show the role {0}")]
    NotShown(RoleName),
    /// The role that IAM shows is another than the cluster's.
    #[error(
        "the role {0} that IAM shows is not the one that the cluster was given: somebody made it anew"
    )]
    Recreated(RoleName),
    /// The cluster's role was made in another account.
    #[error("the cluster's role was made in account {made}, and this service now works in {now}")]
    OtherAccount {
        /// Where the role was made.
        made: Scope,
        /// Where this service works now.
        now: Scope,
    },
    /// The account's call budget is used up.
    #[error("the account's call budget is used up for now")]
    Busy,
    /// IAM failed, or refused.
    #[error("the role could not be read")]
    Iam {
        /// What a statement that lets it be read has for a resource.
        resource: String,
        /// Why.
        source: IamError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
