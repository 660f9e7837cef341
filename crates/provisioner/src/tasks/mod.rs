//! Background tasks.
//!
//! A task takes no input and finds in the database what there is to do, so that any number of
//! replicas may run it, and a run that is lost is made good by the next one. A task
//!
//! - holds only what it needs;
//! - is idempotent: running it twice does no harm;
//! - never calls AWS but through the gateway, and never applies a step of a plan: it makes
//!   bindings due, and `convergence` brings them to their intent;
//! - logs its own failures and returns, so that the next run comes; it never ends the service.
//!
//! [`Task::run`] is called again after the task's interval, or when the task is woken. All tasks
//! are listed in `assembly.rs`, with
//! interval and wake-up.

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
