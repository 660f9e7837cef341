//! The HTTP interface, and the only user of axum in the product.
//!
//! The boundary exists so that status codes, headers and JSON are decided in one place: a handler
//! parses the request, makes one call into the provisioner, and maps the answer. Each resource has
//! a file, which maps the domain to the types of `engine-roles-contract`; the module `problem` maps
//! all errors.

#![warn(missing_docs)]

mod about;
mod access;
mod audit;
mod audit_tree;
mod auth;
mod aws_login;
mod binding;
mod capabilities;
mod clusters;
mod compression;
mod conditions;
mod connections;
mod console;
mod cursor;
mod health;
mod incarnations;
mod log_level;
mod metrics;
mod openapi;
mod pass_through_roles;
mod plan;
mod policies;
mod prefer;
mod problem;
mod reference;
mod request_body;
mod request_context;
mod request_host;
mod request_path;
mod request_query;
mod role;
mod role_request;
mod router;
mod sender;
mod spec;
mod state;
mod strict_json;
mod tls;
mod traces;
mod words;

pub use auth::{
    ApiKey, Authentication, AuthenticationSettings, AwsLoginSettings, AwsRule, CertificateRule,
    InvalidKey,
};
pub use connections::{ConnectionLimits, listen, serve};
pub use log_level::{LogLevelChange, LogLevelInEffect, LogLevels};
pub use metrics::{METRICS, Metric, MetricType, MetricsHandle};
pub use router::document;
pub use state::Api;
pub use tls::{Chain, ClientCertificate, PemFiles, ServerCertificate, Tls, TlsError};
pub use traces::{RequestHead, Traces, TracesOfCallers};
