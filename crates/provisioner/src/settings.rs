//! The provisioner's settings.

use std::str::FromStr;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::Defaults;
use engine_roles_store::BudgetLimits;

/// What is done about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftMode {
    /// What is ours is put right, the rest is reported.
    #[default]
    Repair,
    /// All is reported.
    Report,
    /// Nothing is looked for after the first verification.
    Off,
}

impl FromStr for DriftMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "repair" => Ok(Self::Repair),
            "report" => Ok(Self::Report),
            "off" => Ok(Self::Off),
            _ => Err("must be repair, report or off".to_owned()),
        }
    }
}

/// What is done about what lives that are over have left at AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanMode {
    /// It is removed, if it is proved theirs.
    #[default]
    Remove,
    /// It is reported.
    Report,
    /// Nothing is listed.
    Off,
}

impl FromStr for OrphanMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "remove" => Ok(Self::Remove),
            "report" => Ok(Self::Report),
            "off" => Ok(Self::Off),
            _ => Err("must be remove, report or off".to_owned()),
        }
    }
}

/// What is done about a prepared role that does not serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestationMode {
    /// It is not passed to a new engine.
    #[default]
    Enforce,
    /// It is passed, and the log says so.
    Warn,
    /// Nobody looks.
    Off,
}

impl FromStr for AttestationMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "enforce" => Ok(Self::Enforce),
            "warn" => Ok(Self::Warn),
            "off" => Ok(Self::Off),
            _ => Err("must be enforce, warn or off".to_owned()),
        }
    }
}

/// The provisioner's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What requests leave open, and what they may ask for.
    pub defaults: Defaults,
    /// Account and partition, where they are configured; else STS is asked.
    pub scope: Option<Scope>,
    /// What is done about drift.
    pub drift: DriftMode,
    /// What is done about what ended lives have left.
    pub orphans: OrphanMode,
    /// What is done about a prepared role that does not serve.
    pub attestation: AttestationMode,
    /// How fast the account may be called, reads and writes each.
    pub call_limits: BudgetLimits,
    /// How often an active binding is checked, spread out.
    pub reconcile_interval: Duration,
    /// How often the database is asked for due work.
    pub poll_interval: Duration,
    /// How many bindings one replica works on at once on its own account.
    pub reconcile_batch: i64,
}
