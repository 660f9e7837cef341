//! The concepts and decisions of the service: clusters, roles, bindings, and the plan from what
//! exists at AWS to what should exist.
//!
//! This crate is separate so that every decision can be read and tested without a network, a
//! database or a clock: everything from outside comes in as an argument. A value is checked when it
//! is parsed; a value that exists is valid.

#![warn(missing_docs)]

pub mod account;
/// The events of the audit log: who did what, and what became of it.
pub mod audit;
/// The record that ties a cluster to its role, and how requests and outcomes change it.
pub mod binding;
/// Who sends a request: API keys with their scopes.
pub mod caller;
/// A cluster's name and secrets, the request for its role, and the resolved spec.
pub mod cluster;
/// What an engine's role may do: its policy, boundary and KMS key, and the evaluation of a role's
/// access.
pub mod grant;
/// The permissions that our own identity needs, and whether it has them.
pub mod identity;
pub mod invalid;
/// Pass-through roles: the administrator's list, the policies that a role holds, and attestation.
pub mod prepared;
/// The resources that exist at AWS, the resources that should exist, and the plan from one to the
/// other.
pub mod resources;
