//! The IAM policy language: parse, render, evaluate and compare policies, and prove what they
//! grant.
//!
//! This crate is separate so that the language stays pure: no network, no clock, no AWS SDK, only
//! text and values. Its decisions can therefore be tested with properties and tables, and any
//! program that handles IAM policies can use it.
//!
//! | task | item |
//! |---|---|
//! | parse, write and compare documents that this program writes | [`Document::parse`], [`Document::new`] |
//! | read documents that AWS holds | [`Document::read`] |
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
//! # Strict and lenient
//!
//! What a program writes is parsed strictly: [`Document::parse`] rejects whatever the documentation
//! does not allow. What AWS holds was accepted by AWS, so it means something: [`Document::read`]
//! keeps what it does not understand as a doubt, and only the decisions that the doubt can affect
//! become indeterminate. The questions read a doubt as what is worse for their purpose:
//!
//! | question | a doubtful Allow | a doubtful Deny |
//! |---|---|---|
//! | [`evaluate`], [`evaluate_trust`] | indeterminate, unless another statement decides | the same |
//! | [`grants_beyond`], [`excesses`], [`grants_within`] | grants everything that it may mean | subtracts nothing |
//! | [`grants_beyond`], an Allow of the boundary | removes nothing that it may allow | subtracts nothing |
//! | [`coverage`] | grants nothing for certain: [`Coverage::Part`] | [`Coverage::Part`] |
//! | [`Document::equivalent`] | not equivalent | not equivalent |
//!
//! # Bounds on the work
//!
//! A document that is read has at most 131,072 characters. Matching, containment and overlap of two
//! patterns take at most time proportional to the product of their lengths, whatever their
//! wildcards. [`evaluate`] and [`coverage`] look at each text of the documents once.
//! [`grants_beyond`] compares a grant only with the statements that it may meet; it stops with
//! [`TooLarge`] after a fixed number of steps, which depends on nothing but the documents.
//! The canonical form leaves statements and lists as they are whose patterns take too long to
//! compare with each other. `cargo bench -p engine-roles-policy` prints how the time grows.
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
//! - `Null` on a key whose only value is an empty string;
//! - in a document that AWS holds, what the strict parser rejects, among it a variable before the
//!   fifth colon of an ARN, a wildcard in the service or the resource type, and white space or a
//!   comma in an action.
//!
//! Settled by the guide, but easily missed:
//!
//! - A variable without a value matches nothing. A negated operator therefore holds, and
//!   `NotResource` covers everything.
//! - `ForAllValues` is true and `ForAnyValue` is false for an absent key and for a key whose only
//!   value is an empty string. Every other operator treats an empty string as an ordinary value.
//!
//! Decided here, where no rule is documented:
//!
//! - A `*` or `?` in a resource also matches `:` and `/`, in every position.
//! - A wildcard in the resource type of an ARN counts as one where the service is known to write a type
//!   before each name, or where a `/` or `:` follows; `x*` of another service is a pattern of names.
//! - An incomplete ARN that ends in a colon, such as `arn:aws:sqs:`, is not completed, because the
//!   guide does not say whether its last field is missing or empty. An ARN of six fields of which
//!   the resource is empty is completed.
//! - An unquoted number in a condition may have an exponent of at most two digits.
//! - Names of elements and operators have to be written in exactly the case of the guide.
//! - White space inside strings counts towards a document's size.

#![warn(missing_docs)]

// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod arn;
mod beyond;
mod canonical;
mod comparison;
mod condition;
mod context;
mod conversion;
mod coverage;
mod document;
mod doubt;
mod error;
mod evaluate;
mod grants;
mod index;
mod json;
mod kind;
pub mod lint;
mod moment;
mod parse;
pub mod pattern;
mod read;
mod reading;
pub mod render;
mod size;
mod statement;
mod truth;
mod validate;
mod value;
mod variable;
mod version;
mod work;
mod write;

pub use beyond::{Beyond, Certainty, grants_beyond};
pub use condition::{Condition, Operator, SetOperator, Test};
pub use context::Context;
pub use coverage::{Coverage, coverage};
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
pub use work::TooLarge;
