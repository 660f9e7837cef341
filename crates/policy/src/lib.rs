//! The IAM policy language: parse, render, evaluate, contain, compare.
//!
//! The wall around this crate keeps the language pure: no network, no clock, no AWS SDK, only
//! texts and values. So its word on who may do what can be checked by properties and tables, and
//! it is of use to anybody who has IAM policies in hand.
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

mod arn;
mod canonical;
mod comparison;
mod condition;
mod context;
mod document;
mod error;
mod evaluate;
mod grants;
mod json;
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
mod write;

pub use condition::{Condition, Operator, SetOperator, Test};
pub use context::Context;
pub use document::{Document, Kind, Version};
pub use error::{PolicyError, Rule};
pub use evaluate::{Decision, Request, Source, StatementRef, evaluate, evaluate_trust};
pub use grants::{Excess, Grant, grants_within};
pub use pattern::is_literal;
pub use size::of_text as size_of_text;
pub use statement::{Effect, Principal, Scope, Statement};
