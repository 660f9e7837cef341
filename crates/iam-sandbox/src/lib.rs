//! An IAM on loopback that speaks AWS's wire protocol, for development, tests and benchmarks.
//!
//! The wall around this crate is the wire: nothing of the product links it, and it links nothing
//! of the product but the policy language. So the real SDK, its signing, its XML and its error
//! codes are in every test, and what the tests learn of IAM they learn as they would from AWS.
//! Where public emulators let IAM's rules pass, this one keeps them.
//!
//! It also does what AWS only does on bad days, on request: reads from the past, calls that fail
//! before or after their effect, hang, break off or are throttled. Time is its own and moves when
//! a test moves it. Signatures are not verified; it is not for networks that others can reach.

mod account;
mod admin;
mod authorization;
mod call;
mod call_log;
mod clock;
mod config;
mod connection;
mod context;
mod documents;
mod errors;
mod faults;
mod history;
mod instance_profile;
mod managed_policy;
mod names;
mod operations;
mod pages;
mod role;
mod server;
mod tags;
mod throttle;
mod wire;
mod world;
mod xml;

pub use call_log::Call;
pub use config::{Args, Options, OptionsError, Quotas, SandboxConfig};
pub use faults::{Effect, Fault, When};
pub use server::{Sandbox, SandboxError};
