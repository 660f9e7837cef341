//! Measurements of a binary of the service, for a comparison before and after a change.
//!
//! A measurement uses only what every release has: HTTP, the tables `bindings` and `audit_events`,
//! and the sandbox. Settings that a measurement does not name have their defaults.

mod hostile;
mod idle;
mod recovery;
mod round_trips;
mod settings;
mod throughput;

use std::path::Path;

pub use hostile::{Hostile, Siege, hostile};
pub use idle::{Idle, idle};
pub use recovery::{Crash, Recovery, recovery};
pub use round_trips::{Counts, RoundTrips, round_trips};
pub use throughput::{Level, Load, level, throughput};

use crate::{Installation, InstallationBuilder};

/// Returns an installation that runs this binary, on a Postgres server of its own, with the default
/// poll interval, and with an identity that may do everything.
fn installation_of(binary: &Path) -> InstallationBuilder {
    Installation::build()
        .binary(binary)
        .own_postgres()
        .allowed_everything()
        .env("ENGINE_ROLES_POLL_INTERVAL", "")
        .env("ENGINE_ROLES_LOG", "info")
}
