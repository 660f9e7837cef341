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
//!
//! # Its own routes
//! | route | what |
//! |---|---|
//! | `GET /_sandbox/state` | all that the account holds, as it is, however stale reads are |
//! | `GET /_sandbox/calls?since=N`, `DELETE` | what was called after call N; forget it |
//! | `GET`, `POST`, `DELETE /_sandbox/faults` | what is left of the faults; set a list of [`Fault`]s in place of them; clear |
//! | `GET`, `POST /_sandbox/clock` | `{"freeze": true, "advance_ms": N}`, both optional; answers with the reading, and with `started_at`, from which the calls' milliseconds count |
//! | `POST /_sandbox/behaviour` | `{"latency_ms", "stale_reads_ms", "stale_writes", "rate", "burst", "quota"}`; what is absent stays, a rate of 0 is none |
//! | `POST /_sandbox/identity-policy` | a policy document, or `null` for none |
//! | `POST /_sandbox/account` | `{"account_id"}`: be another account; the one left is kept |
//! | `POST /_sandbox/reset` | forget accounts, faults and calls |
//!
//! Calls signed with [`ADMINISTRATOR_ACCESS_KEY`] are the account's administrator's: the identity's
//! policy does not bind them.
//!
//! Bodies are JSON (`content-type: application/json`); what is not understood is 422.
//!
//! # Where it knows less than IAM
//! - Services, users and other accounts in trust policies are taken at their word; roles of the
//!   account must exist.
//! - A request names a role without its path, so a role that is absent is decided by an ARN under
//!   [`SandboxConfig::unknown_path`]: a policy for some path does not allow to look for what is
//!   not there, unless it is told that this path is meant.
//! - Of AWS's managed policies it has eight, some of them cut short.
//! - The service's own identity is no role of the account: `GetRole` and the like answer
//!   `NoSuchEntity` for it, until somebody makes a role of its name. Its calls are decided by the
//!   identity's policy alone, and `SimulatePrincipalPolicy` shows that policy for its ARN.
//! - AWS's policy simulator knows each action's resources: it refuses some actions together
//!   ("require different authorization information"), denies an action on a kind of ARN that it
//!   does not have, and names a template for several resources where the sandbox says `*`. The
//!   sandbox takes what it is asked; a fault with `InvalidInput` stands in for the refusal. Of the
//!   context it gives only `aws:PrincipalArn` and `aws:PrincipalAccount` by itself, it takes a
//!   role's ARN only with its path, and it refuses actions with wildcards.

#![warn(missing_docs)]

mod account;
mod admin;
mod authorization;
mod call;
mod call_log;
mod caller;
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
mod service;
mod shared;
mod simulated_aws;
mod simulation;
mod tags;
mod throttle;
mod wire;
mod xml;

pub use call_log::Call;
pub use caller::ADMINISTRATOR_ACCESS_KEY;
pub use config::{Args, Options, OptionsError, Quotas, SandboxConfig};
pub use faults::{Effect, Fault, When};
pub use server::{Sandbox, SandboxError};
