//! A simulated IAM and STS on loopback that speaks AWS's wire protocol, for development, tests and
//! benchmarks.
//!
//! The boundary of this crate is the wire protocol: no crate of the product links the sandbox, and
//! the sandbox links no crate of the product except the policy language. Every test therefore uses
//! the real SDK with its signing, its XML and its error codes, and reads IAM in the same way as
//! from AWS. The sandbox enforces rules of IAM that public emulators don't enforce.
//!
//! On request, the sandbox also does what AWS does rarely: it answers reads with an old state, and
//! lets calls fail before or after their effect, hang, be reset or be throttled. The sandbox has
//! its own clock, which tests can freeze and advance. The sandbox verifies only the signatures of
//! [`Credentials::identities`], so it must not be reachable from a network that others use. Of
//! other signatures it reads the access key and the region.
//!
//! # Routes of the sandbox itself
//! | route | use |
//! |---|---|
//! | `GET /_sandbox/state` | returns the current state of the account, even if reads are stale |
//! | `GET /_sandbox/calls?since=N`, `DELETE` | returns the calls after call N; `DELETE` clears the log |
//! | `GET`, `POST`, `DELETE /_sandbox/faults` | returns the faults that are left; replaces them with a list of [`Fault`]s; clears them |
//! | `GET`, `POST /_sandbox/clock` | takes `{"freeze": true, "advance_ms": N}`, both optional; returns the time, and `started_at`, from which the milliseconds of the calls count |
//! | `POST /_sandbox/behaviour` | takes `{"latency_ms", "stale_reads_ms", "stale_writes", "rate", "burst", "quota", "policy_arns"}`; an absent member leaves its setting unchanged, a rate of 0 removes the limit |
//! | `POST /_sandbox/identity-policy`, `identity-boundary`, `session-policy`, `scp`, `endpoint-policy` | takes the policy document of a layer, or `null` for none |
//! | `GET`, `POST`, `DELETE /_sandbox/credentials` | returns which access keys are valid; replaces them with [`Credentials`]: `{"valid": ["AKIA…"], "expired": [], "unknown": [], "identities": []}`, all optional; accepts every key again |
//! | `POST /_sandbox/account` | takes `{"account_id"}`: switches to another account, to which all access keys then belong; the state of the previous account is kept |
//! | `POST /_sandbox/reset` | deletes accounts, faults and logged calls, and accepts every access key again |
//!
//! Calls signed with [`ADMINISTRATOR_ACCESS_KEY`] come from the account's administrator: no policy
//! applies to them, and their signatures are not checked.
//!
//! # Layers of policies
//! A call must be allowed by every [`PolicyLayer`] that has a policy: the service control policy of
//! the organization, the policy of the VPC endpoint, the identity policy, its permissions boundary
//! and the session policy. The message of a denial names the layer in AWS's words; with
//! [`SandboxConfig::policy_arns`] the message of an explicit denial ends with the ARN of the policy,
//! as AWS has added since January 2026. If several layers deny a call, the sandbox names an explicit
//! denial before an implicit one, and otherwise the first layer in the order above. AWS's order is
//! not documented.
//!
//! `SimulatePrincipalPolicy` knows the service control policy and the boundary, but neither the
//! policy of the session nor that of the VPC endpoint. As AWS's simulator did until July 2026, it
//! does not evaluate a service control policy that has a condition: it answers `implicitDeny` with
//! `AllowedByOrganizations=false` to every action, although the real call may succeed.
//!
//! # Signatures
//! IAM rejects a signature for another region than the partition's (`us-east-1`, `cn-north-1`,
//! `us-gov-west-1`, `eusc-de-east-1`); STS accepts every region of the partition. Requests that are
//! not signed come from the service, unless [`Credentials::valid`] is set. The signatures of
//! [`Credentials::identities`] are verified: also their age, at most 15 minutes by the sandbox's clock.
//!
//! STS answers in JSON where `Accept` asks for it, as AWS's STS does.
//!
//! Bodies are JSON (`content-type: application/json`); an invalid body is answered with 422.
//!
//! # Differences from IAM
//! - Trust policies may name any service, user or other account; only roles of the account must
//!   exist.
//! - A request names a role without its path. The ARN of a role that does not exist is therefore
//!   assumed to be under [`SandboxConfig::unknown_path`]: a policy that allows `GetRole` under one
//!   path denies it for a role that does not exist, unless `unknown_path` is set to this path.
//! - The sandbox has eight AWS managed policies, some of them shortened.
//! - The service's own identity is not a role of the account: `GetRole` and other reads return
//!   `NoSuchEntity` for it, unless a role with this name is created. Only the policies of the
//!   layers decide the service's calls, and `SimulatePrincipalPolicy` uses the identity policy and
//!   its boundary for the service's ARN.
//! - All policies also decide the calls of sessions that `AssumeRole` returned, in place of the
//!   policies of the assumed role, unless [`SandboxConfig::role_policies`] is set.
//! - AWS's policy simulator knows the resource types of each action: it rejects some combinations
//!   of actions ("require different authorization information"), denies an action on an ARN of a
//!   type that the action does not have, and returns a template for several resources where the
//!   sandbox returns `*`. The sandbox accepts all actions and resources; tests use a fault with
//!   `InvalidInput` for the rejection. The sandbox's simulator sets only the context keys
//!   `aws:PrincipalArn` and `aws:PrincipalAccount` by itself, accepts the ARN of a role only with
//!   its path, and rejects actions with wildcards.

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
mod credentials;
mod documents;
mod errors;
mod faults;
mod history;
mod instance_profile;
mod json;
mod layers;
mod managed_policy;
mod names;
mod operations;
mod pages;
mod partition;
mod restored;
mod role;
mod server;
mod service;
mod session;
mod shared;
mod signature;
mod signed_request;
mod simulated_aws;
mod simulation;
mod tags;
mod throttle;
mod wire;
mod xml;

pub use call_log::Call;
pub use caller::ADMINISTRATOR_ACCESS_KEY;
pub use config::{Args, Options, OptionsError, Quotas, SandboxConfig};
pub use credentials::{Credentials, Identity};
pub use faults::{Effect, Fault, When};
pub use layers::PolicyLayer;
pub use server::{Sandbox, SandboxError};
