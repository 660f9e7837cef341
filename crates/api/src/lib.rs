//! The HTTP interface, and the only user of axum in the product.
//!
//! The wall exists so that status codes, headers and JSON shapes are decided in one place: a
//! handler parses, makes one call into the provisioner, and maps the answer. One file per
//! resource; one table of errors.

#![warn(missing_docs)]

mod access;
mod audit;
mod auth;
mod binding;
mod capabilities;
mod clusters;
mod conditions;
mod error;
mod health;
mod metrics;
mod openapi;
mod pass_through_roles;
mod plan;
mod policies;
mod request_body;
mod request_context;
mod role;
mod role_request;
mod router;

pub use auth::{ApiKey, Authentication, InvalidKey};
pub use metrics::MetricsHandle;
pub use openapi::document;
pub use router::{Api, serve};
