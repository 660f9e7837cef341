//! The only user of the AWS SDK: reads and writes IAM, and classifies errors by code.
//!
//! This crate is separate so that the SDK's types, its retries and its many error enums stay
//! inside. The input is a step of a plan or the names to read. The output is what exists at AWS, or
//! one of a few kinds of failure by which the provisioner decides what to do.

#![warn(missing_docs)]

mod access_keys;
mod apply;
mod caller;
mod client;
mod clock;
mod database_token;
mod error;
mod gate;
mod genuine;
mod held;
mod listing;
mod login;
mod login_connector;
mod observe;
mod pages;
mod permissions;

pub use caller::{Caller, CallerError};
pub use client::{Endpoint, Iam, IamConfig};
pub use database_token::{DatabaseTokens, TokenError};
pub use error::{ErrorKind, IamError, NotSent};
pub use gate::{Call, Gate, GatedIam, OpenGate, Outcome, Service};
pub use listing::{Listed, QuotaUsage, RolePage};
pub use login::{
    Identified, LoginHeaders, NotAccepted, NotIdentified, SERVER_HEADER, SignError, SignedLogin,
    sign_login,
};
pub use observe::{Depth, Target};
