//! What a rule saw at AWS and in the sandbox.

use std::time::Duration;

use serde::Serialize;

/// One answer that a rule compares.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Observation {
    /// What was asked.
    pub(crate) what: String,
    /// What was found, without what differs between two accounts.
    pub(crate) found: String,
    /// How long AWS was asked until it gave this answer, in milliseconds: reads lag behind writes.
    pub(crate) waited_ms: u64,
}

impl Observation {
    pub(crate) fn new(what: &str, found: String, waited: Duration) -> Self {
        Self {
            what: what.to_owned(),
            found,
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A time that was measured at AWS. It is printed and not compared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    pub(crate) what: String,
    pub(crate) milliseconds: u64,
}

/// What a rule saw on one side.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Seen {
    pub(crate) observations: Vec<Observation>,
    pub(crate) measurements: Vec<Measurement>,
    /// What could not be checked on this side, and why.
    pub(crate) not_checked: Vec<String>,
}
