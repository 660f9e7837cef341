//! The requests of callers, one file for each. A request decides, records its intent, and leaves the
//! work to `convergence`; it never applies a step of a plan itself.

pub(crate) mod access;
pub(crate) mod attestation;
pub(crate) mod documents;
pub(crate) mod follow;
pub(crate) mod orphans;
pub(crate) mod permit;
pub(crate) mod plan;
pub(crate) mod provision;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod teardown;
pub(crate) mod verdicts;
