//! Handles a request to remove a role (DELETE).

use std::sync::Arc;

use engine_roles_domain::binding::{Deletion, decide_delete, lifecycle};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{Intent, Operation, Store};

use crate::aws::Gateway;
use crate::error::ProvisionerError;
use crate::requests::follow::{Answer, Follower, Request};
use crate::requests::record::Decided;

const OPERATION: Operation = Operation::TearDown;

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
        loop {
            let latest = self.store.read_latest(cluster, OPERATION).await?;
            let deletion =
                decide_delete(latest.binding.as_ref(), scope.as_ref(), &request.conditions)?;
            let transition = match deletion {
                Deletion::Begin(binding) => lifecycle::teardown_begun(*binding, latest.now)?,
                Deletion::Resume(binding) => lifecycle::teardown_resumed(*binding, latest.now)?,
                Deletion::Close(binding) => lifecycle::closed(*binding, latest.now)?,
                Deletion::Continue(binding) | Deletion::Done(binding) => {
                    let follower = &self.follower;
                    return Ok(follower
                        .follow_unchanged(Arc::from(binding), request, OPERATION)
                        .await?);
                }
            };
            let decided = Box::new(Decided {
                latest,
                intent: request.sign(Intent::Changed(Box::new(transition))),
                cause: request.cause.clone(),
                operation: OPERATION,
            });
            if let Some(answer) = self.follower.carry_out(decided, request).await? {
                return Ok(answer);
            }
        }
    }
}
