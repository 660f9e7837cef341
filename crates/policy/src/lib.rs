//! The IAM policy language: parse, render, evaluate, contain, compare.
//!
//! The wall around this crate keeps the language pure: no network, no clock, no AWS SDK, only
//! texts and values. So its word on who may do what can be checked by properties and tables, and
//! it is of use to anybody who has IAM policies in hand.
//!
//! | for | there is |
//! |---|---|
//! | reading, writing, comparing | [`Document`] |
//! | who may do what | [`evaluate`], [`evaluate_trust`] |
//! | proving that a grant stays within its limits | [`grants_within`], [`pattern::contains`] |
//! | what is granted beyond limits, or of an area | [`grants_beyond`], [`coverage`] |
//! | filling templates | [`render::fill`] |
//! | what a person should look at | [`lint::lint_text`] |
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
//! # What AWS leaves open
//!
//! The source is the IAM User Guide; the tests name the page row by row. Where it is silent or
//! says two things, the rule here is that *what is in doubt never widens access*: a condition in
//! doubt fails in an Allow and holds in a Deny.
//!
//! - A variable without a value matches nothing. Where matching nothing would widen a grant (a
//!   negated operator or `NotResource` in an Allow), the statement falls away.
//! - A value that is not of its operator's type, such as text for `NumericNotEquals`, is in doubt.
//! - An empty string as a key's only value is in doubt for `Null`, an empty set for `ForAllValues`
//!   and `ForAnyValue`, and an ordinary value for every other operator.
//! - A key of many values without a set operator matches by one of them; negated, by none.
//! - A `*` or `?` of a resource also takes `:` and `/`, wherever it stands.
//! - Names of elements and operators are taken in exactly the case in which the guide has them.
//! - White space inside of strings counts towards a document's size.

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
