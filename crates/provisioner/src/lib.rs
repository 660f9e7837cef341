//! The application: it provisions and tears down the roles of clusters, and converges them to their
//! intent.
//!
//! The boundary exists so that AWS is changed in one place only: an intent is recorded in the store,
//! and a worker takes the lease on the binding, observes AWS, plans, applies the plan, and records the
//! outcome. Requests, retries, recovery after crashes and repair of drift all work this way. HTTP and
//! SQL belong to other crates.
//!
//! - `requests`: the operations that callers ask for;
//! - `convergence`: the worker, and what it does in each state;
//! - `heartbeat`: the heartbeat of this replica, which also wakes the tasks;
//! - `tasks`: background tasks;
//! - `audit_log`: the tree over the audit log, its proofs and signed checkpoints;
//! - `aws`: the gateway, through which every call to AWS passes;
//! - `service` and `assembly`: the public interface, and the construction of the parts.

#![warn(missing_docs)]

mod assembly;
mod audit_log;
mod aws;
mod backoff;
mod convergence;
mod error;
mod heartbeat;
mod moment;
mod requests;
mod service;
mod settings;
mod tasks;
mod waiting;

pub use audit_log::{
    AuditLogError, AuditLogState, AuditSigning, Consistency, Inclusion, detail_digest,
};
pub use aws::call_history::{CallCounts, CallHistory};
pub use aws::capabilities::{Capabilities, FoundBy};
pub use aws::optional::OptionalFeature;
pub use aws::recent::{AwsHealth, AwsState};
pub use aws::{LoginError, NotConfirmed};
pub use engine_roles_iam::{
    CallerError, IamError, Identified, LoginHeaders, NotAccepted, NotIdentified, QuotaUsage,
    SignedLogin,
};
pub use engine_roles_store::{BudgetLevel, BudgetLimits, Orphan, ReplicaId, ReplicaRecord};
pub use error::ProvisionerError;
pub use heartbeat::KeysSeen;
pub use requests::access::AccessReport;
pub use requests::attestation::AttestedRole;
pub use requests::follow::{Answer, Request};
pub use requests::permit::Permit;
pub use requests::plan::{Basis, PlannedIntent, Preview, PreviewStep};
pub use requests::read::{DatabaseHealth, Health};
pub use service::Provisioner;
pub use settings::{AttestationMode, DriftMode, OrphanMode, ProbeMode, Settings};
