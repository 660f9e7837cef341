//! Why the provisioner did not do what it was asked.

use engine_roles_domain::binding::Rejection;
use engine_roles_domain::binding::State;
use engine_roles_domain::binding::lifecycle::WrongState;
use engine_roles_domain::resources::{NotAdoptable, RoleName};
use engine_roles_iam::{CallerError, IamError, QuotaUsage};
use engine_roles_store::{IntentError, StoreError};

/// Why the provisioner did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionerError {
    /// The request may not be carried out.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// STS does not tell in which account this service works.
    #[error("it is not known in which AWS account this service works")]
    AccountUnknown(#[from] CallerError),
    /// A quota of the account is used up.
    #[error("the account holds {} of {} roles and {} of {} instance profiles", .0.roles, .0.roles_quota, .0.profiles, .0.profiles_quota)]
    QuotaExceeded(QuotaUsage),
    /// The cluster has no role now.
    #[error("the cluster has no role: its state is {0}")]
    NoRole(State),
    /// IAM does not show the cluster's role.
    #[error("IAM does not show the role {0}")]
    NotShown(RoleName),
    /// The role that IAM shows is another than the cluster's.
    #[error(
        "the role {0} that IAM shows is not the one that the cluster was given: somebody made it anew"
    )]
    Recreated(RoleName),
    /// The account's call budget is used up.
    #[error("the account's call budget is used up for now")]
    BudgetUsedUp,
    /// AWS could not be read, or denied it.
    #[error("AWS could not be read")]
    Unreadable {
        /// The resource that a statement would name to allow the read.
        resource: String,
        /// AWS's answer.
        source: Box<IamError>,
    },
    /// No role can have this name.
    #[error("{0} is no role's name")]
    NotARoleName(String),
    /// AWS has no role and no instance profile of this name.
    #[error("AWS holds no role and no instance profile called {0}")]
    NothingFound(RoleName),
    /// An orphan can't be adopted.
    #[error("{name} can't be taken over")]
    NotAdoptable {
        /// The name that the operator gave.
        name: RoleName,
        /// What path, name, tags or policy show.
        #[source]
        source: NotAdoptable,
    },
    /// A binding accounts for the resource, or its cluster has another live role.
    #[error("{0} is known, or its cluster has another live role")]
    NoOrphan(RoleName),
    /// A transition that can't happen in the binding's state: an error of this program.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The database did not answer, or holds a record that can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IntentError<Self>> for ProvisionerError {
    fn from(error: IntentError<Self>) -> Self {
        match error {
            IntentError::Rejected(error) => error,
            IntentError::Store(error) => error.into(),
        }
    }
}
