//! The crate against the sandbox, at the wire.

mod apply;
mod errors;
mod observe;
mod test_account;
