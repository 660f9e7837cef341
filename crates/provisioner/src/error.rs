//! Why the provisioner did not carry out a request.

use engine_roles_domain::binding::Rejection;
use engine_roles_domain::binding::State;
use engine_roles_domain::binding::lifecycle::WrongState;
use engine_roles_domain::resources::{NotAdoptable, RoleName};
use engine_roles_iam::{IamError, QuotaUsage};
use engine_roles_store::StoreError;

use crate::aws::NotConfirmed;

/// Why the provisioner did not carry out a request. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionerError {
    /// The request was rejected.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// STS did not return the account in which this service works.
    #[error("the AWS account in which this service works is not known: STS did not return it")]
    AccountUnknown(#[from] NotConfirmed),
    /// The sender's API key was revoked or expired while the request waited.
    #[error(
        "the API key, or the certificate, stopped being valid while the request waited; nothing was recorded"
    )]
    PermitEnded,
    /// A quota of the account is used up.
    #[error("an IAM quota of the account is used up: {} of {} roles and {} of {} instance profiles exist", .0.roles, .0.roles_quota, .0.profiles, .0.profiles_quota)]
    QuotaExceeded(QuotaUsage),
    /// The cluster has no role now.
    #[error("the cluster has no role; its state is {0}")]
    NoRole(State),
    /// A read of IAM did not find the cluster's role.
    #[error("IAM did not find the role {0}")]
    NotShown(RoleName),
    /// The role that IAM returned has another id or ARN than the recorded one.
    #[error(
        "the role {0} that IAM returned is not the one recorded for the cluster: it was deleted and created again"
    )]
    Recreated(RoleName),
    /// The account's call budget is used up.
    #[error("the account's call budget is used up; repeat the request in a few seconds")]
    BudgetUsedUp,
    /// AWS denied a read, or could not be read.
    #[error("could not read {resource} from AWS")]
    Unreadable {
        /// The resource to name in a policy statement that allows the read.
        resource: String,
        /// AWS's answer.
        source: Box<IamError>,
    },
    /// The name is not valid for a role.
    #[error("{0} is not a valid role name")]
    NotARoleName(String),
    /// No role and no instance profile has this name.
    #[error("no role and no instance profile called {0} exists")]
    NothingFound(RoleName),
    /// A resource can't be adopted or removed as an orphan.
    #[error("{name} can't be adopted or removed as an orphan")]
    NotAdoptable {
        /// The name that the operator specified.
        name: RoleName,
        /// Why its path, name, tags or policy do not allow it.
        #[source]
        source: NotAdoptable,
    },
    /// A binding accounts for the resource, or its cluster has another live role.
    #[error(
        "{0} is not an orphan because a binding accounts for it, or its cluster has another live role"
    )]
    NoOrphan(RoleName),
    /// The database acknowledged no heartbeat of this process in time.
    #[error("the database did not acknowledge a heartbeat of this process in time")]
    NoHeartbeat,
    /// The operating system did not start the thread of the heartbeat.
    #[error("the thread of the heartbeat could not be started")]
    Thread(#[source] std::io::Error),
    /// A transition that is not possible in the binding's state: an error in this program.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The database did not answer, or contains a record that can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
