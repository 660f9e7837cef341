//! The application: provision, pass through, tear down, and keep it so.
//!
//! The wall exists so that there is one path on which anything at AWS changes: an intent is
//! declared in the store, a worker holds its lease, looks at what is, plans, applies, and
//! records. Requests, retries, crashes and drift all take it; HTTP and SQL stay outside.

#![warn(missing_docs)]

mod absent;
mod access;
mod attestation;
mod backoff;
mod budget;
mod bulk;
mod capabilities;
mod check;
mod documents;
mod error;
mod orphans;
mod permissions;
mod present;
mod preview;
mod provision;
mod read;
mod reconciler;
mod scope;
mod service;
mod settings;
mod steps;
mod teardown;
mod upkeep;
mod waiting;
mod worker;

pub use access::AccessReport;
pub use attestation::AttestedRole;
pub use capabilities::Capabilities;
pub use engine_roles_iam::{CallerError, IamError};
pub use engine_roles_store::BudgetLimits;
pub use error::{AccessError, ProvisionError, ScopeError};
pub use orphans::OrphanError;
pub use preview::{Basis, Preview, PreviewStep};
pub use provision::{Answer, Request};
pub use read::Health;
pub use service::Provisioner;
pub use settings::{AttestationMode, DriftMode, OrphanMode, Settings};
pub use teardown::TeardownError;
