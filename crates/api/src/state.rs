//! What the handlers work with.

use std::sync::Arc;

use axum::extract::FromRef;
use engine_roles_provisioner::Provisioner;

use crate::auth::Authentication;
use crate::metrics::MetricsHandle;

/// What the interface is started with. A handler takes the part that it needs.
#[derive(Clone)]
pub struct Api {
    /// Carries requests out.
    pub provisioner: Provisioner,
    /// Decides which callers are let in.
    pub authentication: Arc<Authentication>,
    /// Renders the metrics.
    pub metrics: MetricsHandle,
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
