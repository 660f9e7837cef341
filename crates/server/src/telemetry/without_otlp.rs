//! The interface of the module `otlp`, for a program that was built without traces.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_api::Traces;
use tracing::span::Id;
use tracing_subscriber::Layer;

use super::announcement::Announcement;
use super::variables::{Wanted, wanted_here};

/// Returns no layer, and a warning where the environment asks for traces.
pub(super) fn layer<S>() -> (Option<Box<dyn Layer<S> + Send + Sync>>, Announcement) {
    let announcement = if wanted_here() == Wanted::No {
        Announcement::Nothing
    } else {
        Announcement::NotBuilt
    };
    (None, announcement)
}

pub(super) fn try_collector() -> Result<String, String> {
    Err("this program was built without traces (cargo feature otlp)".to_owned())
}

pub(super) fn requests(_scheme: &'static str) -> Option<Arc<dyn Traces>> {
    None
}

pub(super) fn trace_of(_span: &Id) -> Option<String> {
    None
}

pub(super) fn flush(_limit: Duration) {}
