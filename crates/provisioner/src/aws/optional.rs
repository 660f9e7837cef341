//! Optional features: each needs permissions that this service's identity may lack.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use engine_roles_iam::{ErrorKind, IamError};
use tracing::{debug, warn};

/// A feature without which the service still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionalFeature {
    /// The check of all active bindings with one listing of the account.
    BulkSweep,
    /// The search for AWS resources that no binding accounts for.
    Orphans,
    /// The rejection of requests while a quota of the account is used up.
    Quota,
}

impl OptionalFeature {
    /// Returns the word on the wire and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BulkSweep => "bulk_sweep",
            Self::Orphans => "orphans",
            Self::Quota => "quota",
        }
    }
}

/// The optional features that are off because AWS denied a call.
#[derive(Debug, Default)]
pub(crate) struct OptionalFeatures {
    missing: Mutex<BTreeMap<OptionalFeature, String>>,
}

impl OptionalFeatures {
    /// Returns the features that are off, each with the missing permission.
    pub(crate) fn missing(&self) -> Vec<(OptionalFeature, String)> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing
            .iter()
            .map(|(feature, permission)| (*feature, permission.clone()))
            .collect()
    }

    /// Records the outcome of using a feature.
    pub(crate) fn note(&self, feature: OptionalFeature, outcome: Result<(), &IamError>) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let name = feature.as_str();
        match outcome {
            Ok(()) => drop(missing.remove(&feature)),
            Err(error) if error.is_not_sent() => {
                debug!(
                    feature = name,
                    "optional feature skipped this time; the call budget is used up"
                );
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                let permission = error.missing_permission.clone().unwrap_or_default();
                if missing.insert(feature, permission.clone()).is_none() {
                    warn!(
                        feature = name,
                        missing_permission = permission,
                        "optional feature is off; AWS denied the call"
                    );
                }
            }
            Err(error) => {
                warn!(
                    feature = name,
                    error = error as &dyn std::error::Error,
                    "optional feature failed; it is retried later"
                );
            }
        }
    }
}
