//! The concepts and decisions of the problem: clusters, roles, bindings, and the plan from what
//! exists to what should exist.
//!
//! The boundary exists so that every decision can be read and tested without a network, a database
//! or a clock: everything from outside comes in as an argument, and a value that exists is valid.

#![warn(missing_docs)]

pub mod account;
/// The record that ties a cluster to its role, and what requests and outcomes mean for it.
pub mod binding;
/// What a cluster's role should be: the cluster's name, its secrets, the spec and the request.
pub mod cluster;
/// What an engine's role may do: its policy, boundary and KMS key, and what a role reaches.
pub mod grant;
/// What our own identity must be allowed to do, and whether it is.
pub mod identity;
pub mod invalid;
/// Pass-through roles: the administrator's list, the documents they hold, and their attestation.
pub mod prepared;
/// What exists at AWS, what should exist, and the plan from one to the other.
pub mod resources;
