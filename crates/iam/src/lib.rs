//! The only user of the AWS SDK: observe, apply, and errors sorted by code.
//!
//! The wall exists so that the SDK's types, its retries and its many error enums end here. What
//! goes in are steps of a plan; what comes out is what is at AWS, or one of a few kinds of
//! failure on which the provisioner can decide.

#![warn(missing_docs)]

mod apply;
mod caller;
mod client;
mod error;
mod gate;
mod held;
mod listing;
mod observe;
mod pages;
mod permissions;

pub use caller::{Caller, CallerError};
pub use client::{Endpoint, Iam, IamConfig};
pub use error::{ErrorKind, IamError};
pub use gate::{Call, Gate, GatedIam, OpenGate, Service};
pub use listing::{Listed, QuotaUsage, RolePage};
pub use observe::{Depth, Target};
