//! The wire types of the HTTP interface: requests, answers and problems, with their OpenAPI
//! schemas.
//!
//! The boundary exists so that the service and its clients share one definition of the messages
//! between them, and so that a client links no code of the service. The crate has no behaviour:
//! `api` maps the domain to these types, `client` sends and reads them.
//!
//! Requests are parsed strictly: an unknown member is an error. Answers are parsed leniently:
//! unknown members are ignored, and a word from a list that may grow is an [`Open`] value.
//!
//! A doc comment here is the description of the type or member in the OpenAPI document, so it must
//! make sense to a reader who has only that document.

#![warn(missing_docs)]

mod about;
mod access;
mod audit;
mod audit_tree;
mod aws_login;
mod binding;
mod capabilities;
mod clusters;
mod health;
mod log_level;
mod mode;
mod open;
mod pass_through_roles;
mod plan;
mod policies;
mod problem;
mod role_request;
mod spec;
pub mod text;
mod time;

pub use about::{About, Links, Version};
pub use access::{Access, AccessProfile, DocumentKind, EvaluatedDocument, ProfileContents};
pub use audit::{AuditAction, AuditEvent, AuditPage, AuditQuery};
pub use audit_tree::{AuditConsistency, AuditInclusion, ConsistencyQuery, InclusionQuery};
pub use aws_login::{AwsLogin, AwsToken};
pub use binding::{Binding, Drift, InstanceProfile, LastError, Receipt, Role, State};
pub use capabilities::{Capabilities, Capability, CapabilityStatus, Recommendation};
pub use clusters::{BindingList, BindingQuery, IncarnationList, IncarnationQuery};
pub use health::{
    AuditStatus, AwsStatus, DatabaseStatus, MissingFeature, Readiness, ReadinessStatus,
    ReconcilerStatus,
};
pub use log_level::{LogLevel, LogLevelRequest};
pub use mode::Mode;
pub use open::Open;
pub use pass_through_roles::{PassThroughRole, PassThroughRoleList, Verdict, Width};
pub use plan::{Basis, Plan, PlanStep};
pub use policies::{Policy, PolicyList, PolicyQuery};
pub use problem::{Code, DeniedBy, FieldError, Problem};
pub use role_request::{RoleRequest, Secrets, Tags};
pub use spec::{EffectiveSpec, Spec};
