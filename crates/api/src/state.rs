//! The state that the handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use engine_roles_provisioner::Provisioner;

use crate::auth::Authentication;
use crate::log_level::LogLevels;
use crate::metrics::MetricsHandle;
use crate::traces::Traces;

/// What the HTTP interface needs. Each handler takes only the parts that it uses.
#[derive(Clone)]
pub struct Api {
    /// Executes the requests.
    pub provisioner: Provisioner,
    /// Decides which callers are accepted.
    pub authentication: Arc<Authentication>,
    /// Renders the metrics.
    pub metrics: MetricsHandle,
    /// Puts requests into distributed traces.
    pub traces: Arc<dyn Traces>,
    /// Changes the level of the log.
    pub log_levels: Arc<dyn LogLevels>,
}

impl FromRef<Api> for Arc<dyn LogLevels> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.log_levels)
    }
}

impl FromRef<Api> for Provisioner {
    fn from_ref(api: &Api) -> Self {
        api.provisioner.clone()
    }
}

impl FromRef<Api> for MetricsHandle {
    fn from_ref(api: &Api) -> Self {
        api.metrics.clone()
    }
}

impl FromRef<Api> for Arc<Authentication> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.authentication)
    }
}
