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
//! nothing or contradicts itself, the rule here is that *a doubt never widens access*: a condition
//! in doubt fails in an Allow and holds in a Deny.
//!
//! - A variable without a value matches nothing. Where that would widen a grant (a negated operator
//!   or `NotResource` in an Allow), the statement does not apply.
//! - A condition whose value does not have the operator's type, such as text for
//!   `NumericNotEquals`, is in doubt.
//! - If an empty string is a key's only value, `Null` is in doubt, `ForAllValues` and `ForAnyValue`
//!   treat it as an empty set, and every other operator treats it as an ordinary value.
//! - Without a set operator, a key with several values matches if one of them matches; with a
//!   negated operator, if none of them matches the policy's values.
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
pub use error::{PolicyError, Rule};
pub use evaluate::{Decision, Request, Source, StatementRef, evaluate, evaluate_trust};
pub use grants::{Excess, Grant, excesses, grants_within};
pub use kind::Kind;
pub use pattern::is_literal;
pub use size::of_text as size_of_text;
pub use statement::{Effect, Principal, Scope, Statement};
pub use version::Version;
