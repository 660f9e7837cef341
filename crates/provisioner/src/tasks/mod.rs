//! Background tasks.
//!
//! A task takes no input and finds its work in the database. Any number of replicas can therefore
//! run the same task, and the next run does what a failed run left undone. A task
//!
//! - holds only what it needs;
//! - is idempotent: a second run does no harm;
//! - calls AWS only through the gateway, and never applies a step of a plan: a task makes bindings
//!   due, and `convergence` converges them;
//! - logs its failures and returns, so that the next run can follow; a task never ends the service.
//!
//! [`task::Task::run`] is called again after the task's interval, or when the task is woken. All
//! tasks are listed in `assembly.rs`, each with its interval and wake-up signal.

pub(crate) mod account;
pub(crate) mod attestation;
pub(crate) mod capabilities;
pub(crate) mod counts;
pub(crate) mod drift_sweep;
pub(crate) mod extend_audit_tree;
pub(crate) mod maintain_audit;
pub(crate) mod notifications;
pub(crate) mod orphan_sweep;
pub(crate) mod other_accounts;
pub(crate) mod quota;
pub(crate) mod readings;
pub(crate) mod reconcile;
pub(crate) mod sequence_audit;
pub(crate) mod task;
pub(crate) mod turns;

pub(crate) use account::ConfirmAccount;
pub(crate) use attestation::AttestPreparedRoles;
pub(crate) use capabilities::DetectCapabilities;
pub(crate) use counts::AddCountChanges;
pub(crate) use drift_sweep::SweepDrift;
pub(crate) use extend_audit_tree::ExtendAuditTree;
pub(crate) use maintain_audit::MaintainAudit;
pub(crate) use notifications::ReceiveNotifications;
pub(crate) use orphan_sweep::SweepOrphans;
pub(crate) use other_accounts::CountOtherAccounts;
pub(crate) use quota::ReadQuota;
pub(crate) use readings::{LastReadiness, ReadCounts, ReadReadiness};
pub(crate) use reconcile::{Liveness, Reconcile};
pub(crate) use sequence_audit::SequenceAudit;
pub(crate) use task::{FirstRun, Registration};
pub(crate) use turns::SweepTurns;
