//! What the administrator can set about the provisioner.

use std::str::FromStr;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::Defaults;
use engine_roles_store::BudgetLimits;

/// Gives a setting that takes one of a few words its parser.
macro_rules! words {
    ($name:ident: $($word:literal => $value:ident),+; $rule:literal) => {
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err($rule.to_owned()),
                }
            }
        }
    };
}

/// What is done about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftMode {
    /// Drift of what is ours is repaired; all other drift is reported.
    #[default]
    Repair,
    /// All drift is reported.
    Report,
    /// Bindings are not checked after the first read-back.
    Off,
}

words!(DriftMode: "repair" => Repair, "report" => Report, "off" => Off;
    "must be repair, report or off");

/// What is done about resources that finished incarnations have left at AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanMode {
    /// The resources are removed, where path, name and tags prove whose they were.
    #[default]
    Remove,
    /// The resources are reported.
    Report,
    /// AWS is not listed.
    Off,
}

words!(OrphanMode: "remove" => Remove, "report" => Report, "off" => Off;
    "must be remove, report or off");

/// What is done about a pass-through role that is unfit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestationMode {
    /// It is not passed to a new engine.
    #[default]
    Enforce,
    /// It is passed, and the log reports it.
    Warn,
    /// Roles are not attested.
    Off,
}

words!(AttestationMode: "enforce" => Enforce, "warn" => Warn, "off" => Off;
    "must be enforce, warn or off");

/// What the administrator can set about the provisioner.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What requests leave open, and what they may ask for.
    pub defaults: Defaults,
    /// Account and partition, where they are configured; else STS is asked.
    pub scope: Option<Scope>,
    /// What is done about drift.
    pub drift: DriftMode,
    /// What is done about resources that finished incarnations have left at AWS.
    pub orphans: OrphanMode,
    /// What is done about a pass-through role that is unfit.
    pub attestation: AttestationMode,
    /// How fast the account may be called, reads and writes each.
    pub call_limits: BudgetLimits,
    /// How often an active binding is checked, spread out.
    pub reconcile_interval: Duration,
    /// How often the database is asked for due work.
    pub poll_interval: Duration,
    /// How many bindings the reconciler of one replica converges at once.
    pub reconcile_slots: usize,
}
