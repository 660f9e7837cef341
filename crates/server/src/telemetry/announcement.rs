//! What became of the variables of traces, for the log that starts at the same time.

use tracing::{info, warn};

/// What to log about traces once the log has started.
#[derive(Clone, Debug)]
pub(super) enum Announcement {
    /// The environment asks for no traces.
    Nothing,
    /// Traces are sent to this host.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "needs the feature"))]
    Sent { collector: String },
    /// Traces are not sent, because this variable breaks a rule.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "needs the feature"))]
    NotSent { variable: String, rule: String },
    /// Traces are asked for, and this program was built without them.
    #[cfg_attr(
        feature = "otlp",
        expect(dead_code, reason = "needs the feature to be off")
    )]
    NotBuilt,
}

impl Announcement {
    pub(super) fn log(&self) {
        match self {
            Self::Nothing => {}
            Self::Sent { collector } => info!(collector, "traces are sent"),
            Self::NotSent { variable, rule } => warn!(
                variable,
                rule, "traces are not sent: the variable is invalid"
            ),
            Self::NotBuilt => warn!(
                "traces are not sent: this program was built without them (cargo feature otlp)"
            ),
        }
    }
}
