//! Handles a request to remove a role (DELETE).

use std::sync::Arc;

use engine_roles_domain::binding::{Deletion, decide_delete, lifecycle};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{Intent, Latest, Store};

use crate::aws::Gateway;
use crate::error::ProvisionerError;
use crate::requests::follow::{Answer, Follower, Request};

/// Tears a cluster's role down.
pub(crate) struct TearDown {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) follower: Arc<Follower>,
}

impl TearDown {
    pub(crate) async fn tear_down(
        &self,
        cluster: &ClusterName,
        request: &Request,
    ) -> Result<Answer, ProvisionerError> {
        // This does not ask STS, so that a teardown is recorded even when AWS can't be reached.
        let scope = self.gateway.known_account();
        let decide = |latest: Latest| -> Result<Intent, ProvisionerError> {
            let deletion = decide_delete(latest.binding.as_ref(), scope, request.if_match)?;
            let transition = match deletion {
                Deletion::Begin(binding) => lifecycle::teardown_begun(*binding, latest.now)?,
                Deletion::Resume(binding) => lifecycle::teardown_resumed(*binding, latest.now)?,
                Deletion::Close(binding) => lifecycle::closed(*binding, latest.now)?,
                Deletion::Continue(binding) | Deletion::Done(binding) => {
                    return Ok(Intent::Unchanged(binding));
                }
            };
            Ok(Intent::Changed(Box::new(transition)))
        };
        let recorded = self
            .store
            .record_intent(cluster, &request.cause, decide)
            .await?;
        Ok(self.follower.follow(recorded, request).await?)
    }
}
