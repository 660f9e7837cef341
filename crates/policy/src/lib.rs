//! The IAM policy language: parse, render, evaluate and compare policies, and prove what they
//! grant.
//!
//! This crate is separate so that the language stays pure: no network, no clock, no AWS SDK, only
//! text and values. Its decisions can therefore be tested with properties and tables, and any
//! program that handles IAM policies can use it.
//!
//! | task | item |
//! |---|---|
//! | parse, write and compare documents | [`Document`] |
//! | decide whether a request is allowed | [`evaluate`], [`evaluate_trust`] |
//! | prove that a document stays within limits | [`grants_within`], [`pattern::contains`] |
//! | find what is granted beyond limits, or how much of an area is granted | [`grants_beyond`], [`coverage`] |
//! | fill templates | [`render::fill`] |
//! | find what a person should check | [`lint::lint_text`] |
//!
//! ```
//! use engine_roles_policy::{Document, Kind, Request, evaluate};
//!
//! let text = r#"{"Version": "2012-10-17", "Statement": {"Sid": "Read", "Effect": "Allow",
//!     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}}"#;
//! let policy = Document::parse(Kind::Identity, text)?;
//!
//! let request = Request::new("s3:GetObject", "arn:aws:s3:::reports/2026.csv");
//! assert!(evaluate(&request, &[&policy], None).is_allowed());
//! # Ok::<(), engine_roles_policy::PolicyError>(())
//! ```
//!
//! # What the AWS documentation leaves open
//!
//! The source is the IAM User Guide; each row of the tests names its page. Where the guide says
//! nothing or contradicts itself, the answer is [`Decision::Indeterminate`] with a [`Doubt`], and
//! each caller reads that as what is worse for its purpose: as access where it proves that a role
//! can't do something, as no access where it proves that a role can.
//!
//! In doubt is:
//!
//! - a condition with a value, in the policy or in the request, that does not have the operator's
//!   type, such as text for `NumericNotEquals`, or for an ARN operator a text that is not an ARN of
//!   six fields (`*` is none either);
//! - an operator without `ForAllValues` or `ForAnyValue` on a key with several values, and such a
//!   key as a policy variable;
//! - `ForAnyValue:…IfExists` on an absent key: the prefix makes it false and the suffix true;
//! - `Null` on a key whose only value is an empty string.
//!
//! Settled by the guide, but easily missed:
//!
//! - A variable without a value matches nothing. A negated operator therefore holds, and
//!   `NotResource` covers everything.
//! - `ForAllValues` is true and `ForAnyValue` is false for an absent key and for a key whose only
//!   value is an empty string. Every other operator treats an empty string as an ordinary value.
//!
//! Decided here, for want of a rule:
//!
//! - A `*` or `?` in a resource also matches `:` and `/`, in every position.
//! - A wildcard in the resource type of an ARN is rejected where the service is known to write a type
//!   before each name, or where a `/` or `:` follows; `x*` of another service is a pattern of names.
//! - An incomplete ARN that ends in a colon, such as `arn:aws:sqs:`, is rejected, because the guide
//!   does not say whether its last field is missing or empty.
//! - Names of elements and operators have to be written in exactly the case of the guide.
//! - White space inside strings counts towards a document's size.

#![warn(missing_docs)]

mod arn;
mod beyond;
mod canonical;
mod comparison;
mod condition;
mod context;
mod document;
mod doubt;
mod error;
mod evaluate;
mod grants;
mod json;
mod kind;
pub mod lint;
mod moment;
mod parse;
pub mod pattern;
pub mod render;
mod size;
mod statement;
mod truth;
mod validate;
mod value;
mod variable;
mod version;
mod write;

pub use beyond::{Beyond, Certainty, Coverage, coverage, grants_beyond};
pub use condition::{Condition, Operator, SetOperator, Test};
pub use context::Context;
pub use document::Document;
pub use doubt::Doubt;
pub use error::{PolicyError, Rule};
pub use evaluate::{Decision, Request, Source, StatementRef, evaluate, evaluate_trust};
pub use grants::{Excess, Grant, excesses, grants_within};
pub use kind::Kind;
pub use pattern::is_literal;
pub use size::of_text as size_of_text;
pub use statement::{Effect, Principal, Scope, Statement};
pub use version::Version;
