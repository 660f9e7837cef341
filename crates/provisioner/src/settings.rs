//! The provisioner's settings.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::account::Scope;
use engine_roles_domain::cluster::Defaults;
use engine_roles_store::BudgetLimits;

use crate::audit_log::AuditSigning;

/// Implements `FromStr` for a setting whose value is one of a few words.
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
    /// Drift of resources that are ours is repaired; all other drift is reported.
    #[default]
    Repair,
    /// All drift is reported.
    Report,
    /// Bindings are not checked for drift after the first read-back.
    Off,
}

words!(DriftMode: "repair" => Repair, "report" => Report, "off" => Off;
    "must be repair, report or off");

/// What is done about AWS resources that finished incarnations left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrphanMode {
    /// The resources are removed if path, name and tags prove to which incarnation they belonged.
    #[default]
    Remove,
    /// The resources are reported.
    Report,
    /// AWS is not searched for such resources.
    Off,
}

words!(OrphanMode: "remove" => Remove, "report" => Report, "off" => Off;
    "must be remove, report or off");

/// What is done about a pass-through role that is unfit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestationMode {
    /// The role is not passed to a new engine: the request is rejected.
    #[default]
    Enforce,
    /// The role is passed, and a warning is logged.
    Warn,
    /// Roles are not attested.
    Off,
}

words!(AttestationMode: "enforce" => Enforce, "warn" => Warn, "off" => Off;
    "must be enforce, warn or off");

/// Whether the service finds out by calls to IAM what its identity may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeMode {
    /// IAM's policy simulator is asked, the service's own role is read, and reads are tried.
    #[default]
    On,
    /// No such call is made, because a denied one is an event that may raise an alarm. Only the
    /// answers to ordinary calls show what the identity may do.
    Off,
}

words!(ProbeMode: "on" => On, "off" => Off; "must be on or off");

/// The provisioner's settings, which the administrator configures.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Default values for requests, and limits on what requests may ask for.
    pub defaults: Defaults,
    /// Account and partition; none when STS must be asked for them.
    pub scope: Option<Scope>,
    /// What is done about drift.
    pub drift: DriftMode,
    /// What is done about AWS resources that finished incarnations left behind.
    pub orphans: OrphanMode,
    /// What is done about a pass-through role that is unfit.
    pub attestation: AttestationMode,
    /// Whether the service finds out by calls to IAM what its identity may do.
    pub probes: ProbeMode,
    /// The rate limit on calls to the account, for reads and for writes each.
    pub call_limits: BudgetLimits,
    /// The longest time between two checks of an active binding. Each pause is a random time between
    /// half of this and all of it.
    pub reconcile_interval: Duration,
    /// How long the events of the audit log are kept; none to keep all.
    pub audit_retention: Option<Duration>,
    /// With which keys checkpoints of the audit log are signed; none to sign none.
    pub audit_signing: Option<Arc<AuditSigning>>,
    /// How often the heartbeat is raised, and the database is asked for due bindings; at most a
    /// second, and a longer time counts as a second.
    pub poll_interval: Duration,
    /// How many bindings the reconciler of one replica converges at once.
    pub reconcile_slots: usize,
}
