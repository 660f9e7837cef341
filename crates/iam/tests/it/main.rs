//! Tests of the crate against the IAM sandbox over HTTP.

mod apply;
mod errors;
mod observe;
mod test_account;
