//! Background tasks.
//!
//! A task takes no input and finds its work in the database, so that any number of replicas can run
//! it, and the next run makes up for one that failed. A task
//!
//! - holds only what it needs;
//! - is idempotent: running it twice does no harm;
//! - calls AWS only through the gateway, and never applies a step of a plan: it makes bindings due,
//!   and `convergence` converges them;
//! - logs its failures and returns, so that it runs again; it never ends the service.
//!
//! [`task::Task::run`] is called again after the task's interval, or when the task is woken. All tasks
//! are listed in `assembly.rs`, with interval and wake-up signal.

pub(crate) mod account;
pub(crate) mod attestation;
pub(crate) mod capabilities;
pub(crate) mod drift_sweep;
pub(crate) mod notifications;
pub(crate) mod orphan_sweep;
pub(crate) mod other_accounts;
pub(crate) mod quota;
pub(crate) mod reconcile;
pub(crate) mod sequence_audit;
pub(crate) mod task;
pub(crate) mod turns;

pub(crate) use account::FindAccount;
pub(crate) use attestation::AttestPreparedRoles;
pub(crate) use capabilities::DetectCapabilities;
pub(crate) use drift_sweep::SweepDrift;
pub(crate) use notifications::ReceiveNotifications;
pub(crate) use orphan_sweep::SweepOrphans;
pub(crate) use other_accounts::CountOtherAccounts;
pub(crate) use quota::ReadQuota;
pub(crate) use reconcile::{Liveness, Reconcile};
pub(crate) use sequence_audit::SequenceAudit;
pub(crate) use task::{FirstRun, Registration};
pub(crate) use turns::SweepTurns;
