//! The application: it provisions and tears down the roles of clusters, and keeps them as intended.
//!
//! The boundary exists so that there is one path on which anything at AWS changes: an intent is
//! recorded in the store, and a worker takes its lease, observes, plans, applies, and records the
//! outcome. Requests, retries, crashes and drift all take it; HTTP and SQL stay outside.
//!
//! - `requests`: what callers ask for;
//! - `convergence`: the worker, and what it does in each state;
//! - `tasks`: what the service does by itself;
//! - `aws`: the gateway, through which every call to AWS passes;
//! - `service` and `assembly`: what callers see, and how it is put together.

#![warn(missing_docs)]

mod assembly;
mod aws;
mod backoff;
mod convergence;
mod error;
mod requests;
mod service;
mod settings;
mod tasks;
mod waiting;

pub use aws::capabilities::{Capabilities, FoundBy};
pub use aws::optional::OptionalFeature;
pub use aws::recent::{AwsHealth, FailedCall};
pub use engine_roles_iam::{CallerError, IamError, QuotaUsage};
pub use engine_roles_store::BudgetLimits;
pub use error::ProvisionerError;
pub use requests::access::AccessReport;
pub use requests::attestation::AttestedRole;
pub use requests::follow::{Answer, Request};
pub use requests::plan::{Basis, PlannedIntent, Preview, PreviewStep};
pub use requests::read::Health;
pub use service::Provisioner;
pub use settings::{AttestationMode, DriftMode, OrphanMode, Settings};
