//! The wire types of the HTTP interface: requests, answers and problems, with their OpenAPI
//! schemas.
//!
//! The boundary exists so that the service and its clients agree on one description of what
//! travels between them, and so that a client links nothing of the service. There is no
//! behaviour here: `api` maps the domain to these types, `client` sends and reads them.
//!
//! A request is read strictly: an unknown member is an error. An answer is read leniently: unknown
//! members are ignored, and a word from a list that may grow is an [`Open`] value.
#![allow(
    missing_docs,
    reason = "the doc comment of a member is its description in the OpenAPI document"
)]

mod access;
mod audit;
mod binding;
mod capabilities;
mod clusters;
mod health;
mod open;
mod pass_through_roles;
mod plan;
mod policies;
mod problem;
mod role_request;

pub use access::{Access, DocumentKind, EvaluatedDocument};
pub use audit::{AuditEvent, AuditPage, AuditQuery};
pub use binding::{Binding, Drift, InstanceProfile, LastError, Mode, Receipt, Role, State};
pub use capabilities::{Capabilities, Capability, CapabilityStatus, Recommendation};
pub use clusters::{BindingList, BindingQuery};
pub use health::{
    AwsStatus, DatabaseStatus, MissingExtra, Readiness, ReadinessStatus, ReconcilerStatus,
};
pub use open::Open;
pub use pass_through_roles::{PassThroughRole, PassThroughRoleList, Verdict, Width};
pub use plan::{Basis, Plan, PlanStep};
pub use policies::{Policy, PolicyList, PolicyQuery};
pub use problem::{Code, FieldError, Problem};
pub use role_request::{RoleRequest, Secrets, Tags};
